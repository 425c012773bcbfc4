"""Damaged files, as hypothesis draws and shrinks them, and what reading one may cost.

`make fuzz` reads thousands. What fails is told as a valid file with as few bytes changed as will do, is left in the
folder of the test, and is tried first the next time.
"""

import contextlib
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st

SECONDS = 10
MEGABYTES = 800  # an image of as many pixels as Pillow takes for safe, in two color modes
EXTREMES = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x7f\xff\xff\xff", b"\0\0\0\x80", b"\x01\0\0\0")

drawn = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


class TooSlow(BaseException):
    """Not an Exception: the readers must not take it for a damaged file."""


class Content(bytes):
    """What a file holds. Hypothesis prints how it was damaged, and of a whole file no more than its length."""

    def __repr__(self):
        return f"<{len(self)} bytes>"


def damaged(content: bytes) -> st.SearchStrategy[Content]:
    """A file damaged in one to three places: bits flipped, bytes removed, put in, overwritten, repeated or moved."""
    return _damaged(Content(content))


@st.composite
def _damaged(draw: st.DrawFn, content: Content) -> Content:
    for _ in range(draw(st.integers(1, 3))):
        content = draw(_damaged_once(content))
    return content


@st.composite
def _damaged_once(draw: st.DrawFn, content: Content) -> Content:
    start = draw(st.integers(0, len(content)))
    piece = content[start : start + draw(st.sampled_from((1, 2, 4, 16, 64, 1000, len(content))))]
    new = draw(
        st.just(b"")
        | st.integers(0, 7).map(lambda bit: bytes(byte ^ 1 << bit for byte in piece[:8]) + piece[8:])
        | st.binary(min_size=1, max_size=8).map(lambda some: some + piece[len(some) :])
        | st.binary(min_size=1, max_size=40).map(lambda more: piece + more)
        | st.sampled_from((2, 3, 50)).map(lambda times: piece * times)
        | st.sampled_from(EXTREMES).map(lambda number: number + piece[4:])
        | st.integers(0, len(content)).map(lambda other: content[other : other + len(piece)])
    )
    note(f"bytes {start} to {start + len(piece)} of {len(content)} become {new[:40]!r}{'…' * (len(new) > 40)}")
    return Content(content[:start] + new + content[start + len(piece) :])


@contextlib.contextmanager
def limits() -> Iterator[None]:
    """Raise an error if what is inside takes too long, or much memory."""

    def stop(*_):
        raise TooSlow

    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # Linux counts the peak anew
    before = _peak()
    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    except TooSlow:
        raise TimeoutError(f"more than {SECONDS} s") from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    assert _peak() - before < MEGABYTES, f"took {_peak() - before:.0f} MB"


def _peak() -> float:
    """The most memory that the process has had, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
