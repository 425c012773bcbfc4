"""The record of a run: what was trained, on what, with what result, in one JSON file."""

import csv
import io
import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import torch

from ..errors import InputError
from ..files import write_atomic

SCHEMA = 1


@dataclass
class RunRecord:
    """All that is worth knowing of one run.

    Attributes:
        model: name of the network.
        parameters: number of its trainable parameters.
        data: name, fingerprints and sizes of the data set, and mean and deviation used to normalize.
        recipe: the whole recipe.
        seed: seed of weights, order and augmentation.
        command: the command that repeats the run; ``DATA`` stands for the data folder.
        history: one entry an epoch: ``epoch``, ``lr``, ``loss`` (nats), ``train_accuracy``, ``val_loss``,
            ``val_accuracy`` (percent, absent without a validation part), ``images_per_second``, ``seconds``.
        test: ``loss`` and ``accuracy`` on the test part, scored once, after the last epoch.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        compiled: whether torch.compile was used.
        machine: processor, accelerator, versions.
        commit: git commit of the package, if it ran from a checkout.
        finished: date and time, UTC, ISO 8601.
        schema: version of this layout.
    """

    model: str
    parameters: int
    data: dict
    recipe: dict
    seed: int
    command: str
    precision: str
    compiled: bool
    machine: dict
    commit: str | None
    history: list[dict] = field(default_factory=list)
    test: dict | None = None
    finished: str | None = None
    schema: int = SCHEMA

    @property
    def seconds(self) -> float:
        """Wall time of all epochs together, evaluation included."""
        return sum(row["seconds"] for row in self.history)

    def write(self, path: Path) -> None:
        """Write the JSON file, whole or not at all."""
        write_atomic(path, (json.dumps(asdict(self), indent=1) + "\n").encode())

    def write_csv(self, path: Path) -> None:
        """Write the history as CSV, whole or not at all."""
        text = io.StringIO()
        rows = csv.DictWriter(text, list(self.history[0]), lineterminator="\n")
        rows.writeheader()
        rows.writerows(self.history)
        write_atomic(path, text.getvalue().encode())


def read_record(path: Path) -> RunRecord:
    """Read a record.

    Raises:
        InputError: if the file is missing, damaged, or of another schema.
    """
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is no readable run record ({error}): check the path") from None
    if not isinstance(values, dict) or values.get("schema") != SCHEMA:
        raise InputError(f"{path} is no run record of schema {SCHEMA}")
    if values.keys() != {f.name for f in fields(RunRecord)}:
        wrong = values.keys() ^ {f.name for f in fields(RunRecord)}
        raise InputError(f"{path} is no whole run record: check {', '.join(sorted(wrong))}")
    return RunRecord(**values)


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
    }


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
