"""What each command takes. Nothing here needs torch, so that help and errors come at once.

A field is a flag, or, where its type is annotated with how the help writes it, a word that is given by its place. Of a
dataclass within, such as the settings of a run, the fields are flags: all, or those that its annotation names.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from ..training.config import TrainConfig


@dataclass(frozen=True)
class TrainArgs:
    """Train a network; save a checkpoint after every epoch; write log.csv and record.json."""

    # -- run
    data: Annotated[Path | None, "[DATA]"] = None
    """Data folder, as --root; without one, Shapes-10."""
    config: str = "quick"
    """Recipe: one that is shipped, or a YAML file."""
    seeds: tuple[int, ...] = ()
    """Train with several seeds, each in a folder of its own, and print mean and deviation: how many, counted from
    --seed on, or which, as in 0 1 2. What is finished is skipped, what was broken off goes on."""
    run: TrainConfig = field(default_factory=TrainConfig)


@dataclass(frozen=True)
class WeightsArgs:
    """What a file of weights may leave open. A run knows all of it."""

    model: str | None = None
    """Network, for a file of weights that does not say which it holds; FILE.py:CLASS for a run of your own network."""
    mean: tuple[float, float, float] | None = None
    """Mean of red, green and blue, on the scale 0 to 1, for a file of weights that does not say it."""
    std: tuple[float, float, float] | None = None
    """Standard deviation of red, green and blue, likewise."""
    classes: str | None = None
    """Names of the classes, for a file of weights that does not say them: cat,dog,ship, or a file with one a line."""


@dataclass(frozen=True)
class EvaluateArgs:
    """Score a trained network on the test part of a data set."""

    checkpoint: Annotated[Path | None, "[RUN]"] = None
    """Folder or checkpoint of a run, file of weights, or a name as resnet20.cifar10; else the newest run."""
    data: Annotated[Path | None, "[DATA]"] = None
    """Data folder, as --root; that of the run if not given."""
    root: Path | None = None
    """Data folder."""
    skip_unreadable: bool = False
    """Leave out images that cannot be read, as a run does that was trained with it."""
    flip: bool = False
    """Show the network each image and its mirror image, and take the mean of the two answers."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Device; auto takes the GPU if there is one."""
    weights: WeightsArgs = field(default_factory=WeightsArgs)
    csv: Path | None = None
    """Write a table into this file, too: number of the image, its class, the answer, and its probability."""
    all: bool = False
    """In the table, the probability of every class as well."""
    json: bool = False
    """Print JSON, for programs."""


@dataclass(frozen=True)
class PredictArgs:
    """Say what is in image files."""

    images: Annotated[tuple[Path, ...], "IMAGE [IMAGE ...]"] = ()
    """Image files of any size, and folders of them."""
    checkpoint: Path | None = None
    """Folder or checkpoint of a run, file of weights, or a name as resnet20.cifar10; else the newest run."""
    top: int = 3
    """Number of classes to print for each image."""
    all: bool = False
    """Every class: print all, and write a column for each into the table."""
    csv: Path | None = None
    """Write a table into this file and print none: path, class, probability."""
    weights: WeightsArgs = field(default_factory=WeightsArgs)
    json: bool = False
    """Print JSON, for programs: a list with an object for each image that could be read."""


@dataclass(frozen=True)
class ExportArgs:
    """Write a trained network as ONNX (.onnx), torch.export (.pt2) or weights (.safetensors)."""

    file: Annotated[Path, "FILE"]
    """File to write; its suffix says the format."""
    checkpoint: Annotated[Path | None, "[RUN]"] = None
    """Folder or checkpoint of a run, file of weights, or a name as resnet20.cifar10; else the newest run."""
    input: Literal["uint8", "unit", "normalized"] = "uint8"
    """RGB images: uint8 N×H×W×3; unit, float N×3×H×W from 0 to 1; normalized, likewise, with mean and std applied."""
    weights: WeightsArgs = field(default_factory=WeightsArgs)


@dataclass(frozen=True)
class CompareArgs:
    """Put runs side by side: mean and standard deviation over seeds, best validation, costs."""

    runs: Annotated[tuple[Path, ...], "RUN [RUN ...]"] = ()
    """Folders of runs, or records (.json), as in runs/*."""
    plot: Path | None = None
    """Draw the curves of all runs into this file, .png, .svg or .pdf."""
    json: bool = False
    """Print JSON, for programs."""


@dataclass(frozen=True)
class BenchArgs:
    """Measure training and loading on this machine, and estimate how long a recipe takes."""

    models: Annotated[tuple[str, ...], "[NETWORK ...]"] = ("resnet20",)
    """Networks to measure; resnet20 if none is given."""
    all: bool = False
    """Estimate the time with all other networks, too, scaled from the measured ones by multiply-accumulates."""
    config: str = "quick"
    """Recipe: the name of a shipped one, or a YAML file."""
    batch_size: int | None = None
    """Images in a batch; that of the recipe if not given."""
    images: int = 50_000
    """Training images that the estimates are for."""
    repeats: int = 5
    """Times that each figure is measured; the median counts."""
    run: Annotated[TrainConfig, "device precision channels_last compile cuda_graphs"] = field(
        default_factory=TrainConfig
    )
    json: bool = False
    """Print JSON, for programs."""


@dataclass(frozen=True)
class SummaryArgs:
    """Print what a network costs: sizes, parameters, multiply-accumulates, memory in training, receptive field."""

    model: Annotated[str | None, "[NETWORK]"] = None
    """Network; or a pattern such as "plain*", a line for each; all of them if not given."""
    network: Annotated[TrainConfig, "shortcut stem width checkpoint_activations"] = field(default_factory=TrainConfig)
    in_channels: int = 3
    """Channels of the image."""
    num_classes: int = 10
    """Number of classes."""
    image_size: int = 32
    """Height and width of the image."""
    layers: bool = False
    """A row for each layer, not for each stage."""
    json: bool = False
    """Print JSON, for programs: one object; a list of them for several networks."""


@dataclass(frozen=True)
class IdentifyArgs:
    """Say which ResNet the weights in a file belong to, and how it departs from the paper."""

    file: Annotated[Path, "FILE"]
    """File of weights (.safetensors, .pth, .th, .pt) or the folder of a run."""


@dataclass(frozen=True)
class DownloadArgs:
    """Download CIFAR-10 or CIFAR-100 (170 MB each) and check it; go on where an earlier download was cut off."""

    name: Annotated[Literal["cifar10", "cifar100"], "[DATASET]"] = "cifar10"
    """Data set, cifar10 or cifar100; the first if none is named."""
    root: Path | None = None
    """Folder to put it into; without one, that of RESNET_TUTORIAL_DATA, or data/datasets."""
    mirror: tuple[str, ...] = ()
    """Addresses to try first: of the archive, or, with a slash at the end, of a folder that holds it."""


@dataclass(frozen=True)
class RecipesArgs:
    """List the shipped recipes, or print one as a YAML file, with its source and expected accuracy."""

    name: Annotated[str | None, "[RECIPE]"] = None
    """Recipe to print, a shipped one or a YAML file: as a start for one's own, for train -c FILE."""


# What the help of a command explains, if it would not fit a screen with all of it.
EVERYDAY = {
    "train": "data config image_size test_share ckpt_dir resume model pretrained epochs batch_size lr freeze "
    "backbone_lr",
}

COMMANDS = {
    "train": TrainArgs,
    "evaluate": EvaluateArgs,
    "predict": PredictArgs,
    "export": ExportArgs,
    "compare": CompareArgs,
    "bench": BenchArgs,
    "summary": SummaryArgs,
    "identify": IdentifyArgs,
    "download": DownloadArgs,
    "recipes": RecipesArgs,
}
