import json

from benchmarks import training
from resnet_tutorial.analysis.budget import read_machines
from resnet_tutorial.training import TrainConfig, pick_device


def test_a_ladder_is_written_as_the_chapter_and_the_planner_read_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(training.shutil, "which", lambda name: None)  # compiling takes a minute
    cpu = pick_device(TrainConfig(device="cpu", precision="fp32"))
    monkeypatch.setattr(training, "pick_device", lambda config: cpu)
    training.measure_ladder("resnet8", rounds=1, steps=1, save=tmp_path)
    (file,) = tmp_path.glob("resnet8-*.json")
    ladder = json.loads(file.read_text())
    assert list(ladder["rungs"]) == [
        "ordinary loop, fp32",
        "+ data in memory, no waits",
        "+ channels-last",
        "+ bf16",
        "+ compile",
        "+ CUDA graphs",
    ]
    measured = {rung: value for rung, value in ladder["rungs"].items() if not isinstance(value, str)}
    assert len(measured) == 3 and min(measured.values()) > 0
    assert ladder["rungs"]["+ compile"] == "not run: needs a C++ compiler"
    ((name, machine),) = read_machines(tmp_path).items()
    assert name == f"{ladder['machine']}, fp32, ladder" and machine.measured[0].model == "resnet8"
    assert "images/s" in capsys.readouterr().out
