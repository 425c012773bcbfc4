"""Grade an assignment: execute the submissions behind walls, several at a time; let nbgrader count the points."""

import math
import os
import queue
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from resnet_tutorial.data.cache import cache_file
from resnet_tutorial.data.shapes import NAME, load_shapes10
from resnet_tutorial.errors import InputError

from ..checks.report import HALF
from .cells import ends_in_value, grade_id, hidden_pieces, is_test, squeezed, strings
from .course import Course, gradebook_problem
from .due import Policy, note_lateness
from .handed import shown
from .mend import mend
from .probes import Probes, odd_names
from .record import Grade, check_released, read_grades, record, state, waiting
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


def grade_assignment(
    course: Course,
    assignment: str,
    jobs: int | None = None,
    limits: Limits | None = None,
    tell: Callable[[str], None] = lambda student: None,
    students: Sequence[str] | None = None,
) -> list[Grade]:
    """Grade what was collected. Each grade is kept as soon as it is there.

    Args:
        course: the course.
        assignment: the assignment.
        jobs: submissions at a time; None for as many as there are processors.
        limits: what one submission may use.
        tell: called with a student's id when the execution has ended.
        students: whose; None for everything that was not graded yet, or has changed since, as `waiting` says.

    Raises:
        InputError: nothing was collected, the assignment was not released, its own answers do not earn all points on
            this machine, or a grade cannot be written.
        KeyboardInterrupt: with what is kept, in words.
    """

    source = course.read_source(assignment)
    Policy.of(course)  # a wrong setting is told now, not when all is done
    tests = check_released(course, assignment)
    students = waiting(course, assignment) if students is None else students
    if not students:
        return []
    jobs = min(jobs or os.cpu_count() or 1, len(students))
    threads = max(1, (os.cpu_count() or 1) // jobs)
    slots: queue.SimpleQueue = queue.SimpleQueue()
    for slot in range(jobs):
        slots.put(slot)

    probes = Probes(source)
    with _shapes10(source) as data:
        limits = _with_times(limits or Limits(), source, threads, course.root, data, probes)

        def run(student: str) -> tuple[Any, list[str]] | Exception:
            slot = slots.get()
            try:
                ready = _tests_written_in(course, assignment, student)
                ready.metadata["graded"] = state(course, assignment, student, tests)
                executed = execute(probes.put_in(ready), limits, slot, threads, (course.root,), data)
                agreement = probes.agreement(probes.take_out(executed))
                return _confirmed(seal(executed, hidden_pieces(source)), agreement)
            except Exception as error:
                return error
            finally:
                slots.put(slot)
                tell(student)

        problems, notes = {}, {}
        with ThreadPoolExecutor(jobs) as pool:
            running = {pool.submit(run, student): student for student in students}
            try:
                for done in as_completed(running):
                    ended = done.result()
                    if isinstance(ended, Exception):
                        problems[running[done]] = shown(f"not graded: {type(ended).__name__}: {ended}"[:500])
                    else:
                        executed, doubts = ended
                        record(course, assignment, running[done], executed)
                        notes[running[done]] = (*doubts, *_oddities(executed, source))
            except BaseException as error:
                pool.shutdown(wait=False, cancel_futures=True)
                said = f"{len(notes)} of {len(students)} are graded and kept; call grade again for the rest"
                if isinstance(error, KeyboardInterrupt):
                    raise KeyboardInterrupt(said) from None
                why = gradebook_problem(error) or (str(error) if isinstance(error, OSError | InputError) else None)
                raise InputError(f"{why}; {said}") if why else error from None
    note_lateness(course, assignment)
    grades = read_grades(course, assignment)
    return [replace(grades[one], problem=problems.get(one, ""), notes=notes.get(one, ())) for one in sorted(students)]


def _with_times(limits: Limits, source: Any, threads: int, root: Path, data: Path | None, probes: Probes) -> Limits:
    """Limits with times that follow from those of the source's own answers, executed here; what these give is right.

    Raises:
        InputError: they do not run, or earn all points, on this machine, so nobody's would.
    """
    try:
        executed = execute(probes.put_in(source), replace(limits, **SOURCE_TIMES), 0, threads, (root,), data)
    except RuntimeError as error:  # NotStarted among them
        raise InputError(
            f"nothing is graded: the kernel that executes notebooks does not work on this machine ({error}): free some "
            f"memory, raise --memory (now {limits.memory:,} MiB), or install ipykernel anew"
        ) from None
    probes.learn(probes.take_out(executed))
    executed = seal(executed, set())
    short = [cell.metadata["nbgrader"]["grade_id"] for cell in executed.cells if is_test(cell) and _part(cell) < 1]
    if short:
        raise InputError(f"nothing is graded: on this machine the source's own answers fail {', '.join(short)}")
    seconds = [_seconds(cell) for cell in executed.cells if cell.cell_type == "code"]
    cell = max(LEAST_CELL, math.ceil(SLOWER * max(seconds)))
    wall = max(LEAST_WALL, math.ceil(SLOWER * sum(seconds)))
    return replace(limits, cell=limits.cell or cell, wall=limits.wall or wall)


def _part(test: Any) -> float:
    """The part of its points that a sealed test gives."""
    if any(output.output_type == "error" for output in test.outputs):
        return 0.0
    shown = [float(o["data"]["text/plain"]) for o in test.outputs if o.output_type == "execute_result"]
    possible = float(test.metadata["nbgrader"]["points"])
    return min(shown) / possible if shown and possible else 1.0


def _confirmed(notebook: Any, agreement: dict[str, float]) -> tuple[Any, list[str]]:
    """A sealed notebook, and what in it an instructor should look at, because asked again an answer is not as right as
    its test says: the points of a test that gave all of them are taken, a large part is only named."""
    doubts = []
    for cell in notebook.cells:
        agreed = agreement.get(grade_id(cell), 1.0) if is_test(cell) else 1.0
        if agreed == 1:
            continue
        if (part := _part(cell)) >= 1:
            cell.outputs = [output for output in cell.outputs if output.output_type != "execute_result"]
            cell.outputs.append(error_output(UNCONFIRMED, UNCONFIRMED_WHY))
            why = "gave all points, but asked again its answer gives something else: none count"
            doubts.append(f"{grade_id(cell)} {why}")
        elif part > max(HALF, agreed) + 0.01:
            doubts.append(f"{grade_id(cell)} gave {part:.0%} of its points, but asked again its answer is not so right")
    return notebook, doubts


def _oddities(executed: Any, source: Any) -> list[str]:
    """Cells with names in them that no answer needs."""
    odd = odd_names(executed, source)
    return [f"{cell} uses {', '.join(names)}, which no answer needs" for cell, names in odd.items()]


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
    notebook = _as_released(notebook, course.release(assignment, student))
    db_url = course.directory(assignment).db_url
    about = {"nbgrader": {"student": student, "assignment": assignment, "notebook": assignment, "db_url": db_url}}
    for preprocessor in Autograde().sanitize_preprocessors:
        notebook, about = preprocessor().preprocess(notebook, about)
    return for_student(notebook, student)


def _as_released(notebook: Any, release: Path) -> Any:
    """What was handed in before cells of the assignment got other names, with the cells that are released now."""
    import nbformat

    if not release.exists():  # of a student who has left
        return notebook
    now = nbformat.read(release, as_version=4)
    names = {cell.get("id"): grade_id(cell) for cell in now.cells if grade_id(cell)}
    if set(names.values()) <= {grade_id(cell) for cell in notebook.cells}:
        return notebook
    for cell in notebook.cells:
        if grade_id(cell) and cell.get("id") in names:
            cell.metadata["nbgrader"]["grade_id"] = names[cell["id"]]
    mended, _ = mend(notebook, now)
    mended.metadata = notebook.metadata
    return mended
