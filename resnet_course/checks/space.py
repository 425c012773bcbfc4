"""A task as a space of choices, searched for the nearest point that computes what an answer computes.

The right answer is one readable function with an option for each choice. A mistake is a row of a table: what an option
is instead, what is seen then, and where to look. Two rows at once are two mistakes.
"""

import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .report import Finding

SECONDS = 1.0  # of computing, for pairs and triples; single mistakes are always tried
MOST = 3
NUMBERS = {2: "Two", 3: "Three"}


@dataclass(frozen=True)
class Mistake:
    """One wrong choice, or several that belong together.

    Attributes:
        finding: what to say about it.
        options: what the answer's options are with this mistake.
    """

    finding: Finding
    options: Mapping[str, Any]


def mistake(key: str, seen: str, look: str, heart: bool = False, **options: Any) -> Mistake:
    """A row of a table of mistakes."""
    return Mistake(Finding(key, seen, look, heart), options)


def mistakes(
    key: str, seen: str, look: str, option: str, values: Iterable[Any], heart: bool = False
) -> tuple[Mistake, ...]:
    """Rows that differ in one option: its values, or by the words for which ``seen`` has a gap, in a mapping."""
    named = values.items() if isinstance(values, Mapping) else [(value, value) for value in values]
    return tuple(mistake(key, seen.format(words), look, heart, **{option: value}) for words, value in named)


def within(name: str, mistakes: Iterable[Mistake]) -> tuple[Mistake, ...]:
    """The rows of another table, their options under a name of their own: ``field.step``."""
    return tuple(Mistake(one.finding, {f"{name}.{k}": v for k, v in one.options.items()}) for one in mistakes)


def part(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Those options that `within` put under a name."""
    return {k.removeprefix(f"{name}."): v for k, v in options.items() if k.startswith(f"{name}.")}


@dataclass(frozen=True)
class Space:
    """A task.

    Attributes:
        answer: computes the right answer, and with other options what a mistake computes.
        mistakes: the likelier ones first: of two that compute the same, the first is told.
    """

    answer: Callable[..., Any]
    mistakes: tuple[Mistake, ...]


def search(
    mistakes: Sequence[Mistake], explains: Callable[..., float], *, least: int = 1, most: int = MOST
) -> Finding | None:
    """Find the fewest mistakes that explain an answer.

    Args:
        mistakes: rows of a table.
        explains: whether the answer is what these options compute; if not, it may say how much of it is, from 0 to 1,
            and mistakes that explain much are tried together first.
        least, most: how many mistakes at once.
    """
    end, worth = 0.0, dict.fromkeys(range(len(mistakes)), 0.0)
    for n in range(1, most + 1):
        end = time.thread_time() + SECONDS if n <= 2 else end
        tried = itertools.combinations(range(len(mistakes)), n)
        for made in sorted(tried, key=lambda made: -sum(map(worth.get, made))):
            rows = [mistakes[i] for i in made]
            options = {name: value for one in rows for name, value in one.options.items()}
            if len(options) < sum(len(one.options) for one in rows):  # one option cannot have two values
                continue
            if n > 1 and time.thread_time() > end:
                return None
            explained = explains(**options)
            if n == 1:
                worth[made[0]] = float(explained)
            if explained >= 1 and n >= least:
                return together([one.finding for one in rows])
    return None


def together(findings: Sequence[Finding]) -> Finding:
    """Several mistakes of one answer as one finding."""
    if len(findings) == 1:
        return findings[0]
    seen = f"{NUMBERS.get(len(findings), 'Several')} things: " + " And: ".join(one.seen for one in findings)
    look = " ".join(dict.fromkeys(one.look for one in findings))
    return Finding("+".join(one.key for one in findings), seen, look, any(one.heart for one in findings))
