"""Weights loaded into a network from files in all layouts that are in use."""

import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import torch

from ..architectures import CONVS_PER_BLOCK, TITLES, Architecture, get_architecture
from ..errors import InputError
from ..models.resnet import ResNet
from .file import WeightsFile, read_weights, some
from .layouts import LAYOUTS, Layout, get_layout, tell_by_place
from .state_facts import KINDS, StateFacts, describe_state

STATED = "mean and std stand in the file"
BODY = ("conv1.", "bn1.", "stages.", "norm.")


@dataclass(frozen=True)
class LoadedWeights:
    """What `load_weights` found in a file, and what it did.

    Attributes:
        layout: name of the layout.
        inferred: a sentence for people: what was done to the file's tensors, and how ``layout``, ``shortcut``, ``mean``
            and ``std`` were found out, as in "the prefix 'net.' was taken off; the tensors are named as in …; no
            shortcut parameters: option A; mean and std stand in the file".
        shortcut: shortcut option of the file, which the network has now; ``none`` in a plain network.
        changed: True if the network had another shortcut option before, so that its shortcuts were replaced: an
            optimizer made before holds parameters that are no longer in it. False if only numbers were copied.
        mean: mean of each input channel, on the scale 0 to 1, that the network was trained with; None if not known.
        std: standard deviation of each input channel; None if not known.
        classes: names of the classes; None if the file does not say.
        metadata: all that the file says beside the tensors.
        path: the file.
        assumed: whether mean and std do not stand in the file, but are those that others' networks of these names were
            published with: a guess.
        left_out: names of the tensors in the file that the network did not take.
        kept: names of the network's tensors that stayed as they were, as the file has none for them.
        others: what there is to say of other networks in the file, such as an average or a teacher.
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
    assumed: bool = False
    left_out: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Read:
    """A file whose tensors have our names; ``theirs`` are the names of those that the layout itself does not know."""

    file: WeightsFile
    layout: Layout
    state: dict[str, torch.Tensor]
    theirs: dict[str, str]

    @functools.cached_property
    def facts(self) -> StateFacts:
        return describe_state(self.state)


@dataclass(frozen=True)
class _Fit:
    """How a file fits a network: its shortcut option, a twin with it if the network has another, what both leave."""

    option: str
    twin: ResNet | None
    left_out: tuple[str, ...]
    kept: tuple[str, ...]


def load_weights(model: ResNet, path: str | Path, layout: str = "auto", *, partial: bool = False) -> LoadedWeights:
    """Load the weights of a file into a network, whoever wrote the file.

    If the file has another shortcut option than the network (He et al. 2016, section 3.3), the network's shortcuts are
    replaced and its ``arch`` is updated: make the optimizer after loading, not before. Tensors are converted to the
    network's dtype and device. If anything does not fit, the network stays as it was.

    Args:
        model: a network from `create_model`.
        path: a file as for `read_weights`, or the folder of a run.
        layout: ``auto``, or a name of the table ``LAYOUTS``, such as ``torchvision`` (timm's names, too).
        partial: take all but the head where the file has none, or one for other classes: the network's own stays as it
            is. ``left_out`` and ``kept`` of the result say what that came to.

    Returns:
        Layout, shortcut option, mean and standard deviation, class names and metadata.

    Raises:
        InputError: if the file cannot be read, or does not fit the network. The message names what differs.
    """
    check_model(model)
    read = _translate(read_weights(path), layout)
    file, facts = read.file, read.facts
    try:
        fit = _fit(read, model, partial)
    except InputError as error:
        raise InputError(f"{error}{_way_out(read, model)}") from None
    if layout != "auto" and (reason := read.layout.misfit(facts)):
        raise InputError(f"{file.path} does not have the layout {layout}: {reason}; leave layout='auto'")
    # All checks are done: nothing below fails, so the network changes whole or not at all.
    if fit.twin is not None:
        _replace_shortcuts(model, fit.twin)
    _copy({name: value for name, value in read.state.items() if name not in fit.left_out}, model, fit.kept)
    mean, std, source = _mean_std(read)
    classes = file.metadata.get("classes")
    told_classes = isinstance(classes, list | tuple) and len(classes) == facts.num_classes
    left_out = tuple(_named(read, name) for name in fit.left_out)
    told = [*file.notes, _evidence(read, fit.option), source]
    told += [f"left out: {some(left_out)}"] * bool(left_out) + [f"the network's own stay: {some(fit.kept)}"] * bool(
        fit.kept
    )
    return LoadedWeights(
        layout=read.layout.name,
        inferred="; ".join(told),
        shortcut=fit.option,
        changed=fit.twin is not None,
        mean=mean,
        std=std,
        classes=tuple(map(str, classes)) if told_classes and not fit.kept else None,
        metadata=file.metadata,
        path=file.path,
        assumed=mean is not None and source != STATED,
        left_out=(*file.left_out, *left_out),
        kept=fit.kept,
        others=file.others,
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
    facts = _translate(file, "resnet_tutorial").facts
    told = (facts.stem, facts.widths, facts.in_channels, facts.num_classes)
    if (facts.block, facts.blocks) != (arch.block, arch.blocks) or None in told:
        raise InputError(f"the tensors of {file.path} are not those of the {arch.name} that it names: get another copy")
    arch = replace(arch, widths=facts.widths, stem=facts.stem)  # a checkpoint only names the network
    model = ResNet(arch, facts.num_classes, in_channels=facts.in_channels)
    load_weights(model, file.path, layout="resnet_tutorial")
    return model.eval()


# Finding out what a file holds


def _translate(file: WeightsFile, layout: str) -> _Read:
    """Choose the layout of a file. Its tensors under our names; those that the layout does not know keep theirs."""
    layouts = list(LAYOUTS.values()) if layout == "auto" else [get_layout(layout)]
    unknown = [_count_unknown(file.state_dict, known) for known in layouts]
    if min(unknown) > len(file.state_dict) / 2:
        whose = "those of no layout known here" if layout == "auto" else f"not those of the layout {layout}"
        raise InputError(f"{file.path} does not fit: its names are {whose}; it holds {some(file.state_dict)}")
    candidates = [known for known, count in zip(layouts, unknown, strict=True) if count == min(unknown)]
    reads = [_under_our_names(file, known) for known in candidates]
    return next((read for read in reads if not read.layout.misfit(read.facts)), reads[0])


def _count_unknown(names: Iterable[str], layout: Layout) -> int:
    """How many names a layout does not know; all of them if it has no block under any."""
    ours = [layout.to_ours(name) for name in names]
    return ours.count(None) if any(name and name.startswith("stages.") for name in ours) else len(ours)


def _under_our_names(file: WeightsFile, layout: Layout) -> _Read:
    told = tell_by_place(file.state_dict, layout, {})
    ours, theirs = {}, {}
    for name, value in file.state_dict.items():
        module, _, leaf = name.rpartition(".")
        mine = f"{told[module]}.{leaf}" if module in told else layout.to_ours(name) or name
        ours[mine] = value.flatten(1) if layout.conv_head and mine == "fc.weight" else value
        if module in told:
            theirs[mine] = name
    return _Read(file, layout, ours, theirs)


def _stated_architecture(file: WeightsFile) -> Architecture | None:
    """The network that the metadata name: the whole record that `save_weights` wrote, or in a checkpoint its name."""
    record, name = file.metadata.get("architecture"), file.metadata.get("model")
    try:
        if not isinstance(record, dict):
            return get_architecture(name) if isinstance(name, str) else None
        values = {each.name: record[each.name] for each in fields(Architecture)}
        values |= {key: tuple(int(n) for n in values[key]) for key in ("blocks", "widths")}
        stages = len(values["blocks"])
        if values["kind"] not in TITLES or values["block"] not in CONVS_PER_BLOCK or stages not in (3, 4):
            raise ValueError("no network of this package")
        return Architecture(**values)
    except InputError:
        return None  # somebody else's checkpoint, with a name of its own
    except (KeyError, TypeError, ValueError):
        raise InputError(f"the metadata of {file.path} are damaged: get another copy of it") from None


def _file_kind(read: _Read) -> str | None:
    """``resnet``, ``plain`` or ``preact``; None where a plain network and option A look the same."""
    facts, layout, stated = read.facts, read.layout, _stated_architecture(read.file)
    if stated is not None and layout.name == "resnet_tutorial" and facts.kind != "preact":
        return stated.kind
    ambiguous = facts.kind == "resnet" and "A" in facts.options and "plain" in layout.kinds
    return None if ambiguous else facts.kind


def _mean_std(read: _Read) -> tuple[tuple | None, tuple | None, str]:
    """Mean and standard deviation, and where they are from."""
    facts, layout = read.facts, read.layout
    stated = [read.file.metadata.get(key) for key in ("mean", "std")]
    if all(are_numbers(values, facts.in_channels) for values in stated):
        mean, std = (tuple(float(value) for value in values) for values in stated)
        assumed = read.file.metadata.get("assumed")
        return mean, std, assumed if assumed and isinstance(assumed, str) else STATED
    if layout.mean_std and not read.theirs and (facts.in_channels, facts.num_classes) == (3, 10):
        return *layout.mean_std, f"mean and std are assumed, as those that {layout.title} were published with"
    return None, None, "mean and std are not known"


def are_numbers(values: object, length: int | None) -> bool:
    if not isinstance(values, list | tuple) or len(values) != length:
        return False
    return all(isinstance(value, int | float) and math.isfinite(value) for value in values)


def _evidence(read: _Read, option: str) -> str:
    layout = read.layout
    where = {
        "A": "no shortcut parameters: option A",
        "B": "projections where the shape changes: option B",
        "C": "projections in every block: option C",
        "none": "no shortcut parameters, as a plain network has",
    }
    plain_too = option == "A" and layout.name == "resnet_tutorial" and _stated_architecture(read.file) is None
    doubt = " (a plain network would look the same)" if plain_too else ""
    if option == "A" and read.theirs:
        doubt = " (zeros on both sides, as there)"
    others = {name.rpartition(".")[0]: None for name in read.theirs.values()}
    but = f", but for {some(others)}, told by place and shape" if others else ""
    return f"the tensors are named as in {layout.title}{but}; {where[option]}{doubt}"


# Comparing a file with a network


def check_model(model: object) -> None:
    if not isinstance(model, ResNet):
        inner = next((name for name in ("module", "_orig_mod") if isinstance(getattr(model, name, None), ResNet)), None)
        hint = f": pass its .{inner}" if inner else ""
        raise InputError(f"weights are for a network from create_model, got {type(model).__name__}{hint}")
    if any(tensor.is_meta for tensor in model.state_dict().values()):
        raise InputError("the network is on the meta device and holds no numbers: build it on the CPU or a GPU")


def _fit(read: _Read, model: ResNet, partial: bool = False) -> _Fit:
    """How a file fits a network.

    Raises:
        InputError: if it does not.
    """
    file, facts = read.file, read.facts
    if reason := read.layout.unreadable(facts):
        raise InputError(f"{file.path} cannot be loaded: {reason}")
    kind = _file_kind(read)
    theirs = _in_words(facts, kind)
    ours = _in_words(describe_state(model.state_dict()), model.arch.kind if kind else None)
    differ = [
        key for key in theirs if theirs[key] != ours.get(key, theirs[key]) and (key, partial) != ("classes", True)
    ]
    if differ:
        held, has = (", ".join(words[key] for key in differ) for words in (theirs, ours))
        raise InputError(f"{file.path} does not fit: it holds {held}, the network has {has}")
    option = _shortcut_option(file, facts, model.arch)
    twin, wanted = None, model.state_dict()
    if option != model.arch.shortcut:
        with torch.device("meta"):
            twin = ResNet(replace(model.arch, shortcut=option), model.num_classes, in_channels=model.in_channels)
        wanted = {name: value for name, value in wanted.items() if ".shortcut." not in name}
        wanted |= {name: value for name, value in twin.state_dict().items() if ".shortcut." in name}
    left_out = _head_in_file(read, wanted) if partial else ()
    state = {name: value for name, value in read.state.items() if name not in left_out}
    kept = tuple(name for name in wanted if partial and name.startswith("fc.") and name not in state)
    _check_keys(read, state, {name: value for name, value in wanted.items() if name not in kept})
    return _Fit(option, twin, left_out, kept)


def _head_in_file(read: _Read, wanted: dict[str, torch.Tensor]) -> tuple[str, ...]:
    """What stands behind the blocks in a file and does not fit the network: another head, or none of the network's."""
    head = [name for name in read.state if name.startswith("fc.")]
    fits = all(name in wanted and _alike(read.state[name], wanted[name]) for name in head)
    return tuple(
        name
        for name in read.state
        if (name in head and not fits)
        or (name not in wanted and not name.startswith(BODY) and read.layout.block_of(name) is None)
    )


def _way_out(read: _Read, model: ResNet) -> str:
    """What does fit a file, for an error: each was tried. Empty if nothing was found."""
    facts, ways = read.facts, ""
    try:
        base = get_architecture(f"{_file_kind(read) or model.arch.kind}{facts.depth}")
        factor = facts.widths[0] / base.widths[0]
        with torch.device("meta"):
            trial = ResNet(
                base.with_options(stem=facts.stem, width=factor), facts.num_classes, in_channels=facts.in_channels
            )
        _fit(read, trial)
        options = {"stem": (facts.stem, "cifar"), "in_channels": (facts.in_channels, 3), "width": (factor, 1)}
        changed = "".join(f", {name}={value!r}" for name, (value, usual) in options.items() if value != usual)
        ways = f": create_model({base.name!r}, num_classes={facts.num_classes}{changed}) fits"
    except (InputError, TypeError):  # no such network, or not all of it is known
        pass
    try:
        fit = _fit(read, model, partial=True)
    except InputError:
        return ways
    left = [f"leaves out {some(_named(read, name) for name in fit.left_out)}"] * bool(fit.left_out)
    left += ["keeps the network's own head"] * bool(fit.kept)
    return f"{ways}; partial=True {' and '.join(left)}"


def _in_words(facts: StateFacts, kind: str | None) -> dict[str, str]:
    """What must agree between a file and a network, as phrases. What is not known is left out."""
    stages = " + ".join(map(str, facts.blocks))
    narrow = facts.widths and facts.stem_channels not in (None, facts.widths[0])
    behind = f" after a stem of {facts.stem_channels}" if narrow else ""
    words = {
        "kind": KINDS.get(kind),
        "blocks": f"{stages} {facts.block} blocks (depth {facts.depth})",
        "widths": facts.widths and f"stages of {', '.join(map(str, facts.widths))} channels{behind}",
        "stem": facts.kernel and f"a {facts.kernel}×{facts.kernel} stem",
        "in_channels": facts.in_channels and f"{facts.in_channels} image channels",
        "classes": facts.num_classes and f"{facts.num_classes} classes",
    }
    return {key: phrase for key, phrase in words.items() if phrase}


def _shortcut_option(file: WeightsFile, facts: StateFacts, arch: Architecture) -> str:
    """The option of the file; the network's own where the file fits that, too."""
    if arch.kind == "plain" and "A" in facts.options:
        return "none"
    if arch.kind == "plain":
        raise InputError(f"{file.path} does not fit: it holds shortcuts, {arch.name} has none")
    if not facts.options:
        raise InputError(f"{file.path} does not fit: it has projections in other blocks than option B or C has")
    return arch.shortcut if arch.shortcut in facts.options else facts.options[0]


def _check_keys(read: _Read, state: dict, wanted: dict) -> None:
    counter = "num_batches_tracked"  # old files lack it, and nothing that is computed depends on it
    problems = {
        "missing": [name for name in wanted if name not in state and not name.endswith(counter)],
        "extra": [name for name in state if name not in wanted],
        "misshapen": [name for name in wanted if name in state and not _alike(state[name], wanted[name])],
    }
    found = [f"{problem}: {some(_named(read, name) for name in names)}" for problem, names in problems.items() if names]
    if found:
        raise InputError(f"{read.file.path} does not fit the network: {'; '.join(found)}")


def _named(read: _Read, name: str) -> str:
    """A tensor as the file calls it, or would call it."""
    return read.theirs.get(name) or read.layout.from_ours(name)


def _alike(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and one.is_floating_point() == other.is_floating_point() and not one.is_complex()


# Changing the network


def _replace_shortcuts(model: ResNet, twin: ResNet) -> None:
    for stage, new_stage in zip(model.stages, twin.stages, strict=True):
        for block, new in zip(stage, new_stage, strict=True):
            weight = block.conv1.weight
            shortcut = new.shortcut.to(weight.dtype).to_empty(device=weight.device)
            block.shortcut = shortcut.train(block.training).requires_grad_(weight.requires_grad)
            if model.preact:
                block.activate_shortcut = new.activate_shortcut
    model.arch = twin.arch


def _copy(state: dict[str, torch.Tensor], model: ResNet, kept: tuple[str, ...]) -> None:
    for name, target in model.state_dict().items():
        if name in state:
            target.copy_(state[name])
        elif name not in kept:
            target.zero_()  # a counter of batches that the file lacks
