"""Measure how fast Shapes-10 is drawn and how hard it is to learn.

Run from the repository root, all parts (about ten minutes on two CPU cores) or some of them:

    python benchmarks/shapes10.py
    python benchmarks/shapes10.py drawing resnet
"""

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from resnet_tutorial import TrainConfig, Trainer, load_dataset
from resnet_tutorial.data.shapes import CLASSES, TRAIN_SIZE, draw_shapes, load_shapes10
from resnet_tutorial.training import load_recipe

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


def measure_resnet(train_size: int, epochs: int, lr: float) -> None:
    """Train ResNet-20 with the package's own trainer, and print test accuracy and time."""
    train_set, test_set = load_dataset("shapes10")
    recipe = replace(load_recipe("quick"), epochs=epochs, lr=lr, validation=0.0)
    with tempfile.TemporaryDirectory() as folder:
        config = TrainConfig(model="resnet20", train_size=train_size, recipe=recipe, ckpt_dir=Path(folder))
        record = Trainer(config, train_set, test_set, log=lambda line: None).fit()
    print(
        f"ResNet-20, {train_size:,} images, {epochs} epochs: {record.test['accuracy']:.1f} % test, "
        f"{record.seconds:.0f} s in {record.precision} on {record.machine['cores']} cores",
        flush=True,
    )


def main() -> None:
    parts = {
        "drawing": measure_drawing,
        "softmax": measure_softmax,
        "color": measure_color,
        "short": lambda: measure_resnet(4_000, epochs=6, lr=0.1),
        "resnet": lambda: measure_resnet(10_000, epochs=12, lr=0.1),
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
