"""Data sets in Parquet files, as the Hugging Face hub gives out CIFAR-10."""

import hashlib
import json
import logging
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import InputError, first_line
from ..files import reading, shown
from .cache import Parts, Reading, cached
from .npz import make_parts, numbered_classes
from .pictures import decode_all, unreadable

_IMAGES, _LABELS = ("img", "image"), ("label", "fine_label", "labels")
_ROWS = 1000  # rows read at once

logger = logging.getLogger(__name__)


def find_parquet(root: Path) -> dict[str, list[Path]]:
    """Find the Parquet files of each split: ``train``, ``test`` and ``val``, as far as they are there.

    A file is called after its split (``train-00000-of-00001.parquet``), or the folder in which it lies is
    (``train/0000.parquet``). All lie in ``root``, or in one folder in it (``data``, ``plain_text``, ``default`` …).
    """
    return next(iter(_by_folder(root).values()), {})


def _by_folder(root: Path) -> dict[Path, dict[str, list[Path]]]:
    """What `find_parquet` finds in the folder itself and in each folder in it, where there is something."""
    if not root.is_dir():
        return {}
    with reading(root):
        inside = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
        return {folder: files for folder in (root, *inside) if (files := _by_split(folder))}


def _by_split(folder: Path) -> dict[str, list[Path]]:
    files = {}
    for path in sorted((*folder.glob("*.parquet"), *folder.glob("*/*.parquet"))):
        name = path.name if path.parent == folder else path.parent.name
        if split := re.search("(?<![a-z])(train|test|val)", name.lower()):
            files.setdefault(split[1], []).append(path)
    return files


def load_parquet(
    root: Path,
    image_size: int = 32,
    *,
    train_alone: bool = False,
    test_alone: bool = False,
    skip_unreadable: bool = False,
) -> Parts:
    """Read the train and the test part from Parquet files, such as ``train-00000-of-00001.parquet``.

    A column ``img`` or ``image`` holds the image files, a column ``label`` or ``fine_label`` the numbers of the
    classes. The decoded images are kept in the user's cache folder until a file changes. pyarrow is needed
    (``pip install "resnet-tutorial[parquet]"``).

    Args:
        root: the folder of the files, or the folder above it.
        image_size: images of another size are scaled (shorter side) and cropped at the center to this many pixels.
        train_alone: give an empty test part where there is none.
        test_alone: do not read the train part, which is empty then.
        skip_unreadable: leave out the images that cannot be read.

    Raises:
        InputError: if a part is missing, a file is damaged or holds something else, or pyarrow is not installed.
    """
    folders, name = _by_folder(root), shown(root.resolve().name)
    found = next(iter(folders.values()), {})
    paths = {"train": found.get("train", []), "test": found.get("test") or found.get("val", [])}
    if test_alone and paths["test"]:
        paths["train"] = []
    for split, files in paths.items():
        if not files and not (test_alone and paths["test"]) and not (split == "test" and train_alone):
            share = "" if split == "train" else "; to train all the same, --test-share 0.2 splits a test part off"
            raise InputError(f"no {split}*.parquet in {root}: there should be train*.parquet and test*.parquet{share}")
    if "test" not in found and "val" in found:
        logger.warning("%s, test: the files of validation serve as the test part, as there is no other", name)
    if len(folders) > 1:
        first, *others = (folder.name for folder in folders)
        logger.warning("%s: the Parquet files in %s are read, not those in %s", name, first, ", ".join(others))
    with reading(root):
        stats = [(str(path.relative_to(root)), path.stat()) for files in paths.values() for path in files]
    state = hashlib.sha256(repr([(name, s.st_size, s.st_mtime_ns) for name, s in stats]).encode()).hexdigest()
    place = f"{root.resolve()} parquet at {image_size} pixels{', test alone' * (not paths['train'])}"
    return cached(place, state, name, lambda: _read(paths, name, image_size), skip_unreadable)


@dataclass(frozen=True)
class _Rows:
    """The rows of one file: encoded images, labels, and the class names if the file has them."""

    path: Path
    images: list[bytes]
    labels: list[int]
    classes: tuple[str, ...] | None


def _read(paths: dict[str, list[Path]], name: str, image_size: int) -> Reading:
    arrays, notices, failures, left_out, classes = [], [], (), {"train": 0, "test": 0}, None
    for split, found in paths.items():
        if not found:
            continue
        files = [_read_file(path) for path in found]
        names = [(rows.path, i) for rows in files for i in range(len(rows.images))]
        decoded = decode_all(
            [image for rows in files for image in rows.images],
            lambda i, names=names: f"{names[i][0]}, row {names[i][1]}",
            image_size,
        )
        labels = np.array([label for rows in files for label in rows.labels], dtype=np.int64)
        arrays.append((decoded.images, labels[decoded.read]))
        classes = classes or files[0].classes
        notices += [f"{name}, {split}: {notice}" for notice in decoded.notices]
        failures += decoded.failures
        left_out[split] = len(decoded.failures)
    try:
        train, test = make_parts(arrays[0], arrays[-1], classes or numbered_classes(arrays[0][1]), name)
    except ValueError as error:
        more = f"; {unreadable(failures)}" if failures else ""
        raise InputError(f"{(paths['train'] or paths['test'])[0].parent}: {error}{more}") from None
    none = torch.arange(0)
    train, test = train if paths["train"] else train.take(none), test if paths["test"] else test.take(none)
    parts = replace(train, left_out=left_out["train"]), replace(test, left_out=left_out["test"])
    return Reading(parts, tuple(notices), failures)


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
