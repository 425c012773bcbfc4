"""What the cells of an nbgrader notebook are, and the parts of a source that no student may see."""

import ast
import re
from collections.abc import Iterator
from typing import Any

MARKERS = ("BEGIN SOLUTION", "END SOLUTION", "BEGIN HIDDEN TESTS", "END HIDDEN TESTS", "BEGIN MARK SCHEME")
SOLUTION = re.compile(r"^[^\n]*BEGIN SOLUTION[^\n]*\n(.*?)^[^\n]*END SOLUTION[^\n]*$", re.DOTALL | re.MULTILINE)
HIDDEN = re.compile(r"^[^\n]*BEGIN HIDDEN TESTS[^\n]*\n(.*?)^[^\n]*END HIDDEN TESTS[^\n]*$", re.DOTALL | re.MULTILINE)
TELLING = 20  # letters of a line, without spaces, from which on it gives something away by itself
SIGNATURE = re.compile(r"(def|class|import|from|@|super\(|return \w+$|for \w+ in range|else:|try:|#)")


def grade_id(cell: Any) -> str | None:
    """The cell's name in the gradebook, if it has one."""
    return cell.metadata.get("nbgrader", {}).get("grade_id")


def is_locked(cell: Any) -> bool:
    """Whether the student must not change the cell: a test, or text of the instructor."""
    about = cell.metadata.get("nbgrader", {})
    return bool(about) and not about.get("solution") and bool(about.get("locked") or about.get("grade"))


def is_solution(cell: Any) -> bool:
    """Whether the student writes the cell."""
    return bool(cell.metadata.get("nbgrader", {}).get("solution"))


def is_test(cell: Any) -> bool:
    """Whether the cell's output is a grade."""
    about = cell.metadata.get("nbgrader", {})
    return cell.cell_type == "code" and bool(about.get("grade")) and not about.get("solution")


def is_student(cell: Any) -> bool:
    """Whether the cell says who the student is."""
    return "student" in cell.metadata.get("tags", [])


def ends_in_value(source: str) -> bool:
    """Whether the last statement is an expression, so that the cell shows a value."""
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return False
    return bool(body) and isinstance(body[-1], ast.Expr)


def squeezed(text: str) -> str:
    """Text without white space: a copy that was indented or wrapped stays a copy."""
    return re.sub(r"\s+", "", text)


def secrets(source: Any) -> set[str]:
    """Squeezed pieces of solutions and hidden tests that must not be found in a released file."""
    found = set()
    for cell in source.cells:
        found |= _pieces(SOLUTION.findall(cell.source) or _whole(cell), _visible(cell.source))
    return found | hidden_pieces(source)


def hidden_pieces(source: Any) -> set[str]:
    """Squeezed pieces of the hidden tests alone."""
    found = set()
    for cell in source.cells:
        found |= _pieces(HIDDEN.findall(cell.source), _visible(cell.source))
    return found


def strings(value: Any) -> Iterator[str]:
    """Every text in a notebook or a part of it: sources, outputs, metadata."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from (key, *strings(item))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from strings(item)


def _whole(cell: Any) -> list[str]:
    """nbgrader takes a solution cell without markers for a solution as a whole."""
    return [cell.source] if is_solution(cell) and "BEGIN SOLUTION" not in cell.source else []


def _visible(text: str) -> set[str]:
    return {squeezed(line) for line in HIDDEN.sub("", SOLUTION.sub("", text)).splitlines()}


def _pieces(regions: list[str], visible: set[str]) -> set[str]:
    found = set()
    for region in regions:
        lines = [line.strip() for line in region.splitlines()]
        found |= {squeezed(line) for line in lines if not SIGNATURE.match(line) and len(squeezed(line)) >= TELLING}
        if len(squeezed(region)) >= TELLING:
            found.add(squeezed(region))
    return found - visible
