"""The book's figures, in one style: matplotlib, colors that color-blind readers can tell apart, never color alone.

What draws numbers makes a frame of them, draws that, and returns both as a `Chart`. What is black takes the color of
the page's text; what must stay dark in the dark, as letters on a light ground of their own, is `DARK`. A panel is at
most five inches wide, so that its letters can still be read on a phone. What shows images returns `Pictures`.
"""

import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from html import escape

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from pandas import DataFrame, Series

from ..analysis import ConfidenceBin, Estimate
from ..architectures import get_architecture
from ..data import ImageDataset
from ..training import Recipe, RunRecord
from ..training.optim import learning_rates
from .colors import COLORS
from .pictures import Pictures
from .results import epochs, group_runs, last_epochs
from .tables import DataTable

# A marker for each color.
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DARK = "#111111"
# A kind of network has its color and its dashes in every figure.
KINDS = {
    "plain": ("plain", {"color": COLORS[0], "linestyle": "--"}),
    "resnet": ("residual", {"color": COLORS[1], "linestyle": "-"}),
    "preact": ("pre-activation", {"color": COLORS[2], "linestyle": "-."}),
}
TITLES = {"plain": "plain: no shortcuts", "resnet": "residual: with shortcuts", "preact": "pre-activation"}
VALIDATION, TRAINING = {"linestyle": "-"}, {"linestyle": ":", "markerfacecolor": "white"}
HISTORY = {  # the columns of `epochs`, as a table calls them
    "loss": "training loss (nats)",
    "val_loss": "validation loss (nats)",
    "train_accuracy": "training accuracy (%)",
    "val_accuracy": "validation accuracy (%)",
    "lr": "learning rate at the start",
}
ERRORS = {"train_error": "training error (%)", "test_error": "test error (%)"}  # those of `last_epochs`
MOST_ROWS = 40  # of the table of a long curve, which lists evenly spaced points


class Chart:
    """A figure with the frames that it was drawn from.

    In a notebook it shows the picture, as SVG in the colors of the page, and below it the numbers, in tables that open
    on a click.

    Attributes:
        figure: of matplotlib.
        frames: the numbers; where a figure has several tables, each by what its caption adds.
    """

    def __init__(self, figure: Figure, frames: DataFrame | Mapping[str, DataFrame]):
        self.figure, self.frames = figure, {"": frames} if isinstance(frames, DataFrame) else dict(frames)

    @property
    def tables(self) -> list[DataTable]:
        """The frames as they are shown."""
        what = "The data of this figure"
        return [DataTable(frame, f"{what}: {name}" if name else what) for name, frame in self.frames.items()]

    def __repr__(self) -> str:
        return "\n\n".join(map(repr, self.tables))

    def _repr_html_(self) -> str:
        panels, tables = "".join(_panels(self.figure)), "".join(table._repr_html_() for table in self.tables)
        look = "display: flex; flex-wrap: wrap; gap: 0.5rem; justify-content: center"
        return f'<div class="rt-chart" style="{look}">{panels}</div>{tables}'


def _panels(figure: Figure) -> list[str]:
    """The panels of a figure as SVG, which stand below each other where the page is narrow.

    Their letters are those of the text where a panel is as wide as it was drawn. It may grow by a quarter.
    """
    axes = figure.axes
    found = []
    for panel in axes:
        for axis in axes:
            axis.set_visible(axis is panel)
        inches = figure.dpi_scale_trans.inverted()
        box = "tight" if panel.axison else panel.get_legend().get_tightbbox().transformed(inches)
        file = io.StringIO()
        with plt.rc_context({"svg.fonttype": "none"}):
            figure.savefig(file, format="svg", transparent=True, bbox_inches=box, metadata={"Date": None})
        svg = re.sub(r"<metadata>.*?</metadata>", "", file.getvalue().partition("<svg ")[2], flags=re.DOTALL)
        # Nothing refers to a group, and a page has many figures with the same ones. Black letters have no color at all.
        svg = re.sub(r'<g id="[^"]*">', "<g>", svg).replace("#000000", "currentColor")
        svg = svg.replace(COLORS[0].lower(), f"var(--rt-blue, {COLORS[0]})")  # a dark page has a lighter blue
        width = re.search(r'width="(.*?)"', svg)[1]
        look = f"flex: 1 1 calc(0.8 * {width}); min-width: 0; max-width: calc(1.25 * {width}); height: auto"
        words = escape(_in_words(panel))
        found.append(f'<svg role="img" aria-label="{words}" style="{look}" fill="currentColor" {svg}')
    for axis in axes:
        axis.set_visible(True)
    return found


def _in_words(axis: plt.Axes) -> str:
    """What a panel shows, for those who hear it."""
    title = f"{axis.get_title()}: " if axis.get_title() else ""
    drawn = [label for label in axis.get_legend_handles_labels()[1] if label]
    lines = f", for {', '.join(drawn)}" if drawn else ""
    if not axis.axison:
        return f"legend{lines}"
    return f"{title}{axis.get_ylabel() or 'a chart'} against {axis.get_xlabel() or 'its rows'}{lines}"


def finished(figure: Figure, pad: float = 1.08) -> Figure:
    """The figure with its parts set close to each other; pyplot forgets it."""
    figure.tight_layout(pad=pad)
    plt.close(figure)
    return figure


def style(axis: plt.Axes, x: str, y: str) -> None:
    """Name the axes, draw a light grid, take away the frame's upper and right side."""
    axis.set_xlabel(x)
    axis.set_ylabel(y)
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)


def name_curves(axis: plt.Axes) -> None:
    """A legend above the panel, where no curve can cross it, in as many columns as fit; the figure grows by it."""
    labels = axis.get_legend_handles_labels()[1]
    columns = max(1, min(len(labels), 52 // (6 + max(map(len, labels), default=0))))
    axis.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=columns)
    if axis is axis.figure.axes[0]:  # the panels beside it have the same room
        axis.figure.set_figheight(axis.figure.get_figheight() + 0.2 * len(labels) / columns)


def _look(i: int) -> dict:
    return {"color": COLORS[i % len(COLORS)], "marker": MARKERS[i % len(MARKERS)], "markersize": 4}


def _looks(names: Iterable[str]) -> dict[str, dict]:
    """How to draw each: a network by its kind and, among several of a kind, by marker and width; others in turn."""
    looks = {}
    kinds = Counter()
    for i, name in enumerate(names):
        kind = next((key for key, (word, _) in KINDS.items() if name.startswith((key, word))), None)
        look = {"linewidth": 1.2 + 0.4 * kinds[kind], **KINDS[kind][1]} if kind else {}
        looks[name] = _look(kinds[kind] if kind else i) | look
        kinds[kind] += 1
    return looks


def _with_seeds(name: str, runs: int) -> str:
    return f"{name}, {runs} seeds" if runs > 1 else name


def _thinned(frame: DataFrame) -> DataFrame:
    return frame.iloc[:: -(-len(frame) // MOST_ROWS)]


def show_images(
    images: torch.Tensor, titles: list[str] | None = None, columns: int = 10, size: float = 0.9
) -> Pictures:
    """A grid of images.

    Args:
        images: uint8 N × H × W × 3.
        titles: one for each image, if given.
        columns: images in a row.
        size: width of one image, in inches.
    """
    return Pictures([images[i : i + columns] for i in range(0, len(images), columns)], titles=titles, size=size)


def show_classes(dataset: ImageDataset, per_class: int = 10) -> Pictures:
    """A grid with the first images of each class, one class a row."""
    names = dict(enumerate(dataset.classes))
    rows = {names[k]: dataset.images[dataset.labels == k][:per_class] for k in names if (dataset.labels == k).any()}
    return Pictures(list(rows.values()), list(rows), size=0.6)


def show_training(record: RunRecord) -> Chart:
    """Loss, accuracy and learning rate of a run, epoch by epoch."""
    frame = epochs([record]).dropna(axis="columns", how="all")
    figure, axes = plt.subplots(1, 3, figsize=(9.3, 3))
    panels = (
        ("loss (nats)", {"loss": "training", "val_loss": "validation"}),
        ("accuracy (%)", {"train_accuracy": "training", "val_accuracy": "validation"}),
        ("learning rate at the start", {"lr": "learning rate"}),
    )
    for axis, (label, curves) in zip(axes, panels, strict=True):
        for i, (key, name) in enumerate(curves.items()):
            if key in frame:
                axis.plot(frame["epoch"], frame[key], label=name, **_look(i))
        style(axis, "epoch", label)
        if len(curves) > 1:
            name_curves(axis)
    return Chart(finished(figure), frame[["epoch", *(key for key in HISTORY if key in frame)]].rename(columns=HISTORY))


def show_runs(records: Sequence[RunRecord]) -> Chart:
    """Loss and accuracy of many runs, epoch by epoch, in the color and with the marker of their experiment.

    Solid lines are of the validation part, dotted ones with hollow markers of the training images. Runs that differ in
    their seed alone share color and marker.

    Args:
        records: of runs with at least one epoch; others are left out.
    """
    frame, n = epochs(records), len(COLORS)
    figure, axes = plt.subplots(1, 3, figsize=(13.5, 3.8))
    runs = frame.groupby("network", sort=False)["run"].nunique()
    looks = {name: _look(i) | {"marker": MARKERS[(i + i // n) % n]} for i, name in enumerate(runs.index)}
    panels = (("loss", "val_loss", "loss (nats)"), ("train_accuracy", "val_accuracy", "accuracy (%)"))
    for axis, (training, validation, label) in zip(axes[:2], panels, strict=True):
        for (name, _), run in frame.groupby(["network", "run"], sort=False):
            axis.plot(run["epoch"], run[validation], **looks[name] | VALIDATION)
            axis.plot(run["epoch"], run[training], **looks[name] | TRAINING)
        style(axis, "epoch", label)
        axis.xaxis.get_major_locator().set_params(integer=True)
    gray = {"color": "gray", "marker": "o", "markersize": 4}
    entries = [{"label": "validation", **gray, **VALIDATION}, {"label": "training", **gray, **TRAINING}]
    entries += [{"label": _with_seeds(name, runs[name]), **look} for name, look in looks.items()]
    axes[2].legend(handles=[Line2D([], [], **entry) for entry in entries], frameon=False, loc="upper left")
    axes[2].axis("off")
    return Chart(finished(figure), frame[["network", "seed", "epoch", *HISTORY]].rename(columns=HISTORY))


def show_degradation(records: Sequence[RunRecord]) -> Chart:
    """Training error of networks epoch by epoch, plain ones (dashed) and residual ones (solid) side by side.

    A line is the mean over the seeds; its band reaches from the lowest to the highest. After He et al. 2016,
    figure 6.

    Args:
        records: runs of the networks.
    """
    groups = {name: runs for name, runs in group_runs(records).items() if runs[0].history}
    archs = {name: get_architecture(runs[0].model) for name, runs in groups.items()}
    kinds, looks = list(dict.fromkeys(arch.kind for arch in archs.values())) or ["plain"], _looks(archs)
    by_epoch = epochs(records).groupby(["network", "epoch"], sort=False)
    errors = by_epoch["train_error"].agg(["min", "mean", "max"])
    figure, axes = plt.subplots(1, len(kinds), figsize=(4.3 * len(kinds), 3.8), sharey=True, squeeze=False)
    for axis, kind in zip(axes[0], kinds, strict=True):
        for name in (name for name, arch in archs.items() if arch.kind == kind):
            band, look = errors.loc[name].reset_index(), looks[name]
            label, every = _with_seeds(name, len(groups[name])), max(1, len(band) // 10)
            axis.plot(band["epoch"], band["mean"], markevery=every, label=label, **look)
            axis.fill_between(band["epoch"], band["min"], band["max"], color=look["color"], alpha=0.2)
        style(axis, "epoch", "training error (%)")
        axis.set_title(TITLES[kind], fontsize=10)
        axis.tick_params(labelleft=True)  # also where the panels stand below each other
        if axis.lines:
            axis.legend(frameon=False, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.15))
    means = DataFrame({name: errors.loc[name]["mean"] for name in archs})
    return Chart(finished(figure), {"training error (%)": means.rename_axis("epoch").reset_index()})


def show_depths(records: Sequence[RunRecord], errors: Sequence[str] = tuple(ERRORS)) -> Chart:
    """Error after the last epoch against depth, a panel each: plain networks dashed and residual ones solid.

    A point is the mean over the seeds; its bar reaches one standard deviation (n − 1) up and down where there are
    several.

    Args:
        records: finished runs of the networks.
        errors: ``train_error``, ``test_error`` or both.
    """
    networks = last_epochs(records).groupby("network", sort=False)
    table = networks.agg(model=("model", "first"), runs=("seed", "size"))
    for key, label in ERRORS.items():
        table[label], table[f"± {label}"] = networks[key].mean(), networks[key].std()
    archs = [get_architecture(model) for model in table.pop("model")]
    drawn = table.assign(kind=[arch.kind for arch in archs], depth=[arch.depth for arch in archs])
    drawn = drawn.sort_values("depth", kind="stable")
    figure, axes = plt.subplots(1, len(errors), figsize=(4.3 * len(errors), 3.5), squeeze=False)
    for axis, label in zip(axes[0], map(ERRORS.get, errors), strict=True):
        for i, (kind, group) in enumerate(drawn.groupby("kind", sort=False)):
            name, look = KINDS[kind]
            bars, marker = group[f"± {label}"].fillna(0), MARKERS[i]
            axis.errorbar(group["depth"], group[label], bars, capsize=4, marker=marker, label=name, **look)
        style(axis, "depth (layers)", label)
        axis.set_xticks(sorted(set(drawn["depth"])))
        if len(table):
            name_curves(axis)
    return Chart(finished(figure), table.reset_index())


def show_seeds(records: Sequence[RunRecord]) -> Chart:
    """Test error after the last epoch: a mark for each run, a row for each network, an upright stroke at its mean.

    Args:
        records: finished runs.
    """
    error = ERRORS["test_error"]
    frame = last_epochs(records).rename(columns=ERRORS)[["network", "seed", error]]
    networks = frame.groupby("network", sort=False)[error]
    looks = _looks(networks.groups)
    figure, axis = plt.subplots(figsize=(4.8, 0.45 * len(networks) + 1))
    for row, (name, values) in enumerate(networks):
        axis.plot(values, [row] * len(values), **looks[name] | {"linestyle": "none", "markersize": 7, "alpha": 0.7})
        axis.plot([values.mean()] * 2, [row - 0.3, row + 0.3], color=COLORS[6], linewidth=1.5)
    axis.set_yticks(range(len(networks)), frame["network"].unique())
    axis.set_ylim(max(len(networks), 1) - 0.5, -0.5)
    style(axis, "test error after the last epoch (%)", "")
    return Chart(finished(figure), frame)


def show_schedules(recipes: dict[str, Recipe], steps_per_epoch: int = 20) -> Chart:
    """Learning rate of recipes over their epochs, a panel each, read off the real schedule at every step."""
    figure, axes = plt.subplots(1, len(recipes), figsize=(2.4 * len(recipes), 2.4), sharey=True, squeeze=False)
    frame = DataFrame({name: Series(learning_rates(recipe, steps_per_epoch)) for name, recipe in recipes.items()})
    frame.insert(0, "epoch", frame.index / steps_per_epoch)
    for axis, name in zip(axes[0], recipes, strict=True):
        axis.plot(frame["epoch"], frame[name], color=COLORS[0])
        axis.set_title(name, fontsize=10)
        axis.tick_params(labelleft=True)
        style(axis, "epoch", "learning rate")
    return Chart(finished(figure), {"learning rate": _thinned(frame)})


def show_ladder(ladders: dict[str, dict[str, float | str]]) -> Chart:
    """Images per second rung by rung, each with its ratio to the first rung; a panel for each machine.

    Args:
        ladders: for each title, the rungs from the first to the last: images per second, or why there is no number.
    """
    rungs = [len(ladder) for ladder in ladders.values()]
    size = (5.2, 0.36 * sum(rungs) + 1.1 * len(rungs))
    figure, axes = plt.subplots(len(rungs), figsize=size, height_ratios=rungs, squeeze=False)
    for axis, (title, ladder) in zip(axes[:, 0], ladders.items(), strict=True):
        first = next(iter(ladder.values()))
        for row, speed in enumerate(ladder.values()):
            if isinstance(speed, str):
                axis.text(0, row, f" {speed}", va="center", style="italic")
                continue
            axis.barh(row, speed, color=COLORS[0])
            axis.text(speed, row, f" {speed:,.0f} (× {speed / first:.2f})", va="center")
        axis.set_yticks(range(len(ladder)), ladder)
        axis.set_ylim(len(ladder) - 0.5, -0.5)  # also where a rung has no bar
        axis.margins(x=0.6)  # room for the numbers
        style(axis, "images per second", "")
        axis.set_title(title, fontsize=10)
    frames = {
        title: DataFrame({"rung": list(ladder), "images per second": list(ladder.values())}, dtype=object)
        for title, ladder in ladders.items()
    }
    return Chart(finished(figure), frames)


def show_confusion(confusion: torch.Tensor, classes: tuple[str, ...]) -> Chart:
    """A confusion matrix with its percentages: true class by row, predicted class by column, rows adding up to 100."""
    share = 100 * confusion.double() / confusion.sum(dim=1, keepdim=True).clamp(min=1)
    figure, axis = plt.subplots(figsize=(5, 4.6))
    frame = DataFrame(share.numpy(), columns=list(classes))
    axis.imshow(frame, cmap="Blues", vmin=0, vmax=100)
    axis.set_xticks(range(len(classes)), classes, rotation=45, ha="right")
    axis.set_yticks(range(len(classes)), classes)
    axis.set_xlabel("predicted")
    axis.set_ylabel("true")
    for row, values in enumerate(frame.to_numpy()):
        for column, value in enumerate(values):
            axis.text(
                column,
                row,
                f"{value:.0f}",
                ha="center",
                va="center",
                fontsize=9,
                color="white" if value > 50 else DARK,
            )
    frame.insert(0, "true ↓ predicted →", classes)
    return Chart(finished(figure), frame)


def show_counts(*datasets: ImageDataset) -> Chart:
    """Images of each class, a group of bars for each class and a bar for each data set."""
    classes = datasets[0].classes
    frame = DataFrame({"class": classes} | {dataset.split: dataset.counts().tolist() for dataset in datasets})
    height = 0.8 / len(datasets)
    figure, axis = plt.subplots(figsize=(4.8, 0.8 + 0.2 * len(classes) * (1 + len(datasets))))
    for i, split in enumerate(frame.columns[1:]):
        positions = [k + (i - (len(datasets) - 1) / 2) * height for k in range(len(classes))]
        hatch = ("", "///", "...")[i % 3]
        bars = axis.barh(positions, frame[split], height, color=COLORS[i], hatch=hatch, label=split)
        for bar in bars:
            bar.set_edgecolor("white")
        axis.bar_label(bars, fmt="{:,.0f}", padding=3, fontsize=9)
    axis.set_yticks(range(len(classes)), classes)
    axis.invert_yaxis()
    style(axis, "images", "")
    axis.margins(x=0.15)
    name_curves(axis)
    return Chart(finished(figure), frame)


def show_channels(images: torch.Tensor) -> Chart:
    """How often each of the 256 values occurs, a line for each color channel.

    Args:
        images: uint8 N × H × W × 3.
    """
    figure, axis = plt.subplots(figsize=(4.8, 2.9))
    channels = (("red", COLORS[1], "-"), ("green", COLORS[2], "--"), ("blue", COLORS[0], ":"))
    frame = DataFrame({"value of the pixel": range(256)})
    for channel, (name, color, line) in enumerate(channels):
        counts = torch.bincount(images[..., channel].flatten(), minlength=256).double()
        frame[name] = (100 * counts / counts.sum()).numpy()
        axis.plot(frame[name], color=color, linestyle=line, label=name)
    style(axis, "value of the pixel", "pixels (%)")
    axis.set_ylim(bottom=0)
    name_curves(axis)
    return Chart(finished(figure), {"pixels (%)": _thinned(frame)})


def show_offsets(counts: torch.Tensor, titles: list[str]) -> Chart:
    """How often each offset was drawn: a table of rows by columns for each title, symmetric about 0.

    Args:
        counts: int64, tables × offsets × offsets.
        titles: one for each table.
    """
    tables, rows, columns = counts.shape
    down, right = (range(-(n // 2), n // 2 + 1) for n in (rows, columns))
    frames = {title: DataFrame(table, columns=right) for title, table in zip(titles, counts.tolist(), strict=True)}
    figure, axes = plt.subplots(1, tables, figsize=(4.2 * tables, 4.2), squeeze=False)
    for axis, (title, frame) in zip(axes[0], frames.items(), strict=True):
        axis.imshow(frame, cmap="Blues", vmin=0, vmax=2 * counts.double().mean().item())
        for row, values in enumerate(frame.to_numpy()):
            for column, value in enumerate(values):
                axis.text(column, row, str(value), ha="center", va="center", fontsize=8, color=DARK)
        axis.set_xticks(range(columns), right)
        axis.set_yticks(range(rows), down)
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("offset to the right (pixels)")
        axis.set_ylabel("offset downwards (pixels)")
        frame.insert(0, "downwards ↓ to the right →", down)
    return Chart(finished(figure), frames)


def show_histogram(values: torch.Tensor, marks: dict[str, float], x: str, y: str = "count", bins: int = 20) -> Chart:
    """A histogram with named vertical lines.

    Args:
        values: any shape.
        marks: name and place of each line.
        x, y: names of the axes.
        bins: number of bins.
    """
    figure, axis = plt.subplots(figsize=(4.8, 2.9))
    counts, edges = np.histogram(values.flatten().tolist(), bins)
    axis.stairs(counts, edges, fill=True, color=COLORS[5])
    for i, (name, place) in enumerate(marks.items()):
        axis.axvline(place, color=(COLORS[6], COLORS[1])[i % 2], linestyle=("--", "-")[i % 2], label=name)
    style(axis, x, y)
    name_curves(axis)
    lines = DataFrame({"mark": list(marks), x: list(marks.values())})
    frame = DataFrame({"from": edges[:-1], "to": edges[1:], y: counts})
    return Chart(finished(figure), {"marks": lines, "": frame})


def show_curves(
    curves: dict[str, tuple[list[float], list[float]]],
    x: str,
    y: str,
    log_x: bool = False,
    from_zero: bool = False,
    log_y: bool = False,
) -> Chart:
    """Named curves with markers.

    Args:
        curves: for each name, the places on the x axis and the values.
        x, y: names of the axes.
        log_x: whether the x axis is logarithmic.
        from_zero: whether the y axis starts at zero.
        log_y: whether the y axis is logarithmic.
    """
    figure, axis = plt.subplots(figsize=(4.8, 2.9))
    frame = DataFrame({name: Series(values, places) for name, (places, values) in curves.items()}).rename_axis(x)
    for name, look in _looks(curves).items():
        places, _ = curves[name]
        axis.plot(places, frame.loc[places, name], label=name, **look)
    if log_x:
        axis.set_xscale("log")
    if log_y:
        axis.set_yscale("log")
    if from_zero:
        axis.set_ylim(bottom=0)
    style(axis, x, y)
    name_curves(axis)
    return Chart(finished(figure), _thinned(frame.reset_index()))


def show_intervals(
    estimates: dict[str, Estimate], x: str, points: dict[str, Sequence[float]] | None = None, line: float | None = None
) -> Chart:
    """Figures with their intervals, a row each from top to bottom, and the single values behind them.

    Args:
        estimates: for each name its figure, drawn as a filled circle, and its interval, drawn as a bar.
        x: name of the axis.
        points: for each name the single values, drawn as hollow diamonds, if given.
        line: place of a dashed vertical line, such as 0 for "no difference".
    """
    figure, axis = plt.subplots(figsize=(5, 0.9 + 0.36 * len(estimates)))
    frame = DataFrame({"": list(estimates)}).join(DataFrame(map(asdict, estimates.values())))
    for row, (name, value, low, high) in enumerate(frame.itertuples(index=False)):
        single = (points or {}).get(name, ())
        axis.plot(single, [row] * len(single), "D", color=COLORS[1], markerfacecolor="none", markersize=5)
        axis.plot([low, high], [row, row], "|-", color=COLORS[0], linewidth=2, markersize=10)
        axis.plot(value, row, "o", color=COLORS[0])
    if line is not None:
        axis.axvline(line, color=COLORS[6], linestyle="--", linewidth=1)
    axis.set_yticks(range(len(estimates)), estimates)
    axis.set_ylim(len(estimates) - 0.5, -0.5)
    style(axis, x, "")
    if points:
        frame["single values"] = [", ".join(f"{value:.4g}" for value in points.get(name, ())) for name in estimates]
    return Chart(finished(figure), frame.rename(columns={"value": x}))


def show_costs(costs: dict[str, tuple[int, int]]) -> Chart:
    """Parameters against multiply-accumulates of networks, both logarithmic, one marker for each family.

    Args:
        costs: parameters and MACs by the network's name.
    """
    figure, axis = plt.subplots(figsize=(5.2, 4.2))
    frame = DataFrame([(name, *cost) for name, cost in costs.items()], columns=["network", "parameters", "MACs"])
    families = frame["network"].map(lambda name: get_architecture(name).family)
    for i, family in enumerate(("three-stage", "four-stage")):
        group = frame[families == family]
        axis.scatter(
            group["parameters"], group["MACs"] / 1e6, color=COLORS[i], marker=MARKERS[i], label=family, zorder=3
        )
        for name, parameters, macs in group.itertuples(index=False):
            # Three-stage names stand above the line, four-stage names below, but for two that lie on another.
            above, aside = family == "three-stage" and name != "resnet164", name == "resnet50"
            where = {"xytext": (-5, 2), "ha": "right", "va": "bottom"} if above else {"xytext": (6, -3), "va": "top"}
            where |= {"xytext": (6, 2), "va": "bottom"} if aside else {}
            axis.annotate(
                get_architecture(name).title, (parameters, macs / 1e6), textcoords="offset points", fontsize=8, **where
            )
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.margins(x=0.2, y=0.1)
    style(axis, "parameters", "million multiply-accumulates")
    name_curves(axis)
    return Chart(finished(figure), frame)


def show_maps(rows: dict[str, torch.Tensor], images: torch.Tensor | None = None) -> Pictures:
    """Feature maps, a row for each layer, each map from its own smallest value (dark) to its largest (bright).

    Args:
        rows: for each title maps, channels × h × w; as many in each row.
        images: one image for each row, uint8 N × H × W × 3, which stands first, if given.
    """
    shown = [_colored(maps, "viridis") for maps in rows.values()]
    if images is not None:
        shown = [
            torch.cat([image[None], _enlarged(maps, len(image))]) for image, maps in zip(images, shown, strict=True)
        ]
    return Pictures(shown, list(rows), size=0.85)


def show_heat(images: torch.Tensor, maps: torch.Tensor, titles: list[str], columns: int = 5) -> Pictures:
    """Images, and below each the same image in gray under a map: bright and inside the line is where it is high.

    Args:
        images: uint8 N × H × W × 3.
        maps: N × h × w, 0 or larger; each is scaled to its own largest value. The line stands at half of it.
        titles: one for each image.
        columns: images in a row.
    """
    size = 4 * images.shape[1]  # so that the line is thin
    images = _enlarged(images, size)
    heats = F.interpolate(maps[:, None].float(), (size, size), mode="bilinear")[:, 0]
    gray = images.float().mean(dim=-1, keepdim=True)
    below = (0.4 * gray + 0.6 * _colored(heats, "inferno", from_zero=True)).to(torch.uint8)
    inside = (heats > heats.amax(dim=(1, 2), keepdim=True) / 2).float()[:, None]
    line = inside - (1 - F.max_pool2d(1 - inside, 3, stride=1, padding=1))  # what has a neighbor outside
    below[line[:, 0] > 0] = 255
    return show_images(torch.cat([images, below], dim=1), titles, columns, size=1.5)


def _colored(maps: torch.Tensor, colors: str, from_zero: bool = False) -> torch.Tensor:
    """Maps, N × h × w, each from its smallest value, or from 0, to its largest, as uint8 N × h × w × 3."""
    low = 0 if from_zero else maps.amin(dim=(1, 2), keepdim=True)
    share = (maps - low) / (maps.amax(dim=(1, 2), keepdim=True) - low).clamp(min=1e-12)
    return torch.from_numpy(plt.get_cmap(colors)(share.detach().numpy(), bytes=True)[..., :3].copy())


def _enlarged(images: torch.Tensor, size: int) -> torch.Tensor:
    """Images, N × h × w × 3, as squares of that size, pixel by pixel."""
    return F.interpolate(images.permute(0, 3, 1, 2), (size, size), mode="nearest").permute(0, 2, 3, 1)


def show_reliability(panels: dict[str, list[ConfidenceBin]]) -> Chart:
    """Reliability diagrams: the share of right answers against the confidence, bin by bin, a panel each.

    A bar that ends below the dashed line says that the network is surer than it is right.

    Args:
        panels: for each title, what `resnet_tutorial.analysis.reliability` returns.
    """
    figure, axes = plt.subplots(1, len(panels), figsize=(4 * len(panels), 3.8), squeeze=False, sharey=True)
    frame = DataFrame([{"network": title, **asdict(each)} for title, bins in panels.items() for each in bins])
    for axis, title in zip(axes[0], panels, strict=True):
        bins = frame[frame["network"] == title]
        for entry in bins.itertuples():
            width = entry.high - entry.low
            axis.bar(entry.low, entry.accuracy, width, align="edge", color=COLORS[5], edgecolor="black")
            axis.text((entry.low + entry.high) / 2, entry.accuracy + 0.02, entry.images, ha="center", fontsize=8)
        axis.plot(bins["confidence"], bins["accuracy"], "o", color=COLORS[0])
        axis.plot([0, 1], [0, 1], linestyle="--", color=COLORS[6])
        axis.set_xlim(0, 1)
        axis.set_ylim(0, 1.08)
        axis.set_title(title, fontsize=10)
        axis.tick_params(labelleft=True)
        style(axis, "confidence", "share of right answers")
    names = {"low": "from", "high": "to", "images": "answers", "accuracy": "right"}
    return Chart(finished(figure), frame.rename(columns=names))
