"""Take in what students hand in: find whose it is, choose among several files, mend, say what was done."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from resnet_tutorial.errors import InputError
from resnet_tutorial.files import write_atomic

from .cells import grade_id
from .clean import clean_text
from .course import Course, not_released
from .due import DAY, UTC, HandedIn, Policy, clock_of
from .handed import Handed, read_place, reason, shown
from .mend import mend
from .roster import Roster
from .whose import Claim, Delivery, whose

UNREADABLE = "could not be read as a notebook"


@dataclass
class Collected:
    """What became of a folder of submissions. Each file is taken, superseded, unread or unclear.

    Attributes:
        notes: for each student who handed in something, what was mended or could not be read; empty if all was well.
        missing: ids of students who have handed in nothing so far.
        class_size: how many students there are.
        taken: for each student whose work was taken in, the file.
        superseded: files of students of whom another one was taken.
        unread: files of a student of which nothing could be read, so that what was collected before stays.
        unclear: files that are left alone: of no student, or not clearly of one.
        conflicts: why, for those of them that tell of somebody.
        times: what told when the taken files were handed in, and of how many; empty if no due date is set.
    """

    notes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    class_size: int = 0
    taken: dict[str, str] = field(default_factory=dict)
    superseded: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    unclear: tuple[str, ...] = ()
    conflicts: dict[str, str] = field(default_factory=dict)
    times: dict[str, int] = field(default_factory=dict)


def collect_submissions(course: Course, assignment: str, place: Path) -> Collected:
    """Copy one file for each student into ``submitted/``, mended.

    Whose a file is, `resnet_course.classroom.whose.whose` says. A file that is no notebook becomes the released
    notebook with a message on top, which stands in the feedback; but it replaces nothing that was collected before.

    Args:
        course: the course.
        assignment: the assignment, which must have been released.
        place: folder or zip file, as a system or a person gives it; or one notebook.

    Raises:
        InputError: nothing to collect there, or the assignment was not released.
    """
    if not (course.root / "release" / assignment).is_dir():
        course.source(assignment)  # says which there are, if there is none of that name
        raise not_released(assignment)
    if course.root.is_relative_to(place.resolve()) or any(map(place.resolve().is_relative_to, course.own_folders)):
        raise InputError(f"{place} is the course, or of it: name the folder with what was handed in")
    students, policy = course.students(), Policy.of(course)
    handed, submitters = read_place(place)
    roster = Roster(students, (folder.name for folder in (course.root / "source").iterdir()))
    delivery = Delivery.of((one.path for one in handed), roster, submitters)
    claims = [(whose(one.path, one.says, delivery), one) for one in handed]
    handed_in = clock_of(place, policy.zone)
    collected = Collected(class_size=len(students))
    for student in students:
        mine = [(claim, one) for claim, one in claims if claim.student == student.id]
        if mine:
            when = _take(collected, course, assignment, student.id, mine, handed_in)
            if when and assignment in policy.due:
                _tell_lateness(collected, policy, assignment, student.id, when)
    collected.conflicts |= {shown(one.path): claim.problem for claim, one in claims if claim.problem}
    nobodys = (shown(one.path) for claim, one in claims if not (claim.student or claim.problem))
    collected.unclear = (*collected.conflicts, *nobodys)
    collected.missing = tuple(s.id for s in students if not course.submitted(assignment, s.id).exists())
    return collected


def _tell_lateness(collected: Collected, policy: Policy, assignment: str, student: str, when: HandedIn) -> None:
    """Say what tells when files were handed in, and who is late, or hands in tomorrow."""
    collected.times[when.by] = collected.times.get(when.by, 0) + 1
    late = policy.days_late(assignment, student, when.at)
    said = [f"late by {late} day{'s' * (late > 1)}"] if late else []
    said += ["in the future: look at that machine's clock"] if when.at and when.at > datetime.now(UTC) + DAY else []
    if said:
        note = f"handed in at {policy.shown(when.at)} {when.by}: {', '.join(said)}"
        collected.notes[student] = (*collected.notes[student], note)


def _take(
    collected: Collected,
    course: Course,
    assignment: str,
    student: str,
    mine: list[tuple[Claim, Handed]],
    handed_in: Callable[[str, Claim], HandedIn],
) -> HandedIn | None:
    """Take one of a student's files in, the newest with the best evidence, if it is clear which that is.

    Returns:
        When that was handed in; None if none is taken.
    """
    import nbformat

    mine = _clearest(collected, student, mine)
    release = course.release(assignment, student)
    if not mine:
        return None
    if not release.exists():
        collected.unread += [shown(one.path) for _, one in mine]
        again = f"joined after the release: resnet-tutorial classroom release {assignment}, then collect again"
        collected.notes[student] = (again,)
        return None
    given = nbformat.read(release, as_version=4)
    claim, chosen = _newest(mine, given)
    name, told = shown(chosen.path), _told_of_others(collected, mine, claim, chosen)
    notebook, said = put_together(chosen, given)
    path = course.submitted(assignment, student)
    if chosen.is_lost or (chosen.problem and _is_readable(path)):
        collected.unread.append(name)
        stays = "; what was collected before stays" if path.exists() else ""
        collected.notes[student] = (*told, f"`{name}` was not taken in, {chosen.problem}{stays}")
        return None
    when = handed_in(chosen.path, claim)
    about = {"at": when.at and when.at.isoformat(), "by": when.by}
    about |= {"from": name, "rank": claim.rank, "sender": claim.sender, "attempt": claim.attempt}
    about = json.loads(json.dumps(about))  # as it is read again
    earlier = nbformat.read(path, as_version=4) if _is_readable(path) else None
    before = earlier.metadata.get("collected", {}) if earlier else {}
    if before.get("at") and [cell.source for cell in earlier.cells] == [cell.source for cell in notebook.cells]:
        about |= {key: before[key] for key in ("at", "by") if before["at"] < (about["at"] or "~")}  # a later copy
        when = HandedIn(datetime.fromisoformat(about["at"]), about["by"])
    if before and before["rank"] > claim.rank:
        stays = f"`{before['from']}`, which has a clearer name, was collected before and stays"
        collected.conflicts[name] = f"may be of {student}, too, of whom {stays}"
        return None
    if before and claim.sender and before["sender"] == about["sender"] and before["attempt"] > about["attempt"]:
        collected.superseded.append(name)
        collected.notes[student] = (*told, f"`{name}` is older than `{before['from']}`, collected before, which stays")
        return None
    if before and before["from"] != name:
        told = (*told, f"`{name}` takes the place of `{before['from']}`, collected before")
    notebook.metadata["collected"] = about
    write_atomic(path, nbformat.writes(notebook).encode())
    collected.taken[student] = name
    collected.notes[student] = (*told, *said)
    return when


def _clearest(collected: Collected, student: str, mine: list[tuple[Claim, Handed]]) -> list[tuple[Claim, Handed]]:
    """Those of a student's files with the best evidence, the newest last; none where they are of several senders."""
    best = max(claim.rank for claim, _ in mine)
    senders = {claim.sender for claim, _ in mine if claim.rank == best}
    if len(senders) > 1:
        why = f"of {student}, from {len(senders)} senders: leave out, or rename, what is not theirs"
        collected.conflicts |= {shown(one.path): why for _, one in mine}
        return []
    why = f"may be of {student}, too, of whom a file with a clearer name counts"
    collected.conflicts |= {shown(one.path): why for claim, one in mine if claim.rank < best}
    return sorted(((claim, one) for claim, one in mine if claim.rank == best), key=lambda pair: pair[0].attempt)


def _told_of_others(
    collected: Collected, mine: list[tuple[Claim, Handed]], claim: Claim, chosen: Handed
) -> tuple[str, ...]:
    """What there is to say of how a file was chosen among those of a student, and of the others."""
    others = [one for _, one in mine if one is not chosen]
    collected.superseded += [shown(one.path) for one in others]
    name, several = shown(chosen.path), [one for one in others if one.is_notebook]
    newest = "the newest" if mine[-1][1] is chosen else "the newest with cells of this assignment"
    return (
        *[f"of {len(several) + 1} notebooks `{name}` counts, {newest}"] * bool(several),
        *(f"`{name}`: {note}" for note in claim.notes),
        *(f"`{shown(one.path)}` {UNREADABLE}: {one.problem}" for one in several if one.problem),
    )


def _newest(mine: list[tuple[Claim, Handed]], given: Any) -> tuple[Claim, Handed]:
    """The last that holds the assignment's cells; if none does, the last notebook, else the last file."""
    marks = {grade_id(cell) for cell in given.cells} | {cell.source.strip() for cell in given.cells}

    def score(one: Handed) -> int:
        if one.problem:
            return -1 if one.notebook else -2 if one.is_notebook else -3
        return sum(bool({grade_id(cell), cell.source.strip()} & (marks - {None, ""})) for cell in one.notebook.cells)

    best = max(score(one) for _, one in mine)
    return [(claim, one) for claim, one in mine if score(one) == best or score(one) > best / 2 > 0][-1]


def _is_readable(path: Path) -> bool:
    """Whether work was collected there before, and not the stand-in for a file that could not be read."""
    return path.exists() and UNREADABLE not in path.read_text(encoding="utf-8")


def put_together(handed: Handed, release: Any) -> tuple[Any, tuple[str, ...]]:
    """What was handed in as the notebook to grade, with a cell on top that says what was mended, and that in lines.

    Args:
        handed: the file.
        release: what this student was given; it stands in where the file cannot be read.
    """
    problem = handed.problem
    if handed.notebook is not None:
        try:
            mended, said = mend(handed.notebook, release)
            damage = [f"`{shown(handed.path)}` was taken in as far as it can be read: {problem}. Hand it in again."]
            return _with_notes(mended, (*(damage if problem else ()), *handed.notes, *said))
        except Exception as error:
            problem = reason(error)
    return _with_notes(
        release,
        (
            f"`{shown(handed.path)}` {UNREADABLE}: {problem}. So the tests below ran without your work. "
            "Hand in the `.ipynb` file itself, saved from JupyterLab or Colab (File › Download › .ipynb).",
        ),
    )


def _with_notes(notebook: Any, said: Iterable[str]) -> tuple[Any, tuple[str, ...]]:
    import nbformat

    said = tuple(said)
    if not said:
        return notebook, said
    text = "**About the file that you handed in**\n\n" + "\n".join(f"- {clean_text(line)}" for line in said)
    noted = notebook.copy()
    noted.cells = [nbformat.v4.new_markdown_cell(text, id="about-your-file"), *notebook.cells]
    return noted, said
