"""Numbers of a student's own."""

from dataclasses import FrozenInstanceError, fields

import pytest

from resnet_course import checks
from resnet_tutorial import InputError

CLASS = [checks.variant(f"student {i}") for i in range(300)]


def test_a_name_always_gives_the_same_numbers():
    # Written down: an answer key made on one machine, or last year, must still hold.
    assert checks.variant("sample") == checks.Variant(seed=664954498, width=10, blocks=2, size=40, classes=9, kernel=3)
    assert checks.variant(" sample\n") == checks.variant("sample")


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("width", {8, 10, 12, 14, 16, 20}),
        ("blocks", {1, 2, 3, 4}),
        ("size", {24, 28, 32, 36, 40}),
        ("classes", set(range(4, 13))),
        ("kernel", {3, 5, 7}),
    ],
)
def test_a_class_draws_every_value_and_no_other(field, values):
    assert {getattr(v, field) for v in CLASS} == values


def test_seeds_fit_and_differ():
    assert all(0 <= v.seed < 2**31 for v in CLASS)
    assert len({v.seed for v in CLASS}) == len(CLASS)


def test_fields_are_drawn_independently():
    pairs = {(v.width, v.blocks) for v in CLASS}
    assert len(pairs) == 6 * 4


def test_a_variant_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        CLASS[0].width = 4
    assert [field.name for field in fields(checks.Variant)] == ["seed", "width", "blocks", "size", "classes", "kernel"]


@pytest.mark.parametrize("name", ["", "  ", None, 7])
def test_no_name_is_said_so(name):
    with pytest.raises(InputError, match="name"):
        checks.variant(name)
