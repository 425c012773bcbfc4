"""Runs side by side: worker processes, and which run starts next."""

import contextlib
import multiprocessing
import os
import signal
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import wait

import torch

from resnet_tutorial.training.signals import Signals

from .costs import Costs, epochs, memory, work
from .plan import Parts, Run, networks
from .worker import Place, serve

CANDIDATES = (1, 2, 4, 8)  # numbers of workers that are tried on a GPU
SECONDS = 1.5  # of one measurement
TRIALS = 0.04  # share of the time that measuring networks may take
GOOD_ENOUGH = 0.97  # of the best throughput: fewer workers are preferred
MARGIN = 1.1  # estimates are no promises
LEAST = 0.03  # share of the time below which nothing is started any more
SAVING = 10.0  # seconds before the end at which runs are asked to stop, at most
PATIENCE = 30.0  # seconds after which a worker that was asked to stop is ended
COMPILING = 90.0  # seconds that torch.compile takes, roughly
MEASURING = 180.0  # seconds after which a worker that measures counts as hung


class _NoAnswer(Exception):
    """What kept a worker from measuring."""


class Worker:
    """A process and what it is at."""

    def __init__(self, context, stop, place: Place):
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=serve, args=(other, stop, place), daemon=True)
        mine = signal.signal(signal.SIGINT, signal.SIG_IGN)  # inherited: Ctrl-C reaches all, but the first process acts
        self.process.start()
        signal.signal(signal.SIGINT, mine)
        other.close()
        self.run: Run | None = None
        self.last_epoch: float | None = None

    def wait(self, until: float) -> None:
        """Wait for an answer; end the process if none comes in time."""
        if not self.pipe.poll(max(0.0, until - time.monotonic())):
            self.process.kill()

    def ask(self, *job) -> None:
        """Send a job; a worker that has died says so when it is listened to."""
        with contextlib.suppress(OSError):
            self.pipe.send(job)

    def answer(self) -> tuple:
        """The next answer; a worker that has died or is of no more use is ended."""
        try:
            word, value = self.pipe.recv()
            if word == "broken":
                self.process.kill()
                self.process.join()
            return word, value
        except (EOFError, OSError):
            self.process.join()
            code = self.process.exitcode
            return "died", f"its process died ({f'signal {-code}' if code < 0 else f'exit status {code}'})"

    def let_go(self) -> None:
        """Tell an idle process that there is nothing more to do."""
        with contextlib.suppress(OSError):
            self.pipe.send(None)

    def end(self) -> None:
        """End the process, the hard way if it is not idle."""
        if self.run is None:
            self.let_go()
            self.process.join(10)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def pick(
    pending: list[Run],
    running: list[Run],
    left: float,
    budget: float,
    *,
    seconds: Callable[[Run], float],
    begun: Callable[[Run], bool],
    fits: Callable[[list[Run]], bool],
) -> Run | None:
    """The run to start next: the first that can end in time, and fits beside those that run.

    One that may be stopped (``long``), has been already, or takes longer than any call, may start without ending.

    Args:
        pending: runs to choose from, the most wanted first.
        running: those that are at work.
        left: seconds left.
        budget: seconds of a whole call.
        seconds: what a run still takes.
        begun: whether it has a checkpoint.
        fits: whether runs fit into the memory together.
    """
    if any(run.alone for run in running) or left < LEAST * budget:
        return None
    for run in pending:
        if (run.alone and running) or not fits([*running, run]):
            continue
        needed = MARGIN * seconds(run)
        if needed <= left or run.long or needed > budget or begun(run):
            return run
    return None


class Pool:
    """Works off runs in the time that there is.

    Args:
        place: where to read and write.
        parts: the data, for their sizes.
        costs: what is known of this machine.
        budget: seconds of a call.
        started: when it began, by ``time.monotonic``.
        log: receives lines.

    Attributes:
        on_epoch: receives the run and the row of each epoch.
        done, failed: names of runs that ended in this call.
    """

    def __init__(self, place: Place, parts: Parts, costs: Costs, budget: float, started: float, log: Callable):
        self.place, self.costs, self.budget, self.log = place, costs, budget, log
        self.sizes = len(parts[0]), len(parts[1])
        self.deadline = started + budget - min(SAVING, 0.05 * budget)
        self.context = multiprocessing.get_context("spawn")  # a process with a GPU in use cannot be forked
        self.stop = self.context.Event()
        self.workers: list[Worker] = []
        self.on_epoch: Callable[[Run, dict], object] = lambda run, row: None
        self.done: list[str] = []
        self.failed: list[str] = []
        self.epochs: dict[str, int] = {}
        self.room = torch.cuda.get_device_properties(0).total_memory * 0.85 if torch.cuda.is_available() else None

    # What runs cost

    def side_by_side(self, run: Run) -> int:
        """How many runs like this one share the machine."""
        workers = self.costs.workers or 1
        if run.alone or workers == 1:
            return 1
        return max(1, min(workers, int(self.room // memory(run.config)))) if self.room else workers

    def seconds(self, run: Run) -> float:
        """What is left of a run, among as many as usual; of one that has the machine to itself, alone."""
        quicker = self.costs.alone if run.alone else 1.0
        whole = work(run.config, *self.sizes) / self.costs.rate(run.config) / quicker
        left = whole * (1 - self.epochs.get(run.name, 0) / epochs(run.config, self.sizes[0]))
        return left + (COMPILING if run.config.compile else 0.0)

    def fits(self, runs: list[Run]) -> bool:
        """Whether runs fit into the memory of the GPU together; one alone is always tried."""
        return self.room is None or len(runs) == 1 or sum(memory(run.config) for run in runs) <= self.room

    def measure(self, runs: list[Run], workers: int | None) -> None:
        """Choose the number of workers, and measure networks: those that are known, only once.

        Args:
            runs: the runs to come, the most wanted first.
            workers: how many to have; None to measure which number trains most on a GPU, and 1 elsewhere.
        """
        ordinary = [run for run in runs if not run.alone and not run.config.compile]
        first = next(iter(ordinary or runs))
        if workers is None and self.room is None:
            workers = 1
        if workers is not None and workers != self.costs.workers:
            self.costs.rows, self.costs.alone = [], 1.0  # of another number side by side
        self.costs.workers = workers or self.costs.workers or self._choose_workers(first)
        until = time.monotonic() + TRIALS * self.budget
        for run in networks(ordinary or runs):
            if self.costs.rows and time.monotonic() > until:
                break
            if not self.costs.knows(run.config) and (rates := self._rates(run, [self.side_by_side(run)])):
                self.costs.learn(run.config, rates[0])
        self.costs.save()

    def _choose_workers(self, run: Run) -> int:
        numbers = [n for n in CANDIDATES if n <= (os.cpu_count() or 1)]
        rates = self._rates(run, numbers)
        if not rates:
            return 1
        self.log(f"{run.config.model}, batch {run.config.recipe.batch_size}: images a second, side by side")
        self.log("  processes       each   together   gain")
        for n, rate in zip(numbers, rates, strict=True):
            self.log(f"  {n:9} {rate:10,.0f} {n * rate:10,.0f} {n * rate / rates[0]:6.2f}")
        totals = [n * rate for n, rate in zip(numbers, rates, strict=True)]
        best = next(i for i, whole in enumerate(totals) if whole >= GOOD_ENOUGH * max(totals))
        self.costs.learn(run.config, rates[best])
        self.costs.alone = rates[0] / rates[best]
        self._dismiss(self.workers[numbers[best] :])
        return numbers[best]

    def _rates(self, run: Run, numbers: list[int]) -> list[float]:
        """Images a second of each process, for each number of them at the same time; empty if it does not run."""
        self._have(numbers[-1])
        used = self.workers[: numbers[-1]]
        try:
            self._ask_all(used, "prepare", run.config)
            return [statistics.fmean(self._ask_all(used[:n], "measure", SECONDS)) for n in numbers]
        except _NoAnswer as problem:
            self.log(f"no speed of {run.config.model}: {problem}")
            return []

    def _ask_all(self, workers: list[Worker], *job) -> list:
        """Send a job to several workers at the same time, and wait for all."""
        for worker in workers:
            worker.ask(*job)
        until = time.monotonic() + MEASURING
        for worker in workers:
            worker.wait(until)
        answers = [worker.answer() for worker in workers]
        for word, value in answers:
            if word in ("failed", "broken", "died"):
                raise _NoAnswer(value)
        return [value for _, value in answers]

    # Training

    def train(self, runs: list[Run]) -> int:
        """Train what fits into the time, the most wanted first; return the number of the signal that ended it, or 0."""
        pending, stopped = list(runs), None
        with Signals() as signals:
            while True:
                if stopped is None and (signals.received or time.monotonic() >= self.deadline):
                    stopped = time.monotonic()
                    self.stop.set()
                if not self.stop.is_set():
                    self._start(pending)
                busy = {worker.pipe: worker for worker in self.workers if worker.run}
                if not busy:
                    break
                for pipe in wait(list(busy), timeout=0.5):
                    self._hear(busy[pipe])
                if stopped and time.monotonic() - stopped > PATIENCE:
                    for worker in busy.values():
                        worker.process.kill()  # its checkpoint stays; what comes through the pipe is its end
        self.costs.save()
        return signals.received

    def close(self) -> None:
        """End all workers."""
        self._dismiss(list(self.workers))

    def _dismiss(self, workers: list[Worker]) -> None:
        for worker in workers:
            worker.let_go()
        for worker in workers:  # they go at the same time
            worker.end()
            self.workers.remove(worker)

    def _have(self, number: int) -> None:
        """Bring the workers to this number at least, with new ones in the place of dead ones."""
        alive = [worker for worker in self.workers if worker.run or worker.process.is_alive()]
        news = [Worker(self.context, self.stop, self.place) for _ in range(number - len(alive))]
        self.workers = [*alive, *news]

    def _start(self, pending: list[Run]) -> None:
        while (running := self._running()) is not None and (run := self._pick(pending, running)):
            self._have(self.costs.workers)
            worker = next(worker for worker in self.workers if not worker.run)
            pending.remove(run)
            begin = "going on with" if run.name in self.epochs else "starting"
            self.log(f"{begin} {run.name}, about {self.seconds(run) / 60:.1f} min")
            worker.run, worker.last_epoch = run, None
            worker.ask("train", run, 1 if run.alone else self.costs.workers)

    def _running(self) -> list[Run] | None:
        """What is at work; None if there is no place for more."""
        running = [worker.run for worker in self.workers if worker.run]
        return running if len(running) < self.costs.workers else None

    def _pick(self, pending: list[Run], running: list[Run]) -> Run | None:
        left = self.deadline - time.monotonic()
        rules = {"seconds": self.seconds, "begun": lambda run: run.name in self.epochs, "fits": self.fits}
        return pick(pending, running, left, self.budget, **rules)

    def _hear(self, worker: Worker) -> None:
        word, value = worker.answer()
        run = worker.run
        if word == "epoch":
            self._note_epoch(worker, value)
            return
        self.log(f"{word:8} {run.name}: {f'saved in epoch {value + 1}' if word == 'stopped' else value}")
        if word == "done":
            self.done.append(run.name)
        elif word != "stopped":
            self.failed.append(run.name)
        worker.run = None

    def _note_epoch(self, worker: Worker, row: dict) -> None:
        run, now = worker.run, time.monotonic()
        self.epochs[run.name] = row["epoch"]
        whole = row["epoch"] < epochs(run.config, self.sizes[0])  # the last may be cut short
        if worker.last_epoch is not None and whole and not run.alone:  # alone it would be quicker than in company
            images = work(run.config, *self.sizes) / epochs(run.config, self.sizes[0])
            self.costs.learn(run.config, images / (now - worker.last_epoch))
        worker.last_epoch = now
        self.on_epoch(run, row)
