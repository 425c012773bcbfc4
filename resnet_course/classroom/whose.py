"""Whose a file is: `whose` holds the rules, in their order, and `SYSTEMS` what the systems write."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from os.path import commonprefix

from .roster import COPY, SHORT, SUFFIX, Evidence, Roster, words_of

# What a system writes in front of what was handed in, as a folder or as the beginning of a file's name. ``who`` is a
# name or a login, ``user`` the system's number for who handed in, ``rest`` the file's own name. ``attempt`` tells an
# older attempt from a newer one.
SYSTEMS = {
    "Moodle": r"(?P<who>.*?)_(?P<user>[0-9]+)_assignsubmission_[a-z]+(_(?P<rest>.*))?",
    "Blackboard": r"(?P<who>.+)_attempt_(?P<attempt>[0-9]{4}(-[0-9]{2}){5})(_(?P<rest>.*)|\.txt)?",
    "Brightspace": r"(?P<user>[0-9]+)-[0-9]+ - (?P<who>.+?) ?- (?P<attempt>[^-]*[0-9]{4}[^-]*?)( - (?P<rest>.*))?",
    "Gradescope": r"submission_(?P<user>[0-9]+)(\..*)?",  # whose number that is stands in the export's metadata
    "Canvas": r"(?P<who>|[^_]*[^\W0-9_][^_]*?)(_late)?_(?P<user>[0-9]+|(?<=anon_)[^_]+|(?<=anon_late_)[^_]+)_"
    r"((?P<attempt>[0-9]+)_(?P<rest>.*)|(text|link|url)\.html?)",
    "ILIAS": r"(?P<who>[^_]+_.+)_[^_]+_(?P<user>[0-9]+)",  # a folder
    "GitHub": r"ASSIGNMENT-(?P<who>[^_ ]+)",  # a folder
}
FOLDERS = ("ILIAS", "GitHub")
# What a system writes where it hides names, in several of its languages.
NAMELESS = re.compile(
    r"|anon\w*|participant\w*|partecipante|teilnehm\w*|deelnemer|deltag\w*|deltaker|osallistuja|uczestnik\w*|účastník|"
    r"résztvevő|katılımcı|συμμετέχων|участник|учасник|参加者|参与者|參與者|참가자|مشارك|משתתף"
)
NUMBERED = re.compile(r"(?: ?\(([0-9]+)\)|-([0-9]{1,3})| ([0-9]{1,3}))$")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

SYSTEM, PATH, PART, CELL = 3, 2, 1, 0  # how good the evidence is


@dataclass(frozen=True)
class Claim:
    """Whose a file is said to be.

    Attributes:
        student: id, or None for no student of the class, or several.
        rank: what says so: SYSTEM, PATH (a part of the path that is a name or an id), PART (a piece of one) or CELL.
        sender: tells apart who hand in under one name: a system, and its number for the sender.
        attempt: sorts the files of one sender, the newest last.
        notes: what an instructor should know about it.
        problem: if it tells of several students, or contradicts itself: in what way.
    """

    student: str | None
    rank: int
    sender: tuple[str, ...]
    attempt: tuple
    notes: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class Written:
    """What a system wrote: whom it names, if it names anyone, and what stands behind it."""

    sender: tuple[str, ...]
    students: frozenset[str]
    is_nameless: bool
    is_several: bool
    attempt: tuple
    behind: list[str]


@dataclass
class Delivery:
    """What the files that were handed in together tell of one another.

    Attributes:
        roster: the class.
        group: what Moodle writes in front of everybody's name: a group's name and a hyphen.
        submitters: for Gradescope's numbers who handed in: for each person, texts that tell of them.
        seen: systems that have named somebody of the class.
    """

    roster: Roster
    group: str = ""
    submitters: dict[str, list[list[str]]] = field(default_factory=dict)
    seen: frozenset[str] = frozenset()

    @classmethod
    def of(cls, paths: Iterable[str], roster: Roster, submitters: dict[str, list[list[str]]]) -> "Delivery":
        """Look at all paths."""
        paths = [path.split("/") for path in paths]
        heads = {match["who"] for path in paths for part in path if (match := _match("Moodle", part, roster))}
        shared = commonprefix([*heads]) if len(heads) > 1 else ""  # noqa: RUF071
        delivery = cls(roster, shared[: shared.rfind("-") + 1], submitters)
        written = filter(None, (_written(path, delivery) for path in paths))
        return replace(delivery, seen=frozenset(one.sender[0] for one in written if one.students))


def whose(path: str, says: Iterable[str], delivery: Delivery) -> Claim:
    """Whose a file is. The first rule that finds somebody decides.

    1. What a system wrote in front: the name, login or number in its place. If that is nobody's, the file is nobody's;
       unless the system hides names: then what stands behind, and the STUDENT cell, decide by the other rules.
    2. The parts of the path (folders, the file's name, pieces between " - "), from the outermost: one that *is* a full
       name decides, else one that is an id, an email address or a login.
    3. A full name, an id or an email address within a part, unless the STUDENT cell names somebody else. A name and an
       id that agree are as good as a whole part.
    4. The STUDENT cell.

    Where several students have the name, an id in the path or the STUDENT cell decides between them. Where two texts
    name two students, the file is nobody's; but what stands behind a system's words or a full name is only noted.

    Args:
        path: its parts with slashes between them, as in the folder or zip file; a zip file in it is a part, too.
        says: what the notebook's STUDENT cells say.
        delivery: the class, and what is known of the other files.
    """
    roster, parts = delivery.roster, path.split("/")
    cell, written = roster.cell(says), _written(parts, delivery)
    behind, is_hidden = written.behind if written else parts, bool(written and written.is_nameless)
    within = roster.within(behind)
    if written and written.students:
        rank, evidence = SYSTEM, [Evidence(written.students, True, ()), *within]
    elif written and not is_hidden:
        rank, evidence = SYSTEM, []
    elif evidence := roster.whole(behind):
        rank = PATH
    elif evidence := within or ([] if written else roster.short(parts)):
        rank = PART
    else:
        rank, evidence = CELL, [Evidence(cell, True, ())] if cell else []

    sender = written.sender if written else (_without_mark(path)[0],) if rank == CELL else ()
    claim = Claim(None, rank, sender, (written.attempt if written else (), *_order(path)))
    notes = []
    if is_hidden and written.sender[0] == "Gradescope":
        notes.append("whose it is should stand in submission_metadata.yml, which is missing, or damaged there")
    if not evidence:
        return replace(claim, problem=notes[0] if notes else "")
    students, others = evidence[0].students, frozenset()
    for one in evidence[1:]:
        if students & one.students:
            students &= one.students
        elif evidence[0].is_name:
            others |= one.students
        else:
            return replace(claim, problem=f"tells of {_listed(students | one.students)}")
    if len(students) > 1 and cell and cell < students and not (written and written.is_several):
        students = cell
        notes.append("the name is another's, too: only its STUDENT cell tells them apart")
    if len(students) > 1:
        return replace(claim, problem=f"may be of {_listed(students)}")
    (student,) = students
    if rank == PART and not others and len({one.is_name for one in evidence}) == 2:
        rank = PATH  # a name and an id that agree
    if cell is not None and (rank == PART or is_hidden):
        if student not in cell:
            return replace(claim, problem=f"tells of {student}, but its STUDENT cell of somebody else")
        rank = PATH
    others = others.union(*(one.students for one in within if student not in one.students))
    if rank == PART and not within and cell is None:
        notes.append(f"only the number {evidence[0].words[0]} in its path says whose it is")
    if claim.rank == CELL:
        notes.append("only its STUDENT cell says whose it is")
    if others:
        notes.append(f"its path tells of {_listed(others)}, too: look whose work it is")
    if cell and student not in cell:
        notes.append(f"its STUDENT cell names {_listed(cell)}: is it their own work?")
    return replace(claim, student=student, rank=CELL if is_hidden else rank, notes=tuple(notes))


def _match(system: str, part: str, roster: Roster) -> re.Match | None:
    return re.fullmatch(SYSTEMS[system].replace("ASSIGNMENT", roster.assignments), part, re.IGNORECASE)


def _written(parts: list[str], delivery: Delivery) -> Written | None:
    """What a system wrote, if a part has its form and none in front of that is a student's full name."""
    for i, part in enumerate(parts):
        for system in SYSTEMS:
            match = _match(system, part, delivery.roster) if system not in FOLDERS or i + 1 < len(parts) else None
            if match and (written := _read(system, match.groupdict(""), parts[i + 1 :], delivery)):
                return written
        if any(delivery.roster.named(piece) for piece in delivery.roster.pieces(part)):
            return None
    return None


def _read(system: str, wrote: dict[str, str], behind: list[str], delivery: Delivery) -> Written | None:
    """Whom the words of a system name. None if they are of no form that only a system writes, and name nobody."""
    roster, who, user, attempt = delivery.roster, wrote.get("who", ""), wrote.get("user", ""), wrote.get("attempt", "")
    people = [[who]]  # for each person, texts of which the first that tells of somebody counts
    ways = (roster.known, roster.named) if system in ("Blackboard", "GitHub") else (roster.named, roster.known)
    if system == "Moodle":
        people = [[who, who.removeprefix(delivery.group)]]
    elif system == "Brightspace":  # some have a number in front of the name
        people = [who.split(" - ")]
    elif system == "Blackboard":  # the assignment's name is in front of the login; both may hold "_"
        words = roster.bare(who).strip("- _").split("_")
        people, user = [["_".join(words[i:]) for i in range(len(words))]], words[-1].casefold()
    elif system == "GitHub":
        if SHORT.fullmatch(who):  # an id, or a copy
            return None
        people, user = [[who, NUMBERED.sub("", who)]], who.casefold()
    elif system == "Gradescope":
        people = delivery.submitters.get(user, [])
    each = (next(filter(None, (way(text) for text in texts for way in ways)), frozenset()) for texts in people)
    students, is_several = frozenset().union(*each), len(people) > 1
    if system == "Canvas" and user in roster.numbers:
        number = frozenset({roster.numbers[user]})
        students, is_several = students & number or students | number, bool(students) and not students & number

    hides = system == "GitHub" or NAMELESS.fullmatch(re.sub(r"\d", "", "".join(words_of(who))))
    is_nameless = not students and bool(hides if system != "Gradescope" else not people)
    is_weak = system == "ILIAS" and re.fullmatch("(19|20)?[0-9]{1,2}", user)  # a section, or a year
    is_weak = is_weak or (system == "Canvas" and len(user + attempt) < 6)
    if is_weak and not (students or is_nameless or system in delivery.seen):
        return None
    behind = [wrote["rest"], *behind] if wrote.get("rest") else behind
    return Written((system, user), students, is_nameless, is_several, _date(attempt), behind)


def _listed(ids: Iterable[str]) -> str:
    return " and ".join(sorted(ids))


# --- Attempts ---


def _without_mark(path: str) -> tuple[str, int]:
    """A path without its suffix and what tells a copy or a later attempt: ``work (2).ipynb`` is ``work`` and 2."""
    stem = SUFFIX.sub("", path)
    copy = COPY.search(stem)
    numbered = NUMBERED.search(copy[0] if copy else stem)
    mark = int(next(filter(None, numbered.groups()))[-9:]) if numbered else int(bool(copy))
    return stem[: (copy or numbered).start()] if copy or numbered else stem, mark


def _order(path: str) -> tuple:
    """Sorts paths as a person does: numbers as numbers, and the marks of copies last."""
    stem, mark = _without_mark(path)
    return _natural(stem), mark, path


def _natural(text: str) -> tuple:
    pieces = re.split(r"([0-9]+)", text.casefold())
    return tuple((len(one.lstrip("0")), one.lstrip("0")) if i % 2 else one for i, one in enumerate(pieces))


def _date(text: str) -> tuple:
    """An attempt's number or date, to be compared: ``100004``, ``2025-01-01-10-10-10``, ``Sep 5, 2025 1030 AM``."""
    month = next((i for i, name in enumerate(MONTHS, 1) if re.search(rf"\b{name}", text, re.IGNORECASE)), None)
    day = re.search(r"\b[0-9]{1,2}\b", text)
    time = re.search(r"\b([0-9]{4})\b.*?\b([0-9]{1,2}):?([0-9]{2})\b *([AP]M)?", text, re.IGNORECASE)
    if not (month and day and time):
        return _natural(text)
    hour = int(time[2]) % 12 + 12 * (time[4].upper() == "PM") if time[4] else int(time[2])
    return _natural(f"{time[1]} {month} {day[0]} {hour} {time[3]}")
