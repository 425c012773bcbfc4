"""Set the executed chapters as slides with speaker's notes: `make slides`, and the last step of `make book`.

The same rules for all chapters; nothing is written for the slides alone. Each heading begins a slide, with the first
sentence below it. Figures and tables follow, each on a slide of its own if the room is used up; where a section has
neither, its first short pieces of code and what they print. A question stands alone, its answer on the next slide. All
other text is in the notes. Cells may say `slideshow: {slide_type: skip}` or `notes` in their metadata.
"""

import base64
import html
import io
import math
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from PIL import Image

BOOK = Path(__file__).parent
BUILD = BOOK.parent / "_build"

# Pixels of a slide of 1280 × 720, as slides.css sets it: it has to fit, so it is counted.
ROOM, FIGURE = 570, 330
FULL = ROOM - 50  # with a lead of one line
# Height and letters of a line, and the space around.
LINES = {"lead": (37, 76, 8), "code": (27, 92, 26), "list": (38, 82, 10), "table": (37, 88, 10)}

CHUNKS = 3  # slides that one long list, table or piece of code may fill; beyond, it is left to the book
TEXTS = 2  # pieces of code that a section without figures shows
QUESTION = "**Stop and think:**"
ABBREVIATED = re.compile(r"(\bal|\bvs|\be\.g|\bi\.e|\bFig|\bcf)\.$")
ROLE = re.compile(r"\{\w+\}`([^`<]*?)(?: <[^`]*>)?`")  # of MyST: what it shows

Block = tuple[str, str]  # kind, Markdown


@dataclass
class Slide:
    """One slide: title and lead as Markdown, body and notes as HTML."""

    title: str
    lead: str = ""
    body: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    kind: str = ""
    used: float = 0

    def room(self) -> float:
        """Pixels that are left."""
        return ROOM - self.used - (height("lead", [self.lead]) if self.lead else 0)


@dataclass
class Section:
    """A heading and what follows it: Markdown blocks and code cells."""

    title: str
    parts: list[Block | Any] = field(default_factory=list)


def formula(text: str, options: dict) -> str:
    return convert(text, display="block" if options.get("display_mode") else "inline")


MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable("table").use(dollarmath_plugin, renderer=formula)


def height(kind: str, lines: list[str]) -> float:
    """Pixels that lines take, the long ones wrapped."""
    each, letters, around = LINES[kind]
    return each * sum(max(1, math.ceil(len(plain(line)) / letters)) for line in lines) + around


def plain(text: str) -> str:
    """Markdown without the addresses of its links."""
    return re.sub(r"\]\([^)]*\)", "", text)


def blocks(source: str) -> Iterator[Block]:
    """The blocks of a Markdown cell; questions with a hidden answer are one block each."""
    for part in re.split(r"(<details>.*?</details>)", source, flags=re.DOTALL):
        if part.startswith("<details>"):
            yield "details", part
            continue
        lines = part.splitlines()
        for token in MARKDOWN.parse(part):
            if token.level == 0 and token.map and token.nesting >= 0:
                yield token.type.removesuffix("_open"), "\n".join(lines[slice(*token.map)])


def sections(notebook: Any) -> list[Section]:
    """The chapter by its headings, without solutions, hints and housekeeping."""
    found = [Section("")]
    for cell in notebook.cells:
        kind = cell.metadata.get("slideshow", {}).get("slide_type")
        if cell.id == "install" or "solution" in cell.metadata.get("tags", []) or kind == "skip":
            continue
        if cell.cell_type == "code":
            found[-1].parts.append(("notes", f"```\n{cell.source}\n```") if kind == "notes" else cell)
            continue
        for block in blocks(cell.source):
            if kind == "notes":
                found[-1].parts.append(("notes", block[1]))
            elif block[0] == "heading":
                found.append(Section(block[1].lstrip("# ")))
            else:
                found[-1].parts.append(block)
    return found[1:]


def sentences(paragraph: str) -> list[str]:
    """A paragraph cut behind its sentences, never inside of brackets, bold text, code or a formula."""
    found, start = [], 0
    text = " ".join(paragraph.split())
    for match in re.finditer(r"(?<=[.?!])[)*”\"]* (?=[^a-z])", text):
        one = text[start : match.end()].strip()
        whole = all(one.count(mark) % 2 == 0 for mark in ("`", "$", "**")) and one.count("(") == one.count(")")
        if whole and not ABBREVIATED.search(one):
            found.append(one)
            start = match.end()
    return [*found, text[start:]] if text[start:] else found


class Deck:
    """The slides of a chapter, one section after the other."""

    def __init__(self, notebook: Any, chapter: str):
        self.chapter, self.slides = chapter, []
        first, *others = sections(notebook)
        self.add_title(first)
        exercises = []
        for section in others:
            if section.title.startswith("Exercise "):
                exercises.append(section)
            elif section.title not in ("Exercises", "References"):
                self.add_section(section)
        self.add_exercises(exercises)

    def html(self, markdown: str) -> str:
        """Markdown as HTML; links lead to the pages of the book."""
        text = MARKDOWN.render(ROLE.sub(r"\1", markdown))
        text = re.sub(r'href="([\w./-]+)\.(?:ipynb|md)(#[^"]*)?"', r'href="../book/\1.html\2"', text)
        return text.replace('href="#', f'href="../book/{self.chapter}.html#')

    def add_title(self, section: Section) -> None:
        texts = [part for part in section.parts if isinstance(part, tuple)]
        goals = next((text for kind, text in texts if kind == "bullet_list"), "")
        time = next((text for _, text in texts if text.startswith("**Time**")), "")
        slide = Slide(section.title, kind="title")
        minutes = re.split("[;.]", re.sub(r"\*\*Time\*\*\s*", "", time))[0]
        slide.body = [self.html(f"{minutes[:1].upper()}{minutes[1:]}\n\n{goals}")]
        shown = (goals, time, "**After this chapter you can**")
        slide.notes = [self.html(text) for _, text in texts if text not in shown]
        self.slides.append(slide)

    def add_exercises(self, exercises: list[Section]) -> None:
        slide = Slide("Exercises")
        for section in exercises:
            texts = [part[1] for part in section.parts if isinstance(part, tuple) and part[0] != "details"]
            slide.body.append(self.html(f"**{section.title.removeprefix('Exercise ')}**  \n{texts[0]}"))
            slide.notes += [self.html(f"**{section.title}**"), *map(self.html, texts[1:])]
        self.slides.append(slide)

    def add_section(self, section: Section) -> None:
        """The slides of one section. What has no room on the last slide begins another one."""
        self.slides.append(Slide(section.title))
        self.between: list[str] = []  # paragraphs since the last thing shown
        self.texts = 0 if any(shows(part) for part in section.parts) else TEXTS
        for part in section.parts:
            if not isinstance(part, tuple):
                self.add_cell(part)
            elif part[0] == "paragraph":
                self.add_paragraph(part[1])
            elif part[0] == "details":
                self.add_hidden_answer(part[1])
            elif part[0] in ("bullet_list", "ordered_list", "table", "math_block", "fence"):
                self.add_block(*part)
            else:
                self.slides[-1].notes.append(self.html(part[1]))
        self.put_notes()
        last = self.slides[-1]
        if not (last.lead or last.body or last.notes):  # a heading right above the next one
            self.slides.pop()

    def add_paragraph(self, text: str) -> None:
        if QUESTION in text:
            self.add_question(text)
            return
        slide = self.slides[-1]
        if not slide.lead and not slide.body and not self.between:
            slide.lead = sentences(text)[0]
        self.between.append(text)

    def add_question(self, text: str) -> None:
        """A slide for the question alone. What follows it in the paragraph, and below, is on the next slide."""
        self.put_notes()
        before, after = text.split(QUESTION)
        parts = sentences(after)
        last = max((i for i, one in enumerate(parts, start=1) if one.rstrip("*").endswith("?")), default=len(parts))
        asked = " ".join(parts[:last])
        if "?" not in asked:  # it was asked before: the rest is a hint
            asked, before = f"{before}{QUESTION} {asked}", ""
        first = self.slides[-1]
        slide = first if not first.lead and not first.body else Slide(first.title)
        slide.kind, slide.body = "question", [self.html(asked.strip()[:1].upper() + asked.strip()[1:])]
        if before.strip():
            slide.notes.append(self.html(before))
        if slide is not first:
            self.slides.append(slide)
        self.slides.append(Slide(slide.title))
        self.texts += 1
        if parts[last:]:
            self.add_paragraph(" ".join(parts[last:]))

    def add_hidden_answer(self, text: str) -> None:
        """A question to check oneself, and its answer on the next slide."""
        asked, answer = re.search(r"<summary>(.*?)</summary>(.*)</details>", text, re.DOTALL).groups()
        title = self.slides[-1].title
        if not self.slides[-1].body:
            self.slides.pop()  # nothing but "answer before you open"
        self.slides.append(Slide(title, kind="question", body=[self.html(asked)]))
        self.slides.append(Slide(title, asked, [self.html(answer)]))
        self.between = []

    def add_cell(self, cell: Any) -> None:
        """What a code cell shows: its figures, or else its code and what it prints."""
        figures, printed = list(pictures(cell)), output_text(cell)
        if is_elsewhere(cell, printed):
            figures.append(f'<p><a href="../book/{self.chapter}.html">Open it in the book</a></p>')
        if figures:
            for figure in figures:
                self.show(figure, figure_height(figure), fills=True)
            self.slides[-1].body += notices(cell)
        elif self.texts and not is_preparation(cell):
            code = re.sub("\n{3,}", "\n\n", cell.source).splitlines() if "Code(" not in cell.source else []
            self.texts -= self.add_code(code, printed)
        elif printed and len(printed) <= 15:
            self.put_notes()
            self.slides[-1].notes.append(pre(printed, "output"))

    def add_code(self, code: list[str], printed: list[str]) -> bool:
        """Code and what it prints, together if there is room; whether they were shown."""
        if code and height("code", code + printed) + 34 <= FULL:
            self.show(pre(code, "code") + pre(printed, "output"), height("code", code + printed) + 34)
            return True
        groups = [(part, name) for lines, name in ((code, "code"), (printed, "output")) for part in pack(lines, "code")]
        if len(groups) > CHUNKS:
            groups = [(part, "output") for part in pack(printed, "code")][:CHUNKS]
        for part, name in groups:
            self.show(pre(part, name), height("code", part))
        return bool(groups)

    def add_block(self, kind: str, text: str) -> None:
        """A list, a table, a formula or a piece of code from the text."""
        if kind in ("math_block", "fence"):
            self.show(self.html(text), height("code", text.splitlines()))
            return
        name = "table" if kind == "table" else "list"
        head, items = split_table(text) if kind == "table" else ([], items_of(text))
        parts = pack(items, name, len(head))
        if len(parts) > CHUNKS:
            self.put_notes()
            self.slides[-1].notes.append(self.html(text))
            return
        slide, said = self.slides[-1], sentences(self.between[-1])[-1] if self.between else ""
        needed = height("lead", [said]) + height(name, [*head[:1], *parts[0]])
        if said.endswith(":") and said != slide.lead and slide.room() >= needed:
            self.show(self.html(said), height("lead", [said]))
        for part in parts:
            self.show(self.html("\n".join([*head, *part])), height(name, [*head[:1], *part]))

    def show(self, body: str, size: float, fills: bool = False) -> None:
        """Put something on the last slide if there is room, or else on a new one."""
        slide = self.slides[-1]
        if slide.room() < size or "fills" in slide.kind:
            lead = self.between[-1] if self.between else ""
            self.between = self.between[:-1]
            self.put_notes()
            slide = Slide(slide.title, lead=sentences(lead)[-1] if lead else "")
            slide.notes = [self.html(lead)] if lead else []
            if slide.room() < size:
                slide.lead = ""
            self.slides.append(slide)
        self.put_notes()
        slide.body.append(body)
        slide.used += size
        slide.kind = "fills" if fills else slide.kind

    def put_notes(self) -> None:
        self.slides[-1].notes += map(self.html, self.between)
        self.between = []


def pack(lines: list[str], kind: str, head: int = 0) -> list[list[str]]:
    """Lines in groups, each of which has room on a slide, below so many lines of a head. Code is cut at empty lines."""
    groups: list[list[str]] = [[]] if lines else []
    for line in lines:
        group = groups[-1]
        if group and height(kind, [*group, line, *[""] * head]) > FULL:
            cut = max((i for i, one in enumerate(group) if i > len(group) // 3 and not one.strip()), default=len(group))
            groups[-1:] = [group[:cut], group[cut + 1 :]]
        groups[-1].append(line)
    return groups


def items_of(text: str) -> list[str]:
    """The items of a list, each with the lines that belong to it."""
    return [" ".join(item.split()) for item in re.split(r"\n(?=[-*] |\d+\. )", text)]


def split_table(text: str) -> tuple[list[str], list[str]]:
    """The two lines of a table's head, and its rows."""
    lines = text.splitlines()
    return lines[:2], lines[2:]


def output_text(cell: Any) -> list[str]:
    """What a cell prints and returns as text. Where the build has merged streams, the first one holds them all."""
    streams = [output.text for output in cell.outputs if output.output_type == "stream" and output.name == "stdout"]
    merged = len(streams) > 1 and streams[0].endswith("".join(streams[1:]))
    values = [output.data["text/plain"] for output in cell.outputs if is_text(output)]
    return "\n".join([*(streams[:1] if merged else streams), *values]).replace("\n\n", "\n").strip("\n").splitlines()


def is_text(output: Any) -> bool:
    data = output.get("data", {})
    rich = "image/png" in data or ("text/html" in data and "highlight" not in data["text/html"])
    return "text/plain" in data and not rich and not any("widget" in kind for kind in data)


def is_preparation(cell: Any) -> bool:
    return not cell.source.strip() or cell.source.startswith(("import ", "from ", "# Your code"))


def shows(part: Any) -> bool:
    """Whether a part of a section is a figure."""
    if isinstance(part, tuple):
        return False
    data = [output.get("data", {}) for output in part.outputs]
    return any("image/png" in one or "rt-diagram" in one.get("text/html", "") for one in data)


def pictures(cell: Any) -> Iterator[str]:
    """Figures, with the alternative text from the cell's metadata, and diagrams."""
    alt = html.escape(cell.metadata.get("mystnb", {}).get("image", {}).get("alt", ""))
    diagrams = []
    for output in cell.outputs:
        data = output.get("data", {})
        if "image/png" in data:
            yield f'<img alt="{alt}" src="data:image/webp;base64,{webp(data["image/png"])}">'
        elif "rt-diagram" in data.get("text/html", ""):
            diagrams.append(data["text/html"])
    if diagrams:
        yield "".join(diagrams)


def figure_height(figure: str) -> float:
    """Pixels for a figure; a tall diagram gets what its words need."""
    tall = [float(number) for number in re.findall(r'<svg[^>]* height="([\d.]+)"', figure)]
    return min(ROOM, 1.5 * max(tall)) if tall else FIGURE


def webp(png: str) -> str:
    """A picture packed tighter, without loss."""
    packed = io.BytesIO()
    Image.open(io.BytesIO(base64.b64decode(png))).save(packed, "WEBP", lossless=True)
    return base64.b64encode(packed.getvalue()).decode()


def is_elsewhere(cell: Any, printed: list[str]) -> bool:
    """Whether only the book has room for it: explorers, the ledger, and listings longer than a slide."""
    texts = [output.get("data", {}).get("text/html", "") for output in cell.outputs]
    listing = any("highlight" in text for text in texts) and height("code", printed) > FULL
    return listing or any(f'class="{name}' in text for text in texts for name in ("rt-nets", "rt-ledger"))


def notices(cell: Any) -> list[str]:
    """What says below a figure whether its runs were loaded or trained."""
    texts = [output.get("data", {}).get("text/html", "") for output in cell.outputs]
    found = [re.search(r'<div class="rt-source[^>]*>\s*<p>(.*?)</p>', text, re.DOTALL) for text in texts]
    return [f'<p class="source">{match[1]}</p>' for match in found if match]


def pre(lines: list[str], name: str) -> str:
    return "" if not lines else f'<pre class="{name}">{html.escape(chr(10).join(lines))}</pre>'


def page(deck: Deck) -> str:
    """All slides as one HTML file that needs no other."""
    title = html.escape(deck.slides[0].title)
    parts = []
    for number, slide in enumerate(deck.slides, start=1):
        heading = "h1" if number == 1 else "h2"
        name = deck.html(slide.title).removeprefix("<p>").removesuffix("</p>\n")
        lead = f'<div class="lead">{deck.html(slide.lead)}</div>' if slide.lead else ""
        foot = f'<footer><a href="../book/{deck.chapter}.html">{title}</a> · {number} of {len(deck.slides)}</footer>'
        body = f'<div class="body">{"".join(slide.body)}</div>'
        parts.append(f'<section class="slide {slide.kind}"><{heading}>{name}</{heading}>{lead}{body}{foot}</section>')
        parts.append(f'<aside class="notes" aria-label="Notes, slide {number}">{"".join(slide.notes)}</aside>')
    style, script = ((BOOK / name).read_text(encoding="utf-8") for name in ("slides.css", "slides.js"))
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}: slides</title>\n'
        f'<meta name="viewport" content="width=device-width"><style>\n{style}</style></head>\n'
        f"<body><main>\n{chr(10).join(parts)}\n</main><script>\n{script}</script></body></html>\n"
    )


def write_slides(executed: Path, target: Path) -> list[Path]:
    """Make ``<chapter>.html`` of every executed chapter."""
    target.mkdir(parents=True, exist_ok=True)
    written = []
    for path in sorted(BOOK.glob("*.ipynb")):
        deck = Deck(nbformat.read(executed / path.name, as_version=4), path.stem)
        written.append(target / f"{path.stem}.html")
        written[-1].write_text(page(deck), encoding="utf-8")
        print(f"{path.stem:22} {len(deck.slides):3} slides, {written[-1].stat().st_size / 1e3:5.0f} kB")
    return written


if __name__ == "__main__":
    try:
        write_slides(BUILD / "jupyter_execute" / "book", BUILD / "html" / "slides")
    except FileNotFoundError as error:
        sys.exit(f"error: {error.filename} is missing: run make book first")
