"""The runs that are wanted: a YAML file, spelled out run by run, and the records that are there already."""

import itertools
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import yaml

from resnet_tutorial.architectures import get_architecture
from resnet_tutorial.data import ImageDataset, load_dataset
from resnet_tutorial.errors import InputError
from resnet_tutorial.training import RunRecord, TrainConfig, load_recipe, read_record
from resnet_tutorial.training.device import DTYPES
from resnet_tutorial.training.recipe import Recipe, recipe_from_dict

Parts = tuple[ImageDataset, ImageDataset]

ENTRY_KEYS = {"about", "models", "recipe", "seeds", "options", "train_size", "overrides", "alone", "long", "weights"}
# What an entry may say under `options`; the rest of TrainConfig has a key of its own or is the campaign's affair.
OPTIONS = {"shortcut", "stem", "width", "zero_init_residual", "stochastic_depth", "precision", "channels_last"}
OPTIONS |= {"compile", "cuda_graphs", "deterministic", "checkpoint_activations", "data_on_device"}


@dataclass(frozen=True)
class Run:
    """One run that is wanted.

    Attributes:
        name: stem of its record's file.
        config: network, options, recipe, seed, size of the training set.
        alone: whether nothing else may run meanwhile, because its time is what it is for.
        long: whether it may be stopped when the time is up, to go on in the next call.
        weights: whether its last checkpoint is kept beside the record.
    """

    name: str
    config: TrainConfig
    alone: bool = False
    long: bool = False
    weights: bool = False


@dataclass(frozen=True)
class Plan:
    """A plan as its file has it.

    Attributes:
        file: the file.
        data: ``name``, ``file`` (the data set in file names) and ``test_fingerprint`` of the data it was made for.
        options: options of every run, which do not show in the names.
        entries: groups of runs, the most wanted first.
    """

    file: Path
    data: dict[str, str]
    options: dict[str, Any]
    entries: list[dict[str, Any]]


def read_plan(file: Path) -> Plan:
    """Read a plan.

    Raises:
        InputError: if the file is missing, is not YAML, or has an unknown key.
    """
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise InputError(f"the plan {file} cannot be read ({str(error).splitlines()[0]}): check the file") from None
    if not isinstance(values, dict) or not isinstance(values.get("runs"), list):
        raise InputError(f"the plan {file} needs a list called runs")
    if unknown := values.keys() - {"data", "options", "runs"}:
        raise InputError(f"unknown key {min(unknown)!r} in the plan {file}: it holds data, options and runs")
    for entry in values["runs"]:
        if unknown := entry.keys() - ENTRY_KEYS:
            raise InputError(f"unknown key {min(unknown)!r} in the plan {file}: use {', '.join(sorted(ENTRY_KEYS))}")
    return Plan(file, values.get("data", {}), values.get("options", {}), values["runs"])


def load_parts(plan: Plan, path: Path | None) -> tuple[Parts, str]:
    """Load the data; if they are those of the plan, under the name that it has for them.

    Args:
        plan: the plan.
        path: folder or file; Shapes-10 without one.

    Returns:
        The train part and the test part, and what to call the data in file names.
    """
    train, test = load_dataset("auto" if path else "shapes10", path)
    if test.fingerprint != plan.data.get("test_fingerprint"):
        return (train, test), "".join(c if c.isalnum() else "-" for c in train.name.lower()).strip("-")
    name = plan.data["name"]
    return (replace(train, name=name), replace(test, name=name)), plan.data["file"]


def expand(plan: Plan, data: str, graphs: bool) -> list[Run]:
    """Spell out the runs in order of priority; of two that train the same, the first counts.

    Within an entry the first seed of all networks comes before the second: if time runs out, no network is missing.

    Args:
        plan: the plan.
        data: what to call the data in file names.
        graphs: whether this machine has CUDA graphs; elsewhere a run does without.

    Raises:
        InputError: if a network, recipe, option or value does not exist, or two different runs have one name.
    """
    runs: dict[tuple, Run] = {}
    for entry in plan.entries:
        choices = (entry.get("seeds", [0]), _several(entry, "overrides"), _several(entry, "options"), entry["models"])
        for seed, overrides, options, model in itertools.product(*choices):
            run = _run(plan, entry, data, model, seed, overrides, options)
            if not graphs:
                run = replace(run, config=replace(run.config, cuda_graphs=False))
            runs.setdefault(_what(run), run)
    names = [run.name for run in runs.values()]
    if twice := {name for name in names if names.count(name) > 1}:
        raise InputError(f"the plan {plan.file} has two different runs called {min(twice)}: merge them")
    return list(runs.values())


def _several(entry: dict[str, Any], key: str) -> list[dict[str, Any]]:
    values = entry.get(key, {})
    return values if isinstance(values, list) else [values]


def _run(plan: Plan, entry: dict, data: str, model: str, seed: int, overrides: dict, options: dict) -> Run:
    size, recipe = entry.get("train_size"), entry["recipe"]
    asked = plan.options | options
    if unknown := asked.keys() - OPTIONS:
        raise InputError(f"unknown option {min(unknown)!r} in the plan {plan.file}: use {', '.join(sorted(OPTIONS))}")
    if asked.get("precision", "auto") not in ("auto", *DTYPES):
        raise InputError(f"precision must be auto or one of {', '.join(DTYPES)}, got {asked['precision']}")
    name = get_architecture(model).name
    config = TrainConfig(model=name, seed=seed, train_size=size, recipe=_recipe(recipe, overrides, plan.file), **asked)
    architecture(config)  # complains of options that the network does not have
    words = [name, *_words(options), data, *([str(size)] if size else []), recipe, *_words(overrides), f"seed{seed}"]
    weights = name in entry.get("weights", [])
    return Run("-".join(words), config, entry.get("alone", False), entry.get("long", False), weights)


def _recipe(name: str, overrides: dict[str, Any], file: Path) -> Recipe:
    recipe = asdict(load_recipe(name))
    if "epochs" in overrides:
        recipe["steps"] = None  # somebody who names epochs means them
    return recipe_from_dict(recipe | overrides, f"{name} with the overrides in {file}")


def _words(values: dict[str, Any]) -> list[str]:
    """Settings as parts of a file name, such as ``batch-size-64``, in an order that does not depend on the file's."""
    return [_word(key.replace("_", "-"), value) for key, value in sorted(values.items())]


def _word(key: str, value: Any) -> str:
    if isinstance(value, bool):
        return key if value else f"no-{key}"
    number = f"{value:g}" if isinstance(value, float) else str(value)
    return f"{key}-{number}"


def _what(run: Run) -> tuple:
    return (*(repr(getattr(run.config, f.name)) for f in fields(TrainConfig)), run.alone)


def architecture(config: TrainConfig):
    """The record of the network with the options of the run."""
    options = {key: getattr(config, key) for key in ("shortcut", "stem", "width")}
    return get_architecture(config.model).with_options(**options)


# What is there


def read_records(folder: Path, log=print) -> dict[str, RunRecord]:
    """The finished records in a folder, by the stem of the file."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        try:
            record = read_record(path)
        except InputError as error:
            log(f"note: {error}")
            continue
        if record.test is not None:
            found[path.stem] = record
    return found


def find_record(run: Run, records: dict[str, RunRecord], parts: Parts) -> str | None:
    """The stem of a record of this run, whoever made it.

    Where time is what a run is for, only its own record counts: options of the machine are part of it.
    """
    named = {run.name: records[run.name]} if run.name in records else {}
    candidates = named if run.alone else named | records
    return next((stem for stem, record in candidates.items() if _matches(run, record, parts)), None)


def _matches(run: Run, record: RunRecord, parts: Parts) -> bool:
    config, (train, test), data = run.config, parts, record.data
    return (
        record.model == config.model
        and record.options == config.model_options()
        and record.seed == config.seed
        and record.compiled == config.compile
        and config.precision in ("auto", record.precision)
        and data["test_fingerprint"] == test.fingerprint
        and data.get("loaded_fingerprint", train.fingerprint) == train.fingerprint
        and data["train"] + data["validation"] == (config.train_size or len(train))
        and _recipe_of(record) == config.recipe
    )


def _recipe_of(record: RunRecord) -> Recipe | None:
    try:
        return recipe_from_dict(record.recipe, "of a record")
    except InputError:  # of a newer version
        return None


def networks(runs: Iterable[Run]) -> list[Run]:
    """The first run of each network, in order."""
    return list({(run.config.model, str(run.config.model_options())): run for run in reversed(list(runs))}.values())[
        ::-1
    ]
