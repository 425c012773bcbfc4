"""Checks of a small study's statistics: mean and spread over seeds, intervals, differences."""

import math
import statistics
from collections.abc import Callable, Sequence

from ..analysis.uncertainty import mean_interval, seed_difference, t_quantile
from . import compare
from .compare import Wrong
from .report import Result, grade

Values = Sequence[float]
RUNS = (([91.2, 92.0, 91.5],), ([88.0, 90.0, 89.1, 90.4, 88.8],), ([70.5, 69.0],))
PAIRS = (([90.1, 90.9, 90.4], [91.0, 92.2, 91.3]), ([85.0, 85.6, 84.9, 85.3], [85.1, 84.7, 85.9]), ([60.0, 62.0],) * 2)
TOLERANCE = 2e-5  # of about 90 percent: a table of t with four digits is good enough

SD_MISTAKES = (
    Wrong(
        "population_sd",
        lambda v: statistics.pstdev(v),
        "Your spread is that of these runs alone, not an estimate for further seeds.",
        "By what is the sum of squares divided, if the mean was estimated from the same runs?",
    ),
    Wrong(
        "variance_for_sd",
        lambda v: statistics.variance(v),
        "Your spread is in squared percent.",
        "What is the last step from the variance to the standard deviation?",
    ),
    Wrong(
        "standard_error_for_sd",
        lambda v: statistics.stdev(v) / math.sqrt(len(v)),
        "Your spread shrinks when runs are added.",
        "Is the task about the spread of single runs, or of their mean?",
    ),
    Wrong(
        "range_for_sd",
        lambda v: max(v) - min(v),
        "Your spread is the distance from the worst run to the best.",
        "Which runs enter the standard deviation?",
    ),
    Wrong(
        "absolute_deviation",
        lambda v: statistics.fmean(abs(x - statistics.fmean(v)) for x in v),
        "You take the mean of the distances from the mean.",
        "What is done to each distance before they are added up?",
    ),
)
MEAN_MISTAKES = (
    Wrong("best_for_mean", max, "You report the best of the runs.", "Would the next seed reach it, too?"),
    Wrong("worst_for_mean", min, "You report the worst of the runs.", "Which runs should enter the figure?"),
    Wrong("median_for_mean", statistics.median, "You report the run in the middle.", "What does the task ask for?"),
    Wrong("last_for_mean", lambda v: v[-1], "You report the last run.", "Which runs should enter the figure?"),
    Wrong("sum_for_mean", sum, "You report the sum of the runs.", "What is missing after the sum?"),
)


def _around(center: float, half: float) -> tuple[float, float]:
    return center - half, center + half


def _interval(values: Values) -> tuple[float, float]:
    estimate = mean_interval(values)
    return estimate.low, estimate.high


def _by(values: Values, quantile: float, sd: float, n: float) -> tuple[float, float]:
    return _around(statistics.fmean(values), quantile * sd / math.sqrt(n))


def _t(values: Values) -> float:
    return t_quantile(len(values) - 1)


INTERVAL_MISTAKES = (
    Wrong(
        "normal_for_t",
        lambda v: _by(v, 1.96, statistics.stdev(v), len(v)),
        "Your interval is too narrow for so few runs.",
        "Which distribution knows that the spread, too, was estimated?",
    ),
    Wrong(
        "two_for_t",
        lambda v: _by(v, 2.0, statistics.stdev(v), len(v)),
        "Your interval takes two standard errors, however few the runs are.",
        "Which distribution knows that the spread, too, was estimated?",
    ),
    Wrong(
        "spread_for_interval",
        lambda v: _by(v, 1.0, statistics.stdev(v), 1),
        "You give mean ± standard deviation.",
        "Where do single runs lie, and where does their mean?",
    ),
    Wrong(
        "one_standard_error",
        lambda v: _by(v, 1.0, statistics.stdev(v), len(v)),
        "You give mean ± one standard error.",
        "How often does such an interval hold the true mean?",
    ),
    Wrong(
        "interval_of_runs",
        lambda v: _by(v, _t(v), statistics.stdev(v), 1),
        "Your interval does not shrink when runs are added.",
        "What is the standard deviation of a mean of n runs?",
    ),
    Wrong(
        "population_sd",
        lambda v: _by(v, _t(v), statistics.pstdev(v), len(v)),
        "Your interval starts from a spread that is too small.",
        "By what is the sum of squares divided, if the mean was estimated from the same runs?",
    ),
    Wrong(
        "freedom_off",
        lambda v: _by(v, t_quantile(len(v)), statistics.stdev(v), len(v)),
        "Your quantile has one degree of freedom too many.",
        "What did estimating the mean cost?",
    ),
    Wrong(
        "one_sided",
        lambda v: _by(v, t_quantile(len(v) - 1, 0.9), statistics.stdev(v), len(v)),
        "Your interval holds the mean 90 times in 100.",
        "A quantile of 0.95 leaves 5 % on one side: how much does an interval leave on each?",
    ),
    Wrong(
        "smallest_to_largest",
        lambda v: (min(v), max(v)),
        "Your interval goes from the worst run to the best.",
        "What would a further run do to it?",
    ),
)


def _difference(first: Values, second: Values) -> tuple[float, float, float]:
    estimate = seed_difference(first, second)
    return estimate.value, estimate.low, estimate.high


def _turned(first: Values, second: Values) -> tuple[float, float, float]:
    return _difference(second, first)


def _spreads_added(first: Values, second: Values) -> tuple[float, float, float]:
    gap = statistics.fmean(second) - statistics.fmean(first)
    halves = [_t(v) * statistics.stdev(v) / math.sqrt(len(v)) for v in (first, second)]
    return gap, *_around(gap, sum(halves))


def _best_against_best(first: Values, second: Values) -> tuple[float, float, float]:
    _, low, high = _difference(first, second)
    return max(second) - max(first), low, high


def _normal_difference(first: Values, second: Values) -> tuple[float, float, float]:
    gap = statistics.fmean(second) - statistics.fmean(first)
    error = math.sqrt(sum(statistics.variance(v) / len(v) for v in (first, second)))
    return gap, *_around(gap, 1.96 * error)


DIFFERENCE_MISTAKES = (
    Wrong(
        "sign_turned",
        _turned,
        "Your difference has the other sign.",
        "Which of the two is subtracted from which?",
    ),
    Wrong(
        "intervals_added",
        _spreads_added,
        "The two half widths are added up.",
        "How do the spreads of two independent means combine?",
    ),
    Wrong(
        "best_against_best",
        _best_against_best,
        "You compare the best run of one with the best of the other.",
        "What does a group with more runs gain by that?",
    ),
    Wrong(
        "normal_for_t",
        _normal_difference,
        "Your interval is too narrow for so few runs.",
        "Which distribution knows that the spreads, too, were estimated?",
    ),
)


def mean(function: Callable[[Values], float], *, points: float = 1) -> Result:
    """Check the mean over seeds.

    Args:
        function: the learner's function of one accuracy for each run, in percent.
        points: points of a right answer.
    """
    return grade("Mean", points, compare.compare_values(function, RUNS, statistics.fmean, MEAN_MISTAKES))


def standard_deviation(function: Callable[[Values], float], *, points: float = 2) -> Result:
    """Check the standard deviation over seeds, as an estimate for further runs (n − 1).

    Args:
        function: the learner's function of one accuracy for each run, in percent.
        points: points of a right answer.
    """
    return grade("Standard deviation", points, compare.compare_values(function, RUNS, statistics.stdev, SD_MISTAKES))


def interval(function: Callable[[Values], tuple[float, float]], *, points: float = 3) -> Result:
    """Check Student's 95 % interval of the mean over seeds (Student 1908).

    Args:
        function: the learner's function of one accuracy for each run, in percent; it returns lower and upper end.
        points: points of a right answer.
    """
    steps = compare.compare_values(function, RUNS, _interval, INTERVAL_MISTAKES, TOLERANCE)
    return grade("95 % interval", points, steps)


def difference(function: Callable[[Values, Values], tuple[float, float, float]], *, points: float = 3) -> Result:
    """Check Welch's 95 % interval of how much higher the second mean is (Welch 1947).

    Args:
        function: the learner's function of the accuracies of two groups of runs, in percent; it returns the
            difference and the lower and upper end of its interval.
        points: points of a right answer.
    """
    steps = compare.compare_values(function, PAIRS, _difference, DIFFERENCE_MISTAKES, tolerance=1e-3)
    return grade("Difference of two means", points, steps)
