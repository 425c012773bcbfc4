"""Damage small valid files of every format in many ways and read them: a result or one line of complaint, no more.

Anything else is a failure: another exception, a crash, more than ten seconds, much memory. The file of each failure is
kept. Run from the repository root (about two minutes):

    python -m benchmarks.fuzz_readers
    python -m benchmarks.fuzz_readers --seed 7 --files 10000 --keep failures
"""

import gzip
import io
import logging
import os
import random
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow
from PIL import Image
from pyarrow import parquet

from resnet_tutorial import ImageDataset, InputError, load_dataset
from resnet_tutorial.data import read_image
from resnet_tutorial.data.cifar import KINDS, _files_of_folder, _read, _read_packed
from tests.data.archives import cifar_files, tar_gz, tiny

from .fuzz import Kind, main, mutate


def reader(
    file: Path,
    content: bytes,
    read: Callable[[Path], object],
    wrap: Callable[[bytes], bytes] = bytes,
    refusal: type[Exception] = InputError,
) -> Kind:
    """A kind of file.

    Args:
        file: where it lies.
        content: a valid file.
        read: reads it, and raises ``refusal`` where it is damaged.
        wrap: what is put around the damaged content, such as a checksum that fits it.
        refusal: the exception that refuses a damaged file; ValueError below the surface of the package.
    """

    def outcome() -> str:
        try:
            found = read(file)
        except refusal as error:
            if type(error) is not refusal or "\n" in str(error):
                raise
            return "refused"
        # The readers' own types check shapes, types and labels of data sets.
        image = isinstance(found, np.ndarray) and found.shape == (32, 32, 3) and found.dtype == np.uint8
        assert image or all(isinstance(part, ImageDataset) and len(part) for part in found), f"read: {found!r}"
        return "read"

    def damage(rng: random.Random) -> tuple[bytes, Callable[[], str]]:
        damaged = wrap(mutate(content, rng))
        file.write_bytes(damaged)
        return damaged, outcome

    file.parent.mkdir(parents=True)
    file.write_bytes(wrap(content))
    assert outcome() == "read", f"the valid {file} was not read"
    return damage


def formats(root: Path) -> dict[str, Kind]:
    """Small valid files of every format in folders of their own, and how each is read."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    found = cifar_formats(root, "cifar10", rng) | cifar_formats(root, "cifar100", rng)
    labels, array = np.arange(4) % 2, io.BytesIO()
    arrays = {"x_train": images, "y_train": labels, "x_test": images, "y_test": labels, "classes": np.array(["a", "b"])}
    np.save(array, images)

    def with_array(content: bytes) -> bytes:
        """An ``.npz`` file in which the archive is whole and an array is not."""
        return zipped({"x_train.npy": content}, npz({name: arrays[name] for name in arrays if name != "x_train"}))

    def read_npz(file: Path) -> object:
        return load_dataset("npz", file.parent)

    found["npz"] = reader(root / "npz" / "mine.npz", npz(arrays), read_npz)
    found["npy in npz"] = reader(root / "npy" / "mine.npz", array.getvalue(), read_npz, with_array)
    return found | image_formats(root) | {"parquet": parquet_format(root, images)}


def cifar_formats(root: Path, name: str, rng: np.random.Generator) -> dict[str, Kind]:
    """Below the check of its sum: the tar, the zip file, and a file of the unpacked folder, of both versions."""
    kind, found = KINDS[name], {}
    for version, label in ((0, name), (1, f"{name} binary")):
        layout = tiny(kind.layouts[version], 3)
        n = 3 * (len(layout.train) + len(layout.test))
        planes = rng.integers(0, 256, (n, 3072), dtype=np.uint8)
        planes[:, 100:] = 7  # most of a file should be structure, not pixels
        files = cifar_files(name, layout, planes, np.arange(n) % kind.num_classes)
        packed, batch = tar_gz(files, layout.folder), next(iter(layout.train))

        def read_packed(file: Path, layout=layout):
            with open(file, "rb") as content:
                return _read_packed(content, layout, kind)

        def read_folder(file: Path, layout=layout, files=files):
            for other in files.keys() - {file.name}:
                (file.parent / other).write_bytes(files[other])
            return _read(_files_of_folder(file.parent, layout, kind), layout, kind)

        cases = {
            "tar": (layout.archive, gzip.decompress(packed), read_packed, gzip.compress),
            "tar.gz": (layout.archive, packed, read_packed, bytes),
            "zip": ("files.zip", zipped(files), read_packed, bytes),
            "batch": (batch, files[batch], read_folder, bytes),
        }
        for what, (file, content, read, wrap) in cases.items():
            path = root / f"{label} {what}" / layout.folder / file
            found[f"{label} {what}"] = reader(path, content, read, wrap, ValueError)
    return found


def zipped(files: dict[str, bytes], archive: bytes = b"") -> bytes:
    """A zip archive of files, or an archive with these files, too."""
    content = io.BytesIO(archive)
    with zipfile.ZipFile(content, "a", zipfile.ZIP_DEFLATED) as opened:
        for name, data in files.items():
            opened.writestr(name, data)
    return content.getvalue()


def npz(arrays: dict[str, np.ndarray]) -> bytes:
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


def image_formats(root: Path) -> dict[str, Kind]:
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
        content = io.BytesIO()
        image.save(content, kind, **options)
        found[name] = reader(root / name / f"picture.{kind}", content.getvalue(), read_image)
    return found


def parquet_format(root: Path, images: np.ndarray) -> Kind:
    files, content = [], io.BytesIO()
    for image in images:
        picture = io.BytesIO()
        Image.fromarray(image).save(picture, "png")
        files.append({"bytes": picture.getvalue(), "path": None})
    parquet.write_table(pyarrow.table({"img": files, "label": [0, 1, 0, 1]}), content)

    def read(file: Path) -> object:
        (file.parent / "test.parquet").write_bytes(content.getvalue())
        return load_dataset("parquet", file.parent)

    return reader(root / "parquet" / "train.parquet", content.getvalue(), read)


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # Pillow's about damaged pictures
    logging.disable()
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["RESNET_TUTORIAL_CACHE"] = str(Path(temporary, "own cache"))
        main(__doc__.partition("\n")[0], formats(Path(temporary)), 5000)
