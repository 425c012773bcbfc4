"""The record of a run: what was trained, on what, with what result, in one JSON file."""

import contextlib
import csv
import io
import json
import os
import platform
import subprocess
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, get_type_hints

import torch

from ..errors import InputError
from ..files import replacing, write_atomic
from ..text import count
from ..version import __version__

SCHEMA = 4


@dataclass
class RunRecord:
    """All that is worth knowing of one run.

    Attributes:
        model: name of the network.
        parameters: how many numbers it can learn.
        macs: multiply-accumulates of its convolutions and linear layers for one image of the data.
        classes: number of classes.
        data: name and sizes of the data set; mean and deviation used to normalize; fingerprints of the train part as
            loaded, of what was trained on (after subset and hold-out), and of the test part; ``image_size`` if not 32.
        recipe: the whole recipe.
        recipe_name: the shipped recipe that it is, or nearly is, with what was changed (`name_recipe`).
        seed: seed of weights, order and augmentation.
        command: the command that repeats the run; ``DATA`` stands for the data folder.
        history: one entry an epoch: ``epoch``, ``lr``, ``loss`` (nats), ``train_accuracy``, ``val_loss``,
            ``val_accuracy`` (percent, absent without a validation part), ``images_per_second``, ``seconds``.
        test: ``loss`` and ``accuracy`` on the test part, scored once, after the last epoch.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        compiled: whether torch.compile was used.
        machine: processor, accelerator, versions.
        commit: git commit of the package, if it ran from a checkout.
        options: options of `create_model` that are not the usual ones, such as ``shortcut``; ``pretrained`` is what the
            weights at the start were called.
        deterministic: whether only kernels were used that give the same bits every time.
        processes: how many trained together.
        best: the entry of ``history`` with the highest validation accuracy, the first of equals; None without a
            validation part. It is there to be looked at: the score on the test part is that of the last epoch.
        wall_seconds: time from start to end, with evaluation and saving, without the time between stop and resume.
        energy_joules: what the GPUs used in that time, as NVML counts it; None where it does not.
        peak_memory: the most bytes that tensors took on one GPU, as PyTorch's allocator counts them; None elsewhere.
        finished: date and time, UTC, ISO 8601.
        schema: version of this layout.
    """

    model: str
    parameters: int
    macs: int
    classes: int
    data: dict
    recipe: dict
    recipe_name: str
    seed: int
    command: str
    precision: str
    compiled: bool
    machine: dict
    commit: str | None
    options: dict = field(default_factory=dict)
    deterministic: bool = False
    processes: int = 1
    history: list[dict] = field(default_factory=list)
    best: dict | None = None
    test: dict | None = None
    wall_seconds: float = 0.0
    energy_joules: float | None = None
    peak_memory: int | None = None
    finished: str | None = None
    schema: int = SCHEMA

    @property
    def network(self) -> str:
        """The network with the options that are not the usual ones, such as ``resnet14, zero init residual``."""
        words = {key: key.replace("_", " ") for key in self.options}
        options = [words[key] if value is True else f"{words[key]} {value}" for key, value in self.options.items()]
        return ", ".join([self.model, *options])

    @property
    def side_by_side(self) -> int:
        """How many runs shared the machine, this one among them."""
        return self.machine.get("side_by_side", 1)

    @property
    def seconds(self) -> float:
        """Wall time of all epochs together, evaluation included."""
        return sum(row["seconds"] for row in self.history)

    @property
    def last(self) -> dict:
        """The entry of the last epoch."""
        return self.history[-1]

    def add_epoch(self, row: dict) -> bool:
        """Add an epoch to the history; say whether it is the best by validation accuracy so far."""
        self.history.append(row)
        scored = [row for row in self.history if "val_accuracy" in row]
        self.best = max(scored, key=lambda row: row["val_accuracy"], default=None)
        return self.best is row

    def write(self, path: Path) -> None:
        """Write the JSON file, whole or not at all; leave it alone if it holds this very record."""
        content = (json.dumps(asdict(self), indent=1) + "\n").encode()
        if not path.exists() or path.read_bytes() != content:
            write_atomic(path, content)

    def write_csv(self, path: Path) -> None:
        """Write the history as CSV, whole or not at all."""
        text = io.StringIO()
        rows = csv.DictWriter(text, list(self.history[0]), lineterminator="\n")
        rows.writeheader()
        rows.writerows(self.history)
        with replacing(path) as temporary:  # and no waiting for the disk: the checkpoint holds the history, too
            temporary.write_bytes(text.getvalue().encode())


def read_record(path: Path) -> RunRecord:
    """Read a record.

    Raises:
        InputError: if the file is missing, damaged, or of another version.
    """
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} is no readable run record ({error.strerror or error}): check the path") from None
    except ValueError:
        raise InputError(
            f"{path} is no readable run record: it is no JSON; name a record.json or the folder of a run"
        ) from None
    return record_from_dict(values, path)


def record_from_dict(values: Any, where: object) -> RunRecord:
    """Make a record from plain values, as JSON, a checkpoint or a file of weights holds them.

    Args:
        values: the values.
        where: what holds them, for the message.

    Raises:
        InputError: if something is missing or wrong, or they are of another version.
    """
    schema = values.get("schema") if isinstance(values, dict) else None
    if schema != SCHEMA:
        raise InputError(
            f"{where} is no run record of schema {SCHEMA}: check the file, or read it with the version that wrote it"
        )
    wrong = [name for name, kind in get_type_hints(RunRecord).items() if not _fits(values.get(name, MISSING), kind)]
    wrong += values.keys() - {f.name for f in fields(RunRecord)}
    if wrong:
        raise InputError(f"{where} is no whole run record: check {', '.join(sorted(wrong))}")
    return RunRecord(**values)


def _fits(value: Any, kind: Any) -> bool:
    """Whether a value read from JSON has the type of its field."""
    if kind == list[dict]:  # the history: names and numbers
        rows = value if isinstance(value, list) else [None]
        return all(isinstance(row, dict) and all(_fits(number, float) for number in row.values()) for row in rows)
    if isinstance(value, bool):
        return kind is bool
    if isinstance(value, int) and kind in (float, float | None):
        return True
    return isinstance(value, kind)


def describe_machine(device: torch.device | str = "cpu") -> dict:
    """Processor, cores, accelerator and versions; nothing that names the machine or its user."""
    device = torch.device(device)
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "accelerator": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "resnet_tutorial": __version__,
    }


def name_device(machine: dict, threads: bool = False) -> str:
    """The accelerator of a machine in a record; of a CPU the processor, with how many threads it had if wanted."""
    if machine["accelerator"] != "cpu":
        return machine["accelerator"]
    return f"{machine['processor']}, {count(machine['threads'], 'thread')}" if threads else machine["processor"]


def energy_joules(device: torch.device) -> float | None:
    """What a GPU has used since its driver was loaded; None without NVML (``pip install nvidia-ml-py``)."""
    if device.type != "cuda":
        return None
    with contextlib.suppress(Exception):  # not installed, no right to ask, a GPU too old to count
        import pynvml

        pynvml.nvmlInit()
        gpu = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(device).uuid}")
        return pynvml.nvmlDeviceGetTotalEnergyConsumption(gpu) / 1000
    return None


def peak_memory(device: torch.device) -> int | None:
    """The most bytes that tensors took on a GPU since `torch.cuda.reset_peak_memory_stats`; None elsewhere."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None


def current_commit() -> str | None:
    """The git commit that the package runs from, with ``+`` behind it if its files were changed since."""
    folder = Path(__file__).parent

    def git(*args: str) -> str:
        return subprocess.run(["git", *args], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()

    try:
        # An installed package may lie inside somebody else's repository: only a tracked file tells.
        git("ls-files", "--error-unmatch", Path(__file__).name)
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain", "..") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
