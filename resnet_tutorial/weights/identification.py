"""Which ResNet is this? Networks, or weights alone, named by what they are and not by what they are called."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

import torch
from torch import nn

from ..architectures import ARCHITECTURES, EXPANSION, Architecture, depth_of, get_architecture
from ..errors import InputError
from ..text import count
from .file import WeightsFile, find_network, some
from .structure import Block, Net, read_network, read_weights_alone

SHORTCUTS = {
    "A": "option A: zeros for new channels, identity elsewhere",
    "B": "option B: projection where the shape changes, identity elsewhere",
    "C": "option C: projection in every block",
    "none": "none: a plain network",
}


@dataclass(frozen=True)
class Identification:
    """What a network is.

    Attributes:
        candidates: records of all networks of the table that it can be, with the widths, shortcut and stem as found:
            one where all is clear, two where weights alone leave it open, none for a network outside the table.
        title: its name, or a description where it has none.
        parameters: number of parameters.
        num_classes: number of classes; None if there is no linear layer.
        facts: what was found: ``stem``, each stage, ``block``, ``shortcut``, ``BatchNorm``, ``head``.
        departures: how it departs from the paper, each with the consequence.
        unknown: what the weights alone do not tell.
        notes: what was done to a state dict, or left out of it, before it was read.
    """

    candidates: tuple[Architecture, ...]
    title: str
    parameters: int
    num_classes: int | None
    facts: dict[str, str]
    departures: tuple[str, ...]
    unknown: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def arch(self) -> Architecture | None:
        """The record of the network; None if there is no single one."""
        return self.candidates[0] if len(self.candidates) == 1 else None

    @property
    def name(self) -> str | None:
        """The name of the network, such as ``resnet20``; None if there is no single one."""
        return self.arch.name if self.arch else None

    def __str__(self) -> str:
        lines = [f"{self.title}, {self.parameters:,} parameters"]
        lines += [f"  {name:10} {text}" for name, text in self.facts.items()]
        nowhere = " in none of the layers that were read" if self.notes else " nowhere that was seen"
        lines.append(f"departs from the paper:{'' if self.departures else nowhere}")
        lines += [f"  - {text}" for text in self.departures]
        for title, texts in (("of the file:", self.notes), ("cannot be told from the weights alone:", self.unknown)):
            lines += [title] * bool(texts) + [f"  - {text}" for text in texts]
        return "\n".join(lines)


def identify(
    model: nn.Module | Mapping[str, torch.Tensor] | WeightsFile, *, claimed: str | None = None, image_size: int = 32
) -> Identification:
    """Say which residual network this is, and how it departs from the paper.

    Args:
        model: a network, whoever wrote it, or a state dict alone, bare or from `read_weights`. A network is run once on
            a black image of ``image_size``, in evaluation mode, and left as it was.
        claimed: the name that it goes by, such as ``resnet110``; a network's class name is taken if it holds one.
        image_size: height and width of the images that the network is meant for.

    Raises:
        InputError: if it is no network of convolutions, or the network does not run on such an image.
    """
    if isinstance(model, nn.Module):
        net = read_network(model, image_size)
        claimed = claimed or type(model).__name__
        return _compare(net, claimed, image_size)
    if isinstance(model, WeightsFile):
        state, notes = model.state_dict, model.notes
    elif isinstance(model, Mapping):
        state, notes, _ = find_network({key: value for key, value in model.items() if isinstance(value, torch.Tensor)})
    else:
        raise InputError(f"identify takes a network or a state dict, got {type(model).__name__}")
    return replace(_compare(read_weights_alone(state), claimed or "", image_size), notes=notes)


# Comparing with the table


def _compare(net: Net, claimed: str, image_size: int) -> Identification:
    # Blocks of the same width, one after the other, are a stage.
    stages = [list(blocks) for _, blocks in groupby(net.blocks, lambda block: block.width)]
    letters = _shortcut_options(net.blocks)
    preact = _is_preact(net)
    stem = "imagenet" if net.stem.kernel == 7 else "cifar"
    candidates = _candidates(stages, letters, preact, stem)
    title = _title(candidates, stages)
    departures = [
        *_naming(candidates, stages, claimed),
        *_stem_departures(net, image_size),
        *_shape_departures(net, stages),
        *_stride_departures(stages),
        *_shortcut_departures(net, letters, preact),
        *_norm_departures(net, preact),
        *_relu_departures(net, preact),
        *_head_departures(net),
    ]
    return Identification(
        candidates=candidates,
        title=title,
        parameters=net.parameters,
        num_classes=net.classes,
        facts=_facts(net, stages, letters, preact),
        departures=tuple(departures),
        unknown=tuple(_unknown(net, letters)),
    )


def _shortcut_options(blocks: tuple[Block, ...]) -> tuple[str, ...]:
    """The shortcut options that the blocks can be; none if they mix options."""
    changing = {block.shortcut for block in blocks if block.changes_shape}
    keeping = {block.shortcut for block in blocks if not block.changes_shape}
    if changing | keeping <= {"none"}:
        return ("none",) if blocks else ()
    if changing | keeping == {"unknown"}:
        return ("A", "none")
    if changing == {"projection"} and keeping <= {"identity", "unknown"}:
        return ("B",)
    if changing | keeping == {"projection"}:
        return ("C",)
    if changing == {"zeros"} and keeping <= {"identity"}:
        return ("A",)
    return ()


def _is_preact(net: Net) -> bool | None:
    seen = [block.preact for block in net.blocks if block.preact is not None]
    return seen.count(True) > len(seen) / 2 if seen else net.final_norm


def _candidates(
    stages: list[list[Block]], letters: tuple[str, ...], preact: bool | None, stem: str
) -> tuple[Architecture, ...]:
    blocks = [block for stage in stages for block in stage]
    kinds = {block.kind for block in blocks}
    if len(stages) not in (3, 4) or len(kinds) != 1 or None in kinds:
        return ()
    kind = kinds.pop()
    counts, widths = tuple(map(len, stages)), tuple(stage[0].width for stage in stages)
    plain_form = any(block.channels != block.width * EXPANSION[kind] for block in blocks)
    grouped = any(conv.groups > 1 for block in blocks for conv in block.convs)
    if plain_form or grouped:
        return ()
    found = []
    for letter in letters:
        family = "preact" if preact else "plain" if letter == "none" else "resnet"
        arch = _by_blocks(family, kind, counts)
        if arch and not (preact and letter == "none"):
            found.append(replace(arch, widths=widths, shortcut=letter, stem=stem))
    return tuple(found)


def _by_blocks(family: str, kind: str, counts: tuple[int, ...]) -> Architecture | None:
    """The network with this many blocks of this kind in each stage."""
    for arch in ARCHITECTURES.values():
        if (arch.kind, arch.block, arch.blocks) == (family, kind, counts):
            return arch
    if len(counts) != 3 or len(set(counts)) > 1:
        return None
    arch = get_architecture(f"{family}{depth_of(kind, counts)}")
    return arch if (arch.block, arch.blocks) == (kind, counts) else None


def _title(candidates: tuple[Architecture, ...], stages: list[list[Block]]) -> str:
    if candidates:
        factor = candidates[0].widths[0] / get_architecture(candidates[0].name).widths[0]
        suffix = "" if factor == 1 else f", {factor:g} times the width"
        return " or ".join(f"{arch.title} ({arch.name})" for arch in candidates) + suffix
    counts = ", ".join(str(len(stage)) for stage in stages)
    return f"No network of the table: {len(stages)} stages of {counts} blocks" if stages else "No residual network"


def _naming(candidates: tuple[Architecture, ...], stages: list[list[Block]], claimed: str) -> Iterator[str]:
    called = re.search(r"(preact(?=resnet|[-_ ]?\d)|plain|resnet)(?:resnet)?[-_ ]?(\d+)", claimed.lower())
    kinds = {block.kind for stage in stages for block in stage}
    counts = tuple(map(len, stages))
    if kinds == {"bottleneck"} and len(counts) == 3 and len(set(counts)) == 1:
        n, depth = counts[0], depth_of("bottleneck", counts)
        if not candidates or (called and int(called[2]) == 6 * n + 2):
            yield (
                f"bottleneck 9n+2: three stages of {n} bottlenecks have {depth} layers: this is ResNet-{depth}, "
                f"not ResNet-{6 * n + 2}, which has {n} basic blocks in each stage"
            )
            return
    if called and stages and not candidates:
        yield f"it is called {called[0]}, but no network of that name has these blocks"
    elif called and stages and (called[1], int(called[2])) not in {(arch.kind, arch.depth) for arch in candidates}:
        yield f"it is called {called[0]}, but it has the layers of {candidates[0].title}"


def _stem_departures(net: Net, image_size: int) -> Iterator[str]:
    stem = net.stem
    if image_size > 64 and stem.kernel == 7 and stem.stride == 2 and net.max_pool:
        return
    if stem.kernel == 7 and stem.stride is None:
        yield "7×7 stem, made for 224×224: with its usual stride and max-pool a 32×32 image shrinks to 8×8"
    elif stem.kernel != 3 or stem.stride not in (1, None):
        yield f"{stem.kernel}×{stem.kernel} stem with stride {stem.stride}: it leaves {stem.size}×{stem.size}"
    if net.max_pool and net.blocks:
        size = net.blocks[0].convs[0].size
        yield f"max-pool kept: the first stage sees {size}×{size}"
    if net.blocks and stem.channels not in (net.blocks[0].width, net.blocks[0].width * 4):
        yield f"the stem has {stem.channels} channels, the first stage a width of {net.blocks[0].width}"


def _shape_departures(net: Net, stages: list[list[Block]]) -> Iterator[str]:
    if not stages:
        yield "no row of basic blocks or bottlenecks: it is none of the paper's networks"
    elif len(stages) not in (3, 4):
        yield f"{len(stages)} stages: the paper's networks have three or four"
    widths = [stage[0].width for stage in stages]
    if any(b != 2 * a for a, b in pairwise(widths)):
        yield f"widths {', '.join(map(str, widths))}: in the paper each stage has twice the width of the one before"
    odd = [block for block in net.blocks if block.kind is None]
    if odd:
        kernels = " and ".join(f"{conv.kernel}×{conv.kernel}" for conv in odd[0].convs)
        yield f"blocks of {kernels} convolutions: neither the basic block nor the bottleneck"
    narrow = [b for b in net.blocks if b.kind and b.channels != b.width * EXPANSION[b.kind]]
    if narrow:
        yield f"bottlenecks widen by {narrow[0].channels / narrow[0].width:g}, not by 4"
    groups = max((conv.groups for block in net.blocks for conv in block.convs), default=1)
    if groups > 1:
        yield f"convolutions in {groups} groups, as in ResNeXt"
    if net.outside and stages:
        yield f"{count(len(net.outside), 'convolution')} outside of any block: {_names(net.outside)}"
    if net.spare:
        yield f"{count(len(net.spare), 'parameter')} of no layer that the paper has: {some(net.spare)}"
    if net.reused:
        yield f"weights used more than once: {_names(net.reused)}"


def _stride_departures(stages: list[list[Block]]) -> Iterator[str]:
    for i, blocks in enumerate(stages):
        if None in [stride for block in blocks for stride in block.strides]:
            continue
        strides = [math.prod(block.strides) for block in blocks]
        if strides == [1 if i == 0 else 2] + [1] * (len(blocks) - 1):
            continue
        size = f"{blocks[-1].convs[-1].size}×{blocks[-1].convs[-1].size}"
        name, strided = f"conv{i + 2}_x", [str(k + 1) for k, stride in enumerate(strides) if stride > 1]
        if not strided:
            yield f"stride on the wrong block: none in {name}, so its features stay {size}"
        elif len(strided) == len(blocks):
            yield f"stride on every block of {name}: its features shrink to {size}"
        else:
            yield f"stride on the wrong block: in {name} on block {', '.join(strided)}, its features end at {size}"
    for block in (block for stage in stages for block in stage):
        place = [k for k, stride in enumerate(block.strides) if stride and stride > 1]
        if place == [len(block.convs) - 1]:
            yield "stride on the last convolution of a block: the others work at the full resolution"
            break


def _shortcut_departures(net: Net, letters: tuple[str, ...], preact: bool | None) -> Iterator[str]:
    if net.blocks and not letters:
        kinds = Counter(block.shortcut for block in net.blocks)
        listed = ", ".join(f"{times} × {kind}" for kind, times in kinds.items())
        yield f"shortcuts of no single option: {listed}"
    if any(block.zeros_at_end for block in net.blocks):
        yield "zeros padded only at the end: weights trained with zeros on both sides load without complaint, misread"
    projections = [block.projection for block in net.blocks if block.projection]
    wide = [conv for conv in projections if conv.kernel != 1]
    if wide:
        k = wide[0].kernel
        names = _names([conv.name for conv in wide])
        yield f"{count(len(wide), 'projection')} by {k}×{k} convolutions ({names}): the paper's are 1×1"
    bare = [conv.name for conv in projections if conv.normed is False]
    if bare and not preact:
        yield f"projection has no BatchNorm ({_names(bare)}): it adds features of another scale than the branch"
    if preact and any(conv.normed for conv in projections):
        yield "projection has a BatchNorm: in a pre-activation network nothing normalizes the shortcut path"


def _norm_departures(net: Net, preact: bool | None) -> Iterator[str]:
    convs = [net.stem, *(c for b in net.blocks for c in (*b.convs, b.projection) if c)]
    biased = [conv for conv in convs if conv.bias and conv.normed is not False]
    kept = [conv for conv in convs if conv.bias and conv.normed is False]
    inside = [conv for block in net.blocks for conv in block.convs]
    if biased:
        extra = sum(conv.channels for conv in biased)
        yield (
            f"{count(len(biased), 'convolution')} with a bias: BatchNorm subtracts it again, {extra:,} idle parameters"
        )
    if kept:
        yield f"{count(len(kept), 'convolution')} with a bias and no BatchNorm after it: the paper's have no biases"
    bare = [c.name for c in inside if (c.prenormed if preact else c.normed) is False]
    if bare:
        place = "before" if preact else "after"
        yield f"no BatchNorm {place} {count(len(bare), 'convolution')} ({_names(bare)}): their scale is not controlled"
    layers = [*convs, *net.outside]
    if net.norms > len(layers):
        yield f"{net.norms} normalizations for {count(len(layers), 'convolution')}: more than one for some"
    if 0 < len(net.bare_norms) < net.norms:
        yield f"normalizations without running statistics, so no BatchNorm: {some(net.bare_norms)}"
    if net.stem.normed is False and preact is False:
        yield "no BatchNorm after the stem"
    if preact and net.final_norm is False:
        yield "no BatchNorm and ReLU after the last block: the sum of all branches is pooled as it is"


def _relu_departures(net: Net, preact: bool | None) -> Iterator[str]:
    if not preact:
        open_ended = [block for block in net.blocks if block.relu_after is False]
        if open_ended:
            yield f"no ReLU after the addition in {count(len(open_ended), 'block')}: sums pass on with their sign"
    early = [block for block in net.blocks if block.relu_before]
    if early:
        yield f"ReLU before the addition in {count(len(early), 'block')}: they can only add, never take away"
    linear = [conv.name for block in net.blocks for conv in block.convs[1:] if conv.activated is False]
    if linear:
        yield f"no ReLU before {count(len(linear), 'convolution')} ({_names(linear)}): two in a row are one linear map"


def _head_departures(net: Net) -> Iterator[str]:
    if net.stem.stride is not None and (not net.head or net.head[0] != "avgpool"):  # weights alone show no pooling
        instead = net.head[0] if net.head else "none"
        yield f"no global average pooling ({instead} instead): the network is tied to one image size or sees less"
    if net.head.count("linear") != 1:
        where = "" if net.stem.stride is None else " in the head"
        yield f"{net.head.count('linear') or 'no'} linear layers{where}: the paper has one"
    if "softmax" in net.head:
        yield "softmax at the end: the cross-entropy loss applies it again, which flattens its gradient"


def _unknown(net: Net, letters: tuple[str, ...]) -> list[str]:
    if net.stem.stride is not None:
        return []
    found = ["whether BatchNorm normalizes it: there are no running statistics"] if net.bare_norms else []
    found += ["strides, and with them the sizes of the feature maps", "whether max-pooling follows the stem"]
    if letters == ("A", "none"):
        found.append("whether zero-padded shortcuts (option A) or none (plain): neither has weights")
    elif net.blocks:
        found.append("what stands where no projection is: identity shortcuts have no weights")
    return [*found, "where the ReLUs stand", "the pooling before the linear layer"]


def _facts(net: Net, stages: list[list[Block]], letters: tuple[str, ...], preact: bool | None) -> dict[str, str]:
    stem = net.stem
    pool = {True: ", max-pooling", False: "", None: ""}[net.max_pool]
    stride = "stride unknown" if stem.stride is None else f"stride {stem.stride}{pool}"
    facts = {
        "stem": f"{stem.kernel}×{stem.kernel} convolution, {stem.in_channels} → {stem.channels} channels, {stride}"
    }
    for i, blocks in enumerate(stages):
        size = blocks[-1].convs[-1].size
        where = f", {size}×{size}" if size else ""
        convs = "; ".join(f"{conv.kernel}×{conv.kernel}, {conv.channels}" for conv in blocks[-1].convs)
        facts[f"conv{i + 2}_x"] = f"{len(blocks)} × [{convs}]{where}"
    order = {True: ", pre-activation", False: ", post-activation", None: ""}[preact]
    if order and stem.stride is None:
        order += " by the channels of its BatchNorms"
    kinds = " and ".join(sorted({block.kind or "other" for block in net.blocks})) or "unknown"
    facts["block"] = f"{kinds}{order}{_stride_place(net.blocks)}"
    facts["shortcut"] = " — or ".join(SHORTCUTS[letter] for letter in letters) or "of no single option"
    facts["BatchNorm"] = _norm_places(net, preact)
    classes = "no linear layer" if net.classes is None else f"{net.classes}-way linear layer"
    facts["head"] = classes if stem.stride is None else f"{', '.join(k for k in net.head if k != 'linear')}, {classes}"
    return facts


def _norm_places(net: Net, preact: bool | None) -> str:
    convs = [conv for block in net.blocks for conv in block.convs]
    seen = [conv.prenormed if preact else conv.normed for conv in convs]
    place = "before" if preact else "after"
    if not convs or preact is None:
        return "unknown"
    if None in seen and False not in seen:  # equal numbers of channels hide the place within a block
        return f"{place} the convolutions, as far as the channels tell"
    return f"{place} {seen.count(True)} of {len(convs)} convolutions in blocks"


def _stride_place(blocks: tuple[Block, ...]) -> str:
    """Which convolution of a bottleneck has the stride: the paper and torchvision differ."""
    places = {block.strides.index(2) for block in blocks if block.kind == "bottleneck" and 2 in block.strides}
    if places == {0}:
        return "; stride on the first 1×1, as in the paper"
    return "; stride on the 3×3, as in torchvision (v1.5)" if places == {1} else ""


def _names(names: tuple | list, most: int = 3) -> str:
    shown = ", ".join(str(name).removesuffix(".weight") for name in names[:most])
    return shown + (", …" if len(names) > most else "")
