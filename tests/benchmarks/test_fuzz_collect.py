"""A few dozen damaged notebooks and zip files; the full run is `python -m benchmarks.fuzz_collect`."""

import pytest

pytest.importorskip("nbgrader")

from benchmarks import fuzz_collect


@pytest.mark.parametrize("seed", [1, 2])
def test_damaged_files_stop_nobody(seed):
    counts, _, failures = fuzz_collect.run(42, seed)
    assert not failures
    assert all(count["taken"] + count["told"] + count["refused"] == 6 for count in counts.values())


def test_what_goes_wrong_is_seen(monkeypatch):
    def loses_one(course, assignment, place):
        collected = collect(course, assignment, place)
        course.submitted(assignment, "oduya").unlink(missing_ok=True)
        return collected

    collect = fuzz_collect.collect_submissions
    monkeypatch.setattr(fuzz_collect, "collect_submissions", loses_one)
    assert "a good file was not taken in" in fuzz_collect.run(1, 0)[2][0]
    monkeypatch.setattr(fuzz_collect, "collect_submissions", lambda *given: 1 / 0)
    assert "ZeroDivisionError" in fuzz_collect.run(1, 0)[2][0]
