import pytest

from tests.book.check_site import CHECKOUT, problems


def test_it_finds_what_is_wrong(tmp_path):
    (tmp_path / "index.html").write_text('<a href="next.html#there">x</a><img src="a.png" alt="A described picture">')
    (tmp_path / "next.html").write_text('<p id="there">fine</p>')
    assert problems(tmp_path) == []
    (tmp_path / "bad.html").write_text(
        '<img src="_images/4f2a.png" alt="4f2a.png"><img src="b.png">'
        '<a href="gone.html">x</a><a href="next.html#gone">y</a>'
        '<script type="application/vnd.jupyter.widget-view+json">{}</script>'
        "<pre>Traceback <b>(most</b> recent call last)</pre>"
    )
    assert [line.split(":")[1].split()[0] for line in problems(tmp_path)] == [
        "picture",
        "picture",
        "dead",
        "dead",
        "a",
        "an",
    ]


def test_a_path_of_the_machine_is_a_problem_and_an_address_is_not(tmp_path):
    (tmp_path / "index.html").write_text(f"<p>https://example.org{CHECKOUT}/a, {CHECKOUT}</p>")
    assert problems(tmp_path) == []
    (tmp_path / "index.html").write_text(f"<p>PosixPath(<b>'</b>{CHECKOUT}/assignments')</p>")
    (line,) = problems(tmp_path)
    assert "path of the machine" in line


def test_an_empty_site_is_a_problem(tmp_path):
    assert problems(tmp_path) == [f"no pages in {tmp_path}"]


@pytest.mark.parametrize(
    "content",
    [
        '<script src="https://example.org/a.js"></script>',
        '<img src="//example.org/a.png" alt="A described picture">',
        '<link rel="stylesheet" href="http://example.org/a.css">',
        "<style>@import 'https://example.org/a.css';</style>",
        '<script type="module">import x from "https://example.org/a.js"</script>',
    ],
)
def test_a_page_that_needs_another_host_is_a_problem(tmp_path, content):
    (tmp_path / "index.html").write_text(content)
    (line,) = problems(tmp_path)
    assert "index.html: loads" in line and "example.org/a" in line


def test_style_sheets_and_scripts_are_looked_at_and_links_may_leave(tmp_path):
    (tmp_path / "index.html").write_text(
        '<a href="https://example.org">x</a><link rel="canonical" href="https://b.org">'
    )
    assert problems(tmp_path) == []
    (tmp_path / "a.css").write_text("@font-face { src: url(https://example.org/a.woff2) }")
    (tmp_path / "b.js").write_text('const more = await import("https://example.org/b.js")')
    assert problems(tmp_path) == ["a.css: loads https://example.org/a.woff2", "b.js: loads https://example.org/b.js"]


SOURCE = '<pre>print(f"This chapter ran in <span>{</span>time.perf_counter() - started:.0f} s.")</pre>'


@pytest.mark.parametrize(
    "seconds, outputs, words",
    [("", 9, ["took no time"]), ("0", 9, ["took no time"]), ("7", 1, ["shows 1 outputs"]), ("7", 9, [])],
)
def test_a_chapter_whose_cells_were_not_run_is_a_problem(tmp_path, seconds, outputs, words):
    ran = f"<pre>This chapter ran in {seconds} s.</pre>" if seconds else ""
    (tmp_path / "chapter.html").write_text(SOURCE + '<div class="cell_output docutils">x</div>' * outputs + ran)
    found = problems(tmp_path)
    assert len(found) == len(words) and all(word in line for word, line in zip(words, found, strict=True))
