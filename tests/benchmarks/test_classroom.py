"""The list of attacks fits the assignment as it is now. Nothing is graded here."""

import sys
from types import SimpleNamespace

import pytest

pytest.importorskip("nbformat")
if sys.platform != "linux":
    pytest.skip("the class is graded on Linux", allow_module_level=True)

import nbformat

from benchmarks.classroom.__main__ import IN_BROWSER, friend_of, hidden_lines, make_class, make_file
from benchmarks.classroom.attacks import ATTACKS, OTHERS_IN_CLASS
from benchmarks.classroom.work import SOURCE, about
from resnet_course.checks import variant

WORLD = SimpleNamespace(canary="canary", values=lambda friend: {"$FRIEND": friend})
BY_NAME = pytest.mark.parametrize("attack", [*ATTACKS, *OTHERS_IN_CLASS], ids=lambda attack: attack.tries)


@BY_NAME
def test_every_attack_changes_the_assignment_as_it_is(attack):
    """An edit whose text is gone from the source raises."""
    source = nbformat.read(SOURCE, as_version=4)
    if attack.file is None:
        return
    right, handed = (make_file(one, source, "s1000", WORLD, "s1007") for one in (OTHERS_IN_CLASS[0], attack))
    assert attack.tries == "right" or handed != right


def test_points_are_those_of_the_assignment():
    possible = sum(about(cell).get("points", 0) for cell in nbformat.read(SOURCE, as_version=4).cells)
    assert possible == 20 and all(0 <= attack.points <= possible for attack in ATTACKS) and hidden_lines()


def test_everybody_hands_in_something():
    handed = make_class(70, [])
    assert (
        len(handed) == 70
        and {*IN_BROWSER} <= {one.tries for one in ATTACKS}
        and set(map(id, ATTACKS)) <= set(map(id, handed.values()))
    )
    assert len({attack.tries for attack in ATTACKS}) == len(ATTACKS)
    assert [one.tries for one in make_class(2, ["disk"]).values()] == ["fills the disk", "right"]
    assert all(variant(friend_of(one, list(handed))).width != variant(one).width for one in handed)
