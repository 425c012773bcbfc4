"""Whether a run may go on from a checkpoint, and the record with which it does."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import InputError
from .checkpoint import FORMAT
from .recipe import recipe_from_dict
from .record import SCHEMA, RunRecord
from .training_on import is_longer, why_not

FIXED = ("model", "options", "data", "recipe", "seed", "parameters")  # of a record: what makes a run this run
NOTED = ("precision", "compiled", "deterministic", "processes", "machine")  # what may change, and then the results may
HERE = (*NOTED, "commit")  # what a run that goes on takes from where it does
NEW = ("macs", "classes", "recipe_name")  # what a record of an earlier version may lack


def continued_record(state: dict[str, Any], new: RunRecord, folder: Path, log: Callable[[str], None]) -> RunRecord:
    """The record of a run that goes on from a checkpoint.

    Args:
        state: the checkpoint.
        new: the record of the same run if it began here and now.
        folder: of the run, for messages.
        log: receives a line for each change by which the results may differ.

    Raises:
        InputError: if the checkpoint is of an older version or another run.
    """
    if state["format"] < FORMAT:
        raise InputError(f"{folder} was written by an older version, whose runs cannot go on: train again")
    old, here = state["record"], asdict(new)
    # A recipe of an earlier version lacks the settings that are newer; the run had their defaults.
    recipe = recipe_from_dict(old["recipe"], f"of the run in {folder}")
    old = old | {"recipe": recipe.as_dict()}
    longer = recipe_from_dict(new.recipe, "here")
    if is_longer(recipe, longer) and not why_not(recipe):  # as if it had been meant to last as long from the start
        old |= {key: here[key] for key in ("recipe", "command", "test", "finished")}
    for key in (*FIXED, *NOTED):
        if old[key] == here[key]:
            continue
        difference = _difference(old[key], here[key])
        if key in FIXED:
            same_network = key in ("data", "recipe", "seed")
            start = f", which can start from these weights (--weights {folder})" if same_network else ""
            raise InputError(
                f"the run in {folder} cannot be resumed with {_another(key)}: {difference}; leave that out, or begin "
                f"another run in another --ckpt-dir{start}"
            )
        effect = "crops are other ones" if key == "processes" else "results may differ in the last bits"
        log(f"note: {_another(key)}, so {effect}: {difference}")
    over = old["test"] is not None
    taken = {key: here[key] for key in HERE if not over}
    return RunRecord(**{key: here[key] for key in NEW} | old | taken | {"schema": SCHEMA})


def _another(key: str) -> str:
    plurals = {"options": "other options", "data": "other data", "processes": "another number of processes"}
    plurals |= {"parameters": "a network of another size", "compiled": "torch.compile in another state"}
    plurals["deterministic"] = "other kernels (deterministic)"
    return plurals.get(key, f"another {key}")


def _difference(old: Any, new: Any) -> str:
    if not isinstance(old, dict):
        return f"it was {old}, now it is {new}"
    key = next(k for k in {**old, **new} if old.get(k) != new.get(k))
    was, now = (values.get(key, "not given") for values in (old, new))
    return f"{key} was {was}, now it is {now}"
