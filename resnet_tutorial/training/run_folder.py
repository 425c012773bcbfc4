"""The folder of a run: who may write to it, what it holds, and from where a run goes on."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import filelock

from ..errors import InputError
from .checkpoint import NEXT, has_checkpoint, load_checkpoint

LOCK = ".lock"
RECORD = "record.json"


class RunFolder:
    """One run's folder, for the process that writes.

    Args:
        path: the folder, which need not be there yet.
    """

    def __init__(self, path: Path):
        self.path = path

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs out of the folder, and find out before the first epoch whether it can be written.

        Raises:
            InputError: if another run is at work in it, or it cannot be written.
        """
        lock = filelock.FileLock(self.path / LOCK)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock.acquire(blocking=False)
        except filelock.Timeout:
            raise InputError(
                f"another run is at work in {self.path}: wait for it, or choose another --ckpt-dir"
            ) from None
        except OSError as error:
            raise InputError(f"cannot write to {self.path} ({error.strerror}): choose another --ckpt-dir") from None
        try:
            for litter in self.path.glob(f".{NEXT}-*"):  # of a run that was killed while it saved
                litter.unlink()
            yield
        finally:
            with contextlib.suppress(OSError):  # not every system deletes an open file
                (self.path / LOCK).unlink()
            lock.release()

    def state_to_resume(self, resume: bool | str, log: Callable[[str], None]) -> dict | None:
        """The checkpoint from which a run goes on; None for a run that begins.

        Args:
            resume: True for a run that must be there, ``auto`` for one that may be, False for one that must not.
            log: receives a line where the newest checkpoint is damaged.

        Raises:
            InputError: if a run is there that should not be, or none that should.
        """
        if resume is True or (resume and has_checkpoint(self.path)):
            return load_checkpoint(self.path, log)
        if has_checkpoint(self.path):
            raise InputError(
                f"{self.path} holds a run already: resume it (--resume, or resume=True), choose another folder "
                "(--ckpt-dir), or delete its .pt files to start afresh"
            )
        return None

    def is_finished(self) -> bool:
        """Whether the run in it has come to its end: a record alone may be that of a run whose checkpoints are gone."""
        with contextlib.suppress(InputError):
            return load_checkpoint(self.path, lambda line: None)["record"]["test"] is not None
        return False

    def what_is_saved(self) -> str:
        """How far the run in it has come, and how to go on."""
        if not has_checkpoint(self.path):
            return "nothing is saved yet"
        state = load_checkpoint(self.path, lambda line: None)
        return f"the run is saved {position(state)} in {self.path}; resume=True or --resume goes on with it"


def position(state: dict) -> str:
    """Where in a run a checkpoint was written."""
    batch = state["loader"]["batch"]
    return f"after step {batch:,} of epoch {state['epoch'] + 1}" if batch else f"after epoch {state['epoch']}"
