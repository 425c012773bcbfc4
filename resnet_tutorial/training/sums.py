"""What the steps of an epoch measure, kept where it is measured and read at the end."""

from dataclasses import dataclass, field

import torch

from .distributed import all_sum


@dataclass
class Sums:
    """What the steps of an epoch measured.

    Attributes:
        past: float64, steps × (loss, correct, images): the steps before a resume.
        measured: of each step since, the sum of the losses and the number of correct answers, on the device.
        images: of each step since, the number of images.
        rates: of each step since, the learning rate.
        lr: learning rate at the start of the epoch.
        seconds: time that the steps took.
    """

    past: torch.Tensor = field(default_factory=lambda: torch.zeros(0, 3, dtype=torch.float64))
    measured: list[torch.Tensor] = field(default_factory=list)
    images: list[int] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    lr: float | None = None
    seconds: float = 0.0

    def table(self) -> torch.Tensor:
        """All steps, over all processes: float64, steps × (loss, correct, images). Waits for the device."""
        if not self.images:
            return all_sum(self.past.clone())
        measured = torch.stack(self.measured).cpu().double()
        images = torch.tensor(self.images, dtype=torch.float64)
        return all_sum(torch.cat((self.past, torch.column_stack((measured, images)))))

    def first_bad(self) -> tuple[int, float] | None:
        """The first step whose loss is no finite number, counted from 0, and its learning rate."""
        bad = (~self.table()[:, 0].isfinite()).nonzero()
        return (int(bad[0]), self.rates[int(bad[0]) - len(self.past)]) if len(bad) else None

    def state_dict(self) -> dict:
        """All that `load_state_dict` needs to go on; all processes have to ask for it together."""
        return {"past": self.table(), "lr": self.lr, "seconds": self.seconds}

    def load_state_dict(self, state: dict, rank: int = 0) -> None:
        """Go on from saved sums. They are those of all processes together, so the first process takes them over."""
        self.past = state["past"] if rank == 0 else torch.zeros_like(state["past"])
        self.lr, self.seconds = state["lr"], state["seconds"]
