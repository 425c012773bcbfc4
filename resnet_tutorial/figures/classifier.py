"""A trained network that classifies pictures in the reader's browser, without a kernel, a server or a library.

The script `classifier.js` is the whole network once more, in plain JavaScript. It reads the package's own file of
weights, and loads it only when the reader asks for it.
"""

import base64
import os
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
EXAMPLES = ("a ship", "an airplane", "an automobile", "a frog", "a cat")
EXAMPLES += ("a red circle", "stripes", "the letter A", "random squares", "plain gray")


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
            f'<label><img alt="" class="dark-light" src="{_drawing(name)}">'
            f'<span><input type="radio" name="rt-example"{" checked" if i == 0 else ""}> {name}</span></label>'
            for i, name in enumerate(EXAMPLES)
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


def _drawing(name: str) -> str:
    svg = (Path(__file__).with_name("drawings") / f"{name.replace(' ', '_')}.svg").read_text(encoding="utf-8")
    return f"data:image/svg+xml,{quote(svg.replace(chr(10), ''))}"
