"""A folder of one's own images: ``train/<class>/*`` and ``test/<class>/*``, or ``<class>/*`` of one part alone."""

import hashlib
import logging
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..errors import InputError
from ..files import reading, shown
from .cache import Parts, Reading, cached
from .dataset import ImageDataset
from .pictures import by_suffix, decode_all, is_image

TRAIN = ("train", "training")  # what the folder of a part may be called; the first that is there counts
TEST = ("test", "testing", "val", "valid", "validation")
# What systems and programs leave in folders, in lower case.
_SYSTEM = {"$recycle.bin", "#recycle", "#snapshot", ".ipynb_checkpoints", "@eadir", "@recycle", "__macosx"}
_SYSTEM |= {"found.000", "lost+found", "recycler", "system volume information"}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Listing:
    """The image files of one part, in order, and what else lies there."""

    paths: list[str]
    labels: list[int]
    state: str  # changes with the name, size and times of change of every file
    others: Counter  # suffixes of files that are no images
    astray: int  # image files beside the class folders, and folders inside them
    deeper: list[str]  # folders inside class folders that hold all their images


def find_parts(root: Path) -> dict[str, Path]:
    """The folders of the ``train`` and the ``test`` part, as far as they are there; ``val`` may serve as ``test``.

    Capitals do not matter. A folder without folders in it, as one of unlabeled test images, is passed over if another
    can serve.
    """
    if not root.is_dir():
        return {}
    with reading(root):
        there = {path.name.casefold(): path for path in sorted(root.iterdir()) if path.is_dir()}
        parts = {}
        for split, names in (("train", TRAIN), ("test", TEST)):
            found = [there[name] for name in names if name in there and not any(there[name].glob("*.parquet"))]
            if found:
                parts[split] = next((path for path in found if any(p.is_dir() for p in path.iterdir())), found[0])
    return parts


def load_image_folder(
    root: Path,
    image_size: int = 32,
    *,
    train_alone: bool = False,
    test_alone: bool = False,
    skip_unreadable: bool = False,
) -> Parts:
    """Read the train and the test part of an image folder. Class names are the names of the folders, sorted.

    Names that are all whole numbers are sorted as numbers. The decoded images are kept in the user's cache folder until
    an image is added, removed or changed. Hidden files are passed over; links are followed, wherever they lead: it is
    the user's own folder. What else is passed over is reported, each time.

    Args:
        root: a folder with ``train/<class>/*`` and ``test/<class>/*``, or ``val/<class>/*`` for want of ``test``.
        image_size: images of another size are scaled (shorter side) and cropped at the center to this many pixels.
        train_alone: give an empty test part where there is none. A folder without parts is taken for the train part.
        test_alone: do not read the train part, which is empty then. A folder without parts is taken for the test part,
            but with ``train_alone``.
        skip_unreadable: leave out the images that cannot be read.

    Raises:
        InputError: if a part or a class is missing or empty, the classes of the parts differ, or files cannot be read
            as images: all of them, or the first.
    """
    parts = find_parts(root)
    if not parts and (train_alone or test_alone):
        parts = {"train" if train_alone else "test": root}
    if test_alone and "test" in parts:
        parts = {"test": parts["test"]}
    parts = {split: _with_class_folders(part) for split, part in parts.items()}
    needed = ("test",) if test_alone and "train" not in parts else ("train",) if train_alone else ("train", "test")
    for split in needed:
        if split not in parts:
            needs = "an image folder needs train/<class>/* and test/<class>/*"
            if split == "test" or not parts:
                needs += "; to train all the same, --test-share 0.2 splits a test part off"
            if test_alone:
                needs = (
                    "name the folder of the class folders to score; where a run split its test part off, name the run"
                )
            raise InputError(f"no folder {root / split}: {needs}")
    folders = {split: _class_folders(part) for split, part in parts.items()}
    classes = _in_order(next(iter(folders.values())))
    if len(folders) > 1:
        _check_same_classes(parts, folders)
    name = shown(root.resolve().name)
    listings = {split: _list_part(parts[split], folders[split], classes) for split in parts}
    state = hashlib.sha256("".join(listing.state for listing in listings.values()).encode(errors="surrogateescape"))
    for notice in _passed_over(root, parts, listings):
        logger.warning("%s, %s", name, notice)
    found = cached(
        f"{root.resolve()} at {image_size} pixels{', test alone' * ('train' not in parts)}",
        state.hexdigest(),
        name,
        lambda: _read(listings, classes, name, image_size),
        skip_unreadable,
    )
    for split, part in zip(("train", "test"), found, strict=True):
        if part.left_out and not part.counts().all():
            lost = folders[split][classes[int(part.counts().argmin())]]
            raise InputError(f"no image in {lost} can be read: repair them, or remove the class from train and test")
    return found


def find_images(folder: Path) -> tuple[list[Path], Counter]:
    """The images in a folder and in the folders below, sorted, and the suffixes of the other files, counted.

    Hidden files and the folders of systems are passed over.

    Raises:
        InputError: if a folder cannot be read.
    """
    images, others = [], Counter()

    def fail(error: OSError) -> None:
        raise error

    with reading(folder):
        for place, folders, files in os.walk(folder, onerror=fail):
            folders[:] = [name for name in folders if not _is_passed_over(name)]
            for name in files:
                if _is_passed_over(name):
                    continue
                if is_image(name):
                    images.append(Path(place, name))
                else:
                    others[_suffix(name)] += 1
    return sorted(images), others


def _is_of_a_system(name: str) -> bool:
    return name.casefold() in _SYSTEM or name.casefold().startswith(".trash")


def _is_passed_over(name: str) -> bool:
    return name.startswith(".") or _is_of_a_system(name)


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _in_order(names: Iterable[str]) -> tuple[str, ...]:
    numbers = all(re.fullmatch("[+-]?[0-9]+", name) for name in names)
    return tuple(sorted(names, key=(lambda name: (int(name), name)) if numbers else None))


def _with_class_folders(part: Path) -> Path:
    """The part, or the only folder in it if that is full of folders and without images: a level too many."""
    with reading(part):
        inside = [path for path in part.iterdir() if path.is_dir() and not _is_passed_over(path.name)]
    images, _, folders = _list_folder(inside[0]) if len(inside) == 1 else ([], Counter(), 0)
    return _with_class_folders(inside[0]) if folders > 1 and not images else part


def _class_folders(part: Path) -> dict[str, Path]:
    """The class folders of a part by their names, which are brought to one Unicode form: systems differ in it."""
    classes = {}
    with reading(part):
        folders = sorted(path for path in part.iterdir() if path.is_dir())
    for folder in folders:
        if _is_passed_over(folder.name):
            continue
        if shown(folder.name) != folder.name:
            raise InputError(f"the name of the class folder {shown(folder)} is no UTF-8: rename it")
        name = unicodedata.normalize("NFC", folder.name)
        if name in classes:
            raise InputError(
                f"{part} has two folders that read {name!r}, in two Unicode forms: move the images into one"
            )
        classes[name] = folder
    if not classes:
        raise InputError(f"no class folders in {part}: put the images of each class into {part}/<class>/")
    return classes


def _check_same_classes(parts: dict[str, Path], folders: dict[str, dict[str, Path]]) -> None:
    for there, missing in (("train", "test"), ("test", "train")):
        alone = sorted(folders[there].keys() - folders[missing].keys())
        if not alone:
            continue
        twins = [name for name in folders[missing].keys() - folders[there].keys() if _bare(name) == _bare(alone[0])]
        more = f" (nor have {len(alone) - 1:,} more)" if len(alone) > 1 else ""
        advice = "both parts need the same classes"
        if twins:
            advice = f"{twins[0]!r} there differs only in capitals, blanks or signs; give both folders one name"
        raise InputError(
            f"class {alone[0]!r} has a folder in {parts[there]} but none in {parts[missing]}{more}: {advice}"
        )


def _bare(name: str) -> str:
    """The letters and digits of a name, for names that look alike."""
    return "".join(c for c in unicodedata.normalize("NFKC", name).casefold() if c.isalnum())


def _list_part(part: Path, folders: dict[str, Path], classes: tuple[str, ...]) -> _Listing:
    paths, labels, state, others, deeper, empty = [], [], [], Counter(), [], []
    with reading(part):
        astray = sum(is_image(path.name) and path.is_file() for path in part.iterdir())
    for label, name in enumerate(classes):
        entries, found, inside = _list_folder(folders[name])
        if not entries:
            below, found = find_images(folders[name])
            homes = sorted({path.parent for path in below})
            if len(homes) != 1:
                empty.append(_without_images(folders[name], homes, found))
                continue
            deeper.append(os.path.relpath(homes[0], part))
            entries, found, inside = _list_folder(homes[0])
        others, astray = others + found, astray + inside
        for entry in entries:
            paths.append(entry.path)
            labels.append(label)
            state.append(f"{part.name}/{name}{entry.path.removeprefix(str(part))}\0{_state(entry)}\n")
    if empty:
        more = f"; {len(empty) - 1:,} more class folders have none, either" if len(empty) > 1 else ""
        raise InputError(f"{empty[0]}{more}")
    return _Listing(paths, labels, "".join(state), others, astray, deeper)


def _list_folder(folder: Path) -> tuple[list[os.DirEntry], Counter, int]:
    """The images in a folder, sorted by name; the suffixes of its other files; and the number of folders in it."""
    images, others, inside = [], Counter(), 0
    with reading(folder), os.scandir(folder) as found:
        for entry in sorted(found, key=lambda entry: entry.name):
            if _is_passed_over(entry.name):
                continue
            if entry.is_dir():
                inside += 1
            elif is_image(entry.name):
                images.append(entry)
            else:
                others[_suffix(entry.name)] += 1
    return images, others, inside


def _without_images(folder: Path, homes: list[Path], others: Counter) -> str:
    if homes:
        names = ", ".join(os.path.relpath(home, folder) for home in homes[:3]) + (" …" if len(homes) > 3 else "")
        return f"no images in {folder}, but in the folders {names} below it: move them up, or name another data folder"
    seen = f" (passed over, as no images: {by_suffix(others)})" if others else ""
    return f"no images in {folder}{seen}: add some, or remove the class from train and test"


def _passed_over(root: Path, parts: dict[str, Path], listings: dict[str, _Listing]) -> list[str]:
    """What is read in another way than it may seem, and what is not read, one line each."""
    notices = []
    with reading(root):
        validation = [p.name for p in sorted(root.iterdir()) if p.is_dir() and p.name.casefold() in TEST[2:]]
        inside = [path for part in parts.values() for path in part.iterdir() if path.is_dir()]
    places = {split: part.relative_to(root) for split, part in parts.items()}
    notices += [
        f"{split}: the classes are read from {place}" for split, place in places.items() if len(place.parts) > 1
    ]
    serves = places["test"].parts[0] if "test" in places and places["test"].parts else None
    if serves in validation:
        notices.append(f"test: {serves} serves as the test part, as there is no test/<class>/*")
    elif validation:
        notices.append(f"train: {validation[0]} is not read; validation images are held out of the training images")
    if system := sorted({path.name for path in inside if _is_of_a_system(path.name)}):
        notices.append(f"{' and '.join(parts)}: passed over, as folders of a system: {', '.join(system)}")
    for split, listing in listings.items():
        if listing.deeper:
            notices.append(
                f"{split}: the images of {len(listing.deeper):,} classes are read from a folder further down, as in "
                f"{listing.deeper[0]}"
            )
        if listing.others:
            number = listing.others.total()
            notices.append(f"{split}: passed over, as no images: {number:,} files ({by_suffix(listing.others)})")
        if listing.astray:
            notices.append(
                f"{split}: passed over, as not in train/<class>/* or test/<class>/*: {listing.astray:,} (images beside "
                "the class folders, or folders inside them)"
            )
    return notices


def _state(entry: os.DirEntry) -> str:
    """Size and times of change of a file; of a link that leads nowhere, nothing, as the decoder complains of it."""
    try:
        stat = entry.stat()
    except FileNotFoundError:
        return ""
    return f"{stat.st_size}\0{stat.st_mtime_ns}\0{stat.st_ctime_ns}"


def _read(listings: dict[str, _Listing], classes: tuple[str, ...], name: str, image_size: int) -> Reading:
    parts, notices, failures = [], [], ()
    for split in ("train", "test"):
        listing = listings.get(split) or _Listing([], [], "", Counter(), 0, [])
        decoded = decode_all(listing.paths, listing.paths.__getitem__, image_size)
        labels = torch.from_numpy(np.array(listing.labels, dtype=np.int64)[decoded.read])
        part = ImageDataset(
            torch.from_numpy(decoded.images), labels, classes, name, split, left_out=len(decoded.failures)
        )
        notices += [f"{name}, {split}: {notice}" for notice in decoded.notices]
        failures += decoded.failures
        parts.append(part)
    return Reading((parts[0], parts[1]), tuple(notices), failures)
