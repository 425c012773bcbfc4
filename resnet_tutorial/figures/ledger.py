"""The paper ledger: what was published for CIFAR-10 beside what the book's run records measured."""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

from ..architectures import get_architecture
from ..models.cost import summarize_architecture, total
from ..text import duration
from ..training.record import RunRecord, name_device
from .results import Experiment, experiments
from .tables import COVERED, Cell, columns_of, html_table, plain_table, scrolling

DATA = "CIFAR-10"  # the data set of all published figures
PAPER, REPRODUCTION = f"paper, {DATA}", f"reproduction, {DATA}"  # headings
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

NOWHERE = Published("", "", "–")


@dataclass(frozen=True)
class Entry:
    """A network in the ledger.

    Attributes:
        name: the network with its options.
        published: `NOWHERE` for a network that the papers do not have on CIFAR-10.
        measured: the experiments that the records hold, first the one that saw most images.
    """

    name: str
    published: Published
    measured: tuple[Experiment, ...]

    @property
    def parameters(self) -> int:
        """Trainable numbers of this package's network, for ten classes or as recorded."""
        if self.measured:
            return self.measured[0].first.parameters
        return total(summarize_architecture(get_architecture(self.name)))[0]

    @property
    def command(self) -> str:
        """Trains a published network as the paper does."""
        return f"resnet-tutorial train -c {self.published.recipe} --seeds 5 --model {self.name} DATA"


class Ledger:
    """What `ledger` returns: it shows itself in a notebook, and elsewhere as the text of its overview.

    Attributes:
        entries: the published networks, and behind them the others of the records.
    """

    def __init__(self, entries: Iterable[Entry]):
        self.entries = tuple(entries)

    @property
    def notes(self) -> list[str]:
        """What one has to know to read the table."""
        names = dict.fromkeys(each.first.data["name"] for entry in self.entries for each in entry.measured)
        return [
            f"Measured here on {name}. The published figures are those of {DATA}: between the two, accuracies do not "
            "compare."
            for name in names
            if name != DATA
        ]

    def overview(self) -> "Overview":
        """A line for each network, with the experiment that saw most images; networks with options are left out."""
        networks = [entry for entry in self.entries if "," not in entry.name]
        return Overview([_overview_row(entry) for entry in sorted(networks, key=_by_kind_and_depth)])

    def __repr__(self) -> str:
        return "\n".join([repr(self.overview()), *(f"note: {note}" for note in self.notes)])

    def _repr_html_(self) -> str:
        measured = [_row(entry, each) for entry in self.entries for each in entry.measured]
        others = [_row(entry, None) for entry in self.entries if not entry.measured]
        tables = _measured_first(measured, others, "Published and measured")
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        about = (
            f"<p>Test accuracy in percent: published for {DATA}, and measured here on the data set that is named. "
            "± is the standard deviation over seeds. The column of the best epoch alone has accuracies on the "
            "validation images that chose the epoch, and these flatter.</p>"
        )
        return f'<div class="rt-ledger">{about}{tables}{notes}</div>'


class Overview:
    """The table of networks: what each costs, and what it reached in the paper, elsewhere and here.

    Attributes:
        rows: for each network, the texts of its line by the headings.
    """

    def __init__(self, rows: list[dict[str, str]]):
        self.rows = rows

    def __repr__(self) -> str:
        return plain_table(columns_of(self.rows))

    def _repr_html_(self) -> str:
        measured = [row for row in self.rows if row["here"] != "–"]
        others = [row for row in self.rows if row["here"] == "–"]
        return f'<div class="rt-ledger rt-overview">{_measured_first(measured, others, "The networks")}</div>'


def ledger(records: Iterable[RunRecord]) -> Ledger:
    """Put the published figures of this package's networks on CIFAR-10 beside the experiments of the records.

    Runs of fewer than five epochs are left out: they were made for their speed. So are those that are not finished.

    Args:
        records: any runs, such as those of `resnet_tutorial.figures.results.read_records`.
    """

    def images_seen(each: Experiment) -> int:
        return len(each.first.history) * each.first.data["train"]

    finished = [record for record in records if record.test is not None and len(record.history) >= LEAST_EPOCHS]
    measured: dict[str, list[Experiment]] = {name: [] for name in PUBLISHED}
    for each in experiments(finished):
        measured.setdefault(each.first.network, []).append(each)
    return Ledger(
        Entry(name, PUBLISHED.get(name, NOWHERE), tuple(sorted(found, key=images_seen, reverse=True)))
        for name, found in measured.items()
    )


def published_accuracies() -> dict[str, str]:
    """Every accuracy and error of the ledger's published part, in percent as printed, with its source."""
    found = {}
    for published in PUBLISHED.values():
        errors = [error for error in (published.error, published.mean_error) if error]
        figures = [*errors, *(_accuracy(error) for error in errors if "above" not in error)]
        found |= dict.fromkeys(figures, published.source)
        found |= {word: published.elsewhere_source for word in published.elsewhere.split() if word[0].isdigit()}
    return found


def _measured_first(measured: list[dict], others: list[dict], label: str) -> str:
    """The lines of networks that were measured here, and the others behind a line to open."""

    def table(rows: list[dict]) -> str:
        columns = columns_of(rows)
        wide = {name: 'class="rt-wide"' for name in (PAPER, REPRODUCTION) if REPRODUCTION in columns}
        merged = columns.keys() - MEASURED.keys() - IN_SHORT.keys()
        return scrolling(html_table(columns, attributes=wide, merged=merged), label)

    if not measured or not others:
        return table(measured + others)
    summary = f"Networks that are not measured here yet: {len(others)}"
    return f"{table(measured)}<details><summary>{summary}</summary>{table(others)}</details>"


def _row(entry: Entry, each: Experiment | None) -> dict[str, object]:
    """One row of the ledger, by the headings."""
    published = entry.published
    if each:
        here = {name: value(each) for name, value in MEASURED.items()}
    else:
        missing = f"not measured yet: <code>{escape(entry.command)}</code>"
        across = Cell("–", missing, f'colspan="{len(MEASURED)}"')
        here = dict.fromkeys(MEASURED, COVERED) | {next(iter(MEASURED)): across}
    return {
        "network": entry.name,
        PAPER: _paper(published),
        **here,
        REPRODUCTION: f"{published.elsewhere} ({published.elsewhere_source})" if published.elsewhere else "–",
        "parameters: paper": f"{published.parameters} M" if published.parameters else "–",
        "parameters: here": f"{entry.parameters:,}",
    }


def _overview_row(entry: Entry) -> dict[str, object]:
    _, macs = total(summarize_architecture(get_architecture(entry.name)))
    published, here = entry.published, dict.fromkeys(IN_SHORT, "–")
    if entry.measured:
        here = {heading: MEASURED[name](entry.measured[0]) for heading, name in IN_SHORT.items()}
    return {
        "network": entry.name,
        PAPER: _paper_in_short(published),
        f"reproduced, {DATA}": published.elsewhere.split(" last epoch")[0] or "–",
        **here,
        "parameters": f"{entry.parameters:,}",
        "million MACs": f"{macs / 1e6:,.1f}",
    }


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


def _paper_in_short(published: Published) -> str:
    """The mean of several runs where it is given; else the single figure, and which of several runs it is."""
    if published.mean_error:
        return f"{_accuracy(published.mean_error)} ± {published.sd}"
    if not published.error or "above" in published.error:
        return "–"
    return f"{_accuracy(published.error)} {published.chosen}".strip()


def _by_kind_and_depth(entry: Entry) -> tuple[int, str, int]:
    arch = get_architecture(entry.name)
    return ("resnet", "plain", "preact").index(arch.kind), arch.family, arch.depth


def _best(each: Experiment) -> str:
    chosen = ", ".join(str(row["epoch"]) for row in each.best)
    return f"{each.validation} (epoch {chosen})" if chosen else "–"


def _time(each: Experiment) -> str:
    device = f"{name_device(each.first.machine)}, {each.first.precision}"
    return f"{duration(each.seconds.mean)} ({device})" if each.seconds else f"not timed ({device}, shared)"


# What the ledger says of an experiment, by the headings.
MEASURED = {
    "here, last epoch (test)": lambda each: str(each.test),
    "measured on": lambda each: each.first.data["name"],
    "training images": lambda each: f"{each.first.data['train']:,}",
    "epochs": lambda each: len(each.first.history),
    "seeds": lambda each: ", ".join(str(run.seed) for run in each.runs),
    "recipe": lambda each: each.first.recipe_name,
    "here, best epoch (validation)": _best,
    "time of a run": _time,
    "commit": lambda each: ", ".join(dict.fromkeys(run.commit or "installed package" for run in each.runs)),
}
# The overview's headings, and which of these they stand for.
IN_SHORT = {"here": "here, last epoch (test)"} | {
    name: name for name in ("measured on", "training images", "epochs", "seeds")
}
