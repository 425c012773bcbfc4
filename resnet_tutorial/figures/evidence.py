"""Where a figure comes from, a line below it with all runs that it shows; and what a difference of runs is worth."""

import statistics
from collections.abc import Iterable
from html import escape

from ..analysis.uncertainty import seed_difference
from ..training.record import RunRecord, name_device
from .results import recipe_in_short
from .tables import Cell, html_table, scrolling


class Source:
    """Where a figure comes from, as `loaded` and `trained` say it; shows itself in a notebook, and as text."""

    def __init__(self, records: Iterable[RunRecord], here: bool):
        self.records, self.here = list(records), here
        self.word = "Trained here" if here else "Loaded, not trained here"

    def __repr__(self) -> str:
        return f"{self.word}: {self._sentence()}."

    def _repr_html_(self) -> str:
        # What repeats a run of this page is its cell: a command knows nothing of images that were made for it.
        what = "The recipe and each run" if self.here else "The recipe, each run, and the command that repeats it"
        columns = {
            "network": [run.network for run in self.records],
            "seed": [run.seed for run in self.records],
            "test accuracy": [f"{run.test['accuracy']:.2f} %" for run in self.records],
            "commit": [run.commit or "installed package" for run in self.records],
        }
        if not self.here:
            columns["command"] = [Cell(run.command, f"<code>{escape(run.command)}</code>") for run in self.records]
        return (
            f'<div class="rt-source rt-{"trained" if self.here else "loaded"}"><p><strong>{self.word}:</strong> '
            f"{escape(self._sentence())}.</p><details><summary>{what}</summary>"
            f"<p>{escape(_all(map(recipe_in_short, self.records)))}.</p>{scrolling(html_table(columns), 'The runs')}"
            "</details></div>"
        )

    def _sentence(self) -> str:
        """What the runs are, how long, on what data, on what machine, when; several values where they differ."""
        if not self.records:
            return "no such runs are recorded yet"
        networks = list(dict.fromkeys(run.network for run in self.records))
        which = networks[0] if len(networks) == 1 else f"{len(networks)} networks"
        length = f"{_all((str(len(run.history)) for run in self.records), ' or ')} epochs"
        if len(self.records) > 1:
            which, length = f"{len(self.records)} runs of {which}", f"{length} each"
        data = _all(f"{run.data['name']} ({run.data['train']:,} training images)" for run in self.records)
        days = sorted((run.finished or "unfinished")[:10] for run in self.records)
        when = _all([days[0], days[-1]], " to ")
        return f"{which}, {length}, on {data}; {_all(map(_machine, self.records))}; {when}"


def loaded(records: Iterable[RunRecord]) -> Source:
    """Say that a figure shows these recorded runs, with their data, machine and date."""
    return Source(records, here=False)


def trained(records: Iterable[RunRecord]) -> Source:
    """Say that a figure shows these runs, which the page trained itself, with their data, machine and date."""
    return Source(records, here=True)


def difference(first: Iterable[float], second: Iterable[float]) -> str:
    """How much higher figures of equal runs are on average than others, in words.

    Args:
        first, second: one figure for each run, in percent, such as its error.

    Returns:
        Points of the second minus the first, with their 95 % interval where both have several seeds.
    """
    first, second = tuple(first), tuple(second)
    if min(len(first), len(second)) < 2:
        gap = _signed(statistics.fmean(second) - statistics.fmean(first))
        return f"{gap} points (seeds: {len(second)} and {len(first)}, so no interval)"
    gap = seed_difference(first, second)
    return f"{_signed(gap.value)} points (95 % interval {_signed(gap.low)} to {_signed(gap.high)})"


def _signed(points: float) -> str:
    return f"{round(points, 1) + 0.0:+.1f}"  # + 0.0: a rounded zero has no minus


def _all(values: Iterable[str], word: str = " and ") -> str:
    return word.join(dict.fromkeys(values))


def _machine(run: RunRecord) -> str:
    beside = f", {run.side_by_side} runs side by side" if run.side_by_side > 1 else ""
    return f"{name_device(run.machine, threads=True)}, {run.precision}{beside}"
