"""What the cells of an nbgrader notebook are, and the parts of a source that no student may see."""

import ast
import re
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

MARKERS = ("BEGIN SOLUTION", "END SOLUTION", "BEGIN HIDDEN TESTS", "END HIDDEN TESTS", "BEGIN MARK SCHEME")
SOLUTION = re.compile(r"^[^\n]*BEGIN SOLUTION[^\n]*\n(.*?)^[^\n]*END SOLUTION[^\n]*$", re.DOTALL | re.MULTILINE)
HIDDEN = re.compile(r"^[^\n]*BEGIN HIDDEN TESTS[^\n]*\n(.*?)^[^\n]*END HIDDEN TESTS[^\n]*$", re.DOTALL | re.MULTILINE)
TELLING = 20  # letters of a line, without spaces, from which on it gives something away by itself
SIGNATURE = re.compile(r"(def|class|import|from|@|super\(|return \w+$|for \w+ in range|else:|try:|#)")

# What Python says to a text that it cannot read; the last two to one that is nested too deeply, such as a long sum.
NO_PYTHON = (SyntaxError, ValueError, RecursionError, MemoryError)
_READING = threading.Lock()  # CPython 3.11 counts the depth of the trees of all threads together, and fails


def stored(path: Path) -> Any | None:
    """A notebook of the course; None if there is none, or it cannot be read, as after a crash."""
    import nbformat

    try:
        return nbformat.read(path, as_version=4)
    except Exception:  # nbformat raises of many kinds
        return None


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


def is_probe(cell: Any) -> bool:
    """Whether the cell asks an answer once more when it is graded. It stands in a source alone."""
    return cell.cell_type == "code" and "probe" in cell.metadata.get("tags", [])


def ends_in_value(source: str) -> bool:
    """Whether the last statement is an expression, so that the cell shows a value."""
    try:
        body = read_code(source).body
    except NO_PYTHON:
        return False
    return bool(body) and isinstance(body[-1], ast.Expr)


def read_code(source: str, mode: str = "exec") -> ast.AST:
    """The tree of some code. Raises one of `NO_PYTHON` if Python cannot read it."""
    with _READING:
        return ast.parse(source, mode=mode)


def squeezed(text: str) -> str:
    """Text without white space: a copy that was indented or wrapped stays a copy."""
    return re.sub(r"\s+", "", text)


def secrets(source: Any) -> set[frozenset[str]]:
    """What must not be found in a released cell: groups of squeezed pieces that give something away together.

    A region as a whole always does, and two of its lines that follow one another, unless a cell shows both. One line
    alone does, unless a code cell shows the same line: then it is a line that everyone writes.
    """
    regions = [region for cell in source.cells for region in SOLUTION.findall(cell.source) or _whole(cell)]
    regions += _hidden(source)
    shown = _shown(source)
    common, groups = "\n".join(shown), set()
    for region in regions:
        lines = _telling(region)
        groups |= {frozenset([squeezed(region)])} if len(squeezed(region)) >= TELLING else set()
        groups |= {frozenset([line]) for line in lines if line not in common}
        pairs = {frozenset(pair) for pair in pairwise(lines) if pair[0] != pair[1]}
        groups |= {pair for pair in pairs if not any(all(line in text for line in pair) for text in shown)}
    return groups


def hidden_regions(source: Any) -> set[str]:
    """The hidden tests, squeezed, each region as a whole; a short one with the marker above it."""
    found = {squeezed(region) for region in _hidden(source)}
    return {region if len(region) >= TELLING else squeezed(f"{MARKERS[2]}{region}") for region in found}


def hidden_pieces(source: Any) -> set[str]:
    """Squeezed lines and regions of the hidden tests, without lines that everyone writes."""
    lines = {line for region in _hidden(source) for line in _telling(region)}
    common = "\n".join(_shown(source))
    return hidden_regions(source) | {line for line in lines if line not in common}


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


def _hidden(source: Any) -> list[str]:
    """Hidden regions of tests, and probes."""
    found = [[cell.source] if is_probe(cell) else HIDDEN.findall(cell.source) for cell in source.cells]
    return [region for regions in found for region in regions]


def _whole(cell: Any) -> list[str]:
    """nbgrader takes a solution cell without markers for a solution as a whole."""
    return [cell.source] if is_solution(cell) and "BEGIN SOLUTION" not in cell.source else []


def _shown(source: Any) -> list[str]:
    """What students see in code cells, squeezed."""
    code = [cell for cell in source.cells if cell.cell_type == "code" and not is_probe(cell)]
    shown = [cell.source for cell in code if not _whole(cell)]
    return [squeezed(HIDDEN.sub("", SOLUTION.sub("", text))) for text in shown]


def _telling(region: str) -> list[str]:
    lines = [line.strip() for line in region.splitlines()]
    return [squeezed(line) for line in lines if not SIGNATURE.match(line) and len(squeezed(line)) >= TELLING]
