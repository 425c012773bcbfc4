"""The instructor's path over nbgrader: init, release, collect, grade, feedback, export, and a key.

A course is a folder of nbgrader's own form, so that its commands and pages work on it, too. What is added: one file
for each student, a look into every released file, mending of what comes back, execution behind walls and in parallel,
feedback that opens offline, and tables that Canvas and Moodle take. Needs the extra ``instructor``.
"""

from .course import Course, init_course
from .export import export_grades
from .feedback import write_feedback
from .grade import Grade, grade_assignment
from .key import write_key
from .release import release_assignment
from .sandbox import Isolation, Limits, isolation
from .submissions import Collected, collect_submissions

__all__ = [
    "Collected",
    "Course",
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
