"""Where a figure comes from."""

from dataclasses import asdict

from resnet_tutorial.figures.evidence import difference, loaded, trained
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


def test_a_source_says_what_where_and_when():
    text = str(loaded([make_record(seed=0), make_record(seed=1)]))
    assert text.startswith("Loaded, not trained here: 2 runs of resnet8, 2 epochs each, on Corners <b> (1,000 training")
    assert "Some CPU, 1 thread, fp32, 2 runs side by side; 2026-11-21." in text
    assert str(loaded([])) == "Loaded, not trained here: no such runs are recorded yet."
    assert "no such run" in loaded([])._repr_html_()


def test_a_source_as_html_has_each_command_and_escapes_names():
    html = loaded([make_record(seed=0), make_record(seed=7, accuracy=61.25)])._repr_html_()
    for words in ("Loaded, not trained here", "rt-loaded", "--seed 7 DATA", "61.25 %", "Corners &lt;b&gt;"):
        assert words in html
    assert "<b>" not in html


def test_what_a_page_trained_is_repeated_by_its_cell():
    html = trained([make_record(seed=7, accuracy=61.25)])._repr_html_()
    assert "Trained here" in html and "rt-trained" in html and "61.25 %" in html
    assert "command" not in html and "--seed" not in html


def test_a_difference_has_an_interval_where_both_have_several_seeds():
    assert difference([10.0], [12.0, 13.0]) == "+2.5 points (seeds: 2 and 1, so no interval)"
    assert difference([10.02], [10.0]) == "+0.0 points (seeds: 1 and 1, so no interval)"
    assert difference([10.0, 10.5, 11.0], [12.0, 12.5, 13.0]) == "+2.0 points (95 % interval +0.9 to +3.1)"
