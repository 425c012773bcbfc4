"""Measure how fast data sets are in memory and how much memory that takes, beside torchvision's CIFAR10.

An archive of the original's size and format is made from an image folder of 50,000 + 10,000 images, or from Shapes-10.
Each measurement is a process of its own, interleaved with the others; medians are printed. From the repository root:

    python -m benchmarks.reading  (on Linux)
    python -m benchmarks.reading FOLDER --rounds 5
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from resnet_tutorial import load_dataset
from resnet_tutorial.data.cifar import KINDS
from tests.data.archives import cifar_files, tar_gz, with_sums

DATA_MB = 60_000 * 32 * 32 * 3 / 1e6
LAYOUT = KINDS["cifar10"].layouts[0]

# `bare` is the memory that the imports alone take. Linux says it of this process; getrusage, of its parent too.
FRAME = r"""
import json, re, time
from pathlib import Path
def peak():
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024 / 1e6
{prepare}
bare, start = peak(), time.perf_counter()
{read}
print(json.dumps([time.perf_counter() - start, peak() - bare]))
"""
OURS = """
from dataclasses import replace
from resnet_tutorial.data import load_dataset, pictures
from resnet_tutorial.data.cifar import KINDS
kind = KINDS["cifar10"]
KINDS["cifar10"] = replace(kind, layouts=(replace(kind.layouts[0], md5={md5!r}, md5s={md5s!r}),))
"""
TORCHVISION = """
import tarfile
from torchvision.datasets import CIFAR10
from torchvision.datasets.utils import check_integrity
CIFAR10.train_list = [[name, {md5s!r}[name]] for name, _ in CIFAR10.train_list]
CIFAR10.test_list = [[name, {md5s!r}[name]] for name, _ in CIFAR10.test_list]
CIFAR10.meta = dict(CIFAR10.meta, md5={md5s!r}["batches.meta"])
"""


def build(source: Path | None, folder: Path) -> tuple[dict[str, str], str]:
    """Write the archive and the unpacked folder; return the sums of the files and of the archive."""
    parts = load_dataset("folder", source) if source else load_dataset("shapes10")
    images = np.concatenate([part.images.numpy() for part in parts])
    labels = np.concatenate([part.labels.numpy() for part in parts])
    order = np.concatenate([np.random.default_rng(0).permutation(50_000), np.arange(50_000, 60_000)])
    planes = images.transpose(0, 3, 1, 2).reshape(-1, 3072)[order]
    files = cifar_files("cifar10", LAYOUT, planes, labels[order])
    archive = tar_gz(files, LAYOUT.folder)
    for place in ("archive", f"unpacked/{LAYOUT.folder}"):
        (folder / place).mkdir(parents=True)
    (folder / "archive" / LAYOUT.archive).write_bytes(archive)
    for name, content in files.items():
        (folder / "unpacked" / LAYOUT.folder / name).write_bytes(content)
    layout = with_sums(LAYOUT, files, archive)
    return dict(layout.md5s), layout.md5


def run(prepare: str, read: str, cache: Path) -> list[float]:
    """Seconds and megabytes of one way of reading, in a new process."""
    script = FRAME.format(prepare=prepare, read=read)
    environment = {**os.environ, "RESNET_TUTORIAL_CACHE": str(cache)}
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)
    return json.loads(result.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("source", nargs="?", type=Path, help="image folder of CIFAR-10's size (default: Shapes-10)")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        md5s, md5 = build(args.source, folder)
        ours, theirs = OURS.format(md5=md5, md5s=md5s), TORCHVISION.format(md5s=md5s)
        archive, out = folder / "archive" / LAYOUT.archive, folder / "out"
        unpack = (
            f"check_integrity({str(archive)!r}, {md5!r}); tarfile.open({str(archive)!r}).extractall({str(out)!r})\n"
        )

        def load(name: str, root: Path) -> str:
            return f"parts = load_dataset({name!r}, {str(root)!r})"

        def cifar10(root: Path) -> str:
            return f"parts = [CIFAR10({str(root)!r}, train=train) for train in (True, False)]"

        # A name, what comes before, what is measured, and the folder that is emptied first.
        ways = [
            ("archive, first time", ours, load("cifar10", folder / "archive"), "cache"),
            ("archive, from the cache", ours, load("cifar10", folder / "archive"), None),
            ("unpacked folder", ours, load("cifar10", folder / "unpacked"), None),
            ("torchvision, archive", theirs, unpack + cifar10(out), "out"),
            ("torchvision, unpacked", theirs, cifar10(folder / "unpacked"), None),
        ]
        if args.source:
            one_process = ours + "pictures.os.cpu_count = lambda: 1"
            ways += [
                ("image files, one process", one_process, load("folder", args.source), "cache"),
                ("image files, all cores", ours, load("folder", args.source), "cache"),
                ("image files, cached", ours, load("folder", args.source), None),
            ]
        found = {name: [] for name, *_ in ways}
        for _ in range(args.rounds):
            for name, prepare, read, emptied in ways:
                if emptied:
                    shutil.rmtree(folder / emptied, ignore_errors=True)
                found[name].append(run(prepare, read, folder / "cache"))
    base = statistics.median(seconds for seconds, _ in found["torchvision, archive"])
    print(f"60,000 images, {DATA_MB:.0f} MB; medians of {args.rounds} on {os.cpu_count()} cores")
    print(f"{'':26} {'seconds':>8} {'of torchvision, archive':>24} {'peak memory':>12} {'of the data':>12}")
    for name, results in found.items():
        seconds, mb = (statistics.median(column) for column in zip(*results, strict=True))
        print(f"{name:26} {seconds:8.2f} {seconds / base:23.2f}× {mb:9.0f} MB {mb / DATA_MB:11.2f}×")


if __name__ == "__main__":
    main()
