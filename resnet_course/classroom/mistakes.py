"""Which mistakes a class made, and how often: from what the checks said when the work was graded."""

import re
from dataclasses import dataclass
from typing import Any

from .cells import grade_id, is_solution, is_test, stored
from .course import Course, not_graded
from .handed import shown

WRONG = re.compile(r"^✗ not yet · (?P<task>.+): [0-9.]+ of [0-9.]+ points?\n  (?P<seen>.+)$", re.MULTILINE)
MISSING = ("Nothing is called ", "NameError: ")  # what checks/names.py says of an answer, and what Python does
NUMBER = re.compile(r"(?<![\w.])-?\d+(,\d{3})*(\.\d+)?(e[-+]?\d+)?")  # not that in conv1


@dataclass(frozen=True)
class Mistake:
    """One kind of mistake.

    Attributes:
        task: title of the task, or the name of the test where it stopped.
        seen: what the check saw first, with … for numbers; or the error.
        students: ids of those who made it.
    """

    task: str
    seen: str
    students: tuple[str, ...]


def count_mistakes(course: Course, assignment: str) -> tuple[list[Mistake], int]:
    """The mistakes in graded work, the most frequent first, and how many students' work was graded.

    Raises:
        InputError: nothing was graded.
    """
    course.source(assignment)
    graded = {one.id: stored(course.autograded(assignment, one.id)) for one in course.students()}
    graded = {student: notebook for student, notebook in graded.items() if notebook}
    if not graded:
        raise not_graded(assignment)
    made: dict[tuple[str, str], dict[str, None]] = {}
    for student, notebook in graded.items():
        stopped = ""  # with which error the answer above the test did
        for cell in notebook.cells:
            if cell.cell_type == "code" and is_solution(cell):
                stopped = next((_said(output) for output in cell.outputs if output.output_type == "error"), "")
            for output in cell.outputs if is_test(cell) else []:
                if output.output_type == "error":
                    found = [(grade_id(cell), _said(output))]
                else:
                    text = output.get("text") or output.get("data", {}).get("text/plain", "")
                    found = [match.group("task", "seen") for match in WRONG.finditer(text)]
                for task, seen in found:
                    seen = stopped if stopped and seen.startswith(MISSING) else seen
                    made.setdefault((shown(task)[:200], shown(NUMBER.sub("…", seen))[:200]), {})[student] = None
    found = [Mistake(task, seen, tuple(who)) for (task, seen), who in made.items()]
    return sorted(found, key=lambda one: (-len(one.students), one.task, one.seen)), len(graded)


def _said(error: Any) -> str:
    return f"{error.ename}: {error.evalue.partition(chr(10))[0]}"
