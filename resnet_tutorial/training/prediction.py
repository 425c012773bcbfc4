"""What a trained network says about images that it has not seen."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..data import normalize, read_image
from ..errors import InputError
from ..weights import read_weights
from .engine import Device
from .trained import TrainedModel, trained_from_checkpoint

BATCH = 256


@dataclass(frozen=True)
class Prediction:
    """The answer for one image: all classes with their probabilities, the most probable first."""

    path: Path
    classes: tuple[str, ...]
    probabilities: tuple[float, ...]


@torch.inference_mode()
def predict(
    trained: TrainedModel | dict,
    paths: Sequence[str | Path],
    device: Device | None = None,
    *,
    on_error: Callable[[InputError], None] | None = None,
) -> list[Prediction]:
    """Classify image files, many of them in one batch.

    Args:
        trained: from `load_trained`, or a checkpoint from `load_checkpoint`.
        paths: image files of any size; they are scaled and cropped at the center to the size of the training images.
        device: where and how; the CPU in float32 if not given.
        on_error: receives the error of each file that is missing or no image, which is then left out.

    Returns:
        A prediction for each image, in the order of the files.

    Raises:
        InputError: if a file is missing or no image, and there is no ``on_error``.
    """
    if isinstance(trained, dict):
        trained = trained_from_checkpoint(trained)
    device = device or Device(torch.device("cpu"))
    model = device.place(trained.model).eval()
    answers = []
    for batch in _batches([Path(path) for path in paths]):
        found, pixels = _read_all(batch, trained.image_size, on_error)
        if not found:
            continue
        images = normalize(torch.from_numpy(np.stack(pixels)).to(device.device), trained.mean, trained.std)
        with device.autocast():
            logits = model(images)
        answers += _sorted(found, logits.float().softmax(dim=1).cpu(), trained.class_names)
    return answers


def _batches(paths: list[Path]) -> Iterator[list[Path]]:
    for start in range(0, len(paths), BATCH):
        yield paths[start : start + BATCH]


def _sorted(paths: list[Path], probabilities: torch.Tensor, names: tuple[str, ...]) -> list[Prediction]:
    values, order = probabilities.sort(dim=1, descending=True)
    return [
        Prediction(path, tuple(names[k] for k in places), tuple(row))
        for path, places, row in zip(paths, order.tolist(), values.tolist(), strict=True)
    ]


def _read_all(
    paths: list[Path], image_size: int, on_error: Callable[[InputError], None] | None
) -> tuple[list[Path], list[np.ndarray]]:
    """The files that are images, and their pixels."""
    found, pixels = [], []
    for path in paths:
        try:
            pixels.append(_read(path, image_size))
        except InputError as error:
            if on_error is None:
                raise
            on_error(error)
        else:
            found.append(path)
    return found, pixels


def _read(path: Path, image_size: int) -> np.ndarray:
    try:
        return read_image(path, image_size)
    except InputError:
        if path.is_file() and _holds_weights(path):
            raise InputError(f"{path} holds weights, and no image: name it with --checkpoint {path}") from None
        raise


def _holds_weights(path: Path) -> bool:
    try:
        return bool(read_weights(path).state_dict)
    except InputError:
        return False
