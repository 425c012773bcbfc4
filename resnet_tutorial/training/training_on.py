"""Training on: more epochs for a run, by its own schedule where that allows it, or else in a new run."""

from dataclasses import replace

from ..errors import InputError
from ..text import count
from .checkpoint import has_checkpoint, load_checkpoint, run_folder
from .config import TrainConfig
from .recipe import Recipe, recipe_from_dict

ENDLESS = ("ConstantLR", "none", "StepLR", "MultiStepLR", "ExponentialLR")  # their rates do not depend on the end
WITH_T_MAX = ("CosineAnnealingLR", "LinearLR", "PolynomialLR")  # neither do theirs, if they are told where to end


def is_longer(old: Recipe, new: Recipe) -> bool:
    """Whether two recipes differ in nothing but that the new one has more epochs."""
    counted = old.steps is None and new.steps is None and new.epochs > old.epochs
    return counted and replace(old, epochs=new.epochs, mean=new.mean, std=new.std) == new  # data, not recipe


def why_not(recipe: Recipe) -> str:
    """Why a run by this recipe cannot go on behind its end as if it had been longer; empty if it can."""
    if recipe.initial_scale < 1:
        return "its images grow with the length of the run"
    if recipe.lr_scheduler in ENDLESS or (recipe.lr_scheduler in WITH_T_MAX and recipe.t_max is not None):
        return ""
    return f"{recipe.lr_scheduler} goes by the length of the run"


def prolonged(config: TrainConfig) -> tuple[TrainConfig, str]:
    """What comes of a run that is to be resumed with more epochs than it has.

    Args:
        config: the run as asked for. Nothing comes of it if it does not name its folder.

    Returns:
        The run, and what to say of it: the same one if its schedule allows for more, or there is nothing to go on with;
        else a new one, in a folder of its own, that starts from the weights and has the epochs that are left.

    Raises:
        InputError: if the run has not come to its end, and its schedule allows for no other.
    """
    folder = config.ckpt_dir and run_folder(config.ckpt_dir)
    if not config.resume or folder is None or not has_checkpoint(folder):
        return config, ""
    state = load_checkpoint(folder, log=lambda line: None)
    if "record" not in state:
        return config, ""
    old = recipe_from_dict(state["record"]["recipe"], f"of the run in {folder}")
    if not is_longer(old, config.recipe):
        return config, ""
    reason, epochs = why_not(old), config.recipe.epochs
    if not reason:
        return config, f"{folder} goes on to epoch {epochs}, as {old.lr_scheduler} allows, and is scored again"
    if state["record"]["test"] is None:
        raise InputError(
            f"the run in {folder} cannot become longer, as {reason}: let it end first, after "
            f"{count(old.epochs, 'epoch')}; then --resume --epochs {epochs} adds a run that starts from its weights"
        )
    more = replace(config.recipe, epochs=epochs - old.epochs)
    place = folder.with_name(f"{folder.name}-to-{epochs}")
    new = replace(config, recipe=more, ckpt_dir=place, pretrained=str(folder), resume="auto")
    return new, (
        f"{folder} cannot go on, as {reason}: a new run in {place} starts from its weights, "
        f"with {count(more.epochs, 'epoch')}"
    )
