"""Train a network."""

import argparse
import itertools
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated

from tyro.conf import OmitArgPrefixes, Positional, arg

from ..errors import InputError
from ..training import Recipe, TrainConfig, load_card, load_checkpoint, train
from ..training.checkpoint import newest_checkpoint, run_folder
from ..training.distributed import leave_world, report_failure
from ..training.recipe import recipe_from_dict
from ..training.seeds import choose_seeds, train_seeds
from .common import RUNS, data_of_run, parse

# The settings know nothing of a command line: what the flags of four of them have beside a name and a docstring.
for _settings, _name, _flag in (
    (Recipe, "epochs", arg(aliases=["--num-epochs"])),
    (TrainConfig, "model", arg(aliases=["--model-name"])),
    (TrainConfig, "seed", arg(aliases=["--random-seed"])),
    (TrainConfig, "resume", arg(metavar="[auto]")),
):
    _settings.__annotations__[_name] = Annotated[_settings.__annotations__[_name], _flag]


@dataclass(frozen=True)
class TrainArgs:
    """Train a network; save a checkpoint after every epoch; write log.csv and record.json."""

    data: Positional[Path | None] = None
    """Data folder, as --root; without one, Shapes-10."""
    config: Annotated[str, arg(aliases=["-c"])] = "quick"
    """Recipe: the name of a shipped one, or a YAML file. If it was made for one network, --model need not be given."""
    seeds: tuple[int, ...] = ()
    """Train with several seeds, each in a folder of its own, and print mean and deviation: how many, counted from
    --seed on, or which, as in 0 1 2. What is finished is skipped, what was broken off goes on."""
    run: OmitArgPrefixes[TrainConfig] = field(default_factory=TrainConfig)


def train_command(argv: list[str]) -> None:
    argv = _with_value_of_resume(_with_data_first(argv))
    defaults = _defaults(argv)
    args = parse(TrainArgs, "train", argv, default=TrainArgs(run=defaults))
    # The folder of a resumed run is a default that DATA overrides: it may be written otherwise, or have moved.
    if args.data and args.run.root not in (None, args.data, defaults.root):
        raise InputError(f"two data folders are named, {args.data} and --root {args.run.root}: name one")
    config = replace(args.run, root=args.data or args.run.root)
    if args.seeds:
        report_failure(train_seeds)(config, choose_seeds(args.seeds, config.seed), log=_print)
    else:
        report_failure(train)(config, log=_print)
    leave_world()


def _print(line: str) -> None:
    print(line, flush=True)


def _with_data_first(argv: list[str]) -> list[str]:
    """``--seeds 3 DATA``: a flag that takes any number of integers would take the folder, too."""
    for flag in {"--seeds", "--milestones"} & set(argv):
        after = argv.index(flag) + 1
        numbers = len(list(itertools.takewhile(str.isdecimal, argv[after:])))
        data = argv[after + numbers : after + numbers + 1]
        if not numbers:
            raise InputError(f"{flag} takes whole numbers, as in {flag} {'3' if flag == '--seeds' else '100 150'}")
        if data and not data[0].startswith("-"):
            return [*data, *argv[: after + numbers], *argv[after + numbers + 1 :]]
    return argv


def _with_value_of_resume(argv: list[str]) -> list[str]:
    """``--resume`` alone means True, which tyro wants to read; several seeds go on wherever there is something."""
    value = "auto" if any(word.startswith("--seeds") for word in argv) else "True"
    followers = [*argv, ""][1:]
    spelled = [
        [word, value] if word == "--resume" and after != "auto" else [word]
        for word, after in zip(argv, followers, strict=True)
    ]
    return [word for words in spelled for word in words]


def _defaults(argv: list[str]) -> TrainConfig:
    """What the flags override: the run that is resumed, or else the recipe named with -c."""
    scan = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    # A flag without its value is for the parser behind this one to refuse.
    scan.add_argument("-c", "--config", nargs="?", default="quick", const="quick")
    scan.add_argument("--resume", nargs="?", default="False")
    scan.add_argument("--ckpt-dir", "--ckpt_dir", nargs="?", type=Path)
    scan.add_argument("--epochs", "--num-epochs", "--num_epochs", nargs="?")
    scan.add_argument("--steps", nargs="?")
    known, _ = scan.parse_known_args(argv)
    if known.resume != "True":  # a run that goes on with auto is named by its flags
        card = load_card(known.config)
        # Somebody who names epochs means them, also where the recipe counts steps.
        steps = None if known.epochs and not known.steps else card.recipe.steps
        return TrainConfig(recipe=replace(card.recipe, steps=steps), model=card.model or TrainConfig.model)
    folder = run_folder(known.ckpt_dir or newest_checkpoint(RUNS).parent)
    state = load_checkpoint(folder, log=lambda line: None)  # the trainer reads it again, and tells
    record = _checked_record(state, folder)
    recipe = recipe_from_dict(record["recipe"], str(folder))
    _, root = data_of_run(state, None)
    return TrainConfig(
        model=state["model"], seed=record["seed"], root=root, recipe=recipe, ckpt_dir=folder, **state["run"]
    )


def _checked_record(state: dict, folder: Path) -> dict:
    """The record in a checkpoint, if this version knows every setting of its run."""
    if "run" not in state or "record" not in state:
        raise InputError(f"{folder} was written by an older version, whose runs cannot go on: train again")
    unknown = state["record"]["recipe"].keys() - {f.name for f in fields(Recipe)}
    unknown |= state["run"].keys() - {f.name for f in fields(TrainConfig)}
    if unknown:
        raise InputError(
            f"the run in {folder} has settings that this version does not know ({', '.join(sorted(unknown))}): "
            "a newer version of resnet-tutorial wrote it, so upgrade the package"
        )
    return state["record"]
