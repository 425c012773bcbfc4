"""A trained network that classifies pictures in the reader's browser, without a kernel, a server or a library.

The script `classifier.js` is the whole network once more, in plain JavaScript. It reads the package's own file of
weights, and loads it only when the reader asks for it.
"""

import base64
import os
import random
from pathlib import Path
from urllib.parse import quote

from ..errors import InputError
from ..training.trained import load_trained
from ..weights import list_pretrained, pretrained_file
from .tables import NUMBER, html_table
from .widgets.page import STATIC, STYLE, script

SCRIPT = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
CLASSIFIER_STYLE = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")

# Drawings of 32×32: half of them of what the network knows, half of what it has never seen.
_CIRCLE = '<circle cx="{}" cy="{}" r="{}" fill="{}"/>'
_RECT = '<rect x="{}" y="{}" width="{}" height="{}" fill="{}"/>'
_PATH = '<path d="{}" fill="{}"/>'


def _sky(color: str = "#a8cdf0") -> str:
    return _RECT.format(0, 0, 32, 32, color)


def _wheels(y: int, *xs: int) -> str:
    return "".join(_CIRCLE.format(x, y, 3, "#222") + _CIRCLE.format(x, y, 1.2, "#999") for x in xs)


def _random_squares() -> str:
    draw = random.Random(0)
    return "".join(
        _RECT.format(x, y, 4, 4, f"#{draw.randrange(4096):03x}") for x in range(0, 32, 4) for y in range(0, 32, 4)
    )


EXAMPLES = {
    "a ship": _sky()
    + _RECT.format(0, 21, 32, 11, "#1f4f7d")
    + _PATH.format("M3 17h26l-4 8H7z", "#333")
    + _RECT.format(10, 11, 11, 6, "#eee")
    + _RECT.format(14, 6, 3, 5, "#b33"),
    "an airplane": _sky("#6fa8dc")
    + _PATH.format("M2 17l22-3q6 0 6 2t-6 3l-20 2zM12 15l-5-9h4l8 9zM13 19l-3 7h3l7-8zM3 16l-1-6h3l4 6z", "#e8e8ee"),
    "an automobile": _sky("#c9d4da")
    + _RECT.format(0, 22, 32, 10, "#777")
    + _PATH.format("M2 23v-6l6-1 4-5h10l5 6 4 1v5z", "#c22")
    + _PATH.format("M10 16l3-4h4v4zM18 12h3l3 4h-6z", "#bfe0ee")
    + _wheels(23, 8, 25),
    "a frog": _sky("#7a6a44")
    + '<ellipse cx="16" cy="20" rx="11" ry="8" fill="#4a8a2c"/>'
    + "".join(_CIRCLE.format(x, 11, 4, "#4a8a2c") + _CIRCLE.format(x, 11, 2, "#111") for x in (10, 22))
    + _PATH.format("M3 29q2-8 7-5l-2 6zM29 29q-2-8-7-5l2 6z", "#38701f"),
    "a cat": _sky("#d9c7a8")
    + _PATH.format("M6 16l1-12 7 6h4l7-6 1 12q0 12-10 12T6 16z", "#8a6a4a")
    + "".join(_CIRCLE.format(x, 16, 2.2, "#dd6") + _CIRCLE.format(x, 16, 1, "#111") for x in (12, 20))
    + _PATH.format("M14 21h4l-2 2z", "#c77"),
    "a red circle": _sky("#ddd") + _CIRCLE.format(16, 16, 10, "#d22"),
    "stripes": "".join(_RECT.format(0, y, 32, 2, "#222" if y % 4 else "#eee") for y in range(0, 32, 2)),
    "the letter A": _sky("#fff") + _PATH.format("M5 28l9-24h4l9 24h-4l-2-6H11l-2 6zM12 19h8l-4-11z", "#000"),
    "random squares": _random_squares(),
    "plain gray": _sky("#808080"),
}


class BrowserClassifier:
    """What `browser_classifier` returns: it shows itself in a notebook, and as text elsewhere."""

    def __init__(self, name: str):
        self.name = name
        self.file = pretrained_file(name)
        self.trained = load_trained(self.file)
        arch = self.trained.model.arch
        if (arch.kind, arch.block, arch.stem) != ("resnet", "basic", "cifar"):
            raise InputError(f"{name} cannot run in the browser: the script knows residual networks of basic blocks")

    def __repr__(self) -> str:
        return f"{self.name}, to run in a browser: it shows itself in a notebook"

    def _repr_html_(self) -> str:
        facts = {"name": self.name, "classes": self.trained.class_names, "size": self.trained.image_size}
        # A built site has the weights beside it; elsewhere there is only this cell.
        weights = (
            "" if os.environ.get(STATIC) else f'<script type="text/plain" data-part="weights">{self._text()}</script>'
        )
        return (
            f'<div class="rt-nets rt-classifier"><style>{STYLE}{CLASSIFIER_STYLE}</style>{self._form()}'
            "<noscript><p>The classifier is a script, and this browser runs none. In a terminal, "
            "<code>resnet-tutorial predict</code> does the same.</p></noscript>"
            f"{weights}{script(SCRIPT, facts)}</div>"
        )

    def _form(self) -> str:
        size = len(self._text()) / 1e6
        # The theme's class dark-light: pictures are not dimmed in dark mode.
        examples = "".join(
            f'<label><img alt="" class="dark-light" src="{_picture(drawing)}">'
            f'<span><input type="radio" name="rt-example"{" checked" if i == 0 else ""}> {name}</span></label>'
            for i, (name, drawing) in enumerate(EXAMPLES.items())
        )
        columns = {"class": self.trained.class_names, "probability": [""] * len(self.trained.class_names)}
        numbers = {"probability": NUMBER}
        table = html_table(columns, "Probability of each class", attributes=numbers, head=False)
        return (
            '<form method="dialog" data-part="form" hidden>'
            f'<p><button type="button" data-part="load">Load the network ({size:.1f} MB)</button></p>'
            '<div data-part="rest" hidden>'
            f'<fieldset><legend>Choose a picture</legend><div class="rt-examples" data-part="examples">{examples}</div>'
            '<p><label class="rt-own">or one of your own: '
            '<input type="file" accept="image/*" data-part="file"></label></p>'
            "<p>You can also paste one. It does not leave your machine.</p></fieldset>"
            '<div class="rt-both"><figure><img data-part="picture" class="dark-light" alt="">'
            "<figcaption>what you chose</figcaption></figure>"
            f'<figure><canvas data-part="seen" width="{self.trained.image_size}" height="{self.trained.image_size}" '
            'role="img" aria-label="The same picture, cut and scaled for the network"></canvas>'
            f"<figcaption>what the network sees: {self.trained.image_size}×{self.trained.image_size}</figcaption>"
            "</figure></div></div>"
            '<p role="status" data-part="status">Nothing is loaded before you press the button.</p>'
            f'<div class="rt-answers" data-part="table" hidden>{table}</div></form>'
        )

    def _text(self) -> str:
        return base64.b64encode(self.file.read_bytes()).decode()


def browser_classifier(name: str) -> BrowserClassifier:
    """A trained network that runs in the browser: choose a picture, and see what it answers.

    Where the environment variable ``RESNET_TUTORIAL_STATIC`` is set, as when the book is built, the page loads the
    weights from the file that `write_weights` makes; elsewhere they are part of the output.

    Args:
        name: a name from `list_pretrained`; a residual network of basic blocks with the stem for small images.

    Raises:
        InputError: if there is no such network, or the script does not know its kind.
    """
    return BrowserClassifier(name)


def write_weights(folder: Path) -> None:
    """Write the trained networks as scripts into ``folder/_weights``: a page opened from a folder can load no other."""
    to = folder / "_weights"
    to.mkdir(parents=True, exist_ok=True)
    for name in list_pretrained():
        text = base64.b64encode(pretrained_file(name).read_bytes()).decode()
        (to / f"{name}.js").write_text(f'(globalThis.resnetTutorialWeights ??= {{}})["{name}"] = "{text}";\n')


def _picture(drawing: str) -> str:
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="128" height="128" viewBox="0 0 32 32">{drawing}</svg>'
    return f"data:image/svg+xml,{quote(svg)}"
