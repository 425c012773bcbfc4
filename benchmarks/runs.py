"""Train the runs of a plan that have no record yet, several at a time, for as long as there is time.

    python -m benchmarks.runs benchmarks/cpu.yml --data FOLDER --list
    python -m benchmarks.runs benchmarks/cpu.yml --data FOLDER --minutes 60 --jobs 2

A plan is a YAML file: a list called `runs`, the most wanted first, and `options` for all of them. A run is done if the
folder of records holds one of it: same network and options, same recipe, value for value, same seed, same images. Each
run has a process of its own. Where time is up, or after Ctrl-C or SIGTERM, all of them save, and the next call goes on.
For Linux and macOS.
"""

import argparse
import contextlib
import difflib
import itertools
import math
import multiprocessing.resource_tracker
import os
import re
import shutil
import signal
import sys
import threading
import time
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatch
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, get_type_hints

import filelock
import torch
import yaml
from tqdm import tqdm

from resnet_tutorial import ImageDataset, InputError, TrainConfig, Trainer, get_architecture, load_dataset
from resnet_tutorial.files import write_atomic
from resnet_tutorial.training import Recipe, RunRecord, Stopped, load_checkpoint, load_recipe, read_record
from resnet_tutorial.training.checkpoint import has_checkpoint, save_checkpoint
from resnet_tutorial.training.recipe import recipe_from_dict, typed
from resnet_tutorial.training.signals import Signals

# What an entry of a plan may say, and what of it under `options`: the rest of TrainConfig is the runner's affair.
ENTRY = {"about": str, "models": list, "recipe": str, "seeds": list, "train_size": int, "weights": list}
ENTRY |= {"options": dict | list, "overrides": dict | list}
OPTIONS = ["shortcut", "stem", "width", "zero_init_residual", "stochastic_depth", "precision", "channels_last"]
OPTIONS += ["compile", "cuda_graphs", "deterministic", "checkpoint_activations", "data_on_device"]
KINDS = get_type_hints(TrainConfig)
PATIENCE = 60  # seconds that a run has to save when it is asked to stop


@dataclass(frozen=True)
class Run:
    """One run that is wanted: stem of its record's file, what to train, whether the last checkpoint is kept, too."""

    name: str
    config: TrainConfig
    weights: bool = False


def read_plan(file: Path) -> dict[str, Any]:
    """Read a plan, check its keys, and make ``options`` and ``overrides`` of every entry a list."""
    try:
        plan = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"the plan {file} cannot be read ({' '.join(str(error).split())}): check the file") from None
    _check(plan, {"options": dict, "runs": list}, file)
    _check(plan.setdefault("options", {}), dict.fromkeys(OPTIONS, object), file)
    for entry in plan.setdefault("runs", []):
        _check(entry, ENTRY, file)
        for key, known in (("options", OPTIONS), ("overrides", get_type_hints(Recipe))):
            value = entry.get(key, {})
            entry[key] = value if isinstance(value, list) else [value]
            for values in entry[key]:
                _check(values, dict.fromkeys(known, object), file)
        if not entry.get("models") or "recipe" not in entry:
            raise InputError(f"an entry of the plan {file} has no models or no recipe: name them")
        if others := [name for name in entry.get("weights", []) if name not in entry["models"]]:
            raise InputError(f"weights in the plan {file} names {others[0]}, which its entry does not train: mend it")
    return plan


def _check(values: Any, kinds: dict[str, Any], file: Path) -> None:
    if not isinstance(values, dict):
        raise InputError(f"the plan {file} has {values!r} where a mapping belongs: write {min(kinds)}: and so on")
    for key, value in values.items():
        if key not in kinds:
            near = difflib.get_close_matches(str(key), kinds, n=1)
            hint = f"did you mean {near[0]}?" if near else f"use {', '.join(sorted(kinds))}"
            raise InputError(f"unknown key {key!r} in the plan {file}: {hint}")
        if not isinstance(value, kinds[key]):
            raise InputError(f"{key} in the plan {file} cannot be {value!r}: write it as benchmarks/cpu.yml does")


def expand(file: Path, data: str) -> list[Run]:
    """Spell out the runs of a plan in their order; of two that train the same, the first counts.

    Within an entry the first seed of all networks comes before the second: if time runs out, no network is missing.
    """
    plan, runs = read_plan(file), {}
    for entry in plan["runs"]:
        choices = (entry.get("seeds", [0]), entry["overrides"], entry["options"], entry["models"])
        for seed, overrides, options, model in itertools.product(*choices):
            asked = plan["options"] | options | {"seed": seed, "train_size": entry.get("train_size")}
            asked = {key: typed(key, KINDS[key], value, f"the plan {file}") for key, value in asked.items()}
            asked["cuda_graphs"] = asked.get("cuda_graphs", False) and torch.cuda.is_available()
            arch = get_architecture(str(model))
            arch.with_options(**{key: asked[key] for key in ("shortcut", "stem", "width") if key in asked})  # or error
            recipe = asdict(load_recipe(entry["recipe"]))
            recipe["steps"] = None if "epochs" in overrides else recipe["steps"]  # who names epochs means them
            recipe = recipe_from_dict(recipe | overrides, f"{entry['recipe']} with the overrides in {file}")
            size = [str(entry["train_size"])] if "train_size" in entry else []
            words = [arch.name, *_words(options), data, *size, Path(entry["recipe"]).stem, *_words(overrides)]
            run = Run("-".join([*words, f"seed{asked['seed']}"]), TrainConfig(arch.name, recipe=recipe, **asked))
            runs.setdefault(run.config, replace(run, weights=model in entry.get("weights", [])))
    names = [run.name for run in runs.values()]
    if twice := {name for name in names if names.count(name) > 1}:
        raise InputError(f"the plan {file} has two different runs called {min(twice)}: take one of them out")
    return list(runs.values())


def _words(values: dict) -> list[str]:
    """Settings as parts of a file name, such as ``batch-size-64``, in an order that does not depend on the plan's."""
    words = []
    for key, value in sorted(values.items()):
        key, number = key.replace("_", "-"), f"{value:g}" if isinstance(value, float) else str(value)
        words.append((key if value else f"no-{key}") if isinstance(value, bool) else f"{key}-{number}")
    return words


def data_word(name: str) -> str:
    """What to call a data set in file names: CIFAR-10 is ``cifar10``."""
    return re.sub(r"(?<=[a-z])-(?=\d)", "", "".join(c if c.isalnum() else "-" for c in name.lower()).strip("-"))


def find_record(run: Run, records: dict[str, RunRecord], parts: tuple[ImageDataset, ImageDataset]) -> str | None:
    """The stem of a record of this run, whoever made it; the one of its own name first."""
    config, (train, test) = run.config, parts
    for stem, record in sorted(records.items(), key=lambda item: item[0] != run.name):
        if (
            (record.model, record.options, record.seed) == (config.model, config.model_options(), config.seed)
            and recipe_from_dict(record.recipe, stem) == config.recipe
            and record.compiled == config.compile
            and config.precision in ("auto", record.precision)
            and record.data["test_fingerprint"] == test.fingerprint
            and record.data.get("loaded_fingerprint", train.fingerprint) == train.fingerprint
            and record.data["train"] + record.data["validation"] == (config.train_size or len(train))
        ):
            return stem
    return None


def train_run(run: Run, args: argparse.Namespace, pipe: Connection) -> None:
    """Train one run in a process of its own; send ``log`` and a line, at last ``done``, ``stopped`` or ``failed``."""
    folder = args.state / run.name

    def log(line: str) -> None:
        if line.startswith(("epoch", "note", "resuming")):
            pipe.send(("log", line))

    def pass_on() -> None:
        """Stop the run when the runner asks to, or is gone; again and again, as one that just starts does not hear."""
        with contextlib.suppress(EOFError):
            pipe.recv()
        while True:
            trainer.stop()
            time.sleep(0.1)

    try:
        tqdm.set_lock(threading.RLock())  # the usual lock is one of the system, which outlives a process that is killed
        torch.set_num_threads(args.threads)
        config = replace(run.config, root=args.data, ckpt_dir=folder, resume="auto", progress=False)
        trainer = Trainer(config, *load_dataset("auto", args.data), log=log)
        threading.Thread(target=pass_on, daemon=True).start()
        record = trainer.fit()
        record.commit = record.commit or args.commit
        record.machine["side_by_side"] = args.jobs
        record.energy_joules = record.energy_joules if args.jobs == 1 else None  # a GPU counts for all runs together
        if run.weights:
            save_checkpoint(args.out / f"{run.name}.pt", {**load_checkpoint(folder), "root": None})
        record.write(args.out / f"{run.name}.json")
        shutil.rmtree(folder, ignore_errors=True)
        word, value = "done", f"{record.test['accuracy']:.2f} % on the test part, {record.wall_seconds:,.0f} s"
    except Stopped as stopped:
        word, value = "stopped", str(stopped).partition(";")[0]
    except InputError as error:
        word, value = "failed", str(error)
    except Exception as error:
        word, value = "failed", " ".join(f"{type(error).__name__}: {error}".split())[:300]
    with contextlib.suppress(OSError):  # the runner is gone
        pipe.send((word, value))


def train_all(todo: list[Run], args: argparse.Namespace, started: float) -> int:
    """Train runs, `args.jobs` at a time, until all are done, time is up or a signal comes; return the exit status."""
    context, signals = multiprocessing.get_context("spawn"), Signals(patient=True)
    multiprocessing.resource_tracker.ensure_running()  # its start, by the first process, would unblock signals
    running: dict[Connection, tuple[Run, multiprocessing.Process]] = {}
    waiting, ends, stopping, end = list(todo), [], False, math.inf

    def say(line: str) -> None:
        print(f"[{time.monotonic() - started:6.0f} s] {line}", flush=True)

    with signals:
        try:
            while (running or (waiting and not stopping)) and time.monotonic() < end:
                if not stopping and (signals.received or time.monotonic() > started + 60 * args.minutes):
                    say(f"{'asked to stop' if signals.received else 'time is up'}: {len(running)} runs save")
                    stopping, end = True, time.monotonic() + PATIENCE
                    for pipe in running:
                        with contextlib.suppress(OSError):  # it has just ended
                            pipe.send("stop")
                while waiting and len(running) < args.jobs and not stopping:
                    run, (pipe, theirs) = waiting.pop(0), context.Pipe()
                    process = context.Process(target=train_run, args=(run, args, theirs))
                    # A process inherits what is blocked: it hears of a Ctrl-C from here only, and only once.
                    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
                    process.start()
                    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
                    theirs.close()  # so that the end of the process is the end of the pipe
                    running[pipe] = run, process
                    say(f"{run.name}  starts")
                for pipe in wait(list(running), timeout=0.2):
                    run, process = running[pipe]
                    try:
                        word, value = pipe.recv()
                    except (EOFError, OSError):
                        process.join()
                        word, value = "failed", f"its process died (exit code {process.exitcode})"
                    say(f"{run.name}  {value if word == 'log' else f'{word}: {value}'}")
                    if word != "log":
                        process.join(PATIENCE)
                        process.kill()  # nothing is left for it to do
                        ends.append(word)
                        del running[pipe]
        finally:
            for run, process in running.values():  # its last checkpoint stays
                process.kill()
                say(f"{run.name}  killed: it did not save within {PATIENCE} s")
    done, failed = ends.count("done"), ends.count("failed")
    say(f"{done} done, {failed} failed, {len(todo) - done} without a record")
    return 128 + signals.received if signals.received else int(failed > 0)


def status(run: Run, found: str | None, state: Path) -> str:
    """What ``--list`` says of a run."""
    if found:
        return "done" if found == run.name else f"done: {found}"
    begun = has_checkpoint(state / run.name)
    return f"in epoch {load_checkpoint(state / run.name)['epoch'] + 1}" if begun else "missing"


def main(argv: list[str] | None = None) -> int:
    """Read the command line, train or list, return the exit status."""
    started = time.monotonic()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.runs", description=__doc__.partition("\n")[0])
    parser.add_argument("plan", type=Path, help="YAML file, such as benchmarks/cpu.yml")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data")
    parser.add_argument("--minutes", type=float, default=math.inf, help="let the runs save and stop after so long")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time (default: 1)")
    parser.add_argument("--threads", type=int, help="processor threads of each run (default: cores / jobs)")
    parser.add_argument("--only", default="*", metavar="PATTERN", help="only runs of such names, as in 'resnet20-*'")
    parser.add_argument("--list", action="store_true", help="print what is done, begun and missing; train nothing")
    parser.add_argument("--commit", help="commit for the records, where this is no git checkout")
    parser.add_argument("--out", type=Path, default=Path("book/results"), help="records (default: book/results)")
    parser.add_argument("--state", type=Path, default=Path("runs/plan"), help="unfinished runs (default: runs/plan)")
    args = parser.parse_args(argv)
    try:
        if args.jobs < 1 or not args.minutes > 0 or (args.threads or 1) < 1:
            raise InputError("--jobs and --threads must be at least 1, and --minutes above 0")
        args.threads = args.threads or max(1, (os.cpu_count() or 1) // args.jobs)
        parts = load_dataset("auto", args.data)
        runs = [run for run in expand(args.plan, data_word(parts[0].name)) if fnmatch(run.name, args.only)]
        if not runs:
            raise InputError(f"no run of {args.plan} is called {args.only}: see --list without --only")
        records = {path.stem: read_record(path) for path in sorted(args.out.glob("*.json"))}
        found = {run.name: find_record(run, records, parts) for run in runs}
        todo = [run for run in runs if not found[run.name]]
        if args.list:
            print(*(f"{run.name}  {status(run, found[run.name], args.state)}" for run in runs), sep="\n", flush=True)
            return 0
        for folder in (args.out, args.state):  # an error now is better than one after hours of training
            write_atomic(folder / ".writable", b"")
            (folder / ".writable").unlink()
        with filelock.FileLock(args.state / ".lock").acquire(blocking=False):
            print(f"{len(runs)} runs, {len(todo)} without a record, on {parts[0].name}", flush=True)
            return train_all(todo, args, started)
    except filelock.Timeout:
        print(f"error: another runner is at work in {args.state}: wait, or name another --state", file=sys.stderr)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
    except KeyboardInterrupt:  # before the first run
        return 130
    except BrokenPipeError:  # a pager or `head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 2


if __name__ == "__main__":
    sys.exit(main())
