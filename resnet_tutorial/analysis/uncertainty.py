"""How sure a measured accuracy or difference is: from the test images, and from the seeds.

For one accuracy that was counted on n images see also :func:`~resnet_tutorial.training.scores.wilson_interval`.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats
from torch import Tensor

from ..errors import InputError

LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval, in the unit of what it was computed from.

    Attributes:
        value: the figure.
        low, high: ends of the interval.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


@dataclass(frozen=True)
class PairedCounts:
    """Two networks on the same images, counted, and McNemar's exact test (McNemar 1947).

    Attributes:
        only_first: images that only the first network recognizes.
        only_second: images that only the second one recognizes.
        p_value: how often equally good networks would differ at least that much on these images, from 0 to 1.
    """

    only_first: int
    only_second: int
    p_value: float


def bootstrap_interval(values: Tensor, draws: int = 2000, seed: int = 0) -> Estimate:
    """Percentile bootstrap of a mean (Efron 1979): draw as many values again, with replacement, and take the mean.

    Values of single images give the spread over images: 0 or 100 for an accuracy, the difference of two networks on
    each image for a paired comparison. Values of a handful of runs give intervals that are too narrow: there use
    `mean_interval`.

    Args:
        values: N numbers.
        draws: how often the values are drawn.
        seed: of the draws.

    Raises:
        InputError: if there are no values.
    """
    if len(values) == 0:
        raise InputError("no values to draw from: give at least one")
    numbers, mean = values.double().numpy(), values.double().mean().item()
    if len(set(numbers.tolist())) == 1:  # whatever is drawn, it is the same
        return Estimate(mean, mean, mean)
    options = {"n_resamples": draws, "confidence_level": LEVEL, "method": "percentile", "batch": 100}
    found = stats.bootstrap((numbers,), np.mean, **options, random_state=np.random.default_rng(seed))
    return Estimate(mean, *map(float, found.confidence_interval))


def count_pairs(first: Tensor, second: Tensor) -> PairedCounts:
    """Count on which images two networks differ in being right, and test whether one is better there.

    Images on which both are right, or both are wrong, say nothing about which one is better and do not count.

    Args:
        first: bool N, whether the first network recognizes each image.
        second: bool N, the same of the second one, for the same images in the same order.

    Raises:
        InputError: if they are not of one length.
    """
    if first.shape != second.shape:
        raise InputError(f"{len(first)} answers beside {len(second)}: score both networks on the same images")
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    n = only_first + only_second
    return PairedCounts(only_first, only_second, stats.binomtest(only_first, n).pvalue if n else 1.0)


def mean_interval(values: Sequence[float]) -> Estimate:
    """Student's t interval for the mean over seeds (Student 1908).

    Args:
        values: one figure for each run, such as its accuracy in percent.

    Raises:
        InputError: if there are fewer than two.
    """
    _check_number(values)
    mean = statistics.fmean(values)
    if len(set(values)) == 1:
        return Estimate(mean, mean, mean)
    return Estimate(mean, *map(float, stats.ttest_1samp(values, 0.0).confidence_interval(LEVEL)))


def seed_difference(first: Sequence[float], second: Sequence[float]) -> Estimate:
    """Welch's t interval for how much higher the second mean over seeds is than the first (Welch 1947).

    The two groups may differ in number and in spread.

    Args:
        first, second: one figure for each run, such as its accuracy in percent.

    Raises:
        InputError: if a group has fewer than two.
    """
    for values in (first, second):
        _check_number(values)
    gap = statistics.fmean(second) - statistics.fmean(first)
    if len(set(first)) == len(set(second)) == 1:
        return Estimate(gap, gap, gap)
    return Estimate(gap, *map(float, stats.ttest_ind(second, first, equal_var=False).confidence_interval(LEVEL)))


def seeds_needed(gain: float, sd: float, power: float = 0.8) -> int:
    """How many seeds each of two networks needs, so that a 95 % interval will show their difference.

    Args:
        gain: true difference of the means.
        sd: standard deviation over seeds, of each network, in the same unit.
        power: how often the interval shall exclude 0, from 0.5 to below 1.

    Raises:
        InputError: if gain or sd is not above 0.
    """
    if gain <= 0 or sd <= 0:
        raise InputError(f"gain and sd must be above 0, got {gain} and {sd}")
    z = statistics.NormalDist().inv_cdf
    n = max(2, math.ceil(2 * ((z((1 + LEVEL) / 2) + z(power)) * sd / gain) ** 2))
    while n < 2 * ((t_quantile(2 * n - 2) + t_quantile(2 * n - 2, 2 * power - 1)) * sd / gain) ** 2:
        n += 1  # t is wider than the normal distribution that the search began with
    return n


def t_quantile(freedom: float, level: float = LEVEL) -> float:
    """The number that Student's t with so many degrees of freedom stays within, on both sides, with this probability.

    Args:
        freedom: degrees of freedom, at least 1; not necessarily whole.
        level: probability, from 0 to below 1.
    """
    return float(stats.t.ppf((1 + level) / 2, freedom))


def _check_number(values: Sequence[float]) -> None:
    if len(values) < 2:
        raise InputError(f"{len(values)} run says nothing about the spread over seeds: give at least two")
