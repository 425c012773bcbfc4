"""Say what is in image files."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

from ..data.pictures import SUFFIXES
from ..errors import InputError
from ..files import expand
from ..training import predict
from .arguments import PredictArgs
from .common import fail, load


def run(args: PredictArgs) -> None:
    if not args.images:
        raise InputError("no image named: give one or more image files, or a folder of them")
    if args.top < 1:
        raise InputError(f"--top must be at least 1, got {args.top}")
    errors: list[InputError] = []
    trained = load(args.checkpoint, args.weights)
    files = _files(expand(args.images), errors.append)
    answers = predict(trained, files, on_error=errors.append)
    best = [
        (str(answer.path), [*zip(answer.classes, answer.probabilities, strict=True)][: args.top]) for answer in answers
    ]
    if args.json:
        keys = ("class", "probability")
        listed = [
            {"path": path, "classes": [dict(zip(keys, pair, strict=True)) for pair in pairs]} for path, pairs in best
        ]
        print(json.dumps(listed, indent=2, ensure_ascii=False))
    else:
        for path, pairs in best:
            print(f"{path}: {', '.join(f'{name} {100 * p:.1f} %' for name, p in pairs)}")
    for error in errors:
        fail(str(error))
    if errors:
        sys.exit(1)


def _files(paths: list[Path], on_error: Callable[[InputError], None]) -> list[Path]:
    """The files, and for each folder the images in it and in the folders below."""
    files = []
    for path in paths:
        below = (
            p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith(".") and p.is_file()
        )
        found = sorted(below) if path.is_dir() else [path]
        if not found:
            on_error(InputError(f"{path} holds no images ({', '.join(sorted(SUFFIXES))}): name another folder"))
        files += found
    return files
