"""Numbers that a learner predicts, and several checks of one task."""

import pytest

from resnet_course import checks

MEASURED = {"size": 16, "macs": 442_368}


@pytest.fixture(autouse=True)
def _fresh_report():
    checks.forget()
    yield
    checks.forget()


def check(answer, points=4):
    return checks.numbers("Costs", answer, 8, measured=MEASURED, points=points)


def test_right_numbers_of_any_kind_pass():
    assert check(lambda n: {"size": 2.0 * n, "macs": 442_368, "more": "things"}).points == 4


@pytest.mark.parametrize(
    ("size", "key", "seen"),
    [
        (32, "off_size", "too large, by a whole factor"),
        (8, "off_size", "too small, by a whole factor"),
        (17, "off_size", "just too large"),
        (19, "off_size", "19, is too large"),
        (-16, "off_size", "the other sign"),
        (442_368, "swapped_size", "belongs under 'macs'"),
        (16e6, "off_size", "another unit"),
        (15.5, "off_size", "15.5, is too small"),
        (-1, "off_size", "too small"),
        (0, "off_size", "too small"),
        (float("inf"), "off_size", "too large"),
        (float("nan"), "off_size", "not a number"),
        ("many", "no_number_size", "no number"),
        (None, "no_number_size", "is None"),
    ],
)
def test_a_wrong_number_is_named_and_costs_its_share(size, key, seen):
    result = check(lambda n: {"size": size, "macs": 442_368})
    assert (result.points, result.keys) == (2, (key,))
    assert seen in result.diagnosis[0] and "16" not in " ".join(result.diagnosis)


def test_the_place_to_look_can_be_told():
    result = checks.numbers("Costs", lambda: {"a": 2}, measured={"a": 1}, points=1, look="Look here.")
    assert result.diagnosis[1] == "Look here."


def test_a_missing_name_is_named():
    assert check(lambda n: {"size": 16}).keys == ("missing_macs",)


@pytest.mark.parametrize(("value", "key"), [(None, "returns_none"), ((16, 442_368), "no_names")])
def test_what_is_no_dict_is_said_so(value, key):
    result = check(lambda n: value)
    assert (result.points, result.keys) == (0, (key,))


def test_a_function_that_stops_loses_all_points_and_no_more():
    def stub(n):
        raise NotImplementedError

    assert check(stub).keys == ("not_written",)


def test_of_two_checks_the_worse_share_counts_under_the_first_name():
    good = checks.numbers("Other", lambda: {"a": 1}, measured={"a": 1}, points=10)
    bad = check(lambda n: {"size": 16, "macs": 0})
    merged = checks.both(good, bad)
    assert (merged.task, merged.points, merged.possible, merged.keys) == ("Other", 5, 10, ("off_macs",))
    assert [result.task for result in checks.report().results] == ["Other"]
    assert checks.both(bad, good).points == 2


def test_a_known_wrong_number_is_asked_about_and_a_right_one_passes_first():
    known = {"steps": [(12, "What becomes of the last batch?"), (13, "Never said.")]}
    wrong = checks.numbers("Plan", lambda: {"steps": 12}, measured={"steps": 13}, known=known, points=1)
    assert wrong.keys == ("known_steps",) and wrong.diagnosis[1] == "What becomes of the last batch?"
    assert checks.numbers("Plan", lambda: {"steps": 13}, measured={"steps": 13}, known=known, points=1).passed


def test_a_tolerance_is_a_share_of_the_right_number():
    near = {"measured": {"x": 50.0}, "points": 1}
    assert checks.numbers("Near", lambda: {"x": 50.004}, **near, tolerance=1e-4).passed
    assert not checks.numbers("Near", lambda: {"x": 50.006}, **near, tolerance=1e-4).passed
