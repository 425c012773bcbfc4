"""A look for work that may have been copied: what two students share, and hardly anybody else has.

The method is that of MOSS (Schleimer, Wilkerson and Aiken 2003): runs of K words of code, names and comments aside, are
compared. What was given out, stands in the solution, or was written by many says nothing. All of it happens here.
"""

import ast
import io
import re
import tokenize
from collections import Counter
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from .cells import NO_PYTHON, grade_id, is_solution, is_test, read_code, stored
from .course import Course
from .record import submitters

K = 12  # words in a run
LEAST = 30  # words in a row that are a reason to look
LARGE = 100  # smaller numbers are written by everyone
FEW, SHARE = 3, 0.1  # what more students than this have, and than this part of the class, was not copied from one
MARKED = re.compile(r"^[^\n]*(BEGIN|END) SOLUTION[^\n]*\n?", re.MULTILINE)


@dataclass(frozen=True)
class Alike:
    """Two students, and the reasons to look at their work side by side.

    Attributes:
        students: their ids.
        reasons: one line for each answer.
        weight: words and numbers that they share.
    """

    students: tuple[str, str]
    reasons: tuple[str, ...]
    weight: int


def find_alike(course: Course, assignment: str) -> list[Alike]:
    """Pairs of students whose work shares what hardly anybody else has, the most first. Reasons, not a verdict.

    Raises:
        InputError: nothing was collected.
    """
    import nbformat

    students = submitters(course, assignment)
    source = course.read_source(assignment)
    given = nbformat.read(course.root / "generated" / assignment / f"{assignment}.ipynb", as_version=4)
    work = {one: _answers(nbformat.read(course.submitted(assignment, one), as_version=4)) for one in students}
    failed = {one: _failed(course, assignment, one) for one in students}
    many = max(FEW, SHARE * len(students))
    reasons: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for name in _answers(source):
        handed = {one: work[one][name] for one in students if name in work[one]}
        shown = [_answers(given).get(name), _answers(source)[name]]
        words = {one: _words(cell) for one, cell in handed.items()}
        known = {run for cell in shown if cell for run in _runs(_words(cell))}
        numbers = {one: _numbers(cell) for one, cell in handed.items()}
        counted = Counter(run for text in words.values() for run in set(_runs(text)))
        counted_numbers = Counter(number for those in numbers.values() for number in those)
        rare = {run for run, n in counted.items() if 1 < n <= many} - known
        rare_numbers = {number for number, n in counted_numbers.items() if 1 < n <= many}
        rare_numbers -= {number for cell in shown if cell for number in _numbers(cell)}
        for a, b in combinations(handed, 2):
            found = reasons.setdefault((a, b), [])
            row = _longest(_runs(words[a]), set(_runs(words[b])) & rare)
            if row >= LEAST:
                kind = "code" if handed[a].cell_type == "code" else "text"
                found.append((row, f"{name}: {row} words of {kind} in a row are the same, names and comments aside"))
            same = sorted(numbers[a] & numbers[b] & rare_numbers)
            wrong = [one for one in (a, b) if name in failed[one]]
            if wrong and (len(same) > 1 or any(number >= 10 * LARGE for number in same)):
                listed = ", ".join(f"{number:g}" if number % 1 else f"{int(number)}" for number in same[:5])
                found.append((10 * len(same), f"{name}: both write {listed}, wrong for {' and '.join(wrong)}"))
    pairs = [Alike(pair, tuple(why for _, why in r), sum(n for n, _ in r)) for pair, r in reasons.items() if r]
    return sorted(pairs, key=lambda pair: (-pair.weight, pair.students))


def _answers(notebook: Any) -> dict[str, Any]:
    return {grade_id(cell): cell for cell in notebook.cells if is_solution(cell)}


def _failed(course: Course, assignment: str, student: str) -> set[str]:
    """Answers whose tests do not give all points."""
    graded = stored(course.autograded(assignment, student))
    failed, answer = set(), None
    for cell in graded.cells if graded else []:
        answer = grade_id(cell) if is_solution(cell) else answer
        if is_test(cell):
            shown = [float(o.data["text/plain"]) for o in cell.outputs if o.output_type == "execute_result"]
            if not shown or shown[-1] < float(cell.metadata["nbgrader"]["points"]):
                failed.add(answer)
    return failed


def _tree(cell: Any) -> ast.Module | None:
    try:
        return read_code(MARKED.sub("", cell.source)) if cell.cell_type == "code" else None
    except NO_PYTHON:
        return None


def _words(cell: Any) -> list[str]:
    """Words of a text; of code, with one word for all names that it makes, and without comments and annotations."""
    if cell.cell_type != "code":
        return re.findall(r"\w+", MARKED.sub("", cell.source).casefold())
    tree = _tree(cell)
    if tree is None:
        return []
    nodes = list(ast.walk(tree))
    made = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    made |= {node.attr for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}
    made |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    for node in nodes:
        if isinstance(node, ast.Name) and node.id in made:
            node.id = "_"
        elif isinstance(node, ast.Attribute) and node.attr in made:
            node.attr = "_"
        elif isinstance(node, ast.arg):
            node.arg, node.annotation = "_", None
        elif isinstance(node, ast.FunctionDef):
            node.returns = None
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    kinds = (tokenize.NAME, tokenize.OP, tokenize.NUMBER, tokenize.STRING)
    try:
        read = tokenize.generate_tokens(io.StringIO(ast.unparse(tree)).readline)
        return [token.string for token in read if token.type in kinds]
    except (*NO_PYTHON, tokenize.TokenError):  # a long sum is nested too deeply to be written again
        return []


def _runs(words: list[str]) -> list[tuple[str, ...]]:
    return [tuple(words[i : i + K]) for i in range(len(words) - K + 1)]


def _longest(runs: list[tuple[str, ...]], shared: set[tuple[str, ...]]) -> int:
    """Words in the longest row of shared runs."""
    longest = row = 0
    for run in runs:
        row = row + 1 if run in shared else 0
        longest = max(longest, row)
    return longest + K - 1 if longest else 0


def _numbers(cell: Any) -> set[float]:
    """Numbers that the code writes out, and that not everyone writes."""
    values = [node.value for node in ast.walk(_tree(cell) or ast.Module([], [])) if isinstance(node, ast.Constant)]
    return {float(one) for one in values if isinstance(one, int | float) and LARGE <= abs(one) < 1e300}
