"""Checks of a small study's statistics: runs, mean and spread over seeds, intervals, differences, verdicts."""

import math
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from resnet_tutorial.analysis.uncertainty import t_quantile

from .contain import contained, watch
from .report import Finding, Result, grade
from .space import Space, mistake, mistakes, search
from .values import SECOND, check_values, compare_values, none_returned, same, to_tensor

Values = Sequence[float]
RUNS = (([91.0, 92.0, 96.0],), ([70.5, 69.0],), ([91.2, 92.0, 91.5],), ([88.0, 90.0, 89.1, 90.4, 88.8],))
PAIRS = (
    ([60.0, 62.0], [60.0, 62.0]),
    ([1.0, 3.0], [6.0, 7.0, 8.0, 15.0]),
    ([90.1, 90.9, 90.4], [91.0, 92.2, 91.3]),
    ([85.0, 85.6, 84.9, 85.3, 85.2, 84.8], [80.1, 84.7, 82.9]),
)
TABLE = 2e-5  # of about 90 percent: a table of t with four digits is good enough
WELCH = 1e-3  # freedom rounded down to a row of that table is not


def _mean(values: Values, *, figure=None, less=0, some=slice(None), number=None) -> float:
    return figure(values) if figure else sum(values[some]) / (number or len(values) - less)


FIGURE = "Which runs should enter the figure?"
# fmt: off
MEAN = Space(
    _mean,
    (
        mistake("best_for_mean", "You report the best of the runs.", "Would the next seed reach it, too?", figure=max),
        mistake("worst_for_mean", "You report the worst of the runs.", FIGURE, figure=min),
        mistake("median_for_mean", "You report the run in the middle.", "What is asked for?", figure=statistics.median),
        *mistakes("median_for_mean", "You report a run in the middle.", "What is asked for?", "figure",
                  (statistics.median_high, lambda v: v[len(v) // 2])),
        mistake("last_for_mean", "You report the last run.", FIGURE, figure=lambda v: v[-1]),
        mistake("first_for_mean", "You report the first run.", FIGURE, figure=lambda v: v[0]),
        mistake("sum_for_mean", "You report the sum of the runs.", "What is missing after the sum?", figure=sum),
        mistake("middle_of_range", "You report the middle of best and worst.", FIGURE,
                figure=lambda v: (max(v) + min(v)) / 2),
        mistake("first_twice", "The first run enters your sum twice.", "With which number does your sum begin?",
                figure=lambda v: (sum(v) + v[0]) / len(v)),
        mistake("divided_by_less", "You divide by n − 1.", "How many values are added up?", less=1),
        mistake("divided_by_more", "You divide by n + 1.", "How many values are added up?", less=-1),
        *mistakes("divided_by_fixed", "You divide by {}, however many runs there are.", "How many values are added up?",
                  "number", (2, 3)),
        mistake("first_left_out", "The first run does not enter your sum.", FIGURE, some=slice(1, None)),
        mistake("last_left_out", "The last run does not enter your sum.", FIGURE, some=slice(-1)),
        mistake("whole_numbers", "You round down.", "Which division keeps the fraction?",
                figure=lambda v: sum(v) // len(v)),
    ),
)
# fmt: on


FURTHER = "By what is the sum of squares divided, if the mean was estimated from the same runs?"
LAST_STEP = "What is the last step from the variance to the standard deviation?"


def _spread(
    values: Values, *, less=1, root="last", power=2, center=statistics.fmean, each=0.0, some=slice(None), kind=None
) -> float:
    if kind:
        return kind(values)
    total = sum(abs(value - center(values)) ** power for value in values[some])
    number = {None: 1, "always 3": 3, "always 2": 2}.get(less) or max(1, len(values) - less)
    if root == "early":
        return math.sqrt(total) / number
    if root == "brackets":
        return abs(total / len(values) - 1) ** 0.5
    spread = math.sqrt(total / number) if root == "last" else total / number
    return spread / len(values) ** each


# fmt: off
SPREADS = (
    mistake("population_sd", "Your spread is that of these runs alone, not an estimate for others.", FURTHER, less=0),
    mistake("variance_for_sd", "Your spread is in squared percent.", LAST_STEP, root="none"),
    mistake("root_too_early", "You take the root before you divide.", "In which order do root and division stand?",
            root="early"),
    mistake("less_two", "You divide by n − 2.", FURTHER, less=2),
    mistake("more_one", "You divide by n + 1.", FURTHER, less=-1),
    mistake("not_divided", "You do not divide the sum.", FURTHER, less=None),
    *mistakes("divided_by_fixed", "You divide by {}, however many runs there are.", FURTHER, "less",
              {2: "always 2", 3: "always 3"}),
    mistake("brackets_missing", "You take 1 from the quotient, not from n.", "What is divided? Mind the brackets.",
            root="brackets"),
    *mistakes("some_left_out", "Only the {} run enters your sum.", "Is return in the loop, or after it?",
              "some", {"first": slice(1), "last": slice(-1, None)}),
    *mistakes("one_left_out", "The {} run does not enter your sum.", "Where does your loop begin, and end?", "some",
              {"first": slice(1, None), "last": slice(-1)}),
    *(mistake("absolute_deviation", "You take the mean of the distances from the mean.",
              "What is done to each distance before they are added up?", power=1, root="none", less=n) for n in (0, 1)),
    mistake("not_squared", "You do not square the distances.", "What is done to each before adding?", power=1),
    mistake("around_zero", "You square the values themselves.", "From where are distances taken?", center=lambda v: 0),
)
# fmt: on
OF_MEAN = "Is the task about the spread of single runs, or of their mean?"
# fmt: off
DEVIATION = Space(
    _spread,
    (
        *SPREADS,
        *mistakes("around_wrong_mean", "You take distances from a number that is not the mean.",
                  "Does your mean pass its check?", "center", [partial(_mean, **one.options) for one in MEAN.mistakes]),
        mistake("standard_error_for_sd", "Your spread shrinks when runs are added.", OF_MEAN, each=0.5),
        mistake("divided_twice", "Your spread is divided by the runs once more.", OF_MEAN, each=1),
        mistake("range_for_sd", "Your spread is the distance from the worst run to the best.",
                "Which runs enter the standard deviation?", kind=lambda v: max(v) - min(v)),
        mistake("mean_for_spread", "You give the mean.", "How far from it do the runs lie?", kind=statistics.fmean),
    ),
)
# fmt: on


def _percentile(values: Values, share: float) -> float:
    ordered, place = sorted(values), share * (len(values) - 1)
    low = min(int(place), len(values) - 2)
    return ordered[low] + (place - low) * (ordered[low + 1] - ordered[low])


def _of_ends(first: Values, second: Values) -> tuple[float, float, float]:
    (a, b), (c, d) = _interval(first), _interval(second)
    return statistics.fmean(second) - statistics.fmean(first), c - a, d - b


def _interval(
    values: Values, *, quantile=None, lost=1, level=0.95, each=0.5, spare=0, half=1, center=statistics.fmean,
    kind=None, middle=False, **spread: Any
) -> tuple[float, float]:  # fmt: skip
    if kind:
        return kind(values)
    width = (quantile or t_quantile(len(values) - lost, level)) * _spread(values, **spread)
    width *= half / (len(values) - spare) ** each
    return center(values) - (0 if middle else width), width if middle else center(values) + width


FEW_RUNS = "Which distribution knows that the spread, too, was estimated?"
COST = "What did estimating the mean cost?"
SIDES = "A quantile of 0.95 leaves 5 % on one side: how much does an interval leave on each?"
# fmt: off
QUANTILES = (
    mistake("normal_for_t", "Your interval is too narrow for so few runs.", FEW_RUNS, quantile=1.96),
    mistake("two_for_t", "Your interval takes two standard errors, however few the runs are.", FEW_RUNS, quantile=2.0),
    mistake("one_standard_error", "You give mean ± one standard error.", "How often does it hold the true mean?",
            quantile=1.0),
    *mistakes("level_for_freedom", "You ask for the quantile with {} degrees of freedom.", COST, "quantile",
              {level: t_quantile(level) for level in (0.95, 0.975)}),
    *mistakes("fixed_quantile", "Your quantile is the one for {} runs, however many there are.", COST, "quantile",
              {n: t_quantile(n - 1) for n in range(2, 8)}),
    mistake("three_for_t", "Your interval takes three standard errors, always.", FEW_RUNS, quantile=3.0),
    mistake("one_sided_normal", "Your quantile is 1.645, however few the runs are.", FEW_RUNS, quantile=1.645),
    mistake("one_sided", "Your interval holds the mean 90 times in 100.", SIDES, level=0.9),
    mistake("half_level", "Your interval holds the mean 97.5 times in 100.", SIDES, level=0.975),
    *mistakes("other_level", "Your interval holds the mean {} times in 100.", "Which share does the task name?",
              "level", {99: 0.99, 68: 0.68}),
)
# fmt: on
OF_A_MEAN = "What is the standard deviation of a mean of n runs?"
# fmt: off
INTERVAL = Space(
    _interval,
    (
        *QUANTILES[:3],
        mistake("spread_for_interval", "You give mean ± standard deviation.",
                "Where do single runs lie, and where does their mean?", quantile=1.0, each=0),
        mistake("interval_of_runs", "Your interval does not shrink when runs are added.", OF_A_MEAN, each=0),
        mistake("population_sd", "Your interval starts from a spread that is too small.", FURTHER,
                **SPREADS[0].options),
        mistake("variance_for_sd", "Your interval starts from a spread in squared percent.", LAST_STEP, root="none"),
        mistake("freedom_off", "Your quantile has one degree of freedom too many.", COST, lost=0),
        mistake("freedom_less", "Your quantile has one degree of freedom too few.", COST, lost=2),
        mistake("root_of_n_missing", "You divide by n.", OF_A_MEAN, each=1),
        mistake("error_n_minus_1", "Your standard error divides by the root of n − 1.", OF_A_MEAN, spare=1),
        *QUANTILES[3:],
        mistake("whole_width", "You give the whole width to each side.", "How far is each end from the mean?", half=2),
        mistake("half_width", "You halve the half width once more.", "How far is each end from the mean?", half=0.5),
        mistake("ends_turned", "Your upper end comes first.", "In which order are the ends wanted?", half=-1),
        mistake("around_median", "Your interval lies around the middle run.", "Around what should it?",
                center=statistics.median),
        mistake("width_for_ends", "You give mean and half width, not two ends.", "Which two numbers are asked for?",
                middle=True),
        mistake("around_best", "Your interval lies around the best run.", "Around what should it?", center=max),
        mistake("around_zero", "Your interval lies around 0.", "Around what should it?", center=lambda v: 0),
        mistake("percentiles", "You give percentiles of the runs.",
                "Where do single runs lie, and where does their mean?", heart=True,
                kind=lambda v: (_percentile(v, 0.025), _percentile(v, 0.975))),
        mistake("smallest_to_largest", "Your interval goes from the worst run to the best.",
                "What would a further run do to it?", kind=lambda v: (min(v), max(v))),
        *(one for one in SPREADS if one.finding.key in ("root_too_early", "less_two", "more_one", "not_divided")),
    ),
)
# fmt: on


def _difference(
    first: Values, second: Values, *, quantile=None, freedom=None, level=0.95, add="variances", gap=None, sign=1,
    half=1, each=(1, 1), order=(0, 1, 2), around="value", whole=None, sizes=lambda n, m: (n, m), powers=(2, 2),
    squared=lambda u, v: (u + v) ** 2, kind=None, **spread: Any,
) -> tuple[float, float, float]:  # fmt: skip
    if kind:
        return kind(first, second)
    groups = (first, second)
    squares = [_spread(values, **spread) ** 2 for values in groups]
    if add == "pooled":
        squares = [
            sum(s * (len(v) - 1) for s, v in zip(squares, groups, strict=True)) / (len(first) + len(second) - 2)
        ] * 2
    n, m = sizes(len(first), len(second))
    u, v = squares[0] / n ** each[0], squares[1] / m ** each[1]
    df = freedom(n, m) if freedom else squared(u, v) / (u ** powers[0] / (n - 1) + v ** powers[1] / (m - 1))
    df = whole(df) if whole else df
    t = quantile or t_quantile(df, level)
    gaps = [0.0]
    if add == "paired":
        gaps = [b - a for a, b in zip(first, second, strict=False)]
        width = (quantile or t_quantile(len(gaps) - 1, level)) * statistics.stdev(gaps) / len(gaps) ** 0.5
    elif add == "deviations":
        width = t * (math.sqrt(u) + math.sqrt(v))
    elif add == "intervals":
        width = sum(t_quantile(len(values) - 1) * math.sqrt(w) for values, w in zip(groups, (u, v), strict=True))
    else:
        width = t * (abs(u - v) if add == "subtracted" else u + v) ** (1 if add == "no root" else 0.5)
    value = sign * gap(first, second) if gap else sign * (statistics.fmean(second) - statistics.fmean(first))
    center = {
        "value": value,
        "means": statistics.fmean(second) - statistics.fmean(first),
        "zero": 0,
        "pairs": statistics.fmean(gaps),
    }[around]
    value = center if around == "pairs" else value
    numbers = value, center - half * width, center + half * width
    return tuple(numbers[i] for i in order)


COMBINE = "How do the spreads of two independent means combine?"
FROM = "Which of the two is subtracted from which?"
FREEDOM = "Which number of degrees of freedom does the formula give?"
ASKED = "In which order does the task want the three numbers?"
BEST = "What does a group with more runs gain by that?"
# fmt: off
DIFFERENCE = Space(
    _difference,
    (
        mistake("sign_turned", "Your difference has the other sign.", FROM, sign=-1),
        mistake("never_negative", "Your difference is never negative.", FROM,
                gap=lambda a, b: abs(_mean(b) - _mean(a))),
        mistake("intervals_added", "The two half widths are added up.", COMBINE, add="intervals"),
        mistake("deviations_added", "The two standard errors are added up.", COMBINE, add="deviations"),
        mistake("subtracted", "You subtract one variance from the other.", COMBINE, add="subtracted"),
        mistake("pooled", "You assume that both groups spread alike.", "Does Welch's formula assume it?", add="pooled"),
        mistake("root_missing", "The root is missing from your half width.", "In which unit is a variance?",
                add="no root"),
        mistake("best_against_best", "You compare the best run of one with the best of the other.", BEST,
                gap=lambda a, b: max(b) - max(a), around="means"),
        mistake("best_against_best", "You compare the best run of one with the best of the other.", BEST,
                gap=lambda a, b: max(b) - max(a)),
        mistake("medians", "You compare the runs in the middle.", FIGURE,
                gap=lambda a, b: statistics.median(b) - statistics.median(a)),
        *(mistake("paired", "You pair the runs of the two groups.",
                  "Which run of one group belongs to which of the other?", heart=True, add="paired", around=around)
          for around in ("value", "pairs")),
        *QUANTILES,
        *mistakes("freedom_rounded", "You round the degrees of freedom.", FREEDOM, "whole",
                  (math.floor, round, math.ceil)),
        *mistakes("other_freedom", "You take {} degrees of freedom.", FREEDOM, "freedom",
                  {"n₁ + n₂ − 2": lambda n, m: n + m - 2, "the smaller group's": lambda n, m: min(n, m) - 1,
                   "the first group's": lambda n, m: n - 1, "the second group's": lambda n, m: m - 1,
                   "n₁ + n₂": lambda n, m: n + m, "n₁ + n₂ − 1": lambda n, m: n + m - 1}),
        mistake("interval_of_runs", "Your interval does not shrink when runs are added.", OF_A_MEAN, each=(0, 0)),
        *mistakes("one_not_divided", "The variance of the {} group is not divided by its runs.", OF_A_MEAN, "each",
                  {"first": (0, 1), "second": (1, 0)}),
        mistake("divided_by_square", "You divide the variances by n squared.", OF_A_MEAN, each=(2, 2)),
        *mistakes("sizes_off", "You take the {} number of runs for both.", "How many runs has each group?", "sizes",
                  {"first group's": lambda n, m: (n, n), "second group's": lambda n, m: (m, m),
                   "smaller": lambda n, m: (min(n, m),) * 2, "larger": lambda n, m: (max(n, m),) * 2}),
        *mistakes("not_squared_in_freedom", "In the degrees of freedom, something is not squared.", FREEDOM, "powers",
                  ((1, 1), (1, 2), (2, 1))),
        mistake("squares_added", "In the degrees of freedom you add squares, and do not square the sum.", FREEDOM,
                squared=lambda u, v: u**2 + v**2),
        mistake("ends_subtracted", "You subtract the ends of one interval from those of the other.", COMBINE,
                heart=True, kind=_of_ends),
        mistake("population_sd", "Your interval starts from spreads that are too small.", FURTHER, less=0),
        mistake("variance_squared", "You square the variances once more.", "What are s and s² in the formula?",
                root="none"),
        mistake("whole_width", "You give the whole width to each side.", "How far is each end from the difference?",
                half=2),
        mistake("half_width", "You halve the half width once more.", "How far is each end from the difference?",
                half=0.5),
        mistake("ends_turned", "Your upper end comes before the lower.", ASKED, half=-1),
        mistake("difference_last", "Your ends come before the difference.", ASKED, order=(1, 2, 0)),
        mistake("difference_between", "Your difference stands between its ends.", ASKED, order=(1, 0, 2)),
        mistake("around_zero", "Your interval lies around 0.", "Of which number is it the interval?", around="zero"),
    ),
)
# fmt: on


def _verdict(
    first: Values, second: Values, *, by=None, turned=False, says=str, up=lambda low, high: low > 0,
    down=lambda low, high: high < 0, ends=(1, 2), least=0.0, **difference: Any,
) -> str:  # fmt: skip
    if turned:
        first, second = second, first
    if by:
        return says(by(first, second))
    numbers = _difference(first, second, **difference)
    if abs(numbers[0]) < least:
        return says("undecided")
    low, high = (numbers[i] for i in ends)
    return says("higher" if up(low, high) else "lower" if down(low, high) else "undecided")


def _sign(gap: float) -> str:
    return "higher" if gap > 0 else "lower" if gap < 0 else "undecided"


def _beyond(limit: Callable[[Values, Values], float]) -> Callable[[Values, Values], str]:
    """A verdict that wants the gap of the means to be larger than a limit."""
    return lambda a, b: "undecided" if abs(_mean(b) - _mean(a)) <= limit(a, b) else _sign(_mean(b) - _mean(a))


def _by_overlap(first: Values, second: Values) -> str:
    a, b = _interval(first), _interval(second)
    return "undecided" if a[0] <= b[1] and b[0] <= a[1] else _sign(b[0] - a[0])


def _by_ranges(first: Values, second: Values) -> str:
    return "higher" if min(second) > max(first) else "lower" if max(second) < min(first) else "undecided"


ONE_NUMBER = "Of which one number do you need the interval, and on which side of 0 does it lie?"
THREE = "Which three things can the interval of a difference show?"
# fmt: off
VERDICT = Space(
    _verdict,
    (
        mistake("by_means", "You decide by the two means alone.", "Might other seeds turn the sign?",
                by=lambda a, b: _sign(_mean(b) - _mean(a))),
        mistake("by_overlap", "You are undecided whenever the two intervals overlap.", ONE_NUMBER, by=_by_overlap),
        mistake("by_best", "You compare the best runs.", "What do the others say?",
                by=lambda a, b: _sign(max(b) - max(a))),
        mistake("by_ranges", "You are undecided whenever the runs overlap.", ONE_NUMBER, by=_by_ranges),
        mistake("verdict_turned", "Your verdict points the other way.", "Which of the two is the task about?",
                turned=True),
        mistake("never_decided", "You are always undecided.", "When does an interval leave no doubt?",
                says=lambda w: "undecided"),
        *mistakes("always_decided", "You always say the same.", "What does your function do with its arguments?",
                  "says", (lambda w: "higher", lambda w: "lower")),
        *(mistake(key, f"You {words}.", THREE, says=lambda w, one=one, other=other: w.replace(one, other))
          for key, words, one, other in (
              ("never_lower", "never say lower", "lower", "undecided"),
              ("never_higher", "never say higher", "higher", "undecided"),
              ("sign_lost", "say higher whenever the two differ", "lower", "higher"),
              ("undecided_is_lower", "say lower where the interval holds 0", "undecided", "lower"),
              ("undecided_is_higher", "say higher where the interval holds 0", "undecided", "higher"))),
        *(mistake("by_spreads", f"You want a gap larger than {words}{of}.", ONE_NUMBER,
                  by=_beyond(lambda a, b, n=n, spread=spread: n * spread(a, b)))
          for n, words in ((1, ""), (2, "twice "), (1.96, "1.96 times "), (3, "three times "), (0.5, "half "))
          for of, spread in {
              "the spread of all runs together": lambda a, b: _spread([*a, *b]),
              "both spreads together": lambda a, b: _spread(a) + _spread(b),
              "the larger spread": lambda a, b: max(_spread(a), _spread(b)),
              "the smaller spread": lambda a, b: min(_spread(a), _spread(b)),
              "the first group's spread": lambda a, b: _spread(a),
              "the second group's spread": lambda a, b: _spread(b)}.items()),
        *mistakes("other_numbers", "You look at {}.", ONE_NUMBER, "ends",
                  {"the difference and the lower end": (0, 1), "the difference and the upper end": (0, 2)}),
        *mistakes("least_gap", "You are undecided wherever the gap is smaller than {}.", ONE_NUMBER, "least",
                  (1, 0.5, 2, 0.1)),
        *mistakes("by_limit", "You want a gap of a fixed size, however the runs spread.", ONE_NUMBER, "by",
                  [_beyond(lambda a, b, n=n: n) for n in (1, 0.5, 2, 5, 0.1)]),
        mistake("other_end", "For higher you look at the upper end.", ONE_NUMBER, up=lambda low, high: high > 0),
        mistake("other_end", "For lower you look at the lower end.", ONE_NUMBER, down=lambda low, high: low < 0),
        *(mistake("more_than_zero", f"For {word} you want {n:g} points more than an end beyond 0.", ONE_NUMBER,
                  **{way: rule}) for n in (1, 0.5, 2, 0.1, 5) for word, way, rule in (
              ("higher", "up", lambda low, high, n=n: low > n), ("lower", "down", lambda low, high, n=n: high < -n))),
        *DIFFERENCE.mistakes[2:6],
        *QUANTILES[:3],
    ),
)
# fmt: on
VERDICTS = ("higher", "lower", "undecided")
SPREAD = [88.7, 89.4, 90.0, 90.6, 91.3]
GROUPS = (
    ([90.1, 90.9, 90.4], [93.0, 93.6, 93.2]),
    ([90.0, 92.0, 91.0], [91.0, 93.0, 92.2]),
    (SPREAD, [value + 1.7 for value in SPREAD]),  # the two intervals overlap, and that of the difference excludes 0
    ([90.0, 90.2, 94.0], [92.0, 92.5, 92.2]),  # the lower mean has the best run
    ([70.0, 70.1, 70.2], [70.5, 70.6, 70.7]),  # a small gap that is sure
    ([80.0, 86.0], [88.0, 95.0]),  # a large one that is not
    ([80.0, 80.1], [88.0, 88.1]),
    ([80.0, 81.0, 82.0], [83.1, 84.1, 85.1]),
    ([80.0, 80.5, 81.0], [81.2, 82.2, 83.2]),
    ([75.0, 75.0, 75.1, 75.2], [75.3, 75.8, 76.4]),
    ([60.0, 61.0, 62.0, 63.0, 64.0], [63.0, 64.0, 65.0, 66.0, 67.0]),
)
CASES = (*GROUPS, *(pair[::-1] for pair in GROUPS))
NETWORKS, SEEDS = ("plain8", "resnet8", "plain20"), (8, 3, 13, 5)


def mean(function: Callable[[Values], float], *, points: float = 1) -> Result:
    """Check the mean over seeds.

    Args:
        function: the learner's function of one accuracy for each run, in percent.
        points: points of a right answer.
    """
    return _by_hand("Mean", points, function, MEAN)


LIBRARIES = {"statistics", "numpy", "torch", "scipy", "pandas"}


def _by_hand(task: str, points: float, function: Callable[[Values], float], space: Space) -> Result:
    """Compare values, and see to it that no library computes them."""
    used = set()
    steps = compare_values(watch(function, used), space, RUNS)
    if used & LIBRARIES:
        seen = f"You let a library compute it: {min(used & LIBRARIES)}."
        steps = [Finding("library", seen, "Which operations of Python's own are enough?", heart=True)]
    return grade(task, points, steps)


def standard_deviation(function: Callable[[Values], float], *, points: float = 2) -> Result:
    """Check the standard deviation over seeds, as an estimate for further runs (n − 1).

    Args:
        function: the learner's function of one accuracy for each run, in percent.
        points: points of a right answer.
    """
    return _by_hand("Standard deviation", points, function, DEVIATION)


def interval(function: Callable[[Values], tuple[float, float]], *, points: float = 3) -> Result:
    """Check Student's 95 % interval of the mean over seeds (Student 1908).

    Args:
        function: the learner's function of one accuracy for each run, in percent; it returns lower and upper end.
        points: points of a right answer.
    """
    return check_values("95 % interval", points, function, INTERVAL, RUNS, tolerance=TABLE)


def difference(function: Callable[[Values, Values], tuple[float, float, float]], *, points: float = 3) -> Result:
    """Check Welch's 95 % interval of how much higher the second mean is (Welch 1947).

    Args:
        function: the learner's function of the accuracies of two groups of runs, in percent; it returns the
            difference and the lower and upper end of its interval.
        points: points of a right answer.
    """
    return check_values("Difference of two means", points, function, DIFFERENCE, PAIRS, tolerance=WELCH)


def verdict(function: Callable[[Values, Values], str], *, points: float = 4) -> Result:
    """Check what may be said about two groups of runs: the second is ``higher``, ``lower``, or it is ``undecided``.

    Args:
        function: the learner's function of the accuracies of two groups of runs, in percent.
        points: points of a right answer.
    """
    outcomes = [contained(function, list(first), list(second)) for first, second in CASES]
    steps = [outcome.problem or _explain_word(outcome.value) for outcome in outcomes]
    said, right = [outcome.value for outcome in outcomes], [_verdict(*case) for case in CASES]
    if not any(steps) and said != right:

        def explains(**options: Any) -> bool:
            return all(word == _verdict(*case, **options) for word, case in zip(said, CASES, strict=True))

        i = next(i for i, word in enumerate(said) if word != right[i])
        seen = f"For {CASES[i][0]} and {CASES[i][1]} you say {said[i]!r}."
        known = search(VERDICT.mistakes, explains, most=2)
        finding = known or Finding("value", seen, "What is the interval of the difference there?")
        steps = [None if word == wanted else finding for word, wanted in zip(said, right, strict=True)]
    return grade("Verdict", points, steps)


def runs(function: Callable[..., dict[str, list[float]]], *, points: float = 4) -> Result:
    """Check the runs of a study: every network with every seed, once, and every figure kept.

    Args:
        function: the learner's function of ``run``, the names of networks, and seeds. ``run(name, seed)`` gives an
            accuracy in percent. It returns for each name the list of accuracies, in the order of the seeds.
        points: points of a right answer.
    """
    calls = Counter()

    def run(name: str, seed: int) -> float:
        calls[name, seed] += 1
        return _figure(name, seed) if name in NETWORKS and seed in SEEDS else 0.0

    outcome = contained(function, run, list(NETWORKS), list(SEEDS))
    problem = outcome.problem or none_returned(outcome.value)
    steps = [problem] if problem else [_explain_calls(calls), _explain_table(outcome.value)]
    if not any(steps) and _explain_table(contained(function, run, list(NETWORKS), list(SEEDS)).value):
        steps.append(SECOND)
    return grade("Runs", points, steps)


def _figure(network: str, seed: int) -> float:
    return 70 + 5 * (network == NETWORKS[1]) + len(network) + seed * 3 % 11 / 10 + 0.0123


def _explain_calls(calls: Counter) -> Finding | None:
    wanted = {(network, seed) for network in NETWORKS for seed in SEEDS}
    if unasked := [call for call in calls if call not in wanted]:
        turned = unasked[0][::-1] in wanted
        look = "Which argument of run comes first?" if turned else "Which networks and seeds does your function get?"
        return Finding("runs_unasked", f"You call run{unasked[0]}, which was not asked for.", look)
    if len(calls) < len(wanted):
        seen = f"Of {len(wanted)} runs, {len(calls)} were made."
        look = "Does every network meet every seed?" if calls else "When is run called, and what do your lists hold?"
        return Finding("runs_missing", seen, look)
    if calls.total() > len(wanted):
        seen = f"{len(wanted)} runs were needed; you made {calls.total()}."
        return Finding("runs_repeated", seen, "Where could you keep a result that you need twice?")
    return None


WHICH_LIST = "Which list, exactly, does the task want for each name?"
# fmt: off
TABLES = (
    *(mistake(f"{word}_kept", "You keep one figure for each network.", "What will you need all runs for?",
              change=change)
      for word, one in (("best", max), ("worst", min), ("mean", _mean), ("first", lambda v: v[0]),
                        ("last", lambda v: v[-1]))
      for change in (one, lambda v, one=one: [one(v)])),
    mistake("seeds_sorted", "Your figures come by sorted seeds.", WHICH_LIST,
            change=lambda v: [x for _, x in sorted(zip(SEEDS, v, strict=True))]),
    mistake("seeds_reversed", "Your figures come in the reverse order of the seeds.", WHICH_LIST,
            change=lambda v: v[::-1]),
    *mistakes("figures_sorted", "Your figures are sorted by size.", WHICH_LIST, "change",
              (sorted, lambda v: sorted(v, reverse=True))),
    *mistakes("figures_rounded", "Your figures are rounded.", WHICH_LIST, "change",
              [lambda v, to=to: [to(x) for x in v]
               for to in (round, int, lambda x: round(x, 1), lambda x: round(x, 2))]),
    mistake("figures_scaled", "Your figures are fractions.", WHICH_LIST, change=lambda v: [x / 100 for x in v]),
    mistake("figures_paired", "Each figure comes with its seed.", WHICH_LIST,
            change=lambda v: [[s, x] for s, x in zip(SEEDS, v, strict=True)]),
)
# fmt: on


def _explain_table(table: Any) -> Finding | None:
    if not isinstance(table, dict):
        seen = f"What you return is of type {type(table).__name__}: no dictionary with one entry for each network."
        return Finding("no_table", seen, "What are the keys of the dictionary that the task asks for?")
    if set(table) != set(NETWORKS):
        seen = "What you return does not have one entry for each network."
        keys = ", ".join(repr(key) for key in list(table)[:3])
        return Finding("no_table", seen, f"Your keys begin with {keys}. What should they be?")
    wanted = {network: [_figure(network, seed) for seed in SEEDS] for network in NETWORKS}

    def are(change: Callable[[Values], Any]) -> bool:
        return all(same(_numbers(table[n]), to_tensor(change(wanted[n])), 1e-9) for n in NETWORKS)

    if are(list):
        return None
    known = search(TABLES, are, most=1)
    if known:
        return known
    if any(_numbers(table[n]) is None for n in NETWORKS):
        seen = "Something in your lists is no number."
        return Finding("no_figures", seen, "What does run give back, and what do you put into the list?")
    if any(_numbers(table[n]).numel() != len(SEEDS) for n in NETWORKS):
        seen = f"A network does not have {len(SEEDS)} figures, one for each seed."
        return Finding("figures_missing", seen, "Where is a new list begun, and where is something added to it?")
    everything = sorted(x for figures in wanted.values() for x in figures)
    if same(
        to_tensor(everything), _numbers(sorted(x for n in NETWORKS for x in _numbers(table[n]).flatten().tolist()))
    ):
        seen = "Figures stand with another network or seed."
        return Finding("figures_mixed_up", seen, "Which belongs to which name?")
    return Finding("figures_changed", "Your figures are not what run gave back.", "What happens to them on the way?")


def _numbers(value: Any) -> Any:
    return contained(to_tensor, value).value


def _explain_word(word: Any) -> Finding | None:
    if isinstance(word, str) and word in VERDICTS:
        return None
    seen = f"Your function says {str(word)[:40]!r}."
    return none_returned(word) or Finding("no_verdict", seen, "Which three words, letter by letter, are asked for?")
