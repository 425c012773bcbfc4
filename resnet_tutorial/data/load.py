"""One way in for every data set: `load_dataset`."""

import logging
import os
from collections.abc import Callable
from pathlib import Path

import torch

from ..errors import InputError
from ..files import reading
from .cifar import KINDS, find_cifar, load_cifar
from .dataset import ImageDataset
from .download import download_dataset
from .folder import has_image_folder, load_image_folder
from .npz import find_npz, load_npz
from .parquet import find_parquet, load_parquet
from .shapes import CLASSES, load_shapes10

logger = logging.getLogger(__name__)

DATASETS = ("auto", "shapes10", *KINDS, "folder", "npz", "parquet")
DATA_VARIABLE = "RESNET_TUTORIAL_DATA"


def load_dataset(
    name: str = "auto", root: str | Path | None = None, *, download: bool = False, image_size: int = 32
) -> tuple[ImageDataset, ImageDataset]:
    """Load the train part and the test part of a data set.

    Args:
        name: one of these, or ``auto``: what is found in ``root``, and Shapes-10 if there is no root.

            - ``shapes10``: made by this package, needs no files;
            - ``cifar10``, ``cifar100`` (100 fine labels), ``cifar100-coarse`` (20 superclasses): the Python or binary
              version as its authors published it, unpacked or as the archive, which is not unpacked;
            - ``folder``: image files in ``train/<class>/*`` and ``test/<class>/*``;
            - ``npz``: NumPy's files, see :func:`resnet_tutorial.data.load_npz`;
            - ``parquet``: as the Hugging Face hub has them, see :func:`resnet_tutorial.data.load_parquet`.
        root: the folder of the data; without one, the environment variable ``RESNET_TUTORIAL_DATA``. An archive or
            an ``.npz`` file can be named itself.
        download: fetch CIFAR-10 or CIFAR-100 first if it is not in ``root``; nothing else can be fetched.
        image_size: height and width in pixels of the images of ``folder`` and ``parquet``; the others stay as they are.

    Returns:
        The train part and the test part.

    Raises:
        InputError: if the name is unknown, or the data are missing or damaged.
    """
    if name not in DATASETS:
        raise InputError(f"no data set is called {name!r}: choose from {', '.join(DATASETS)}")
    if image_size < 1:
        raise InputError(f"images cannot be {image_size} pixels high: choose at least 1")
    root = root or os.environ.get(DATA_VARIABLE) or None
    if name == "shapes10" or (name == "auto" and root is None):
        return _shapes10()
    if root is None:
        raise InputError(f"{name} needs a folder: name it, or set {DATA_VARIABLE}")
    root = Path(root).expanduser()
    if download:
        download_dataset(name.removesuffix("-coarse"), root)
    with reading(root):
        if not root.exists():
            raise InputError(f"the data folder {root} does not exist: check the path")
        name = _found_in(root) if name == "auto" else name
    if name in KINDS:
        return load_cifar(name, root)
    if name == "folder":
        return load_image_folder(root, image_size)
    return load_npz(root) if name == "npz" else load_parquet(root, image_size)


def _found_in(root: Path) -> str:
    """The name of the first data set in a folder; where there are others, say which one is taken."""
    found = [name for name in ("cifar10", "cifar100") if find_cifar(name, root)]
    found += [name for name, is_there in _OTHERS.items() if is_there(root)]
    if not found:
        raise InputError(
            f"no data set found in {root}: it should hold CIFAR-10 or CIFAR-100 (unpacked or as the archive), "
            "train/<class>/* and test/<class>/*, an .npz file, or train*.parquet and test*.parquet"
        )
    if len(found) > 1:
        logger.warning("%s holds several data sets, %s: %s is taken", root, " and ".join(found), found[0])
    return found[0]


_OTHERS: dict[str, Callable[[Path], bool]] = {
    "folder": has_image_folder,
    "npz": lambda root: bool(find_npz(root)),
    "parquet": lambda root: any(find_parquet(root).values()),
}


def _shapes10() -> tuple[ImageDataset, ImageDataset]:
    parts = zip(("train", "test"), load_shapes10(), strict=True)
    train, test = (
        ImageDataset(torch.from_numpy(images), torch.from_numpy(labels), CLASSES, "Shapes-10", split)
        for split, (images, labels) in parts
    )
    return train, test
