"""One way in for every data set: `load_dataset`."""

import os
from pathlib import Path

import torch

from ..errors import InputError
from .cifar import has_cifar10, load_cifar10
from .dataset import ImageDataset
from .download import download_dataset
from .folder import has_image_folder, load_image_folder
from .shapes import CLASSES, load_shapes10

DATASETS = ("auto", "shapes10", "cifar10", "folder")
DATA_VARIABLE = "RESNET_TUTORIAL_DATA"


def load_dataset(
    name: str = "auto", root: str | Path | None = None, *, download: bool = False
) -> tuple[ImageDataset, ImageDataset]:
    """Load the train part and the test part of a data set.

    Args:
        name: ``cifar10``, ``folder`` (``train/<class>/*`` and ``test/<class>/*``), ``shapes10`` (made by this package,
            needs no files), or ``auto``: what is found in ``root``, and Shapes-10 if there is no root.
        root: the folder of the data; without one, the environment variable ``RESNET_TUTORIAL_DATA``.
        download: fetch CIFAR-10 or CIFAR-100 first if it is not in ``root``; nothing else can be fetched.

    Returns:
        The train part and the test part.

    Raises:
        InputError: if the name is unknown, or the data are missing or damaged.
    """
    if name not in DATASETS:
        raise InputError(f"no data set is called {name!r}: choose from {', '.join(DATASETS)}")
    root = root or os.environ.get(DATA_VARIABLE) or None
    if name == "shapes10" or (name == "auto" and root is None):
        return _shapes10()
    if root is None:
        raise InputError(f"{name} needs a folder: name it, or set {DATA_VARIABLE}")
    root = Path(root).expanduser()
    if download:
        download_dataset(name, root)
    if not root.is_dir():
        raise InputError(f"the data folder {root} does not exist: check the path")
    if name == "cifar10" or (name == "auto" and has_cifar10(root)):
        return load_cifar10(root)
    if name == "folder" or has_image_folder(root):
        return load_image_folder(root)
    raise InputError(
        f"no data set found in {root}: it should hold cifar-10-batches-py, cifar-10-python.tar.gz, "
        "or train/<class>/* and test/<class>/*"
    )


def _shapes10() -> tuple[ImageDataset, ImageDataset]:
    parts = zip(("train", "test"), load_shapes10(), strict=True)
    train, test = (
        ImageDataset(torch.from_numpy(images), torch.from_numpy(labels), CLASSES, "Shapes-10", split)
        for split, (images, labels) in parts
    )
    return train, test
