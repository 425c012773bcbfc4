"""Slides, from a small notebook and from the committed chapters."""

import importlib.util
import re
from pathlib import Path

import nbformat
import pytest

from tests.book.check_site import LOADED, Page, is_elsewhere

BOOK = Path(__file__).parents[2] / "book"
CHAPTERS = sorted(BOOK.glob("*.ipynb"))


def load_slides():
    spec = importlib.util.spec_from_file_location("slides", BOOK / "slides.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


slides = load_slides()
DECKS = [path for path in CHAPTERS if any("slideshow" in cell.metadata for cell in nbformat.read(path, 4).cells)]


def text(source: str, kind: str | None = None) -> nbformat.NotebookNode:
    return nbformat.v4.new_markdown_cell(source, metadata={"slideshow": {"slide_type": kind}} if kind else {})


def code(source: str, *outputs) -> nbformat.NotebookNode:
    return nbformat.v4.new_code_cell(source, outputs=list(outputs), metadata={"slideshow": {"slide_type": "fragment"}})


def printed(words: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_output("stream", text=words)


def pick(*cells) -> list[nbformat.NotebookNode]:
    return slides.pick_slides(nbformat.v4.new_notebook(cells=list(cells))).cells


def test_what_is_not_marked_is_left_to_the_book():
    one, notes = text("# One\n\nA sentence.", "slide"), text("Said.", "notes")
    assert [cell.source for cell in pick(one, text("Prose."), notes)] == ["# One\n\nA sentence.", "Said."]
    assert pick(text("# One"), text("Prose.")) == []


def test_a_slide_without_a_heading_has_that_of_its_section():
    cells = pick(text("# One", "slide"), text("Prose.\n\n## Two\n\nMore."), text("Look.", "slide"))
    assert [cell.source for cell in cells] == ["# One", "## Two", "Look."]
    assert [cell.metadata.get("slideshow", {}).get("slide_type") for cell in cells] == ["slide", "slide", None]


def test_streams_that_the_build_has_merged_are_shown_once():
    (cell,) = pick(code("f()", printed("a\nb\n"), printed("b\n")))
    assert [output.text for output in cell.outputs] == ["a\nb\n"] and not cell.metadata.transient["remove_source"]


def test_a_figure_stands_without_its_code():
    (cell,) = pick(code("show()", nbformat.v4.new_output("display_data", {"image/png": "AAAA"})))
    assert cell.outputs and cell.metadata.transient["remove_source"]


def test_links_lead_to_the_book_and_formulas_need_no_script():
    html = slides.render("[a](other.ipynb#b), [c](page.md), [d](https://example.org/x.md) and $x^2$")
    assert re.findall('href="(.*?)"', html) == ["../book/other.html#b", "../book/page.html", "https://example.org/x.md"]
    assert "<msup>" in html and "$" not in html
    assert slides.render("A {term}`stage`, two {term}`stages <stage>`.") == "<p>A stage, two stages.</p>\n"


@pytest.mark.parametrize("path", DECKS, ids=lambda path: path.stem)
def test_a_deck_is_short_and_so_is_each_of_its_slides(path):
    deck: list[list] = []
    for cell in slides.pick_slides(nbformat.read(path, 4)).cells:
        kind = cell.metadata.get("slideshow", {}).get("slide_type")
        if kind == "slide":
            deck.append([])
        if kind != "notes":
            deck[-1].append(cell)
    assert 8 <= len(deck) <= 10
    for number, cells in enumerate(deck):
        assert re.match("##+ " if number else "# ", cells[0].source)
        prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        words = re.sub(r"^#+ .*|\]\(.*?\)", "", prose, flags=re.M).split()
        assert len(words) <= 50 and [cell.cell_type for cell in cells].count("code") <= 1, prose


def test_the_decks_need_nothing_from_elsewhere_and_their_figures_have_a_text(tmp_path):
    for path in CHAPTERS:
        notebook = nbformat.read(path, 4)
        for cell in notebook.cells:
            if "mystnb" in cell.metadata and "image" in cell.metadata.mystnb:
                cell.outputs = [nbformat.v4.new_output("display_data", {"image/png": "AAAA"})]
        nbformat.write(notebook, tmp_path / path.name)
    target = tmp_path / "slides"
    slides.write_slides(tmp_path, target)
    assert {path.stem for path in target.glob("*.html")} == {path.stem for path in DECKS} != set()
    for path in target.glob("*.html"):
        page, html = Page(path), path.read_text(encoding="utf-8")
        assert "<h1>" in html and '<aside class="notes">' in html
        assert all(len(alt.split()) > 2 for _, alt in page.images) and len(page.images) == html.count("<img")
        loaded = [address for address in page.loaded if not address.startswith("data:")]
        assert loaded and all((target / address).is_file() for address in loaded) and not LOADED.findall(page.code)
        for link in (link for link in page.links if not is_elsewhere(link)):
            source = BOOK / link.removeprefix("../book/").partition("#")[0]
            assert any(source.with_suffix(kind).exists() for kind in (".md", ".ipynb")), link
