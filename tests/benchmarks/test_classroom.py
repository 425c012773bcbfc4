"""The generated class fits the assignments as they are now. Nothing is graded here."""

import sys
from collections import Counter
from types import SimpleNamespace

import pytest

pytest.importorskip("nbformat")
if sys.platform != "linux":
    pytest.skip("the class is graded on Linux", allow_module_level=True)

import nbformat

from benchmarks.classroom.__main__ import STUDENTS, expected, friend_of, make_file, names, seated
from benchmarks.classroom.cases import CLASS
from benchmarks.classroom.notebooks import about, possible, source_of
from resnet_course.checks import variant

WORLD = SimpleNamespace(canary="canary", values=lambda friend: {"$FRIEND": friend})


@pytest.mark.parametrize("case", CLASS, ids=lambda case: f"{case.kind}: {case.name}")
def test_every_case_changes_the_assignment_as_it_is(case):
    """An edit whose text is gone from the source raises."""
    source = source_of(case.assignment)
    handed = make_file(case, source, "s1000", WORLD)
    if case.edits:
        cells = {cell.get("id"): cell.source for cell in source.cells}
        changed = [c for c in nbformat.reads(handed.decode(), 4).cells if cells.get(c.get("id")) != c.source]
        assert len(changed) > 1 or case.name in ("an answer deleted", "a test deleted")  # the canary's cell is one


@pytest.mark.parametrize("case", CLASS, ids=lambda case: f"{case.kind}: {case.name}")
def test_points_add_up(case):
    tasks = [c for c in source_of(case.assignment).cells if "points" in about(c)]
    most = {about(c)["grade_id"].removesuffix("-test").removeprefix("test_"): about(c)["points"] for c in tasks}
    for task, lost in case.lost.items():
        assert 0 < lost <= most.get(task, possible(case.assignment)), task
    assert expected(case) is None or 0 <= expected(case) <= possible(case.assignment)
    assert case.lost or case.kind in ("right", "broken file", "loop", "hostile", "not held")


def test_everybody_hands_in_something_and_the_class_is_varied():
    seats = seated(CLASS)
    assert {student for _, student in seats} == set(names(STUDENTS)) and len(seats) == len(CLASS)
    counts = Counter(case.kind for case in CLASS)
    assert counts["right"] >= 10 and counts["wrong"] >= 20 and counts["hostile"] >= 12 and counts["loop"] >= 5
    assert {case.assignment[0] for case in CLASS} == set("123456")


def test_a_friend_has_other_numbers():
    assert all(variant(friend_of(one)).width != variant(one).width for one in names(STUDENTS))
