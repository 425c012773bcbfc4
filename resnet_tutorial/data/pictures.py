"""Image files of any kind and size become uint8 RGB arrays of one size."""

import contextlib
import math
import os
import pickle
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..progress import no_bar

if TYPE_CHECKING:
    from .decoding import Picture

_NAMED = 10  # unreadable files that a message names before it only counts the rest
_DARK = 16  # of 255: the most that 12 of 16 bits make
_CHUNK = 100  # images that are decoded at once; a second process is worth its start for as many

# The decoder finds the same Pillow as this process, and no module of the folder that it lies in.
_START = "import sys, runpy; sys.path[:] = {path!r}; runpy.run_path({file!r}, run_name='__main__')"


@dataclass(frozen=True)
class Decoded:
    """Images of one size.

    Attributes:
        images: uint8 N × image_size × image_size × 3, RGB; those that could be read.
        read: bool, one for each source: whether it could be read.
        failures: the others, each by its name and why.
        notices: what was done to them that the user should know, one line each.
    """

    images: np.ndarray
    read: np.ndarray
    failures: tuple[str, ...]
    notices: tuple[str, ...]


def is_image(name: str) -> bool:
    """Whether a file's suffix is that of a still picture that the installed Pillow reads."""
    from .decoding import suffixes  # imported here: Pillow is not needed for other data sets

    return os.path.splitext(name)[1].lower() in suffixes()


def by_suffix(names: Counter) -> str:
    """Files counted by their suffixes, as in ``3 .heic, 1 .txt``."""
    return ", ".join(f"{n:,} {suffix or 'without suffix'}" for suffix, n in sorted(names.items()))


def read_image(path: Path, image_size: int = 32) -> np.ndarray:
    """Read one image file.

    The orientation that a camera noted is honored; transparent parts become white; 16-bit gray is scaled to 8 bits; of
    an animation, the first frame is taken. An image of another size is scaled until its shorter side fits, and
    cropped at the center.

    Args:
        path: a PNG, JPEG, WebP, TIFF or PGM file, or another that Pillow reads and that is a still picture.
        image_size: height and width of the result.

    Returns:
        uint8 image_size × image_size × 3, RGB.

    Raises:
        InputError: if the file is missing or no such image, or has more pixels than Pillow takes for safe.
    """
    return read_picture(path, image_size).pixels


def read_picture(path: Path, image_size: int) -> "Picture":
    """Read one image file as `read_image` does, with what was found out about it."""
    from .decoding import decode

    if not Path(path).exists():
        raise InputError(f"no such image: {path}")
    try:
        return decode(path, image_size)
    except ValueError as error:
        raise InputError(f"{path} cannot be read as an image ({error}): repair it or remove it") from None


def decode_all(sources: Sequence[str | bytes], name_of: Callable[[int], str], image_size: int) -> Decoded:
    """Decode many images on all cores, with a progress bar if that takes more than a second.

    Args:
        sources: files, or their content.
        name_of: gives the name of the image of that index, for error messages.
        image_size: height and width of the results.
    """
    from tqdm.auto import tqdm

    images = np.empty((len(sources), image_size, image_size, 3), dtype=np.uint8)
    facts, failures = np.empty((len(sources), 3), dtype=np.int64), {}
    starts = range(0, len(sources), _CHUNK)
    bar = tqdm(total=len(sources), desc="decoding", unit=" images", delay=1, leave=False, disable=no_bar())
    workers = max(1, min(os.cpu_count() or 1, len(starts) - 1))
    # The decoders are left first: threads that wait for them when there is an error or Ctrl-C need not wait on.
    with bar, ThreadPoolExecutor(workers) as pool, _decoders(workers) as decode_many:
        chunks = ([*sources[start : start + _CHUNK]] for start in starts)
        for start, (pixels, found, failed) in zip(
            starts, pool.map(lambda chunk: decode_many(chunk, image_size), chunks), strict=True
        ):
            images[start : start + len(pixels)], facts[start : start + len(pixels)] = pixels, found
            failures |= {start + i: reason for i, reason in failed.items()}
            bar.update(len(pixels))
    read = np.array([i not in failures for i in range(len(sources))], dtype=bool)
    named = tuple(f"{name_of(i)} ({reason})" for i, reason in failures.items())
    return Decoded(images[read] if failures else images, read, named, tuple(_notices(facts[read], image_size)))


@contextlib.contextmanager
def _decoders(n: int) -> Iterator[Callable]:
    """Give a function like ``decode_many`` that works in ``n`` processes, when it is called from ``n`` threads.

    Threads alone bring nothing for small images: most of their time goes into Python, which runs one thread at a time.
    multiprocessing would run a script without ``if __name__ == "__main__"`` again in each process.
    """
    if n == 1 or not sys.executable:
        from .decoding import decode_many

        yield decode_many
        return
    file = str(Path(__file__).with_name("decoding.py"))
    command = [sys.executable, "-c", _START.format(path=sys.path, file=file)]
    idle: SimpleQueue = SimpleQueue()
    with contextlib.ExitStack() as stack:
        for _ in range(n):
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            stack.callback(_stop, process)
            idle.put(process)

        def decode_many(*request):
            process = idle.get()
            try:
                pickle.dump(request, process.stdin)
                process.stdin.flush()
                return pickle.load(process.stdout)
            except (EOFError, OSError, ValueError, pickle.UnpicklingError):
                raise InputError("a process that decodes images was stopped: is there memory enough?") from None
            finally:
                idle.put(process)

        yield decode_many


def _stop(process: subprocess.Popen) -> None:
    process.kill()
    process.wait()
    process.stdout.close()
    with contextlib.suppress(OSError):  # what was not sent yet
        process.stdin.close()


def unreadable(failures: Sequence[str]) -> str:
    """One line about images that cannot be read; ``failures`` as `Decoded` has them."""
    more = f" and {len(failures) - _NAMED:,} more" if len(failures) > _NAMED else ""
    count = f"{len(failures):,} images" if len(failures) > 1 else "an image"
    return f"{count} cannot be read: {', '.join(failures[:_NAMED])}{more}"


def dark_notice(tops: np.ndarray) -> str:
    """A notice on 16-bit images that use next to nothing of their range, which come out black; empty if there are none.

    Args:
        tops: of each image, as `Picture` has it.
    """
    dark = tops[tops <= _DARK]
    if not dark.size:
        return ""
    share = math.ceil(100 * (int(dark.max()) + 0.5) / 255)
    return (
        f"16-bit images that use less than {share} % of their range, and are nearly black here: {dark.size:,} of "
        f"{tops.size:,}. Stretch their values to 0…65,535 first, all by the same factor"
    )


def _notices(facts: np.ndarray, image_size: int) -> list[str]:
    (resized, animated), n, notices = facts[:, :2].sum(axis=0).tolist(), len(facts), []
    if resized:
        notices.append(
            f"not {image_size}×{image_size}: {resized:,} of {n:,} images, which are scaled (shorter side to "
            f"{image_size} pixels) and cropped at the center"
        )
    if animated:
        notices.append(f"with several frames: {animated:,} of {n:,} images, of which only the first frame is used")
    return [*notices, *filter(None, [dark_notice(facts[:, 2])])]
