"""What a trained network says about images that it has not seen."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm

from ..data import normalize
from ..data.decoding import Picture
from ..data.pictures import dark_notice, read_picture
from ..errors import InputError
from ..progress import no_bar
from ..weights import read_weights
from .engine import Device
from .trained import TrainedModel, trained_from_checkpoint

BATCH = 256

logger = logging.getLogger(__name__)


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
    answers, tops = [], []
    paths = [Path(path) for path in paths]
    bar = tqdm(total=len(paths), desc="predicting", unit=" images", delay=1, leave=False, disable=no_bar())
    for start in range(0, len(paths), BATCH):
        batch = paths[start : start + BATCH]
        found, pictures = _read_all(batch, trained.image_size, on_error)
        bar.update(len(batch))
        if not found:
            continue
        tops += [picture.top for picture in pictures]
        pixels = np.stack([picture.pixels for picture in pictures])
        images = normalize(torch.from_numpy(pixels).to(device.device), trained.mean, trained.std)
        with device.autocast():
            logits = model(images)
        values, order = logits.float().softmax(dim=1).cpu().sort(dim=1, descending=True)
        for path, places, row in zip(found, order.tolist(), values.tolist(), strict=True):
            answers.append(Prediction(path, tuple(trained.class_names[k] for k in places), tuple(row)))
    bar.close()
    if notice := dark_notice(np.array(tops)):
        logger.warning(notice)
    return answers


def _read_all(
    paths: list[Path], image_size: int, on_error: Callable[[InputError], None] | None
) -> tuple[list[Path], list[Picture]]:
    """The files that are images, and the images."""
    found, pictures = [], []
    for path in paths:
        try:
            pictures.append(read_picture(path, image_size))
        except InputError as unreadable:
            error = unreadable
            if path.is_file() and _holds_weights(path):
                error = InputError(f"{path} holds weights, and no image: name it with --checkpoint {path}")
            if on_error is None:
                raise error from None
            on_error(error)
        else:
            found.append(path)
    return found, pictures


def _holds_weights(path: Path) -> bool:
    try:
        return bool(read_weights(path).state_dict)
    except InputError:
        return False
