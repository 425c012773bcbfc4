"""Every wrong answer of the zoo loses points and is told its own diagnosis; every right one passes."""

import pytest

from .zoo import ANSWERS, blocks, convolution, loop, networks, pipeline, study  # noqa: F401

WRONG = [answer for answer in ANSWERS if answer.key]
RIGHT = [answer for answer in ANSWERS if not answer.key]


@pytest.mark.parametrize("answer", WRONG, ids=lambda answer: answer.name)
def test_a_wrong_answer_loses_points_and_is_named(answer):
    result = answer.check(*answer.answer)
    assert result.keys[:1] == (answer.key,), str(result)
    assert result.points < result.possible
    assert 1 <= len(result.diagnosis) <= 3


@pytest.mark.parametrize("answer", RIGHT, ids=lambda answer: answer.name)
def test_a_right_answer_in_another_style_passes(answer):
    result = answer.check(*answer.answer)
    assert result.passed, str(result)
    assert result.points == result.possible


def test_the_zoo_is_large():
    assert len({answer.key for answer in WRONG}) >= 100
    assert len(RIGHT) >= 25
