"""Files by patterns; reading them with one line for every failure; writing them whole or not at all."""

import contextlib
import errno
import os
import threading
from collections.abc import Iterable, Iterator
from glob import glob, has_magic
from pathlib import Path

from .errors import InputError, first_line

FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", None))  # Windows knows no quota


def expand(paths: Iterable[Path]) -> list[Path]:
    """Resolve patterns such as ``runs/*``, which the shells of Windows, and Python, leave to the program.

    A pattern that nothing matches stays as it is, for the error message.
    """
    expanded = []
    for path in paths:
        pattern = has_magic(str(path)) and not path.exists()
        found = sorted(map(Path, glob(str(path)))) if pattern else []
        expanded += found or [path]
    return expanded


def cannot_write(path: Path, error: OSError) -> InputError:
    """One line about a file that the operating system does not let us write."""
    advice = "choose a folder that you may write to"
    advice = "free some space there or choose another folder" if error.errno in FULL else advice
    return InputError(f"cannot write {path} ({error.strerror or error}): {advice}")


def refusal(error: OSError) -> str:
    """One line about what the operating system refused where no reader or writer expected it."""
    if error.errno in FULL:
        return "the disk is full: make room, then call this again"
    if error.filename is None:
        return first_line(error)
    return f"cannot use {error.filename} ({error.strerror}): check the path and its permissions"


def newer(path: Path) -> InputError:
    """One line about a file whose format is not known yet."""
    return InputError(f"{path} was written by a newer version of resnet-tutorial: upgrade the package")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a name beside the file to write under: what was written there takes the file's place when the block ends.

    A reader, a crash or a full disk never sees half of a file: an earlier one stays until the new one is complete.

    Raises:
        InputError: if the file cannot be written.
    """
    # A name of its own for each writer: two that write the same file do not mix.
    temporary = path.with_name(f".{path.name}-{os.getpid()}-{threading.get_ident()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except BaseException as error:  # Ctrl-C among them: leave no temporary file behind
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise cannot_write(path, error) from None
        raise


def write_atomic(path: Path, content: bytes | memoryview) -> None:
    """Write a file whole or not at all, as :func:`replacing` does, and wait until the disk has it.

    Raises:
        InputError: if the file cannot be written.
    """
    with replacing(path) as temporary, open(temporary, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())  # so that a power cut does no harm either


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals inside the block into one line about this path.

    Raises:
        InputError: if the file or folder cannot be read.
    """
    try:
        yield
    except OSError as error:
        raise InputError(
            f"cannot read {path} ({error.strerror or error}): check the path and its permissions"
        ) from None


def shown(path: Path | str) -> str:
    """A path or name for people and records, where what is no UTF-8 in it becomes U+FFFD."""
    return os.fsencode(path).decode(errors="replace")
