"""Optimizer and schedule of a recipe, from torch.optim."""

from torch import nn, optim
from torch.optim import lr_scheduler

from .recipe import Recipe


def make_optimizer(recipe: Recipe, model: nn.Module) -> optim.Optimizer:
    """Build the optimizer that the recipe names over all parameters of the model."""
    if recipe.optimizer == "SGD":
        nesterov = recipe.nesterov and recipe.momentum > 0
        return optim.SGD(
            model.parameters(), recipe.lr, recipe.momentum, weight_decay=recipe.weight_decay, nesterov=nesterov
        )
    return getattr(optim, recipe.optimizer)(model.parameters(), recipe.lr, weight_decay=recipe.weight_decay)


def make_scheduler(
    recipe: Recipe, optimizer: optim.Optimizer, steps_per_epoch: int
) -> tuple[lr_scheduler.LRScheduler, str]:
    """Build the schedule that the recipe names.

    Args:
        recipe: the recipe.
        optimizer: the optimizer whose rate is scheduled.
        steps_per_epoch: batches in an epoch.

    Returns:
        The schedule, and how often to advance it: every ``step`` or every ``epoch``.
    """
    if recipe.lr_scheduler == "OneCycleLR":
        total = recipe.epochs * steps_per_epoch
        # Only the rate follows the cycle: the momentum stays the recipe's.
        cycle = lr_scheduler.OneCycleLR(
            optimizer, recipe.lr, total_steps=total, pct_start=recipe.pct_start, cycle_momentum=False
        )
        return cycle, "step"
    warmup = recipe.warmup_epochs
    if recipe.lr_scheduler == "CosineAnnealingLR":
        main = lr_scheduler.CosineAnnealingLR(optimizer, T_max=recipe.t_max or recipe.epochs - warmup)
    elif recipe.lr_scheduler == "MultiStepLR":
        # Milestones count epochs from the start of the run, warm-up included.
        milestones = [m - warmup for m in recipe.milestones]
        main = lr_scheduler.MultiStepLR(optimizer, milestones, recipe.gamma)
    else:
        main = lr_scheduler.ConstantLR(optimizer, factor=1.0)
    if warmup == 0:
        return main, "epoch"
    rise = lr_scheduler.LinearLR(optimizer, start_factor=recipe.warmup_lr / recipe.lr, total_iters=warmup)
    return lr_scheduler.SequentialLR(optimizer, [rise, main], milestones=[warmup]), "epoch"


def learning_rates(recipe: Recipe, steps_per_epoch: int) -> list[float]:
    """The learning rate of every step of a run, read off the real schedule."""
    optimizer = make_optimizer(recipe, nn.Linear(1, 1))
    scheduler, interval = make_scheduler(recipe, optimizer, steps_per_epoch)
    rates = []
    for step in range(recipe.epochs * steps_per_epoch):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if interval == "step" or (step + 1) % steps_per_epoch == 0:
            scheduler.step()
    return rates
