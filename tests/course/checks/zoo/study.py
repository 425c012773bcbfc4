"""Statistics as learners write them."""

import math
import statistics as st

import numpy as np

from resnet_course import checks
from resnet_tutorial.analysis.uncertainty import t_quantile

from . import right, wrong


def variance(values, less):
    return sum((value - sum(values) / len(values)) ** 2 for value in values) / (len(values) - less)


right(checks.mean)(lambda values: sum(values) / len(values))
wrong(checks.mean, "best_for_mean")(lambda values: sorted(values)[-1])
wrong(checks.mean, "worst_for_mean")(lambda values: sorted(values)[0])
wrong(checks.mean, "median_for_mean")(lambda values: sorted(values)[len(values) // 2])
wrong(checks.mean, "last_for_mean")(lambda values: values[-1])
wrong(checks.mean, "sum_for_mean")(sum)
wrong(checks.mean, "library")(np.mean)

right(checks.standard_deviation)(lambda values: math.sqrt(variance(values, 1)))
wrong(checks.standard_deviation, "population_sd")(lambda values: math.sqrt(variance(values, 0)))
wrong(checks.standard_deviation, "variance_for_sd")(lambda values: variance(values, 1))
wrong(checks.standard_deviation, "standard_error_for_sd")(lambda values: math.sqrt(variance(values, 1) / len(values)))
wrong(checks.standard_deviation, "range_for_sd")(lambda values: max(values) - min(values))
wrong(checks.standard_deviation, "library")(st.stdev)


def middle(values):
    return sorted(values)[len(values) // 2] / 2 + sorted(values)[(len(values) - 1) // 2] / 2


deviations = (
    ("root_too_early", lambda v: math.sqrt(variance(v, len(v) - 1)) / (len(v) - 1)),
    ("population_sd+around_wrong_mean", lambda v: math.sqrt(sum((x - middle(v)) ** 2 for x in v) / len(v))),
    ("rounded", lambda v: round(math.sqrt(variance(v, 1)), 2)),
    ("crash", lambda v: math.sqrt(variance(v, 2))),
)
for key, answer in deviations:
    wrong(checks.standard_deviation, key)(answer)

T = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776}


def around(values, half):
    return st.mean(values) - half, st.mean(values) + half


def error(values):
    return st.stdev(values) / math.sqrt(len(values))


right(checks.interval)(lambda values: around(values, T[len(values) - 1] * error(values)))
intervals = (
    ("normal_for_t", lambda values: around(values, 1.96 * error(values))),
    ("two_for_t", lambda values: around(values, 2 * error(values))),
    ("spread_for_interval", lambda values: around(values, st.stdev(values))),
    ("one_standard_error", lambda values: around(values, error(values))),
    ("interval_of_runs", lambda values: around(values, T[len(values) - 1] * st.stdev(values))),
    ("population_sd", lambda v: around(v, T[len(v) - 1] * st.pstdev(v) / math.sqrt(len(v)))),
    ("freedom_off", lambda values: around(values, t_quantile(len(values)) * error(values))),
    ("one_sided", lambda values: around(values, t_quantile(len(values) - 1, 0.9) * error(values))),
    ("smallest_to_largest", lambda values: (min(values), max(values))),
    ("shape", lambda values: T[len(values) - 1] * error(values)),
    ("variance_for_sd", lambda v: around(v, T[len(v) - 1] * st.variance(v) / math.sqrt(len(v)))),
    ("normal_for_t+population_sd", lambda v: around(v, 1.96 * st.pstdev(v) / math.sqrt(len(v)))),
    ("ends_turned", lambda v: around(v, T[len(v) - 1] * error(v))[::-1]),
    ("whole_width", lambda v: around(v, 2 * T[len(v) - 1] * error(v))),
)
for key, answer in intervals:
    wrong(checks.interval, key)(answer)


@right(checks.difference)
def welch(a, b):
    va, vb = error(a) ** 2, error(b) ** 2
    freedom = (va + vb) ** 2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1))
    half = t_quantile(freedom) * math.sqrt(va + vb)
    gap = st.mean(b) - st.mean(a)
    return gap, gap - half, gap + half


@wrong(checks.difference, "sign_turned")
def turned(a, b):
    return welch(b, a)


@wrong(checks.difference, "intervals_added")
def added(a, b):
    half = T[len(a) - 1] * error(a) + T[len(b) - 1] * error(b)
    gap = st.mean(b) - st.mean(a)
    return gap, gap - half, gap + half


@wrong(checks.difference, "best_against_best")
def best(a, b):
    return max(b) - max(a), *welch(a, b)[1:]


@wrong(checks.difference, "normal_for_t")
def normal(a, b):
    gap, half = st.mean(b) - st.mean(a), 1.96 * math.hypot(error(a), error(b))
    return gap, gap - half, gap + half


wrong(checks.difference, "never_negative")(lambda a, b: welch(a, b) if st.mean(b) > st.mean(a) else welch(b, a))


@wrong(checks.difference, "other_freedom")
def student(a, b):
    gap, half = st.mean(b) - st.mean(a), t_quantile(len(a) + len(b) - 2) * math.hypot(error(a), error(b))
    return gap, gap - half, gap + half


@wrong(checks.difference, "sign_turned+normal_for_t")
def turned_and_normal(a, b):
    return normal(b, a)


@right(checks.runs)
def comprehension(run, names, seeds):
    return {name: [run(name, seed) for seed in seeds] for name in names}


@right(checks.runs)
def seeds_outside(run, names, seeds):
    table = dict.fromkeys(names, ())
    for seed in seeds:
        for name in names:
            table[name] += (run(name, seed),)
    return table


def of_table(change):
    return lambda run, names, seeds: change(comprehension(run, names, seeds))


wrong(checks.runs, "runs_missing")(lambda run, names, seeds: {n: [run(n, s)] for n, s in zip(names, seeds)})  # noqa: B905
wrong(checks.runs, "runs_unasked")(lambda run, names, seeds: comprehension(run, names, range(len(seeds))))
wrong(checks.runs, "best_kept")(of_table(lambda table: {name: max(runs) for name, runs in table.items()}))
wrong(checks.runs, "mean_kept")(of_table(lambda table: {name: st.fmean(runs) for name, runs in table.items()}))
wrong(checks.runs, "last_kept")(of_table(lambda table: {name: runs[-1] for name, runs in table.items()}))
wrong(checks.runs, "figures_missing")(of_table(lambda table: {name: runs[1:] for name, runs in table.items()}))
wrong(checks.runs, "figures_rounded")(of_table(lambda t: {n: [round(x, 1) for x in runs] for n, runs in t.items()}))
wrong(checks.runs, "figures_changed")(of_table(lambda table: {name: [0.0] * len(runs) for name, runs in table.items()}))
wrong(checks.runs, "no_table")(of_table(lambda table: np.array(list(table.values()))))
right(checks.runs)(of_table(lambda table: {name: np.array(runs) for name, runs in table.items()}))
wrong(checks.runs, "seeds_reversed")(of_table(lambda table: {name: runs[::-1] for name, runs in table.items()}))
wrong(checks.runs, "no_table")(of_table(lambda table: list(table.values())))


@wrong(checks.runs, "runs_repeated")
def run_again(run, names, seeds):
    comprehension(run, names, seeds)
    return comprehension(run, names, seeds)


def say(gap, low, high):
    return "higher" if low > 0 else "lower" if high < 0 else "undecided"


def by_overlap(a, b):
    (low_a, high_a), (low_b, high_b) = (around(v, T[len(v) - 1] * error(v)) for v in (a, b))
    return "higher" if low_b > high_a else "lower" if high_b < low_a else "undecided"


def by_threshold(a, b):
    return say(0, *around([st.mean(b) - st.mean(a)] * 2, 0.9))


right(checks.verdict)(lambda a, b: say(*welch(a, b)))
wrong(checks.verdict, "by_means")(lambda a, b: "higher" if np.mean(b) > np.mean(a) else "lower")
wrong(checks.verdict, "by_best")(lambda a, b: "higher" if np.max(b) > np.max(a) else "lower")
wrong(checks.verdict, "by_overlap")(by_overlap)
wrong(checks.verdict, "verdict_turned")(lambda a, b: say(*welch(b, a)))
wrong(checks.verdict, "never_decided")(lambda a, b: "undecided")
wrong(checks.verdict, "always_decided")(lambda a, b: "higher")
wrong(checks.verdict, "by_limit")(by_threshold)
wrong(checks.verdict, "sign_lost")(lambda a, b: "undecided" if say(*welch(a, b)) == "undecided" else "higher")
wrong(checks.verdict, "never_lower")(lambda a, b: "higher" if welch(a, b)[1] > 0 else "undecided")
wrong(checks.verdict, "verdict_turned+never_lower")(lambda a, b: "higher" if welch(a, b)[2] < 0 else "undecided")
wrong(checks.verdict, "value")(lambda a, b: say(*welch(a, b)) if len(a) > 2 else "undecided")


@wrong(checks.verdict, "by_spreads")
def by_all_runs(a, b):
    gap = st.mean(b) - st.mean(a)
    return "undecided" if abs(gap) < st.stdev(a + b) else "higher" if gap > 0 else "lower"


wrong(checks.verdict, "no_verdict")(lambda a, b: welch(a, b)[1] > 0)

steps = {"measured": lambda: {"steps": 8}, "points": 1}
right(checks.numbers, **steps)("Steps", lambda: {"steps": 8})
wrong(checks.numbers, "off_steps", **steps)("Steps", lambda: {"steps": 80})
wrong(checks.numbers, "missing_steps", **steps)("Steps", lambda: {"n": 8})
wrong(checks.numbers, "no_number_steps", **steps)("Steps", lambda: {"steps": [7]})


wrong(checks.runs, "runs_unasked")(lambda run, names, seeds: {n: [run(s, n) for s in seeds] for n in names})
wrong(checks.interval, "level_for_freedom")(lambda v: around(v, t_quantile(0.975) * error(v)))
