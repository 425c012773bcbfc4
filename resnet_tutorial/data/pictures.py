"""Image files of any kind and size become uint8 RGB arrays of one size."""

import contextlib
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import numpy as np

from ..errors import InputError
from ..progress import no_bar

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}
_CHUNK = 100  # images that are decoded at once; a second process is worth its start for as many

# The decoder finds the same Pillow as this process, and no module of the folder that it lies in.
_START = "import sys, runpy; sys.path[:] = {path!r}; runpy.run_path({file!r}, run_name='__main__')"


@dataclass(frozen=True)
class Decoded:
    """Images of one size.

    Attributes:
        images: uint8 N × image_size × image_size × 3, RGB.
        notices: what was done to them that the user should know, one line each.
    """

    images: np.ndarray
    notices: tuple[str, ...]


def read_image(path: Path, image_size: int = 32) -> np.ndarray:
    """Read one image file.

    The orientation that a camera noted is honored; transparent parts become white; 16-bit gray is scaled to 8 bits; of
    an animation, the first frame is taken. An image of another size is scaled until its shorter side fits, and
    cropped at the center.

    Args:
        path: a BMP, GIF, JPEG, PNG, PPM, TIFF or WebP file.
        image_size: height and width of the result.

    Returns:
        uint8 image_size × image_size × 3, RGB.

    Raises:
        InputError: if the file is missing or no such image, or has more pixels than Pillow takes for safe.
    """
    from .decoding import decode  # imported here: Pillow is not needed for other data sets

    if not Path(path).exists():
        raise InputError(f"no such image: {path}")
    try:
        return decode(path, image_size)[0]
    except ValueError as error:
        raise _unreadable(str(path), str(error)) from None


def decode_all(sources: Sequence[str | bytes], name_of: Callable[[int], str], image_size: int) -> Decoded:
    """Decode many images on all cores, with a progress bar if that takes more than a second.

    Args:
        sources: files, or their content.
        name_of: gives the name of the image of that index, for error messages.
        image_size: height and width of the results.

    Raises:
        InputError: if one of them cannot be read: its name and why.
    """
    from tqdm.auto import tqdm

    images = np.empty((len(sources), image_size, image_size, 3), dtype=np.uint8)
    resized = animated = 0
    starts = range(0, len(sources), _CHUNK)
    bar = tqdm(total=len(sources), desc="decoding", unit=" images", delay=1, leave=False, disable=no_bar())
    workers = max(1, min(os.cpu_count() or 1, len(starts) - 1))
    # The decoders are left first: threads that wait for them when there is an error or Ctrl-C need not wait on.
    with bar, ThreadPoolExecutor(workers) as pool, _decoders(workers) as decode_many:
        chunks = ([*sources[start : start + _CHUNK]] for start in starts)
        for start, (pixels, *flags, failure) in zip(
            starts, pool.map(lambda chunk: decode_many(chunk, image_size), chunks), strict=True
        ):
            if failure:
                raise _unreadable(name_of(start + failure[0]), failure[1])
            images[start : start + len(pixels)] = pixels
            resized, animated = resized + int(flags[0].sum()), animated + int(flags[1].sum())
            bar.update(len(pixels))
    return Decoded(images, tuple(_notices(resized, animated, len(sources), image_size)))


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


def _unreadable(name: str, reason: str) -> InputError:
    return InputError(f"{name} cannot be read as an image ({reason}): repair it or remove it")


def _notices(resized: int, animated: int, n: int, image_size: int) -> list[str]:
    notices = []
    if resized:
        notices.append(
            f"not {image_size}×{image_size}: {resized:,} of {n:,} images, which are scaled (shorter side to "
            f"{image_size} pixels) and cropped at the center"
        )
    if animated:
        notices.append(f"with several frames: {animated:,} of {n:,} images, of which only the first frame is used")
    return notices
