import pytest

from tests.book.access import grave_findings, keyboard_problems, poor_colors, speechless_pictures
from tests.book.browse_site import browse, look_at_slides, search, start_browser


@pytest.fixture(scope="module", autouse=True)
def _needs_a_browser():
    try:
        with start_browser():
            pass
    except LookupError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def tab():
    with start_browser() as browser:
        yield browser.new_page()


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
        assert [line for line in found if "error.html: console: missing is not defined" in line]
        assert f"{kind} away.html: request to another host: https://example.org/a.png" in found
    assert len([line for line in problems if "wide.html" in line and "too wide" in line and "at 360 px" in line]) == 2
    assert [line for line in problems if "a first visit takes" in line and "heavy.html" in line]


def test_slides_that_are_cut_off_or_small_are_a_problem(tmp_path):
    (tmp_path / "slides").mkdir()

    bodies = ("<p>fine</p>", '<p style="height: 2000px">x</p>', '<p style="font-size: 12px">x</p>')
    slides = [f'<section style="position: absolute; font-size: 24px">{body}</section>' for body in bodies]
    reveal = "Reveal = {getSlides: () => [...document.querySelectorAll('section')], getIndices: () => [], slide() {}}"
    (tmp_path / "slides" / "deck.html").write_text(page(f"{''.join(slides)}<script>{reveal}</script>"))
    assert look_at_slides(tmp_path) == ["slides deck: slide 2 is cut off", "slides deck: slide 3 has something small"]
    assert browse(tmp_path)[1] == []


def test_a_search_that_does_not_find_is_a_problem(tmp_path):
    (tmp_path / "search.html").write_text(page('<ul id="search-results"><li><a href="blocks.html">x</a></li></ul>'))
    with start_browser() as browser:
        tab, base = browser.new_page(), tmp_path.as_uri()
        assert search(tab, base, "bottleneck", "blocks") == []
        assert search(tab, base, "bottleneck", "dataset", 200) == ["the search for 'bottleneck' does not find dataset"]


def explorer(controls: str, style: str = "") -> str:
    return page(f'<style>{style}</style><a href="#x">before</a><div class="rt-nets">{controls}</div><a href="#y">z</a>')


WORKS = """.rt-nets p { display: none } .rt-nets:has([value=b]:checked) p { display: block }"""
CHOICE = """<label><input type="radio" name="g" value="a" checked>a</label>
<label><input type="radio" name="g" value="b">b</label><p>B is chosen</p>"""


def test_pictures_need_a_text_that_is_no_hash(tab):
    tab.set_content(page(f'<img src="a.png"><img src="b.png" alt="_images/{"0f" * 32}.png"><img alt="two curves">'))
    assert speechless_pictures(tab) == ["no alternative text: a.png", "no alternative text: b.png"]


def test_axe_finds_text_that_cannot_be_read(tab):
    tab.set_content(page('<main><h1>x</h1><p style="color: #ccc">pale</p></main>'))
    assert [line for line in poor_colors(tab) if "color-contrast" in line]
    tab.set_content(page("<main><h1>x</h1><p>black</p></main>"))
    assert poor_colors(tab) == grave_findings(tab) == []


def test_a_color_that_still_fades_is_judged_where_it_ends(tab):
    tab.set_content(page('<main><h1>x</h1><p style="color: #ccc; transition: color 60s">fades</p></main>'))
    tab.evaluate("p = document.querySelector('p'), p.getBoundingClientRect(), p.style.color = 'black'")
    assert poor_colors(tab) == []


def test_of_text_in_the_same_style_one_piece_is_looked_at(tab):
    tab.set_content(page('<main><h1>x</h1><p>a</p><p>b</p><p class="pale">c</p><p class="pale">d</p></main>'))
    poor_colors(tab)
    assert tab.locator("[data-sample]").all_inner_texts() == ["x", "a", "c"]


def test_axe_finds_a_control_without_a_name(tab):
    tab.set_content(page('<main><h1>x</h1><input type="text"></main>'))
    assert [line for line in grave_findings(tab) if "axe: critical, label" in line]


def test_an_explorer_that_the_keyboard_can_use_is_fine(tab):
    tab.set_content(explorer(CHOICE, WORKS))
    assert keyboard_problems(tab) == []


def test_dead_hidden_and_unreachable_controls_are_found(tab):
    tab.set_content(explorer(CHOICE, ".rt-nets p { display: none }"))
    assert keyboard_problems(tab) == ["explorer 1: ArrowRight on 'g' changes nothing"]
    tab.set_content(explorer('<button tabindex="-1">go</button>'))
    assert keyboard_problems(tab) == ["explorer 1: the keyboard does not reach 'go'"]
    tab.set_content(explorer(CHOICE, f"{WORKS} :focus {{ outline: none }}"))
    assert keyboard_problems(tab) == ["explorer 1: no sign of the focus on 'g'"]
