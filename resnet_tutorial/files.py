"""Writing files whole or not at all."""

import os
import tempfile
from pathlib import Path

from .errors import InputError


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file so that a reader, a crash or a full disk never sees half of it; an earlier file stays until then.

    Raises:
        InputError: if the file cannot be written.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        _remove(temporary)
        raise InputError(
            f"cannot write {path} ({error.strerror}): free some space there or choose another folder"
        ) from None
    except BaseException:  # Ctrl-C among them: leave no temporary file behind
        _remove(temporary)
        raise


def _remove(temporary: str | None) -> None:
    if temporary is not None and os.path.exists(temporary):
        os.remove(temporary)
