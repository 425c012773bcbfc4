"""A process that trains one run after another, and measures speeds when asked to."""

import contextlib
import gc
import itertools
import math
import multiprocessing
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from resnet_tutorial.errors import InputError
from resnet_tutorial.training import RunRecord, Stopped, TrainConfig, Trainer, load_checkpoint, train_epoch
from resnet_tutorial.training.checkpoint import save_checkpoint

from .plan import Parts, Plan, Run, load_parts

WARM_UP = 8  # steps before a measurement; a CUDA graph is recorded in the fourth


@dataclass(frozen=True)
class Place:
    """Where a worker reads and writes.

    Attributes:
        plan: the plan, which names the data.
        data: folder or file of the data; None for Shapes-10.
        state: folder of unfinished runs.
        out: folder of finished records.
        threads: processor threads of each worker.
        commit: commit to write into records, where the package cannot find its own.
    """

    plan: Plan
    data: Path | None
    state: Path
    out: Path
    threads: int
    commit: str | None = None


class Hand:
    """What a worker has in hand: a trainer or nothing."""

    trainer: Trainer | None = None


def serve(pipe: Connection, stop: threading.Event, place: Place) -> None:
    """Do what comes through the pipe, until None comes. Answers are pairs of a word and a value.

    ``("prepare", config)`` → ``ready``; ``("measure", seconds)`` → ``rate``, images a second;
    ``("train", run, side_by_side)`` → ``epoch`` for each, then ``done``, ``stopped`` or ``failed``; to any,
    ``broken`` if the process is of no more use.
    """
    torch.set_num_threads(place.threads)
    hand = Hand()
    threading.Thread(target=_pass_on, args=(stop, hand), daemon=True).start()
    parts, _ = load_parts(place.plan, place.data)
    with contextlib.suppress(EOFError):  # the process that asks is gone
        _answer_all(pipe, parts, place, hand)


def _answer_all(pipe: Connection, parts: Parts, place: Place, hand: Hand) -> None:
    trial = None
    for job, *values in iter(pipe.recv, None):
        try:
            if job == "prepare":
                trial = None  # before the next one takes its memory
                _free_memory()
                trial = Trial(values[0], parts, place.state)
                pipe.send(("ready", None))
            elif job == "measure":
                pipe.send(("rate", trial.run(seconds=values[0])))
            else:
                trial = None
                _free_memory()
                pipe.send(_train(values[0], values[1], parts, place, pipe.send, hand))
        except InputError as error:
            trial = None
            pipe.send(("failed", str(error)))
        except Exception as error:  # after a fault on a GPU nothing works in this process any more
            pipe.send(("broken", f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"))
            return
        if trial is None:
            hand.trainer = None
            _free_memory()


def _pass_on(stop: threading.Event, hand: Hand) -> None:
    """Hand a stop on to the run, again and again: one that is just starting does not hear the first."""
    while not stop.wait(1) and multiprocessing.parent_process().is_alive():
        pass
    while True:
        if (trainer := hand.trainer) is not None:
            trainer.stop()
        time.sleep(0.1)


def _train(run: Run, side_by_side: int, parts: Parts, place: Place, tell: Callable, hand: Hand) -> tuple:
    try:
        return "done", _in_short(train_run(run, parts, place, tell, hand, side_by_side))
    except Stopped:
        return "stopped", hand.trainer.epoch


def train_run(run: Run, parts: Parts, place: Place, tell: Callable, hand: Hand, side_by_side: int = 1) -> RunRecord:
    """Train one run to its end, from its checkpoint if there is one; write its record; clear up.

    Args:
        run: the run.
        parts: the data.
        place: where to read and write.
        tell: receives ``("epoch", row)`` after each epoch.
        hand: shows the trainer to whoever wants to stop it.
        side_by_side: how many runs share the machine; the record holds it, as times depend on it.

    Raises:
        Stopped: if it was asked to stop; it has saved.
        InputError: if it cannot go on.
    """
    folder = place.state / run.name
    config = replace(run.config, root=place.data, ckpt_dir=folder, resume="auto", progress=False)
    hand.trainer = trainer = Trainer(config, *parts, log=_silent)
    trainer.on_epoch = lambda row: tell(("epoch", row))
    record = trainer.fit()
    record.commit = record.commit or place.commit
    record.machine["side_by_side"] = side_by_side
    if side_by_side > 1:
        record.energy_joules = None  # a GPU counts for all runs together
    if run.weights:
        save_checkpoint(place.out / f"{run.name}.pt", {**load_checkpoint(folder), "root": None})
    record.write(place.out / f"{run.name}.json")
    shutil.rmtree(folder)
    return record


def _in_short(record: RunRecord) -> str:
    peak = f", {record.peak_memory / 1e9:.1f} GB" if record.peak_memory else ""
    rate = record.last["images_per_second"]
    return f"{record.test['accuracy']:.2f} %, {record.wall_seconds:,.0f} s, {rate:,.0f} images/s{peak}"


class Trial:
    """A network that trains to be timed; nothing of it is kept.

    Args:
        config: the run.
        parts: the data.
        state: folder of unfinished runs, in which nothing is written.
    """

    def __init__(self, config: TrainConfig, parts: Parts, state: Path):
        config = replace(config, ckpt_dir=state / "no such run", resume=False, progress=False)
        self.trainer = Trainer(config, *parts, log=_silent)
        self.batches = itertools.chain.from_iterable(itertools.repeat(self.trainer.batches))
        gpu = self.trainer.device.device.type != "cpu"
        self.run(steps=WARM_UP if gpu else 2)

    def run(self, steps: int | None = None, seconds: float = math.inf) -> float:
        """Images a second, batches and step together, over some steps or for some seconds."""
        trainer, end = self.trainer, time.monotonic() + seconds
        measured = train_epoch(
            trainer.step_model,
            itertools.islice(self.batches, steps),
            trainer.optimizer,
            trainer.device,
            ema=trainer.ema,
            step=trainer.step,
            stop=lambda: time.monotonic() > end,
        )
        return measured["images_per_second"]


def _silent(line: str) -> None:
    """Receives the lines of the trainer."""


def _free_memory() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
