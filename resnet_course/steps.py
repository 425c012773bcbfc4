"""The steps of a course: what each of them does and prints."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from resnet_tutorial.errors import InputError
from resnet_tutorial.text import count

from .classroom.course import ASSIGNMENTS, Course, gradebook_problem, init_course, update_class
from .classroom.export import export_grades, write_table
from .classroom.feedback import write_feedback
from .classroom.grade import grade_assignment
from .classroom.key import write_key
from .classroom.marks import merge_marks
from .classroom.mistakes import count_mistakes
from .classroom.record import check_released, submitters, waiting
from .classroom.release import release_assignment
from .classroom.sandbox import Limits, isolation
from .classroom.similar import find_alike
from .classroom.submissions import collect_submissions
from .command import (
    CollectArgs,
    FeedbackArgs,
    GradeArgs,
    GradesArgs,
    InitArgs,
    KeyArgs,
    MergeArgs,
    MistakesArgs,
    ReleaseArgs,
    RosterArgs,
    SimilarArgs,
)


def run(args: object) -> None:
    """Take one step, the one that the arguments belong to."""
    step = type(args).__name__.removesuffix("Args").lower()
    doing = " ".join([f"classroom {step}", *([args.assignment] if hasattr(args, "assignment") else [])])
    try:
        with nullcontext() if isinstance(args, InitArgs) else Course.open(args.course).locked(doing):
            FUNCTIONS[type(args)](args)
    except Exception as error:
        if why := gradebook_problem(error):
            raise InputError(why) from None
        raise


def _init(args: InitArgs) -> None:
    course = init_course(args.folder, args.students, args.assignments or ASSIGNMENTS, args.book, args.install)
    names = sorted(path.name for path in (course.root / "source").iterdir())
    numbers = f"{count(len(course.students()), 'student')}, {count(len(names), 'assignment')}"
    print(f"{args.folder}: {numbers}: {', '.join(names)}")


def _roster(args: RosterArgs) -> None:
    course = Course.open(args.course)
    changes = update_class(course, args.students)
    for what in ("joined", "left", "renamed"):
        if ids := getattr(changes, what):
            print(f"{what}: {', '.join(ids)}")
    for ids in changes.namesakes:
        print(f"of one name: {', '.join(ids)}; only an id in the file's name, or the STUDENT cell, tells them apart")
    print(f"{count(len(course.students()), 'student')}; the work and grades of those who left stay in the course")
    if changes.joined:
        print("for those who joined, release again: it leaves the files of the others as they were")


def _release(args: ReleaseArgs) -> None:
    files = release_assignment(Course.open(args.course), args.assignment)
    place = args.course / "release" / args.assignment
    print(f"{count(len(files), 'file')} in {place}, none with a solution or hidden test")


def _collect(args: CollectArgs) -> None:
    collected = collect_submissions(Course.open(args.course), args.assignment, args.place)
    handed_in = collected.class_size - len(collected.missing)
    print(f"{len(collected.taken)} taken in; {handed_in} of {collected.class_size} have handed in")
    if collected.times:
        told = (f"{n} {by}" for by, n in collected.times.items())
        print(f"when they were handed in: {', '.join(told)}")
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
    for name in ("jobs", "cell_seconds", "seconds", "memory"):
        if (value := getattr(args, name)) is not None and not value >= 1:
            raise InputError(f"--{name.replace('_', '-')} must be 1 or more, not {value}")
    course = Course.open(args.course)
    handed = submitters(course, args.assignment)  # if there are none, that is all there is to say
    if unknown := [one for one in args.student if one not in handed]:
        raise InputError(f"nothing was collected of {', '.join(unknown)}: choose from {', '.join(handed)}")
    check_released(course, args.assignment)
    students = args.student or (handed if args.force else waiting(course, args.assignment))
    if not students:
        print(f"all {len(handed)} were graded, and nothing has changed since: --force grades them again")
        return
    print(isolation().says)
    limits = Limits(cell=args.cell_seconds, wall=args.seconds, memory=args.memory)
    ran = lambda student: print(f"  ran {student}")  # noqa: E731
    for grade in grade_assignment(course, args.assignment, args.jobs, limits, ran, students):
        late = f", {grade.late:g} less for lateness" if grade.late else ""
        waits = ", and a written part to read" if grade.waits else ""
        print(f"{grade.student}: {grade.problem or f'{grade.points:g} of {grade.possible:g} points{late}{waits}'}")
        for note in grade.notes:
            print(f"  look: {note}")
    if len(students) < len(handed):
        print(f"{len(handed) - len(students)} more were left as they were graded before")


def _feedback(args: FeedbackArgs) -> None:
    written = write_feedback(Course.open(args.course), args.assignment)
    for student, why in written.skipped.items():
        print(f"{student}: no new page, because {why}")
    print(f"{count(len(written.pages), 'page')} in {args.course / 'feedback'}")


def _export(args: GradesArgs) -> None:
    for note in export_grades(Course.open(args.course), args.form, args.file, args.assignments, args.questions):
        print(note)
    print(f"grades in {args.file}")


def _key(args: KeyArgs) -> None:
    page = write_key(Course.open(args.course), args.assignment, args.student)
    print(f"{args.course / 'key' / page.name}: for you, not for the class")
    print(f"{args.course / 'key' / args.assignment}.csv: everyone's variant")


def _merge(args: MergeArgs) -> None:
    merged = merge_marks(Course.open(args.course), Course.open(args.other))
    for what in merged.differing:
        print(f"{what}: another mark stands here, and stays")
    for what in merged.outdated:
        print(f"{what}: the mark is for another answer than the one here")
    print(f"marks taken over: {len(merged.taken)}")


def _mistakes(args: MistakesArgs) -> None:
    found, graded = count_mistakes(Course.open(args.course), args.assignment)
    print(f"{len(found)} kinds of mistakes in the work of {graded}")
    for one in found:
        print(f"{len(one.students):4}  {one.task}: {one.seen}")
    rows = [[one.task, one.seen, len(one.students), graded, " ".join(one.students)] for one in found]
    _write_table(args.file, ["task", "mistake", "students", "graded", "ids"], rows)


def _similar(args: SimilarArgs) -> None:
    found = find_alike(Course.open(args.course), args.assignment)
    for one in found:
        print(f"{' and '.join(one.students)}: {'; '.join(one.reasons)}")
    print(f"{len(found)} pairs to look at. These are reasons, no verdict: who learns together writes alike")
    _write_table(args.file, ["first", "second", "reasons"], [[*one.students, "; ".join(one.reasons)] for one in found])


def _write_table(path: Path | None, head: list[str], rows: list[list]) -> None:
    if path is not None:
        write_table(path, [head, *rows])
        print(f"as a table in {path}")


FUNCTIONS: dict[type, Callable] = {
    InitArgs: _init,
    RosterArgs: _roster,
    ReleaseArgs: _release,
    CollectArgs: _collect,
    GradeArgs: _grade,
    FeedbackArgs: _feedback,
    GradesArgs: _export,
    KeyArgs: _key,
    MistakesArgs: _mistakes,
    SimilarArgs: _similar,
    MergeArgs: _merge,
}
