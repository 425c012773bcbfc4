"""Answers by their names."""

import pytest
import torch

from resnet_course import checks
from resnet_course.checks import names


@pytest.fixture(autouse=True)
def _nothing_asked_before(monkeypatch):
    monkeypatch.setattr(names, "_asked", set())


def ask(name, notebook):
    """Evaluate ``yours`` in a notebook's namespace, as a test cell does."""
    space = {"__name__": "__main__", "checks": checks}
    exec(notebook, space)
    return eval(f"checks.yours({name!r})", space)


def look(name, notebook):
    outcome = checks.contained(ask(name, notebook))
    assert outcome.problem.key == "not_defined" and outcome.problem.seen == f"Nothing is called {name} here."
    return outcome.problem.look


def test_what_is_there_comes_back():
    assert ask("double", "def double(x): return 2 * x")(4) == 8


@pytest.mark.parametrize("renamed", ["basic_blok", "Basicblock", "BasicBlock2", "BasicBlck"])
def test_a_similar_name_is_asked_after(renamed):
    assert look("BasicBlock", f"class {renamed}: pass").startswith(f"Did you rename it to {renamed}?")


@pytest.mark.parametrize(
    "notebook",
    [
        "",
        "def twice(x): pass",
        "def fit_by_step(): pass",  # the answer to another task
        "from collections import Counter as fit_by_epochs",  # not the learner's own
        "fit_by_epochs = 3",
        "def fit_by_epochs(): pass\nchecks.yours('fit_by_epochs')",  # asked for already: it has a task of its own
    ],
)
def test_no_other_name_is_suggested(notebook):
    assert look("fit_by_epoch", notebook).startswith("Run the cell above that defines fit_by_epoch")


@pytest.mark.parametrize("check", [checks.basic_block, checks.resume, checks.batches, checks.conv_macs, checks.verdict])
def test_a_missing_answer_earns_nothing(check):
    missing = ask("answer", "")
    result = check(missing, missing) if check is checks.resume else check(missing)
    assert result.points == 0 and result.keys == ("not_defined",)


def test_a_block_that_is_still_to_be_written_is_told_so_once():
    class Stub(torch.nn.Module):
        def __init__(self, *sizes):
            super().__init__()
            raise NotImplementedError

    assert checks.basic_block(Stub).keys == ("not_written",)
