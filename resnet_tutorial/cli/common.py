"""What the commands share: the one line of an error, the run that is meant if none is named."""

import os
import sys
from pathlib import Path

from .. import training  # loads what is asked for, and torch only then
from .arguments import WeightsArgs

RUNS = Path("runs")


def fail(message: str, status: int = 1) -> int:
    """Print the one line of an error, once under torchrun, too; return the status to exit with."""
    if "TORCHELASTIC_RUN_ID" in os.environ:  # only here does an error need torch
        from ..training.distributed import may_tell

        if not may_tell():
            return status
    print(f"error: {message}", file=sys.stderr)
    return status


def load(path: Path | None, weights: WeightsArgs) -> "training.TrainedModel":
    """The network in ``path``; without one, the one of the newest run. What was assumed goes to standard error."""
    path = path or training.checkpoint.newest_checkpoint(RUNS)
    trained = training.load_trained(path, model=weights.model, mean=weights.mean, std=weights.std)
    for note in filter(None, (*trained.others, trained.guess)):
        print(f"note: {note}", file=sys.stderr)
    return trained


def data_of_run(state: dict, root: Path | None) -> tuple[str, Path | None]:
    """Name and folder of the data set that a run was trained on, unless another folder is named."""
    if root is not None:
        return "auto", root
    return state["run"]["dataset"], Path(state["root"]) if state["root"] else None
