"""Kill a run with SIGKILL at random moments, resume it, and compare it bit for bit with a run that nobody disturbed.

What is compared: every weight and BatchNorm statistic, the moving average, the momentum, the history (but for times)
and the score on the test part. The runs are small, but hold all that has a state: blocks dropped at random, MixUp,
random erasing, a moving average, a schedule by steps, gradient accumulation. They save after every step, so that
many of the kills fall into the middle of an epoch and into the writing of a file. At last one of two processes under
torchrun is killed: torchrun ends the other, starts both anew, and `--resume auto` goes on from the last checkpoint.

Run from the repository root (about four minutes on two CPU cores; on Linux):

    python benchmarks/kill_and_resume.py
    python benchmarks/kill_and_resume.py --kills 200 --seed 1
"""

import argparse
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from resnet_tutorial import ImageDataset, Recipe, TrainConfig, Trainer
from resnet_tutorial.training import load_checkpoint

RECIPE = Recipe(epochs=4, batch_size=32, lr=0.05)
SETTINGS = {
    "one-cycle": {},
    "everything": {
        "recipe": replace(RECIPE, mixup=0.2, random_erasing=0.5, ema=0.9, accumulate=2, clip_grad_norm=1.0),
        "stochastic_depth": 0.3,
        "num_workers": 2,
    },
    "counted in steps": {
        "recipe": replace(RECIPE, steps=22, lr_scheduler="MultiStepLR", schedule_unit="step", milestones=(9,))
    },
}
NEVER = ("seconds", "images_per_second")


# Of the two processes under torchrun.
COMMAND = "train --model resnet8 --epochs 6 --batch-size 32 --lr 0.05 --precision fp32 --sync-batchnorm --resume auto"


def corners(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise with a bright corner that gives the class away: images and labels."""
    rng = np.random.default_rng(n)
    labels = np.arange(n) % 2
    images = rng.integers(0, 120, (n, 16, 16, 3), dtype=np.uint8)
    images[labels == 0, :8, :8] += 100
    return images, labels


def dataset(n: int, split: str) -> ImageDataset:
    return ImageDataset(*map(torch.from_numpy, corners(n)), ("corner", "none"), "Corners", split)


def train(folder: Path, setting: str) -> None:
    """Train in this process, from a checkpoint if there is one."""
    torch.set_num_threads(1)
    options = {"recipe": RECIPE, **SETTINGS[setting]}
    config = TrainConfig(
        "resnet8", ckpt_dir=folder, resume="auto", checkpoint_minutes=1e-9, precision="fp32", **options
    )
    Trainer(config, dataset(200, "train"), dataset(50, "test"), log=lambda line: None).fit()


def run(folder: Path, setting: str, kill_after: float | None = None) -> bool:
    """Train in a process of its own; kill it after some seconds. Say whether the kill came before its end."""
    process = multiprocessing.get_context("fork").Process(target=train, args=(folder, setting))
    process.start()
    process.join(kill_after)
    killed = process.is_alive()
    if killed:
        os.kill(process.pid, signal.SIGKILL)
        process.join()
    elif process.exitcode:
        raise SystemExit(f"a run in {folder} failed")
    return killed


def result(folder: Path) -> dict:
    """What must not depend on whether the run was disturbed."""
    state = load_checkpoint(folder)
    rows = [{k: v for k, v in row.items() if k not in NEVER} for row in state["record"]["history"]]
    names = ("model_state", "average", "optimizer", "scheduler", "epoch")
    found = {name: state[name] for name in names} | {"history": rows, "test": state["record"]["test"]}
    # Training draws from torch's generator alone. Python seeds its own anew in every process that starts.
    return found | {"rng": [states["torch"] for states in state["rng"]]}


def equal(a: object, b: object) -> bool:
    """Equal to the last bit, through dicts and lists."""
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    return a == b


def where(folder: Path) -> str:
    """What the kill left."""
    if not folder.exists() or not any(folder.glob("*.pt")):
        return "before the first checkpoint"
    if any(folder.glob(".*.pt-*")) or (folder / "next.pt").exists():
        return "while a checkpoint was being written"
    return "in the middle of an epoch" if load_checkpoint(folder)["loader"]["batch"] else "between two epochs"


def kill_at_random(root: Path, kills: int, seed: int) -> int:
    """Kill runs of every setting, resume each until it is through; say how many ended differently."""
    moments, left, references = random.Random(seed), Counter(), {}
    for setting in SETTINGS:
        started = time.monotonic()
        run(root / setting, setting)
        references[setting] = (result(root / setting), time.monotonic() - started)
        print(f"{setting}: {references[setting][1]:.1f} s undisturbed", flush=True)
    runs = different = 0
    while left.total() < kills:
        setting = moments.choice(list(SETTINGS))
        expected, seconds = references[setting]
        place, runs = root / f"run {runs}", runs + 1
        # The same run, again and again.
        while left.total() < kills and run(place, setting, moments.uniform(0, seconds)):
            left[where(place)] += 1
        run(place, setting)
        different += is_different(result(place), expected, setting)
    print("".join(f"{count:4} kills {words}\n" for words, count in left.most_common()), end="")
    print(f"{kills} kills of {runs} runs, {different} of them ended differently", flush=True)
    return different


def is_different(found: dict, expected: dict, what: str) -> bool:
    names = [name for name in expected if not equal(found[name], expected[name])]
    if names:
        print(f"{what} ended with another {', '.join(names)}", flush=True)
    return bool(names)


def lose_a_process(root: Path) -> int:
    """Kill each of two processes under torchrun after its second epoch; say how many runs ended differently."""
    (images, labels), (test_images, test_labels) = corners(600), corners(100)
    np.savez(root / "corners.npz", x_train=images, y_train=labels, x_test=test_images, y_test=test_labels)
    run_two(root, "whole")
    expected, different = result(root / "whole"), 0
    for victim in (0, 1):
        (resumed,) = (line for line in run_two(root, f"{victim}", victim) if line.startswith("resuming"))
        different += is_different(result(root / f"{victim}"), expected, "the run")
        print(f"process {victim} killed: {resumed.replace(str(root), 'RUNS')}", flush=True)
    return different


def run_two(root: Path, name: str, victim: int | None = None) -> list[str]:
    """Train in two processes, which torchrun may start again once; kill one after epoch 2. What was printed."""
    torchrun = "-m torch.distributed.run --standalone --nproc-per-node 2 --max-restarts 1 -m resnet_tutorial"
    command = [sys.executable, *torchrun.split(), *COMMAND.split(), "--ckpt-dir", str(root / name)]
    process = subprocess.Popen(
        [*command, str(root / "corners.npz")],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip())
        if victim is not None and line.startswith("epoch 2/"):
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            os.kill(sorted(map(int, children))[victim], signal.SIGKILL)  # in the order of their start
            victim = None
    if process.wait():
        raise SystemExit("\n".join(lines))
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description="Kill runs at random moments, resume them, compare bit for bit.")
    parser.add_argument("--kills", type=int, default=50, help="how many kills (default: 50)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments (default: 0)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        different = kill_at_random(Path(folder), args.kills, args.seed) + lose_a_process(Path(folder))
    raise SystemExit(different > 0)


if __name__ == "__main__":
    main()
