"""The book's figures, in one style: matplotlib, colors that color-blind readers can tell apart, never color alone."""

import statistics
from collections.abc import Mapping, Sequence
from html import escape

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..analysis import ConfidenceBin, Estimate
from ..architectures import Architecture, get_architecture
from ..data import ImageDataset
from ..training import Recipe, RunRecord
from ..training.compare import group_runs, recipe_in_short, recipe_letters, run_name
from ..training.optim import learning_rates

# Okabe and Ito's palette (2008), with a marker for each color.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
KINDS = {"plain": ("plain", "--"), "resnet": ("residual", "-"), "preact": ("pre-activation", "-.")}
VALIDATION, TRAINING = {"linestyle": "-"}, {"linestyle": ":", "markerfacecolor": "white"}


def show_images(images: torch.Tensor, titles: list[str] | None = None, columns: int = 10, size: float = 0.9) -> Figure:
    """A grid of images.

    Args:
        images: uint8 N × H × W × 3.
        titles: one for each image, if given.
        columns: images in a row.
        size: width of one image, in inches.
    """
    rows = -(-len(images) // columns)
    lines = max((title.count("\n") + 1 for title in titles), default=0) if titles else 0
    height = 1.05 * size + 0.18 * lines
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


def show_runs(records: list[RunRecord]) -> Figure:
    """Loss and accuracy of many runs, epoch by epoch, in the color and with the marker of their experiment.

    Solid lines are of the validation part, dotted ones with hollow markers of the training images. Runs that differ in
    their seed alone share color and marker.

    Args:
        records: of runs with at least one epoch; others are left out.
    """
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    groups = group_runs([record for record in records if record.history])
    n = len(COLORS)
    looks = [{"color": COLORS[i % n], "marker": MARKERS[(i + i // n) % n], "markersize": 4} for i in range(len(groups))]
    panels = (("loss", "val_loss", "loss (nats)"), ("train_accuracy", "val_accuracy", "accuracy (%)"))
    for axis, (training, validation, label) in zip(axes, panels, strict=True):
        for runs, look in zip(groups, looks, strict=True):
            for run in runs:
                _draw_curve(axis, run, validation, look | VALIDATION)
                _draw_curve(axis, run, training, look | TRAINING)
        style(axis, "epoch", label)
        axis.xaxis.get_major_locator().set_params(integer=True)
    gray = {"color": "gray", "marker": "o", "markersize": 4}
    kinds = [{"label": "validation", **gray, **VALIDATION}, {"label": "training", **gray, **TRAINING}]
    names = _names_of(groups, recipe_letters(records))
    entries = kinds + [{"label": name, **look} for name, look in zip(names, looks, strict=True)]
    figure.legend(handles=[Line2D([], [], **entry) for entry in entries], frameon=False, loc="outside right upper")
    plt.close(figure)
    return figure


def _draw_curve(axis: plt.Axes, run: RunRecord, key: str, look: dict) -> None:
    if key in run.history[0]:  # not every run has a validation part
        axis.plot([row["epoch"] for row in run.history], [row[key] for row in run.history], **look)


def _names_of(groups: list[list[RunRecord]], recipes: dict[str, str]) -> list[str]:
    """A name for each group of runs; with data, recipe, precision and a number where the network is not enough."""
    firsts = [runs[0] for runs in groups]
    names = [run_name(run) for run in firsts]
    letters = {recipe: letter for letter, recipe in recipes.items()}
    details = (
        lambda run: run.data["name"],
        lambda run: f"recipe {letters[recipe_in_short(run)]}",
        lambda run: run.precision,
    )
    for detail in details:
        if len(set(map(detail, firsts))) > 1:
            names = [f"{name}, {detail(run)}" for name, run in zip(names, firsts, strict=True)]
    doubles = {name for name in names if names.count(name) > 1}
    names = [f"{name} ({i + 1})" if name in doubles else name for i, name in enumerate(names)]
    return [f"{name}, {len(runs)} seeds" if len(runs) > 1 else name for name, runs in zip(names, groups, strict=True)]


def show_degradation(runs: Mapping[str, Sequence[RunRecord]], own: Mapping[str, RunRecord] | None = None) -> Figure:
    """Training error of networks epoch by epoch, plain ones (dashed) and residual ones (solid) side by side.

    A line is the mean over the seeds; its band reaches from the lowest to the highest. After He et al. 2016,
    figure 6.

    Args:
        runs: for each network its runs, as `resnet_tutorial.figures.evidence.find_experiment` returns them.
        own: runs of your own by what to call them, drawn into every panel in black. The x axis then counts the images
            seen, on a logarithmic scale, so that runs of other lengths and on other data find their place.
    """
    own, kinds = own or {}, list(dict.fromkeys(_arch(each).kind for each in runs.values())) or ["plain"]
    depths = sorted({_arch(each).depth for each in runs.values()})
    figure, axes = plt.subplots(1, len(kinds), figsize=(5 * len(kinds), 4.2), sharey=True, squeeze=False)
    for axis, kind in zip(axes[0], kinds, strict=True):
        for name in (name for name in runs if _arch(runs[name]).kind == kind):
            look = _look(depths.index(_arch(runs[name]).depth)) | {"linestyle": KINDS[kind][1]}
            _draw_band(axis, name, runs[name], look, by_images=bool(own))
        for i, (name, run) in enumerate(own.items()):
            look = _look(i) | {"color": "black", "markersize": 7}
            axis.plot(_images_seen(run), _training_errors(run), label=name, **look)
        style(axis, "images seen" if own else "epoch", "training error (%)" if axis is axes[0, 0] else "")
        if own:
            axis.set_xscale("log")
        axis.set_title(KINDS[kind][0], fontsize=10)
        if axis.lines:
            axis.legend(frameon=False, fontsize=8, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.15))
    figure.tight_layout()
    plt.close(figure)
    return figure


def _draw_band(axis: plt.Axes, name: str, runs: Sequence[RunRecord], look: dict, by_images: bool) -> None:
    """Mean training error of some runs, with a band over them."""
    errors = list(zip(*map(_training_errors, runs), strict=True))
    places = _images_seen(runs[0]) if by_images else [row["epoch"] for row in runs[0].history]
    seeds = f", {len(runs)} seeds" if len(runs) > 1 else ""
    every = max(1, len(places) // 10)
    axis.plot(places, list(map(statistics.mean, errors)), label=name + seeds, markevery=every, **look)
    axis.fill_between(places, list(map(min, errors)), list(map(max, errors)), color=look["color"], alpha=0.2)


def show_depths(runs: Mapping[str, Sequence[RunRecord]]) -> Figure:
    """Error after the last epoch against depth: training and test, plain networks dashed and residual ones solid.

    A point is the mean over the seeds; its bar reaches one standard deviation (n − 1) up and down where there are
    several.

    Args:
        runs: for each network its runs, as `resnet_tutorial.figures.evidence.find_experiment` returns them.
    """
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.8))
    kinds = list(dict.fromkeys(_arch(each).kind for each in runs.values()))
    for axis, (label, error) in zip(axes, LAST_ERRORS.items(), strict=True):
        for i, kind in enumerate(kinds):
            group = sorted(
                (each for each in runs.values() if _arch(each).kind == kind), key=lambda each: _arch(each).depth
            )
            means, sds = zip(*(_mean_and_sd([error(run) for run in each]) for each in group), strict=True)
            look = _look(i) | {"linestyle": KINDS[kind][1], "markersize": 6}
            places = [_arch(each).depth for each in group]
            axis.errorbar(places, means, yerr=[sd or 0 for sd in sds], capsize=4, label=KINDS[kind][0], **look)
        style(axis, "depth (layers)", label)
        axis.set_xticks(sorted({_arch(each).depth for each in runs.values()}))
        if kinds:
            axis.legend(frameon=False)
    figure.tight_layout()
    plt.close(figure)
    return figure


LAST_ERRORS = {
    "training error (%)": lambda run: _training_errors(run)[-1],
    "test error (%)": lambda run: 100 - run.test["accuracy"],
}


def curves_table(runs: Mapping[str, Sequence[RunRecord]]) -> "DataTable":
    """The numbers of `show_degradation`: mean training error over the seeds, epoch by epoch."""
    means = {
        name: list(map(statistics.mean, zip(*map(_training_errors, each), strict=True))) for name, each in runs.items()
    }
    longest = max(map(len, means.values()), default=0)
    columns = {name: values + ["–"] * (longest - len(values)) for name, values in means.items()}
    return data_table({"epoch": list(range(1, longest + 1))} | columns, "The data of this figure: training error (%)")


def depths_table(runs: Mapping[str, Sequence[RunRecord]]) -> "DataTable":
    """The numbers of `show_depths`: means and standard deviations (n − 1) after the last epoch."""
    columns: dict[str, list] = {"network": list(runs), "runs": [len(each) for each in runs.values()]}
    for label, error in LAST_ERRORS.items():
        pairs = [_mean_and_sd([error(run) for run in each]) for each in runs.values()]
        columns[label] = [mean for mean, _ in pairs]
        columns[f"± {label}"] = ["–" if sd is None else sd for _, sd in pairs]
    return data_table(columns)


def _arch(runs: Sequence[RunRecord]) -> Architecture:
    return get_architecture(runs[0].model)


def _look(i: int) -> dict:
    return {"color": COLORS[i % len(COLORS)], "marker": MARKERS[i % len(MARKERS)], "markersize": 4}


def _training_errors(run: RunRecord) -> list[float]:
    return [100 - row["train_accuracy"] for row in run.history]


def _images_seen(run: RunRecord) -> list[int]:
    return [row["epoch"] * run.data["train"] for row in run.history]


def _mean_and_sd(values: list[float]) -> tuple[float, float | None]:
    return statistics.mean(values), statistics.stdev(values) if len(values) > 1 else None


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


def show_ladder(ladders: dict[str, dict[str, float | str]]) -> Figure:
    """Images per second rung by rung, each with its ratio to the first rung; a panel for each machine.

    Args:
        ladders: for each title, the rungs from the first to the last: images per second, or why there is no number.
    """
    rungs = [len(ladder) for ladder in ladders.values()]
    size = (8, 0.36 * sum(rungs) + 1.1 * len(rungs))
    figure, axes = plt.subplots(len(rungs), figsize=size, height_ratios=rungs, squeeze=False)
    for axis, (title, ladder) in zip(axes[:, 0], ladders.items(), strict=True):
        first = next(iter(ladder.values()))
        for row, speed in enumerate(ladder.values()):
            if isinstance(speed, str):
                axis.text(0, row, f" {speed}", va="center", fontsize=9, style="italic")
                continue
            axis.barh(row, speed, color=COLORS[0])
            axis.text(speed, row, f" {speed:,.0f} (× {speed / first:.2f})", va="center", fontsize=9)
        axis.set_yticks(range(len(ladder)), ladder)
        axis.set_ylim(len(ladder) - 0.5, -0.5)  # also where a rung has no bar
        axis.margins(x=0.25)
        style(axis, "images per second", "")
        axis.set_title(title, fontsize=10)
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


def show_intervals(
    estimates: dict[str, Estimate], x: str, points: dict[str, Sequence[float]] | None = None, line: float | None = None
) -> Figure:
    """Figures with their intervals, a row each from top to bottom, and the single values behind them.

    Args:
        estimates: for each name its figure, drawn as a filled circle, and its interval, drawn as a bar.
        x: name of the axis.
        points: for each name the single values, drawn as hollow diamonds, if given.
        line: place of a dashed vertical line, such as 0 for "no difference".
    """
    figure, axis = plt.subplots(figsize=(7, 0.9 + 0.36 * len(estimates)))
    for row, (name, estimate) in enumerate(estimates.items()):
        single = (points or {}).get(name, ())
        axis.plot(single, [row] * len(single), "D", color=COLORS[1], markerfacecolor="none", markersize=5)
        axis.plot([estimate.low, estimate.high], [row, row], "|-", color=COLORS[0], linewidth=2, markersize=10)
        axis.plot(estimate.value, row, "o", color=COLORS[0])
    if line is not None:
        axis.axvline(line, color=COLORS[6], linestyle="--", linewidth=1)
    axis.set_yticks(range(len(estimates)), estimates)
    axis.set_ylim(len(estimates) - 0.5, -0.5)
    style(axis, x, "")
    figure.tight_layout()
    plt.close(figure)
    return figure


def show_seeds(groups: dict[str, list[float]], x: str) -> Figure:
    """One mark for each run, a row for each group of runs, and an upright stroke at the mean of the group.

    Args:
        groups: for each name one figure for each run.
        x: name of the axis.
    """
    figure, axis = plt.subplots(figsize=(7, 0.45 * len(groups) + 1))
    for row, values in enumerate(groups.values()):
        mean = sum(values) / len(values)
        look = {"color": COLORS[row % len(COLORS)], "marker": MARKERS[row % len(MARKERS)]}
        axis.plot(values, [row] * len(values), linestyle="none", markersize=7, alpha=0.7, **look)
        axis.plot([mean, mean], [row - 0.3, row + 0.3], color=COLORS[6], linewidth=1.5)
    axis.set_yticks(range(len(groups)), groups)
    axis.set_ylim(len(groups) - 0.5, -0.5)
    style(axis, x, "")
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


def show_maps(rows: dict[str, torch.Tensor], images: torch.Tensor | None = None) -> Figure:
    """Feature maps, a row for each layer, each map from its own smallest value (dark) to its largest (bright).

    Args:
        rows: for each title maps, channels × h × w; as many in each row.
        images: one image for each row, uint8 N × H × W × 3, which stands first, if given.
    """
    columns = len(next(iter(rows.values()))) + (images is not None)
    figure, axes = plt.subplots(len(rows), columns, figsize=(0.85 * columns + 1, 0.85 * len(rows)), squeeze=False)
    for row, (title, maps) in enumerate(rows.items()):
        shown = [] if images is None else [images[row]]
        for axis, picture in zip(axes[row], [*shown, *maps], strict=True):
            axis.axis("off")
            axis.imshow(picture.numpy(), cmap="viridis", interpolation="nearest")
        axes[row, 0].text(-0.15, 0.5, title, transform=axes[row, 0].transAxes, ha="right", va="center", fontsize=9)
    figure.subplots_adjust(left=1.2 / (columns + 1.2), right=0.99, top=0.98, bottom=0.02, wspace=0.06, hspace=0.06)
    plt.close(figure)
    return figure


def show_heat(images: torch.Tensor, maps: torch.Tensor, titles: list[str], columns: int = 5) -> Figure:
    """Images, and below each the same image in gray under a map: bright and inside the line is where it is high.

    Args:
        images: uint8 N × H × W × 3.
        maps: N × h × w, 0 or larger; each is scaled to its own largest value. The line stands at half of it.
        titles: one for each image.
        columns: images in a row.
    """
    rows, size = -(-len(images) // columns), images.shape[1:3]
    figure, axes = plt.subplots(2 * rows, columns, figsize=(1.7 * columns, 3.7 * rows), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    heats = F.interpolate(maps[:, None], tuple(size), mode="bilinear")[:, 0]
    for i, (image, heat) in enumerate(zip(images, heats, strict=True)):
        above, below = axes[2 * (i // columns) : 2 * (i // columns) + 2, i % columns]
        above.imshow(image.numpy(), interpolation="nearest")
        above.set_title(titles[i], fontsize=8)
        below.imshow(image.float().mean(dim=-1).numpy(), cmap="gray", interpolation="nearest")
        below.imshow(heat.numpy(), cmap="inferno", alpha=0.6, vmin=0)
        if heat.max() > heat.min():
            below.contour(heat.numpy(), levels=[heat.max().item() / 2], colors="white", linewidths=1.5)
    figure.tight_layout(pad=0.3)
    plt.close(figure)
    return figure


def show_surfaces(surfaces: dict[str, torch.Tensor], along: list[float]) -> Figure:
    """Loss surfaces as contour lines that carry their value, a panel each, with the same levels; + is the network.

    Args:
        surfaces: for each title the losses, in nats, first direction × second direction.
        along: places on both directions.
    """
    low = min(surface.min().item() for surface in surfaces.values())
    high = max(surface.max().item() for surface in surfaces.values())
    levels = [
        low * (high / low) ** (k / 9) for k in range(10)
    ]  # equal factors: the valley is shown as well as the walls
    figure, axes = plt.subplots(1, len(surfaces), figsize=(4.4 * len(surfaces), 4.2), squeeze=False, sharey=True)
    for axis, (title, surface) in zip(axes[0], surfaces.items(), strict=True):
        axis.contourf(along, along, surface.T.numpy(), levels=levels, cmap="Blues", norm="log", extend="both")
        lines = axis.contour(along, along, surface.T.numpy(), levels=levels, colors="black", linewidths=0.7)
        axis.clabel(lines, fontsize=8, fmt="%.2g")
        axis.plot(0, 0, marker="+", markersize=12, color=COLORS[1])
        axis.set_title(title, fontsize=10)
        axis.set_aspect("equal")
        style(axis, "first direction", "second direction" if axis is axes[0, 0] else "")
    figure.tight_layout()
    plt.close(figure)
    return figure


def show_reliability(panels: dict[str, list[ConfidenceBin]]) -> Figure:
    """Reliability diagrams: the share of right answers against the confidence, bin by bin, a panel each.

    A bar that ends below the dashed line says that the network is surer than it is right.

    Args:
        panels: for each title, what `resnet_tutorial.analysis.reliability` returns.
    """
    figure, axes = plt.subplots(1, len(panels), figsize=(4 * len(panels), 3.8), squeeze=False, sharey=True)
    for axis, (title, bins) in zip(axes[0], panels.items(), strict=True):
        for entry in bins:
            width = entry.high - entry.low
            axis.bar(entry.low, entry.accuracy, width, align="edge", color=COLORS[5], edgecolor="black")
            axis.text((entry.low + entry.high) / 2, entry.accuracy + 0.02, entry.images, ha="center", fontsize=7)
        axis.plot([entry.confidence for entry in bins], [entry.accuracy for entry in bins], "o", color=COLORS[0])
        axis.plot([0, 1], [0, 1], linestyle="--", color=COLORS[6])
        axis.set_xlim(0, 1)
        axis.set_ylim(0, 1.08)
        axis.set_title(title, fontsize=10)
        style(axis, "confidence", "share of right answers" if axis is axes[0, 0] else "")
    figure.tight_layout()
    plt.close(figure)
    return figure


class DataTable:
    """What `data_table` returns: it shows itself in a notebook, and as text elsewhere."""

    def __init__(self, columns: dict[str, list], caption: str):
        self.caption = caption
        self.head = list(columns)
        self.rows = [[_cell(value) for value in row] for row in zip(*columns.values(), strict=True)]

    def __repr__(self) -> str:
        return "\n".join([self.caption, *("  ".join(row) for row in [self.head, *self.rows])])

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col">{escape(name)}</th>' for name in self.head)
        lines = ("".join(f"<td>{escape(text)}</td>" for text in row) for row in self.rows)
        body = "".join(f"<tr>{line}</tr>" for line in lines)
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        return f'<details class="rt-data"><summary>{escape(self.caption)}</summary>{table}</details>'


def data_table(columns: dict[str, list], caption: str = "The data of this figure") -> DataTable:
    """The numbers behind a figure, in a table that opens on a click.

    Args:
        columns: for each heading its column; numbers are shown with four digits.
        caption: what to click on.
    """
    return DataTable(columns, caption)


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def with_data(figure: Figure) -> "Tables":
    """Show a figure, and below it its numbers, read off the figure, in tables that open on a click.

    Args:
        figure: with lines, bars, or matrices that are shown as images. Of long lines evenly spaced points are listed.
    """
    from IPython.display import display

    display(figure)
    return Tables([table for axis in figure.axes for table in _tables_of(axis)])


class Tables(list):
    """Tables that show themselves one below the other."""

    def __repr__(self) -> str:
        return "\n\n".join(map(repr, self))

    def _repr_html_(self) -> str:
        return "".join(table._repr_html_() for table in self)


MOST_ROWS = 40


def _tables_of(axis: plt.Axes) -> list[DataTable]:
    """A table for the lines of one panel, for its bars, for its matrix: what there is."""
    panel = axis.get_title() or (axis.get_ylabel() if len(axis.figure.axes) > 1 else "")
    parts = ((panel, _line_columns(axis)), (f"{panel}, marks".removeprefix(", "), _mark_columns(axis)))
    parts += ((panel, _bar_columns(axis)), (panel, _matrix_columns(axis)))
    named = ((": ".join(filter(None, ["The data of this figure", what])), columns) for what, columns in parts)
    return [data_table(columns, caption) for caption, columns in named if columns]


def _line_columns(axis: plt.Axes) -> dict[str, list]:
    """A column of places, and one for each line; if the lines have different places, all points below each other."""
    x, y = axis.get_xlabel() or "x", axis.get_ylabel() or "y"
    lines = [(_name_of(line, y), *_points(line)) for line in axis.lines if line.get_transform() == axis.transData]
    if not lines:
        return {}
    if all(places == lines[0][1] for _, places, _ in lines):
        return {x: lines[0][1]} | {name: values for name, _, values in lines}
    rows = [(name, place, value) for name, places, values in lines for place, value in zip(places, values, strict=True)]
    return dict(zip(("line", x, y), map(list, zip(*rows, strict=True)), strict=True))


def _name_of(artist: object, otherwise: str) -> str:
    label = str(artist.get_label())
    return otherwise if label.startswith("_") else label


def _points(line: Line2D) -> tuple[list[float], list[float]]:
    step = -(-len(line.get_xdata()) // MOST_ROWS)
    return [float(v) for v in line.get_xdata()[::step]], [float(v) for v in line.get_ydata()[::step]]


def _mark_columns(axis: plt.Axes) -> dict[str, list]:
    """The named vertical lines."""
    marks = [line for line in axis.lines if line.get_transform() != axis.transData]
    if not marks:
        return {}
    return {"mark": [_name_of(line, "") for line in marks], axis.get_xlabel(): [line.get_xdata()[0] for line in marks]}


def _bar_columns(axis: plt.Axes) -> dict[str, list]:
    """For horizontal bars their names and lengths, a column for each kind of bar; for a histogram the bins."""
    bars = [(_name_of(bars, axis.get_xlabel()), bar) for bars in axis.containers for bar in bars]
    if not bars:
        return {}
    if axis.containers[0].orientation == "vertical":
        edges = [(bar.get_x(), bar.get_x() + bar.get_width(), bar.get_height()) for _, bar in bars]
        return dict(zip(("from", "to", axis.get_ylabel()), map(list, zip(*edges, strict=True)), strict=True))
    names = _tick_names(axis.yaxis)
    columns = {label: ["–"] * len(names) for label, _ in bars}
    for label, bar in bars:
        columns[label][round(bar.get_y() + bar.get_height() / 2)] = float(bar.get_width())
    return {"": names} | columns


def _matrix_columns(axis: plt.Axes) -> dict[str, list]:
    """The rows and columns of a matrix by the names at their ticks; a photo is none."""
    matrices = [image.get_array() for image in axis.images if image.get_array().ndim == 2]
    if not matrices:
        return {}
    columns = zip(_tick_names(axis.xaxis), matrices[0].T.tolist(), strict=True)
    return {f"{axis.get_ylabel()} ↓ {axis.get_xlabel()} →": _tick_names(axis.yaxis)} | dict(columns)


def _tick_names(axis: Axis) -> list[str]:
    """The names at the ticks, also where another panel shows them."""
    return [str(name) for name in axis.get_major_formatter().format_ticks(axis.get_majorticklocs())]
