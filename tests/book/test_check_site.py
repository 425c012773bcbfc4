from tests.book.check_site import problems


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


def test_an_empty_site_is_a_problem(tmp_path):
    assert problems(tmp_path) == [f"no pages in {tmp_path}"]
