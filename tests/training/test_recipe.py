from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest

from resnet_tutorial import InputError, Recipe, TrainConfig, get_architecture
from resnet_tutorial.training import load_recipe
from resnet_tutorial.training.recipe import recipe_from_dict
from resnet_tutorial.training.recipe_text import recipe_notes, recipe_summary


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"batch_size": 128, "accumulate": 3}, "accumulate must be a divisor of batch_size 128, got 3"),
        ({"lr": float("inf")}, "lr must be above 0, got inf"),
        ({"ema": 1.0}, r"ema must be in \[0, 1\), got 1.0"),
        ({"clip_grad_norm": 0.0}, "clip_grad_norm must be above 0"),
        ({"clip_grad_norm": float("inf")}, "clip_grad_norm must be above 0, got inf"),
        ({"lr": 0.1, "lr_min": 0.2}, "lr_min must be from 0 to lr 0.1, got 0.2"),
        ({"milestones": (0,), "schedule_unit": "step"}, "milestones must be steps from 1 on"),
        ({"step_size": 0}, "step_size must be at least 1"),
        ({"warmup_epochs": 10, "lr_scheduler": "cosine"}, "warmup_epochs must be below .* 10 epochs, got 10"),
        ({"warmup_epochs": -1}, "warmup_epochs must be at least 0"),
        ({"warmup_epochs": 1, "lr": 1e-6, "lr_scheduler": "cosine"}, "warmup_lr must be at most lr 1e-06, got 1e-05"),
        ({"warmup_until_error": 0.0}, r"warmup_until_error must be in \(0, 100\], got 0"),
        ({"warmup_until_error": 80.0, "warmup_epochs": 1}, "two warm-ups"),
        ({"rand_augment": (2, 31)}, "rand_augment must be .* got"),
        ({"cutout": -1}, "cutout must be at least 0"),
        ({"mixup": -0.1}, "mixup must be at least 0"),
        ({"validation": 1.0}, r"validation must be in \[0, 1\)"),
    ],
)
def test_values_out_of_range(values, message):
    with pytest.raises(InputError, match=message) as caught:
        Recipe(**values)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("field", [f for f in fields(Recipe) if isinstance(f.default, float)], ids=lambda f: f.name)
def test_no_number_may_be_nan(field):
    with pytest.raises(InputError, match=f"{field.name} must be"):
        Recipe(**{field.name: float("nan")})


@pytest.mark.parametrize(
    ("settings", "values", "message"),
    [
        (Recipe, {"epoch": 1}, "Recipe has no setting epoch: did you mean epochs?"),
        (Recipe, {"epochs": "two"}, "epochs cannot be 'two': give a whole number"),
        (Recipe, {"optimizer": "Lion"}, "optimizer cannot be 'Lion': choose from SGD, Muon"),
        (Recipe, {"mean": (1, 2)}, r"mean cannot be \(1, 2\): give 3 numbers or None"),
        (TrainConfig, {"epochs": 2}, r"TrainConfig has no setting epochs: did you mean recipe=rt.Recipe\(epochs=2\)"),
        (TrainConfig, {"telepathy": 2}, "no setting telepathy: help"),
        (TrainConfig, {"recipe": "quick"}, "recipe cannot be 'quick': give a Recipe"),
        (TrainConfig, {"seed": None}, "seed cannot be None: give a whole number"),
        (TrainConfig, {"resume": "yes"}, "resume cannot be 'yes': give True or False or choose from auto"),
    ],
)
def test_wrong_names_and_types(settings, values, message):
    with pytest.raises(InputError, match=message):
        settings(**values)


def test_a_value_gets_the_type_of_its_field():
    assert Recipe(epochs="3", lr=1, milestones=[2]) == Recipe(epochs=3, lr=1.0, milestones=(2,))
    config = TrainConfig(root="data", pretrained=Path("runs/a"), resume="auto")
    assert (config.root, config.pretrained, config.resume) == (Path("data"), "runs/a", "auto")


NOTES = [
    ({"epochs": 20, "lr_scheduler": "cosine", "t_max": 10}, "after epoch 10 .* use t_max 20"),
    ({"steps": 100, "schedule_unit": "step", "lr_scheduler": "cosine", "t_max": 30}, "after step 30 .* use t_max 100"),
    (
        {"epochs": 5, "lr_scheduler": "MultiStepLR", "milestones": (3, 5)},
        r"milestones \[5\] lie at or after the end .*5 epochs",
    ),
    (
        {"epochs": 5, "lr_scheduler": "MultiStepLR", "milestones": (2, 4), "warmup_epochs": 2},
        r"milestones \[2\] lie in the warm-up",
    ),
    ({"lr_scheduler": "MultiStepLR"}, "never lowers the learning rate"),
    ({"lr_scheduler": "cosine", "milestones": (3,)}, "CosineAnnealingLR ignores the milestones"),
    ({"warmup_epochs": 3}, "OneCycleLR has a warm-up of its own"),
    ({"optimizer": "AdamW"}, "lr 0.3 is a rate for SGD .* AdamW"),
]


@pytest.mark.parametrize(("values", "message"), NOTES)
def test_what_is_surely_not_meant_is_noted(values, message):
    import re

    (note,) = recipe_notes(Recipe(**values))
    assert re.search(message, note) and "\n" not in note


def test_notes_that_need_the_length_of_an_epoch():
    far = Recipe(epochs=2, schedule_unit="step", lr_scheduler="MultiStepLR", milestones=(20,))
    assert recipe_notes(far) == recipe_notes(far, 11) == [] and "end of the run (20 steps)" in recipe_notes(far, 10)[0]
    average = Recipe(epochs=2, ema=0.98)
    assert recipe_notes(average) == recipe_notes(average, 25) == []
    assert recipe_notes(average, 24) == ["ema 0.98 averages over about 50 steps, but the run has 48: lower it."]


def test_deep_networks_want_a_warm_up():
    paper, deep = load_recipe("paper"), get_architecture("resnet110")
    (note,) = recipe_notes(paper, arch=deep)
    assert "resnet110 may not start to learn at lr 0.1" in note and "paper_resnet110" in note
    assert (
        recipe_notes(paper, arch=get_architecture("resnet56"))
        == recipe_notes(paper, arch=get_architecture("resnet101"))
        == []
    )
    for name in ("paper_resnet110", "cifar10_resnet110", "quick"):
        assert recipe_notes(load_recipe(name), arch=deep) == []


def test_the_summary_says_what_matters_in_two_lines():
    assert recipe_summary(load_recipe("paper_resnet110")) == (
        "64,000 steps, batch 128; SGD with lr 0.1, momentum 0.9, weight decay 0.0001; MultiStepLR (× 0.1 at step "
        "32,000, 48,000), lr 0.01 until the training error is below 80 %\n"
        "crop and flip, 10 % of the training images held out"
    )
    muon = Recipe(optimizer="Muon", rest_lr=0.8, decay_norm_and_bias=False, ema=0.995, epochs=1, accumulate=2)
    said = recipe_summary(replace(muon, initial_scale=0.5, label_smoothing=0.1, lr_scheduler="StepLR", step_size=1))
    for words in (
        "1 epoch, batch 128 in 2 parts; Muon with lr 0.3, SGD with lr 0.8 for all but hidden convolutions, Nesterov",
        "(not on norms and biases), moving average 0.995; StepLR",
        "every 1 epoch)\ncrop and flip, images from 0.5 of their size up to it, label smoothing 0.1, 10 %",
    ):
        assert words in said


def test_old_records_say_less_and_mean_the_same():
    new = {"steps", "accumulate", "ema", "clip_grad_norm", "decay_norm_and_bias", "schedule_unit", "mixup", "cutmix"}
    old = {key: value for key, value in asdict(Recipe()).items() if key not in new}
    assert recipe_from_dict(old, "a record") == Recipe()


def test_images_grow_evenly_to_their_size():
    recipe = Recipe(initial_scale=0.5, growing_share=0.5)
    assert [recipe.image_size(32, share) for share in (0, 0.125, 0.25, 0.375, 0.5, 0.9)] == [16, 20, 24, 28, 32, 32]
    assert Recipe().image_size(30, 0) == 30  # without it, also a size that is no multiple of 4
    assert Recipe(initial_scale=0.9, growing_share=0.9).image_size(30, 0.8) <= 30
    assert Recipe(initial_scale=0.01, growing_share=0.9).image_size(32, 0) == 4


def test_the_arithmetic_of_an_epoch_goes_with_the_area_of_its_images():
    assert Recipe(initial_scale=0.5, growing_share=0.5).arithmetic(4) == [0.25, (24 / 32) ** 2, 1, 1]
    assert Recipe().arithmetic(3, 30) == [1, 1, 1]
    assert sum(load_recipe("modern").arithmetic(40)) == pytest.approx(30, abs=1)  # as its file says
