"""Recorded runs to compare: their course over the epochs, and the figures at the end."""

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...text import duration
from ...training import RunRecord
from ..colors import COLORS
from ..results import Experiment, epochs, group_runs, spread_of
from ..tables import NUMBER, Cell, columns_of, html_table, plain_table, scrolling
from .page import CHOICE_STYLE, STATIC, STYLE, form, in_words, load_ipywidgets, radio_buttons

if TYPE_CHECKING:
    from pandas import DataFrame

# Dashes tell the kind of network, colors and markers each one, and so do numbers.
LINE_COLORS = ("currentColor", *COLORS[:4])
DASHES = {"plain": "7 4", "preact": "2 3"}
MARKERS = (  # paths around (0, 0), as large as a letter
    "M-4 0A4 4 0 1 1 4 0A4 4 0 1 1-4 0Z",
    "M-3.6-3.6H3.6V3.6H-3.6Z",
    "M0-4.8L4.4 3.4H-4.4Z",
    "M0-5L5 0L0 5L-5 0Z",
    "M0 4.8L4.4-3.4H-4.4Z",
    "M-1.5-5H1.5V-1.5H5V1.5H1.5V5H-1.5V1.5H-5V-1.5H-1.5Z",
    "M-5 0L0-2L5 0L0 2Z",
)
MOST_POINTS = 40  # of a curve: a page must stay light where a run has hundreds of epochs
SPANS = {"all epochs": 0.0, "second half, enlarged": 0.5}  # the share of the epochs that is left out

RUN_STYLE = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")
# What is not chosen is taken away, so that all stands there where :has() is unknown.
RUN_CHOICE = """
.rt-runs:not(:has([name=run][value="{number}"]:checked)) [data-run="{number}"] {{ display: none; }}
"""


@dataclass(frozen=True)
class Quantity:
    """What is drawn over the epochs.

    Attributes:
        name: what it is called.
        key: the column of `epochs`.
        unit: ``%`` or ``nats``.
        note: how it was measured.
    """

    name: str
    key: str
    unit: str
    note: str


WHILE_TRAINING = "measured while training, on augmented images and with weights that change"
AFTER_EPOCH = "measured after each epoch, on images that were held out"
QUANTITIES = (
    Quantity("training error", "train_error", "%", WHILE_TRAINING),
    Quantity("training loss", "loss", "nats", WHILE_TRAINING),
    Quantity("validation error", "val_error", "%", AFTER_EPOCH),
    Quantity("validation loss", "val_loss", "nats", AFTER_EPOCH),
)


@dataclass(frozen=True)
class Line:
    """One network in a chart: by epoch the lowest (``min``), ``mean`` and highest value (``max``) over its seeds."""

    number: int
    name: str
    values: "DataFrame"


class RunExplorer:
    """What `run_explorer` returns: it shows itself in a notebook, and as text elsewhere."""

    def __init__(self, records: Iterable[RunRecord]):
        started = [run for run in records if run.history]
        self.groups, self.frame = group_runs(started), epochs(started)
        self.numbers = {name: i for i, name in enumerate(self.groups)}
        self.quantities = {q.name: q for q in QUANTITIES if self.frame[q.key].notna().any()}

    def __repr__(self) -> str:
        return plain_table(columns_of([_cells(name, runs) for name, runs in self.groups.items()]))

    def _repr_html_(self) -> str:
        if not self.groups:
            return f'<div class="rt-nets"><style>{STYLE}</style><p>No run of these networks is recorded yet.</p></div>'
        quantities = {str(i): name for i, name in enumerate(self.quantities)}
        spans = {str(i): name for i, name in enumerate(SPANS)}
        style = [STYLE, RUN_STYLE, *(RUN_CHOICE.format(number=i) for i in range(len(self.groups)))]
        style += [CHOICE_STYLE.format(group="quantity", value=value) for value in quantities]
        style += [CHOICE_STYLE.format(group="span", value=value) for value in spans]
        parts = [
            self._check_boxes(),
            radio_buttons("quantity", "Choose what is drawn", quantities),
            radio_buttons("span", "Choose the epochs", spans),
            f'<p role="status">{in_words("quantity", quantities)}, {in_words("span", spans)}</p>',
        ]
        parts += [self._charts(i, name) for i, name in quantities.items()]
        parts.append(self.table(self.groups))
        return form(style, parts, "rt-nets rt-runs")

    def _check_boxes(self) -> str:
        boxes = "".join(
            f'<label><input type="checkbox" name="run" value="{i}" checked>{_mark(i, name)}{i + 1} {text}</label>'
            for i, (name, text) in enumerate(zip(self.groups, map(escape, self.groups), strict=True))
        )
        legend = "<legend>Choose networks</legend>"
        return f'<fieldset>{legend}<div class="rt-row"><div>{boxes}</div></div></fieldset>'

    def _charts(self, value: str, quantity: str) -> str:
        charts = (
            f'<div class="rt-hidden" data-span="{i}">{self.chart(quantity, span, self.groups)}</div>'
            for i, span in enumerate(SPANS)
        )
        return f'<div class="rt-hidden" data-quantity="{value}">{"".join(charts)}</div>'

    def chart(self, quantity: str, span: str, names: Iterable[str]) -> str:
        """Curves of some networks over the epochs, as HTML around an SVG."""
        q = self.quantities[quantity]
        frames = {name: self.frame[self.frame["network"] == name].dropna(subset=[q.key]) for name in names}
        lines = [_line(self.numbers[name], name, frame, q, span) for name, frame in frames.items() if len(frame)]
        missing = ", ".join(name for name, frame in frames.items() if frame.empty)
        without = f" Without images held out: {escape(missing)}." if missing else ""
        caption = (
            f"{q.name.capitalize()} ({q.unit}) by epoch, {q.note}. Where there are several seeds, the line is their "
            f"mean and the band reaches from the lowest to the highest.{without}"
        )
        return f"<figure><figcaption>{caption}</figcaption>{_plot(lines, q, span)}</figure>"

    def table(self, names: Iterable[str]) -> str:
        """The figures at the end, a row for each of some networks."""
        columns = columns_of([_cells(name, self.groups[name]) for name in names])
        columns = {name: cells for name, cells in columns.items() if {*cells} != {"–"}}
        columns["network"] = [
            Cell(name, f"{_mark(self.numbers[name], name)}{self.numbers[name] + 1} {escape(name)}") for name in names
        ]
        attributes = dict.fromkeys(columns, NUMBER) | {"network": ""}
        rows = [f'data-run="{self.numbers[name]}"' for name in names]
        caption = "After the last epoch: mean ± standard deviation over the seeds"
        table = html_table(columns, caption, attributes=attributes, rows=rows)
        return scrolling(table, "Figures after the last epoch")


def run_explorer(records: Iterable[RunRecord]) -> RunExplorer:
    """Recorded runs to choose from: curves over the epochs, and a table of the figures at the end.

    It needs neither a kernel nor a script. Without a run it says that there is none.

    Args:
        records: runs of one experiment.
    """
    return RunExplorer(records)


def explore_runs(records: Iterable[RunRecord]) -> Any:
    """Check boxes for networks, controls for quantity and epochs, and below them curves fitted to what is chosen.

    Where the environment variable ``RESNET_TUTORIAL_STATIC`` is set, as when the book is built, there will be no kernel
    behind the controls: then this is the `run_explorer`, as it is where there is no run to choose.

    Args:
        records: runs of one experiment.

    Returns:
        An ipywidgets box, or a `RunExplorer`.

    Raises:
        InputError: if ipywidgets is not installed.
    """
    explorer = run_explorer(records)
    if os.environ.get(STATIC) or not explorer.groups:
        return explorer
    widgets = load_ipywidgets("explorer", "take run_explorer(records)")
    boxes = [
        widgets.Checkbox(value=True, description=f"{i} {name}", indent=False)
        for i, name in enumerate(explorer.groups, start=1)
    ]
    quantity = widgets.Dropdown(options=list(explorer.quantities), description="quantity")
    span = widgets.Dropdown(options=list(SPANS), description="epochs")
    shown = widgets.HTML()

    def update(change: dict | None = None) -> None:
        names = [name for name, box in zip(explorer.groups, boxes, strict=True) if box.value]
        parts = "<p>Choose at least one network.</p>"
        if names:
            parts = explorer.chart(quantity.value, span.value, names) + explorer.table(names)
        shown.value = f'<div class="rt-nets rt-runs"><style>{STYLE}{RUN_STYLE}</style>{parts}</div>'

    for control in (*boxes, quantity, span):
        control.observe(update, names="value")
    update()
    return widgets.VBox([widgets.HBox(boxes, layout={"flex_flow": "row wrap"}), widgets.HBox([quantity, span]), shown])


def _cells(name: str, runs: Sequence[RunRecord]) -> dict[str, str]:
    """The figures of a network after the last epoch, by the headings."""
    experiment, first = Experiment(tuple(runs)), runs[0]
    test = spread_of(100 - run.test["accuracy"] for run in experiment.finished)
    return {
        "network": name,
        "seeds": f"{len(runs)}",
        "test error (%)": str(test or "–"),
        "training error (%)": str(spread_of(100 - run.last["train_accuracy"] for run in runs)),
        "parameters": f"{first.parameters:,}",
        "million MACs": f"{first.macs / 1e6:,.1f}",
        "time of a run": duration(experiment.seconds.mean) if experiment.seconds else "–",
    }


def _line(number: int, name: str, frame: "DataFrame", quantity: Quantity, span: str) -> Line:
    """A network's values over its seeds, in a span of the epochs, thinned where there are many."""
    values = frame.groupby("epoch")[quantity.key].agg(["min", "mean", "max"])
    first = int(SPANS[span] * len(values))
    stride = -(-(len(values) - first) // MOST_POINTS)
    return Line(number, name, values.iloc[list(range(len(values) - 1, first - 1, -stride))[::-1]])  # with the last one


def _plot(lines: list[Line], quantity: Quantity, span: str) -> str:
    """Axes, curves, and beside the end of each curve its number and name."""
    if not lines:
        return ""
    lowest = min(line.values["min"].min() for line in lines) if SPANS[span] else 0.0
    rows = _ticks(lowest, max(line.values["max"].max() for line in lines))
    left, right = min(line.values.index[0] for line in lines), max(line.values.index[-1] for line in lines)
    columns = [tick for tick in _ticks(left, right) if left <= tick <= right and tick == int(tick)]

    def x(epoch: float) -> float:
        return 100 * (epoch - left) / max(right - left, 1)

    def y(value: float) -> float:
        return 100 * (rows[-1] - value) / (rows[-1] - rows[0])

    grid = "".join(f'<path class="rt-grid" d="M0 {y(tick):.2f}H100"/>' for tick in rows)
    curves = "".join(_curve(line, x, y) for line in lines)
    ends = _apart([y(line.values["mean"].iloc[-1]) for line in lines])
    names = "".join(
        f'<span data-run="{line.number}" style="top: {place:.1f}%">{_mark(line.number, line.name)}{line.number + 1}'
        f'<span class="rt-name"> {escape(line.name)}</span></span>'
        for line, place in zip(lines, ends, strict=True)
    )
    scale = "".join(f'<span style="top: {y(tick):.1f}%">{tick:.4g}</span>' for tick in rows)
    below = "".join(f'<span style="left: {x(tick):.1f}%">{tick:g}</span>' for tick in columns)
    last = ", ".join(f"{line.name} {line.values['mean'].iloc[-1]:.2f}" for line in lines)
    label = escape(f"{quantity.name.capitalize()} ({quantity.unit}) by epoch; in the last one: {last}")
    width = max(len(line.name) for line in lines) + 8
    return (
        f'<div class="rt-plot" role="img" aria-label="{label}" style="--rt-names: {width}ch">'
        f'<div class="rt-y">{scale}</div><svg>{_stretched(grid)}{curves}</svg><div class="rt-ends">{names}</div>'
        f'<div class="rt-x">{below}</div></div>'
    )


def _curve(line: Line, x: Any, y: Any) -> str:
    """Band, line and some markers of one network, in percent of the plot."""
    places = [x(epoch) for epoch in line.values.index]
    low, mean, high = (
        [f"{y(value):.2f}" for value in values] for values in map(line.values.get, ("min", "mean", "max"))
    )
    color, dash, marker = _look(line.number, line.name)
    there = [f"{place:.1f},{value}" for place, value in zip(places, high, strict=True)]
    back = [f"{place:.1f},{value}" for place, value in zip(places, low, strict=True)][::-1]
    points = " ".join(f"{place:.1f},{value}" for place, value in zip(places, mean, strict=True))
    band = f'<polygon points="{" ".join(there + back)}" fill="{color}" opacity="0.2"/>' if low != high else ""
    curve = f'{band}<polyline points="{points}" stroke="{color}"{dash}/>'
    every = max(1, len(places) // 5)
    marks = "".join(
        f'<svg x="{places[i]:.1f}%" y="{mean[i]}%"><path d="{marker}" fill="{color}"/></svg>'
        for i in range(len(places) - 1, -1, -every)
    )
    return f'<g data-run="{line.number}">{_stretched(curve)}{marks}</g>'


def _stretched(shapes: str) -> str:
    """Shapes in percent of the plot, however wide it is."""
    return f'<svg viewBox="0 0 100 100" preserveAspectRatio="none" width="100%" height="100%">{shapes}</svg>'


def _look(number: int, name: str) -> tuple[str, str, str]:
    """Color, dashes as an attribute, and marker of a network."""
    dashes = next((dash for kind, dash in DASHES.items() if name.startswith(kind)), None)
    dash = f' stroke-dasharray="{dashes}"' if dashes else ""
    return LINE_COLORS[number % len(LINE_COLORS)], dash, MARKERS[number % len(MARKERS)]


def _mark(number: int, name: str) -> str:
    """A piece of the line with its marker."""
    color, dash, marker = _look(number, name)
    line = f'<path d="M-12 0H12" stroke="{color}" stroke-width="2"{dash}/>'
    shapes = f'{line}<path d="{marker}" fill="{color}"/>'
    return f'<svg class="rt-mark" viewBox="-13 -6 26 12" aria-hidden="true">{shapes}</svg>'


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers from at most the lowest to at least the highest value, about five steps apart."""
    wanted = max(high - low, 1e-6) / 5
    size = 10.0 ** math.floor(math.log10(wanted))
    step = next(size * k for k in (1, 2, 5, 10) if size * k >= 0.999 * wanted)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [i * step for i in range(first, max(last, first + 1) + 1)]


def _apart(places: list[float]) -> list[float]:
    """Places of labels, in percent of the height: near the ends of their curves, and not on top of each other."""
    gap = min(7.0, 100 / len(places))
    order = sorted(range(len(places)), key=places.__getitem__)
    moved = dict.fromkeys(order, 0.0)
    above = -gap
    for i in order:
        above = moved[i] = max(places[i], above + gap)
    below = 100.0 + gap
    for i in reversed(order):
        below = moved[i] = min(moved[i], below - gap)
    return [moved[i] for i in range(len(places))]
