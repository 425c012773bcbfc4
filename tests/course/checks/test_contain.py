"""Mishaps of a learner's code are contained and reported in one line."""

import importlib
import os
import random
import signal
import sys
import threading

import numpy as np
import pytest
import torch

from resnet_course import checks
from resnet_course.checks import contain, names
from resnet_course.checks.contain import contained
from resnet_course.checks.report import grade


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


def leaves_its_mark():
    torch.set_grad_enabled(False)
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(3)
    np.random.seed(3)
    random.seed(3)
    os.chdir("/")


def test_what_an_answer_changes_outside_of_itself_is_told_and_undone():
    folder, states = os.getcwd(), (torch.get_rng_state(), random.getstate())
    outcome = contained(leaves_its_mark)
    assert outcome.moved == ("torch", "numpy", "random")
    assert torch.is_grad_enabled() and torch.get_default_dtype() == torch.float32 and os.getcwd() == folder
    assert torch.equal(torch.get_rng_state(), states[0]) and random.getstate() == states[1]
    result = grade("Task", 4, [None])
    assert result.keys == ("grad_left_off", "dtype_left", "folder_left") and result.points == 2
    assert grade("Next", 4, [None]).passed


def test_what_a_cell_switches_off_for_good_does_not_cost_the_tasks_below():
    torch.set_grad_enabled(False)
    answer = checks.yours("nothing_here")
    assert torch.is_grad_enabled()
    assert grade("Task", 1, [None]).keys == ("grad_left_off",) and checks.contained(answer).problem.key == "not_defined"


def test_what_is_still_to_be_written_is_named():
    def output_size():
        raise NotImplementedError

    assert contained(lambda: 2 * output_size()).problem.seen == "output_size is still to be written."


def test_a_module_that_loads_when_time_is_up_is_not_broken_off(tmp_path, monkeypatch):
    (tmp_path / "slow_module.py").write_text(
        "import time\nend = time.monotonic() + 0.2\nwhile time.monotonic() < end: pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert contained(lambda: importlib.import_module("slow_module").end, seconds=0.1).value
