"""Hand out assignments, take them in, grade them: the steps of a course, each a command."""

import difflib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional

from ..errors import InputError
from .arguments import unset
from .common import fail, parse

HERE = Path(".")


@dataclass(frozen=True)
class InitArgs:
    """Make a course folder: settings, sources of the assignments, gradebook."""

    folder: Positional[Path]
    """New folder for the course."""
    students: Path
    """Class list, a CSV file with the columns id, first_name, last_name, email."""
    assignments: Annotated[Path | None, unset("FOLDER")] = None
    """Folder with the assignments, if the package does not lie in the book's repository."""
    book: Annotated[str, unset("URL")] = ""
    """Address of the book's site, which the assignments link to."""
    install: Annotated[str, unset("WHAT")] = ""
    """What pip installs on Colab: the address of a wheel, or git+https://…"""


@dataclass(frozen=True)
class ReleaseArgs:
    """Make one file for each student, without solutions or hidden tests."""

    assignment: Positional[str]
    """Name of the assignment, such as 1_convolution."""
    course: Path = HERE
    """Folder of the course."""


@dataclass(frozen=True)
class CollectArgs:
    """Take in what was handed in, and mend it."""

    assignment: Positional[str]
    """Name of the assignment."""
    place: Positional[Path]
    """Folder or zip file, as Canvas or Moodle gives it."""
    course: Path = HERE
    """Folder of the course."""


@dataclass(frozen=True)
class GradeArgs:
    """Execute the submissions behind walls, and count the points."""

    assignment: Positional[str]
    """Name of the assignment."""
    course: Path = HERE
    """Folder of the course."""
    jobs: Annotated[int | None, unset("INT")] = None
    """Submissions at a time; if not given, one for each processor."""
    cell_seconds: Annotated[float | None, unset("FLOAT")] = None
    """Longest time for one cell; if not given, six times what the source's own answers take here, and 30 at least."""
    seconds: Annotated[float | None, unset("FLOAT")] = None
    """Longest time for one submission; if not given, six times what the source takes, and 180 at least."""
    memory: int = 6000
    """Memory of one submission's process, MiB of addresses."""


@dataclass(frozen=True)
class FeedbackArgs:
    """Make one HTML file for each student, which opens offline."""

    assignment: Positional[str]
    """Name of the assignment."""
    course: Path = HERE
    """Folder of the course."""


@dataclass(frozen=True)
class ExportArgs:
    """Write the grades as CSV."""

    file: Positional[Path]
    """File to write."""
    form: str = "plain"
    """plain, canvas or moodle."""
    assignments: tuple[str, ...] = ()
    """Which; all that were graded, if not given."""
    course: Path = HERE
    """Folder of the course."""


@dataclass(frozen=True)
class KeyArgs:
    """Make the answer key, for the instructor: solutions, hidden tests, points, rubrics."""

    assignment: Positional[str]
    """Name of the assignment."""
    student: Annotated[str | None, unset("ID")] = None
    """With the numbers of this student."""
    course: Path = HERE
    """Folder of the course."""


@dataclass(frozen=True)
class ClassroomArgs:
    """Hand out assignments, collect and grade them, with nbgrader."""


def classroom_command(argv: list[str]) -> None:
    if not argv or argv[0] in ("-h", "--help"):
        print("usage: resnet-tutorial classroom STEP [OPTIONS]\n\nsteps, in their order (each with --help):")
        for name, (_, args_class) in STEPS.items():
            print(f"  {name:10} {args_class.__doc__}")
        return
    if argv[0] not in STEPS:
        near = difflib.get_close_matches(argv[0], STEPS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(STEPS)}"
        sys.exit(fail(f"no step of classroom is called {argv[0]!r}: {hint}", status=2))
    step, args_class = STEPS[argv[0]]
    args = parse(args_class, f"classroom {argv[0]}", argv[1:])
    try:
        step(args)
    except OSError as error:
        what = f"cannot use {error.filename}: {error.strerror}" if error.filename else str(error)
        raise InputError(what) from None


def _init(args: InitArgs) -> None:
    from ..classroom import init_course
    from ..classroom.course import ASSIGNMENTS

    course = init_course(args.folder, args.students, args.assignments or ASSIGNMENTS, args.book, args.install)
    names = sorted(path.name for path in (course.root / "source").iterdir())
    print(f"{args.folder}: {len(course.students())} students, {len(names)} assignments: {', '.join(names)}")


def _release(args: ReleaseArgs) -> None:
    from ..classroom import Course, release_assignment

    files = release_assignment(Course.open(args.course), args.assignment)
    print(f"{len(files)} files in {args.course / 'release' / args.assignment}, none with a solution or hidden test")


def _collect(args: CollectArgs) -> None:
    from ..classroom import Course, collect_submissions

    collected = collect_submissions(Course.open(args.course), args.assignment, args.place)
    handed_in = collected.class_size - len(collected.missing)
    print(f"{len(collected.notes)} taken in; {handed_in} of {collected.class_size} have handed in")
    for student, notes in collected.notes.items():
        for note in notes:
            print(f"  {student}: {note}")
    for title, names in (("missing", collected.missing), ("of no student, or of several", collected.unclear)):
        if names:
            print(f"{title}: {', '.join(names)}")


def _grade(args: GradeArgs) -> None:
    from ..classroom import Course, Limits, grade_assignment, isolation
    from ..classroom.grade import submitters

    if args.jobs is not None and args.jobs < 1:
        raise InputError(f"--jobs must be 1 or more, not {args.jobs}")
    course = Course.open(args.course)
    submitters(course, args.assignment)  # if there are none, that is all there is to say
    print(isolation().says)
    limits = Limits(cell=args.cell_seconds, wall=args.seconds, memory=args.memory)
    grades = grade_assignment(course, args.assignment, args.jobs, limits, lambda student: print(f"  ran {student}"))
    for grade in grades:
        waits = ", and a written part to read" if grade.waits else ""
        print(f"{grade.student}: {grade.problem or f'{grade.points:g} of {grade.possible:g} points{waits}'}")


def _feedback(args: FeedbackArgs) -> None:
    from ..classroom import Course, write_feedback

    pages = write_feedback(Course.open(args.course), args.assignment)
    print(f"{len(pages)} pages in {args.course / 'feedback'}")


def _export(args: ExportArgs) -> None:
    from ..classroom import Course, export_grades

    for note in export_grades(Course.open(args.course), args.form, args.file, args.assignments):
        print(note)
    print(f"grades in {args.file}")


def _key(args: KeyArgs) -> None:
    from ..classroom import Course, write_key

    page = write_key(Course.open(args.course), args.assignment, args.student)
    print(f"{args.course / 'key' / page.name}: for you, not for the class")
    print(f"{args.course / 'key' / args.assignment}.csv: everyone's variant")


STEPS: dict[str, tuple[Callable, type]] = {
    "init": (_init, InitArgs),
    "release": (_release, ReleaseArgs),
    "collect": (_collect, CollectArgs),
    "grade": (_grade, GradeArgs),
    "feedback": (_feedback, FeedbackArgs),
    "export": (_export, ExportArgs),
    "key": (_key, KeyArgs),
}
