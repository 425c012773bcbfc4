"""What the commands share: the one line of an error, the run that is meant if none is named."""

import contextlib
import csv
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from .. import training  # loads what is asked for, and torch only then
from ..files import reading, replacing
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
    for note in filter(None, (*trained.others, trained.guess)):
        print(f"note: {note}", file=sys.stderr)
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
    with (
        replacing(path.expanduser()) as temporary,
        open(temporary, "w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(header)
        yield rows.writerow


def data_of_run(state: dict, root: Path | None) -> tuple[str, Path | None]:
    """Name and folder of the data set that a run was trained on, unless another folder is named."""
    if root is not None:
        return "auto", root
    return state["run"]["dataset"], Path(state["root"]) if state["root"] else None
