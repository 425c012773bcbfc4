"""A course: a folder of nbgrader's form with the assignments' sources, the class, and the gradebook."""

import logging
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resnet_tutorial.errors import InputError

from .class_list import Student, read_class_list

ASSIGNMENTS = Path(__file__).parents[1] / "assignments"

CONFIG = '''"""The course, for resnet-tutorial classroom and for nbgrader itself."""

c = get_config()
c.CourseDirectory.course_id = {name!r}
# What nbgrader makes of the source. The files for the students, one each, are in release/.
c.CourseDirectory.release_directory = "generated"
c.ClearSolutions.code_stub = {{"python": "raise NotImplementedError"}}
c.ClearSolutions.text_stub = "*Write your answer here, in place of this line.*"
# Where the students read the book; without it, the assignments name the chapters and link none.
c.Classroom.book = {book!r}
# What pip installs where the package is missing, as on Colab: the address of a wheel, or git+https://….
c.Classroom.install = {install!r}
'''


@dataclass(frozen=True)
class Course:
    """A course folder that `init_course` made.

    Attributes:
        root: the folder, absolute.
    """

    root: Path

    @classmethod
    def open(cls, root: Path) -> "Course":
        """The course in ``root``.

        Raises:
            InputError: no course is there, or nbgrader is not installed.
        """
        need_nbgrader()
        if not (root / "nbgrader_config.py").is_file():
            raise InputError(
                f"{root} holds no course: go into its folder, name it with --course, or make one with classroom init"
            )
        return cls(root.resolve())

    def source(self, assignment: str) -> Path:
        """Source notebook of an assignment, with solutions and hidden tests."""
        path = self.root / "source" / assignment / f"{assignment}.ipynb"
        if not path.is_file():
            known = sorted(folder.name for folder in (self.root / "source").iterdir() if folder.is_dir())
            raise InputError(f"no assignment is called {assignment!r}: choose from {', '.join(known)}")
        return path

    def release(self, assignment: str, student: str) -> Path:
        """What a student gets."""
        return self.root / "release" / assignment / student / f"{assignment}.ipynb"

    def submitted(self, assignment: str, student: str) -> Path:
        """What a student handed in, mended."""
        return self.root / "submitted" / student / assignment / f"{assignment}.ipynb"

    @contextmanager
    def gradebook(self) -> Iterator[Any]:
        """nbgrader's gradebook."""
        from nbgrader.api import Gradebook

        with Gradebook(f"sqlite:///{self.root / 'gradebook.db'}") as book:
            yield book

    def students(self) -> list[Student]:
        """The class, by id."""
        with self.gradebook() as book:
            rows = [
                Student(s.id, s.first_name or "", s.last_name or "", s.email or "", s.lms_user_id or "")
                for s in book.students
            ]
        return sorted(rows, key=lambda student: student.id)

    def directory(self, assignment: str, student: str = "*") -> Any:
        """nbgrader's view of the folder, with the settings in nbgrader_config.py."""
        from nbgrader.coursedir import CourseDirectory

        config = self.config()
        config.CourseDirectory.root = str(self.root)
        config.CourseDirectory.db_url = f"sqlite:///{self.root / 'gradebook.db'}"
        return CourseDirectory(config=config, assignment_id=assignment, student_id=student)

    def config(self) -> Any:
        """The settings in nbgrader_config.py."""
        from traitlets.config.loader import PyFileConfigLoader

        return PyFileConfigLoader("nbgrader_config.py", path=str(self.root)).load_config()


def init_course(
    root: Path, students: Path, assignments: Path = ASSIGNMENTS, book: str = "", install: str = ""
) -> Course:
    """Make a course folder: settings, sources of the assignments, gradebook with the class.

    Args:
        root: folder to make; it must not exist, or be empty.
        students: class list, a CSV file with the columns id, first_name, last_name, email, or an export of Canvas or
            Moodle.
        assignments: folder with one folder for each assignment.
        book: address of the book's site, which the assignments link to.
        install: what pip installs where a student's machine lacks the package.

    Raises:
        InputError: the folder is not empty, or a file is missing or wrong.
    """
    need_nbgrader()
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise InputError(f"{root} is not empty: name a new folder for the course")
    sources = sorted(assignments.glob("*/*.ipynb"))
    if not sources:
        raise InputError(
            f"no assignments in {assignments}: leave --assignments out, or name a folder that holds NAME/NAME.ipynb"
        )
    if book and not re.match(r"https?://\S+$", book):
        raise InputError(f"the book's address should begin with https://, not be {book!r}")
    if '"' in install:
        raise InputError(f"what pip installs is written between quotes, so it must hold none: {install!r}")
    book = re.sub(r"(/(book/)?index\.html)?/*$", "", book)
    rows = read_class_list(students)
    root.mkdir(parents=True, exist_ok=True)
    settings = CONFIG.format(name=root.resolve().name, book=book, install=install)
    (root / "nbgrader_config.py").write_text(settings, encoding="utf-8")
    for source in sources:
        shutil.copytree(source.parent, root / "source" / source.parent.name, dirs_exist_ok=True)
    course = Course(root.resolve())
    with course.gradebook() as book:
        for row in rows:
            book.update_or_create_student(
                row.id,
                first_name=row.first_name,
                last_name=row.last_name,
                email=row.email or None,
                lms_user_id=row.number or None,
            )
    return course


def need_nbgrader() -> None:
    """Raise an `InputError` if nbgrader is missing; keep its log to errors."""
    try:
        import nbgrader  # noqa: F401
    except ImportError:
        raise InputError('nbgrader is not installed: pip install "resnet-tutorial[instructor]"') from None
    from traitlets.log import get_logger

    get_logger().setLevel(logging.CRITICAL)
    if shutil.which("alembic") is None:  # nbgrader calls it by name; the environment need not be activated
        os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", ""), os.path.dirname(sys.executable)])
