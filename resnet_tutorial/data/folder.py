"""A folder of one's own images: ``train/<class>/*`` and ``test/<class>/*``."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch

from ..errors import InputError
from .dataset import ImageDataset

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}


def has_image_folder(root: Path) -> bool:
    """Whether the folder has a ``train`` or a ``test`` folder in it."""
    return (root / "train").is_dir() or (root / "test").is_dir()


def load_image_folder(root: Path, image_size: int = 32) -> tuple[ImageDataset, ImageDataset]:
    """Read the train and the test part of an image folder. Class names are the names of the folders, sorted.

    Args:
        root: a folder with ``train/<class>/*`` and ``test/<class>/*``.
        image_size: images of another size are scaled (shorter side) and cropped at the center to this many pixels.

    Raises:
        InputError: if a part or a class is missing or empty, or a file cannot be read as an image.
    """
    classes = _class_names(root / "train")
    test_classes = _class_names(root / "test")
    for name in sorted(set(classes) ^ set(test_classes)):
        there, missing = ("train", "test") if name in classes else ("test", "train")
        raise InputError(
            f"class {name!r} has a folder in {root / there} but none in {root / missing}: "
            "both parts need the same classes"
        )
    return tuple(_load_part(root, split, classes, image_size) for split in ("train", "test"))


def read_image(path: Path, image_size: int = 32) -> np.ndarray:
    """Read one image file as uint8 image_size × image_size × 3, RGB.

    Raises:
        InputError: if the file is missing or is no image.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError  # imported here: not needed for other data sets

    try:
        with Image.open(path) as image:
            image = image.convert("RGB")
            if image.size != (image_size, image_size):
                image = ImageOps.fit(image, (image_size, image_size), Image.Resampling.BICUBIC)
            return np.asarray(image)
    except FileNotFoundError:
        raise InputError(f"no such image: {path}") from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = "it is no image" if isinstance(error, UnidentifiedImageError) else error
        raise InputError(f"{path} cannot be read as an image ({reason}): repair it or remove it") from None


def _class_names(part: Path) -> tuple[str, ...]:
    if not part.is_dir():
        raise InputError(f"no folder {part}: an image folder needs train/<class>/* and test/<class>/*")
    names = sorted(entry.name for entry in part.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not names:
        raise InputError(f"no class folders in {part}: put the images of each class into {part}/<class>/")
    return tuple(names)


def _load_part(root: Path, split: str, classes: tuple[str, ...], image_size: int) -> ImageDataset:
    paths, labels = [], []
    for label, name in enumerate(classes):
        folder = root / split / name
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
        if not files:
            raise InputError(f"no images in {folder}: add some, or remove the class from train and test")
        paths += files
        labels += [label] * len(files)
    images = np.empty((len(paths), image_size, image_size, 3), dtype=np.uint8)
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow decodes outside Python's lock
        for i, image in enumerate(pool.map(partial(read_image, image_size=image_size), paths, chunksize=64)):
            images[i] = image
    return ImageDataset(torch.from_numpy(images), torch.tensor(labels), classes, root.resolve().name, split)
