"""Kill a run with SIGKILL at random moments, resume it, and compare it bit for bit with a run that nobody disturbed.

What is compared: every weight and BatchNorm statistic, the moving average, the momentum, the history (but for times)
and the score on the test part. The runs are small, but hold all that has a state: blocks dropped at random, MixUp,
random erasing, a moving average, a schedule by steps, gradient accumulation. They save after every step, so that
many of the kills fall into the middle of an epoch and into the writing of a file.

Run from the repository root (about three minutes on two CPU cores; on a system that can fork):

    python benchmarks/kill_and_resume.py
    python benchmarks/kill_and_resume.py --kills 200 --seed 1
"""

import argparse
import multiprocessing
import os
import random
import signal
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


def corners(n: int, split: str) -> ImageDataset:
    """Noise with a bright corner that gives the class away."""
    rng = np.random.default_rng(n)
    labels = np.arange(n) % 2
    images = rng.integers(0, 120, (n, 16, 16, 3), dtype=np.uint8)
    images[labels == 0, :8, :8] += 100
    return ImageDataset(torch.from_numpy(images), torch.from_numpy(labels), ("corner", "none"), "Corners", split)


def train(folder: Path, setting: str) -> None:
    """Train in this process, from a checkpoint if there is one."""
    torch.set_num_threads(1)
    options = {"recipe": RECIPE, **SETTINGS[setting]}
    config = TrainConfig(
        "resnet8", ckpt_dir=folder, resume="auto", checkpoint_minutes=1e-9, precision="fp32", **options
    )
    Trainer(config, corners(200, "train"), corners(50, "test"), log=lambda line: None).fit()


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


def main() -> None:
    parser = argparse.ArgumentParser(description="Kill runs at random moments, resume them, compare bit for bit.")
    parser.add_argument("--kills", type=int, default=50, help="how many kills (default: 50)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments (default: 0)")
    args = parser.parse_args()
    moments, left, different = random.Random(args.seed), Counter(), 0
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        references = {}
        for setting in SETTINGS:
            started = time.monotonic()
            run(root / setting, setting)
            references[setting] = (result(root / setting), time.monotonic() - started)
            print(f"{setting}: {references[setting][1]:.1f} s undisturbed", flush=True)
        kills = runs = 0
        while kills < args.kills:
            setting = moments.choice(list(SETTINGS))
            expected, seconds = references[setting]
            place, runs = root / f"run {runs}", runs + 1
            while kills < args.kills and run(
                place, setting, moments.uniform(0, seconds)
            ):  # the same run, again and again
                kills += 1
                left[where(place)] += 1
            run(place, setting)
            found = result(place)
            if names := [name for name in expected if not equal(found[name], expected[name])]:
                different += 1
                print(f"{setting} ended with another {', '.join(names)}", flush=True)
    print("".join(f"{count:4} kills {words}\n" for words, count in left.most_common()), end="")
    print(f"{kills} kills of {runs} runs, {different} of them ended differently")
    raise SystemExit(different > 0)


if __name__ == "__main__":
    main()
