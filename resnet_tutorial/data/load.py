"""One way in for every data set: `load_dataset`."""

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from ..errors import InputError
from ..files import reading
from .cache import Parts
from .cifar import KINDS, find_cifar, load_cifar
from .dataset import ImageDataset
from .download import download_dataset
from .folder import find_parts, load_image_folder
from .npz import find_npz, load_npz
from .parquet import find_parquet, load_parquet
from .pictures import is_image
from .shapes import load_shapes10

logger = logging.getLogger(__name__)

DATASETS = ("auto", "shapes10", *KINDS, "folder", "npz", "parquet")
DATA_VARIABLE = "RESNET_TUTORIAL_DATA"


def load_dataset(
    name: str = "auto",
    root: str | Path | None = None,
    *,
    download: bool = False,
    image_size: int | None = None,
    test_share: float | None = None,
    skip_unreadable: bool = False,
    test_alone: bool = False,
) -> tuple[ImageDataset, ImageDataset]:
    """Load the train part and the test part of a data set.

    Args:
        name: one of these, or ``auto``: what is found in ``root``, and Shapes-10 if there is no root.

            - ``shapes10``: made by this package, needs no files;
            - ``cifar10``, ``cifar100`` (100 fine labels), ``cifar100-coarse`` (20 superclasses): the Python or binary
              version as its authors published it, unpacked or as the archive, which is not unpacked, whatever folder or
              archive are called;
            - ``folder``: image files in ``train/<class>/*`` and ``test/<class>/*``;
            - ``npz``: NumPy's files, see :func:`resnet_tutorial.data.load_npz`;
            - ``parquet``: as the Hugging Face hub has them, see :func:`resnet_tutorial.data.load_parquet`.
        root: the folder of the data, or the folder above it if it is the only one there; without one, the environment
            variable ``RESNET_TUTORIAL_DATA``. An archive or an ``.npz`` file can be named itself.
        download: fetch CIFAR-10 or CIFAR-100 first if it is not in ``root``; nothing else can be fetched.
        image_size: height and width to which all images are scaled, in pixels. If not given, those of ``folder`` and
            ``parquet`` get 32, and the others stay as they are.
        test_share: of ``folder``, ``npz`` and ``parquet`` without a test part, the share of the training images to
            split off as one, with the classes in proportion; always the same images. A folder of class folders is then
            taken for the train part.
        skip_unreadable: of ``folder`` and ``parquet``, leave out the images that cannot be read.
        test_alone: of ``folder``, ``npz`` and ``parquet``, read the test part and give an empty train part; a folder of
            class folders is then taken for the test part, if no share is to be split off.

    Returns:
        The train part and the test part.

    Raises:
        InputError: if the name is unknown, or the data are missing or damaged.
    """
    if name not in DATASETS:
        raise InputError(f"no data set is called {name!r}: choose from {', '.join(DATASETS)}")
    if image_size is not None and image_size < 1:
        raise InputError(f"images cannot be {image_size} pixels high: choose at least 1")
    if test_share is not None and not 0 < test_share < 1:
        hint = f": for {test_share:g} %, give {test_share / 100:g}" if 1 < test_share < 100 else ""
        raise InputError(f"the test share must be between 0 and 1, got {test_share:g}{hint}")
    root = root or os.environ.get(DATA_VARIABLE) or None
    if name == "shapes10" or (name == "auto" and root is None):
        return _scaled(load_shapes10(), image_size)
    if root is None:
        raise InputError(f"{name} needs a folder: name it, or set {DATA_VARIABLE}")
    root = Path(root).expanduser()
    if download and (name not in KINDS or _find(name, root)[1] == root):
        download_dataset(name.removesuffix("-coarse"), root)
    with reading(root):
        if not root.exists():
            raise InputError(f"the data folder {root} does not exist: check the path")
    name, place = _find(name, root, test_alone or test_share is not None)
    if place != root:
        logger.warning("%s: the data set in the folder %s is read", root, place.name)
    alone = {"train_alone": test_share is not None, "test_alone": test_alone}
    if name == "folder":
        parts = load_image_folder(place, image_size or 32, **alone, skip_unreadable=skip_unreadable)
    elif name == "parquet":
        parts = load_parquet(place, image_size or 32, **alone, skip_unreadable=skip_unreadable)
    else:
        parts = _scaled(load_npz(place, **alone) if name == "npz" else load_cifar(name, place), image_size)
    return parts if test_share is None else _split(parts, test_share)


def _find(name: str, root: Path, one_part: bool = False) -> tuple[str, Path]:
    """The name of the data set in a folder, and where it is: there, or in the only folder in it that has one.

    A name other than ``auto`` is kept, and ``root`` with it if there is no such data set: its reader says what it
    looked for. Class folders will do if one part is enough.
    """
    wanted = [each for each in _FINDERS if each != "cifar100-coarse"] if name == "auto" else [name]
    with reading(root):
        inside = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")) if root.is_dir() else []
    found = [each for each in wanted if _FINDERS[each](root)]
    if found:
        if len(found) > 1:
            logger.warning("%s holds several data sets, %s: %s is taken", root, " and ".join(found), found[0])
        return found[0], root
    below = [(each, folder) for folder in inside for each in wanted if _holds(each, folder)]
    if len({folder for _, folder in below}) == 1:
        return below[0]
    if name != "auto":
        return name, root
    if below:
        names = ", ".join(sorted({folder.name for _, folder in below}))
        raise InputError(f"no data set in {root} itself, but in {names}: name one of these folders")
    with reading(root):
        classes = [folder.name for folder in inside if any(is_image(path.name) for path in folder.iterdir())]
    if one_part and classes:
        return "folder", root
    if root.is_file():
        raise InputError(
            f"{root} is no data set that is read here: name an archive of CIFAR, an .npz file, or the folder that "
            "holds train/<class>/* and test/<class>/*"
        )
    hint = f"; it has {', '.join(classes[:3])} with images: move them into {root / 'train'}" if classes else ""
    hint += ", or split a test part off with --test-share 0.2" if classes else ""
    raise InputError(
        f"no data set found in {root}: it should hold CIFAR-10 or CIFAR-100 (unpacked or as the archive), "
        f"train/<class>/* and test/<class>/*, an .npz file, or train*.parquet and test*.parquet{hint}"
    )


def _holds(name: str, folder: Path) -> bool:
    """Whether a folder below the named one surely holds a data set: ``training`` may be anything, and so may .npz."""
    found = _FINDERS[name](folder)
    if name == "folder" and found:
        files = (file for _, _, files in os.walk(found.get("train", "")) for file in files)
        return any(is_image(file) for file in files)
    return bool(found) and name != "npz"


# For each data set, what finds something in a folder that holds it.
_FINDERS: dict[str, Callable[[Path], object]] = {
    **{name: partial(find_cifar, name) for name in KINDS},
    "folder": find_parts,
    "npz": find_npz,
    "parquet": find_parquet,
}


def _split(parts: Parts, share: float) -> Parts:
    """Split a test part off, where there is none."""
    train, test = parts
    if len(test):
        logger.warning("%s has a test part, so none is split off", train.name)
        return parts
    whole, n = train, min(round(share * len(train)), len(train) - 1)
    if n:
        train, test = whole.hold_out(n)
    for part, split, more in ((train, "train", "smaller"), (test, "test", "larger")):
        if not part.counts().all():
            k = int(part.counts().argmin())
            raise InputError(
                f"with a test share of {share:g}, none of the images of class {whole.classes[k]!r} would be in the "
                f"{split} part; there are {whole.counts()[k]}: choose a {more} share, or add images"
            )
    return train, replace(test, split="test", left_out=0)


def _scaled(parts: Parts, image_size: int | None) -> Parts:
    """Scale the images to squares of this size, as the readers of image files do: cropped at the center first."""
    if image_size is None or parts[0].images.shape[1:3] == (image_size, image_size):
        return parts
    train, test = (
        replace(part, images=torch.cat([_resize(images, image_size) for images in part.images.split(1000)]))
        for part in parts
    )
    return train, test


def _resize(images: torch.Tensor, size: int) -> torch.Tensor:
    height, width = images.shape[1:3]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = images[:, top : top + side, left : left + side].permute(0, 3, 1, 2).float()
    scaled = torch.nn.functional.interpolate(square, size=(size, size), mode="bicubic", antialias=True)
    return scaled.round().clamp(0, 255).byte().permute(0, 2, 3, 1).contiguous()
