"""The instructor's path over nbgrader: init, release, collect, grade, feedback, export, and a key.

A course is a folder of nbgrader's own form, so that its commands and pages work on it, too. What is added: one file
for each student, a look into every released file, mending of what comes back, execution behind walls and in parallel,
feedback that opens offline, and tables that Canvas and Moodle take. Needs the extra ``instructor``.
"""

from typing import TYPE_CHECKING

from resnet_tutorial.lazy import lazy_imports

if TYPE_CHECKING:
    from .course import Course, init_course
    from .export import export_grades
    from .feedback import Feedback, write_feedback
    from .grade import grade_assignment
    from .key import write_key
    from .record import Grade
    from .release import release_assignment
    from .sandbox import Isolation, Limits, isolation
    from .submissions import Collected, collect_submissions

__getattr__, __dir__ = lazy_imports(__name__)

__all__ = [
    "Collected",
    "Course",
    "Feedback",
    "Grade",
    "Isolation",
    "Limits",
    "collect_submissions",
    "export_grades",
    "grade_assignment",
    "init_course",
    "isolation",
    "release_assignment",
    "write_feedback",
    "write_key",
]
