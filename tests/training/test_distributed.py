import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from resnet_tutorial import TrainConfig, Trainer
from resnet_tutorial.training import distributed, validate
from tests.training.two_processes import CPU, PLAIN, RECIPE, TEST, TRAIN, BatchLoader, create_model

ROOT = Path(__file__).parents[2]


def torchrun(*words: object) -> subprocess.CompletedProcess:
    """Run a script in two processes on this machine."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *map(str, words)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=150)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder for what two processes leave."""
    return tmp_path_factory.mktemp("two")


@pytest.fixture(scope="module")
def found(place) -> dict:
    """What two processes found, both the same."""
    done = torchrun("tests/training/two_processes.py", "gradients,images,run", place)
    assert done.returncode == 0, done.stderr
    results = [json.loads((place / f"found-{rank}.json").read_text()) for rank in (0, 1)]
    assert results[0] == results[1]
    return results[0]


def test_two_processes_give_the_gradient_of_one(found):
    """In float64, with shares of 8 and 7 images; with BatchNorm in sync, whose statistics are those of one, too."""
    assert len(found["gradients"]) == 4
    for what, error in found["gradients"].items():
        assert error < 1e-12, what


def test_every_image_is_trained_on_once_and_scored_once(found):
    images = found["images"]
    assert images["trained once each"] and images["scored"] == len(TEST)
    torch.manual_seed(0)
    alone = validate(create_model("resnet8", num_classes=2, width=0.25), BatchLoader(TEST, 6, PLAIN), CPU)
    assert images["confusion"] == alone["confusion"].tolist() and images["loss"] == pytest.approx(alone["loss"])


def test_a_signal_to_one_process_stops_both_and_the_resumed_run_ends_with_the_same_bits(found):
    assert found["run"]["stopped"] == [143, 1, 2]  # the status, one epoch, two steps of the next
    assert found["run"]["same"]


def test_a_run_of_two_processes_is_the_run_of_one(found, tmp_path):
    config = TrainConfig("resnet8", recipe=RECIPE, precision="fp32", ckpt_dir=tmp_path)
    alone = Trainer(config, TRAIN, TEST, log=lambda line: None).fit()
    assert found["run"]["history"] == pytest.approx([row["loss"] for row in alone.history], rel=1e-3)
    assert found["run"]["test"]["loss"] == pytest.approx(alone.test["loss"], rel=1e-2)


def test_one_process_goes_on_with_a_run_that_two_left_within_an_epoch(found, place):
    lines = []
    config = TrainConfig("resnet8", recipe=RECIPE, precision="fp32", ckpt_dir=place / "for one", resume=True)
    alone = Trainer(config, TRAIN, TEST, log=lines.append).fit()
    assert "note: another number of processes, so crops are other ones: it was 2, now it is 1" in lines
    assert any(f"after step 2 of epoch 2 of {RECIPE.epochs}" in line for line in lines)
    assert found["run"]["history"] == pytest.approx([row["loss"] for row in alone.history], rel=1e-3)


def test_one_line_of_ours_where_one_process_reads_data_in_vain_and_the_other_waits(tmp_path):
    done = torchrun("-m", "resnet_tutorial", "train", "--device", "cpu", tmp_path)
    ours = done.stderr.partition("torch/distributed")[0].splitlines()[:-1]
    assert done.returncode == 1 and len(ours) == 1 and ours[0].startswith("error: no data set found in")
    assert "RuntimeError" not in done.stderr and done.stderr.count("no data set found") == 2  # and in torchrun's report


def test_a_process_that_fails_ends_all_with_its_reason(tmp_path):
    done = torchrun("tests/training/two_processes.py", "failure", tmp_path)
    assert done.returncode == 1 and not list(tmp_path.glob("found-*"))
    failure = done.stderr[done.stderr.index("Root Cause") :]
    assert re.search(r"rank +: 1 ", failure) and "this one has no luck" in failure


def test_an_error_of_all_processes_is_told_once_and_by_the_first():
    done = torchrun("-m", "resnet_tutorial", "train", "--seed", "-1")
    assert done.returncode == 1 and done.stderr.count("error: seed must be") == 1


def test_alone_nothing_is_exchanged():
    assert distributed.read_world() == distributed.World(0, 1, 0)
    with distributed.joined(distributed.World(), cuda=False):
        assert not torch.distributed.is_initialized()
    assert distributed.gather("a") == ["a"] and distributed.from_first("a") == "a"
    assert distributed.all_max([1, 2]) == [1, 2]
    assert distributed.all_sum(torch.tensor(3)).item() == 3
    loader = BatchLoader(TRAIN, 20, PLAIN)
    assert distributed.divisors(loader) == [len(labels) for _, labels in loader] == [20, 20, 5]
