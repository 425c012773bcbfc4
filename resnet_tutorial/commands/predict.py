"""Say what is in image files."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import OmitArgPrefixes, Positional, arg

from ..errors import InputError
from ..training import Prediction, predict
from .common import parse
from .trained import WeightsArgs


@dataclass(frozen=True)
class PredictArgs:
    """Say what is in image files."""

    pictures: Positional[tuple[Path, ...]]
    """Image files of any size."""
    checkpoint: Annotated[Path | None, arg(aliases=["--weights"])] = None
    """Folder or checkpoint of a run, or a file of weights; the newest run in runs/ if not given."""
    top: int = 3
    """Number of classes to print for each image."""
    weights: OmitArgPrefixes[WeightsArgs] = field(default_factory=WeightsArgs)
    json: bool = False
    """Print JSON, for programs: a list with an object for each image."""


def predict_command(argv: list[str]) -> None:
    args = parse(PredictArgs, "predict", argv)
    if not args.pictures:
        raise InputError("no picture named: give one or more image files")
    if args.top < 1:
        raise InputError(f"--top must be at least 1, got {args.top}")
    answers = predict(args.weights.load(args.checkpoint), args.pictures)
    if args.json:
        print(json.dumps([_as_dict(answer, args.top) for answer in answers], indent=2, ensure_ascii=False))
        return
    for answer in answers:
        best = ", ".join(f"{name} {100 * p:.1f} %" for name, p in _best(answer, args.top))
        print(f"{answer.path}: {best}")


def _best(answer: Prediction, top: int) -> list[tuple[str, float]]:
    return list(zip(answer.classes, answer.probabilities, strict=True))[:top]


def _as_dict(answer: Prediction, top: int) -> dict:
    best = [{"class": name, "probability": p} for name, p in _best(answer, top)]
    return {"path": str(answer.path), "classes": best}
