"""Feedback for each student: one HTML file that opens offline and asks no other host for anything."""

import html
import os
import re
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from resnet_tutorial.errors import InputError

from .cells import HIDDEN, hidden_regions, is_locked, squeezed
from .clean import clean_output
from .course import Course, not_graded
from .due import note_lateness
from .record import read_grades

# No request at all and no script, whatever a submission has written into its outputs.
POLICY = (
    '<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:\">"
)
SPACE = "<style>th, td { padding: 0 0.6em; }</style>"  # nbgrader's page has none between the columns of a table
SCRIPT = re.compile(r"<script\b.*?</script\s*>", re.DOTALL | re.IGNORECASE)
FOREIGN = re.compile(
    r"""<(?:link|iframe|object|embed|base|meta\b[^>]*\bhttp-equiv)\b[^>]*>"""
    r"""|(?<=\s)src\s*=\s*["']?(?:https?:)?//[^"'>\s]*["']?""",
    re.I,
)
LEAST_FREE = 1 << 20  # bytes; with less, nbgrader has failed for want of room, and does not say so
VERBATIM = re.compile(r"(<(?:pre|code|style|title)\b.*?</(?:pre|code|style|title)>)", re.DOTALL | re.IGNORECASE)
FORMULA = re.compile(r"\$\$([^$<]+)\$\$|\$(?!\s)([^$<\n]+?)(?<!\s)\$(?!\d)")
LEADING = {"href", "src", "style"}  # attributes of a formula that lead elsewhere, load, or cover


@dataclass(frozen=True)
class Feedback:
    """What became of the pages.

    Attributes:
        pages: the files that were written.
        skipped: for each student whose page was not, why.
    """

    pages: tuple[Path, ...]
    skipped: dict[str, str]


def write_feedback(course: Course, assignment: str) -> Feedback:
    """Make ``feedback/<student>/<assignment>/<assignment>.html`` for everyone who was graded.

    It is nbgrader's page without the hidden tests, without scripts, and without anything from another host. Formulas
    are shown as MathML where ``latex2mathml`` is installed. Pages are made aside, and a page takes its place when it is
    clean: one that cannot be made, or would show a hidden test, is skipped, and what stood there before stays.

    Raises:
        InputError: nothing was graded.
    """
    import nbformat

    students = sorted(path.parts[-3] for path in course.root.glob(f"autograded/*/{assignment}/{assignment}.ipynb"))
    if not students:
        raise not_graded(assignment)
    late = note_lateness(course, assignment)
    hidden = hidden_regions(nbformat.read(course.source(assignment), as_version=4))
    pages, skipped = [], {}
    with tempfile.TemporaryDirectory(prefix=".feedback-", dir=course.root) as aside:
        grades = read_grades(course, assignment)
        told = "**Handed in late:** by {} day{}. That costs {:g} points, which are taken off already."
        notes = {
            one: told.format(days, "s" * (days > 1), grades[one].late) for one, days in late.items() if one in grades
        }
        _make_pages(course, assignment, Path(aside).name, notes)
        for student in students:
            made = Path(aside) / student / assignment / f"{assignment}.html"
            page = course.root / "feedback" / student / assignment / made.name
            text = offline(made.read_text(encoding="utf-8")) if made.exists() else ""
            if not text and shutil.disk_usage(course.root).free < LEAST_FREE:
                raise InputError(f"the disk with {course.root} is full: make room, then call this again")
            if not text:
                skipped[student] = "nbgrader could not make the page: look into autograded/"
            elif any(piece in squeezed(_text(text)) for piece in hidden):
                skipped[student] = "the page would have shown a hidden test: look into autograded/"
            else:
                made.write_text(text, encoding="utf-8")
                page.parent.mkdir(parents=True, exist_ok=True)
                os.replace(made, page)
                pages.append(page)
    return Feedback(tuple(pages), skipped)


def _make_pages(course: Course, assignment: str, aside: str, notes: dict[str, str]) -> None:
    """nbgrader's pages, in a folder of the course; a page that fails is not there.

    Args:
        course: the course.
        assignment: the assignment.
        aside: name of the folder.
        notes: for students' ids, what stands on top.
    """
    import nbformat
    from nbgrader.converters import GenerateFeedback
    from nbgrader.converters.base import NbGraderException
    from nbgrader.preprocessors import NbGraderPreprocessor

    class WithoutHiddenTests(NbGraderPreprocessor):
        # Unlike nbgrader's own, it does not stumble over a marker that a student wrote.
        def preprocess(self, nb, resources):
            if note := notes.get(resources["nbgrader"]["student"]):
                nb.cells.insert(0, nbformat.v4.new_markdown_cell(note))
            return super().preprocess(nb, resources)

        def preprocess_cell(self, cell, resources, cell_index):
            cell.source = HIDDEN.sub("", cell.source) if is_locked(cell) else cell.source
            if cell.cell_type == "code":  # graded by an earlier version
                cell.outputs = [clean_output(output) for output in cell.outputs]
            return cell, resources

    directory = course.directory(assignment)
    directory.feedback_directory = aside
    converter = GenerateFeedback(coursedir=directory, config=course.config(), force=True)
    converter.preprocessors = [WithoutHiddenTests, *converter.preprocessors]
    with suppress(NbGraderException):  # it goes on behind each that fails
        converter.start()


def offline(page: str) -> str:
    """The page without scripts and other hosts, and with formulas that need no script."""
    parts = VERBATIM.split(page)
    parts[::2] = [FORMULA.sub(_mathml, part) for part in parts[::2]]
    page = FOREIGN.sub("", SCRIPT.sub("", "".join(parts)))
    page = re.sub(r"@import\b[^;]*;", "", page)
    return re.sub(r"<head>", f"<head>{POLICY}{SPACE}", page, count=1)


def _mathml(formula: re.Match) -> str:
    """A formula as MathML, which browsers set without a script; as it was, if it cannot be read."""
    try:
        from latex2mathml.converter import convert_to_element

        display = "block" if formula[1] else "inline"
        element = convert_to_element(html.unescape(formula[1] or formula[2]), display=display)
        for one in element.iter():  # it writes text as HTML, which a tag in a formula would be, too
            one.text = one.text and html.unescape(one.text)
            for name in LEADING & one.attrib.keys():
                del one.attrib[name]
        return ElementTree.tostring(element, encoding="unicode")
    except Exception:
        return formula[0]


def _text(page: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", page))
