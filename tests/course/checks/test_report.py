"""Results, and the points as one goes."""

import sys
from types import SimpleNamespace

import pytest
import torch

from resnet_course import checks
from resnet_course.checks.report import Finding, Shown, grade

SLIP = Finding("slip", "You get <b>3</b>.", "Where does 3 come from?")
OTHER = Finding("other", "And 4.", "Where from?")


@pytest.fixture(autouse=True)
def _fresh_report():
    checks.forget()
    yield
    checks.forget()


def test_a_right_answer_has_all_points_and_shows_itself(capsys):
    result = grade("Task", 3, [None, None])
    assert (result.points, result.passed, result.keys) == (3, True, ())
    assert "✓ right · Task: 3 of 3 points" in capsys.readouterr().out


def test_steps_share_the_points_and_each_mistake_is_told_once():
    result = grade("Task", 4, [None, SLIP, SLIP, OTHER])
    assert result.points == 1 and result.keys == ("slip", "other")
    assert result.diagnosis[:2] == (SLIP.seen, SLIP.look) and "1 more thing" in result.diagnosis[2]


def test_the_report_holds_the_newest_result_of_each_task(capsys):
    grade("One", 2, [SLIP])
    grade("Two", 2, [None])
    grade("One", 2, [None, SLIP])
    report = checks.report()
    assert [result.task for result in report.results] == ["One", "Two"]
    assert (report.points, report.possible) == (3, 4)
    assert "Together: 3 of 4 points" in capsys.readouterr().out


def test_the_report_lists_what_waits_and_what_is_open():
    grade("One", 2, [None])
    checks.when_graded("Two", lambda: 1, points=3)
    report = checks.report(points=10, written={"Essay": 4})
    assert (report.points, report.possible, report.unchecked) == (2, 2, 5)
    assert str(report).splitlines() == [
        "✓ right · One: 2 of 2 points",
        "· looked at when graded · Two: 3 points",
        "· read by your instructor · Essay: 4 points",
        "Together: 2 of 2 points; 3 points looked at when graded; 4 points read by your instructor; "
        "5 points not checked yet",
    ]
    assert "<td>4 points</td>" in report._repr_html_() and "5 points not checked yet" in report._repr_html_()


def test_what_waits_has_no_points_yet_and_is_replaced_by_the_check_of_its_task():
    waiting = checks.when_graded("Two", lambda v: {"a": v}, 1, points=3)
    assert waiting.points == 0 and not waiting.passed and "looked at when graded" in str(waiting)
    checks.numbers("Two", lambda v: {"a": v}, 1, measured=lambda v: {"a": 1}, points=3)
    assert str(checks.report(points=3)).endswith("Together: 3 of 3 points")


@pytest.mark.parametrize(
    ("function", "key"),
    [(lambda v: 1 / 0, "crash"), (lambda v: v, "no_names"), (checks.yours("nothing"), "not_defined")],
)
def test_what_can_be_said_before_grading_is_said(function, key):
    assert checks.when_graded("Two", function, 1, points=3).keys == (key,)


def test_a_report_without_results_says_so():
    assert str(checks.report()) == "Nothing has been checked yet."


def test_html_is_escaped():
    page = grade("A < B", 1, [SLIP])._repr_html_()
    assert "&lt;b&gt;3&lt;/b&gt;" in page and "A &lt; B" in page and "<b>" not in page
    assert "A &lt; B" in checks.report()._repr_html_()


def test_a_notebook_shows_a_result_once_in_its_cell(monkeypatch):
    shell, shown = SimpleNamespace(execution_count=1), []
    fake = SimpleNamespace(get_ipython=lambda: shell)
    display = SimpleNamespace(display=lambda data, raw: shown.append(data["text/html"]))
    monkeypatch.setitem(sys.modules, "IPython", fake)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.setattr(Shown, "_last", None)
    result = grade("Task", 1, [None])
    result._ipython_display_()  # the cell ends with the check
    assert len(shown) == 1
    shell.execution_count = 2
    result._ipython_display_()  # a later cell asks for it again
    assert len(shown) == 2


def test_checks_leave_random_numbers_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    checks.basic_block(lambda *sizes: torch.nn.Dropout())
    assert torch.equal(torch.rand(3), expected)
