from dataclasses import replace

import pytest

from resnet_tutorial import InputError, Recipe, TrainConfig
from resnet_tutorial.training import seeds as seeds_module
from resnet_tutorial.training import trainer
from resnet_tutorial.training.seeds import choose_seeds, train_seeds
from tests.conftest import make_dataset


def test_one_number_is_how_many():
    assert choose_seeds([3]) == (0, 1, 2) and choose_seeds([2], first=5) == (5, 6)
    assert choose_seeds([4, 0, 7]) == (4, 0, 7)
    for wrong in ([], [0], [-1]):
        with pytest.raises(InputError, match="at least 1"):
            choose_seeds(wrong)
    with pytest.raises(InputError, match="names a seed twice: 1 1"):
        choose_seeds([1, 1])


@pytest.fixture
def config(tmp_path, monkeypatch):
    data = make_dataset(32), make_dataset(20, "test", 1)
    monkeypatch.setattr(trainer, "load_dataset", lambda name, root, **options: data)
    return TrainConfig("resnet8", recipe=Recipe(epochs=2, batch_size=16), ckpt_dir=tmp_path / "runs", precision="fp32")


def test_each_seed_in_a_folder_of_its_own(config):
    records = train_seeds(config, (0, 2), lambda line: None)
    assert [record.seed for record in records] == [0, 2] and all(record.test for record in records)
    assert sorted(path.name for path in config.ckpt_dir.iterdir()) == ["seed0", "seed2"]
    assert records[0].history[0]["loss"] != records[1].history[0]["loss"]


def test_finished_seeds_are_left_alone_and_broken_ones_go_on(config, monkeypatch):
    whole = train_seeds(replace(config, ckpt_dir=config.ckpt_dir / "whole"), (0, 1, 2), lambda line: None)
    train_seeds(config, (0,), lambda line: None)
    record = config.ckpt_dir / "seed0" / "record.json"
    before = record.read_bytes(), record.stat().st_mtime_ns
    run_epoch = seeds_module.Trainer._run_epoch

    def stop_in_second_epoch(trainer):
        if trainer.epoch == 1:
            raise KeyboardInterrupt
        return run_epoch(trainer)

    monkeypatch.setattr(seeds_module.Trainer, "_run_epoch", stop_in_second_epoch)
    with pytest.raises(KeyboardInterrupt):
        train_seeds(config, (0, 1, 2), lambda line: None)
    monkeypatch.setattr(seeds_module.Trainer, "_run_epoch", run_epoch)
    assert not (config.ckpt_dir / "seed2").exists()
    lines = []
    records = train_seeds(config, (0, 1, 2), lines.append)
    assert (record.read_bytes(), record.stat().st_mtime_ns) == before
    assert any("seed 0 (1 of 3): finished before" in line for line in lines)
    assert any("resuming" in line and "seed1 after epoch 1 of 2" in line for line in lines)
    assert [run.test for run in records] == [run.test for run in whole]
