"""Say what is in image files."""

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from ..errors import InputError
from ..training import load_checkpoint, predict
from ..training.checkpoint import newest_checkpoint
from .common import RUNS, parse


@dataclass(frozen=True)
class PredictArgs:
    """Say what is in image files."""

    pictures: Positional[tuple[Path, ...]]
    """Image files of any size."""
    checkpoint: Path | None = None
    """Folder or checkpoint of a run; the newest in runs/ if not given."""
    top: int = 3
    """Number of classes to print for each image."""


def predict_command(argv: list[str]) -> None:
    args = parse(PredictArgs, "predict", argv)
    if not args.pictures:
        raise InputError("no picture named: give one or more image files")
    state = load_checkpoint(args.checkpoint or newest_checkpoint(RUNS))
    for answer in predict(state, list(args.pictures)):
        best = list(zip(answer.classes, answer.probabilities, strict=True))[: args.top]
        print(f"{answer.path}: " + ", ".join(f"{name} {100 * p:.1f} %" for name, p in best))
