"""Run a learner's code so that its mishaps become one line: exceptions, endless loops, huge allocations, `sys.exit`.

This is a seat belt for mishaps, not a prison. It runs in this process, so it does not hold against code that means
harm: code that reads files, goes online, kills the process (`os._exit`) or rewrites the checks. Nor can it interrupt
one long operation inside a library: the limit acts when that returns. The memory limit needs Linux without a GPU. On
Windows, and outside the main thread, an endless loop is reported but goes on in the background until the kernel is
restarted. Grading needs a process of its own around it.
"""

import contextlib
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from . import outside
from .names import NotDefined, in_an_answer
from .report import Finding

try:
    import resource
except ImportError:  # Windows
    resource = None

SECONDS = 10.0
IMPORTS = 5  # how often an import may run on when the time is up: PyTorch loads parts of itself late
MEGABYTES = 2000
STATM = Path("/proc/self/statm")  # Linux: the memory of this process, in pages
LOOK = "Print the shapes and values just before that line."
LOOKS = {
    NameError: "Where is that name defined, and did that cell run without an error?",
    AttributeError: "Is the name spelled the same everywhere, and set in __init__, after super().__init__()?",
    TypeError: "Compare the call with the signature that the task gives, and the types with what it says.",
    KeyError: "Compare the key, letter by letter, with those that the task lists.",
    RecursionError: "What ends the chain of calls?",
}
MESSAGES = {
    "leaf Variable": "Autograd watches every change of a parameter: which context lets you make one unseen?",
    "modified by an inplace": "Which line changes weights, or another tensor, that backward still needs?",
}
OURS = (str(Path(__file__).parent), str(Path(torch.__file__).parent), str(Path(threading.__file__).parent))


class TimeUp(BaseException):
    """The time is up. No Exception, so that a learner's ``except Exception`` lets it pass."""


@dataclass(frozen=True)
class Outcome:
    """What became of a call.

    Attributes:
        value: what it returned; None if it did not return.
        problem: what stopped it, if something did.
        error: the exception behind the problem, if there is one.
        moved: global random numbers that it drew or seeded: ``torch``, ``numpy``, ``random``. They are put back.
    """

    value: Any = None
    problem: Finding | None = None
    error: BaseException | None = None
    moved: tuple[str, ...] = ()


def contained(
    function: Callable[..., Any], *args: Any, seconds: float | None = None, megabytes: int = MEGABYTES, **options: Any
) -> Outcome:
    """Call a learner's function; whatever it does wrong comes back as a finding. Warnings are not shown.

    What it changes outside of itself is put back.

    Args:
        function: what to call, with ``args`` and ``options``.
        seconds: longest that it may take; None for 10.
        megabytes: most memory that it may add to that of the process, where the system can tell.
    """
    if not callable(function):
        seen = f"What you handed in is a {type(function).__name__}, which cannot be called."
        return Outcome(problem=Finding("not_callable", seen, "Hand in the function or class itself, without brackets."))
    call, seconds = partial(function, *args, **options), seconds or SECONDS
    in_main_thread = threading.current_thread() is threading.main_thread()
    can_interrupt = hasattr(signal, "setitimer") and in_main_thread
    before = outside.look()
    with _memory_limit(megabytes), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outcome = _with_alarm(call, seconds) if can_interrupt else _in_thread(call, seconds)
    return replace(outcome, moved=outside.put_back(before))


def watch(function: Callable[..., Any], used: set[str]) -> Callable[..., Any]:
    """The same function; the packages that are called while it runs, also further down, go into ``used``."""

    def note(frame: Any, event: str, called: Any) -> None:
        if event == "call":
            used.add(str(frame.f_globals.get("__name__")).split(".")[0])
        elif event == "c_call":
            owner = getattr(called, "__self__", None)
            places = getattr(called, "__module__", None), getattr(owner, "__module__", None), type(owner).__module__
            used.add(next(filter(None, places)).split(".")[0])

    def watched(*args: Any, **options: Any) -> Any:
        before = sys.getprofile()
        sys.setprofile(note)
        try:
            return function(*args, **options)
        finally:
            sys.setprofile(before)

    return watched if callable(function) else function


def _with_alarm(call: Callable[[], Any], seconds: float) -> Outcome:
    running, rings = True, []

    def ring(_number: int, frame: Any) -> None:
        rings.append(1)
        if running and (len(rings) > IMPORTS or not _imports(frame)):
            raise TimeUp

    handler = signal.signal(signal.SIGALRM, ring)
    timer = signal.setitimer(signal.ITIMER_REAL, seconds, seconds)  # again and again: a bare except may swallow one
    try:
        return _attempt(call, seconds)
    finally:
        running = False
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, handler)


def _imports(frame: Any) -> bool:
    """Whether a module is being loaded: broken off, it would stay half loaded for the rest of the notebook."""
    return any("importlib" in one.f_code.co_filename for one, _ in traceback.walk_stack(frame))


def _in_thread(call: Callable[[], Any], seconds: float) -> Outcome:
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.append(_attempt(call, seconds)), daemon=True)
    thread.start()
    thread.join(seconds)
    return outcomes[0] if outcomes else Outcome(problem=_too_long(seconds, ""))


def _attempt(call: Callable[[], Any], seconds: float) -> Outcome:
    try:
        return Outcome(call())
    except KeyboardInterrupt:  # the learner's own wish
        raise
    except BaseException as error:
        return Outcome(problem=_problem(error, seconds), error=error)


def _problem(error: BaseException, seconds: float) -> Finding:
    if isinstance(error, NotDefined):
        return error.finding
    place = _place(error)
    if isinstance(error, TimeUp):
        return _too_long(seconds, place)
    if isinstance(error, SystemExit):
        return Finding("exit", f"Your code asks Python to quit{place}.", "Leave exit() out: return from the function.")
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "allocate" in str(error)):
        look = "Print the shape of what you build there: which dimension is far larger than it should be?"
        return Finding("memory", f"Your code asks for far more memory than the task needs{place}.", look)
    if isinstance(error, NotImplementedError) and not str(error):
        look = "Write it in place of the line that raises NotImplementedError."
        return Finding("not_written", f"{_writer(error)} is still to be written.", look)
    first_line = (str(error).strip() or "no message").splitlines()[0]
    seen = f"Your code stops{place} with {type(error).__name__}: {first_line[:200]}"
    look = next((look for kind, look in LOOKS.items() if isinstance(error, kind)), LOOK)
    look = next((hint for words, hint in MESSAGES.items() if words in first_line), look)
    return Finding("crash", seen, look)


def _too_long(seconds: float, place: str) -> Finding:
    seen = f"Your code was still running after {seconds:g} s{place}, so it was stopped."
    return Finding("endless", seen, "Does every loop come to an end?")


def _place(error: BaseException) -> str:
    """The last line of the learner's own code on the way to the error."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(OURS)]
    frames = [f for f in frames if in_an_answer(f.filename)]
    if not frames:
        return ""
    frame = frames[-1]
    return f" in {frame.name}, line {frame.lineno} ({frame.line})" if frame.line else f" in {frame.name}"


def _writer(error: BaseException) -> str:
    """The function or class in which an answer is missing."""
    code = [frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)][-1]
    name = getattr(code, "co_qualname", code.co_name).split(".<locals>.")[-1]  # qualified since Python 3.11
    return name.removesuffix(".__init__") if name.isidentifier() or "." in name else "Your answer"


@contextlib.contextmanager
def _memory_limit(megabytes: int) -> Iterator[None]:
    # A GPU's driver maps more addresses than any limit would allow.
    if resource is None or not STATM.exists() or torch.cuda.is_available():
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = int(STATM.read_text().split()[0]) * resource.getpagesize()
    limit = used + (megabytes << 20)
    bounds = [bound for bound in (limit, soft, hard) if bound != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min(bounds), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
