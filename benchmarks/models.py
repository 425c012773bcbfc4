"""Measure how long networks take to build, and what activation checkpointing saves and costs.

Run from the repository root:

    python benchmarks/models.py            # building, beside torchvision: under a minute on two CPU cores
    python benchmarks/models.py --memory   # training steps: a few minutes, 15 GB of memory
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
import torchvision

from resnet_tutorial import create_model, get_architecture
from resnet_tutorial.models import summarize_architecture, total_activations

FOUR_STAGES = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
ROUNDS = 7
GB = 10**9


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def measure_building() -> None:
    """Build torchvision's network and ours with the same layers in turn; compare the medians."""
    for name in FOUR_STAGES:
        theirs_times, ours_times = [], []
        for _ in range(ROUNDS):
            theirs_times.append(seconds(getattr(torchvision.models, name)))
            ours_times.append(seconds(partial(create_model, name, num_classes=1000, stem="imagenet")))
        theirs, ours = statistics.median(theirs_times), statistics.median(ours_times)
        print(
            f"building {name}: {ours:.2f} s, torchvision {theirs:.2f} s, ratio {ours / theirs:.2f} (limit 1.30)",
            flush=True,
        )
    times = [seconds(partial(create_model, "resnet1202")) for _ in range(3)]
    print(f"building resnet1202: {statistics.median(times):.2f} s (limit 3.00)", flush=True)


# --- Memory ---


def make_step(name: str, batch_size: int, checkpoint: bool) -> Callable[[], None]:
    """Return a training step in float32."""
    torch.manual_seed(0)
    model = create_model(name, checkpoint_activations=checkpoint)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    images, labels = torch.randn(batch_size, 3, 32, 32), torch.randint(10, (batch_size,))

    def step() -> None:
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def print_peak(name: str, batch_size: int, checkpoint: bool) -> None:
    """Take one training step and print the peak memory of this process, before and after it."""
    step = make_step(name, batch_size, checkpoint)
    before = peak_memory()
    step()
    print(json.dumps({"before": before, "peak": peak_memory()}))


def peak_memory() -> int:
    """Most bytes of memory that this process has held so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measure_memory(name: str, batch_size: int) -> None:
    """Compare a training step with and without checkpoints, each in a process of its own."""
    peaks = {}
    for checkpoint in (True, False):
        rows = summarize_architecture(get_architecture(name), checkpoint_activations=checkpoint)
        kept = 4 * batch_size * total_activations(rows) / GB
        command = [sys.executable, __file__, "--step", name, "--batch-size", str(batch_size)]
        output = subprocess.run(
            command + ["--checkpoint"] * checkpoint, check=True, capture_output=True, text=True
        ).stdout
        result = json.loads(output)
        peaks[checkpoint] = result["peak"]
        print(
            f"{name}, batch {batch_size}, {'with' if checkpoint else 'without'} checkpoints: peak "
            f"{result['peak'] / GB:.2f} GB, {result['before'] / GB:.2f} of it before the step; activations by count "
            f"{kept:.2f} GB",
            flush=True,
        )
    print(f"{name}: checkpoints take {peaks[True] / peaks[False]:.2f}× the memory (limit 8 GB)", flush=True)


def measure_time(name: str, batch_size: int) -> None:
    """Compare the time of training steps with and without checkpoints, taken in turn."""
    steps = {checkpoint: make_step(name, batch_size, checkpoint) for checkpoint in (True, False)}
    times = {True: [], False: []}
    for _ in range(ROUNDS):
        for checkpoint, step in steps.items():
            times[checkpoint].append(seconds(step))
    ratio = statistics.median(times[True]) / statistics.median(times[False])
    print(f"{name}, batch {batch_size}: checkpoints take {ratio:.2f}× the time", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how networks build, and what checkpointing saves and costs.")
    parser.add_argument("--memory", action="store_true", help="measure training steps, not building")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--step", metavar="NETWORK", help="take one measured step in this process")
    parser.add_argument("--checkpoint", action="store_true", help="of --step: checkpoint activations")
    args = parser.parse_args()
    if args.step:
        print_peak(args.step, args.batch_size, args.checkpoint)
    elif args.memory:
        measure_memory("resnet1202", args.batch_size)
        measure_time("resnet110", 32)
    else:
        measure_building()


if __name__ == "__main__":
    main()
