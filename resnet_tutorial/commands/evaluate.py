"""Score a trained network."""

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from ..data import BatchLoader, Transform, load_dataset
from ..errors import InputError
from ..training import TrainConfig, evaluate, load_checkpoint, model_from_checkpoint, pick_device
from ..training.checkpoint import newest_checkpoint
from .common import RUNS, data_of_run, parse


@dataclass(frozen=True)
class EvaluateArgs:
    """Score a trained network on the test part of a data set."""

    checkpoint: Positional[Path | None] = None
    """Folder or checkpoint of a run; the newest in runs/ if not given."""
    data: Positional[Path | None] = None
    """Data folder, as --root; that of the run if not given."""
    root: Path | None = None
    """Data folder."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""


def evaluate_command(argv: list[str]) -> None:
    args = parse(EvaluateArgs, "evaluate", argv)
    state = load_checkpoint(args.checkpoint or newest_checkpoint(RUNS))
    record = state["record"]
    _, test = load_dataset(*data_of_run(state, args.data or args.root))
    if list(test.classes) != state["classes"]:
        raise InputError(
            f"{test.name} has the classes {', '.join(test.classes)}; the network knows {', '.join(state['classes'])}: "
            f"evaluate it on {record['data']['name']}"
        )
    device = pick_device(TrainConfig(device=args.device))
    batches = BatchLoader(test, 500, Transform(state["mean"], state["std"]), num_workers=1)
    scores = evaluate(device.place(model_from_checkpoint(state)), batches, device)
    print(f"{state['model']}, epoch {state['epoch']}, on the test part of {test.name} ({len(test):,} images)")
    if test.fingerprint != record["data"]["test_fingerprint"]:
        print("note: this is not the test part that belongs to the run")
    print(f"accuracy {scores['accuracy']:.2f} %, loss {scores['loss']:.4f}")
    recall = 100 * scores["confusion"].diagonal() / scores["confusion"].sum(dim=1)
    for name, value in zip(test.classes, recall.tolist(), strict=True):
        print(f"  {name:20} {value:6.2f} %")
