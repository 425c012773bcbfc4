"""The settings of a run, which are also the flags of ``resnet-tutorial train``."""

import shlex
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from ..errors import InputError
from .recipe import Recipe, checked


def _kept(default: Any, of_model: bool = False) -> Any:
    """A setting that a resumed run takes over, and that the command in a record repeats.

    Args:
        default: as it is if not given.
        of_model: whether it is an option of `create_model` that changes what the network computes or where it starts.
    """
    return field(default=default, metadata={"kept": True, "of_model": of_model})


@checked
@dataclass(frozen=True)
class TrainConfig:
    """A run: the network, the data, the recipe, the machine."""

    # -- network
    model: str = "resnet20"
    """Network, by a name from `resnet-tutorial summary`, or FILE.py:CLASS for one of your own."""
    shortcut: Literal["A", "B", "C"] | None = _kept(None, of_model=True)
    """Option of the shortcuts (He et al. 2016, section 3.3); the network's own if not given."""
    stem: Literal["cifar", "imagenet"] = _kept("cifar", of_model=True)
    """cifar (3×3) or imagenet (7×7 and max-pooling, both with stride 2)."""
    width: float = _kept(1.0, of_model=True)
    """Factor for the channels of every layer."""
    zero_init_residual: bool = _kept(False, of_model=True)
    """Start every block as its shortcut."""
    stochastic_depth: float = _kept(0.0, of_model=True)
    """Probability that the last block is left out in a step; earlier blocks have less."""
    pretrained: str | None = _kept(None)
    """Weights to start from: cifar10 (in the package), a run, or a file. For other classes, the last layer is new."""

    # -- run
    dataset: Literal["auto", "shapes10", "cifar10", "cifar100", "cifar100-coarse", "folder", "npz", "parquet"] = _kept(
        "auto"
    )
    """Data set; auto takes what is found in the data folder, and Shapes-10 without one."""
    root: Path | None = None
    """Data folder: CIFAR-10 or -100, train/<class>/* and test/<class>/*, an .npz file, or Parquet files."""
    train_size: int | None = _kept(None)
    """Train on a stratified subset of this many images."""
    image_size: int | None = _kept(None)
    """Scale images to this height and width; files to 32 if not given."""
    test_share: float | None = _kept(None)
    """Of data without a test part, or <class>/* alone: split this share off as one, as in 0.2."""
    skip_unreadable: bool = _kept(False)
    """Leave out images that cannot be read; the record says how many."""
    seed: int = 0
    """Seed of the weights, the order and the augmentation."""
    ckpt_dir: Path | None = None
    """Folder of the run; runs/<model>-<data>-seed<seed> if not given."""
    resume: bool | Literal["auto"] = False
    """Go on with --ckpt-dir or the newest run; auto: or start it."""
    recipe: Recipe = field(default_factory=Recipe)
    """How to train."""

    # -- machine
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Device; auto takes the GPU if there is one."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = _kept("auto")
    """Precision of the convolutions; auto takes bf16 where the hardware has it."""
    channels_last: bool = _kept(True)
    """Keep images as N x H x W x C in memory."""
    compile: bool = _kept(False)
    """Compile the network with torch.compile: a slow first step, faster ones after it."""
    cuda_graphs: bool = _kept(False)
    """Record a whole step and replay it: for small networks on a GPU, which wait for launches."""
    deterministic: bool = _kept(False)
    """Use only kernels that give the same bits every time, which may be slower."""
    checkpoint_activations: bool = _kept(False)
    """Keep only the input of each block for the backward pass: less memory, more time."""
    sync_batchnorm: bool = _kept(False)
    """Under torchrun, normalize over the images of all processes."""
    data_on_device: bool | None = None
    """Keep all training images on the GPU; by default if they take less than a quarter of its memory."""
    num_workers: int | None = None
    """Threads that prepare batches ahead; by default 2 if images have to be copied to a GPU, else none."""
    pin_memory: bool = False
    """Page-locked memory for batches: faster copies to a GPU (no effect without one)."""
    checkpoint_minutes: float = _kept(10.0)
    """Save within an epoch, too, when the last checkpoint is this old."""
    tensorboard: bool = _kept(False)
    """Write the history for TensorBoard, too."""
    progress: bool | None = None
    """Progress bar; by default only on a terminal."""

    def __post_init__(self):
        if self.seed < 0:
            raise InputError(f"seed must be at least 0, got {self.seed}")
        if self.num_workers is not None and self.num_workers < 0:
            raise InputError(f"num_workers must be at least 0, got {self.num_workers}")
        if self.image_size is not None and self.image_size < 8:
            raise InputError(f"image_size must be at least 8, got {self.image_size}")
        if not self.checkpoint_minutes > 0:
            raise InputError(f"checkpoint_minutes must be above 0, got {self.checkpoint_minutes:g}")

    def data_options(self) -> dict[str, Any]:
        """The options of `load_dataset`."""
        names = ("image_size", "test_share", "skip_unreadable")
        return {name: getattr(self, name) for name in names}

    @property
    def start(self) -> str | None:
        """The name of the weights to start from, without the folder that they lie in."""
        return self.pretrained and Path(self.pretrained).name

    def model_options(self) -> dict[str, Any]:
        """The options of `create_model` that are not the usual ones."""
        options = {f.name: f.default for f in fields(self) if f.metadata.get("of_model")}
        return {name: getattr(self, name) for name, usual in options.items() if getattr(self, name) != usual}

    def kept(self) -> dict[str, Any]:
        """What a resumed run takes over from the run, beside recipe, seed and data folder."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.metadata.get("kept")}

    def command(self) -> str:
        """The command that repeats the run, with the data folder written as DATA and weights without theirs."""
        words = ["resnet-tutorial", "train", "--model", self.model, "--seed", str(self.seed)]
        settings = vars(self.recipe) | self.kept() | {"device": self.device, "pretrained": self.start}
        usual = vars(Recipe()) | vars(TrainConfig())
        for name, value in settings.items():
            if value != usual[name]:
                words += _flag(name, value)
        return shlex.join(words + (["DATA"] if self.dataset != "shapes10" and self.root else []))


def _flag(name: str, value: Any) -> list[str]:
    option = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{option}" if value else f"--no-{option}"]
    return [f"--{option}", *(map(str, value) if isinstance(value, tuple) else [str(value)])]
