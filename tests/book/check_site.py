"""Look at every page of the built site: `python tests/book/check_site.py _build/html`. Part of `make book`."""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlparse

CHECKOUT = Path(__file__).resolve().parents[2]
OWN_PATH = re.compile(rf"(?<![\w./:-]){re.escape(str(CHECKOUT))}/")
LOADING = ("src", "srcset", "poster", "data")  # attributes whose address a browser fetches by itself
# In style sheets and scripts: what is loaded without a click.
LOADED = re.compile(
    r"""(?:url\(\s*|@import\s+|\bimport\s*\(?\s*|\bfrom\s*|\bfetch\(\s*)["']?((?:https?:)?//[^"')\s]+)"""
)


class Page(HTMLParser):
    """The pictures, links and anchors of one page, and what it loads."""

    def __init__(self, path: Path):
        super().__init__()
        self.images, self.links, self.ids, self.loaded = [], [], set(), []
        text = path.read_text(encoding="utf-8")
        self.feed(text)
        self.code = "".join(re.findall(r"<(?:script|style)[^>]*>(.*?)</(?:script|style)>", text, re.DOTALL))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids.add(values.get("id"))
        if tag == "img":
            decoration = values.get("alt") == "" and (values.get("src") or "data:").startswith("data:")
            if not decoration:  # a drawing beside its name, made by code
                self.images.append((values.get("src", ""), values.get("alt") or ""))
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])
        if tag == "link" and values.get("rel") not in ("canonical", "alternate"):
            self.loaded.append(values.get("href") or "")
        if tag not in ("a", "area"):
            self.loaded += [values[name] for name in LOADING if values.get(name)]


def is_elsewhere(address: str) -> bool:
    return bool(re.match(r"(https?:)?//", address))


def elsewhere(site: Path) -> list[str]:
    """What style sheets and scripts load from other hosts."""
    assets = [*site.glob("**/*.css"), *site.glob("**/*.js")]
    return [
        f"{path.relative_to(site)}: loads {address}"
        for path in sorted(assets)
        for address in LOADED.findall(re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL))
    ]


LEAST_OUTPUTS = 5  # a chapter that shows less has not been run


def not_run(html: str, text: str) -> list[str]:
    """What tells that the cells of a chapter were not run: no time taken, or next to nothing shown."""
    if "This chapter ran in {" not in text:  # the last cell of every chapter
        return []
    times = [int(seconds) for seconds in re.findall(r"This chapter ran in (\d+) s", text)]
    outputs = html.count('class="cell_output')
    found = [] if times and min(times) > 0 else ["the chapter took no time: its cells were not run"]
    return found + ([f"the chapter shows {outputs} outputs: were its cells run?"] if outputs < LEAST_OUTPUTS else [])


def problems(site: Path) -> list[str]:
    """All that a reader would stumble over, a line each."""
    pages = {path.resolve(): Page(path) for path in sorted(site.glob("**/*.html")) if "_static" not in path.parts}
    found = [] if pages else [f"no pages in {site}"]
    found += elsewhere(site)
    for path, page in pages.items():
        name = path.relative_to(site.resolve())
        loaded = [*filter(is_elsewhere, page.loaded), *LOADED.findall(page.code)]
        found += [f"{name}: loads {address}" for address in loaded]
        for source, alt in page.images:
            # Without a text of ours, Sphinx writes the file's name, a hash, into alt.
            if len(alt.split()) < 2 and "logo" not in source:
                found.append(f"{name}: picture {source[:80]} has no alternative text (it says {alt!r})")
        for link in page.links:
            url = urlparse(link)
            if url.scheme or url.netloc:
                continue
            target = (path.parent / unquote(url.path)).resolve() if url.path else path
            if not target.exists():
                found.append(f"{name}: dead link {link}")
            elif url.fragment and target in pages and unquote(url.fragment) not in pages[target].ids:
                found.append(f"{name}: dead anchor {link}")
        html = path.read_text(encoding="utf-8")
        if "application/vnd.jupyter.widget-view+json" in html:
            found.append(f"{name}: a widget is dead without a kernel; build with RESNET_TUTORIAL_STATIC=1")
        text = re.sub(r"<[^>]+>", "", html)
        found += [f"{name}: {line}" for line in not_run(html, text)]
        if "Traceback (most recent call last)" in text:
            found.append(f"{name}: an error is shown on the page")
        if OWN_PATH.search(text):
            found.append(f"{name}: holds a path of the machine that built it, {CHECKOUT}")
    return found


if __name__ == "__main__":
    lines = problems(Path(sys.argv[1]))
    print("\n".join(lines) or f"checked every page of {sys.argv[1]}: pictures described, links alive")
    sys.exit(bool(lines))
