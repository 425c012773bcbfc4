import pytest
import torch
from torch import nn

from resnet_tutorial import InputError, Recipe
from resnet_tutorial.training import list_recipes, load_recipe, make_optimizer, make_scheduler
from resnet_tutorial.training.optim import learning_rates


def rates(recipe: Recipe, steps_per_epoch: int = 4) -> list[float]:
    """The learning rate of the first step of every epoch."""
    return learning_rates(recipe, steps_per_epoch)[::steps_per_epoch]


@pytest.mark.parametrize("name", list_recipes())
def test_shipped_recipes_load(name):
    recipe = load_recipe(name)
    assert len(rates(recipe)) == recipe.epochs
    assert recipe.notes() == []


def test_the_default_recipe_is_quick():
    assert load_recipe("quick") == Recipe()


def test_a_recipe_survives_its_file(tmp_path):
    recipe = Recipe(lr=1e-4, milestones=(3, 5), t_max=7, transform=False)
    file = tmp_path / "mine.yml"
    file.write_text(recipe.to_yaml())
    assert load_recipe(str(file)) == recipe


def test_the_200_epoch_recipe_warms_up_and_drops_at_100_and_150():
    lrs = rates(load_recipe("cifar10_resnet32"))
    assert lrs[0] == pytest.approx(1e-5)
    assert lrs[5] == pytest.approx(1e-5 + (0.1 - 1e-5) / 2)
    assert lrs[10:100] == pytest.approx([0.1] * 90)
    assert lrs[100:150] == pytest.approx([0.01] * 50)
    assert lrs[150:] == pytest.approx([0.001] * 50)


def test_a_cosine_that_is_shorter_than_the_run_climbs_again_and_says_so():
    recipe = Recipe(epochs=20, lr=0.001, optimizer="AdamW", lr_scheduler="CosineAnnealingLR", t_max=10)
    lrs = rates(recipe)
    assert lrs[10] == pytest.approx(0, abs=1e-9) and lrs[19] > 0.0009
    assert any("climbs again" in note for note in recipe.notes())
    whole = Recipe(epochs=20, lr_scheduler="CosineAnnealingLR")
    assert rates(whole) == sorted(rates(whole), reverse=True) and whole.notes() == []


def test_one_cycle_rises_and_ends_near_zero():
    lrs = rates(Recipe(epochs=10, lr=0.4), steps_per_epoch=50)
    assert max(lrs) == lrs[3] == pytest.approx(0.4, rel=0.01)
    assert lrs[9] < 0.03


def test_one_cycle_leaves_the_momentum_alone():
    recipe = Recipe(epochs=2, momentum=0.9)
    optimizer = make_optimizer(recipe, nn.Linear(1, 1))
    scheduler, _ = make_scheduler(recipe, optimizer, 10)
    for _ in range(10):
        optimizer.step()
        scheduler.step()
        assert optimizer.param_groups[0]["momentum"] == 0.9


@pytest.mark.parametrize(("name", "kind"), [("SGD", torch.optim.SGD), ("AdamW", torch.optim.AdamW)])
def test_optimizers(name, kind):
    optimizer = make_optimizer(Recipe(optimizer=name, lr=0.01, weight_decay=0.003), nn.Linear(1, 1))
    assert type(optimizer) is kind
    assert (optimizer.defaults["lr"], optimizer.defaults["weight_decay"]) == (0.01, 0.003)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch: 3", "unknown key 'epoch' .*did you mean epochs"),
        ("batch_size: 0", "batch_size must be at least 1, got 0"),
        ("batch_size: 1.5", "batch_size .* cannot be 1.5"),
        ("lr: fast", "lr .* cannot be 'fast'"),
        ("nesterov: 1", "nesterov .* cannot be 1"),
        ("epochs: true", "epochs .* cannot be True"),
        ("optimizer: Lion", "optimizer .* choose from SGD, AdamW, Adam"),
        ("- epochs", "must hold `name: value` lines"),
        ("epochs: [1", "not valid YAML at line 1"),
        ("validation: 1", "validation must be in"),
    ],
)
def test_wrong_recipe_files(tmp_path, text, message):
    file = tmp_path / "mine.yml"
    file.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        load_recipe(str(file))
    assert "\n" not in str(caught.value)


def test_numbers_that_yaml_reads_as_text(tmp_path):
    file = tmp_path / "mine.yml"
    file.write_text("weight_decay: 1e-4\nlr: 1\n")
    assert load_recipe(str(file)) == Recipe(weight_decay=1e-4, lr=1.0)


def test_an_unknown_recipe_suggests_one():
    with pytest.raises(InputError, match="did you mean cifar10_resnet32"):
        load_recipe("cifar10_resnet23")
