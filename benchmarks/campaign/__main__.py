"""The command line of the campaign."""

import argparse
import contextlib
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import torch

from resnet_tutorial.errors import InputError
from resnet_tutorial.files import cannot_write
from resnet_tutorial.training import describe_machine, load_checkpoint
from resnet_tutorial.training.checkpoint import has_checkpoint
from resnet_tutorial.training.record import current_commit

from . import STARTED
from .carry import THERE, bring_in, pack_data, take_along, unpack_data
from .costs import Costs
from .plan import Run, expand, find_record, load_parts, read_plan, read_records
from .pool import Pool
from .worker import Place

PLANS = Path(__file__).parent


@dataclass(frozen=True)
class Line:
    """A run as ``--list`` shows it."""

    run: Run
    status: str
    seconds: float


def main(argv: list[str] | None = None, started: float | None = None) -> int:
    """Run a campaign; return the exit status. Its time counts from `started`, or from now."""
    args = _parse(sys.argv[1:] if argv is None else argv)
    try:
        return _pack(args) if args.pack else _campaign(args, time.monotonic() if started is None else started)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # while speeds are measured, or a second Ctrl-C
        print("stopped; what was saved goes on in the next call", file=sys.stderr)
        return 130


def _parse(argv: list[str]) -> argparse.Namespace:
    pack = argv[:1] == ["pack"]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.campaign pack" if pack else "python -m benchmarks.campaign"
    )
    if pack:
        parser.description = "Pack the data, and the unfinished runs, for a machine without a network."
        parser.add_argument("--data", type=Path, required=True, help="folder of images, or its .tar.xz")
        parser.add_argument("--to", type=Path, default=Path("carry"), help="folder of what is carried (default: carry)")
    else:
        parser.description = "Train the runs of a plan that have no record yet, as many as fit into the time."
        parser.epilog = "`pack` as the first word packs what a machine without a network needs."
        parser.add_argument("plan", nargs="?", help="gpu.yml, cpu.yml, or a file (default: as the machine is)")
        parser.add_argument("--data", type=Path, help="folder of the data, or a .tar.xz of images (default: Shapes-10)")
        parser.add_argument("--minutes", type=float, default=9.0, help="time from start to end (default: 9)")
        parser.add_argument(
            "--only", metavar="PATTERN", default="*", help="only runs of such names, as in 'resnet20-*'"
        )
        parser.add_argument("--list", action="store_true", help="print what is done and what the rest would take")
        parser.add_argument("--workers", type=int, help="runs side by side (default: measured on a GPU, 1 elsewhere)")
        parser.add_argument("--carry-in", type=Path, metavar="FOLDER", help="unpack what an earlier call left there")
        parser.add_argument("--carry-out", type=Path, metavar="FOLDER", help="pack records and unfinished runs there")
        parser.add_argument("--commit", help="commit for the records, where this is no git checkout")
    parser.add_argument("--out", type=Path, default=Path("book/results"), help="records (default: book/results)")
    parser.add_argument(
        "--state", type=Path, default=Path("runs/campaign"), help="unfinished runs (default: runs/campaign)"
    )
    args = parser.parse_args(argv[1:] if pack else argv)
    args.pack = pack
    if not pack and (args.minutes <= 0 or (args.workers is not None and args.workers < 1)):
        parser.error("--minutes must be above 0 and --workers at least 1")
    return args


def _pack(args: argparse.Namespace) -> int:
    archive = pack_data(args.data, args.to)
    left = take_along(
        args.state, args.out, args.to, [], [path.name for path in sorted(args.state.glob("*-seed*"))], THERE
    )
    size = sum(path.stat().st_size for path in args.to.iterdir())
    print(f"{args.to} holds {size / 1e6:.1f} MB{''.join(f'; left behind: {name}' for name in left)}")
    print("There, in the root of a copy of this checkout, with BACK for the folder that comes back:")
    print(
        f"python3 -m benchmarks.campaign gpu.yml --data {archive} --minutes 9 --state /dev/shm/campaign "
        f"--carry-in {args.to} --carry-out BACK --commit {current_commit()}"
    )
    return 0


def _campaign(args: argparse.Namespace, started: float) -> int:
    for folder in (args.state,) if args.list else (args.state, args.out):
        _check_writable(folder)
    log = _logger(args.state / "log.txt", started)
    if args.carry_in:
        log(f"{bring_in(args.carry_in, args.state, args.out)} archives unpacked from {args.carry_in}")
    gpu = torch.cuda.is_available()
    plan = read_plan(_plan_file(args.plan or ("gpu.yml" if gpu else "cpu.yml")))
    data = unpack_data(args.data) if args.data and args.data.name.endswith(".tar.xz") else args.data
    parts, name = load_parts(plan, data)
    if name != plan.data.get("file", name):
        log(f"note: {parts[0].name} is not {plan.data['name']}, or its JPEG files were decoded by another library")
    runs = [run for run in expand(plan, name, gpu) if fnmatch(run.name, args.only)]
    if not runs:
        raise InputError(f"no run of {plan.file.name} is called {args.only}: see --list without --only")
    if (size := max(run.config.train_size or 0 for run in runs)) > len(parts[0]):
        raise InputError(
            f"{plan.file.name} trains on {size:,} images, and {parts[0].name} has {len(parts[0]):,}: give its data, "
            "choose other runs by --only, or write a plan of your own"
        )
    records = read_records(args.out, log)
    found = {run.name: find_record(run, records, parts) for run in runs}
    missing = [run for run in runs if not found[run.name]]
    log(f"{plan.file.name} on {parts[0].name}: {len(runs)} runs, {len(missing)} without a record")
    threads = max(1, (os.cpu_count() or 1) // (args.workers or (8 if gpu else 1)))
    place = Place(plan, data, args.state, args.out, threads, args.commit)
    machine = describe_machine("cuda" if gpu else "cpu") | {"threads": threads}
    costs = Costs(args.state / "costs.json", ", ".join(str(machine[key]) for key in _TELLING))
    pool = Pool(place, parts, costs, 60 * args.minutes, started, log)
    pool.epochs = _epochs_done(missing, args.state)
    received = 0
    try:
        if args.list:
            _measure_for_list(pool, missing, args.workers)
            _print_list([_line(run, found[run.name], pool) for run in runs], pool)
        else:
            if missing:
                pool.measure(missing, args.workers)
            received = pool.train(missing)
    finally:
        pool.close()
        if not args.list:
            rest = len(missing) - len(pool.done)
            log(f"{len(pool.done)} runs done, {len(pool.failed)} failed, {rest} without a record; {_size(args.state)}")
        if args.carry_out:
            left = take_along(args.state, args.out, args.carry_out, pool.done, [run.name for run in missing])
            log(f"carried out to {args.carry_out}{''.join(f'; left behind: {name}' for name in left)}")
    return 128 + received if received else int(bool(pool.failed))


_TELLING = ("accelerator", "processor", "threads", "torch")


def _plan_file(name: str) -> Path:
    file = next((path for path in (Path(name), PLANS / name) if path.is_file()), None)
    if file is None:
        plans = ", ".join(sorted(path.name for path in PLANS.glob("*.yml")))
        raise InputError(f"no plan called {name}: use {plans}, or the path of a file")
    return file


def _check_writable(folder: Path) -> None:
    """Complain before hours of training rather than after them."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise cannot_write(folder, error) from None


def _measure_for_list(pool: Pool, missing: list[Run], workers: int | None) -> None:
    """A list waits for speeds only where none is known."""
    if not missing or pool.costs.rows:
        return
    pool.log("measuring how fast this machine trains; Ctrl-C lists without minutes")
    with contextlib.suppress(KeyboardInterrupt):
        pool.measure(missing, workers)


def _logger(file: Path, started: float):
    """Prints lines with their time, and keeps them beside the unfinished runs."""

    def log(line: str) -> None:
        line = f"[{time.monotonic() - started:5.0f} s] {line}"
        print(line, flush=True)
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as lines:
            lines.write(f"{line}\n")

    return log


def _epochs_done(runs: list[Run], state: Path) -> dict[str, int]:
    """Epochs of the runs that have a checkpoint."""
    return {run.name: load_checkpoint(state / run.name)["epoch"] for run in runs if has_checkpoint(state / run.name)}


def _line(run: Run, record: str | None, pool: Pool) -> Line:
    if record:
        return Line(run, "done" if record == run.name else f"done: {record}", 0.0)
    status = f"stopped in epoch {pool.epochs[run.name] + 1}" if run.name in pool.epochs else "missing"
    return Line(run, status, pool.seconds(run) if pool.costs.rows else 0.0)


def _print_list(lines: list[Line], pool: Pool) -> None:
    for line in lines:
        minutes = f"{line.seconds / 60:7.1f} min" if line.seconds else " " * 11
        print(f"{minutes}  {line.run.name}  {line.status}")
    done = sum(line.status.startswith("done") for line in lines)
    wall = sum(line.seconds / pool.side_by_side(line.run) for line in lines)
    rest = f"the rest takes about {wall / 60:.0f} min, {pool.costs.workers or 1} side by side"
    print(f"{done} of {len(lines)} runs done; {rest if pool.costs.rows else 'no speed of this machine is known'}")


def _size(state: Path) -> str:
    files = [path.stat().st_size for path in state.rglob("*") if path.is_file()]
    return f"{state} holds {sum(files) / 1e6:.1f} MB"


if __name__ == "__main__":
    sys.exit(main(started=STARTED))
