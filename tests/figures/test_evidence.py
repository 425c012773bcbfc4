"""Records of a folder, which of them make an experiment, and where a figure comes from."""

import json
from dataclasses import asdict

import pytest

from resnet_tutorial.errors import InputError
from resnet_tutorial.figures.evidence import find_experiment, find_repeated, loaded, read_results, trained
from resnet_tutorial.training import RunRecord, load_recipe


def make_record(model="resnet8", seed=0, images=1000, epochs=2, options=None, accuracy=50.0, finished=True):
    row = {"lr": 0.1, "loss": 1.0, "train_accuracy": 40.0, "images_per_second": 100.0, "seconds": 1.0}
    return RunRecord(
        model=model,
        parameters=78042,
        macs=12_500_000,
        classes=10,
        data={
            "name": "Corners <b>",
            "train": images,
            "validation": 0,
            "test": 100,
            "train_fingerprint": f"train{images}",
            "test_fingerprint": "test",
        },
        recipe=asdict(load_recipe("quick")) | {"epochs": epochs},
        recipe_name="quick",
        seed=seed,
        command=f"resnet-tutorial train --model {model} --seed {seed} DATA",
        precision="fp32",
        compiled=False,
        machine={"processor": "Some CPU", "cores": 2, "threads": 1, "accelerator": "cpu", "side_by_side": 2},
        commit="abc123",
        options=options or {},
        history=[{"epoch": i + 1, **row} for i in range(epochs)],
        test={"loss": 1.0, "accuracy": accuracy} if finished else None,
        finished="2026-11-21T10:00:00+00:00",
    )


def test_unfinished_runs_are_no_results(tmp_path):
    make_record().write(tmp_path / "b.json")
    make_record(finished=False).write(tmp_path / "a.json")
    assert list(read_results(tmp_path)) == ["b"]


def test_a_damaged_record_is_an_error(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"schema": 2}))
    with pytest.raises(InputError, match=r"a\.json"):
        read_results(tmp_path)


def test_an_experiment_has_the_runs_of_each_network_by_seed():
    records = [make_record("plain8", 1), make_record("resnet8", 2), make_record("resnet8", 0), make_record("plain8", 0)]
    found = find_experiment(records, ["resnet8", "plain8"])
    assert {name: [run.seed for run in runs] for name, runs in found.items()} == {"resnet8": [0, 2], "plain8": [0, 1]}


def test_runs_on_other_images_or_of_another_length_are_another_experiment():
    records = [make_record("resnet8"), make_record("plain8", images=500), make_record("plain8", epochs=1)]
    assert set(find_experiment(records, ["resnet8", "plain8"])) == {"resnet8"}


def test_the_larger_experiment_counts_if_it_holds_half_of_the_networks():
    names = ["resnet8", "plain8", "resnet14", "plain14"]
    small = [make_record(name) for name in names]
    large = [make_record("resnet14", images=5000), make_record("plain14", images=5000)]
    assert set(find_experiment(small + large, names)) == {"resnet14", "plain14"}
    assert set(find_experiment(small + large[:1], names)) == set(names)


def test_a_smaller_experiment_counts_if_it_holds_more_of_the_core():
    names = ["resnet8", "plain8", "resnet14", "plain14"]
    small = [make_record(name) for name in names]
    large = [make_record("resnet8", images=5000), make_record("plain8", images=5000)]
    assert set(find_experiment(small + large, names)) == {"resnet8", "plain8"}
    assert set(find_experiment(small + large, names, core=["resnet14", "plain14"])) == set(names)


def test_options_are_networks_of_their_own():
    records = [make_record("resnet14"), make_record("resnet14", options={"shortcut": "B"})]
    found = find_experiment(records, ["resnet14, shortcut B", "resnet14"])
    assert found["resnet14, shortcut B"][0].options == {"shortcut": "B"}
    assert not found["resnet14"][0].options


def test_several_seeds_of_the_experiment_with_most_of_them():
    small = [make_record(name, seed) for name in ("resnet8", "plain8") for seed in (1, 0)]
    alone = [make_record("resnet14"), make_record("resnet8", 0)]  # one seed, and a seed that was run twice
    large = [make_record("resnet20", seed, images=5000) for seed in range(3)]
    found = find_repeated(small + alone + large)
    assert {name: [run.seed for run in runs] for name, runs in found.items()} == {"plain8": [0, 1], "resnet8": [0, 1]}
    assert find_repeated(alone) == find_repeated([]) == {}


def test_without_runs_there_is_no_experiment():
    assert find_experiment([], ["resnet8"]) == {}


def test_a_source_says_what_where_and_when():
    text = str(loaded({"resnet8": [make_record(seed=0), make_record(seed=1)]}))
    assert text.startswith("Loaded, not trained here: 2 runs of resnet8, 2 epochs each, on Corners <b> (1,000 training")
    assert "Some CPU, 1 thread, fp32, 2 runs side by side; 2026-11-21." in text


def test_a_source_without_runs_says_so():
    assert str(loaded({})) == "Loaded, not trained here: no such runs are recorded yet."
    assert "no such run" in loaded([])._repr_html_()


def test_a_source_as_html_has_each_command_and_escapes_names():
    html = loaded([make_record(seed=0), make_record(seed=7, accuracy=61.25)])._repr_html_()
    assert "Loaded, not trained here" in html
    assert "rt-loaded" in html
    assert "--seed 7 DATA" in html
    assert "61.25 %" in html
    assert "<b>" not in html
    assert "Corners &lt;b&gt;" in html


def test_what_a_page_trained_is_repeated_by_its_cell():
    html = trained([make_record(seed=7, accuracy=61.25)])._repr_html_()
    assert "Trained here" in html and "rt-trained" in html and "61.25 %" in html
    assert "command" not in html and "--seed" not in html


def test_no_runs_are_said_to_be_none():
    assert str(loaded({})) == "Loaded, not trained here: no such runs are recorded yet."
    assert "no such runs" in loaded({})._repr_html_()
