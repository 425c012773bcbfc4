"""Take a class through the whole path of the classroom, and see that every grade is right and that nothing escapes.

60 students hand in what classes hand in: right and wrong answers, half-finished and broken files, crashes, endless
loops, and attacks on the grading (`cases.py`, `hostile.py`). The real commands run from init to export. Then grades are
compared with those worked out by hand, feedback is searched for the name of each mistake, and the machine for traces of
attacks. Ends with status 1 if anything is off.

Run from the repository root (minutes on two CPU cores: see the last line of its output):

    python -m benchmarks.classroom
    python -m benchmarks.classroom --only hostile loop
"""

import argparse
import csv
import html
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import nbformat

from resnet_course.checks import variant

from .cases import CLASS
from .notebooks import BLOCK, Case, about, possible, solved, source_of

STUDENTS = 60
ROOT = Path(__file__).parents[2]
HIDDEN = re.compile(r"BEGIN HIDDEN TESTS\n(.*?)\n[^\n]*END HIDDEN TESTS", re.DOTALL)
PLACES = ("/tmp", "/var/tmp", "/dev/shm", "/root", "/usr/local/bin", "/usr/lib", "/etc", str(Path.home()))


@dataclass
class World:
    """What the attacks aim at.

    Attributes:
        place: folder with the class list, what was handed in, and the course.
        mark: in the name of everything that an attack leaves.
        canary: in the environment of the grading.
        calls: what came in over the network.
    """

    place: Path
    mark: str = field(default_factory=lambda: f"mark{secrets.token_hex(6)}")
    canary: str = field(default_factory=lambda: f"canary{secrets.token_hex(6)}")
    calls: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.victim = subprocess.Popen(["sleep", "36000"])
        self.server = socket.create_server(("", 0))
        self.port = self.server.getsockname()[1]
        self.abstract = socket.socket(socket.AF_UNIX)
        self.abstract.bind(f"\0{self.mark}")
        self.abstract.listen()
        self.datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.datagrams.bind(("", self.port))
        for name, wait in (("tcp", self.server.accept), ("abstract", self.abstract.accept)):
            threading.Thread(target=self._listen, args=(name, wait), daemon=True).start()
        threading.Thread(target=self._listen, args=("udp", lambda: self.datagrams.recv(9)), daemon=True).start()

    def _listen(self, name: str, wait) -> None:
        while True:
            wait()
            self.calls.append(name)

    @property
    def course(self) -> Path:
        return self.place / "course"

    def values(self, friend: str) -> dict[str, str]:
        """What stands for the names in the cases."""
        address = socket.gethostbyname(socket.gethostname())
        return {
            "$COURSE": str(self.course),
            "$PLACE": str(self.place),
            "$PORT": str(self.port),
            "$ADDRESS": address,
            "$VICTIM": str(self.victim.pid),
            "$MARK": self.mark,
            "$BACKWARDS": self.canary[::-1],
            "$FRIEND": friend,
        }

    def close(self) -> None:
        self.victim.kill()
        self.victim.wait()


def names(n: int) -> list[str]:
    return [f"s{1000 + 7 * i}" for i in range(n)]


def seated(cases: list[Case]) -> dict[tuple[str, str], Case]:
    """A student for each case: (assignment, student) to case. The largest assignment fills the class from one end,
    the others from the other end."""
    students, seats = names(STUDENTS), {}
    for assignment in sorted({case.assignment for case in cases}):
        mine = [case for case in cases if case.assignment == assignment]
        if len(mine) > len(students):
            raise SystemExit(f"{assignment} has {len(mine)} cases, the class {len(students)} students")
        order = students if assignment == BLOCK else students[::-1]
        seats |= {(assignment, student): case for student, case in zip(order, mine, strict=False)}
    return seats


def friend_of(student: str) -> str:
    """Somebody whose variant has another width."""
    return next(other for other in names(STUDENTS) if variant(other).width != variant(student).width)


def make_file(case: Case, release, student: str, world: World) -> bytes | None:
    """What the student hands in."""
    notebook = solved(release, case.assignment)
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and about(cell).get("solution"):
            cell.source = "In words of my own."
    for edit in case.edits:
        edit(notebook)
    for cell in notebook.cells:
        for name, value in world.values(friend_of(student)).items():
            cell.source = cell.source.replace(name, value)
    notebook.cells.append(nbformat.v4.new_markdown_cell(canary_of(student, world)))
    return case.file(notebook)


def canary_of(student: str, world: World) -> str:
    return f"{world.canary}-of-{student}"


def command(world: World, times: dict[str, float], *words: str) -> str:
    """Run a step of the classroom as an instructor would."""
    started = time.monotonic()
    course = [] if words[0] == "init" else ["--course", str(world.course)]
    done = subprocess.run(
        [sys.executable, "-m", "resnet_tutorial", "classroom", *words, *course],
        cwd=world.place,
        env=os.environ | {"CANARY": world.canary, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
    )
    times[words[0]] = times.get(words[0], 0) + time.monotonic() - started
    if done.returncode:
        raise SystemExit(f"classroom {' '.join(words)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def hand_in(world: World, seats: dict, assignment: str) -> Path:
    folder = world.place / "handed" / assignment
    folder.mkdir(parents=True)
    for (name, student), case in seats.items():
        if name != assignment:
            continue
        release = nbformat.read(world.course / "release" / name / student / f"{name}.ipynb", as_version=4)
        data, path = make_file(case, release, student, world), folder / f"{student}_{name}.{case.ending}"
        if data is None:
            path.symlink_to(next(path for path in folder.iterdir() if path.is_file()))
        else:
            path.write_bytes(data)
    return folder


def walk(world: World, seats: dict, jobs: int, times: dict[str, float]) -> None:
    """From the class list to the table of grades."""
    rows = [f"{one},First{i},Last{i},{canary_of(one, world)}@example.org" for i, one in enumerate(names(STUDENTS))]
    (world.place / "students.csv").write_text("\n".join(["id,first_name,last_name,email", *rows]))
    command(world, times, "init", str(world.course), "--students", str(world.place / "students.csv"))
    for assignment in sorted({name for name, _ in seats}):
        command(world, times, "release", assignment)
        command(world, times, "collect", assignment, str(hand_in(world, seats, assignment)))
        started = time.monotonic()
        command(world, times, "grade", assignment, "--jobs", str(jobs))
        command(world, times, "feedback", assignment)
        n = sum(name == assignment for name, _ in seats)
        print(f"{assignment}: {n} submissions graded in {time.monotonic() - started:.0f} s", flush=True)
    command(world, times, "export", str(world.place / "grades.csv"))


def expected(case: Case) -> float | None:
    """Points, or None for nothing handed in."""
    if case.file(nbformat.v4.new_notebook()) is None:
        return None
    return round(possible(case.assignment) - sum(case.lost.values()), 2)


def wrong_grades(world: World, seats: dict) -> list[str]:
    table = {row["id"]: row for row in csv.DictReader((world.place / "grades.csv").open())}
    off = []
    for assignment in sorted({name for name, _ in seats}):
        for student in names(STUDENTS):
            case = seats.get((assignment, student))
            wanted = expected(case) if case else None
            given = float(table[student][assignment]) if table[student][assignment] else None
            if (wanted is None) != (given is None) or (wanted is not None and abs(given - wanted) > 0.011):
                title = f"{case.kind}: {case.name}" if case else "nothing handed in"
                off.append(f"{assignment} {student}, {title}: {given} points, expected {wanted}")
    return off


def page_of(world: World, assignment: str, student: str) -> Path:
    return world.course / "feedback" / student / assignment / f"{assignment}.html"


def text_of(page: Path) -> str:
    """What a reader sees, in one line."""
    bare = re.sub(r"<style.*?</style>|<[^>]*>", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(bare))


def silent_feedback(world: World, seats: dict) -> list[str]:
    """Students whose feedback does not name what they did."""
    silent = []
    for (assignment, student), case in seats.items():
        page = page_of(world, assignment, student)
        if case.says and (not page.exists() or case.says not in text_of(page)):
            silent.append(f"{assignment} {student}, {case.kind}: {case.name}: no {case.says!r} in the feedback")
    return silent


def escapes(world: World, seats: dict) -> list[str]:
    """Traces of attacks that succeeded."""
    found = [f"the network was reached: {', '.join(world.calls)}"] if world.calls else []
    found += ["a process of the machine was killed"] if world.victim.poll() is not None else []
    packages = (ROOT / "resnet_tutorial", ROOT / "resnet_course")
    folders = [*PLACES, *map(str, (world.place, world.course, world.course / "release", *packages))]
    for folder in dict.fromkeys(folders):
        with suppress(OSError):
            found += [f"left behind: {folder}/{one}" for one in os.listdir(folder) if world.mark in one]
    return found + leftovers(world) + told(world, seats)


def leftovers(world: World) -> list[str]:
    """Processes, and folders for submissions, that outlived the grading."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            text = process.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            kernel = re.search(r"-f (/tmp/rt-[^/]+)", text)
            if world.mark in text or (kernel and not Path(kernel[1]).exists()):
                found.append(f"still runs: {text[:100]}")
    for plan in Path("/tmp").glob("rt-*/plan.json"):
        with suppress(OSError, ValueError):
            found += (
                [f"left behind: {plan.parent}"] if str(world.course) in json.loads(plan.read_text())["hide"] else []
            )
    return found


def told(world: World, seats: dict) -> list[str]:
    """Pages that show what others wrote, or a line of the hidden tests."""
    found, lines = [], {}
    for (assignment, student), case in seats.items():
        page = page_of(world, assignment, student)
        if not page.exists():
            continue
        if assignment not in lines:
            hidden = HIDDEN.findall("\n".join(cell.source for cell in source_of(assignment).cells))
            lines[assignment] = {max(map(str.strip, region.splitlines()), key=len) for region in hidden}
        text = text_of(page)
        title = f"{assignment} {student}, {case.name}"
        found += [f"{title}: shows {one}" for one in set(re.findall(rf"{world.canary}\S*", text)) if student not in one]
        found += [f"{title}: shows a hidden test" for line in lines[assignment] if line in text]
        found += [f"{title}: a script ran"] if case.name.startswith("prints scripts") and script_runs(page) else []
    return found


def script_runs(page: Path) -> bool:
    """Whether a browser runs a script of the page; unknown, so no, without a browser."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        return False
    with tempfile.TemporaryDirectory() as profile:
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
        words = [browser, *options, "--dump-dom", f"--user-data-dir={profile}", page.as_uri()]
        shown = subprocess.run(words, capture_output=True, text=True, timeout=60).stdout
    return not shown or 'class="SCRIPT-RAN"' in shown[:500]


def main() -> int:
    parser = argparse.ArgumentParser(description="Take a class of 60 through the whole path of the classroom.")
    parser.add_argument("--only", nargs="*", help="kinds of cases, such as right, loop or hostile")
    parser.add_argument("--assignment", nargs="*", help="assignments, such as 1_convolution")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="folder to keep the course in")
    args = parser.parse_args()
    cases = [case for case in CLASS if not args.only or case.kind in args.only]
    cases = [case for case in cases if not args.assignment or case.assignment in args.assignment]
    place = args.keep or Path(tempfile.mkdtemp(prefix="class-of-60-"))
    place.mkdir(exist_ok=True)
    place.chmod(0o755)  # file rights must not be what holds
    world, seats, times, started = World(place.resolve()), seated(cases), {}, time.monotonic()
    try:
        walk(world, seats, args.jobs, times)
        seconds = time.monotonic() - started
        problems = {
            "grades": wrong_grades(world, seats),
            "feedback": silent_feedback(world, seats),
            "escapes": escapes(world, seats),
        }
    finally:
        world.close()
        if args.keep is None:
            shutil.rmtree(place, ignore_errors=True)
    tell(seats, problems, times, seconds)
    return 1 if any(problems.values()) else 0


def tell(seats: dict, problems: dict[str, list[str]], times: dict[str, float], seconds: float) -> None:
    cases = list(seats.values())
    n, named = len(cases), sum(bool(case.says) for case in cases)
    kinds = Counter(case.kind for case in cases)
    print(f"\nkinds: {', '.join(f'{count} {kind}' for kind, count in kinds.items())}")
    print("tried to escape and held:", "; ".join(case.name for case in cases if case.kind == "hostile"))
    print("not held:", "; ".join(case.name for case in cases if case.kind == "not held"))
    print(f"grades as expected: {n - len(problems['grades'])} of {n}, and of those who handed in nothing")
    print(f"feedback that names what happened: {named - len(problems['feedback'])} of {named}")
    print(f"traces of an escape: {len(problems['escapes'])}")
    for line in (line for lines in problems.values() for line in lines):
        print(f"  OFF  {line}")
    steps = ", ".join(f"{step} {value:.0f}" for step, value in times.items())
    print(f"{len({student for _, student in seats})} students, {n} submissions, {seconds:.0f} s ({steps})")


if __name__ == "__main__":
    sys.exit(main())
