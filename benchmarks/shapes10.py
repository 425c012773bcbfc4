"""Measure how fast Shapes-10 is drawn and how hard it is to learn.

Run from the repository root, all parts (about ten minutes on two CPU cores) or some of them:

    python benchmarks/shapes10.py
    python benchmarks/shapes10.py drawing resnet
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from resnet_tutorial.data.shapes import CLASSES, TEST_SEED, TRAIN_SEED, TRAIN_SIZE, draw_shapes, load_shapes10
from resnet_tutorial.models import create_model

Split = tuple[Tensor, Tensor]


def accuracy(scores: Tensor, labels: Tensor) -> float:
    """Return the accuracy in percent."""
    return 100 * (scores.argmax(dim=1) == labels).float().mean().item()


def measure_drawing() -> None:
    start = time.perf_counter()
    draw_shapes(TRAIN_SIZE, seed=0)
    print(f"drawing: {time.perf_counter() - start:.1f} s for {TRAIN_SIZE:,} pictures", flush=True)


# --- Simple classifiers ---


def load_flat() -> tuple[Split, Split]:
    """Return both splits with pixels as float rows of length 3072, standardized by the training set's mean and std."""
    train, test = load_shapes10()
    rows = [torch.from_numpy(images).flatten(1).float() / 255 for images, _ in (train, test)]
    mean, std = rows[0].mean(), rows[0].std()
    return tuple(
        (row.sub_(mean).div_(std), torch.from_numpy(labels))
        for row, (_, labels) in zip(rows, (train, test), strict=True)
    )


def train_softmax(train: Split, lr: float, weight_decay: float, epochs: int) -> nn.Linear:
    """Train softmax regression: one linear layer, one-cycle learning rate."""
    torch.manual_seed(0)
    x, y = train
    batch_size = 500
    model = nn.Linear(x.shape[1], len(CLASSES))
    optimizer = torch.optim.AdamW(model.parameters(), lr, weight_decay=weight_decay)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=epochs * (len(x) // batch_size))
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).view(-1, batch_size):
            loss = F.cross_entropy(model(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
    return model


@torch.no_grad()
def measure_softmax() -> None:
    """Choose learning rate and weight decay on 10,000 held-out training pictures, then train on all 50,000."""
    (x, y), (x_test, y_test) = load_flat()
    best = (0.0, 0.0, 0.0)
    for lr in (1e-4, 1e-3):
        for weight_decay in (1e-2, 1.0, 10.0):
            with torch.enable_grad():
                model = train_softmax((x[:40_000], y[:40_000]), lr, weight_decay, epochs=8)
            best = max(best, (accuracy(model(x[40_000:]), y[40_000:]), lr, weight_decay))
    _, lr, weight_decay = best
    with torch.enable_grad():
        model = train_softmax((x, y), lr, weight_decay, epochs=20)
    scores = f"{accuracy(model(x_test), y_test):.1f} % test, {accuracy(model(x), y):.1f} % train"
    print(f"softmax regression on pixels: {scores} (lr {lr}, weight decay {weight_decay})", flush=True)


def measure_color() -> None:
    """Classify by the 100 nearest neighbors in mean color, color spread, mean brightness and its spread."""

    def features(images: np.ndarray) -> Tensor:
        pixels = torch.from_numpy(images).flatten(1, 2).float() / 255
        gray = pixels.mean(dim=2)
        return torch.cat([pixels.mean(1), pixels.std(1), gray.mean(1, keepdim=True), gray.std(1, keepdim=True)], dim=1)

    (images, labels), (test_images, test_labels) = load_shapes10()
    x, x_test = features(images), features(test_images)
    x, x_test = (x - x.mean(0)) / x.std(0), (x_test - x.mean(0)) / x.std(0)
    y, y_test = F.one_hot(torch.from_numpy(labels)), torch.from_numpy(test_labels)
    votes = [y[torch.cdist(rows, x).topk(100, largest=False).indices].sum(dim=1) for rows in x_test.split(500)]
    print(f"nearest neighbors on color statistics: {accuracy(torch.cat(votes), y_test):.1f} % test", flush=True)


# --- ResNet-20 ---


def normalize(images: np.ndarray) -> Tensor:
    """Turn (n, 32, 32, 3) uint8 into (n, 3, 32, 32) float32 of about zero mean and unit variance."""
    return (torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.25


def augment(images: Tensor) -> Tensor:
    """Crop each picture at random from a version padded by 4 pixels, and flip half of them."""
    n, _, height, width = images.shape
    padded = F.pad(images, (4, 4, 4, 4)).permute(0, 2, 3, 1)
    rows = torch.randint(9, (n, 1)) + torch.arange(height)
    columns = torch.randint(9, (n, 1)) + torch.arange(width)
    columns = torch.where(torch.rand(n, 1) < 0.5, columns, columns.flip(1))
    picture = torch.arange(n)[:, None, None]
    return padded[picture, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


@torch.no_grad()
def evaluate(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    model.eval()
    with torch.autocast("cpu", torch.bfloat16):
        scores = torch.cat([model(batch) for batch in images.split(500)])
    return accuracy(scores, labels)


def measure_resnet(train_size: int, pictures: int, lr: float, batch_size: int) -> None:
    """Train ResNet-20 on ``train_size`` pictures until it has seen ``pictures``, and print test accuracy and time."""
    torch.manual_seed(0)
    images, labels = draw_shapes(train_size, TRAIN_SEED)
    test_images, test_labels = draw_shapes(10_000, TEST_SEED)
    x, y = normalize(images), torch.from_numpy(labels)
    model = create_model("resnet20", num_classes=len(CLASSES)).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr, momentum=0.9, nesterov=True, weight_decay=5e-4)
    steps = pictures // batch_size
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps)
    epochs = -(-pictures // train_size)
    order = torch.cat([torch.randperm(train_size) for _ in range(epochs)])
    start = time.perf_counter()
    model.train()
    for rows in order[: steps * batch_size].view(steps, batch_size):
        with torch.autocast("cpu", torch.bfloat16):
            scores = model(augment(x[rows]))
        loss = F.cross_entropy(scores.float(), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
    seconds = time.perf_counter() - start
    test = evaluate(model, normalize(test_images), torch.from_numpy(test_labels))
    print(f"ResNet-20, {train_size:,} pictures, {pictures:,} seen: {test:.1f} % test after {seconds:.0f} s", flush=True)


def main() -> None:
    parts = {
        "drawing": measure_drawing,
        "softmax": measure_softmax,
        "color": measure_color,
        "short": lambda: measure_resnet(10_000, 25_000, lr=0.1, batch_size=64),
        "resnet": lambda: measure_resnet(10_000, 120_000, lr=0.1, batch_size=64),
    }
    parser = argparse.ArgumentParser(description="Measure how fast Shapes-10 is drawn and how hard it is to learn.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"any of {', '.join(parts)} (default: all)")
    chosen = parser.parse_args().parts or list(parts)
    if unknown := set(chosen) - set(parts):
        parser.error(f"unknown part: {', '.join(sorted(unknown))}")
    for name in chosen:
        parts[name]()


if __name__ == "__main__":
    main()
