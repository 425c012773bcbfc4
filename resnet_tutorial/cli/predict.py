"""Say what is in image files."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

from ..data.folder import find_images
from ..data.pictures import by_suffix
from ..errors import InputError
from ..files import expand
from ..text import count
from ..training import predict
from .arguments import PredictArgs
from .common import csv_writer, fail, load


def run(args: PredictArgs) -> None:
    if not args.images:
        raise InputError("no image named: give one or more image files, or a folder of them")
    if args.top < 1:
        raise InputError(f"--top must be at least 1, got {args.top}")
    errors: list[InputError] = []
    trained = load(args.checkpoint, args.weights)
    names = trained.class_names
    with csv_writer(args.csv, ["path", "class", "probability", *(names if args.all else ())]) as add:
        files = _files(expand(args.images), errors.append)
        answers = predict(trained, files, on_error=errors.append)
        for answer in answers:
            of = dict(zip(answer.classes, answer.probabilities, strict=True))
            every = [f"{of[name]:.6f}" for name in names] if args.all else []
            add([answer.path, answer.classes[0], f"{answer.probabilities[0]:.6f}", *every])
    top = len(names) if args.all else args.top
    best = [(str(answer.path), [*zip(answer.classes, answer.probabilities, strict=True)][:top]) for answer in answers]
    if args.json:
        keys = ("class", "probability")
        listed = [
            {"path": path, "classes": [dict(zip(keys, pair, strict=True)) for pair in pairs]} for path, pairs in best
        ]
        print(json.dumps(listed, indent=2, ensure_ascii=False))
    elif args.csv:
        print(f"the answers for {count(len(answers), 'image')} are in {args.csv}")
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
        if not path.is_dir():
            files.append(path)
            continue
        try:
            found, others = find_images(path)
        except InputError as error:
            on_error(error)
            continue
        passed = f"passed over, as no images: {by_suffix(others)}" if others else ""
        if not found:
            on_error(InputError(f"{path} holds no images{passed and f' ({passed})'}: name another folder"))
        elif passed:
            print(f"note: {path}: {passed}", file=sys.stderr)
        files += found
    return files
