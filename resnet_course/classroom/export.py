"""Grades as CSV: plain, for Canvas, for Moodle."""

import csv
from pathlib import Path

from resnet_tutorial.errors import InputError

from .course import Course, Student
from .grade import Grade, is_stale, read_grade

FORMS = ("plain", "canvas", "moodle")


def export_grades(course: Course, form: str, path: Path, assignments: tuple[str, ...] = ()) -> list[str]:
    """Write a table of grades, one row for each student, one column for each assignment.

    - ``plain``: id, first_name, last_name, email, then for each assignment its points, and the points possible.
    - ``canvas``: Student, ID, SIS User ID, SIS Login ID, Section, then the assignments; the first row below the header
      gives the points possible. ID is Canvas's own number, if the class list came from there; else Canvas finds
      students by SIS User ID (the id of the class list) or SIS Login ID (the email).
    - ``moodle``: ID number (the id of the class list), First name, Last name, Email address, then the assignments. On
      import, map by ID number or by email address.

    Whoever handed in nothing has an empty cell there, in ``plain`` too; who waits for a written part to be read has the
    points so far.

    Args:
        course: the course.
        form: ``plain``, ``canvas`` or ``moodle``.
        path: file to write.
        assignments: which; empty for all that were graded.

    Returns:
        What to know before the table is handed on, one line each.

    Raises:
        InputError: no such form, or no such grades.
    """
    if form not in FORMS:
        raise InputError(f"no form is called {form!r}: choose from {', '.join(FORMS)}")
    graded = tuple(sorted({path.parts[-2] for path in course.root.glob("autograded/*/*/*.ipynb")}))
    for name in assignments:
        course.source(name)  # says which there are, if there is none of that name
    unknown = [name for name in assignments if name not in graded]
    if unknown or not graded:
        raise InputError(f"no grades for {', '.join(unknown) or 'any assignment'}: classroom grade comes first")
    names = assignments or graded
    table = [(s, [read_grade(course, name, s.id) for name in names]) for s in course.students()]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(_rows(form, names, table))
    notes = []
    for student, grades in table:
        for name, grade in zip(names, grades, strict=True):
            if is_stale(course, name, student.id):
                notes.append(f"{student.id}, {name}: collected, but not graded since: classroom grade {name}")
            if grade.waits:
                notes.append(f"{student.id}, {name}: a written part waits to be read")
    return notes


def _rows(form: str, names: tuple[str, ...], table: list[tuple[Student, list[Grade]]]) -> list[list]:
    possible = [grade.possible for grade in table[0][1]] if table else []
    points = {student.id: ["" if grade.problem else grade.points for grade in grades] for student, grades in table}
    students = [student for student, _ in table]
    if form == "canvas":
        head = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *names]
        most = ["    Points Possible", "", "", "", "", *possible]
        body = [[f"{s.last_name}, {s.first_name}", s.number, s.id, s.email, "", *points[s.id]] for s in students]
        return _safe([head, most, *body])
    if form == "moodle":
        head = ["ID number", "First name", "Last name", "Email address", *names]
        return _safe([head, *([s.id, s.first_name, s.last_name, s.email, *points[s.id]] for s in students)])
    head = ["id", "first_name", "last_name", "email", *(word for n in names for word in (n, f"{n} possible"))]
    both = {one: [word for pair in zip(points[one], possible, strict=True) for word in pair] for one in points}
    return _safe([head, *([s.id, s.first_name, s.last_name, s.email, *both[s.id]] for s in students)])


def _safe(rows: list[list]) -> list[list]:
    """A spreadsheet takes a text that begins like a formula for one; so it gets an apostrophe."""
    return [
        [f"'{word}" if isinstance(word, str) and word[:1] in "=+-@" and word else word for word in row] for row in rows
    ]
