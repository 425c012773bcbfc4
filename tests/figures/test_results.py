"""Records as rows of runs, epochs and experiments; experiments side by side."""

import json
import sys
from dataclasses import asdict, replace

import pytest

from resnet_tutorial import InputError, Recipe, compare
from resnet_tutorial.figures.results import epochs, group_runs, last_epochs, read_records, read_run
from resnet_tutorial.training import RunRecord, TrainConfig, Trainer
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


def row_of(*records) -> dict:
    """The one row that some runs make."""
    (experiment,) = compare(records).experiments
    return experiment.as_row()


def test_seeds_are_one_row_with_mean_and_deviation():
    row = row_of(a_run(2, 94.0), a_run(0, 90.0), a_run(1, 92.0), [a_run(0, 90.0)])  # one of them twice
    assert row["seeds"] == [0, 1, 2] and row["accuracies"] == [90.0, 92.0, 94.0]
    assert (row["test"], row["test_sd"]) == (92.0, 2.0)  # n − 1: the root of (4 + 0 + 4) / 2
    assert (row["validation"], row["seconds"]) == (93.0, 61.0)
    assert (row["data"], row["test_images"], row["test_fingerprint"]) == ("Corners", 20, "bb" * 32)
    single = str(compare(a_run()))
    assert "note: figures are mean ± standard deviation over the seeds" in str(compare(a_run(2), a_run(0)))
    assert row_of(a_run())["test_sd"] is None and "90.00 %" in single and "±" not in single


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
    comparison = compare(a_run(0), a_run(1, **change))
    assert [each.as_row()["seeds"] for each in comparison.experiments] == [[0], [1]]


def test_a_recipe_of_an_older_version_is_the_same_recipe():
    older = {key: value for key, value in a_run().recipe.items() if key in ("epochs", "lr", "optimizer")}
    assert row_of(a_run(0), a_run(1, recipe=older))["seeds"] == [0, 1]
    newer = compare(a_run(0), a_run(1, recipe=a_run().recipe | {"telepathy": 1}))
    assert len(newer.experiments) == 2 and "recipe b: recipe of another version" in str(newer)


def test_different_test_parts_stand_in_tables_of_their_own():
    other = DATA | {"name": "Others", "test_fingerprint": "dd" * 32}
    comparison = compare(a_run(0), a_run(1, data=other), a_run(2))
    seeds = {words.partition(":")[0]: columns["seeds"] for words, columns in comparison.tables.items()}
    assert seeds == {"Corners": ["0 2"], "Others": ["1"]}
    assert "note: the runs were scored on 2 different test parts" in str(comparison)
    assert "test parts" not in str(compare(a_run(0)))


def test_a_recipe_has_one_letter_in_all_tables():
    other, slow = DATA | {"name": "Others", "test_fingerprint": "dd" * 32}, asdict(Recipe(lr=0.1))
    comparison = compare(a_run(0), a_run(1, data=other, recipe=slow), a_run(2, recipe=slow))
    first, second, recipes = str(comparison).split("\n\n")[:3]
    letters = [[line.split()[1] for line in table.splitlines()[2:]] for table in (first, second)]
    assert letters == [["a", "b"], ["b"]]
    assert [line[:9] for line in recipes.splitlines()] == ["recipe a:", "recipe b:"] and "lr 0.1" in recipes
    many = compare(a_run(recipe=asdict(Recipe(epochs=n))) for n in range(1, 30))
    assert list(many.recipes.values())[24:] == ["y", "z", "aa", "ab", "ac"]


def test_what_one_has_to_know():
    running = a_run(3, finished=False)
    comparison = compare(a_run(0), a_run(0, 91.0), running, a_run(1, machine={"processor": "two"}))
    (experiment,) = comparison.experiments
    row = experiment.as_row()
    assert row["seeds"] == [0, 0, 1] and row["unfinished"] == 1 and running.test is None
    text = str(comparison)
    assert "a seed was run more than once" in text and "1 of 4 not finished" in text
    assert "different machines" in text and "same number of images" not in text
    fewer = a_run(1, data=DATA | {"train": 50, "train_fingerprint": "e"})
    assert "same number of images" in str(compare(a_run(0), fewer))
    beside = compare(a_run(0), a_run(1, machine={"processor": "one", "side_by_side": 2}))
    assert "1 of 2 shared the machine" in str(beside) and "different machines" not in str(beside)
    assert beside.experiments[0].seconds.values == (60.0,)
    assert row_of(running)["test"] is None and "–" in str(compare(running))


def test_a_row_is_named_after_the_network_and_its_options():
    row = row_of(a_run(options={"shortcut": "B", "zero_init_residual": True}, macs=3))
    assert row["macs"] == 3 and row["network"] == "resnet20, shortcut B, zero init residual"


def test_json_and_frame_have_the_same_rows():
    comparison = compare(a_run(0), a_run(0, model="resnet32"), a_run(1))
    plain = json.loads(json.dumps(comparison.as_dict()))
    assert [row["network"] for row in plain["experiments"]] == ["resnet20", "resnet32"]
    frame = comparison.frame
    assert list(frame["test"]) == [90.0, 90.0] and set(frame) == plain["experiments"][0].keys()


def test_html_has_a_caption_for_each_table_and_escapes_names():
    html = compare(a_run(data=DATA | {"name": "<b>"}), a_run(3, finished=False))._repr_html_()
    assert "<caption>&lt;b&gt;: 20 test images" in html and "<b>" not in html
    assert html.count('scope="col"') == 10 and '<th scope="row">resnet20</th>' in html
    assert "<p>recipe a: " in html and "<p>note: 1 of 2 not finished" in html


def test_without_pandas_the_table_is_there_and_the_frame_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    comparison = compare(a_run())
    assert "90.00 %" in str(comparison) and "90.00 %" in comparison._repr_html_()
    with pytest.raises(InputError, match=r"a frame needs pandas: pip install 'resnet-tutorial\[book\]'"):
        comparison.frame  # noqa: B018


def test_groups_have_names_that_tell_them_apart():
    slow, copy = {"recipe": asdict(Recipe(lr=0.1))}, {"data": DATA | {"name": "Copy", "test_fingerprint": "ee"}}
    records = [a_run(1), a_run(0, model="resnet32"), a_run(0), a_run(**slow), a_run(precision="bf16"), a_run(**copy)]
    groups = group_runs(records)
    names = ["resnet20, Corners, recipe a, fp32", "resnet32", "resnet20, Corners, recipe b"]
    assert list(groups) == [*names, "resnet20, Corners, recipe a, bf16", "resnet20, Copy"]
    assert [run.seed for run in groups[names[0]]] == [0, 1]
    assert list(group_runs([a_run(0), a_run(1)])) == ["resnet20"]
    parts = [a_run(data=DATA | {"train_fingerprint": letter}) for letter in "ab"]
    assert list(group_runs(parts)) == ["resnet20, (1)", "resnet20, (2)"]


def test_frames_of_epochs_and_of_runs():
    frame = epochs([a_run(1, 80.0), a_run(0), a_run(model="plain20")])
    assert list(frame["network"]) == ["resnet20"] * 6 + ["plain20"] * 3 and list(frame["run"])[::3] == [0, 1, 2]
    assert list(frame["seed"])[::3] == [0, 1, 0] and list(frame["images"])[:3] == [40, 80, 120]
    assert list(frame["val_error"])[3:6] == [50.0, 19.0, 20.0] and set(frame["train_error"]) == {50.0}
    last = last_epochs([a_run(1, 80.0), a_run(0), a_run(model="plain20")])
    assert list(last["test_error"]) == [10.0, 20.0, 10.0] and list(last["model"])[1:] == ["resnet20", "plain20"]
    assert epochs([]).empty and last_epochs([]).empty


def test_records_of_a_folder_by_the_names_of_their_files(tmp_path):
    for name, model in (("resnet110-seed0", "resnet110"), ("resnet20-seed0", "resnet20"), ("plain20-seed0", "plain20")):
        a_run(model=model).write(tmp_path / f"{name}.json")
    patterns = [f"{tmp_path}/{kind}*-seed?.json" for kind in ("resnet", "plain")]
    assert [run.model for run in read_records(*patterns)] == ["resnet20", "resnet110", "plain20"]
    assert read_records(f"{tmp_path}/preact*.json") == []
    (tmp_path / "plain8-seed0.json").write_text('{"schema": 2}')
    with pytest.raises(InputError, match=r"plain8-seed0\.json"):
        read_records(*patterns)


def test_runs_by_folder_pattern_and_record(tmp_path):
    """A record, the folder of a finished run, and that of a run that was stopped after an epoch."""
    a_run().write(tmp_path / "one.json")
    assert read_run(tmp_path / "one.json") == a_run()
    config = TrainConfig(model="resnet8", recipe=Recipe(epochs=2, batch_size=20), ckpt_dir=tmp_path / "runs" / "a")
    trainer = Trainer(config, make_dataset(40), make_dataset(20, "test", 1), log=lambda line: None)
    record = trainer.fit()
    assert read_run(tmp_path / "runs" / "a") == record
    both = compare(str(tmp_path / "runs" / "*"), tmp_path / "one.json", record)
    assert [each.runs for each in both.experiments] == [(record,), (a_run(),)]
    (tmp_path / "runs" / "a" / "record.json").unlink()
    assert replace(read_run(tmp_path / "runs" / "a"), wall_seconds=0) == replace(record, wall_seconds=0)
    with pytest.raises(InputError, match="no run at"):
        compare(tmp_path / "gone.json")
    with pytest.raises(InputError, match="no runs to compare"):
        compare([])


def test_runs_of_several_seeds_and_folders_without_a_run(tmp_path, capsys):
    """As ``train --seeds --ckpt-dir`` leaves them, and a run that was stopped before it saved."""
    for place, seed in (("one", 0), ("several/seed10", 10), ("several/seed2", 2)):
        (tmp_path / place).mkdir(parents=True)
        a_run(seed).write(tmp_path / place / "record.json")
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "recipe.yml").write_text("")
    (experiment,) = compare(tmp_path / "*").experiments
    assert [run.seed for run in experiment.runs] == [0, 2, 10]
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and f"note: left out, as nothing of a run is saved there: {tmp_path / 'begun'}" in err
    assert [run.seed for run in compare(tmp_path / "several").experiments[0].runs] == [2, 10]
    assert capsys.readouterr().err == ""
    with pytest.raises(InputError, match="begun holds no run"):
        compare(tmp_path / "begun")
