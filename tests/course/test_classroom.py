"""The instructor's path, with a small class that does what classes do."""

import csv
import errno
import gc
import html
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("nbgrader")
import nbformat
import nbgrader.api

from resnet_course.checks import variant
from resnet_course.classroom import (
    Course,
    Limits,
    collect_submissions,
    export_grades,
    feedback,
    grade,
    grade_assignment,
    init_course,
    isolation,
    release_assignment,
    sandbox,
    write_feedback,
    write_key,
)
from resnet_course.classroom.cells import grade_id, hidden_pieces, read_code, squeezed
from resnet_course.classroom.course import Student
from resnet_course.classroom.grade import seal
from resnet_course.classroom.handed import read
from resnet_course.classroom.probes import Probes
from resnet_course.classroom.release import find_leaks, for_course
from resnet_course.classroom.sandbox import execute
from resnet_course.classroom.submissions import put_together
from resnet_tutorial import cli
from resnet_tutorial.errors import InputError

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="grading needs Linux or macOS"),
    # nbgrader, SQLAlchemy and the kernels' sockets, not this package
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(scope="module", autouse=True)
def _version_of_the_gradebook_asked_once():
    """nbgrader starts a program to learn it, for each new gradebook."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nbgrader.api.get_alembic_version", cache(nbgrader.api.get_alembic_version))
        yield


BOOK = Path(__file__).parents[2] / "book"
DOUBLE = '''def double(x):
    """Twice x."""
    ### BEGIN SOLUTION
    twice_the_number = x + x
    return twice_the_number
    ### END SOLUTION'''
TEST = """points = 2.0 * (double(3) == 6)
### BEGIN HIDDEN TESTS
points += 2.0 * (double(-17) == -34 and len(STUDENT) > 0)
### END HIDDEN TESTS
points"""
ASSERT = """assert double("ab") == "abab", "a text can be doubled, too"
### BEGIN HIDDEN TESTS
assert double([1, 17, 4]) == [1, 17, 4] * 2, "so can a list"
### END HIDDEN TESTS"""
PROBE = "import json\njson.dumps([double(number) for number in (5, -8, 0.5)])"
RIGHT = "def double(x):\n    return 2 * x"
HALF = "def double(x):\n    return abs(2 * x) if isinstance(x, int) else 2 * x"
STEALS = """
import re, sys
def steal(info):
    print("stolen:", info.raw_cell)
get_ipython().events.register("pre_run_cell", steal)
"""
HIDES = "type(get_ipython().displayhook).__call__ = lambda *values: None\ndef double(x):\n    return 0"
FAKES = "class Same:\n    __eq__ = lambda *both: True\ndef double(x):\n    return Same()"
LOOPS = "def double(x):\n    while True:\n        pass"
QUITS = "import os\ndef double(x):\n    os._exit(0)"
FORKS = """
import os, time
children = 0
try:
    for _ in range(400):
        if os.fork() == 0:
            time.sleep(600)
            os._exit(0)
        children += 1
except OSError as error:
    print("refused:", 30 < children < 60)
def double(x):
    return 2 * x"""


def cell(kind, source, **about):
    made = nbformat.v4.new_markdown_cell(source) if kind == "markdown" else nbformat.v4.new_code_cell(source)
    if "tags" in about:
        made.metadata["tags"] = about["tags"]
    elif about:
        usual = {"grade": False, "locked": False, "solution": False, "task": False, "schema_version": 3}
        made.metadata["nbgrader"] = usual | about
    return made


def source_notebook(*more):
    cells = [
        cell("markdown", "# Double\n\nWrite $2 \\times x$ as a function."),
        cell("code", 'STUDENT = "sample"', tags=["student"]),
        cell("code", "letters = len(STUDENT)", grade_id="variant", locked=True),
        cell("code", DOUBLE, grade_id="double", solution=True),
        cell("code", TEST, grade_id="test_double", grade=True, locked=True, points=4),
        cell("code", ASSERT, grade_id="test_more", grade=True, locked=True, points=2),
        *more,
    ]
    python = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return nbformat.v4.new_notebook(cells=cells, metadata=python)


def make_course(folder, students):
    essay = cell(
        "markdown", "It is the same as $x+x$, by distribution.", grade_id="essay", grade=True, solution=True, points=3
    )
    double = source_notebook()
    double.cells.insert(5, cell("code", PROBE, tags=["probe"]))
    for name, notebook in (("1_double", double), ("2_essay", source_notebook(essay))):
        (folder / "assignments" / name).mkdir(parents=True)
        nbformat.write(notebook, folder / "assignments" / name / f"{name}.ipynb")
    rows = [f"{one},First{i},Last{i},{one}@example.org" for i, one in enumerate(students)]
    (folder / "students.csv").write_text("\n".join(["id,first_name,last_name,email", *rows]), encoding="utf-8-sig")
    return init_course(folder / "course", folder / "students.csv", folder / "assignments")


def answer(course, student, code, assignment="1_double"):
    notebook = nbformat.read(course.release(assignment, student), as_version=4)
    next(c for c in notebook.cells if grade_id(c) == "double").source = code
    return notebook


def hostile(course, tmp_path, port):
    """Looks for everything that it must not see, and prints what it found."""
    paths = [course.root, course.root / "gradebook.db", course.root / "submitted", tmp_path, Path.home(), Path("..")]
    return f"""
import glob, os, socket
seen = []
for path in {[str(path) for path in paths]!r}:
    try:
        seen += [path] if os.path.isfile(path) else [os.path.join(path, one) for one in os.listdir(path)]
    except OSError:
        pass
for pattern in ("/root/*", "/home/*/*", "/tmp/*/course*", "/tmp/pytest*", "/etc/shadow", {str(course.root)!r} + "*"):
    seen += glob.glob(pattern)
own = ({sys.prefix!r}, {sys.base_prefix!r}, {str(BOOK.parent)!r}, os.environ["HOME"])
seen = [path for path in seen if not any(one.startswith(os.path.realpath(path)) for one in own)]
try:
    socket.create_connection(("127.0.0.1", {port}), 2)
    seen.append("network")
except OSError:
    pass
for one in filter(str.isdigit, os.listdir("/proc")):
    seen += [one] if b"pytest" in open(f"/proc/{{one}}/cmdline", "rb").read() else []
print("seen:", seen)
def double(x):
    return 2 * x"""


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """A class, from the class list to the feedback. One grading for all tests: a kernel takes seconds to start."""
    place = tmp_path_factory.mktemp("classroom")
    answers = {
        "right": RIGHT,
        "half": HALF,
        "crash": "def double(x):\n    raise ValueError('my own mistake')",
        "loop": LOOPS,
        "quit": QUITS,
        "renamed": RIGHT.replace("double", "twice"),
        "steals": STEALS + RIGHT,
        "hides": HIDES,
        "fakes": FAKES,
        "forks": FORKS,
        "memory": "def double(x):\n    bytearray(1 << 40)",
        "plus+tag@school.example": RIGHT + "\n\n\nprint('half an emoji: \\ud83d')",
    }
    course = make_course(place, [*answers, "empty", "hostile", "text", "absent"])
    release_assignment(course, "1_double")
    handed = place / "handed"
    handed.mkdir()
    server = socket.create_server(("127.0.0.1", 0))
    answers["hostile"] = hostile(course, place, server.getsockname()[1])
    for student, code in answers.items():
        nbformat.write(answer(course, student, code), handed / f"{student}.ipynb")
    nbformat.write(nbformat.read(course.release("1_double", "empty"), as_version=4), handed / "empty.ipynb")
    (handed / "text.ipynb").write_text("def double(x): return 2 * x")
    collected = collect_submissions(course, "1_double", handed)
    grades = grade_assignment(course, "1_double", jobs=2, limits=Limits(cell=4, wall=60, processes=60))
    server.close()
    pages = write_feedback(course, "1_double").pages
    return course, collected, {grade.student: grade for grade in grades}, pages


EXPECTED = {
    "right": (6, ""),
    "half": (4, ""),
    "crash": (0, "ValueError: my own mistake"),
    "loop": (0, "still running after 4 s"),
    "quit": (0, "The kernel ended"),
    "renamed": (0, "<code>double</code> is not defined in your answer"),
    "hides": (0, "should end in points"),
    "fakes": (2, "gives something else than the solution"),
    "memory": (0, "MemoryError"),
    "empty": (0, "NotImplementedError"),
    "text": (0, "could not be read as a notebook"),
    "hostile": (6, "seen: []"),
    "steals": (6, "held text of the tests"),
    "forks": (6, "refused: True"),
    "plus+tag@school.example": (6, ""),
}


@pytest.mark.parametrize("student", EXPECTED)
def test_points_and_message(graded, student):
    course, _, grades, _ = graded
    points, message = EXPECTED[student]
    page = (course.root / "feedback" / student / "1_double" / "1_double.html").read_text()
    if student in ("hostile", "forks") and isolation().walls != "namespaces":
        pytest.skip("this system has no namespaces")
    assert (grades[student].points, grades[student].possible, grades[student].problem) == (points, 6, "")
    assert message in page


def test_what_an_instructor_should_look_at_is_named(graded):
    notes = {student: "; ".join(grade.notes) for student, grade in graded[2].items() if grade.notes}
    assert notes.keys() >= {"fakes", "hides", "steals"} and not notes.keys() & {"right", "half", "crash", "loop"}
    assert "test_double gave all points" in notes["fakes"] and "double uses get_ipython" in notes["steals"]


def test_missing_student_is_named_and_has_no_points(graded, tmp_path):
    course, collected, grades, _ = graded
    assert collected.missing == ("absent",) and "absent" not in grades
    export_grades(course, "plain", tmp_path / "grades.csv")
    rows = {row["id"]: row for row in csv.DictReader((tmp_path / "grades.csv").open())}
    assert (rows["absent"]["1_double"], rows["half"]["1_double"], rows["half"]["1_double possible"]) == (
        "",
        "4.0",
        "6.0",
    )


def test_canvas_and_moodle_columns(graded, tmp_path):
    course, *_ = graded
    export_grades(course, "canvas", tmp_path / "canvas.csv")
    head, possible, *rows = csv.reader((tmp_path / "canvas.csv").open())
    assert head == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "1_double"]
    assert possible[0].strip() == "Points Possible" and float(possible[-1]) == 6
    assert ["Last0, First0", "", "right", "right@example.org", "", "6.0"] in rows
    export_grades(course, "moodle", tmp_path / "moodle.csv")
    head, *rows = csv.reader((tmp_path / "moodle.csv").open())
    assert head == ["ID number", "First name", "Last name", "Email address", "1_double"]
    assert ["half", "First1", "Last1", "half@example.org", "4.0"] in rows


def test_feedback_asks_no_other_host_and_shows_no_hidden_test(graded):
    _, _, _, pages = graded
    assert len(pages) == len(EXPECTED)
    for page in pages:
        text = page.read_text()
        assert not re.search(r"""src\s*=\s*["']?(https?:)?//|<link|@import|<script|url\(["']?http""", text), page
        assert (
            "default-src 'none'" in text
            and "<math" in text
            and "HIDDEN" not in text
            and "-17" not in re.sub(r"<[^>]*>", "", text)
        )


def test_a_page_that_cannot_be_shown_costs_nobody_else_theirs(graded, tmp_path, monkeypatch):
    course = Course(Path(shutil.copytree(graded[0].root, tmp_path / "course")))
    shutil.rmtree(course.root / "feedback")
    monkeypatch.setattr(feedback, "hidden_regions", lambda source: {squeezed("return abs(2 * x)")})
    assert list(write_feedback(course, "1_double").skipped) == ["half"]
    pages = {page.parts[-3]: page.read_text() for page in course.root.glob("feedback/*/*/*.html")}
    assert pages.keys() == EXPECTED.keys() - {"half"}
    assert all("default-src 'none'" in text for text in pages.values())


@pytest.mark.parametrize("what", ["full", "interrupted"])
def test_pages_that_stand_there_stay_when_feedback_stops_and_the_next_call_goes_on(graded, tmp_path, monkeypatch, what):
    course, calls = Course(Path(shutil.copytree(graded[0].root, tmp_path / "course"))), []
    before = {path: path.read_text() for path in course.root.glob("feedback/*/*/*.html")}

    def stops(old, new):  # while pages are published
        calls.append(new)
        if len(calls) == 3:
            raise KeyboardInterrupt if what == "interrupted" else OSError(errno.ENOSPC, "No space left on device")
        os.rename(old, new)

    with monkeypatch.context() as patch, pytest.raises((KeyboardInterrupt, OSError)):
        patch.setattr(feedback.os, "replace", stops)
        write_feedback(course, "1_double")
    with monkeypatch.context() as patch, pytest.raises(InputError, match="is full: make room, then call this again"):
        patch.setattr(feedback, "_make_pages", lambda *given: None)  # nbgrader finds no room, and does not say so
        patch.setattr(feedback.shutil, "disk_usage", lambda path: SimpleNamespace(free=0))
        write_feedback(course, "1_double")
    assert {path: path.read_text() for path in course.root.glob("feedback/*/*/*.html")} == before
    assert not list(course.root.glob(".feedback-*"))
    assert len(write_feedback(course, "1_double").pages) == len(before)


def test_nothing_is_left_behind(graded):
    began = graded[0].root.stat().st_ctime - 600  # what lies there for longer is of others
    mine = [path for path in Path("/tmp").glob("rt-*") if path.owner() == Path.home().owner()]
    assert not [path for path in mine if path.stat().st_ctime > began and any(path.iterdir())]
    for process in Path("/proc").glob("[0-9]*/cmdline") if os.path.isdir("/proc") else ():
        assert b"ipykernel_launcher -f /tmp/rt-" not in process.read_bytes().replace(b"\0", b" ")


def test_release_holds_names_but_neither_solutions_nor_hidden_tests(graded):
    course, *_ = graded
    files = sorted((course.root / "release").rglob("*.ipynb"))
    assert len(files) == 16
    for path in files:
        text = path.read_text()
        assert not re.search("twice_the_number|-17|SOLUTION|HIDDEN", text)
        assert f'STUDENT = \\"{path.parts[-2]}\\"' in text and "raise NotImplementedError" in text


@pytest.mark.parametrize(
    "plant",
    [
        lambda c: c.update(source="# Hint\n\n    twice_the_number  = x+x"),
        lambda c: c.metadata.update(note="### BEGIN SOLUTION"),
        lambda c: c.metadata.update(hint={"deep": ["points += 2.0 * (double(-17) == -34 and len(STUDENT) > 0)"]}),
        lambda c: c.update(source='`assert double([1, 17, 4]) == [1, 17, 4] * 2, "so can a list"`'),
    ],
)
def test_release_refuses_a_planted_leak(tmp_path, plant):
    course = make_course(tmp_path, ["anna"])
    path = course.source("1_double")
    notebook = nbformat.read(path, as_version=4)
    plant(notebook.cells[0])
    nbformat.write(notebook, path)
    with pytest.raises(InputError, match="nothing is released: cell 1 holds"):
        release_assignment(course, "1_double")
    assert not (course.root / "release").exists()


def test_a_clean_release_has_no_leak():
    bare = source_notebook()
    for one in bare.cells:
        one.source = re.sub(r"( *)### BEGIN.*?### END \w+( TESTS)?", "", one.source, flags=re.DOTALL)
    assert find_leaks(bare, source_notebook()) == []


LINKS = """See [The
table](../../book/table.ipynb#rows), [words](../../book/words.md), [Assignment 3](../3_x/3_x.ipynb), [web](https://w)."""


@pytest.mark.parametrize(
    ("book", "text"),
    [
        ("", "See The\ntable, words, Assignment 3, [web](https://w)."),
        (
            "https://site.example/r/book/index.html",
            "See [The\ntable](https://site.example/r/book/table.html#rows), "
            "[words](https://site.example/r/book/words.html), Assignment 3, [web](https://w).",
        ),
        (
            "https://site.example/r/",
            "See [The\ntable](https://site.example/r/book/table.html#rows), "
            "[words](https://site.example/r/book/words.html), Assignment 3, [web](https://w).",
        ),
    ],
)
def test_links_lead_to_the_site_and_colab_knows_what_to_install(tmp_path, book, text):
    make_course(tmp_path, ["anna"])
    wheel = "https://site.example/resnet_tutorial-1-py3-none-any.whl"
    course = init_course(tmp_path / "c", tmp_path / "students.csv", tmp_path / "assignments", book, wheel)
    install = cell("code", 'INSTALL = ""\n%pip install "{INSTALL}"')
    install["id"] = "install"
    released = for_course(nbformat.v4.new_notebook(cells=[cell("markdown", LINKS), install]), course)
    assert [c.source for c in released.cells] == [text, f'INSTALL = "{wheel}"\n%pip install "{{INSTALL}}"']


def test_no_link_of_a_released_assignment_is_dead(tmp_path):
    make_course(tmp_path, ["anna"])
    course = init_course(tmp_path / "c", tmp_path / "students.csv", book="https://site.example", install="rt.whl")
    for source in sorted((course.root / "source").glob("*/*.ipynb")):
        (path,) = release_assignment(course, source.stem)
        text = path.read_text(encoding="utf-8")
        chapters = re.findall(r"\]\(https://site.example/book/(\w+)\.html", text)
        assert chapters and all(list(BOOK.glob(f"{name}.*")) for name in chapters)
        assert "](../" not in text and 'INSTALL = \\"rt.whl\\"' in text


def test_a_broken_notebook_is_mended(tmp_path):
    course = make_course(tmp_path, ["anna"])
    release_assignment(course, "1_double")
    release = nbformat.read(course.release("1_double", "anna"), as_version=4)
    broken = answer(course, "anna", RIGHT.replace("\n", "\r\n"))
    broken.cells[1].source = 'STUDENT = "bob"'
    broken.cells[4].source = "4.0"
    del broken.cells[5]
    broken.cells.insert(3, nbformat.v4.new_code_cell("import math"))
    data = json.dumps(broken).replace("\n", "\r\n").encode("utf-8-sig")
    mended, said = put_together(read("anna.ipynb", data), release)
    assert [c.source for c in mended.cells[1:]] == [
        *[c.source for c in release.cells[:3]],
        "import math",
        RIGHT,
        *[c.source for c in release.cells[4:]],
    ]
    assert len(said) == 2 and "`test_more` was deleted" in said[0] and "`test_double` was changed" in said[1]
    assert all(line in mended.cells[0].source for line in said)
    nbformat.validate(mended)


def essay_release():
    """Code and a written part, as a student gets them."""
    essay = cell("markdown", "*Write here.*", grade_id="essay", grade=True, solution=True, points=3)
    release = source_notebook(cell("markdown", "## Essay"), essay)
    release.cells[3].source = 'def double(x):\n    """Twice x."""\n    raise NotImplementedError'
    for i, one in enumerate(release.cells):
        one["id"] = f"cell-{i}"
    return release


def handed_in(change):
    """What becomes of a right submission after a change; what it says, and the sources of its cells."""
    work = essay_release()
    work.cells[3].source, work.cells[7].source = RIGHT, "Because."
    change(work)
    mended, said = put_together(read("a.ipynb", json.dumps(work).encode()), essay_release())
    return said, [one.source for one in mended.cells[1 if said else 0 :]]


def without_marks(work):
    """As some editors save: no metadata, no ids, an older format, and a cell of one's own in front."""
    work.nbformat_minor = 0
    work.cells.insert(0, cell("code", "import math"))
    for one in work.cells:
        one.metadata = {"id": "xyz"}
        one.pop("id")


def with_marks_of_an_older_copy(work):
    for one in work.cells:
        if "nbgrader" in one.metadata:
            one.metadata["nbgrader"]["grade_id"] += "_old"
        one["id"] += "-old"


@pytest.mark.parametrize("change", [without_marks, with_marks_of_an_older_copy])
def test_answers_that_lost_their_marks_are_found(change):
    said, sources = handed_in(change)
    given = [one.source for one in essay_release().cells]
    own = ["import math"] if change is without_marks else []
    assert sources == [*own, *given[:3], RIGHT, *given[4:7], "Because."]
    assert len(said) == 1 and said[0].startswith("The cells for your answers `double`, `essay` were no longer marked")


def test_an_answer_in_a_cell_of_ones_own_is_not_overwritten_by_the_empty_one():
    said, sources = handed_in(lambda work: work.cells.__setitem__(3, cell("code", "# mine\n" + RIGHT)))
    assert sources[3] == "# mine\n" + RIGHT and not any("NotImplementedError" in source for source in sources)
    assert "`double` was no longer marked" in said[0]


def test_of_two_copies_of_an_answer_the_last_one_counts_and_runs_last():
    def copied(work):
        work.cells.insert(3, deepcopy(work.cells[3]))
        work.cells[3].source = HALF

    said, sources = handed_in(copied)
    assert sources.index(HALF) < sources.index(RIGHT) and len(sources) == 9
    assert said == ("There are 2 cells for your answer `double`; the last one counts.",)


@pytest.mark.parametrize(
    ("source", "note"),
    [
        ("def double(x:\n    return 2 * x", "Python cannot read your answer `double` in line 1"),
        (RIGHT.replace("double", "twice"), "`double` is not defined in your answer `double` any more"),
    ],
)
def test_an_answer_that_cannot_count_is_told(source, note):
    said, _ = handed_in(lambda work: work.cells[3].update(source=source))
    assert len(said) == 1 and said[0].startswith(note)


def test_lines_for_the_shell_are_no_mistake():
    assert handed_in(lambda work: work.cells[3].update(source="%matplotlib inline\n" + RIGHT))[0] == ()


def test_another_assignment_is_told_first():
    said, _ = handed_in(lambda work: work.cells[0].update(source="# Triple\n"))
    assert said[0] == "Your file begins with “Triple”. This is “Double”: is it the right file?"


@pytest.mark.parametrize("data", [b"", b"\xff\xfe\x00", b"{}", b"[1]", b'{"cells": 3, "nbformat": 4}', b"PK\x03\x04"])
def test_what_is_no_notebook_gets_a_message(data):
    mended, said = put_together(read("work.ipynb", data), source_notebook())
    assert "could not be read as a notebook" in said[0] and said[0] in mended.cells[0].source
    assert len(mended.cells) == 7


def test_an_untouched_file_comes_back_as_it_was():
    release = source_notebook()
    mended, said = put_together(read("a.ipynb", nbformat.writes(release).encode()), release)
    assert said == () and [c.source for c in mended.cells] == [c.source for c in release.cells]


def test_zip_with_the_names_of_canvas_and_moodle(tmp_path):
    course = make_course(tmp_path, ["s1", "s11", "s2", "s3"])
    release_assignment(course, "1_double")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for name in (
            "last0first0_4711_s1_work.ipynb",
            "First1 Last1_99_assignsubmission_file/work.ipynb",
            "last2first2_4712_88_1_double.ipynb",
            "stranger_1.ipynb",
            "../../s3.txt",
        ):
            archive.writestr(name, nbformat.writes(answer(course, "s2", RIGHT)))
    collected = collect_submissions(course, "1_double", tmp_path / "all.zip")
    assert set(collected.notes) == {"s1", "s11", "s2", "s3"} and collected.unclear == ("stranger_1.ipynb",)
    text = course.submitted("1_double", "s11").read_text()
    assert 'STUDENT = \\"s11\\"' in text and "return 2 * x" in text


@pytest.mark.parametrize("shown", ["nan", "-1", "5", "'4.0'", "inf", "<Result>"])
def test_a_test_that_ends_in_no_valid_number_earns_nothing(shown):
    notebook = source_notebook()
    test = notebook.cells[4]
    test.outputs = [nbformat.v4.new_output("execute_result", data={"text/plain": shown}, execution_count=1)]
    seal(notebook, set())
    assert [output.output_type for output in test.outputs] == ["error"]


def test_a_warning_costs_nothing():
    notebook = source_notebook()
    test = notebook.cells[4]
    test.outputs = [
        nbformat.v4.new_output("stream", name="stderr", text="UserWarning: slow"),
        nbformat.v4.new_output("execute_result", data={"text/plain": "4.0"}, execution_count=1),
    ]
    seal(notebook, set())
    assert [o.get("name") or o["data"]["text/plain"] for o in test.outputs] == ["stdout", "4"]


def test_hidden_tests_do_not_pass_through_an_output():
    notebook = deepcopy(source_notebook())
    shown = nbformat.v4.new_output("stream", text="I saw: assert double([1,17,4]) == [1,17,4]*2, 'so can a list'")
    shown.text = shown.text.replace("'", '"')
    notebook.cells[2].outputs = [shown]
    seal(notebook, hidden_pieces(source_notebook()))
    assert "17" not in json.dumps(notebook.cells[2].outputs)


def test_a_short_hidden_test_does_not_pass_with_its_marker():
    notebook = source_notebook()
    hidden = "x = 1\n### BEGIN HIDDEN TESTS\nx = 2\n### END HIDDEN TESTS\n"
    notebook.cells[4].source = hidden + notebook.cells[4].source
    for said, passes in ((hidden, False), ("### BEGIN HIDDEN TESTS", True), ("x = 2", True)):
        shown = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell()])
        shown.cells[0].outputs = [nbformat.v4.new_output("stream", text=said)]
        seal(shown, hidden_pieces(notebook))
        assert (shown.cells[0].outputs[0].text == said) == passes


@pytest.mark.parametrize(("shown", "agreed", "doubts"), [("4", 0.8, 1), ("3.99", 0.8, 1), ("3.2", 0.8, 0), ("2", 0, 0)])
def test_points_for_which_an_answer_is_not_right_enough_are_named(shown, agreed, doubts):
    notebook = source_notebook()
    test = notebook.cells[4]
    test.outputs = [nbformat.v4.new_output("execute_result", data={"text/plain": shown}, execution_count=1)]
    _, said = grade._confirmed(seal(notebook, set()), {grade_id(test): agreed})
    assert len(said) == doubts and (test.outputs[-1].output_type == "error") == (shown == "4")


def test_output_is_bounded():
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("for _ in range(300): print('x' * 10_000, flush=True)")]
    )
    executed = execute(notebook, Limits(cell=20, output=50_000))
    assert 0 < len(json.dumps(executed.cells[0].outputs)) < 60_000


FLOOD = """
from IPython import get_ipython
kernel = get_ipython().kernel
kernel.session.send(kernel.iopub_socket, "stream", {"name": "stdout", "text": ""}, buffers=[bytes(1 << 20)] * 3000)
"""


def test_what_a_kernel_sends_is_bounded_of_whatever_kind():
    """Read in a process of its own, whose memory ends: neither buffers nor an error get past it."""
    resource = pytest.importorskip("resource")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    cells = [nbformat.v4.new_code_cell(source) for source in ("raise ValueError('x' * 60_000_000)", "1 + 1")]
    error, two = execute(nbformat.v4.new_notebook(cells=cells), Limits(cell=30)).cells
    assert len(json.dumps(error.outputs)) < 100_000 and two.outputs[0].data["text/plain"] == "2"
    flooded = execute(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(FLOOD)]), Limits(cell=30, wall=60))
    assert len(json.dumps(flooded.cells[0].outputs)) < 100_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


ELSEWHERE = """
import os, time
from IPython import get_ipython
kernel = get_ipython().kernel
def send(kind, **content):
    kernel.session.send(kernel.iopub_socket, kind, content, parent=kernel.get_parent())
send("comm_open", comm_id="x", target_name="jupyter.widget", data={"state": {"x": "</script><script>"}})
send("execute_input", code="", execution_count="<script>")
time.sleep(1)
os._exit(0)
"""
HOLDS = """
import os, socket
files, pairs = 0, []
try:
    while files < 50_000:
        os.mknod(f"/tmp/{files}")
        files += 1
except OSError:
    pass
try:
    while len(pairs) < 2_000:
        pairs.append(socket.socketpair())
except OSError:
    pass
try:
    os.sched_setaffinity(0, range(os.cpu_count()))
    moved = True
except OSError:
    moved = len(os.sched_getaffinity(0)) > 1
(files < 50_000, len(pairs) < 2_000, moved)
"""


def test_a_kernel_writes_into_outputs_and_nowhere_else():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(ELSEWHERE)])
    executed = execute(notebook, Limits(30, 60))
    assert executed.metadata == notebook.metadata and executed.cells[0].execution_count in (None, 1)
    assert "script" not in json.dumps(executed.cells[0].metadata)


def test_what_a_notebook_shows_is_bounded_also_in_many_cells():
    cells = [nbformat.v4.new_code_cell("print('x' * 9_000)") for _ in range(30)]
    cells.append(nbformat.v4.new_code_cell("1 + 1", metadata={"nbgrader": {"grade": True, "solution": False}}))
    *_, last = executed = execute(nbformat.v4.new_notebook(cells=cells), Limits(30, 60, output=10_000)).cells
    assert 90_000 < len(json.dumps(executed)) < 130_000 and last.outputs[0].data["text/plain"] == "2"


def test_files_open_sockets_and_processors_have_an_end():
    if isolation().walls != "namespaces" or not isolation().filtered:
        pytest.skip("there are no walls here")
    (cell,) = execute(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(HOLDS)]), Limits(30, 60)).cells
    assert cell.outputs[0].data["text/plain"] == "(True, True, False)"
    assert set(sandbox._processors(0, 1)) | set(sandbox._processors(1, 1)) <= os.sched_getaffinity(0)


def test_a_reader_that_does_not_end_costs_that_notebook_alone(monkeypatch):
    def never(*given, timeout, **options):
        raise subprocess.TimeoutExpired(given, timeout)

    isolation()
    monkeypatch.setattr(sandbox.subprocess, "run", never)
    executed = execute(source_notebook(), Limits(30, 60))
    assert {output.ename for cell in executed.cells for output in cell.get("outputs", [])} == {"NotRun"}


def test_a_reader_that_runs_out_of_memory_costs_that_notebook_alone(monkeypatch):
    isolation()
    monkeypatch.setattr(
        sandbox.subprocess, "run", lambda *given, **options: subprocess.CompletedProcess(given, -6, stderr=b"")
    )
    executed = execute(source_notebook(), Limits())
    assert {output.ename for cell in executed.cells for output in cell.get("outputs", [])} == {"NotRun"}


SYSTEM_CALLS = """
import ctypes, os, socket
found, libc = [], ctypes.CDLL(None, use_errno=True)
for name, call in {
    "namespace": lambda: libc.unshare(0x10000000),
    "clone": lambda: libc.syscall(56 if os.uname().machine == "x86_64" else 220, 0x10000000 | 17, 0, 0, 0, 0),
    "mount": lambda: libc.mount(b"none", b"/tmp", b"tmpfs", 0, None),
    "memfd": lambda: libc.memfd_create(b"x", 0),
    "ptrace": lambda: libc.ptrace(0, 0, 0, 0),
    "shmget": lambda: libc.shmget(0, 1 << 20, 0o1600),
}.items():
    found += [name] if call() >= 0 else []
for family in (40, 38, 17, 31):  # virtual machines, the kernel's crypto, raw packets, Bluetooth
    try:
        socket.socket(family, socket.SOCK_STREAM if family == 40 else socket.SOCK_RAW)
        found.append(family)
    except OSError:
        pass
found
"""


def test_system_calls_that_no_notebook_needs_are_refused():
    if not isolation().filtered:
        pytest.skip("libseccomp is not here")
    (cell,) = execute(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(SYSTEM_CALLS)]), Limits(30, 60)).cells
    assert cell.outputs[0].data["text/plain"] == "[]"


def test_a_cell_that_ignores_interrupts_ends_the_kernel_and_not_the_class():
    stubborn = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass"
    cells = [nbformat.v4.new_code_cell(source) for source in (stubborn, "1 + 1", "2 + 2")]
    executed = execute(nbformat.v4.new_notebook(cells=cells), Limits(cell=1, wall=60))
    assert [[output.ename for output in one.outputs] for one in executed.cells] == [["TooLong"], ["NotRun"], ["NotRun"]]


def test_a_kernel_that_does_not_start_costs_no_student(monkeypatch):
    tries = []

    def run(*given):
        tries.append(given)
        raise sandbox.NotStarted("no memory")

    monkeypatch.setattr(sandbox, "_run", run)
    with pytest.raises(sandbox.NotStarted):
        sandbox._read_job({"notebook": source_notebook()})
    assert len(tries) == sandbox.STARTS


def test_nothing_is_graded_where_the_own_answers_fail(tmp_path):
    course = make_course(tmp_path, ["anna"])
    release_assignment(course, "1_double")
    shutil.copytree(course.root / "release" / "1_double", tmp_path / "handed")
    collect_submissions(course, "1_double", tmp_path / "handed")
    path = course.source("1_double")
    path.write_text(path.read_text().replace("x + x", "x + 3"))
    with pytest.raises(InputError, match="the source's own answers fail test_double, test_more"):
        grade_assignment(course, "1_double")
    assert not (course.root / "autograded").exists()


def test_nothing_is_graded_where_no_kernel_starts(monkeypatch):
    def execute(*given):
        raise sandbox.NotStarted("Kernel died before replying")

    monkeypatch.setattr(grade, "execute", execute)
    with pytest.raises(InputError, match=r"nothing is graded: .* \(Kernel died before replying\): .*now 77 MiB"):
        grade._with_times(Limits(memory=77), source_notebook(), 1, Path("/nowhere"), None, Probes(source_notebook()))


def test_times_follow_from_those_of_the_own_answers(monkeypatch):
    executed = source_notebook()
    executed.cells[3].metadata["execution"] = {
        "iopub.status.busy": "2026-01-01T00:00:00.000000Z",
        "iopub.status.idle": "2026-01-01T00:00:59.900000Z",
    }
    executed.cells[4].outputs = [
        nbformat.v4.new_output("execute_result", data={"text/plain": "4.0"}, execution_count=1)
    ]
    monkeypatch.setattr(grade, "execute", lambda *given: executed)
    limits = grade._with_times(Limits(memory=77), executed, 1, Path("/nowhere"), None, Probes(executed))
    assert (limits.cell, limits.wall, limits.memory) == (360, 360, 77)


def test_shapes10_is_shown_to_an_assignment_that_reads_it(monkeypatch, tmp_path):
    drawn = []
    monkeypatch.setattr(grade, "load_shapes10", lambda: drawn.append(1))
    monkeypatch.setattr(grade, "cache_file", lambda place, name: tmp_path / "drawn")
    (tmp_path / "drawn").write_text("shapes")
    with grade._shapes10(source_notebook()) as data:
        assert data is None and not drawn
    reads = 'import os\nprint(open(os.environ["RESNET_TUTORIAL_CACHE"] + "/drawn").read())  # shapes10'
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(reads)])
    with grade._shapes10(notebook) as data:
        executed = execute(notebook, Limits(cell=20, wall=60), data=data)
    assert executed.cells[0].outputs[0].text == "shapes\n" and not data.exists()


def test_an_early_attempt_does_not_overwrite_the_last():
    release = source_notebook()
    handed = deepcopy(release)
    early = deepcopy(handed.cells[3])
    early["id"], early.source = "early", "def double(x):\n    return x"
    handed.cells[3].source = RIGHT
    handed.cells.insert(3, early)
    mended, _ = put_together(read("a.ipynb", nbformat.writes(handed).encode()), release)
    assert [c.source for c in mended.cells].index(early.source) < [c.source for c in mended.cells].index(RIGHT)


def test_written_part_waits_for_a_reader(tmp_path, capsys):
    course = make_course(tmp_path, ["anna"])
    release_assignment(course, "2_essay")
    (tmp_path / "handed").mkdir()
    work = answer(course, "anna", RIGHT, "2_essay")
    work.cells[-1].source = "Because."
    nbformat.write(work, tmp_path / "handed" / "anna.ipynb")
    collect_submissions(course, "2_essay", tmp_path / "handed")
    (grade,) = grade_assignment(course, "2_essay")
    assert (grade.points, grade.possible, grade.waits) == (6, 9, True)
    assert export_grades(course, "plain", tmp_path / "g.csv") == ["anna, 2_essay: a written part waits to be read"]
    work.cells[-1].source = "Or because."
    nbformat.write(work, tmp_path / "handed" / "anna.ipynb")
    collect_submissions(course, "2_essay", tmp_path / "handed")
    assert "anna, 2_essay: collected, but not graded since" in export_grades(course, "plain", tmp_path / "g.csv")[0]
    with pytest.raises(InputError, match="no assignment is called '2_esay'"):
        export_grades(course, "plain", tmp_path / "g.csv", ("2_esay",))
    with pytest.raises(SystemExit):
        cli.main(["classroom", "export", str(tmp_path / "g.csv" / "g.csv"), "--course", str(course.root)])
    assert capsys.readouterr().err.startswith("error: cannot write ")


def test_init_refuses_what_would_be_lost_or_is_wrong(tmp_path):
    course = make_course(tmp_path, ["anna"])
    students, assignments = tmp_path / "students.csv", tmp_path / "assignments"
    with pytest.raises(InputError, match="is not empty"):
        init_course(course.root, students, assignments)
    for text, problem in (
        ("id,email\na,b", "has no column first_name"),
        ("id,first_name,last_name,email\n../a,b,c,d", "is no id"),
    ):
        students.write_text(text)
        with pytest.raises(InputError, match=problem):
            init_course(tmp_path / "new", students, assignments)
    assert not (tmp_path / "new").exists()
    students.write_text("id,first_name,last_name,email\na,b,c,d")
    for options, problem in (({"book": "site"}, "should begin with https://"), ({"install": '"'}, "between quotes")):
        with pytest.raises(InputError, match=problem):
            init_course(tmp_path / "new", students, assignments, **options)
    with pytest.raises(InputError, match="holds no course"):
        Course.open(tmp_path)


def test_init_that_is_interrupted_can_be_called_again(tmp_path, monkeypatch):
    make_course(tmp_path, ["anna"])
    given = tmp_path / "new", tmp_path / "students.csv", tmp_path / "assignments"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("resnet_course.classroom.course._enroll", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        init_course(*given)
    assert [one.id for one in init_course(*given).students()] == ["anna"]


def test_a_class_of_canvas_keeps_its_numbers(tmp_path):
    make_course(tmp_path, ["anna"])
    (tmp_path / "list.csv").write_text(
        "Student;ID;SIS User ID;SIS Login ID\nNg, Zoë;4711;b.c;z@example.edu\n", "utf-8-sig"
    )
    course = init_course(tmp_path / "new", tmp_path / "list.csv", tmp_path / "assignments")
    assert course.students() == [Student("b.c", "Zoë", "Ng", "z@example.edu", "4711")]


def test_the_key_shows_solutions_points_and_one_students_numbers(tmp_path):
    course = make_course(tmp_path, ["anna", "bob"])
    page = write_key(course, "2_essay", "anna")
    text = page.read_text()
    shown = html.unescape(re.sub(r"<[^>]*>", "", text))
    assert page == course.root / "key" / "2_essay_anna.html"
    assert "(for the instructor)</title>" in text and "Do not hand out" in text
    assert "twice_the_number" in shown and "-17" in shown and 'STUDENT = "anna"' in shown
    assert re.search(r"test_double\s+4 of 4\s+test_more\s+2 of 2\s+essay\s+3, read by you\s+Together\s+9", shown)
    assert "default-src 'none'" in text and "<math" in text and not re.search("<script|<link|src=.http", text)
    rows = {row["id"]: row for row in csv.DictReader((course.root / "key" / "2_essay.csv").open())}
    assert set(rows) == {"anna", "bob"} and rows["anna"]["seed"] == str(variant("anna").seed) != rows["bob"]["seed"]
    release_assignment(course, "2_essay")
    assert sorted(path.name for path in (course.root / "release").rglob("*.*")) == ["2_essay.ipynb"] * 2
    for place in (course.root, course.root.parent, course.root / "key", course.release("2_essay", "anna").parent):
        with pytest.raises(InputError, match="is the course, or of it"):
            collect_submissions(course, "2_essay", place)


def test_no_key_where_students_look_or_from_a_broken_source(tmp_path):
    course = make_course(tmp_path, ["anna"])
    with pytest.raises(InputError, match="'eve' is not in the class"):
        write_key(course, "1_double", "eve")
    (course.root / "release").mkdir()
    (course.root / "key").symlink_to(course.root / "release")
    with pytest.raises(InputError, match="remove the link"):
        write_key(course, "1_double")
    (course.root / "key").unlink()
    path = course.source("1_double")
    path.write_text(path.read_text().replace("= x + x", "= abs(x + x)"))
    with pytest.raises(InputError, match="earns 2 of 4 points in test_double"):
        write_key(course, "1_double")
    assert not list(course.root.rglob("*.html"))


def test_command_line(tmp_path, capsys):
    make_course(tmp_path, ["anna", "bob"])
    course = ["--course", str(tmp_path / "course")]

    def run(*words):
        with pytest.raises(SystemExit) as stop:
            cli.main(["classroom", *words])
        return stop.value.code, *capsys.readouterr()

    new = str(tmp_path / "second")
    status, out, _ = run(
        "init", new, "--students", str(tmp_path / "students.csv"), "--assignments", str(tmp_path / "assignments")
    )
    assert status == 0 and "2 students, 2 assignments: 1_double, 2_essay" in out
    assert "2 files" in run("release", "1_double", *course)[1]
    shutil.copytree(tmp_path / "course" / "release" / "1_double", tmp_path / "handed")
    status, out, _ = run("collect", "1_double", str(tmp_path / "handed"), *course)
    assert status == 0 and "2 taken in; 2 of 2 have handed in" in out
    status, out, _ = run("key", "1_double", *course)
    assert status == 0 and "1_double.html: for you, not for the class" in out
    assert run("release", "3_none", *course)[0] == 1
    assert "nothing to grade" in run("grade", "2_essay", *course)[2]
    (tmp_path / "empty").mkdir()
    assert "no file is in" in run("collect", "1_double", str(tmp_path / "empty"), *course)[2]
    assert "does not exist" in run("collect", "1_double", str(tmp_path / "none"), *course)[2]
    for flag in ("--cell-seconds", "--seconds", "--memory", "--jobs"):
        assert f"{flag} must be 1 or more, not -5" in run("grade", "1_double", flag, "-5", *course)[2]
    (tmp_path / "course" / "source" / "2_essay" / "2_essay.ipynb").write_text("{")
    assert "cannot be read as a notebook" in run("release", "2_essay", *course)[2]
    (tmp_path / "course" / "source" / "1_double").rename(tmp_path / "course" / "source" / "double")
    assert "no assignment is called 'double': choose from 2_essay" in run("release", "double", *course)[2]
    status, _, error = run("grad", "1_double")
    assert status == 2 and "did you mean grade?" in error
    assert "export" in run("--help")[1]


def test_one_bad_page_is_skipped_and_what_stood_there_stays(graded, tmp_path):
    course = Course(Path(shutil.copytree(graded[0].root, tmp_path / "course")))
    broken, marked = (course.root / "autograded" / one / "1_double" / "1_double.ipynb" for one in ("half", "right"))
    page, page_of_right = (course.root / "feedback" / one / "1_double" / "1_double.html" for one in ("half", "right"))
    before = page.read_text()
    for path in (broken, marked):
        path.chmod(0o644)
    broken.write_text("{")
    notebook = nbformat.read(marked, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell("print('### BEGIN HIDDEN TESTS')"))
    nbformat.write(notebook, marked)
    written = write_feedback(course, "1_double")
    assert list(written.skipped) == ["half"] and len(written.pages) == len(EXPECTED) - 1
    assert page.read_text() == before and "BEGIN HIDDEN" in page_of_right.read_text()
    assert not list(course.root.glob(".feedback-*"))


def test_code_is_read_in_many_threads():
    class Leaves:
        def __del__(self):  # Python code in the midst of the parser lets another thread go on
            sum(range(10))

    def work(_):
        for _ in range(5):
            one = Leaves()
            one.itself = one
            read_code(source)

    source = "\n".join(f"def f{i}(a):\n    return [a * {i} for _ in range(a)]" for i in range(200))
    often = gc.get_threshold()
    gc.set_threshold(5)
    try:
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(work, range(16))) == [None] * 16
    finally:
        gc.set_threshold(*often)
