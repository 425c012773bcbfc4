"""Make what a student hands in: the released notebook, the answers of the source, and edits."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

import nbformat

ASSIGNMENTS = Path(__file__).parents[2] / "resnet_course/assignments"
BLOCK = "2_basic_block"
MARKERS = re.compile(r"^ *### (BEGIN|END) SOLUTION\n?", re.MULTILINE)
Edit = Callable[[Any], None]


@dataclass(frozen=True)
class Case:
    """One student.

    Attributes:
        kind: such as ``right`` or ``loop``; the summary counts by it.
        name: what this student did, in a few words.
        edits: changes of a right notebook, in their order.
        lost: points that it costs, task by task, worked out by hand; a float for all tasks together.
        says: what the feedback must show; empty where there is nothing to say.
        assignment: which one is handed in.
        file: the file's form, from the notebook; None for no file.
        ending: ending of the file's name.
    """

    kind: str
    name: str
    edits: tuple[Edit, ...] = ()
    lost: dict[str, float] = field(default_factory=dict)
    says: str = ""
    assignment: str = BLOCK
    file: Callable[[Any], bytes | None] = lambda notebook: nbformat.writes(notebook).encode()
    ending: str = "ipynb"


def source_of(assignment: str) -> Any:
    """The source notebook, as it is in the repository."""
    return nbformat.read(ASSIGNMENTS / assignment / f"{assignment}.ipynb", as_version=4)


def about(cell: Any) -> dict:
    """What nbgrader knows of a cell."""
    return cell.metadata.get("nbgrader", {})


def possible(assignment: str) -> float:
    """Points of a right answer."""
    return sum(about(cell).get("points", 0) for cell in source_of(assignment).cells)


def solved(release: Any, assignment: str) -> Any:
    """The released notebook with the answers of the source."""
    answers = {about(c)["grade_id"]: c.source for c in source_of(assignment).cells if about(c).get("solution")}
    notebook = release.copy()
    notebook.cells = [cell.copy() for cell in release.cells]
    for cell in notebook.cells:
        if about(cell).get("solution"):
            cell.source = MARKERS.sub("", answers[about(cell)["grade_id"]])
    return notebook


def answer_cell(notebook: Any, name: str) -> Any:
    """The answer in which a function, class or variable is defined."""
    pattern = re.compile(rf"^(?:def|class) {name}\b|^{name}\b.* = ", re.MULTILINE)
    found = [cell for cell in notebook.cells if about(cell).get("solution") and pattern.search(cell.source)]
    if len(found) != 1:
        raise LookupError(f"{len(found)} answers define {name}")
    return found[0]


def test_cell(notebook: Any, name: str) -> Any:
    """The first test below the answer that defines a name."""
    below = notebook.cells[notebook.cells.index(answer_cell(notebook, name)) :]
    return next(cell for cell in below if about(cell).get("grade") and not about(cell).get("solution"))


def swap(name: str, *pairs: str) -> Edit:
    """Replace pieces of an answer: old, new, old, new …"""

    def edit(notebook: Any) -> None:
        cell = answer_cell(notebook, name)
        for old, new in zip(pairs[::2], pairs[1::2], strict=True):
            if old not in cell.source:
                raise LookupError(f"the answer {name} holds no {old!r}")
            cell.source = cell.source.replace(old, new)

    return edit


def write(name: str, code: str) -> Edit:
    """Another answer, as a whole."""

    def edit(notebook: Any) -> None:
        answer_cell(notebook, name).source = code.strip("\n")

    return edit


def above(name: str, code: str) -> Edit:
    """Put lines on top of an answer."""

    def edit(notebook: Any) -> None:
        cell = answer_cell(notebook, name)
        cell.source = f"{code.strip()}\n\n\n{cell.source}"

    return edit


def emptied(*names: str) -> Edit:
    """Give answers back as they were handed out."""

    def edit(notebook: Any) -> None:
        for name in names:
            cell = answer_cell(notebook, name)
            lines = [line for line in cell.source.splitlines() if re.match(r"(class |def |    def )", line)]
            cell.source = "\n".join(
                f"{line}\n{' ' * (len(line) - len(line.lstrip()) + 4)}raise NotImplementedError"
                if line.lstrip().startswith("def ")
                else line
                for line in lines
            )

    return edit


def own_cell(code: str, **values: str) -> Edit:
    """Add a code cell below the cell with the student's name. ``$NAME`` is filled in when the class is made."""

    def edit(notebook: Any) -> None:
        place = next(i for i, cell in enumerate(notebook.cells) if "student" in cell.metadata.get("tags", []))
        text = Template(code.strip("\n")).safe_substitute(values)
        notebook.cells.insert(place + 1, nbformat.v4.new_code_cell(text))

    return edit


def without(*names: str, test: bool = False) -> Edit:
    """Delete answers, or the tests below them."""

    def edit(notebook: Any) -> None:
        for name in names:
            cell = test_cell(notebook, name) if test else answer_cell(notebook, name)
            notebook.cells = [one for one in notebook.cells if one is not cell]

    return edit


def in_test(name: str, code: str) -> Edit:
    """Write something else into the test below an answer."""

    def edit(notebook: Any) -> None:
        test_cell(notebook, name).source = code

    return edit
