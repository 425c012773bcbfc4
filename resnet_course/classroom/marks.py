"""Marks by hand from another copy of the course, as when two people read the written parts on two machines."""

from dataclasses import dataclass

from .cells import grade_id, stored
from .changes import is_by_hand
from .course import Course

FIELDS = {"grades": ("manual_score", "extra_credit"), "comments": ("manual_comment",)}


@dataclass(frozen=True)
class Merged:
    """What became of the other copy's marks, each as assignment, student and question.

    Attributes:
        taken: there was none here.
        differing: there is another one here, which stays.
        outdated: the mark is for an answer that is not the one here.
    """

    taken: tuple[str, ...]
    differing: tuple[str, ...]
    outdated: tuple[str, ...]


def merge_marks(course: Course, other: Course) -> Merged:
    """Take points and comments that were given by hand in another copy of the course. Nothing that is here changes."""
    from nbgrader.api import MissingEntry

    taken, differing, outdated = [], [], []
    with other.gradebook() as there, course.gradebook() as here:
        for assignment in there.assignments:
            for theirs in there.assignment_submissions(assignment.name):
                try:
                    ours = here.find_submission(assignment.name, theirs.student_id)
                except MissingEntry:
                    continue
                answers = [_answers(one, assignment.name, theirs.student_id) for one in (course, other)]
                for kind, fields in FIELDS.items():
                    known = {mark.name: mark for notebook in ours.notebooks for mark in getattr(notebook, kind)}
                    marks = [mark for notebook in theirs.notebooks for mark in getattr(notebook, kind)]
                    for mark in (mark for mark in marks if is_by_hand(mark) and mark.name in known):
                        mine, what = known[mark.name], f"{assignment.name} {theirs.student_id} {mark.name}"
                        if answers[0].get(mark.name) != answers[1].get(mark.name):
                            outdated.append(what)
                        elif not is_by_hand(mine):
                            for field in fields:
                                setattr(mine, field, getattr(mark, field))
                            if kind == "grades":
                                mine.needs_manual_grade = mark.needs_manual_grade
                            taken.append(what)
                        elif any(getattr(mine, field) != getattr(mark, field) for field in fields):
                            differing.append(what)
        here.db.commit()
    return Merged(*(tuple(dict.fromkeys(those)) for those in (taken, differing, outdated)))


def _answers(course: Course, assignment: str, student: str) -> dict[str | None, str]:
    graded = stored(course.autograded(assignment, student))
    return {grade_id(cell): cell.source for cell in graded.cells} if graded else {}
