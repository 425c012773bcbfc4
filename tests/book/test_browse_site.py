import pytest

from tests.book.browse_site import browse, search, start_browser


@pytest.fixture(scope="module", autouse=True)
def _needs_a_browser():
    try:
        with start_browser():
            pass
    except LookupError as error:
        pytest.skip(str(error))


def page(body: str) -> str:
    return f'<!doctype html><html lang="en"><meta charset="utf-8"><title>x</title><body>{body}</body></html>'


def test_it_finds_what_is_wrong(tmp_path):
    (tmp_path / "fine.html").write_text(page('<a href="https://example.org">a link may leave</a>'))
    (tmp_path / "wide.html").write_text(page('<div style="width: 900px">x</div>'))
    (tmp_path / "error.html").write_text(page("<script>missing()</script>"))
    (tmp_path / "heavy.html").write_text(page('<img src="heavy.bin" alt="">'))
    (tmp_path / "heavy.bin").write_bytes(bytes(3000))
    (tmp_path / "away.html").write_text(page('<img src="https://example.org/a.png" alt="">'))
    problems, weights = browse(tmp_path, limit=2000)
    assert len(weights) == 5
    for kind in ("http", "file"):
        found = [line for line in problems if line.startswith(kind)]
        assert not [line for line in found if "fine.html" in line]
        assert len([line for line in found if "wide.html" in line and "too wide" in line and "at 400 px" in line]) == 2
        assert [line for line in found if "error.html: console: missing is not defined" in line]
        assert f"{kind} away.html: request to another host: https://example.org/a.png" in found
    assert [line for line in problems if "a first visit takes" in line and "heavy.html" in line]


def test_a_search_that_does_not_find_is_a_problem(tmp_path):
    (tmp_path / "search.html").write_text(page('<ul id="search-results"><li><a href="blocks.html">x</a></li></ul>'))
    with start_browser() as browser:
        tab, base = browser.new_page(), tmp_path.as_uri()
        assert search(tab, base, "bottleneck", "blocks") == []
        assert search(tab, base, "bottleneck", "dataset", 200) == ["the search for 'bottleneck' does not find dataset"]
