"""Measure how fast batches are made, beside torchvision in a DataLoader and beside a training step.

All ways take turns in one run; every number is a median over the rounds, every ratio the median of the rounds' ratios.
Run from the repository root (about three minutes on two CPU cores), all parts or some of them:

    python benchmarks/batches.py
    python benchmarks/batches.py loaders
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Callable, Iterable
from functools import partial

import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import transforms as v1
from torchvision.transforms import v2

from resnet_tutorial import ImageDataset, Recipe, create_model
from resnet_tutorial.data import BatchLoader, Transform
from resnet_tutorial.training import Device, TrainConfig, make_optimizer, pick_device, train_epoch

BATCH = 128
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
AUGMENT = Transform(MEAN, STD, augment=True)


def noise(n: int) -> ImageDataset:
    """Random bytes: how long crop, flip and normalization take does not depend on what the images show."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (n, 32, 32, 3), dtype=torch.uint8, generator=generator)
    return ImageDataset(images, torch.arange(n) % 10, tuple("0123456789"), "noise", "train")


class PilImages(torch.utils.data.Dataset):
    """Images stored as bytes and transformed as PIL images, as torchvision's CIFAR10 and most tutorials do."""

    def __init__(self, dataset: ImageDataset, transform: Callable):
        self.images, self.labels, self.transform = dataset.images.numpy(), dataset.labels.tolist(), transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int):
        return self.transform(Image.fromarray(self.images[index])), self.labels[index]


def ordinary_loader(dataset: ImageDataset, train: bool = True) -> DataLoader:
    """PIL transforms in a DataLoader whose workers stay: what it takes to start them is not counted."""
    steps = [v1.ToTensor(), v1.Normalize(MEAN, STD)]
    if train:
        steps = [v1.RandomCrop(32, 4), v1.RandomHorizontalFlip(), *steps]
    images = PilImages(dataset, v1.Compose(steps))
    return DataLoader(images, BATCH, shuffle=train, num_workers=2, persistent_workers=True)


def take_turns(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each way in each round, after one round that does not count."""
    times = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, work in ways.items():
            start = time.perf_counter()
            work()
            times[name].append(time.perf_counter() - start)
    return {name: row[1:] for name, row in times.items()}


def consume(batches: Iterable) -> None:
    for _ in batches:
        pass


def ratio(above: list[float], below: list[float]) -> float:
    """Median over the rounds of a quotient of times."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def measure_loaders() -> None:
    """Crop, flip and normalization into float batches: ours, and torchvision's in a DataLoader with two workers."""
    large, small = noise(50_000), noise(10_240)
    crop, scale = (v2.RandomCrop(32, 4), v2.RandomHorizontalFlip()), v2.ToDtype(torch.float32, scale=True)
    tensors = v2.Compose([*crop, scale, v2.Normalize(MEAN, STD)])
    loaders = {
        "BatchLoader": BatchLoader(large, BATCH, AUGMENT, shuffle=True),
        "BatchLoader, 2 threads ahead": BatchLoader(large, BATCH, AUGMENT, shuffle=True, num_workers=2),
        "DataLoader, PIL": ordinary_loader(small),
        "DataLoader, v2 on tensors": DataLoader(
            small.as_torch(tensors), BATCH, shuffle=True, num_workers=2, persistent_workers=True
        ),
    }
    times = take_turns({name: partial(consume, loader) for name, loader in loaders.items()}, rounds=7)
    each = {name: [t / len(loaders[name].dataset) for t in times[name]] for name in times}
    for name, row in each.items():
        print(f"{name:30} {1 / statistics.median(row):9,.0f} images/s")
    for name, goal in (("DataLoader, PIL", 10), ("DataLoader, v2 on tensors", 5)):
        print(f"BatchLoader is {ratio(each[name], each['BatchLoader']):.1f} times as fast as {name} (goal: {goal})")


def measure_share(steps: int = 3) -> None:
    """Time to make a batch, as a share of a training step of ResNet-20 on it."""
    loader = BatchLoader(noise(BATCH * 100), BATCH, AUGMENT, shuffle=True)
    batches = list(itertools.islice(loader, steps))
    ways = {"loading": partial(consume, loader)}
    # Where a CPU has no instructions for bf16, it is emulated, and nobody trains so.
    precisions = list(dict.fromkeys(("fp32", pick_device(TrainConfig(device="cpu")).precision)))
    for precision in precisions:
        device = Device(torch.device("cpu"), precision)
        model = device.place(create_model("resnet20"))
        optimizer = make_optimizer(Recipe(lr=0.01), model)
        ways[precision] = partial(train_epoch, model, batches, optimizer, device)
    times = take_turns(ways, rounds=5)
    batch = [t / len(loader) for t in times["loading"]]
    print(f"{'one batch':30} {1e3 * statistics.median(batch):9.2f} ms")
    for precision in precisions:
        step = [t / steps for t in times[precision]]
        took = f"{1e3 * statistics.median(step):9.2f} ms"
        print(f"{'one step, ' + precision:30} {took}: loading takes {100 * ratio(batch, step):.2f} % (goal: under 3)")


def main() -> None:
    parts = {"loaders": measure_loaders, "share": measure_share}
    parser = argparse.ArgumentParser(description="Measure how fast batches are made.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"any of {', '.join(parts)} (default: all)")
    chosen = parser.parse_args().parts or list(parts)
    if unknown := set(chosen) - set(parts):
        parser.error(f"unknown part: {', '.join(sorted(unknown))}")
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, batches of {BATCH}")
    for name in chosen:
        parts[name]()


if __name__ == "__main__":
    main()
