"""Hand out assignments, collect and grade them, with nbgrader."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated

from resnet_tutorial.cli.parser import choose, parse


@dataclass(frozen=True)
class InitArgs:
    """Make a course folder: settings, sources of the assignments, gradebook."""

    folder: Annotated[Path, "FOLDER"]
    """New folder for the course."""
    students: Path
    """Class list, a CSV file with the columns id, first_name, last_name, email, or an export of Canvas or Moodle."""
    assignments: Path | None = None
    """Folder with other assignments than the six that come with the package, each as NAME/NAME.ipynb."""
    book: str = ""
    """Address of the book's site, which the assignments link to."""
    install: str = ""
    """What pip installs on Colab: the address of a wheel, or git+https://…"""


@dataclass(frozen=True)
class RosterArgs:
    """Take over a new class list: who joined, left, or has another name."""

    students: Annotated[Path, "CLASS"]
    """Class list, as for init."""
    course: Path = Path(".")
    """Folder of the course."""


@dataclass(frozen=True)
class ReleaseArgs:
    """Make one file for each student, without solutions or hidden tests."""

    assignment: Annotated[str, "ASSIGNMENT"]
    """Name of the assignment, such as 1_convolution."""
    course: Path = Path(".")
    """Folder of the course."""


@dataclass(frozen=True)
class CollectArgs:
    """Take in what was handed in, and mend it."""

    assignment: Annotated[str, "ASSIGNMENT"]
    """Name of the assignment."""
    place: Annotated[Path, "PLACE"]
    """Folder or zip file, as Canvas, Moodle or another system gives it, or one notebook."""
    course: Path = Path(".")
    """Folder of the course."""


@dataclass(frozen=True)
class GradeArgs:
    """Execute the submissions behind walls, and count the points."""

    assignment: Annotated[str, "ASSIGNMENT"]
    """Name of the assignment."""
    student: tuple[str, ...] = ()
    """Ids of those whose work to grade, even if it was graded; if not given, all that is new or has changed."""
    force: bool = False
    """Grade everything again."""
    course: Path = Path(".")
    """Folder of the course."""
    jobs: int | None = None
    """Submissions at a time; if not given, one for each processor."""
    cell_seconds: float | None = None
    """Longest time for one cell; if not given, six times what the source's own answers take here, and 30 at least."""
    seconds: float | None = None
    """Longest time for one submission; if not given, six times what the source takes, and 180 at least."""
    memory: int = 6000
    """Memory of one submission's process, MiB of addresses."""


@dataclass(frozen=True)
class FeedbackArgs:
    """Make one HTML file for each student, which opens offline."""

    assignment: Annotated[str, "ASSIGNMENT"]
    """Name of the assignment."""
    course: Path = Path(".")
    """Folder of the course."""


@dataclass(frozen=True)
class GradesArgs:
    """Write the grades as CSV."""

    file: Annotated[Path, "FILE"]
    """File to write."""
    form: str = "plain"
    """plain, canvas, moodle or brightspace."""
    assignments: tuple[str, ...] = ()
    """Which; all that were graded, if not given."""
    questions: bool = False
    """The points of each question, too."""
    course: Path = Path(".")
    """Folder of the course."""


@dataclass(frozen=True)
class KeyArgs:
    """Make the answer key, for the instructor: solutions, hidden tests, points, rubrics."""

    assignment: Annotated[str, "ASSIGNMENT"]
    """Name of the assignment."""
    student: str | None = None
    """With the numbers of this student."""
    course: Path = Path(".")
    """Folder of the course."""


@dataclass(frozen=True)
class MistakesArgs:
    """List which mistakes the class made, and how often."""

    assignment: Annotated[str, "ASSIGNMENT"]
    """Name of the assignment."""
    file: Path | None = None
    """File to write them to, too, as CSV, with the students' ids."""
    course: Path = Path(".")
    """Folder of the course."""


@dataclass(frozen=True)
class SimilarArgs:
    """List work that is alike where others' is not, with the reasons: to be looked at, no verdict."""

    assignment: Annotated[str, "ASSIGNMENT"]
    """Name of the assignment."""
    file: Path | None = None
    """File to write the list to, too, as CSV."""
    course: Path = Path(".")
    """Folder of the course."""


@dataclass(frozen=True)
class MergeArgs:
    """Take over the marks that were given by hand in another copy of the course."""

    other: Annotated[Path, "OTHER"]
    """Folder of the other copy."""
    course: Path = Path(".")
    """Folder of the course."""


STEPS = {
    "init": InitArgs,
    "roster": RosterArgs,
    "release": ReleaseArgs,
    "collect": CollectArgs,
    "grade": GradeArgs,
    "feedback": FeedbackArgs,
    "export": GradesArgs,
    "key": KeyArgs,
    "mistakes": MistakesArgs,
    "similar": SimilarArgs,
    "merge": MergeArgs,
}


def run(argv: list[str]) -> None:
    """Take the step that the words behind ``resnet-tutorial classroom`` name."""
    step = choose(argv, STEPS, "step of classroom", "classroom STEP")
    args = parse(STEPS[step], f"classroom {step}", argv[1:])
    import_module(".steps", __package__).run(args)  # not before: it takes torch
