"""The check of numbers that a learner works out, such as those of their own variant."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from .compare import TOLERANCE
from .contain import contained
from .report import Finding, Result, grade

Known = Mapping[str, Sequence[tuple[float, str]]]


def answers(
    task: str,
    given: Mapping[str, Any],
    right: Mapping[str, float],
    known: Known | None = None,
    *,
    points: float = 1,
    tolerance: float = TOLERANCE,
) -> Result:
    """Check numbers, each for its share of the points.

    Args:
        task: what they are about.
        given: the learner's numbers, by name.
        right: the right ones.
        known: for some names well-known wrong numbers, each with a question that helps.
        points: points of a right answer.
        tolerance: how far a number may be off, as a share of the right one.
    """
    known = known or {}
    steps = [_explain(name, given.get(name), right[name], known.get(name, ()), tolerance) for name in right]
    return grade(task, points, steps)


def _explain(
    name: str, given: Any, right: float, known: Sequence[tuple[float, str]], tolerance: float
) -> Finding | None:
    if given is None:
        return Finding(f"{name}_missing", f"{name} is still to be filled in.", "Which cell gives it a value?")
    outcome = contained(float, given)
    if outcome.problem:
        return Finding(
            f"{name}_no_number", f"{name} is no number, but a {type(given).__name__}.", "Which unit is asked?"
        )
    value = outcome.value
    if math.isclose(value, right, rel_tol=tolerance, abs_tol=1e-12):
        return None
    for wrong, look in known:
        if math.isclose(value, wrong, rel_tol=tolerance, abs_tol=1e-12):
            return Finding(f"{name}_known", f"{name} is not {value:g}.", look)
    return Finding(f"{name}_value", f"{name} is not {value:g}.", "Do it once with small numbers, by hand. Is v yours?")
