"""A run from start to end: epochs, checkpoints, record."""

import contextlib
import datetime
import itertools
import math
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import nn
from tqdm.auto import tqdm

from ..data import BatchLoader, ImageDataset, Transform, load_dataset
from ..errors import InputError
from ..files import write_atomic
from ..progress import no_bar
from ..weights.factory import options_of
from ..weights.own import check_network, is_own
from . import distributed
from .checkpoint import (
    has_checkpoint,
    load_checkpoint,
    load_state,
    random_states,
    random_states_put_back,
    restore_random_states,
    run_folder,
    save_newest,
)
from .config import TrainConfig
from .engine import train_epoch, validate
from .fine_tuning import normalized_as_the_start
from .meter import Meter
from .optim import report_train_error
from .parts import augmentation, build_model, check_name, chosen_kernels, connect, make_loader, make_parts, pick_device
from .recipe import Recipe
from .recipe_files import load_recipe, name_recipe
from .recipe_text import recipe_notes, recipe_summary
from .record import RunRecord, current_commit, describe_machine
from .reporting import EpochLines, Listener, TensorBoard, headline
from .resuming import continued_record
from .run_folder import RECORD, RunFolder, position
from .signals import Signals, Stopped
from .sums import Sums
from .trained import IMAGE_SIZE
from .training_on import prolonged

ASK_EVERY = 10  # steps after which several processes agree on whether to stop


class Trainer:
    """One run. Making it changes nothing outside of it, but that a given network moves to the device; `fit` runs it.

    Args:
        config: the run.
        train_set: training images; the validation part is held out of them.
        test_set: test images, scored once at the end.
        model: a network of one's own, any module that maps N × 3 × H × W to logits; it is trained where it is. Without
            it, the network that the config names.
        log: receives one line at a time.
        listeners: each receives the row of an epoch, as `RunRecord` holds it, once the epoch is saved.

    Attributes:
        parts: the network, and what trains it; see `Parts`.
        model: the network.
        record: the record so far; None before `fit`.
        epoch: epochs finished.
        epochs: epochs of the whole run.
        folder: where checkpoints, log and record go.

    Raises:
        InputError: if a setting does not fit the machine, or the network does not fit the images.
    """

    def __init__(
        self,
        config: TrainConfig,
        train_set: ImageDataset,
        test_set: ImageDataset,
        *,
        model: nn.Module | None = None,
        log: Callable[[str], None] = print,
        listeners: Sequence[Listener] = (),
    ):
        if model is not None:
            check_network(model)
        if len(train_set.classes) < 2:
            raise InputError(
                f"{train_set.name} has one class, {train_set.classes[0]!r}: a network learns to tell classes apart, so "
                "there must be two or more"
            )
        self.config, self.test_set, self.world = config, test_set, distributed.read_world()
        self.first = self.world.rank == 0  # of several processes: the one that writes and speaks
        self.log = log if self.first else lambda line: None
        self.given, self._random_state, self._start = model is not None, None, ""
        if model is None:
            model, self._random_state, self._start = build_model(config, train_set)
        elif config.model_options() or config.checkpoint_activations or config.pretrained:
            raise InputError("the options of create_model are for a network by its name: a given one has its own")
        self.model = model
        options = options_of(self.model) if self.given else None if is_own(config.model) else config.model_options()
        self.own, self.options = options is None, options or {}  # own code, which no file may make run
        self.name = self._name()
        slug = "".join(c if c.isalnum() else "-" for c in train_set.name.lower()).strip("-")
        self.folder = run_folder(config.ckpt_dir or Path("runs", f"{self.name}-{slug}-seed{config.seed}"))
        self.recipe = normalized_as_the_start(config, self.folder)
        if self.recipe != config.recipe and self._start:
            self._start += "; images are normalized by their mean and std"
        config = replace(config, recipe=self.recipe)
        self.parts = make_parts(config, train_set, model, self.world)
        self.config = replace(config, precision=self.parts.device.precision)  # auto is what it came to
        self.model = self.parts.model
        self.epochs = self.recipe.total_epochs(len(self.parts.batches))
        self.epoch, self.sums, self.record = 0, Sums(), None
        self.listeners = list(listeners)
        self._loaded_fingerprint = train_set.fingerprint
        self._signals = Signals(patient=self.world.size > 1)
        self._polls, self._asked, self._due, self._saved_at = 0, 0, False, 0.0

    def fit(self) -> RunRecord:
        """Train to the end, saving after every epoch; score the test part; write the record.

        Ctrl-C or SIGTERM lets the step end, saves, and raises `Stopped`; a second one does not wait. What has to be
        global meanwhile is put back at the end: random numbers, deterministic kernels, handlers of signals, the group
        of processes.

        Raises:
            InputError: if the folder holds another run, or what is to be resumed does not fit; if the loss stops being
                a number, memory runs out, a file cannot be written, or another run is at work in the folder.
        """
        if self.record is not None:
            raise InputError("this run was started before: make another Trainer, with resume=True to go on")
        cuda, self._files = self.parts.device.device.type == "cuda", RunFolder(self.folder)
        with (
            distributed.joined(self.world, cuda),
            chosen_kernels(self.config.deterministic),
            random_states_put_back(),
            self._files.locked() if self.first else contextlib.nullcontext(),
            self._signals,
            _explaining(),
        ):
            try:
                self._begin()
                self._train()
                if self.record.test is None:
                    self._test()
            except KeyboardInterrupt as stop:
                raise stop if stop.args else KeyboardInterrupt(self._files.what_is_saved()) from None
            except BrokenPipeError:  # of `log`: the reader of the output went away
                raise BrokenPipeError(self._files.what_is_saved()) from None
            if self.first:
                self.record.write(self.folder / RECORD)
        self.log(f"test accuracy {self.record.test['accuracy']:.2f} % on {len(self.test_set):,} images")
        self.log(f"checkpoint, log and record are in {self.folder}")
        return self.record

    @property
    def history(self) -> list[dict]:
        """The rows of the epochs so far."""
        return self.record.history if self.record else []

    def stop(self) -> None:
        """Ask a run that is under way to end as by Ctrl-C; from a listener or another thread."""
        self._signals.received = signal.SIGINT

    # Beginning

    def _begin(self) -> None:
        """Start, or go on from a checkpoint, and say so."""
        torch.manual_seed(self.config.seed + (self.world.rank << 32))  # each process drops blocks of its own
        if self.first and self._random_state is not None:
            torch.set_rng_state(self._random_state)  # goes on behind the draws of the weights
        self.record = self._new_record()
        state = self._files.state_to_resume(self.config.resume, self.log) if self.first else None
        if state := distributed.from_first(state):
            self._restore(state)
        connect(self.parts, self.config, self.world)
        self._meter, self._saved_at = Meter(self.parts.device.device, self.record), time.monotonic()
        if not self.first:
            return
        own = [EpochLines(self.log, self.epochs, self.parts.train_set, self.recipe.lr)]
        own += [TensorBoard(self.folder, self.epoch)] if self.config.tensorboard else []
        self.listeners = [*own, *self.listeners]
        network = None if self.own else self.name  # others cannot be named in a recipe
        write_atomic(self.folder / "recipe.yml", self.recipe.to_yaml(network).encode())
        self.log(headline(self.record, self.parts.device.device.type))
        for line in recipe_summary(self.recipe).splitlines():
            self.log(f"recipe: {line}")
        if self._start and not state:
            self.log(f"note: {self._start}")
        for color, std in zip(("red", "green", "blue"), self.parts.std, strict=True):
            if std == 1:
                self.log(f"note: the {color} channel of all training images is the same, so its std is taken as 1")
        arch, fresh = getattr(self.model, "arch", None), not self._start
        for note in recipe_notes(self.recipe, len(self.parts.batches), arch, fresh=fresh):
            self.log(f"note: {note}")

    def _new_record(self) -> RunRecord:
        config, parts = self.config, self.parts
        train_set, val_set = parts.train_set, parts.val_set
        size = train_set.images.shape[1]
        given = f"resnet_tutorial.train({self.name}, train_set, test_set, …)  # a network as it was given"
        left_out = {part.split: part.left_out for part in (train_set, self.test_set) if part.left_out}
        return RunRecord(
            model=self.name,
            parameters=sum(p.numel() for p in self.model.parameters()),
            macs=parts.macs,
            classes=len(train_set.classes),
            data={
                "name": train_set.name,
                "train": len(train_set),
                "validation": 0 if val_set is None else len(val_set),
                "test": len(self.test_set),
                "loaded_fingerprint": self._loaded_fingerprint,
                "train_fingerprint": train_set.fingerprint,
                "test_fingerprint": self.test_set.fingerprint,
                "mean": list(parts.mean),
                "std": list(parts.std),
                **({"left_out": left_out} if left_out else {}),
                **({"image_size": size} if size != IMAGE_SIZE else {}),
            },
            recipe=self.recipe.as_dict(),
            recipe_name=name_recipe(self.recipe, self.name),
            seed=config.seed,
            command=given if self.given else config.command(),
            precision=parts.device.precision,
            compiled=config.compile,
            machine=describe_machine(parts.device.device),
            commit=current_commit(),
            options=self.options | ({"pretrained": config.start} if config.pretrained else {}),
            deterministic=config.deterministic,
            processes=self.world.size,
        )

    def _name(self) -> str:
        """What the record calls the network: "ResNet18" on the command line is resnet18."""
        if not self.own:
            return self.model.arch.name
        return type(self.model).__name__ if self.given else self.config.model.rpartition(":")[2]

    # Training

    def _train(self) -> None:
        while self.epoch < self.epochs:
            row = self._run_epoch()
            best = self.record.add_epoch(row)
            self.epoch, self.sums = self.epoch + 1, Sums()
            self.parts.batches.epoch = self.epoch
            self._save(best)
            if self.first:
                self.record.write_csv(self.folder / "log.csv")
            for listener in self.listeners:
                listener(row)
            self._stop_if_asked()

    def _run_epoch(self) -> dict:
        parts = self.parts
        parts.batches.transform = augmentation(
            self.recipe, parts.mean, parts.std, parts.train_set, self.epoch / self.epochs
        )
        started = time.perf_counter() - self.sums.seconds
        if self.sums.lr is None:
            self.sums.lr = parts.optimizer.param_groups[0]["lr"]
        scores = self._run_steps()
        report_train_error(parts.scheduler, 100 - scores["accuracy"])
        if parts.interval == "epoch":
            parts.scheduler.step()
        row = {"epoch": self.epoch + 1, "lr": self.sums.lr, "loss": scores["loss"]}
        row["train_accuracy"] = scores["accuracy"]
        if parts.val_batches is not None:
            val = self._evaluate(parts.val_batches)
            row |= {"val_loss": val["loss"], "val_accuracy": val["accuracy"]}
        return row | {"images_per_second": scores["images_per_second"], "seconds": time.perf_counter() - started}

    def _run_steps(self) -> dict:
        """The steps of an epoch, or what is left of them, with a checkpoint wherever one is due."""
        parts, batches = self.parts, self.parts.batches
        per_epoch = len(batches)
        end = min(per_epoch, self.recipe.total_steps(per_epoch) - self.epoch * per_epoch)
        while True:
            begin = batches.state_dict()["batch"]
            scores = train_epoch(
                parts.step_model,
                self._progress(itertools.islice(batches, end - begin), begin, end),
                parts.optimizer,
                parts.device,
                scheduler=parts.scheduler if parts.interval == "step" else None,
                ema=parts.ema,
                step=parts.step,
                divisors=distributed.divisors(batches)[begin:],
                sums=self.sums,
                stop=self._is_interrupted,
            )
            self._check_loss(scores["loss"])
            if not (self._due or self._asked):
                return scores
            self._save()
            self._due = False
            self._stop_if_asked()
            batches.load_state_dict(batches.state_dict())  # the next iteration goes on from here

    def _is_interrupted(self) -> bool:
        """Whether to leave the loop: to stop, or to save. Several processes agree on it, every few steps."""
        self._polls += 1
        if self.world.size > 1 and self._polls % ASK_EVERY:
            return False
        due = time.monotonic() - self._saved_at > 60 * self.config.checkpoint_minutes
        self._asked, self._due = distributed.all_max([self._signals.received, int(due)])
        return bool(self._asked or self._due)

    def _stop_if_asked(self) -> None:
        (asked,) = distributed.all_max([self._signals.received])
        if asked:
            raise Stopped(self._files.what_is_saved(), asked)

    def _check_loss(self, loss: float) -> None:
        if math.isfinite(loss):
            return
        step, rate = self.sums.first_bad()
        step += 1 + self.epoch * len(self.parts.batches)
        other = "" if self.parts.device.precision == "fp32" else " or --precision fp32"
        raise InputError(
            f"the loss is {loss} from step {step:,} on (epoch {self.epoch + 1}, learning rate {rate:g}): start again "
            f"with a lower --lr{other}; {self._files.what_is_saved()}"
        )

    def _evaluate(self, batches: BatchLoader) -> dict:
        model = self.parts.scored_model
        distributed.share_buffers(model)
        return validate(model, batches, self.parts.device)

    def _test(self) -> None:
        parts = self.parts
        plain = Transform(parts.mean, parts.std)
        scores = self._evaluate(make_loader(self.config, parts.device, self.test_set, plain, self.world))
        self.record.test = {name: scores[name] for name in ("loss", "accuracy")}
        self.record.finished = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        self._save()

    def _progress(self, batches: Iterable, begin: int, end: int) -> Iterable:
        hidden = no_bar() if self.config.progress is None else not self.config.progress
        title, hidden = f"epoch {self.epoch + 1}/{self.epochs}", hidden if self.first else True
        return tqdm(batches, title, total=end, initial=begin, leave=False, disable=hidden, unit="step")

    # Saving and resuming

    def _save(self, best: bool = False) -> None:
        """Write the checkpoint. All processes take part, and the first one writes.

        Args:
            best: whether the network is the best so far by validation.

        Raises:
            InputError: if it cannot be written; the one before stays.
        """
        self._meter.read(self.record)
        state = self._state()
        if self.first:
            save_newest(self.folder, state, best)
        self._saved_at = time.monotonic()

    def _state(self) -> dict:
        """All that a run needs to go on. All processes take part."""
        parts = self.parts
        distributed.share_buffers(parts.scored_model)
        return {
            "model": self.config.model if is_own(self.config.model) and not self.given else self.name,
            "own": self.own,
            "options": self.options,
            "model_state": parts.scored_model.state_dict(),
            "average": None if parts.ema is None else {"of": self.model.state_dict(), "steps": parts.ema.n_averaged},
            "classes": list(parts.train_set.classes),
            "mean": list(parts.mean),
            "std": list(parts.std),
            "image_size": parts.train_set.images.shape[1],
            "optimizer": parts.optimizer.state_dict(),
            "scheduler": parts.scheduler.state_dict(),
            "scaler": None if parts.scaler is None else parts.scaler.state_dict(),
            "epoch": self.epoch,
            "loader": parts.batches.state_dict(),
            "sums": self.sums.state_dict(),
            "rng": distributed.gather(random_states()),
            "run": self.config.kept() | self.options,
            "root": str(self.config.root.resolve()) if self.config.root else None,
            "record": asdict(self.record),
        }

    def _restore(self, state: dict) -> None:
        """Go on from a checkpoint, after a look at whether it is of this very run."""
        record = continued_record(state, self.record, self.folder, self.log)
        parts, average = self.parts, state["average"]
        weights = state["model_state"] if average is None else average["of"]
        load_state(self.model, weights, f"the run in {self.folder} has a network called {self.name}, too")
        if parts.ema is not None:
            parts.ema.module.load_state_dict(state["model_state"])
            parts.ema.n_averaged.copy_(average["steps"])
        parts.optimizer.load_state_dict(state["optimizer"])
        parts.scheduler.load_state_dict(state["scheduler"])
        parts.optimizer._opt_called = True  # else torch warns that the schedule advances before the first step
        if parts.scaler is not None and state["scaler"]:
            parts.scaler.load_state_dict(state["scaler"])
        if self.world.rank < len(state["rng"]):
            restore_random_states(state["rng"][self.world.rank])
        self.epoch = parts.batches.epoch = state["epoch"]
        parts.batches.load_state_dict(state["loader"])
        self.epochs = self.recipe.total_epochs(len(parts.batches))
        if state["loader"]["batch"]:
            self.sums.load_state_dict(state["sums"], self.world.rank)
        self.record = record
        self.log(f"resuming {self.folder} {position(state)} of {self.epochs}")


def train(
    model: nn.Module | str,
    train_set: ImageDataset,
    test_set: ImageDataset,
    *,
    recipe: Recipe | str | Path = "quick",
    seed: int = 0,
    folder: Path | str | None = None,
    resume: bool | str = False,
    log: Callable[[str], None] = print,
    listeners: Sequence[Listener] = (),
    **settings,
) -> RunRecord:
    """Train a network, score it, and save all that is worth knowing.

    Args:
        model: a name, such as ``resnet20``, or any module that maps N × 3 × H × W to logits, as many as there are
            classes. A module is trained where it is; seeds do not draw its weights, which it has already.
        train_set: training images; the validation part is held out of them.
        test_set: test images, scored once at the end.
        recipe: a recipe, the name of a shipped one, or a YAML file.
        seed: seed of the weights, the order and the augmentation.
        folder: of the run; ``runs/<model>-<data>-seed<seed>`` if not given.
        resume: go on with the run in the folder; ``auto`` starts it if there is none.
        log: receives one line at a time.
        listeners: each receives the row of an epoch, as `RunRecord` holds it, once the epoch is saved.
        **settings: of `TrainConfig`, such as ``precision`` or ``train_size``.

    Raises:
        InputError: if a name, a setting or the folder is wrong, or the network does not fit the images; the message
            says what to do.
    """
    recipe = recipe if isinstance(recipe, Recipe) else load_recipe(str(recipe))
    config = TrainConfig(recipe=recipe, seed=seed, resume=resume, **{"ckpt_dir": folder} | settings)
    if isinstance(model, str):
        config, note = prolonged(replace(config, model=model))
        model = None
        if note and distributed.read_world().rank == 0:
            log(f"note: {note}")
    return Trainer(config, train_set, test_set, model=model, log=log, listeners=listeners).fit()


def train_from(config: TrainConfig, log: Callable[[str], None] = print) -> RunRecord:
    """Load the data, run to the end, return the record: ``resnet-tutorial train`` as a function.

    Raises:
        InputError: if a name, the data, the folder or the checkpoint is wrong; the message says what to do.
    """
    config, note = prolonged(config)
    with data_of(config) as (train_set, test_set):
        if note and distributed.read_world().rank == 0:
            log(f"note: {note}")
        return Trainer(config, train_set, test_set, log=log).fit()


@contextlib.contextmanager
def data_of(config: TrainConfig) -> Iterator[tuple[ImageDataset, ImageDataset]]:
    """The data of a run, within the group of its processes: one of each machine fills the cache that the others read.

    Raises:
        InputError: if the network's name or the data are wrong.
    """
    check_name(config)  # a wrong name should not wait for the data
    world = distributed.read_world()
    with distributed.joined(world, pick_device(config).device.type == "cuda"):
        with distributed.first_of_machine_first(world):
            train_set, test_set = load_dataset(config.dataset, config.root, **config.data_options())
        classes = _classes_of_run(config, train_set.classes)
        yield train_set.with_classes(classes), test_set.with_classes(classes)


def _classes_of_run(config: TrainConfig, classes: tuple[str, ...]) -> Sequence[str]:
    """The classes in the order of the run that is to go on: earlier versions sorted numbers as text."""
    folder = config.ckpt_dir and run_folder(config.ckpt_dir)
    if config.resume and folder and has_checkpoint(folder) and sorted(classes) != list(classes):
        return load_checkpoint(folder, log=lambda line: None)["classes"]
    return classes


@contextlib.contextmanager
def _explaining() -> Iterator[None]:
    """Turn "out of memory", which every device words differently, into what to do."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        signs = ("out of memory", "can't allocate memory", "not enough memory")
        if not isinstance(error, MemoryError) and not any(sign in str(error) for sign in signs):
            raise
        raise InputError(
            "out of memory: lower --batch-size; or compute the same batch in parts with --accumulate 2, add "
            "--checkpoint-activations, or use --precision bf16"
        ) from None
