"""Grade an assignment: execute the submissions behind walls, several at a time; let nbgrader count the points."""

import math
import os
import queue
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from resnet_tutorial.data.cache import cache_file
from resnet_tutorial.data.shapes import NAME, load_shapes10
from resnet_tutorial.errors import InputError

from .cells import ends_in_value, grade_id, hidden_pieces, is_test, squeezed, strings
from .course import Course
from .probes import Probes, odd_names
from .release import for_student
from .sandbox import SOURCE_TIMES, Limits, error_output, execute

SLOWER = 6  # a student may take this many times what the source's own answers take
LEAST_CELL, LEAST_WALL = 30, 180  # seconds
UNCONFIRMED = "NotConfirmed"
UNCONFIRMED_WHY = (
    "The test gave all points. Asked again, with other inputs, the answer gives something else than the solution. "
    "So these points wait for your instructor."
)
WITHHELD = "An output was withheld: it held text of the tests."


@dataclass(frozen=True)
class Grade:
    """What one student has for one assignment.

    Attributes:
        student: id.
        points: points so far.
        possible: points of a right answer.
        waits: whether a written part waits for someone to read it.
        problem: why there is no grade, if so.
        notes: what an instructor should look at.
    """

    student: str
    points: float
    possible: float
    waits: bool = False
    problem: str = ""
    notes: tuple[str, ...] = ()


def grade_assignment(
    course: Course,
    assignment: str,
    jobs: int | None = None,
    limits: Limits | None = None,
    tell: Callable[[str], None] = lambda student: None,
) -> list[Grade]:
    """Grade everything that was collected.

    Args:
        course: the course.
        assignment: the assignment.
        jobs: submissions at a time; None for as many as there are processors.
        limits: what one submission may use.
        tell: called with a student's id when the execution has ended.

    Raises:
        InputError: nothing was collected, the assignment was not released, or its own answers do not earn all points on
            this machine.
    """
    import nbformat

    source = nbformat.read(course.source(assignment), as_version=4)
    students = submitters(course, assignment)
    jobs = min(jobs or os.cpu_count() or 1, len(students))
    threads = max(1, (os.cpu_count() or 1) // jobs)
    slots: queue.SimpleQueue = queue.SimpleQueue()
    for slot in range(jobs):
        slots.put(slot)

    probes = Probes(source)
    with _shapes10(source) as data:
        limits = _with_times(limits or Limits(), source, threads, course.root, data, probes)

        def run(student: str) -> Any:
            slot = slots.get()
            try:
                ready = _tests_written_in(course, assignment, student)
                executed = execute(probes.put_in(ready), limits, slot, threads, (course.root,), data)
                differing = probes.differing(probes.take_out(executed))
                return _without_unconfirmed(seal(executed, hidden_pieces(source)), differing)
            except Exception as error:
                return error
            finally:
                slots.put(slot)
                tell(student)

        with ThreadPoolExecutor(jobs) as pool:
            executed = dict(zip(students, pool.map(run, students), strict=True))
    grades = []
    for student, notebook in executed.items():
        notes = () if isinstance(notebook, Exception) else _notes(notebook, source)
        grades.append(replace(_record(course, assignment, student, notebook), notes=notes))
    return grades


def submitters(course: Course, assignment: str) -> list[str]:
    """Ids of those whose work was collected.

    Raises:
        InputError: no such assignment, or nobody's was.
    """
    course.source(assignment)
    students = sorted(path.parts[-3] for path in course.root.glob(f"submitted/*/{assignment}/{assignment}.ipynb"))
    if not students:
        raise InputError(f"nothing to grade: resnet-tutorial classroom collect {assignment} FOLDER comes first")
    return students


def _with_times(limits: Limits, source: Any, threads: int, root: Path, data: Path | None, probes: Probes) -> Limits:
    """Limits with times that follow from those of the source's own answers, executed here; what these give is right.

    Raises:
        InputError: they do not earn all points on this machine, so nobody's would.
    """
    executed = execute(probes.put_in(source), replace(limits, **SOURCE_TIMES), 0, threads, (root,), data)
    probes.learn(probes.take_out(executed))
    executed = seal(executed, set())
    short = [cell.metadata["nbgrader"]["grade_id"] for cell in executed.cells if is_test(cell) and not _is_full(cell)]
    if short:
        raise InputError(f"nothing is graded: on this machine the source's own answers fail {', '.join(short)}")
    seconds = [_seconds(cell) for cell in executed.cells if cell.cell_type == "code"]
    cell = max(LEAST_CELL, math.ceil(SLOWER * max(seconds)))
    wall = max(LEAST_WALL, math.ceil(SLOWER * sum(seconds)))
    return replace(limits, cell=limits.cell or cell, wall=limits.wall or wall)


def _is_full(test: Any) -> bool:
    """Whether a sealed test gives all points."""
    if any(output.output_type == "error" for output in test.outputs):
        return False
    shown = [float(o["data"]["text/plain"]) for o in test.outputs if o.output_type == "execute_result"]
    return all(points >= float(test.metadata["nbgrader"]["points"]) for points in shown)


def _without_unconfirmed(notebook: Any, differing: set[str]) -> Any:
    """Take the points of a sealed test that gave all of them, if the answer gives something else when asked again."""
    for cell in notebook.cells:
        if is_test(cell) and grade_id(cell) in differing and _is_full(cell):
            cell.outputs = [output for output in cell.outputs if output.output_type != "execute_result"]
            cell.outputs.append(error_output(UNCONFIRMED, UNCONFIRMED_WHY))
    return notebook


def _notes(executed: Any, source: Any) -> tuple[str, ...]:
    """What an instructor should look at in one student's executed notebook."""
    sealed = [(cell, output) for cell in executed.cells for output in cell.get("outputs", [])]
    taken = [grade_id(cell) for cell, output in sealed if output.get("ename") == UNCONFIRMED]
    notes = [f"{test} gave all points, but asked again its answer gives something else: none count" for test in taken]
    odd = odd_names(executed, source)
    return (*notes, *(f"{cell} uses {', '.join(names)}, which no answer needs" for cell, names in odd.items()))


def _seconds(cell: Any) -> float:
    """How long a cell ran."""
    times = [time for name, time in cell.metadata.get("execution", {}).items() if name.startswith("iopub.status")]
    ends = sorted(datetime.fromisoformat(time.replace("Z", "+00:00")) for time in times)
    return (ends[-1] - ends[0]).total_seconds() if ends else 0.0


@contextmanager
def _shapes10(source: Any) -> Iterator[Path | None]:
    """A folder with Shapes-10, if the assignment reads it: else every submission would draw it anew."""
    if not any("shapes10" in cell.source for cell in source.cells):
        yield None
        return
    load_shapes10()  # draws it into the cache, if it is not there yet
    with tempfile.TemporaryDirectory(prefix="rt-data-") as folder:
        path = cache_file(NAME, NAME)
        if path.exists():  # else it could not be written
            shutil.copyfile(path, Path(folder) / path.name)
            (Path(folder) / path.name).chmod(0o644)
        Path(folder).chmod(0o755)
        yield Path(folder).resolve()


def seal(notebook: Any, hidden: set[str]) -> Any:
    """Make the outputs safe to count and to show.

    nbgrader gives all points to a test that shows no number, or one that is no number, and none to one that warns. So a
    test that should end in points and does not gets an error; its warnings become plain text. No output keeps text of
    the hidden tests.

    Args:
        notebook: executed; changed in place.
        hidden: squeezed pieces of the hidden tests.
    """
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        cell.outputs = [_bared(output, is_test(cell), hidden) for output in cell.outputs]
        if is_test(cell):
            cell.outputs = list(_counted(cell))
    return notebook


def _counted(cell: Any) -> Iterator[Any]:
    values = [output for output in cell.outputs if output.output_type == "execute_result"]
    for output in cell.outputs:
        if output.output_type == "stream":
            output.name = "stdout"
        if output.output_type != "execute_result":
            yield output
    failed = any(output.output_type == "error" for output in cell.outputs)
    if failed or not ends_in_value(cell.source):
        return
    possible = float(cell.metadata["nbgrader"]["points"])
    points = _number(values[-1]["data"].get("text/plain")) if values else math.nan
    if 0 <= points <= possible + 1e-6:
        values[-1]["data"]["text/plain"] = f"{min(points, possible):g}"
        yield values[-1]
    else:
        yield error_output("NoPoints", f"This test should end in points from 0 to {possible:g}, but did not.")


def _number(text: Any) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        return math.nan


def _bared(output: Any, in_test: bool, hidden: set[str]) -> Any:
    """The output without text of the hidden tests; of an error in a test, the message alone."""
    import nbformat

    if output.output_type == "error" and in_test:
        output = error_output(output.ename, output.evalue)
        if output.ename == "NameError":
            output.traceback[0] += "\nThe test calls your answer by its name: keep the name that the task gives."
    text = squeezed("".join(strings(output)))
    if not any(piece in text for piece in hidden):
        return output
    if output.output_type == "error":
        return error_output(output.ename, WITHHELD)
    return nbformat.v4.new_output("stream", text=f"{WITHHELD}\n")


def _tests_written_in(course: Course, assignment: str, student: str) -> Any:
    """The submission with the source's tests, hidden ones too, and the student's name."""
    import nbformat
    from nbgrader.converters import Autograde

    notebook = nbformat.read(course.submitted(assignment, student), as_version=4)
    db_url = course.directory(assignment).db_url
    about = {"nbgrader": {"student": student, "assignment": assignment, "notebook": assignment, "db_url": db_url}}
    for preprocessor in Autograde().sanitize_preprocessors:
        notebook, about = preprocessor().preprocess(notebook, about)
    return for_student(notebook, student)


def _record(course: Course, assignment: str, student: str, executed: Any) -> Grade:
    """Let nbgrader count the points of the executed cells, and write them into the gradebook."""
    from nbgrader.converters import Autograde
    from nbgrader.converters.base import NbGraderException
    from nbgrader.preprocessors import Execute, NbGraderPreprocessor

    if isinstance(executed, Exception):
        return Grade(student, 0, 0, problem=f"not graded: {type(executed).__name__}: {executed}")

    class TakeExecuted(NbGraderPreprocessor):
        def preprocess(self, nb, resources):
            nb.cells = executed.cells
            return nb, resources

    autograde = Autograde(coursedir=course.directory(assignment, student), config=course.config(), force=True)
    autograde.autograde_preprocessors = [
        TakeExecuted if one is Execute else one for one in autograde.autograde_preprocessors
    ]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # SQLAlchemy on nbgrader's way of using it
            autograde.start()
    except NbGraderException as error:
        return Grade(student, 0, 0, problem=f"nbgrader could not count the points: {error}")
    return read_grade(course, assignment, student)


def read_grade(course: Course, assignment: str, student: str) -> Grade:
    """A grade from the gradebook; no points if nothing was handed in."""
    from nbgrader.api import MissingEntry

    with course.gradebook() as book:
        possible = book.find_assignment(assignment).max_score
        try:
            submission = book.find_submission(assignment, student)
        except MissingEntry:
            return Grade(student, 0, possible, problem="nothing handed in")
        late = sum(notebook.late_submission_penalty or 0 for notebook in submission.notebooks)
        return Grade(student, round(submission.score - late, 2), possible, submission.needs_manual_grade)


def is_stale(course: Course, assignment: str, student: str) -> bool:
    """Whether something was collected that is not graded yet."""
    handed, graded = course.submitted(assignment, student), autograded(course, assignment, student)
    return handed.exists() and (not graded.exists() or graded.stat().st_mtime < handed.stat().st_mtime)


def autograded(course: Course, assignment: str, student: str) -> Path:
    """The executed notebook, with the hidden tests: for the instructor."""
    return course.root / "autograded" / student / assignment / f"{assignment}.ipynb"
