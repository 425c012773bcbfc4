"""Checkpoints: all that a run needs to go on, and all that a prediction needs.

A run's folder holds the newest (``last.pt``), the one before it (``previous.pt``), and the best by validation accuracy
(``best.pt``). Each is written whole or not at all, and ends with a checksum of what stands before.
"""

import contextlib
import hashlib
import io
import os
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ..errors import InputError
from ..files import newer, reading, write_atomic
from ..weights.factory import create_model
from ..weights.own import build_own, is_own

FORMAT = 2
LAST, PREVIOUS, BEST = NEWEST_FIRST = "last.pt", "previous.pt", "best.pt"
NEXT = "next.pt"  # for the moment between writing it and giving it its name
MARK = b"sha256:"


class DamagedCheckpoint(InputError):
    """A checkpoint that is cut off or altered."""


def save_checkpoint(path: Path, state: dict) -> None:
    """Write one checkpoint, whole or not at all.

    Raises:
        InputError: if the file cannot be written.
    """
    write_atomic(path, to_bytes(state))


def save_newest(folder: Path, state: dict, best: bool = False) -> None:
    """Write a run's newest checkpoint; what was the newest is then the one before.

    Args:
        folder: the run's folder.
        state: what to save.
        best: whether to write it as the best, too.

    Raises:
        InputError: if a file cannot be written. Earlier checkpoints stay as they are.
    """
    content = to_bytes(state)
    write_atomic(folder / NEXT, content)
    if best:
        try:
            write_atomic(folder / BEST, content)
        except InputError:  # the disk is full: what nobody reads shall not fill it
            (folder / NEXT).unlink()
            raise
    # Killed between the two lines, the run goes on from the one before.
    with contextlib.suppress(FileNotFoundError):
        os.replace(folder / LAST, folder / PREVIOUS)
    os.replace(folder / NEXT, folder / LAST)


def run_folder(path: Path) -> Path:
    """The folder of a run, as it is or as somebody typed it: ``RUN/last.pt`` means ``RUN``.

    Raises:
        InputError: if it is another file.
    """
    path = path.expanduser()
    if path.name == LAST and has_checkpoint(path.parent):
        return path.parent
    if path.is_file():
        raise InputError(f"--ckpt-dir takes the folder of a run, and {path} is a file: name the folder")
    return path


def has_checkpoint(folder: Path) -> bool:
    """Whether a folder holds a run, were it only its best network."""
    return any((folder / name).exists() for name in NEWEST_FIRST)


def load_checkpoint(path: Path, log: Callable[[str], None] | None = None) -> dict:
    """Read a checkpoint file, or the newest whole checkpoint of a run's folder. No code in it is run.

    Args:
        path: the file or folder.
        log: receives a line if the newest is damaged or missing and one before it is read; without it, standard error
            does.

    Raises:
        InputError: if it is missing, damaged, or no checkpoint of this package.
    """
    path = Path(path).expanduser()
    if not path.is_dir() and path.name != LAST:
        return _load(path)
    folder = path if path.is_dir() else path.parent
    names = [name for name in NEWEST_FIRST if (folder / name).exists()]
    for name in names or [LAST]:
        try:
            state = _load(folder / name)
        except DamagedCheckpoint:
            continue
        if name != LAST:
            problem = "damaged or no checkpoint" if LAST in names else "missing"
            read = f"reading the checkpoint before it, {name} (after epoch {state['epoch']})"
            line = f"note: {folder / LAST} is {problem}; {read}"
            log(line) if log else print(line, file=sys.stderr)
        return state
    damaged = f"{' and '.join(names)} in {folder} {'are' if len(names) > 1 else 'is'} damaged or no checkpoint"
    raise DamagedCheckpoint(f"{damaged}: use another folder, or delete the .pt files and train again")


def to_bytes(state: dict) -> bytes:
    """A checkpoint as ``torch.save`` writes it, with its checksum where a zip archive has its comment."""
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **state}, buffer)
    content = buffer.getvalue()
    length = len(MARK) + 2 * hashlib.sha256().digest_size
    content = content[:-2] + length.to_bytes(2, "little")  # an archive ends with the length of its comment
    return content + MARK + hashlib.sha256(content).hexdigest().encode()


def _load(path: Path) -> dict:
    if not path.is_file():
        raise InputError(f"no checkpoint at {path}: name a run's folder or its {LAST}")
    with reading(path):
        content = path.read_bytes()
    body, mark, checksum = content.rpartition(MARK)
    if mark and hashlib.sha256(body).hexdigest().encode() != checksum:
        raise _damaged(path)
    try:
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception:  # on bytes that are no pickle, the unpickler fails in many ways
        raise _damaged(path) from None
    if not isinstance(state, dict) or "format" not in state or "model_state" not in state:
        raise InputError(f"{path} was not written by `resnet-tutorial train`: it holds no run to load")
    if state["format"] > FORMAT:
        raise newer(path)
    if state["format"] == FORMAT and not mark:
        raise _damaged(path)
    return state


def _damaged(path: Path) -> DamagedCheckpoint:
    return DamagedCheckpoint(f"{path} is damaged or no checkpoint: use another one, or train again")


def model_from_checkpoint(state: dict, model: nn.Module | str | None = None) -> nn.Module:
    """The trained network of a checkpoint, in evaluation mode, on the CPU.

    Where the recipe asks for a moving average of the weights, it is the average.

    Args:
        state: the checkpoint.
        model: a network of one's own that was trained, as a module or as ``FILE.py:CLASS``; not for others.

    Raises:
        InputError: if the network is one's own and not given, or another was trained.
    """
    name, classes = state["model"], len(state["classes"])
    if isinstance(model, str) and not is_own(model):
        raise InputError(f"the run is of {name}, code of your own: name its file, as in --model my_nets.py:{name}")
    if isinstance(model, str):
        model = build_own(model, classes)
    elif model is None and not state.get("own"):
        model = create_model(name, classes, **state.get("options", {}))
    elif model is None:
        how = f"--model {name}" if is_own(name) else f"--model FILE.py:{name}, or in Python model={name}(…)"
        raise InputError(f"the run is of {name}, code of your own, which runs only if you name it: add {how}")
    load_state(model, state["model_state"], f"the run is of {name}")
    return model.cpu().eval()


def load_state(model: nn.Module, state_dict: dict[str, Any], whose: str) -> None:
    """Give a network the weights of a run.

    Raises:
        InputError: if they are of another network; ``whose`` begins the message.
    """
    try:
        model.load_state_dict(state_dict)
    except RuntimeError as error:
        line = str(error).strip().splitlines()[-1].strip()
        raise InputError(f"{whose}, and these are weights of another network: {line}") from None


def newest_checkpoint(runs: Path) -> Path:
    """The checkpoint written last among the run folders in ``runs``, and those a level below, of several seeds.

    Raises:
        InputError: if there is none.
    """
    found = [path for name in NEWEST_FIRST for where in ("*", "*/*") for path in runs.glob(f"{where}/{name}")]
    if not found:
        raise InputError(
            f"no trained network in {runs}: train one first, or name the folder of a run (train: --ckpt-dir FOLDER)"
        )
    return max(found, key=lambda path: path.stat().st_mtime).with_name(LAST)


def random_states() -> dict[str, Any]:
    """The state of every random number generator of this process, as plain data and tensors."""
    kind, keys, *rest = np.random.get_state()
    states = {"torch": torch.get_rng_state(), "python": random.getstate()}
    states["numpy"] = (kind, keys.tolist(), *rest)
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    if torch.backends.mps.is_available():
        states["mps"] = torch.mps.get_rng_state()
    return states


@contextlib.contextmanager
def random_states_put_back() -> Iterator[None]:
    """At the end, random numbers go on as if nothing had been drawn meanwhile."""
    before = random_states()
    try:
        yield
    finally:
        restore_random_states(before)


def restore_random_states(states: dict[str, Any]) -> None:
    """Put back what `random_states` gave; what this machine has no generator for is left out."""
    torch.set_rng_state(states["torch"])
    random.setstate(states["python"])
    kind, keys, *rest = states["numpy"]
    np.random.set_state((kind, np.array(keys, dtype=np.uint32), *rest))
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])
    if "mps" in states and torch.backends.mps.is_available():
        torch.mps.set_rng_state(states["mps"])
