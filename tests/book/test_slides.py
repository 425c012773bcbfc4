"""Slides and notes, from a small chapter and from the committed ones."""

import base64
import importlib.util
import io
import re
from functools import cache
from html import unescape
from pathlib import Path

import nbformat
import pytest
from PIL import Image

from tests.book.check_site import LOADED, Page, is_elsewhere

BOOK = Path(__file__).parents[2] / "book"
CHAPTERS = sorted(BOOK.glob("*.ipynb"))


@cache
def load_slides():
    spec = importlib.util.spec_from_file_location("slides", BOOK / "slides.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


slides = load_slides()


def text(source: str, **metadata) -> nbformat.NotebookNode:
    return nbformat.v4.new_markdown_cell(source, metadata=metadata)


def code(source: str, *outputs, **metadata) -> nbformat.NotebookNode:
    return nbformat.v4.new_code_cell(source, outputs=list(outputs), metadata=metadata)


def printed(words: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_output("stream", text=words)


def picture() -> nbformat.NotebookNode:
    content = io.BytesIO()
    Image.new("RGB", (40, 20), "red").save(content, "PNG")
    return nbformat.v4.new_output("display_data", {"image/png": base64.b64encode(content.getvalue()).decode()})


def chapter(*cells) -> nbformat.NotebookNode:
    head = "# A title\n\nWhat it is.\n\n**After this chapter you can**\n\n- do it.\n\n**Time** about 5 minutes; more."
    return nbformat.v4.new_notebook(cells=[text(head), *cells])


def deck(*cells):
    """The slides between the title and the exercises."""
    return slides.Deck(chapter(*cells), "here").slides[1:-1]


def words(parts: list[str]) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", " ".join(parts)).split())


def test_title_and_exercises():
    exercise = "## Exercises\n\n### Exercise 1 · Do it\n\nDifficulty ●○○ · 5 minutes\n\nWrite it.\n\n"
    hint = "<details><summary>Hint</summary>\n\nlook there\n\n</details>"
    early, late = (code("answer = 42", tags=["solution"]) for _ in range(2))
    whole = slides.Deck(chapter(text("## One\n\nLead."), early, text(exercise + hint), late), "here")
    title, _, last = whole.slides
    assert (title.title, words(title.body), words(title.notes)) == ("A title", "About 5 minutes do it.", "What it is.")
    assert words(last.body) == "1 · Do it Difficulty ●○○ · 5 minutes" and "Write it." in words(last.notes)
    assert "look there" not in slides.page(whole) and "42" not in slides.page(whole)


def test_each_heading_has_a_slide_with_its_first_sentence_and_the_rest_in_the_notes():
    first, second = deck(text("## One\n\nHe et al. (2016) did **it**. Then more.\n\nEven more.\n\n### Two\n\nShort."))
    assert (first.title, first.lead) == ("One", "He et al. (2016) did **it**.")
    assert "Then more. Even more." in words(first.notes)
    assert (second.title, second.lead) == ("Two", "Short.")


def test_a_figure_keeps_its_description_and_a_second_one_has_a_slide_of_its_own():
    alt = {"mystnb": {"image": {"alt": "a red & wide picture"}}}
    first, second = deck(
        text("## One\n\nLook."), code("show()", picture(), **alt), text("Now. The other:"), code("show()", picture())
    )
    assert 'alt="a red &amp; wide picture"' in first.body[0] and "data:image/webp" in first.body[0]
    assert second.title == "One" and second.lead == "The other:" and "Now." in words(second.notes)


def test_a_question_stands_alone_and_its_answer_follows():
    asked = "## One\n\nLead.\n\nA fact. **Stop and think:** what comes now? Write it down."
    lead, question, answer = deck(text(asked), code("f(1)", printed("2\n")))
    assert words(lead.body) == "" and "2" in words(answer.body)
    assert words(question.body) == "What comes now?" and words(question.notes) == "A fact."
    assert answer.lead == "Write it down."


def test_questions_with_a_hidden_answer_become_two_slides():
    source = "### Check yourself\n\nAnswer first.\n\n<details><summary>1. Why?</summary>\n\nBecause.\n\n</details>"
    question, answer = deck(text(source))
    assert words(question.body) == "Why?" and (answer.lead, words(answer.body)) == ("1. Why?", "Because.")


def test_hints_in_the_metadata():
    skip, notes = ({"slideshow": {"slide_type": kind}} for kind in ("skip", "notes"))
    (only,) = deck(text("## One\n\nLead."), text("Gone.", **skip), text("Said.", **notes), code("secret()", **notes))
    assert "Gone" not in words(only.notes) and "Said. secret()" in words(only.notes) and only.body == []


def test_what_is_too_long_is_split_or_left_to_the_book():
    items = "\n".join(f"- item {i} " + "with words " * 10 for i in range(12))
    parts = deck(text(f"## One\n\nLead.\n\n{items}"))
    assert len(parts) > 1 and all(f"item {i} " in words([*parts[0].body, *parts[1].body]) for i in range(12))
    assert all(part.room() >= 0 for part in parts)
    (only,) = deck(text("## One\n\nLead."), code("x\n" * 200, printed("line\n" * 200)))[:1]
    assert "x x" not in words(only.body)


def test_streams_that_the_build_has_merged_are_shown_once():
    (only,) = deck(text("## One\n\nLead."), code("f()", printed("a\nb\nc\n"), printed("b\n"), printed("c\n")))
    assert only.body[-1].count("b\n") == 1


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_every_chapter_makes_a_deck_that_needs_nothing_else(path, tmp_path):
    whole = slides.Deck(nbformat.read(path, as_version=4), path.stem)
    file = tmp_path / "deck.html"
    file.write_text(slides.page(whole), encoding="utf-8")
    html, page = file.read_text(encoding="utf-8"), Page(file)
    assert len(whole.slides) >= 5 and whole.slides[-1].title == "Exercises" and whole.slides[0].body
    assert html.count('<section class="slide') == html.count('<aside class="notes"') == len(whole.slides)
    assert len(words([note for slide in whole.slides for note in slide.notes])) > 1000
    assert not [address for address in page.loaded if is_elsewhere(address)] and not LOADED.findall(page.code)
    assert all(slide.room() >= 0 for slide in whole.slides)
    cells = nbformat.read(path, as_version=4).cells
    solutions = [cell.source.splitlines()[-1] for cell in cells if "solution" in cell.metadata.get("tags", [])]
    assert solutions and not [line for line in solutions if len(line) > 30 and line in unescape(html)]
    for link in page.links:
        name, _, _ = link.removeprefix("../book/").partition("#")
        if link.startswith("../"):
            assert any((BOOK / name).with_suffix(kind).exists() for kind in (".md", ".ipynb")), link
