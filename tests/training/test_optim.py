import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from resnet_tutorial import InputError, Recipe, create_model
from resnet_tutorial.training import load_recipe, make_optimizer, make_scheduler
from resnet_tutorial.training.optim import HoldUntilError, learning_rates, make_ema, report_train_error
from resnet_tutorial.training.recipe_text import recipe_notes

ADAPTIVE = ["AdamW", "Adam", "NAdam", "RAdam", "Adamax", "RMSprop", "Adagrad", "Adadelta"]


def rates(recipe: Recipe, steps_per_epoch: int = 4) -> list[float]:
    """The learning rate of the first step of every epoch."""
    return learning_rates(recipe, steps_per_epoch)[::steps_per_epoch]


# -- schedules against formulas


def cosine(t, length, low=0.0):
    return low + (0.2 - low) * (1 + math.cos(math.pi * t / length)) / 2


FORMULAS = {
    "CosineAnnealingLR": ({}, cosine),
    "cosine": ({"lr_min": 0.02}, lambda t, length: cosine(t, length, 0.02)),
    "StepLR": ({"step_size": 3, "gamma": 0.5}, lambda t, length: 0.2 * 0.5 ** (t // 3)),
    "ExponentialLR": ({"gamma": 0.7}, lambda t, length: 0.2 * 0.7**t),
    "LinearLR": ({"lr_min": 0.05}, lambda t, length: 0.2 - 0.15 * t / length),
    "PolynomialLR": ({"power": 2.0}, lambda t, length: 0.2 * (1 - t / length) ** 2),
    "none": ({}, lambda t, length: 0.2),
}


@pytest.mark.parametrize("unit", ["epoch", "step"])
@pytest.mark.parametrize("warmup", [0, 3])
@pytest.mark.parametrize("name", FORMULAS)
def test_schedules_follow_their_formulas(name, warmup, unit):
    options, formula = FORMULAS[name]
    length = 12
    run = {"epochs": length} if unit == "epoch" else {"steps": length}
    recipe = Recipe(
        lr=0.2, lr_scheduler=name, warmup_epochs=warmup, warmup_lr=0.02, schedule_unit=unit, **run, **options
    )
    rise = [0.02 + (0.2 - 0.02) * t / 3 for t in range(warmup)]
    expected = rise + [formula(t, length - warmup) for t in range(length - warmup)]
    every = learning_rates(recipe, 5)
    assert every[:: 5 if unit == "epoch" else 1] == pytest.approx(expected, abs=1e-9)
    if unit == "epoch":  # the rate stays within an epoch
        assert len(every) == 60 and every[::5] == every[4::5]


@pytest.mark.parametrize("warmup", [0, 3, 6])
def test_milestones_count_from_the_start_of_the_run(warmup):
    recipe = Recipe(epochs=12, lr=0.2, lr_scheduler="multistep", milestones=(9, 6), gamma=0.5, warmup_epochs=warmup)
    expected = [0.2 * 0.5 ** ((t >= 6 > warmup) + (t >= 9)) for t in range(warmup, 12)]
    assert rates(recipe)[warmup:] == pytest.approx(expected)


def test_one_cycle_follows_its_formula():
    recipe, total = Recipe(epochs=10, lr=0.4, pct_start=0.3), 500
    every = learning_rates(recipe, 50)
    top, low, end = 0.3 * total - 1, 0.4 / 25, 0.4 / 25 / 1e4

    def between(start, stop, share):
        return stop + (start - stop) * (1 + math.cos(math.pi * share)) / 2

    for step in (0, 40, 149, 150, 300, 499):
        rising, share = step <= top, (step - top) / (total - 1 - top)
        expected = between(low, 0.4, step / top) if rising else between(0.4, end, share)
        assert every[step] == pytest.approx(expected)
    assert max(every) == every[149] == pytest.approx(0.4) and len(every) == total


@pytest.mark.parametrize(("total", "share"), [(2, 0.5), (10, 0.1), (1, 0.3)])
def test_one_cycle_of_very_few_steps(total, share):
    assert len(learning_rates(Recipe(steps=total, pct_start=share), 5)) == total


def test_one_cycle_leaves_the_momentum_alone():
    recipe = Recipe(epochs=2, momentum=0.9)
    optimizer = make_optimizer(recipe, nn.Linear(1, 1))
    scheduler, _ = make_scheduler(recipe, optimizer, 10)
    for _ in range(10):
        optimizer.step()
        scheduler.step()
        assert optimizer.param_groups[0]["momentum"] == 0.9


def test_a_cosine_that_is_shorter_than_the_run_climbs_again_and_says_so():
    recipe = Recipe(epochs=20, lr=0.001, optimizer="AdamW", lr_scheduler="CosineAnnealingLR", t_max=10)
    lrs = rates(recipe)
    assert lrs[10] == pytest.approx(0, abs=1e-9) and lrs[19] > 0.0009
    assert any("climbs again" in note for note in recipe_notes(recipe))
    whole = Recipe(epochs=20, lr_scheduler="CosineAnnealingLR")
    assert rates(whole) == sorted(rates(whole), reverse=True) and recipe_notes(whole) == []


# -- the shipped recipes


def test_the_200_epoch_recipe_warms_up_and_drops_at_100_and_150():
    lrs = rates(load_recipe("cifar10_resnet32"))
    assert lrs[0] == pytest.approx(1e-5)
    assert lrs[5] == pytest.approx(1e-5 + (0.1 - 1e-5) / 2)
    assert lrs[10:100] == pytest.approx([0.1] * 90)
    assert lrs[100:150] == pytest.approx([0.01] * 50)
    assert lrs[150:] == pytest.approx([0.001] * 50)


def test_the_paper_drops_at_32k_and_48k_of_64k_steps():
    recipe = load_recipe("paper")
    per_epoch = math.ceil(45_000 / recipe.batch_size)
    assert (per_epoch, recipe.total_epochs(per_epoch), recipe.epochs) == (352, 182, 182)
    assert recipe.total_epochs(math.ceil(50_000 / recipe.batch_size)) == 164
    every = learning_rates(recipe, per_epoch)
    assert len(every) == 64_000
    for step, rate in ((0, 0.1), (31_999, 0.1), (32_000, 0.01), (47_999, 0.01), (48_000, 0.001), (63_999, 0.001)):
        assert every[step] == pytest.approx(rate)
    deep = learning_rates(load_recipe("paper_resnet110"), per_epoch)
    assert deep[:352] == pytest.approx([0.01] * 352) and deep[352:] == pytest.approx(every[352:])


# -- the wait for the training error


def holding(milestones=(2, 4)) -> tuple[torch.optim.Optimizer, HoldUntilError]:
    recipe = Recipe(
        epochs=9, lr=1.0, lr_scheduler="MultiStepLR", milestones=milestones, warmup_until_error=80, warmup_lr=0.3
    )
    optimizer = make_optimizer(recipe, nn.Linear(1, 1))
    scheduler, interval = make_scheduler(recipe, optimizer, 5)
    assert interval == "epoch"
    optimizer.step()  # torch warns of a schedule that advances first
    return optimizer, scheduler


def test_the_rate_waits_for_the_training_error():
    optimizer, scheduler = holding()
    seen = []
    for error in (90, 80, 85, 79.9, 95, 95):
        seen.append(optimizer.param_groups[0]["lr"])
        report_train_error(scheduler, error)
        scheduler.step()
    # Below 80 for the first time after the fourth epoch: by then both drops are due, and it never waits again.
    assert seen == pytest.approx([0.3, 0.3, 0.3, 0.3, 0.01, 0.01])


def test_the_error_counts_at_once_where_the_schedule_advances_every_step():
    optimizer, scheduler = holding()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] == 0.3
    report_train_error(scheduler, 50)
    assert optimizer.param_groups[0]["lr"] == 1.0


@pytest.mark.parametrize("errors", [[90.0] * 3, [90.0, 70.0, 90.0]])
def test_the_wait_survives_a_checkpoint(errors):
    optimizer, scheduler = holding()
    for error in errors:
        report_train_error(scheduler, error)
        scheduler.step()
    again, resumed = holding()
    again.load_state_dict(optimizer.state_dict())
    resumed.load_state_dict(scheduler.state_dict())
    for error in (90, 70, 70):
        for old, new in ((optimizer, again), (scheduler, resumed)):
            assert old.state_dict() == new.state_dict()
        for one in (scheduler, resumed):
            report_train_error(one, error)
            one.step()
    assert again.param_groups[0]["lr"] == pytest.approx(0.01)


def test_the_wait_writes_into_a_rate_that_is_a_tensor():
    recipe = Recipe(lr=1.0, lr_scheduler="none", warmup_until_error=80, warmup_lr=0.25)
    optimizer = make_optimizer(recipe, nn.Linear(1, 1))
    rate = optimizer.param_groups[0]["lr"] = torch.tensor(1.0)
    scheduler, _ = make_scheduler(recipe, optimizer, 5)
    assert rate.item() == 0.25
    report_train_error(scheduler, 1.0)
    assert rate.item() == 1.0 and optimizer.param_groups[0]["lr"] is rate


def test_a_warm_up_must_leave_something_of_the_run():
    recipe = Recipe(epochs=2, schedule_unit="step", warmup_epochs=10, lr_scheduler="cosine")
    with pytest.raises(InputError, match="warmup_epochs must be below the length of the run, 10 steps, got 10"):
        learning_rates(recipe, 5)
    assert len(learning_rates(recipe, 6)) == 12


# -- optimizers


@pytest.mark.parametrize("name", ["SGD", *ADAPTIVE])
def test_optimizers_get_the_values_of_the_recipe(name):
    recipe = Recipe(optimizer=name, lr=0.05, momentum=0.8, weight_decay=0.003)
    optimizer = make_optimizer(recipe, nn.Linear(3, 1))
    assert type(optimizer) is getattr(torch.optim, name)
    assert (optimizer.defaults["lr"], optimizer.defaults["weight_decay"]) == (0.05, 0.003)
    assert optimizer.defaults.get("momentum", 0.8) == 0.8


def test_nesterov_is_for_momentum():
    assert make_optimizer(Recipe(), nn.Linear(1, 1)).defaults["nesterov"]
    assert not make_optimizer(Recipe(nesterov=False), nn.Linear(1, 1)).defaults["nesterov"]
    assert not make_optimizer(Recipe(momentum=0.0), nn.Linear(1, 1)).defaults["nesterov"]


@pytest.mark.parametrize("network", ["resnet20", "preact20"])
@pytest.mark.parametrize("spared", [False, True])
def test_groups_hold_every_parameter_once_and_spare_what_they_should(network, spared):
    model = create_model(network, shortcut="B")
    groups = make_optimizer(Recipe(decay_norm_and_bias=not spared), model).param_groups
    assert len(groups) == 1 + spared
    decay = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    assert len(decay) == sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    norms = {id(p) for module in model.modules() if isinstance(module, nn.BatchNorm2d) for p in module.parameters()}
    for name, parameter in model.named_parameters():
        vector = id(parameter) in norms or name.endswith("bias")
        assert decay[id(parameter)] == (0.0 if spared and vector else 5e-4), name


# -- the moving average


def test_the_average_has_the_decay_of_the_recipe():
    assert make_ema(Recipe(ema=0.75), nn.Linear(1, 1)).decay == 0.75 and make_ema(Recipe(), nn.Linear(1, 1)) is None


def test_steps_decide_over_epochs():
    recipe = Recipe(epochs=3, steps=17)
    assert (recipe.total_steps(5), recipe.total_epochs(5)) == (17, 4)
    assert (replace(recipe, steps=None).total_steps(5), replace(recipe, steps=None).total_epochs(5)) == (15, 3)
    assert len(learning_rates(recipe, 5)) == 17
