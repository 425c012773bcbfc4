"""Every row of every table of mistakes is told when it is made, alone and with another one."""

import itertools
import random

import pytest
import torch

from resnet_course.checks import blocks, convolution, loop, network, pipeline, study
from resnet_course.checks.space import mistake, search, together
from resnet_course.checks.values import compare_values

generator = torch.Generator().manual_seed(0)
TRAIN, TEST = torch.randint(0, 256, (2, 10, 6, 6, 3), generator=generator, dtype=torch.uint8)
BRIGHT = torch.tensor([1, 2, 3], dtype=torch.uint8)
MEAN, STD = torch.tensor([[0.2, 0.5, 0.4], [0.3, 0.2, 0.25]], dtype=torch.float64)
ACCURACY = [([loop._scored(n, share, generator) for n, share in shares],) for shares in loop.SHARES]
VALUES = {
    "size": (convolution.SIZE, convolution.SIZE_CASES, 1e-6),
    "parameters": (convolution.PARAMETERS, convolution.PARAMETER_CASES, 1e-6),
    "macs": (convolution.MACS, convolution.MACS_CASES, 1e-6),
    "field": (convolution.FIELD, convolution.FIELD_CASES, 1e-6),
    "statistics": (pipeline.STATISTICS, [((TRAIN // BRIGHT).clamp(max=240), TEST[:4] // 2)], 1e-6),
    "normalize": (pipeline.NORMALIZED, [(TRAIN[:, :4], MEAN, STD), (TEST, STD, MEAN)], 1e-6),
    "accuracy": (loop.ACCURACY, ACCURACY, 1e-6),
    "cosine": (loop.COSINE, loop.COSINE_CASES, 1e-6),
    "depth": (network.DEPTH, blocks.DEPTH_CASES, 1e-6),
    "mean": (study.MEAN, study.RUNS, 1e-6),
    "deviation": (study.DEVIATION, study.RUNS, 1e-6),
    "interval": (study.INTERVAL, study.RUNS, study.TABLE),
    "difference": (study.DIFFERENCE, study.PAIRS, study.WELCH),
}


def told(name, *made):
    """What is said about an answer with these mistakes."""
    space, cases, tolerance = VALUES[name]
    options = {option: value for one in made for option, value in one.options.items()}
    steps = compare_values(lambda *case: space.answer(*case, **options), space, cases, tolerance)
    return [step for step in steps if step is not None]


@pytest.mark.parametrize("name", VALUES)
def test_a_single_mistake_is_told(name):
    for one in VALUES[name][0].mistakes:
        steps = told(name, one)
        assert steps and steps[0].key == one.finding.key, (one.finding.key, steps[:1])


@pytest.mark.parametrize("name", VALUES)
def test_two_mistakes_at_once_are_told(name):
    mistakes = VALUES[name][0].mistakes
    pairs = [pair for pair in itertools.combinations(mistakes, 2) if not set(pair[0].options) & set(pair[1].options)]
    for pair in random.Random(0).sample(pairs, min(12, len(pairs))):
        keys = [one.finding.key for one in pair]
        steps = told(name, *pair)
        if steps:  # two mistakes may make up for each other
            assert steps[0].key not in ("value", "shape"), keys
            assert len(steps[0].key.split("+")) <= 2, (keys, steps[0])


def test_the_fewest_mistakes_are_found_first_and_no_option_has_two_values():
    table = [mistake("a", "A.", "a?", x=1), mistake("b", "B.", "b?", x=2), mistake("c", "C.", "c?", y=1)]
    asked = []

    def explains(**options):
        asked.append(options)
        return options == {"x": 2, "y": 1}

    finding = search(table, explains)
    assert finding.key == "b+c" and finding.seen == "Two things: B. And: C." and finding.look == "b? c?"
    assert asked == [{"x": 1}, {"x": 2}, {"y": 1}, {"x": 1, "y": 1}, {"x": 2, "y": 1}]


def test_a_hint_stays_short():
    spaces = [space for space, _, _ in VALUES.values()] + [study.VERDICT, convolution.BY_HAND]
    for space in spaces:
        longest = sorted((one.finding for one in space.mistakes), key=lambda f: -len((f.seen + f.look).split()))[:3]
        finding = together(longest)
        assert len(f"{finding.seen} {finding.look}".split()) < 160
