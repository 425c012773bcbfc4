"""What a trained network says about images that it has not seen."""

from dataclasses import dataclass
from pathlib import Path

import torch

from ..data import normalize, read_image
from .checkpoint import model_from_checkpoint


@dataclass(frozen=True)
class Prediction:
    """The answer for one image: all classes with their probabilities, the most probable first."""

    path: Path
    classes: tuple[str, ...]
    probabilities: tuple[float, ...]


@torch.inference_mode()
def predict(state: dict, paths: list[Path]) -> list[Prediction]:
    """Classify image files with the network of a checkpoint.

    Args:
        state: from `load_checkpoint`.
        paths: image files of any size; they are scaled and cropped at the center to the size of the training images.

    Raises:
        InputError: if a file is missing or no image.
    """
    images = torch.stack([torch.from_numpy(read_image(path, state["image_size"]).copy()) for path in paths])
    logits = model_from_checkpoint(state)(normalize(images, state["mean"], state["std"]))
    answers = []
    for path, row in zip(paths, logits.softmax(dim=1), strict=True):
        order = row.argsort(descending=True).tolist()
        classes = tuple(state["classes"][k] for k in order)
        answers.append(Prediction(path, classes, tuple(row[order].tolist())))
    return answers
