"""What the commands share: the one line of an error, the run that is meant if none is named."""

import contextlib
import csv
import io
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from .. import training  # loads what is asked for, and torch only then
from ..files import open_atomic, reading
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
    classes = weights.classes and _names(weights.classes)
    trained = training.load_trained(path, model=weights.model, mean=weights.mean, std=weights.std, classes=classes)
    if trained.guess:
        print(f"note: {trained.guess}", file=sys.stderr)
    return trained


def _names(classes: str) -> list[str]:
    """What ``--classes`` names: words with commas between them, or the lines of a file."""
    path = Path(classes).expanduser()
    if "," in classes or not path.is_file():
        return [name.strip() for name in classes.split(",")]
    with reading(path):
        return [
            line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()
        ]


@contextlib.contextmanager
def csv_writer(path: Path | None, header: list[str]) -> Iterator[Callable[[list], object]]:
    """A function that adds a row to a table in a file, which is there when all are written; without a path, to none.

    Raises:
        InputError: if the file cannot be written, before there is anything to write.
    """
    if path is None:
        yield lambda row: None
        return
    with open_atomic(path.expanduser()) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", errors="surrogateescape", newline="", write_through=True)
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(header)
        yield rows.writerow
        text.detach()


def data_of_run(state: dict, root: Path | None) -> tuple[str, Path | None]:
    """Name and folder of the data set that a run was trained on, unless another folder is named."""
    if root is not None:
        return "auto", root
    return state["run"]["dataset"], Path(state["root"]) if state["root"] else None
