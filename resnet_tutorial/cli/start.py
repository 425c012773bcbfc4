"""Where the settings of ``train`` start: at a recipe, or at the run that is resumed. The other flags change them."""

from dataclasses import fields
from typing import Any

from .. import training  # loads what is asked for, and torch only for a run that is resumed
from ..errors import InputError
from ..training.config import TrainConfig
from ..training.recipe import Recipe, recipe_from_dict
from ..training.recipe_files import load_card
from .arguments import TrainArgs
from .common import RUNS, data_of_run


def first_settings(typed: dict[str, Any]) -> dict[str, Any]:
    """The settings that take the place of the defaults, by name.

    Args:
        typed: what was given on the command line, by name.

    Raises:
        InputError: if two data folders are named, or there is no such recipe or run, or none that can go on.
    """
    data, root = typed.get("data"), typed.get("root")
    if data and root and data != root:
        raise InputError(f"two data folders are named, {data} and --root {root}: name one")
    if typed.get("resume") is not True or "seeds" in typed:  # each of several seeds goes on where there is something
        card = load_card(typed.get("config", TrainArgs.config))
        # Somebody who names epochs means them, also where the recipe counts steps.
        steps = None if "epochs" in typed else card.recipe.steps
        network = {"model": card.model or TrainConfig.model}
        if "pretrained" in typed and "model" not in typed:
            weights = training.find_weights(typed["pretrained"], network["model"])
            network = training.network_of(weights)
        return vars(card.recipe) | network | {"steps": steps, "root": data}
    checkpoint = training.checkpoint
    folder = checkpoint.run_folder(typed.get("ckpt_dir") or checkpoint.newest_checkpoint(RUNS).parent)
    state = checkpoint.load_checkpoint(folder, log=lambda line: None)  # the trainer reads it again, and tells
    if "run" not in state or "record" not in state:
        raise InputError(f"{folder} was written by an older version, whose runs cannot go on: train again")
    if state.get("own") and "model" not in typed:
        name = state["model"] if ":" in state["model"] else f"FILE.py:{state['model']}"
        raise InputError(f"{folder} is of {name}, code of your own, which runs only if you name it: add --model {name}")
    record = state["record"]
    unknown = {*record["recipe"], *state["run"]} - {each.name for each in (*fields(Recipe), *fields(TrainConfig))}
    if unknown:
        raise InputError(
            f"the run in {folder} has settings that this version does not know ({', '.join(sorted(unknown))}): "
            "a newer version of resnet-tutorial wrote it, so upgrade the package"
        )
    # The folder with the data is a default: it may be written otherwise now, or have moved.
    named = {"model": state["model"], "seed": record["seed"], "ckpt_dir": folder, "root": data_of_run(state, data)[1]}
    return vars(recipe_from_dict(record["recipe"], str(folder))) | state["run"] | named
