"""Ctrl-C and SIGTERM: the first is noted, so that a run can end in order; a second one does not wait."""

import contextlib
import os
import signal
import threading


class Stopped(KeyboardInterrupt):
    """A run that was asked to stop, and has saved.

    Attributes:
        status: exit status for the shell, 130 after Ctrl-C and 143 after SIGTERM.
    """

    def __init__(self, message: str, number: int):
        super().__init__(message)
        self.status = 128 + number


class Signals:
    """A context in which the first Ctrl-C or SIGTERM is noted and not obeyed.

    Args:
        patient: note further ones, too. So it has to be under torchrun, which passes a Ctrl-C on that the process has
            received already, and which kills whoever takes too long.

    Attributes:
        received: number of the signal that came; 0 for none.
    """

    def __init__(self, patient: bool = False):
        self.patient = patient
        self.received = 0
        self._before = {}

    def __enter__(self) -> "Signals":
        self.received = 0
        if threading.current_thread() is threading.main_thread():  # Python allows no other to set a handler
            self._before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *error: object) -> None:
        self._put_back()

    def _note(self, number: int, frame: object) -> None:
        self.received = number
        if not self.patient:
            self._put_back()
        if number == signal.SIGINT and not self.patient:  # print is not for handlers: it may be what was interrupted
            with contextlib.suppress(OSError):
                os.write(2, b"\nending the step and saving; Ctrl-C again abandons that\n")

    def _put_back(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._before = {}
