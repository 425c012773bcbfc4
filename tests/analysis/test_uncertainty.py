"""Known values of t, McNemar and Welch; intervals that cover what they should."""

import pytest
import torch

from resnet_tutorial.analysis.uncertainty import (
    Estimate,
    bootstrap_interval,
    count_pairs,
    mean_interval,
    seed_difference,
    seeds_needed,
    t_quantile,
)
from resnet_tutorial.errors import InputError
from resnet_tutorial.training.scores import wilson_interval


@pytest.mark.parametrize(
    ("freedom", "level", "table"),
    [
        (1, 0.95, 12.706),
        (5000, 0.95, 1.960),
        (10, 0.6, 0.879),
    ],
)
def test_quantiles_of_student_as_printed_tables_have_them(freedom, level, table):
    assert t_quantile(freedom, level) == pytest.approx(table, abs=6e-4)


def test_the_interval_of_a_mean_by_hand():
    found = mean_interval([90.0, 92.0, 94.0])  # sd 2, t 4.303: 4.303 · 2 / √3
    assert (found.value, found.low, found.high) == (
        92.0,
        pytest.approx(87.032, abs=1e-3),
        pytest.approx(96.968, abs=1e-3),
    )


def test_the_difference_of_groups_by_hand():
    # Variances of the means 1/3 and 4/3: 2.941 degrees of freedom, t 3.220, half width 3.220 · √(5/3).
    found = seed_difference([1.0, 2.0, 3.0], [3.0, 5.0, 7.0])
    assert found.value == 3.0 and found.high - found.value == pytest.approx(
        t_quantile(2.9412) * (5 / 3) ** 0.5, rel=1e-4
    )
    assert found.low == pytest.approx(6.0 - found.high)
    assert seed_difference([1.0, 1.0], [3.0, 3.0]) == Estimate(2.0, 2.0, 2.0), "no spread at all"


def test_the_bootstrap_of_an_accuracy_agrees_with_wilson():
    right = torch.arange(2000) % 10 < 9
    found = bootstrap_interval(100 * right)
    low, high = wilson_interval(1800, 2000)
    assert found.value == 90.0
    assert (found.low, found.high) == (pytest.approx(100 * low, abs=0.2), pytest.approx(100 * high, abs=0.2))


def test_pairs_are_counted_where_only_one_is_right():
    first = torch.tensor([True] * 6 + [False] * 4)
    second = torch.tensor([True] * 5 + [False] * 1 + [True] * 4)
    counts = count_pairs(first, second)
    assert (counts.only_first, counts.only_second) == (1, 4)
    assert counts.p_value == pytest.approx(2 * (1 + 5) / 32)
    assert count_pairs(first, first).p_value == 1.0


def test_seeds_needed_as_tables_of_power_have_them():
    assert seeds_needed(1.0, 1.0) == 17
    assert seeds_needed(0.5, 1.0) == 64
    assert seeds_needed(1.0, 1.0, power=0.9) == 23
    assert seeds_needed(10.0, 0.1) == 2, "fewer than two have no spread"


def test_so_many_seeds_really_show_the_gain():
    n = seeds_needed(1.5, 1.0)
    draws = torch.randn(300, 2, n, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    shown = sum(seed_difference(a.tolist(), (b + 1.5).tolist()).low > 0 for a, b in draws)
    assert 0.72 < shown / 300 < 0.9


def test_an_estimate_as_text():
    assert str(Estimate(0.3, -0.05, 0.65)) == "0.30 (-0.05 to 0.65)"


@pytest.mark.parametrize(
    "call",
    [
        lambda: bootstrap_interval(torch.tensor([])),
        lambda: mean_interval([1.0]),
        lambda: seed_difference([1.0, 2.0], [1.0]),
        lambda: count_pairs(torch.ones(2).bool(), torch.ones(3).bool()),
        lambda: seeds_needed(0.0, 1.0),
    ],
)
def test_what_cannot_be_computed_says_so(call):
    with pytest.raises(InputError):
        call()
