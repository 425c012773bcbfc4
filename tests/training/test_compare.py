import json
from dataclasses import asdict, replace

import pytest

from resnet_tutorial import InputError, Recipe
from resnet_tutorial.training import RunRecord, TrainConfig, Trainer
from resnet_tutorial.training.compare import compare, duration, group_runs, read_run, recipe_letters
from tests.conftest import make_dataset

DATA = {"name": "Corners", "train": 40, "validation": 4, "test": 20, "mean": [0.5] * 3, "std": [0.2] * 3}
DATA |= {"train_fingerprint": "aa" * 32, "test_fingerprint": "bb" * 32}


def a_run(seed=0, accuracy=90.0, model="resnet20", finished=True, **changes) -> RunRecord:
    rows = [
        {"epoch": i + 1, "lr": 0.1, "loss": 1.0, "train_accuracy": 50.0, "val_loss": 1.0, "val_accuracy": value}
        for i, value in enumerate((50.0, accuracy + 1, accuracy))
    ]
    values = {
        "model": model,
        "parameters": 269_722,
        "macs": 40_551_040,
        "classes": 10,
        "data": DATA,
        "recipe": json.loads(json.dumps(asdict(Recipe()))),
        "recipe_name": "quick",
        "seed": seed,
        "command": "",
        "precision": "fp32",
        "compiled": False,
        "machine": {"processor": "one"},
        "commit": None,
        "test": {"loss": 0.5, "accuracy": accuracy} if finished else None,
        "wall_seconds": 60.0 + seed,
    }
    record = RunRecord(**(values | changes))
    for row in rows:
        record.add_epoch(row)
    return record


def test_seeds_are_one_row_with_mean_and_deviation():
    (table,) = compare([a_run(2, 94.0), a_run(0, 90.0), a_run(1, 92.0)]).tables
    (row,) = table.rows
    assert row.seeds == (0, 1, 2) and row.test.values == (90.0, 92.0, 94.0)
    assert (row.test.mean, row.test.sd) == (92.0, 2.0)  # n − 1: the root of (4 + 0 + 4) / 2
    assert (row.validation.mean, row.best_epochs, row.seconds.mean) == (93.0, (2, 2, 2), 61.0)
    assert (table.data, table.test_images, table.fingerprint) == ("Corners", 20, "bb" * 32)


def test_a_single_run_has_no_deviation():
    (table,) = compare([a_run()]).tables
    assert table.rows[0].test.sd is None and "90.00 %" in str(compare([a_run()])) and "±" not in str(compare([a_run()]))


@pytest.mark.parametrize(
    "change",
    [
        {"model": "resnet32"},
        {"options": {"shortcut": "B"}},
        {"precision": "bf16"},
        {"recipe": asdict(Recipe(lr=0.2))},
        {"data": DATA | {"train_fingerprint": "cc" * 32, "train": 50}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_differs_in_more_than_the_seed_is_another_row(change):
    (table,) = compare([a_run(0), a_run(1, **change)]).tables
    assert [row.seeds for row in table.rows] == [(0,), (1,)]


def test_a_recipe_of_an_older_version_is_the_same_recipe():
    older = {key: value for key, value in a_run().recipe.items() if key in ("epochs", "lr", "optimizer")}
    (table,) = compare([a_run(0), a_run(1, recipe=older)]).tables
    assert [row.seeds for row in table.rows] == [(0, 1)]
    newer = a_run().recipe | {"telepathy": 1}
    (table,) = compare([a_run(0), a_run(1, recipe=newer)]).tables
    assert [row.seeds for row in table.rows] == [(0,), (1,)] and table.rows[1].recipe == "recipe of another version"


def test_different_test_parts_stand_in_tables_of_their_own():
    other = DATA | {"name": "Others", "test_fingerprint": "dd" * 32}
    comparison = compare([a_run(0), a_run(1, data=other), a_run(2)])
    assert [(table.data, len(table.rows[0].seeds)) for table in comparison.tables] == [("Corners", 2), ("Others", 1)]
    assert "note: the runs were scored on 2 different test parts" in str(comparison)
    assert "test parts" not in str(compare([a_run(0)]))


def test_a_recipe_has_one_letter_in_all_tables():
    other, slow = DATA | {"name": "Others", "test_fingerprint": "dd" * 32}, asdict(Recipe(lr=0.1))
    comparison = compare([a_run(0), a_run(1, data=other, recipe=slow), a_run(2, recipe=slow)])
    first, second, recipes = str(comparison).split("\n\n")[:3]
    letters = [[line.split()[1] for line in table.splitlines()[2:]] for table in (first, second)]
    assert letters == [["a", "b"], ["b"]]
    assert [line[:9] for line in recipes.splitlines()] == ["recipe a:", "recipe b:"] and "lr 0.1" in recipes
    many = [a_run(recipe=asdict(Recipe(epochs=n))) for n in range(1, 30)]
    assert list(recipe_letters(many))[24:] == ["y", "z", "aa", "ab", "ac"]


def test_what_one_has_to_know():
    running = a_run(3, finished=False)
    comparison = compare([a_run(0), a_run(0, 91.0), running, a_run(1, machine={"processor": "two"})])
    (row,) = comparison.tables[0].rows
    assert row.seeds == (0, 0, 1) and row.unfinished == 1 and running.test is None
    text = str(comparison)
    assert "a seed was run more than once" in text and "1 of 4 not finished" in text
    assert "different machines" in text and "same number of images" not in text
    assert "same number of images" in str(
        compare([a_run(0), a_run(1, data=DATA | {"train": 50, "train_fingerprint": "e"})])
    )
    beside = str(compare([a_run(0), a_run(1, machine={"processor": "one", "side_by_side": 2})]))
    assert "1 of 2 shared the machine" in beside and "different machines" not in beside
    only_running = compare([running])
    assert only_running.tables[0].rows[0].test is None and "–" in str(only_running)


def test_the_same_record_given_twice_counts_once():
    (table,) = compare([a_run(0), a_run(0)]).tables
    assert table.rows[0].seeds == (0,)


def test_a_row_is_named_after_the_network_and_its_options():
    (table,) = compare([a_run(options={"shortcut": "B", "width": 0.5}, macs=3)]).tables
    assert table.rows[0].macs == 3 and table.rows[0].name == "resnet20, shortcut B, width 0.5"


def test_json_and_groups():
    records = [a_run(0), a_run(0, model="resnet32"), a_run(1)]
    plain = json.loads(json.dumps(compare(records).as_dict()))
    assert [row["name"] for row in plain["tables"][0]["rows"]] == ["resnet20", "resnet32"]
    assert [[run.seed for run in group] for group in group_runs(records)] == [[0, 1], [0]]


def test_reading_runs(tmp_path):
    """A record, the folder of a finished run, and that of a run that was stopped after an epoch."""
    a_run().write(tmp_path / "one.json")
    assert read_run(tmp_path / "one.json") == a_run()
    config = TrainConfig(model="resnet8", recipe=Recipe(epochs=2, batch_size=20), ckpt_dir=tmp_path / "run")
    trainer = Trainer(config, make_dataset(40), make_dataset(20, "test", 1), log=lambda line: None)
    record = trainer.fit()
    assert read_run(tmp_path / "run") == record
    (tmp_path / "run" / "record.json").unlink()
    assert replace(read_run(tmp_path / "run"), wall_seconds=0) == replace(record, wall_seconds=0)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no run"):
        read_run(tmp_path / "empty")
    with pytest.raises(InputError, match="no run at"):
        read_run(tmp_path / "gone.json")
    with pytest.raises(InputError, match="no runs to compare"):
        compare([])


def test_durations():
    assert [duration(s) for s in (3.21, 45, 150, 9000, 400_000)] == ["3.2 s", "45 s", "2.5 min", "2.5 h", "4.6 days"]


def test_a_run_that_shared_the_machine_has_no_time():
    shared = a_run(seed=1)
    shared.machine["side_by_side"] = 2
    found = compare([shared])
    assert found.tables[0].rows[0].seconds is None
    assert any("1 of 1 shared the machine" in note for note in found.notes)
