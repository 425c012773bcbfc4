"""Numbers that a learner works out, against measured ones; and two checks of one task taken together."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from . import compare
from .contain import contained
from .report import Finding, Result, grade, merge

WHOLE = 1e-9


def numbers(
    task: str,
    function: Callable[..., Mapping[str, float]],
    *given: Any,
    measured: Mapping[str, float],
    points: float,
    look: str = "",
) -> Result:
    """Check named numbers that a learner predicts against those that a measurement gave.

    Args:
        task: what was checked.
        function: the learner's function; it returns a dict with the names of ``measured``.
        given: what the function is called with, such as the variant.
        measured: the right numbers by name.
        points: points of a right answer; each number has the same share.
        look: where to look if a number is off; by default at the layers.
    """
    outcome = contained(function, *given)
    problem = outcome.problem or _no_names(outcome.value)
    if problem:
        return grade(task, points, [problem] * len(measured))
    return grade(task, points, [_compare(name, outcome.value, wanted, look) for name, wanted in measured.items()])


def both(first: Result, *others: Result) -> Result:
    """Take several checks of one task together: the one with the smallest share of its points counts.

    Args:
        first: its task and its points are kept.
        others: further checks of the same task; the report lists them no more.
    """
    return merge(first, *others)


def _no_names(value: Any) -> Finding | None:
    problem = compare.none_returned(value)
    if problem or isinstance(value, Mapping):
        return problem
    seen = f"Your function gives back a {type(value).__name__}, not numbers with names."
    return Finding("no_names", seen, "Return a dict, with the names that the task lists.")


def _compare(name: str, answers: Mapping[str, float], wanted: float, look: str) -> Finding | None:
    if name not in answers:
        spelled = "Are the names those that the task lists, letter by letter?"
        return Finding(f"missing_{name}", f"There is no number with the name {name!r}.", spelled)
    converted = contained(lambda: float(answers[name]))
    if converted.problem:
        seen = f"What stands under {name!r} is no number."
        return Finding(f"no_number_{name}", seen, "Did you call every function that you meant to call?")
    value = converted.value
    if abs(value - wanted) <= compare.TOLERANCE * max(1.0, abs(wanted)):
        return None
    return _explain(name, value, wanted, look)


def _explain(name: str, value: float, wanted: float, look: str) -> Finding:
    if math.isnan(value):
        return Finding(f"off_{name}", f"Your {name!r} is not a number (nan).", look or "Which division gave it?")
    side = "large" if value > wanted else "small"
    small, large = sorted((abs(value), abs(wanted)))
    times = large / small if small and math.isfinite(large) else 0.0
    if times > 1.5 and abs(times - round(times)) < WHOLE * times:
        look = look or "Which number of the layer have you counted too often, or left out?"
        return Finding(f"off_{name}", f"Your {name!r} is too {side}, by a whole factor.", look)
    look = look or "Is a term missing, or counted where there is none? Go through the layers one by one."
    return Finding(f"off_{name}", f"Your {name!r}, {value:g}, is too {side}.", look)
