"""Compare recipes, and the loop that most repositories have, on the same images in the same minutes.

All ways train the same network from the same weights, an epoch in turn, so that a busy minute hits them all. They are
scored on images held out of the training part: the test part stays unseen. Run from the repository root:

    python -m benchmarks.recipes FOLDER                # each way in its own length
    python -m benchmarks.recipes FOLDER --epochs 30    # each way fitted into 30 epochs
    python -m benchmarks.recipes FOLDER --epochs 12 --ways modern modern:lr=0.2 modern:lr=0.8,ema=0
    python -m benchmarks.recipes FOLDER --ways modern modern@36 paper@182       # lengths of single ways, in epochs

``--network resnet8 --size 16`` makes it cheap: all images, scaled to 16×16, and all steps, in a network with a fiftieth
of ResNet-20's multiply-accumulates. ``--log`` keeps a line for each epoch, also of a run that was stopped.
"""

import argparse
import csv
import itertools
import math
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
import yaml
from torch import nn
from torch.nn.functional import interpolate
from torch.utils.data import DataLoader
from torchvision import transforms

from benchmarks.batches import PilImages
from benchmarks.training import ordinary_epoch
from resnet_tutorial import ImageDataset, Recipe, create_model, load_dataset
from resnet_tutorial.data import BatchLoader, Transform, crop_and_flip
from resnet_tutorial.errors import InputError
from resnet_tutorial.training import (
    Device,
    Step,
    TrainConfig,
    evaluate,
    load_recipe,
    make_optimizer,
    make_scheduler,
    pick_device,
    train_epoch,
)
from resnet_tutorial.training.optim import make_ema, report_train_error
from resnet_tutorial.training.recipe import IMAGENET_MEAN_STD, recipe_from_dict

LOOP = "ordinary loop"
LOOP_RECIPE = Recipe(  # as the most copied repositories have it
    epochs=200,
    batch_size=128,
    lr=0.1,
    momentum=0.9,
    nesterov=False,
    weight_decay=5e-4,
    lr_scheduler="CosineAnnealingLR",
)
LOOP_TAKES = {"batch_size", "lr", "momentum", "nesterov", "weight_decay"}
WAYS = ("modern", "paper", "cifar10_resnet32", LOOP)


@dataclass(frozen=True)
class Split:
    """Images to train on and to score on, and how far the crop may move them."""

    train: ImageDataset
    val: ImageDataset
    pad: int


@dataclass(frozen=True)
class Crop(Transform):
    """The augmentation with another distance."""

    pad: int = 4

    def __call__(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return super().__call__(crop_and_flip(images, generator, self.pad), generator)


def split_images(folder: Path, train_size: int | None, size: int) -> Split:
    """A tenth of the training images to score on; of the others, all or some to train on; all scaled to one size."""
    images, _ = load_dataset("auto", folder)
    train, val = images.hold_out(len(images) // 10, seed=0)
    train = train.subset(train_size, seed=0) if train_size else train
    return Split(scaled(train, size), scaled(val, size), pad=max(1, size // 8))  # of the paper: 4 of 32


def scaled(dataset: ImageDataset, size: int) -> ImageDataset:
    if dataset.images.shape[1] == size:
        return dataset
    small = interpolate(dataset.images.permute(0, 3, 1, 2).float(), size=(size, size), mode="area")
    return replace(dataset, images=small.round().byte().permute(0, 2, 3, 1).contiguous())


def read_way(words: str) -> Recipe:
    """The recipe that ``modern`` or ``modern:lr=0.8,ema=0`` names; ``@36`` behind it is its length."""
    name, _, changes = words.partition("@")[0].partition(":")
    recipe = LOOP_RECIPE if name == LOOP else load_recipe(name)
    try:
        values = {key: yaml.safe_load(value) for key, value in (word.split("=") for word in changes.split(",") if word)}
    except ValueError:
        raise InputError(f"cannot read {words!r}: write NAME or NAME:key=value,key=value") from None
    if name == LOOP and not values.keys() <= LOOP_TAKES:
        raise InputError(f"cannot use {words!r}: the {LOOP} takes changes of {', '.join(sorted(LOOP_TAKES))} only")
    return recipe_from_dict(asdict(recipe) | values, words)


def read_length(words: str) -> int | None:
    """The epochs that ``modern@36`` names, if it names any."""
    length = words.partition("@")[2]
    if length and not (length.isdecimal() and int(length) > 0):
        raise InputError(f"cannot read {words!r}: behind @ stands a number of epochs")
    return int(length) if length else None


def fitted(recipe: Recipe, epochs: int, steps_per_epoch: int) -> Recipe:
    """The same recipe in another length: drops and warm-up keep their share of the run."""
    unit = epochs * (steps_per_epoch if recipe.schedule_unit == "step" else 1)
    share = unit / recipe.length(steps_per_epoch)
    return replace(
        recipe,
        epochs=epochs,
        steps=None,
        milestones=tuple(max(1, round(share * m)) for m in recipe.milestones),
        warmup_epochs=round(share * recipe.warmup_epochs),
    )


class Contender:
    """One way to train, with one seed: `epochs` is its length, `rows` holds what its epochs gave."""

    def __init__(self, way: str, network: str, split: Split, seed: int, device: Device, epochs: int | None):
        recipe = read_way(way)
        epochs = read_length(way) or epochs
        steps = math.ceil(len(split.train) / recipe.batch_size)
        recipe = recipe if epochs is None else fitted(recipe, epochs, steps)
        self.way, self.seed, self.epochs, self.rows = way, seed, recipe.total_epochs(steps), []
        torch.manual_seed(seed)
        model = create_model(network, len(split.train.classes))
        self._train = (ordinary_epochs if way.startswith(LOOP) else our_epochs)(recipe, model, split, seed, device)

    def epoch(self) -> dict:
        """Train one epoch, score, and keep the row: seconds of training so far, accuracy in percent."""
        started = time.perf_counter()
        model, batches, device = next(self._train)
        before = self.rows[-1]["seconds"] if self.rows else 0.0
        seconds = before + time.perf_counter() - started
        accuracy = evaluate(model, batches, device)["accuracy"]
        self.rows.append({"epoch": len(self.rows) + 1, "seconds": seconds, "accuracy": accuracy})
        return self.rows[-1]


def our_epochs(recipe: Recipe, model: nn.Module, split: Split, seed: int, device: Device) -> Iterator[tuple]:
    """Train as ``resnet-tutorial train`` does; after each epoch, tell what to score on which batches."""
    mean, std = IMAGENET_MEAN_STD if recipe.normalization == "imagenet" else split.train.mean_std()
    options = {name: getattr(recipe, name) for name in ("cutout", "rand_augment", "mixup", "cutmix")}
    options["erase"] = recipe.random_erasing
    augment = Crop(mean, std, pad=split.pad, **options) if recipe.transform else Transform(mean, std, **options)
    batches = BatchLoader(split.train, recipe.batch_size, augment, shuffle=True, seed=seed, device=device.device)
    scored = BatchLoader(split.val, device.eval_batch, Transform(mean, std), device=device.device)
    model = device.place(model)
    optimizer, ema = make_optimizer(recipe, model), make_ema(recipe, model)
    scheduler, interval = make_scheduler(recipe, optimizer, len(batches))
    scaler = torch.amp.GradScaler(device.device.type) if device.precision == "fp16" else None
    step = Step(model, optimizer, device, scaler, recipe.label_smoothing, recipe.clip_grad_norm, recipe.accumulate)
    size, epochs = split.train.images.shape[1], recipe.total_epochs(len(batches))
    for batches.epoch in itertools.count():
        batches.transform = replace(augment, size=recipe.image_size(size, batches.epoch / epochs))
        by_step = scheduler if interval == "step" else None
        scores = train_epoch(model, batches, optimizer, device, scheduler=by_step, ema=ema, step=step)
        report_train_error(scheduler, 100 - scores["accuracy"])
        if interval == "epoch":
            scheduler.step()
        yield (model if ema is None else ema.module), scored, device


def ordinary_epochs(recipe: Recipe, model: nn.Module, split: Split, seed: int, device: Device) -> Iterator[tuple]:
    """Train as most repositories do; after each epoch, tell what to score on which batches."""
    mean, std = split.train.mean_std()
    steps = [transforms.RandomCrop(split.train.images.shape[1], split.pad), transforms.RandomHorizontalFlip()]
    images = PilImages(
        split.train, transforms.Compose([*steps, transforms.ToTensor(), transforms.Normalize(mean, std)])
    )
    batches = DataLoader(images, recipe.batch_size, shuffle=True, num_workers=2, persistent_workers=True)
    scored = BatchLoader(split.val, device.eval_batch, Transform(mean, std), device=device.device)
    model = model.to(device.device)
    optimizer = make_optimizer(recipe, model)
    scheduler, _ = make_scheduler(recipe, optimizer, len(batches))
    while True:
        ordinary_epoch(model, batches, optimizer, device.device)
        scheduler.step()
        yield model, scored, replace(device, precision="fp32")


def race(contenders: list[Contender], write: Callable[[list], object]) -> None:
    """Give each its next epoch in turn until all are through."""
    while running := [c for c in contenders if len(c.rows) < c.epochs]:
        for c in running:
            row = c.epoch()
            write([c.way, c.seed, row["epoch"], c.epochs, f"{row['seconds']:.2f}", f"{row['accuracy']:.2f}"])


def reached(contender: Contender, accuracy: float) -> dict:
    """The first epoch in which a contender was at least so good."""
    return next(row for row in contender.rows if row["accuracy"] >= accuracy)


def report(contenders: list[Contender]) -> list[str]:
    """Where each way ended, and what the first way and each other one needed to be equally good."""
    ways = {way: [c for c in contenders if c.way == way and c.rows] for way in dict.fromkeys(c.way for c in contenders)}
    ways = {way: runs for way, runs in ways.items() if runs}
    lines = [f"{'way':44} {'epochs':>10}  {'accuracy after the last':25} {'seconds an epoch':>16}"]
    for way, runs in ways.items():
        pace = statistics.median(c.rows[-1]["seconds"] / len(c.rows) for c in runs)
        length = f"{len(runs[0].rows)} of {runs[0].epochs}"
        lines.append(f"{way:44} {length:>10}  {spread([c.rows[-1]['accuracy'] for c in runs]):25} {pace:16.2f}")
    if not ways:
        return ["no epoch was finished"]
    (first, *others) = ways
    return lines + [equal_accuracy(ways[first], ways[other]) for other in others]


def spread(values: list[float]) -> str:
    mean = f"{statistics.mean(values):.2f}"
    return f"{mean} ± {statistics.stdev(values):.2f} % ({len(values)} seeds)" if len(values) > 1 else f"{mean} %"


def equal_accuracy(ours: list[Contender], theirs: list[Contender]) -> str:
    """Medians over the seeds of the ratios of epochs and seconds that two ways take to the lower of both ends."""
    pairs = []
    for a, b in zip(ours, theirs, strict=False):  # seeds that both have begun
        goal = min(a.rows[-1]["accuracy"], b.rows[-1]["accuracy"])
        pairs.append((goal, reached(a, goal), reached(b, goal)))
    goal = statistics.mean(goal for goal, _, _ in pairs)
    epochs, seconds = (statistics.median(a[key] / b[key] for _, a, b in pairs) for key in ("epoch", "seconds"))
    return (
        f"to {goal:.2f} %, where the worse of the two ends, {ours[0].way} takes {epochs:.2f} × the epochs and "
        f"{seconds:.2f} × the time of {theirs[0].way}"
    )


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Compare recipes on the same images in the same minutes.")
    parser.add_argument("folder", type=Path, help="data folder")
    parser.add_argument(
        "--ways", nargs="+", default=WAYS, help=f"NAME, NAME:key=value,…, NAME@epochs (default: {', '.join(WAYS)})"
    )
    parser.add_argument("--epochs", type=int, help="fit every way into so many epochs")
    parser.add_argument("--network", default="resnet20")
    parser.add_argument("--size", type=int, default=32, help="side of the images in pixels")
    parser.add_argument("--train-size", type=int, help="train on so many of the images")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--log", type=Path, help="CSV file that receives a line for each epoch")
    args = parser.parse_args(argv)
    for name in ("epochs", "size", "train_size"):
        if (value := getattr(args, name)) is not None and value < 1:
            parser.error(f"--{name.replace('_', '-')} must be at least 1, got {value}")
    if args.log and (args.log.exists() or not args.log.parent.is_dir()):
        parser.error(f"--log {args.log}: name a new file in a folder that exists")
    try:
        compare(args)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:  # before the first epoch
        sys.exit("stopped")


def compare(args: argparse.Namespace) -> None:
    device, split = pick_device(TrainConfig()), split_images(args.folder, args.train_size, args.size)
    contenders = [
        Contender(way, args.network, split, seed, device, args.epochs) for seed in args.seeds for way in args.ways
    ]
    print(
        f"{args.network}, {split.train.name}, {len(split.train):,} images of {args.size}×{args.size}, scored on "
        f"{len(split.val):,} others; torch {torch.__version__}, {torch.get_num_threads()} threads, {device.device}, "
        f"{device.precision} (the {LOOP}: fp32)"
    )
    with open(args.log or os.devnull, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["way", "seed", "epoch", "epochs", "seconds", "accuracy"])
        try:
            race(contenders, lambda row: (rows.writerow(row), file.flush()))
        except KeyboardInterrupt:
            print("stopped; so far:")
    print("\n".join(report(contenders)))


if __name__ == "__main__":
    main()
