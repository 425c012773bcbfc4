"""Take in what students hand in: find whose it is, mend what is broken, say what was done."""

import ast
import json
import re
import shutil
import unicodedata
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from resnet_tutorial.errors import InputError, first_line

from .cells import grade_id, is_locked, is_solution, is_student
from .course import Course, Student

LARGEST = 20 << 20  # bytes of one file; a notebook without pictures has a tenth of a MiB
DEFINITION = ast.FunctionDef | ast.ClassDef
IGNORED = ("__MACOSX", ".ipynb_checkpoints", ".DS_Store")


@dataclass(frozen=True)
class Collected:
    """What became of a folder of submissions.

    Attributes:
        notes: for each student who handed in something, what was mended or could not be read; empty if all was well.
        missing: ids of students who have handed in nothing so far.
        unclear: files that belong to no student, or to several.
        class_size: how many students there are.
    """

    notes: dict[str, tuple[str, ...]]
    missing: tuple[str, ...]
    unclear: tuple[str, ...]
    class_size: int


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
    if course.root.is_relative_to(place.resolve()) or place.resolve().is_relative_to(course.root / "key"):
        raise InputError(f"{place} holds the course and its answer key: name the folder with what was handed in")
    chosen, unclear = _sort(_files(place), students)
    if not (chosen or unclear):
        raise InputError(f"no file is in {place}: name the folder or zip file with what was handed in")
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
    return Collected(notes, missing, tuple(unclear), len(students))


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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # ids that are missing, or stand twice: they are not relied on
            notebook = nbformat.reads(text, as_version=4)
        notebook.cells = [_clean(cell) for cell in notebook.cells]
    except Exception as error:
        is_json = not isinstance(error, json.JSONDecodeError | nbformat.reader.NotJSONError)
        reason = first_line(error)[:200] if is_json else "it is not in the form of a notebook"
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
    with the same one, the last counts, as nbgrader has it. A cell that has lost it, as in a copy that was saved
    elsewhere, is known by what it defines.
    """
    answers, said = _answers(notebook, release)
    handed = {grade_id(cell): cell.source.strip() for cell in notebook.cells if grade_id(cell)}
    sources = {cell.source.strip() for cell in notebook.cells}
    own = _own_cells(notebook, release, answers)
    cells, empty, deleted, changed = list(own.get(None, [])), [], [], []
    for i, cell in enumerate(release.cells):
        name, source = grade_id(cell), cell.source.strip()
        if is_solution(cell) and name in answers:
            said += _renamed(cell, answers[name]) or _unreadable(answers[name], name)
            cell = cell.copy()
            cell.source = answers[name].source
        elif is_solution(cell):
            empty.append(name)
        elif is_locked(cell) and handed.get(name, source) != source:
            changed.append(name)
        elif is_locked(cell) and name not in handed and source not in sources:
            deleted.append(name)
        cells += [cell, *own.get(i, [])]
    mended = release.copy()
    mended.cells = cells
    said += _told(empty, "The cell for your answer {} was deleted; the empty one was put back.")
    said += _told(deleted, "The cell {} was deleted; it was put back.")
    said += _told(changed, "The cell {} was changed; the one that you were given was put back.")
    return mended, (*_other_title(notebook, release), *said)


def _told(names: list[str], said: str) -> list[str]:
    """The same about one cell or several."""
    if len(names) > 1:
        words = {"cell": "cells", "answer": "answers", "was": "were", "one": "ones", "it": "they"}
        said = re.sub(r"\b(cell|answer|was|one|it)\b", lambda word: words[word[0]], said)
    return [said.format(", ".join(f"`{name}`" for name in names))] if names else []


def _answers(notebook: Any, release: Any) -> tuple[dict[str, Any], list[str]]:
    """The cell that counts for each answer, and what there is to say about it."""
    given = {grade_id(cell) for cell in release.cells if is_solution(cell)}
    marked = [cell for cell in notebook.cells if is_solution(cell) and grade_id(cell) in given]
    answers = {grade_id(cell): cell for cell in marked}
    several = Counter(grade_id(cell) for cell in marked)
    said = [
        f"There are {n} cells for your answer `{name}`; the last one counts." for name, n in several.items() if n > 1
    ]
    lost = [(before, stub) for before, stub in pairwise(release.cells) if grade_id(stub) in given - answers.keys()]
    found = {grade_id(stub): _unmarked(stub, before, notebook) for before, stub in lost}
    found = {name: cell for name, cell in found.items() if cell is not None}
    said += _told(
        list(found),
        "The cell for your answer {} was no longer marked; it was found by what stands there, and nothing is lost.",
    )
    return {**answers, **found}, said


def _unmarked(stub: Any, before: Any, notebook: Any) -> Any:
    """The last cell of the student's that may be the answer: by its place if it is text, else by what it defines."""
    for above, cell in reversed(list(pairwise(notebook.cells))):
        if is_locked(cell) or cell.cell_type != stub.cell_type:
            continue
        if stub.cell_type == "markdown" and above.source.strip() == before.source.strip():
            return cell
        if stub.cell_type == "code" and _made(stub.source) and _made(stub.source) <= _made(cell.source):
            return cell
    return None


def _own_cells(notebook: Any, release: Any, answers: dict[str, Any]) -> dict[int | None, list[Any]]:
    """Cells that the student added, by the position of the released cell that they follow."""
    places = {cell.get("id"): i for i, cell in enumerate(release.cells)}
    places |= {grade_id(cell): i for i, cell in enumerate(release.cells) if grade_id(cell)}
    sources = {cell.source.strip(): i for i, cell in enumerate(release.cells)}
    taken = {id(cell): places.get(name) for name, cell in answers.items()}
    own: dict[int | None, list[Any]] = {}
    above = None
    for cell in notebook.cells:
        known = places.get(grade_id(cell), places.get(cell.get("id"), sources.get(cell.source.strip())))
        released = taken.get(id(cell), known)
        above = released if released is not None else above
        if id(cell) in taken or _is_released(cell, released, release) or is_student(cell) or not cell.source.strip():
            continue
        # An answer of which a later copy counts stays before that one.
        place = above - 1 if grade_id(cell) in answers else above
        cell = cell.copy()
        cell.metadata = {}
        cell["id"] = f"own-{len(own)}-{sum(map(len, own.values()))}"
        own.setdefault(place, []).append(cell)
    return own


def _is_released(cell: Any, place: int | None, release: Any) -> bool:
    """Whether the cell was given out: locked, even in an older copy, or as it was."""
    as_it_was = place is not None and cell.source.strip() == release.cells[place].source.strip()
    return is_locked(cell) or (as_it_was and not is_solution(cell))


def _clean(cell: Any) -> Any:
    """A cell with plain line ends, and metadata that can be relied on."""
    cell.source = cell.source.replace("\r\n", "\n").replace("\r", "\n")
    if cell.cell_type == "code":
        cell.outputs, cell.execution_count = [], None
    if not isinstance(cell.metadata.get("nbgrader", {}), dict):
        del cell.metadata["nbgrader"]
    return cell


def _other_title(notebook: Any, release: Any) -> list[str]:
    """What to say if another assignment seems to have been handed in."""
    texts = ("\n".join(c.source for c in nb.cells if c.cell_type == "markdown") for nb in (notebook, release))
    handed, given = (re.search(r"^# .+", text, re.MULTILINE) for text in texts)
    if not (handed and given) or handed[0].strip() == given[0].strip():
        return []
    return [f"Your file begins with “{handed[0][2:].strip()}”. This is “{given[0][2:].strip()}”: is it the right file?"]


def _renamed(stub: Any, answer: Any) -> list[str]:
    lost = sorted(_made(stub.source) - _made(answer.source))
    return [f"`{name}` is not defined in your answer `{grade_id(stub)}` any more: the tests call it." for name in lost]


def _unreadable(answer: Any, name: str) -> list[str]:
    """What to say if Python cannot read a cell of code; lines for the shell are none of Python's."""
    if answer.cell_type != "code" or re.search(r"^\s*[%!]", answer.source, re.MULTILINE):
        return []
    try:
        ast.parse(answer.source)
    except (SyntaxError, ValueError) as error:
        where = f" in line {error.lineno}" if isinstance(error, SyntaxError) else ""
        return [
            f"Python cannot read your answer `{name}`{where}, so none of it counts: {getattr(error, 'msg', error)}."
        ]
    return []


def _made(source: str) -> set[str]:
    """Names that a cell defines outside of its functions; of a cell that does not parse, those that its lines show."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return set(re.findall(r"^(?:def |class |)(\w+)\s*[(:=]", source, re.MULTILINE))
    named = {
        node.id for one in tree.body for node in ast.walk(one) if _is_set(node) and not isinstance(one, DEFINITION)
    }
    imported = {
        alias.asname or alias.name for one in tree.body if isinstance(one, ast.ImportFrom) for alias in one.names
    }
    return named | imported | {one.name for one in tree.body if isinstance(one, DEFINITION)}


def _is_set(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


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
    elif place.exists():
        raise InputError(f"{place} is neither a folder nor a whole zip file: was it downloaded to its end?")
    else:
        raise InputError(f"{place} does not exist: name the folder or zip file with what was handed in")


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
    the name as Moodle writes it, ``Marie Curie_4711_assignsubmission_file/``, and Canvas, ``curiemarie_4711_…``. Of
    a name the letters count, with accents or without.
    """
    text = name.lower()
    found = [s.id for s in students if re.search(rf"(?<![a-z0-9]){re.escape(s.id.lower())}(?![a-z0-9])", text)]
    found = [one for one in found if not any(one != other and one.lower() in other.lower() for other in found)]
    if found:
        return found
    head = _spellings(re.split(r"[_/]", name)[0])
    names = {s.id: (s.first_name + s.last_name, s.last_name + s.first_name) for s in students}
    return [student for student, orders in names.items() if any(head & _spellings(one) for one in orders)]


def _spellings(name: str) -> set[str]:
    """A name's letters: as they are, without their accents, and without the letters that have one."""
    letters = [unicodedata.normalize("NFKD", letter) for letter in unicodedata.normalize("NFC", name.lower())]
    ways = (letters, (letter[:1] for letter in letters), (letter for letter in letters if len(letter) == 1))
    spelled = {"".join(letter for letter in "".join(way) if letter.isalnum()) for way in ways}
    return spelled - {""}
