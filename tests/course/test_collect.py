"""Every file to whom it belongs, whatever it holds: names, systems, attempts, damage."""

import io
import json
import re
import stat
import zipfile
from pathlib import Path

import hypothesis
import nbformat
import pytest
from hypothesis import strategies as st

from resnet_course.classroom import collect_submissions, handed
from resnet_course.classroom.class_list import Student
from resnet_course.classroom.roster import Roster
from resnet_course.classroom.whose import CELL, PART, PATH, SYSTEM, Delivery, whose
from resnet_tutorial.errors import InputError

from .room import CLASS, NAME, Room, marks, pack, room, work

NUMBERED = [Student(str(i), one.first_name, one.last_name, "") for i, one in enumerate(CLASS, 1)]
SYSTEMS_FORMS = {
    "Canvas": "{lower}_520_31000_1_convolution.ipynb",
    "Canvas, late, again": "{lower}_late_520_31000_1_convolution-1.ipynb",
    "Moodle": "{first} {last}_8800_assignsubmission_file_/1_convolution.ipynb",
    "Moodle, flat": "{first} {last}_8800_assignsubmission_file_1_convolution.ipynb",
    "Moodle, last name first": "{last}, {first}_8800_assignsubmission_file/1_convolution.ipynb",
    "Brightspace": "12345-67890 - {first} {last} - Sep 5, 2025 1030 AM/1_convolution.ipynb",
    "Brightspace, flat": "12345-67890 - {first} {last}- 5 November, 2025 2330 - 1_convolution.ipynb",
    "Brightspace, with a code": "12345-67890 - N0012345 - {first} {last} - Sep 5, 2025 1030 AM/work.ipynb",
    "ILIAS": "{last}_{first}_x99y_4711/20250905103000_1_convolution.ipynb",
    "ILIAS, in teams": "Team_7/{last}_{first}_x99y_4711/1_convolution.ipynb",
    "Sakai": "{last}, {first}(x99y)/Submission attachment(s)/1_convolution.ipynb",
    "Schoology": "{last}, {first} - 99812345/Revision 1 - On Time/1_convolution.ipynb",
    "Teams": "{first} {last}/1. Convolution/Version 1/1_convolution.ipynb",
    "Google": "1_convolution - {first} {last}.ipynb",
    "a folder too deep": "Vision-2 Convolution-88/{first} {last}_8800_assignsubmission_file/1_convolution.ipynb",
    "by hand": "{first} {last}.IPYNB",
    "by hand, in one word": "{first}{last} (2).ipynb",
}
LOGIN_FORMS = {
    "Blackboard": "1_convolution_{id}_attempt_2025-01-01-10-10-10_name.ipynb",
    "Blackboard, another title": "Week 1_sheet_{id}_attempt_2025-01-01-10-10-10_name.ipynb",
    "GitHub": "1-convolution-{id}/work.ipynb",
    "GitHub, unpacked": "submissions/1_convolution-{id}/src/work.ipynb",
    "nbgrader": "{id}/1_convolution/1_convolution.ipynb",
    "by hand": "{id}.ipynb",
    "by hand, with the name": "{id}_1_convolution.ipynb",
    "by hand, a copy": "{id} - Copy (3).ipynb",
}


def claim(path, says=(), students=CLASS, others=(), submitters=None):
    return whose(path, says, Delivery.of([path, *others], Roster(students, [NAME, "2_basic_block"]), submitters or {}))


@pytest.mark.parametrize("form", SYSTEMS_FORMS.values(), ids=SYSTEMS_FORMS)
@pytest.mark.parametrize("students", [CLASS, NUMBERED], ids=["ids of letters", "ids of digits"])
def test_the_name_decides_in_every_systems_form(form, students):
    for one in students:
        lower = "".join(filter(lambda c: c.isalnum() or not c.isascii(), f"{one.last_name}{one.first_name}".lower()))
        path = form.format(first=one.first_name, last=one.last_name, lower=lower)
        assert claim(path, students=students).student == one.id, path


@pytest.mark.parametrize("form", LOGIN_FORMS.values(), ids=LOGIN_FORMS)
def test_the_login_decides_where_a_system_writes_it(form):
    codes = [Student(f"00047{i}", one.first_name, one.last_name, "") for i, one in enumerate(CLASS, 11)]
    odd = [Student("l.brandt+v@x.example", "Lena", "Brandt", ""), Student("s-1_2", "Femi", "Oduya", "")]
    for one in (*CLASS, *codes, *odd):
        students = next(group for group in (CLASS, codes, odd) if one in group)
        assert claim(form.format(id=one.id), students=students).student == one.id


@pytest.mark.parametrize(
    ("path", "student"),
    [
        ("Juergen Krueger_1_assignsubmission_file_/a.ipynb", "krueger"),
        ("Jurgen Kruger_1_assignsubmission_file_/a.ipynb", "krueger"),
        ("Ju\u0308rgen Kru\u0308ger_1_assignsubmission_file_/a.ipynb", "krueger"),
        ("JÜRGEN KRÜGER_1_assignsubmission_file_/a.ipynb", "krueger"),
        ("J_rgen Kr_ger_1_assignsubmission_file_/a.ipynb", "krueger"),
        ("krgerjrgen_111_222_a.ipynb", "krueger"),
        ("Ase Naess/a.ipynb", "naess"),
        ("Aase Naess/a.ipynb", "naess"),
        ("Sean OShea/a.ipynb", "oshea"),
        ("Seán O’Shea/a.ipynb", "oshea"),
        ("Jiwoo Park/a.ipynb", "park"),
        ("Федор Терещенко/a.ipynb", "tereshchenko"),
        ("王芳/a.ipynb", "wang"),
        ("करण शर्मा/a.ipynb", None),  # another vowel, another name
        ("Jorgen Kruger/a.ipynb", None),
        ("Lena/a.ipynb", None),
    ],
)
def test_names_in_other_spellings(path, student):
    assert claim(path).student == student


@pytest.mark.parametrize(
    ("path", "says", "student", "rank"),
    [
        # What a system wrote decides, also against everything behind it, and a name that is nobody's is nobody's.
        ("Jürgen Krüger_8802_assignsubmission_file/oduya.ipynb", ["oduya"], "krueger", SYSTEM),
        ("kruegerjuergen_522_31002_oduya.ipynb", ["oduya"], "krueger", SYSTEM),
        ("Max Park_8806_assignsubmission_file/park.ipynb", ["park"], None, SYSTEM),
        ("parkmax_777_31009_1_convolution.ipynb", ["park"], None, SYSTEM),
        ("12345-67890 - Max Park - Sep 5, 2025 1030 AM/park.ipynb", ["park"], None, SYSTEM),
        ("week_muster_attempt_2025-01-01-10-10-10_park.ipynb", ["park"], None, SYSTEM),
        # A full name comes before words, a whole part before pieces, and a piece needs a STUDENT cell that agrees.
        ("Soo Park/park.ipynb", [], "parksoo", PATH),
        ("park/work.ipynb", ["oduya"], "park", PATH),
        ("brandt_final.ipynb", [], "brandt", PART),
        ("brandt_final.ipynb", ["brandt"], "brandt", PATH),
        ("brandt_final.ipynb", ["oduya"], None, PART),
        ("Max Park.ipynb", ["muster"], None, PART),
        ("brandtlena_4711_brandt_work.ipynb", ["oduya"], "brandt", PATH),
        ("brandt/oduya.ipynb", [], None, PATH),
        ("brandt-oduya.ipynb", ["oduya"], None, PART),
        ("Park/brandt.ipynb", [], None, PATH),
        ("Soo Park/brandtlena_520_31000_work.ipynb", [], "parksoo", PATH),
        # Where the path says nothing, the STUDENT cell does.
        ("work.ipynb", ["oduya"], "oduya", CELL),
        ("work.ipynb", ["Femi Oduya"], "oduya", CELL),
        ("work.ipynb", ["oduya", "brandt"], None, CELL),
        ("anon_Qw3rT_31000_1_convolution.ipynb", ["oduya"], "oduya", CELL),
        ("Participant_8800_assignsubmission_file/1_convolution.ipynb", ["oduya"], "oduya", CELL),
        ("Teilnehmerin_8800_assignsubmission_file/1_convolution.ipynb", ["oduya"], "oduya", CELL),
        ("_811_31000_1_convolution.ipynb", ["oduya"], "oduya", CELL),
        ("submission_12345/work.ipynb", ["oduya"], "oduya", CELL),
        ("1-convolution-cat99/work.ipynb", ["oduya"], "oduya", CELL),
        # Behind a hidden name, what a student wrote counts no more than the cell.
        ("Participant_8800_assignsubmission_file/oduya.ipynb", [], "oduya", CELL),
        ("Participant_8800_assignsubmission_file/oduya.ipynb", ["krueger"], None, PATH),
        ("1_convolution-copy/oduya.ipynb", ["oduya"], "oduya", CELL),
        # What looks like a system's folder, and is none.
        ("Lab_1_section_2/brandt.ipynb", [], "brandt", PATH),
    ],
)
def test_which_rule_decides(path, says, student, rank):
    found = claim(path, says)
    assert (found.student, found.rank) == (student, rank)


def test_a_file_that_bears_anothers_id_is_told():
    for path, says, told in (
        (
            "Jürgen Krüger_8802_assignsubmission_file/oduya.ipynb",
            (),
            "its path tells of oduya, too: look whose work it is",
        ),
        ("kruegerjuergen_522_31002_by_oduya.ipynb", (), "its path tells of oduya, too: look whose work it is"),
        ("krueger.ipynb", ["oduya"], "its STUDENT cell names oduya: is it their own work?"),
        ("anon_Qw3rT_31000_work.ipynb", ["krueger"], "only its STUDENT cell says whose it is"),
    ):
        assert claim(path, says).notes == (told,)
    assert claim("Soo Park_8802_assignsubmission_file/soo_park.ipynb", ["parksoo"]).notes == ()


@pytest.mark.parametrize(
    "path", ["1_convolution.ipynb", "1_convolution (3).ipynb", "1_convolution-3.ipynb", "2_basic_block.ipynb"]
)
@pytest.mark.parametrize("folder", ["", "sheet 4/", "Vision-2 Convolution-88/"])
def test_no_digit_of_an_assignment_or_a_copy_names_a_student(folder, path):
    assert claim(folder + path, students=NUMBERED).student is None
    assert claim(folder + path, ["3"], students=NUMBERED).student == "3"


@pytest.mark.parametrize("path", ["3.ipynb", "3/1_convolution.ipynb", "3_1_convolution.ipynb"])
def test_a_number_that_stands_alone_names_a_student(path):
    assert claim(path, students=NUMBERED).student == "3"
    assert claim(path, ["4"], students=NUMBERED).student is None


@pytest.mark.parametrize(
    ("path", "says", "student", "told"),
    [
        ("1-convolution-7/src/work.ipynb", (), "7", ("only the number 7 in its path says whose it is",)),
        ("all/1_convolution-10/work.ipynb", ["10"], "10", ()),
        ("1-convolution-7/work.ipynb", ["8"], None, ()),  # a copy of the folder, perhaps
        ("1-convolution-7/Soo Park.ipynb", (), "5", ()),
        ("1-convolution-77/work.ipynb", ["8"], "8", ("only its STUDENT cell says whose it is",)),
        ("2026/work.ipynb", (), "2026", ("only the number 2026 in its path says whose it is",)),
        ("2026/Soo Park/work.ipynb", (), "5", ()),
    ],
)
def test_a_short_number_is_an_id_unless_anything_else_tells_more(path, says, student, told):
    found = claim(path, says, [*NUMBERED, Student("2026", "Max", "Muster", "")])
    assert (found.student, found.notes) == (student, told)


@pytest.mark.parametrize(
    ("listed", "written"),
    [
        ("Joost/van der Berg; Joost van der/Berg", "Joost van der Berg; van der Berg, Joost; Berg, Joost van der"),
        ("João/da Silva; João da/Silva", "João da Silva; da Silva, João; Silva, João da"),
        ("Omar/al-Rashid; Omar al/Rashid", "Omar Al Rashid; Al-Rashid, Omar; Rashid, Omar al"),
        ("Jeanne/d’Arc; Jeanne d’/Arc", "Jeanne d'Arc; D'Arc, Jeanne; Arc, Jeanne d'"),
        ("Karl Max/von Baer; Karl Max von/Baer", "Karl Max von Baer; von Baer, Karl Max; Baer, Karl Max von"),
        ("John/Smith Jr.; John, Jr./Smith", "John Smith Jr; Smith Jr, John; Smith, John, Jr"),
        ("Ana/García y Vega; Ana García/y Vega", "Ana García y Vega; García y Vega, Ana; y Vega, Ana García"),
        ("Nguyễn/Văn An; Văn An/Nguyễn", "Nguyễn Văn An; An Nguyễn Văn; Văn An Nguyễn"),
    ],
)
def test_particles_stand_before_or_after(listed, written):
    for name in listed.split("; "):
        students = [Student("s1", *name.split("/"), ""), Student("s2", "Jan", "Berg", "")]
        for form in written.split("; "):
            for path in ("{}_88_assignsubmission_file_/a.ipynb", "{}.ipynb", "{}_520_31000_a.ipynb"):
                path = path.format(form if not path.startswith("{}_520") else letters(form))
                assert claim(path, ["s2"], students).student == "s1", path


def test_the_usual_order_of_a_name_comes_first():
    students = [Student("s1", "Anna Maria", "Lena", ""), Student("s2", "Maria", "Lena Anna", "")]
    assert claim("Anna Maria Lena/a.ipynb", (), students).student == "s1"
    assert claim("Maria Lena Anna/a.ipynb", (), students).student == "s2"
    assert claim("Lena Anna Maria.ipynb", (), students).problem == "may be of s1 and s2"


@pytest.mark.parametrize("path", ["Soo Park_hw1.ipynb", "HW_Park, Soo_final.ipynb", "Soo Park_park.ipynb"])
def test_a_full_name_ends_at_a_low_line(path):
    found = claim(path, ["oduya"])
    assert (found.student, found.rank) == ("parksoo", PATH) and "STUDENT cell names oduya" in found.notes[-1]
    assert claim("Soo_Park_hw1.ipynb", ["oduya"]).student is None


def test_students_of_one_name():
    twins = [Student("s1", "José", "Li", "", "4712"), Student("s2", "Jose", "Li", "", "4713")]
    without = [Student(one.id, one.first_name, one.last_name, "") for one in twins]
    path = "lijose_4712_31000_work.ipynb"
    assert claim(path, students=without).problem == "may be of s1 and s2"
    assert claim(path, ["s2"], students=without).student == "s2"
    assert claim(path.replace("work", "s1_work"), students=without).student == "s1"
    assert claim("José Li_9_assignsubmission_file/work.ipynb", students=without).student == "s1"
    assert claim(path, ["s2"], students=twins).student == "s1"  # Canvas's own number
    assert claim("limaria_4712_31000_work.ipynb", students=twins).student == "s1"  # who has married


def test_a_name_of_two_scripts_is_not_what_is_left_of_it():
    students = [Student("b5", "Фёдор", "Brandt", ""), Student("brandt", "Lena", "Brandt", "")]
    assert claim("HW_brandt_attempt_2025-01-01-10-10-10_a.ipynb", students=students).student == "brandt"
    assert claim("Brandt_8800_assignsubmission_file_/a.ipynb", students=students[:1]).student is None


def test_what_moodle_writes_in_front_of_a_whole_group():
    paths = [f"V-01-{name}_88_assignsubmission_file_/a.ipynb" for name in ("Lena Brandt", "Ji-woo Park")]
    assert [claim(path, others=paths).student for path in paths] == ["brandt", "park"]
    assert claim("Anna-Lena Brandt_88_assignsubmission_file_/a.ipynb").student is None


def test_two_who_hand_in_together_on_gradescope():
    both = {"12": [["Lena Brandt", "77", "x"], ["Soo Park"]], "13": [["Max Muster", "78", "oduya@school.example"]]}
    assert claim("export/submission_12/a.ipynb", ["brandt"], submitters=both).problem == "may be of brandt and parksoo"
    assert claim("export/submission_13/a.ipynb", submitters=both).student == "oduya"


def test_the_tables_of_the_manual_hold():
    text = (Path(__file__).parents[2] / "book" / "teaching_course.md").read_text("utf-8")
    students = [Student("okafor", "Mira", "Okafor", ""), Student("mori", "Kenji", "Mori", "")]
    forms = text.partition("| From | What the system writes in front |")[2].partition("```")[0]
    paths = re.findall(r"`([^`]+[…b])`", forms)
    assert len(paths) == 10
    for path in paths:
        found = claim(path.replace("…", "work.ipynb"), students=students, submitters={"90213": [["Mira Okafor"]]})
        assert found.student == "okafor", path
    rules = text.partition("| | What is looked at | Example | Whose it is |")[2].partition("\n\n")[0]
    examples = [re.findall("`([^`]+)`", line.split("|")[3]) for line in rules.splitlines()[2:]]
    one, nobodys, whole, within, cell = examples
    assert claim(one[0], students=students).notes == ("its path tells of mori, too: look whose work it is",)
    assert claim(nobodys[0], ["mori"], students).student is None
    assert [(found := claim(path, students=students)).student + str(found.rank) for path in whole] == ["okafor2"] * 3
    assert (found := claim(within[0], students=students)).student == "okafor" and found.rank == PART
    assert claim(within[0], ["mori"], students).student is None
    assert (found := claim(cell[0], ["okafor"], students)).student == "okafor" and found.rank == CELL


def ordered(*paths):
    return sorted(paths, key=lambda path: claim(path).attempt) == list(paths)


def test_the_newest_is_last():
    assert ordered(*(f"oduyafemi_{late}521_{n}_a.ipynb" for late, n in (("", 999), ("late_", 99997), ("", 100004))))
    assert ordered("a/x.ipynb", "a/x (1).ipynb", "a/x (2).IPYNB", "a/x (10).ipynb")
    assert ordered("a/x.ipynb", "a/x-1.ipynb", "a/x-2.ipynb", "a/x-10.ipynb")
    assert ordered("a/x.ipynb", "a/x - Copy.ipynb", "a/x - Copy (2).ipynb")
    assert ordered(*(f"a/Version {n}/x.ipynb" for n in (1, 2, 10)))
    assert ordered(*(f"HW_oduya_attempt_2025-{date}-10-10-10_x.ipynb" for date in ("01-31", "02-01", "11-02")))
    dates = (
        "Sep 5, 2025 930 AM",
        "Sep 5, 2025 1230 PM",
        "Sep 12, 2025 115 AM",
        "Oct 1, 2025 1200 AM",
        "Jan 1, 2026 1 00 AM",
    )
    assert ordered(*(f"12-67890 - Femi Oduya - {date}/x.ipynb" for date in dates))
    assert ordered(
        *(f"12-6 - Femi Oduya - {date}/x.ipynb" for date in ("5 September, 2025 2330", "12 September, 2025 130"))
    )
    assert ordered(*(f"Oduya_Femi_fo_7/2025{stamp}_x.ipynb" for stamp in ("0905103000", "0905103001", "1005103000")))


# --- Files, taken in ---


def collect(folder, files, people=CLASS):
    """What is collected from a zip file, and in it for each student the mark of their work."""
    course = room(folder, people)
    collected = collect_submissions(course, NAME, pack(folder / "all.zip", files))
    return collected, marks(course)


def test_of_two_attempts_the_newer_counts_and_is_told(tmp_path):
    files = {f"oduyafemi_521_{n}_{NAME}{again}.ipynb": work(n) for n, again in ((100004, "-1"), (99997, ""))}
    collected, found = collect(tmp_path, files)
    assert found == {"oduya": "100004"} and collected.superseded == [f"oduyafemi_521_99997_{NAME}.ipynb"]
    assert collected.notes["oduya"] == (f"of 2 notebooks `oduyafemi_521_100004_{NAME}-1.ipynb` counts, the newest",)


@pytest.mark.parametrize("data", [b"", b"{}", json.dumps({"cells": [], "nbformat": 4}).encode(), b"\x00\xff"])
@pytest.mark.parametrize("name", ["2.ipynb", "z.ipynb", "notes.txt", "z.pdf"])
def test_a_newer_file_without_the_assignments_cells_does_not_win(tmp_path, name, data):
    files = {"Femi Oduya/1.ipynb": work("mine"), f"Femi Oduya/{name}": data}
    assert collect(tmp_path, files)[1] == {"oduya": "mine"}


def test_two_senders_for_one_student_are_told_and_neither_is_taken(tmp_path):
    course = room(tmp_path)
    assert collect(tmp_path, {"oduya.ipynb": work("earlier")})[1] == {"oduya": "earlier"}
    files = {f"Femi Oduya_{n}_assignsubmission_file_/a.ipynb": work(n) for n in (8801, 8802)}
    collected, found = collect(tmp_path, {**files, "park.ipynb": work("park")})
    assert found == {"oduya": "earlier", "park": "park"} and collected.conflicts.keys() == files.keys()
    assert "of oduya, from 2 senders" in next(iter(collected.conflicts.values()))
    files = {f"anon_{one}_3100_a.ipynb": work(one, "krueger") for one in ("Qw3rT", "zX9cV")}
    assert not collect(tmp_path, files)[0].taken and course.submitted(NAME, "oduya").exists()


def test_a_file_that_may_be_anyones_never_replaces_one_with_a_clear_name(tmp_path):
    files = {
        "Femi Oduya/work.ipynb": work("own"),
        "Max Muster/with oduya.ipynb": work("other"),
        "z.ipynb": work("z", "oduya"),
    }
    collected, found = collect(tmp_path, files)
    assert found == {"oduya": "own"} and set(collected.conflicts) == {"Max Muster/with oduya.ipynb", "z.ipynb"}


def test_nothing_that_can_be_read_is_replaced_by_what_cannot(tmp_path):
    assert collect(tmp_path, {"oduya.ipynb": work("good")})[1] == {"oduya": "good"}
    torn = work("torn").partition(b"cell-4")[0]
    collected, found = collect(tmp_path, {"oduya.ipynb": torn, "park.ipynb": b"{", "krueger.ipynb": torn})
    assert found == {"oduya": "good", "park": None, "krueger": "torn"} and collected.unread == ["oduya.ipynb"]
    assert "what was collected before stays" in collected.notes["oduya"][0]
    assert collect(tmp_path, {"park.ipynb": work("better")})[1] == found | {"park": "better"}


def without(*names):
    def change(notebook):
        for cell in notebook["cells"]:
            for name in names:
                cell.pop(name, None)

    return change


def put(**values):
    """Into every cell; with ``at`` only there, with ``meta`` into the metadata."""

    def change(notebook):
        at, meta = values.pop("at", None), values.pop("meta", False)
        for cell in notebook["cells"] if at is None else [notebook["cells"][at]]:
            (cell["metadata"] if meta else cell).update(values)

    return change


def deep(value=0, n=400):
    for _ in range(n):
        value = [value]
    return value


DAMAGE = {
    "no metadata": without("metadata"),
    "no ids": without("id"),
    "no outputs": without("outputs", "execution_count"),
    "no kinds": without("cell_type"),
    "no kinds, no outputs": without("cell_type", "outputs", "execution_count"),
    "no source": put(at=1, source=None),
    "source as numbers": put(at=1, source=[1, None, {}]),
    "metadata null": put(metadata=None),
    "metadata a list": put(metadata=[1]),
    "tags null": put(meta=True, tags=None),
    "tags a word": put(meta=True, tags="student"),
    "tags of lists": put(meta=True, tags=[[], None]),
    "grade_id a list": put(at=2, meta=True, nbgrader={"grade_id": ["a"], "locked": True}),
    "grade_id null": put(at=2, meta=True, nbgrader={"grade_id": None, "solution": True}),
    "nbgrader a word": put(at=2, meta=True, nbgrader="yes"),
    "deep metadata": put(at=2, meta=True, more=deep()),
    "ids wrong": put(id=7),
    "ids strange": put(id="../../\ud83d"),
    "outputs null": put(outputs=None),
    "half a character": put(at=0, source="# Double \ud83d"),
    "half a character in a mark": put(at=2, meta=True, nbgrader={"grade_id": "\udc00", "solution": True}),
    "attachments null": put(at=0, attachments=None),
    "attachments strange": put(at=0, attachments={"\ud83d": {"image/png": "\ud83d"}}),
    "a long empty cell": put(at=1, source="\n" * 900_000),
    "a zero": put(at=1, source="x = 1\0"),
    "line ends of old": put(at=1, source="x = 1\r\ry = 2\r\n"),
    "no version": lambda notebook: {"cells": notebook["cells"]},
    "a version to come": lambda notebook: notebook | {"nbformat": 9, "nbformat_minor": None},
    "a version as text": lambda notebook: notebook | {"nbformat": "4", "metadata": None},
    "a huge number": lambda notebook: notebook | {"nbformat_minor": 10**4000},
    "cells that are none": lambda notebook: notebook | {"cells": [None, 3, "x", [], *notebook["cells"]]},
    "before 2015": lambda notebook: {
        "nbformat": 3,
        "worksheets": [
            {"cells": [{("input" if k == "source" else k): v for k, v in cell.items()} for cell in notebook["cells"]]}
        ],
    },
    "a long sum": lambda notebook: notebook["cells"].append(cell_of("x = " + "+".join(["1"] * 100_000))),
    "a deep bracket": lambda notebook: notebook["cells"].append(cell_of("(" * 10_000)),
    "a deep minus": lambda notebook: notebook["cells"].append(cell_of("-" * 50_000 + "1")),
    "many cells": lambda notebook: notebook["cells"].extend(cell_of(f"x = {i}") for i in range(500)),
}


def cell_of(source):
    return {"cell_type": "code", "source": source, "metadata": {}, "outputs": [], "execution_count": None}


@pytest.mark.parametrize("change", DAMAGE.values(), ids=DAMAGE)
def test_whatever_a_notebook_holds_it_is_read_as_far_as_it_goes(tmp_path, change):
    files = {"brandt.ipynb": work("bad", change=change), "oduya.ipynb": work("good")}
    collected, found = collect(tmp_path, files)
    assert found == {"brandt": "bad", "oduya": "good"}, collected.notes
    for student in found:
        nbformat.validate(nbformat.read(room(tmp_path).submitted(NAME, student), as_version=4))
    assert not any("\n" in note for notes in collected.notes.values() for note in notes)


def test_no_note_holds_what_would_end_or_turn_a_line(tmp_path):
    def odd(notebook):
        notebook["cells"][0]["source"] = "# Dou\x15ble\u2028\u202ehere"

    collected, _ = collect(tmp_path, {"brandt.ipynb": work("mine", change=odd)})
    assert collected.notes["brandt"] == (
        "Your file begins with “Dou\ufffdble\ufffd\ufffdhere”. This is “Double”: is it the right file?",
    )


def test_what_stands_in_front_of_a_tear_is_taken(tmp_path):
    whole = work("torn")
    torn = whole.partition(b"cell-4")[0]
    files = {"brandt.ipynb": torn, "oduya.ipynb": whole + b"\0\0\0", "park.ipynb": whole[:30]}
    collected, found = collect(tmp_path, files)
    assert found == {"brandt": "torn", "oduya": "torn", "park": None} and not collected.notes["oduya"]
    assert "as far as it can be read: it is damaged after its first 4 cells" in collected.notes["brandt"][0]
    (tmp_path / "2").mkdir()
    both = {"Femi Oduya/1.ipynb": work("whole"), "Femi Oduya/2.ipynb": torn}
    collected, found = collect(tmp_path / "2", both)
    assert found == {"oduya": "whole"} and any("damaged" in note for note in collected.notes["oduya"])


@pytest.mark.parametrize(
    "encoding", ["utf-8-sig", "utf-16", "utf-32", "cp1252", "utf-16-le"], ids=lambda encoding: encoding
)
def test_other_encodings_than_utf_8(tmp_path, encoding):
    notebook = json.loads(work("bad"))
    notebook["cells"][3]["source"] += "\n# “naïve”"
    files = {"brandt.ipynb": json.dumps(notebook, ensure_ascii=False).encode(encoding), "oduya.ipynb": work("good")}
    collected, found = collect(tmp_path, files)
    text = room(tmp_path).submitted(NAME, "brandt").read_text("utf-8")
    assert found == {"brandt": "bad", "oduya": "good"} and "“naïve”" in text
    assert bool(collected.notes["brandt"]) == (encoding == "cp1252")


def test_an_answer_that_python_cannot_look_at_is_told(tmp_path):
    long = put(at=3, source="def double(x):\n    return " + "+".join(["x"] * 100_000))
    collected, _ = collect(tmp_path, {"brandt.ipynb": work("bad", change=long), "oduya.ipynb": work("good")})
    assert collected.notes["brandt"] == (
        "Python cannot read your answer `double`, so none of it counts: it is nested too deeply.",
    )


def damaged(path, change):
    data = bytearray(path.read_bytes())
    for at in range(len(data)):
        change(data, at)
    path.write_bytes(data)


def encrypt(data, at):
    """Set the flag of the first member, in its own header and in the list at the end."""
    for sign, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        if data.startswith(sign, at) and b"brandt" in data[at : at + 60]:
            data[at + offset] |= 1


def compress_otherwise(data, at):
    for sign, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        if data.startswith(sign, at) and b"brandt" in data[at : at + 60]:
            data[at + offset] = 9


def falsify_checksum(data, at):
    for sign, offset in ((b"PK\x03\x04", 14), (b"PK\x01\x02", 16)):
        if data.startswith(sign, at) and b"brandt" in data[at : at + 60]:
            data[at + offset] ^= 0xFF


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (encrypt, "it is encrypted"),
        (compress_otherwise, "it is compressed in a way that is not known here"),
        (falsify_checksum, "it is damaged in the zip file"),
    ],
)
def test_one_bad_member_costs_nobody_else_anything(tmp_path, change, told):
    files = {"brandt.ipynb": work("bad"), "oduya.ipynb": work("good")}
    course = room(tmp_path)
    path = pack(tmp_path / "all.zip", files)
    damaged(path, change)
    collected = collect_submissions(course, NAME, path)
    assert marks(course) == {"oduya": "good"} and collected.unread == ["brandt.ipynb"]
    assert told in collected.notes["brandt"][0] and "name the folder" in collected.notes["brandt"][0]
    damaged(pack(path, {"brandt.ipynb": work("bad")}), change)
    with pytest.raises(InputError, match=f"no file in .* can be read: {told}.*: unpack the zip file"):
        collect_submissions(course, NAME, path)


def zipped(files):
    return pack(io.BytesIO(), files).getvalue()


def test_zip_files_in_zip_files(tmp_path, monkeypatch):
    monkeypatch.setattr(handed, "INNER_FILES", 3)
    files = {
        "brandtlena_520_31000_homework.zip": zipped({"data.csv": b"1", "oduya/work.ipynb": work("brandt")}),
        "oduyafemi_521_31001_a.ipynb": zipped({"deep.zip": zipped({"work.ipynb": work("oduya")})}),
        "parksoo_522_31002_a.docx": zipped({"word/document.xml": b"<x/>"}),
        "parkjiwoo_523_31003_bomb.zip": zipped({f"{i}.ipynb": b" " * 999_999 for i in range(9)}),
        "kruegerjuergen_524_31004_torn.zip": zipped({"work.ipynb": work("krueger")})[:-30],
        "naessase_525_31005_itself.zip": zipped({"a.zip": zipped({"b.zip": zipped({"c.zip": zipped({})})})}),
    }
    collected, found = collect(tmp_path, files)
    unread = dict.fromkeys(("parksoo", "park", "krueger", "naess"))
    assert found == {"brandt": "brandt", "oduya": "oduya", **unread}
    assert "it is a zip file without a notebook in it" in collected.notes["parksoo"][0]
    assert "a zip file that cannot be opened" in collected.notes["krueger"][0]
    assert len(collected.superseded) == 3
    assert any("more than 3 notebooks" in note for note in collected.notes["park"])


def test_paths_that_lead_elsewhere_and_links(tmp_path):
    link = zipfile.ZipInfo("park.ipynb")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    windows = zipfile.ZipInfo("Soo Park_8800_assignsubmission_file")
    windows.filename = "Soo Park_8800_assignsubmission_file\\work.ipynb"
    old = zipfile.ZipInfo("Åse Næss.ipynb")
    files = [("/etc/brandt.ipynb", work("brandt")), ("../../oduya.ipynb", work("oduya")), (link, b"/etc/passwd")]
    files += [(windows, work("parksoo")), (old, work("naess"))]
    collected, found = collect(tmp_path, files)
    assert found == {"brandt": "brandt", "oduya": "oduya", "parksoo": "parksoo", "naess": "naess"}
    assert "a link, not a file" in collected.notes["park"][0] and "park" not in collected.taken
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all.zip", "course"]


def test_names_of_files_without_the_sign_of_utf_8(tmp_path):
    path = pack(tmp_path / "all.zip", {"Jürgen Krüger.ipynb": work("krueger"), "oduya.ipynb": work("oduya")})
    data = path.read_bytes().replace("Jürgen".encode(), b"J\xc3\xbcrgen")
    for sign, offset in ((b"PK\x03\x04", 7), (b"PK\x01\x02", 9)):
        at = data.index(sign)
        data = data[: at + offset] + bytes([data[at + offset] & ~8]) + data[at + offset + 1 :]
    path.write_bytes(data)
    course = room(tmp_path)
    collect_submissions(course, NAME, path)
    assert marks(course) == {"krueger": "krueger", "oduya": "oduya"}


def test_a_member_without_a_name(tmp_path):
    nameless = zipfile.ZipInfo("x")
    nameless.filename = ""
    collected, found = collect(tmp_path, [(nameless, work("x")), ("brandt.ipynb", work("brandt"))])
    assert found == {"brandt": "brandt"} and collected.unclear == ("file",)


def test_folders_with_whatever_lies_in_them(tmp_path):
    place = tmp_path / "handed"
    for name, data in {
        "Åse Næss/work.ipynb": work("naess"),
        ".git/config": b"x",
        "__MACOSX/._brandt.ipynb": b"x",
        "._brandt.ipynb": b"x",
        ".ipynb_checkpoints/brandt.ipynb": work("old"),
        "brandt.ipynb": work("brandt"),
        "line\nend.ipynb": work("x"),
    }.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(data)
    (place / "oduya.ipynb").symlink_to(place / "brandt.ipynb")
    (place / "park").symlink_to(place)
    with open(b"%s/Jurgen Kr\xfcger.ipynb" % str(place).encode(), "wb") as file:
        file.write(work("krueger"))
    course = room(tmp_path)
    collected = collect_submissions(course, NAME, place)
    assert marks(course) == {"naess": "naess", "brandt": "brandt", "krueger": "krueger"}
    assert collected.unclear == ("line\ufffdend.ipynb",) and "link" in collected.notes["oduya"][0]
    assert collect_submissions(course, NAME, place / "brandt.ipynb").taken == {"brandt": "brandt.ipynb"}


def test_gradescopes_metadata_name_the_senders(tmp_path):
    about = """---
submission_12:
  :submitters:
  - :name: Jürgen Krüger
    :sid: '0815'
    :email: jk@x.example
  :created_at: !ruby/object:ActiveSupport::TimeWithZone
    utc: 2026-01-01
submission_13:
  :submitters:
  - :name: Somebody Else
    :sid: park
"""
    files = {f"export/submission_{n}/work.ipynb": work(n, "oduya") for n in (12, 13, 14)}
    files |= {"export/submission_metadata.yml": about, "export/submission_15/work.ipynb": work("15")}
    collected, found = collect(tmp_path, files)
    assert found == {"krueger": "12", "oduya": "14", "park": "13"} and len(collected.unclear) == 1
    (tmp_path / "2").mkdir()
    files = {"submission_metadata.yml": b"\0: [", "submission_12/a.ipynb": work("x", "park")}
    assert not collect(tmp_path / "2", files)[0].unclear


def test_no_students_file_passes_for_gradescopes_metadata(tmp_path):
    """In a folder of their own, a file of that name would make others' work theirs."""
    entry = "submission_{}:\n  :submitters:\n  - :name: {}\n"
    files = {f"export/submission_{n}/work.ipynb": work(n) for n in (12, 14)}
    files["export/submission_metadata.yml"] = entry.format(12, "Soo Park") + entry.format(14, "Femi Oduya")
    files["export/submission_12/metadata.yml"] = ":submitters:\n- :name: Femi Oduya\n"
    files["export/submission_12/a/submission_metadata.yml"] = entry.format(14, "Soo Park")
    assert collect(tmp_path, files)[1] == {"parksoo": "12", "oduya": "14"}


def test_a_text_without_end_is_cut_and_too_much_code_is_none():
    def with_cell(kind, source):
        return work(change=lambda notebook: notebook["cells"].append(kind(source)))

    long = handed.read("a.ipynb", with_cell(nbformat.v4.new_markdown_cell, "# a\n" * 10_000))
    assert len(long.notebook.cells[-1].source) == 10_000 and "was cut off after 10,000" in long.notes[0]
    much = handed.read("a.ipynb", with_cell(nbformat.v4.new_code_cell, "1\n" * 600_000))
    assert much.notebook is None and "more than 1,000,000" in much.problem


@pytest.mark.parametrize(
    "damage", ["", " null", " {", " [1", "\n  :submitters: 3", "\n  :submitters:\n  - 3", " \0", "\n\t:x"]
)
def test_a_damaged_entry_of_gradescope_costs_no_other(tmp_path, damage):
    entry = "submission_{}:\n  :submitters:\n  - :name: {}\n"
    about = f"---\n{entry.format(12, 'Soo Park')}submission_13:{damage}\n{entry.format(14, 'Femi Oduya')}"
    files = {f"export/submission_{n}/work.ipynb": work(n) for n in (12, 13, 14)}
    collected, found = collect(tmp_path, files | {"export/submission_metadata.yml": about})
    assert found == {"parksoo": "12", "oduya": "14"}
    assert collected.conflicts == {
        "export/submission_13/work.ipynb": "whose it is should stand in submission_metadata.yml, which is missing, or "
        "damaged there"
    }


def test_who_joined_after_the_release_stops_nobody(tmp_path, monkeypatch):
    course = room(tmp_path)
    release = Room.release
    monkeypatch.setattr(
        Room, "release", lambda self, name, one: Path("/no") if one == "park" else release(self, name, one)
    )
    collected = collect_submissions(
        course, NAME, pack(tmp_path / "a.zip", {f"{s}.ipynb": work(s) for s in ("oduya", "park")})
    )
    assert marks(course) == {"oduya": "oduya"} and "joined after the release" in collected.notes["park"][0]


# --- Whole classes, made up ---

FIRST = (
    "Lena Jürgen Ji-woo Soo José Jose Åse Søren Ana Anna-Lena Anna Łukasz Zoë İbrahim Đỗ Ngọc Seán Фёдор Иван Γιώργος "
    "किरण مريم שרה 芳 태현 さくら ธนพล Maria Park An"
)
LAST = (
    "Brandt Krüger Krueger Kruger Park Kim Li Næss Ångström O'Shea García-López Müller Strauß Strauss Ñuñez Çelik "
    "Nguyễn Терещенко Παπαδόπουλος शर्मा الخطيب כהן 王 이 佐藤 สุขใจ Lena Soo Lee Mac_Neil"
)
FILES = (
    f"{NAME}.ipynb",
    f"{NAME} (1).ipynb",
    "work.ipynb",
    "{friend}.ipynb",
    "by {friend}.ipynb",
    "2_basic_block.ipynb",
    "a.pdf",
)


def letters(text):
    return "".join(filter(str.isalnum, text.casefold()))


def ascii_of(text):
    german = text.translate(
        str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss"})
    )
    return german.replace(" ", "_") if german.isascii() else text


FORMS = {
    "canvas": lambda one, n, k, late: (
        f"{letters(one.last_name)}{letters(one.first_name)}{'_late' * late}_{n}_{9990 + 7 * k}_"
    ),
    "moodle": lambda one, n, k, late: f"{one.first_name} {one.last_name}_{n}_assignsubmission_file_/{k}/",
    "moodle, last": lambda one, n, k, late: f"{one.last_name}, {one.first_name}_{n}_assignsubmission_file/{k}/",
    "brightspace": lambda one, n, k, late: (
        f"{n}-777 - {one.first_name} {one.last_name} - Sep {k + 3}, 2025 {9 + late}30 AM/"
    ),
    "blackboard": lambda one, n, k, late: f"HW 1_{one.id}_attempt_2025-01-{9 + k:02}-10-10-10_",
    "ilias": lambda one, n, k, late: f"{ascii_of(one.last_name)}_{ascii_of(one.first_name)}_u{n}_{n}/2025090{k}_",
    "gradescope": lambda one, n, k, late: f"export/submission_{n}/{k}/",
    "github": lambda one, n, k, late: f"1-convolution-{one.id}/{k}/",
}


@st.composite
def classes(draw):
    """A class, strangers, and what they hand in by one system: path, sender, attempt, what the STUDENT cell says."""
    names = draw(
        st.lists(
            st.tuples(st.sampled_from(FIRST.split()), st.sampled_from(LAST.split())),
            min_size=3,
            max_size=8,
            unique=True,
        )
    )
    kind = draw(st.sampled_from(["number", "code", "surname", "login"]))
    people = []
    for i, (first, last) in enumerate(names, 1):
        surname = letters(ascii_of(last)) if ascii_of(last).isascii() else f"s{i}"
        one = {"number": str(i), "code": f"00047{i:02}", "surname": surname, "login": f"ab{i}c"}[kind]
        one = one if one not in {person.id for person in people} else f"{one}{i}"
        people.append(Student(one, first, last, f"{one}@x.example"))
    size = draw(st.integers(2, len(people)))
    students, strangers = (
        people[:size],
        [Student(f"zz{i}", one.first_name, one.last_name, "") for i, one in enumerate(people[size:])],
    )
    system = draw(st.sampled_from(sorted(FORMS)))
    hypothesis.assume(kind != "number" or system != "github")  # a login that is a number is none
    sent, numbers = [], draw(st.permutations(range(1, 13)))
    for i, one in enumerate([*students, *strangers]):
        for k in range(draw(st.integers(0, 3))):
            friend = draw(st.sampled_from(students))
            name = draw(st.sampled_from(FILES)).format(friend=friend.id)
            says = draw(st.sampled_from([one.id, one.id, "", friend.id]))
            if system == "github" and one in strangers:
                says = one.id  # an unknown login is no name: with a student's id in the cell it would be the student's
            late = draw(st.booleans()) if system == "canvas" else False
            path = FORMS[system](one, numbers[i] * 1111, k, late) + name
            sent.append((path, one, k, says))
    numbers = {one.id: 1111 * number for one, number in zip([*students, *strangers], numbers, strict=False)}
    return students, strangers, system, numbers, sent


@hypothesis.settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture, hypothesis.HealthCheck.too_slow],
)
@hypothesis.given(made=classes())
def test_no_file_is_credited_to_two_people_or_to_the_wrong_one(made, tmp_path_factory):
    students, strangers, system, numbers, sent = made
    roster = Roster(students)
    # A stranger with the very name of a student cannot be told from them.
    strangers = [one for one in strangers if not roster.named(f"{one.first_name} {one.last_name}")]
    sent = [row for row in sent if row[1] in students or row[1] in strangers]
    hypothesis.assume(len({path for path, *_ in sent}) == len(sent) > 0)
    folder = tmp_path_factory.mktemp("class")
    files = {path: work(f"{one.id}:{k}", says) for path, one, k, says in sent}
    if system == "gradescope":
        about = {
            f"submission_{numbers[one.id]}": {":submitters": [{":name": f"{one.first_name} {one.last_name}"}]}
            for one in [*students, *strangers]
        }
        files["export/submission_metadata.yml"] = json.dumps(about)
    collected, found = collect(folder, files, students)
    lists = [
        *collected.taken.values(),
        *collected.superseded,
        *collected.unread,
        *collected.unclear,
    ]
    assert sorted(lists) == sorted(path for path, *_ in sent)  # each file once
    for student, mark in found.items():
        assert mark.split(":")[0] == student
        notebooks = [k for path, one, k, _ in sent if one.id == student]
        assert mark == f"{student}:{max(notebooks)}"
    for one in students:
        written = f"{one.first_name} {one.last_name}" if system != "canvas" else letters(one.last_name + one.first_name)
        is_clear = system in ("blackboard", "github") or roster.named(written) == {one.id}
        assert not is_clear or one.id in found or all(sender != one for _, sender, *_ in sent)


def test_collecting_again_takes_nothing_worse_or_older(tmp_path):
    first = {"brandt.ipynb": work("good"), "kruegerjuergen_4700_90300_work.ipynb": work("new")}
    collect(tmp_path, first)
    again = {"hw.ipynb": work("other", student="brandt"), "kruegerjuergen_4700_90210_work.ipynb": work("old")}
    collected, found = collect(tmp_path, again)
    assert found["brandt"] == "good" and "clearer name" in collected.conflicts["hw.ipynb"]
    assert found["krueger"] == "new" and "is older than" in collected.notes["krueger"][0]
    later = {"kruegerjuergen_4700_90400_work.ipynb": work("newest")}
    collected, found = collect(tmp_path, later)
    assert found["krueger"] == "newest" and "takes the place of" in collected.notes["krueger"][0]
