"""Numbers that a learner predicts."""

import pytest
import torch

from resnet_course import checks

MEASURED = {"size": 16, "macs": 442_368}


@pytest.fixture(autouse=True)
def _fresh_report():
    checks.forget()
    yield
    checks.forget()


def check(answer, points=4):
    return checks.numbers("Costs", answer, 8, measured=lambda _: MEASURED, points=points)


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


def planned(n, *, up=1, each=4, bias=True):
    return {"steps": n // 4 + up, "bytes": each * n, "parameters": n * n + bias, "both": each * n + bias}


PLAN = checks.Space(
    planned,
    (
        checks.mistake("rounded_down", "You round down.", "What becomes of the last batch?", up=0),
        checks.mistake("one_byte", "You count one byte.", "What is a float32?", heart=True, each=1),
        checks.mistake("no_bias", "No bias is counted.", "Which layer has one?", bias=False),
    ),
)


def plan(*answers, **options):
    return checks.numbers("Plan", *answers, measured=planned, space=PLAN, points=4, **options)


def test_a_number_is_explained_by_the_fewest_mistakes_and_those_that_explain_most_of_the_numbers():
    result = plan(lambda n: {**planned(n), "bytes": n, "both": n + 1}, 9)
    assert result.keys == ("one_byte",) and result.points == 2
    assert result.diagnosis[0] == "Your 'bytes' and 'both' are off: you count one byte."
    result = plan(lambda n: {**planned(n), "both": n}, 9)
    assert result.keys == ("one_byte+no_bias",) and "two things" in result.diagnosis[0]
    assert plan(lambda n: {**planned(n), "steps": 2}, 9).points == 3
    assert plan(lambda n: {**planned(n), "steps": 70}, 9).keys == ("off_steps",)


def test_numbers_that_are_typed_in_are_right_once_and_earn_nothing():
    result = plan(lambda n: planned(9), 9, more=[(10,)])
    assert (result.keys, result.points) == (("typed_in",), 0)
    assert plan(lambda n: planned(n), 9, more=[(10,)]).passed


def test_arithmetic_is_done_by_hand_where_it_should_be():
    measured = lambda n: {**planned(n), "steps": int(torch.tensor(n // 4 + 1).item())}  # noqa: E731
    assert plan(measured, 9, by_hand=True).keys == ("measured",)
    assert plan(measured, 9).passed and plan(planned, 9, by_hand=True).passed


def test_a_tolerance_is_a_share_of_the_right_number():
    near = {"measured": lambda: {"x": 50.0}, "points": 1}
    assert checks.numbers("Near", lambda: {"x": 50.004}, **near, tolerance=1e-4).passed
    assert not checks.numbers("Near", lambda: {"x": 50.006}, **near, tolerance=1e-4).passed
