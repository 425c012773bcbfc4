"""Score a trained network."""

import json
from dataclasses import asdict
from pathlib import Path

from ..data import BatchLoader, ImageDataset, load_dataset
from ..errors import InputError
from ..training import TrainConfig, TrainedModel, pick_device
from ..training.scores import Scores, collect_logits, confusions, score
from .arguments import EvaluateArgs
from .common import data_of_run, load

FEW_CLASSES = 20  # as many columns of counts fit a line


def run(args: EvaluateArgs) -> None:
    trained = load(args.checkpoint, args.weights)
    exact = trained.run and trained.run["record"]["precision"] == "fp32"  # to give what the record says
    device = pick_device(TrainConfig(device=args.device, precision="fp32" if exact else "auto"))
    test = _test_part(trained, args.data or args.root)
    batches = BatchLoader(test, device.eval_batch, trained.transform, num_workers=1)
    logits, labels = collect_logits(device.place(trained.model), batches, device, flip=args.flip)
    scores = score(logits, labels, test.classes)
    notes = []
    if trained.run and test.fingerprint != trained.run["record"]["data"]["test_fingerprint"]:
        notes.append("this is not the test part that belongs to the run")
    if trained.classes is None:
        notes.append(f"the file does not name its classes: {_orders(test.classes)}")
    if args.json:
        data = {"name": test.name, "split": test.split, "images": len(test), "fingerprint": test.fingerprint}
        origin = {"model": trained.name, "path": str(trained.path), "data": data}
        answer = {**origin, "flip": args.flip, "notes": notes, **asdict(scores)}
        print(json.dumps(answer, indent=2, ensure_ascii=False))
        return
    mirrored = ", each also mirrored" if args.flip else ""
    print(f"{trained.describe()}, on the test part of {test.name} ({len(test):,} images{mirrored})")
    for note in notes:
        print(f"note: {note}")
    print(_table(scores))


def _test_part(trained: TrainedModel, root: Path | None) -> ImageDataset:
    if trained.run is None and trained.classes is None and root is None:
        raise InputError(f"{trained.path} does not say what it was trained on: name the data folder")
    name, root = ("auto", root) if trained.run is None else data_of_run(trained.run, root)
    made = {} if trained.run is None else trained.run["run"]
    options = {key: made[key] for key in TrainConfig().data_options() if key in made}
    _, test = load_dataset(name, root, image_size=trained.image_size, **options)
    test = test.with_classes(trained.classes or test.classes)
    if trained.classes is not None and test.classes != trained.classes:
        meant = f": evaluate it on {trained.run['record']['data']['name']}" if trained.run else ": name other data"
        raise InputError(
            f"{test.name} has the classes {_some(test.classes)}; the network knows {_some(trained.classes)}{meant}"
        )
    if len(test.classes) != len(trained.class_names):
        raise InputError(
            f"{test.name} has {len(test.classes)} classes, the network {len(trained.class_names)}: name other data"
        )
    return test


def _orders(classes: tuple[str, ...]) -> str:
    """In which order a network is taken to know the classes, and what other order it may have."""
    as_text = tuple(sorted(classes))
    other = f"; sorted as text they would be {_some(as_text)}" if as_text != classes else ""
    return f"their order is taken to be that of the data, {_some(classes)}{other}"


def _some(classes: tuple[str, ...]) -> str:
    """The names, or the first of very many."""
    more = f" and {len(classes) - FEW_CLASSES} more" if len(classes) > FEW_CLASSES else ""
    return f"{', '.join(classes[:FEW_CLASSES])}{more}"


def _table(scores: Scores) -> str:
    low, high = scores.interval
    top5 = "" if scores.top5 is None else f", top-5 {scores.top5:.2f} %"
    lines = [
        f"accuracy {scores.accuracy:.2f} % (95 % interval {low:.2f} to {high:.2f}){top5}, loss {scores.loss:.4f}",
        f"expected calibration error {scores.calibration_error:.2f} % (15 bins)",
    ]
    few = len(scores.classes) <= FEW_CLASSES
    if few:
        lines.append("each class: share recognized, and its images by the answer, in the order of the classes")
    else:
        mistakes = (f"{true} taken for {said} {n}" for n, true, said in confusions(scores))
        lines.append(f"most frequent mistakes: {'; '.join(mistakes) or 'none'}")
    width = max(len(entry.name) for entry in scores.classes)
    digits = max(len(str(n)) for row in scores.confusion for n in row)
    for entry, row in zip(scores.classes, scores.confusion, strict=True):
        share = "     –  " if entry.accuracy is None else f"{entry.accuracy:6.2f} %"
        counts = "  " + " ".join(f"{n:{digits}}" for n in row) if few else ""
        lines.append(f"  {entry.name:{width}} {share}{counts}")
    return "\n".join(lines)
