"""Measure what a run spends on saving, records, progress and asking whether to stop, beside the training itself.

The calls of a real run are timed one by one, as a comparison of two whole runs would drown so little in noise. The
share is given for the epochs of the run, and for epochs of CIFAR-10's 50,000 images.

Run from the repository root (about a minute on two CPU cores):

    python benchmarks/overhead.py
    python benchmarks/overhead.py --model resnet18 --images 1000
"""

import argparse
import io
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import torch

from resnet_tutorial import ImageDataset, Recipe, TrainConfig, Trainer
from resnet_tutorial.training import RunRecord

EPOCHS = 2


def noise(n: int, split: str) -> ImageDataset:
    """Random bytes: how long a step takes does not depend on what the images show."""
    images = torch.randint(0, 256, (n, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(n))
    return ImageDataset(images, torch.arange(n) % 10, tuple("0123456789"), "noise", split)


def timed(seconds: Counter, name: str, function):
    """The function, with the time of its calls added up under a name."""

    def call(*args, **options):
        started = time.perf_counter()
        try:
            return function(*args, **options)
        finally:
            seconds[name] += time.perf_counter() - started

    return call


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what a run spends on anything but training.")
    parser.add_argument("--model", default="resnet20")
    parser.add_argument("--images", type=int, default=5000, help="training images (default: 5,000)")
    args = parser.parse_args()
    seconds, shown = Counter(), io.StringIO()
    with tempfile.TemporaryDirectory() as folder:
        recipe = Recipe(epochs=EPOCHS, lr=0.01, validation=0.0)
        config = TrainConfig(args.model, recipe=recipe, ckpt_dir=Path(folder) / "run", progress=True)
        trainer = Trainer(config, noise(args.images, "train"), noise(500, "test"), log=lambda line: None)
        trainer.save = timed(seconds, "checkpoints", trainer.save)
        RunRecord.write_csv = timed(seconds, "log", RunRecord.write_csv)
        trainer._is_interrupted = timed(seconds, "asking", trainer._is_interrupted)
        stderr, sys.stderr = sys.stderr, shown
        draw = trainer._progress

        def progress(batches, position, end):
            inside = Counter()  # what the loader takes is not the bar's
            bar = iter(draw(TimedIterator(inside, batches), position, end))
            while True:
                try:
                    batch = timed(inside, "both", bar.__next__)()
                except StopIteration:
                    seconds["progress"] += inside["both"] - inside["loader"]
                    return
                yield batch

        trainer._progress = progress
        record = trainer.fit()
        sys.stderr = stderr
    training = sum(row["seconds"] for row in record.history)
    speed = record.last["images_per_second"]
    steps = EPOCHS * len(trainer.parts.batches)
    print(f"{args.model}, {record.precision}, {record.machine['cores']} cores: {speed:,.0f} images/s")
    print(f"{len(shown.getvalue()):,} characters of progress were drawn")
    whole = 0.0
    for name, spent in seconds.most_common():
        # A checkpoint (one more after the test) and a log are written once an epoch; the others go with the steps.
        times = EPOCHS + 1 if name == "checkpoints" else EPOCHS
        scale = 1 / times if name in ("checkpoints", "log") else 391 / steps
        whole += spent * scale
        print(f"{name:12} {1000 * spent * scale:8.2f} ms in an epoch of 50,000 images")
    print(f"together     {100 * whole * speed / 50_000:.3f} % of an epoch of 50,000 images")
    print(f"             {100 * sum(seconds.values()) / training:.3f} % of the epochs of {args.images:,} images here")


class TimedIterator:
    """An iterator, with the time that it takes added up."""

    def __init__(self, seconds: Counter, items):
        self.items = iter(items)
        self.next = timed(seconds, "loader", self.items.__next__)

    def __iter__(self):
        return self

    def __next__(self):
        return self.next()


if __name__ == "__main__":
    main()
