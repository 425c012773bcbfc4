import json
import sys
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from resnet_tutorial import InputError
from resnet_tutorial.training import describe_machine, read_record
from resnet_tutorial.training.record import energy_joules, peak_memory

RECORD = Path(__file__).parents[2] / "book" / "results" / "resnet20-cifar10-quick-seed0.json"


def write(folder: Path, values: dict) -> Path:
    (folder / "record.json").write_text(json.dumps(values))
    return folder / "record.json"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda values: "{", "no readable run record"),
        (lambda values: "[]", "no run record of schema 4"),
        (lambda values: json.dumps({**values, "schema": 3}), "no run record of schema 4"),
        (
            lambda values: json.dumps({k: v for k, v in values.items() if k != "seed"}),
            "no whole run record: check seed",
        ),
        (lambda values: json.dumps({**values, "seed": "0"}), "check seed"),
        (lambda values: json.dumps({**values, "seed": True}), "check seed"),
        (lambda values: json.dumps({**values, "history": [1]}), "check history"),
        (lambda values: json.dumps({**values, "best": 3, "more": 1}), "check best, more"),
        (lambda values: json.dumps({**values, "wall_seconds": None}), "check wall_seconds"),
    ],
)
def test_damaged_records_are_refused(tmp_path, damage, message):
    (tmp_path / "record.json").write_text(damage(asdict(read_record(RECORD))))
    with pytest.raises(InputError, match=message):
        read_record(tmp_path / "record.json")


def test_the_first_of_the_best_epochs_counts():
    record = read_record(RECORD)
    record.history.clear()
    rows = [{"epoch": i + 1, "val_accuracy": accuracy} for i, accuracy in enumerate((50.0, 70.0, 60.0, 70.0))]
    assert [record.add_epoch(row) for row in rows] == [True, True, False, False]
    assert record.best is rows[1] and record.last is rows[3]


def test_energy_is_what_nvml_counts(monkeypatch):
    assert energy_joules(torch.device("cpu")) is None
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert energy_joules(torch.device("cuda", 0)) is None
    nvml = SimpleNamespace(
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=lambda uuid: {"GPU-1234": "handle"}[uuid],
        nvmlDeviceGetTotalEnergyConsumption=lambda handle: {"handle": 2500}[handle],  # in mJ
    )
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid="1234"))
    assert energy_joules(torch.device("cuda", 0)) == 2.5


def test_memory_is_that_of_the_gpu(monkeypatch):
    assert peak_memory(torch.device("cpu")) is None
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 1000 + device.index)
    assert peak_memory(torch.device("cuda", 1)) == 1001


def test_a_record_survives_its_file(tmp_path):
    record = read_record(RECORD)
    record.write(tmp_path / "again.json")
    assert read_record(tmp_path / "again.json") == record
    assert record.seconds == pytest.approx(sum(row["seconds"] for row in record.history))


def test_the_machine_is_described_in_plain_values():
    values = describe_machine()
    assert json.loads(json.dumps(values)) == values and values["cores"] >= 1
    assert not {"host", "hostname", "user", "node"} & values.keys()
