"""Make the weights that the package ships from a finished run: ``python -m benchmarks.publish --help``.

The file replaces the one of the same name in ``resnet_tutorial/pretrained``. Its header says what the model card says.
"""

import argparse
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import torch

from resnet_tutorial.data import BatchLoader, ImageDataset, load_dataset
from resnet_tutorial.errors import InputError
from resnet_tutorial.training import RunRecord, load_trained
from resnet_tutorial.training.engine import Device
from resnet_tutorial.training.record import read_record
from resnet_tutorial.training.scores import collect_logits, score
from resnet_tutorial.weights import save_weights
from resnet_tutorial.weights.pretrained import FOLDER

LICENSE = "MIT"
LARGEST = 2_000_000  # bytes: the package stays small


def publish(checkpoint: Path, record_file: Path, test: ImageDataset, tag: str, folder: Path = FOLDER) -> Path:
    """Write the weights of a finished run in half precision, and score the file that is written.

    Args:
        checkpoint: the last checkpoint of the run.
        record_file: its record; the stem of its name goes into the weights.
        test: the test part that the record scored.
        tag: what the network was trained on, for the name of the file.
        folder: where the file goes.

    Returns:
        The file, ``MODEL.TAG.safetensors``.

    Raises:
        InputError: if checkpoint, record and test part do not belong together, or the file is too large.
    """
    trained, record = load_trained(checkpoint), read_record(record_file)
    _check_that_they_belong_together(trained.run, record, test)
    path = folder / f"{trained.model.arch.name}.{tag}.safetensors"
    known = {"classes": trained.classes, "mean": trained.mean, "std": trained.std, "record": asdict(record)}

    def save(to: Path, published: dict | None = None) -> None:
        save_weights(trained.model, to, **known, recipe=record.recipe, published=published, dtype=torch.float16)

    with tempfile.TemporaryDirectory() as scratch:
        trial = Path(scratch) / path.name
        save(trial)
        if (size := trial.stat().st_size) > LARGEST:
            raise InputError(f"{path.name} would have {size:,} bytes: the package takes up to {LARGEST:,}")
        accuracy = _accuracy(trial, test)
    published = {
        "data": record.data["name"],
        "test_images": len(test),
        "accuracy": record.test["accuracy"],
        "accuracy_half": accuracy,
        "record": record_file.stem,
        "commit": record.commit,
        "date": record.finished[:10],
        "license": LICENSE,
    }
    save(path, published)
    return path


def _check_that_they_belong_together(state: dict | None, record: RunRecord, test: ImageDataset) -> None:
    if state is None or state["record"]["history"] != record.history or state["record"]["seed"] != record.seed:
        raise InputError("the checkpoint is not that of the record's run, at its end: give both files of one run")
    if record.test is None or record.finished is None:
        raise InputError("the run is not finished: give one that has scored its test part")
    if test.fingerprint != record.data["test_fingerprint"]:
        raise InputError(f"{test.name} has another test part than the record: give --data, the folder that it read")


def _accuracy(path: Path, test: ImageDataset) -> float:
    """Top-1 accuracy, in percent, of the file itself: half precision on disk, float32 arithmetic."""
    trained = load_trained(path)
    batches = BatchLoader(test, 500, trained.transform)
    logits, labels = collect_logits(trained.model, batches, Device(torch.device("cpu")))
    return score(logits, labels, test.classes).accuracy


def main(argv: list[str] | None = None) -> int:
    """Publish one run; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.publish", description=__doc__.partition(":")[0])
    parser.add_argument("checkpoint", type=Path, help="the run's last checkpoint, *.pt")
    parser.add_argument("record", type=Path, help="its record, *.json")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data that it was scored on")
    parser.add_argument("--tag", default="cifar10", help="what it was trained on (default: cifar10)")
    args = parser.parse_args(argv)
    try:
        _, test = load_dataset("auto", args.data)
        path = publish(args.checkpoint, args.record, test, args.tag)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"wrote {path.name}, {path.stat().st_size / 1e6:.2f} MB, into {path.parent.name}/")
    return 0


if __name__ == "__main__":
    sys.exit(main())
