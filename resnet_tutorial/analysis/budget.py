"""Plan a run: how long it would take on a machine, and how much memory. What was measured, and what is scaled from it.

Speeds are read from run records, from ladders of speeds and from `resnet-tutorial bench --json`; multiply-accumulates
(MACs) and memory are those of `resnet_tutorial.models.cost`.
"""

import json
import math
import statistics
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from ..architectures import get_architecture
from ..errors import InputError
from ..models.cost import BYTES_IN_FLOAT32, summarize_architecture, total, total_activations
from ..text import count, duration, text_table
from ..training.bench import FORWARD_AND_BACKWARD, format_rate, nearest
from ..training.recipe import recipe_from_dict
from ..training.record import RunRecord, name_device, read_record

BYTES = {"fp32": 4, "bf16": 2, "fp16": 2}  # of an activation
STATES = {"SGD": 1, "AdamW": 2}  # numbers that an optimizer keeps for each weight: momentum; two running averages
RECOMPUTED = (FORWARD_AND_BACKWARD + 1) / FORWARD_AND_BACKWARD  # checkpointing adds one more forward pass
LADDER_BATCH = 128


@dataclass(frozen=True)
class Measurement:
    """How fast one network trains.

    Attributes:
        model: name of the network.
        step: seconds for an image that are taken to grow with the MACs.
        loading: seconds for an image beside them, the same for every network; 0 where ``step`` includes the loading.
        batch_size: images in a batch.
        source: what was measured, in words.
        kind: ``measured`` here, ``cited`` as others published it, or ``derived`` from what they published.
    """

    model: str
    step: float
    loading: float
    batch_size: int
    source: str
    kind: str = "measured"


@dataclass(frozen=True)
class Machine:
    """A machine in one precision, and what was measured on it.

    Attributes:
        name: processor or accelerator, and precision, such as ``AMD EPYC, 2 threads, bf16``.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        measured: one or more measurements, each of another network.
    """

    name: str
    precision: str
    measured: tuple[Measurement, ...]


@dataclass(frozen=True)
class Memory:
    """Bytes that training holds, as far as they are counted; see `plan`.

    Attributes:
        weights: in float32.
        gradients: in float32.
        optimizer: the momentum of SGD, or the two averages of AdamW, in float32.
        copies: of the weights in bf16 or fp16, which autocast makes; 0 in fp32.
        activations: what the forward pass keeps for the backward pass, for all images of a batch.
    """

    weights: int
    gradients: int
    optimizer: int
    copies: int
    activations: int

    @property
    def total(self) -> int:
        """All of them together."""
        return sum(asdict(self).values())


@dataclass(frozen=True)
class Plan:
    """What a run would take; `plan` makes it.

    Attributes:
        model: name of the network.
        machine: where it would run.
        epochs: passes over the training images.
        batch_size: images in a batch.
        steps: updates of the weights in the whole run.
        images_per_second: speed of training, loading included.
        seconds: of training; scoring, start and compilation come on top.
        memory: see `Memory`.
        basis: the measurement that the time rests on.
        factor: MACs of the network in those of the measured one; the time was scaled by it.
    """

    model: str
    machine: Machine
    epochs: int
    batch_size: int
    steps: int
    images_per_second: float
    seconds: float
    memory: Memory
    basis: Measurement
    factor: float

    def __str__(self) -> str:
        texts = self.as_text()
        lines = [texts.pop("summary"), texts.pop("basis").replace(" Scaled:", "\nScaled:")]
        return "\n".join([*lines, text_table((("", name, text) for name, text in texts.items()), "<<>")])

    def as_text(self) -> dict[str, str]:
        """Each result in words, with its unit."""
        sizes = {name: format_bytes(value) for name, value in asdict(self.memory).items()}
        title, whole = get_architecture(self.model).title, format_bytes(self.memory.total)
        return {
            "summary": f"{title}, {count(self.epochs, 'epoch')}: {duration(self.seconds)} and {whole}.",
            "basis": self._basis(title),
            "time": duration(self.seconds),
            "images per second": format_rate(self.images_per_second),
            "steps": f"{self.steps:,}",
            **sizes,
            "memory": whole,
        }

    def _basis(self, title: str) -> str:
        basis = self.basis
        rate = format_rate(1 / (basis.step + basis.loading))
        measured = f"{get_architecture(basis.model).title} at {rate} images/s, {basis.source}"
        text = f"{basis.kind.capitalize()}: {measured}, in batches of {basis.batch_size:,}."
        if basis.model != self.model:
            text += f" Scaled: {title} has {self.factor:,.2f} times its MACs; the time of a step is scaled with them."
        return text


def plan(
    model: str,
    machine: Machine,
    *,
    epochs: int = 10,
    batch_size: int = 128,
    images: int = 50_000,
    optimizer: str = "SGD",
    checkpoint_activations: bool = False,
) -> Plan:
    """Estimate time and memory of training on 32×32 images of ten classes.

    A network that was not measured on the machine is scaled from the measured one with the nearest number of MACs, as
    if the time of a step grew with them. The batch size changes the memory and not the speed, which is that of the
    measured batches.

    Memory is what `Memory` lists. Not counted are the gradients of feature maps on their way back, the workspace of the
    libraries, what the allocator reserves, the averages of BatchNorm, and the data set.

    Args:
        model: name of the network.
        machine: from `read_machines` or `machine_from_bench`.
        epochs: passes over the training images. Where a recipe lets them grow, give the passes at full size that have
            as much arithmetic: ``round(sum(recipe.arithmetic(epochs)))``.
        batch_size: images in a batch.
        images: number of training images.
        optimizer: ``SGD``, which stands for SGD with momentum, or ``AdamW``.
        checkpoint_activations: whether only the input of each block is kept, and the rest computed once more: taken to
            add one forward pass, a third of the step.

    Raises:
        InputError: if a name or a number is wrong.
    """
    for name, value in (("epochs", epochs), ("batch_size", batch_size), ("images", images)):
        if not isinstance(value, int) or value < 1:
            raise InputError(f"{name} must be a whole number of at least 1, got {value!r}")
    if optimizer not in STATES:
        raise InputError(f"no state is known of the optimizer {optimizer!r}: choose {' or '.join(STATES)}")
    model = get_architecture(model).name
    basis, factor = nearest(model, machine.measured)
    an_image = basis.step * factor * (RECOMPUTED if checkpoint_activations else 1) + basis.loading
    return Plan(
        model=model,
        machine=machine,
        epochs=epochs,
        batch_size=batch_size,
        steps=epochs * math.ceil(images / batch_size),
        images_per_second=1 / an_image,
        seconds=epochs * images * an_image,
        memory=_memory(model, machine.precision, batch_size, optimizer, checkpoint_activations),
        basis=basis,
        factor=factor,
    )


def _memory(model: str, precision: str, batch_size: int, optimizer: str, checkpointed: bool) -> Memory:
    parameters, _, activations = costs(model, checkpointed)
    weights, short = parameters * BYTES_IN_FLOAT32, BYTES[precision]
    copies = 0 if precision == "fp32" else parameters * short
    return Memory(weights, weights, STATES[optimizer] * weights, copies, batch_size * activations * short)


@lru_cache(maxsize=256)
def costs(model: str, checkpoint_activations: bool = False) -> tuple[int, int, int]:
    """Parameters, MACs and numbers kept for the backward pass, the latter two for one image of 32×32.

    Raises:
        InputError: if no network has that name.
    """
    rows = summarize_architecture(get_architecture(model), checkpoint_activations=checkpoint_activations)
    return *total(rows), total_activations(rows)


# --- Machines ---


def read_machines(*paths: Path | str) -> dict[str, Machine]:
    """The machines that files tell of, by name.

    Args:
        paths: run records, ladders of speeds, what ``resnet-tutorial bench --json`` printed, or folders of such files.
            Of several measurements of one network the fastest counts: the others may have shared the machine. A run of
            a network with options of its own is passed over, and so is one that other runs stood beside.

    Raises:
        InputError: if a file cannot be read, or none tells of a machine.
    """
    files = [file for path in map(Path, paths) for file in (sorted(path.rglob("*.json")) if path.is_dir() else [path])]
    machines: dict[str, Machine] = {}
    for machine in filter(None, map(_read, files)):
        machines[machine.name] = _merge(machines.get(machine.name, machine), machine)
    if not machines:
        raise InputError("no measured machine: name a run record, or what `resnet-tutorial bench --json` printed")
    return machines


def find_machine(machines: dict[str, Machine], name: str) -> Machine:
    """A machine by its name.

    Raises:
        InputError: if it is not among them.
    """
    if name not in machines:
        known = "; ".join(machines)
        raise InputError(
            f"no machine {name!r}: choose from {known}; or measure yours with `resnet-tutorial bench --json`"
        )
    return machines[name]


def machine_from_bench(report: dict) -> Machine:
    """A machine from what `resnet-tutorial bench --json` prints, or ``bench(…).as_dict()``.

    Its steps and its loader were measured apart, and take turns.

    Raises:
        InputError: if a part is missing.
    """
    try:
        loading = 1 / report["loader_images_per_second"]
        measured = tuple(
            Measurement(speed["model"], 1 / speed["images_per_second"], loading, speed["batch_size"], "by bench")
            for speed in report["speeds"]
        )
        return Machine(_name(report["machine"], report["precision"]), report["precision"], measured)
    except (KeyError, TypeError, ZeroDivisionError):
        raise InputError("this is no report of `resnet-tutorial bench --json`: print it anew") from None


def _read(path: Path) -> Machine | None:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        values = {}  # read_record says what is wrong
    if isinstance(values, dict) and "speeds" in values:
        return machine_from_bench(values)
    if isinstance(values, dict) and "rungs" in values:
        return _from_ladder(values)
    return _from_record(read_record(path))


def _from_record(record: RunRecord) -> Machine | None:
    if record.options or not record.history or record.machine.get("side_by_side", 1) > 1:
        return None
    recipe = recipe_from_dict(record.recipe, "of a record")
    epochs = recipe.total_epochs(math.ceil(record.data["train"] / recipe.batch_size))
    full_size = zip(record.history, recipe.arithmetic(epochs), strict=False)  # a run may have been broken off
    rate = statistics.median(row["images_per_second"] * share for row, share in full_size)
    source = f"in a run of {count(len(record.history), 'epoch')} on {record.data['name']}"
    extra = [f"{record.processes} processes"] if record.processes > 1 else []
    extra += ["compiled"] if record.compiled else []
    measured = Measurement(record.model, 1 / rate, 0.0, recipe.batch_size, source)
    return Machine(_name(record.machine, record.precision, *extra), record.precision, (measured,))


def _from_ladder(ladder: dict) -> Machine | None:
    """The highest rung of a ladder as the chapter on training measures it."""
    rates = {rung: rate for rung, rate in ladder["rungs"].items() if isinstance(rate, int | float)}
    if not rates:
        return None
    best = max(rates, key=rates.get)
    precision = next((short for short in ("bf16", "fp16") if any(short in rung for rung in rates)), "fp32")
    source = f"on the rung “{best}” of a ladder"
    measured = Measurement(ladder.get("model", "resnet20"), 1 / rates[best], 0.0, LADDER_BATCH, source)
    return Machine(f"{ladder['machine']}, {precision}, ladder", precision, (measured,))


def _name(machine: dict, *settings: str) -> str:
    return ", ".join([name_device(machine, threads=True), *settings])


def _merge(one: Machine, other: Machine) -> Machine:
    fastest: dict[str, Measurement] = {}
    for measurement in sorted([*one.measured, *other.measured], key=lambda m: m.step + m.loading):
        fastest.setdefault(measurement.model, measurement)
    return Machine(one.name, one.precision, tuple(fastest.values()))


# --- As text ---


def format_bytes(n: int) -> str:
    """Bytes as MB (a million) or GB."""
    return f"{n / 1e9:,.2f} GB" if n >= 1e9 else f"{n / 1e6:,.2f} MB"
