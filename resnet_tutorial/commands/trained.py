"""The trained network that a command is about."""

from dataclasses import dataclass
from pathlib import Path

from ..training.checkpoint import newest_checkpoint
from ..training.trained import TrainedModel, load_trained
from .common import RUNS


@dataclass(frozen=True)
class WeightsArgs:
    """What a file of weights may leave open. A run knows all of it."""

    model: str | None = None
    """Network, for a file of weights that does not say which it holds."""
    mean: tuple[float, float, float] | None = None
    """Mean of red, green and blue, on the scale 0 to 1, for a file of weights that does not say it."""
    std: tuple[float, float, float] | None = None
    """Standard deviation of red, green and blue, likewise."""

    def load(self, path: Path | None) -> TrainedModel:
        """The network in ``path``; without one, the one of the newest run."""
        return load_trained(path or newest_checkpoint(RUNS), model=self.model, mean=self.mean, std=self.std)
