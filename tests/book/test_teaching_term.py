"""The page of a term is run from top to bottom: its commands say what it says."""

import re
import shlex
import shutil
import sys
import zipfile
from datetime import datetime, timezone
from functools import cache
from os import utime
from pathlib import Path

import pytest

pytest.importorskip("nbgrader")
import nbformat

from benchmarks.classroom.work import MARKERS, about
from resnet_course.classroom import Course, grade
from resnet_tutorial import cli

from ..course.test_classroom import _version_of_the_gradebook_asked_once  # noqa: F401
from ..course.test_term import run_here
from .test_teaching import ROOT, TEXT, sample

PAGE = TEXT["teaching_term.md"]
NAMES = """
alvarez Elena, bauer Tim, chen Wei, dubois Chloe, eriksen Nils, fischer Eva, garcia Luis, haddad Omar, hartmann Lena,
ivanov Petr, jones Amy, kaya Deniz, lind Jonas, mori Kenji, novak Jana, okafor Mira, patel Asha, quinn Liam,
ribeiro Sofia, rossi Marco, santos Ines, silva Rui, tanaka Yui, ueda Ken, vogel Max, weber Paul, xu Lan, yilmaz Ece,
zeman Ota, zhou Min"""
CLASS = {last: (first, last.title()) for last, first in (name.split() for name in NAMES.split(","))}
NEW = {**CLASS, "rossi": ("Marco", "Bianchi"), "kimj": ("Min", "Kim"), "kimm": ("Min", "Kim")}
del NEW["weber"]
COPIED = sample().COPIED
FIRST, SECOND = "1_convolution", "2_basic_block"
# What is done to a right answer, by the assignment and the student.
WRONG = {
    (FIRST, "lind"): ("2 * padding", "padding"),
    (FIRST, "mori"): ("        step *= stride\n", ""),
    (FIRST, "ribeiro"): ("def predict", None),
    (FIRST, "santos"): ("def predict", None),
    (SECOND, "lind"): ("new // 2, new - new // 2", "0, new"),
}


def write_class(path, people):
    rows = [f"{one},{first},{last},{one}@example.edu" for one, (first, last) in people.items()]
    path.write_text("\n".join(["id,first_name,last_name,email", *rows]), encoding="utf-8")


def answers(notebook):
    return {about(c)["grade_id"]: MARKERS.sub("", c.source) for c in notebook.cells if about(c).get("solution")}


@cache
def right(assignment):
    """Its answers."""
    path = ROOT / f"resnet_course/assignments/{assignment}/{assignment}.ipynb"
    return answers(nbformat.read(path, as_version=4))


def work(assignment, student):
    notebook = nbformat.read(f"release/{assignment}/{student}/{assignment}.ipynb", as_version=4)
    old, new = WRONG.get((assignment, student), ("", ""))
    for cell in notebook.cells:
        if about(cell).get("solution"):
            answer = right(assignment)[about(cell)["grade_id"]]
            cell.source = answer.replace(old, new) if new is not None else COPIED if old in answer else answer
    return nbformat.writes(notebook)


def pack(path, assignment, people, when, late=()):
    with zipfile.ZipFile(path, "w") as archive:
        for number, (one, (first, last)) in enumerate(people.items()):
            name = f"{first} {last}_{51000 + number}_assignsubmission_file_/{assignment}.ipynb"
            archive.writestr(zipfile.ZipInfo(name, dict(late).get(one, when)), work(assignment, one))


def graded_here(notebook, *given):
    """A right answer has all points, without being run; any other one is run, but in this process."""
    if answers(notebook) not in (right(FIRST), right(SECOND)):
        return run_here(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            shown = {"text/plain": f"{about(cell).get('points')}"}
            is_test = about(cell).get("grade")
            cell.outputs = [nbformat.v4.new_output("execute_result", data=shown)] if is_test else []
    return notebook


class NoProbes:
    """Nothing is asked again: that is tested elsewhere."""

    def __init__(self, source):
        pass

    def put_in(self, notebook):
        return notebook

    def take_out(self, notebook):
        return {}

    def learn(self, given):
        pass

    def agreement(self, given):
        return {}


def week2(root):
    people = {one: CLASS[one] for one in CLASS if one not in ("alvarez", "tanaka", "weber")}
    pack(root / "week2.zip", FIRST, people, (2026, 9, 14, 20, 5, 0), {"silva": (2026, 9, 17, 8, 20, 0)})


def late(root):
    (root / "late").mkdir()
    (root / "late" / "alvarez.ipynb").write_text(work(FIRST, "alvarez"))
    utime(root / "late" / "alvarez.ipynb", (datetime(2026, 9, 21, 16, tzinfo=timezone.utc).timestamp(),) * 2)


def unfair(root):
    path = Path(f"source/{SECOND}/{SECOND}.ipynb")
    notebook = nbformat.read(path, as_version=4)
    (test,) = (cell for cell in notebook.cells if about(cell).get("grade_id") == "costs-test")
    test.source = f"# Corrected.\n{test.source}"
    nbformat.write(notebook, path)


def copy(root):
    other = Course(Path(shutil.copytree(".", root / "copy")).resolve())
    with other.gradebook() as book:
        for student in ("lind", "mori"):
            mark = book.find_grade("size-test", FIRST, FIRST, student)
            mark.manual_score, mark.needs_manual_grade = 3, False
        book.db.commit()


# What happens before a command: by how its line begins.
BEFORE = {
    "init": lambda root: write_class(root / "class.csv", CLASS),
    "collect 1_convolution ../week2.zip": week2,
    "roster": lambda root: write_class(root / "class_week3.csv", NEW),
    "collect 2_basic_block": lambda root: pack(
        root / "week4.zip", SECOND, {one: NEW[one] for one in NEW if one != "tanaka"}, (2026, 9, 28, 12, 0, 0)
    ),
    "collect 1_convolution ../late": late,
    "merge": copy,
}


@pytest.mark.skipif(sys.platform == "win32", reason="grading needs Linux or macOS")
@pytest.mark.filterwarnings("ignore")  # nbgrader and SQLAlchemy
def test_the_term_is_as_the_page_says(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(grade, "execute", graded_here)
    monkeypatch.setattr(grade, "Probes", NoProbes)
    monkeypatch.setattr("resnet_course.steps.isolation", lambda: type("Walls", (), {"says": "Walls."}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(grade.os, "cpu_count", lambda: 1)
    other = []
    for kind, block in re.findall(r"^```(console|python)\n(.*?)^```", PAGE, re.M | re.S):
        if kind == "python":
            path = Path("nbgrader_config.py")
            path.write_text(path.read_text(encoding="utf-8") + block, encoding="utf-8")
            continue
        for line, answer in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.M):
            said = run(line, answer, tmp_path, monkeypatch, capsys)
            pattern = re.escape(answer).replace("…\\\n", "(?:.*\n)*?").replace("…", ".*?")
            other += [f"$ {line}\n{said}"] if not re.fullmatch(pattern, said) else []
    assert not other, "\n".join(other)


def run(line, answer, root, monkeypatch, capsys):
    """What a line of the page answers."""
    program, *words = shlex.split(line)
    if program == "cd":
        monkeypatch.chdir(words[0])
        return ""
    for begin, act in BEFORE.items():
        if line.removeprefix("resnet-tutorial classroom ").startswith(begin):
            act(root)
    if "has changed since its release" in answer:
        unfair(root)
    with pytest.raises(SystemExit):
        if "another command is at work" in answer:
            with Course(Path.cwd()).locked("classroom grade 5_training_loop"):
                cli.main(words)
        cli.main(words)
    return "".join(capsys.readouterr())
