"""Mishaps of a learner's code are contained and reported in one line."""

import signal
import sys
import threading

import pytest
import torch

from resnet_course import checks
from resnet_course.checks import contain, names
from resnet_course.checks.contain import contained


@pytest.fixture(autouse=True)
def _nothing_asked_by_name(monkeypatch):
    monkeypatch.setattr(names, "_places", set())


def loop():
    while True:
        pass


def stubborn_loop():
    while True:
        try:
            loop()
        except Exception:
            continue


def grow():
    parts = []
    while True:
        parts.append(torch.zeros(1 << 26))


needs_alarm = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs POSIX signals")


def test_a_value_comes_back():
    assert contained(max, 2, 3).value == 3


@needs_alarm
@pytest.mark.parametrize("function", [loop, stubborn_loop])
def test_an_endless_loop_is_stopped_and_the_timer_put_back(function):
    handler = signal.getsignal(signal.SIGALRM)
    outcome = contained(function, seconds=0.2)
    assert outcome.problem.key == "endless" and "in loop, line" in outcome.problem.seen
    assert signal.getsignal(signal.SIGALRM) == handler
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_outside_the_main_thread_an_endless_loop_is_reported():
    ended, outcomes = threading.Event(), []
    thread = threading.Thread(target=lambda: outcomes.append(contained(ended.wait, seconds=0.2)))
    thread.start()
    thread.join()
    ended.set()
    assert outcomes[0].problem.key == "endless"


def test_a_function_that_asks_to_quit():
    assert contained(sys.exit).problem.key == "exit"


def test_an_exception_is_told_with_its_line():
    outcome = contained(lambda: {}["width"])
    assert outcome.problem.key == "crash"
    assert "KeyError: 'width'" in outcome.problem.seen and 'lambda: {}["width"]' in outcome.problem.seen


@pytest.mark.skipif(not contain.STATM.exists() or torch.cuda.is_available(), reason="needs Linux without a GPU")
def test_memory_that_grows_is_bounded_and_the_bound_taken_back():
    before = contain.resource.getrlimit(contain.resource.RLIMIT_AS)
    assert contained(grow, megabytes=600).problem.key == "memory"
    assert contain.resource.getrlimit(contain.resource.RLIMIT_AS) == before


def test_the_learner_may_still_interrupt():
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        contained(interrupted)


@needs_alarm
def test_an_endless_answer_costs_one_time_limit_and_not_one_for_each_case(monkeypatch):
    monkeypatch.setattr(contain, "SECONDS", 0.2)
    called = []

    def count_up(*sizes):
        called.append(sizes)
        loop()

    for check in (checks.basic_block, checks.output_size):
        called.clear()
        result = check(count_up)
        assert result.keys[0] == "endless" and result.points == 0
        assert len(called) == 1


def test_an_answer_not_yet_written_is_told_so():
    def stub():
        raise NotImplementedError

    assert contained(stub).problem.key == "not_written"


def test_a_name_that_is_not_there_is_asked_after():
    assert "Where is that name defined" in contained(lambda: nowhere).problem.look  # noqa: F821
