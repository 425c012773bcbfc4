"""What the widgets share: style, pieces of HTML, and ipywidgets if it is there."""

import json
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from ...errors import InputError

STATIC = "RESNET_TUTORIAL_STATIC"  # set where pages without a kernel are built
WORDS = 'class="rt-wide"'  # left out where it is narrow: the table above says the same

STYLE = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")
CHOICE_STYLE = """
.rt-nets:has([name={group}][value="{value}"]:checked) .rt-hidden[data-{group}="{value}"] {{ display: revert; }}
"""


def script(text: str, facts: dict) -> str:
    """A script element: what stands for ``FACTS`` in the text are these, as JSON."""
    values = json.dumps(facts).replace("<", "\\u003c")  # no text of theirs may end the element
    return f"<script>{text.replace('FACTS', values)}</script>"


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
