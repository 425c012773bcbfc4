"""What there is to say of a recipe: a summary, and notes on what is allowed but surely not meant."""

import math
from collections.abc import Iterator

from ..architectures import Architecture
from ..text import count
from .recipe import Recipe

ADAPTIVE = ("AdamW", "Adam", "NAdam", "RAdam", "Adamax", "RMSprop")  # their usual rate is near 0.001


def recipe_summary(recipe: Recipe) -> str:
    """What matters of a recipe, in two lines."""
    length = count(recipe.epochs, "epoch") if recipe.steps is None else count(recipe.steps, "step")
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
    length = recipe.length(steps_per_epoch)
    notes = [*_schedule_notes(recipe, length)]
    if recipe.optimizer in ADAPTIVE and recipe.lr >= 0.05:
        notes.append(f"lr {recipe.lr:g} is a rate for SGD and far too high for {recipe.optimizer}: 0.001 is usual.")
    alike = recipe.backbone_lr is None and recipe.freeze is None
    if not fresh and alike and recipe.optimizer == "SGD" and recipe.lr >= 0.1:
        notes.append(
            f"lr {recipe.lr:g} is for fresh weights, and soon undoes others: try --lr 0.03 --backbone-lr 0.003."
        )
    if recipe.ema and steps_per_epoch is not None:
        memory, steps = round(1 / (1 - recipe.ema)), recipe.total_steps(steps_per_epoch)
        if memory > steps:
            notes.append(
                f"ema {recipe.ema:g} averages over about {memory:,} steps, but the run has {steps:,}: lower it."
            )
    deep = arch is not None and arch.family == "three-stage" and arch.depth > 56
    gentle = recipe.has_warmup or recipe.lr_scheduler == "OneCycleLR" or recipe.lr < 0.1
    if deep and not gentle and recipe.optimizer == "SGD":
        notes.append(
            f"{arch.name} may not start to learn at lr {recipe.lr:g} (He et al. 2016, section 4.2): use the recipe "
            "paper_resnet110, or --warmup-until-error 80 --warmup-lr 0.01."
        )
    return notes


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
        "StepLR": f" (× {recipe.gamma:g} every {count(recipe.step_size, unit)})",
        "ExponentialLR": f" (× {recipe.gamma:g} every {unit})",
        "CosineAnnealingLR": f" (t_max {recipe.t_max})" if recipe.t_max else "",
    }
    words = "constant rate" if recipe.lr_scheduler in ("ConstantLR", "none") else recipe.lr_scheduler
    words += details.get(recipe.lr_scheduler, "")
    if not recipe.has_warmup:
        return words
    if recipe.warmup_until_error is not None:
        return f"{words}, lr {recipe.warmup_lr:g} until the training error is below {recipe.warmup_until_error:g} %"
    return f"{words}, warm-up from {recipe.warmup_lr:g} for {count(recipe.warmup_epochs, unit)}"


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


def _schedule_notes(recipe: Recipe, length: int | None) -> Iterator[str]:
    unit, name = recipe.schedule_unit, recipe.lr_scheduler
    if name == "CosineAnnealingLR" and recipe.t_max is not None and length is not None:
        descent = length - recipe.warmup_epochs
        if recipe.t_max < descent:
            yield (
                f"t_max {recipe.t_max} is shorter than the run: after {unit} {recipe.t_max + recipe.warmup_epochs} the "
                f"learning rate climbs again, back to {recipe.lr:g}. For one descent use t_max {descent}."
            )
    if name == "MultiStepLR":
        early = [m for m in recipe.milestones if m <= recipe.warmup_epochs]
        late = [m for m in recipe.milestones if m >= (length or math.inf)]
        if not recipe.milestones:
            yield "MultiStepLR without milestones never lowers the learning rate."
        elif early:
            yield f"milestones {early} lie in the warm-up of {count(recipe.warmup_epochs, unit)}: no drop happens."
        elif late:
            yield f"milestones {late} lie at or after the end of the run ({count(length, unit)}): no drop happens."
    elif recipe.milestones:
        yield f"{name} ignores the milestones: they are MultiStepLR's."
    if name == "OneCycleLR" and (recipe.warmup_epochs or recipe.warmup_until_error is not None):
        yield "OneCycleLR has a warm-up of its own (pct_start): warmup_epochs and warmup_until_error are ignored."
