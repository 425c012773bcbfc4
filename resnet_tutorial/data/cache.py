"""Data sets that were read once, kept in a file of the user's cache folder, so that the next start is quick."""

import hashlib
import logging
import os
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch

from ..errors import InputError
from ..files import open_atomic
from .dataset import ImageDataset
from .pictures import unreadable

# Raise this number whenever a reader gives other pixels, so that no old cache file is read.
READER_VERSION = 2

logger = logging.getLogger(__name__)

Parts = tuple[ImageDataset, ImageDataset]


@dataclass(frozen=True)
class Reading:
    """What a reader found.

    Attributes:
        parts: the train part and the test part.
        notices: what the user should know about them, one line each; told again when they come from the cache.
        failures: the images that could not be read and were left out, each by its name and why.
    """

    parts: Parts
    notices: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()


def cache_folder() -> Path:
    """Return the folder for cache files: ``RESNET_TUTORIAL_CACHE`` if set, else the user's cache folder."""
    if folder := os.environ.get("RESNET_TUTORIAL_CACHE"):
        return Path(folder)
    try:
        from platformdirs import user_cache_dir
    except ImportError:  # on a bare machine; only the command line is sure to have it
        return Path("~/.cache/resnet_tutorial").expanduser()
    return Path(user_cache_dir("resnet_tutorial"))


def read_arrays(path: Path) -> dict[str, np.ndarray] | None:
    """Return the arrays of a cache file, or None if it is missing or damaged."""
    try:
        with path.open("rb") as file:
            names = np.load(file, allow_pickle=False).tolist()
            arrays = {name: _read_array(file) for name in names}
            sums = np.load(file, allow_pickle=False)
        return arrays if np.array_equal(sums, _checksums(arrays)) else None
    except Exception:  # a damaged file can fail in many ways, and making it anew mends them all
        return None


def _read_array(file: BinaryIO) -> np.ndarray:
    """Read one array; map images into memory, so that several processes share them and nothing is copied."""
    start = file.tell()
    np.lib.format.read_magic(file)
    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    if dtype != np.uint8:
        file.seek(start)
        return np.load(file, allow_pickle=False)
    # A private map: a change to the images stays in this process.
    start = file.tell()
    images = np.memmap(file, dtype, "c", start, shape)
    file.seek(start + images.nbytes)
    return np.asarray(images)


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a cache file, whole or not at all: names, arrays, checksums, each as NumPy's ``.npy``.

    Unlike an ``.npz``, this can be mapped into memory, and is written without a second copy of the arrays.

    Raises:
        InputError: if the file cannot be written.
    """
    with open_atomic(path, sync=False) as file:  # what a power cut damages, the checksums show
        for array in (np.array(list(arrays)), *arrays.values(), _checksums(arrays)):
            np.save(file, np.ascontiguousarray(array), allow_pickle=False)


def _checksums(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """CRC-32 of each array with its name, type and shape."""
    heads = [f"{name} {array.dtype.str} {array.shape}".encode() for name, array in arrays.items()]
    contents = [np.ascontiguousarray(array).data for array in arrays.values()]
    sums = [zlib.crc32(content, zlib.crc32(head)) for head, content in zip(heads, contents, strict=True)]
    return np.array(sums, dtype=np.uint32)


def cached(place: str, key: str, name: str, read: Callable[[], Reading], skip_unreadable: bool = False) -> Parts:
    """Return the parts from the cache if they were made from the same data, else read them and cache them.

    Args:
        place: names the file or folder that is read, and the size of the images: the cache holds one file for each.
        key: describes the state of what is read; where it has changed, the cache file is made anew.
        name: name of the data set.
        read: reads the source.
        skip_unreadable: go on without the images that cannot be read.

    Raises:
        InputError: if images cannot be read and shall not be left out: all of them, or the first.
    """
    digest = hashlib.sha256(os.fsencode(place)).hexdigest()[:16]
    path = cache_folder() / f"{_file_name(name)}-{digest}.cache"
    key = f"{READER_VERSION} {key}"
    reading = kept = _from_arrays(read_arrays(path), key, name)
    if reading is None:
        reading = read()
    if reading.failures and not skip_unreadable:
        raise InputError(
            f"{unreadable(reading.failures)}: repair or remove them, or leave them out with --skip-unreadable"
        )
    if kept is None:
        try:
            write_arrays(path, _to_arrays(reading, key))
        except InputError as error:
            logger.warning("%s is not cached and will be read again next time: %s", name, error)
    left_out = [f"{name}: left out, as {unreadable(reading.failures)}"] if reading.failures else []
    for notice in (*reading.notices, *left_out):
        logger.warning(notice)
    return reading.parts


def _file_name(name: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in name.lower())[:40]


def _to_arrays(reading: Reading, key: str) -> dict[str, np.ndarray]:
    train, test = reading.parts
    return {
        "key": np.array([key]),
        "notices": np.array(reading.notices, dtype=str),
        "failures": np.array(reading.failures, dtype=str),
        "left_out": np.array([train.left_out, test.left_out]),
        "classes": np.array(train.classes, dtype=str),
        "train_images": train.images.numpy(),
        "train_labels": train.labels.numpy(),
        "test_images": test.images.numpy(),
        "test_labels": test.labels.numpy(),
    }


def _from_arrays(arrays: dict[str, np.ndarray] | None, key: str, name: str) -> Reading | None:
    """What ``_to_arrays`` packed, or None if it is damaged or was made from other data."""
    try:
        if arrays is None or arrays["key"].tolist() != [key]:
            return None
        classes = tuple(arrays["classes"].tolist())
        train, test = (
            ImageDataset(
                torch.from_numpy(arrays[f"{split}_images"]),
                torch.from_numpy(arrays[f"{split}_labels"]),
                classes,
                name,
                split,
                left_out,
            )
            for split, left_out in zip(("train", "test"), arrays["left_out"].tolist(), strict=True)
        )
        return Reading((train, test), tuple(arrays["notices"].tolist()), tuple(arrays["failures"].tolist()))
    except (KeyError, TypeError, ValueError):
        return None
