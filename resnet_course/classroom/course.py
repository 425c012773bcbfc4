"""A course: a folder of nbgrader's form with the assignments' sources, the class, and the gradebook."""

import logging
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from getpass import getuser
from pathlib import Path
from socket import gethostname
from typing import Any

from resnet_tutorial.errors import InputError, first_line
from resnet_tutorial.files import write_atomic

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
# When work is due, by the clocks of this time zone. What is not listed is never late.
# c.Classroom.time_zone = "Europe/Berlin"
# c.Classroom.due = {{"1_convolution": "2026-09-14 23:59"}}
# Days behind that which cost nothing, then the share of the possible points that each day begun costs, such as 0.1.
c.Classroom.grace_days = 0
c.Classroom.late_penalty = 0
# More days for single students, such as {{("1_convolution", "okafor"): 7}}.
c.Classroom.extension_days = {{}}
# Canvas's own number of each assignment, such as {{"1_convolution": 90213}}: it stands in the address of its page.
c.Classroom.canvas_ids = {{}}
'''
LEFT = "left.txt"  # ids of students who are in the gradebook, but no longer in the class


def not_released(assignment: str) -> InputError:
    return InputError(f"{assignment} was not released: resnet-tutorial classroom release {assignment}")


def not_graded(assignment: str) -> InputError:
    return InputError(f"nothing was graded: resnet-tutorial classroom grade {assignment} comes first")


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
        if not (root / "gradebook.db").is_file():  # nbgrader would begin a new one, without a word
            raise InputError(f"{root} has no gradebook.db: put your copy of it there")
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

    def autograded(self, assignment: str, student: str) -> Path:
        """What a student handed in, executed, with the hidden tests: for the instructor."""
        return self.root / "autograded" / student / assignment / f"{assignment}.ipynb"

    def students(self, left: bool = False) -> list[Student]:
        """The class, by id.

        Args:
            left: with those who have left it.
        """
        gone = set() if left or not (self.root / LEFT).exists() else set((self.root / LEFT).read_text().split())
        with self.gradebook() as book:
            rows = [
                Student(s.id, s.first_name or "", s.last_name or "", s.email or "", s.lms_user_id or "")
                for s in book.students
                if s.id not in gone
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

        try:
            return PyFileConfigLoader("nbgrader_config.py", path=str(self.root)).load_config()
        except Exception as error:  # it is a program
            where = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
            raise InputError(f"nbgrader_config.py{where}: {getattr(error, 'msg', first_line(error))}") from None

    @contextmanager
    def locked(self, doing: str) -> Iterator[None]:
        """Keep others from changing the course meanwhile, also from other machines that share the folder.

        Args:
            doing: what is done, for their message.

        Raises:
            InputError: somebody else is at work in the course.
        """
        from filelock import FileLock, Timeout

        note = self.root / ".lock.txt"
        try:
            with FileLock(self.root / ".lock", timeout=0):
                note.write_text(f"{getuser()} on {gethostname()}, {doing}, since {datetime.now():%H:%M}", "utf-8")
                try:
                    yield
                finally:
                    note.unlink(missing_ok=True)
        except Timeout:
            who = note.read_text("utf-8") if note.exists() else "somebody"
            raise InputError(
                f"another command is at work in this course ({who}): try again when it has ended"
            ) from None


def gradebook_problem(error: Exception) -> str | None:
    """What an error of the gradebook's database means, in one line; None for any other error."""
    if not type(error).__module__.startswith("sqlalchemy"):
        return None
    said = first_line(error)
    advice = {
        "no such": "it is of another version of nbgrader: copy it, then run nbgrader db upgrade in its folder",
        "locked": "another program writes to it: close formgrader, or wait for the other command",
        "full": "the disk is full: make room, then call this again",
        "disk I/O": "the disk is full or damaged: make room, then call this again",
        "readonly": "it may not be written to: look at the rights of the file and its folder",
        "not a database": "it is damaged: put your copy in its place",
        "malformed": "it is damaged: put your copy in its place",
    }
    why = next((why for text, why in advice.items() if text in said), said)
    return f"gradebook.db: {why}"


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
    _enroll(course, rows)
    return course


@dataclass(frozen=True)
class Changes:
    """What a new class list changed, by id.

    Attributes:
        joined: new in the class, or back.
        left: no longer in it. Their work and grades stay in the course.
        renamed: with another name, address or number than before.
        namesakes: students of one name.
    """

    joined: tuple[str, ...]
    left: tuple[str, ...]
    renamed: tuple[str, ...]
    namesakes: tuple[tuple[str, ...], ...]


def update_class(course: Course, students: Path) -> Changes:
    """Make the class that of a new list. Nobody's work or grade is touched.

    Raises:
        InputError: the list cannot be read, or gives somebody who is known another id.
    """
    rows = {row.id: row for row in read_class_list(students)}
    before, known = ({one.id: one for one in course.students(left)} for left in (False, True))
    if known and not known.keys() & rows.keys():
        raise InputError(f"{students} names nobody of this class: is it the list of another course?")
    for one in (known[id_] for id_ in before.keys() - rows.keys()):
        for row in (row for row in rows.values() if row.id not in known):
            same = [
                text for text in ("number", "email") if getattr(one, text) and getattr(one, text) == getattr(row, text)
            ]
            if same:
                raise InputError(
                    f"{students}: {row.id} has the {same[0]} of {one.id}. An id stays for the whole course, because a "
                    f"student's numbers come from it: write {one.id} there, too"
                )
    _enroll(course, list(rows.values()))
    gone = sorted(known.keys() - rows.keys())
    write_atomic(course.root / LEFT, "".join(f"{one}\n" for one in gone).encode())
    names: dict[str, list[str]] = {}
    for row in rows.values():
        names.setdefault(f"{row.first_name} {row.last_name}".casefold(), []).append(row.id)
    return Changes(
        tuple(sorted(rows.keys() - before.keys())),
        tuple(sorted(before.keys() - rows.keys())),
        tuple(sorted(id_ for id_ in rows.keys() & before.keys() if rows[id_] != before[id_])),
        tuple(tuple(ids) for ids in names.values() if len(ids) > 1),
    )


def _enroll(course: Course, rows: list[Student]) -> None:
    with course.gradebook() as book:
        for row in rows:
            book.update_or_create_student(
                row.id,
                first_name=row.first_name,
                last_name=row.last_name,
                email=row.email or None,
                lms_user_id=row.number or None,
            )


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
