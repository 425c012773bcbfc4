"""Weights: saved with what one needs to know in a year, read in the layouts that are in use, and written for others."""

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path

import safetensors.torch
import torch

from ..architectures import CONVS_PER_BLOCK, TITLES, Architecture, get_architecture
from ..errors import InputError
from ..files import write_atomic
from ..models.resnet import ResNet
from ..version import __version__
from .file import FORMAT, FORMAT_KEY, WeightsFile, read_weights
from .layouts import LAYOUTS, Layout, get_layout
from .state_facts import StateFacts, describe_state

__all__ = [
    "LoadedWeights",
    "WeightsFile",
    "export_weights",
    "load_weights",
    "model_from_weights",
    "read_weights",
    "save_weights",
]

NAMED_KEYS = 5  # keys that an error names before it only counts the rest


@dataclass(frozen=True)
class LoadedWeights:
    """What `load_weights` found in a file, and what it did.

    Attributes:
        layout: name of the layout.
        inferred: a sentence for people: how ``layout``, ``shortcut``, ``mean`` and ``std`` were found out, as in "the
            tensors are named as in …; no shortcut parameters: option A; mean and std stand in the file".
        shortcut: shortcut option of the file, which the network has now; ``none`` in a plain network.
        changed: True if the network had another shortcut option before, so that its shortcuts were replaced: an
            optimizer made before holds parameters that are no longer in it. False if only numbers were copied.
        mean: mean of each input channel, on the scale 0 to 1, that the network was trained with; None if not known.
        std: standard deviation of each input channel; None if not known.
        classes: names of the classes; None if the file does not say.
        metadata: all that the file says beside the tensors.
        path: the file.
    """

    layout: str
    inferred: str
    shortcut: str
    changed: bool
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    classes: tuple[str, ...] | None
    metadata: dict[str, object] = field(repr=False)
    path: Path


def load_weights(model: ResNet, path: str | Path, layout: str = "auto") -> LoadedWeights:
    """Load the weights of a file into a network, whoever wrote the file.

    If the file has another shortcut option than the network (He et al. 2016, section 3.3), the network's shortcuts are
    replaced and its ``arch`` is updated: make the optimizer after loading, not before. Tensors are converted to the
    network's dtype and device. If anything does not fit, the network stays as it was.

    Args:
        model: a network from `create_model`.
        path: a file as for `read_weights`, or the folder of a run.
        layout: ``auto``, or a name of the table ``LAYOUTS``: ``resnet_tutorial``, ``torchvision`` (timm's names, too),
            ``chenyaofo``, ``kuangliu``, ``idelbayev`` or ``timm_resnetv2``.

    Returns:
        Layout, shortcut option, mean and standard deviation, class names and metadata.

    Raises:
        InputError: if the file cannot be read, or does not fit the network. The message names what differs.
    """
    _check_model(model)
    file = read_weights(path)
    chosen, state = _translate(file, layout)
    facts = describe_state(state)
    if reason := chosen.unreadable(facts):
        raise InputError(f"{file.path} cannot be loaded: {reason}")
    if layout != "auto" and (reason := chosen.misfit(facts)):
        raise InputError(f"{file.path} does not have the layout {layout}: {reason}; leave layout='auto'")
    _check_same_network(file, chosen, facts, model)
    option = _shortcut_option(file, facts, model.arch)
    twin = None if option == model.arch.shortcut else _twin(model, option)
    _check_keys(file, chosen, state, _wanted(model, twin))
    # All checks are done: nothing below fails, so the network changes whole or not at all.
    if twin is not None:
        _replace_shortcuts(model, twin)
    _copy(state, model)
    mean, std, source = _mean_std(file, chosen, facts)
    return LoadedWeights(
        layout=chosen.name,
        inferred=f"{_evidence(file, chosen, option)}; {source}",
        shortcut=option,
        changed=twin is not None,
        mean=mean,
        std=std,
        classes=_classes(file.metadata, facts),
        metadata=file.metadata,
        path=file.path,
    )


def model_from_weights(path: str | Path) -> ResNet:
    """Build the network that a file of `save_weights`, or a checkpoint of a run, was saved from, with its weights.

    It gives the network alone. `resnet_tutorial.training.load_trained` gives it together with the names of the classes,
    mean and standard deviation; so does ``load_weights(model, path)``, as ``classes``, ``mean`` and ``std``.

    Args:
        path: the file, or the folder of a run.

    Returns:
        The network in evaluation mode, on the CPU, in float32.

    Raises:
        InputError: if the file cannot be read, or does not say which network it holds.
    """
    file = read_weights(path)
    arch = _stated_architecture(file)
    if arch is None:
        raise InputError(f"{file.path} does not say which network it holds: use create_model(…), then load_weights")
    facts = describe_state(_translate(file, "resnet_tutorial")[1])
    told = (facts.stem, facts.widths, facts.in_channels, facts.num_classes)
    if (facts.block, facts.blocks) != (arch.block, arch.blocks) or None in told:
        raise InputError(f"the tensors of {file.path} are not those of the {arch.name} that it names: get another copy")
    arch = replace(arch, widths=facts.widths, stem=facts.stem)  # a checkpoint only names the network
    model = ResNet(arch, facts.num_classes, in_channels=facts.in_channels)
    load_weights(model, file.path, layout="resnet_tutorial")
    return model.eval()


def save_weights(
    model: ResNet,
    path: str | Path,
    *,
    classes: Iterable[str] | None = None,
    mean: Iterable[float] | None = None,
    std: Iterable[float] | None = None,
    recipe: object = None,
    record: object = None,
    published: dict | None = None,
    dtype: torch.dtype | None = None,
) -> None:
    """Save a network's weights as safetensors, whole or not at all, with the metadata that one needs in a year.

    The metadata are strings of JSON: the format's version, the package's and torch's, the whole record of the network
    (``architecture``), ``classes``, ``mean``, ``std``, ``channel_order`` (RGB), ``recipe``, ``record``,
    ``published``.

    Args:
        model: a network from `create_model`.
        path: the file, ``*.safetensors``.
        classes: names of the classes, in the order of the logits.
        mean: mean of each input channel that images are normalized with, on the scale 0 to 1.
        std: standard deviation of each input channel.
        recipe: how it was trained: a `Recipe` or a dict.
        record: the record of the run: a `RunRecord` or a dict.
        published: what a model card says beside these, such as the accuracy of the file itself and its license.
        dtype: ``torch.float16`` or ``torch.bfloat16`` for a file of half the size; None keeps the network's dtype.

    Raises:
        InputError: if an argument does not fit the network, or the file cannot be written.
    """
    _check_model(model)
    path = Path(path).expanduser()
    if path.suffix != ".safetensors":
        raise InputError(f"weights are saved as safetensors: name a file like {path.stem}.safetensors, not {path.name}")
    metadata = _metadata(model, classes, mean, std, {"recipe": recipe, "record": record, "published": published})
    tensors = {name: _to_save(name, value, dtype) for name, value in model.state_dict().items()}
    write_atomic(path, safetensors.torch.save(tensors, metadata))


def export_weights(model: ResNet, layout: str = "torchvision") -> dict[str, torch.Tensor]:
    """The network's weights under the names of somebody else's code, for ``load_state_dict`` there.

    Args:
        model: a network from `create_model`.
        layout: a name of the table ``LAYOUTS``.

    Returns:
        A state dict of copies, on the CPU.

    Raises:
        InputError: if that code has no such network, as torchvision has none with shortcut option A.
    """
    _check_model(model)
    target = get_layout(layout)
    facts = replace(describe_state(model.state_dict()), kind=model.arch.kind, options=(model.arch.shortcut,))
    if reason := target.misfit(facts):
        others = ", ".join(name for name, known in LAYOUTS.items() if not known.misfit(facts))
        raise InputError(f"{model.arch.name} cannot be written as {layout}: {reason}; choose from {others}")
    state = {target.from_ours(name): value.detach().cpu().clone() for name, value in model.state_dict().items()}
    if target.conv_head:
        state[f"{target.head}.weight"] = state[f"{target.head}.weight"][:, :, None, None]
    return state


# Finding out what a file holds


def _translate(file: WeightsFile, layout: str) -> tuple[Layout, dict[str, torch.Tensor]]:
    """Choose the layout of a file. Its tensors under our names; those that the layout does not know keep theirs."""
    layouts = list(LAYOUTS.values()) if layout == "auto" else [get_layout(layout)]
    unknown = [sum(known.to_ours(name) is None for name in file.state_dict) for known in layouts]
    if min(unknown) > len(file.state_dict) / 2:
        whose = "those of no layout known here" if layout == "auto" else f"not those of the layout {layout}"
        raise InputError(f"{file.path} does not fit: its names are {whose}; it holds {_some(file.state_dict)}")
    candidates = [known for known, count in zip(layouts, unknown, strict=True) if count == min(unknown)]
    states = [_under_our_names(file.state_dict, known) for known in candidates]
    pairs = list(zip(candidates, states, strict=True))
    return next((pair for pair in pairs if not pair[0].misfit(describe_state(pair[1]))), pairs[0])


def _under_our_names(state: dict[str, torch.Tensor], layout: Layout) -> dict[str, torch.Tensor]:
    ours = {layout.to_ours(name) or name: value for name, value in state.items()}
    if layout.conv_head and "fc.weight" in ours:
        ours["fc.weight"] = ours["fc.weight"].flatten(1)
    return ours


def _stated_architecture(file: WeightsFile) -> Architecture | None:
    """The network that the metadata name: its whole record, or in a checkpoint its name."""
    record, name = file.metadata.get("architecture"), file.metadata.get("model")
    try:
        if isinstance(record, dict):
            return _architecture(record)
        return get_architecture(name) if isinstance(name, str) else None
    except InputError:
        return None  # somebody else's checkpoint, with a name of its own
    except (KeyError, TypeError, ValueError):
        raise InputError(f"the metadata of {file.path} are damaged: get another copy of it") from None


def _architecture(record: dict) -> Architecture:
    """The record that `_record` wrote."""
    values = {name.name: record[name.name] for name in fields(Architecture)}
    values |= {name: tuple(int(n) for n in values[name]) for name in ("blocks", "widths")}
    if values["kind"] not in TITLES or values["block"] not in CONVS_PER_BLOCK or len(values["blocks"]) not in (3, 4):
        raise ValueError("no network of this package")
    return Architecture(**values)


def _file_kind(file: WeightsFile, layout: Layout, facts: StateFacts) -> str | None:
    """``resnet``, ``plain`` or ``preact``; None where a plain network and option A look the same."""
    stated = _stated_architecture(file)
    if stated is not None and layout.name == "resnet_tutorial" and facts.kind != "preact":
        return stated.kind
    ambiguous = facts.kind == "resnet" and "A" in facts.options and "plain" in layout.kinds
    return None if ambiguous else facts.kind


def _mean_std(file: WeightsFile, layout: Layout, facts: StateFacts) -> tuple[tuple | None, tuple | None, str]:
    """Mean and standard deviation, and where they are from."""
    stated = [file.metadata.get(key) for key in ("mean", "std")]
    if all(_are_numbers(values, facts.in_channels) for values in stated):
        mean, std = (tuple(float(value) for value in values) for values in stated)
        return mean, std, "mean and std stand in the file"
    if layout.mean_std and (facts.in_channels, facts.num_classes) == (3, 10):
        return *layout.mean_std, f"mean and std are those that {layout.title} were published with"
    return None, None, "mean and std are not known"


def _are_numbers(values: object, length: int | None) -> bool:
    if not isinstance(values, list | tuple) or len(values) != length:
        return False
    return all(isinstance(value, int | float) and math.isfinite(value) for value in values)


def _classes(metadata: dict, facts: StateFacts) -> tuple[str, ...] | None:
    classes = metadata.get("classes")
    known = isinstance(classes, list | tuple) and len(classes) == facts.num_classes
    return tuple(str(name) for name in classes) if known else None


def _evidence(file: WeightsFile, layout: Layout, option: str) -> str:
    where = {
        "A": "no shortcut parameters: option A",
        "B": "projections where the shape changes: option B",
        "C": "projections in every block: option C",
        "none": "no shortcut parameters, as a plain network has",
    }
    plain_too = option == "A" and layout.name == "resnet_tutorial" and _stated_architecture(file) is None
    doubt = " (a plain network would look the same)" if plain_too else ""
    return f"the tensors are named as in {layout.title}; {where[option]}{doubt}"


# Comparing a file with a network


def _check_model(model: object) -> None:
    if not isinstance(model, ResNet):
        inner = next((name for name in ("module", "_orig_mod") if isinstance(getattr(model, name, None), ResNet)), None)
        hint = f": pass its .{inner}" if inner else ""
        raise InputError(f"weights are for a network from create_model, got {type(model).__name__}{hint}")
    if any(tensor.is_meta for tensor in model.state_dict().values()):
        raise InputError("the network is on the meta device and holds no numbers: build it on the CPU or a GPU")


def _check_same_network(file: WeightsFile, layout: Layout, facts: StateFacts, model: ResNet) -> None:
    """Compare kind, blocks, widths, stem, image channels and classes; whatever one side does not tell is left out."""
    kind = _file_kind(file, layout, facts)
    theirs = _in_words(facts, kind)
    ours = _in_words(describe_state(model.state_dict()), model.arch.kind if kind else None)
    differ = [key for key in theirs if key in ours and theirs[key] != ours[key]]
    if differ:
        held, has = (", ".join(words[key] for key in differ) for words in (theirs, ours))
        call = _create_call(facts, kind or model.arch.kind)
        raise InputError(f"{file.path} does not fit: it holds {held}, the network has {has}{call}")


def _in_words(facts: StateFacts, kind: str | None) -> dict[str, str]:
    """What must agree between a file and a network, as phrases. What is not known is left out."""
    kinds = {"resnet": "residual blocks", "plain": "no shortcuts (plain)", "preact": "pre-activation blocks"}
    stages = " + ".join(map(str, facts.blocks))
    words = {
        "kind": kinds.get(kind),
        "blocks": f"{stages} {facts.block} blocks (depth {_depth(facts)})",
        "widths": facts.widths and f"stages of {', '.join(map(str, facts.widths))} channels",
        "stem": facts.kernel and f"a {facts.kernel}×{facts.kernel} stem",
        "in_channels": facts.in_channels and f"{facts.in_channels} image channels",
        "classes": facts.num_classes and f"{facts.num_classes} classes",
    }
    return {key: phrase for key, phrase in words.items() if phrase}


def _depth(facts: StateFacts) -> int:
    return 2 + CONVS_PER_BLOCK[facts.block] * sum(facts.blocks)


def _create_call(facts: StateFacts, kind: str) -> str:
    """How to build the network of a file, for an error; empty if `create_model` has no such network."""
    try:
        base = get_architecture(f"{kind}{_depth(facts)}")
        factor = facts.widths[0] / base.widths[0]
        same = (base.block, base.blocks, base.with_options(width=factor).widths)
    except (InputError, TypeError):
        return ""
    if same != (facts.block, facts.blocks, facts.widths) or facts.stem is None:
        return ""
    options = {"stem": (facts.stem, "cifar"), "in_channels": (facts.in_channels, 3), "width": (factor, 1)}
    changed = "".join(f", {name}={value!r}" for name, (value, usual) in options.items() if value != usual)
    return f": create_model({base.name!r}, num_classes={facts.num_classes}{changed}) fits"


def _shortcut_option(file: WeightsFile, facts: StateFacts, arch: Architecture) -> str:
    """The option of the file; the network's own where the file fits that, too."""
    if arch.kind == "plain" and "A" in facts.options:
        return "none"
    if arch.kind == "plain":
        raise InputError(f"{file.path} does not fit: it holds shortcuts, {arch.name} has none")
    if not facts.options:
        raise InputError(f"{file.path} does not fit: it has projections in other blocks than option B or C has")
    return arch.shortcut if arch.shortcut in facts.options else facts.options[0]


def _check_keys(file: WeightsFile, layout: Layout, state: dict, wanted: dict) -> None:
    counter = "num_batches_tracked"  # old files lack it, and nothing that is computed depends on it
    problems = {
        "missing": [name for name in wanted if name not in state and not name.endswith(counter)],
        "extra": [name for name in state if name not in wanted],
        "misshapen": [name for name in wanted if name in state and not _alike(state[name], wanted[name])],
    }
    found = [f"{problem}: {_some(map(layout.from_ours, names))}" for problem, names in problems.items() if names]
    if found:
        raise InputError(f"{file.path} does not fit the network: {'; '.join(found)}")


def _alike(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and one.is_floating_point() == other.is_floating_point() and not one.is_complex()


def _some(names: Iterable[str]) -> str:
    """The first few names, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - NAMED_KEYS} more" if len(names) > NAMED_KEYS else ""
    return ", ".join(name[:80] for name in names[:NAMED_KEYS]) + more


# Changing the network


def _twin(model: ResNet, option: str) -> ResNet:
    """The same network with another shortcut option, without numbers."""
    with torch.device("meta"):
        return ResNet(replace(model.arch, shortcut=option), model.num_classes, in_channels=model.in_channels)


def _wanted(model: ResNet, twin: ResNet | None) -> dict[str, torch.Tensor]:
    """The tensors that the network will have: its own, with the shortcuts of the twin."""
    if twin is None:
        return model.state_dict()
    kept = {name: value for name, value in model.state_dict().items() if ".shortcut." not in name}
    return kept | {name: value for name, value in twin.state_dict().items() if ".shortcut." in name}


def _replace_shortcuts(model: ResNet, twin: ResNet) -> None:
    for stage, new_stage in zip(model.stages, twin.stages, strict=True):
        for block, new in zip(stage, new_stage, strict=True):
            weight = block.conv1.weight
            shortcut = new.shortcut.to(weight.dtype).to_empty(device=weight.device)
            block.shortcut = shortcut.train(block.training).requires_grad_(weight.requires_grad)
            if model.preact:
                block.activate_shortcut = new.activate_shortcut
    model.arch = twin.arch


def _copy(state: dict[str, torch.Tensor], model: ResNet) -> None:
    for name, target in model.state_dict().items():
        if name in state:
            target.copy_(state[name])
        else:
            target.zero_()  # a counter of batches that the file lacks


# Saving


def _metadata(model: ResNet, classes: object, mean: object, std: object, notes: dict[str, object]) -> dict[str, str]:
    facts = describe_state(model.state_dict())
    classes = None if classes is None else [str(name) for name in classes]
    if classes is not None and len(classes) != facts.num_classes:
        raise InputError(f"the network has {facts.num_classes} classes, got {len(classes)} names")
    mean, std = (None if values is None else [float(value) for value in values] for values in (mean, std))
    if (mean is None) != (std is None):
        raise InputError("mean and std belong together: give both or none")
    if mean is not None and not (_are_numbers(mean, facts.in_channels) and _are_numbers(std, facts.in_channels)):
        raise InputError(f"mean and std need {facts.in_channels} finite numbers each, one for each image channel")
    if std is not None and min(std) <= 0:
        raise InputError("std must be above 0 in every channel")
    values = {
        FORMAT_KEY: FORMAT,
        "package_version": __version__,
        "torch_version": str(torch.__version__),
        "architecture": _record(model.arch, facts),
        "classes": classes,
        "mean": mean,
        "std": std,
        "channel_order": "RGB" if facts.in_channels == 3 else None,
        **{key: _plain(note) for key, note in notes.items()},
    }
    try:
        text = {key: json.dumps(value, ensure_ascii=False) for key, value in values.items() if value is not None}
    except (TypeError, ValueError) as error:
        raise InputError(f"recipe, record and published must be plain data that JSON can hold: {error}") from None
    return {"format": "pt", **text}  # the one entry that other readers of safetensors look at


def _record(arch: Architecture, facts: StateFacts) -> dict:
    return {**asdict(arch), "depth": arch.depth, "in_channels": facts.in_channels, "num_classes": facts.num_classes}


def _plain(value: object) -> object:
    return asdict(value) if is_dataclass(value) else value


def _to_save(name: str, value: torch.Tensor, dtype: torch.dtype | None) -> torch.Tensor:
    value = value.detach().cpu()
    if dtype is not None and value.is_floating_point():
        wide, value = value, value.to(dtype)
        if not torch.equal(value.isfinite(), wide.isfinite()):
            raise InputError(f"{name} holds numbers beyond {dtype}: save in torch.bfloat16 or in float32")
    return value.contiguous()
