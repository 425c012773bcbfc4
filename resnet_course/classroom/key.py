"""The answer key, for the instructor: solutions, hidden tests and rubrics, with one student's numbers."""

import csv
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from resnet_tutorial.errors import InputError

from ..checks.variant import Variant, variant
from .cells import grade_id, is_test
from .course import Course
from .feedback import offline
from .grade import seal
from .release import for_student
from .sandbox import SOURCE_TIMES, Limits, execute

STYLE = (
    "body { max-width: 60rem; margin: auto; padding: 1rem; font: 1rem/1.5 sans-serif } "
    "table { border-collapse: collapse } td, th { padding: 0.2em 0.8em } .highlight pre { padding: 0.6em } "
)


def write_key(course: Course, assignment: str, student: str | None = None, limits: Limits | None = None) -> Path:
    """Make ``key/<assignment>.html``, and ``key/<assignment>.csv`` with everyone's variant.

    The page holds the source as it is, executed where submissions are executed: solutions, hidden tests, the points
    that they earn, and the rubrics of the written parts. It opens offline. The table tells from whom a copied number
    comes.

    Args:
        course: the course.
        assignment: the assignment.
        student: id of a student, whose numbers are to be shown in ``key/<assignment>_<student>.html``; None for the
            numbers of the source.
        limits: what the execution may use.

    Raises:
        InputError: no such assignment or student, the source does not earn all its points, or ``key`` is a link.
    """

    source = course.read_source(assignment)
    students = [one.id for one in course.students()]
    if student is not None and student not in students:
        raise InputError(f"{student!r} is not in the class: choose from {', '.join(students)}")
    folder = course.root / "key"
    if folder.resolve() != folder:  # as a link it could lead into release/
        raise InputError(f"{folder} leads to {folder.resolve()}: remove the link, solutions must not lie elsewhere")
    own = for_student(source, student) if student else source
    executed = execute(own, limits or Limits(**SOURCE_TIMES), hide=(course.root,))
    earned = _points(seal(executed, set()), assignment)
    folder.mkdir(exist_ok=True)
    page = folder / f"{assignment}_{student}.html" if student else folder / f"{assignment}.html"
    page.write_text(_page(executed, assignment, student, earned), encoding="utf-8")
    _write_variants(folder / f"{assignment}.csv", students)
    return page


def _points(executed: Any, assignment: str) -> dict[str, str]:
    """For each part that gives points: how many the solution earned, of how many."""
    earned, total = {}, 0
    for cell in executed.cells:
        shown = cell.get("outputs", [])
        for output in shown:
            if output.output_type == "error":
                where = grade_id(cell) or cell.get("id")
                raise InputError(f"the solution of {assignment} fails in cell {where}: {output.ename}: {output.evalue}")
        about = cell.metadata.get("nbgrader", {})
        if not about.get("grade"):
            continue
        possible = f"{about['points']:g}"
        values = [output["data"]["text/plain"] for output in shown if output.output_type == "execute_result"]
        got = values[-1] if values else possible
        if is_test(cell) and got != possible:
            raise InputError(f"the solution of {assignment} earns {got} of {possible} points in {grade_id(cell)}")
        earned[grade_id(cell)] = f"{got} of {possible}" if is_test(cell) else f"{possible}, read by you"
        total += about["points"]
    return earned | {"**Together**": f"**{total:g}**"}


def _page(executed: Any, assignment: str, student: str | None, earned: dict[str, str]) -> str:
    import nbformat
    from nbconvert import HTMLExporter
    from pygments.formatters import HtmlFormatter

    title = f"Answer key: {assignment}" + (f", {student}" if student else "")
    rows = "\n".join(f"| {name} | {points} |" for name, points in earned.items())
    for cell in executed.cells:
        if cell.cell_type == "markdown":  # there the markers would be headings
            cell.source = cell.source.replace("### BEGIN SOLUTION", "**A good answer**\n").replace(
                "### END SOLUTION", ""
            )
    head = f"# {title}\n\n**For the instructor: solutions and hidden tests. Do not hand out.**"
    table = f"{head}\n\n| Part | Points |\n|---|---|\n{rows}"
    executed.cells.insert(0, nbformat.v4.new_markdown_cell(table, id="key"))
    exporter = HTMLExporter(template_name="basic", exclude_anchor_links=True)
    body, _ = exporter.from_notebook_node(executed)
    style = STYLE + HtmlFormatter().get_style_defs(".highlight")
    return offline(
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title} (for the instructor)</title>'
        f"<style>{style}</style></head>\n<body>{body}</body></html>"
    )


def _write_variants(path: Path, students: list[str]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, ["id", *(field.name for field in fields(Variant))])
        table.writeheader()
        table.writerows({"id": student} | asdict(variant(student)) for student in students)
