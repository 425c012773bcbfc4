"""CIFAR archives in the original's exact format: pickles as Python 2 wrote them, in a gzipped tar."""

import hashlib
import io
import struct
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from resnet_tutorial.data.cifar import KINDS, Layout

NAMES = {
    "label_names": "airplane automobile bird cat deer dog frog horse ship truck".split(),  # noqa: SIM905
    "fine_label_names": [f"fine {k}" for k in range(100)],
    "coarse_label_names": [f"coarse {k}" for k in range(20)],
}


def python2_pickle(items: dict) -> bytes:
    """Pickle a dictionary of integers, strings, lists and uint8 arrays as Python 2's cPickle did, protocol 2."""
    return b"\x80\x02" + _Writer().dump(items) + b"."


class _Writer:
    """Writes opcodes; like cPickle, it gives every list, string and array a number in the memo."""

    def __init__(self):
        self.memo = 0

    def _remember(self) -> bytes:
        self.memo += 1
        return b"q" + bytes([self.memo]) if self.memo < 256 else b"r" + struct.pack("<I", self.memo)

    def dump(self, value) -> bytes:
        if isinstance(value, (str, bytes)):
            value = value.encode("latin-1") if isinstance(value, str) else value
            head = b"U" + bytes([len(value)]) if len(value) < 256 else b"T" + struct.pack("<i", len(value))
            return head + value + self._remember()
        if isinstance(value, int):
            if 0 <= value < 256:
                return b"K" + bytes([value])
            return b"M" + struct.pack("<H", value) if 0 <= value < 65536 else b"J" + struct.pack("<i", value)
        if isinstance(value, list):
            return b"]" + self._remember() + b"(" + b"".join(map(self.dump, value)) + b"e"
        if isinstance(value, dict):
            pairs = b"".join(self.dump(k) + self.dump(v) for k, v in value.items())
            return b"}" + self._remember() + b"(" + pairs + b"u"
        return self._dump_array(value)

    def _dump_array(self, array: np.ndarray) -> bytes:
        rows, columns = array.shape
        return b"".join(
            [
                b"cnumpy.core.multiarray\n_reconstruct\n" + self._remember(),
                b"cnumpy\nndarray\n" + self._remember() + b"K\x00\x85" + self._remember(),
                b"U\x01b\x87" + self._remember() + b"R" + self._remember(),
                b"(K\x01J" + struct.pack("<i", rows) + b"J" + struct.pack("<i", columns) + b"\x86" + self._remember(),
                b"cnumpy\ndtype\n" + self._remember() + b"U\x02u1K\x00K\x01\x87" + self._remember() + b"R",
                b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89",
                b"T" + struct.pack("<i", array.nbytes) + array.tobytes() + b"tb",
            ]
        )


def cifar_files(name: str, layout: Layout, planes: np.ndarray, labels: np.ndarray) -> dict[str, bytes]:
    """The files of one version of a data set.

    Args:
        name: ``cifar10`` or ``cifar100``.
        layout: which version, and how many images each file holds.
        planes: uint8 N × 3072, the images in the order of the files, channel by channel.
        labels: N of them; for CIFAR-100 the fine ones, the coarse ones being a fifth.
    """
    files, start = {}, 0
    for file_name, n in {**layout.train, **layout.test}.items():
        part, numbers = planes[start : start + n], labels[start : start + n].tolist()
        files[file_name] = _binary_batch(part, numbers, layout) if layout.columns else _batch(name, part, numbers)
        start += n
    keys = ["label_names"] if name == "cifar10" else ["fine_label_names", "coarse_label_names"]
    if layout.columns:
        files |= {layout.names.format(names=key): "\n".join(NAMES[key]).replace(" ", "_").encode() for key in keys}
    else:
        files[layout.names] = python2_pickle({key: NAMES[key] for key in keys})
    return files


def _batch(name: str, planes: np.ndarray, labels: list[int]) -> bytes:
    keys = {"labels": labels}
    if name == "cifar100":
        keys = {"fine_labels": labels, "coarse_labels": [label // 5 for label in labels]}
    file_names = [f"image_s_{i:06}.png" for i in range(len(labels))]
    return python2_pickle({"batch_label": "batch 1 of 1", **keys, "data": planes, "filenames": file_names})


def _binary_batch(planes: np.ndarray, labels: list[int], layout: Layout) -> bytes:
    columns = [[label] if layout.columns == 1 else [label // 5, label] for label in labels]
    return np.hstack([np.array(columns, dtype=np.uint8), planes]).tobytes()


def tar_gz(files: dict[str, bytes], folder: str) -> bytes:
    """A gzipped tar of files in a folder."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz", compresslevel=6) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return content.getvalue()


def tiny(layout: Layout, n: int = 10) -> Layout:
    """The same layout with ``n`` images in each file."""
    return replace(layout, train=dict.fromkeys(layout.train, n), test=dict.fromkeys(layout.test, n), md5s={})


def with_sums(layout: Layout, files: dict[str, bytes], archive: bytes) -> Layout:
    """The layout with the sums of these files, so that they pass for the original."""
    sums = {} if layout.columns else {name: hashlib.md5(data).hexdigest() for name, data in files.items()}
    return replace(layout, md5s=sums, md5=hashlib.md5(archive).hexdigest())


class TinyCifar:
    """A small copy of one version of CIFAR-10 or CIFAR-100, for whose sums the table was changed.

    Attributes:
        planes: uint8 N × 3072, the images in the order of the files.
        labels: int64 N.
        files: content of each file.
        archive: content of the archive.
        layout: its layout.
    """

    def __init__(self, monkeypatch, name: str = "cifar10", binary: bool = False, n: int = 10):
        layout = tiny(KINDS[name].layouts[binary], n)
        count = n * (len(layout.train) + len(layout.test))
        rng = np.random.default_rng(0)
        self.planes = rng.integers(0, 256, (count, 3072), dtype=np.uint8)
        self.labels = np.arange(count) % KINDS[name].num_classes
        self.files = cifar_files(name, layout, self.planes, self.labels)
        self.archive = tar_gz(self.files, layout.folder)
        self.layout = with_sums(layout, self.files, self.archive)
        for kind in [kind for kind in KINDS if kind.removesuffix("-coarse") == name]:
            layouts = list(KINDS[kind].layouts)
            layouts[binary] = self.layout
            monkeypatch.setitem(KINDS, kind, replace(KINDS[kind], layouts=tuple(layouts)))

    def write_archive(self, root: Path) -> Path:
        root.mkdir(parents=True, exist_ok=True)
        (root / self.layout.archive).write_bytes(self.archive)
        return root / self.layout.archive

    def write_folder(self, root: Path) -> Path:
        folder = root / self.layout.folder
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.files.items():
            (folder / name).write_bytes(content)
        return folder
