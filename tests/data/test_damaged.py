"""Damage small valid files of every format in many ways and read them: a result or one line of complaint, no more."""

import functools
import gzip
import io
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from PIL import Image
from pyarrow import parquet

from resnet_tutorial import ImageDataset, InputError, load_dataset
from resnet_tutorial.data import read_image
from resnet_tutorial.data.cifar import KINDS, _files_of_folder, _read, _read_packed
from tests.damage import damaged, drawn, limits

from .archives import cifar_files, tar_gz, tiny


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Args:
        file: where it lies, in a folder.
        content: a valid file.
        read: reads it, and raises ``refusal`` where it is damaged.
        wrap: what is put around the damaged content, such as a checksum that fits it.
        refusal: the exception that refuses a damaged file; ValueError below the surface of the package.
    """

    file: str
    content: bytes
    read: Callable[[Path], object]
    wrap: Callable[[bytes], bytes] = bytes
    refusal: type[Exception] = InputError

    def outcome(self, folder: Path, content: bytes) -> str:
        """Read the content: "read" or "refused". An exception is what went wrong."""
        path = folder / self.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.wrap(content))
        try:
            with limits():
                found = self.read(path)
        except self.refusal as error:
            if type(error) is not self.refusal or "\n" in str(error):
                raise
            return "refused"
        # The readers' own types check shapes, types and labels of data sets.
        image = isinstance(found, np.ndarray) and found.shape == (32, 32, 3) and found.dtype == np.uint8
        assert image or all(isinstance(part, ImageDataset) and len(part) for part in found), f"read: {found!r}"
        return "read"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("formats")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setenv("RESNET_TUTORIAL_CACHE", str(folder / "own cache"))
        warnings.simplefilter("ignore")  # Pillow's about damaged pictures
        yield folder


def test_valid_files_are_read(folder):
    assert all(each.outcome(folder, each.content) == "read" for each in formats().values())


@st.composite
def damaged_files(draw: st.DrawFn) -> tuple[str, bytes]:
    name = draw(st.sampled_from(list(formats())))
    return name, draw(damaged(formats()[name].content))


@drawn
@given(damaged_files())
def test_a_damaged_file_is_read_or_refused_in_one_line(folder, found):
    name, content = found
    event(f"{name}: {formats()[name].outcome(folder, content)}")


@functools.cache
def formats() -> dict[str, Format]:
    """Small valid files of every format in folders of their own, and how each is read."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    found = cifar_formats("cifar10", rng) | cifar_formats("cifar100", rng)
    labels, array = np.arange(4) % 2, io.BytesIO()
    arrays = {"x_train": images, "y_train": labels, "x_test": images, "y_test": labels, "classes": np.array(["a", "b"])}
    np.save(array, images)

    def with_array(content: bytes) -> bytes:
        """An ``.npz`` file in which the archive is whole and an array is not."""
        return zipped({"x_train.npy": content}, npz({name: arrays[name] for name in arrays if name != "x_train"}))

    def read_npz(file: Path) -> object:
        return load_dataset("npz", file.parent)

    found["npz"] = Format("npz/mine.npz", npz(arrays), read_npz)
    found["npy in npz"] = Format("npy/mine.npz", array.getvalue(), read_npz, with_array)
    return found | image_formats() | {"parquet": parquet_format(images)}


def cifar_formats(name: str, rng: np.random.Generator) -> dict[str, Format]:
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
            path = f"{label} {what}/{layout.folder}/{file}"
            found[f"{label} {what}"] = Format(path, content, read, wrap, ValueError)
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


def image_formats() -> dict[str, Format]:
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
        found[name] = Format(f"{name}/picture.{kind}", content.getvalue(), read_image)
    return found


def parquet_format(images: np.ndarray) -> Format:
    files, content = [], io.BytesIO()
    for image in images:
        picture = io.BytesIO()
        Image.fromarray(image).save(picture, "png")
        files.append({"bytes": picture.getvalue(), "path": None})
    parquet.write_table(pyarrow.table({"img": files, "label": [0, 1, 0, 1]}), content)

    def read(file: Path) -> object:
        (file.parent / "test.parquet").write_bytes(content.getvalue())
        return load_dataset("parquet", file.parent)

    return Format("parquet/train.parquet", content.getvalue(), read)
