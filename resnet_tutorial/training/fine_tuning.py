"""Fine-tuning: from which weights a run starts, and which parts of the network stay as they are."""

import copy
from dataclasses import replace
from pathlib import Path

from torch import nn

from ..architectures import get_architecture
from ..errors import InputError
from ..models import ResNet
from ..weights import list_pretrained, load_weights, pretrained_file, read_weights
from ..weights.own import is_own
from .checkpoint import has_checkpoint, load_checkpoint, load_state
from .config import TrainConfig
from .recipe import Recipe


def parts_of(model: nn.Module) -> dict[str, list[nn.Module]]:
    """The parts of a network by name, the last layer at the end: ``stem``, ``conv2_x`` … ``fc``.

    Those of a network of one's own are the modules in it that have parameters, by the names of its attributes.
    """
    if not isinstance(model, ResNet):
        return {name: [part] for name, part in model.named_children() if any(True for _ in part.parameters())}
    parts = {"stem": [model.conv1, model.bn1]}
    parts |= {stage.name: [blocks] for stage, blocks in zip(model.arch.stages, model.stages, strict=True)}
    parts[model.arch.stages[-1].name].append(model.norm)
    return parts | {"fc": [model.fc]}


def head_of(model: nn.Module) -> nn.Module:
    """The last layer; of a network without parts, the network."""
    return [[model], *parts_of(model).values()][-1][0]


def freeze(model: nn.Module, names: str | None) -> None:
    """Let parts of a network stay as they are: no gradient, no state of the optimizer, statistics kept (`train_mode`).

    Args:
        model: the network.
        names: parts with commas between them, as in ``stem,conv2_x``; ``backbone`` is all but the last.

    Raises:
        InputError: if there is no such part, or it is the last.
    """
    if names is None:
        return
    *backbone, head = parts_of(model) or ["the network"]
    asked = backbone if names == "backbone" else [name.strip() for name in names.split(",")]
    choice = f"choose from {', '.join([*backbone, 'backbone'])}" if backbone else "leave --freeze out"
    for name in asked:
        if name in (head, "head"):
            raise InputError(f"the last layer, {head}, cannot be frozen, as it learns the classes: {choice}")
        if name not in backbone:
            raise InputError(f"no part of the network is called {name!r}: {choice}")
    for name in asked:
        for part in parts_of(model)[name]:
            part.requires_grad_(False)


def find_weights(name: str, model: str) -> Path:
    """The file or run that ``--weights`` means.

    Args:
        name: ``cifar10``, for those of the network in the package; ``resnet20.cifar10``; or a path.
        model: the network.

    Raises:
        InputError: if there is none.
    """
    known = list_pretrained()
    full = name if is_own(model) else f"{get_architecture(model).name}.{name}"
    if name in known or full in known:
        return pretrained_file(name if name in known else full)
    path = Path(name).expanduser()
    if not path.exists():
        raise InputError(
            f"there are no weights {name}: name a file, a run, or of those in the package, {', '.join(known)}"
        )
    return path


def load_start(model: nn.Module, name: str, classes: tuple[str, ...]) -> str:
    """Load the weights that a run starts from; a last layer for other classes stays as it was drawn.

    Args:
        model: the network.
        name: as of `find_weights`.
        classes: of the data.

    Returns:
        What was done, in one line.

    Raises:
        InputError: if there are no such weights, or they are of another network.
    """
    said = f"the weights at the start are those of {name}"
    if isinstance(model, ResNet):
        path = find_weights(name, model.arch.name)
        drawn, option = copy.deepcopy(model.fc), model.arch.shortcut
        loaded = load_weights(model, path, partial=True)
        if loaded.changed:
            raise InputError(
                f"{path} has shortcut option {loaded.shortcut}, not {option}: add --shortcut {loaded.shortcut}"
            )
        known, fresh = loaded.metadata.get("classes"), any(key.startswith("fc.") for key in loaded.kept)
        if tuple(known or classes) != classes:
            model.fc, fresh = drawn, True
    else:
        path = find_weights(name, ":")
        file, own = read_weights(path), model.state_dict()
        head = [*parts_of(model)][-1:]
        mine = {key: value for key, value in own.items() if head and key.startswith(f"{head[0]}.")}
        known = file.metadata.get("classes")
        fresh = any(key in file.state_dict and file.state_dict[key].shape != mine[key].shape for key in mine)
        fresh = bool(mine) and (fresh or (known is not None and tuple(known) != classes))
        load_state(model, file.state_dict | (mine if fresh else {}), f"the run is to start from {path}")
    if not fresh:
        return said
    theirs = f" (the weights know {len(known)})" if known else ""
    return f"{said}, but the last layer is new, for {len(classes)} classes{theirs}"


def normalized_as_the_start(config: TrainConfig, folder: Path) -> Recipe:
    """The recipe of a run with mean and std of the weights that it starts from, if they say them and it names no other.

    Args:
        config: the run.
        folder: of the run; one that is there already goes on with its own.
    """
    recipe = config.recipe
    if not config.pretrained or recipe.mean is not None or recipe.normalization != "dataset":
        return recipe
    if config.resume and has_checkpoint(folder):
        about = load_checkpoint(folder, log=lambda line: None).get("record", {}).get("recipe", {})
    else:
        about = read_weights(find_weights(config.pretrained, config.model)).metadata
    mean, std = (about.get(name) for name in ("mean", "std"))
    stated = all(isinstance(numbers, list | tuple) and len(numbers) == 3 for numbers in (mean, std))
    return replace(recipe, mean=tuple(mean), std=tuple(std)) if stated else recipe
