"""What an answer gives when it is asked once more, and what in a submission an instructor should look at.

Test and answer share a kernel, so what a test says there is worth what the kernel is worth. A probe asks the answer at
inputs that were drawn at grading, in the student's kernel and in that of the solution, and the two are compared here,
where no student's code ever ran.
"""

import ast
import json
import re
import secrets
from copy import deepcopy
from typing import Any

from resnet_tutorial.errors import InputError

from ..checks.probe import agree
from .cells import NO_PYTHON, grade_id, is_probe, is_solution, is_student, is_test, read_code

SEED = re.compile(r"checks\.draw\(\d+\)")
OURS = ("resnet_tutorial", "resnet_course", "torchvision", "timm")  # where a ready-made answer may come from
# What no task needs: ways around a check.
ODD = {
    *OURS,
    *("gc", "inspect", "ctypes", "importlib", "builtins", "__import__", "exec", "eval", "compile", "get_ipython"),
    *("_getframe", "_current_frames", "settrace", "setprofile", "f_back", "f_locals", "f_globals"),
    *("setattr", "globals", "__subclasses__", "__globals__", "__code__"),
}


class Probes:
    """The probes of an assignment, with inputs of their own for each grading.

    Args:
        source: the assignment, with solutions and probes.
    """

    def __init__(self, source: Any):
        self._cells: dict[str, list[Any]] = {}
        self._name, seed = f"p{secrets.token_hex(8)}", secrets.randbelow(2**31)
        test = ""
        for cell in source.cells:
            test = grade_id(cell) if is_test(cell) else test
            if is_probe(cell):
                asked = deepcopy(cell)
                asked.source = SEED.sub(f"checks.draw({seed})", cell.source)
                self._cells.setdefault(test, []).append(asked)
        self._wanted: dict[str, list[Any]] = {}

    def put_in(self, notebook: Any) -> Any:
        """A copy in which the probes stand behind their tests."""
        copy, cells = deepcopy(notebook), []
        for cell in copy.cells:
            if is_probe(cell):
                continue
            cells.append(cell)
            for i, asked in enumerate(self._cells.get(grade_id(cell), []) if is_test(cell) else []):
                cells.append(deepcopy(asked))
                cells[-1]["id"] = f"{self._name}-{grade_id(cell)}-{i}"
        copy.cells = cells
        return copy

    def take_out(self, notebook: Any) -> dict[str, list[Any]]:
        """What the probes gave, by the test; they leave the notebook."""
        given: dict[str, list[Any]] = {}
        test = ""
        for cell in notebook.cells:
            test = grade_id(cell) if is_test(cell) else test
            if str(cell.get("id", "")).startswith(self._name):
                given.setdefault(test, []).append(_value(cell))
        notebook.cells = [cell for cell in notebook.cells if not str(cell.get("id", "")).startswith(self._name)]
        return given

    def learn(self, given: dict[str, list[Any]]) -> None:
        """Take what the solution gave for what is right.

        Raises:
            InputError: a probe gave nothing.
        """
        failed = [
            test for test in self._cells if any(one is None or "failed" in one for one in given.get(test, [None]))
        ]
        if failed:
            raise InputError(f"nothing is graded: the source's own answers fail in the probes of {', '.join(failed)}")
        self._wanted = given

    def agreement(self, given: dict[str, list[Any]]) -> dict[str, float]:
        """For each test, the part of what its answer gives that the solution gives, too: of named numbers so many, of
        anything else all or nothing."""
        return {test: _agreement(given.get(test), wanted) for test, wanted in self._wanted.items()}


def odd_names(notebook: Any, source: Any) -> dict[str, list[str]]:
    """For each cell that a student wrote: names in it that no answer needs. Something to look at, not a verdict.

    Args:
        notebook: the submission.
        source: the assignment; what its solutions use is not odd, whatever else it imports from the package is.
    """
    trees = [(cell, _parsed(cell.source)) for cell in source.cells if cell.cell_type == "code"]
    usual = {name for cell, tree in trees if is_solution(cell) for name in _names(tree)}
    ours = {name for _, tree in trees for name in _imported(tree)} - usual
    given, found = {cell.source for cell in source.cells}, {}
    for i, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type != "code" or is_test(cell) or is_student(cell) or cell.source in given:
            continue
        names = _names(_parsed(cell.source))
        odd = names & (ODD - usual | ours if is_solution(cell) else ODD)
        if odd:
            found[grade_id(cell) or f"cell {i}"] = sorted(odd)
    return found


def _parsed(source: str) -> ast.Module:
    try:
        return read_code(source)
    except NO_PYTHON:
        return ast.Module([], [])


def _names(tree: ast.Module) -> set[str]:
    """Names, attributes and modules that some code uses."""
    names = set()
    for one in ast.walk(tree):
        if isinstance(one, ast.Name):
            names.add(one.id)
        elif isinstance(one, ast.Attribute):
            names.add(one.attr)
        elif isinstance(one, ast.ImportFrom):
            names |= {(one.module or "").split(".")[0], *(alias.name for alias in one.names)}
        elif isinstance(one, ast.Import):
            names |= {alias.name.split(".")[0] for alias in one.names}
    return names


def _imported(tree: ast.Module) -> set[str]:
    """Names that come from the package."""
    froms = [one for one in ast.walk(tree) if isinstance(one, ast.ImportFrom) and one.module]
    return {alias.asname or alias.name for one in froms if one.module.startswith(OURS) for alias in one.names}


def _agreement(given: Any, wanted: Any) -> float:
    if isinstance(given, dict) and isinstance(wanted, dict):
        return sum(agree(given.get(name), number) for name, number in wanted.items()) / len(wanted)
    if isinstance(given, list) and isinstance(wanted, list) and len(given) == len(wanted) > 0:
        return min(map(_agreement, given, wanted))
    return float(agree(given, wanted))


def _value(cell: Any) -> Any:
    """What a probe showed, read as data; None if that is not what it showed."""
    shown = [output for output in cell.outputs if output.output_type == "execute_result"]
    try:
        return json.loads(ast.literal_eval(read_code(shown[-1]["data"]["text/plain"], "eval")))
    except (IndexError, KeyError, TypeError, *NO_PYTHON):
        return None
