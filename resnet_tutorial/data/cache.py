"""Data sets that were read once, kept in a file of the user's cache folder, so that the next start is quick."""

import hashlib
import json
import logging
import os
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ..errors import InputError
from ..files import replacing
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


def cache_file(place: str, name: str) -> Path:
    """The cache file of what is read from a place."""
    words = "".join(c if c.isascii() and c.isalnum() else "-" for c in name.lower())[:40]
    return cache_folder() / f"{words}-{hashlib.sha256(os.fsencode(place)).hexdigest()[:16]}.safetensors"


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
    path = cache_file(place, name)
    key = f"{READER_VERSION} {key}"
    reading = kept = read_cache(path, key, name)
    if reading is None:
        reading = read()
    if reading.failures and not skip_unreadable:
        raise InputError(
            f"{unreadable(reading.failures)}: repair or remove them, or leave them out with --skip-unreadable"
        )
    if kept is None:
        try:
            write_cache(path, key, reading)
        except InputError as error:
            logger.warning("%s is not cached and will be read again next time: %s", name, error)
    left_out = [f"{name}: left out, as {unreadable(reading.failures)}"] if reading.failures else []
    for notice in (*reading.notices, *left_out):
        logger.warning(notice)
    return reading.parts


def write_cache(path: Path, key: str, reading: Reading) -> None:
    """Write a cache file, whole or not at all: the tensors, and in the header all else, with a checksum.

    Raises:
        InputError: if the file cannot be written.
    """
    parts = dict(zip(("train", "test"), reading.parts, strict=True))
    tensors = {f"{split}_images": part.images.contiguous() for split, part in parts.items()}
    tensors |= {f"{split}_labels": part.labels.contiguous() for split, part in parts.items()}
    facts = {"key": key, "classes": reading.parts[0].classes, "left_out": [part.left_out for part in reading.parts]}
    about = json.dumps(facts | {"notices": reading.notices, "failures": reading.failures})
    with replacing(path) as temporary:
        temporary.touch()
        mode = temporary.stat().st_mode
        try:
            save_file(tensors, temporary, {"about": about, "checksum": _checksum(tensors, about)})
        except SafetensorError as error:
            raise OSError(f"{error}") from None
        temporary.chmod(mode)  # safetensors lets nobody else read its files, but several users may share a cache


def read_cache(path: Path, key: str, name: str) -> Reading | None:
    """What ``write_cache`` wrote, or None if it is missing, damaged or was made from other data.

    The images are mapped into memory: several processes share them, and a change stays in the process that makes it.
    """
    try:
        with safe_open(path, "pt") as file:
            header, tensors = file.metadata(), {tensor: file.get_tensor(tensor) for tensor in file.keys()}  # noqa: SIM118
        about = json.loads(header["about"])
        if about["key"] != key or header["checksum"] != _checksum(tensors, header["about"]):
            return None
        train, test = (
            ImageDataset(
                tensors[f"{split}_images"], tensors[f"{split}_labels"], tuple(about["classes"]), name, split, left_out
            )
            for split, left_out in zip(("train", "test"), about["left_out"], strict=True)
        )
        return Reading((train, test), tuple(about["notices"]), tuple(about["failures"]))
    except Exception:  # a damaged file can fail in many ways, and making it anew mends them all
        return None


def _checksum(tensors: Mapping[str, torch.Tensor], about: str) -> str:
    """CRC-32 of what is said about the tensors, and of each with its name, type and shape."""
    total = zlib.crc32(about.encode())
    for name, tensor in sorted(tensors.items()):
        total = zlib.crc32(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode(), total)
        total = zlib.crc32(tensor.numpy(), total)
    return str(total)
