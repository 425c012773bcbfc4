"""Numbers that a learner works out, against measured ones; checks that wait; and two checks taken together."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .contain import contained
from .names import Missing
from .report import Finding, Result, grade, merge, wait
from .values import TOLERANCE, none_returned

WHOLE = 1e-9
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
    steps = [
        _compare(name, outcome.value, wanted, look, known.get(name, ()), tolerance) for name, wanted in measured.items()
    ]
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
    wanted: float,
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
    value = converted.value
    if _close(value, wanted, tolerance):
        return None
    for wrong, question in known:
        if _close(value, wrong, tolerance):
            return Finding(f"known_{name}", f"Your {name!r} is not {_plain(value)}.", question)
    return _explain(name, value, wanted, look)


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
    small, large = sorted((abs(value), abs(wanted)))
    times = large / small if small and math.isfinite(large) else 0.0
    if times > 1.5 and abs(times - round(times)) < WHOLE * times:
        look = look or "Which factor is missing, or stands there once too often?"
        return Finding(f"off_{name}", f"Your {name!r} is too {side}, by a whole factor.", look)
    look = look or "Is a term missing, or counted where there is none? Work a small case out by hand."
    return Finding(f"off_{name}", f"Your {name!r}, {_plain(value)}, is too {side}.", look)
