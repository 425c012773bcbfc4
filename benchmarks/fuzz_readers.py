"""Damage small valid files of every format in many ways and read them: a result or one line of complaint, no more.

Anything else is a failure: another exception, a crash, more than a few seconds, much memory, a file left behind. The
file of each failure is kept. Run from the repository root (about two minutes):

    python -m benchmarks.fuzz_readers
    python -m benchmarks.fuzz_readers --seed 7 --files 10000 --keep failures
"""

import argparse
import contextlib
import gzip
import io
import logging
import os
import random
import resource
import signal
import sys
import tempfile
import time
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from resnet_tutorial import ImageDataset, InputError, load_dataset
from resnet_tutorial.data import read_image
from resnet_tutorial.data.cache import read_arrays, write_arrays
from resnet_tutorial.data.cifar import KINDS, _files_of_folder, _read, _read_packed
from tests.data.archives import cifar_files, tar_gz, tiny

SECONDS = 5
MEGABYTES = 600  # an image of as many pixels as Pillow takes for safe, in two color modes
EXTREMES = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x7f\xff\xff\xff", b"\0\0\0\x80", b"\x01\0\0\0")


class TooSlow(BaseException):
    """Not an Exception: the readers must not take it for a damaged file."""


@dataclass(frozen=True)
class Format:
    """A kind of file: a valid one, and how it is read from a folder.

    Attributes:
        file_name: where the file lies in the folder.
        content: a valid file.
        read: reads it, and raises ``refusal`` where it is damaged.
        wrap: what is put around the damaged content, such as a checksum that fits it.
        refusal: the exception that refuses a damaged file; ValueError below the surface of the package.
    """

    file_name: str
    content: bytes
    read: Callable[[Path], object]
    wrap: Callable[[bytes], bytes] = bytes
    refusal: type[Exception] = InputError


def mutate(content: bytes, rng: random.Random) -> bytes:
    """Damage a file in one to three ways."""
    for _ in range(rng.randint(1, 3)):
        content = rng.choice((_flip, _cut, _insert, _remove, _swap, _overwrite, _repeat))(content, rng)
    return content


def _piece(content: bytes, rng: random.Random) -> tuple[int, int]:
    start = rng.randrange(len(content) + 1)
    return start, min(len(content), start + rng.choice((1, 2, 4, 16, 64, 1000)))


def _flip(content: bytes, rng: random.Random) -> bytes:
    damaged = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8))):
        if damaged:
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def _cut(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content) + 1)] if rng.random() < 0.5 else content


def _insert(content: bytes, rng: random.Random) -> bytes:
    start, _ = _piece(content, rng)
    return content[:start] + rng.randbytes(rng.choice((1, 3, 40))) + content[start:]


def _remove(content: bytes, rng: random.Random) -> bytes:
    start, end = _piece(content, rng)
    return content[:start] + content[end:]


def _swap(content: bytes, rng: random.Random) -> bytes:
    (a, b), (c, d) = sorted((_piece(content, rng), _piece(content, rng)))
    return content[:a] + content[c:d] + content[b:c] + content[a:b] + content[d:] if b <= c else content


def _overwrite(content: bytes, rng: random.Random) -> bytes:
    start, _ = _piece(content, rng)
    return content[:start] + rng.choice(EXTREMES) + content[start + 4 :]


def _repeat(content: bytes, rng: random.Random) -> bytes:
    start, end = _piece(content, rng)
    return content[:end] + content[start:end] * rng.choice((1, 2, 50)) + content[end:]


# --- The formats ---


def formats() -> dict[str, Format]:
    """Small valid files of every format, and how each is read."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    found = {}
    for name, version in (("cifar10", 0), ("cifar10", 1), ("cifar100", 0), ("cifar100", 1)):
        found |= _cifar_formats(name, version, rng)
    # Above the sum: nothing but the original is read at all.
    archive = found["cifar10 tar.gz"]
    found["archive"] = Format(archive.file_name, archive.content, lambda root: load_dataset("cifar10", root))
    arrays = {"x_train": images, "y_train": np.arange(4) % 2, "x_test": images, "y_test": np.arange(4) % 2}
    arrays["classes"] = np.array(["a", "b"])
    found["npz"] = Format("mine.npz", _npz(arrays), lambda root: load_dataset("npz", root))
    array = io.BytesIO()
    np.save(array, images)
    found["npy in npz"] = Format(
        "mine.npz", array.getvalue(), found["npz"].read, lambda content: _npz(arrays, x_train=content)
    )
    found["cache"] = Format("c", _cache(arrays), lambda root: _expect_arrays(root / "c", arrays))
    found |= _image_formats() | _parquet_format(images)
    return found


def _cifar_formats(name: str, version: int, rng: np.random.Generator) -> dict[str, Format]:
    """The tar below its sum, and one file of the unpacked folder without its sum."""
    kind = KINDS[name]
    layout = tiny(kind.layouts[version], 3)
    n = 3 * (len(layout.train) + len(layout.test))
    planes = rng.integers(0, 256, (n, 3072), dtype=np.uint8)
    planes[:, 100:] = 7  # most of a file should be structure, not pixels
    files = cifar_files(name, layout, planes, np.arange(n) % kind.num_classes)
    batch = next(iter(layout.train))

    def read_packed(root: Path, name: str = layout.archive):
        with open(root / name, "rb") as file:
            return _read_packed(file, layout, kind)

    def read_folder(root: Path):
        folder = root / layout.folder
        folder.mkdir(exist_ok=True)
        for file_name, content in files.items():
            (folder / file_name).write_bytes(content)
        (root / batch).replace(folder / batch)
        return _read(_files_of_folder(folder, layout, kind), layout, kind)

    label = f"{name} {'binary ' if version else ''}"
    return {
        f"{label}tar": Format(
            layout.archive, gzip.decompress(tar_gz(files, layout.folder)), read_packed, gzip.compress, ValueError
        ),
        f"{label}tar.gz": Format(layout.archive, tar_gz(files, layout.folder), read_packed, refusal=ValueError),
        f"{label}zip": Format(
            "files.zip", _zip(files), lambda root: read_packed(root, "files.zip"), refusal=ValueError
        ),
        f"{label}batch": Format(batch, files[batch], read_folder, refusal=ValueError),
    }


def _zip(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


def _npz(arrays: dict[str, np.ndarray], **raw: bytes) -> bytes:
    """An ``.npz`` file; some members given as raw bytes."""
    content = io.BytesIO()
    np.savez(content, **{name: array for name, array in arrays.items() if name not in raw})
    with zipfile.ZipFile(content, "a") as archive:
        for name, data in raw.items():
            archive.writestr(f"{name}.npy", data)
    return content.getvalue()


def _cache(arrays: dict[str, np.ndarray]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        write_arrays(Path(folder, "c"), arrays)
        return Path(folder, "c").read_bytes()


def _expect_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """A cache has a checksum: it is right, or it is refused."""
    found = read_arrays(path)
    if found is None:
        raise InputError("to be made anew")
    if list(found) != list(arrays) or not all(np.array_equal(found[name], arrays[name]) for name in arrays):
        raise AssertionError("a damaged cache was read")


def _image_formats() -> dict[str, Format]:
    picture = Image.effect_noise((40, 24), 60).convert("RGB")
    frames = {"save_all": True, "append_images": [picture.rotate(180)]}
    gray = Image.fromarray((np.arange(960, dtype=np.uint16) * 68).reshape(24, 40))
    exif = Image.Exif()
    exif[0x0112] = 6
    cases = {
        "png": (picture, "png", {}),
        "png 16-bit": (gray, "png", {}),
        "png palette": (picture.quantize(8), "png", {"transparency": 1}),
        "jpeg": (picture, "jpeg", {"exif": exif}),
        "jpeg cmyk": (picture.convert("CMYK"), "jpeg", {}),
        "gif": (picture, "gif", frames),
        "webp": (picture, "webp", frames),
        "tiff": (picture, "tiff", {"compression": "tiff_lzw"}),
        "tiff 16-bit": (gray, "tiff", {}),
        "bmp": (picture, "bmp", {}),
        "ppm": (picture, "ppm", {}),
        "jpeg 2000": (picture, "jpeg2000", {}),
        "avif": (picture, "avif", frames),
    }
    # The less usual ones, most of which are only read under their suffix.
    cases |= {kind: (picture, kind, {}) for kind in ("dds", "icns", "ico", "im", "pcx", "qoi", "sgi", "tga")}
    cases |= {kind: (picture.convert("1"), kind, {}) for kind in ("msp", "xbm")}
    found = {}
    for name, (image, kind, options) in cases.items():
        content, file = io.BytesIO(), f"picture.{kind}"
        image.save(content, kind, **options)
        found[name] = Format(file, content.getvalue(), lambda root, file=file: read_image(root / file))
    return found


def _parquet_format(images: np.ndarray) -> dict[str, Format]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        print("Parquet is left out: pyarrow is not installed")
        return {}
    files = []
    for image in images:
        content = io.BytesIO()
        Image.fromarray(image).save(content, "png")
        files.append({"bytes": content.getvalue(), "path": None})
    table = pyarrow.table({"img": files, "label": [0, 1, 0, 1]})
    content = io.BytesIO()
    parquet.write_table(table, content)

    def read(root: Path):
        (root / "test.parquet").write_bytes(content.getvalue())
        return load_dataset("parquet", root)

    return {"parquet": Format("train.parquet", content.getvalue(), read)}


# --- Reading ---


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TooSlow inside the block when the time is over."""

    def stop(*_):
        raise TooSlow(f"more than {seconds:g} s")

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def memory() -> float:
    """The most memory that the process has had, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def outcome(kind: Format, content: bytes, root: Path) -> str:
    """Read a damaged file: ``read`` or ``refused``, or what went wrong."""
    (root / kind.file_name).write_bytes(content)
    before, most = sorted(root.parent.iterdir()), memory()
    try:
        with time_limit(SECONDS):
            found = kind.read(root)
        verdict = "read" if _is_right(found) else f"a wrong result: {found!r}"
    except (Exception, TooSlow) as error:
        refused = type(error) is kind.refusal and "\n" not in str(error)
        verdict = "refused" if refused else f"{type(error).__name__}: {error}"
    if memory() - most > MEGABYTES:
        verdict = f"took {memory() - most:.0f} MB"
    if sorted(root.parent.iterdir()) != before:
        verdict = "a file was left behind"
    return verdict


def _is_right(found: object) -> bool:
    """The readers' own types check shapes, types and labels; a single image must be uint8 32 × 32 × 3."""
    if isinstance(found, np.ndarray):
        return found.shape == (32, 32, 3) and found.dtype == np.uint8
    return found is None or all(isinstance(part, ImageDataset) and len(part) for part in found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--files", type=int, default=5000, help="damaged files in all (default: 5000)")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failures"), help="folder for files that failed")
    args = parser.parse_args()
    warnings.simplefilter("ignore")  # Pillow's about damaged pictures
    logging.disable()
    every = formats()
    rng = random.Random(args.seed)
    counts = {name: Counter() for name in every}
    slowest = Counter()
    failures = 0
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["RESNET_TUTORIAL_CACHE"] = str(Path(temporary, "cache"))
        for name, kind in every.items():
            (Path(temporary, name.replace(" ", "-")) / "data").mkdir(parents=True)
            check = outcome(kind, kind.wrap(kind.content), Path(temporary, name.replace(" ", "-"), "data"))
            assert check == "read" or name == "archive", f"the valid {name} was not read: {check}"
        Path(temporary, "cache").mkdir(exist_ok=True)
        for i in range(args.files):
            name = list(every)[i % len(every)]
            content = every[name].wrap(mutate(every[name].content, rng))
            start = time.perf_counter()
            verdict = outcome(every[name], content, Path(temporary, name.replace(" ", "-"), "data"))
            slowest[name] = max(slowest[name], time.perf_counter() - start)
            counts[name][verdict if verdict in ("read", "refused") else "failed"] += 1
            if verdict not in ("read", "refused"):
                failures += 1
                args.keep.mkdir(parents=True, exist_ok=True)
                path = args.keep / f"{name.replace(' ', '-')}-{args.seed}-{i}"
                path.write_bytes(content)
                print(f"FAILED {path}: {verdict}", flush=True)
    print(f"{'format':22} {'read':>6} {'refused':>8} {'failed':>7} {'slowest':>9}")
    for name, count in counts.items():
        print(f"{name:22} {count['read']:6} {count['refused']:8} {count['failed']:7} {1e3 * slowest[name]:6.0f} ms")
    print(f"{args.files:,} files, seed {args.seed}: {failures} failed; at most {memory():.0f} MB")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
