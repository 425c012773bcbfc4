"""Plans against the costs, against the recorded run, against what autograd really keeps."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks

from resnet_tutorial import InputError, create_model, summarize
from resnet_tutorial.analysis.budget import Machine, Measurement, find_machine, plan, read_machines
from resnet_tutorial.models import total, total_activations

RECORD = Path(__file__).parents[2] / "book/results/resnet20-cifar10-quick-seed0.json"
MACHINE = Machine(
    "a machine, fp32",
    "fp32",
    (Measurement("resnet20", 0.001, 0.0002, 128, "by bench"), Measurement("resnet18", 0.01, 0.0002, 64, "by bench")),
)
SHORT = replace(MACHINE, precision="bf16")
REPORT = {
    "machine": {"processor": "CPU", "threads": 4, "accelerator": "cpu"},
    "precision": "fp32",
    "loader_images_per_second": 5000.0,
    "speeds": [{"model": "resnet20", "images_per_second": 1000.0, "batch_size": 128}],
}


def test_memory_of_resnet20_is_that_of_its_summary():
    rows = summarize(create_model("resnet20"))
    memory = plan("resnet20", MACHINE, batch_size=128).memory
    assert memory.weights == memory.gradients == memory.optimizer == 4 * 269_722 == 4 * total(rows)[0]
    assert memory.activations == 128 * 4 * total_activations(rows)
    assert memory.copies == 0 and memory.total == 3 * 4 * 269_722 + memory.activations


@pytest.mark.parametrize("name", ["resnet20", "preact8", "resnet18"])
@pytest.mark.parametrize("machine", [MACHINE, SHORT], ids=["fp32", "bf16"])
def test_memory_is_what_autograd_keeps(name, machine):
    model, kept = create_model(name), {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
        return tensor

    with torch.autocast("cpu", torch.bfloat16, enabled=machine is SHORT), saved_tensors_hooks(keep, lambda t: t):
        output = model(torch.randn(8, 3, 32, 32))
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    found = sum(storage.nbytes() for address, storage in kept.items() if address not in own)
    memory = plan(name, machine, batch_size=8).memory
    assert output.shape == (8, 10)
    assert memory.activations + memory.copies == pytest.approx(found, rel=0.005)


def test_a_recorded_run_is_planned_as_it_went(tmp_path):
    values = json.loads(RECORD.read_text())
    for row in values["history"]:  # as on a quiet machine
        row |= {"images_per_second": 500.0, "seconds": 90.0}
    (tmp_path / "quiet.json").write_text(json.dumps(values))
    (machine,) = read_machines(tmp_path).values()
    planned = plan("resnet20", machine, epochs=10, batch_size=128, images=45_000)
    assert machine.name == "AMD EPYC, 1 thread, fp32, compiled"
    assert planned.seconds == pytest.approx(10 * 90)
    assert planned.steps == 3520 and planned.factor == 1
    assert "Scaled" not in str(planned) and "in a run of 10 epochs" in str(planned)


def test_scaling():
    assert plan("resnet34", MACHINE).basis.model == "resnet18"  # the nearest that was measured
    base = plan("resnet20", MACHINE, epochs=3, images=1000)
    assert base.seconds == pytest.approx(3 * 1000 * 0.0012) and base.steps == 24
    assert plan("resnet20", MACHINE, epochs=6, images=1000).seconds == pytest.approx(2 * base.seconds)
    assert plan("resnet20", MACHINE, epochs=3, images=2000).seconds == pytest.approx(2 * base.seconds)
    twice = plan("resnet20", MACHINE, epochs=3, images=1000, batch_size=256)
    assert twice.memory.activations == 2 * base.memory.activations and twice.seconds == base.seconds
    # Only the step grows with the MACs, loading does not.
    deeper = plan("resnet32", MACHINE, epochs=1, images=1)
    macs = {name: total(summarize(create_model(name)))[1] for name in ("resnet20", "resnet32")}
    assert deeper.factor == pytest.approx(macs["resnet32"] / macs["resnet20"])
    assert deeper.seconds == pytest.approx(0.001 * deeper.factor + 0.0002)
    assert "Scaled: ResNet-32 has 1.70 times its MACs" in str(deeper)


def test_options_change_what_they_should():
    base, adam = plan("resnet20", SHORT), plan("resnet20", SHORT, optimizer="AdamW")
    assert adam.memory.optimizer == 2 * base.memory.optimizer and adam.seconds == base.seconds
    saved = plan("resnet20", SHORT, checkpoint_activations=True, epochs=1, images=3)
    assert saved.memory.activations < base.memory.activations / 2
    assert saved.seconds == pytest.approx(3 * (0.001 * 4 / 3 + 0.0002))


def test_a_run_beside_others_says_nothing_of_a_machine(tmp_path):
    values = json.loads(RECORD.read_text())
    values["machine"]["side_by_side"] = 2
    (tmp_path / "beside.json").write_text(json.dumps(values))
    with pytest.raises(InputError, match="no measured machine"):
        read_machines(tmp_path)


def test_a_record_with_growing_images_gives_the_speed_at_full_size(tmp_path):
    values = json.loads(RECORD.read_text())
    values["recipe"] |= {"initial_scale": 0.5, "growing_share": 0.5}
    for row, side in zip(values["history"], [16, 20, 24, 24, 28, *[32] * 5], strict=True):
        row["images_per_second"] = 1000 * (32 / side) ** 2
    (tmp_path / "growing.json").write_text(json.dumps(values))
    (machine,) = read_machines(tmp_path).values()
    assert plan("resnet20", machine).images_per_second == pytest.approx(1000)


def test_machines_come_from_records_ladders_and_bench(tmp_path):
    (tmp_path / "ladders").mkdir()
    (tmp_path / "run.json").write_text(RECORD.read_text())
    record = json.loads(RECORD.read_text())
    for row in record["history"]:
        row["images_per_second"] *= 2
    (tmp_path / "faster.json").write_text(json.dumps(record))
    rungs = {"loop": 100.0, "+ bf16": 4000.0, "+ graphs": "not run"}
    (tmp_path / "ladders/gpu.json").write_text(json.dumps({"machine": "A GPU", "rungs": rungs}))
    (tmp_path / "bench.json").write_text(json.dumps(REPORT))
    machines = read_machines(tmp_path)
    assert set(machines) == {"AMD EPYC, 1 thread, fp32, compiled", "A GPU, bf16, ladder", "CPU, 4 threads, fp32"}
    # Of two runs of one network the fastest counts.
    slow = plan("resnet20", next(iter(read_machines(RECORD).values())))
    assert plan("resnet20", machines["AMD EPYC, 1 thread, fp32, compiled"]).seconds == pytest.approx(slow.seconds / 2)
    assert plan("resnet20", machines["A GPU, bf16, ladder"]).images_per_second == pytest.approx(4000)
    benched = machines["CPU, 4 threads, fp32"]
    assert plan("resnet20", benched).images_per_second == pytest.approx(1 / (1 / 1000 + 1 / 5000))


def test_wrong_input_is_one_line(tmp_path):
    machines = {MACHINE.name: MACHINE}
    (tmp_path / "half.json").write_text('{"speeds": [')
    (tmp_path / "parts.json").write_text(json.dumps({"speeds": []}))
    (tmp_path / "none").mkdir()
    for wrong, match in (
        (lambda: find_machine(machines, "a toaster"), "no machine 'a toaster': choose from a machine, fp32"),
        (lambda: plan("resnet21", MACHINE), "did you mean resnet20"),
        (lambda: plan("resnet20", MACHINE, epochs=0), "epochs must be a whole number of at least 1, got 0"),
        (lambda: plan("resnet20", MACHINE, batch_size=1.5), "batch_size must be a whole number"),
        (lambda: plan("resnet20", MACHINE, optimizer="Lion"), "choose SGD or AdamW"),
        (lambda: read_machines(tmp_path / "half.json"), "no readable run record"),
        (lambda: read_machines(tmp_path / "parts.json"), "no report of `resnet-tutorial bench --json`"),
        (lambda: read_machines(tmp_path / "none"), "no measured machine"),
    ):
        with pytest.raises(InputError, match=match) as caught:
            wrong()
        assert "\n" not in str(caught.value)
    assert find_machine(machines, MACHINE.name) is MACHINE
