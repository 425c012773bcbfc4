import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from resnet_tutorial import InputError, Recipe, get_architecture
from resnet_tutorial.training import list_recipes, load_card, load_recipe
from resnet_tutorial.training.recipe import RECIPE_VERSION, recipe_from_dict
from resnet_tutorial.training.recipe_files import name_recipe
from resnet_tutorial.training.recipe_text import recipe_notes

RESULTS = Path(__file__).parents[2] / "book" / "results"
SIBLINGS = [f"cifar10_resnet{depth}" for depth in (20, 32, 44, 56, 110, 1202)]


@pytest.mark.parametrize("name", list_recipes())
def test_every_shipped_recipe_says_where_it_comes_from(name):
    card = load_card(name)
    assert card.name == name and card.recipe == load_recipe(name)
    for text in (card.about, card.source, card.expected):
        assert text and "\n" not in text
    # An accuracy comes with whoever measured it.
    assert card.expected == "not measured yet" or any(
        word in card.expected for word in ("table", "published", "record")
    )
    assert recipe_notes(card.recipe, 352, get_architecture(card.model or "resnet20")) == []
    assert card.recipe.total_epochs(352) == card.recipe.epochs


def test_siblings_differ_in_the_network_alone():
    assert {load_recipe(name) for name in SIBLINGS} == {load_recipe("cifar10_resnet32")}
    assert [load_card(name).model for name in SIBLINGS] == [name.removeprefix("cifar10_") for name in SIBLINGS]


def test_the_expectation_of_quick_is_its_record():
    record = json.loads((RESULTS / "resnet20-cifar10-quick-seed0.json").read_text())
    assert f"{record['test']['accuracy']:.2f} %" in load_card("quick").expected
    assert recipe_from_dict(record["recipe"], "the record") == load_recipe("quick")


def test_the_default_recipe_is_quick():
    assert load_recipe("quick") == Recipe()


UNUSUAL = Recipe(
    lr=1e-4, milestones=(3, 5), t_max=7, transform=False, steps=99, rand_augment=(2, 9), clip_grad_norm=1.0,
    decay_norm_and_bias=False, lr_scheduler="multistep", warmup_until_error=80.0, warmup_lr=1e-5,
)  # fmt: skip


@pytest.mark.parametrize("recipe", [UNUSUAL, *map(load_recipe, list_recipes())])
def test_a_recipe_survives_its_file(tmp_path, recipe):
    file = tmp_path / "mine.yml"
    file.write_text(recipe.to_yaml("resnet32"))
    assert load_card(str(file)).recipe == recipe and load_card(str(file)).model == "resnet32"
    file.write_text(recipe.to_yaml())
    assert load_card(str(file)).recipe == recipe and load_card(str(file)).model is None
    assert recipe_from_dict(json.loads(json.dumps(asdict(recipe))), "a record") == recipe


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch: 3", "unknown key 'epoch' .*did you mean epochs.* newer version .* upgrade"),
        ("sharpness_aware: 3", "unknown key 'sharpness_aware' .* newer version .* upgrade"),
        (f"version: {RECIPE_VERSION + 1}\nunheard_of: 1", f"version {RECIPE_VERSION + 1}, .* upgrade"),
        ("version: true", "has version True"),
        ("about: [1]", "about .* must be text"),
        ("batch_size: 0", "batch_size must be at least 1, got 0 .*mine.yml"),
        ("batch_size: 1.5", "batch_size .* cannot be 1.5"),
        ("batch_size: null", "batch_size .* cannot be None"),
        ("lr: fast", "lr .* cannot be 'fast'"),
        ("nesterov: 1", "nesterov .* cannot be 1"),
        ("epochs: true", "epochs .* cannot be True"),
        ("milestones: '12'", "milestones .* cannot be '12'"),
        ("milestones: [1.5]", "milestones .* cannot be"),
        ("rand_augment: [2]", "rand_augment .* cannot be"),
        ("optimizer: Lion", "optimizer .* choose from SGD, Muon, AdamW"),
        ("- epochs", "must hold `name: value` lines"),
        ("epochs: [1", "not valid YAML at line 1"),
        ("\xff\x00epochs", "cannot be read"),
    ],
)
def test_wrong_recipe_files(tmp_path, text, message):
    file = tmp_path / "mine.yml"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=message) as caught:
        load_recipe(str(file))
    assert "\n" not in str(caught.value)


def test_numbers_that_yaml_reads_as_text(tmp_path):
    file = tmp_path / "mine.yml"
    file.write_text("weight_decay: 1e-4\nlr: 1\nclip_grad_norm: 1\nwarmup_until_error: 8e1\n")
    assert load_recipe(str(file)) == Recipe(weight_decay=1e-4, lr=1.0, clip_grad_norm=1.0, warmup_until_error=80.0)


def test_an_unknown_recipe_suggests_one():
    with pytest.raises(InputError, match="did you mean cifar10_resnet32"):
        load_recipe("cifar10_resnet23")
    with pytest.raises(InputError, match=r"one of cifar10_resnet20, .*, cifar10_resnet1202\?$"):
        load_recipe("cifar10_resnet")
    with pytest.raises(InputError, match=r"no file is called 'none.yml': resnet-tutorial recipes lists"):
        load_recipe("none.yml")


def test_a_recipe_is_named_after_the_closest_shipped_one():
    quick = load_recipe("quick")
    assert name_recipe(quick) == "quick"
    assert name_recipe(replace(quick, lr=0.2, validation=0.0)) == "quick, lr 0.2, validation 0.0"
    assert name_recipe(replace(quick, lr=0.2, validation=0.0, momentum=0.5, weight_decay=0.0)) == "its own recipe"
