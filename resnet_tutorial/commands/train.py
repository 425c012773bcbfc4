"""Train, and list the recipes."""

import argparse
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated

from tyro.conf import OmitArgPrefixes, Positional, arg

from ..errors import InputError
from ..training import Recipe, TrainConfig, list_recipes, load_checkpoint, load_recipe, train
from ..training.checkpoint import newest_checkpoint
from ..training.recipe import recipe_from_dict
from .common import RUNS, data_of_run, parse


@dataclass(frozen=True)
class TrainArgs:
    """Train a network; save a checkpoint after every epoch; write log.csv and record.json."""

    data: Positional[Path | None] = None
    """Data folder, as --root; without one, Shapes-10."""
    config: Annotated[str, arg(aliases=["-c"])] = "quick"
    """Recipe: the name of a shipped one, or a YAML file."""
    run: OmitArgPrefixes[TrainConfig] = field(default_factory=TrainConfig)


@dataclass(frozen=True)
class RecipesArgs:
    """List the shipped recipes."""


def train_command(argv: list[str]) -> None:
    args = parse(TrainArgs, "train", argv, default=TrainArgs(run=_defaults(argv)))
    if args.data and args.run.root and args.data != args.run.root:
        raise InputError(f"two data folders are named, {args.data} and --root {args.run.root}: name one")
    config = replace(args.run, root=args.data or args.run.root)
    train(config, log=lambda line: print(line, flush=True))


def recipes_command(argv: list[str]) -> None:
    parse(RecipesArgs, "recipes", argv)
    for name in list_recipes():
        recipe = load_recipe(name)
        print(
            f"{name:20} {recipe.epochs} epochs, batch {recipe.batch_size}, {recipe.optimizer} with "
            f"lr {recipe.lr:g}, {recipe.lr_scheduler}"
        )


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
    _, root = data_of_run(state, None)
    return TrainConfig(
        model=state["model"], seed=record["seed"], root=root, recipe=recipe, ckpt_dir=folder, **state["run"]
    )
