"""Make what a student hands in: the released notebook, the answers of the source, and edits."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat

BLOCK = "2_basic_block"
SOURCE = Path(__file__).parents[2] / f"resnet_course/assignments/{BLOCK}/{BLOCK}.ipynb"
MARKERS = re.compile(r"^ *### (BEGIN|END) SOLUTION\n?", re.MULTILINE)
Edit = Callable[[Any], None]
File = Callable[[Any], bytes]


def about(one: Any) -> dict:
    """What nbgrader knows of a cell."""
    return one.metadata.get("nbgrader", {})


def bare(notebook: Any) -> bytes:
    """The file as Jupyter writes it."""
    return nbformat.writes(notebook).encode()


def solved(release: Any) -> Any:
    """The released notebook with the answers of the source."""
    source = nbformat.read(SOURCE, as_version=4)
    answers = {about(one)["grade_id"]: one.source for one in source.cells if about(one).get("solution")}
    notebook = release.copy()
    notebook.cells = [one.copy() for one in release.cells]
    for one in notebook.cells:
        if about(one).get("solution"):
            one.source = MARKERS.sub("", answers[about(one)["grade_id"]])
    return notebook


def answer_cell(notebook: Any, name: str) -> Any:
    """The answer in which a function or class is defined."""
    pattern = re.compile(rf"^(?:def|class) {name}\b", re.MULTILINE)
    (found,) = (one for one in notebook.cells if about(one).get("solution") and pattern.search(one.source))
    return found


def test_cell(notebook: Any, name: str) -> Any:
    """The first test below the answer that defines a name."""
    below = notebook.cells[notebook.cells.index(answer_cell(notebook, name)) :]
    return next(one for one in below if about(one).get("grade") and not about(one).get("solution"))


def cell(code: str) -> Edit:
    """Add a cell below the one with the student's name."""

    def edit(notebook: Any) -> None:
        place = next(i for i, one in enumerate(notebook.cells) if "student" in one.metadata.get("tags", []))
        notebook.cells.insert(place + 1, nbformat.v4.new_code_cell(code.strip("\n")))

    return edit


def swap(name: str, old: str, new: str) -> Edit:
    """Replace a piece of an answer, which must be there."""

    def edit(notebook: Any) -> None:
        one = answer_cell(notebook, name)
        if old not in one.source:
            raise LookupError(f"the answer {name} holds no {old!r}")
        one.source = one.source.replace(old, new)

    return edit


def above(name: str, code: str) -> Edit:
    """Put lines on top of an answer."""

    def edit(notebook: Any) -> None:
        one = answer_cell(notebook, name)
        one.source = f"{code}\n\n\n{one.source}"

    return edit


def drop(name: str, test: bool = False) -> Edit:
    """Delete an answer, or the test below it."""

    def edit(notebook: Any) -> None:
        gone = test_cell(notebook, name) if test else answer_cell(notebook, name)
        notebook.cells = [one for one in notebook.cells if one is not gone]

    return edit


def in_test(name: str, code: str) -> Edit:
    """Write something else into the test below an answer."""
    return lambda notebook: test_cell(notebook, name).update(source=code)
