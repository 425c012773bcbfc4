"""Due dates, days of grace, and what lateness costs: settings of the course, and when a file was handed in."""

import math
import re
import struct
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

from resnet_tutorial.errors import InputError

from .cells import stored
from .course import Course
from .handed import LARGEST, METADATA, member_path
from .whose import SYSTEM, Claim

UTC, DAY = timezone.utc, timedelta(days=1)
# What systems write into names: Blackboard "_attempt_2026-09-05-10-30-00", Brightspace " - Sep 5, 2026 1030 AM".
NAMED = {
    "Blackboard": (re.compile(r"_attempt_([0-9]{4}(?:-[0-9]{2}){5})"), "%Y-%m-%d-%H-%M-%S"),
    "Brightspace": (
        re.compile(r" - (\w{3})\w* ([0-9]{1,2}), ([0-9]{4}) ([0-9]{1,2}):?([0-9]{2}) ([AP]M)"),
        "%b %d %Y %I %M %p",
    ),
}
LATE_MARK = re.compile(r"(^|/)[^/]*?_late_[^/]*$")  # Canvas's


@dataclass(frozen=True)
class HandedIn:
    """When a file was handed in, if anything tells.

    Attributes:
        at: the time, in UTC; None if nothing tells it.
        by: what tells it.
    """

    at: datetime | None
    by: str


@dataclass(frozen=True)
class Policy:
    """What the course says about lateness.

    Attributes:
        zone: the course's time zone; None if no due date is set.
        due: for each assignment with a due date, that, in the course's time.
        grace_days: days behind it that cost nothing.
        penalty: share of the possible points that each further day costs; a day that has begun counts whole.
        extension_days: more days for single students, by assignment and student.
    """

    zone: ZoneInfo | None
    due: dict[str, datetime]
    grace_days: float
    penalty: float
    extension_days: dict[tuple[str, str], float]

    @classmethod
    def of(cls, course: Course) -> "Policy":
        """The policy in ``nbgrader_config.py``.

        Raises:
            InputError: a setting makes no sense.
        """
        settings = course.config().Classroom
        due, more = settings.get("due", {}), settings.get("extension_days", {})
        zone = _zone(settings.get("time_zone", "")) if due else None
        known = {path.name for path in (course.root / "source").iterdir()}
        students = {student.id for student in course.students(left=True)}
        for key, days in more.items():
            if not isinstance(key, tuple) or len(key) != 2 or key[0] not in known or key[1] not in students:
                raise _wrong("extension_days", f'{key!r} is no ("ASSIGNMENT", "STUDENT") of this course')
            _number("extension_days", days, math.inf)
        for name in due:
            if name not in known:
                raise _wrong("due", f"no assignment is called {name!r}: choose from {', '.join(sorted(known))}")
        return cls(
            zone,
            {name: _local(name, text) for name, text in due.items()},
            _number("grace_days", settings.get("grace_days", 0), math.inf),
            _number("late_penalty", settings.get("late_penalty", 0), 1),
            dict(more),
        )

    def due_of(self, assignment: str, student: str) -> datetime | None:
        """When a student's work is due, in UTC, with their extension; None if it is never late."""
        if assignment not in self.due:
            return None
        return self._utc(self.due[assignment] + self.extension_days.get((assignment, student), 0) * DAY)

    def days_late(self, assignment: str, student: str, at: datetime | None) -> int:
        """Days behind the due date and the days of grace, begun ones counted whole."""
        due = self.due_of(assignment, student)
        if due is None or at is None:
            return 0
        end = self._utc(due.astimezone(self.zone).replace(tzinfo=None) + self.grace_days * DAY)
        return max(0, math.ceil((at - end) / DAY))

    def shown(self, at: datetime) -> str:
        """A time as the course's people write it."""
        return f"{at.astimezone(self.zone):%Y-%m-%d %H:%M} {self.zone}"

    def _utc(self, local: datetime) -> datetime:
        """Of a time that the clocks show twice, or never, the later."""
        return max(local.replace(tzinfo=self.zone, fold=fold).astimezone(UTC) for fold in (0, 1))


def _zone(name: str) -> ZoneInfo:
    example = "name one such as Europe/Berlin or America/New_York"
    if not name:
        raise _wrong("time_zone", f"due dates need a time zone: {example}")
    try:
        return ZoneInfo(name)
    except Exception:  # of several kinds, for names with dots, slashes, zeros
        raise _wrong("time_zone", f"no time zone is called {name!r}: {example}") from None


def _local(name: str, text: object) -> datetime:
    try:
        return datetime.strptime(str(text), "%Y-%m-%d %H:%M")
    except ValueError:
        raise _wrong("due", f'{name} is due at {str(text)!r}: write a date and a time, "2026-09-14 23:59"') from None


def _number(setting: str, value: object, most: float) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= most:
        raise _wrong(setting, f"{value!r} should be a number from 0" + (f" to {most:g}" if most < math.inf else ""))
    return value


def _wrong(setting: str, why: str) -> InputError:
    return InputError(f"nbgrader_config.py, c.Classroom.{setting}: {why}")


def clock_of(place: Path, zone: ZoneInfo | None) -> Callable[[str, Claim], HandedIn]:
    """A function that says when a file in a folder or zip file was handed in.

    What the system wrote counts first: into the name (Blackboard, Brightspace) or into its metadata (Gradescope). Then
    the time in the zip file, else the file's own. Canvas writes no time, but marks what is late.

    Args:
        place: the folder, zip file or notebook.
        zone: whose time the systems write, where they do not say; None for UTC.
    """
    zone = zone or UTC
    members, created = _members(place, zone)

    def handed_in(path: str, claim: Claim) -> HandedIn:
        system = claim.sender[0] if claim.rank == SYSTEM and claim.sender else ""
        if system in NAMED and (at := _named(system, path, zone)):
            return HandedIn(at, f"by the name that {system} wrote")
        if system == "Gradescope" and claim.sender[1] in created:
            return HandedIn(created[claim.sender[1]], "by Gradescope's metadata")
        found = path if path in members else next((one for one in members if path.startswith(f"{one}/")), None)
        at, by = (members[found], "by the zip file") if found else (_of_file(place, path), "by the file's time")
        if system == "Canvas" and not LATE_MARK.search(path):
            return HandedIn(None, "Canvas did not mark it late")
        return HandedIn(at, by if at else "nothing tells when")

    return handed_in


def _named(system: str, path: str, zone: timezone | ZoneInfo) -> datetime | None:
    pattern, form = NAMED[system]
    match = pattern.search(path)
    try:
        return datetime.strptime(" ".join(match.groups()), form).replace(tzinfo=zone).astimezone(UTC) if match else None
    except ValueError:  # a month in another language
        return None


def _of_file(place: Path, path: str) -> datetime | None:
    """Of a file, or of the zip file in it."""
    file = place / path if place.is_dir() else place
    while place in file.parents and not file.exists():
        file = file.parent
    is_known = file.is_file() and (place.is_dir() or not zipfile.is_zipfile(place))
    try:
        return datetime.fromtimestamp(file.stat().st_mtime, UTC) if is_known else None
    except (ValueError, OverflowError, OSError):  # of a year that there will not be
        return None


def _members(place: Path, zone: timezone | ZoneInfo) -> tuple[dict[str, datetime | None], dict[str, datetime]]:
    """Times of a zip file's members, and those in Gradescope's metadata."""
    members, metadata = {}, {}
    if place.is_file() and zipfile.is_zipfile(place):
        with zipfile.ZipFile(place) as archive:
            for info in archive.infolist():
                path = member_path(info)
                if not info.filename.endswith("/"):
                    members[path] = _of_member(info, zone)
                if METADATA.fullmatch(path):
                    with suppress(Exception), archive.open(info) as file:  # whatever it is, it tells nothing
                        metadata[path] = file.read(LARGEST)
    elif place.is_dir():
        files = [file for file in place.rglob("*metadata.y*ml") if file.is_file() and not file.is_symlink()]
        named = {file.relative_to(place).as_posix(): file for file in files}
        metadata = {path: named[path].read_bytes()[:LARGEST] for path in named if METADATA.fullmatch(path)}
    created = {}
    for path, data in sorted(metadata.items(), key=lambda item: -item[0].count("/")):  # the system's own last
        folder = re.search(r"submission_([0-9]+)/[^/]*$", path)
        blocks = re.split(r"^submission_([0-9]+):", data.decode(errors="replace"), flags=re.MULTILINE)
        pairs = [(folder[1], blocks[0])] if folder else zip(blocks[1::2], blocks[2::2], strict=True)
        for number, block in pairs:
            if match := re.search(r":created_at: '?([0-9-]{10})[ T]([0-9:]{8})\S* *(Z|[+-][0-9]{2}:?[0-9]{2})", block):
                offset = "+0000" if match[3] == "Z" else match[3].replace(":", "")
                with suppress(ValueError):  # a month 13
                    created[number] = datetime.strptime(f"{match[1]} {match[2]} {offset}", "%Y-%m-%d %H:%M:%S %z")
    return members, created


def _of_member(info: zipfile.ZipInfo, zone: timezone | ZoneInfo) -> datetime | None:
    """In UTC where the zip file says so, else the time of the clock on the wall; 1980 stands for none."""
    extra = info.extra
    try:
        while len(extra) >= 4:
            kind, size = struct.unpack("<HH", extra[:4])
            if kind == 0x5455 and extra[4] & 1:  # "extended timestamp"
                return datetime.fromtimestamp(struct.unpack("<i", extra[5:9])[0], UTC)
            extra = extra[4 + size :]
        return datetime(*info.date_time, tzinfo=zone).astimezone(UTC) if info.date_time[0] > 1980 else None
    except (ValueError, OverflowError, IndexError, struct.error):  # month 0, and what else files hold
        return None


def note_lateness(course: Course, assignment: str) -> dict[str, int]:
    """Write into the gradebook when graded work was handed in, when it was due, and what its lateness costs.

    Settings and marks by hand may have changed since it was graded, so this is done whenever grades are read.

    Returns:
        Days late, for each student who is.
    """
    policy = Policy.of(course)
    late = {}
    with course.gradebook() as book:
        due = policy.due_of(assignment, "")
        book.find_assignment(assignment).duedate = due and due.replace(tzinfo=None)
        for submission in book.assignment_submissions(assignment):
            at = collected_at(course.autograded(assignment, submission.student_id))
            days = policy.days_late(assignment, submission.student_id, at)
            submission.timestamp = at and at.replace(tzinfo=None)
            for notebook in submission.notebooks:
                cost = days * policy.penalty * notebook.max_score
                notebook.late_submission_penalty = min(notebook.score, cost) if cost else None
            if days:
                late[submission.student_id] = days
        book.db.commit()
    return late


def collected_at(notebook: Path) -> datetime | None:
    """When it was handed in, as `collect` noted it; None if nothing tells."""
    graded = stored(notebook)
    text = graded.metadata.get("collected", {}).get("at") if graded else None
    return datetime.fromisoformat(text) if text else None
