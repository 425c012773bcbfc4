"""The steps of a course: what each of them does and prints."""

from collections.abc import Callable

from resnet_tutorial.errors import InputError

from .classroom.course import ASSIGNMENTS, Course, init_course
from .classroom.export import export_grades
from .classroom.feedback import write_feedback
from .classroom.grade import grade_assignment, submitters
from .classroom.key import write_key
from .classroom.release import release_assignment
from .classroom.sandbox import Limits, isolation
from .classroom.submissions import collect_submissions
from .command import CollectArgs, FeedbackArgs, GradeArgs, GradesArgs, InitArgs, KeyArgs, ReleaseArgs


def run(args: object) -> None:
    """Take one step, the one that the arguments belong to."""
    try:
        FUNCTIONS[type(args)](args)
    except OSError as error:
        what = f"cannot use {error.filename}: {error.strerror}" if error.filename else str(error)
        raise InputError(what) from None


def _init(args: InitArgs) -> None:
    course = init_course(args.folder, args.students, args.assignments or ASSIGNMENTS, args.book, args.install)
    names = sorted(path.name for path in (course.root / "source").iterdir())
    print(f"{args.folder}: {len(course.students())} students, {len(names)} assignments: {', '.join(names)}")


def _release(args: ReleaseArgs) -> None:
    files = release_assignment(Course.open(args.course), args.assignment)
    print(f"{len(files)} files in {args.course / 'release' / args.assignment}, none with a solution or hidden test")


def _collect(args: CollectArgs) -> None:
    collected = collect_submissions(Course.open(args.course), args.assignment, args.place)
    handed_in = collected.class_size - len(collected.missing)
    print(f"{len(collected.taken)} taken in; {handed_in} of {collected.class_size} have handed in")
    for student, notes in collected.notes.items():
        for note in notes:
            print(f"  {student}: {note}")
    for path, why in collected.conflicts.items():
        print(f"  left alone: `{path}`: {why}")
    nobodys = [path for path in collected.unclear if path not in collected.conflicts]
    for title, names in (("missing", collected.missing), ("of no student", nobodys)):
        if names:
            print(f"{title}: {', '.join(names)}")
    if collected.unclear:
        print("to take in a file that was left alone, name it by the student's id, as ID.ipynb, and collect again")


def _grade(args: GradeArgs) -> None:
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
        for note in grade.notes:
            print(f"  look: {note}")


def _feedback(args: FeedbackArgs) -> None:
    written = write_feedback(Course.open(args.course), args.assignment)
    for student, why in written.skipped.items():
        print(f"{student}: no new page, because {why}")
    print(f"{len(written.pages)} pages in {args.course / 'feedback'}")


def _export(args: GradesArgs) -> None:
    for note in export_grades(Course.open(args.course), args.form, args.file, args.assignments):
        print(note)
    print(f"grades in {args.file}")


def _key(args: KeyArgs) -> None:
    page = write_key(Course.open(args.course), args.assignment, args.student)
    print(f"{args.course / 'key' / page.name}: for you, not for the class")
    print(f"{args.course / 'key' / args.assignment}.csv: everyone's variant")


FUNCTIONS: dict[type, Callable] = {
    InitArgs: _init,
    ReleaseArgs: _release,
    CollectArgs: _collect,
    GradeArgs: _grade,
    FeedbackArgs: _feedback,
    GradesArgs: _export,
    KeyArgs: _key,
}
