"""Networks and augmentations to choose from, runs to plan and to watch: in HTML, and live for JupyterLab and Colab.

What is HTML works without a kernel or a network: radio buttons say what is chosen, and CSS shows what belongs to it.
Only the planner needs a script, which stands beside it, and has a table for where there is none. Networks come from
`resnet_tutorial.architectures` and `resnet_tutorial.analysis`, augmentations from `resnet_tutorial.data`.
"""

import base64
import functools
import io
import json
import os
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape
from types import ModuleType
from typing import Any

import torch
from PIL import Image

from .analysis.budget import BYTES, RECOMPUTED, STATES, Machine, Plan, costs, find_machine, plan
from .analysis.cost import BYTES_IN_FLOAT32, LayerCost, summarize_architecture, total, total_activations
from .architectures import Architecture, get_architecture
from .data import ImageDataset, Transform
from .errors import InputError
from .models import list_models
from .training import RunRecord, Trainer
from .training.compare import duration

STATIC = "RESNET_TUTORIAL_STATIC"  # set where pages without a kernel are built
KINDS = {"resnet": "ResNet", "plain": "plain networks", "preact": "pre-activation"}
NUMBER = 'class="rt-number"'
WORDS = 'class="rt-wide"'  # left out where it is narrow: the table above says the same
FAMILIES = {"four-stage": "four stages", "three-stage": "three stages"}

# Colors come from the page, so that light and dark themes both work. Where a table is wider than the page, the chosen
# column sticks to the edge. Without :has() nothing is hidden.
STYLE = """
.rt-nets { container-type: inline-size; font-size: 0.85em; line-height: 1.4;
  --rt-page: var(--pst-color-background, var(--jp-layout-color0, var(--colab-primary-surface-color, Canvas)));
  --rt-text: var(--pst-color-text-base, var(--jp-content-font-color1, var(--colab-primary-text-color, CanvasText))); }
.rt-nets form { margin: 0; }
.rt-nets fieldset { border: 0; margin: 0; padding: 0; min-width: 0; }
.rt-nets legend { float: none; width: auto; margin: 0; padding: 0; font-size: inherit; font-weight: bold; }
.rt-nets .rt-row { display: flex; margin: 0.2em 0; }
.rt-nets .rt-row > span { flex: 0 0 15em; padding: 0.1em 0; }
.rt-nets .rt-row > div { display: flex; flex-wrap: wrap; gap: 0 0.6em; }
.rt-nets label { display: inline-flex; align-items: center; gap: 0.3em; margin: 0; padding: 0.1em 0.3em; }
.rt-nets input { margin: 0; }
.rt-nets label:focus-within { outline: 2px solid currentColor; }
.rt-nets .rt-scroll:focus-visible { outline: 2px solid currentColor; }
.rt-nets label:has(:checked) { font-weight: bold; text-decoration: underline; }
.rt-nets p { margin: 0.6em 0 0; }
.rt-nets .rt-scroll { overflow-x: auto; margin: 0.6em 0; }
.rt-nets.rt-nets table { border-collapse: separate; border-spacing: 0; width: auto; margin: 0; font-size: inherit;
  color: inherit; }
.rt-nets.rt-nets caption { caption-side: top; padding: 0.2em 0; text-align: left; color: inherit; }
.rt-nets.rt-nets tr { background: none; }
.rt-nets.rt-nets :is(th, td) { padding: 0.25em 0.6em; border: 0 solid currentColor; border-bottom: 1px solid #8888;
  text-align: left; vertical-align: middle; white-space: nowrap; color: inherit; background: none; }
.rt-nets.rt-nets .rt-number { text-align: right; font-variant-numeric: tabular-nums; }
.rt-nets.rt-nets .rt-share { background: linear-gradient(to left, #8885 var(--share), transparent var(--share)); }
.rt-nets pre { margin: 0; padding: 0.5em; white-space: pre-wrap; color: inherit; background: #8882; border: 0; }
@supports selector(:has(*)) { .rt-nets .rt-hidden { display: none; } }
@container (max-width: 40em) {
  .rt-nets .rt-row { display: block; }
  .rt-nets.rt-nets .rt-hidden .rt-wide { display: none; }
}
"""
NETWORK_STYLE = """
.rt-nets:has([value={name}]:checked) .rt-hidden[data-net={name}] {{ display: revert; }}
.rt-nets.rt-nets:has([value={name}]:checked) :is(th, td)[data-net={name}] {{
  border-inline-width: 3px; position: sticky; left: 0; right: 0; color: var(--rt-text);
  background: linear-gradient(#8883, #8883) var(--rt-page);
}}
@container (max-width: 40em) {{
  .rt-nets:has([value={name}]:checked) :is(th, td)[data-net]:not([data-net={name}]) {{ display: none; }}
}}
"""
GROUP_STYLE = """
.rt-nets:has(.rt-row[data-group={group}] :checked) .rt-hidden[data-group={group}] {{ display: revert; }}
"""


AUGMENTATIONS = {  # how strong each can be, as options of a Transform; where there are no controls, the first is shown
    "crop and flip": {"up to 4 pixels": {"augment": True}},
    "random erasing": {
        "every image": {"erase": 1.0},
        "half of the images": {"erase": 0.5},
        "a quarter of the images": {"erase": 0.25},
    },
    "cutout": {f"{side}×{side} pixels": {"cutout": side} for side in (16, 8, 24)},
    "MixUp": {f"alpha {alpha}": {"mixup": alpha} for alpha in (1.0, 0.2)},
    "CutMix": {f"alpha {alpha}": {"cutmix": alpha} for alpha in (1.0, 0.2)},
    "RandAugment": {f"2 operations, magnitude {size}": {"rand_augment": (2, size)} for size in (9, 3, 20, 30)},
}
IMAGE_STYLE = """
.rt-nets figure { margin: 0.4em 0; max-width: 36em; }
.rt-nets figcaption { margin: 0; padding: 0; text-align: left; font: inherit; color: inherit; }
.rt-nets.rt-nets img { display: block; width: 100%; margin: 0; image-rendering: pixelated; background: none; }
.rt-nets ol { display: flex; margin: 0.2em 0; padding: 0; list-style: none; }
.rt-nets ol li { flex: 1 1 0; min-width: 0; margin: 0; text-align: center; overflow-wrap: anywhere; }
"""
MONITOR_STYLE = """
.rt-nets progress { width: 100%; max-width: 36em; }
.rt-nets .rt-charts { display: flex; flex-wrap: wrap; gap: 0 2em; }
.rt-nets .rt-charts figure { flex: 0 1 20em; margin: 0.4em 0; }
.rt-nets .rt-charts figcaption { margin: 0; padding: 0; text-align: left; font-size: inherit; color: inherit; }
.rt-nets svg { display: block; width: 100%; color: inherit; }
"""
CHOICE_STYLE = """
.rt-nets:has([name={group}][value="{value}"]:checked) .rt-hidden[data-{group}="{value}"] {{ display: revert; }}
"""


@dataclass(frozen=True)
class Network:
    """A network with its costs.

    Attributes:
        arch: its record.
        rows: what each part costs for one image.
        code: the line of Python that builds it, and the command that prints its costs.
    """

    arch: Architecture
    rows: tuple[LayerCost, ...]
    code: str

    @property
    def label(self) -> str:
        """Its title, short enough for the head of a column."""
        return self.arch.title.replace("Pre-activation ResNet", "PreAct")

    @property
    def group(self) -> str:
        """The networks that stand side by side."""
        return f"{self.arch.kind}-{self.arch.family}"


class ArchitectureTable:
    """What `architecture_table` returns: it shows itself in a notebook, and as text elsewhere."""

    def __init__(self, networks: tuple[Network, ...]):
        self.networks = networks

    def __repr__(self) -> str:
        return "\n".join(map(_summary, self.networks))

    def _repr_html_(self) -> str:
        groups: dict[str, list[Network]] = {}
        for network in self.networks:
            groups.setdefault(network.group, []).append(network)
        style = [STYLE, *(NETWORK_STYLE.format(name=network.arch.name) for network in self.networks)]
        style += [GROUP_STYLE.format(group=group) for group in groups]
        rows = "".join(_radio_row(group, members, self.networks[0]) for group, members in groups.items())
        parts = [f"<fieldset><legend>Choose a network</legend>{rows}</fieldset>", _status(self.networks)]
        parts += [_table(group, members) for group, members in groups.items()]
        parts += [_panel(network, "rt-hidden") for network in self.networks]
        # A form of its own keeps these radio buttons apart from those of a second table on the same page.
        body = "\n".join(parts)
        return f'<div class="rt-nets"><style>{"".join(style)}</style><form method="dialog">{body}</form></div>'


def architecture_table(names: Sequence[str] | None = None) -> ArchitectureTable:
    """A table of networks to choose from, which needs neither a kernel nor a script.

    It shows networks of one kind and family side by side, and for the chosen one the shapes and costs of each part, for
    a 32×32 image and ten classes.

    Args:
        names: names as for `create_model`; None takes all that `list_models` gives. The first is chosen at first.

    Raises:
        InputError: if a name is no network, or there is none.
    """
    names = list_models() if names is None else names
    if not names:
        raise InputError("the table has no network: give at least one name, such as 'resnet20'")
    return ArchitectureTable(tuple(dict.fromkeys(describe_network(name) for name in names)))


def explore_architectures() -> Any:
    """Controls for kind, network, shortcut, stem, width and image size, and below them the shapes and costs.

    Where the environment variable ``RESNET_TUTORIAL_STATIC`` is set, as when the book is built, there will be no kernel
    behind the controls: then this is the `architecture_table` of all networks.

    Returns:
        An ipywidgets box, or an `ArchitectureTable`.

    Raises:
        InputError: if ipywidgets is not installed.
    """
    if os.environ.get(STATIC):
        return architecture_table()
    try:
        import ipywidgets as widgets
    except ImportError:
        raise InputError(
            "the explorer needs ipywidgets: pip install ipywidgets, or take architecture_table()"
        ) from None
    return _explorer(widgets)


def _explorer(widgets: ModuleType) -> Any:
    """The controls, by description, and what they do."""
    kind = widgets.Dropdown(options=[(label, kind) for kind, label in KINDS.items()], description="kind")
    network = widgets.Dropdown(options=list_models("resnet*"), value="resnet20", description="network")
    shortcut = widgets.Dropdown(options=[("its own", None), *zip("ABC", "ABC", strict=True)], description="shortcut")
    stem = widgets.Dropdown(options=["cifar", "imagenet"], description="stem")
    width = widgets.Dropdown(options=[0.25, 0.5, 1.0, 2.0, 4.0], value=1.0, description="width ×")
    size = widgets.BoundedIntText(value=32, min=8, max=512, description="image size")
    shown = widgets.HTML()

    def new_kind(change: dict) -> None:
        depth = get_architecture(network.value).depth
        shortcut.value, shortcut.disabled = None, kind.value == "plain"
        names = list_models(f"{kind.value}*")
        network.options = names
        network.value = f"{kind.value}{depth}" if f"{kind.value}{depth}" in names else f"{kind.value}20"

    def update(change: dict | None = None) -> None:
        chosen = describe_network(network.value, shortcut.value, stem.value, width.value, size.value)
        shown.value = f'<div class="rt-nets"><style>{STYLE}</style><p>{_summary(chosen)}</p>{_panel(chosen)}</div>'

    kind.observe(new_kind, names="value")
    controls = [kind, network, shortcut, stem, width, size]
    for control in controls[1:]:
        control.observe(update, names="value")
    update()
    return widgets.VBox([widgets.HBox(controls[:3]), widgets.HBox(controls[3:]), shown])


class AugmentationGallery:
    """What `augmentation_gallery` returns: it shows itself in a notebook, and as text elsewhere."""

    def __init__(self, dataset: ImageDataset, labels: list[int], images: int):
        self.dataset = dataset
        self.labels = labels
        self.images = images

    def __repr__(self) -> str:
        names = ", ".join(self.dataset.classes[label] for label in self.labels)
        return f"{names}, each after {', '.join(AUGMENTATIONS)}"

    def _repr_html_(self) -> str:
        classes = {str(label): escape(self.dataset.classes[label]) for label in self.labels}
        kinds = {str(i): kind for i, kind in enumerate(AUGMENTATIONS)}
        style = [STYLE, IMAGE_STYLE]
        for group, choices in (("class", classes), ("kind", kinds)):
            style += [CHOICE_STYLE.format(group=group, value=value) for value in choices]
        parts = [_choices("class", "Choose a class", classes), _choices("kind", "Choose an augmentation", kinds)]
        parts.append(f'<p role="status">{_either("class", classes)}, {_either("kind", kinds)}</p>')
        parts += [self._class_html(label) for label in self.labels]
        # A form of its own keeps these radio buttons apart from those of other tables on the same page.
        body = "\n".join(parts)
        return f'<div class="rt-nets"><style>{"".join(style)}</style><form method="dialog">{body}</form></div>'

    def _class_html(self, label: int) -> str:
        """The images of one class, and what each augmentation makes of them."""
        parts = [_originals(self.dataset, label, self.images)]
        for i, (kind, strengths) in enumerate(AUGMENTATIONS.items()):
            strength = next(iter(strengths))
            shown = _augmented(self.dataset, label, kind, strength, self.images)
            parts.append(f'<div class="rt-hidden" data-kind="{i}">{shown}</div>')
        return f'<div class="rt-hidden" data-class="{label}">{"".join(parts)}</div>'


def augmentation_gallery(dataset: ImageDataset, images: int = 5) -> AugmentationGallery:
    """Images of a class to choose, and below them the same images after an augmentation to choose.

    It needs neither a kernel nor a script. Of a data set of many classes it shows the first ten.

    Args:
        dataset: where the images come from.
        images: how many of each class.

    Raises:
        InputError: if the data set has images of fewer than two classes: MixUp and CutMix mix two.
    """
    return AugmentationGallery(dataset, _classes_with_images(dataset)[:10], images)


def explore_augmentation(dataset: ImageDataset, images: int = 5) -> Any:
    """Controls for class, augmentation and strength, and below them images before and after.

    Where the environment variable ``RESNET_TUTORIAL_STATIC`` is set, as when the book is built, there will be no kernel
    behind the controls: then this is the `augmentation_gallery`.

    Args:
        dataset: where the images come from.
        images: how many are shown.

    Returns:
        An ipywidgets box, or an `AugmentationGallery`.

    Raises:
        InputError: if ipywidgets is not installed, or the data set has images of fewer than two classes.
    """
    if os.environ.get(STATIC):
        return augmentation_gallery(dataset, images)
    try:
        import ipywidgets as widgets
    except ImportError:
        raise InputError(
            "the explorer needs ipywidgets: pip install ipywidgets, or take augmentation_gallery(dataset)"
        ) from None
    choices = [(dataset.classes[label], label) for label in _classes_with_images(dataset)]
    label = widgets.Dropdown(options=choices, description="class")
    kind = widgets.Dropdown(options=list(AUGMENTATIONS), description="kind")
    strength = widgets.Dropdown(options=list(AUGMENTATIONS[kind.value]), description="strength")
    seed = widgets.BoundedIntText(value=0, min=0, max=10**6, description="seed")
    shown = widgets.HTML()

    def new_kind(change: dict) -> None:
        strength.options = list(AUGMENTATIONS[kind.value])  # chooses the first one
        update()

    def update(change: dict | None = None) -> None:
        if strength.value not in AUGMENTATIONS[kind.value]:
            return  # between two kinds: new_kind is about to bring the strengths of the new one
        before = _originals(dataset, label.value, images, seed.value)
        after = _augmented(dataset, label.value, kind.value, strength.value, images, seed.value)
        shown.value = f'<div class="rt-nets"><style>{STYLE}{IMAGE_STYLE}</style>{before}{after}</div>'

    kind.observe(new_kind, names="value")
    for control in (label, strength, seed):
        control.observe(update, names="value")
    update()
    return widgets.VBox([widgets.HBox([label, kind]), widgets.HBox([strength, seed]), shown])


class TrainingMonitor:
    """A run to watch: loss, accuracies, learning rate, speed and time left after each epoch, and a button to end it.

    The run goes on in the background, so that the kernel can answer the button. Where the environment variable
    ``RESNET_TUTORIAL_STATIC`` is set, as when the book is built, there will be no kernel behind a button: then `start`
    trains to the end, and what is shown is the finished run.

    Args:
        trainer: the run, not yet started.

    Raises:
        InputError: if ipywidgets is not installed.
    """

    def __init__(self, trainer: Trainer):
        self.trainer, self.status = trainer, "not started"
        self._error, self._thread = None, threading.Thread(target=self._run, daemon=True)
        self._shown = self._button = None
        trainer.on_epoch = lambda row: self._update("training")
        if not os.environ.get(STATIC):
            self._add_controls()

    def start(self) -> "TrainingMonitor":
        """Begin to train."""
        self._update("training")
        if self._button is None:
            self._run()
            self.wait()
        else:
            self._thread.start()
        return self

    def stop(self) -> None:
        """Ask the run to save and to end after the step that it is at."""
        self.trainer.stop()
        self._update("stopping")

    def wait(self) -> RunRecord:
        """Wait for the end of the run. An interrupt ends it in order.

        Raises:
            Stopped: if the run was ended early; a `KeyboardInterrupt` that says what is saved.
            InputError: as of `Trainer.fit`.
        """
        try:
            while self._thread.is_alive():
                self._thread.join(timeout=0.2)  # without a limit, not every system lets Ctrl-C through
        except KeyboardInterrupt:
            self.stop()
            self._thread.join()
        if self._error is not None:
            raise self._error
        return self.trainer.record

    def _run(self) -> None:
        try:
            record = self.trainer.fit()
            self._update(f"finished, test accuracy {record.test['accuracy']:.2f} %")
        except (Exception, KeyboardInterrupt) as error:  # raised again where somebody waits
            self._error = error
            self._update(f"ended: {error}")
        if self._button is not None:
            self._button.disabled = True

    def _add_controls(self) -> None:
        try:
            import ipywidgets as widgets
        except ImportError:
            raise InputError("the monitor needs ipywidgets: pip install ipywidgets, or call trainer.fit()") from None
        self._shown = widgets.HTML()
        self._button = widgets.Button(description="Stop", tooltip="Save and end after this step")
        self._button.on_click(lambda button: self.stop())
        self._box = widgets.VBox([self._shown, self._button])

    def _update(self, status: str) -> None:
        self.status = status
        if self._shown is not None:
            self._shown.value = self._repr_html_()

    def _time_left(self) -> str:
        """From the last three epochs; nothing before the first and after the last."""
        seconds = [row["seconds"] for row in self.trainer.record.history[-3:]]
        left = self.trainer.epochs - self.trainer.epoch
        return f", {duration(left * sum(seconds) / len(seconds))} left" if seconds and left else ""

    def _repr_html_(self) -> str:
        epoch, epochs, history = self.trainer.epoch, self.trainer.epochs, self.trainer.record.history
        status = f"epoch {epoch} of {epochs}: {escape(self.status)}{self._time_left()}"
        bar = f'<progress max="{epochs}" value="{epoch}" aria-label="epochs finished"></progress>'
        style = f"<style>{STYLE}{MONITOR_STYLE}</style>"
        numbers = _latest(history[-1]) + _charts(history, epochs) if history else ""
        return f'<div class="rt-nets">{style}<p role="status">{status}</p>{bar}{numbers}</div>'

    def __repr__(self) -> str:
        return f"epoch {self.trainer.epoch} of {self.trainer.epochs}: {self.status}"

    def _ipython_display_(self) -> None:
        from IPython.display import HTML, display

        display(HTML(self._repr_html_()) if self._button is None else self._box)


NUMBERS = {  # of an epoch, with the format of each
    "loss": ("training loss", "{:.3f} nats"),
    "val_loss": ("validation loss", "{:.3f} nats"),
    "train_accuracy": ("training accuracy", "{:.1f} %"),
    "val_accuracy": ("validation accuracy", "{:.1f} %"),
    "lr": ("learning rate at the start", "{:.4g}"),
    "images_per_second": ("speed", "{:,.0f} images/s"),
}


def _latest(row: dict) -> str:
    """The numbers of an epoch in a table."""
    lines = [
        f'<tr><th scope="row">{name}</th><td {NUMBER}>{text.format(row[key])}</td></tr>'
        for key, (name, text) in NUMBERS.items()
        if key in row
    ]
    return f"<table><caption>Epoch {row['epoch']}</caption>{''.join(lines)}</table>"


def _charts(history: list[dict], epochs: int) -> str:
    losses = ("loss", "val_loss")
    highest = max(row[key] for row in history for key in losses if key in row)
    charts = (("Loss (nats)", losses, highest), ("Accuracy (%)", ("train_accuracy", "val_accuracy"), 100.0))
    drawn = (_chart(title, keys, top, history, epochs) for title, keys, top in charts)
    return f'<div class="rt-charts">{"".join(drawn)}</div>'


def _chart(title: str, keys: tuple[str, str], top: float, history: list[dict], epochs: int) -> str:
    """Training and validation over the epochs, as SVG in the colors of the page."""
    width, height, left, low = 300, 150, 34, 130  # the axes meet at (left, low)

    def place(row: dict, key: str) -> str:
        x = left + (width - left - 8) * row["epoch"] / epochs
        return f"{x:.1f},{low - (low - 8) * row[key] / top:.1f}"

    lines = ""
    for key, look in zip(keys, ('stroke="currentColor"', 'stroke="#D55E00" stroke-dasharray="5 3"'), strict=True):
        points = [place(row, key) for row in history if key in row]
        points = " ".join(points[:1] + points)  # so that a single one is drawn, too
        lines += f'<polyline points="{points}" fill="none" stroke-width="2" stroke-linecap="round" {look}/>'
    frame = f'<path d="M{left} 8V{low}H{width}" fill="none" stroke="currentColor" opacity="0.5"/>'
    marks = ((left - 4, 12, "end", f"{top:.3g}"), (left - 4, low, "end", "0"), (left, low + 16, "middle", "0"))
    marks += ((width - 8, low + 16, "end", f"epoch {epochs}"),)
    texts = "".join(f'<text x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>' for x, y, anchor, text in marks)
    ends = ", ".join(f"{NUMBERS[key][0]} {history[-1][key]:.2f}" for key in keys if key in history[-1])
    size = f'viewBox="0 0 {width} {height}" font-size="11" fill="currentColor"'
    svg = f'<svg {size} role="img" aria-label="{title} by epoch; in the last one {ends}">{frame}{texts}{lines}</svg>'
    legend = "training (solid), validation (dashed)" if keys[1] in history[-1] else "training"
    return f"<figure><figcaption>{title}: {legend}</figcaption>{svg}</figure>"


def augment_class(
    dataset: ImageDataset, label: int, options: dict[str, Any], images: int = 5, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Images of one class before and after a transform; MixUp and CutMix mix each with one of another class.

    Args:
        dataset: where the images come from.
        label: the class.
        options: options of `resnet_tutorial.data.Transform`.
        images: how many; fewer if the class has not as many.
        seed: which images and which draws.

    Returns:
        The images as they are and augmented, both uint8 N × H × W × 3, and the share of each class in the label,
        float32 N × classes.
    """
    generator = torch.Generator().manual_seed(seed)
    own = _draw(dataset.labels == label, images, generator)
    mean, std = _mean_std(dataset)
    transform = Transform(mean, std, **options)
    batch = transform(dataset.images[own], generator)
    labels = torch.nn.functional.one_hot(dataset.labels[own], len(dataset.classes)).float()
    if transform.mixup or transform.cutmix:
        others = _draw(dataset.labels != label, images, generator)
        partners = transform(dataset.images[others], generator)
        for i, other in enumerate(others[: len(own)]):
            # Pair by pair, as each call draws one share for its whole batch; an image is mixed with the one before it.
            pair, two = torch.stack([partners[i], batch[i]]), dataset.labels[torch.stack([other, own[i]])]
            mixed, shares = transform.mix(pair, two, len(dataset.classes), generator)
            batch[i], labels[i] = mixed[1], shares[1]
    values = batch.permute(0, 2, 3, 1) * torch.tensor(std) + torch.tensor(mean)
    return dataset.images[own], (255 * values).round().clamp(0, 255).to(torch.uint8), labels


def _draw(mask: torch.Tensor, n: int, generator: torch.Generator) -> torch.Tensor:
    indices = mask.nonzero()[:, 0]
    return indices[torch.randperm(len(indices), generator=generator)[:n]]


def _mean_std(dataset: ImageDataset) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Of some images: near enough for the color of what is erased, and quick."""
    mean, std = dataset.take(torch.arange(min(100, len(dataset)))).mean_std()
    return mean, tuple(max(s, 1e-3) for s in std)


def _classes_with_images(dataset: ImageDataset) -> list[int]:
    labels = dataset.counts().nonzero()[:, 0].tolist()
    if len(labels) < 2:
        raise InputError("augmentations are shown for at least two classes: choose a data set with more")
    return labels


def _originals(dataset: ImageDataset, label: int, images: int, seed: int = 0) -> str:
    before, _, labels = augment_class(dataset, label, {}, images, seed)
    return _figure(before, labels, dataset.classes, f"Images of the class {dataset.classes[label]}, as they are")


def _augmented(dataset: ImageDataset, label: int, kind: str, strength: str, images: int, seed: int = 0) -> str:
    _, after, labels = augment_class(dataset, label, AUGMENTATIONS[kind][strength], images, seed)
    return _figure(after, labels, dataset.classes, f"The same after {kind}, {strength}")


def _figure(images: torch.Tensor, labels: torch.Tensor, classes: tuple[str, ...], caption: str) -> str:
    """Images in a row, with the label of each below it."""
    alt = f'alt="{escape(caption)}: {len(images)} images side by side"'
    # The theme changes the colors of images in the dark, except for this class.
    img = f'<img class="dark-light" src="{_strip(images)}" {alt}>'
    names = "".join(f"<li>{escape(_label_text(shares, classes))}</li>" for shares in labels)
    return f"<figure><figcaption>{escape(caption)}</figcaption>{img}<ol>{names}</ol></figure>"


def _label_text(shares: torch.Tensor, classes: tuple[str, ...]) -> str:
    parts = shares.topk(min(2, len(classes)))
    present = [(classes[k], 100 * share) for share, k in zip(*map(torch.Tensor.tolist, parts), strict=True) if share]
    return present[0][0] if len(present) == 1 else ", ".join(f"{name} {share:.0f} %" for name, share in present)


def _strip(images: torch.Tensor) -> str:
    """Images side by side as the address of a picture; what is between them lets the page show through."""
    n, height, width, _ = images.shape
    strip = torch.zeros(height, n * (width + 2), 4, dtype=torch.uint8)
    for i, image in enumerate(images):
        left = i * (width + 2) + 1
        strip[:, left : left + width, :3], strip[:, left : left + width, 3] = image, 255
    file = io.BytesIO()
    Image.fromarray(strip.numpy()).save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _choices(group: str, legend: str, choices: dict[str, str]) -> str:
    """Radio buttons with a heading; the first is chosen."""
    first = next(iter(choices))
    checked = {first: " checked"}
    buttons = "".join(
        f'<label><input type="radio" name="{group}" value="{value}"{checked.get(value, "")}>{text}</label>'
        for value, text in choices.items()
    )
    return f'<fieldset><legend>{legend}</legend><div class="rt-row"><div>{buttons}</div></div></fieldset>'


def _either(group: str, choices: dict[str, str]) -> str:
    """The chosen one in words, which a screen reader speaks when it changes."""
    return "".join(f'<span class="rt-hidden" data-{group}="{value}">{text}</span>' for value, text in choices.items())


@functools.lru_cache(maxsize=200)
def describe_network(
    name: str, shortcut: str | None = None, stem: str = "cifar", width: float = 1.0, image_size: int = 32
) -> Network:
    """A network by name and options, with its costs for one square image and ten classes.

    Raises:
        InputError: if no network has that name, or an option does not fit.
    """
    arch = get_architecture(name).with_options(shortcut, stem, width)
    rows = summarize_architecture(arch, image_size=image_size)
    options = {"shortcut": (shortcut, None), "stem": (stem, "cifar"), "width": (width, 1.0)}
    given = {key: value for key, (value, default) in options.items() if value != default}
    arguments = "".join(f", {key}={value!r}" for key, value in given.items()).replace("'", '"')
    flags = given if image_size == 32 else given | {"image-size": image_size}
    command = f"resnet-tutorial summary {arch.name}" + "".join(f" --{key} {value}" for key, value in flags.items())
    return Network(arch, tuple(rows), f'create_model("{arch.name}"{arguments})\n{command}')


def _radio_row(group: str, networks: list[Network], chosen: Network) -> str:
    """The radio buttons of one group."""
    label = f"{KINDS[networks[0].arch.kind]}, {FAMILIES[networks[0].arch.family]}"
    buttons = "".join(_button(network, network is chosen) for network in networks)
    attributes = f'class="rt-row" role="group" aria-label="{label}" data-group="{group}"'
    return f'<div {attributes}><span aria-hidden="true">{label}</span><div>{buttons}</div></div>'


def _button(network: Network, checked: bool) -> str:
    value = f'value="{network.arch.name}"{" checked" if checked else ""}'
    return f'<label><input type="radio" name="network" {value}>{network.label}</label>'


def _status(networks: Sequence[Network]) -> str:
    """One line on the chosen network, which a screen reader speaks when it changes."""
    spans = (f'<span class="rt-hidden" data-net="{n.arch.name}">{_summary(n)}</span>' for n in networks)
    return f'<p role="status">{"".join(spans)}</p>'


def _summary(network: Network) -> str:
    parameters, macs = total(network.rows)
    sizes = [f"{row.output}×{row.output}" for row in network.rows[:-1]]
    return (
        f"{network.arch.title}: {parameters:,} parameters, {macs / 1e6:,.1f} million MACs, "
        f"{_megabytes(network)} MB kept for the backward pass, feature maps from {sizes[0]} down to {sizes[-1]}. "
    )


def _megabytes(network: Network) -> str:
    return f"{total_activations(network.rows) * BYTES_IN_FLOAT32 / 1e6:,.1f}"


def _table(group: str, networks: list[Network]) -> str:
    """The networks of a group side by side, as in the paper's table 1."""
    head = "".join(f'<th scope="col" data-net="{n.arch.name}">{n.label}</th>' for n in networks)
    lines = [f'<tr><th scope="col">part</th><th scope="col">output</th>{head}</tr>']
    for i, row in enumerate(networks[0].rows):
        cells = {n.arch.name: _consists_of(n, n.rows[i]) for n in networks}
        lines.append(_line(row.name, f"{row.output}×{row.output}", cells))
    totals = {n.arch.name: total(n.rows) for n in networks}
    lines += [
        _line("parameters", "", {name: f"{parameters:,}" for name, (parameters, _) in totals.items()}),
        _line("MACs", "million", {name: f"{macs / 1e6:,.1f}" for name, (_, macs) in totals.items()}),
        _line("activations", "MB", {n.arch.name: _megabytes(n) for n in networks}),
    ]
    caption = "<caption>Side by side, for a 32×32 image. The chosen network is framed.</caption>"
    table = _scrolling(f"<table>{caption}{''.join(lines)}</table>", "Networks side by side")
    return f'<div class="rt-hidden" data-group="{group}">{table}</div>'


def _line(part: str, output: str, cells: dict[str, str]) -> str:
    texts = "".join(f'<td data-net="{name}">{text}</td>' for name, text in cells.items())
    return f'<tr><th scope="row">{part}</th><td>{output}</td>{texts}</tr>'


def _consists_of(network: Network, row: LayerCost) -> str:
    """What a part consists of, short: the layers of a block one below the other."""
    if row.name == "fc":
        return f"{network.arch.features} → {row.channels}"
    repeats, _, block = row.what.rpartition(" × [")
    return f"[{block} × {repeats}".replace("; ", "<br>") if repeats else row.what


def _panel(network: Network, visibility: str = "") -> str:
    """One network part by part, and how to build it."""
    title, (parameters, macs), kept = network.arch.title, total(network.rows), total_activations(network.rows)
    heads = ("parameters", "MACs", "activations", "receptive field")
    head = f'<th scope="col">part</th><th scope="col" {WORDS}>consists of</th><th scope="col">output</th>'
    head += "".join(f'<th scope="col" {NUMBER}>{name}</th>' for name in heads)
    lines = [f"<tr>{head}</tr>"]
    for row in network.rows:
        shares = ((row.parameters, parameters), (row.macs, macs), (row.activations, kept))
        numbers = "".join(_share(*share) for share in shares)
        field = f"<td {NUMBER}>{row.receptive_field:,}×{row.receptive_field:,}</td>"
        texts = f'<th scope="row">{row.name}</th><td {WORDS}>{row.what}</td><td>{_shape(row)}</td>'
        lines.append(f"<tr>{texts}{numbers}{field}</tr>")
    cells = "".join(f"<td {NUMBER}>{number:,}</td>" for number in (parameters, macs, kept))
    lines.append(f'<tr><th scope="row">all</th><td {WORDS}></td><td></td>{cells}<td></td></tr>')
    caption = f"<caption>{title}, part by part: channels × height × width, and costs for one image</caption>"
    table = _scrolling(f"<table>{caption}{''.join(lines)}</table>", f"{title}, part by part")
    code = f"<p>To build it, and to print this table:</p><pre><code>{escape(network.code, quote=False)}</code></pre>"
    return f'<div class="{visibility}" data-net="{network.arch.name}">{table}{code}</div>'


def _shape(row: LayerCost) -> str:
    return f"{row.channels}" if row.name == "fc" else f"{row.channels} × {row.output} × {row.output}"


def _share(value: int, whole: int) -> str:
    """A number with a bar for its share of the whole."""
    return f'<td class="rt-number rt-share" style="--share: {100 * value / whole:.1f}%">{value:,}</td>'


def _scrolling(table: str, label: str) -> str:
    """A wide table scrolls by itself, also from the keyboard."""
    return f'<div class="rt-scroll" role="group" aria-label="{label}" tabindex="0">{table}</div>'


# --- Plan a run ---

PLAN_STYLE = """
.rt-plan .rt-form { display: grid; gap: 0.6em 1em;
  grid-template-columns: repeat(auto-fill, minmax(min(15em, 100%), 1fr)); }
.rt-plan [hidden] { display: none; }
.rt-plan .rt-form label.rt-field { display: block; padding: 0; font-weight: normal; text-decoration: none; }
.rt-plan .rt-form :is(select, input[type=number]) { display: block; width: 100%; padding: 0.3em; font: inherit;
  color: var(--rt-text); background: var(--rt-page); border: 1px solid #888; border-radius: 0.2em; }
.rt-plan .rt-form label.rt-field:focus-within { outline: none; }
.rt-plan .rt-form :is(select, input):focus-visible { outline: 2px solid currentColor; }
.rt-plan.rt-plan [data-plan] { padding-left: 0; }
.rt-plan.rt-plan .rt-results th { font-weight: normal; white-space: normal; }
.rt-plan.rt-plan .rt-whole :is(th, td) { font-weight: bold; }
"""
PLAN_NUMBERS = {"epochs": 10, "batch size": 128, "training images": 50_000}
CHECKPOINTING = "recompute activations (a third more time for a step)"
# What `Plan` computes, once more, for pages without Python. A test compares the two.
PLAN_SCRIPT = """
(() => {
  const root = document.currentScript.parentElement, facts = FACTS;
  const form = root.querySelector("form"), field = (name) => form.elements[name];
  const digits = (n) => ({minimumFractionDigits: n, maximumFractionDigits: n});
  const number = (x, n = 0) => x.toLocaleString("en-US", digits(n));
  const size = (n) => n >= 1e9 ? number(n / 1e9, 2) + " GB" : number(n / 1e6, 2) + " MB";
  const rate = (x) => x >= 10 ? number(x) : x.toFixed(1);
  const duration = (s) => {
    for (const [unit, length] of [["days", 86400], ["h", 3600], ["min", 60]]) {
      if (s >= 2 * length) return (s / length).toFixed(1) + " " + unit;
    }
    return s.toFixed(s < 10 ? 1 : 0) + " s";
  };
  const plan = (name, machine, epochs, batch, images, states, checkpointed) => {
    const network = facts.networks[name];
    const apart = (m) => m.model === name ? -1 : Math.abs(Math.log(network.macs / m.macs));
    const basis = machine.measured.reduce((best, m) => apart(m) < apart(best) ? m : best);
    const factor = network.macs / basis.macs;
    const seconds = basis.step * factor * (checkpointed ? facts.recomputed : 1) + basis.loading;
    const weights = network.parameters * facts.wide, short = machine.bytes;
    const memory = {weights, gradients: weights, optimizer: states * weights,
      copies: short < facts.wide ? network.parameters * short : 0,
      activations: batch * short * (checkpointed ? network.checkpointed : network.activations)};
    const whole = Object.values(memory).reduce((a, b) => a + b), time = duration(epochs * images * seconds);
    let measured = `Measured: ${basis.title} at ${rate(1 / (basis.step + basis.loading))} images/s, ${basis.source}, `;
    measured += `in batches of ${number(basis.batch_size)}.`;
    if (basis.model !== name) {
      measured += ` Scaled: ${network.title} has ${number(factor, 2)} times its MACs; `;
      measured += "the time of a step is scaled with them.";
    }
    return {summary: `${network.title}, ${number(epochs)} epoch${epochs === 1 ? "" : "s"}: ${time} and ${size(whole)}.`,
      basis: measured, time, "images per second": rate(1 / seconds), steps: number(epochs * Math.ceil(images / batch)),
      ...Object.fromEntries(Object.entries(memory).map(([part, bytes]) => [part, size(bytes)])), memory: size(whole)};
  };
  const update = () => {
    const wrong = facts.numbers.find((name) => !/^[1-9][0-9]{0,11}$/.test(field(name).value));
    const values = facts.numbers.map((name) => Number(field(name).value));
    const shown = wrong ? {summary: `${wrong}: give a whole number of at least 1.`} : plan(
      field("network").value, facts.machines[field("machine").value], ...values,
      Number(field("optimizer").value), field("checkpointing").checked);
    for (const cell of root.querySelectorAll("[data-plan]")) cell.textContent = shown[cell.dataset.plan] ?? "–";
    for (const name of facts.numbers) field(name).setAttribute("aria-invalid", name === wrong);
  };
  form.addEventListener("input", update);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  update();
})();
"""


class RunPlanner:
    """What `run_planner` returns: it shows itself in a notebook, and as text elsewhere."""

    def __init__(self, machines: dict[str, Machine], model: str = "resnet20"):
        if not machines:
            raise InputError(
                "no machine to plan for: take those of read_machines, from resnet_tutorial.analysis.budget"
            )
        self.machines = machines
        self.model = get_architecture(model).name
        self.names = list(dict.fromkeys([*list_models(), self.model]))

    def __repr__(self) -> str:
        return "\n".join(str(plan(self.model, machine)) for machine in self.machines.values())

    def _repr_html_(self) -> str:
        first = plan(self.model, next(iter(self.machines.values())))
        form = f'<form method="dialog" hidden>{self._controls()}{_plan_html(first)}</form>'
        script = PLAN_SCRIPT.replace("FACTS", json.dumps(self._facts()).replace("<", "\\u003c"))
        style = f"<style>{STYLE}{PLAN_STYLE}</style>"
        table = f"<noscript>{self._table()}</noscript>"
        return f'<div class="rt-nets rt-plan">{style}{form}{table}<script>{script}</script></div>'

    def _controls(self) -> str:
        groups: dict[str, dict[str, str]] = {}
        for name in self.names:
            arch = get_architecture(name)
            groups.setdefault(KINDS[arch.kind], {})[name] = arch.title
        optimizers = {str(n): name for name, n in STATES.items()}
        selects = {
            "network": "".join(
                f'<optgroup label="{kind}">{_options(titles, self.model)}</optgroup>' for kind, titles in groups.items()
            ),
            "machine": _options({str(i): name for i, name in enumerate(self.machines)}),
            "optimizer": _options(optimizers),
        }
        controls = [
            f'<label class="rt-field">{name}<select name="{name}">{html}</select></label>'
            for name, html in selects.items()
        ]
        controls += [
            f'<label class="rt-field">{name}<input type="number" name="{name}" min="1" value="{value}"></label>'
            for name, value in PLAN_NUMBERS.items()
        ]
        controls.append(f'<label class="rt-field"><input type="checkbox" name="checkpointing"> {CHECKPOINTING}</label>')
        return f'<fieldset><legend>Plan a run</legend><div class="rt-form">{"".join(controls)}</div></fieldset>'

    def _facts(self) -> dict:
        """All numbers that the script computes with."""
        machines = []
        for machine in self.machines.values():
            measured = [
                asdict(m) | {"macs": costs(m.model)[1], "title": get_architecture(m.model).title}
                for m in machine.measured
            ]
            machines.append({"bytes": BYTES[machine.precision], "measured": measured})
        return {
            "networks": {name: _network_facts(name) for name in self.names},
            "machines": machines,
            "numbers": list(PLAN_NUMBERS),
            "recomputed": RECOMPUTED,
            "wide": BYTES_IN_FLOAT32,
        }

    def _table(self) -> str:
        """Where there is no script: every network, for the numbers that the form begins with."""
        heads = "".join(f'<th scope="col" {NUMBER}>{escape(name)}</th>' for name in self.machines)
        lines = [f'<tr><th scope="col">network</th>{heads}</tr>']
        for name in self.names:
            plans = [plan(name, machine).as_text() for machine in self.machines.values()]
            cells = "".join(f"<td {NUMBER}>{texts['time']}, {texts['memory']}</td>" for texts in plans)
            lines.append(f'<tr><th scope="row">{get_architecture(name).title}</th>{cells}</tr>')
        words = ", ".join(f"{name} {value:,}" for name, value in PLAN_NUMBERS.items())
        caption = f"<caption>Time and memory: {words}</caption>"
        return _scrolling(f"<table>{caption}{''.join(lines)}</table>", "Time and memory of every network")


def run_planner(machines: dict[str, Machine], model: str = "resnet20") -> RunPlanner:
    """A form that plans a run, and needs no kernel: a small script beside it computes what `plan` computes.

    Args:
        machines: from `resnet_tutorial.analysis.budget.read_machines`.
        model: the network that is chosen at first.

    Raises:
        InputError: if there is no machine, or no network of that name.
    """
    return RunPlanner(machines, model)


def explore_budget(machines: dict[str, Machine]) -> Any:
    """Controls for network, machine, epochs, batch size, images and optimizer, and below them time and memory.

    Where the environment variable ``RESNET_TUTORIAL_STATIC`` is set, as when the book is built, there will be no kernel
    behind the controls: then this is the `run_planner`.

    Args:
        machines: from `resnet_tutorial.analysis.budget.read_machines`.

    Returns:
        An ipywidgets box, or a `RunPlanner`.

    Raises:
        InputError: if ipywidgets is not installed, or there is no machine.
    """
    planner = run_planner(machines)
    if os.environ.get(STATIC):
        return planner
    try:
        import ipywidgets as widgets
    except ImportError:
        raise InputError(
            "the planner needs ipywidgets: pip install ipywidgets, or take run_planner(machines)"
        ) from None
    network = widgets.Dropdown(options=planner.names, value=planner.model, description="network")
    machine = widgets.Dropdown(options=list(machines), description="machine")
    optimizer = widgets.Dropdown(options=list(STATES), description="optimizer")
    epochs, batch, images = (
        widgets.BoundedIntText(value=value, min=1, max=10**9, description=name) for name, value in PLAN_NUMBERS.items()
    )
    saving = widgets.Checkbox(description=CHECKPOINTING)
    shown = widgets.HTML()

    def update(change: dict | None = None) -> None:
        planned = plan(
            network.value,
            find_machine(machines, machine.value),
            epochs=epochs.value,
            batch_size=batch.value,
            images=images.value,
            optimizer=optimizer.value,
            checkpoint_activations=saving.value,
        )
        shown.value = f'<div class="rt-nets rt-plan"><style>{STYLE}{PLAN_STYLE}</style>{_plan_html(planned)}</div>'

    controls = [network, machine, optimizer, epochs, batch, images, saving]
    for control in controls:
        control.observe(update, names="value")
    update()
    return widgets.VBox([widgets.HBox(controls[:3]), widgets.HBox(controls[3:6]), saving, shown])


def _network_facts(name: str) -> dict:
    (parameters, macs, activations), checkpointed = costs(name), costs(name, True)[2]
    numbers = {"parameters": parameters, "macs": macs, "activations": activations, "checkpointed": checkpointed}
    return {"title": get_architecture(name).title, **numbers}


def _options(choices: dict[str, str], chosen: str | None = None) -> str:
    return "".join(
        f'<option value="{value}"{" selected" if value == chosen else ""}>{escape(text)}</option>'
        for value, text in choices.items()
    )


def _plan_html(planned: Plan) -> str:
    """The results of a plan: a sentence that a screen reader speaks when it changes, a table, and what it rests on."""
    texts = planned.as_text()
    summary, basis = (f'<span data-plan="{name}">{escape(texts.pop(name))}</span>' for name in ("summary", "basis"))
    parts = {name: f"memory: {name}" for name in asdict(planned.memory)} | {"memory": "memory, all counted"}
    parts["copies"] = "memory: 16-bit copies of the weights"
    whole = ("time", "memory")
    lines = "".join(
        f'<tr{" class=rt-whole" if name in whole else ""}><th scope="row">{parts.get(name, name)}</th>'
        f'<td {NUMBER} data-plan="{name}">{text}</td></tr>'
        for name, text in texts.items()
    )
    table = _scrolling(f'<table class="rt-results">{lines}</table>', "Time and memory")
    return f'<p role="status">{summary}</p>{table}<p>{basis}</p>'
