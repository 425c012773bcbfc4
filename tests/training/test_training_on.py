"""More epochs for a run that has come to its end."""

from dataclasses import replace

import pytest
import torch

from resnet_tutorial import InputError, Recipe, load_trained, train
from resnet_tutorial.training import read_record
from tests.conftest import make_dataset

STEPWISE = Recipe(epochs=1, batch_size=16, lr=0.05, lr_scheduler="StepLR", step_size=1, validation=0)


def run(folder, recipe, lines=None, **options):
    lines = [] if lines is None else lines
    data = make_dataset(40), make_dataset(20, "test", 1)
    options = {"precision": "fp32", "seed": 3} | options
    return train("resnet8", *data, recipe=recipe, folder=folder, log=lines.append, **options)


@pytest.mark.parametrize(
    "recipe",
    [
        STEPWISE,
        replace(STEPWISE, lr_scheduler="none", balanced=True),
        replace(STEPWISE, lr_scheduler="CosineAnnealingLR", t_max=3, ema=0.5),
    ],
    ids=lambda recipe: recipe.lr_scheduler,
)
def test_where_the_schedule_allows_it_a_run_goes_on_as_if_it_had_been_longer(tmp_path, recipe):
    lines = []
    run(tmp_path / "on", recipe)
    longer = replace(recipe, epochs=2)
    record = run(tmp_path / "on", longer, lines, resume=True)
    assert f"note: {tmp_path / 'on'} goes on to epoch 2, as {recipe.lr_scheduler} allows, and is scored again" in lines
    whole = run(tmp_path / "whole", longer)
    assert record.recipe["epochs"] == 2 and record.test == whole.test and len(record.history) == 2
    assert record.command == whole.command and record.recipe_name == whole.recipe_name
    states = [load_trained(tmp_path / name).model.state_dict() for name in ("on", "whole")]
    assert all(map(torch.equal, *(state.values() for state in states)))
    assert read_record(tmp_path / "on" / "record.json") == record


def test_else_a_new_run_starts_from_its_weights(tmp_path):
    one_cycle, lines = replace(STEPWISE, lr_scheduler="OneCycleLR"), []
    first = run(tmp_path / "run", one_cycle)
    record = run(tmp_path / "run", replace(one_cycle, epochs=3), lines, resume=True)
    said = f"note: {tmp_path / 'run'} cannot go on, as OneCycleLR goes by the length of the run: a new run in "
    assert f"{said}{tmp_path / 'run-to-3'} starts from its weights, with 2 epochs" in lines
    assert any(line.startswith(f"note: the weights at the start are those of {tmp_path / 'run'}") for line in lines)
    assert record.recipe["epochs"] == 2 and record.options == {"pretrained": "run"}
    assert read_record(tmp_path / "run" / "record.json") == first
    again = run(tmp_path / "run", replace(one_cycle, epochs=3), lines, resume=True)  # the same words once more
    assert again.finished == record.finished


def test_a_run_that_is_under_way_ends_first(tmp_path):
    def stop(row):
        raise KeyboardInterrupt

    one_cycle = replace(STEPWISE, lr_scheduler="OneCycleLR", epochs=2)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, one_cycle, listeners=[stop])
    with pytest.raises(InputError, match=r"cannot become longer, as OneCycleLR .* let it end first, after 2 epochs"):
        run(tmp_path, replace(one_cycle, epochs=4), resume=True)
    with pytest.raises(InputError, match="epochs was 2, now it is 1"):
        run(tmp_path, replace(one_cycle, epochs=1), resume=True)
