"""A class, attackers among it, through the whole path of the classroom: every grade right, and nothing escapes.

Each attack of `attacks.py` is one student; the rest hand in right, wrong and unfinished work. The real commands run
from init to export. Then each grade and each page is compared with what must happen, and the machine is searched for
traces. Ends with status 1 if anything is off.

Run from the repository root (Linux; the last line of its output says how long it takes):

    python -m benchmarks.classroom
    python -m benchmarks.classroom --students 6 --only fork disk
"""

import argparse
import csv
import html
import itertools
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
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import nbformat

from resnet_course.checks import variant
from resnet_course.classroom.cells import TELLING, squeezed

from .attacks import ATTACKS, OTHERS_IN_CLASS, Attack
from .work import BLOCK, SOURCE, solved

ROOT = Path(__file__).parents[2]
HIDDEN = re.compile(r"BEGIN HIDDEN TESTS\n(.*?)\n[^\n]*END HIDDEN TESTS", re.DOTALL)
IN_BROWSER = ("prints scripts and a forged result", "sends scripts past the outputs", "hides an address in a formula")
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


def make_class(n: int, only: list[str]) -> dict[str, Attack]:
    """For each student what they hand in: the attacks first, or those whose name holds one of the words."""
    wanted = [one for one in ATTACKS if not only or any(word in one.tries for word in only)]
    handed = itertools.chain(wanted, itertools.cycle(OTHERS_IN_CLASS))
    return {f"s{1000 + 7 * i}": next(handed) for i in range(max(n, len(wanted)))}


def friend_of(student: str, students: list[str]) -> str:
    """Somebody whose variant has another width."""
    return next((one for one in students if variant(one).width != variant(student).width), student)


def make_file(attack: Attack, release, student: str, world: World, friend: str) -> bytes:
    """What the student hands in, with a canary in it."""
    notebook = solved(release)
    for edit in attack.edits:
        edit(notebook)
    for cell in notebook.cells:
        for name, value in world.values(friend).items():
            cell.source = cell.source.replace(name, value)
    notebook.cells.append(nbformat.v4.new_markdown_cell(f"{world.canary}-of-{student}"))
    return attack.file(notebook)


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
    times[words[0]] = time.monotonic() - started
    if done.returncode:
        raise SystemExit(f"classroom {' '.join(words)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def walk(world: World, handed: dict[str, Attack], jobs: int) -> dict[str, float]:
    """From the class list to the table of grades; seconds of each step."""
    times: dict[str, float] = {}
    rows = [f"{one},First{i},Last{i},{world.canary}-of-{one}@example.org" for i, one in enumerate(handed)]
    (world.place / "students.csv").write_text("\n".join(["id,first_name,last_name,email", *rows]))
    command(world, times, "init", str(world.course), "--students", str(world.place / "students.csv"))
    command(world, times, "release", BLOCK)
    folder = world.place / "handed"
    folder.mkdir()
    for student, attack in handed.items():
        release = nbformat.read(world.course / "release" / BLOCK / student / f"{BLOCK}.ipynb", as_version=4)
        path = folder / f"{student}.{attack.ending}"
        if attack.file is None:
            path.symlink_to(folder / f"{next(iter(handed))}.ipynb")
        else:
            path.write_bytes(make_file(attack, release, student, world, friend_of(student, list(handed))))
    command(world, times, "collect", BLOCK, str(folder))
    command(world, times, "grade", BLOCK, "--jobs", str(jobs))
    for words in (("feedback", BLOCK), ("mistakes", BLOCK), ("similar", BLOCK)):
        command(world, times, *words)
    command(world, times, "export", str(world.place / "grades.csv"))
    return times


def outcome(world: World, student: str, attack: Attack, grade: str, hidden: set[str]) -> list[str]:
    """What is not as it must be with one student's grade and page."""
    if attack.file is None:
        return [f"{grade} points for a link"] if grade else []
    page = world.course / "feedback" / student / BLOCK / f"{BLOCK}.html"
    text = text_of(page) if page.exists() else ""
    off = [f"{grade} points, not {attack.points:g}"] if abs(float(grade or "nan") - attack.points) > 0.011 else []
    off += [f"no {attack.must!r} in the feedback"] if attack.must not in text else []
    off += [f"shows {one}" for one in set(re.findall(rf"{world.canary}\S*", text)) if student not in one]
    off += ["shows a hidden test"] if any(line in text for line in hidden) else []
    return off + (["a script ran"] if attack.tries in IN_BROWSER and script_runs(page) else [])


def text_of(page: Path) -> str:
    """What a reader sees, in one line."""
    bare = re.sub(r"<style.*?</style>|<[^>]*>", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(bare))


def hidden_lines() -> set[str]:
    """The longest line of each hidden test, if it is long enough to tell something."""
    regions = HIDDEN.findall("\n".join(cell.source for cell in nbformat.read(SOURCE, as_version=4).cells))
    lines = {max(map(str.strip, region.splitlines()), key=len) for region in regions}
    return {line for line in lines if len(squeezed(line)) >= TELLING}


def escapes(world: World) -> list[str]:
    """Traces of attacks that succeeded."""
    found = [f"the network was reached: {', '.join(world.calls)}"] if world.calls else []
    found += ["a process of the machine was killed"] if world.victim.poll() is not None else []
    packages = (ROOT / "resnet_tutorial", ROOT / "resnet_course")
    folders = [*PLACES, *map(str, (world.place, world.course, world.course / "release", *packages))]
    for folder in dict.fromkeys(folders):
        with suppress(OSError):
            found += [f"left behind: {folder}/{one}" for one in os.listdir(folder) if world.mark in one]
    return found + leftovers(world)


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
    parser = argparse.ArgumentParser(description="Take a class, attackers among it, through the whole path.")
    parser.add_argument("--students", type=int, default=70)
    parser.add_argument("--only", nargs="*", default=[], help="words in what an attack tries, such as fork")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="folder to keep the course in")
    args = parser.parse_args()
    place = args.keep or Path(tempfile.mkdtemp(prefix="class-"))
    place.mkdir(exist_ok=True)
    place.chmod(0o755)  # file rights must not be what holds
    world, handed, started = World(place.resolve()), make_class(args.students, args.only), time.monotonic()
    try:
        times = walk(world, handed, args.jobs)
        seconds = time.monotonic() - started
        grades = {row["id"]: row[BLOCK] for row in csv.DictReader((world.place / "grades.csv").open())}
        hidden = hidden_lines()
        off = {one: outcome(world, one, attack, grades[one], hidden) for one, attack in handed.items()}
        traces = escapes(world)
    finally:
        world.close()
        if args.keep is None:
            shutil.rmtree(place, ignore_errors=True)
    for student, attack in handed.items():
        state = "OFF" if off[student] else "as it must be" if attack.held else "NOT HELD, as the book says"
        print(f"{attack.tries}: {state}{''.join(f'; {one}' for one in off[student])}")
    print(f"traces of an escape: {', '.join(traces) or 'none'}")
    steps = ", ".join(f"{step} {value:.0f}" for step, value in times.items())
    print(f"{len(handed)} students, {seconds:.0f} s ({steps})")
    return 1 if traces or any(off.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
