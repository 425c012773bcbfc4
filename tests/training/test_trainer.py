import json
import os
from dataclasses import replace

import pytest
import torch

from resnet_tutorial import InputError, Recipe, TrainConfig, Trainer
from resnet_tutorial.training import load_checkpoint, model_from_checkpoint, predict, read_record
from tests.conftest import make_dataset

RECIPE = Recipe(epochs=3, batch_size=16, lr=0.05, random_erasing=0.25)


def run(folder, epochs=None, *, recipe=RECIPE, **options) -> Trainer:
    """Train on the corners; stop after some epochs as a crash would."""
    config = TrainConfig(ckpt_dir=folder, recipe=recipe, precision="fp32", **options)
    trainer = Trainer(config, make_dataset(40), make_dataset(20, "test", 1), log=lambda line: None)
    if epochs is not None:
        original = trainer._run_epoch

        def stop_early():
            if trainer.epoch == epochs:
                raise KeyboardInterrupt
            return original()

        trainer._run_epoch = stop_early
        with pytest.raises(KeyboardInterrupt):
            trainer.fit()
    else:
        trainer.fit()
    return trainer


@pytest.mark.parametrize("scheduler", ["OneCycleLR", "MultiStepLR", "CosineAnnealingLR"])
def test_a_resumed_run_ends_with_the_same_weights(tmp_path, scheduler):
    recipe = replace(
        RECIPE, lr_scheduler=scheduler, milestones=(2,), warmup_epochs=0 if scheduler == "OneCycleLR" else 1
    )
    whole = run(tmp_path / "whole", recipe=recipe)
    run(tmp_path / "cut", epochs=2, recipe=recipe)
    resumed = run(tmp_path / "cut", recipe=recipe, resume=True)
    for key, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[key]), key
    drop = lambda rows: [{k: v for k, v in r.items() if k not in ("seconds", "images_per_second")} for r in rows]  # noqa: E731
    assert drop(resumed.record.history) == drop(whole.record.history)
    assert resumed.record.test == whole.record.test


def test_the_seed_decides_the_weights(tmp_path):
    one, same, other = (
        run(tmp_path / str(i), recipe=replace(RECIPE, epochs=1), seed=s) for i, s in enumerate((0, 0, 1))
    )
    assert torch.equal(one.model.fc.weight, same.model.fc.weight)
    assert not torch.equal(one.model.fc.weight, other.model.fc.weight)


def test_every_seed_holds_out_the_same_images_and_none_of_the_test_part(tmp_path):
    train, test = make_dataset(200), make_dataset(20, "test", 1)
    parts = [
        Trainer(TrainConfig(ckpt_dir=tmp_path / str(seed), seed=seed, precision="fp32"), train, test) for seed in (0, 1)
    ]
    for one in parts:
        assert (len(one.train_set), len(one.val_set), one.val_set.counts().tolist()) == (180, 20, [10, 10])
        assert one.test_set is test
        both = torch.cat([one.train_set.images, one.val_set.images]).flatten(1)
        assert torch.equal(both.unique(dim=0), train.images.flatten(1).unique(dim=0))
    assert parts[0].val_set.fingerprint == parts[1].val_set.fingerprint


def test_what_a_run_leaves(tmp_path):
    trainer = run(tmp_path / "run")
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == ["last.pt", "log.csv", "recipe.yml", "record.json"]
    record = read_record(tmp_path / "run" / "record.json")
    assert record == trainer.record
    assert [row["epoch"] for row in record.history] == [1, 2, 3]
    assert record.data["train"] == 36 and record.data["validation"] == 4 and record.parameters == 269_202
    assert "--epochs 3 --batch-size 16 --lr 0.05 --random-erasing 0.25" in record.command
    assert str(tmp_path) not in json.dumps(record.__dict__)  # a record may be published
    lines = (tmp_path / "run" / "log.csv").read_text().splitlines()
    assert len(lines) == 4 and lines[0].startswith("epoch,lr,loss")


def test_the_checkpoint_predicts_by_itself(tmp_path, image_folder):
    run(tmp_path / "run", recipe=replace(RECIPE, epochs=12))
    state = load_checkpoint(tmp_path / "run")
    answers = predict(state, sorted((image_folder / "test" / "right").iterdir()))
    assert [answer.classes[0] for answer in answers] == ["right"] * 4
    assert all(sum(a.probabilities) == pytest.approx(1) for a in answers)
    assert not model_from_checkpoint(state).training


def test_without_validation_all_images_train(tmp_path):
    record = run(tmp_path, recipe=replace(RECIPE, epochs=1, validation=0.0)).record
    assert record.data["train"] == 40 and "val_accuracy" not in record.history[0]


def test_a_finished_run_is_not_overwritten(tmp_path):
    run(tmp_path, recipe=replace(RECIPE, epochs=1))
    before = (tmp_path / "last.pt").read_bytes()
    with pytest.raises(InputError, match="holds a run already"):
        run(tmp_path)
    assert (tmp_path / "last.pt").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "resnet32"}, "another model: it was resnet20, now it is resnet32"),
        ({"seed": 3}, "another seed"),
        ({"recipe": replace(RECIPE, lr=0.1)}, "another recipe: lr was 0.05, now it is 0.1"),
        ({"train_size": 20}, "another data: train was 36, now it is 18"),
    ],
)
def test_a_run_is_resumed_only_as_itself(tmp_path, change, message):
    run(tmp_path, epochs=1)
    with pytest.raises(InputError, match=message):
        run(tmp_path, resume=True, **change)


def test_other_data_of_the_same_size_are_noticed(tmp_path):
    run(tmp_path, epochs=1)
    config = TrainConfig(ckpt_dir=tmp_path, recipe=RECIPE, precision="fp32", resume=True)
    with pytest.raises(InputError, match="another data"):
        Trainer(config, make_dataset(40, seed=9), make_dataset(20, "test", 1), log=lambda line: None)


def test_a_loss_that_is_no_number_stops_the_run(tmp_path):
    with pytest.raises(InputError, match=r"the loss is .* in epoch 1: start again with a lower --lr"):
        run(tmp_path, recipe=replace(RECIPE, lr=1e20))


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut"])
def test_damaged_checkpoints_are_refused(tmp_path, content):
    (tmp_path / "last.pt").write_bytes(content)
    with pytest.raises(InputError, match="damaged or no checkpoint"):
        load_checkpoint(tmp_path)


def test_a_checkpoint_with_code_in_it_runs_nothing(tmp_path):
    class Hostile:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "was here"),)

    torch.save({"format": 1, "model_state": Hostile()}, tmp_path / "last.pt")
    with pytest.raises(InputError, match="damaged or no checkpoint"):
        load_checkpoint(tmp_path)
    assert not (tmp_path / "was here").exists()


def test_other_files_are_no_checkpoints(tmp_path):
    torch.save({"weight": torch.zeros(1)}, tmp_path / "last.pt")
    with pytest.raises(InputError, match="holds no run to load"):
        load_checkpoint(tmp_path)
    with pytest.raises(InputError, match="no checkpoint at"):
        load_checkpoint(tmp_path / "nowhere")
