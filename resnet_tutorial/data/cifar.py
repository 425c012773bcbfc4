"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images").

The Python and the binary version are read, from the unpacked folder or straight from the archive, which is never
unpacked on disk. Both are known by what they hold, whatever they are called.
"""

import contextlib
import errno
import hashlib
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import numpy as np
import torch

from ..errors import InputError
from ..files import reading
from .batch_pickle import read_batch
from .cache import Parts, Reading, cached
from .dataset import ImageDataset
from .sources import CIFAR10, CIFAR100

_PIXELS = 3 * 32 * 32
_BLOCK = 1 << 20
_PEEK = 1 << 26  # bytes of an unknown archive that are unpacked to see what it holds
_ARCHIVES = {".bz2", ".gz", ".tar", ".tbz2", ".tgz", ".txz", ".xz", ".zip"}
_UNFINISHED = {".crdownload", ".download", ".part", ".partial"}  # downloads that are under way, or broke off
# What a damaged archive raises, or one that is encrypted or compressed in an unusual way.
_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, UnicodeError)


@dataclass(frozen=True)
class Layout:
    """How one version of a data set lies in its files.

    Attributes:
        archive: name of the archive.
        md5: its MD5.
        folder: the folder in it.
        train: files of the train part, and how many images each holds.
        test: likewise for the test part.
        names: the file of the class names.
        md5s: MD5 of the unpacked files, where they are known.
        columns: bytes of labels before each image, in the binary version; 0 stands for the Python version.
    """

    archive: str
    md5: str
    folder: str
    train: Mapping[str, int]
    test: Mapping[str, int]
    names: str
    md5s: Mapping[str, str] = field(default_factory=dict)
    columns: int = 0


@dataclass(frozen=True)
class Kind:
    """What the labels are.

    Attributes:
        title: name in print.
        num_classes: number of classes.
        labels: key of the labels in the Python version.
        names: key of the class names in the Python version.
        column: where the label is, in the binary version.
        layouts: the Python and the binary version.
    """

    title: str
    num_classes: int
    labels: str
    names: str
    column: int
    layouts: tuple[Layout, ...]


_CIFAR10_PYTHON = Layout(
    CIFAR10.archive,
    CIFAR10.md5,
    CIFAR10.folder,
    train={f"data_batch_{i}": 10_000 for i in range(1, 6)},
    test={"test_batch": 10_000},
    names="batches.meta",
    md5s={
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
        "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
    },
)
_CIFAR10_BINARY = Layout(
    "cifar-10-binary.tar.gz",
    "c32a1d4ab5d03f1284b67883e8d87530",
    "cifar-10-batches-bin",
    train={f"data_batch_{i}.bin": 10_000 for i in range(1, 6)},
    test={"test_batch.bin": 10_000},
    names="batches.meta.txt",
    columns=1,
)
_CIFAR100_PYTHON = Layout(
    CIFAR100.archive,
    CIFAR100.md5,
    CIFAR100.folder,
    train={"train": 50_000},
    test={"test": 10_000},
    names="meta",
    md5s={
        "train": "16019d7e3df5f24257cddd939b257f8d",
        "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
        "meta": "7973b15100ade9c7d40fb424638fde48",
    },
)
_CIFAR100_BINARY = Layout(
    "cifar-100-binary.tar.gz",
    "03b5dce01913d631647c71ecec9e9cb8",
    "cifar-100-binary",
    train={"train.bin": 50_000},
    test={"test.bin": 10_000},
    names="{names}.txt",
    columns=2,
)
_CIFAR100 = (_CIFAR100_PYTHON, _CIFAR100_BINARY)

KINDS = {
    "cifar10": Kind("CIFAR-10", 10, "labels", "label_names", 0, (_CIFAR10_PYTHON, _CIFAR10_BINARY)),
    "cifar100": Kind("CIFAR-100", 100, "fine_labels", "fine_label_names", 1, _CIFAR100),
    "cifar100-coarse": Kind("CIFAR-100, coarse", 20, "coarse_labels", "coarse_label_names", 0, _CIFAR100),
}


def find_cifar(name: str, root: Path) -> tuple[Path, Layout] | None:
    """Find a data set: the folder or archive itself, or the first of them in ``root``, also under another name.

    Args:
        name: ``cifar10``, ``cifar100`` or ``cifar100-coarse``.
        root: an unpacked folder, an archive, or a folder that holds one.

    Returns:
        What is to be read and how it is laid out, or None.
    """
    for layout in KINDS[name].layouts:
        for place in (root, root / layout.folder, root / layout.archive):
            if (place.name == layout.folder and place.is_dir()) or (place.name == layout.archive and place.is_file()):
                return place, layout
    with reading(root):
        inside = sorted(path for path in root.iterdir() if path.name[0] != ".") if root.is_dir() else []
    for place in (root, *(path for path in inside if path.is_dir() or _may_be_archive(path))):
        batches = _batches(place)
        for layout in KINDS[name].layouts:
            images = {**layout.train, **layout.test}
            found = {name: size for name, size in batches.items() if name in images}
            if any(images[name] * _PIXELS <= size <= _limit(layout, name) for name, size in found.items()):
                return place, layout
    return None


def _may_be_archive(path: Path) -> bool:
    """Whether a file's name lets one look into it; browsers put (1) and the like into names, or behind them."""
    suffix = path.suffix.lower()
    return (suffix in _ARCHIVES or "cifar" in path.name.lower()) and suffix not in _UNFINISHED and path.is_file()


def _batches(place: Path) -> dict[str, int]:
    """The files in a folder, or the first in an archive, that are called like batches of a data set: name and size."""
    layouts = [layout for kind in KINDS.values() for layout in kind.layouts]
    names = {name for layout in layouts for name in (*layout.train, *layout.test)}
    with contextlib.suppress(OSError, *_DAMAGE):
        if place.is_dir():
            return {name: (place / name).stat().st_size for name in names if (place / name).is_file()}
        with open(place, "rb") as file:
            seen = 0
            for path, size, _ in _members(file):
                if (name := PurePosixPath(path).name) in names:
                    return {name: size}
                seen += size
                if seen > _PEEK:
                    break
    return {}


def load_cifar(name: str, root: Path) -> Parts:
    """Read the train part (50,000 images) and the test part (10,000).

    An archive's content is kept in the user's cache folder until the archive changes.

    Args:
        name: ``cifar10``, ``cifar100`` (its 100 fine labels) or ``cifar100-coarse`` (its 20 superclasses).
        root: the folder that holds the unpacked folder or the archive, or one of these itself.

    Raises:
        InputError: if nothing is there, or it is not, bit for bit, what its authors published.
    """
    found = find_cifar(name, root)
    kind = KINDS[name]
    download = f"`resnet-tutorial download {name.removesuffix('-coarse')} --root {found[0].parent if found else root}`"
    if found is None:
        looked_for = ", ".join(place for layout in kind.layouts for place in (layout.folder, layout.archive))
        raise InputError(f"no {kind.title} in {root} (looked for {looked_for}): run {download}")
    place, layout = found
    try:
        with reading(place):
            if place.is_dir():
                return _read(_files_of_folder(place, layout, kind), layout, kind)
            stat = place.stat()
            key = f"{layout.md5} {stat.st_size} {stat.st_mtime_ns}"
            where = f"{place.resolve()} {name}"
            return cached(where, key, kind.title, lambda: _read_archive(place, layout, kind))
    except ValueError as error:
        raise InputError(f"{place} is damaged or was changed ({error}): delete it and run {download}") from None


def _names_file(layout: Layout, kind: Kind) -> str:
    return layout.names.format(names=kind.names)


def _limit(layout: Layout, file_name: str) -> int:
    """The most bytes that a file can have: no memory is filled for what is not CIFAR."""
    images = {**layout.train, **layout.test}.get(file_name, 0)
    return images * (_PIXELS + 400) + 100_000


def _files_of_folder(folder: Path, layout: Layout, kind: Kind) -> Iterator[tuple[str, BinaryIO]]:
    """Open each file of the unpacked data set after its sum was checked."""
    for name in (_names_file(layout, kind), *layout.train, *layout.test):
        if not (folder / name).is_file():
            raise ValueError(f"{name} is missing")
        with open(folder / name, "rb") as file:
            _check_sum(name, file, layout)
            yield name, file


def _check_sum(name: str, file: BinaryIO, layout: Layout) -> None:
    if name in layout.md5s and _md5(file) != layout.md5s[name]:
        raise ValueError(f"the MD5 of {name} is not {layout.md5s[name]}")


def _read_archive(archive: Path, layout: Layout, kind: Kind) -> Reading:
    """Read the archive in memory after its sum was checked, or, if somebody packed it anew, those of its files.

    Of the files in the binary version no sums are known.
    """
    with open(archive, "rb") as file:
        found = _md5(file)
        if found == layout.md5:
            return Reading(_read_packed(file, layout, kind))
        wrong = f"its MD5 is {found}, not {layout.md5}"
        anew = f"{archive.name}: {wrong}: it was packed anew, so whether its images are the published ones is not known"
        try:
            return Reading(_read_packed(file, layout, kind, check=True), () if layout.md5s else (anew,))
        except ValueError as error:
            raise ValueError(f"{wrong}, and {error}") from None


def _read_packed(file: BinaryIO, layout: Layout, kind: Kind, check: bool = False) -> Parts:
    try:
        return _read(_wanted_members(file, layout, kind, check), layout, kind)
    except (OSError, *_DAMAGE) as error:
        if getattr(error, "errno", None) not in (None, errno.EINVAL):  # of the disk, not of an offset in a zip file
            raise
        raise ValueError(str(error) or "it is cut off") from None


def _wanted_members(file: BinaryIO, layout: Layout, kind: Kind, check: bool) -> Iterator[tuple[str, BinaryIO]]:
    wanted = {_names_file(layout, kind), *layout.train, *layout.test}
    for path, size, read in _members(file):
        name = PurePosixPath(path).name
        if name in wanted and size <= _limit(layout, name):
            content = io.BytesIO(read())
            if check:
                _check_sum(name, content, layout)
            yield name, content


def _members(file: BinaryIO) -> Iterator[tuple[str, int, Callable[[], bytes]]]:
    """Name, size and content of each file in a tar or zip archive, however it is compressed.

    Links and devices are passed over, so nothing outside of the archive is read.
    """
    start = file.read(4)
    file.seek(0)
    if start == b"PK\3\4":
        with zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                yield info.filename, info.file_size, partial(archive.read, info)
        return
    try:
        with tarfile.open(fileobj=file, mode="r|*", bufsize=_BLOCK) as archive:
            for member in archive:
                if member.isfile() and not member.issparse():
                    yield member.name, member.size, lambda member=member: archive.extractfile(member).read()
    except TypeError:  # tarfile's answer to a head that is cut
        raise tarfile.ReadError("it is cut off") from None


def _md5(file: BinaryIO) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    while block := file.read(_BLOCK):
        digest.update(block)
    file.seek(0)
    return digest.hexdigest()


def _read(files: Iterator[tuple[str, BinaryIO]], layout: Layout, kind: Kind) -> Parts:
    """Read the files, in whatever order they come, into the two parts."""
    images, labels, places = {}, {}, {}
    for split, sizes in (("train", layout.train), ("test", layout.test)):
        total = sum(sizes.values())
        images[split] = np.empty((total, 32, 32, 3), dtype=np.uint8)
        labels[split] = np.empty(total, dtype=np.int64)
        ends = np.cumsum(list(sizes.values())).tolist()
        places |= {name: (split, slice(end - n, end)) for (name, n), end in zip(sizes.items(), ends, strict=True)}
    classes = None
    for name, file in files:
        if name == _names_file(layout, kind):
            classes = _read_class_names(file, layout, kind)
        elif name in places:
            split, place = places.pop(name)
            planes, found = _read_images(file, place.stop - place.start, layout, kind)
            np.stack(np.split(planes, 3, axis=1), axis=-1, out=images[split][place].reshape(-1, 1024, 3))
            labels[split][place] = found
    if places or classes is None:
        raise ValueError(f"{next(iter(places), _names_file(layout, kind))} is missing")
    train, test = (
        ImageDataset(torch.from_numpy(images[split]), torch.from_numpy(labels[split]), classes, kind.title, split)
        for split in ("train", "test")
    )
    return train, test


def _read_class_names(file: BinaryIO, layout: Layout, kind: Kind) -> tuple[str, ...]:
    names = file.read().split() if layout.columns else read_batch(file).get(kind.names)
    if not isinstance(names, list) or len(names) != kind.num_classes or not all(type(n) is bytes for n in names):
        raise ValueError(f"it does not name {kind.num_classes} classes")
    return tuple(name.decode("latin-1") for name in names)


def _read_images(file: BinaryIO, n: int, layout: Layout, kind: Kind) -> tuple[np.ndarray, np.ndarray]:
    """The color planes, uint8 n × 3072, and the labels, int64 n, of one file."""
    if layout.columns:
        content = np.frombuffer(file.read(), dtype=np.uint8)
        if content.size != n * (layout.columns + _PIXELS):
            raise ValueError(f"a file of {content.size:,} bytes does not hold {n:,} images")
        rows = content.reshape(n, layout.columns + _PIXELS)
        planes, labels = np.ascontiguousarray(rows[:, layout.columns :]), rows[:, kind.column].astype(np.int64)
    else:
        batch = read_batch(file)
        planes, labels = batch.get("data"), batch.get(kind.labels)
        if not isinstance(planes, np.ndarray) or planes.shape != (n, _PIXELS):
            raise ValueError(f"a batch does not hold {n:,} images")
        if not isinstance(labels, list) or len(labels) != n or not all(type(label) is int for label in labels):
            raise ValueError(f"a batch does not hold {n:,} labels")
        labels = np.array(labels, dtype=np.int64)
    if not 0 <= labels.min() <= labels.max() < kind.num_classes:
        raise ValueError(f"a label lies outside of 0…{kind.num_classes - 1}")
    return planes, labels
