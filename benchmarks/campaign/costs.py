"""What runs cost on this machine: measured for a few networks, scaled by multiply-accumulates for the others."""

import json
import math
from pathlib import Path

from resnet_tutorial.analysis.cost import summarize_architecture, total, total_activations
from resnet_tutorial.errors import InputError
from resnet_tutorial.files import write_atomic
from resnet_tutorial.training import TrainConfig

from .plan import architecture

CLASSES = 10
FORWARD_SHARE = 1 / 3  # of a training step, which is a forward and about two backward passes
CONTEXT = 700 << 20  # bytes that a process takes on a GPU before it has done anything
GRADIENTS = 2  # the backward pass and the library's work space need about as much again as the activations


def work(config: TrainConfig, train: int, test: int) -> float:
    """Length of a run in images trained on; an image that is only scored counts a third.

    Args:
        config: the run.
        train: images of the train part as loaded.
        test: images of the test part.
    """
    recipe, images = config.recipe, config.train_size or train
    held = round(recipe.validation * images)
    per_epoch = math.ceil((images - held) / recipe.batch_size)
    trained = recipe.total_steps(per_epoch) / per_epoch * (images - held)
    return trained + FORWARD_SHARE * (recipe.total_epochs(per_epoch) * held + test)


def epochs(config: TrainConfig, train: int) -> int:
    """Epochs of a run, of which the last may be cut short."""
    images = config.train_size or train
    return config.recipe.total_epochs(
        math.ceil((images - round(config.recipe.validation * images)) / config.recipe.batch_size)
    )


def memory(config: TrainConfig) -> int:
    """Bytes on a GPU that a run needs, roughly, to keep runs side by side within it."""
    options = {"checkpoint_activations": config.checkpoint_activations}
    rows = summarize_architecture(architecture(config), CLASSES, **options)
    bytes_each = 4 if config.precision == "fp32" else 2
    activations = total_activations(rows) * config.recipe.batch_size // config.recipe.accumulate * bytes_each
    return CONTEXT + GRADIENTS * activations + 16 * total(rows)[0]


class Costs:
    """Measured speeds, kept in a file for the next call.

    Args:
        file: the file; speeds of other machines in it stay.
        machine: what tells this machine from another.

    Attributes:
        workers: number of runs side by side that was found to be best, if it was looked for.
        alone: how many times faster a run is alone than among so many.
    """

    def __init__(self, file: Path, machine: str):
        self.file, self.machine = file, machine
        known = self._read().get(machine, {})
        self.workers: int | None = known.get("workers")
        self.alone: float = known.get("alone", 1.0)
        self.rows: list[dict] = known.get("rows", [])

    def rate(self, config: TrainConfig) -> float:
        """Images a second of one run among as many as usual side by side, from the most similar network measured.

        Raises:
            InputError: if nothing was measured.
        """
        wanted = _features(config)
        if not self.rows:
            raise InputError("no speed was measured on this machine: give more --minutes")
        nearest = min(self.rows, key=lambda row: _distance(row, wanted))
        return nearest["rate"] * nearest["macs"] / wanted["macs"]

    def knows(self, config: TrainConfig) -> bool:
        """Whether the network itself was measured, with this batch size and these settings."""
        wanted = _features(config)
        return any(all(row[key] == value for key, value in wanted.items()) for row in self.rows)

    def learn(self, config: TrainConfig, rate: float) -> None:
        """Take note of a speed; a newer one replaces an older one."""
        wanted = _features(config)
        others = [row for row in self.rows if any(row[key] != value for key, value in wanted.items())]
        self.rows = [*others, {**wanted, "rate": rate}]

    def save(self) -> None:
        """Write the file, whole or not at all."""
        mine = {"workers": self.workers, "alone": self.alone, "rows": self.rows}
        write_atomic(self.file, (json.dumps(self._read() | {self.machine: mine}, indent=1) + "\n").encode())

    def _read(self) -> dict:
        try:
            return json.loads(self.file.read_text())
        except (OSError, ValueError):  # none yet, or damaged: what is in it can be measured again
            return {}


def _features(config: TrainConfig) -> dict:
    arch = architecture(config)
    return {
        "network": f"{config.model} {config.model_options()}",
        "family": f"{arch.block} {arch.widths}",
        "macs": total(summarize_architecture(arch, CLASSES))[1],
        "batch": config.recipe.batch_size,
        "settings": f"{config.precision} {config.channels_last} {config.compile} {config.cuda_graphs}",
    }


def _distance(row: dict, wanted: dict) -> tuple:
    """Less is more alike: first the kind of network, then its size and the network itself, then settings and batch."""
    size, batch = (abs(math.log(row[key] / wanted[key])) for key in ("macs", "batch"))
    other = {key: row[key] != wanted[key] for key in ("family", "network", "settings")}
    return (other["family"], size, other["network"], other["settings"], batch)
