"""The paper ledger: what was published for CIFAR-10 beside what the book's run records measured."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from ..architectures import get_architecture
from ..models.cost import summarize_architecture, total
from ..training.compare import Row, Spread, compare, duration, group_runs, run_name
from ..training.record import RunRecord

DATA = "CIFAR-10"  # the data set of all published figures
LEAST_EPOCHS = 5  # shorter runs were made for their speed

DEEP = "He et al. 2016, table 6"
UNITS = "He et al. 2016, Identity mappings, table 3"
BOTH = "He et al. 2016, Identity mappings, tables 3 and 4"
DRAWN = "drawn in He et al. 2016, figure 6, without a number"
CHENYAOFO = "chenyaofo's published weights and logs, option B, 200 epochs"
IDELBAYEV = "Idelbayev's README; by his code the best epoch by the test part"
KUANGLIU = "kuangliu's README; by his code the best epoch by the test part"
JORDAN = "Jordan's README of cifar10-airbench, its usual training"
IMAGENET = "in He et al. 2016 for ImageNet alone"


@dataclass(frozen=True)
class Published:
    """What was published for a network on CIFAR-10.

    Attributes:
        parameters: as printed, in millions; empty where the paper does not say.
        error: test error in percent, as printed; empty where there is no number.
        source: paper and place.
        chosen: which of five runs that is, ``best`` or ``median``; empty for a single run.
        mean_error, sd: of the five runs, where they are given.
        elsewhere: accuracy of a reproduction, in percent, as published.
        elsewhere_source: whose, and how its epoch was chosen.
        recipe: the shipped recipe that is closest to how the paper trained this network; for those that it trained on
            ImageNet alone, this package's own.
    """

    parameters: str
    error: str
    source: str
    chosen: str = ""
    mean_error: str = ""
    sd: str = ""
    elsewhere: str = ""
    elsewhere_source: str = ""
    recipe: str = "paper"


PUBLISHED = {
    "resnet20": Published("0.27", "8.75", DEEP, elsewhere="92.56 last epoch, 92.60 best", elsewhere_source=CHENYAOFO),
    "resnet32": Published("0.46", "7.51", DEEP, elsewhere="93.41 last epoch, 93.53 best", elsewhere_source=CHENYAOFO),
    "resnet44": Published("0.66", "7.17", DEEP, elsewhere="93.85 last epoch, 94.01 best", elsewhere_source=CHENYAOFO),
    "resnet56": Published("0.85", "6.97", DEEP, elsewhere="94.21 last epoch, 94.37 best", elsewhere_source=CHENYAOFO),
    "resnet110": Published(
        "1.7", "6.43", DEEP, "best", "6.61", "0.16", "93.68 best", IDELBAYEV, recipe="paper_resnet110"
    ),
    "resnet1202": Published(
        "19.4", "7.93", DEEP, elsewhere="93.82 best", elsewhere_source=IDELBAYEV, recipe="paper_resnet110"
    ),
    # That paper reports the median of five runs throughout (section 3.1).
    "resnet164": Published("", "5.93", UNITS, "median", recipe="paper_resnet110"),
    "resnet1001": Published("", "7.61", UNITS, "median", recipe="paper_resnet110"),
    "preact110": Published("", "6.37", UNITS, "median", recipe="paper_resnet110"),
    "preact164": Published("1.7", "5.46", BOTH, "median", recipe="paper_resnet110"),
    "preact1001": Published("10.2", "4.92", BOTH, "median", "4.89", "0.14", recipe="paper_resnet110"),
    "resnet18": Published("", "", IMAGENET, elsewhere="96.0", elsewhere_source=JORDAN, recipe="modern"),
    "resnet34": Published("", "", IMAGENET, recipe="modern"),
    "resnet50": Published("", "", IMAGENET, elsewhere="93.62 best", elsewhere_source=KUANGLIU, recipe="modern"),
    "resnet101": Published("", "", IMAGENET, elsewhere="93.75 best", elsewhere_source=KUANGLIU, recipe="modern"),
    "resnet152": Published("", "", IMAGENET, recipe="modern"),
    # The paper draws the curves of plain networks, and gives one number.
    "plain20": Published("", "", DRAWN),
    "plain32": Published("", "", DRAWN),
    "plain44": Published("", "", DRAWN),
    "plain56": Published("", "", DRAWN),
    "plain110": Published("", "above 60", "He et al. 2016, figure 6", recipe="paper_resnet110"),
}


@dataclass(frozen=True)
class Measured:
    """An experiment of this project: runs of one network that differ in nothing but their seed.

    Attributes:
        data: name of the data set.
        recipe: name of the shipped recipe, and what was changed in it.
        epochs: length of a run.
        row: accuracies, seeds and times, as `resnet_tutorial.training.compare.compare` has them.
        machine: what a run was trained on.
        commits: of the package.
        command: repeats the first run.
    """

    data: str
    recipe: str
    epochs: int
    row: Row
    machine: str
    commits: tuple[str, ...]
    command: str


@dataclass(frozen=True)
class Entry:
    """A network in the ledger.

    Attributes:
        name: the network with its options.
        parameters: trainable numbers of this package's network, for ten classes or as recorded.
        published: None for a network that the papers do not have on CIFAR-10.
        measured: the experiments that the records hold.
        command: trains a network that has no record, as the paper does.
    """

    name: str
    parameters: int
    published: Published | None
    measured: tuple[Measured, ...]
    command: str


class Ledger:
    """What `ledger` returns: it shows itself in a notebook, and as text elsewhere."""

    def __init__(self, entries: Sequence[Entry]):
        self.entries = tuple(entries)

    @property
    def notes(self) -> list[str]:
        """What one has to know to read the table."""
        names = dict.fromkeys(measured.data for entry in self.entries for measured in entry.measured)
        return [
            f"Measured here on {name}. The published figures are those of {DATA}: between the two, accuracies do not "
            "compare."
            for name in names
            if name != DATA
        ]

    def __str__(self) -> str:
        lines = [line for entry in self.entries for line in _as_text(entry)]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    __repr__ = __str__

    def overview(self) -> "Overview":
        """A line for each network, with the experiment that saw most images; networks with options are left out."""
        networks = [entry for entry in self.entries if "," not in entry.name]
        return Overview(sorted(networks, key=_by_kind_and_depth))

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col">{name}</th>' for name in HEAD + RUNS + REST)
        body = "".join(map(_as_rows, self.entries))
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        about = (
            f"<p>Test accuracy in percent: published for {DATA}, and measured here on the data set that is named. "
            "± is the standard deviation over seeds. The column of the best epoch alone has accuracies on the "
            "validation images that chose the epoch, and these flatter.</p>"
        )
        return (
            f'<div class="rt-ledger">{about}<div role="group" aria-label="Published and measured" tabindex="0" '
            f'style="overflow-x: auto"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
            f"{notes}</div>"
        )


class Overview:
    """The table of networks: what each costs, and what it reached in the paper, elsewhere and here.

    Attributes:
        rows: for each network, the texts of its line.
    """

    head = ("network", f"paper, {DATA}", f"reproduced, {DATA}", "here", "measured on", "training images", "epochs")
    head += ("seeds", "parameters", "million MACs")

    def __init__(self, entries: Iterable[Entry]):
        self.rows = [_overview_row(entry) for entry in entries]

    def __str__(self) -> str:
        widths = [max(map(len, column)) for column in zip(self.head, *self.rows, strict=True)]
        lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in (self.head, *self.rows))
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col">{name}</th>' for name in self.head)
        cells = (
            f'<th scope="row">{escape(name)}</th>' + "".join(f"<td>{escape(t)}</td>" for t in texts)
            for name, *texts in self.rows
        )
        body = "".join(f"<tr>{row}</tr>" for row in cells)
        return (
            '<div class="rt-ledger rt-overview"><div role="group" aria-label="The networks" tabindex="0" '
            'style="overflow-x: auto">'
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></div>"
        )


def ledger(records: Iterable[RunRecord]) -> Ledger:
    """Put the published figures of this package's networks on CIFAR-10 beside the experiments of the records.

    Runs of fewer than five epochs are left out: they were made for their speed. So are those that are not finished.

    Args:
        records: any runs, such as the values of `resnet_tutorial.figures.evidence.read_results`.
    """
    finished = [record for record in records if record.test is not None and len(record.history) >= LEAST_EPOCHS]
    groups: dict[str, list[list[RunRecord]]] = {name: [] for name in PUBLISHED}
    for runs in group_runs(finished):
        groups.setdefault(run_name(runs[0]), []).append(runs)
    return Ledger([_entry(name, experiments) for name, experiments in groups.items()])


def published_accuracies() -> dict[str, str]:
    """Every accuracy and error of the ledger's published part, in percent as printed, with its source."""
    found = {}
    for published in PUBLISHED.values():
        errors = [error for error in (published.error, published.mean_error) if error]
        figures = [*errors, *(_accuracy(error) for error in errors if "above" not in error)]
        found |= dict.fromkeys(figures, published.source)
        found |= {word: published.elsewhere_source for word in published.elsewhere.split() if word[0].isdigit()}
    return found


def _entry(name: str, experiments: list[list[RunRecord]]) -> Entry:
    published = PUBLISHED.get(name)
    if experiments:
        parameters = experiments[0][0].parameters
    else:
        parameters = total(summarize_architecture(get_architecture(name)))[0]
    recipe = published.recipe if published else ""
    command = f"resnet-tutorial train -c {recipe} --seeds 5 --model {name} DATA" if published else ""
    longest_first = sorted(experiments, key=lambda runs: -len(runs[0].history) * runs[0].data["train"])
    return Entry(name, parameters, published, tuple(map(_measured, longest_first)), command)


def _measured(runs: list[RunRecord]) -> Measured:
    first = runs[0]
    (table,) = compare(runs).tables
    machine = first.machine
    device = machine["processor"] if machine["accelerator"] == "cpu" else machine["accelerator"]
    return Measured(
        first.data["name"],
        first.recipe_name,
        len(first.history),
        table.rows[0],
        f"{device}, {first.precision}",
        tuple(dict.fromkeys(run.commit or "installed package" for run in runs)),
        first.command,
    )


# As text and as HTML

HEAD = ("network", f"paper, {DATA}")
RUNS = ("here, last epoch (test)", "measured on", "training images", "epochs", "seeds", "recipe")
RUNS += ("here, best epoch (validation)", "time of a run", "commit")
REST = (f"reproduction, {DATA}", "parameters: paper", "parameters: here")


def _accuracy(error: str) -> str:
    return f"{100 - float(error):.2f}"


def _paper(published: Published) -> str:
    """The paper's figure as an accuracy, and as it was printed."""
    if not published.error:
        return published.source
    if "above" in published.error:
        return f"error {published.error} ({published.source})"
    accuracy, printed = _accuracy(published.error), published.error
    accuracy += f" the {published.chosen} of five" if published.chosen else ""
    if published.mean_error:
        accuracy = f"{_accuracy(published.mean_error)} ± {published.sd}, {accuracy}"
        printed = f"{published.mean_error} ± {published.sd}, {printed}"
    return f"{accuracy} (error {printed}; {published.source})"


def _elsewhere(published: Published) -> str:
    return f"{published.elsewhere} ({published.elsewhere_source})" if published.elsewhere else "–"


def _spread(spread: Spread | None) -> str:
    if spread is None:
        return "–"
    return f"{spread.mean:.2f}" + ("" if spread.sd is None else f" ± {spread.sd:.2f}")


def _overview_row(entry: Entry) -> tuple[str, ...]:
    _, macs = total(summarize_architecture(get_architecture(entry.name)))
    paper, elsewhere, here = "–", "–", ("–",) * 5
    if entry.published:
        paper, elsewhere = _paper_in_short(entry.published), entry.published.elsewhere.split(" last epoch")[0] or "–"
    if entry.measured:
        measured, row = entry.measured[0], entry.measured[0].row
        seeds = ", ".join(map(str, row.seeds))
        here = (_spread(row.test), measured.data, f"{row.train_images:,}", str(measured.epochs), seeds)
    return (entry.name, paper, elsewhere, *here, f"{entry.parameters:,}", f"{macs / 1e6:,.1f}")


def _paper_in_short(published: Published) -> str:
    """The mean of several runs where it is given; else the single figure, and which of several runs it is."""
    if published.mean_error:
        return f"{_accuracy(published.mean_error)} ± {published.sd}"
    if not published.error or "above" in published.error:
        return "–"
    return f"{_accuracy(published.error)} {published.chosen}".strip()


def _by_kind_and_depth(entry: Entry) -> tuple[int, str, int]:
    arch = get_architecture(entry.name)
    kind = next(i for i, kind in enumerate(("resnet", "plain", "preact")) if entry.name.startswith(kind))
    return kind, arch.family, arch.depth


def _cells(measured: Measured) -> tuple[str, ...]:
    row = measured.row
    epochs = f" (epoch {', '.join(map(str, row.best_epochs))})" if row.best_epochs else ""
    return (
        _spread(row.test),
        measured.data,
        f"{row.train_images:,}",
        str(measured.epochs),
        ", ".join(map(str, row.seeds)),
        measured.recipe,
        _spread(row.validation) + epochs,
        f"{duration(row.seconds.mean)} ({measured.machine})"
        if row.seconds
        else f"not timed ({measured.machine}, shared)",
        ", ".join(measured.commits),
    )


def _as_text(entry: Entry) -> list[str]:
    lines = [f"{entry.name}: {entry.parameters:,} parameters"]
    if published := entry.published:
        lines[0] += f", {published.parameters} million in the paper" if published.parameters else ""
        lines.append(f"  paper, {DATA}: {_paper(published)}")
        lines += [f"  reproduction, {DATA}: {_elsewhere(published)}"] if published.elsewhere else []
    for measured in entry.measured:
        last, data, images, epochs, seeds, recipe, best, time, commit = _cells(measured)
        run = f"{recipe}, {epochs} epochs of {images} images, seeds {seeds}"
        lines.append(f"  here, {data}: {last} in the last epoch; best by validation {best}; {run}; {time}; {commit}")
    return lines if entry.measured else [*lines, f"  not measured yet: {entry.command}"]


def _as_rows(entry: Entry) -> str:
    """A line for each experiment; what was published stands beside all of them."""
    published = entry.published
    span = f' rowspan="{max(1, len(entry.measured))}"'
    paper, elsewhere, parameters = "–", "–", "–"
    if published:
        paper, elsewhere = _paper(published), _elsewhere(published)
        parameters = f"{published.parameters} M" if published.parameters else "–"
    first = f'<th scope="row"{span}>{escape(entry.name)}</th><td{span}>{escape(paper)}</td>'
    rest = "".join(f"<td{span}>{escape(text)}</td>" for text in (elsewhere, parameters, f"{entry.parameters:,}"))
    if not entry.measured:
        missing = f"not measured yet: <code>{escape(entry.command)}</code>"
        return f'<tr>{first}<td colspan="{len(RUNS)}">{missing}</td>{rest}</tr>'
    lines = ["".join(f"<td>{escape(text)}</td>" for text in _cells(measured)) for measured in entry.measured]
    return "".join(f"<tr>{first}{line}{rest}</tr>" if i == 0 else f"<tr>{line}</tr>" for i, line in enumerate(lines))
