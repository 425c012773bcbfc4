"""The trained network that a command is about."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from ..training.checkpoint import newest_checkpoint
from ..training.trained import TrainedModel, load_trained
from .arguments import unset
from .common import RUNS


@dataclass(frozen=True)
class WeightsArgs:
    """What a file of weights may leave open. A run knows all of it."""

    model: Annotated[str | None, unset("NETWORK")] = None
    """Network, for a file of weights that does not say which it holds."""
    mean: Annotated[tuple[float, float, float] | None, unset("RED GREEN BLUE")] = None
    """Mean of red, green and blue, on the scale 0 to 1, for a file of weights that does not say it."""
    std: Annotated[tuple[float, float, float] | None, unset("RED GREEN BLUE")] = None
    """Standard deviation of red, green and blue, likewise."""

    def load(self, path: Path | None) -> TrainedModel:
        """The network in ``path``; without one, the one of the newest run."""
        return load_trained(path or newest_checkpoint(RUNS), model=self.model, mean=self.mean, std=self.std)
