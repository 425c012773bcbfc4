"""How sure a measured accuracy or difference is: from the test images, and from the seeds.

For one accuracy that was counted on n images see also :func:`~resnet_tutorial.training.scores.wilson_interval`.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import torch
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

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of 0."""
        return self.low > 0 or self.high < 0

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


def bootstrap_interval(values: Tensor, draws: int = 2000, generator: torch.Generator | None = None) -> Estimate:
    """Percentile bootstrap of a mean (Efron 1979): draw as many values again, with replacement, and take the mean.

    Values of single images give the spread over images: 0 or 100 for an accuracy, the difference of two networks on
    each image for a paired comparison. Values of a handful of runs give intervals that are too narrow: there use
    `mean_interval`.

    Args:
        values: N numbers.
        draws: how often the values are drawn.
        generator: source of the draws; PyTorch's own if None.

    Raises:
        InputError: if there are no values.
    """
    if len(values) == 0:
        raise InputError("no values to draw from: give at least one")
    values = values.double()
    means = [values[torch.randint(len(values), (len(values),), generator=generator)].mean() for _ in range(draws)]
    tails = torch.tensor([(1 - LEVEL) / 2, (1 + LEVEL) / 2], dtype=torch.float64)
    low, high = torch.stack(means).quantile(tails).tolist()
    return Estimate(values.mean().item(), low, high)


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
    n, fewer = only_first + only_second, min(only_first, only_second)
    tail = sum(math.comb(n, k) for k in range(fewer + 1)) / 2**n
    return PairedCounts(only_first, only_second, min(1.0, 2 * tail))


def mean_interval(values: Sequence[float]) -> Estimate:
    """Student's t interval for the mean over seeds (Student 1908).

    Args:
        values: one figure for each run, such as its accuracy in percent.

    Raises:
        InputError: if there are fewer than two.
    """
    mean, variance = _mean_and_its_variance(values)
    half = t_quantile(len(values) - 1) * math.sqrt(variance)
    return Estimate(mean, mean - half, mean + half)


def seed_difference(first: Sequence[float], second: Sequence[float]) -> Estimate:
    """Welch's t interval for how much higher the second mean over seeds is than the first (Welch 1947).

    The two groups may differ in number and in spread.

    Args:
        first, second: one figure for each run, such as its accuracy in percent.

    Raises:
        InputError: if a group has fewer than two.
    """
    (a, variance_a), (b, variance_b) = map(_mean_and_its_variance, (first, second))
    variance = variance_a + variance_b
    if variance == 0:
        return Estimate(b - a, b - a, b - a)
    freedom = variance**2 / (variance_a**2 / (len(first) - 1) + variance_b**2 / (len(second) - 1))
    half = t_quantile(freedom) * math.sqrt(variance)
    return Estimate(b - a, b - a - half, b - a + half)


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

    With t = √freedom · tan θ the density of θ is cos θ to the power of freedom − 1, which is added up here.

    Args:
        freedom: degrees of freedom, at least 1; not necessarily whole.
        level: probability, from 0 to below 1.
    """
    if freedom > 10_000:  # no longer to be told from the normal distribution
        return statistics.NormalDist().inv_cdf((1 + level) / 2)
    steps = 10_000
    middles = (torch.arange(steps, dtype=torch.float64) + 0.5) / steps
    mass = torch.cumsum((middles * math.pi / 2).cos() ** (freedom - 1), dim=0)
    wanted = level * mass[-1]
    place = int(torch.searchsorted(mass, wanted))
    before = mass[place - 1] if place else 0.0
    reached = (place + (wanted - before) / (mass[place] - before)) / steps
    return math.sqrt(freedom) * math.tan(reached * math.pi / 2)


def _mean_and_its_variance(values: Sequence[float]) -> tuple[float, float]:
    if len(values) < 2:
        raise InputError(f"{len(values)} run says nothing about the spread over seeds: give at least two")
    return statistics.fmean(values), statistics.variance(values) / len(values)
