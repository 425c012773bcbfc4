"""The book's figures, in one style: matplotlib, colors that color-blind readers can tell apart, never color alone."""

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure

from .architectures import get_architecture
from .data import ImageDataset
from .training import Recipe, RunRecord
from .training.optim import learning_rates

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


def show_schedules(recipes: dict[str, Recipe], steps_per_epoch: int = 20) -> Figure:
    """Learning rate of recipes over their epochs, a panel each, read off the real schedule at every step."""
    figure, axes = plt.subplots(1, len(recipes), figsize=(2.6 * len(recipes), 2.6), sharey=True, squeeze=False)
    for axis, (name, recipe) in zip(axes[0], recipes.items(), strict=True):
        rates = learning_rates(recipe, steps_per_epoch)
        epochs = [step / steps_per_epoch for step in range(len(rates))]
        axis.plot(epochs, rates, color=COLORS[0])
        axis.set_title(name, fontsize=10)
        style(axis, "epoch", "learning rate" if axis is axes[0, 0] else "")
    figure.tight_layout()
    plt.close(figure)
    return figure


def show_confusion(confusion: torch.Tensor, classes: tuple[str, ...]) -> Figure:
    """A confusion matrix with its percentages: true class by row, predicted class by column, rows adding up to 100."""
    share = 100 * confusion.double() / confusion.sum(dim=1, keepdim=True).clamp(min=1)
    figure, axis = plt.subplots(figsize=(6.4, 5.6))
    axis.imshow(share.numpy(), cmap="Blues", vmin=0, vmax=100)
    axis.set_xticks(range(len(classes)), classes, rotation=45, ha="right")
    axis.set_yticks(range(len(classes)), classes)
    axis.set_xlabel("predicted")
    axis.set_ylabel("true")
    for row, values in enumerate(share.tolist()):
        for column, value in enumerate(values):
            axis.text(
                column,
                row,
                f"{value:.0f}",
                ha="center",
                va="center",
                fontsize=8,
                color="white" if value > 50 else "black",
            )
    figure.tight_layout()
    plt.close(figure)
    return figure


def show_counts(*datasets: ImageDataset) -> Figure:
    """Images of each class, a group of bars for each class and a bar for each data set."""
    classes = datasets[0].classes
    height = 0.8 / len(datasets)
    figure, axis = plt.subplots(figsize=(7, 0.8 + 0.2 * len(classes) * (1 + len(datasets))))
    for i, dataset in enumerate(datasets):
        positions = [k + (i - (len(datasets) - 1) / 2) * height for k in range(len(classes))]
        hatch = ("", "///", "...")[i % 3]
        bars = axis.barh(
            positions, dataset.counts().tolist(), height, color=COLORS[i], hatch=hatch, label=dataset.split
        )
        for bar in bars:
            bar.set_edgecolor("white")
        axis.bar_label(bars, fmt="{:,.0f}", padding=3, fontsize=8)
    axis.set_yticks(range(len(classes)), classes)
    axis.invert_yaxis()
    style(axis, "images", "")
    axis.margins(x=0.1)
    axis.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(datasets))
    figure.tight_layout()
    plt.close(figure)
    return figure


def show_channels(images: torch.Tensor) -> Figure:
    """How often each of the 256 values occurs, a line for each color channel.

    Args:
        images: uint8 N × H × W × 3.
    """
    figure, axis = plt.subplots(figsize=(7, 3))
    channels = (("red", COLORS[1], "-"), ("green", COLORS[2], "--"), ("blue", COLORS[0], ":"))
    for channel, (name, color, line) in enumerate(channels):
        counts = torch.bincount(images[..., channel].flatten(), minlength=256).double()
        axis.plot(range(256), (100 * counts / counts.sum()).tolist(), color=color, linestyle=line, label=name)
    style(axis, "value of the pixel", "pixels (%)")
    axis.set_ylim(bottom=0)
    axis.legend(frameon=False)
    figure.tight_layout()
    plt.close(figure)
    return figure


def show_offsets(counts: torch.Tensor, titles: list[str]) -> Figure:
    """How often each offset was drawn: a table of rows by columns for each title, symmetric about 0.

    Args:
        counts: int64, tables × offsets × offsets.
        titles: one for each table.
    """
    tables, rows, columns = counts.shape
    figure, axes = plt.subplots(1, tables, figsize=(3.9 * tables, 4), squeeze=False, sharey=True)
    for axis, table, title in zip(axes[0], counts, titles, strict=True):
        axis.imshow(table.numpy(), cmap="Blues", vmin=0, vmax=2 * counts.double().mean().item())
        for row, values in enumerate(table.tolist()):
            for column, value in enumerate(values):
                axis.text(column, row, str(value), ha="center", va="center", fontsize=8)
        axis.set_xticks(range(columns), range(-(columns // 2), columns // 2 + 1))
        axis.set_yticks(range(rows), range(-(rows // 2), rows // 2 + 1))
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("offset to the right (pixels)")
    axes[0, 0].set_ylabel("offset downwards (pixels)")
    figure.tight_layout()
    plt.close(figure)
    return figure


def show_histogram(values: torch.Tensor, marks: dict[str, float], x: str, y: str = "count", bins: int = 20) -> Figure:
    """A histogram with named vertical lines.

    Args:
        values: any shape.
        marks: name and place of each line.
        x, y: names of the axes.
        bins: number of bins.
    """
    figure, axis = plt.subplots(figsize=(7, 3))
    axis.hist(values.flatten().tolist(), bins=bins, color=COLORS[5], edgecolor="white")
    for i, (name, place) in enumerate(marks.items()):
        axis.axvline(place, color=(COLORS[6], COLORS[1])[i % 2], linestyle=("--", "-")[i % 2], label=name)
    style(axis, x, y)
    axis.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(marks))
    figure.tight_layout()
    plt.close(figure)
    return figure


def show_curves(
    curves: dict[str, tuple[list[float], list[float]]],
    x: str,
    y: str,
    log_x: bool = False,
    from_zero: bool = False,
    log_y: bool = False,
) -> Figure:
    """Named curves with markers.

    Args:
        curves: for each name, the places on the x axis and the values.
        x, y: names of the axes.
        log_x: whether the x axis is logarithmic.
        from_zero: whether the y axis starts at zero.
        log_y: whether the y axis is logarithmic.
    """
    figure, axis = plt.subplots(figsize=(7, 3))
    for i, (name, (places, values)) in enumerate(curves.items()):
        axis.plot(places, values, color=COLORS[i], marker=MARKERS[i], markersize=5, label=name)
    if log_x:
        axis.set_xscale("log")
    if log_y:
        axis.set_yscale("log")
    if from_zero:
        axis.set_ylim(bottom=0)
    style(axis, x, y)
    axis.legend(frameon=False)
    figure.tight_layout()
    plt.close(figure)
    return figure


def show_costs(costs: dict[str, tuple[int, int]]) -> Figure:
    """Parameters against multiply-accumulates of networks, both logarithmic, one marker for each family.

    Args:
        costs: parameters and MACs by the network's name.
    """
    figure, axis = plt.subplots(figsize=(7, 4.2))
    for i, family in enumerate(("three-stage", "four-stage")):
        names = [name for name in costs if get_architecture(name).family == family]
        x, y = zip(*((costs[name][0], costs[name][1] / 1e6) for name in names), strict=True)
        axis.scatter(x, y, color=COLORS[i], marker=MARKERS[i], label=family, zorder=3)
        for name, point in zip(names, zip(x, y, strict=True), strict=True):
            # Three-stage names stand above the line, four-stage names below, but for ResNet-50, close to ResNet-34.
            above = family == "three-stage" or name == "resnet50"
            where = {"xytext": (-5, 2), "ha": "right", "va": "bottom"} if above else {"xytext": (6, -3), "va": "top"}
            axis.annotate(get_architecture(name).title, point, textcoords="offset points", fontsize=8, **where)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.margins(x=0.16, y=0.1)
    style(axis, "parameters", "million multiply-accumulates")
    axis.legend(frameon=False)
    figure.tight_layout()
    plt.close(figure)
    return figure


def draw_blocks(blocks: dict[str, tuple[list[str], str | None]]) -> Figure:
    """Blocks as flow charts, from the input at the top to the output at the bottom.

    Args:
        blocks: for each block, the layers of its branch and the name of its shortcut, or None where it has none.
    """
    rows = max(len(layers) for layers, _ in blocks.values()) + 3
    figure, axes = plt.subplots(1, len(blocks), figsize=(2.4 * len(blocks), 0.56 * rows), squeeze=False, sharey=True)
    arrow = {"arrowstyle": "->", "color": COLORS[6], "shrinkA": 0, "shrinkB": 0}
    for axis, (title, (layers, shortcut)) in zip(axes[0], blocks.items(), strict=True):
        texts = ["x", *layers, *(["+"] if shortcut else []), "ReLU"]
        for row, text in enumerate(texts):
            final = row == len(texts) - 1
            height = -(rows - 1) if final else -row
            shape = "circle" if text == "+" else "round"
            fill = "#DCE9F5" if text == "ReLU" else "#FBE3D0" if text == "+" else "white"
            if text != "x":
                # An arrow from the lower edge of the box before to the upper edge of this one.
                axis.annotate("", (0, height + 0.26), (0, 1 - row - 0.26), arrowprops=arrow)
            box = {"boxstyle": f"{shape},pad=0.3", "facecolor": fill, "edgecolor": "none" if text == "x" else "black"}
            axis.text(0, height, text, ha="center", va="center", fontsize=9, bbox=box)
        axis.annotate("", (0, -rows + 0.3), (0, -rows + 0.74), arrowprops=arrow)
        if shortcut:
            end = -len(layers) - 1
            axis.plot([0.16, 1.1, 1.1], [0, 0, end], color=COLORS[1], linewidth=1.8)
            axis.annotate("", (0.2, end), (1.1, end), arrowprops={**arrow, "color": COLORS[1], "linewidth": 1.8})
            axis.text(1.18, end / 2, shortcut, rotation=270, ha="left", va="center", fontsize=9, color=COLORS[1])
        axis.set_title(title, fontsize=10)
        axis.set_xlim(-0.9, 1.5)
        axis.set_ylim(-rows + 0.2, 0.4)
        axis.axis("off")
    figure.tight_layout(pad=0.4)
    plt.close(figure)
    return figure
