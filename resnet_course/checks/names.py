"""The learner's answers by their names, so that a missing one is told and raises nothing."""

import difflib
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

from . import outside
from .report import Finding

ALIKE = 0.8  # of 1: basicblok and basicblock are, fit_by_step and fit_by_epoch are not
_asked: set[str] = set()
_places: set[str] = set()


class NotDefined(Exception):
    """The learner's notebook lacks a name that a task asks for.

    Attributes:
        finding: what to say about it.
    """

    def __init__(self, finding: Finding):
        super().__init__(finding.seen)
        self.finding = finding


class Missing:
    """Stands in for an answer that is not there: every call of it raises `NotDefined`."""

    def __init__(self, finding: Finding):
        self.finding = finding

    def __call__(self, *_args: Any, **_options: Any) -> NoReturn:
        raise NotDefined(self.finding)


def yours(name: str) -> Any:
    """The learner's function or class ``name``, from the notebook that asks.

    If there is none, what comes back can be handed to every check, which then says that the name is missing, and
    whether something with a similar name is there.

    Args:
        name: as the task gives it.
    """
    outside.settle()
    notebook = sys._getframe(1).f_globals
    _asked.add(name)
    if name not in notebook:
        return Missing(_explain(name, notebook))
    _places.update(_files(notebook[name]))
    return notebook[name]


def in_an_answer(file: str) -> bool:
    """Whether a file, or a notebook's cell, holds an answer; if no answer was asked for by name, every one may."""
    return file in _places or not _places


def _files(answer: Any) -> set[str]:
    """Files, or cells, that hold the code of a function or class."""
    parts = vars(answer).values() if isinstance(answer, type) else [answer]
    return {part.__code__.co_filename for part in parts if hasattr(part, "__code__")}


def _explain(name: str, notebook: Mapping[str, Any]) -> Finding:
    seen = f"Nothing is called {name} here."
    own = {_plain(one): one for one, value in notebook.items() if _is_own(one, value, notebook)}
    similar = difflib.get_close_matches(_plain(name), own, n=1, cutoff=ALIKE)
    if similar:
        look = f"Did you rename it to {own[similar[0]]}? Keep the name that the task gives."
        return Finding("not_defined", seen, look)
    look = f"Run the cell above that defines {name}, and look whether it stops with an error or was deleted."
    return Finding("not_defined", seen, look)


def _is_own(name: str, value: Any, notebook: Mapping[str, Any]) -> bool:
    """Whether the learner defined it, and not as the answer to another task."""
    written_here = callable(value) and getattr(value, "__module__", None) == notebook.get("__name__")
    return written_here and name not in _asked and not name.startswith("_")


def _plain(name: str) -> str:
    return name.lower().replace("_", "")
