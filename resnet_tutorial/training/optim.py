"""Optimizer, schedule and moving average of a recipe, from torch.optim."""

from typing import Any

import torch
from torch import nn, optim
from torch.optim import lr_scheduler

from .average import MovingAverage
from .fine_tuning import head_of
from .muon import Muon
from .recipe import Recipe


def make_optimizer(recipe: Recipe, model: nn.Module) -> optim.Optimizer:
    """Build the optimizer that the recipe names over all parameters of the model.

    Args:
        recipe: the recipe.
        model: its parameters form one group; without ``decay_norm_and_bias`` two, the second of which does not decay.
            With Muon the weights of all convolutions but the first come before them, as a group of their own; with
            ``backbone_lr`` all layers but the last come behind them, as groups of their own. What is frozen is in none.

    Returns:
        The optimizer, with the recipe's highest rate.
    """
    options: dict[str, Any] = {"lr": recipe.lr, "weight_decay": recipe.weight_decay}
    if recipe.optimizer in ("SGD", "RMSprop", "Muon"):
        options["momentum"] = recipe.momentum
    if recipe.optimizer in ("SGD", "Muon"):
        options["nesterov"] = recipe.nesterov and recipe.momentum > 0
    learning = [p for p in model.parameters() if p.requires_grad]
    if recipe.optimizer != "Muon":
        groups = _parameter_groups(recipe, learning)
        if recipe.backbone_lr is not None:
            head = {id(p) for p in head_of(model).parameters()}
            groups = _parameter_groups(recipe, [p for p in learning if id(p) in head])
            slower = _parameter_groups(recipe, [p for p in learning if id(p) not in head])
            groups += [group | {"lr": recipe.backbone_lr} for group in slower if group["params"]]
        return getattr(optim, recipe.optimizer)(groups, **options)
    hidden = [m.weight for m in model.modules() if isinstance(m, nn.Conv2d)][1:]
    hidden = [weight for weight in hidden if weight.requires_grad]
    rest = [p for p in learning if all(p is not weight for weight in hidden)]
    turned = {"params": hidden, "muon": True, "average": recipe.momentum, "lr": recipe.lr}
    turned |= {"momentum": 0.0, "nesterov": False, "weight_decay": 0.0}
    return Muon([turned] * bool(hidden) + _parameter_groups(recipe, rest), **options | {"lr": recipe.rest_lr})


def _parameter_groups(recipe: Recipe, parameters: list[nn.Parameter]) -> list[dict[str, Any]]:
    if recipe.decay_norm_and_bias:
        return [{"params": parameters}]
    # Scales, shifts and biases are vectors; weights of convolutions and linear layers have more dimensions.
    return [
        {"params": [p for p in parameters if p.ndim > 1]},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def make_scheduler(
    recipe: Recipe, optimizer: optim.Optimizer, steps_per_epoch: int
) -> tuple["lr_scheduler.LRScheduler | HoldUntilError", str]:
    """Build the schedule that the recipe names.

    Args:
        recipe: the recipe.
        optimizer: the optimizer whose rate is scheduled.
        steps_per_epoch: batches in an epoch.

    Returns:
        The schedule, and how often to advance it: every ``step`` or every ``epoch``.

    Raises:
        InputError: if the warm-up is as long as the run.
    """
    if recipe.lr_scheduler == "OneCycleLR":
        return _one_cycle(recipe, optimizer, recipe.total_steps(steps_per_epoch)), "step"
    length, warmup = recipe.length(steps_per_epoch), recipe.warmup_epochs
    recipe.check_warmup(length)
    scheduler = _main_schedule(recipe, optimizer, length - warmup)
    if warmup:
        rise = lr_scheduler.LinearLR(optimizer, start_factor=recipe.warmup_lr / recipe.lr, total_iters=warmup)
        scheduler = lr_scheduler.SequentialLR(optimizer, [rise, scheduler], milestones=[warmup])
    if recipe.warmup_until_error is not None:
        scheduler = HoldUntilError(scheduler, optimizer, recipe.warmup_lr, recipe.warmup_until_error)
    return scheduler, recipe.schedule_unit


def _one_cycle(recipe: Recipe, optimizer: optim.Optimizer, total: int) -> lr_scheduler.LRScheduler:
    # With a rise of exactly one step torch divides by zero.
    share = recipe.pct_start if recipe.pct_start * total != 1 else recipe.pct_start * (1 - 1e-9)
    # Only the rate follows the cycle: the momentum stays the recipe's.
    highest = [group["lr"] for group in optimizer.param_groups]
    return lr_scheduler.OneCycleLR(optimizer, highest, total_steps=total, pct_start=share, cycle_momentum=False)


def _main_schedule(recipe: Recipe, optimizer: optim.Optimizer, length: int) -> lr_scheduler.LRScheduler:
    """The schedule after a warm-up; ``length`` is what is left of the run, in the schedule's unit."""
    descent = recipe.t_max or length
    match recipe.lr_scheduler:
        case "CosineAnnealingLR":
            return lr_scheduler.CosineAnnealingLR(optimizer, T_max=descent, eta_min=recipe.lr_min)
        case "LinearLR":
            return lr_scheduler.LinearLR(optimizer, 1.0, recipe.lr_min / recipe.lr, total_iters=descent)
        case "PolynomialLR":
            return lr_scheduler.PolynomialLR(optimizer, total_iters=descent, power=recipe.power)
        case "MultiStepLR":
            # Milestones count from the start of the run, warm-up included.
            later = [m - recipe.warmup_epochs for m in recipe.milestones if m > recipe.warmup_epochs]
            return lr_scheduler.MultiStepLR(optimizer, later, recipe.gamma)
        case "StepLR":
            return lr_scheduler.StepLR(optimizer, recipe.step_size, recipe.gamma)
        case "ExponentialLR":
            return lr_scheduler.ExponentialLR(optimizer, recipe.gamma)
    return lr_scheduler.ConstantLR(optimizer, factor=1.0)


class HoldUntilError:
    """Keep the rate low until the network has begun to learn (He et al. 2016, section 4.2, for ResNet-110).

    The schedule inside goes on meanwhile, so that its milestones count from the start of the run.

    Args:
        scheduler: the schedule that holds afterwards.
        optimizer: the optimizer that it schedules.
        lr: rate until then.
        limit: training error in percent, below which the wait is over.

    Attributes:
        waiting: whether the rate is still held.
    """

    def __init__(self, scheduler: lr_scheduler.LRScheduler, optimizer: optim.Optimizer, lr: float, limit: float):
        self.scheduler, self.optimizer, self.lr, self.limit = scheduler, optimizer, lr, limit
        self.waiting = True
        self._hold()

    def step(self) -> None:
        """Advance the schedule inside by one unit."""
        if not self.waiting:
            self.scheduler.step()
            return
        self._set(self.rates)  # the schedule computes a rate from the one before
        self.scheduler.step()
        self._hold()

    def report(self, train_error: float) -> None:
        """Take note of the training error of an epoch, in percent; end the wait if it is low enough."""
        if self.waiting and train_error < self.limit:
            self.waiting = False
            self._set(self.rates)

    def state_dict(self) -> dict[str, Any]:
        """All that `load_state_dict` needs."""
        return {"waiting": self.waiting, "rates": self.rates, "scheduler": self.scheduler.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where a schedule with this state was; the rate itself comes back with the optimizer's state."""
        self.waiting, self.rates = state["waiting"], state["rates"]
        self.scheduler.load_state_dict(state["scheduler"])

    def _hold(self) -> None:
        self.rates = [float(group["lr"]) for group in self.optimizer.param_groups]
        self._set([self.lr] * len(self.rates))

    def _set(self, rates: list[float]) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(rate)  # a captured graph reads the tensor
            else:
                group["lr"] = rate


def report_train_error(scheduler: "lr_scheduler.LRScheduler | HoldUntilError", train_error: float) -> None:
    """Tell the schedule the training error of the epoch that ended; only ``warmup_until_error`` makes use of it.

    Args:
        scheduler: from `make_scheduler`. Call this before it advances to the next epoch.
        train_error: in percent, over the augmented images of the epoch.
    """
    if isinstance(scheduler, HoldUntilError):
        scheduler.report(train_error)


def make_ema(recipe: Recipe, model: nn.Module) -> MovingAverage | None:
    """Build the exponential moving average of the weights, if the recipe has one.

    Args:
        recipe: its ``ema`` is the share of the average that stays at each step.
        model: the network itself, without wrappers, on its device.

    Returns:
        The average, buffers included: call ``update_parameters(model)`` after every step, evaluate ``.module``. None if
        the recipe has none.
    """
    if recipe.ema == 0:
        return None
    return MovingAverage(model, recipe.ema)


def learning_rates(recipe: Recipe, steps_per_epoch: int) -> list[float]:
    """The learning rate of every step of a run, read off the real schedule.

    For ``warmup_until_error``, the error is taken to be low enough after the first epoch.
    """
    optimizer = make_optimizer(recipe, nn.Linear(1, 1))
    scheduler, interval = make_scheduler(recipe, optimizer, steps_per_epoch)
    optimizer.step()  # torch warns of a schedule that advances first
    rates = []
    for step in range(1, recipe.total_steps(steps_per_epoch) + 1):
        rates.append(optimizer.param_groups[0]["lr"])
        if step % steps_per_epoch == 0:
            report_train_error(scheduler, 0.0)
        if interval == "step" or step % steps_per_epoch == 0:
            scheduler.step()
    return rates
