"""Whether a network is as often right as it says (Guo et al. 2017)."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class ConfidenceBin:
    """Answers of similar confidence.

    Attributes:
        low, high: the bin takes confidences above ``low`` and up to ``high``.
        images: number of answers in it.
        confidence: their mean confidence.
        accuracy: share of them that is right.
    """

    low: float
    high: float
    images: int
    confidence: float
    accuracy: float


def reliability(probabilities: Tensor, labels: Tensor, bins: int = 10) -> list[ConfidenceBin]:
    """The bins of a reliability diagram (Guo et al. 2017, section 2, figure 1).

    Confidence is the probability of the class that is answered. Weighted with the images, the mean distance between
    confidence and accuracy is the expected calibration error of `resnet_tutorial.training.score`, which has 15 bins.

    Args:
        probabilities: N × classes, each row adding up to 1.
        labels: int64 N.
        bins: number of bins, of equal width.

    Returns:
        The bins that hold answers, in ascending order.
    """
    confidence, answers = probabilities.double().max(dim=1)
    right = (answers == labels).double()
    places = (confidence * bins).ceil().long().clamp(1, bins)  # closed on the right
    return [
        ConfidenceBin(
            (place - 1) / bins, place / bins, int(here.sum()), confidence[here].mean().item(), right[here].mean().item()
        )
        for place in range(1, bins + 1)
        if (here := places == place).any()
    ]
