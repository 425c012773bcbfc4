"""Execute a submission where it can harm nothing: namespaces or another user if the system has them, limits always.

The cells go to the kernel one by one, from outside, over sockets in a folder of its own. So the tests are in no file
that the submission can open. Yet test and submission share the kernel: see `Isolation.says`.
"""

import asyncio
import atexit
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

import resnet_course
import resnet_tutorial
from resnet_tutorial.errors import InputError

from .cells import is_locked, is_probe
from .clean import clean_output
from .course import ASSIGNMENTS

HOME = "/home/student"
USERS = 60_001  # from here on 5,000 ids that no one has; each submission that runs at the same time gets its own
SOURCE_TIMES = {"cell": 300, "wall": 1200}  # seconds for the source's own answers, on any machine
NOT_STARTED = 3  # status of a reader whose kernel ended before the first cell
READER = (
    1000  # MiB of addresses for the process that reads what one kernel sends; an ordinary notebook takes half of it
)
STARTUP, CLEANING = 120, 60  # seconds, at most, until a kernel stands, and for what it has sent
STARTS = 3  # a kernel may fail to start for reasons of the machine; no student should pay for that
ENTER = Path(__file__).with_name("enter.py")
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
SETTINGS = ("/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime", "/etc/fonts")


@dataclass(frozen=True)
class Limits:
    """What one submission may use.

    Attributes:
        cell: seconds for one cell; then it is interrupted, and the next one runs. None: what follows from the times of
            the source's own answers.
        wall: seconds for the whole notebook. None: the same.
        cpu: seconds of processor time, all threads together, for each process.
        memory: MiB of addresses for each process.
        processes: processes and threads at a time.
        file: MiB of the largest file; the home holds twice as much.
        output: characters that one cell may print; the student's own together, ten times that.
        files: how many there may be.
        open_files: files, pipes and sockets that a process has open: what waits in them is memory, too.
    """

    cell: float | None = None
    wall: float | None = None
    cpu: int = 900
    memory: int = 6000
    processes: int = 128
    file: int = 256
    output: int = 200_000
    files: int = 20_000
    open_files: int = 512


@dataclass(frozen=True)
class Isolation:
    """The walls that this machine offers.

    Attributes:
        walls: ``namespaces``, or ``limits`` if the system has none to offer.
        user: whether submissions run as users that own nothing, which only root can arrange.
        filtered: whether system calls are filtered, for which Linux needs libseccomp.
    """

    walls: str
    user: bool
    filtered: bool = False

    @property
    def says(self) -> str:
        """What holds and what does not, in a few lines."""
        lines = {
            "namespaces": "Each submission runs in namespaces of its own: no network, no other process in sight, and "
            "no files but Python's own, to read, and an empty home.",
            "limits": "This system offers no namespaces. Submissions run under limits of time, memory, processes and "
            "file size, but they can leave processes and files behind, see other processes, and reach the network"
            + (" and files that everyone may read." if self.user else " and every file that you can read."),
        }
        user = "They run as users that own nothing. " if self.user else ""
        user += "System calls that no notebook needs are refused. " if self.filtered else ""
        rest = "Not held off: code that forges a part of a test's points in its own kernel. Read what is named below."
        if self.walls == "limits":
            rest = f"Grade in a container or a virtual machine if you do not trust the class. {rest}"
        return f"{lines[self.walls]} {user}{rest}"


@cache
def isolation() -> Isolation:
    """The best walls that work here, found by trying.

    Raises:
        InputError: Windows, which has none of this.
    """
    if sys.platform == "win32":
        raise InputError("grading needs Linux or macOS: on Windows, use WSL or a container")
    is_root = os.getuid() == 0
    walls = (("namespaces", is_root), ("limits", is_root), ("limits", False))
    for choice in (Isolation(*wall, filtered) for wall in walls for filtered in (True, False)):
        if (choice.walls == "namespaces" or choice.filtered) and sys.platform != "linux":
            continue
        if is_root and not choice.user:
            continue  # a submission that runs as root could do anything
        with _workplace() as place:
            command = _command(choice, place, Limits(), 0, [sys.executable, "-c", "import zmq, ipykernel"])
            if subprocess.run(command, capture_output=True, env=_environment(choice, place, 1)).returncode == 0:
                return choice
    hint = "; do not grade as root, whose submissions would be root, too" if is_root else ""
    raise InputError(f"a submission cannot be started here: neither namespaces nor plain limits work{hint}")


class NotStarted(RuntimeError):
    """The kernel ended before the first cell ran."""


class Stuck(RuntimeError):
    """A cell ran out of time and does not obey an interrupt."""


def execute(
    notebook: Any,
    limits: Limits,
    slot: int = 0,
    threads: int = 1,
    hide: tuple[Path, ...] = (),
    data: Path | None = None,
) -> Any:
    """A copy of the notebook, executed behind the walls. A cell that did not run holds an error that says why.

    Args:
        notebook: with test cells, hidden tests and all.
        limits: what it may use.
        slot: which of the submissions that run at the same time it is.
        threads: threads that torch may use.
        hide: folders to cover, should they lie within what Python needs.
        data: folder to read, where the package finds its data sets.

    Raises:
        NotStarted: no cell could run, and it was not for what stands in the notebook.
    """
    import nbformat

    job = {
        "notebook": notebook,
        "limits": asdict(limits),
        "walls": asdict(isolation()),
        "slot": slot,
        "threads": threads,
        "hide": [str(path) for path in hide],
        "data": data and str(data),
    }
    try:
        reader = subprocess.run(
            [sys.executable, "-m", "resnet_course.classroom.sandbox"],
            input=json.dumps(job).encode(),
            capture_output=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            timeout=limits.wall and STARTS * STARTUP + limits.wall + CLEANING,
        )
    except subprocess.TimeoutExpired:
        return _read_job(job, "What the notebook showed could not be read in time.")
    if reader.returncode == 0:
        return nbformat.from_dict(json.loads(reader.stdout))
    said = reader.stderr.decode(errors="replace").strip().rpartition("\n")[2]
    if reader.returncode == NOT_STARTED:
        raise NotStarted(said)
    if reader.returncode == -signal.SIGINT:  # Ctrl-C reaches it, too; a grade must not come of that
        raise RuntimeError("interrupted")
    if reader.returncode > 0 and not said.startswith("MemoryError"):
        raise RuntimeError(said)
    return _read_job(job, "The kernel sent more than grading reads of one notebook, so it was ended.")


def _read() -> int:
    """Execute the notebook of a job, from standard input to standard output, in a process of its own.

    What a kernel sends, of whatever kind, piles up in this process, whose memory is limited.
    """
    import resource  # Windows has none

    job = json.load(sys.stdin)
    resource.setrlimit(resource.RLIMIT_AS, (READER << 20, resource.getrlimit(resource.RLIMIT_AS)[1]))
    try:
        executed = _read_job(job)
    except NotStarted as error:
        print(str(error)[:500], file=sys.stderr)
        return NOT_STARTED
    json.dump(executed, sys.stdout)
    return 0


def _read_job(job: dict[str, Any], why: str | None = None) -> Any:
    """The executed notebook of a job; or, with a reason, one of which no cell ran."""
    import nbformat

    ran = nbformat.from_dict(job["notebook"])
    for cell in ran.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    for start in range(0 if why else STARTS):
        try:
            why = _run(ran, job)
            break
        except NotStarted:
            if start == STARTS - 1:
                raise
    executed = nbformat.from_dict(job["notebook"])
    for cell, seen in zip(executed.cells, ran.cells, strict=True):
        if cell.cell_type != "code":
            continue
        if why and cell.source.strip() and "executed" not in seen.metadata:
            seen.outputs.append(error_output("NotRun", why))
        # Nothing else is taken of what the kernel sent, which can write anywhere in the notebook.
        cell.outputs = [clean_output(output) for output in seen.outputs]
        cell.execution_count = seen.execution_count if isinstance(seen.execution_count, int) else None
        cell.metadata["execution"] = seen.metadata.get("execution", {})
    return executed


def _run(notebook: Any, job: dict[str, Any]) -> str | None:
    """Run the cells, in place; say why the rest did not run, if so."""
    walls, limits, data = Isolation(**job["walls"]), Limits(**job["limits"]), job["data"]
    with _workplace() as place:
        hide = tuple(map(Path, job["hide"]))
        command = partial(_command, walls, place, limits, job["slot"], threads=job["threads"], hide=hide, data=data)
        environment = _environment(walls, place, job["threads"])
        environment |= {"RESNET_TUTORIAL_CACHE": data} if data else {}
        return asyncio.run(_execute(notebook, limits, place, command, environment))


def error_output(name: str, message: str) -> Any:
    """An error as a cell shows it; nbgrader gives no points for a cell that has one."""
    import nbformat

    return nbformat.v4.new_output("error", ename=name, evalue=message, traceback=[f"{name}: {message}"])


async def _execute(
    notebook: Any, limits: Limits, place: Path, command: Callable[[list[str]], list[str]], environment: dict[str, str]
) -> str | None:
    """Run the cells; say why the rest did not run, if so.

    Raises:
        NotStarted: the kernel ended before the first cell.
    """
    from nbclient.exceptions import DeadKernelError

    client = _client(notebook, limits, place, command)
    running = client.async_execute(env=environment, cwd=str(place / "home"), stdout=DEVNULL, stderr=DEVNULL)
    try:
        await asyncio.wait_for(running, limits.wall)
    except asyncio.TimeoutError:
        return f"The notebook was still running after {limits.wall:g} s, so it was stopped. Does every loop end?"
    except Stuck:
        return "A cell above was still running and could not be interrupted, so its kernel was ended."
    except DeadKernelError:
        return "The kernel ended: this cell or one above quit it, or used more time, memory or processes than it may."
    except Exception as error:
        if not client.started:
            raise NotStarted(str(error)) from None
        return f"The kernel stopped answering ({type(error).__name__}): {str(error)[:200]}"
    finally:
        atexit.unregister(client._cleanup_kernel)
        if client.km is not None:
            with suppress(Exception):
                await client._async_cleanup_kernel()
    return None


def _client(notebook: Any, limits: Limits, place: Path, command: Callable[[list[str]], list[str]]) -> Any:
    """nbclient's client, with a kernel behind the walls, and deaf to what is printed beyond the limit."""
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient
    from nbclient.exceptions import DeadKernelError

    class Manager(AsyncKernelManager):
        def format_kernel_cmd(self, extra_arguments=None):
            kernel = [sys.executable, "-m", "ipykernel_launcher", "-f", self.connection_file]
            return command([*kernel, *(extra_arguments or [])])

    class Client(NotebookClient):
        started = False

        def process_message(self, msg, cell, cell_index):
            if msg["content"].get("execution_state") == "idle":
                done.add(cell_index)
            size = len(json.dumps(msg["content"], default=str))
            heard[cell_index] = heard.get(cell_index, 0) + size
            is_much = heard[cell_index] > limits.output
            is_much |= not (is_locked(cell) or is_probe(cell)) and sum(kept.values()) > 10 * limits.output
            if not is_much:
                kept[cell_index] = heard[cell_index]
            elif msg["msg_type"] not in ("status", "execute_input"):  # an error is in the reply, too
                return None
            return super().process_message(msg, cell, cell_index)

        async def async_execute_cell(self, cell, cell_index, **options):
            self.started = True
            return await super().async_execute_cell(cell, cell_index, **{**options, "store_history": False})

    def note_end(cell, cell_index, execute_reply):
        cell.metadata["executed"] = True
        # A cell that ran out of time has no error among its outputs, or one that does not say why.
        reply = execute_reply["content"]
        if reply.get("ename") == "TooLong":
            cell.outputs = [output for output in cell.outputs if output.get("ename") != "KeyboardInterrupt"]
        if reply["status"] == "error" and reply["ename"] not in [output.get("ename") for output in cell.outputs]:
            cell.outputs.append(error_output(reply["ename"], reply["evalue"]))
        if reply.get("ename") == "TooLong" and cell_index not in done:
            raise Stuck
        if any(payload.get("source") == "ask_exit" for payload in reply.get("payload", [])):
            raise DeadKernelError("exit() was called")  # it ends at some time soon: do not race with it

    heard: dict[int, int] = {}
    kept: dict[int, int] = {}
    done: set[int] = set()
    manager = Manager(
        transport="ipc", ip=str(place / "post" / "k"), connection_file=str(place / "post" / "kernel.json")
    )
    late = f"The cell was still running after {limits.cell:g} s, so it was stopped. Does every loop end?"
    return Client(
        notebook,
        km=manager,
        timeout=None if limits.cell is None else math.ceil(limits.cell),
        interrupt_on_timeout=True,
        error_on_timeout={"ename": "TooLong", "evalue": late, "traceback": [late]},
        allow_errors=True,
        on_cell_executed=note_end,
        iopub_timeout=5,
        shutdown_kernel="immediate",
        startup_timeout=STARTUP,
    )


@contextmanager
def _workplace() -> Iterator[Path]:
    """A new folder for one submission: ``post`` for the sockets, ``root`` for the walls, ``home`` if there are none."""
    # Sockets have short names: 107 letters at most.
    place = Path(tempfile.mkdtemp(prefix="rt-", dir="/tmp")).resolve()
    place.chmod(0o711)
    try:
        for name in ("post", "root", "home"):
            (place / name).mkdir()
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _command(
    walls: Isolation,
    place: Path,
    limits: Limits,
    slot: int,
    command: list[str],
    threads: int = 1,
    hide: tuple[Path, ...] = (),
    data: str | None = None,
) -> list[str]:
    """The command, behind the walls."""
    if walls.user:  # they lie in the package, with their solutions
        ASSIGNMENTS.chmod(0o700)
    packages = [str(Path(package.__file__).parent) for package in (resnet_tutorial, resnet_course)]
    pythons = [sys.prefix, sys.base_prefix, sys.exec_prefix, os.path.dirname(os.path.realpath(sys.executable))]
    wanted = [*SYSTEM, *SETTINGS, *pythons, *packages, *([data] if data else [])]
    folders = [path for path in dict.fromkeys(wanted) if os.path.exists(path)]
    links = {path: os.readlink(path) for path in folders if path in SYSTEM and os.path.islink(path)}
    covered = tuple(f"{path}/" for path in folders if path not in links)
    plan = {
        "walls": walls.walls,
        "filtered": walls.filtered,
        # Processes are counted by user: two gradings at the same time must not share one.
        "uid": USERS + (61 * os.getpid() + slot) % 5000 if walls.user else None,
        "root": str(place / "root"),
        "home": HOME if walls.walls == "namespaces" else str(place / "home"),
        "post": str(place / "post"),
        "read": [path for path in folders if path not in links and not path.startswith(covered)],
        "links": links,
        "hide": [str(path.resolve()) for path in (ASSIGNMENTS, *hide)],
        "disk": 2 * limits.file << 20,
        "files": limits.files,
        "processors": _processors(slot, threads),
        "limits": {
            "RLIMIT_CPU": limits.cpu,
            "RLIMIT_AS": limits.memory << 20,
            "RLIMIT_NPROC": limits.processes + (0 if walls.user else _own_tasks()),
            "RLIMIT_FSIZE": limits.file << 20,
            "RLIMIT_NOFILE": limits.open_files,
            "RLIMIT_CORE": 0,
        },
    }
    (place / "plan.json").write_text(json.dumps(plan))  # out of the submission's sight
    return [sys.executable, "-I", str(ENTER), str(place / "plan.json"), *command]


def _environment(walls: Isolation, place: Path, threads: int) -> dict[str, str]:
    """An environment that says nothing about this machine, or about who grades."""
    home = HOME if walls.walls == "namespaces" else str(place / "home")
    return {
        "PATH": f"{os.path.dirname(sys.executable)}:/usr/bin:/bin",
        "PYTHONPATH": str(Path(resnet_tutorial.__file__).parents[1]),
        "HOME": home,
        "USER": "student",
        "LOGNAME": "student",
        "LANG": "C.UTF-8",
        "TMPDIR": "/tmp" if walls.walls == "namespaces" else home,
        "OMP_NUM_THREADS": str(threads),
        "CUDA_VISIBLE_DEVICES": "",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYTHONDONTWRITEBYTECODE": "1",
        "IPYTHONDIR": f"{home}/.ipython",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


def _processors(slot: int, threads: int) -> list[int]:
    """Those of this slot alone, so that nobody's processes take the time of somebody else's."""
    if sys.platform != "linux":
        return []
    own = sorted(os.sched_getaffinity(0))
    return [own[(slot * threads + i) % len(own)] for i in range(threads)]


def _own_tasks() -> int:
    """Processes and threads of this user: older Linux counts them together with the submission's."""
    tasks = 0
    for status in Path("/proc").glob("[0-9]*/status"):
        with suppress(OSError, ValueError, IndexError):
            text = status.read_text()
            if int(text.partition("\nUid:")[2].split()[0]) == os.getuid():
                tasks += int(text.partition("\nThreads:")[2].split()[0])
    return tasks


if __name__ == "__main__":
    sys.exit(_read())
