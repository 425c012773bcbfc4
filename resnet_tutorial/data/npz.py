"""Data sets in NumPy's ``.npz`` files."""

import contextlib
import zipfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import numpy as np
import torch

from ..errors import InputError, first_line
from ..files import reading
from .cache import Parts
from .dataset import ImageDataset

# Images and labels of the train part and the test part, as Keras and MedMNIST name them.
_KEYS = (("x_train", "y_train", "x_test", "y_test"), ("train_images", "train_labels", "test_images", "test_labels"))
_PART_KEYS = ("images", "labels")
_CLASS_KEYS = ("classes", "class_names")
_WANTED = {key for keys in (*_KEYS, _PART_KEYS, _CLASS_KEYS) for key in keys}
Arrays = tuple[np.ndarray, np.ndarray]  # images and labels
_EXPANSION = 1100  # zip's compression makes nothing smaller than by this factor


def find_npz(root: Path) -> list[Path]:
    """Find the file or files of a data set: ``root`` itself, ``train.npz`` and ``test.npz``, or else every ``.npz``."""
    if root.is_file():
        return [root] if root.suffix == ".npz" else []
    parts = [root / "train.npz", root / "test.npz"]
    return parts if all(part.is_file() for part in parts) else sorted(root.glob("[!.]*.npz"))


def load_npz(root: Path, *, train_alone: bool = False, test_alone: bool = False) -> Parts:
    """Read the train and the test part from one ``.npz`` file, or from ``train.npz`` and ``test.npz``.

    One file holds ``x_train``, ``y_train``, ``x_test``, ``y_test``, or ``train_images``, ``train_labels``,
    ``test_images``, ``test_labels``; each of two files holds ``images`` and ``labels``. Images are uint8 N × H × W × 3,
    N × 3 × H × W, or gray N × H × W; labels are whole numbers from 0. ``classes`` may name the classes. Nothing
    pickled is read.

    Args:
        root: the file, or the folder that it is in.
        train_alone: give an empty test part where there is none. One file may then hold ``images`` and ``labels``, too.
        test_alone: likewise for the train part.

    Raises:
        InputError: if there is no such file, or several; or it is damaged or holds something else.
    """
    paths = find_npz(root)
    if not paths:
        raise InputError(f"no .npz file in {root}: it should hold one, or train.npz and test.npz")
    two = [path.name for path in paths] == ["train.npz", "test.npz"]
    if len(paths) > 1 and not two:
        raise InputError(f"{root} holds {len(paths)} .npz files: name the one to read, such as {paths[0]}")
    found = _find_splits(paths, test_alone)
    needed = {"train"} if train_alone else {"train", "test"}
    if test_alone and ("test" in found or not train_alone):
        needed = {"test"}
    if not needed <= found.keys():
        choices = " or ".join(", ".join(keys) for keys in _KEYS)
        share = "; to split a test part off, give --test-share 0.2" if "train" in found else ""
        raise InputError(f"{paths[0]} holds {_held(paths[0])}: it should hold {choices}{share}")
    parts = {split: _images_and_labels(path, arrays, keys) for split, (path, arrays, keys) in found.items()}
    (path, arrays, _), part = next(iter(found.values())), next(iter(parts.values()))
    with _about(path):
        name = root.resolve().name if two else path.stem
        train, test = make_parts(parts.get("train", part), parts.get("test", part), _classes(arrays, part[1]), name)
    none = torch.arange(0)
    return train if "train" in parts else train.take(none), test if "test" in parts else test.take(none)


def _find_splits(paths: list[Path], test_alone: bool) -> dict[str, tuple[Path, dict[str, np.ndarray], tuple[str, ...]]]:
    """For each part that is there: its file, what that holds, and the keys of images and labels."""
    files = [(path, read_npz(path, _WANTED)) for path in paths]
    if len(files) == 2:
        return {split: (*file, _PART_KEYS) for split, file in zip(("train", "test"), files, strict=True)}
    (path, arrays), found = files[0], {}
    for keys in _KEYS:
        for split, pair in (("train", keys[:2]), ("test", keys[2:])):
            if set(pair) <= arrays.keys():
                found.setdefault(split, (path, arrays, pair))
    if not found and set(_PART_KEYS) <= arrays.keys():
        found["test" if test_alone else "train"] = path, arrays, _PART_KEYS
    return found


def read_npz(path: Path, wanted: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """The arrays in a file, or those that are wanted.

    Raises:
        InputError: if it cannot be read, is damaged, or holds Python objects.
    """
    with reading(path):
        size = path.stat().st_size
        try:
            with zipfile.ZipFile(path) as archive:
                _check_sizes(archive, size)
            with np.load(path, allow_pickle=False) as arrays:
                found = {key: arrays[key] for key in arrays.files if wanted is None or key in wanted}
            if not all(isinstance(array, np.ndarray) for array in found.values()):  # raw bytes, where the start differs
                raise ValueError("it holds something else than arrays")
            return found
        except PermissionError:
            raise
        except Exception as error:  # a damaged file can fail in many ways
            raise InputError(f"{path} cannot be read ({first_line(error)}): write it anew with np.savez") from None


def _held(path: Path) -> str:
    """The names of all arrays in a file."""
    with reading(path), zipfile.ZipFile(path) as archive:
        return ", ".join(name.removesuffix(".npy") for name in archive.namelist())[:200] or "nothing"


def _check_sizes(archive: zipfile.ZipFile, size: int) -> None:
    """Refuse a file that claims more than it can hold."""
    for member in archive.infolist():
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError("it is compressed in a way that NumPy does not use")
        if member.file_size > _EXPANSION * size:
            raise ValueError(f"{member.filename} claims {member.file_size:,} bytes")


def _images_and_labels(path: Path, arrays: Mapping[str, np.ndarray], keys: tuple[str, ...]) -> Arrays:
    for key in keys:
        if key not in arrays:
            raise InputError(f"{path} holds {_held(path)}, but no {key}: write it with np.savez")
    with _about(path):
        return to_rgb_batch(arrays[keys[0]]), to_labels(arrays[keys[1]])


@contextlib.contextmanager
def _about(path: Path) -> Iterator[None]:
    """Name the file in a complaint about its content."""
    try:
        yield
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None


def to_rgb_batch(images: np.ndarray) -> np.ndarray:
    """Bring images in one of the usual orders to uint8 N × H × W × 3.

    Raises:
        ValueError: if they are something else.
    """
    if not len(images):
        raise ValueError("there are no images")
    if images.dtype != np.uint8:
        raise ValueError(f"the pixels are {images.dtype}; they should be uint8, 0 to 255: convert them first")
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim == 4 and images.shape[3] not in (1, 3) and images.shape[1] in (1, 3):
        images = images.transpose(0, 2, 3, 1)
    if images.ndim != 4 or images.shape[3] not in (1, 3) or 0 in images.shape:
        raise ValueError(f"images of shape {images.shape}; they should be N×H×W×3, N×3×H×W or N×H×W")
    return np.ascontiguousarray(images if images.shape[3] == 3 else images.repeat(3, axis=3))


def to_labels(labels: np.ndarray) -> np.ndarray:
    """Bring labels of shape N or N × 1 to int64 N.

    Raises:
        ValueError: if they are no whole numbers from 0.
    """
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ValueError(f"labels of shape {labels.shape} and type {labels.dtype}; they should be N whole numbers")
    if len(labels) and (labels.min() < 0 or labels.max() > np.iinfo(np.int64).max):
        raise ValueError(f"labels from {labels.min()} to {labels.max()}; they should count from 0")
    return labels.astype(np.int64)


def make_parts(train: Arrays, test: Arrays, classes: tuple[str, ...], name: str) -> Parts:
    """Make the two parts of a data set after checking that images, labels and classes fit together.

    Args:
        train: images, uint8 N × H × W × 3, and labels, int64 N.
        test: likewise.
        classes: the class names.
        name: name of the data set.

    Raises:
        ValueError: if they do not.
    """
    for split, (images, labels) in (("train", train), ("test", test)):
        if len(images) != len(labels) or not len(labels):
            raise ValueError(f"the {split} part has {len(images):,} images and {len(labels):,} labels")
        if labels.max() >= len(classes):
            raise ValueError(f"the {split} part has the label {labels.max()}, but there are {len(classes)} classes")
        counts = np.bincount(labels, minlength=len(classes))
        if not counts.all():
            empty = int(counts.argmin())
            hint = ": do the labels count from 0?" if empty == 0 else ""
            raise ValueError(f"class {classes[empty]!r} has no images in the {split} part{hint}")
    (height, width), (test_height, test_width) = train[0].shape[1:3], test[0].shape[1:3]
    if (height, width) != (test_height, test_width):
        raise ValueError(f"images of {height}×{width} in the train part, {test_height}×{test_width} in the test part")
    return tuple(
        ImageDataset(torch.from_numpy(images), torch.from_numpy(labels), classes, name, split)
        for split, (images, labels) in (("train", train), ("test", test))
    )


def _classes(arrays: Mapping[str, np.ndarray], labels: np.ndarray) -> tuple[str, ...]:
    for key in _CLASS_KEYS:
        if key in arrays:
            if arrays[key].ndim != 1 or arrays[key].dtype.kind != "U":
                raise ValueError(f"{key} should be a list of strings")
            return tuple(arrays[key].tolist())
    return numbered_classes(labels)


def numbered_classes(labels: np.ndarray) -> tuple[str, ...]:
    """Name classes by their numbers, where nothing better is known.

    Raises:
        ValueError: if some of them must be empty.
    """
    highest = int(labels.max(initial=-1))
    if highest >= len(labels):
        raise ValueError(f"the label {highest} among {len(labels):,} images: some classes have none")
    return tuple(str(k) for k in range(highest + 1))
