"""Grades in the gradebook: write one student's, keeping what was marked by hand; say whose are missing; read them."""

import hashlib
import json
import warnings
from dataclasses import dataclass
from typing import Any

from resnet_tutorial.errors import InputError
from resnet_tutorial.files import write_atomic

from .cells import grade_id, is_locked, stored
from .course import Course, not_released


@dataclass(frozen=True)
class Grade:
    """What one student has for one assignment.

    Attributes:
        student: id.
        points: points so far, after what lateness costs.
        possible: points of a right answer.
        waits: whether a written part waits for someone to read it.
        problem: why there is no grade, if so.
        notes: what an instructor should look at.
        late: points that lateness costs.
        questions: points of each question, by its name in the gradebook, before that.
    """

    student: str
    points: float
    possible: float
    waits: bool = False
    problem: str = ""
    notes: tuple[str, ...] = ()
    late: float = 0
    questions: tuple[tuple[str, float], ...] = ()


def submitters(course: Course, assignment: str) -> list[str]:
    """Ids of those in the class whose work was collected.

    Raises:
        InputError: no such assignment, or nobody's was.
    """
    course.source(assignment)
    students = [one.id for one in course.students() if course.submitted(assignment, one.id).exists()]
    if not students:
        raise InputError(f"nothing to grade: resnet-tutorial classroom collect {assignment} FOLDER comes first")
    return students


def waiting(course: Course, assignment: str) -> list[str]:
    """Ids of those whose work was collected, but not graded since that, or since its tests changed."""
    tests = _released_tests(course, assignment)
    stale = []
    for student in submitters(course, assignment):
        graded = stored(course.autograded(assignment, student))
        if graded is None or graded.metadata.get("graded") != state(course, assignment, student, tests):
            stale.append(student)
    return stale


def state(course: Course, assignment: str, student: str, tests: dict[str, str]) -> str:
    """A fingerprint of what a grade depends on, so that no clock is asked: what was collected, and the tests."""
    data = course.submitted(assignment, student).read_bytes() + json.dumps(tests, sort_keys=True).encode()
    return hashlib.sha256(data).hexdigest()


def check_released(course: Course, assignment: str) -> dict[str, str]:
    """The tests that were released last.

    Raises:
        InputError: none were, or those in the source are others.
    """
    import nbformat

    source = nbformat.read(course.source(assignment), as_version=4)
    tests = _released_tests(course, assignment)
    if not tests:
        raise not_released(assignment)
    locked = {grade_id(cell): cell.source for cell in source.cells if grade_id(cell) and is_locked(cell)}
    changed = [name for name, text in locked.items() if tests.get(name) != text]
    if changed:
        raise InputError(
            f"source/{assignment} has changed since its release, in {', '.join(changed)}: "
            f"resnet-tutorial classroom release {assignment}, then grade"
        )
    return tests


def _released_tests(course: Course, assignment: str) -> dict[str, str]:
    """The cells that students cannot change, as the gradebook has them, hidden tests and all, by name."""
    from nbgrader.api import MissingEntry

    with course.gradebook() as book:
        try:
            cells = book.find_notebook(assignment, assignment).source_cells
        except MissingEntry:
            return {}
        return {cell.name: cell.source for cell in cells if cell.locked}


def record(course: Course, assignment: str, student: str, executed: Any) -> None:
    """Write the points of an executed notebook into the gradebook, and the notebook into ``autograded/``.

    Points and comments that were given by hand stay. nbgrader asks to look at such points again; here only if the
    answer has changed.
    """
    import nbformat
    from nbgrader.preprocessors import SaveAutoGrades

    path = course.autograded(assignment, student)
    graded = stored(path)
    before = {cell.source for cell in graded.cells} if graded else set()
    answers = {grade_id(cell): cell.source for cell in executed.cells}
    about = {"student": student, "assignment": assignment, "notebook": assignment}
    about["db_url"] = course.directory(assignment).db_url
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SQLAlchemy on nbgrader's way of using it
        with course.gradebook() as book:
            (seen,) = book.update_or_create_submission(assignment, student).notebooks
            looked_at = {one.name for one in seen.grades if one.manual_score is not None and not one.needs_manual_grade}
            SaveAutoGrades().preprocess(executed, {"nbgrader": about})
            book.db.expire_all()
            for name in looked_at:
                is_other = answers.get(name) not in before
                book.find_grade(name, assignment, assignment, student).needs_manual_grade = is_other
            book.db.commit()
    write_atomic(path, nbformat.writes(executed).encode())


def read_grades(course: Course, assignment: str) -> dict[str, Grade]:
    """Everybody's grade from the gradebook, by id; no points if nothing was handed in."""
    grades = {}
    students = [one.id for one in course.students()]
    with course.gradebook() as book:
        possible = book.find_assignment(assignment).max_score
        submissions = {one.student_id: one for one in book.assignment_submissions(assignment)}
        for student in students:
            grades[student] = Grade(student, 0, possible, problem="nothing handed in")
            if submission := submissions.get(student):
                late = sum(notebook.late_submission_penalty or 0 for notebook in submission.notebooks)
                asked = tuple((one.name, one.score) for notebook in submission.notebooks for one in notebook.grades)
                points, waits = round(submission.score - late, 2), submission.needs_manual_grade
                grades[student] = Grade(student, points, possible, waits, "", (), round(late, 2), asked)
    return grades
