"""Score a trained network."""

import json
from dataclasses import asdict
from pathlib import Path

from ..data import ImageDataset, load_dataset
from ..errors import InputError
from ..training import TrainedModel, evaluate
from .arguments import EvaluateArgs
from .common import data_of_run, load


def run(args: EvaluateArgs) -> None:
    trained = load(args.checkpoint, args.weights)
    test = _test_part(trained, args.data or args.root)
    scores = evaluate(trained, test, device=args.device, flip=args.flip)
    notes = []
    if trained.run and test.fingerprint != trained.run["record"]["data"]["test_fingerprint"]:
        notes.append("this is not the test part that belongs to the run")
    if trained.classes is None:
        notes.append("the file does not name its classes: their order is taken to be that of the data")
    if args.json:
        data = {"name": test.name, "split": test.split, "images": len(test), "fingerprint": test.fingerprint}
        origin = {"model": trained.name, "path": str(trained.path), "data": data}
        notes += [trained.guess] if trained.guess else []  # a line of its own where there is no JSON
        answer = {**origin, "flip": args.flip, "notes": notes, **asdict(scores)}
        print(json.dumps(answer, indent=2, ensure_ascii=False))
        return
    mirrored = ", each also mirrored" if args.flip else ""
    print(f"{trained.describe()}, on the test part of {test.name} ({len(test):,} images{mirrored})")
    print(*(f"note: {note}" for note in notes), scores, sep="\n")


def _test_part(trained: TrainedModel, root: Path | None) -> ImageDataset:
    if trained.run is None and trained.classes is None and root is None:
        raise InputError(f"{trained.path} does not say what it was trained on: name the data folder")
    name, root = ("auto", root) if trained.run is None else data_of_run(trained.run, root)
    return load_dataset(name, root, image_size=trained.image_size)[1]
