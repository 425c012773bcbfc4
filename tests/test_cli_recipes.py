"""Recipes on the command line: listed, named, changed by flags, fed back."""

import shlex
from dataclasses import fields, replace

import pytest

from resnet_tutorial import Recipe, TrainConfig
from resnet_tutorial.cli import train as train_module
from resnet_tutorial.training import list_recipes, load_card, load_recipe
from tests.test_cli import refused, run


@pytest.fixture
def trained_with(monkeypatch, capsys):
    """Call `train` with flags; return the settings with which it would have trained."""
    seen = []
    monkeypatch.setattr(train_module, "train_from", lambda config, **_: seen.append(config))

    def call(*argv) -> TrainConfig:
        code, _, err = run(capsys, "train", *argv)
        assert code == 0, err
        return seen.pop()

    return call


def test_recipes_lists_each_with_source_and_expected_accuracy(capsys):
    _, out, _ = run(capsys, "recipes")
    table, advice = out.split("\n\n")
    assert [line.split()[0] for line in table.splitlines() if not line.startswith(" ")] == list_recipes()
    assert "200 epochs    the same for resnet110" in table and "64,000 steps" in table and "recipes NAME" in advice
    words = " ".join(table.split())
    for card in map(load_card, list_recipes()):
        assert f"expected: {card.expected}" in words and words.count(f"source: {card.source}") == 1


def test_a_printed_recipe_is_fed_back(tmp_path, trained_with, capsys):
    _, out, _ = run(capsys, "recipes", "paper_resnet110")
    (tmp_path / "mine.yml").write_text(out)
    config = trained_with("-c", tmp_path / "mine.yml", "--warmup-lr", "0.02")
    assert config.recipe == replace(load_recipe("paper_resnet110"), warmup_lr=0.02)
    assert config.model == "resnet110"
    assert "did you mean paper?" in refused(capsys, "recipes", "papre")


CHOICES = {
    "optimizer": "RAdam",
    "lr_scheduler": "PolynomialLR",
    "schedule_unit": "step",
    "milestones": (2, 3),
    "rand_augment": (2, 9),
    "normalization": "imagenet",
    "freeze": "stem,conv2_x",
}
PAIRS = {"mean": (0.5, 0.5, 0.5), "std": (0.2, 0.2, 0.2)}  # one goes with the other


@pytest.mark.parametrize("field", fields(Recipe), ids=lambda field: field.name)
def test_every_value_is_a_flag_and_the_command_of_a_run_gives_it_again(field, trained_with):
    number = not field.default if isinstance(field.default, bool) else 0.25 if "float" in str(field.type) else 2
    given = PAIRS if field.name in PAIRS else {field.name: CHOICES.get(field.name, number)}
    config = TrainConfig(recipe=Recipe(**given))
    assert config.recipe != Recipe()
    words = shlex.split(config.command())
    flag = field.name.replace("_", "-")
    assert f"--{flag}" in words or f"--no-{flag}" in words
    assert trained_with(*words[2:]).recipe == config.recipe


@pytest.mark.parametrize("name", list_recipes())
def test_the_command_of_a_run_with_a_shipped_recipe_gives_it_again(name, trained_with):
    config = trained_with("-c", name)
    assert config.recipe == load_recipe(name)
    assert trained_with(*shlex.split(config.command())[2:]) == config


def test_flags_go_over_the_recipe(trained_with):
    recipe = trained_with("-c", "cifar10_resnet32", "--lr", "0.05", "--lr_scheduler", "cosine").recipe
    assert recipe == replace(load_recipe("cifar10_resnet32"), lr=0.05, lr_scheduler="CosineAnnealingLR")


def test_a_recipe_for_one_network_trains_that_network(trained_with):
    assert trained_with("-c", "cifar10_resnet56").model == "resnet56"
    assert trained_with("-c", "cifar10_resnet56", "--model", "plain20").model == "plain20"
    assert trained_with().model == trained_with("-c", "paper").model == "resnet20"


@pytest.mark.parametrize("flag", ["--epochs", "--num-epochs", "--num_epochs"])
def test_epochs_on_the_command_line_take_the_place_of_steps(flag, trained_with):
    paper = load_recipe("paper")
    assert trained_with("-c", "paper", flag, "5").recipe == replace(paper, epochs=5, steps=None)
    assert trained_with("-c", "paper", f"{flag}=5").recipe == replace(paper, epochs=5, steps=None)
    assert trained_with("-c", "paper", flag, "5", "--steps", "9").recipe == replace(paper, epochs=5, steps=9)
    assert trained_with("-c", "paper", "--steps", "None").recipe == replace(paper, steps=None)


@pytest.mark.parametrize(
    ("argv", "message", "status"),
    [
        (["--accumulate", "3"], "accumulate must be a divisor of batch_size 128, got 3", 1),
        (["--lr", "inf"], "lr must be above 0, got inf", 1),
        (["--optimizer", "Lion"], "Lion", 2),
        (["--lr-scheduler", "cosin"], "cosin", 2),
        (["--rand-augment", "2"], "rand-augment", 2),
        (["-c", "paper", "--warmup-until-error", "80", "--warmup-epochs", "3"], "two warm-ups", 1),
        (["-c", "newer.yml"], "version 99, and this package reads versions up to", 1),
    ],
)
def test_wrong_values_get_one_line(tmp_path, monkeypatch, capsys, argv, message, status):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "newer.yml").write_text("version: 99\n")
    assert message in refused(capsys, "train", *argv, status=status)
