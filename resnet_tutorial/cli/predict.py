"""Say what is in image files."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

from ..data.pictures import SUFFIXES
from ..errors import InputError
from ..training import Prediction, predict
from .arguments import PredictArgs
from .common import expand, fail
from .trained import load


def run(args: PredictArgs) -> None:
    if not args.images:
        raise InputError("no image named: give one or more image files, or a folder of them")
    if args.top < 1:
        raise InputError(f"--top must be at least 1, got {args.top}")
    errors: list[InputError] = []
    trained = load(args.checkpoint, args.weights)
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
