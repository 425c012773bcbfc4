"""The Teaching pages say what the assignments, the chapters and the commands say."""

import csv
import importlib.util
import json
import re
import shlex
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml
from PIL import Image

from resnet_course.command import STEPS, GradeArgs
from resnet_tutorial import cli
from resnet_tutorial.cli.parser import parse

from .test_front_matter import CHAPTERS, minutes_of

ROOT = Path(__file__).parents[2]
BOOK = ROOT / "book"
PARTS = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))["parts"]
PAGES = [
    f"{Path(page['file']).name}.md" for part in PARTS if part["caption"] == "Teaching" for page in part["chapters"]
]
TEXT = {page: (BOOK / page).read_text(encoding="utf-8") for page in PAGES}
ASSIGNMENTS = {path.stem: path for path in sorted((ROOT / "resnet_course/assignments").glob("*/*.ipynb"))}


def cells(assignment: str) -> list[dict]:
    return json.loads(ASSIGNMENTS[assignment].read_text(encoding="utf-8"))["cells"]


@cache
def facts(assignment: str) -> tuple[int, int, int]:
    """Points, minutes and tasks, as the notebook says them."""
    title = "".join(cells(assignment)[0]["source"])
    points, minutes = map(int, re.findall(r"\*\*(\d+)\*\*", title))
    graded = sum(cell["metadata"].get("nbgrader", {}).get("points", 0) for cell in cells(assignment))
    assert graded == points
    tasks = len(re.findall(r"^## Task \d", "\n".join("".join(cell["source"]) for cell in cells(assignment)), re.M))
    return points, minutes, tasks


def rows(text: str, heading: str) -> list[list[str]]:
    """Body of the first table below a heading."""
    table = re.search(r"(?:^\|.*\n)+", text.partition(f"\n## {heading}\n")[2], re.M)[0]
    return [[word.strip() for word in line.strip("|\n ").split("|")] for line in table.splitlines()[2:]]


def number(text: str) -> int:
    return int(text.strip("*").split(" = ")[-1])


def commands(text: str) -> list[str]:
    """What a page tells its readers to type."""
    blocks = re.findall(r"^```(bash|console)\n(.*?)^```", text, re.M | re.S)
    lines = [(kind, line) for kind, block in blocks for line in block.splitlines()]
    return [line.removeprefix("$ ") for kind, line in lines if kind == "bash" or line.startswith("$ ")]


@pytest.mark.parametrize("page", PAGES)
def test_every_command_is_known(page):
    for line in commands(TEXT[page]):
        _, found, words = line.partition("resnet-tutorial classroom ")
        if found:
            step, *words = shlex.split(words)
            parse(STEPS[step], f"classroom {step}", words)


def test_the_path_is_that_of_the_commands():
    path = re.findall(r"^\d\. `(\w+)`", TEXT["teaching.md"].partition("## The path")[2], re.M)
    assert path == [step for step in STEPS if step in path] and len(path) == 6


def test_the_table_of_assignments():
    *body, together = rows(TEXT["teaching.md"], "Six assignments")
    assert [row[0].strip("`") for row in body] == list(ASSIGNMENTS)
    for name, *numbers, _, chapters in body:
        assert tuple(map(int, numbers)) == facts(name.strip("`"))
        title = "".join(cells(name.strip("`"))[0]["source"])
        assert set(re.findall(r"(\w+)\.ipynb", chapters)) == set(re.findall(r"book/(\w+)\.ipynb", title)), name
    assert [number(cell) for cell in together[1:4]] == [
        sum(column) for column in zip(*map(facts, ASSIGNMENTS), strict=True)
    ]


def sessions(heading: str) -> dict[int, int]:
    """Minutes at home for each session of a timetable, after all its sums were done again."""
    *body, together = rows(TEXT["teaching_timetables.md"], heading)
    read, worked, home = [], [], []
    for _, chapters, _, assignment, minutes in body:
        named = re.findall(r"\((\w+)\.ipynb\) (\d+)", chapters)
        assert all(int(said) == minutes_of(chapter) for chapter, said in named) and named
        read.append(sum(int(said) for _, said in named))
        worked.append(0)
        if assignment != "none":
            which, said = assignment.split(": ")
            (name,) = (name for name in ASSIGNMENTS if name.startswith(f"{which}_"))
            assert int(said) == facts(name)[1]
            worked[-1] = int(said)
        home.append(int(minutes))
    assert home == [a + b for a, b in zip(read, worked, strict=True)]
    assert number(together[1]) == sum(read) and number(together[3]) == sum(worked)
    assert number(together[4]) == sum(home) and number(together[2]) == 90 * len(body)
    return dict(enumerate(home, start=1))


def test_eight_weeks_hold_the_whole_book():
    sessions("Eight weeks, one session a week")
    text = TEXT["teaching_timetables.md"].partition("## Eight")[2].partition("## Four")[0]
    read = re.findall(r"\((\w+)\.ipynb\) \d", text)
    assert sorted(read) == sorted(Path(chapter["file"]).name for chapter in CHAPTERS)


def test_four_weeks_are_the_same_sessions():
    home = sessions("Eight weeks, one session a week")
    *body, together = rows(TEXT["teaching_timetables.md"], "Four weeks, two sessions a week")
    for _, pair, in_class, minutes in body:
        first, second = map(int, pair.split(" and "))
        assert int(minutes) == home[first] + home[second] and int(in_class) == 180
    assert number(together[2]) == 180 * len(body) and number(together[3]) == sum(home.values())


def test_two_weeks():
    home = list(sessions("Two weeks, three sessions a week").values())
    assert (
        f"Week 1 asks for {sum(home[:3])} minutes at home, week 2 for {sum(home[3:])}."
        in TEXT["teaching_timetables.md"]
    )


def test_a_session_has_90_minutes():
    shape = re.search(r"(?:^\|.*\n)+", TEXT["teaching_timetables.md"], re.M)[0]
    assert sum(map(int, re.findall(r"^\| (\d+) \|", shape, re.M))) == 90


def test_each_chapter_has_a_question():
    asked = [row[0] for row in rows(TEXT["teaching_timetables.md"], "A question to open each chapter with")]
    assert [re.search(r"\((\w+)\.ipynb\)", cell)[1] for cell in asked] == [Path(c["file"]).name for c in CHAPTERS]


def test_options_and_limits_are_those_of_the_commands():
    from resnet_course.classroom import Limits
    from resnet_course.classroom.grade import LEAST_CELL, LEAST_WALL, SLOWER

    shown = dict(row[:2] for row in rows(TEXT["teaching_grading.md"], "Grade") if row[0].startswith("`--"))
    args = GradeArgs("1_convolution")
    assert args.cell_seconds is None and args.seconds is None and SLOWER == 6
    assert shown["`--cell-seconds`"] == f"six times the slowest cell of the solution, and {LEAST_CELL} at least"
    assert shown["`--seconds`"] == f"six times the whole solution, and {LEAST_WALL} at least"
    assert shown["`--memory`"] == f"{args.memory}"
    limits, safety = Limits(), TEXT["teaching_safety.md"]
    said = (f"{LEAST_CELL} s for a cell and {LEAST_WALL} s for a notebook", f"{limits.cpu} s of processor time")
    said += (f"{limits.memory:,} MiB of addresses", f"{limits.processes} processes", f"{limits.file} MiB for a file")
    assert all(words in " ".join(safety.split()) for words in (*said, f"{limits.output:,} characters"))


def test_pictures_are_described_small_and_used():
    text = "".join(TEXT.values())
    pictures = re.findall(r"```\{image\} (\S+)\n:alt: (.{40,})\n:class: rt-shot\n", text)
    assert {BOOK / name for name, _ in pictures} == set((BOOK / "_static" / "teaching").iterdir())
    for name, _ in pictures:
        with Image.open(BOOK / name) as picture:
            assert 1000 <= picture.width <= 1300 and (BOOK / name).stat().st_size <= 120_000, name


def sample():
    spec = importlib.util.spec_from_file_location("screenshots", BOOK / "screenshots.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_invented_work_still_fits_the_assignments():
    for assignment, students in sample().WORK.items():
        answers = ["".join(c["source"]) for c in cells(assignment) if c["metadata"].get("nbgrader", {}).get("solution")]
        for edits in students.values():
            for text, edit in edits.items():
                (answer,) = (answer for answer in answers if text in answer)
                assert edit is None or edit(answer) != answer


@pytest.mark.skipif(sys.platform == "win32", reason="the course is made on Linux or macOS")
@pytest.mark.filterwarnings("ignore")  # nbgrader and SQLAlchemy
def test_the_first_ten_minutes(tmp_path, monkeypatch, capsys):
    """The commands of the first page, run: they say what the page says."""
    pytest.importorskip("nbgrader")
    page = TEXT["teaching.md"]
    (class_list,) = re.findall(r"```text\n(id,.*?)```", page, re.S)
    assert class_list == sample().CLASS
    (block,) = re.findall(r"```console\n(.*?)```", page, re.S)
    monkeypatch.chdir(tmp_path)
    Path("class.csv").write_text(class_list, encoding="utf-8")
    said = []
    for line in commands(page):
        program, *words = shlex.split(line)
        if program == "cd":
            said.append(f"$ {line}\n")
            monkeypatch.chdir(words[0])
        elif program == "resnet-tutorial":
            with pytest.raises(SystemExit, match="0"):
                cli.main(words)
            said.append(f"$ {line}\n{capsys.readouterr().out}")
    assert "".join(said) == block


def test_the_tables_of_grades_are_whole():
    """Who handed in nothing has an empty field; no grade exceeds what is possible."""
    (table,) = re.findall(r"```text\n(Student,.*?)```", TEXT["teaching_grading.md"], re.S)
    head, possible, *students = csv.reader(table.splitlines())
    assert [float(most) for most in possible[5:]] == [facts(name)[0] for name in head[5:]]
    assert len(students) == sample().CLASS.count("\n") - 1
    for row in students:
        assert all(not got or float(got) <= float(most) for got, most in zip(row[5:], possible[5:], strict=True))
