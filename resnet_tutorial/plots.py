"""The book's figures, in one style: matplotlib, colors that color-blind readers can tell apart, never color alone."""

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure

from .data import ImageDataset
from .training import RunRecord

# Okabe and Ito's palette (2008), with a marker for each color.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def show_images(images: torch.Tensor, titles: list[str] | None = None, columns: int = 10, size: float = 0.9) -> Figure:
    """A grid of images.

    Args:
        images: uint8 N × H × W × 3.
        titles: one for each image, if given.
        columns: images in a row.
        size: width of one image, in inches.
    """
    rows = -(-len(images) // columns)
    height = size * (1.25 if titles else 1.05)
    figure, axes = plt.subplots(rows, columns, figsize=(size * columns, height * rows), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for i, image in enumerate(images):
        axes.flat[i].imshow(image.numpy(), interpolation="nearest")
        if titles:
            axes.flat[i].set_title(titles[i], fontsize=8)
    figure.tight_layout(pad=0.3)
    plt.close(figure)
    return figure


def show_classes(dataset: ImageDataset, per_class: int = 10) -> Figure:
    """A grid with the first images of each class, one class a row."""
    figure, axes = plt.subplots(
        len(dataset.classes), per_class, figsize=(0.7 * per_class + 1, 0.7 * len(dataset.classes)), squeeze=False
    )
    for label, name in enumerate(dataset.classes):
        chosen = (dataset.labels == label).nonzero().flatten()[:per_class]
        for axis in axes[label]:
            axis.axis("off")
        for axis, index in zip(axes[label], chosen, strict=False):
            axis.imshow(dataset.images[index].numpy(), interpolation="nearest")
        axes[label, 0].text(-0.2, 0.5, name, transform=axes[label, 0].transAxes, ha="right", va="center", fontsize=9)
    figure.subplots_adjust(left=0.16, right=0.99, top=0.99, bottom=0.01, wspace=0.05, hspace=0.05)
    plt.close(figure)
    return figure


def show_training(record: RunRecord) -> Figure:
    """Loss, accuracy and learning rate of a run, epoch by epoch."""
    epochs = [row["epoch"] for row in record.history]
    figure, axes = plt.subplots(1, 3, figsize=(10, 3))
    panels = (
        ("loss (nats)", (("loss", "training"), ("val_loss", "validation"))),
        ("accuracy (%)", (("train_accuracy", "training"), ("val_accuracy", "validation"))),
        ("learning rate at the start", (("lr", "learning rate"),)),
    )
    for axis, (label, curves) in zip(axes, panels, strict=True):
        for i, (key, name) in enumerate(curves):
            if key in record.history[0]:
                values = [row[key] for row in record.history]
                axis.plot(epochs, values, color=COLORS[i], marker=MARKERS[i], markersize=4, label=name)
        style(axis, "epoch", label)
        if len(curves) > 1:
            axis.legend(frameon=False)
    figure.tight_layout()
    plt.close(figure)
    return figure


def style(axis: plt.Axes, x: str, y: str) -> None:
    """Name the axes, draw a light grid, take away the frame's upper and right side."""
    axis.set_xlabel(x)
    axis.set_ylabel(y)
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
