"""Leave of a submission only what a browser shows without harm, before anybody's browser sees it.

nbgrader's formgrader shows outputs and texts as they are, in the origin of the instructor's Jupyter server: a script in
one would act with the instructor's rights. So nothing that could be one is kept.
"""

import base64
import binascii
import re
from typing import Any

import bleach
from bleach.css_sanitizer import CSSSanitizer

LONGEST = 2_000_000  # characters of one text, which a picture is, too
LONGEST_HTML = 20_000  # characters; tags within tags take time that grows with the square
LINES, LINE = 100, 10_000  # of an error: lines, and characters in each
# What the checks show, and tables, without attributes that load, run or cover anything.
TABLE = {"caption", "table", "tbody", "td", "tfoot", "th", "thead", "tr"}
TAGS = TABLE | {"b", "br", "code", "div", "em", "i", "li", "ol", "p", "pre", "span", "strong", "sub", "sup", "ul"}
ATTRIBUTES = {"*": ["role", "style"], "td": ["colspan", "rowspan"], "th": ["colspan", "rowspan", "scope"]}
STYLES = CSSSanitizer(allowed_css_properties=["border-left", "padding-left", "text-align"])
DROPPED = re.compile(r"<(script|style|title|template)\b.*?(</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
PICTURE_SIGNATURES = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}
TAG = re.compile(r"<(?=[^\s=])")
LINK = re.compile(r"\]\s?(?=[(:\[])(?!\(attachment:[\w.-]+\))")  # [text](target), [name]: target, [text][name]
COMMAND = re.compile(  # what leads elsewhere, loads, styles or makes commands; \mmlToken and \bbox take attributes
    r"\\(?=(?:href|url|require|html\w*|style|class|cssId|unicode|mmltoken|bbox|data|def|let|\w*command|\w*env\w*)\b)",
    re.I,
)
ENTITY = re.compile(r"&(?=#?\w+;)")  # a letter in disguise
# Of what turns or hides text, or speaks to a terminal, colors alone are kept.
CONTROL = re.compile("\x1b(?!\\[[0-9;]*m)|[\0-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
FORMULA = re.compile(r"\$|\\|&(?:#0*(?:36|92)|#x0*(?:24|5c)|dollar|bsol);?", re.I)  # begins one, for MathJax


def clean_cell(cell: Any) -> Any:
    """A copy of a student's cell: text without tags and links, no outputs, no pictures but PNG and JPEG.

    Args:
        cell: of any notebook; of its metadata nothing is kept.
    """
    import nbformat

    make = {"code": nbformat.v4.new_code_cell, "markdown": nbformat.v4.new_markdown_cell}
    cleaned = make.get(cell.cell_type, nbformat.v4.new_raw_cell)(cell.source)
    if cell.cell_type != "code":
        cleaned.source = clean_text(cell.source)
    pictures = {name: _pictures(data) for name, data in _items(cell.get("attachments"))}
    if cell.cell_type == "markdown" and any(pictures.values()):
        cleaned.attachments = {name: data for name, data in pictures.items() if data and re.fullmatch(r"[\w.-]+", name)}
    return cleaned


def clean_text(text: str) -> str:
    """Markdown in which no tag is a tag, no link a link, and no formula more than a formula: by one space more."""
    return COMMAND.sub(r"\\ ", LINK.sub("] ", TAG.sub("< ", ENTITY.sub("& ", text))))


def clean_output(output: Any) -> Any:
    """An output as text, a picture, or plain HTML such as the checks' own; all else is dropped."""
    import nbformat

    new = nbformat.v4.new_output
    if output.output_type == "stream":
        return new("stream", name="stderr" if output.get("name") == "stderr" else "stdout", text=_text(output.text))
    if output.output_type == "error":
        return new(
            "error",
            ename=_text(output.ename)[:LINE],
            evalue=_text(output.evalue)[:LINE],
            traceback=[_text(line)[:LINE] for line in output.traceback[-LINES:]],
        )
    data = output.get("data", {})
    kept = {"text/plain": _text(data.get("text/plain", "")), **_pictures(data)}
    if "text/html" in data and len(page := _text(data["text/html"])) <= LONGEST_HTML:
        kept["text/html"] = clean_html(page)
    if output.output_type == "execute_result":
        return new("execute_result", data=kept, execution_count=None)
    return new("display_data", data=kept)


def clean_html(text: str) -> str:
    """HTML of a few harmless tags, without formulas; of all other tags the text stays."""
    kept = DROPPED.sub("", text)
    kept = bleach.clean(kept, tags=TAGS, attributes=ATTRIBUTES, css_sanitizer=STYLES, strip=True)
    return FORMULA.sub(r"<span>\g<0></span>", kept)  # what begins and what ends a formula no longer stand in one text


def _pictures(data: Any) -> dict[str, str]:
    """Those that are what they say, encoded anew."""
    kept = {}
    for kind, encoded in _items(data):
        try:
            picture = base64.b64decode(_text(encoded), validate=False)
        except (binascii.Error, ValueError):
            continue
        if kind in PICTURE_SIGNATURES and picture.startswith(PICTURE_SIGNATURES[kind]):
            kept[kind] = base64.b64encode(picture).decode()
    return kept


def _items(value: Any) -> list[tuple[str, Any]]:
    return list(value.items()) if isinstance(value, dict) else []


def _text(value: Any) -> str:
    """A message may hold anything where text should be, and any amount of it."""
    text = "".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return CONTROL.sub("", text[:LONGEST])
