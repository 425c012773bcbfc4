"""Compare the values of a learner's function with the right ones, and say what is wrong with them.

First by the search for a mistake that computes the same; where there is none, by what the differences have in common,
and else by the smallest case that shows one.
"""

import copy
import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from .contain import contained
from .report import Finding, Result, grade, notice
from .space import Space, search

TOLERANCE = 1e-6  # of float64 numbers: rounding stays far below, a mistake lies far above
SINGLE = 2e-5  # of float32 numbers, summed up in any order
LONG = 100  # letters of something shown
FEW = 9  # numbers that one reads at a glance
DIGITS = 2e-3  # what formats of 16 bits leave
BY_HAND = "Work this case out by hand: where do you part?"
RANDOM = Finding(
    "random", "Your function draws random numbers.", "Which line draws them, and does the task ask for it?"
)
SECOND = Finding(
    "carried_over",
    "Your function gives another answer when it is called again with the same.",
    "What does it keep from the call before, outside of itself or in what it was given?",
    heart=True,
)


def check_values(
    task: str,
    points: float,
    function: Callable[..., Any],
    space: Space,
    cases: Sequence[tuple],
    more: Sequence[tuple] = (),
    **options: Any,
) -> Result:
    """Compare values case by case, and grade them. An answer that is wrong somewhere keeps at most half.

    Args:
        task, points: as in `grade`.
        function: the learner's function.
        space: the task.
        cases: what to call it with, small cases first.
        more: further cases for an answer that is right in these.
        options: of `compare_values`.
    """
    steps = compare_values(function, space, cases, **options)
    if more and not any(steps):
        steps += compare_values(function, space, more, **options)
    return grade(task, points, steps)


def compare_values(
    function: Callable[..., Any], space: Space, cases: Sequence[tuple], tolerance: float = TOLERANCE, most: int = 3
) -> list[Finding | None]:
    """Compare values case by case.

    Args:
        function, space, cases: as in `check_values`.
        tolerance: absolute and relative; float32 tensors may differ by more.
        most: how many mistakes to look for at once.

    Returns:
        For each case what was wrong, or None.
    """
    parameters = inspect.signature(space.answer).parameters.items()
    names = [name for name, parameter in parameters if parameter.kind is parameter.POSITIONAL_OR_KEYWORD]
    right = [space.answer(*case) for case in cases]
    wanted = [to_tensor(value) for value in right]
    found: list[Tensor | Finding] = []
    for case, value in zip(cases, right, strict=True):
        hangs = found and isinstance(found[-1], Finding) and found[-1].key == "endless"
        found.append(found[-1] if hangs else _value(function, case, names, value))
    fits = [same(a, b, tolerance) for a, b in zip(found, wanted, strict=True)]
    if isinstance(found[0], Tensor) and not same(_value(function, cases[0], names, right[0]), found[0], tolerance):
        return [SECOND if all(fits) or not fit else None for fit in fits]
    if all(fits):
        return [None] * len(cases)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        if isinstance(found[0], Tensor) and not same(_value(function, cases[0], names, right[0]), found[0], tolerance):
            return [None if fit else RANDOM for fit in fits]
    ran = [i for i, value in enumerate(found) if isinstance(value, Tensor)]

    def explains(**options: Any) -> bool:
        return all(same(found[i], _try(space.answer, cases[i], options), tolerance) for i in ran)

    wrong = [i for i in ran if not same(found[i], wanted[i], tolerance)]
    finding = None
    if wrong:
        ran_only = [[part[i] for i in ran] for part in (found, wanted, cases)]
        finding = (
            search(space.mistakes, explains, most=1)
            or _without_thought(*ran_only, names)
            or search(space.mistakes, explains, least=2, most=most)
            or _ignored(function, space, *ran_only[::2], names)
            or explain(*ran_only, names)
        )
    stops = [i for i, value in enumerate(found) if isinstance(value, Finding) and value.key == "crash"]
    place = _place(stops, cases, names)
    for i in stops if place else []:
        found[i] = replace(found[i], seen=f"{found[i].seen.rstrip('.')}. It does so {place}.")
    return [value if isinstance(value, Finding) else finding if i in wrong else None for i, value in enumerate(found)]


def same(a: Any, b: Any, tolerance: float = TOLERANCE) -> bool:
    """Whether two tensors have one shape and, but for rounding, the same numbers."""
    if not isinstance(a, Tensor) or not isinstance(b, Tensor) or a.shape != b.shape:
        return False
    if torch.float32 in (a.dtype, b.dtype):
        tolerance = max(tolerance, SINGLE)
    a, b = a.detach().double().cpu(), b.detach().double().cpu()
    return torch.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True)


def none_returned(value: Any, name: str = "Your function") -> Finding | None:
    """What to say about a function that returns nothing."""
    if value is not None:
        return None
    return Finding("returns_none", f"{name} gives back None.", "Does every way through it end with return?")


def to_tensor(value: Any) -> Tensor:
    """A number, or numbers in tuples, lists, arrays or tensors, as one tensor; float32 stays what it is.

    Raises:
        TypeError, ValueError, RuntimeError: if it holds anything else, or parts of unequal length.
    """
    if isinstance(value, Tensor):
        return value.detach() if value.dtype == torch.float32 else value.detach().double()
    if hasattr(value, "__array__") and getattr(value, "ndim", 0):
        return to_tensor(torch.as_tensor(value))
    if isinstance(value, tuple | list):
        return torch.stack([to_tensor(item).double() for item in value])
    if isinstance(value, str | bytes):  # float("3") would do it
        raise TypeError(f"{value!r} is no number")
    return torch.tensor(float(value), dtype=torch.float64)


def describe(value: Any) -> str:
    """A value in a few words, with its numbers if they are few."""
    if isinstance(value, Tensor):
        few = value.numel() <= FEW and value.ndim <= 4
        return f"{_plain(value)}" if few else f"a tensor of shape {tuple(value.shape)}"
    if isinstance(value, tuple | list) and (len(value) > FEW or "tensor(" in repr(value)):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, float):
        return f"{value:g}"
    return repr(value)[:LONG] if isinstance(value, int | str | tuple | list) else f"a {type(value).__name__}"


def explain(found: Sequence[Tensor], wanted: Sequence[Tensor], cases: Sequence[tuple], names: Sequence[str]) -> Finding:
    """Say what values that no known mistake explains have in common, or show the smallest wrong one."""
    for value, target, case in zip(found, wanted, cases, strict=True):
        if value.shape != target.shape:
            return explain_shape(value, target, f"For {_told(case, names)}")
    if any(value.isnan().any() and not target.isnan().any() for value, target in zip(found, wanted, strict=True)):
        return Finding("nan", "Some of your numbers are no numbers (nan).", "Which root, or which division, gives it?")
    everywhere = _in_common(found, wanted, cases, names)
    if everywhere:
        return everywhere
    off = [i for i in range(len(found)) if not same(found[i], wanted[i])]
    where = _where(found, wanted, cases, names, off)
    if where:
        return where
    i = min(off, key=lambda i: (wanted[i].numel() + sum(_size(item) for item in cases[i]), i))
    value, given = found[i], _told(cases[i], names)
    if value.numel() <= FEW:
        return Finding("value", f"For {given} you get {_plain(value)}.", BY_HAND)
    place = tuple((~torch.isclose(value.double(), wanted[i].double(), 1e-5, 1e-5)).nonzero()[0].tolist())
    return Finding("value", f"For {given} you get {value[place].item():g} at {place}.", BY_HAND)


def explain_shape(value: Tensor, target: Tensor, given: str) -> Finding:
    """What to say about numbers that are too few, too many, or in another shape."""
    if max(value.ndim, target.ndim) == 1 or min(value.ndim, target.ndim) == 0:
        count, wanted = _count(value), _count(target)
        seen = f"{given} your function gives back {count}; {wanted} {'is' if wanted == 'one number' else 'are'} wanted."
        return Finding("shape", seen, "What, and in which order, does the task ask you to return?")
    seen = f"{given} your answer has shape {tuple(value.shape)}; {tuple(target.shape)} was expected."
    if value.ndim == target.ndim and sorted(value.shape) == sorted(target.shape):
        return Finding("axes_order", seen, "In which order do the dimensions stand?")
    if value.ndim == target.ndim == 4 and len(value) < len(target) and same(value, target[: len(value)]):
        seen = f"{given} only {'one image comes' if len(value) == 1 else f'{len(value)} images come'} back."
        return Finding("images_missing", seen, "Which axis counts the images, and who goes through it?")
    if value.squeeze().shape == target.squeeze().shape:
        more = "missing" if value.ndim < target.ndim else "too many"
        return Finding("axes_of_one", f"{seen} An axis of length 1 is {more}.", "Where does an axis come or go?")
    if value.ndim != target.ndim:
        return Finding("axes", seen, "Which dimension is too many, or missing?")
    off = [i for i in range(target.ndim) if value.shape[i] != target.shape[i]]
    if target.ndim == 4 and off in ([2], [3]):
        way = "height" if off == [2] else "width"
        return Finding("one_side", f"{seen} Only the {way} is off.", "Which of your sizes go down, and which right?")
    return Finding("shape", seen, "What decides the size that differs? Print the shapes on the way.")


def _count(value: Tensor) -> str:
    return "one number" if value.numel() == 1 and value.ndim == 0 else f"{value.numel()} numbers"


def _without_thought(
    found: Sequence[Tensor], wanted: Sequence[Tensor], cases: Sequence[tuple], names: Sequence[str]
) -> Finding | None:
    """An argument as it is, or always the same number."""
    for i, name in enumerate(names):
        given = [to_tensor(case[i]) if isinstance(case[i], int | float | Tensor) else None for case in cases]
        if all(map(same, found, given)):
            return Finding("argument_returned", f"You give back {name} as it is.", "What has to happen to it?")
    alike = len(found) > 2 - (found[0].numel() > 2) and all(same(value, found[0]) for value in found)
    if alike and not all(same(target, wanted[0]) for target in wanted):
        seen = f"You get {describe(found[0])}, whatever comes in."
        return Finding("constant", seen, "Which arguments should it depend on?")
    return None


# fmt: off
TURNED = (
    ("other_order", lambda t: t.flip(0), 1, "Your numbers are right, in the other order.", "Which comes first?"),
    ("transposed", lambda t: t.mT, 2, "Rows and columns have changed places.", "Which axis goes down, which right?"),
    ("mirrored", lambda t: t.flip(-1), 2, "Left and right have changed places.",
     "Which index runs from left to right?"),
    ("upside_down", lambda t: t.flip(-2), 2, "Top and bottom have changed places.", "Which index goes down?"),
    ("images_reversed", lambda t: t.flip(0), 4, "The images come in the other order.", "Which axis counts the images?"),
    ("channels_reversed", lambda t: t.flip(1), 4, "The channels come in the other order.", "What orders the channels?"),
)
# fmt: on


def _in_common(
    found: Sequence[Tensor], wanted: Sequence[Tensor], cases: Sequence[tuple], names: Sequence[str]
) -> Finding | None:
    """One rule that leads from all right values to the learner's."""
    pairs = list(zip(found, wanted, strict=True))
    for key, turn, axes, seen, look in TURNED:
        fits = all(t.ndim >= axes and (axes > 1 or t.ndim == 1) for t in wanted)
        if fits and all(same(value, turn(target)) for value, target in pairs):
            return Finding(key, seen, look)
    a, b = (torch.cat([t.double().flatten() for t in values]) for values in (found, wanted))
    if len(a) < 3 or not torch.isfinite(a).all():
        return None
    nonzero = b.abs() > 1e-9
    ratio = (a[nonzero] / b[nonzero]).median() if nonzero.any() else None
    if ratio is not None and abs(ratio) > 1e-6 and same(a, ratio * b):
        seen = f"All of your numbers are {ratio:.4g} times the right ones."
        return Finding("factor", seen, "Which factor is missing, or stands there once too often?")
    shift = (a - b).median()
    if same(a, b + shift):
        seen = f"All of your numbers are too {'large' if shift > 0 else 'small'} by {abs(shift):.4g}."
        return Finding("shift", seen, "What is added, or left out, whatever comes in?")
    if any(same(a, cut(b * 10**n) / 10**n) for n in range(5) for cut in (torch.round, torch.floor, torch.trunc)):
        return Finding("rounded", "Your numbers are rounded.", "Who rounds, and does the task ask for it?")
    if ((a - b).abs() <= DIGITS * b.abs().clamp(min=0.1)).all():
        seen = "Your numbers lose their last digits."
        return Finding("imprecise", seen, "In which dtype do you compute, and does anything round?")
    return None


SPECIAL = {
    "is 1": lambda value: value == 1,
    "is 0": lambda value: value == 0,
    "is even": lambda value: value % 2 == 0,
    "has length 1": lambda value: len(value) == 1,
    "is square": lambda value: value.shape[2] == value.shape[3],
    "is a single image": lambda value: len(value) == 1,
    "has a single channel": lambda value: value.shape[1] == 1,
}
FITS = {int: slice(0, 3), bool: slice(0, 3), list: slice(3, 4), tuple: slice(3, 4), Tensor: slice(4, 7)}


def _place(off: Sequence[int], cases: Sequence[tuple], names: Sequence[str]) -> str | None:
    """Some of the cases in words, if they are all of those where one argument is special, or all others."""
    hit = [i in off for i in range(len(cases))]
    if all(hit) or not any(hit):
        return None
    for i, name in enumerate(names):
        given = [case[i] for case in cases]
        for words in list(SPECIAL)[FITS.get(type(given[0]), slice(0))]:
            if isinstance(given[0], Tensor) and given[0].ndim != 4:
                continue
            special = [bool(SPECIAL[words](value)) for value in given]
            if special == hit:
                return f"only where {name} {words}"
            if [not one for one in special] == hit:
                return f"except where {name} {words}"
    return None


def _ignored(
    function: Callable[..., Any], space: Space, found: Sequence[Tensor], cases: Sequence[tuple], names: Sequence[str]
) -> Finding | None:
    """Numbers among the arguments on which nothing depends, though it should."""
    ignored = []
    for i, name in enumerate(names):
        if not isinstance(cases[0][i], int | float):
            continue
        new = [(*c[:i], not c[i] if isinstance(c[i], bool) else c[i] + 1, *c[i + 1 :]) for c in cases[:6]]
        wanted = [_try(space.answer, case, {}) for case in new]
        values = [contained(to_tensor, contained(function, *copy.deepcopy(case)).value).value for case in new]
        moves = any(not same(_try(space.answer, case, {}), w) for case, w in zip(cases, wanted, strict=False))
        if moves and all(map(same, values, found)):
            ignored.append(name)
    if not ignored:
        return None
    seen = f"Your answer does not depend on {', '.join(ignored[:-1])}{' and ' * (len(ignored) > 1)}{ignored[-1]}."
    return Finding("argument_ignored", seen, f"Where should {ignored[0]} enter?")


def _where(
    found: Sequence[Tensor], wanted: Sequence[Tensor], cases: Sequence[tuple], names: Sequence[str], off: Sequence[int]
) -> Finding | None:
    """Where alone the values are right, or wrong: for some arguments, at the border, in one image or channel."""
    place = _place(off, cases, names)
    if place:
        return Finding("right_for_some", f"Your answers are wrong {place}.", "What is different there?")
    masks = [~torch.isclose(found[j].double(), wanted[j].double(), 1e-5, 1e-5) for j in off if wanted[j].ndim == 4]
    if len(masks) < len(off) or not masks:
        return None
    if all(min(m.shape[2:]) > 2 and not m[:, :, 1:-1, 1:-1].any() for m in masks):
        return Finding("border", "Only the border of your output is off.", "What does the kernel meet at the border?")
    for axis, noun in ((0, "image"), (1, "channel")):
        hit = [m.movedim(axis, 0).flatten(1).any(dim=1) for m in masks]
        for words, place in (("first", 0), ("last", -1)):
            if all(len(h) > 1 and h.sum() == 1 and h[place] for h in hit):
                return Finding(f"one_{noun}", f"Only the {words} {noun} is off.", "What is done to the others alone?")
            if all(len(h) > 1 and h.sum() == len(h) - 1 and not h[place] for h in hit):
                seen = f"Only the {words} {noun} is right."
                return Finding(f"one_{noun}", seen, f"What is done to the {words} {noun} alone?")
    return None


def _value(function: Callable[..., Any], case: tuple, names: Sequence[str], right: Any) -> Tensor | Finding:
    given = copy.deepcopy(case)
    outcome = contained(function, *given)
    if {"Double", "Float"} <= set(re.findall(r"\w+", str(outcome.error))):  # weights of its own are float32
        given = [one.float() if isinstance(one, Tensor) and one.is_floating_point() else one for one in given]
        case, outcome = copy.deepcopy(given), contained(function, *given)
    problem = outcome.problem or none_returned(outcome.value)
    if problem:
        return problem
    for name, before, after in zip(names, case, given, strict=False):
        if not alike(before, after):
            notice(argument_changed(name))
    converted = contained(to_tensor, outcome.value)
    if converted.problem:
        seen = f"Your function gives back {describe(outcome.value)} where numbers are wanted."
        return Finding("no_number", seen, "What does the task ask you to return?")
    if isinstance(outcome.value, Tensor) and isinstance(right, int | float):
        notice(Finding("tensor_returned", "Your function gives back a tensor, not a number of Python's.", SIGNATURE))
    if isinstance(right, Tensor) and not _tensors(outcome.value):
        seen = f"Your function gives back {describe(outcome.value)} where tensors are wanted."
        notice(Finding("no_tensor", seen, SIGNATURE))
    return converted.value


SIGNATURE = "Which type comes after the arrow in the task's signature?"


def argument_changed(name: str) -> Finding:
    """What to say about a function that writes into something it was given."""
    seen = f"Your function changes {name}, which it was given."
    return Finding("argument_changed", seen, "Who else needs it? Which of your lines writes into it?")


def alike(a: Any, b: Any) -> bool:
    """Whether two values are the same to the last digit, also in nested lists."""
    if isinstance(a, Tensor):
        return isinstance(b, Tensor) and a.shape == b.shape and torch.equal(a, b)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(alike, a, b))
    return a == b


def _tensors(value: Any) -> bool:
    return all(map(_tensors, value)) if isinstance(value, tuple | list) else isinstance(value, Tensor)


def _try(answer: Callable[..., Any], case: tuple, options: dict[str, Any]) -> Tensor | None:
    try:
        return to_tensor(answer(*case, **options))
    except Exception:  # this mistake cannot be made with these numbers, or not beside another one
        return None


def _told(case: tuple, names: Sequence[str]) -> str:
    return ", ".join(f"{name} {describe(item)}" for name, item in zip(names, case, strict=False))


def _size(item: Any) -> float:
    """How hard an argument is to read."""
    if isinstance(item, Tensor):
        return item.numel()
    return len(item) if isinstance(item, tuple | list) else abs(item) / 100 if isinstance(item, int | float) else 0


def _plain(value: Tensor) -> Any:
    while value.ndim > 2 and value.shape[0] == 1:
        value = value[0]
    numbers = value.double().tolist()
    return f"{numbers:g}" if value.ndim == 0 else str(_rounded(numbers))


def _rounded(numbers: Any) -> Any:
    if isinstance(numbers, list):
        return [_rounded(one) for one in numbers]
    return int(numbers) if float(numbers).is_integer() else round(numbers, 4)
