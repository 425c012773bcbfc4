"""Kill one of two processes under torchrun, and see that the run is started again and ends as if nothing had happened.

torchrun ends the other process, starts both anew, and `--resume auto` goes on from the last checkpoint. The record and
the weights are compared with those of a run that nobody disturbed.

Run from the repository root (about a minute on two CPU cores):

    python benchmarks/lose_a_process.py
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from resnet_tutorial.training import load_checkpoint, read_record

TRAIN = "train --model resnet8 --epochs 6 --batch-size 32 --lr 0.05 --precision fp32 --sync-batchnorm --resume auto"


def save_corners(path: Path) -> None:
    """An .npz data set: noise with a bright corner that gives the class away."""
    rng, parts = np.random.default_rng(0), {}
    for part, n in (("train", 600), ("test", 100)):
        labels = np.arange(n) % 2
        images = rng.integers(0, 120, (n, 16, 16, 3), dtype=np.uint8)
        images[labels == 0, :8, :8] += 100
        parts |= {f"{part}_images": images, f"{part}_labels": labels}
    np.savez(path, **parts)


def start(data: Path, folder: Path, *options: str) -> subprocess.Popen:
    """A run of two processes, which torchrun may start again once."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *options]
    command = [*torchrun, "-m", "resnet_tutorial", *TRAIN.split(), "--ckpt-dir", str(folder), str(data)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def children(pid: int) -> list[int]:
    """Its processes in the order of their start."""
    return sorted(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def run(data: Path, folder: Path, victim: int | None = None) -> tuple[float, str]:
    """Run to the end; kill a process after the second epoch. Seconds and what was printed."""
    started, lines = time.monotonic(), []
    process = start(data, folder, "--max-restarts", "1")
    for line in process.stdout:
        lines.append(line)
        if victim is not None and line.startswith("epoch 2/"):
            os.kill(children(process.pid)[victim], signal.SIGKILL)
            victim = None
    if process.wait():
        raise SystemExit("".join(lines))
    return time.monotonic() - started, "".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Kill one of two processes under torchrun.")
    parser.add_argument("--seed", type=int, default=0)
    random.seed(parser.parse_args().seed)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        save_corners(root / "corners.npz")
        seconds, _ = run(root / "corners.npz", root / "whole")
        print(f"undisturbed: {seconds:.1f} s, {read_record(root / 'whole' / 'record.json').test}", flush=True)
        for victim in (0, 1):
            seconds, printed = run(root / "corners.npz", root / f"{victim}", victim)
            resumed = [line for line in printed.splitlines() if line.startswith("resuming")]
            states = [load_checkpoint(root / name)["model_state"] for name in ("whole", f"{victim}")]
            same = all(torch.equal(states[0][key], states[1][key]) for key in states[0])
            print(f"process {victim} killed: {seconds:.1f} s; {resumed[0].replace(folder, 'RUNS')}; same bits: {same}")
            if not same:
                raise SystemExit(1)


if __name__ == "__main__":
    main()
