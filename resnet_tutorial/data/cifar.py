"""CIFAR-10 from torchvision's files (Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images")."""

import os
import tarfile
import tempfile
from pathlib import Path

import torch

from ..errors import InputError
from .dataset import ImageDataset

FOLDER = "cifar-10-batches-py"
ARCHIVE = "cifar-10-python.tar.gz"
ARCHIVE_MD5 = "c58f30108f718f92721af3b95e74349a"


def has_cifar10(root: Path) -> bool:
    """Whether the folder holds CIFAR-10, unpacked or as its archive, or is the unpacked folder itself."""
    return root.name == FOLDER or (root / FOLDER).is_dir() or (root / ARCHIVE).is_file()


def load_cifar10(root: Path) -> tuple[ImageDataset, ImageDataset]:
    """Read the train part (50,000 images) and the test part (10,000) from a folder.

    Args:
        root: the folder that holds ``cifar-10-batches-py`` or ``cifar-10-python.tar.gz``.

    Raises:
        InputError: if the files are not there or damaged.
    """
    from torchvision.datasets import CIFAR10  # imported here: torchvision is slow to import

    if root.name == FOLDER:
        root = root.parent
    if not (root / FOLDER).is_dir():
        _unpack(root)
    parts = []
    for split in ("train", "test"):
        try:
            part = CIFAR10(root, train=split == "train")
        except RuntimeError:  # torchvision compares each file with its MD5
            raise InputError(
                f"the files in {root / FOLDER} are damaged or incomplete: delete that folder and run "
                f"`resnet-tutorial download --root {root}`"
            ) from None
        labels = torch.tensor(part.targets, dtype=torch.int64)
        parts.append(ImageDataset(torch.from_numpy(part.data), labels, tuple(part.classes), "CIFAR-10", split))
    return parts[0], parts[1]


def _unpack(root: Path) -> None:
    """Unpack the archive beside itself, whole or not at all."""
    from torchvision.datasets.utils import check_integrity

    archive = root / ARCHIVE
    if not archive.is_file():
        raise InputError(
            f"no CIFAR-10 in {root} (looked for {FOLDER} and {ARCHIVE}): run `resnet-tutorial download --root {root}`"
        )
    if not check_integrity(archive, ARCHIVE_MD5):
        raise InputError(
            f"{archive} is damaged or cut off (its MD5 is not {ARCHIVE_MD5}): delete it and run "
            f"`resnet-tutorial download --root {root}`"
        )
    with tempfile.TemporaryDirectory(dir=root, prefix=".unpack-") as temporary, tarfile.open(archive) as tar:
        tar.extractall(temporary, filter="data")
        os.replace(Path(temporary, FOLDER), root / FOLDER)
