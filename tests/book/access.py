"""Who cannot see a page, or has no mouse: what a browser finds out about that. Used by `browse_site.py`."""

GRAVE = ("serious", "critical")  # findings of axe-core that are problems
COLORS = ["color-contrast", "link-in-text-block"]  # the rules of axe-core about colors: nine tenths of its time
# Marks one piece of all text that is styled alike: the same tags and classes from the page down, the same own styles.
SAMPLE = """() => {
  document.querySelectorAll('[data-sample]').forEach(element => element.removeAttribute('data-sample'));
  const seen = new Set(), texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const named = element => ['class', 'style', 'fill'].map(name => element.getAttribute(name));
  const way = element => element ? [way(element.parentElement), element.tagName, ...named(element)].join() : '';
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement, own = way(element);
    if (!texts.currentNode.data.trim() || !element.checkVisibility() || seen.has(own)) continue;
    seen.add(own);
    element.dataset.sample = '';
  }
  return seen.size;
}"""
# A color that fades from one scheme into the other is judged where it ends. The page hears of a scheme a frame later.
STILL = """async () => {
  await new Promise(requestAnimationFrame);
  await new Promise(requestAnimationFrame);
  document.getAnimations().forEach(animation => animation.cancel());
}"""
# What the tools' own parts are found guilty of: the rule, and what the selector of the part begins with.
OF_THE_TOOLS = (("aria-required-children", ".citation-list"),)  # docutils: a list whose items have a role of their own

# Pictures without a text, or with the hash that Sphinx gives to one that has none. `alt=""` is for mere decoration.
SPEECHLESS = """() => [...document.images]
  .filter(image => !image.hasAttribute('alt') || /[0-9a-f]{32}/.test(image.alt))
  .map(image => image.src.split('/').pop().slice(0, 80))"""

EXPLORERS = ".rt-nets:has(input, select, button)"
# What the keyboard stops at between two marks around an explorer. Of a group of radio buttons it is one.
MARK = """explorer => {
  for (const [place, id] of [['beforebegin', 'mark-before'], ['afterend', 'mark-after']]) {
    document.getElementById(id)?.remove();
    const mark = document.createElement('span');
    mark.id = id;
    mark.tabIndex = 0;
    explorer.insertAdjacentElement(place, mark);
  }
  document.getElementById('mark-before').focus();
  const seen = element => element.checkVisibility() && !element.disabled;
  const controls = [...explorer.querySelectorAll('input, select, textarea, button, summary, a[href]')].filter(seen);
  return [...new Set(controls.map(name))];
  function name(element) {
    return element.type == 'radio' ? element.name : (element.id || element.name || element.textContent.trim());
  }
}"""
FOCUSED = """() => {
  const element = document.activeElement;
  const name = element.type == 'radio' ? element.name : (element.id || element.name || element.textContent.trim());
  let shown = false;
  for (let box = element; box && !box.matches('.rt-nets'); box = box.parentElement) {
    const style = getComputedStyle(box);
    shown ||= (style.outlineStyle != 'none' && parseFloat(style.outlineWidth) > 0) || style.boxShadow != 'none';
  }
  return {name, shown};
}"""
# All that a reader sees of an explorer, but for the controls themselves.
VIEW = """explorer => explorer.innerText + [...explorer.querySelectorAll('svg *, canvas, img, output')]
  .map(part => `${getComputedStyle(part).display} ${part.getAttribute('d') || part.getAttribute('points') || ''}`)"""
KEYS = {
    "radio": ["ArrowRight"],
    "checkbox": ["Space"],
    "number": ["End", "0"],  # ten times as many: one more may not show
    "range": ["ArrowRight"],
    "select-one": ["ArrowDown"],
}


def grave_findings(page) -> list[str]:
    """What axe-core calls serious or critical on a page as it stands: colors aside, and what is known of the tools."""
    return _axe(page, None, {"rules": {rule: {"enabled": False} for rule in COLORS}})


def poor_colors(page) -> list[str]:
    """The same of the colors, in the scheme as it stands. Of all text that is styled alike, one piece is looked at."""
    if not page.evaluate(SAMPLE):  # no text at all
        return []
    page.evaluate(STILL)
    return _axe(page, {"include": [["[data-sample]"]]}, {"runOnly": COLORS})


def _axe(page, context: dict | None, options: dict) -> list[str]:
    from axe_playwright_python.sync_playwright import Axe

    options |= {"resultTypes": ["violations"], "preload": False}  # it would load style sheets anew, from wrong places
    violations = Axe().run(page, context, options).response["violations"]
    parts = [(rule, node["target"][0]) for rule in violations if rule["impact"] in GRAVE for node in rule["nodes"]]
    ours = [(rule, part) for rule, part in parts if not _is_known(rule["id"], part)]
    return [f"axe: {rule['impact']}, {rule['id']} ({rule['help']}): {part}" for rule, part in ours]


def _is_known(rule: str, part: str) -> bool:
    return any(rule == known and str(part).startswith(start) for known, start in OF_THE_TOOLS)


def speechless_pictures(page) -> list[str]:
    """Pictures without an alternative text."""
    return [f"no alternative text: {name}" for name in page.evaluate(SPEECHLESS)]


def keyboard_problems(page) -> list[str]:
    """Controls of explorers that Tab does not reach, that show no focus, or do nothing when a key is pressed."""
    found = []
    for i, explorer in enumerate(page.locator(EXPLORERS).all(), start=1):
        found += [f"explorer {i}: {line}" for line in _walk(page, explorer) + _press(page, explorer)]
    return found


def _walk(page, explorer) -> list[str]:
    controls, reached, unseen = explorer.evaluate(MARK), [], []
    for _ in range(10 + 2 * len(controls)):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        if focused["name"] == "mark-after":
            break
        reached.append(focused["name"])
        unseen += [] if focused["shown"] else [focused["name"]]
    missed = [f"the keyboard does not reach {name!r}" for name in controls if name not in reached]
    return missed + [f"no sign of the focus on {name!r}" for name in unseen]


def _press(page, explorer) -> list[str]:
    """One key on each kind of control that is there; a group of radio buttons is one control."""
    dead, done = [], set()
    for control in explorer.locator("input, select").all():
        kind, name = control.evaluate("control => [control.type, control.name || control.id]")
        if kind not in KEYS or (kind, name) in done or not control.is_visible() or control.is_disabled():
            continue
        done.add((kind, name))
        chosen = explorer.locator(f"input[name='{name}']:checked") if kind == "radio" else control
        before = explorer.evaluate(VIEW)
        chosen.first.focus()
        for key in KEYS[kind]:
            page.keyboard.press(key)
        page.wait_for_timeout(50)
        if explorer.evaluate(VIEW) == before:
            dead.append(f"{' '.join(KEYS[kind])} on {name!r} changes nothing")
    return dead
