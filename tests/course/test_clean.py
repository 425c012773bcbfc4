"""What a submission may show in the instructor's browser, and a student's."""

import base64
import html
import html.parser
import re

import nbformat
import pytest
from nbconvert import HTMLExporter

from resnet_course.classroom.clean import clean_cell, clean_html, clean_output, clean_text
from resnet_course.classroom.feedback import offline

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(20)).decode()
ATTACKS = [
    "<script>attack()</script>",
    "<img src=x onerror=attack()>",
    "<IMG SRC='http://host/pixel'>",
    "<svg/onload=attack()>",
    "<svg><script>attack()</script></svg>",
    "<iframe srcdoc='<script>attack()</script>'></iframe>",
    "<meta http-equiv=refresh content='0;url=http://host'>",
    "<a href='javascript:attack()'>link</a>",
    "<form action=http://host><input name=grade autofocus onfocus=attack()></form>",
    "<style>body{background:url(http://host)}</style>",
    "<div style='position:fixed;background:url(http://host)' onclick=attack()>over all</div>",
    "<math><a xlink:href='javascript:attack()'>1</a></math>",
    "<!--><script>attack()</script>-->",
    "</div></body><script>attack()</script>",
    "<scr<script>ipt>attack()</scr</script>ipt>",
    "<base href=http://host><object data=http://host></object>",
]
MARKDOWN = [
    "[link](javascript:attack())",
    "![picture](http://host/pixel)",
    "[link][1]\n\n[1]: javascript:attack()",
    "<javascript:attack()>",
    "$\\href{javascript:attack()}{x}$",
    "```html <script>\n</pre><script>attack()</script>\n```",
]


class Page(html.parser.HTMLParser):
    """What of a page could run or load: tags, attributes of events, addresses."""

    def __init__(self, text: str):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag in ("script", "iframe", "object", "embed", "form", "input", "svg", "math", "base", "meta", "style"):
            self.found.append(tag)
        for name, value in attributes:
            loads = name in ("src", "style", "action") or (name == "href" and tag != "a")  # a bare address is a link
            if name.startswith("on") or (loads and "host" in (value or "")):
                self.found.append((tag, name))
            if "javascript:" in (value or ""):
                self.found.append((tag, name))


def shown(cell) -> list:
    """What of a cell could run or load, as nbconvert shows it."""
    exporter = HTMLExporter(template_name="basic")
    return Page(exporter.from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))[0]).found


@pytest.mark.parametrize("attack", ATTACKS)
def test_html_neither_runs_nor_loads(attack):
    assert not Page(clean_html(attack)).found
    output = nbformat.v4.new_output("display_data", data={"text/html": attack, "text/plain": attack})
    cell = nbformat.v4.new_code_cell(attack, outputs=[clean_output(output)])
    assert not shown(cell)


@pytest.mark.parametrize("attack", ATTACKS + MARKDOWN)
def test_text_neither_runs_nor_loads(attack):
    cell = nbformat.v4.new_markdown_cell(f"My answer: {attack}")
    cell.metadata = {"tags": ["x' onclick='attack()"], "nbgrader": {"grade_id": "<script>"}}
    cleaned = clean_cell(cell)
    assert not shown(cleaned) and not cleaned.metadata
    assert "\\href" not in cleaned.source


LEADS = re.compile(r"\\(href|mmlToken|bbox|data|def)\b")
FORMULAS = [
    r"\href{javascript:attack()}{x}",
    r"\mmlToken{mi}[href=javascript:attack()]{x}",
    r"\bbox[background:url(http://host)]{x}",
    r"&#92;href{javascript:attack()}{x}",
    r"&bsol;def\x{\href}",
    r"\\\href{javascript:attack()}{x}",
]


@pytest.mark.parametrize("attack", FORMULAS)
def test_no_formula_leads_elsewhere(attack):
    """In formgrader MathJax reads the page."""
    cell = clean_cell(nbformat.v4.new_markdown_cell(f"${attack}$ &#36;{attack}&#36;"))
    page, _ = HTMLExporter(template_name="basic").from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))
    assert not LEADS.search(html.unescape(page))
    texts = re.split("<[^>]*>", clean_html(f"<p>${attack}$ &#x24;{attack}&dollar; \\({attack}\\)</p>"))
    assert not [one for one in map(html.unescape, texts) if len(one) > 1 and re.search(r"[$\\]", one)]


@pytest.mark.parametrize("markup", [r"\text{<meta/http-equiv=refresh/content=0;url=//host>}", r"\href{//host}{x}"])
def test_a_formula_of_the_page_makes_no_tag(markup):
    page = offline(f"<html><head></head><body><p>${html.escape(markup)}$ $a &lt; b$</p></body></html>")
    assert not re.search(r"<meta/|href=", page) and page.count("<math") == 2 and "<mo>&lt;</mo>" in page


def test_no_text_takes_longer_than_its_length():
    """Each of these once took time that grew with the square, or more."""
    assert clean_text("\\" * 100_000)
    output = nbformat.v4.new_output("display_data", data={"text/html": "<ul><li>" * 20_000, "text/plain": "a list"})
    assert clean_output(output).data == {"text/plain": "a list"}


def test_nothing_speaks_to_a_terminal():
    said = "\x1b]8;;http://host\x07click\x1b[2J\x1b[31mred\x1b[0m \u202eabc\x9b2J\tend\n"
    output = clean_output(nbformat.v4.new_output("stream", text=said))
    assert output.text == "]8;;http://hostclick[2J\x1b[31mred\x1b[0m abc2J\tend\n"


def test_what_a_student_writes_stays_legible():
    text = "if a < b and c<=3: $x < y$, *so* **it** is `f(x)`.\n\n- [ ] one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |"
    assert clean_cell(nbformat.v4.new_markdown_cell(text)).source == text


def test_pictures_are_what_they_say():
    data = {"image/png": f"{PNG}\n", "image/jpeg": PNG, "image/svg+xml": "<svg/>", "text/plain": "Figure"}
    data |= {"application/javascript": "attack()", "text/markdown": "<script>", "text/latex": "x"}
    output = clean_output(nbformat.v4.new_output("display_data", data=data, metadata={"image/png": {"alt": "'>"}}))
    assert output.data == {"text/plain": "Figure", "image/png": PNG} and not output.metadata
    output = nbformat.v4.new_output("display_data", data={"image/png": "x' onerror='attack()"})
    assert "image/png" not in clean_output(output).data


def test_attached_pictures_stay():
    cell = nbformat.v4.new_markdown_cell("![mine](attachment:mine.png)", attachments={"mine.png": {"image/png": PNG}})
    cleaned = clean_cell(cell)
    assert cleaned.source == cell.source and cleaned.attachments == cell.attachments
    cell.attachments = {"mine.png": {"image/svg+xml": "<svg onload=attack()>"}, "a' b": {"image/png": PNG}}
    assert "attachments" not in clean_cell(cell) or not clean_cell(cell).attachments


def test_a_message_may_hold_anything():
    output = nbformat.from_dict({"output_type": "error", "ename": ["E"], "evalue": 3, "traceback": [None, "line"]})
    assert clean_output(output).traceback == ["None", "line"]
    output = nbformat.from_dict({"output_type": "execute_result", "data": {"text/plain": 5, "text/html": {"a": 1}}})
    assert clean_output(output).data["text/plain"] == "5"


def test_the_checks_own_result_looks_as_before():
    style = "border-left: 4px solid currentColor; padding-left: 0.8em"
    result = f'<div role="status" style="{style};"><strong>✗</strong><br>1 &lt; 2</div>'
    assert clean_html(result) == result
