"""How good a network is: accuracy and how sure that figure is, calibration, and which classes it confuses."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..data import BatchLoader, ImageDataset
from ..errors import InputError
from ..text import text_table
from .config import TrainConfig
from .engine import Device
from .parts import pick_device
from .trained import TrainedModel, load_trained

TOP = 5
FEW_CLASSES = 20  # as many columns of counts fit a line


@dataclass(frozen=True)
class ClassScore:
    """What a network does with the images of one class.

    Attributes:
        name: the class.
        images: number of its images.
        accuracy: share of them that are recognized (recall), in percent; None without images.
        precision: share of the answers with this class that are right, in percent; None without such answers.
    """

    name: str
    images: int
    accuracy: float | None
    precision: float | None


@dataclass(frozen=True)
class Scores:
    """What `score` finds.

    Attributes:
        images: number of images, each scored once.
        loss: mean cross-entropy, in nats.
        accuracy: share of images whose class gets the largest logit (top-1), in percent.
        balanced_accuracy: mean of the classes' accuracies, in which a rare class counts as much as a frequent one, in
            percent.
        interval: 95 % interval of the accuracy (`wilson_interval`), in percent.
        top5: share of images whose class is among the five largest logits, in percent; None with five classes or fewer.
        calibration_error: expected calibration error (`calibration_error`), in percent.
        classes: one entry for each class.
        confusion: number of images by true class (row) and predicted class (column).
    """

    images: int
    loss: float
    accuracy: float
    balanced_accuracy: float
    interval: tuple[float, float]
    top5: float | None
    calibration_error: float
    classes: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]

    def __repr__(self) -> str:
        low, high = self.interval
        top5 = "" if self.top5 is None else f", top-5 {self.top5:.2f} %"
        sizes = {each.images for each in self.classes}
        balanced = f", balanced {self.balanced_accuracy:.2f} % (mean of the classes)" if len(sizes) > 1 else ""
        few = len(self.classes) <= FEW_CLASSES
        mistakes = (f"{true} taken for {said} {n}" for n, true, said in confusions(self))
        rows = [
            [
                "",
                each.name,
                "–" if each.accuracy is None else f"{each.accuracy:.2f} %",
                *map(str, counts if few else ()),
            ]
            for each, counts in zip(self.classes, self.confusion, strict=True)
        ]
        lines = [
            f"accuracy {self.accuracy:.2f} % (95 % interval {low:.2f} to {high:.2f}){balanced}{top5}, "
            f"loss {self.loss:.4f}",
            f"expected calibration error {self.calibration_error:.2f} % (15 bins)",
            "each class: share recognized, and its images by the answer, in the order of the classes"
            if few
            else f"most frequent mistakes: {'; '.join(mistakes) or 'none'}",
            text_table(rows, "<<>"),
        ]
        return "\n".join(lines)


def evaluate(
    trained: TrainedModel | str | Path,
    test: ImageDataset,
    *,
    model: str | nn.Module | None = None,
    device: str = "auto",
    flip: bool = False,
) -> Scores:
    """Score a trained network on a data set.

    Args:
        trained: the folder of a run, a checkpoint in it, a file of weights or a name from `list_pretrained`; for a file
            that leaves something open, what `load_trained` makes of it.
        test: images of the classes that the network knows, in the size that it was trained with.
        model: the network of a run of one's own, as for `load_trained`, which reads what ``trained`` names.
        device: ``cpu``, ``cuda``, ``mps``, or ``auto``, which takes a GPU if there is one.
        flip: whether to run each image and its mirror image, and take the mean of the two answers.

    Returns:
        The scores. Those of a run on its own test part are the ones in its record.

    Raises:
        InputError: as of `load_trained`, or if the data do not fit the network.
    """
    trained = trained if isinstance(trained, TrainedModel) else load_trained(trained, model=model)
    test = test.with_classes(trained.classes or test.classes)
    return score(*answers(trained, test, device=device, flip=flip), test.classes)


def answers(
    trained: TrainedModel, test: ImageDataset, *, device: str = "auto", flip: bool = False
) -> tuple[Tensor, Tensor]:
    """The logits of a trained network for a data set, float32 N × classes, and the labels, int64 N; see `evaluate`.

    Raises:
        InputError: if the data do not fit the network.
    """
    _check_fit(trained, test)
    exact = trained.run and trained.run["record"]["precision"] == "fp32"  # to give what the record says
    where = pick_device(TrainConfig(device=device, precision="fp32" if exact else "auto"))
    batches = BatchLoader(test, where.eval_batch, trained.transform, num_workers=1)
    return collect_logits(where.place(trained.model), batches, where, flip=flip)


@torch.inference_mode()
def collect_logits(
    model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], device: Device, *, flip: bool = False
) -> tuple[Tensor, Tensor]:
    """Run a network over all batches.

    Args:
        model: network that maps N × 3 × H × W to logits. Its training mode is restored afterwards.
        batches: images and labels, not augmented.
        device: where and how.
        flip: whether to run each image and its mirror image, and take the mean of the two logits.

    Returns:
        float32 logits, N × classes, and int64 labels, N, on the CPU, in the order of the batches.
    """
    was_training = model.training
    model.eval()
    logits, labels = [], []
    for batch in batches:
        images, truth = device.send(*batch)
        with device.autocast():
            answer = model(images).float()
            if flip:
                answer = (answer + model(images.flip(-1)).float()) / 2
        logits.append(answer)
        labels.append(truth)
    model.train(was_training)
    return torch.cat(logits).cpu(), torch.cat(labels).cpu()  # waits for the device, once


def score(logits: Tensor, labels: Tensor, classes: Sequence[str]) -> Scores:
    """Score the answers of a network.

    Args:
        logits: float32, N × classes.
        labels: int64, N.
        classes: names of the classes.

    Raises:
        ValueError: if there are no images.
    """
    n, count = logits.shape
    if n == 0:
        raise ValueError("no images to score")
    answers = logits.argmax(dim=1)
    confusion = torch.bincount(labels * count + answers, minlength=count**2).view(count, count)
    correct = int(confusion.trace())
    low, high = wilson_interval(correct, n)
    top5 = None
    if count > TOP:
        top5 = 100 * (logits.topk(TOP, dim=1).indices == labels[:, None]).any(dim=1).double().mean().item()
    right, images, given = (t.tolist() for t in (confusion.diagonal(), confusion.sum(dim=1), confusion.sum(dim=0)))
    by_class = tuple(
        ClassScore(name, images[k], _percent(right[k], images[k]), _percent(right[k], given[k]))
        for k, name in enumerate(classes)
    )
    shares = [each.accuracy for each in by_class if each.images]
    return Scores(
        images=n,
        loss=F.cross_entropy(logits, labels).item(),
        accuracy=100 * correct / n,
        balanced_accuracy=sum(shares) / len(shares),
        interval=(100 * low, 100 * high),
        top5=top5,
        calibration_error=100 * calibration_error(logits.softmax(dim=1), labels),
        classes=by_class,
        confusion=tuple(map(tuple, confusion.tolist())),
    )


def calibration_error(probabilities: Tensor, labels: Tensor, bins: int = 15) -> float:
    """Expected calibration error (Guo et al. 2017, section 2, equation 3).

    The confidence of an answer is the probability of the class that is answered. Answers are sorted by it into bins of
    equal width, (0, 1/15], (1/15, 2/15] …; in each, the share of right answers is compared with the mean confidence.
    The error is the mean of the absolute differences, each weighted with the share of images in its bin.

    Args:
        probabilities: N × classes, each row adding up to 1.
        labels: int64, N.
        bins: number of bins.

    Returns:
        A number from 0 (in every bin, as often right as it says) to 1.
    """
    confidence, answers = probabilities.double().max(dim=1)
    right = (answers == labels).double()
    # A confidence of exactly 1/15 belongs to the first bin: the intervals are closed on the right.
    place = (confidence * bins).ceil().long().clamp(1, bins) - 1
    gaps = torch.zeros(bins, dtype=torch.float64).index_add_(0, place, right - confidence)
    return gaps.abs().sum().item() / len(labels)


def wilson_interval(correct: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Interval for a share that was estimated by counting (Wilson 1927).

    It says how far the accuracy may lie from that on endlessly many images of the same kind. It knows nothing of other
    seeds: training again moves the accuracy, too.

    Args:
        correct: images that were recognized.
        n: images.
        z: width in standard deviations of the normal distribution; 1.96 for 95 %.

    Returns:
        Lower and upper end, in [0, 1].
    """
    share = correct / n
    center = share + z**2 / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    low, high = ((center + sign * spread) / (1 + z**2 / n) for sign in (-1, 1))
    return max(0.0, low), min(1.0, high)


def confusions(scores: Scores, most: int = 5) -> list[tuple[int, str, str]]:
    """The most frequent mistakes: number of images, true class, predicted class."""
    names = [entry.name for entry in scores.classes]
    pairs = [
        (n, names[true], names[predicted])
        for true, row in enumerate(scores.confusion)
        for predicted, n in enumerate(row)
        if n and true != predicted
    ]
    return sorted(pairs, key=lambda pair: -pair[0])[:most]


def _check_fit(trained: TrainedModel, test: ImageDataset) -> None:
    """Refuse a data set with other classes, or another size of images, than the network was trained with."""
    if trained.classes is not None and test.classes != trained.classes:
        meant = f"evaluate it on {trained.run['record']['data']['name']}" if trained.run else "name other data"
        known, found = some_classes(trained.classes), some_classes(test.classes)
        raise InputError(f"{test.name} has the classes {found}; the network knows {known}: {meant}")
    if len(test.classes) != len(trained.class_names):
        raise InputError(
            f"{test.name} has {len(test.classes)} classes, the network {len(trained.class_names)}: name other data"
        )
    height, width, size = *test.images.shape[1:3], trained.image_size
    if (height, width) != (size, size):
        raise InputError(
            f"{test.name} has images of {height}×{width} pixels, the network was trained with {size}×{size}: "
            f"load_dataset(…, image_size={size}) scales them"
        )


def some_classes(classes: tuple[str, ...]) -> str:
    """The names, or the first of very many."""
    more = f" and {len(classes) - FEW_CLASSES} more" if len(classes) > FEW_CLASSES else ""
    return f"{', '.join(classes[:FEW_CLASSES])}{more}"


def _percent(part: int, whole: int) -> float | None:
    return 100 * part / whole if whole else None
