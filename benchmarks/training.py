"""Measure training and evaluation, end to end, beside the loop that most repositories have.

The ordinary loop: torchvision's PIL transforms in a DataLoader with two workers, float32, PyTorch's default memory
format, ``loss.item()`` in every step. Ours: what ``resnet-tutorial train`` does on this machine. Both train the same
network on the same images in batches of 128, and take turns in one run; every ratio is the median of the rounds'
ratios. Run from the repository root (about ten minutes on two CPU cores):

    python -m benchmarks.training
    python -m benchmarks.training ladder resnet20 --steps 20
    python -m benchmarks.training ladder resnet20 --save book/results/ladders    # for the chapter on GPU training
"""

import argparse
import datetime
import json
import shutil
import statistics
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import nn

from benchmarks.batches import BATCH, MEAN, STD, noise, ordinary_loader, ratio, take_turns
from resnet_tutorial import ImageDataset, InputError, Recipe, create_model, get_architecture
from resnet_tutorial.data import BatchLoader, Transform
from resnet_tutorial.files import write_atomic
from resnet_tutorial.training import (
    Device,
    Step,
    TrainConfig,
    describe_machine,
    make_optimizer,
    pick_device,
    train_epoch,
    validate,
)
from resnet_tutorial.training.graphs import GraphedStep

RECIPE = Recipe(lr=0.01)  # small enough for noise as images
PARTS = "a part, default all; ladder: from the ordinary loop to compiled steps and CUDA graphs, a rung at a time"
STEPS_OF_A_ROUND = {"resnet20": 100, "resnet18": 6, "resnet50": 3}


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
    """A way to train with this package: where and how, and whether it is compiled and recorded as a CUDA graph."""

    device: Device
    compiled: bool = False
    graphed: bool = False


def measure_training(name: str, rounds: int, steps: int | None) -> None:
    """Images per second of the ordinary loop, and of ours in each precision, as it is and compiled."""
    steps = steps or STEPS_OF_A_ROUND.get(name, 3)
    dataset, ours = noise(BATCH * steps), pick_device(TrainConfig())
    ways = {"ordinary loop, fp32": their_epoch(name, ours.device, dataset)}
    for precision in dict.fromkeys(("fp32", ours.precision)):
        way = Way(replace(ours, precision=precision))
        ways[f"ours, {precision}"] = our_epoch(name, way, dataset)
        if ours.device.type == "cuda" or shutil.which("g++"):
            ways[f"ours, {precision}, compiled"] = our_epoch(name, replace(way, compiled=True), dataset)
    report(f"{name}, training, {steps} steps", ways, len(dataset), rounds)


def their_epoch(name: str, device: torch.device, dataset: ImageDataset) -> Callable[[], object]:
    model = create_model(name).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    return partial(ordinary_epoch, model, ordinary_loader(dataset, True), optimizer, device)


def our_epoch(name: str, way: Way, dataset: ImageDataset) -> Callable[[], object]:
    loader = BatchLoader(dataset, BATCH, Transform(MEAN, STD, augment=True), shuffle=True, device=way.device.device)
    model = way.device.place(create_model(name))
    optimizer = make_optimizer(RECIPE, model)
    stepped = torch.compile(model, dynamic=False) if way.compiled else model
    scaler = torch.amp.GradScaler(way.device.device.type) if way.device.precision == "fp16" else None
    step = Step(stepped, optimizer, way.device, scaler)
    return partial(train_epoch, stepped, loader, optimizer, way.device, step=GraphedStep(step) if way.graphed else step)


def measure_evaluation(name: str, rounds: int, steps: int | None) -> None:
    dataset, ours = noise(BATCH * (steps or STEPS_OF_A_ROUND.get(name, 3))), pick_device(TrainConfig())
    model = create_model(name).to(ours.device)
    ways = {"ordinary loop": partial(ordinary_evaluation, model, ordinary_loader(dataset, False), ours.device)}
    loader = BatchLoader(dataset, ours.eval_batch, Transform(MEAN, STD), device=ours.device)
    ways["ours"] = partial(validate, ours.place(create_model(name)), loader, ours)
    report(f"{name}, evaluation", ways, len(dataset), rounds)


def measure_ladder(name: str, rounds: int, steps: int | None, save: Path | None = None) -> None:
    """Each step from the ordinary loop to ours, with the rungs of the chapter on GPU training."""
    ours = pick_device(TrainConfig())
    steps = steps or (200 if ours.device.type == "cuda" else min(STEPS_OF_A_ROUND.get(name, 3), 20))
    dataset = noise(BATCH * steps)
    ways = {"ordinary loop, fp32": their_epoch(name, ours.device, dataset)}
    rungs = ladder(ours)
    ways |= {rung: our_epoch(name, way, dataset) for rung, way in rungs.items() if isinstance(way, Way)}
    speeds = report(f"{name}, the ladder", ways, len(dataset), rounds)
    if save is None:
        return
    machine = describe_machine(ours.device)
    # Processors of one name differ in this, and with it in the rungs that they can have.
    place = [machine["processor"], torch.backends.cpu.get_cpu_capability(), f"{machine['threads']} threads"]
    record = {
        "machine": ", ".join(place) if machine["accelerator"] == "cpu" else machine["accelerator"],
        "model": name,
        "rungs": {"ordinary loop, fp32": None} | rungs | speeds,
        "torch": machine["torch"],
        "date": datetime.date.today().isoformat(),
        "command": f"python -m benchmarks.training ladder {name} --rounds {rounds} --steps {steps} --save FOLDER",
    }
    file = save / f"{name}-{record['machine'].replace(', ', '-').replace(' ', '-').lower()}.json"
    write_atomic(file, (json.dumps(record, indent=1) + "\n").encode())
    print(f"written to {file}")


def ladder(machine: Device) -> dict[str, Way | str]:
    """The rungs above the ordinary loop, or why one cannot be measured here."""
    plain = replace(machine, precision="fp32", channels_last=False)
    on_gpu = machine.device.type == "cuda"
    rungs: dict[str, Way | str] = {
        "+ data in memory, no waits": Way(plain),
        "+ channels-last": Way(replace(plain, channels_last=True)),
        "+ bf16": "not run: this hardware has no instructions for it",
        "+ compile": "not run: needs a C++ compiler",
        "+ CUDA graphs": "not run: for NVIDIA GPUs, in bf16 or fp32",
    }
    if machine.precision != "fp32":
        rungs = {name.replace("bf16", machine.precision): way for name, way in rungs.items()}
        rungs[f"+ {machine.precision}"] = Way(machine)
    if on_gpu or shutil.which("g++"):
        rungs["+ compile"] = Way(machine, compiled=True)
    if on_gpu and machine.precision != "fp16":
        rungs["+ CUDA graphs"] = Way(machine, compiled=True, graphed=True)
    return rungs


def report(title: str, ways: dict[str, Callable[[], object]], images: int, rounds: int) -> dict[str, float]:
    """Measure all ways in turn, print and return their speeds in images per second."""
    times = take_turns(ways, rounds)
    first = next(iter(times.values()))
    speeds = {name: round(images / statistics.median(row), 1) for name, row in times.items()}
    print(title)
    for name, speed in speeds.items():
        print(f"    {name:26} {speed:9,.0f} images/s {ratio(first, times[name]):6.2f}×")
    return speeds


def main() -> None:
    parts = {"training": measure_training, "evaluation": measure_evaluation, "ladder": measure_ladder}
    parser = argparse.ArgumentParser(description="Measure training and evaluation beside the ordinary loop.")
    parser.add_argument("part", nargs="?", choices=(*parts, "all"), default="all", help=PARTS)
    names = list(STEPS_OF_A_ROUND)
    parser.add_argument("networks", nargs="*", default=names, help=f"default: {', '.join(names)}")
    parser.add_argument("--rounds", type=int, default=3, help="how often each way is measured (default: 3)")
    parser.add_argument(
        "--steps",
        type=int,
        help="steps in a round (a ladder: 200 on a GPU); the ordinary loop needs some for its queue",
    )
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="write the ladder there, over an older one")
    args = parser.parse_args()
    if args.save:
        parts["ladder"] = partial(measure_ladder, save=args.save)
    if args.rounds < 1 or (args.steps is not None and args.steps < 1):
        parser.error("--rounds and --steps must be at least 1")
    try:
        for name in args.networks:
            get_architecture(name)
        if args.save:
            args.save.mkdir(parents=True, exist_ok=True)
    except (InputError, OSError) as error:
        parser.error(str(error))
    device = pick_device(TrainConfig())
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {device.device}, {device.precision}")
    try:
        for part in parts if args.part == "all" else [args.part]:
            for name in args.networks:
                parts[part](name, args.rounds, args.steps)
    except KeyboardInterrupt:
        sys.exit("stopped; nothing is kept of what was under way")


if __name__ == "__main__":
    main()
