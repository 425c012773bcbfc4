"""Runs side by side: seeds of one experiment as mean and standard deviation, different data kept apart."""

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path

from ..errors import InputError
from .checkpoint import has_checkpoint, load_checkpoint
from .recipe import recipe_from_dict
from .recipe_text import recipe_summary
from .record import RunRecord, read_record, record_from_dict
from .run_folder import RECORD


@dataclass(frozen=True)
class Spread:
    """Some figures of equal runs.

    Attributes:
        values: one for each run, in the order of the seeds.
        mean: their mean.
        sd: their standard deviation, with n − 1 in the denominator; None for a single one.
    """

    values: tuple[float, ...]
    mean: float
    sd: float | None


@dataclass(frozen=True)
class Row:
    """Runs that differ in nothing but their seed.

    Attributes:
        name: the network with its options.
        options: options of `create_model` that are not the usual ones.
        recipe: the recipe in short.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        train_images: number of images that are trained on.
        seeds: of the finished runs.
        unfinished: number of runs that have not come to their end; they count nowhere.
        test: accuracy on the test part after the last epoch, in percent; None if no run is finished.
        validation: highest accuracy on the validation part, in percent; None without one.
        best_epochs: the epochs in which that was reached.
        seconds: wall time of a run; runs that shared the machine with others do not count.
        parameters: trainable numbers of the network.
        macs: multiply-accumulates for one image.
    """

    name: str
    options: dict
    recipe: str
    precision: str
    train_images: int
    seeds: tuple[int, ...]
    unfinished: int
    test: Spread | None
    validation: Spread | None
    best_epochs: tuple[int, ...]
    seconds: Spread | None
    parameters: int
    macs: int


@dataclass(frozen=True)
class Table:
    """Rows whose accuracies were measured on the same images.

    Attributes:
        data: name of the data set.
        fingerprint: that of the test part.
        test_images: number of its images.
        rows: one for each experiment, in the order in which they were given.
    """

    data: str
    fingerprint: str
    test_images: int
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Comparison:
    """What `compare` finds.

    Attributes:
        tables: one for each test part.
        recipes: the recipes of all tables in short, by the letter that stands for them.
        notes: what one has to know to read the tables.
    """

    tables: tuple[Table, ...]
    recipes: dict[str, str]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        letters = {recipe: letter for letter, recipe in self.recipes.items()}
        tables = [_format_table(table, letters) for table in self.tables]
        recipes = "\n".join(f"recipe {letter}: {recipe}" for letter, recipe in self.recipes.items())
        return "\n\n".join([*tables, recipes, *(f"note: {note}" for note in self.notes)])

    def as_dict(self) -> dict:
        """Plain data, for JSON."""
        return asdict(self)


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


def compare(records: Iterable[RunRecord]) -> Comparison:
    """Put runs side by side.

    Runs with the same network, recipe, precision and data are one row, whatever their seeds. Runs that were scored on
    different test parts come into different tables, with a note.

    Args:
        records: from `read_run`.

    Raises:
        InputError: if there are none.
    """
    unique = list({json.dumps(asdict(record), sort_keys=True): record for record in records}.values())
    if not unique:
        raise InputError("no runs to compare: name records (.json) or folders of runs")
    groups = group_runs(unique)
    tables = [
        Table(runs[0][0].data["name"], fingerprint, runs[0][0].data["test"], tuple(map(summarize_runs, runs)))
        for fingerprint, runs in _by_first(groups, lambda group: group[0].data["test_fingerprint"])
    ]
    return Comparison(tuple(tables), recipe_letters(unique), tuple(_notes(unique, tables)))


def group_runs(records: Sequence[RunRecord]) -> list[list[RunRecord]]:
    """Runs that differ in nothing but their seed, together and sorted by it; groups in the order of the records."""
    return [sorted(group, key=lambda record: record.seed) for _, group in _by_first(records, _experiment)]


def recipe_letters(records: Iterable[RunRecord]) -> dict[str, str]:
    """The recipes of the records in short, by letter: ``a``, ``b`` … ``z``, ``aa`` …, in the order of the records."""
    recipes = dict.fromkeys(map(recipe_in_short, records))
    return {_letter(i): recipe for i, recipe in enumerate(recipes)}


def _letter(i: int) -> str:
    return (_letter(i // 26 - 1) if i >= 26 else "") + chr(ord("a") + i % 26)


def run_name(record: RunRecord) -> str:
    """The network of a run with the options that are not the usual ones, such as ``resnet14, zero init residual``."""
    words = {key: key.replace("_", " ") for key in record.options}
    options = [words[key] if value is True else f"{words[key]} {value}" for key, value in record.options.items()]
    return ", ".join([record.model, *options])


def _by_first(items: Sequence, key) -> list[tuple[str, list]]:
    """Group by a key; groups in the order in which they first come up."""
    order = {k: i for i, k in reversed(list(enumerate(map(key, items))))}
    ordered = sorted(items, key=lambda item: order[key(item)])
    return [(k, list(group)) for k, group in groupby(ordered, key)]


def _experiment(record: RunRecord) -> str:
    data = {name: record.data[name] for name in ("train_fingerprint", "test_fingerprint", "validation")}
    return json.dumps(
        [record.model, record.options, record.precision, data, _recipe_values(record)], sort_keys=True, default=list
    )


def _recipe_values(record: RunRecord) -> dict:
    """The recipe with all that older versions did not have; as it is, if a newer version wrote it."""
    try:
        return asdict(recipe_from_dict(record.recipe, "of a run"))
    except InputError:
        return record.recipe


def recipe_in_short(record: RunRecord) -> str:
    """The recipe of a run in one line."""
    try:
        return recipe_summary(recipe_from_dict(record.recipe, "of a run")).strip().replace("\n", "; ")
    except InputError:
        return "recipe of another version"


def summarize_runs(runs: Sequence[RunRecord]) -> Row:
    """One row for runs that differ in nothing but their seed."""
    first, finished = runs[0], [run for run in runs if run.test is not None]
    best = [run.best for run in finished if run.best is not None]
    return Row(
        name=run_name(first),
        options=first.options,
        recipe=recipe_in_short(first),
        precision=first.precision,
        train_images=first.data["train"],
        seeds=tuple(run.seed for run in finished),
        unfinished=len(runs) - len(finished),
        test=spread_of(run.test["accuracy"] for run in finished),
        validation=spread_of(row["val_accuracy"] for row in best),
        best_epochs=tuple(row["epoch"] for row in best),
        seconds=spread_of(run.wall_seconds for run in finished if run.machine.get("side_by_side", 1) == 1),
        parameters=first.parameters,
        macs=first.macs,
    )


def spread_of(values: Iterable[float]) -> Spread | None:
    """Mean and standard deviation of some figures; None if there are none."""
    values = tuple(values)
    if not values:
        return None
    return Spread(values, statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None)


def _notes(records: list[RunRecord], tables: list[Table]) -> list[str]:
    notes = []
    if len(tables) > 1:
        notes.append(
            f"the runs were scored on {len(tables)} different test parts, a table each: accuracies of different tables "
            "do not compare"
        )
    if any(len({row.train_images for row in table.rows}) > 1 for table in tables):
        notes.append("the rows of a table were not all trained on the same number of images")
    if any(len(set(row.seeds)) < len(row.seeds) for table in tables for row in table.rows):
        notes.append("a seed was run more than once, and each of its runs counts")
    if unfinished := sum(row.unfinished for table in tables for row in table.rows):
        notes.append(f"{unfinished} of {len(records)} not finished, and left out of the means")
    if beside := sum(record.machine.get("side_by_side", 1) > 1 for record in records):
        notes.append(f"{beside} of {len(records)} shared the machine with others, and their times are left out")
    if len({json.dumps(record.machine | {"side_by_side": 1}, sort_keys=True) for record in records}) > 1:
        notes.append("the runs were on different machines or versions of torch: times do not compare")
    return notes


# As text

HEAD = ("network", "recipe", "precision", "trained on", "seeds", "test, last epoch", "best validation", "time a run")
HEAD += ("parameters", "MMACs")


def _format_table(table: Table, letters: dict[str, str]) -> str:
    cells = [HEAD, *(_cells(row, letters[row.recipe]) for row in table.rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [f"{table.data}: {table.test_images:,} test images (fingerprint {table.fingerprint[:8]})"]
    lines += ["  ".join(cell.ljust(n) for cell, n in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join(lines)


def _cells(row: Row, letter: str) -> tuple[str, ...]:
    few = len(row.seeds) <= 5
    return (
        row.name,
        letter,
        row.precision,
        f"{row.train_images:,}",
        (" ".join(map(str, row.seeds)) if few else f"{len(row.seeds)} seeds") or "–",
        _percent(row.test),
        _percent(row.validation),
        "–" if row.seconds is None else duration(row.seconds.mean),
        f"{row.parameters:,}",
        f"{row.macs / 1e6:,.1f}",
    )


def _percent(spread: Spread | None) -> str:
    if spread is None:
        return "–"
    sd = "" if spread.sd is None else f" ± {spread.sd:.2f}"
    return f"{spread.mean:.2f}{sd} %"


def duration(seconds: float) -> str:
    """A time in the unit that people would use."""
    for unit, length in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
