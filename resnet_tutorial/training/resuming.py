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

# What a run that goes on does with a field of its record, and what a change of it is called, the telling ones first.
# fixed: a change is refused. noted: it is told, since results may differ, and the record has what holds now. now: the
# record has that without a word. added: so it has what a record of an earlier version lacks. All else stays as it was.
FIELDS = {
    "model": ("fixed", "another model"),
    "options": ("fixed", "other options"),
    "data": ("fixed", "other data"),
    "recipe": ("fixed", "another recipe"),
    "seed": ("fixed", "another seed"),
    "parameters": ("fixed", "a network of another size"),
    "precision": ("noted", "another precision"),
    "compiled": ("noted", "torch.compile in another state"),
    "deterministic": ("noted", "other kernels (deterministic)"),
    "processes": ("noted", "another number of processes"),
    "machine": ("noted", "another machine"),
    "commit": ("now", ""),
    "macs": ("added", ""),
    "classes": ("added", ""),
    "recipe_name": ("added", ""),
}


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
    recipe, longer = recipe_from_dict(old["recipe"], f"of the run in {folder}"), recipe_from_dict(new.recipe, "here")
    old = old | {"recipe": recipe.as_dict()}
    if is_longer(recipe, longer) and not why_not(recipe):  # as if it had been meant to last as long from the start
        old |= {key: here[key] for key in ("recipe", "recipe_name", "command", "test", "finished")}
    over = old["test"] is not None
    added, taken = {}, {"schema": SCHEMA}
    for key, (kind, change) in FIELDS.items():
        if kind == "added":
            added[key] = here[key]
            continue
        if kind != "fixed" and not over:
            taken[key] = here[key]
        if kind == "now" or old[key] == here[key]:
            continue
        difference = _difference(old[key], here[key])
        if kind == "fixed":
            same_network = key in ("data", "recipe", "seed")
            start = f", which can start from these weights (--weights {folder})" if same_network else ""
            raise InputError(
                f"the run in {folder} cannot be resumed with {change}: {difference}; leave that out, or begin another "
                f"run in another --ckpt-dir{start}"
            )
        effect = "crops are other ones" if key == "processes" else "results may differ in the last bits"
        log(f"note: {change}, so {effect}: {difference}")
    return RunRecord(**added | old | taken)


def _difference(old: Any, new: Any) -> str:
    if not isinstance(old, dict):
        return f"it was {old}, now it is {new}"
    key = next(k for k in {**old, **new} if old.get(k) != new.get(k))
    was, now = (values.get(key, "not given") for values in (old, new))
    return f"{key} was {was}, now it is {now}"
