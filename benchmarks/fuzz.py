"""Damage files and see what becomes of them, for `fuzz_readers` and `fuzz_collect`: each damaged file gets one word."""

import argparse
import contextlib
import random
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

SECONDS = 10
MEGABYTES = 600  # an image of as many pixels as Pillow takes for safe, in two color modes
EXTREMES = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x7f\xff\xff\xff", b"\0\0\0\x80", b"\x01\0\0\0")

# Makes a damaged file; gives its content, and what reads it and says in one word what came of that, or raises.
Kind = Callable[[random.Random], tuple[bytes, Callable[[], str]]]


class TooSlow(BaseException):
    """Not an Exception: the readers must not take it for a damaged file."""


def mutate(content: bytes, rng: random.Random) -> bytes:
    """Damage a file in one to three places: bits flipped, bytes removed, put in, overwritten, repeated or moved."""
    for _ in range(rng.randint(1, 3)):
        start = rng.randrange(len(content) + 1)
        piece = content[start : start + rng.choice((1, 1, 1, 2, 4, 16, 64, 1000, len(content)))]
        rest, other = content[start + len(piece) :], rng.randrange(len(content) + 1)
        flipped = bytes(byte ^ (1 << rng.randrange(8)) for byte in piece[:8]) + piece[8:]
        new = (b"", flipped, flipped, piece + rng.randbytes(rng.choice((1, 3, 40))), piece * rng.choice((2, 3, 50)))
        new += (rng.choice(EXTREMES) + piece[4:], content[other : other + len(piece)])
        content = content[:start] + rng.choice(new) + rest
    return content


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TooSlow inside the block when the time is over."""

    def stop(*_):
        raise TooSlow(f"more than {seconds:g} s")

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def memory() -> float:
    """The most memory that the process has had, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def fuzz(
    kinds: Mapping[str, Kind], files: int, seed: int, keep: Path | None = None
) -> tuple[dict[str, Counter], dict[str, float], list[str]]:
    """Damage files of all kinds in turn: what became of how many of each, the slowest seconds, and the failures.

    A failure is an exception that the kind does not expect, more than ten seconds, or much memory.
    """
    rng = random.Random(seed)
    counts, slowest, failures = {kind: Counter() for kind in kinds}, dict.fromkeys(kinds, 0.0), []
    for i in range(files):
        kind = list(kinds)[i % len(kinds)]
        content, read = kinds[kind](rng)
        most, start = memory(), time.perf_counter()
        try:
            with time_limit(SECONDS):
                word = read()
            if memory() - most > MEGABYTES:
                raise MemoryError(f"took {memory() - most:.0f} MB")
        except (Exception, TooSlow) as error:
            word = "failed"
            failures.append(f"{kind} {seed}-{i}: {type(error).__name__}: {error}"[:600])
            if keep:
                keep.mkdir(parents=True, exist_ok=True)
                (keep / f"{kind.replace(' ', '-')}-{seed}-{i}").write_bytes(content)
                print(f"FAILED {failures[-1]}", flush=True)
        counts[kind][word] += 1
        slowest[kind] = max(slowest[kind], time.perf_counter() - start)
    return counts, slowest, failures


def main(title: str, kinds: Mapping[str, Kind], files: int) -> None:
    """The command line of a fuzzer: damage files, print a table, end with status 1 if anything failed."""
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--files", type=int, default=files, help=f"damaged files in all (default: {files})")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failures"), help="folder for files that failed")
    args = parser.parse_args()
    counts, slowest, failures = fuzz(kinds, args.files, args.seed, args.keep)
    words = sorted(set().union(*counts.values()))
    print(f"{'kind':22}", *(f"{word:>8}" for word in words), f"{'slowest':>10}")
    for kind, count in counts.items():
        print(f"{kind:22}", *(f"{count[word]:8}" for word in words), f"{1e3 * slowest[kind]:7.0f} ms")
    print(f"{args.files:,} files, seed {args.seed}: {len(failures)} failed; at most {memory():.0f} MB")
    sys.exit(bool(failures))
