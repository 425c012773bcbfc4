"""A folder of one's own images: ``train/<class>/*`` and ``test/<class>/*``."""

import hashlib
import logging
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..errors import InputError
from ..files import reading
from .cache import Parts, Reading, cached
from .dataset import ImageDataset
from .pictures import SUFFIXES, decode_all

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Listing:
    """The image files of one part, in order, and what else lies there."""

    paths: list[str]
    labels: list[int]
    state: str  # changes with the name, size and times of change of every file
    others: Counter  # suffixes of files that are no images
    astray: int  # image files beside the class folders, and folders inside them


def has_image_folder(root: Path) -> bool:
    """Whether the folder has a ``train`` or a ``test`` folder in it."""
    return (root / "train").is_dir() or (root / "test").is_dir()


def load_image_folder(root: Path, image_size: int = 32) -> Parts:
    """Read the train and the test part of an image folder. Class names are the names of the folders, sorted.

    The decoded images are kept in the user's cache folder until an image is added, removed or changed. Hidden files are
    passed over; links are followed, wherever they lead: it is the user's own folder. What else is passed over is
    reported, each time.

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
    name = root.resolve().name
    listings = {split: _list_part(root / split, classes) for split in ("train", "test")}
    state = hashlib.sha256("".join(listing.state for listing in listings.values()).encode(errors="surrogateescape"))
    for split, listing in listings.items():
        for notice in _passed_over(listing):
            logger.warning("%s, %s: %s", name, split, notice)
    return cached(
        f"{root.resolve()} at {image_size} pixels",
        state.hexdigest(),
        name,
        lambda: _read(listings, classes, name, image_size),
    )


def _class_names(part: Path) -> tuple[str, ...]:
    with reading(part):
        if not part.is_dir():
            raise InputError(f"no folder {part}: an image folder needs train/<class>/* and test/<class>/*")
        names = sorted(entry.name for entry in part.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not names:
        raise InputError(f"no class folders in {part}: put the images of each class into {part}/<class>/")
    return tuple(names)


def _list_part(part: Path, classes: tuple[str, ...]) -> _Listing:
    paths, labels, state, others = [], [], [], Counter()
    with reading(part):
        astray = sum(_has_image_suffix(path) and path.is_file() for path in part.iterdir())
    for label, name in enumerate(classes):
        first = len(paths)
        with reading(part / name), os.scandir(part / name) as found:
            for entry in sorted(found, key=lambda entry: entry.name):
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    astray += 1
                    continue
                if not _has_image_suffix(entry):
                    others[os.path.splitext(entry.name)[1].lower() or "no suffix"] += 1
                    continue
                stat = _stat(entry)
                paths.append(entry.path)
                labels.append(label)
                times = f"{stat.st_mtime_ns}\0{stat.st_ctime_ns}"
                state.append(f"{part.name}/{name}/{entry.name}\0{stat.st_size}\0{times}\n")
        if len(paths) == first:
            raise InputError(f"no images in {part / name}: add some, or remove the class from train and test")
    return _Listing(paths, labels, "".join(state), others, astray)


def _has_image_suffix(path: Path | os.DirEntry) -> bool:
    return os.path.splitext(path.name)[1].lower() in SUFFIXES


def _passed_over(listing: _Listing) -> list[str]:
    """What lies in a part and is not read, one line each."""
    notices = []
    if listing.others:
        kinds = ", ".join(sorted(listing.others))
        notices.append(f"passed over, as no images: {listing.others.total():,} files ({kinds})")
    if listing.astray:
        notices.append(
            f"passed over, as not in train/<class>/* or test/<class>/*: {listing.astray:,} (images beside the class "
            "folders, or folders inside them)"
        )
    return notices


def _stat(entry: os.DirEntry) -> os.stat_result:
    try:
        return entry.stat()
    except FileNotFoundError:
        raise InputError(f"{entry.path} is a link that leads nowhere: repair it or remove it") from None


def _read(listings: dict[str, _Listing], classes: tuple[str, ...], name: str, image_size: int) -> Reading:
    parts, notices = [], []
    for split, listing in listings.items():
        decoded = decode_all(listing.paths, listing.paths.__getitem__, image_size)
        labels = torch.from_numpy(np.array(listing.labels, dtype=np.int64))
        parts.append(ImageDataset(torch.from_numpy(decoded.images), labels, classes, name, split))
        notices += [f"{name}, {split}: {notice}" for notice in decoded.notices]
    return Reading((parts[0], parts[1]), tuple(notices))
