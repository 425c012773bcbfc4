"""Every record of the book fits its schema, the code, and the recipe after which it is named."""

import json
import re
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from resnet_tutorial import create_model, get_architecture
from resnet_tutorial.training import RunRecord, load_recipe, read_record
from resnet_tutorial.training.recipe import recipe_from_dict
from resnet_tutorial.training.recipe_files import list_recipes

RECORDS = sorted((Path(__file__).parents[2] / "book" / "results").glob("*.json"))


@pytest.fixture(params=RECORDS, ids=lambda path: path.stem)
def path(request) -> Path:
    return request.param


@pytest.fixture
def record(path) -> RunRecord:
    return read_record(path)


def test_there_are_records():
    assert RECORDS


def test_the_parameters_are_those_of_the_code(record):
    with torch.device("meta"):
        model = create_model(record.model, **record.options)
    assert record.parameters == sum(p.numel() for p in model.parameters())


def test_a_run_came_to_its_end_and_its_figures_fit_together(record):
    recipe = recipe_from_dict(record.recipe, "of a record")
    assert len(record.history) == recipe.total_epochs(-(-record.data["train"] // recipe.batch_size))
    assert [row["epoch"] for row in record.history] == list(range(1, len(record.history) + 1))
    right = record.test["accuracy"] * record.data["test"] / 100
    assert right == pytest.approx(round(right), abs=1e-6), "a share of the test images"
    scores = [row["val_accuracy"] for row in record.history if "val_accuracy" in row]
    assert len(scores) == (len(record.history) if record.data["validation"] else 0)
    assert (record.best["val_accuracy"] if record.best else None) == max(scores, default=None)


def test_the_recipe_is_the_shipped_one_of_its_name(path, record):
    """What was changed stands in the name of the file, as `benchmarks.runs` writes it, or in the command."""
    words = path.stem.split("-")
    name = next(word for word in words if word in list_recipes())
    named = "-".join(words[words.index(name) + 1 : -1])
    values, shipped = (asdict(recipe) for recipe in (recipe_from_dict(record.recipe, name), load_recipe(name)))
    for key in values:
        if values[key] == shipped[key] or (key == "steps" and "epochs-" in named):
            continue
        option = key.replace("_", "-")
        value = f"{values[key]:g}" if isinstance(values[key], float) else str(values[key])
        said = f"{option}-{value}" in named or f"--{option} {values[key]}" in record.command
        assert said, f"{key} is {values[key]}, and the recipe {name} has {shipped[key]}"


def test_a_ladder_has_the_rungs_of_the_chapter():
    for file in RECORDS[0].parent.glob("ladders/*.json"):
        ladder = json.loads(file.read_text())
        assert {"machine", "model", "torch", "date", "command", "rungs"} == ladder.keys()
        assert list(ladder["rungs"])[:3] == ["ordinary loop, fp32", "+ data in memory, no waits", "+ channels-last"]
        assert all(value > 0 if isinstance(value, float) else "not run" in value for value in ladder["rungs"].values())
        assert get_architecture(ladder["model"]).name == ladder["model"] and file.stem.startswith(ladder["model"])


@pytest.mark.parametrize("path", sorted(RECORDS[0].parent.rglob("*.json")), ids=lambda path: path.stem)
def test_nothing_names_the_machine_or_its_user(path):
    assert not re.search(r'"/|\\\\|/home|/tmp', path.read_text()), "a path of some machine in a published record"


def test_the_file_is_named_after_the_run(path, record):
    assert path.stem.startswith(record.model) and path.stem.endswith(f"-seed{record.seed}")
