"""Grades as CSV: plain, for Canvas, Moodle and Brightspace."""

import csv
import io
from pathlib import Path

from resnet_tutorial.errors import InputError
from resnet_tutorial.files import write_atomic

from .course import Course, Student
from .due import Policy, note_lateness
from .record import Grade, read_grades, waiting

FORMS = ("plain", "canvas", "moodle", "brightspace")


def export_grades(
    course: Course, form: str, path: Path, assignments: tuple[str, ...] = (), questions: bool = False
) -> list[str]:
    """Write a table of grades, one row for each student, one column for each assignment.

    - ``plain``: id, first_name, last_name, email, then for each assignment its points, and the points possible; where
      a due date is set, days late and what they cost.
    - ``canvas``: Student, ID, SIS User ID, SIS Login ID, Section, then the assignments; the first row below the header
      gives the points possible. ID is Canvas's own number, if the class list came from there; else Canvas finds
      students by SIS User ID (the id of the class list) or SIS Login ID (the email). With ``c.Classroom.canvas_ids``,
      an assignment has Canvas's own number behind its name, by which Canvas finds it.
    - ``moodle``: ID number (the id of the class list), First name, Last name, Email address, then the assignments. On
      import, map by ID number or by email address.
    - ``brightspace``: OrgDefinedId (the id of the class list), then the assignments as ``NAME Points Grade``.

    Whoever handed in nothing has an empty cell there, in ``plain`` too; who waits for a written part to be read has the
    points so far.

    Args:
        course: the course.
        form: ``plain``, ``canvas``, ``moodle`` or ``brightspace``.
        path: file to write.
        assignments: which; empty for all that were graded.
        questions: in ``plain``, the points of each question, too, before what lateness costs.

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
    if questions and form != "plain":
        raise InputError("the points of questions are in the plain form alone: leave --form out")
    names = assignments or graded
    late = {name: note_lateness(course, name) for name in names}
    grades = [read_grades(course, name) for name in names]
    table = [(s, [those[s.id] for those in grades]) for s in course.students()]
    if form == "plain":
        rows = _plain(names, table, late if Policy.of(course).due else {}, questions)
    else:
        rows = _rows(form, names, table, course.config().Classroom.get("canvas_ids", {}))
    write_table(path, rows)
    stale, notes = {name: waiting(course, name) for name in names}, []
    for student, grades in table:
        for name, grade in zip(names, grades, strict=True):
            if student.id in stale[name]:
                notes.append(f"{student.id}, {name}: collected, but not graded since: classroom grade {name}")
            if grade.waits:
                notes.append(f"{student.id}, {name}: a written part waits to be read")
    return notes


def _rows(
    form: str, names: tuple[str, ...], table: list[tuple[Student, list[Grade]]], numbers: dict[str, int]
) -> list[list]:
    """For a system: one column for each assignment."""
    points = [(s, ["" if grade.problem else grade.points for grade in grades]) for s, grades in table]
    if form == "canvas":
        columns = [f"{name} ({numbers[name]})" if name in numbers else name for name in names]
        head = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *columns]
        most = ["    Points Possible", "", "", "", "", *(grade.possible for grade in (table[0][1] if table else ()))]
        return [
            head,
            most,
            *([f"{s.last_name}, {s.first_name}", s.number, s.id, s.email, "", *got] for s, got in points),
        ]
    if form == "moodle":
        head = ["ID number", "First name", "Last name", "Email address", *names]
        return [head, *([s.id, s.first_name, s.last_name, s.email, *got] for s, got in points)]
    columns = [f"{name} Points Grade" for name in names]
    head = ["OrgDefinedId", "Last Name", "First Name", "Email", *columns, "End-of-Line Indicator"]
    return [head, *([s.id, s.last_name, s.first_name, s.email, *got, "#"] for s, got in points)]


def _plain(
    names: tuple[str, ...], table: list[tuple[Student, list[Grade]]], late: dict[str, dict[str, int]], questions: bool
) -> list[list]:
    head, rows = ["id", "first_name", "last_name", "email"], []
    for s, _ in table:
        rows.append([s.id, s.first_name, s.last_name, s.email])
    for i, name in enumerate(names):
        asked = dict.fromkeys(one for _, grades in table for one, _ in grades[i].questions) if questions else ()
        head += [name, f"{name} possible", *([f"{name} days late", f"{name} penalty"] if late else [])]
        head += [f"{name} {one}" for one in asked]
        for row, (s, grades) in zip(rows, table, strict=True):
            grade = grades[i]
            cells = [grade.points, grade.possible, *([late[name].get(s.id, 0), grade.late] if late else [])]
            cells += [dict(grade.questions).get(one, "") for one in asked]
            row += [grade.possible if j == 1 else "" for j in range(len(cells))] if grade.problem else cells
    return [head, *rows]


def write_table(path: Path, rows: list[list]) -> None:
    """Write CSV. A spreadsheet takes a text that begins like a formula for one; so it gets an apostrophe."""
    if path.is_dir() or not path.name:
        raise InputError(f"{path} is a folder: name a file in it, such as {path / 'grades.csv'}")
    safe = [
        [f"'{word}" if isinstance(word, str) and word[:1] in tuple("=+-@") else word for word in row] for row in rows
    ]
    text = io.StringIO()
    csv.writer(text).writerows(safe)
    write_atomic(path, text.getvalue().encode())
