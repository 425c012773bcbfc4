"""Say what is in image files."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import OmitArgPrefixes, Positional

from ..data.pictures import SUFFIXES
from ..errors import InputError
from ..training import Prediction, predict
from .arguments import expand, unset
from .common import fail, parse
from .trained import WeightsArgs


@dataclass(frozen=True)
class PredictArgs:
    """Say what is in image files."""

    images: Annotated[Positional[tuple[Path, ...]], unset("IMAGE [IMAGE ...]")]
    """Image files of any size, and folders of them."""
    checkpoint: Annotated[Path | None, unset("RUN", aliases=["--weights"])] = None
    """Folder or checkpoint of a run, a file of weights, or a trained network of the package, as
    resnet20.cifar10-jpeg; the newest run in runs/ if not given."""
    top: int = 3
    """Number of classes to print for each image."""
    weights: OmitArgPrefixes[WeightsArgs] = field(default_factory=WeightsArgs)
    json: bool = False
    """Print JSON, for programs: a list with an object for each image that could be read."""


def predict_command(argv: list[str]) -> None:
    args = parse(PredictArgs, "predict", argv)
    if not args.images:
        raise InputError("no image named: give one or more image files, or a folder of them")
    if args.top < 1:
        raise InputError(f"--top must be at least 1, got {args.top}")
    errors: list[InputError] = []
    trained = args.weights.load(args.checkpoint)
    files = _files(expand(args.images), errors.append)
    answers = predict(trained, files, on_error=errors.append)
    _print(answers, args)
    for error in errors:
        fail(str(error))
    if errors:
        sys.exit(1)


def _files(paths: list[Path], on_error: Callable[[InputError], None]) -> list[Path]:
    """The files, and for each folder the images in it and in the folders below."""
    files = []
    for path in paths:
        found = sorted(filter(_is_image, path.rglob("*"))) if path.is_dir() else [path]
        if not found:
            on_error(InputError(f"{path} holds no images ({', '.join(sorted(SUFFIXES))}): name another folder"))
        files += found
    return files


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def _print(answers: list[Prediction], args: PredictArgs) -> None:
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
