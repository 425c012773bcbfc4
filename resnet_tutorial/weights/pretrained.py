"""Networks that come trained: files of half-precision weights in ``resnet_tutorial/pretrained``.

Each is called ``MODEL.TAG``, where the tag says what it was trained on, as in ``resnet20.cifar10``. The header of
a file holds all that `save_weights` writes, and under ``published`` what a model card says.
"""

import fnmatch
import json
from pathlib import Path
from typing import Any

from safetensors import safe_open

from ..architectures import get_architecture
from ..errors import InputError
from ..models.resnet import ResNet
from .file import read_weights
from .loading import load_weights

FOLDER = Path(__file__).parents[1] / "pretrained"


def list_pretrained(pattern: str = "*") -> dict[str, dict[str, Any]]:
    """The trained networks in the package that match a wildcard, in alphabetical order of their names.

    ``resnet20.cifar10`` is what ``create_model("resnet20", pretrained="cifar10")`` gives.

    Returns:
        For each name, the ``data`` that it was trained on, its ``accuracy`` on their test part (top-1, in percent), and
        what else the model card says.
    """
    files = {path.stem: path for path in sorted(FOLDER.glob("*.safetensors"))}
    return {name: _card(path) for name, path in files.items() if fnmatch.fnmatchcase(name, pattern.lower())}


def _card(path: Path) -> dict[str, Any]:
    with safe_open(path, framework="pt") as file:  # the tensors are not read
        told = json.loads((file.metadata() or {}).get("published", "null")) or {}
    half = {"accuracy": told["accuracy_half"]} if "accuracy_half" in told else {}  # that of the file itself
    return {key: value for key, value in (told | half).items() if key != "accuracy_half"}


def pretrained_file(name: str) -> Path:
    """The file of a trained network, for `resnet_tutorial.training.load_trained`, `read_weights` and the command line.

    Args:
        name: a name from `list_pretrained`.

    Raises:
        InputError: if the package has no such network.
    """
    if name not in list_pretrained():
        known = ", ".join(list_pretrained()) or "none"
        raise InputError(f"no trained network is called {name!r}: the package has {known}; see list_pretrained()")
    return FOLDER / f"{name}.safetensors"


def load_pretrained(model: ResNet, tag: str | bool) -> None:
    """Load the weights that the package has for a network; its shortcut option becomes that of the weights.

    Args:
        model: a fresh network.
        tag: what it was trained on, such as ``cifar10``; True for the first that there are.

    Raises:
        InputError: if there are no such weights, or they are for other classes or options.
    """
    network = get_architecture(model.arch.name).name
    if tag is True:
        tag = next(iter(list_pretrained(f"{network}.*")), f"{network}.*").partition(".")[2]
    name = f"{network}.{tag}"
    path = pretrained_file(name)
    classes = len(read_weights(path).metadata["classes"])
    if model.num_classes != classes:
        raise InputError(
            f"{name} knows {classes} classes, not {model.num_classes}: build it with num_classes={classes}, then call "
            f"model.reset_classifier({model.num_classes}) and train"
        )
    load_weights(model, path)
