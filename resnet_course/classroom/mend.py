"""What was handed in, put together with what was given out: tests as they were, answers, and cells of one's own."""

import ast
import re
from collections import Counter
from itertools import pairwise
from typing import Any

from .cells import NO_PYTHON, grade_id, is_locked, is_solution, is_student, read_code
from .clean import clean_cell
from .handed import shown

DEFINITION = ast.FunctionDef | ast.ClassDef


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
            answer = answers[name] if cell.cell_type == "code" else clean_cell(answers[name])
            cell.source = answer.source
            if cell.cell_type == "markdown" and "attachments" in answer:
                cell.attachments = answer.attachments
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
    return mended, tuple(map(shown, (*_other_title(notebook, release), *said)))


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
        cell = clean_cell(cell)
        cell["id"] = f"own-{len(own)}-{sum(map(len, own.values()))}"
        own.setdefault(place, []).append(cell)
    return own


def _is_released(cell: Any, place: int | None, release: Any) -> bool:
    """Whether the cell was given out: locked, even in an older copy, or as it was."""
    as_it_was = place is not None and cell.source.strip() == release.cells[place].source.strip()
    return is_locked(cell) or (as_it_was and not is_solution(cell))


def _other_title(notebook: Any, release: Any) -> list[str]:
    """What to say if another assignment seems to have been handed in."""
    texts = ("\n".join(c.source for c in nb.cells if c.cell_type == "markdown") for nb in (notebook, release))
    handed, given = (re.search(r"^# .{1,100}", text, re.MULTILINE) for text in texts)
    if not (handed and given) or handed[0].strip() == given[0].strip():
        return []
    return [f"Your file begins with “{handed[0][2:].strip()}”. This is “{given[0][2:].strip()}”: is it the right file?"]


def _renamed(stub: Any, answer: Any) -> list[str]:
    lost = sorted(_made(stub.source) - _made(answer.source))
    return [f"`{name}` is not defined in your answer `{grade_id(stub)}` any more: the tests call it." for name in lost]


def _unreadable(answer: Any, name: str) -> list[str]:
    """What to say if Python cannot read a cell of code; lines for the shell are none of Python's."""
    if answer.cell_type != "code" or re.search(r"^[ \t]*[%!]", answer.source, re.MULTILINE):
        return []
    try:
        read_code(answer.source)
    except NO_PYTHON as error:
        where = f" in line {error.lineno}" if isinstance(error, SyntaxError) else ""
        why = "it is nested too deeply" if isinstance(error, RecursionError | MemoryError) else str(error)
        return [f"Python cannot read your answer `{name}`{where}, so none of it counts: {getattr(error, 'msg', why)}."]
    return []


def _made(source: str) -> set[str]:
    """Names that a cell defines outside of its functions; of a cell that does not parse, those that its lines show."""
    try:
        tree = read_code(source)
    except NO_PYTHON:
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
