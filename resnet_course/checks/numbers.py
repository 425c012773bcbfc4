"""Numbers that a learner works out, against measured ones; checks that wait; and two checks taken together."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .contain import contained
from .names import Missing
from .report import Finding, Result, grade, merge, wait
from .values import TOLERANCE, none_returned

WHOLE = 1e-9
RELATED = {
    ("sign", "has the other sign"): "Which of the two is subtracted from which?",
    ("one", "is just too {side}"): "Is something at an end counted twice, or left out?",
    ("unit", "is too {side}: it is in another unit"): "In which unit does the task want it, and how large is that?",
    ("percent", "is too {side}, by a factor of 100"): "A share, or percent?",
    ("rounded", "is rounded"): "Does the task ask for rounding?",
}
Known = Mapping[str, Sequence[tuple[float, str]]]


def numbers(
    task: str,
    function: Callable[..., Mapping[str, float]],
    *given: Any,
    measured: Mapping[str, float],
    points: float,
    look: str = "",
    known: Known | None = None,
    tolerance: float = TOLERANCE,
) -> Result:
    """Check named numbers that a learner predicts against those that a measurement gave.

    Args:
        task: what was checked.
        function: the learner's function; it returns a dict with the names of ``measured``.
        given: what the function is called with, such as the variant.
        measured: the right numbers by name.
        points: points of a right answer; each number has the same share.
        look: where to look if a number is off; by default at the layers.
        known: for some names well-known wrong numbers, each with a question that helps.
        tolerance: how far a number may be off, as a share of the right one, or of 1 if that is larger.
    """
    outcome = contained(function, *given)
    problem = outcome.problem or _no_names(outcome.value)
    if problem:
        return grade(task, points, [problem] * len(measured))
    known = known or {}
    steps = [_compare(name, outcome.value, measured, look, known.get(name, ()), tolerance) for name in measured]
    return grade(task, points, steps)


def when_graded(task: str, function: Callable[..., Any], *given: Any, points: float) -> Result:
    """Stand for a check whose tests are all hidden, so that the report of a learner's copy lists it.

    It says what can be said before grading: that the function is missing, stops with an error or returns no dict.

    Args:
        task: what will be checked.
        function: the learner's function.
        given: what the function is called with; if nothing is given, it is not called.
        points: points of a right answer.
    """
    problem = function.finding if isinstance(function, Missing) else None
    if not problem and given:
        outcome = contained(function, *given)
        problem = outcome.problem or _no_names(outcome.value)
    return grade(task, points, [problem]) if problem else wait(task, points)


def both(first: Result, *others: Result) -> Result:
    """Take several checks of one task together: the one with the smallest share of its points counts.

    Args:
        first: its task and its points are kept.
        others: further checks of the same task; the report lists them no more.
    """
    return merge(first, *others)


def _no_names(value: Any) -> Finding | None:
    problem = none_returned(value)
    if problem or isinstance(value, Mapping):
        return problem
    seen = f"What your function gives back is of type {type(value).__name__}: no numbers with names."
    return Finding("no_names", seen, "Return a dict, with the names that the task lists.")


def _compare(
    name: str,
    answers: Mapping[str, float],
    measured: Mapping[str, float],
    look: str,
    known: Sequence[tuple[float, str]],
    tolerance: float,
) -> Finding | None:
    if name not in answers:
        spelled = "Are the names those that the task lists, letter by letter?"
        return Finding(f"missing_{name}", f"There is no number with the name {name!r}.", spelled)
    if answers[name] is None:
        look = "Does every way through your function end with return?"
        return Finding(f"no_number_{name}", f"What stands under {name!r} is None.", look)
    converted = contained(lambda: float(answers[name]))
    if converted.problem:
        seen = f"What stands under {name!r} is no number."
        return Finding(f"no_number_{name}", seen, "Did you call every function that you meant to call?")
    value, wanted = converted.value, measured[name]
    if _close(value, wanted, tolerance):
        return None
    for wrong, question in known:
        if _close(value, wrong, tolerance):
            return Finding(f"known_{name}", f"Your {name!r} is not {_plain(value)}.", question)
    others = [other for other, number in measured.items() if other != name and _close(value, number, tolerance)]
    if others:
        seen = f"What stands under {name!r} belongs under {others[0]!r}."
        return Finding(f"swapped_{name}", seen, "Which number answers which question?")
    return _explain(name, value, wanted, look)


def _related(key: str, value: float, wanted: float) -> bool:
    """Whether a wrong number is one step from the right one."""
    ratio = value / wanted if wanted else 0.0
    units = (1e3, 1e6, 1e9, 1024.0, 2.0**20, 2.0**30, 1e6 / 2**20, 1e3 / 2**10)
    return {
        "sign": abs(ratio + 1) < WHOLE,
        "one": isinstance(wanted, int) and abs(value - wanted) == 1 and wanted > 2,
        "unit": any(abs(ratio * unit - 1) < 1e-6 or abs(ratio / unit - 1) < 1e-6 for unit in units),
        "percent": abs(ratio - 100) < 1e-6 or abs(100 * ratio - 1) < 1e-8,
        "rounded": not isinstance(wanted, int) and 0 < abs(ratio - 1) < 5e-3 and round(value, 2) == value,
    }[key]


def _plain(value: float) -> str:
    """A number as one reads it: whole ones with all of their digits."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:g}"


def _close(value: float, wanted: float, tolerance: float) -> bool:
    if isinstance(wanted, int):  # a count is right or wrong
        tolerance = min(tolerance, 0.5 / max(1.0, abs(wanted)))
    return abs(value - wanted) <= tolerance * max(1.0, abs(wanted))


def _explain(name: str, value: float, wanted: float, look: str) -> Finding:
    if math.isnan(value):
        return Finding(f"off_{name}", f"Your {name!r} is not a number (nan).", look or "Which division gave it?")
    side = "large" if value > wanted else "small"
    for (key, words), question in RELATED.items():
        if _related(key, value, wanted):
            return Finding(f"off_{name}", f"Your {name!r} {words.format(side=side)}.", look or question)
    small, large = sorted((abs(value), abs(wanted)))
    times = large / small if small and math.isfinite(large) else 0.0
    if times > 1.5 and abs(times - round(times)) < WHOLE * times:
        look = look or "Which factor is missing, or stands there once too often?"
        return Finding(f"off_{name}", f"Your {name!r} is too {side}, by a whole factor.", look)
    look = look or "Is a term missing, or counted where there is none? Work a small case out by hand."
    return Finding(f"off_{name}", f"Your {name!r}, {_plain(value)}, is too {side}.", look)
