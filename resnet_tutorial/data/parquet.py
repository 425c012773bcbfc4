"""Data sets in Parquet files, as the Hugging Face hub gives out CIFAR-10."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, first_line
from ..files import reading
from .cache import Parts, Reading, cached
from .npz import make_parts, numbered_classes
from .pictures import decode_all

_FOLDERS = (".", "plain_text", "data")  # where the hub's repositories keep the files
_IMAGES, _LABELS = ("img", "image"), ("label", "fine_label", "labels")
_ROWS = 1000  # rows read at once


def find_parquet(root: Path) -> dict[str, list[Path]]:
    """Find the files ``train*.parquet`` and ``test*.parquet``; empty lists where there are none."""
    for folder in _FOLDERS:
        found = {split: sorted((root / folder).glob(f"{split}*.parquet")) for split in ("train", "test")}
        if any(found.values()):
            return found
    return {"train": [], "test": []}


def load_parquet(root: Path, image_size: int = 32) -> Parts:
    """Read the train and the test part from Parquet files, such as ``train-00000-of-00001.parquet``.

    A column ``img`` or ``image`` holds the image files, a column ``label`` or ``fine_label`` the numbers of the
    classes. The decoded images are kept in the user's cache folder until a file changes. pyarrow is needed
    (``pip install "resnet-tutorial[parquet]"``).

    Args:
        root: the folder of the files, or the folder above it.
        image_size: images of another size are scaled (shorter side) and cropped at the center to this many pixels.

    Raises:
        InputError: if a part is missing, a file is damaged or holds something else, or pyarrow is not installed.
    """
    paths = find_parquet(root)
    for split, found in paths.items():
        if not found:
            raise InputError(f"no {split}*.parquet in {root}: there should be train*.parquet and test*.parquet")
    with reading(root):
        stats = [(path.name, path.stat()) for found in paths.values() for path in found]
    state = hashlib.sha256(repr([(name, s.st_size, s.st_mtime_ns) for name, s in stats]).encode()).hexdigest()
    name = root.resolve().name
    place = f"{root.resolve()} parquet at {image_size} pixels"
    return cached(place, state, name, lambda: _read(paths, name, image_size))


@dataclass(frozen=True)
class _Rows:
    """The rows of one file: encoded images, labels, and the class names if the file has them."""

    path: Path
    images: list[bytes]
    labels: list[int]
    classes: tuple[str, ...] | None


def _read(paths: dict[str, list[Path]], name: str, image_size: int) -> Reading:
    arrays, notices, classes = [], [], None
    for split, found in paths.items():
        files = [_read_file(path) for path in found]
        names = [(rows.path, i) for rows in files for i in range(len(rows.images))]
        decoded = decode_all(
            [image for rows in files for image in rows.images],
            lambda i, names=names: f"{names[i][0]}, row {names[i][1]}",
            image_size,
        )
        arrays.append((decoded.images, np.array([label for rows in files for label in rows.labels], dtype=np.int64)))
        classes = classes or files[0].classes
        notices += [f"{name}, {split}: {notice}" for notice in decoded.notices]
    try:
        return Reading(make_parts(*arrays, classes or numbered_classes(arrays[0][1]), name), tuple(notices))
    except ValueError as error:
        raise InputError(f"{paths['train'][0].parent}: {error}") from None


def _read_file(path: Path) -> _Rows:
    try:
        from pyarrow import parquet
    except ImportError:
        raise InputError('Parquet files need pyarrow: pip install "resnet-tutorial[parquet]"') from None
    with reading(path):
        opened = path.open("rb")
    try:
        with opened, parquet.ParquetFile(opened) as file:
            return _to_rows(path, file)
    except Exception as error:  # a damaged file can fail in many ways
        raise InputError(f"{path} cannot be read as Parquet ({first_line(error)}): fetch it again") from None


def _to_rows(path: Path, file: Any) -> _Rows:
    names = file.schema_arrow.names
    image, label = (next((name for name in choices if name in names), None) for choices in (_IMAGES, _LABELS))
    if image is None or label is None:
        raise ValueError(f"its columns are {', '.join(names)}, not img and label")
    images, labels = [], []
    for batch in file.iter_batches(_ROWS, columns=[image, label]):
        images += [row and row["bytes"] for row in batch.column(image).to_pylist()]
        labels += batch.column(label).to_pylist()
    for i, (content, number) in enumerate(zip(images, labels, strict=True)):
        if type(content) is not bytes or type(number) is not int or not 0 <= number < 2**31:
            raise ValueError(f"row {i} is no image with a label")
    return _Rows(path, images, labels, _class_names(file.schema_arrow.metadata or {}, label))


def _class_names(metadata: dict[bytes, bytes], label: str) -> tuple[str, ...] | None:
    """The names that the hub's own library stores with the columns."""
    try:
        names = json.loads(metadata[b"huggingface"])["info"]["features"][label]["names"]
    except (KeyError, TypeError, ValueError):
        return None
    return tuple(map(str, names)) if isinstance(names, list) else None
