"""A few dozen damaged notebooks and zip files; the full run is `python -m benchmarks.fuzz_collect`."""

import pytest

pytest.importorskip("nbgrader")

from benchmarks import fuzz_collect
from benchmarks.fuzz import fuzz
from tests.course.room import room


@pytest.mark.parametrize("seed", [1, 2])
def test_damaged_files_stop_nobody(seed, tmp_path):
    counts, _, failures = fuzz(fuzz_collect.kinds(room(tmp_path)), 42, seed)
    assert not failures
    assert all(count["taken"] + count["told"] + count["refused"] == 6 for count in counts.values())


def test_what_goes_wrong_is_seen(monkeypatch, tmp_path):
    def loses_one(course, assignment, place):
        collected = collect(course, assignment, place)
        course.submitted(assignment, "oduya").unlink(missing_ok=True)
        return collected

    kinds, collect = fuzz_collect.kinds(room(tmp_path)), fuzz_collect.collect_submissions
    monkeypatch.setattr(fuzz_collect, "collect_submissions", loses_one)
    assert "a good file was not taken in" in fuzz(kinds, 1, 0)[2][0]
    monkeypatch.setattr(fuzz_collect, "collect_submissions", lambda *given: 1 / 0)
    assert "ZeroDivisionError" in fuzz(kinds, 1, 0)[2][0]
