"""Take in what students hand in: find whose it is, mend what is broken, say what was done."""

import ast
import json
import re
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from .cells import grade_id, is_locked, is_solution, is_student
from .course import Course, Student

LARGEST = 20 << 20  # bytes of one file; a notebook without pictures has a tenth of a MiB
IGNORED = ("__MACOSX", ".ipynb_checkpoints", ".DS_Store")


@dataclass(frozen=True)
class Collected:
    """What became of a folder of submissions.

    Attributes:
        notes: for each student who handed in something, what was mended or could not be read; empty if all was well.
        missing: ids of students who handed in nothing.
        unclear: files that belong to no student, or to several.
    """

    notes: dict[str, tuple[str, ...]]
    missing: tuple[str, ...]
    unclear: tuple[str, ...]


def collect_submissions(course: Course, assignment: str, place: Path) -> Collected:
    """Copy one file for each student into ``submitted/``, mended.

    A file that is no notebook becomes the released notebook with a message on top, which stands in the feedback.

    Args:
        course: the course.
        assignment: the assignment, which must have been released.
        place: folder or zip file, as Canvas, Moodle or a person gives it: the student's id is in the file's path.

    Raises:
        InputError: nothing to collect there, or the assignment was not released.
    """
    import nbformat

    students = course.students()
    if not (course.root / "release" / assignment).is_dir():
        raise InputError(f"{assignment} was not released: resnet-tutorial classroom release {assignment}")
    chosen, unclear = _sort(_files(place), students)
    notes = {}
    for student, (name, data) in chosen.items():
        release = nbformat.read(_release(course, assignment, student), as_version=4)
        notebook, said = read_submission(data, name, release)
        path = course.submitted(assignment, student)
        shutil.rmtree(path.parent, ignore_errors=True)
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)
        notes[student] = said
    missing = tuple(s.id for s in students if not course.submitted(assignment, s.id).exists())
    return Collected(notes, missing, tuple(unclear))


def read_submission(data: bytes, name: str, release: Any) -> tuple[Any, tuple[str, ...]]:
    """The notebook in a file, mended, with a cell on top that says what was mended.

    Args:
        data: the file.
        name: its name, for messages.
        release: what this student was given.
    """
    import nbformat

    try:
        if len(data) > LARGEST:
            raise ValueError(
                f"it has {len(data) >> 20} MiB, more than {LARGEST >> 20}: clear the outputs and save again"
            )
        if not data.strip():
            raise ValueError("it is empty")
        text = data.decode(json.detect_encoding(data))
        notebook = nbformat.reads(text, as_version=4)
        notebook.cells = [_clean(cell) for cell in notebook.cells]
    except Exception as error:
        reason = (
            "it is not in the form of a notebook" if isinstance(error, json.JSONDecodeError) else _first_line(error)
        )
        said = (
            f"`{name}` could not be read as a notebook: {reason}. So the tests below ran without your work. "
            "Hand in the `.ipynb` file itself, saved from JupyterLab or Colab (File › Download › .ipynb).",
        )
        return _with_notes(release, said), said
    mended, said = mend(notebook, release)
    return _with_notes(mended, said), said


def mend(notebook: Any, release: Any) -> tuple[Any, tuple[str, ...]]:
    """The released notebook with the student's answers and own cells in it, and what was mended.

    Tests and texts are the released ones, whatever was done to them. Answers are taken by ``grade_id``; of two cells
    with the same one, the last counts, as nbgrader has it.
    """
    answers, said = {}, []
    for cell in notebook.cells:
        if is_solution(cell) and grade_id(cell):
            answers[grade_id(cell)] = cell
    handed = {grade_id(cell): cell for cell in notebook.cells if grade_id(cell)}
    own = _own_cells(notebook, release, answers)
    cells = list(own.get(None, []))
    for i, cell in enumerate(release.cells):
        name = grade_id(cell)
        if is_solution(cell) and name in answers:
            said += _renamed(cell, answers[name])
            cell = cell.copy()
            cell.source = answers[name].source
        elif is_solution(cell):
            said.append(f"The cell for your answer `{name}` was deleted; the empty one was put back.")
        elif is_locked(cell) and name not in handed:
            said.append(f"The cell `{name}` was deleted; it was put back.")
        elif is_locked(cell) and handed[name].source.strip() != cell.source.strip():
            said.append(f"The cell `{name}` was changed; the one that you were given was put back.")
        cells += [cell, *own.get(i, [])]
    mended = release.copy()
    mended.cells = cells
    return mended, tuple(said)


def _own_cells(notebook: Any, release: Any, answers: dict[str, Any]) -> dict[int | None, list[Any]]:
    """Cells that the student added, by the position of the released cell that they follow."""
    places = {cell.get("id"): i for i, cell in enumerate(release.cells)}
    places |= {grade_id(cell): i for i, cell in enumerate(release.cells) if grade_id(cell)}
    sources = {cell.source.strip(): i for i, cell in enumerate(release.cells)}
    own: dict[int | None, list[Any]] = {}
    above = None
    for cell in notebook.cells:
        released = places.get(grade_id(cell), places.get(cell.get("id"), sources.get(cell.source.strip())))
        counts = released is not None and answers.get(grade_id(cell), cell) is cell
        same = counts and (grade_id(cell) or cell.source.strip() == release.cells[released].source.strip())
        above = released if counts else above  # an early attempt stands above the one that counts
        if same or is_student(cell) or not cell.source.strip():
            continue
        cell = cell.copy()
        cell.metadata = {}
        cell["id"] = f"own-{len(own)}-{sum(map(len, own.values()))}"
        own.setdefault(above, []).append(cell)
    return own


def _clean(cell: Any) -> Any:
    """A cell with plain line ends, and metadata that can be relied on."""
    cell.source = cell.source.replace("\r\n", "\n").replace("\r", "\n")
    if cell.cell_type == "code":
        cell.outputs, cell.execution_count = [], None
    if not isinstance(cell.metadata.get("nbgrader", {}), dict):
        del cell.metadata["nbgrader"]
    return cell


def _renamed(stub: Any, answer: Any) -> list[str]:
    lost = sorted(_names(stub.source) - _names(answer.source)) if _names(answer.source) is not None else []
    return [f"`{name}` is not defined in your answer `{grade_id(stub)}` any more: the tests call it." for name in lost]


def _names(source: str) -> set[str]:
    """Functions, classes and variables that a cell defines; those that a line mentions if it does not parse."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return set(
            re.findall(r"^(?:def|class)\s+(\w+)|^(\w+)\s*=", source, re.MULTILINE) and re.findall(r"\w+", source)
        )
    made = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    named = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return (
        made
        | named
        | {alias.asname or alias.name for n in tree.body if isinstance(n, ast.ImportFrom) for alias in n.names}
    )


def _with_notes(notebook: Any, said: tuple[str, ...]) -> Any:
    import nbformat

    if not said:
        return notebook
    text = "**About the file that you handed in**\n\n" + "\n".join(f"- {line}" for line in said)
    noted = notebook.copy()
    noted.cells = [nbformat.v4.new_markdown_cell(text, id="about-your-file"), *notebook.cells]
    return noted


def _release(course: Course, assignment: str, student: str) -> Path:
    path = course.release(assignment, student)
    if not path.exists():
        raise InputError(
            f"{student} joined after the release: run resnet-tutorial classroom release {assignment} again"
        )
    return path


def _files(place: Path) -> Iterator[tuple[str, bytes]]:
    """Names and contents, in the order of their names. At most one byte more than the largest is read."""
    if place.is_dir():
        for path in sorted(place.rglob("*")):
            name = str(path.relative_to(place))
            if path.is_file() and not path.is_symlink() and not any(word in name for word in IGNORED):
                with path.open("rb") as file:
                    yield name, file.read(LARGEST + 1)
    elif zipfile.is_zipfile(place):
        with zipfile.ZipFile(place) as archive:
            for name in sorted(archive.namelist()):
                if not name.endswith("/") and not any(word in name for word in IGNORED):
                    with archive.open(name) as file:
                        yield name, file.read(LARGEST + 1)
    else:
        raise InputError(f"{place} is neither a folder nor a zip file")


def _sort(files: Iterator[tuple[str, bytes]], students: list[Student]) -> tuple[dict, list[str]]:
    """For each student one file, the last notebook if there are several; and the files that are no one's."""
    chosen: dict[str, tuple[str, bytes]] = {}
    unclear = []
    for name, data in files:
        owners = whose(name, students)
        if len(owners) != 1:
            unclear.append(name)
            continue
        before = chosen.get(owners[0])
        if before is None or name.endswith(".ipynb") or not before[0].endswith(".ipynb"):
            chosen[owners[0]] = (name, data)
    return chosen, unclear


def whose(name: str, students: list[Student]) -> list[str]:
    """Ids of the students whom a path may belong to.

    Looked for are the id as a whole word, as in ``s1.ipynb`` and Canvas's ``curiemarie_4711_s1_work.ipynb``, and then
    the name as Moodle writes it, ``Marie Curie_4711_assignsubmission_file/``, and Canvas, ``curiemarie_4711_…``.
    """
    text = name.lower()
    found = [s.id for s in students if re.search(rf"(?<![a-z0-9]){re.escape(s.id.lower())}(?![a-z0-9])", text)]
    found = [one for one in found if not any(one != other and one.lower() in other.lower() for other in found)]
    if found:
        return found
    head = re.split(r"[_/]", text)[0]
    names = {s.id: (f"{s.first_name} {s.last_name}".lower(), f"{s.last_name}{s.first_name}".lower()) for s in students}
    return [student for student, spelled in names.items() if head in (spelled[0], spelled[1].replace(" ", ""))]


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
