"""Checks of a small study's statistics: mean and spread over seeds, intervals, differences."""

import math
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from resnet_tutorial.analysis.uncertainty import mean_interval, seed_difference, t_quantile

from . import compare
from .compare import Wrong
from .contain import contained
from .report import Finding, Result, grade

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


NETWORKS, SEEDS = ("plain8", "resnet8", "plain20"), (3, 5, 8, 13)
VERDICTS = ("higher", "lower", "undecided")
CLEAR, SPREAD = ([90.1, 90.9, 90.4], [93.0, 93.6, 93.2]), [88.7, 89.4, 90.0, 90.6, 91.3]
CASES = (
    CLEAR,
    CLEAR[::-1],
    ([90.0, 92.0, 91.0], [91.0, 93.0, 92.2]),
    (SPREAD, [value + 1.7 for value in SPREAD]),  # the two intervals overlap, and that of the difference excludes 0
    ([90.0, 90.2, 94.0], [92.0, 92.5, 92.2]),  # the lower mean has the best run
)


def _sign(gap: float) -> str:
    return "higher" if gap > 0 else "lower" if gap < 0 else "undecided"


def _verdict(first: Values, second: Values) -> str:
    estimate = seed_difference(first, second)
    return _sign(estimate.value) if estimate.excludes_zero else "undecided"


def _by_overlap(first: Values, second: Values) -> str:
    a, b = mean_interval(first), mean_interval(second)
    return "undecided" if a.low <= b.high and b.low <= a.high else _sign(b.value - a.value)


VERDICT_MISTAKES = (
    Wrong(
        "by_means",
        lambda a, b: _sign(statistics.fmean(b) - statistics.fmean(a)),
        "You decide by the two means alone.",
        "With other seeds, might the difference have the other sign?",
    ),
    Wrong(
        "by_overlap",
        _by_overlap,
        "You are undecided whenever the two intervals overlap.",
        "Of which one number do you need the interval?",
    ),
    Wrong("by_best", lambda a, b: _sign(max(b) - max(a)), "You compare the best runs.", "What do the others say?"),
    Wrong(
        "verdict_turned",
        lambda a, b: _verdict(b, a),
        "Your verdict points the other way.",
        "Which of the two is the task about?",
    ),
    Wrong(
        "never_decided", lambda a, b: "undecided", "You are always undecided.", "When does an interval leave no doubt?"
    ),
    Wrong(
        "always_decided",
        lambda a, b: "higher",
        "You always say the same.",
        "What does your function do with its arguments?",
    ),
)


def runs(function: Callable[..., dict[str, list[float]]], *, points: float = 4) -> Result:
    """Check the runs of a study: every network with every seed, once, and every figure kept.

    Args:
        function: the learner's function of ``run``, the names of networks, and seeds. ``run(name, seed)`` gives an
            accuracy in percent. It returns for each name the list of accuracies, in the order of the seeds.
        points: points of a right answer.
    """
    calls = Counter()

    def run(network: str, seed: int) -> float:
        calls[network, seed] += 1
        return _figure(network, seed)

    outcome = contained(function, run, list(NETWORKS), list(SEEDS))
    problem = outcome.problem or compare.none_returned(outcome.value)
    steps = [problem] if problem else [_explain_calls(calls), _explain_table(outcome.value)]
    return grade("Runs", points, steps)


def verdict(function: Callable[[Values, Values], str], *, points: float = 4) -> Result:
    """Check what may be said about two groups of runs: the second is ``higher``, ``lower``, or it is ``undecided``.

    Args:
        function: the learner's function of the accuracies of two groups of runs, in percent.
        points: points of a right answer.
    """
    outcomes = [contained(function, list(first), list(second)) for first, second in CASES]
    said = [outcome.value for outcome in outcomes]
    steps = [outcome.problem or _explain_word(outcome.value) for outcome in outcomes]
    if not any(steps):
        wrong = [w for w in VERDICT_MISTAKES if said == [w.answer(*case) for case in CASES]]
        steps = [
            None if word == _verdict(*case) else wrong[0].finding if wrong else _odd_verdict(word, case)
            for word, case in zip(said, CASES, strict=True)
        ]
    return grade("Verdict", points, steps)


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


def _figure(network: str, seed: int) -> float:
    return 70 + 5 * (network == NETWORKS[1]) + len(network) + seed * 3 % 11 / 10


def _explain_calls(calls: Counter) -> Finding | None:
    wanted = {(network, seed) for network in NETWORKS for seed in SEEDS}
    if set(calls) - wanted:
        seen = f"You call run{next(call for call in calls if call not in wanted)}, which was not asked for."
        return Finding("runs_unasked", seen, "Which networks and seeds does your function get?")
    if len(calls) < len(wanted):
        seen = f"Of {len(wanted)} runs, {len(calls)} were made."
        return Finding("runs_missing", seen, "Does every network meet every seed?")
    if calls.total() > len(wanted):
        seen = f"{len(wanted)} runs were needed; you made {calls.total()}."
        return Finding("runs_repeated", seen, "Where could you keep a result that you need twice?")
    return None


def _explain_table(table: Any) -> Finding | None:
    if not isinstance(table, dict) or set(table) != set(NETWORKS):
        seen = "What you return does not have one entry for each network."
        return Finding("no_table", seen, "What are the keys of the dictionary that the task asks for?")
    wanted = {network: [_figure(network, seed) for seed in SEEDS] for network in NETWORKS}
    if all(isinstance(table[n], list | tuple) and list(table[n]) == wanted[n] for n in NETWORKS):
        return None
    for key, summary in (("best_kept", max), ("mean_kept", statistics.fmean), ("last_kept", lambda v: v[-1])):
        if all(_alone(table[n]) == summary(wanted[n]) for n in NETWORKS):
            seen = "You keep one figure for each network."
            return Finding(key, seen, "What will you need all runs for?")
    if any(not isinstance(table[n], list | tuple) or len(table[n]) != len(SEEDS) for n in NETWORKS):
        seen = f"A network does not have {len(SEEDS)} figures, one for each seed."
        return Finding("figures_missing", seen, "Where is a new list begun, and where is something added to it?")
    seen = "Figures are not in the order of the seeds, or with another network."
    return Finding("figures_mixed_up", seen, "Which run belongs to which name?")


def _alone(value: Any) -> Any:
    return value[0] if isinstance(value, list | tuple) and len(value) == 1 else value


def _explain_word(word: Any) -> Finding | None:
    if word in VERDICTS:
        return None
    seen = f"Your function says {str(word)[:40]!r}."
    return compare.none_returned(word) or Finding("no_verdict", seen, "Which three words does the task name?")


def _odd_verdict(word: str, case: tuple[Values, Values]) -> Finding:
    seen = f"For {case[0]} and {case[1]} you say {word!r}."
    return Finding("value", seen, "What is the interval of the difference there?")
