import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tarfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from benchmarks.campaign import __main__ as command
from benchmarks.campaign import carry
from benchmarks.campaign.costs import Costs, epochs, memory, work
from benchmarks.campaign.plan import Plan, Run, expand, find_record, load_parts, networks, read_plan, read_records
from benchmarks.campaign.pool import Pool, Worker, pick
from benchmarks.campaign.worker import Hand, Place, train_run
from resnet_tutorial import InputError, TrainConfig, load_dataset
from resnet_tutorial.data.shapes import CLASSES, draw_shapes
from resnet_tutorial.training import Stopped, Trainer, read_record
from tests.conftest import make_dataset

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "book" / "results"
PLANS = sorted((ROOT / "benchmarks" / "campaign").glob("*.yml"))
JPEG_FINGERPRINT = "d9427161100144d0c8aa5179a9c0e2cd4625f58c84be4bcfd86b218d22b07e58"


def plan_of(*entries, **options) -> Plan:
    return Plan(Path("plan.yml"), {}, options, [{"recipe": "quick", **entry} for entry in entries])


def names_of(*entries, **options) -> list[str]:
    return [run.name for run in expand(plan_of(*entries, **options), "toy", graphs=True)]


# The plan


@pytest.mark.parametrize("file", PLANS, ids=lambda path: path.name)
@pytest.mark.parametrize("graphs", [True, False])
def test_shipped_plans_resolve(file, graphs):
    plan = read_plan(file)
    assert plan.data["test_fingerprint"] == JPEG_FINGERPRINT
    runs = expand(plan, plan.data["file"], graphs)
    assert len({run.name for run in runs}) == len(runs) > 20
    for run in runs:
        assert "cifar10-jpeg" in run.name and set(run.name) <= set(map(chr, range(128))) and "/" not in run.name
        assert epochs(run.config, 50_000) >= 1 and work(run.config, 50_000, 10_000) > 0 and memory(run.config) > 0
        assert graphs or not run.config.cuda_graphs
    assert len(PLANS) == 2


def test_the_gpu_plan_has_what_the_book_needs():
    plan = read_plan(ROOT / "benchmarks" / "campaign" / "gpu.yml")
    runs = expand(plan, "cifar10-jpeg", graphs=True)
    paper = {run.config.model for run in runs if "-paper-seed" in run.name}
    assert {"resnet20", "plain20", "resnet32", "plain32", "resnet44", "plain44", "resnet56", "plain56"} <= paper
    assert {"resnet18", "resnet34", "resnet50", "resnet101", "resnet152"} <= {
        run.config.model for run in runs if "-modern-" in run.name
    }
    assert all(run.config.recipe.steps == 64_000 for run in runs if run.name.startswith("plain"))
    assert {64, 128, 8192} <= {run.config.recipe.batch_size for run in runs if run.config.model == "resnet20"}


def test_first_seeds_of_all_networks_come_first():
    names = names_of({"models": ["resnet8", "plain8"], "seeds": [0, 1]})
    assert names == [
        "resnet8-toy-quick-seed0",
        "plain8-toy-quick-seed0",
        "resnet8-toy-quick-seed1",
        "plain8-toy-quick-seed1",
    ]


def test_names_say_what_differs():
    entry = {"models": ["ResNet14"], "options": {"shortcut": "B", "channels_last": False}, "train_size": 500}
    entry["overrides"] = {"lr": 0.05, "batch_size": 64}
    assert names_of(entry, precision="fp32") == [
        "resnet14-no-channels-last-shortcut-B-toy-500-quick-batch-size-64-lr-0.05-seed0"
    ]


def test_epochs_count_where_the_recipe_counts_steps():
    (run,) = expand(plan_of({"models": ["resnet8"], "recipe": "paper", "overrides": {"epochs": 3}}), "toy", True)
    assert run.config.recipe.steps is None and epochs(run.config, 1000) == 3


def test_a_run_that_is_wanted_twice_is_trained_once():
    entry = {"models": ["resnet8"], "seeds": [0, 1]}
    assert len(names_of(entry, {**entry, "seeds": [1, 2]})) == 3
    graphs = {**entry, "options": [{"cuda_graphs": True}, {}], "alone": True}
    assert len(expand(plan_of(graphs), "toy", graphs=True)) == 4
    assert len(expand(plan_of(graphs), "toy", graphs=False)) == 2


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"models": ["resnet8"], "options": {"seed": 3}}, "unknown option 'seed'"),
        ({"models": ["resnet8"], "options": {"precision": "fp8"}}, "precision must be auto or one of"),
        ({"models": ["resnet9"]}, "resnet9"),
        ({"models": ["plain8"], "options": {"shortcut": "B"}}, "leave shortcut out"),
        ({"models": ["resnet8"], "recipe": "paper", "overrides": {"epoch": 3}}, "did you mean epochs"),
        ({"models": ["resnet8"], "recipe": "none"}, "no recipe"),
    ],
)
def test_a_wrong_entry(entry, message):
    with pytest.raises(InputError, match=message):
        names_of(entry)


def test_a_wrong_plan(tmp_path):
    file = tmp_path / "plan.yml"
    for text, message in (
        ("runs: [", "cannot be read"),
        ("a: 1", "a list called runs"),
        ("runs: []\nmore: 1", "unknown key 'more'"),
        ("runs: [{model: resnet8}]", "unknown key 'model'"),
    ):
        file.write_text(text)
        with pytest.raises(InputError, match=message):
            read_plan(file)


# Records that are there


class Part:
    """As much of a data set as is looked at."""

    def __init__(self, size, fingerprint):
        self.size, self.fingerprint = size, fingerprint

    def __len__(self):
        return self.size


JPEG = Part(50_000, "of the train part"), Part(10_000, JPEG_FINGERPRINT)
EXISTING = "resnet20-cifar10-jpeg-quick-seed0"


def test_the_record_of_the_book_is_recognized():
    runs = expand(read_plan(ROOT / "benchmarks" / "campaign" / "cpu.yml"), "cifar10-jpeg", graphs=False)
    records = {EXISTING: read_record(RESULTS / f"{EXISTING}.json")}
    found = [run for run in runs if find_record(run, records, JPEG)]
    assert [run.name for run in found] == ["resnet20-cifar10-jpeg-quick-validation-0-seed0"]


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"model": "resnet14"},
        {"shortcut": "B"},
        {"train_size": 1000},
        {"precision": "fp32"},
        {"compile": True},
        {"recipe": {"lr": 0.2}},
        {"recipe": {"validation": 0.1}},
    ],
    ids=str,
)
def test_another_run_is_not_taken_for_it(change):
    (run,) = expand(plan_of({"models": ["resnet20"], "overrides": {"validation": 0.0}}), "toy", graphs=True)
    records = {EXISTING: read_record(RESULTS / f"{EXISTING}.json")}
    assert find_record(run, records, JPEG) == EXISTING
    if "recipe" in change:
        change = {"recipe": replace(run.config.recipe, **change["recipe"])}
    assert find_record(replace(run, config=replace(run.config, **change)), records, JPEG) is None
    assert find_record(run, records, (JPEG[0], Part(10_000, "other images"))) is None
    assert find_record(replace(run, alone=True), records, JPEG) is None  # its time would be of another machine


def test_a_file_that_is_no_record_is_passed_over(tmp_path):
    (tmp_path / "other.json").write_text("{}")
    record = read_record(RESULTS / f"{EXISTING}.json")
    record.write(tmp_path / "done.json")
    replace(record, test=None).write(tmp_path / "unfinished.json")
    lines = []
    assert list(read_records(tmp_path, lines.append)) == ["done"]
    assert len(lines) == 1 and "other.json" in lines[0]


# What fits


def runs_named(*names, **values) -> list[Run]:
    return [Run(name, TrainConfig(model="resnet8"), **values) for name in names]


def picked(pending, running=(), left=100, budget=500, seconds=None, begun=(), fits=lambda runs: True):
    seconds = seconds or {}
    run = pick(
        pending,
        list(running),
        left,
        budget,
        seconds=lambda run: seconds.get(run.name, 10),
        begun=lambda run: run.name in begun,
        fits=fits,
    )
    return run and run.name


def test_the_most_wanted_run_that_can_end_is_started():
    pending = runs_named("a", "b", "c")
    assert picked(pending) == "a"
    assert picked(pending, seconds={"a": 120}) == "b"  # could end in another call, but not in this one
    assert picked(pending, seconds={"a": 95}) == "b"  # an estimate is no promise
    assert picked(pending, seconds={"a": 120, "b": 120, "c": 120}) is None
    assert picked(pending, left=10) is None


def test_runs_that_go_on_in_the_next_call():
    assert picked(runs_named("a"), seconds={"a": 120}, begun=("a",)) == "a"
    assert picked(runs_named("a", long=True), seconds={"a": 120}) == "a"
    assert picked(runs_named("a"), seconds={"a": 600}) == "a"  # no call is long enough


def test_runs_alone_and_the_memory():
    alone, others = runs_named("alone", alone=True), runs_named("b", "c")
    assert picked(alone + others) == "alone"
    assert picked(alone + others, running=runs_named("a")) == "b"
    assert picked(others, running=alone) is None
    assert picked(others, running=runs_named("a"), fits=lambda runs: runs[-1].name != "b") == "c"


def test_costs_are_scaled_from_the_network_that_is_most_alike(tmp_path):
    costs = Costs(tmp_path / "costs.json", "this machine")
    config = TrainConfig(model="resnet20")
    with pytest.raises(InputError, match="no speed was measured"):
        costs.rate(config)
    costs.learn(config, 1000.0)
    costs.learn(TrainConfig(model="resnet18"), 50.0)
    costs.learn(TrainConfig(model="plain20"), 1200.0)
    assert costs.rate(config) == 1000 and costs.knows(config) and costs.rate(TrainConfig(model="plain20")) == 1200
    graphed = replace(config, cuda_graphs=True)
    assert costs.rate(graphed) == 1000 and not costs.knows(graphed)
    larger = replace(config, model="resnet56")
    assert costs.rate(larger) == pytest.approx(1000 * 40.551 / 125.486, rel=1e-3) and not costs.knows(larger)
    assert costs.rate(TrainConfig(model="resnet34")) == pytest.approx(50 * 555.4 / 1159.4, rel=1e-3)
    costs.learn(config, 900.0)
    costs.workers = 4
    costs.save()
    again, other = Costs(tmp_path / "costs.json", "this machine"), Costs(tmp_path / "costs.json", "another")
    assert (again.rate(config), again.workers) == (900, 4) and other.rows == []
    other.save()
    assert Costs(tmp_path / "costs.json", "this machine").rows == again.rows


def test_what_a_run_takes_alone_and_compiled(place):
    parts, _ = load_parts(place.plan, place.data)
    costs = Costs(place.state / "costs.json", "this machine")
    (run,) = runs_named("a")
    costs.learn(run.config, 10.0)
    costs.alone = 2.5
    costs.save()
    pool = Pool(place, parts, Costs(costs.file, "this machine"), 60.0, 0.0, print)
    in_company = pool.seconds(run)
    assert in_company == pytest.approx(work(run.config, *pool.sizes) / 10)
    assert pool.seconds(replace(run, alone=True)) == pytest.approx(in_company / 2.5)
    compiled = replace(run, config=replace(run.config, compile=True))
    assert pool.seconds(compiled) > in_company + 30


def test_a_process_that_hangs_while_it_measures_is_ended(place):
    context = multiprocessing.get_context("spawn")
    worker = Worker(context, context.Event(), place)
    worker.wait(until=time.monotonic())
    assert worker.answer() == ("died", "its process died (signal 9)")


def test_the_length_of_a_run():
    recipe = replace(TrainConfig().recipe, epochs=2, batch_size=100, validation=0.1)
    config = TrainConfig(model="resnet8", recipe=recipe)
    assert work(config, 1000, 300) == pytest.approx(1800 + 500 / 3)
    assert work(replace(config, train_size=100), 1000, 300) == pytest.approx(180 + 320 / 3)
    assert work(replace(config, recipe=replace(recipe, steps=12)), 1000, 300) == pytest.approx(1200 + 500 / 3)


def test_first_run_of_each_network():
    runs = expand(plan_of({"models": ["resnet8", "plain8"], "seeds": [0, 1]}), "toy", graphs=True)
    assert [run.name for run in networks(runs)] == ["resnet8-toy-quick-seed0", "plain8-toy-quick-seed0"]


# Real runs


RECIPE = {"epochs": 3, "batch_size": 32, "lr": 0.05, "ema": 0.9}


@pytest.fixture
def shapes(tmp_path, own_cache):
    """Some images of Shapes-10 in a file."""
    (x, y), (x_test, y_test) = draw_shapes(100, seed=0), draw_shapes(40, seed=1)
    file = tmp_path / "Shapes-10, a few.npz"
    np.savez(file, x_train=x, y_train=y, x_test=x_test, y_test=y_test, classes=np.array(CLASSES))
    return file


@pytest.fixture
def place(tmp_path, shapes):
    plan = plan_of({"models": ["resnet8"], "train_size": 64, "overrides": RECIPE, "seeds": [0, 1]}, precision="fp32")
    plan.entries[0]["weights"] = ["resnet8"]
    return Place(plan, shapes, tmp_path / "state", tmp_path / "out", threads=1, commit="abc")


def same(record) -> dict:
    """What must not depend on whether a run was stopped."""
    rows = [{k: v for k, v in row.items() if k not in ("seconds", "images_per_second")} for row in record["history"]]
    return {k: v for k, v in record.items() if k not in ("wall_seconds", "finished", "best")} | {"history": rows}


def test_a_stopped_run_goes_on_to_the_same_record(place, tmp_path):
    parts, name = load_parts(place.plan, place.data)
    assert name == "shapes-10--a-few"
    run = expand(place.plan, name, graphs=False)[0]
    whole = replace(place, out=tmp_path / "whole")
    train_run(run, parts, whole, lambda message: None, Hand())
    hand = Hand()
    with pytest.raises(Stopped):
        train_run(run, parts, place, lambda message: hand.trainer.stop(), hand)
    assert not place.out.exists() and hand.trainer.epoch == 1
    train_run(run, parts, place, lambda message: None, hand)
    first, second = (json.loads((p.out / f"{run.name}.json").read_text()) for p in (whole, place))
    assert same(first) == same(second) and len(second["history"]) == 3
    assert second["machine"]["side_by_side"] == 1 and second["command"].endswith(" DATA")
    assert not (place.state / run.name).exists()  # nothing is left to carry
    checkpoint = (place.out / f"{run.name}.pt").read_bytes()
    assert os.fsencode(tmp_path) not in checkpoint
    assert find_record(run, read_records(place.out), parts) == run.name


def test_energy_is_not_split_between_runs_side_by_side(place, monkeypatch):
    parts, name = load_parts(place.plan, place.data)
    run, fit = expand(place.plan, name, graphs=False)[0], Trainer.fit
    monkeypatch.setattr(Trainer, "fit", lambda trainer: replace(fit(trainer), energy_joules=5.0))
    assert train_run(run, parts, place, lambda message: None, Hand()).energy_joules == 5.0
    assert train_run(run, parts, place, lambda message: None, Hand(), side_by_side=2).energy_joules is None


def campaign(plan: Path, data: Path, *more: str) -> list[str]:
    return [
        str(plan),
        "--data",
        str(data),
        "--state",
        str(plan.parent / "state"),
        "--out",
        str(plan.parent / "out"),
        *more,
    ]


def test_a_campaign_in_two_calls(place, tmp_path, monkeypatch, capsys):
    """The first call is stopped in the first run; in the second, the process of the second run is killed."""
    entry = {**place.plan.entries[0], "overrides": {**RECIPE, "epochs": 20}}
    plan = tmp_path / "plan.yml"
    plan.write_text(yaml.safe_dump({"options": {"precision": "fp32"}, "runs": [entry]}))
    pools, make = [], Pool.__init__

    def hooked(pool, *args):
        make(pool, *args)
        pool.on_epoch = hooks[len(pools)]
        pools.append(pool)

    def stop(run, row):
        os.kill(os.getpid(), signal.SIGTERM)

    def kill_second(run, row):
        if run.name.endswith("seed1"):
            pools[1].workers[0].process.kill()

    hooks = [stop, kill_second, lambda run, row: None]
    monkeypatch.setattr(Pool, "__init__", hooked)
    arguments = campaign(plan, place.data, "--minutes", "5", "--carry-out", str(tmp_path / "carry"))
    assert command.main(arguments) == 143  # as after SIGTERM
    output = capsys.readouterr().out
    assert "stopped  resnet8" in output and "0 runs done, 0 failed, 2 without a record" in output
    assert [0 < done < 20 for done in pools[0].epochs.values()] == [True]

    (tmp_path / "state").rename(tmp_path / "left on the first machine")
    assert command.main([*arguments, "--carry-in", str(tmp_path / "carry")]) == 1  # a run failed
    output = capsys.readouterr().out
    assert "its process died (signal 9)" in output and "1 runs done, 1 failed" in output
    assert command.main([*arguments, "--list"]) == 0
    output = capsys.readouterr().out
    assert "1 of 2 runs done" in output and "seed1  stopped in epoch" in output
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert [name.rpartition("seed")[2] for name in names] == ["0.json", "0.pt"]
    record = read_record(tmp_path / "out" / names[0])
    assert len(record.history) == 20 and record.data["train"] + record.data["validation"] == 64


def test_wrong_use(place, tmp_path, capsys):
    plan = tmp_path / "plan.yml"
    plan.write_text(yaml.safe_dump({"runs": place.plan.entries}))
    assert command.main(campaign(plan, place.data, "--only", "resnet20*")) == 2
    assert capsys.readouterr().err.startswith("error: no run of plan.yml is called resnet20*")
    with pytest.raises(SystemExit):
        command.main(campaign(plan, place.data, "--minutes", "0"))
    capsys.readouterr()
    assert command.main(campaign(tmp_path / "plam.yml", place.data)) == 2
    assert "plam.yml: use cpu.yml, gpu.yml, or the path of a file" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert command.main([*campaign(plan, place.data), "--out", str(tmp_path / "file")]) == 2
    assert f"cannot write {tmp_path / 'file'}" in capsys.readouterr().err
    plan.write_text(yaml.safe_dump({"runs": [place.plan.entries[0] | {"train_size": 2560}]}))
    assert command.main(campaign(plan, place.data)) == 2
    assert "plan.yml trains on 2,560 images, and" in capsys.readouterr().err


def test_what_there_is_comes_back_even_if_nothing_could_be_measured(place, tmp_path, monkeypatch, capsys):
    plan = tmp_path / "plan.yml"
    plan.write_text(yaml.safe_dump({"runs": place.plan.entries}))

    def fail(*args):
        raise InputError("no speed was measured")

    monkeypatch.setattr(Pool, "measure", fail)
    assert command.main(campaign(plan, place.data, "--carry-out", str(tmp_path / "carry"))) == 2
    assert capsys.readouterr().err == "error: no speed was measured\n"
    assert carry.bring_in(tmp_path / "carry", tmp_path / "state2", tmp_path / "out2") == 1
    assert "2 runs, 2 without a record" in (tmp_path / "state2" / "log.txt").read_text()


def test_time_counts_from_the_start_of_the_process(place, tmp_path, capsys):
    """What was imported first has used it up."""
    plan = tmp_path / "plan.yml"
    plan.write_text(yaml.safe_dump({"runs": place.plan.entries}))
    long_ago = time.monotonic() - 3600
    assert command.main(campaign(plan, place.data, "--minutes", "1"), started=long_ago) == 0
    assert "0 runs done, 0 failed, 2 without a record" in capsys.readouterr().out


def test_a_list_does_without_speeds_if_asked_to(place, tmp_path, monkeypatch, capsys):
    plan = tmp_path / "plan.yml"
    plan.write_text(yaml.safe_dump({"runs": place.plan.entries}))

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(Pool, "measure", interrupted)
    assert command.main(campaign(plan, place.data, "--list")) == 0
    output = capsys.readouterr().out
    assert "seed1  missing" in output and output.endswith("0 of 2 runs done; no speed of this machine is known\n")


BARE = """
import sys
from pathlib import Path
from benchmarks import recipes, training  # the comparison and the ladder
from benchmarks.campaign import __main__, plan, worker
wanted = plan.Plan(Path("plan.yml"), {}, {"precision": "fp32"}, [
    {"models": ["resnet8"], "recipe": "quick", "overrides": {"epochs": 1}, "train_size": 64}
])
place = worker.Place(wanted, Path(sys.argv[1]), Path("state"), Path("out"), 1)
parts, name = plan.load_parts(wanted, place.data)
worker.train_run(plan.expand(wanted, name, False)[0], parts, place, print, worker.Hand())
print(sys.modules["tyro"])
"""


def test_a_machine_without_tyro_and_platformdirs(tmp_path, shapes):
    """Two stand-ins are enough to load the whole campaign and to train."""
    missing = tmp_path / "missing"
    missing.mkdir()
    for name in ("tyro", "platformdirs", "matplotlib", "ipywidgets", "IPython"):
        (missing / f"{name}.py").write_text(f"raise ModuleNotFoundError('no {name}', name='{name}')\n")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(missing), str(ROOT)])}
    arguments = [sys.executable, "-c", BARE, str(shapes)]
    result = subprocess.run(arguments, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip().endswith("<module 'tyro'>")  # made here, from no file
    (record,) = (tmp_path / "out").glob("*.json")
    assert read_record(record).test is not None


# What is carried


def test_data_come_out_as_they_went_in(image_folder, tmp_path, monkeypatch, capsys):
    assert command.main(["pack", "--data", str(image_folder), "--to", str(tmp_path / "carry"), "--state", "none"]) == 0
    assert "--data" in capsys.readouterr().out
    archive = tmp_path / "carry" / carry.DATA
    first = archive.read_bytes()
    monkeypatch.setenv("RESNET_TUTORIAL_CACHE", str(tmp_path / "another machine"))
    folder = carry.unpack_data(archive)
    for part, there in zip(load_dataset("folder", image_folder), load_dataset("folder", folder), strict=True):
        assert part.fingerprint == there.fingerprint
    assert carry.unpack_data(archive) == folder  # nothing is done twice
    carry.pack_data(image_folder, tmp_path / "again")
    assert (tmp_path / "again" / carry.DATA).read_bytes() == first
    assert carry.pack_data(archive, tmp_path / "copied").read_bytes() == first


def test_known_data_get_the_name_of_the_plan(tmp_path):
    train, test = make_dataset(16), make_dataset(8, "test", 1)
    file = tmp_path / "anything.npz"
    np.savez(file, x_train=train.images, y_train=train.labels, x_test=test.images, y_test=test.labels)
    data = {"name": "Corners, a copy", "file": "corners", "test_fingerprint": test.fingerprint}
    (train, test), name = load_parts(replace(plan_of(), data=data), file)
    assert (train.name, test.name, name) == ("Corners, a copy", "Corners, a copy", "corners")


def test_small_archives_hold_the_most_wanted(tmp_path, monkeypatch):
    monkeypatch.setattr(carry, "PART_BYTES", 16_000)
    state, out = tmp_path / "state", tmp_path / "out"
    for path, size in (
        (out / "done.json", 100),
        (out / "earlier.json", 100),
        (state / "log.txt", 100),
        (state / "a" / "last.pt", 6000),
        (state / "a" / "previous.pt", 6000),
        (state / "huge" / "last.pt", 20_000),
        (state / "b" / "last.pt", 4000),
        (state / "c" / "last.pt", 9000),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)
    left = carry.take_along(state, out, tmp_path / "carry", ["done"], ["a", "huge", "b", "c", "never begun"], 2)
    assert left == ["state/huge/last.pt", "state/c/last.pt"]
    assert all(path.stat().st_size < 25_000 for path in (tmp_path / "carry").iterdir())
    assert carry.bring_in(tmp_path / "carry", tmp_path / "state2", tmp_path / "out2") == 2
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("*2/**/*") if path.is_file())
    assert files == ["out2/done.json", "state2/a/last.pt", "state2/b/last.pt", "state2/log.txt"]

    (tmp_path / "state2" / "a" / "last.pt").write_bytes(b"newer")  # by a later call on that machine
    carry.bring_in(tmp_path / "carry", tmp_path / "state2", tmp_path / "out2")
    assert (tmp_path / "state2" / "a" / "last.pt").read_bytes() == b"newer"
    carry.take_along(state, out, tmp_path / "carry", [], [])
    assert [path.name for path in (tmp_path / "carry").iterdir()] == ["campaign-1.tar"]  # nothing of before is left


@pytest.mark.parametrize("name", ["../escape", "state/../../escape", "elsewhere/file", "/state/file"])
def test_archives_write_nowhere_else(name, tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    with tarfile.open(tmp_path / "campaign-1.tar", "w") as archive:
        member = archive.gettarinfo(tmp_path / "file")
        member.name = name
        with (tmp_path / "file").open("rb") as content:
            archive.addfile(member, content)
    with pytest.raises(InputError, match="no file of a campaign"):
        carry.bring_in(tmp_path, tmp_path / "deep" / "state", tmp_path / "deep" / "out")
    assert not (tmp_path / "escape").exists()


def test_a_damaged_archive(tmp_path):
    (tmp_path / "campaign-1.tar").write_bytes(b"no archive")
    with pytest.raises(InputError, match="copy it again"):
        carry.bring_in(tmp_path, tmp_path, tmp_path)
