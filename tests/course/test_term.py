"""A whole term: due dates, grading again, a class that changes, and what goes wrong in the middle."""

import ast
import csv
import errno
import io
import os
import shutil
import sqlite3
import sys
import zipfile
from contextlib import redirect_stdout
from datetime import datetime, timezone

import pytest

pytest.importorskip("nbgrader")
import nbformat

from resnet_course.classroom import (
    Course,
    collect_submissions,
    export_grades,
    grade,
    grade_assignment,
    record,
    release_assignment,
    write_feedback,
)
from resnet_course.classroom.cells import grade_id
from resnet_course.classroom.course import update_class
from resnet_course.classroom.due import Policy, clock_of
from resnet_course.classroom.mistakes import count_mistakes
from resnet_course.classroom.sandbox import error_output
from resnet_course.classroom.similar import find_alike
from resnet_course.classroom.whose import SYSTEM, Claim
from resnet_tutorial import cli
from resnet_tutorial.errors import InputError

from .test_classroom import HALF, RIGHT, _version_of_the_gradebook_asked_once, answer, make_course  # noqa: F401

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="grading needs Linux or macOS"),
    pytest.mark.filterwarnings("ignore"),  # nbgrader and SQLAlchemy, not this package
]
ONE, ESSAY = "1_double", "2_essay"


def run_here(notebook, *given):
    """Executes a notebook in this process: what is tested here is not the walls."""
    names = {}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            said, tree = io.StringIO(), None
            try:
                tree = ast.parse(cell.source)
                last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
                with redirect_stdout(said):
                    exec(compile(tree, "cell", "exec"), names)
                    value = eval(compile(ast.Expression(last.value), "cell", "eval"), names) if last else None
                shown = [] if value is None else [("execute_result", {"data": {"text/plain": repr(value)}})]
                shown += [("stream", {"text": said.getvalue()})] if said.getvalue() else []
                cell.outputs = [nbformat.v4.new_output(kind, **data) for kind, data in shown]
            except Exception as error:
                cell.outputs = [error_output(type(error).__name__, str(error))]
    return notebook


@pytest.fixture(autouse=True)
def _without_walls(monkeypatch):
    monkeypatch.setattr(grade, "execute", run_here)
    monkeypatch.setattr("resnet_course.steps.isolation", lambda: type("Walls", (), {"says": "Walls."}))


@pytest.fixture
def course(tmp_path):
    """A class of three, with both assignments released."""
    made = make_course(tmp_path, ["anna", "bob", "cleo"])
    for name in (ONE, ESSAY):
        release_assignment(made, name)
    return made


def hand_in(course, folder, assignment=ONE, **codes):
    """Collect one answer for each student."""
    folder.mkdir(exist_ok=True)
    for student, code in codes.items():
        nbformat.write(answer(course, student, code, assignment), folder / f"{student}.ipynb")
    return collect_submissions(course, assignment, folder)


def points(course, assignment=ONE):
    return {student: grade.points for student, grade in record.read_grades(course, assignment).items()}


def settings(course, text):
    path = course.root / "nbgrader_config.py"
    path.write_text(path.read_text() + text + "\n")


DUE = 'c.Classroom.time_zone = "Europe/Berlin"\nc.Classroom.due = {"1_double": "2026-09-14 23:59"}'


def at(*given):
    return datetime(*given, tzinfo=timezone.utc)


# --- Due dates ---


def test_late_work_costs_what_the_settings_say_whenever_grades_are_read(course, tmp_path):
    settings(course, f"{DUE}\nc.Classroom.grace_days = 1\nc.Classroom.late_penalty = 0.25")
    hand_in(course, tmp_path / "in", anna=RIGHT, bob=RIGHT, cleo=HALF)
    # Due 21:59 UTC on the 14th, the grace ends a day later; a day that has begun counts whole.
    for student, when in (
        ("anna", at(2026, 9, 15, 21, 58)),
        ("bob", at(2026, 9, 15, 22, 0)),
        ("cleo", at(2026, 9, 19)),
    ):
        os.utime(tmp_path / "in" / f"{student}.ipynb", (when.timestamp(), when.timestamp()))
    collected = collect_submissions(course, ONE, tmp_path / "in")
    assert collected.times == {"by the file's time": 3} and collected.notes["anna"] == ()
    assert collected.notes["bob"] == ("handed in at 2026-09-16 00:00 Europe/Berlin by the file's time: late by 1 day",)
    grades = {one.student: (one.points, one.late) for one in grade_assignment(course, ONE)}
    assert grades == {"anna": (6, 0), "bob": (4.5, 1.5), "cleo": (0, 4)}  # never below none
    pages = {page.parts[-3]: page.read_text() for page in write_feedback(course, ONE).pages}
    assert "by 1 day. That costs 1.5 points" in pages["bob"] and "Handed in late" not in pages["anna"]
    settings(course, 'c.Classroom.extension_days = {("1_double", "bob"): 7}')
    export_grades(course, "plain", tmp_path / "g.csv")
    rows = {row["id"]: row for row in csv.DictReader((tmp_path / "g.csv").open())}
    assert (rows["bob"][ONE], rows["bob"][f"{ONE} days late"], rows["cleo"][f"{ONE} days late"]) == ("6.0", "0", "4")
    with course.gradebook() as book:
        assert book.find_assignment(ONE).duedate == datetime(2026, 9, 14, 21, 59)


def test_a_later_copy_of_the_same_work_is_no_later_work(course, tmp_path):
    settings(course, f"{DUE}\nc.Classroom.late_penalty = 0.5")
    for day in (13, 20):
        hand_in(course, tmp_path / "in", anna=RIGHT)
        os.utime(tmp_path / "in" / "anna.ipynb", (at(2026, 9, day).timestamp(),) * 2)
        collect_submissions(course, ONE, tmp_path / "in")
    assert [one.points for one in grade_assignment(course, ONE)] == [6]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('c.Classroom.due = {"1_double": "2026-09-14 23:59"}', "time_zone: due dates need a time zone: name one"),
        (DUE.replace("Europe/Berlin", "+02:00"), "time_zone: no time zone is called '\\+02:00'"),
        (DUE.replace("Europe/Berlin", "../etc"), "time_zone: no time zone is called"),
        (DUE.replace("23:59", "23:59+02:00"), "due: 1_double is due at '2026-09-14 23:59\\+02:00': write a date"),
        (DUE.replace(" 23:59", ""), "due: 1_double is due at '2026-09-14': write a date and a time"),
        (DUE.replace("1_double", "1_duoble"), "due: no assignment is called '1_duoble': choose from 1_double, 2_essay"),
        (f"{DUE}\nc.Classroom.late_penalty = 10", "late_penalty: 10 should be a number from 0 to 1"),
        (f"{DUE}\nc.Classroom.grace_days = -1", "grace_days: -1 should be a number from 0"),
        ('c.Classroom.extension_days = {("1_double", "eve"): 7}', "extension_days: .* is no"),
        ('c.Classroom.due.update({"1_double": "2026-09-14 23:59"})', "c.Classroom.due: .* should be a dict"),
        ("c.Classroom.extension_days = [1]", "extension_days: '\\[1\\]' should be a dict"),
        (
            f"{DUE}\nc.Classroom.grace_day = 1",
            "no setting is called c.Classroom.grace_day: book, install, time_zone, due",
        ),
        ("c.Classroom.due = {", "nbgrader_config.py, line .*: '{' was never closed"),
    ],
)
def test_a_wrong_setting_is_one_line_and_changes_nothing(course, tmp_path, text, problem):
    settings(course, text)
    with pytest.raises(InputError, match=problem):
        hand_in(course, tmp_path / "in", anna=RIGHT)
    assert not (course.root / "submitted").exists()


def test_hours_that_clocks_skip_or_show_twice_are_the_later_ones(course):
    settings(course, DUE.replace("2026-09-14 23:59", "2026-10-25 02:30"))
    assert Policy.of(course).due_of(ONE, "anna") == at(2026, 10, 25, 1, 30)
    settings(course, DUE.replace("2026-09-14 23:59", "2026-03-29 02:30"))
    assert Policy.of(course).due_of(ONE, "anna") == at(2026, 3, 29, 1, 30)


def test_a_clock_that_jumps_is_told_and_loses_nothing(course, tmp_path):
    settings(course, DUE)
    (tmp_path / "in").mkdir()
    nbformat.write(answer(course, "anna", RIGHT), tmp_path / "in" / "anna.ipynb")
    os.utime(tmp_path / "in" / "anna.ipynb", (at(2199, 1, 1).timestamp(),) * 2)
    assert "in the future" in collect_submissions(course, ONE, tmp_path / "in").notes["anna"][0]
    assert [one.points for one in grade_assignment(course, ONE)] == [6]
    for path in (course.submitted(ONE, "anna"), course.autograded(ONE, "anna")):
        os.utime(path, (at(1999, 1, 1).timestamp(),) * 2)
    assert record.waiting(course, ONE) == []
    hand_in(course, tmp_path / "in", anna=HALF)
    os.utime(course.submitted(ONE, "anna"), (at(1980, 1, 1).timestamp(),) * 2)
    assert record.waiting(course, ONE) == ["anna"]


def test_what_tells_when_a_file_was_handed_in(course, tmp_path):
    zone = Policy.of(course).zone or timezone.utc
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        info = zipfile.ZipInfo("a/work.ipynb", (2026, 9, 5, 10, 30, 0))
        archive.writestr(info, "{}")
        info = zipfile.ZipInfo("utc.ipynb", (2026, 9, 5, 10, 30, 0))
        info.extra = b"UT\x05\x00\x01" + int(at(2026, 9, 5, 8).timestamp()).to_bytes(4, "little")
        archive.writestr(info, "{}")
        archive.writestr(zipfile.ZipInfo("none.ipynb"), "{}")
        archive.writestr(
            "submission_metadata.yml", "submission_77:\n  :submitters: []\n  :created_at: 2026-09-04 10:30:00.123 Z\n"
        )
    when = clock_of(tmp_path / "all.zip", zone)

    def told(path, system=""):
        rank, sender = (SYSTEM, (system, "77")) if system else (1, ())
        found = when(path, Claim("anna", rank, sender, ()))
        return found.at, found.by

    assert told("a/work.ipynb") == (at(2026, 9, 5, 10, 30), "by the zip file")
    assert told("a/work.ipynb/in/it.ipynb") == (at(2026, 9, 5, 10, 30), "by the zip file")
    assert told("utc.ipynb")[0] == at(2026, 9, 5, 8) and told("none.ipynb") == (None, "nothing tells when")
    assert told("x_attempt_2026-09-05-10-30-07_y.ipynb", "Blackboard") == (
        at(2026, 9, 5, 10, 30, 7),
        "by the name that Blackboard wrote",
    )
    assert told("4-9 - Bo Li - Sep 5, 2026 130 PM/x.ipynb", "Brightspace")[0] == at(2026, 9, 5, 13, 30)
    assert told("submission_77/x.ipynb", "Gradescope") == (at(2026, 9, 4, 10, 30), "by Gradescope's metadata")
    assert told("a/work.ipynb", "Canvas") == (None, "Canvas did not mark it late")
    # Only what a system wrote counts, not what a student called a file.
    assert told("x_attempt_2020-01-01-00-00-00_y.ipynb") == (None, "nothing tells when")


# --- Grading again ---


def test_only_what_is_new_is_graded(course, tmp_path):
    hand_in(course, tmp_path / "in", anna=RIGHT, bob=HALF)
    assert [one.student for one in grade_assignment(course, ONE)] == ["anna", "bob"]
    assert grade_assignment(course, ONE) == []
    hand_in(course, tmp_path / "in", bob=RIGHT)
    assert [(one.student, one.points) for one in grade_assignment(course, ONE)] == [("bob", 6)]
    assert [one.student for one in grade_assignment(course, ONE, students=["anna"])] == ["anna"]


def marked(course, tmp_path, score=2.0):
    """An essay that was read: points and a comment by hand."""
    work = answer(course, "anna", RIGHT, ESSAY)
    work.cells[-1].source = "Because."
    (tmp_path / "essays").mkdir(exist_ok=True)
    nbformat.write(work, tmp_path / "essays" / "anna.ipynb")
    collect_submissions(course, ESSAY, tmp_path / "essays")
    grade_assignment(course, ESSAY)
    with course.gradebook() as book:
        mark = book.find_grade("essay", ESSAY, ESSAY, "anna")
        mark.manual_score, mark.needs_manual_grade = score, False
        book.find_comment("essay", ESSAY, ESSAY, "anna").manual_comment = "Good."
        book.db.commit()


def change(course, edit, assignment=ESSAY):
    path = course.source(assignment)
    notebook = nbformat.read(path, as_version=4)
    edit(notebook)
    nbformat.write(notebook, path)


def rename(notebook):
    for cell in notebook.cells:
        if grade_id(cell) in ("essay", "double", "test_double"):
            cell.metadata.nbgrader["grade_id"] += "_2"


def test_a_corrected_assignment_with_other_names_keeps_what_was_marked_by_hand(course, tmp_path):
    marked(course, tmp_path)
    change(course, lambda notebook: notebook.cells[4].update(source=notebook.cells[4].source.replace("2.0 *", "1.5 *")))
    change(course, lambda notebook: notebook.cells[4].metadata.nbgrader.update(points=3))
    change(course, rename)
    with pytest.raises(
        InputError, match="has changed since its release, in test_double_2: resnet-tutorial classroom rel"
    ):
        grade_assignment(course, ESSAY)
    release_assignment(course, ESSAY)
    (grade,) = grade_assignment(course, ESSAY)
    assert (grade.points, grade.waits) == (3 + 2 + 2, False)  # not to be looked at again: the answer is the same
    assert dict(grade.questions) == {"test_double_2": 3, "test_more": 2, "essay_2": 2}
    with course.gradebook() as book:
        assert book.find_comment("essay_2", ESSAY, ESSAY, "anna").comment == "Good."


def test_a_task_may_come_and_go_but_not_one_that_was_marked_by_hand(course, tmp_path):
    marked(course, tmp_path)

    def without(name):
        return lambda notebook: notebook.update(cells=[cell for cell in notebook.cells if grade_id(cell) != name])

    change(course, without("test_more"))
    release_assignment(course, ESSAY)
    assert [(one.points, one.possible) for one in grade_assignment(course, ESSAY)] == [(6, 7)]
    change(course, lambda notebook: notebook.cells.append(more()))
    release_assignment(course, ESSAY)
    assert [(one.points, one.possible) for one in grade_assignment(course, ESSAY)] == [(11, 12)]
    change(course, without("essay"))
    with pytest.raises(InputError, match="essay is no longer in the source, and was marked by hand for anna: put the"):
        release_assignment(course, ESSAY)
    assert points(course, ESSAY)["anna"] == 11


def more():
    cell = nbformat.v4.new_code_cell("5.0 * (double(1) == 2)")
    about = {"grade": True, "locked": True, "solution": False, "task": False, "schema_version": 3}
    cell.metadata["nbgrader"] = about | {"grade_id": "test_extra", "points": 5}
    return cell


def test_another_answer_is_to_be_looked_at_again(course, tmp_path):
    marked(course, tmp_path)
    work = answer(course, "anna", RIGHT, ESSAY)
    work.cells[-1].source = "No, because."
    nbformat.write(work, tmp_path / "essays" / "anna.ipynb")
    collect_submissions(course, ESSAY, tmp_path / "essays")
    (grade,) = grade_assignment(course, ESSAY)
    assert (grade.points, grade.waits) == (8, True)


# --- What goes wrong in the middle ---


@pytest.mark.parametrize("what", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")])
def test_what_was_graded_before_it_stopped_is_kept_and_the_next_call_goes_on(course, tmp_path, monkeypatch, what):
    hand_in(course, tmp_path / "in", anna=RIGHT, bob=HALF, cleo=RIGHT)
    kept, calls = grade.record, []

    def stops(*given):
        calls.append(given)
        if len(calls) == 2:
            raise what
        kept(*given)

    monkeypatch.setattr(grade, "record", stops)
    expected = KeyboardInterrupt if isinstance(what, KeyboardInterrupt) else InputError
    with pytest.raises(expected, match="1 of 3 are graded and kept; call grade again for the rest"):
        grade_assignment(course, ONE, jobs=1)
    monkeypatch.setattr(grade, "record", kept)
    assert len(grade_assignment(course, ONE, jobs=1)) == 2
    assert points(course) == {"anna": 6, "bob": 4, "cleo": 6}


def classroom(capsys, course, *words):
    with pytest.raises(SystemExit) as stop:
        cli.main(["classroom", *words, "--course", str(course.root)])
    said = capsys.readouterr()
    return stop.value.code, said.out, said.err


def test_a_full_disk_is_one_line(course, capsys, monkeypatch):
    def full(*given):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("resnet_course.steps.release_assignment", full)
    assert classroom(capsys, course, "release", ONE)[2] == "error: the disk is full: make room, then call this again\n"


def test_two_at_work_in_one_course(course, capsys):
    with course.locked("classroom grade 1_double"):
        status, _, error = classroom(capsys, course, "release", ONE)
    assert status == 1 and "another command is at work in this course (" in error
    assert "classroom grade 1_double, since" in error and error.count("\n") == 1
    assert classroom(capsys, course, "release", ONE)[0] == 0


def test_marks_of_two_readers_are_merged_and_neither_is_lost(course, tmp_path, capsys):
    marked(course, tmp_path)
    other = Course(shutil.copytree(course.root, tmp_path / "other"))
    for where, score, comment in ((course, None, ""), (other, 1.5, "Better.")):
        with where.gradebook() as book:
            mark = book.find_grade("essay", ESSAY, ESSAY, "anna")
            mark.manual_score, mark.needs_manual_grade = score, score is None
            book.find_comment("essay", ESSAY, ESSAY, "anna").manual_comment = comment or "Good."
            book.db.commit()
    status, out, _ = classroom(capsys, course, "merge", str(other.root))
    assert status == 0 and "2_essay anna essay: another mark stands here, and stays" in out  # the comment
    assert "marks taken over: 1\n" in out and points(course, ESSAY)["anna"] == 7.5
    work = answer(course, "anna", RIGHT, ESSAY)
    work.cells[-1].source = "Something else."
    nbformat.write(work, tmp_path / "essays" / "anna.ipynb")
    collect_submissions(course, ESSAY, tmp_path / "essays")
    grade_assignment(course, ESSAY)
    assert "the mark is for another answer" in classroom(capsys, course, "merge", str(other.root))[1]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda db: sqlite3.connect(db).execute("ALTER TABLE student DROP COLUMN lms_user_id"), "nbgrader db upgrade"),
        (lambda db: db.unlink(), "has no gradebook.db: put your copy of it there"),
        (lambda db: db.write_bytes(b"what is this" * 1000), "it is damaged: put your copy in its place"),
    ],
)
def test_a_gradebook_that_cannot_be_read_is_one_line(course, capsys, damage, said):
    damage(course.root / "gradebook.db")
    status, _, error = classroom(capsys, course, "release", ONE)
    assert status == 1 and said in error and error.count("\n") == 1


# --- The class changes ---


def new_list(folder, *rows):
    (folder / "new.csv").write_text("\n".join(["id,first_name,last_name,email", *rows]))
    return folder / "new.csv"


def test_a_roster_that_changed_in_mid_term(course, tmp_path):
    hand_in(course, tmp_path / "in", anna=RIGHT, bob=HALF)
    grade_assignment(course, ONE)
    rows = ["anna,Anna,Newname,anna@example.org", "cleo,First2,Last2,cleo@example.org", "dan,Kim,Lee,", "eve,Kim,Lee,"]
    changes = update_class(course, new_list(tmp_path, *rows))
    assert (changes.joined, changes.left, changes.renamed) == (("dan", "eve"), ("bob",), ("anna",))
    assert changes.namesakes == (("dan", "eve"),)
    assert points(course) == {"anna": 6, "cleo": 0, "dan": 0, "eve": 0}
    assert len(release_assignment(course, ONE)) == 4
    export_grades(course, "plain", tmp_path / "g.csv")
    assert "bob" not in (tmp_path / "g.csv").read_text()
    back = update_class(course, new_list(tmp_path, *rows, "bob,First1,Last1,bob@example.org"))
    assert back.joined == ("bob",) and points(course)["bob"] == 4


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (["annab,Anna,B,anna@example.org", "bob,b,b,"], "annab has the email of anna. An id stays"),
        (["x,y,z,"], "names nobody of this class"),
    ],
)
def test_a_list_that_cannot_be_meant_changes_nothing(course, tmp_path, rows, problem):
    with pytest.raises(InputError, match=problem):
        update_class(course, new_list(tmp_path, *rows))
    assert [one.id for one in course.students()] == ["anna", "bob", "cleo"]


# --- Tables ---


def test_points_of_questions_and_the_ids_of_systems(course, tmp_path):
    hand_in(course, tmp_path / "in", anna=RIGHT, bob=HALF)
    grade_assignment(course, ONE)
    settings(course, 'c.Classroom.canvas_ids = {"1_double": 90213}')
    export_grades(course, "plain", tmp_path / "g.csv", questions=True)
    rows = {row["id"]: row for row in csv.DictReader((tmp_path / "g.csv").open())}
    assert [rows[one][f"{ONE} test_double"] for one in ("anna", "bob", "cleo")] == ["4.0", "2.0", ""]
    export_grades(course, "canvas", tmp_path / "c.csv")
    assert next(csv.reader((tmp_path / "c.csv").open()))[-1] == "1_double (90213)"
    export_grades(course, "brightspace", tmp_path / "b.csv")
    head, *rows = csv.reader((tmp_path / "b.csv").open())
    assert (head[0], head[-2:]) == ("OrgDefinedId", ["1_double Points Grade", "End-of-Line Indicator"])
    assert rows[0] == ["anna", "Last0", "First0", "anna@example.org", "6.0", "#"]


def test_mistakes_are_counted_by_what_the_checks_say(course, tmp_path, capsys):
    def says(n):
        text = f"✗ not yet · Double: 0 of 4 points\n  Yours, {n}, is wrong.\n  Look there."
        text += "\n✗ not yet · \x1b[2Jcleo: 0 of 4 points\n  A line\rof another"
        return f"def double(x):\n    print({text!r})\n    return 0"

    hand_in(course, tmp_path / "in", anna=says(12), bob=says(-7.5), cleo="def double(x):\n    raise OSError('gone')")
    grade_assignment(course, ONE)
    found, graded = count_mistakes(course, ONE)
    kinds = {(one.task, one.seen): one.students for one in found}
    assert kinds["Double", "Yours, …, is wrong."] == ("anna", "bob") and graded == 3
    assert kinds["test_double", "OSError: gone"] == ("cleo",)
    _, out, _ = classroom(capsys, course, "mistakes", ONE, "--file", str(tmp_path / "m.csv"))
    assert "   2  Double: Yours, …, is wrong." in out
    assert "\ufffd[2Jcleo: A line\ufffdof another" in out and "\x1b" not in out and "\r" not in out
    assert ["Double", "Yours, …, is wrong.", "2", "3", "anna bob"] in list(csv.reader((tmp_path / "m.csv").open()))


def test_a_missing_answer_is_counted_by_the_error_that_it_stopped_with(course, monkeypatch):
    new, about = nbformat.v4, {"grade_id": "double", "solution": True}
    answer = new.new_code_cell("def double(x:", metadata={"nbgrader": about})
    answer.outputs = [new.new_output("error", ename="SyntaxError", evalue="'(' was never closed (12.py, line 1)")]
    test = new.new_code_cell(metadata={"nbgrader": {"grade_id": "test_double", "grade": True}})
    said = "✗ not yet · Double: 0 of 4 points\n  Nothing is called double here.\n  Run the cell above.\n"
    test.outputs = [new.new_output("stream", text=said)]
    monkeypatch.setattr("resnet_course.classroom.mistakes.stored", lambda path: new.new_notebook(cells=[answer, test]))
    ((found,), _) = count_mistakes(course, ONE)
    assert (found.task, found.seen) == ("Double", "SyntaxError: '(' was never closed (….py, line …)")


LOOP = '''def double(x):
    """Mine."""
    total = []  # a list
    for part in (x, x):
        if isinstance(part, str) and total:
            total = ["".join([*total, part])]
        elif not total:
            total.append(part)
        else:
            total[0] = total[0] + part
    return total[0]'''


def test_copied_work_is_found_under_other_names_and_what_is_common_is_not(tmp_path, capsys):
    course = make_course(tmp_path, [f"s{i}" for i in range(9)])
    release_assignment(course, ONE)
    copied = LOOP.replace("total", "out").replace("part", "p").replace("# a list", "").replace('"""Mine."""', "x = x")
    common = "def double(x):\n    if isinstance(x, (int, float)):\n        return sum([x, x])\n    return x + x"
    wrong = "def double(x):\n    return {{3: 4711, 5: 1291}}.get(x, {})".format
    deep = "def double(x):\n    return x + x" + " + 0" * 2000  # too deep to be written again
    works = [LOOP, copied, wrong(1), wrong(2), common, common, common, common, deep]
    hand_in(course, tmp_path / "in", **{f"s{i}": code for i, code in enumerate(works)})
    grade_assignment(course, ONE)
    first, second = find_alike(course, ONE)
    assert first.students == ("s0", "s1") and "words of code in a row are the same" in first.reasons[0]
    assert second.students == ("s2", "s3") and "both write 1291, 4711, wrong for s2 and s3" in second.reasons[-1]
    status, out, _ = classroom(capsys, course, "similar", ONE)
    assert status == 0 and "2 pairs to look at. These are reasons, no verdict" in out


def test_grading_says_what_it_leaves(course, tmp_path, capsys):
    hand_in(course, tmp_path / "in", anna=RIGHT, bob=HALF)
    assert "anna: 6 of 6 points" in classroom(capsys, course, "grade", ONE, "--jobs", "1")[1]
    assert "all 2 were graded, and nothing has changed since" in classroom(capsys, course, "grade", ONE)[1]
    assert "1 more were left" in classroom(capsys, course, "grade", ONE, "--student", "bob")[1]
    assert (
        "nothing was collected of cleo: choose from anna, bob"
        in classroom(capsys, course, "grade", ONE, "--student", "cleo")[2]
    )
