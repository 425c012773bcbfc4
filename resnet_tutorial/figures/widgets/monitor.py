"""A run to watch."""

import os
import threading
from dataclasses import replace
from html import escape
from itertools import count
from pathlib import Path

from ...errors import InputError
from ...text import duration
from ...training import RunRecord, Trainer
from ...training.checkpoint import has_checkpoint
from ..colors import COLORS
from ..tables import NUMBER, html_table
from .page import STATIC, STYLE, load_ipywidgets

MONITOR_STYLE = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")


class TrainingMonitor:
    """A run to watch: loss, accuracies, learning rate, speed and time left after each epoch, and a button to end it.

    The run goes on in the background, so that the kernel can answer the button. Where the environment variable
    ``RESNET_TUTORIAL_STATIC`` is set, as when the book is built, there will be no kernel behind a button: then `start`
    trains to the end, and what is shown is the finished run. If there is a run in the folder, as when a cell is run
    again, two buttons offer to go on with it, or to begin another one beside it.

    Args:
        trainer: the run, not yet started.

    Raises:
        InputError: if ipywidgets is not installed.
    """

    def __init__(self, trainer: Trainer):
        self.trainer, self.status = trainer, "not started"
        self._error, self._thread = None, threading.Thread(target=self._run, daemon=True)
        self._shown = self._button = None
        trainer.listeners.append(lambda row: self._update("training"))
        if not os.environ.get(STATIC):
            self._add_controls()

    def start(self) -> "TrainingMonitor":
        """Begin to train, or ask what to do about a run that is there."""
        folder = self.trainer.folder
        if has_checkpoint(folder) and not self.trainer.config.resume:
            there = f"a run is there, in {folder}: resume=True goes on with it, or choose another folder"
            self._error = InputError(there)
            self._update(there)
            if self._button is not None:
                self._box.children = (self._shown, *self._choices())
                return self
        elif self._button is not None:
            self._begin()
            return self
        else:
            self._update("training")
            self._run()
        self.wait()
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

    def _choices(self) -> list:
        widgets = load_ipywidgets("monitor", "call trainer.fit()")
        go_on = widgets.Button(description="Go on with it")
        another = widgets.Button(description="Begin another one", tooltip="In a new folder beside it")

        def resume(button: object) -> None:
            self.trainer.config = replace(self.trainer.config, resume=True)
            self._begin()

        def begin_beside(button: object) -> None:
            folder = self.trainer.folder
            places = (folder.with_name(f"{folder.name}-{number}") for number in count(2))
            self.trainer.folder = next(place for place in places if not place.exists())
            self._begin()

        go_on.on_click(resume)
        another.on_click(begin_beside)
        return [go_on, another]

    def _begin(self) -> None:
        self._box.children = (self._shown, self._button)
        self._error = None
        self._update("training")
        self._thread.start()

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
        widgets = load_ipywidgets("monitor", "call trainer.fit()")
        self._shown = widgets.HTML()
        self._button = widgets.Button(description="Stop", tooltip="Save and end after this step")
        self._button.on_click(lambda button: self.stop())
        self._box = widgets.VBox([self._shown, self._button])

    def _update(self, status: str) -> None:
        self.status = status
        if self._shown is not None:
            self._shown.value = self._repr_html_()

    def _time_left(self) -> str:
        """From the last three epochs; nothing before the first, after the last, and where the run has ended."""
        epoch, epochs = self.trainer.epoch, self.trainer.epochs
        if epoch in (0, epochs) or self.status != "training":
            return ""
        seconds = sum(row["seconds"] for row in self.trainer.history[-3:])
        shares = self.trainer.recipe.arithmetic(epochs)  # the images may grow
        return f", {duration(seconds * sum(shares[epoch:]) / sum(shares[:epoch][-3:]))} left"

    def _repr_html_(self) -> str:
        epoch, epochs, history = self.trainer.epoch, self.trainer.epochs, self.trainer.history
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
    texts = {name: text.format(row[key]) for key, (name, text) in NUMBERS.items() if key in row}
    columns = {"name": texts.keys(), "value": texts.values()}
    return html_table(columns, f"Epoch {row['epoch']}", attributes={"value": NUMBER}, head=False)


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
    for key, look in zip(keys, ('stroke="currentColor"', f'stroke="{COLORS[1]}" stroke-dasharray="5 3"'), strict=True):
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
