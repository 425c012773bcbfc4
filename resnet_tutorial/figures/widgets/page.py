"""What the widgets share: style, pieces of HTML, and ipywidgets if it is there."""

from collections.abc import Iterable
from types import ModuleType

from ...errors import InputError

STATIC = "RESNET_TUTORIAL_STATIC"  # set where pages without a kernel are built
WORDS = 'class="rt-wide"'  # left out where it is narrow: the table above says the same

# Colors come from the page, so that light and dark themes both work. Where a table is wider than the page, the chosen
# column sticks to the edge. Without :has() nothing is hidden.
STYLE = """
.rt-nets { container-type: inline-size; font-size: 0.85em; line-height: 1.4;
  --rt-page: var(--pst-color-background, var(--jp-layout-color0, var(--colab-primary-surface-color, Canvas)));
  --rt-text: var(--pst-color-text-base, var(--jp-content-font-color1, var(--colab-primary-text-color, CanvasText))); }
.rt-nets form { margin: 0; }
.rt-nets fieldset { border: 0; margin: 0; padding: 0; min-width: 0; }
.rt-nets legend { float: none; width: auto; margin: 0; padding: 0; font-size: inherit; font-weight: bold; }
.rt-nets .rt-row { display: flex; margin: 0.2em 0; }
.rt-nets .rt-row > span { flex: 0 0 15em; padding: 0.1em 0; }
.rt-nets .rt-row > div { display: flex; flex-wrap: wrap; gap: 0 0.6em; }
.rt-nets label { display: inline-flex; align-items: center; gap: 0.3em; margin: 0; padding: 0.1em 0.3em; }
.rt-nets input { margin: 0; }
.rt-nets label:focus-within { outline: 2px solid currentColor; }
.rt-nets .rt-scroll:focus-visible { outline: 2px solid currentColor; }
.rt-nets label:has(:checked) { font-weight: bold; text-decoration: underline; }
.rt-nets p { margin: 0.6em 0 0; }
.rt-nets .rt-scroll { margin: 0.6em 0; }
.rt-nets.rt-nets table { border-collapse: separate; border-spacing: 0; width: auto; margin: 0; font-size: inherit;
  color: inherit; }
.rt-nets.rt-nets caption { caption-side: top; padding: 0.2em 0; text-align: left; color: inherit; }
.rt-nets.rt-nets tr { background: none; }
.rt-nets.rt-nets :is(th, td) { padding: 0.25em 0.6em; border: 0 solid currentColor; border-bottom: 1px solid #8888;
  text-align: left; vertical-align: middle; white-space: nowrap; color: inherit; background: none; }
.rt-nets.rt-nets .rt-number { text-align: right; font-variant-numeric: tabular-nums; }
.rt-nets.rt-nets .rt-share { background: linear-gradient(to left, #8885 var(--share), transparent var(--share)); }
.rt-nets pre { margin: 0; padding: 0.5em; white-space: pre-wrap; color: inherit; background: #8882; border: 0; }
@supports selector(:has(*)) { .rt-nets .rt-hidden { display: none; } }
@container (max-width: 40em) {
  .rt-nets .rt-row { display: block; }
  .rt-nets.rt-nets .rt-hidden .rt-wide { display: none; }
}
"""
CHOICE_STYLE = """
.rt-nets:has([name={group}][value="{value}"]:checked) .rt-hidden[data-{group}="{value}"] {{ display: revert; }}
"""


def radio_buttons(group: str, legend: str, choices: dict[str, str]) -> str:
    """Radio buttons with a heading; the first is chosen."""
    first = next(iter(choices))
    checked = {first: " checked"}
    buttons = "".join(
        f'<label><input type="radio" name="{group}" value="{value}"{checked.get(value, "")}>{text}</label>'
        for value, text in choices.items()
    )
    return f'<fieldset><legend>{legend}</legend><div class="rt-row"><div>{buttons}</div></div></fieldset>'


def in_words(group: str, choices: dict[str, str]) -> str:
    """The chosen one in words, which a screen reader speaks when it changes."""
    return "".join(f'<span class="rt-hidden" data-{group}="{value}">{text}</span>' for value, text in choices.items())


def form(style: Iterable[str], parts: Iterable[str], kind: str = "rt-nets") -> str:
    """Controls and what they show. A form of its own keeps radio buttons apart from those of others on the page.

    Args:
        style: of the page.
        parts: HTML, one below the other.
        kind: classes of the whole.
    """
    body = "\n".join(parts)
    return f'<div class="{kind}"><style>{"".join(style)}</style><form method="dialog">{body}</form></div>'


def load_ipywidgets(what: str, instead: str) -> ModuleType:
    """The library of controls, which only a notebook with a kernel needs.

    Raises:
        InputError: if it is not installed; ``what`` needs it, and what to do ``instead`` ends the message.
    """
    try:
        import ipywidgets
    except ImportError:
        raise InputError(f"the {what} needs ipywidgets: pip install ipywidgets, or {instead}") from None
    return ipywidgets
