"""The files for the students: without solutions or hidden tests, with each one's name in it."""

import re
import shutil
import tempfile
from copy import deepcopy
from pathlib import Path
from typing import Any

from resnet_tutorial.errors import InputError, first_line

from .cells import MARKERS, is_probe, is_student, secrets, squeezed, strings
from .changes import follow_changes
from .course import Course

# In the sources: a chapter of the book, and another assignment.
CHAPTER = re.compile(r"\[([^\]]+)\]\(\.\./\.\./book/(\w+)\.(?:ipynb|md)(#[^)]*)?\)")
OTHER = re.compile(r"\[([^\]]+)\]\(\.\./\w+/\w+\.ipynb\)")


def release_assignment(course: Course, assignment: str) -> list[Path]:
    """Make one file for each student, ``release/<assignment>/<student>/<assignment>.ipynb``.

    Every file is looked into before the first is written: if one holds a marker, or a piece of a solution or of a
    hidden test, nothing is released.

    Raises:
        InputError: nbgrader cannot make the students' version, or something would leak.
    """
    import nbformat

    source = course.read_source(assignment)
    follow_changes(course, assignment, source)
    bare = for_course(_generate(course, assignment), course)
    students = [student.id for student in course.students()]
    notebooks = {student: for_student(bare, student) for student in students}
    safe: set[str] = set()
    for notebook in notebooks.values():
        leaks = find_leaks(notebook, source, safe)
        if leaks:
            raise InputError(f"nothing is released: {leaks[0]}")
    folder = course.root / "release" / assignment
    folder.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".aside-", dir=folder.parent) as aside:
        made = Path(aside) / assignment
        for student, notebook in notebooks.items():
            path = made / course.release(assignment, student).relative_to(folder)
            path.parent.mkdir(parents=True)
            nbformat.write(notebook, path)
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)
    return [course.release(assignment, student) for student in students]


def for_student(notebook: Any, student: str) -> Any:
    """A copy with the student's name in the cell that is tagged ``student``."""
    copy = deepcopy(notebook)
    for cell in copy.cells:
        if is_student(cell):
            cell.source = f'STUDENT = "{student}"'
    return copy


def for_course(notebook: Any, course: Course) -> Any:
    """A copy that works outside the book's repository: its links lead to the site, and Colab can install the package.

    Links to other assignments become plain text, and so do those to chapters if the course knows no address.
    """
    settings = course.config().Classroom
    book, install = settings.get("book", ""), settings.get("install", "")
    chapter = rf"[\1]({book}/book/\2.html\3)" if book else r"\1"
    copy = deepcopy(notebook)
    for cell in copy.cells:
        if cell.cell_type == "markdown":
            cell.source = OTHER.sub(r"\1", CHAPTER.sub(chapter, cell.source))
        elif cell.get("id") == "install":
            cell.source = cell.source.replace('INSTALL = ""', f'INSTALL = "{install}"')
    return copy


def find_leaks(notebook: Any, source: Any, safe: set[str] | None = None) -> list[str]:
    """Say for each cell of a released notebook what it gives away.

    Args:
        notebook: what would be released.
        source: the assignment with solutions and hidden tests.
        safe: texts in which nothing was found before, such as those that a whole class shares; new ones are added.
    """
    safe = set() if safe is None else safe
    forbidden, leaks = secrets(source), []
    for i, cell in enumerate(notebook.cells, start=1):
        unknown = set(strings(cell)) - safe
        for text in unknown:
            leaks += [f"cell {i} holds the marker {marker!r}" for marker in MARKERS if marker in text]
            text = squeezed(text)
            found = [min(group) for group in forbidden if all(piece in text for piece in group)]
            leaks += [f"cell {i} holds a solution or hidden test: {piece[:60]}" for piece in sorted(found)]
        if not leaks:
            safe |= unknown
    about = " ".join(strings(notebook.metadata))
    told = any(all(piece in squeezed(about) for piece in group) for group in forbidden)
    marked = any(marker in about for marker in MARKERS)
    return [*leaks, *(["the notebook's metadata hold a solution or hidden test"] if told or marked else [])]


def _generate(course: Course, assignment: str) -> Any:
    """nbgrader's version for students; the gradebook keeps the tests."""
    import nbformat
    from nbgrader.converters import GenerateAssignment
    from nbgrader.converters.base import NbGraderException

    directory = course.directory(assignment)
    try:
        GenerateAssignment(coursedir=directory, config=course.config(), force=True).start()
    except NbGraderException as error:
        raise InputError(f"nbgrader cannot release {assignment}: {first_line(error)}") from None
    notebook = nbformat.read(course.root / "generated" / assignment / f"{assignment}.ipynb", as_version=4)
    notebook.cells = [cell for cell in notebook.cells if not is_probe(cell)]
    return notebook
