"""Feedback for each student: one HTML file that opens offline and asks no other host for anything."""

import contextlib
import html
import re
from pathlib import Path

from resnet_tutorial.errors import InputError

from .cells import MARKERS, hidden_regions, squeezed
from .course import Course

# No request at all and no script, whatever a submission has written into its outputs.
POLICY = (
    '<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:\">"
)
SPACE = "<style>th, td { padding: 0 0.6em; }</style>"  # nbgrader's page has none between the columns of a table
SCRIPT = re.compile(r"<script\b.*?</script\s*>", re.DOTALL | re.IGNORECASE)
FOREIGN = re.compile(
    r"""<(?:link|iframe|object|embed|base)\b[^>]*>|(?<=\s)src\s*=\s*["']?(?:https?:)?//[^"'>\s]*["']?""", re.I
)
VERBATIM = re.compile(r"(<(?:pre|code|style|title)\b.*?</(?:pre|code|style|title)>)", re.DOTALL | re.IGNORECASE)
FORMULA = re.compile(r"\$\$([^$]+)\$\$|\$(?!\s)([^$\n]+?)(?<!\s)\$(?!\d)")


def write_feedback(course: Course, assignment: str) -> list[Path]:
    """Make ``feedback/<student>/<assignment>/<assignment>.html`` for everyone who was graded.

    It is nbgrader's page without the hidden tests, without scripts, and without anything from another host. Formulas
    are shown as MathML where ``latex2mathml`` is installed.

    Raises:
        InputError: nothing was graded; or, when all other pages are made, some could not be, or would show a hidden
            test.
    """
    import nbformat
    from nbgrader.converters import GenerateFeedback
    from nbgrader.converters.base import NbGraderException
    from nbgrader.preprocessors import ClearHiddenTests

    students = sorted(path.parts[-3] for path in course.root.glob(f"autograded/*/{assignment}/{assignment}.ipynb"))
    if not students:
        raise InputError(f"nothing was graded: resnet-tutorial classroom grade {assignment} comes first")
    converter = GenerateFeedback(coursedir=course.directory(assignment), config=course.config(), force=True)
    converter.preprocessors = [ClearHiddenTests, *converter.preprocessors]
    with contextlib.suppress(NbGraderException):  # after the last page, if it could not make them all
        converter.start()
    hidden = hidden_regions(nbformat.read(course.source(assignment), as_version=4))
    pages = {one: course.root / "feedback" / one / assignment / f"{assignment}.html" for one in students}
    failed = [one for one, page in pages.items() if not page.exists()]
    for student in students:
        if student in failed:
            continue
        text = offline(pages[student].read_text(encoding="utf-8"))
        shown = squeezed(_text(text))
        if any(marker in text for marker in MARKERS[2:4]) or any(piece in shown for piece in hidden):
            pages[student].unlink()
            failed.append(student)
        else:
            pages[student].write_text(text, encoding="utf-8")
    if failed:
        raise InputError(
            f"no page for {', '.join(failed)}, {len(pages) - len(failed)} others are made: "
            "it could not be made, or would have shown a hidden test; look into autograded/"
        )
    return list(pages.values())


def offline(page: str) -> str:
    """The page without scripts and other hosts, and with formulas that need no script."""
    page = FOREIGN.sub("", SCRIPT.sub("", page))
    page = re.sub(r"@import\b[^;]*;", "", page)
    parts = VERBATIM.split(page)
    parts[::2] = [FORMULA.sub(_mathml, part) for part in parts[::2]]
    page = "".join(parts)
    return re.sub(r"<head>", f"<head>{POLICY}{SPACE}", page, count=1)


def _mathml(formula: re.Match) -> str:
    """A formula as MathML, which browsers set without a script; as it was, if it cannot be read."""
    try:
        from latex2mathml.converter import convert

        return convert(html.unescape(formula[1] or formula[2]), display="block" if formula[1] else "inline")
    except Exception:
        return formula[0]


def _text(page: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", page))
