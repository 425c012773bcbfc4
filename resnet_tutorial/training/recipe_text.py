"""What there is to say of a recipe: a summary, and notes on what is allowed but surely not meant."""

import math

from ..architectures import Architecture
from .recipe import Recipe

ADAPTIVE = ("AdamW", "Adam", "NAdam", "RAdam", "Adamax", "RMSprop")  # their usual rate is near 0.001


def recipe_summary(recipe: Recipe) -> str:
    """What matters of a recipe, in two lines."""
    length = _count(recipe.epochs, "epoch") if recipe.steps is None else _count(recipe.steps, "step")
    batch = f"batch {recipe.batch_size}" + (f" in {recipe.accumulate} parts" if recipe.accumulate > 1 else "")
    optimizer = ", ".join([f"{recipe.optimizer} with lr {recipe.lr:g}", *_optimizer_words(recipe)])
    rest = ", ".join(_regularization_words(recipe))
    return f"{length}, {batch}; {optimizer}; {_schedule_words(recipe)}\n{rest}"


def recipe_notes(
    recipe: Recipe, steps_per_epoch: int | None = None, arch: Architecture | None = None, *, fresh: bool = True
) -> list[str]:
    """Things in a recipe that are allowed but surely not meant, one line each.

    Args:
        recipe: the recipe.
        steps_per_epoch: batches in an epoch, if known.
        arch: the network to train, if known.
        fresh: whether its weights are drawn; others are easily lost.
    """
    notes = (
        _cosine_note(recipe, recipe.length(steps_per_epoch)),
        _drops_note(recipe, recipe.length(steps_per_epoch)),
        _warmup_note(recipe),
        _rate_note(recipe),
        None if fresh else _start_note(recipe),
        _average_note(recipe, steps_per_epoch),
        _depth_note(recipe, arch),
    )
    return [note for note in notes if note]


def _count(number: int, unit: str) -> str:
    return f"{number:,} {unit}" + ("" if number == 1 else "s")


def _optimizer_words(recipe: Recipe) -> list[str]:
    momentum = recipe.momentum if recipe.optimizer in ("SGD", "RMSprop", "Muon") else 0
    nesterov = "Nesterov " if recipe.nesterov and recipe.optimizer in ("SGD", "Muon") else ""
    spared = "" if recipe.decay_norm_and_bias else " (not on norms and biases)"
    words = (
        (recipe.optimizer == "Muon", f"SGD with lr {recipe.rest_lr:g} for all but hidden convolutions"),
        (recipe.backbone_lr, f"{recipe.backbone_lr} for all but the last layer"),
        (recipe.freeze, f"{recipe.freeze} frozen"),
        (momentum, f"{nesterov}momentum {momentum:g}"),
        (recipe.weight_decay, f"weight decay {recipe.weight_decay:g}{spared}"),
        (recipe.clip_grad_norm, f"gradients clipped at {recipe.clip_grad_norm}"),
        (recipe.ema, f"moving average {recipe.ema:g}"),
    )
    return [word for value, word in words if value]


def _schedule_words(recipe: Recipe) -> str:
    unit = recipe.schedule_unit
    details = {
        "OneCycleLR": f" (rising for {100 * recipe.pct_start:g} %)",
        "MultiStepLR": f" (× {recipe.gamma:g} at {unit} {', '.join(f'{m:,}' for m in recipe.milestones)})",
        "StepLR": f" (× {recipe.gamma:g} every {_count(recipe.step_size, unit)})",
        "ExponentialLR": f" (× {recipe.gamma:g} every {unit})",
        "CosineAnnealingLR": f" (t_max {recipe.t_max})" if recipe.t_max else "",
    }
    words = "constant rate" if recipe.lr_scheduler in ("ConstantLR", "none") else recipe.lr_scheduler
    words += details.get(recipe.lr_scheduler, "")
    if not recipe.has_warmup:
        return words
    if recipe.warmup_until_error is not None:
        return f"{words}, lr {recipe.warmup_lr:g} until the training error is below {recipe.warmup_until_error:g} %"
    return f"{words}, warm-up from {recipe.warmup_lr:g} for {_count(recipe.warmup_epochs, unit)}"


def _regularization_words(recipe: Recipe) -> list[str]:
    held_out = f"{100 * recipe.validation:g} % of the" if recipe.validation else "no"
    words = (
        (True, "crop and flip" if recipe.transform else "no crop and flip"),
        (recipe.initial_scale < 1, f"images from {recipe.initial_scale:g} of their size up to it"),
        (recipe.label_smoothing, f"label smoothing {recipe.label_smoothing:g}"),
        (recipe.random_erasing, f"random erasing {recipe.random_erasing:g}"),
        (recipe.cutout, f"cutout {recipe.cutout}"),
        (recipe.rand_augment, f"RandAugment {recipe.rand_augment}"),
        (recipe.mixup, f"MixUp {recipe.mixup:g}"),
        (recipe.cutmix, f"CutMix {recipe.cutmix:g}"),
        (recipe.mean, "mean and deviation as given"),
        (recipe.normalization == "imagenet" and not recipe.mean, "ImageNet's mean and deviation"),
        (recipe.balanced, "classes shown equally often"),
        (recipe.class_weights, "loss weighted by class"),
        (True, f"{held_out} training images held out"),
    )
    return [word for value, word in words if value]


def _cosine_note(recipe: Recipe, length: int | None) -> str | None:
    if recipe.lr_scheduler != "CosineAnnealingLR" or recipe.t_max is None or length is None:
        return None
    descent = length - recipe.warmup_epochs
    if recipe.t_max >= descent:
        return None
    return (
        f"t_max {recipe.t_max} is shorter than the run: after {recipe.schedule_unit} "
        f"{recipe.t_max + recipe.warmup_epochs} the learning rate climbs again, back to {recipe.lr:g}. "
        f"For one descent use t_max {descent}."
    )


def _drops_note(recipe: Recipe, length: int | None) -> str | None:
    unit = recipe.schedule_unit
    if recipe.lr_scheduler != "MultiStepLR":
        return f"{recipe.lr_scheduler} ignores the milestones: they are MultiStepLR's." if recipe.milestones else None
    if not recipe.milestones:
        return "MultiStepLR without milestones never lowers the learning rate."
    early = [m for m in recipe.milestones if m <= recipe.warmup_epochs]
    if early:
        return f"milestones {early} lie in the warm-up of {_count(recipe.warmup_epochs, unit)}: no drop happens."
    late = [m for m in recipe.milestones if m >= (length or math.inf)]
    if late:
        return f"milestones {late} lie at or after the end of the run ({_count(length, unit)}): no drop happens."
    return None


def _warmup_note(recipe: Recipe) -> str | None:
    if recipe.lr_scheduler != "OneCycleLR" or (recipe.warmup_epochs == 0 and recipe.warmup_until_error is None):
        return None
    return "OneCycleLR has a warm-up of its own (pct_start): warmup_epochs and warmup_until_error are ignored."


def _rate_note(recipe: Recipe) -> str | None:
    if recipe.optimizer not in ADAPTIVE or recipe.lr < 0.05:
        return None
    return f"lr {recipe.lr:g} is a rate for SGD and far too high for {recipe.optimizer}: 0.001 is usual."


def _start_note(recipe: Recipe) -> str | None:
    if recipe.optimizer != "SGD" or recipe.lr < 0.1 or recipe.backbone_lr is not None or recipe.freeze is not None:
        return None
    return f"lr {recipe.lr:g} is for fresh weights, and soon undoes others: try --lr 0.03 --backbone-lr 0.003."


def _average_note(recipe: Recipe, steps_per_epoch: int | None) -> str | None:
    if recipe.ema == 0 or steps_per_epoch is None:
        return None
    memory, total = round(1 / (1 - recipe.ema)), recipe.total_steps(steps_per_epoch)
    if memory <= total:
        return None
    return f"ema {recipe.ema:g} averages over about {memory:,} steps, but the run has {total:,}: lower it."


def _depth_note(recipe: Recipe, arch: Architecture | None) -> str | None:
    deep = arch is not None and arch.family == "three-stage" and arch.depth > 56
    gentle = recipe.has_warmup or recipe.lr_scheduler == "OneCycleLR" or recipe.lr < 0.1
    if not deep or gentle or recipe.optimizer != "SGD":
        return None
    return (
        f"{arch.name} may not start to learn at lr {recipe.lr:g} (He et al. 2016, section 4.2): use the recipe "
        "paper_resnet110, or --warmup-until-error 80 --warmup-lr 0.01."
    )
