"""Score a trained network."""

import contextlib
import json
from dataclasses import asdict
from pathlib import Path

from ..data import ImageDataset, load_dataset
from ..errors import InputError
from ..text import count
from ..training import TrainConfig, TrainedModel, score
from ..training.scores import answers, some_classes
from .arguments import EvaluateArgs
from .common import csv_writer, data_of_run, load


def run(args: EvaluateArgs) -> None:
    trained = load(args.checkpoint, args.weights)
    test = _test_part(trained, args.data or args.root, args.skip_unreadable)
    names = test.classes
    with csv_writer(args.csv, ["image", "class", "answer", "probability", *(names if args.all else ())]) as add:
        logits, labels = answers(trained, test, device=args.device, flip=args.flip)
        for i, (row, label) in enumerate(zip(logits.softmax(dim=1).tolist(), labels.tolist(), strict=True)):
            best = max(range(len(row)), key=row.__getitem__)
            every = [f"{probability:.6f}" for probability in row] if args.all else []
            add([i, names[label], names[best], f"{row[best]:.6f}", *every])
    scores = score(logits, labels, names)
    notes = []
    if trained.run and test.fingerprint != trained.run["record"]["data"]["test_fingerprint"]:
        notes.append("this is not the test part that belongs to the run")
    if trained.classes is None:
        notes.append(f"the file does not name its classes: {_orders(test.classes)}")
    if test.left_out:
        notes.append(f"images that cannot be read, and were left out: {test.left_out:,}")
    if args.json:
        data = {"name": test.name, "split": test.split, "images": len(test), "fingerprint": test.fingerprint}
        origin = {"model": trained.name, "path": str(trained.path), "data": data}
        notes += filter(None, (*trained.others, trained.guess))  # a line of its own where there is no JSON
        answer = {**origin, "flip": args.flip, "notes": notes, **asdict(scores)}
        print(json.dumps(answer, indent=2, ensure_ascii=False))
        return
    mirrored = ", each also mirrored" if args.flip else ""
    print(f"{trained.describe()}, on the test part of {test.name} ({count(len(test), 'image')}{mirrored})")
    written = [f"the answer for each image is in {args.csv}"] if args.csv else []
    print(*(f"note: {note}" for note in notes), scores, *written, sep="\n")


def _test_part(trained: TrainedModel, named: Path | None, skip_unreadable: bool) -> ImageDataset:
    if trained.run is None and trained.classes is None and named is None:
        raise InputError(f"{trained.path} does not say what it was trained on: name the data folder")
    name, root = ("auto", named) if trained.run is None else data_of_run(trained.run, named)
    made = {} if trained.run is None else trained.run["run"]
    options = {key: made[key] for key in TrainConfig().data_options() if key in made}
    options["skip_unreadable"] = skip_unreadable or options.get("skip_unreadable", False)
    options["image_size"] = trained.image_size
    share = options.pop("test_share", None)

    def part(share: float | None) -> ImageDataset:
        test = load_dataset(name, root, test_alone=True, test_share=share, **options)[1]
        return test.with_classes(trained.classes or test.classes)

    if named is None or share is None:
        return part(share)
    tests = []
    for each in (share, None):
        with contextlib.suppress(InputError):
            tests.append(part(each))
    # Of the data of the run, wherever they lie now, what was split off is scored; of a folder of others, all.
    of_run = [test for test in tests if test.fingerprint == trained.run["record"]["data"]["test_fingerprint"]]
    return (of_run or tests[-1:] or [part(share)])[0]


def _orders(classes: tuple[str, ...]) -> str:
    """In which order a network is taken to know the classes, and what other order it may have."""
    as_text = tuple(sorted(classes))
    other = f"; sorted as text they would be {some_classes(as_text)}" if as_text != classes else ""
    return f"their order is taken to be that of the data, {some_classes(classes)}{other}"
