"""The command line: ``resnet-tutorial COMMAND …``, also as ``python -m resnet_tutorial COMMAND …``."""

import argparse
import contextlib
import difflib
import io
import json
import os
import re
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from tyro.conf import OmitArgPrefixes, Positional, UseAppendAction, arg

from .analysis import LayerCost, format_table, summarize_architecture, total, total_activations
from .architectures import Architecture, get_architecture
from .data import BatchLoader, Transform, download_dataset, load_dataset
from .data.load import DATA_VARIABLE
from .data.sources import SOURCES
from .errors import InputError
from .models import create_model, identify, list_models, model_from_weights, read_weights
from .training import (
    Recipe,
    TrainConfig,
    evaluate,
    list_recipes,
    load_checkpoint,
    load_recipe,
    model_from_checkpoint,
    pick_device,
    predict,
    train,
)
from .training.checkpoint import newest_checkpoint
from .training.recipe import recipe_from_dict

RUNS = Path("runs")
DOWNLOADS = Path("data/datasets")


@dataclass(frozen=True)
class TrainArgs:
    """Train a network; save a checkpoint after every epoch; write log.csv and record.json."""

    data: Positional[Path | None] = None
    """Data folder, as --root; without one, Shapes-10."""
    config: Annotated[str, arg(aliases=["-c"])] = "quick"
    """Recipe: the name of a shipped one, or a YAML file."""
    run: OmitArgPrefixes[TrainConfig] = field(default_factory=TrainConfig)


@dataclass(frozen=True)
class EvaluateArgs:
    """Score a trained network on the test part of a data set."""

    checkpoint: Positional[Path | None] = None
    """Folder or checkpoint of a run; the newest in runs/ if not given."""
    data: Positional[Path | None] = None
    """Data folder, as --root; that of the run if not given."""
    root: Path | None = None
    """Data folder."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""


@dataclass(frozen=True)
class PredictArgs:
    """Say what is in image files."""

    pictures: Positional[tuple[Path, ...]]
    """Image files of any size."""
    checkpoint: Path | None = None
    """Folder or checkpoint of a run; the newest in runs/ if not given."""
    top: int = 3
    """Number of classes to print for each image."""


@dataclass(frozen=True)
class SummaryArgs:
    """Print what a network costs: sizes, parameters, multiply-accumulates, memory in training, receptive field."""

    model: Positional[str | None] = None
    """Network; or a pattern such as "plain*", a line for each; all of them if not given."""
    shortcut: str | None = None
    """Option A, B or C; the network's own if not given."""
    stem: str = "cifar"
    """cifar (3×3) or imagenet (7×7 and max-pooling, both with stride 2)."""
    width: float = 1.0
    """Factor for the channels of every layer."""
    in_channels: int = 3
    """Channels of the image."""
    num_classes: int = 10
    """Number of classes."""
    checkpoint_activations: bool = False
    """Keep only the input of each block for the backward pass."""
    image_size: int = 32
    """Height and width of the image."""
    layers: bool = False
    """A row for each layer, not for each stage."""
    json: bool = False
    """Print JSON, for programs: one object; a list of them for several networks."""


@dataclass(frozen=True)
class IdentifyArgs:
    """Say which ResNet the weights in a file belong to, and how it departs from the paper."""

    file: Positional[Path]
    """File of weights (.safetensors, .pth, .th, .pt) or the folder of a run."""


@dataclass(frozen=True)
class DownloadArgs:
    """Download CIFAR-10 or CIFAR-100 (170 MB each) and check it; go on where an earlier download was cut off."""

    name: Positional[Literal["cifar10", "cifar100"]] = "cifar10"
    """Data set."""
    root: Path | None = None
    """Folder to put it into; without one, that of RESNET_TUTORIAL_DATA, or data/datasets."""
    mirror: UseAppendAction[tuple[tuple[str, ...], ...]] = ()
    """Addresses to try first: of the archive, or, with a slash at the end, of a folder that holds it."""


@dataclass(frozen=True)
class RecipesArgs:
    """List the shipped recipes."""


def main(argv: list[str] | None = None) -> None:
    """Run one command and exit: status 0, or 1 for wrong input, 2 for wrong usage, 130 for Ctrl-C."""
    argv = sys.argv[1:] if argv is None else argv
    try:
        status = _dispatch(argv)
    except InputError as error:
        status = _fail(str(error))
    except KeyboardInterrupt as stop:
        status = _fail(f"interrupted: {stop.args[0] if stop.args else 'nothing half-written is left'}", status=130)
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    sys.exit(status)


def train_command(argv: list[str]) -> None:
    args = _parse(TrainArgs, "train", argv, default=TrainArgs(run=_defaults(argv)))
    if args.data and args.run.root and args.data != args.run.root:
        raise InputError(f"two data folders are named, {args.data} and --root {args.run.root}: name one")
    config = replace(args.run, root=args.data or args.run.root)
    train(config, log=lambda line: print(line, flush=True))


def evaluate_command(argv: list[str]) -> None:
    args = _parse(EvaluateArgs, "evaluate", argv)
    state = load_checkpoint(args.checkpoint or newest_checkpoint(RUNS))
    record = state["record"]
    _, test = load_dataset(*_data_of_run(state, args.data or args.root))
    if list(test.classes) != state["classes"]:
        raise InputError(
            f"{test.name} has the classes {', '.join(test.classes)}; the network knows {', '.join(state['classes'])}: "
            f"evaluate it on {record['data']['name']}"
        )
    device = pick_device(TrainConfig(device=args.device))
    batches = BatchLoader(test, 500, Transform(state["mean"], state["std"]), num_workers=1)
    scores = evaluate(device.place(model_from_checkpoint(state)), batches, device)
    print(f"{state['model']}, epoch {state['epoch']}, on the test part of {test.name} ({len(test):,} images)")
    if test.fingerprint != record["data"]["test_fingerprint"]:
        print("note: this is not the test part that belongs to the run")
    print(f"accuracy {scores['accuracy']:.2f} %, loss {scores['loss']:.4f}")
    recall = 100 * scores["confusion"].diagonal() / scores["confusion"].sum(dim=1)
    for name, value in zip(test.classes, recall.tolist(), strict=True):
        print(f"  {name:20} {value:6.2f} %")


def predict_command(argv: list[str]) -> None:
    args = _parse(PredictArgs, "predict", argv)
    if not args.pictures:
        raise InputError("no picture named: give one or more image files")
    state = load_checkpoint(args.checkpoint or newest_checkpoint(RUNS))
    for answer in predict(state, list(args.pictures)):
        best = list(zip(answer.classes, answer.probabilities, strict=True))[: args.top]
        print(f"{answer.path}: " + ", ".join(f"{name} {100 * p:.1f} %" for name, p in best))


def summary_command(argv: list[str]) -> None:
    args = _parse(SummaryArgs, "summary", argv)
    many = args.model is None or any(sign in args.model for sign in "*?[")
    if many and args.layers:
        raise InputError("--layers shows one network: name it, as in summary resnet20 --layers")
    names = list_models(args.model or "*") if many else [args.model]
    if not names:
        raise InputError(f"no network matches {args.model!r}: try 'resnet*', 'plain*' or 'preact*'")
    archs = [get_architecture(name).with_options(args.shortcut, args.stem, args.width) for name in names]
    create_model("resnet8", args.num_classes, in_channels=args.in_channels)  # refuses wrong numbers
    if args.json:
        answers = [_summary_as_dict(arch, args) for arch in archs]
        print(json.dumps(answers if many else answers[0], indent=2, ensure_ascii=False))
        return
    for arch in archs:
        print(_summary_line(arch, args) if many else _summary_table(arch, args))


def _summary_rows(arch: Architecture, args: SummaryArgs) -> list[LayerCost]:
    return summarize_architecture(
        arch,
        args.num_classes,
        args.image_size,
        layers=args.layers,
        in_channels=args.in_channels,
        checkpoint_activations=args.checkpoint_activations,
    )


def _summary_line(arch: Architecture, args: SummaryArgs) -> str:
    parameters, macs = total(_summary_rows(arch, args))
    size = f"{parameters:>12,} parameters {macs / 1e6:>9,.1f} million MACs"
    return f"{arch.name:12} {arch.family:12} {arch.block:11} {size}"


def _summary_table(arch: Architecture, args: SummaryArgs) -> str:
    shortcut = "no shortcuts" if arch.kind == "plain" else f"shortcut {arch.shortcut}"
    width = "" if args.width == 1 else f", width × {args.width:g}"
    image = f"{args.image_size}×{args.image_size}×{args.in_channels}"
    checkpoints = ", with checkpoints" if args.checkpoint_activations else ""
    return (
        f"{arch.title}: {shortcut}, {arch.stem} stem{width}, {image} image, {args.num_classes} classes\n"
        f"{format_table(_summary_rows(arch, args))}\n"
        f"activations: numbers kept for the backward pass{checkpoints}; field: receptive field, in pixels"
    )


def _summary_as_dict(arch: Architecture, args: SummaryArgs) -> dict[str, Any]:
    rows = _summary_rows(arch, args)
    parameters, macs = total(rows)
    totals = {"parameters": parameters, "macs": macs, "activations": total_activations(rows)}
    options = {k: v for k, v in asdict(args).items() if k not in ("model", "layers", "json")}
    return {
        "name": arch.name,
        "title": arch.title,
        "depth": arch.depth,
        "options": options | {"shortcut": arch.shortcut},
        "rows": [asdict(row) for row in rows],
        "totals": totals | {"receptive_field": rows[-1].receptive_field},
    }


def identify_command(argv: list[str]) -> None:
    args = _parse(IdentifyArgs, "identify", argv)
    weights = read_weights(args.file)
    try:
        model = model_from_weights(args.file)
    except InputError:  # the file does not say what it holds, or not truly
        print(identify(weights.state_dict, claimed=args.file.stem))
        return
    print(identify(model, claimed=args.file.stem))
    print("what weights do not show was read from the file's own description of its network")


def download_command(argv: list[str]) -> None:
    args = _parse(DownloadArgs, "download", argv)
    root = args.root or os.environ.get(DATA_VARIABLE) or DOWNLOADS
    path = download_dataset(args.name, root, [url for urls in args.mirror for url in urls])
    if path.name != SOURCES[args.name].archive:
        load_dataset(args.name, path)  # a copy from elsewhere: raises where it is damaged
    print(f"{SOURCES[args.name].title} is in {path}")


def recipes_command(argv: list[str]) -> None:
    _parse(RecipesArgs, "recipes", argv)
    for name in list_recipes():
        recipe = load_recipe(name)
        print(
            f"{name:20} {recipe.epochs} epochs, batch {recipe.batch_size}, {recipe.optimizer} with "
            f"lr {recipe.lr:g}, {recipe.lr_scheduler}"
        )


COMMANDS: dict[str, tuple[Callable[[list[str]], None], type]] = {
    "train": (train_command, TrainArgs),
    "evaluate": (evaluate_command, EvaluateArgs),
    "predict": (predict_command, PredictArgs),
    "summary": (summary_command, SummaryArgs),
    "identify": (identify_command, IdentifyArgs),
    "download": (download_command, DownloadArgs),
    "recipes": (recipes_command, RecipesArgs),
}


def _dispatch(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        print("usage: resnet-tutorial COMMAND [OPTIONS]\n\ncommands (each with --help):")
        for name, (_, args_class) in COMMANDS.items():
            print(f"  {name:10} {args_class.__doc__}")
        return 0
    if argv[0] in COMMANDS:
        COMMANDS[argv[0]][0](argv[1:])
        return 0
    near = difflib.get_close_matches(argv[0], COMMANDS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(COMMANDS)}"
    return _fail(f"no command is called {argv[0]!r}: {hint}", status=2)


def _parse(args_class: type, command: str, argv: list[str], default: Any = None) -> Any:
    """Parse with tyro; turn the box that it draws around an error into one line."""
    boxed = io.StringIO()
    options = {} if default is None else {"default": default}
    try:
        with contextlib.redirect_stderr(boxed):
            return tyro.cli(args_class, args=argv, prog=f"resnet-tutorial {command}", **options)
    except SystemExit as stop:
        if stop.code:
            sys.exit(_fail(f"{_unbox(boxed.getvalue())}; see resnet-tutorial {command} --help", status=2))
        raise


def _unbox(text: str) -> str:
    """The message in tyro's box, without its frame, its title and the help under it, on one line."""
    text = re.sub(r"\x1b\[[0-9;]*m|[╭╮╰╯│─]+|-{4,}", " ", text)
    body = " ".join(text.partition("\n")[2].split())
    return re.split(r"Argument helptext:|For full helptext", body)[0].strip().rstrip(".")


def _defaults(argv: list[str]) -> TrainConfig:
    """What the flags override: the run that is resumed, or else the recipe named with -c."""
    scan = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    scan.add_argument("-c", "--config", default="quick")
    scan.add_argument("--resume", action="store_true")
    scan.add_argument("--ckpt-dir", "--ckpt_dir", type=Path)
    known, _ = scan.parse_known_args(argv)
    if not known.resume:
        return TrainConfig(recipe=load_recipe(known.config))
    state = load_checkpoint(known.ckpt_dir or newest_checkpoint(RUNS))
    folder = known.ckpt_dir or newest_checkpoint(RUNS).parent
    record, names = state["record"], {f.name for f in fields(Recipe)}
    recipe = recipe_from_dict({k: v for k, v in record["recipe"].items() if k in names}, str(folder))
    _, root = _data_of_run(state, None)
    return TrainConfig(
        model=state["model"], seed=record["seed"], root=root, recipe=recipe, ckpt_dir=folder, **state["run"]
    )


def _data_of_run(state: dict, root: Path | None) -> tuple[str, Path | None]:
    """Name and folder of the data set that a run was trained on, unless another folder is named."""
    if root is not None:
        return "auto", root
    return state["run"]["dataset"], Path(state["root"]) if state["root"] else None


def _fail(message: str, status: int = 1) -> int:
    print(f"error: {message}", file=sys.stderr)
    return status
