"""What an answer can change outside of itself, for everything that runs after it: noticed, told, and undone."""

import os
import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from .report import Finding, notice

LEFT = {
    "gradients": Finding(
        "grad_left_off",
        "After your code, gradients stay switched off for everything that runs later.",
        "Which context or decorator switches them off for one function alone?",
        heart=True,
    ),
    "dtype": Finding(
        "dtype_left",
        "After your code, new tensors have another default dtype.",
        "Which argument sets a dtype for one tensor alone?",
    ),
    "folder": Finding("folder_left", "Your code changes the working directory.", "Is a path in its place?"),
}


@dataclass(frozen=True)
class State:
    """Settings, and the states of all global random numbers."""

    gradients: bool
    dtype: torch.dtype
    folder: str
    randoms: tuple[Any, Any, Any]


def look() -> State:
    """How things are now."""
    randoms = torch.get_rng_state(), np.random.get_state(), random.getstate()
    return State(torch.is_grad_enabled(), torch.get_default_dtype(), os.getcwd(), randoms)


def settle() -> None:
    """Undo what an answer's cell has set for everything below it, and tell of it."""
    if not torch.is_grad_enabled():
        notice(LEFT["gradients"])
        torch.set_grad_enabled(True)
    if torch.get_default_dtype() != torch.float32:
        notice(LEFT["dtype"])
        torch.set_default_dtype(torch.float32)


def put_back(before: State) -> tuple[str, ...]:
    """Undo what has changed since, tell of settings, and name what moved: ``torch``, ``numpy`` or ``random``."""
    now = look()
    for name, finding in LEFT.items():
        if getattr(now, name) != getattr(before, name):
            notice(finding)
    torch.set_grad_enabled(before.gradients)
    torch.set_default_dtype(before.dtype)
    os.chdir(before.folder)
    states = zip(("torch", "numpy", "random"), now.randoms, before.randoms, strict=True)
    moved = tuple(name for name, a, b in states if _text(a) != _text(b))
    if moved:
        torch.set_rng_state(before.randoms[0])
        np.random.set_state(before.randoms[1])
        random.setstate(before.randoms[2])
    return moved


def _text(state: Any) -> Any:
    if isinstance(state, torch.Tensor):
        return state.numpy().tobytes()
    return tuple(part.tobytes() if isinstance(part, np.ndarray) else part for part in state)
