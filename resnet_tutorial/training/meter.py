"""What a run takes: time, energy, memory."""

import time

import torch

from . import distributed
from .record import RunRecord, energy_joules, peak_memory


class Meter:
    """Measures from its making on, and adds what it measures to the record of a run that may have begun before.

    Args:
        device: whose energy and memory count.
        record: the run.
    """

    def __init__(self, device: torch.device, record: RunRecord):
        self.device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        self._since, self._energy = time.monotonic(), self._joules()  # by a clock that nobody can set
        self._before = (record.wall_seconds, record.energy_joules if record.history else 0.0)

    def read(self, record: RunRecord) -> None:
        """Bring the record up to date. All processes take part."""
        record.wall_seconds = self._before[0] + time.monotonic() - self._since
        known = (self._before[1], self._energy, now := self._joules())
        record.energy_joules = None if None in known else known[0] + now - known[1]
        peaks = [record.peak_memory, *distributed.gather(peak_memory(self.device))]
        record.peak_memory = max((peak for peak in peaks if peak is not None), default=None)

    def _joules(self) -> float | None:
        used = distributed.gather(energy_joules(self.device))
        return None if None in used else sum(used)
