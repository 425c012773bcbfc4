"""A zoo of answers: well-known wrong ones, each with the diagnosis that it must get, and right ones in many styles."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any


@dataclass(frozen=True)
class Answer:
    check: Callable[..., Any]
    answer: tuple[Any, ...]
    key: str | None

    @property
    def name(self) -> str:
        check = self.check.func if isinstance(self.check, partial) else self.check
        answer = getattr(self.answer[0], "__name__", "answer")
        return f"{check.__name__}-{self.key or answer}"


ANSWERS: list[Answer] = []


def wrong(check, key, **options):
    """Put a wrong answer into the zoo; ``key`` is the diagnosis that must come first."""
    return partial(_keep, partial(check, **options) if options else check, key)


def right(check, **options):
    """Put a right answer into the zoo."""
    return partial(_keep, partial(check, **options) if options else check, None)


def _keep(check, key, *answer):
    ANSWERS.append(Answer(check, answer, key))
    return answer[0]
