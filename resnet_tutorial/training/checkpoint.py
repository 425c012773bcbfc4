"""Checkpoints: all that a run needs to go on, and all that a prediction needs."""

import io
import pickle
from pathlib import Path

import torch

from ..errors import InputError
from ..files import write_atomic
from ..models import ResNet, create_model

FORMAT = 1
LAST = "last.pt"


def save_checkpoint(path: Path, state: dict) -> None:
    """Write a checkpoint whole or not at all.

    Raises:
        InputError: if the file cannot be written.
    """
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **state}, buffer)
    write_atomic(path, buffer.getbuffer())


def load_checkpoint(path: Path) -> dict:
    """Read a checkpoint file, or the last checkpoint of a run's folder. No code in it is run.

    Raises:
        InputError: if it is missing, damaged, or no checkpoint of this package.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        path = path / LAST
    if not path.is_file():
        raise InputError(f"no checkpoint at {path}: name a run's folder or its {LAST}")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError, ValueError):
        raise InputError(f"{path} is damaged or no checkpoint: use another one, or train again") from None
    if not isinstance(state, dict) or "format" not in state or "model_state" not in state:
        raise InputError(f"{path} was not written by `resnet-tutorial train`: it holds no run to load")
    if state["format"] > FORMAT:
        raise InputError(f"{path} was written by a newer version of resnet-tutorial: upgrade the package")
    return state


def model_from_checkpoint(state: dict) -> ResNet:
    """The trained network of a checkpoint, in evaluation mode, on the CPU."""
    model = create_model(state["model"], num_classes=len(state["classes"]))
    model.load_state_dict(state["model_state"])
    return model.eval()


def newest_checkpoint(runs: Path) -> Path:
    """The checkpoint written last among the run folders in ``runs``.

    Raises:
        InputError: if there is none.
    """
    found = sorted(runs.glob(f"*/{LAST}"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise InputError(f"no trained network in {runs}: train one first, or name a checkpoint with --checkpoint")
    return found[-1]
