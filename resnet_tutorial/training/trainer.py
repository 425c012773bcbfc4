"""A run from start to end: data, network, epochs, checkpoints, record."""

import datetime
import math
import shlex
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Literal

import torch
from tqdm.auto import tqdm
from tyro.conf import OmitArgPrefixes, arg

from ..data import BatchLoader, ImageDataset, Transform, load_dataset
from ..errors import InputError
from ..files import write_atomic
from ..models import create_model
from ..progress import no_bar
from .checkpoint import LAST, load_checkpoint, save_checkpoint
from .engine import Device, evaluate, train_epoch
from .optim import make_optimizer, make_scheduler
from .recipe import IMAGENET_MEAN_STD, Recipe
from .record import RunRecord, current_commit, describe_machine

EVAL_BATCH = 500


@dataclass(frozen=True)
class TrainConfig:
    """A run: the network, the data, the recipe, the machine."""

    model: Annotated[str, arg(aliases=["--model-name"])] = "resnet20"
    """Network, by a name from `resnet-tutorial summary`."""
    dataset: Literal["auto", "shapes10", "cifar10", "cifar100", "cifar100-coarse", "folder", "npz", "parquet"] = "auto"
    """Data set; auto takes what is found in the data folder, and Shapes-10 without one."""
    root: Path | None = None
    """Data folder: CIFAR-10 or -100, train/<class>/* and test/<class>/*, an .npz file, or Parquet files."""
    train_size: int | None = None
    """Train on a stratified subset of this many images."""
    seed: Annotated[int, arg(aliases=["--random-seed"])] = 0
    """Seed of the weights, the order and the augmentation."""
    ckpt_dir: Path | None = None
    """Folder of the run; runs/<model>-<data>-seed<seed> if not given."""
    resume: bool = False
    """Go on with the run in ckpt_dir."""
    recipe: OmitArgPrefixes[Recipe] = field(default_factory=Recipe)
    """How to train."""

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Device; auto takes the GPU if there is one."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Precision of the convolutions; auto takes bf16 where the hardware has it."""
    channels_last: bool = True
    """Keep images as N x H x W x C in memory."""
    compile: bool = False
    """Compile the network with torch.compile: a slow first step, faster ones after it."""
    num_workers: int | None = None
    """Threads that prepare batches ahead; by default 2 for a GPU and none on a CPU, whose cores are all at work."""
    pin_memory: bool = False
    """Page-locked memory for batches: faster copies to a GPU (no effect without one)."""
    progress: bool | None = None
    """Progress bar; by default only on a terminal."""

    def __post_init__(self):
        if self.seed < 0:
            raise InputError(f"seed must be at least 0, got {self.seed}")
        if self.num_workers is not None and self.num_workers < 0:
            raise InputError(f"num_workers must be at least 0, got {self.num_workers}")

    def command(self) -> str:
        """The command that repeats the run, with the data folder written as DATA."""
        words = ["resnet-tutorial", "train", "--model", self.model, "--seed", str(self.seed)]
        if self.train_size is not None:
            words += ["--train-size", str(self.train_size)]
        for value, default in ((self.recipe, Recipe()), (self, TrainConfig())):
            for name in (f.name for f in fields(value)):
                if name not in _NOT_REPEATED and getattr(value, name) != getattr(default, name):
                    words += _flag(name, getattr(value, name))
        return shlex.join(words + (["DATA"] if self.dataset != "shapes10" and self.root else []))


_NOT_REPEATED = {"model", "seed", "train_size", "recipe", "root", "ckpt_dir", "resume", "progress", "num_workers"}


def _flag(name: str, value) -> list[str]:
    option = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{option}" if value else f"--no-{option}"]
    return [f"--{option}", *(map(str, value) if isinstance(value, tuple) else [str(value)])]


def pick_device(config: TrainConfig) -> Device:
    """Turn the settings into a device and a precision.

    Raises:
        InputError: if the device asked for is not there.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    name = next(d for d in there if there[d]) if config.device == "auto" else config.device
    if not there[name]:
        raise InputError(f"no {name} device on this machine: use --device auto or --device cpu")
    precision = _best_precision(name) if config.precision == "auto" else config.precision
    return Device(torch.device(name), precision, config.channels_last)


def _best_precision(device: str) -> str:
    if device == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    if device == "cpu" and hasattr(torch.cpu, "get_capabilities"):
        capabilities = torch.cpu.get_capabilities()
        # Without these instructions bf16 is emulated, and slower than fp32.
        return "bf16" if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else "fp32"
    return "fp32"


class Trainer:
    """One run.

    Args:
        config: the run.
        train_set: training images; the validation part is held out of them.
        test_set: test images, scored once at the end.
        log: receives one line at a time.

    Attributes:
        model: the network.
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
        self.config, self.recipe, self.log = config, recipe, log
        self.device = pick_device(config)
        torch.manual_seed(config.seed)  # before the network is built: its weights are the first draw
        self.model = self.device.place(create_model(config.model, len(train_set.classes)))
        self.name = self.model.arch.name  # "ResNet18" on the command line is resnet18 in the record
        self.folder = config.ckpt_dir or Path("runs", f"{self.name}-{_slug(train_set.name)}-seed{config.seed}")
        if config.train_size is not None:
            train_set = train_set.subset(config.train_size, seed=0)
        self.train_set, self.val_set, self.test_set = train_set, None, test_set
        if held := round(recipe.validation * len(train_set)):
            self.train_set, self.val_set = train_set.hold_out(held, seed=0)  # the same images for every seed
        use_imagenet = recipe.normalization == "imagenet"
        self.mean, self.std = IMAGENET_MEAN_STD if use_imagenet else self.train_set.mean_std()
        self.batches = self._loader(self.train_set, train=True)
        self.optimizer = make_optimizer(recipe, self.model)
        self.scheduler, self.interval = make_scheduler(recipe, self.optimizer, len(self.batches))
        self.scaler = torch.amp.GradScaler(self.device.device.type, enabled=self.device.precision == "fp16")
        self.epoch = 0
        self.record = self._new_record()
        if config.resume:
            self._restore(load_checkpoint(self.folder))
        elif (self.folder / LAST).exists():
            raise InputError(
                f"{self.folder} holds a run already: add --resume to go on with it, or choose another --ckpt_dir"
            )
        # One fixed shape for whole batches and one for the last: dynamic shapes would be slower.
        self.step_model = torch.compile(self.model, dynamic=False) if config.compile else self.model

    def fit(self) -> RunRecord:
        """Train to the end, saving after every epoch; score the test part; write the record.

        Raises:
            InputError: if the loss stops being a number, or a file cannot be written.
        """
        for note in self.recipe.notes():
            self.log(f"note: {note}")
        self._check_writable()
        self.log(self._headline())
        try:
            self._train()
        except KeyboardInterrupt:
            saved = f"the run is saved up to epoch {self.epoch}; the same command with --resume goes on"
            raise KeyboardInterrupt(saved if self.epoch else "no epoch was finished, nothing is saved") from None
        if self.record.test is None:
            scores = evaluate(self.model, self._loader(self.test_set), self.device)
            self.record.test = {name: scores[name] for name in ("loss", "accuracy")}
            self.record.finished = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
            self.save()
        self.record.write(self.folder / "record.json")
        self.log(f"test accuracy {self.record.test['accuracy']:.2f} % on {len(self.test_set):,} images")
        self.log(f"checkpoint, log and record are in {self.folder}")
        return self.record

    def save(self) -> None:
        """Write the checkpoint."""
        save_checkpoint(
            self.folder / LAST,
            {
                "model": self.name,
                "model_state": self.model.state_dict(),
                "classes": list(self.train_set.classes),
                "mean": list(self.mean),
                "std": list(self.std),
                "image_size": self.train_set.images.shape[1],
                "optimizer": self.optimizer.state_dict(),
                "scheduler": self.scheduler.state_dict(),
                "scaler": self.scaler.state_dict(),
                "epoch": self.epoch,
                "rng": torch.get_rng_state(),
                "run": {"dataset": self.config.dataset, "train_size": self.config.train_size},
                "root": str(self.config.root.resolve()) if self.config.root else None,
                "record": asdict(self.record),
            },
        )

    def _train(self) -> None:
        while self.epoch < self.recipe.epochs:
            self.record.history.append(self._run_epoch())
            self.epoch += 1
            self.save()
            self.record.write_csv(self.folder / "log.csv")
            self.log(_epoch_line(self.record.history[-1], self.recipe.epochs))

    def _run_epoch(self) -> dict:
        started = time.perf_counter()
        lr = self.optimizer.param_groups[0]["lr"]
        self.batches.epoch = self.epoch
        title = f"epoch {self.epoch + 1}/{self.recipe.epochs}"
        shown = tqdm(self.batches, title, leave=False, disable=self._no_bar(), unit="step")
        scores = train_epoch(
            self.step_model,
            shown,
            self.optimizer,
            self.device,
            scheduler=self.scheduler if self.interval == "step" else None,
            scaler=self.scaler,
            label_smoothing=self.recipe.label_smoothing,
        )
        if not math.isfinite(scores["loss"]):
            raise InputError(
                f"the loss is {scores['loss']} in epoch {self.epoch + 1}: start again with a lower --lr "
                f"(it was {lr:g}) or --precision fp32"
            )
        if self.interval == "epoch":
            self.scheduler.step()
        row = {"epoch": self.epoch + 1, "lr": lr, "loss": scores["loss"], "train_accuracy": scores["accuracy"]}
        if self.val_set is not None:
            val = evaluate(self.model, self._loader(self.val_set), self.device)
            row |= {"val_loss": val["loss"], "val_accuracy": val["accuracy"]}
        return row | {"images_per_second": scores["images_per_second"], "seconds": time.perf_counter() - started}

    def _no_bar(self) -> bool | None:
        if self.config.progress is not None:
            return not self.config.progress
        return no_bar()

    def _num_workers(self) -> int:
        if self.config.num_workers is not None:
            return self.config.num_workers
        return 0 if self.device.device.type == "cpu" else 2

    def _loader(self, dataset: ImageDataset, train: bool = False) -> BatchLoader:
        recipe, config = self.recipe, self.config
        augment = train and recipe.transform
        transform = Transform(self.mean, self.std, augment, recipe.random_erasing if augment else 0.0)
        return BatchLoader(
            dataset,
            min(recipe.batch_size, len(dataset)) if train else EVAL_BATCH,
            transform,
            shuffle=train,
            seed=config.seed,
            num_workers=self._num_workers(),
            pin_memory=config.pin_memory and self.device.device.type == "cuda",
        )

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
                "train_fingerprint": self.train_set.fingerprint,
                "test_fingerprint": self.test_set.fingerprint,
                "mean": list(self.mean),
                "std": list(self.std),
            },
            recipe=_plain(asdict(self.recipe)),
            seed=config.seed,
            command=config.command(),
            precision=self.device.precision,
            compiled=config.compile,
            machine=describe_machine(self.device.device),
            commit=current_commit(),
        )

    def _restore(self, state: dict) -> None:
        """Go on from a checkpoint, after a look at whether it is of this very run."""
        old, new = state["record"], asdict(self.record)
        for key in ("model", "data", "recipe", "seed"):
            if old[key] != new[key]:
                raise InputError(
                    f"the run in {self.folder} cannot be resumed with another {key}: {_difference(old[key], new[key])}"
                )
        self.model.load_state_dict(state["model_state"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.scaler.load_state_dict(state["scaler"])
        torch.set_rng_state(state["rng"])
        self.epoch = state["epoch"]
        self.record = RunRecord(**old)
        self.log(f"resuming {self.folder} after epoch {self.epoch} of {self.recipe.epochs}")

    def _check_writable(self) -> None:
        """Find out before the first epoch, not after it, that the folder cannot be written."""
        write_atomic(self.folder / "recipe.yml", self.recipe.to_yaml().encode())

    def _headline(self) -> str:
        data, held = self.record.data, self.val_set
        parts = f"{data['train']:,} images to train"
        parts += f", {len(held):,} to validate" if held else ""
        parts += f", {data['test']:,} to test"
        network = f"{self.name} ({self.record.parameters:,} parameters)"
        return f"{network} on {data['name']}: {parts}; {self.device.device.type}, {self.device.precision}"


def train(config: TrainConfig, log: Callable[[str], None] = print) -> RunRecord:
    """Load the data, run to the end, return the record: `resnet-tutorial train` as a function.

    Raises:
        InputError: if a name, the data, the folder or the checkpoint is wrong; the message says what to do.
    """
    pick_device(config)
    create_model(config.model)  # a wrong name should not wait for the data
    train_set, test_set = load_dataset(config.dataset, config.root)
    return Trainer(config, train_set, test_set, log).fit()


def _epoch_line(row: dict, epochs: int) -> str:
    width = len(str(epochs))
    val = f"  val {row['val_accuracy']:5.2f} %" if "val_accuracy" in row else ""
    return (
        f"epoch {row['epoch']:{width}}/{epochs}  lr {row['lr']:.5f}  loss {row['loss']:.4f}  "
        f"train {row['train_accuracy']:5.2f} %{val}  {row['images_per_second']:,.0f} images/s  {row['seconds']:.1f} s"
    )


def _difference(old, new) -> str:
    if not isinstance(old, dict):
        return f"it was {old}, now it is {new}"
    key = next(k for k in old if old[k] != new[k])
    return f"{key} was {old[key]}, now it is {new[key]}"


def _plain(values: dict) -> dict:
    """The values as JSON knows them, so that a record read back compares equal."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


def _slug(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name.lower()).strip("-")
