"""Measure training and evaluation, end to end, beside the loop that most repositories have.

The ordinary loop: torchvision's PIL transforms in a DataLoader with two workers, float32, PyTorch's default memory
format, ``loss.item()`` in every step. Ours: what ``resnet-tutorial train`` does on this machine. Both train the same
network on the same images in batches of 128, and take turns in one run; every ratio is the median of the rounds'
ratios. Run from the repository root (about ten minutes on two CPU cores):

    python -m benchmarks.training
    python -m benchmarks.training ladder resnet20 --steps 20
"""

import argparse
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms

from benchmarks.batches import MEAN, STD, PilImages, noise, ratio, take_turns
from resnet_tutorial import ImageDataset, Recipe, create_model
from resnet_tutorial.data import BatchLoader, Transform
from resnet_tutorial.training import Device, TrainConfig, evaluate, make_optimizer, pick_device, train_epoch

BATCH = 128
RECIPE = Recipe(lr=0.01)  # small enough for noise as images
STEPS = {"resnet20": 100, "resnet18": 6, "resnet50": 3}


def ordinary_loader(dataset: ImageDataset, train: bool) -> DataLoader:
    steps = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    if train:
        steps = [transforms.RandomCrop(32, 4), transforms.RandomHorizontalFlip(), *steps]
    images = PilImages(dataset, transforms.Compose(steps))
    return DataLoader(images, BATCH, shuffle=train, num_workers=2, persistent_workers=True)


def ordinary_epoch(model: nn.Module, loader: Iterable, optimizer: torch.optim.Optimizer, device: torch.device) -> float:
    """The loop that most repositories have."""
    model.train()
    criterion = nn.CrossEntropyLoss()
    loss_sum = correct = total = 0
    for images, labels in loader:
        images, labels = images.to(device), labels.to(device)
        optimizer.zero_grad()
        outputs = model(images)
        loss = criterion(outputs, labels)
        loss.backward()
        optimizer.step()
        loss_sum += loss.item()
        correct += outputs.max(1)[1].eq(labels).sum().item()
        total += labels.size(0)
    return correct / total


def ordinary_evaluation(model: nn.Module, loader: Iterable, device: torch.device) -> float:
    model.eval()
    correct = total = 0
    with torch.no_grad():
        for images, labels in loader:
            images, labels = images.to(device), labels.to(device)
            correct += model(images).max(1)[1].eq(labels).sum().item()
            total += labels.size(0)
    return correct / total


@dataclass(frozen=True)
class Way:
    """A way to train: its name, where and how, and whether it is compiled."""

    name: str
    device: Device
    compiled: bool = False


def measure_training(name: str, rounds: int, steps: int | None) -> None:
    """Images per second of the ordinary loop and of ours."""
    steps = steps or STEPS.get(name, 3)
    dataset, ours = noise(BATCH * steps), pick_device(TrainConfig())
    ways = {}
    model = create_model(name).to(ours.device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    ways["ordinary loop"] = partial(ordinary_epoch, model, ordinary_loader(dataset, True), optimizer, ours.device)
    ways["ours"] = our_epoch(name, Way("ours", ours), dataset)
    report(f"{name}, training, {steps} steps", ways, len(dataset), rounds)


def our_epoch(name: str, way: Way, dataset: ImageDataset) -> Callable[[], object]:
    loader = BatchLoader(dataset, BATCH, Transform(MEAN, STD, augment=True), shuffle=True, device=way.device.device)
    model = way.device.place(create_model(name))
    optimizer = make_optimizer(RECIPE, model)
    stepped = torch.compile(model, dynamic=False) if way.compiled else model
    return partial(train_epoch, stepped, loader, optimizer, way.device)


def measure_evaluation(name: str, rounds: int, steps: int | None) -> None:
    dataset, ours = noise(BATCH * (steps or STEPS.get(name, 3))), pick_device(TrainConfig())
    model = create_model(name).to(ours.device)
    ways = {"ordinary loop": partial(ordinary_evaluation, model, ordinary_loader(dataset, False), ours.device)}
    loader = BatchLoader(dataset, ours.eval_batch, Transform(MEAN, STD), device=ours.device)
    ways["ours"] = partial(evaluate, ours.place(create_model(name)), loader, ours)
    report(f"{name}, evaluation", ways, len(dataset), rounds)


def measure_ladder(name: str, rounds: int, steps: int | None) -> None:
    """Each step from the ordinary loop to ours, on batches that are ready in memory."""
    ours = pick_device(TrainConfig())
    steps = min(steps or STEPS.get(name, 3), 20)
    dataset = noise(BATCH * steps)
    plain = replace(ours, precision="fp32", channels_last=False)
    ladder = [Way("fp32, default layout", plain), Way("+ channels-last", replace(plain, channels_last=True))]
    if ours.precision != "fp32":
        ladder.append(Way(f"+ {ours.precision}", ours))
    ladder.append(Way("+ compiled", ours, compiled=True))
    report(f"{name}, steps alone", {way.name: our_epoch(name, way, dataset) for way in ladder}, len(dataset), rounds)


def report(title: str, ways: dict[str, Callable[[], object]], images: int, rounds: int) -> None:
    times = take_turns(ways, rounds)
    first = next(iter(times.values()))
    print(title)
    for name, row in times.items():
        print(f"    {name:24} {images / statistics.median(row):9,.0f} images/s {ratio(first, row):6.2f}×")


def main() -> None:
    parts = {"training": measure_training, "evaluation": measure_evaluation, "ladder": measure_ladder}
    parser = argparse.ArgumentParser(description="Measure training and evaluation beside the ordinary loop.")
    parser.add_argument("part", nargs="?", choices=(*parts, "all"), default="all")
    parser.add_argument("networks", nargs="*", default=list(STEPS), help=f"default: {', '.join(STEPS)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, help="steps in a round; the ordinary loop needs some to fill its queue")
    args = parser.parse_args()
    device = pick_device(TrainConfig())
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {device.device}, {device.precision}")
    for part in parts if args.part == "all" else [args.part]:
        for name in args.networks:
            parts[part](name, args.rounds, args.steps)


if __name__ == "__main__":
    main()
