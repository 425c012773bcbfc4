"""A run from start to end: data, network, epochs, checkpoints, record."""

import contextlib
import datetime
import itertools
import math
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import filelock
import torch
from torch import nn
from tqdm.auto import tqdm

from ..data import BatchLoader, ImageDataset, Transform, load_dataset
from ..errors import InputError
from ..files import write_atomic
from ..progress import no_bar
from ..weights import create_model
from . import distributed
from .checkpoint import (
    FORMAT,
    NEWEST_FIRST,
    NEXT,
    has_checkpoint,
    load_checkpoint,
    random_states,
    restore_random_states,
    run_folder,
    save_newest,
)
from .config import RUN_OPTIONS, TrainConfig
from .device import Device, choose_device
from .engine import Step, evaluate, train_epoch
from .graphs import GraphedStep
from .optim import make_ema, make_optimizer, make_scheduler, report_train_error
from .recipe import IMAGENET_MEAN_STD, recipe_from_dict
from .recipe_text import recipe_notes, recipe_summary
from .record import RunRecord, current_commit, describe_machine, energy_joules, peak_memory
from .signals import Signals, Stopped
from .sums import Sums

LOCK = ".lock"
ASK_EVERY = 10  # steps after which several processes agree on whether to stop


def pick_device(config: TrainConfig, number: int = 0) -> Device:
    """Turn the settings of a run into a device and a precision.

    Args:
        config: the run.
        number: which of the machine's GPUs.

    Raises:
        InputError: if the device asked for is not there.
    """
    return choose_device(config.device, config.precision, config.channels_last, number)


class Trainer:
    """One run.

    Args:
        config: the run.
        train_set: training images; the validation part is held out of them.
        test_set: test images, scored once at the end.
        log: receives one line at a time.

    Attributes:
        on_epoch: receives the row of each epoch, as `RunRecord` holds it, once the epoch is saved.
        model: the network.
        ema: the moving average of its weights, if the recipe has one. It is what is scored and what predicts.
        record: the record so far.
        epoch: epochs finished.

    Raises:
        InputError: if the run's folder holds another run, or what is to be resumed does not fit.
    """

    def __init__(
        self,
        config: TrainConfig,
        train_set: ImageDataset,
        test_set: ImageDataset,
        log: Callable[[str], None] = print,
    ):
        recipe = config.recipe
        self.config, self.recipe = config, recipe
        self.world = distributed.join_world(cuda=pick_device(config).device.type == "cuda")
        self.log = log if self.world.rank == 0 else lambda line: None
        self.on_epoch: Callable[[dict], object] = lambda row: None
        self.device = pick_device(config, self.world.local_rank)
        _set_backends(config.deterministic)
        self.model = self._make_model(len(train_set.classes))
        self.name = self.model.arch.name  # "ResNet18" on the command line is resnet18 in the record
        usual_folder = Path("runs", f"{self.name}-{_slug(train_set.name)}-seed{config.seed}")
        self.folder = run_folder(config.ckpt_dir or usual_folder)
        self._loaded_fingerprint = train_set.fingerprint
        if config.train_size is not None:
            train_set = train_set.subset(config.train_size, seed=0)
        self.train_set, self.val_set, self.test_set = train_set, None, test_set
        if held := round(recipe.validation * len(train_set)):
            self.train_set, self.val_set = train_set.hold_out(held, seed=0)  # the same images for every seed
        use_imagenet = recipe.normalization == "imagenet"
        self.mean, self.std = IMAGENET_MEAN_STD if use_imagenet else self.train_set.mean_std()
        self.batches = self._loader(self.train_set, train=True)
        self.val_batches = None if self.val_set is None else self._loader(self.val_set)
        self.optimizer = make_optimizer(recipe, self.model)
        self.scheduler, self.interval = make_scheduler(recipe, self.optimizer, len(self.batches))
        self.ema = make_ema(recipe, self.model)
        fp16 = self.device.precision == "fp16"
        self.scaler = torch.amp.GradScaler(self.device.device.type) if fp16 else None
        self.epochs = recipe.total_epochs(len(self.batches))
        self.epoch, self.sums = 0, Sums()
        self.record = self._new_record()
        self._found = self._on_disk()
        if state := self._state_to_resume():
            self._restore(state)
        elif self._found and self.world.rank == 0:
            raise InputError(
                f"{self.folder} holds a run already: add --resume to go on with it, choose another --ckpt-dir, or "
                "delete its .pt files to start afresh"
            )
        self.step_model, self.step = self._make_step()
        self.signals = Signals(patient=self.world.size > 1)
        self._polls, self._asked, self._due, self._saved_at = 0, 0, False, time.monotonic()
        self._board = _import_tensorboard() if config.tensorboard and self.world.rank == 0 else None
        self._warned = False
        self._start_clock()

    def fit(self) -> RunRecord:
        """Train to the end, saving after every epoch; score the test part; write the record.

        Ctrl-C or SIGTERM lets the step end, saves, and raises `Stopped`; a second one does not wait.

        Raises:
            InputError: if the loss stops being a number, memory runs out, a file cannot be written, or another run is
                at work in the folder.
        """
        with self._locked(), self.signals, _explaining():
            self._start_clock()
            self._announce()
            try:
                self._train()
            except KeyboardInterrupt as stop:
                raise stop if stop.args else KeyboardInterrupt(self._what_is_saved()) from None
            if self.record.test is None:
                self._test()
            if self.world.rank == 0:
                self.record.write(self.folder / "record.json")
        self.log(f"test accuracy {self.record.test['accuracy']:.2f} % on {len(self.test_set):,} images")
        self.log(f"checkpoint, log and record are in {self.folder}")
        return self.record

    def stop(self) -> None:
        """Ask a run that is under way to end as by Ctrl-C; from a callback or another thread."""
        self.signals.received = signal.SIGINT

    def save(self, best: bool = False) -> None:
        """Write the checkpoint. All processes take part, and the first one writes.

        Args:
            best: whether the network is the best so far by validation.

        Raises:
            InputError: if it cannot be written; the one before stays.
        """
        self._read_clock()
        state = self._state()
        if self.world.rank == 0:
            save_newest(self.folder, state, best)
            self._found = self._on_disk()
        self._saved_at = time.monotonic()

    # Training

    def _train(self) -> None:
        while self.epoch < self.epochs:
            row = self._run_epoch()
            best = self.record.add_epoch(row)
            self.epoch, self.sums = self.epoch + 1, Sums()
            self.batches.epoch = self.epoch
            self.save(best)
            if self.world.rank == 0:
                self.record.write_csv(self.folder / "log.csv")
                self._write_tensorboard(row)
            self.log(_epoch_line(row, self.epochs))
            self._warn(row)
            self.on_epoch(row)
            self._stop_if_asked()

    def _run_epoch(self) -> dict:
        self.batches.transform = self._augmentation(self.epoch / self.epochs)
        started = time.perf_counter() - self.sums.seconds
        if self.sums.lr is None:
            self.sums.lr = self.optimizer.param_groups[0]["lr"]
        scores = self._run_steps()
        report_train_error(self.scheduler, 100 - scores["accuracy"])
        if self.interval == "epoch":
            self.scheduler.step()
        row = {"epoch": self.epoch + 1, "lr": self.sums.lr, "loss": scores["loss"]}
        row["train_accuracy"] = scores["accuracy"]
        if self.val_batches is not None:
            val = self._evaluate(self.val_batches)
            row |= {"val_loss": val["loss"], "val_accuracy": val["accuracy"]}
        return row | {"images_per_second": scores["images_per_second"], "seconds": time.perf_counter() - started}

    def _run_steps(self) -> dict:
        """The steps of an epoch, or what is left of them, with a checkpoint wherever one is due."""
        per_epoch = len(self.batches)
        end = min(per_epoch, self.recipe.total_steps(per_epoch) - self.epoch * per_epoch)
        self.batches.epoch = self.epoch
        while True:
            position = self.batches.state_dict()["batch"]
            scores = train_epoch(
                self.step_model,
                self._progress(itertools.islice(self.batches, end - position), position, end),
                self.optimizer,
                self.device,
                scheduler=self.scheduler if self.interval == "step" else None,
                ema=self.ema,
                step=self.step,
                divisors=distributed.divisors(self.batches)[position:],
                sums=self.sums,
                stop=self._is_interrupted,
            )
            self._check_loss(scores["loss"])
            if not (self._due or self._asked):
                return scores
            self.save()
            self._due = False
            self._stop_if_asked()
            self.batches.load_state_dict(self.batches.state_dict())  # the next iteration goes on from here

    def _is_interrupted(self) -> bool:
        """Whether to leave the loop: to stop, or to save. Several processes agree on it, every few steps."""
        self._polls += 1
        if self.world.size > 1 and self._polls % ASK_EVERY:
            return False
        due = time.monotonic() - self._saved_at > 60 * self.config.checkpoint_minutes
        self._asked, self._due = distributed.all_max([self.signals.received, int(due)])
        return bool(self._asked or self._due)

    def _stop_if_asked(self) -> None:
        (asked,) = distributed.all_max([self.signals.received])
        if asked:
            raise Stopped(self._what_is_saved(), asked)

    def _check_loss(self, loss: float) -> None:
        if math.isfinite(loss):
            return
        step, rate = self.sums.first_bad()
        step += 1 + self.epoch * len(self.batches)
        other = "" if self.device.precision == "fp32" else " or --precision fp32"
        raise InputError(
            f"the loss is {loss} from step {step:,} on (epoch {self.epoch + 1}, learning rate {rate:g}): start again "
            f"with a lower --lr{other}; {self._what_is_saved()}"
        )

    def _warn(self, row: dict) -> None:
        """Say once that the network does not learn."""
        counts = self.train_set.labels.bincount()
        guessing, chance = math.log(len(counts)), 100 * (counts.max() / counts.sum()).item()
        advice = f"lower --lr, which is {self.recipe.lr:g}"
        if row["loss"] > 2 * guessing and not self._warned:
            self.log(f"note: a loss of {row['loss']:.4g} is far above that of guessing, {guessing:.2f}: {advice}")
            self._warned = True
        elif self.epoch == self.epochs and row["train_accuracy"] < 1.1 * chance and not self._warned:
            self.log(
                f"note: in the end the network is no better than guessing ({chance:.2f} %): train longer, or {advice}"
            )

    def _evaluate(self, batches: BatchLoader) -> dict:
        model = self._scored_model()
        distributed.share_buffers(model)
        return evaluate(model, batches, self.device)

    def _scored_model(self) -> nn.Module:
        return self.model if self.ema is None else self.ema.module

    def _test(self) -> None:
        scores = self._evaluate(self._loader(self.test_set))
        self.record.test = {name: scores[name] for name in ("loss", "accuracy")}
        self.record.finished = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        self.save()

    # Saving and resuming

    def _state(self) -> dict:
        """All that a run needs to go on. All processes take part."""
        distributed.share_buffers(self._scored_model())
        return {
            "model": self.name,
            "options": self.record.options,
            "model_state": self._scored_model().state_dict(),
            "average": None if self.ema is None else {"of": self.model.state_dict(), "steps": self.ema.n_averaged},
            "classes": list(self.train_set.classes),
            "mean": list(self.mean),
            "std": list(self.std),
            "image_size": self.train_set.images.shape[1],
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "scaler": None if self.scaler is None else self.scaler.state_dict(),
            "epoch": self.epoch,
            "loader": self.batches.state_dict(),
            "sums": self.sums.state_dict(),
            "rng": distributed.gather(random_states()),
            "run": self._run_options(),
            "root": str(self.config.root.resolve()) if self.config.root else None,
            "record": asdict(self.record),
        }

    def _run_options(self) -> dict:
        options = {name: getattr(self.config, name) for name in RUN_OPTIONS}
        return options | self.record.options | {"precision": self.device.precision}

    def _state_to_resume(self) -> dict | None:
        """The checkpoint that the first process finds, in all processes."""
        resume, state = self.config.resume, None
        if self.world.rank == 0 and (resume is True or (resume == "auto" and has_checkpoint(self.folder))):
            state = load_checkpoint(self.folder, self.log)
        return distributed.from_first(state)

    def _restore(self, state: dict) -> None:
        """Go on from a checkpoint, after a look at whether it is of this very run."""
        self._check_same_run(state)
        average = state["average"]
        if self.ema is not None:
            self.ema.module.load_state_dict(state["model_state"])
            self.ema.n_averaged.copy_(average["steps"])
        self.model.load_state_dict(state["model_state"] if average is None else average["of"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.optimizer._opt_called = True  # else torch warns that the schedule advances before the first step
        if self.scaler is not None and state["scaler"]:
            self.scaler.load_state_dict(state["scaler"])
        if self.world.rank < len(state["rng"]):
            restore_random_states(state["rng"][self.world.rank])
        self.epoch = self.batches.epoch = state["epoch"]
        if state["loader"]["batch"]:
            self.batches.load_state_dict(state["loader"])
            self.sums.load_state_dict(state["sums"], self.world.rank)
        here = {key: getattr(self.record, key) for key in ("precision", "processes", "machine", "commit")}
        self.record = RunRecord(**{**state["record"], **here})
        self.log(f"resuming {self.folder} {_position(state)} of {self.epochs}")

    def _check_same_run(self, state: dict) -> None:
        if state["format"] < FORMAT:
            raise InputError(f"{self.folder} was written by an older version, whose runs cannot go on: train again")
        old, new = state["record"], asdict(self.record)
        # A recipe of an earlier version lacks the settings that are newer; the run had their defaults.
        old["recipe"] = _plain(asdict(recipe_from_dict(old["recipe"], f"of the run in {self.folder}")))
        for key in ("model", "options", "data", "recipe", "seed"):
            if old[key] != new[key]:
                difference = _difference(old[key], new[key])
                raise InputError(
                    f"the run in {self.folder} cannot be resumed with {_another(key)}: {difference}; leave that out, "
                    "or begin another run in another --ckpt-dir"
                )
        for key in ("precision", "processes", "machine"):
            if old[key] != new[key]:
                difference = _difference(old[key], new[key])
                self.log(f"note: {_another(key)}, so results may differ in the last bits: {difference}")

    def _what_is_saved(self) -> str:
        if not self._found:
            return "nothing is saved yet"
        state = load_checkpoint(self.folder, lambda line: None)
        return f"the run is saved {_position(state)} in {self.folder}; the same command with --resume goes on"

    def _on_disk(self) -> list[tuple[int, int]]:
        """What tells one checkpoint from another, without reading it."""
        files = [path.stat() for path in (self.folder / name for name in NEWEST_FIRST) if path.exists()]
        return [(file.st_mtime_ns, file.st_size) for file in files]

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other runs out of the folder, and find out before the first epoch whether it can be written."""
        if self.world.rank > 0:
            yield
            return
        lock = filelock.FileLock(self.folder / LOCK)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock.acquire(blocking=False)
        except filelock.Timeout:
            raise InputError(
                f"another run is at work in {self.folder}: wait for it, or choose another --ckpt-dir"
            ) from None
        except OSError as error:
            raise InputError(f"cannot write to {self.folder} ({error.strerror}): choose another --ckpt-dir") from None
        try:
            if self._on_disk() != self._found:
                raise InputError(f"another run has just written to {self.folder}: choose another --ckpt-dir")
            for litter in self.folder.glob(f".{NEXT}-*"):  # of a run that was killed while it saved
                litter.unlink()
            write_atomic(self.folder / "recipe.yml", self.recipe.to_yaml(self.name).encode())
            yield
        finally:
            with contextlib.suppress(OSError):  # not every system deletes an open file
                (self.folder / LOCK).unlink()
            lock.release()

    # Making the parts

    def _make_model(self, classes: int) -> nn.Module:
        config = self.config
        torch.manual_seed(config.seed)  # before the network is built: its weights are the first draw
        options = {"checkpoint_activations": config.checkpoint_activations, **config.model_options()}
        model = create_model(config.model, classes, **options)
        if self.world.rank:
            torch.manual_seed(config.seed + (self.world.rank << 32))  # each drops blocks of its own
        if config.sync_batchnorm and self.world.size > 1:
            model = distributed.sync_batchnorm(model, self.device.device.type == "cuda")
        return self.device.place(model)

    def _make_step(self) -> tuple[nn.Module, Step | GraphedStep]:
        model, recipe, config = self.model, self.recipe, self.config
        if self.world.size > 1:
            model = distributed.wrap(model, self.device.device)
        if config.compile:
            # One fixed shape for whole batches and one for the last: dynamic shapes would be slower.
            model = torch.compile(model, dynamic=False)
        options = (recipe.label_smoothing, recipe.clip_grad_norm, recipe.accumulate)
        step = Step(model, self.optimizer, self.device, self.scaler, *options)
        if config.cuda_graphs and self.world.size > 1:
            raise InputError("CUDA graphs are for one process here: leave --cuda-graphs out under torchrun")
        return model, GraphedStep(step) if config.cuda_graphs else step

    def _loader(self, dataset: ImageDataset, train: bool = False) -> BatchLoader:
        recipe, config = self.recipe, self.config
        device = self._data_device(dataset)
        copies = self.device.device.type == "cuda" and device.type == "cpu"
        return BatchLoader(
            dataset,
            min(recipe.batch_size, len(dataset)) if train else self.device.eval_batch,
            self._augmentation() if train else Transform(self.mean, self.std),
            shuffle=train,
            seed=config.seed,
            num_workers=(2 if copies else 0) if config.num_workers is None else config.num_workers,
            pin_memory=config.pin_memory and copies,
            rank=self.world.rank,
            world_size=self.world.size,
            device=device,
        )

    def _augmentation(self, share: float = 1.0) -> Transform:
        """What happens to the training images when this share of the run is over."""
        recipe = self.recipe
        options = {name: getattr(recipe, name) for name in ("cutout", "rand_augment", "mixup", "cutmix")}
        options["size"] = recipe.image_size(self.train_set.images.shape[1], share)
        return Transform(self.mean, self.std, recipe.transform, recipe.random_erasing, **options)

    def _data_device(self, dataset: ImageDataset) -> torch.device:
        device, wanted = self.device.device, self.config.data_on_device
        if wanted is None and device.type == "cuda":
            wanted = 4 * dataset.images.nbytes < torch.cuda.get_device_properties(device).total_memory
        return device if wanted else torch.device("cpu")

    # Telling

    def _new_record(self) -> RunRecord:
        val, config = self.val_set, self.config
        return RunRecord(
            model=self.name,
            parameters=sum(p.numel() for p in self.model.parameters()),
            data={
                "name": self.train_set.name,
                "train": len(self.train_set),
                "validation": 0 if val is None else len(val),
                "test": len(self.test_set),
                "loaded_fingerprint": self._loaded_fingerprint,
                "train_fingerprint": self.train_set.fingerprint,
                "test_fingerprint": self.test_set.fingerprint,
                "mean": list(self.mean),
                "std": list(self.std),
            },
            recipe=_plain(asdict(self.recipe)),
            seed=config.seed,
            command=replace(config, precision=self.device.precision).command(),
            precision=self.device.precision,
            compiled=config.compile,
            machine=describe_machine(self.device.device),
            commit=current_commit(),
            options=config.model_options(),
            deterministic=config.deterministic,
            processes=self.world.size,
        )

    def _announce(self) -> None:
        self.log(self._headline())
        for line in recipe_summary(self.recipe).splitlines():
            self.log(f"recipe: {line}")
        for note in recipe_notes(self.recipe, len(self.batches), self.model.arch):
            self.log(f"note: {note}")
        if self._board is not None:
            self._board = self._board(str(self.folder / "tensorboard"), purge_step=self.epoch + 1)

    def _headline(self) -> str:
        data, held = self.record.data, self.val_set
        parts = f"{data['train']:,} images to train"
        parts += f", {len(held):,} to validate" if held else ""
        parts += f", {data['test']:,} to test"
        network = f"{self.name} ({self.record.parameters:,} parameters)"
        where = f"{self.device.device.type}, {self.device.precision}"
        where += f", {self.world.size} processes" if self.world.size > 1 else ""
        return f"{network} on {data['name']}: {parts}; {where}"

    def _progress(self, batches: Iterable, position: int, end: int) -> Iterable:
        title = f"epoch {self.epoch + 1}/{self.epochs}"
        return tqdm(batches, title, total=end, initial=position, leave=False, disable=self._no_bar(), unit="step")

    def _no_bar(self) -> bool | None:
        if self.world.rank > 0:
            return True
        if self.config.progress is not None:
            return not self.config.progress
        return no_bar()

    def _write_tensorboard(self, row: dict) -> None:
        if self._board is not None:
            for name in row.keys() - {"epoch"}:
                self._board.add_scalar(name, row[name], row["epoch"])
            self._board.flush()

    def _start_clock(self) -> None:
        if self.device.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device.device)
        # Durations by a clock that nobody can set.
        self._since = (time.monotonic(), self._energy())
        self._before = (self.record.wall_seconds, self.record.energy_joules if self.record.history else 0.0)

    def _read_clock(self) -> None:
        self.record.wall_seconds = self._before[0] + time.monotonic() - self._since[0]
        known = (self._before[1], self._since[1], now := self._energy())
        self.record.energy_joules = None if None in known else known[0] + now - known[1]
        peaks = [self.record.peak_memory, *distributed.gather(peak_memory(self.device.device))]
        self.record.peak_memory = max((peak for peak in peaks if peak is not None), default=None)

    def _energy(self) -> float | None:
        used = distributed.gather(energy_joules(self.device.device))
        return None if None in used else sum(used)


def train(config: TrainConfig, log: Callable[[str], None] = print) -> RunRecord:
    """Load the data, run to the end, return the record: `resnet-tutorial train` as a function.

    Raises:
        InputError: if a name, the data, the folder or the checkpoint is wrong; the message says what to do.
    """
    create_model(config.model, **config.model_options())  # a wrong name should not wait for the data
    world = distributed.join_world(cuda=pick_device(config).device.type == "cuda")
    with distributed.first_of_machine_first(world):
        train_set, test_set = load_dataset(config.dataset, config.root)
    return Trainer(config, train_set, test_set, log).fit()


def _set_backends(deterministic: bool) -> None:
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS asks for it
    torch.use_deterministic_algorithms(deterministic)
    torch.backends.cudnn.benchmark = not deterministic


@contextlib.contextmanager
def _explaining() -> Iterator[None]:
    """Turn "out of memory", which every device words differently, and the loss of a process into what to do."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if "Connection closed by peer" in str(error):  # by gloo
            raise InputError(
                "another process of this run has ended; with --resume auto the same command goes on"
            ) from None
        signs = ("out of memory", "can't allocate memory", "not enough memory")
        if not isinstance(error, MemoryError) and not any(sign in str(error) for sign in signs):
            raise
        raise InputError(
            "out of memory: lower --batch-size; or compute the same batch in parts with --accumulate 2, add "
            "--checkpoint-activations, or use --precision bf16"
        ) from None


def _import_tensorboard() -> type:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise InputError("--tensorboard needs TensorBoard: pip install tensorboard, or leave the flag out") from None
    return SummaryWriter


def _position(state: dict) -> str:
    batch = state["loader"]["batch"]
    return f"after step {batch:,} of epoch {state['epoch'] + 1}" if batch else f"after epoch {state['epoch']}"


def _epoch_line(row: dict, epochs: int) -> str:
    width = len(str(epochs))
    val = f"  val {row['val_accuracy']:5.2f} %" if "val_accuracy" in row else ""
    return (
        f"epoch {row['epoch']:{width}}/{epochs}  lr {row['lr']:.5f}  loss {row['loss']:.4f}  "
        f"train {row['train_accuracy']:5.2f} %{val}  {row['images_per_second']:,.0f} images/s  {row['seconds']:.1f} s"
    )


def _another(key: str) -> str:
    plurals = {"options": "other options", "data": "other data", "processes": "another number of processes"}
    return plurals.get(key, f"another {key}")


def _difference(old, new) -> str:
    if not isinstance(old, dict):
        return f"it was {old}, now it is {new}"
    key = next(k for k in {**old, **new} if old.get(k) != new.get(k))
    was, now = (values.get(key, "not given") for values in (old, new))
    return f"{key} was {was}, now it is {now}"


def _plain(values: dict) -> dict:
    """The values as JSON knows them, so that a record read back compares equal."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


def _slug(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name.lower()).strip("-")
