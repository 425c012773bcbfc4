"""The instructor's path over nbgrader: init, roster, release, collect, grade, feedback, export, and more.

A course is a folder of nbgrader's own form, so that its commands and pages work on it, too. What is added: one file
for each student, a look into every released file, mending of what comes back, execution behind walls and in parallel,
feedback that opens offline, and tables that Canvas and Moodle take. Needs the extra ``instructor``.
"""

from typing import TYPE_CHECKING

from resnet_tutorial.lazy import lazy_imports

if TYPE_CHECKING:
    from .course import Changes, Course, init_course, update_class
    from .export import export_grades
    from .feedback import Feedback, write_feedback
    from .grade import grade_assignment
    from .key import write_key
    from .marks import Merged, merge_marks
    from .mistakes import Mistake, count_mistakes
    from .record import Grade
    from .release import release_assignment
    from .sandbox import Isolation, Limits, isolation
    from .similar import Alike, find_alike
    from .submissions import Collected, collect_submissions

__getattr__, __dir__ = lazy_imports(__name__)

__all__ = [
    "Alike",
    "Changes",
    "Collected",
    "Course",
    "Feedback",
    "Grade",
    "Isolation",
    "Limits",
    "Merged",
    "Mistake",
    "collect_submissions",
    "count_mistakes",
    "export_grades",
    "find_alike",
    "grade_assignment",
    "init_course",
    "isolation",
    "merge_marks",
    "release_assignment",
    "update_class",
    "write_feedback",
    "write_key",
]
