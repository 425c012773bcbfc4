import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import filelock
import numpy as np
import pytest
import torch
import yaml

from benchmarks import runs
from benchmarks.runs import data_word, expand, find_record, main
from resnet_tutorial import Trainer, load_dataset
from resnet_tutorial.training import read_record
from tests.conftest import make_dataset, make_images

ROOT = Path(__file__).parents[2]
posix = pytest.mark.skipif(sys.platform == "win32", reason="runs are trained on Linux or macOS")
RECIPE = {"epochs": 6, "batch_size": 16, "lr": 0.05, "ema": 0.9}


@pytest.fixture
def data(tmp_path, own_cache):
    """Two classes of noise with bright corners, in a file."""
    (x, y), (x_test, y_test) = make_images(64), make_images(16, seed=1)
    np.savez(tmp_path / "toy.npz", x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    return tmp_path / "toy.npz"


@pytest.fixture
def plan(tmp_path):
    """Writes a plan; returns its file."""

    def write(*entries, **options):
        file = tmp_path / "plan.yml"
        entries = [{"models": ["resnet8"], "recipe": "quick", **entry} for entry in entries]
        file.write_text(yaml.safe_dump({"options": options, "runs": entries}))
        return file

    return write


@pytest.fixture
def call(tmp_path, data):
    """Calls the runner on a plan with a folder for records and one for unfinished runs."""

    def call(file, *more):
        folders = ["--out", str(tmp_path / "out"), "--state", str(tmp_path / "state")]
        return main([str(file), "--data", str(data), *folders, *more])

    return call


def names(file):
    return [run.name for run in expand(file, "toy")]


# Plans


@pytest.mark.parametrize("name", ["cpu", "gpu"])
@pytest.mark.parametrize("cuda", [True, False])
def test_shipped_plans_resolve(name, cuda, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    wanted = expand(ROOT / "benchmarks" / f"{name}.yml", "cifar10")
    assert len({run.name for run in wanted}) == len(wanted) > 30
    assert all(set(run.name) <= set(map(chr, range(128))) and "/" not in run.name for run in wanted)
    assert not any("bf16" in run.name or "graphs" in run.name for run in wanted)  # the machine's part
    assert all(run.config.cuda_graphs == (cuda and name == "gpu") for run in wanted)
    assert {run.config.model for run in wanted if run.weights} >= {"resnet20", "resnet56"}


def test_names_say_what_differs_and_first_seeds_come_first(plan):
    entry = {"models": ["ResNet14", "plain8"], "options": {"channels_last": False, "width": 0.5}, "train_size": 500}
    entry |= {"overrides": {"lr": 0.05, "batch_size": 64}, "seeds": [0, 1]}
    assert names(plan(entry, precision="fp32")) == [
        f"{model}-no-channels-last-width-0.5-toy-500-quick-batch-size-64-lr-0.05-seed{seed}"
        for seed in (0, 1)
        for model in ("resnet14", "plain8")
    ]
    options = {"models": ["resnet20"], "options": {"shortcut": "B"}, "overrides": {"epochs": 15}}
    assert names(plan(options)) == ["resnet20-shortcut-B-toy-quick-epochs-15-seed0"]


def test_data_are_called_by_their_name():
    said = [data_word(name) for name in ("CIFAR-10", "CIFAR-100", "Shapes-10", "My pictures, small")]
    assert said == ["cifar10", "cifar100", "shapes10", "my-pictures--small"]


def test_epochs_count_where_the_recipe_counts_steps(plan):
    (run,) = expand(plan({"recipe": "paper", "overrides": {"epochs": 3}}), "toy")
    assert run.config.recipe.total_epochs(1000) == 3


def test_a_run_that_is_wanted_twice_is_trained_once(plan):
    assert len(names(plan({"seeds": [0, 1]}, {"seeds": [1, 2], "overrides": {"lr": 0.3}}))) == 3  # quick has this rate


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("runs: [", "cannot be read"),
        ("- 1", "where a mapping belongs"),
        ("a: 1", "unknown key 'a'"),
        ("runs: {a: 1}", "runs in the plan"),
        ("runs: [1]", "has 1 where a mapping belongs"),
        ("runs: [{models: [resnet8]}]", "no recipe"),
        ("runs: [{models: resnet8, recipe: quick}]", "models in the plan"),
        ("runs: [{model: [resnet8], recipe: quick}]", "did you mean models?"),
        ("runs: [{models: [resnet9], recipe: quick}]", "no network is called 'resnet9'"),
        ("runs: [{models: [resnet8], recipe: quikc}]", "did you mean quick"),
        ("runs: [{models: [resnet8], recipe: quick, seeds: [a]}]", "seed in the plan"),
        ("runs: [{models: [resnet8], recipe: quick, weights: [resnet20]}]", "which its entry does not train"),
        ("runs: [{models: [resnet8], recipe: quick, overrides: {epoch: 3}}]", "did you mean epochs?"),
        ("runs: [{models: [resnet8], recipe: quick, overrides: [3]}]", "has 3 where a mapping belongs"),
        ("runs: [{models: [resnet8], recipe: quick, overrides: {lr: -1}}]", "lr must be above 0"),
        ("runs: [{models: [resnet8], recipe: quick, options: {seed: 3}}]", "unknown key 'seed'"),
        ("runs: [{models: [plain8], recipe: quick, options: {shortcut: B}}]", "leave shortcut out"),
        ("options: {precision: fp8}\nruns: [{models: [resnet8], recipe: quick}]", "choose from auto, fp32"),
        (
            "runs: [{models: [resnet8], recipe: quick, overrides: [{epochs: 2, lr: 1}, {epochs: 2, lr: 1.0000001}]}]",
            "two different runs called",
        ),
        ("runs: []", "no run of"),
    ],
)
def test_a_wrong_plan_is_told_in_one_line(text, message, tmp_path, call, capsys):
    (tmp_path / "plan.yml").write_text(text)
    assert call(tmp_path / "plan.yml") == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and message in said and said.count("\n") == 1
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--data", "nothing"], "the data folder nothing does not exist"),
        (["--out", "{data}"], "cannot write"),
        (["--state", "{data}"], "cannot write"),
        (["--only", "resnet20*"], "is called resnet20*"),
        (["--jobs", "0"], "--jobs"),
        (["--minutes", "0"], "--minutes"),
    ],
)
def test_wrong_use_is_told_before_training(flags, message, plan, data, call, capsys):
    assert call(plan({}), *(flag.format(data=data) for flag in flags)) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and message in said and said.count("\n") == 1


# Records that are there


def test_a_record_is_found_by_what_was_trained(plan, tmp_path):
    parts = make_dataset(60), make_dataset(20, "test", seed=1)
    (run,) = expand(plan({"train_size": 40}, precision="fp32"), "toy")
    record = Trainer(replace(run.config, ckpt_dir=tmp_path / "run"), *parts, log=print)._new_record()
    assert find_record(run, {"another name": record, run.name: record}, parts) == run.name
    assert find_record(run, {"another name": record}, parts) == "another name"
    assert find_record(run, {run.name: record}, (parts[0], make_dataset(20, "test", seed=2))) is None
    recipe = {"recipe": replace(run.config.recipe, lr=0.2)}
    options = {"seed": 1}, {"model": "plain8"}, {"shortcut": "B"}, {"precision": "bf16"}, {"compile": True}
    for change in (recipe, {"train_size": 50}, *options):
        other = replace(run, config=replace(run.config, **change))
        assert find_record(other, {run.name: record}, parts) is None, change


# Real runs


def same(record: dict) -> dict:
    """What must not depend on whether a run was stopped."""
    rows = [{k: v for k, v in row.items() if k not in ("seconds", "images_per_second")} for row in record["history"]]
    return {key: record[key] for key in ("data", "recipe", "test", "command")} | {"history": rows}


@posix
def test_runs_that_were_killed_or_stopped_go_on(plan, data, call, tmp_path, monkeypatch, capsys):
    """First the process of one run is killed and the other run is stopped; then both go on, beside one that fails."""
    file = plan({"overrides": RECIPE, "seeds": [0, 1], "weights": ["resnet8"]}, {"train_size": 1000}, precision="fp32")
    first = expand(file, "toy")[0]
    lines = []

    def watch(line, **more):
        lines.append(line)
        epochs = [line for line in lines if "  epoch " in line]
        if "  epoch " in line and len(epochs) == 1:
            (child,) = multiprocessing.active_children()
            child.kill()
        elif "  epoch " in line and "seed1" in line:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(runs, "print", watch, raising=False)
        assert call(file, "--only", "*-seed?", "--threads", "1") == 128 + signal.SIGTERM
    said = "\n".join(lines)
    assert (
        f"{first.name}  failed: its process died (exit code -9)" in said and "seed1  stopped: the run is saved" in said
    )
    assert not list((tmp_path / "out").iterdir())
    capsys.readouterr()

    assert call(file, "--list") == 0
    listed = capsys.readouterr().out.splitlines()
    assert ["in epoch" in line for line in listed] == [True, True, False] and "missing" in listed[2]

    assert call(file, "--jobs", "2", "--threads", "1", "--commit", "abc") == 1
    said = capsys.readouterr().out
    assert "failed: a subset of 1,000 images" in said and "2 done, 1 failed, 1 without a record" in said
    assert len(list((tmp_path / "state").glob("*seed*"))) == 0  # nothing is left to carry
    record = read_record(tmp_path / "out" / f"{first.name}.json")
    assert record.machine["side_by_side"] == 2 and record.commit and record.command.endswith(" DATA")
    assert os.fsencode(tmp_path) not in (tmp_path / "out" / f"{first.name}.pt").read_bytes()

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    config = replace(first.config, root=data, ckpt_dir=tmp_path / "whole", progress=False)
    Trainer(config, *load_dataset("auto", data), log=print).fit()
    torch.set_num_threads(threads)
    texts = [(tmp_path / path).read_text() for path in ("whole/record.json", f"out/{first.name}.json")]
    assert same(json.loads(texts[0])) == same(json.loads(texts[1]))
    assert call(file, "--list") == 0 and capsys.readouterr().out.count("seed0  done\n") == 1


@posix
def test_when_time_is_up_runs_are_saved(plan, call, tmp_path, monkeypatch):
    lines, later = [], [0]

    def watch(line, **more):
        lines.append(line)
        if "  epoch " in line:
            later[0] = 3600

    monkeypatch.setattr(runs, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + later[0]))
    monkeypatch.setattr(runs, "print", watch, raising=False)
    assert call(plan({"overrides": RECIPE | {"epochs": 500}, "seeds": [0, 1]}), "--minutes", "30") == 0
    said = "\n".join(lines)
    assert "time is up: 1 runs save" in said and "seed0  stopped" in said and "seed1" not in said
    assert list((tmp_path / "state").glob("*seed0/last.pt"))


def test_a_second_runner_is_refused(plan, call, tmp_path, capsys):
    (tmp_path / "state").mkdir()
    with filelock.FileLock(tmp_path / "state" / ".lock"):
        assert call(plan({})) == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: another runner is at work") and said.err.count("\n") == 1 and not said.out


@posix
def test_a_machine_without_the_libraries_of_the_book(plan, data, tmp_path):
    """A run, and what else is measured on a bare machine; the packages are refused in every process."""
    refused = ("platformdirs", "matplotlib", "ipywidgets", "IPython")
    (tmp_path / "bare").mkdir()
    for name in refused:
        (tmp_path / "bare" / f"{name}.py").write_text(f"raise ModuleNotFoundError('no {name}', name='{name}')\n")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path / "bare"), str(ROOT)])}
    environment["HOME"] = environment.pop("RESNET_TUTORIAL_CACHE")  # platformdirs would be asked for the cache folder
    file = plan({"overrides": RECIPE | {"epochs": 1}, "train_size": 20})
    for arguments in (
        ["-m", "benchmarks.runs", str(file), "--data", str(data)],
        ["-c", "import benchmarks.training"],
    ):
        result = subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert result.returncode == 0, result.stdout + result.stderr
    (record,) = (tmp_path / "book" / "results").glob("*.json")
    assert read_record(record).test is not None
