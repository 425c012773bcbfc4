"""Writing files whole or not at all."""

import contextlib
import os
import threading
from pathlib import Path

from .errors import InputError


def write_atomic(path: Path, content: bytes | memoryview) -> None:
    """Write a file so that a reader, a crash or a full disk never sees half of it; an earlier file stays until then.

    Raises:
        InputError: if the file cannot be written.
    """
    # A name of its own for each writer: two that write the same file do not mix.
    temporary = path.with_name(f".{path.name}-{os.getpid()}-{threading.get_ident()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:  # Ctrl-C among them: leave no temporary file behind
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise InputError(
                f"cannot write {path} ({error.strerror}): free some space there or choose another folder"
            ) from None
        raise
