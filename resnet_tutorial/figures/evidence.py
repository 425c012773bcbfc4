"""The book's evidence: the run records of a folder, which of them belong together, and where a figure comes from."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

from ..training.compare import recipe_in_short, run_name
from ..training.record import RunRecord, read_record

ENOUGH = 0.5  # share of the wanted networks that an experiment has to hold to be taken


def read_results(folder: Path | str = "results") -> dict[str, RunRecord]:
    """The finished runs of a folder, in the order of the file names.

    Args:
        folder: of records, such as ``book/results``.

    Returns:
        For each file, by its name without the ending, the record. Runs that have not come to their end are left out.

    Raises:
        InputError: if a file is damaged or of a newer version.
    """
    records = {path.stem: read_record(path) for path in sorted(Path(folder).glob("*.json"))}
    return {name: record for name, record in records.items() if record.test is not None}


def find_experiment(
    records: Iterable[RunRecord], names: Sequence[str], core: Sequence[str] = ()
) -> dict[str, list[RunRecord]]:
    """The best recorded experiment with some networks: runs with the same images, recipe and number of epochs.

    Of several experiments that hold at least half of the networks, the one that saw most images counts; of equals, the
    one with most networks, then with most runs. A larger experiment takes the place of a smaller one by being there.

    Args:
        records: any runs.
        names: networks as `run_name` writes them, such as ``resnet14`` or ``resnet14, shortcut B``.
        core: those of them that matter most: an experiment that holds more of these comes before a larger one.

    Returns:
        For each network that was found, in the order of ``names``, its runs by seed. Empty without an experiment.
    """
    wanted = [record for record in records if run_name(record) in names]
    experiments: dict[tuple, list[RunRecord]] = {}
    for record in wanted:
        experiments.setdefault(_setting(record), []).append(record)
    enough = [runs for runs in experiments.values() if _coverage(runs) >= ENOUGH * len(names)]
    best = max(enough, key=lambda runs: _worth(runs, core), default=[])
    found = {name: _one_per_seed(record for record in best if run_name(record) == name) for name in names}
    return {name: runs for name, runs in found.items() if runs}


def find_repeated(records: Iterable[RunRecord]) -> dict[str, list[RunRecord]]:
    """The networks that were trained with several seeds, of the experiment that has most such runs.

    Args:
        records: any runs.

    Returns:
        For each network, in alphabetical order, its runs by seed. Empty if every network was trained once.
    """
    experiments: dict[tuple, dict[str, list[RunRecord]]] = {}
    for record in records:
        experiments.setdefault(_setting(record), {}).setdefault(run_name(record), []).append(record)
    repeated = [
        {name: runs for name, group in sorted(networks.items()) if len(runs := _one_per_seed(group)) > 1}
        for networks in experiments.values()
    ]
    return max(repeated, key=lambda networks: sum(map(len, networks.values())), default={})


def _setting(record: RunRecord) -> tuple:
    return record.data["test_fingerprint"], record.data["train_fingerprint"], recipe_in_short(record)


def _worth(runs: list[RunRecord], core: Sequence[str]) -> tuple[int, ...]:
    """What counts first, second …: networks of the core, images seen, networks, runs."""
    at_the_core = _coverage(run for run in runs if run_name(run) in core)
    return at_the_core, _images_seen(runs[0]), _coverage(runs), len(runs)


def _coverage(runs: Iterable[RunRecord]) -> int:
    return len(set(map(run_name, runs)))


def _images_seen(record: RunRecord) -> int:
    return len(record.history) * record.data["train"]


def _one_per_seed(runs: Iterable[RunRecord]) -> list[RunRecord]:
    """Sorted by seed; of a seed that was run twice, the first."""
    return sorted({run.seed: run for run in reversed(list(runs))}.values(), key=lambda run: run.seed)


class Source:
    """Where a figure comes from, as `loaded` and `trained` say it; shows itself in a notebook, and as text."""

    def __init__(self, word: str, records: Sequence[RunRecord]):
        self.word = word
        self.records = list(records)

    def __str__(self) -> str:
        return f"{self.word}: {_sentence(self.records)}."

    __repr__ = __str__

    def _repr_html_(self) -> str:
        here = self.word.startswith("Trained")
        # What repeats a run of this page is its cell: a command knows nothing of images that were made for it.
        what = "The recipe and each run" if here else "The recipe, each run, and the command that repeats it"
        return (
            f'<div class="rt-source rt-{"trained" if here else "loaded"}"><p><strong>{escape(self.word)}:</strong> '
            f"{escape(_sentence(self.records))}.</p><details><summary>{what}</summary>"
            f"<p>{escape(_all(map(recipe_in_short, self.records)))}.</p>"
            f"{_table(self.records, commands=not here)}</details></div>"
        )


def loaded(records: Iterable[RunRecord] | Mapping[str, Sequence[RunRecord]]) -> Source:
    """Say that a figure shows recorded runs, with their data, machine and date.

    Args:
        records: the runs, or what `find_experiment` returns.
    """
    return Source("Loaded, not trained here", _flat(records))


def trained(records: Iterable[RunRecord] | Mapping[str, Sequence[RunRecord]]) -> Source:
    """Say that a figure shows runs that this page trained itself, with their data, machine and date.

    Args:
        records: the runs, or lists of them by name.
    """
    return Source("Trained here", _flat(records))


def _flat(records: Iterable[RunRecord] | Mapping[str, Sequence[RunRecord]]) -> list[RunRecord]:
    if isinstance(records, Mapping):
        return [record for runs in records.values() for record in runs]
    return list(records)


def _sentence(records: list[RunRecord]) -> str:
    """What the runs are, how long, on what data, on what machine, when; several values where they differ."""
    if not records:
        return "no such runs are recorded yet"
    networks = list(dict.fromkeys(map(run_name, records)))
    which = networks[0] if len(networks) == 1 else f"{len(networks)} networks"
    runs = f"{len(records)} runs of {which}" if len(records) > 1 else which
    epochs = _all((f"{len(record.history)}" for record in records), " or ")
    return (
        f"{runs}, {epochs} epochs{' each' if len(records) > 1 else ''}, on {_all(map(_data, records))}; "
        f"{_all(map(_machine, records))}; {_dates(records)}"
    )


def _all(values: Iterable[str], word: str = " and ") -> str:
    return word.join(dict.fromkeys(values))


def _data(record: RunRecord) -> str:
    return f"{record.data['name']} ({record.data['train']:,} training images)"


def _machine(record: RunRecord) -> str:
    machine = record.machine
    device = machine["accelerator"]
    if device == "cpu":
        threads = machine.get("threads", machine["cores"])
        device = f"{machine['processor']}, {threads} {'thread' if threads == 1 else 'threads'}"
    beside = f", {n} runs side by side" if (n := machine.get("side_by_side", 1)) > 1 else ""
    return f"{device}, {record.precision}{beside}"


def _dates(records: list[RunRecord]) -> str:
    days = sorted({(record.finished or "unfinished")[:10] for record in records})
    return days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"


def _table(records: list[RunRecord], commands: bool) -> str:
    names = ("network", "seed", "test accuracy", "commit", *(["command"] if commands else []))
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    rows = "".join(
        f"<tr><td>{escape(run_name(record))}</td><td>{record.seed}</td>"
        f"<td>{record.test['accuracy']:.2f} %</td><td>{escape(record.commit or 'installed package')}</td>"
        + (f"<td><code>{escape(record.command)}</code></td></tr>" if commands else "</tr>")
        for record in records
    )
    return f'<div class="rt-scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
