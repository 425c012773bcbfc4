"""The trained network that a command is about."""

from pathlib import Path

from ..training.checkpoint import newest_checkpoint
from ..training.trained import TrainedModel, load_trained
from .arguments import WeightsArgs
from .common import RUNS


def load(path: Path | None, weights: WeightsArgs) -> TrainedModel:
    """The network in ``path``; without one, the one of the newest run."""
    return load_trained(path or newest_checkpoint(RUNS), model=weights.model, mean=weights.mean, std=weights.std)
