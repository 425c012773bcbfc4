"""An assignment that was corrected after work on it was handed in: the gradebook follows, and keeps what is marked."""

from typing import Any

from resnet_tutorial.errors import InputError

from .cells import grade_id, is_locked, is_solution
from .course import Course


def follow_changes(course: Course, assignment: str, source: Any) -> None:
    """Give the gradebook's cells new names, add and take away some, as the source has them now.

    nbgrader does this by itself while nothing has been graded, and refuses afterwards. A cell is known again by its id
    in the notebook, which Jupyter keeps; points and comments that were given by hand stay with it.

    Args:
        course: the course.
        assignment: the assignment.
        source: its source, as it is now.

    Raises:
        InputError: a cell is gone in which somebody was given points or a comment by hand.
    """
    from nbgrader.api import Comment, Grade, MissingEntry

    now = {name: _kinds(cell) for cell in source.cells if (name := grade_id(cell)) and _kinds(cell)}
    with course.gradebook() as book:
        try:
            notebook = book.find_notebook(assignment, assignment)
        except MissingEntry:
            return
        if not notebook.submissions:
            return
        kept = [*notebook.grade_cells, *notebook.solution_cells, *notebook.source_cells]
        new_names = _new_names(course, assignment, source)
        for cell in kept:  # at first a name that no cell has: two may have changed places
            cell.name = f"{new_names.get(cell.name, cell.name)}\0"
        book.db.flush()
        for cell in kept:
            cell.name = cell.name.rstrip("\0")
        gone = [cell for cell in kept if type(cell).__name__ not in now.get(cell.name, ())]
        marks = [one for kind in (Grade, Comment) for one in book.db.query(kind).all() if one.cell in gone]
        by_hand = [mark for mark in marks if is_by_hand(mark)]
        if by_hand:
            book.db.rollback()
            cells, students = sorted({m.cell.name for m in by_hand}), sorted({m.student.id for m in by_hand})
            raise InputError(
                f"nothing is released: {', '.join(cells)} is no longer in the source, and was marked by hand for "
                f"{', '.join(students)}: put the cell back, also with 0 points"
            )
        for one in (*marks, *gone):
            book.db.delete(one)
        book.db.commit()
        known = {(cell.name, type(cell).__name__) for cell in kept if cell not in gone}
        for cell in source.cells:
            for kind in now.get(grade_id(cell), ()):
                if (grade_id(cell), kind) not in known:
                    _add(book, notebook, cell, kind)
        book.db.commit()


def is_by_hand(mark: Any) -> bool:
    """Whether a person gave points, or wrote a comment."""
    points = [getattr(mark, name, None) for name in ("manual_score", "extra_credit")]
    return bool(getattr(mark, "manual_comment", None)) or any(one is not None for one in points)


def _kinds(cell: Any) -> tuple[str, ...]:
    """What nbgrader's gradebook keeps of a cell: up to three entries."""
    is_graded = bool(cell.metadata.get("nbgrader", {}).get("grade"))
    kinds = [("GradeCell", is_graded), ("SolutionCell", is_solution(cell))]
    kinds.append(("SourceCell", is_graded or is_solution(cell) or is_locked(cell)))
    return tuple(kind for kind, holds in kinds if holds)


def _add(book: Any, notebook: Any, cell: Any, kind: str) -> None:
    """A new cell, and its place in everybody's submission; nbgrader fills in the rest when it releases."""
    from nbgrader.api import Comment, Grade

    name, where = grade_id(cell), (notebook.name, notebook.assignment.name)
    if kind == "SourceCell":
        book.add_source_cell(name, *where, cell_type=cell.cell_type)
    elif kind == "SolutionCell":
        made = book.add_solution_cell(name, *where)
        book.db.add_all([Comment(cell_id=made.id, notebook=one) for one in notebook.submissions])
    else:
        points = float(cell.metadata["nbgrader"]["points"])
        made = book.add_grade_cell(name, *where, max_score=points, cell_type=cell.cell_type)
        book.db.add_all([Grade(cell_id=made.id, notebook=one) for one in notebook.submissions])


def _new_names(course: Course, assignment: str, source: Any) -> dict[str, str]:
    """Names that cells had when they were released last, and their new ones."""
    import nbformat

    path = course.root / "generated" / assignment / f"{assignment}.ipynb"
    if not path.exists():
        return {}
    before = {cell.get("id"): grade_id(cell) for cell in nbformat.read(path, as_version=4).cells if grade_id(cell)}
    after = {cell.get("id"): grade_id(cell) for cell in source.cells if grade_id(cell)}
    names = {before[id_]: after[id_] for id_ in before.keys() & after.keys() if before[id_] != after[id_]}
    return {old: new for old, new in names.items() if old is not None}
