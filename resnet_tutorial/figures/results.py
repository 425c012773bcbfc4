"""What runs came to: their records as rows, of an epoch, run or experiment, of which figures and tables are made."""

import json
import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from glob import glob
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from ..files import expand
from ..text import duration, natural
from ..training.checkpoint import has_checkpoint, load_checkpoint
from ..training.recipe import recipe_from_dict
from ..training.recipe_text import recipe_summary
from ..training.record import RunRecord, read_record, record_from_dict
from ..training.run_folder import RECORD
from .tables import columns_of, html_table, plain_table, scrolling

if TYPE_CHECKING:
    from pandas import DataFrame


# --- Records ---


def read_run(path: str | Path) -> RunRecord:
    """Read the record of a run, also of one that has not come to its end.

    Args:
        path: a ``record.json``, whatever its name, or the folder of a run. Its checkpoints are looked at only where
            the folder holds no record.

    Raises:
        InputError: if there is none, or it is damaged.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise InputError(f"no run at {path}: name the folder of a run, as runs/NAME, or its record (.json)")
    if path.suffix == ".pt":
        raise InputError(f"{path} is a checkpoint and no record: name the folder of the run, {path.parent}")
    if not path.is_dir():
        return read_record(path)
    if (path / RECORD).exists():
        return read_record(path / RECORD)
    if has_checkpoint(path):
        return record_from_dict(load_checkpoint(path)["record"], path)
    raise InputError(f"{path} holds no run: name the folder of a run, or its record (.json)")


def read_records(*patterns: str) -> list[RunRecord]:
    """The records whose files have such names, which may be none.

    Args:
        patterns: such as ``results/plain*-seed?.json``; those of the first come first, each sorted by network and seed.

    Raises:
        InputError: if a file is damaged or of another version.
    """
    return [read_record(Path(path)) for pattern in patterns for path in sorted(glob(str(pattern)), key=natural)]


def group_runs(records: Iterable[RunRecord]) -> dict[str, list[RunRecord]]:
    """Runs that differ in nothing but their seed, together and sorted by it.

    Args:
        records: any runs.

    Returns:
        The runs by the name of their network, in the order of the records. Where several experiments have the same
        network, their names also say the data, the recipe or the precision, whatever they differ in.
    """
    groups: dict[str, list[RunRecord]] = {}
    for record in records:
        groups.setdefault(_experiment(record), []).append(record)
    firsts = [runs[0] for runs in groups.values()]
    letters = _letters(map(recipe_in_short, firsts))
    details = (
        lambda run: run.data["name"],
        lambda run: f"recipe {letters[recipe_in_short(run)]}",
        lambda run: run.precision,
        lambda run: f"({firsts.index(run) + 1})",
    )
    names = [run.network for run in firsts]
    for detail in details:
        told: dict[str, set[str]] = {}
        for name, run in zip(names, firsts, strict=True):
            told.setdefault(name, set()).add(detail(run))
        names = [
            f"{name}, {detail(run)}" if len(told[name]) > 1 else name for name, run in zip(names, firsts, strict=True)
        ]
    runs = (sorted(group, key=lambda record: record.seed) for group in groups.values())
    return dict(zip(names, runs, strict=True))


def recipe_in_short(record: RunRecord) -> str:
    """The recipe of a run in one line."""
    try:
        return recipe_summary(recipe_from_dict(record.recipe, "of a run")).strip().replace("\n", "; ")
    except InputError:
        return "recipe of another version"


def epochs(records: Iterable[RunRecord]) -> "DataFrame":
    """The epochs of runs, a row each.

    Args:
        records: any runs.

    Returns:
        Columns ``network`` (as `group_runs` names it), ``run`` (its number), ``seed``, ``images`` (seen since the
        start), ``epoch``, ``lr``, ``loss`` and ``val_loss`` in nats, ``train_accuracy`` and ``val_accuracy`` in
        percent, ``train_error`` and ``val_error``, what is missing to 100. Without images held out there is no
        ``val_…``: NaN.

    Raises:
        InputError: if pandas is not installed.
    """
    runs = [(name, run) for name, runs in group_runs(records).items() for run in runs]
    rows = [
        {"network": name, "run": i, "seed": run.seed, "images": row["epoch"] * run.data["train"], **row}
        for i, (name, run) in enumerate(runs)
        for row in run.history
    ]
    names = ["network", "run", "seed", "images", "epoch", "lr"]
    frame = make_frame(rows, [*names, "loss", "train_accuracy", "val_loss", "val_accuracy"])
    return frame.assign(train_error=100 - frame["train_accuracy"], val_error=100 - frame["val_accuracy"])


def last_epochs(records: Iterable[RunRecord]) -> "DataFrame":
    """What finished runs came to, a row each.

    Args:
        records: finished runs.

    Returns:
        Columns ``network`` (as `group_runs` names it), ``model``, ``seed``, and ``train_error`` and ``test_error`` in
        the last epoch, in percent.

    Raises:
        InputError: if pandas is not installed.
    """
    rows = [
        (name, run.model, run.seed, 100 - run.last["train_accuracy"], 100 - run.test["accuracy"])
        for name, runs in group_runs(records).items()
        for run in runs
    ]
    return make_frame(rows, ["network", "model", "seed", "train_error", "test_error"])


def make_frame(rows: list, columns: Sequence[str] | None = None) -> "DataFrame":
    """Rows as a DataFrame.

    Raises:
        InputError: if pandas is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise InputError("a frame needs pandas: pip install 'resnet-tutorial[book]'") from None
    return pandas.DataFrame(rows, columns=columns)


def _experiment(record: RunRecord) -> str:
    """All that runs of one experiment have in common."""
    try:  # with the settings that older versions did not have
        recipe = asdict(recipe_from_dict(record.recipe, "of a run"))
    except InputError:  # a newer version wrote it
        recipe = record.recipe
    data = [record.data[name] for name in ("train_fingerprint", "test_fingerprint", "validation")]
    return json.dumps([record.model, record.options, record.precision, data, recipe], sort_keys=True, default=list)


def _letters(recipes: Iterable[str]) -> dict[str, str]:
    """A letter for each recipe: ``a``, ``b`` … ``z``, ``aa`` …"""
    return {recipe: _letter(i) for i, recipe in enumerate(dict.fromkeys(recipes))}


def _letter(i: int) -> str:
    return (_letter(i // 26 - 1) if i >= 26 else "") + chr(ord("a") + i % 26)


# --- Experiments side by side ---


@dataclass(frozen=True)
class Spread:
    """A figure of equal runs, in text as mean ± standard deviation.

    Attributes:
        values: one for each run, in the order of the seeds.
        mean: their mean.
        sd: their standard deviation, with n − 1 in the denominator; None for a single one.
    """

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)

    @property
    def sd(self) -> float | None:
        return statistics.stdev(self.values) if len(self.values) > 1 else None

    def __str__(self) -> str:
        return f"{self.mean:.2f}" + ("" if self.sd is None else f" ± {self.sd:.2f}")


def spread_of(values: Iterable[float]) -> Spread | None:
    """Some figures of equal runs; None if there are none."""
    values = tuple(values)
    return Spread(values) if values else None


@dataclass(frozen=True)
class Experiment:
    """Runs that differ in nothing but their seed.

    Attributes:
        runs: sorted by seed.
    """

    runs: tuple[RunRecord, ...]

    @property
    def first(self) -> RunRecord:
        """The run with the smallest seed."""
        return self.runs[0]

    @property
    def finished(self) -> list[RunRecord]:
        """The runs that have come to their end; others count nowhere."""
        return [run for run in self.runs if run.test is not None]

    @property
    def best(self) -> list[dict]:
        """The epoch of each finished run with the highest validation accuracy; empty without a validation part."""
        return [run.best for run in self.finished if run.best is not None]

    @property
    def test(self) -> Spread | None:
        """Accuracy on the test part after the last epoch, in percent; None if no run is finished."""
        return spread_of(run.test["accuracy"] for run in self.finished)

    @property
    def validation(self) -> Spread | None:
        """Highest accuracy on the validation part, in percent; None without one."""
        return spread_of(row["val_accuracy"] for row in self.best)

    @property
    def seconds(self) -> Spread | None:
        """Wall time of a run; runs that shared the machine with others do not count."""
        return spread_of(run.wall_seconds for run in self.finished if run.side_by_side == 1)

    def as_row(self) -> dict:
        """Plain data, for JSON and frames; ``test``, ``validation`` and ``seconds`` are means over the seeds."""
        first = self.first
        row = {
            "network": first.network,
            "model": first.model,
            "options": first.options,
            "parameters": first.parameters,
            "macs": first.macs,
            "recipe": first.recipe_name,
            "epochs": len(first.history),
            "precision": first.precision,
            "data": first.data["name"],
            "train_images": first.data["train"],
            "test_images": first.data["test"],
            "test_fingerprint": first.data["test_fingerprint"],
            "seeds": [run.seed for run in self.finished],
            "unfinished": len(self.runs) - len(self.finished),
            "accuracies": list(self.test.values) if self.test else [],
        }
        for name in ("test", "validation", "seconds"):
            spread = getattr(self, name)
            row |= {name: spread and spread.mean, f"{name}_sd": spread and spread.sd}
        return row


def experiments(records: Iterable[RunRecord]) -> list[Experiment]:
    """The experiments that some runs make, in the order of the records."""
    return [Experiment(tuple(runs)) for runs in group_runs(records).values()]


@dataclass(frozen=True)
class Comparison:
    """Runs side by side: a table in a terminal and in a notebook.

    Attributes:
        experiments: runs that differ in nothing but their seed, together, in the order in which they were given.
    """

    experiments: tuple[Experiment, ...]

    @property
    def frame(self) -> "DataFrame":
        """A pandas DataFrame with a row for each experiment, as `Experiment.as_row` has it.

        Raises:
            InputError: if pandas is not installed.
        """
        return make_frame([each.as_row() for each in self.experiments])

    @property
    def recipes(self) -> dict[str, str]:
        """For each recipe in short the letter that stands for it in the table."""
        return _letters(recipe_in_short(each.first) for each in self.experiments)

    @property
    def tables(self) -> dict[str, dict[str, list[str]]]:
        """For each test part, in words, the columns of its table."""
        parts: dict[str, list[dict]] = {}
        letters = self.recipes
        for each in self.experiments:
            data = each.first.data
            words = f"{data['name']}: {data['test']:,} test images (fingerprint {data['test_fingerprint'][:8]})"
            parts.setdefault(words, []).append(_cells(each, letters))
        return {words: columns_of(rows) for words, rows in parts.items()}

    @property
    def notes(self) -> list[str]:
        """What one has to know to read the table."""
        runs, parts = [run for each in self.experiments for run in each.runs], {}
        for each in self.experiments:
            parts.setdefault(each.first.data["test_fingerprint"], set()).add(each.first.data["train"])
        seeds = [[run.seed for run in each.finished] for each in self.experiments]
        unfinished, shared = sum(run.test is None for run in runs), sum(run.side_by_side > 1 for run in runs)
        machines = {json.dumps(run.machine | {"side_by_side": 1}, sort_keys=True) for run in runs}
        notes = {
            "figures are mean ± standard deviation over the seeds; for intervals, resnet_tutorial.analysis has "
            "mean_interval and seed_difference": any(
                each.test and each.test.sd is not None for each in self.experiments
            ),
            f"the runs were scored on {len(parts)} different test parts, a table each: accuracies of different tables "
            "do not compare": len(parts) > 1,
            "the rows of a table were not all trained on the same number of images": max(map(len, parts.values())) > 1,
            "a seed was run more than once, and each of its runs counts": any(len(set(s)) < len(s) for s in seeds),
            f"{unfinished} of {len(runs)} not finished, and left out of the means": unfinished,
            f"{shared} of {len(runs)} shared the machine with others, and their times are left out": shared,
            "the runs were on different machines or versions of torch: times do not compare": len(machines) > 1,
        }
        return [note for note, holds in notes.items() if holds]

    def as_dict(self) -> dict:
        """Plain data, for JSON."""
        return {"experiments": [each.as_row() for each in self.experiments], "notes": self.notes}

    def __repr__(self) -> str:
        tables = [f"{words}\n{plain_table(columns)}" for words, columns in self.tables.items()]
        recipes = "\n".join(f"recipe {letter}: {recipe}" for recipe, letter in self.recipes.items())
        return "\n\n".join([*tables, recipes, *(f"note: {note}" for note in self.notes)])

    def _repr_html_(self) -> str:
        parts = [scrolling(html_table(columns, words), words) for words, columns in self.tables.items()]
        parts += [f"<p>recipe {letter}: {escape(recipe)}</p>" for recipe, letter in self.recipes.items()]
        return "".join([*parts, *(f"<p>note: {escape(note)}</p>" for note in self.notes)])


def compare(*runs: str | Path | RunRecord | Iterable) -> Comparison:
    """Put runs side by side.

    Runs with the same network, recipe, precision and data are one row, whatever their seeds. Runs that were scored on
    different test parts come into different tables, with a note. A folder without a run in it or in the folders in it
    is left out, and standard error says so.

    Args:
        runs: folders of runs, or folders of these, as ``train --seeds`` makes them; patterns such as ``runs/*``; files
            of records; what `train` returns; or lists of all these.

    Raises:
        InputError: if there are none, or a file is no record.
    """
    records, empty = [], []
    for each in _flat(runs):
        found = [each] if isinstance(each, RunRecord) else [read_run(path) for path in _runs_in(each)]
        empty += [] if found else [each]
        records += [record for record in found if record not in records]
    names = ", ".join(map(str, empty))
    if not records and empty:
        raise InputError(
            f"{names} {'holds' if len(empty) == 1 else 'hold'} no run: name the folder of a run, or its record (.json)"
        )
    if not records:
        raise InputError("no runs to compare: name records (.json) or folders of runs")
    if empty:
        print(f"note: left out, as nothing of a run is saved there: {names}", file=sys.stderr)
    return Comparison(tuple(experiments(records)))


def _flat(runs: Iterable) -> Iterable[RunRecord | Path]:
    for each in runs:
        if isinstance(each, RunRecord):
            yield each
        elif isinstance(each, str | Path):
            yield from expand([Path(each).expanduser()])
        else:
            yield from _flat(each)


def _runs_in(path: Path) -> list[Path]:
    """The run at a path, or those in the folders in it, as there is one for each seed."""
    if not path.is_dir() or _holds_run(path):
        return [path]
    return sorted(filter(_holds_run, path.iterdir()), key=lambda folder: natural(folder.name))


def _holds_run(folder: Path) -> bool:
    return (folder / RECORD).exists() or has_checkpoint(folder)


def _cells(each: Experiment, letters: dict[str, str]) -> dict[str, str]:
    """One row of a table, by the headings."""
    first, seeds = each.first, [run.seed for run in each.finished]
    return {
        "network": first.network,
        "recipe": letters[recipe_in_short(first)],
        "precision": first.precision,
        "trained on": f"{first.data['train']:,}",
        "seeds": (" ".join(map(str, seeds)) if len(seeds) <= 5 else f"{len(seeds)} seeds") or "–",
        "test, last epoch": f"{each.test} %" if each.test else "–",
        "best validation": f"{each.validation} %" if each.validation else "–",
        "time a run": duration(each.seconds.mean) if each.seconds else "–",
        "parameters": f"{first.parameters:,}",
        "MMACs": f"{first.macs / 1e6:,.1f}",
    }
