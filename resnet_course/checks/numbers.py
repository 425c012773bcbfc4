"""Numbers that a learner works out, against measured ones; and checks that wait."""

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from .contain import contained, watch
from .names import Missing
from .report import Finding, Result, grade, wait
from .space import Space, search
from .values import TOLERANCE, none_returned
from .variant import Variant

WHOLE = 1e-9
RELATED = {
    ("sign", "has the other sign"): "Which of the two is subtracted from which?",
    ("one", "is just too {side}"): "Is something at an end counted twice, or left out?",
    ("unit", "is too {side}: it is in another unit"): "In which unit does the task want it, and how large is that?",
    ("percent", "is too {side}, by a factor of 100"): "A share, or percent?",
    ("rounded", "is rounded"): "Does the task ask for rounding?",
}
TYPED = "Which of them are typed in, or take another's numbers, in place of being computed from what comes in?"


def numbers(
    task: str,
    function: Callable[..., Mapping[str, float]],
    *given: Any,
    measured: Callable[..., Mapping[str, float]],
    points: float,
    space: Space | None = None,
    more: Sequence[tuple] = (),
    by_hand: bool = False,
    tolerance: float = TOLERANCE,
) -> Result:
    """Check named numbers that a learner predicts against those that a measurement gave.

    Args:
        task: what was checked.
        function: the learner's function; it returns a dict with the names that ``measured`` gives.
        given: what both are called with, such as the variant.
        measured: the right numbers by name.
        points: points of a right answer; each number has the same share.
        space: how the numbers are computed, and what can go wrong in it; its answer gives such a dict, too.
        more: what else to call both with: numbers that were typed in are right for one variant alone.
        by_hand: whether PyTorch may not be asked.
        tolerance: how far a number may be off, as a share of the right one, or of 1 if that is larger.
    """
    cases, used = [given, *more], set()
    called = watch(function, used) if by_hand else function
    right = [measured(*case) for case in cases]
    outcomes = [contained(called, *copy.deepcopy(case)) for case in cases]
    problem = outcomes[0].problem or _no_names(outcomes[0].value)
    if not problem and by_hand and "torch" in used:
        seen = "You build a network and let PyTorch count."
        problem = Finding("measured", seen, "Which arithmetic does the task ask for?", heart=True)
    if problem:
        return grade(task, points, [problem] * len(right[0]))
    steps = {name: _compare(name, outcomes[0].value, right[0], tolerance) for name in right[0]}
    off = [name for name, step in steps.items() if step and step.key.startswith("off_")]
    if off and space:
        steps |= _search(space, given, outcomes[0].value, off, tolerance)
    if not any(steps.values()):
        for outcome, wanted in zip(outcomes[1:], right[1:], strict=True):
            typed = Finding("typed_in", f"Your numbers are right {_alone(given)}.", TYPED, heart=True)
            same_names = not outcome.problem and not _no_names(outcome.value)
            if not same_names or any(_compare(name, outcome.value, wanted, tolerance) for name in wanted):
                return grade(task, points, [outcome.problem or typed] * len(wanted), most=0)
    return grade(task, points, list(steps.values()), most=1)


def _alone(given: tuple) -> str:
    return "for your own v alone" if isinstance(given[-1], Variant) and len(given) == 1 else "for these results alone"


def _search(
    space: Space, given: tuple, found: Mapping[str, Any], off: Sequence[str], tolerance: float
) -> dict[str, Finding]:
    """For each number that is off the fewest mistakes that explain it; those first that explain most of the numbers."""

    def explains(name: str, **options: Any) -> bool:
        try:
            wrong = space.answer(*given, **options)[name]
        except (ArithmeticError, TypeError, ValueError):  # this mistake cannot be made with these numbers
            return False
        return _close(found[name], wrong, tolerance)

    right = [name for name in space.answer(*given) if name not in off and isinstance(found.get(name), int | float)]

    def fits(name: str, **options: Any) -> bool:
        return explains(name, **options) and all(explains(other, **options) for other in right)

    worth = {i: sum(explains(name, **one.options) for name in off) for i, one in enumerate(space.mistakes)}
    mistakes = [space.mistakes[i] for i in sorted(worth, key=lambda i: -worth[i])]
    known = {}
    for name in off:
        known[name] = search(mistakes, partial(fits, name)) or search(mistakes, partial(explains, name), most=2)
    steps = {}
    for finding in dict.fromkeys(filter(None, known.values())):
        names = [name for name in off if known[name] == finding]
        words = finding.seen if finding.seen.startswith("BatchNorm") else finding.seen[0].lower() + finding.seen[1:]
        seen = f"Your {_listed(names)} off: {words}"
        steps |= dict.fromkeys(names, replace(finding, seen=seen))
    return steps


def _listed(names: Sequence[str]) -> str:
    shown = [repr(name) for name in names]
    return f"{shown[0]} is" if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]} are"


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


def _no_names(value: Any) -> Finding | None:
    problem = none_returned(value)
    if problem or isinstance(value, Mapping):
        return problem
    seen = f"What your function gives back is of type {type(value).__name__}: no numbers with names."
    return Finding("no_names", seen, "Return a dict, with the names that the task lists.")


def _compare(
    name: str, answers: Mapping[str, float], measured: Mapping[str, float], tolerance: float
) -> Finding | None:
    if name not in answers:
        spelled = "Are the names those that the task lists, letter by letter?"
        return Finding(f"missing_{name}", f"There is no number with the name {name!r}.", spelled)
    if answers[name] is None:
        seen = f"What stands under {name!r} is None."
        return Finding(f"no_number_{name}", seen, "Does every way through your function end with return?")
    converted = contained(lambda: float(answers[name]))
    if converted.problem:
        seen = f"What stands under {name!r} is no number."
        return Finding(f"no_number_{name}", seen, "Did you call every function that you meant to call?")
    value, wanted = converted.value, measured[name]
    if _close(value, wanted, tolerance):
        return None
    others = [other for other, number in measured.items() if other != name and _close(value, number, tolerance)]
    if others:
        seen = f"What stands under {name!r} belongs under {others[0]!r}."
        return Finding(f"swapped_{name}", seen, "Which number answers which question?")
    return _explain(name, value, wanted)


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


def _explain(name: str, value: float, wanted: float) -> Finding:
    key = f"off_{name}"
    if math.isnan(value):
        return Finding(key, f"Your {name!r} is not a number (nan).", "Which division gave it?")
    side = "large" if value > wanted else "small"
    for (related, words), look in RELATED.items():
        if _related(related, value, wanted):
            return Finding(key, f"Your {name!r} {words.format(side=side)}.", look)
    small, large = sorted((abs(value), abs(wanted)))
    times = large / small if small and math.isfinite(large) else 0.0
    if times > 1.5 and abs(times - round(times)) < WHOLE * times:
        look = "Which factor is missing, or stands there once too often?"
        return Finding(key, f"Your {name!r} is too {side}, by a whole factor.", look)
    look = "Is a term missing, or counted where there is none? Work a small case out by hand."
    return Finding(key, f"Your {name!r}, {_plain(value)}, is too {side}.", look)
