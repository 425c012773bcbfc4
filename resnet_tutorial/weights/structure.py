"""What a network is made of, read from the network itself or from its weights alone.

A network is run once and its operations are read (`trace`). Weights alone show shapes and nothing else. Both readings
end in the same records, `Conv`, `Block` and `Net`, in which None stands for what cannot be told.
"""

import heapq
import re
from collections import Counter
from dataclasses import dataclass, replace

import torch
from torch import nn

from ..errors import InputError, first_line
from ..text import natural
from .trace import Step, trace

KERNELS = {(3, 3): "basic", (1, 3, 1): "bottleneck"}
LAYERS = (nn.Conv2d, nn.BatchNorm2d, nn.Linear)
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


@dataclass(frozen=True)
class Conv:
    """A convolution as it is found. None stands for what cannot be told."""

    name: str
    kernel: int
    in_channels: int
    channels: int
    bias: bool
    groups: int = 1
    stride: int | None = None
    size: int | None = None  # height (= width) of its output
    normed: bool | None = None  # BatchNorm right behind it
    prenormed: bool | None = None  # BatchNorm and ReLU right before it
    activated: bool | None = None  # ReLU right before it


@dataclass(frozen=True)
class Block:
    """A block as it is found. None stands for what cannot be told."""

    convs: tuple[Conv, ...]
    shortcut: str  # identity, projection, zeros, none, unknown, or what stands there instead
    projection: Conv | None = None
    preact: bool | None = None
    relu_after: bool | None = None  # behind the addition
    relu_before: bool | None = None  # at the end of the branch, before the addition
    zeros_at_end: bool = False

    @property
    def kind(self) -> str | None:
        return KERNELS.get(tuple(conv.kernel for conv in self.convs))

    @property
    def width(self) -> int:
        return self.convs[-2].channels if self.kind == "bottleneck" else self.channels

    @property
    def channels(self) -> int:
        return self.convs[-1].channels

    @property
    def in_channels(self) -> int:
        return self.convs[0].in_channels

    @property
    def strides(self) -> tuple[int | None, ...]:
        return tuple(conv.stride for conv in self.convs)

    @property
    def changes_shape(self) -> bool:
        return self.in_channels != self.channels or any(stride not in (1, None) for stride in self.strides)


@dataclass(frozen=True)
class Net:
    """A whole network as it is found. None stands for what cannot be told."""

    stem: Conv
    blocks: tuple[Block, ...]
    parameters: int
    classes: int | None
    max_pool: bool | None = None
    final_norm: bool | None = None
    outside: tuple[str, ...] = ()  # convolutions that belong to no block
    head: tuple[str, ...] = ()  # steps behind the last block
    reused: tuple[str, ...] = ()  # weights that are used more than once
    norms: int = 0
    bare_norms: tuple[str, ...] = ()  # normalizations without running statistics
    spare: tuple[str, ...] = ()  # parameters of no convolution, BatchNorm or linear layer


# Reading a network


def read_network(model: nn.Module, image_size: int) -> Net:
    first = next((p for p in model.parameters() if p.ndim == 4), None)
    if first is None:
        raise InputError(f"{type(model).__name__} has no convolution: it is no residual network for images")
    image = first.new_zeros(1, first.shape[1], image_size, image_size)
    try:
        steps = trace(model, image)
    except Exception as error:  # whatever somebody else's network raises
        raise InputError(
            f"{type(model).__name__} does not run on a {image_size}×{image_size} image ({first_line(error)}): "
            "give another image_size, or its state_dict()"
        ) from None
    return _Graph(steps, model).net()


class _Graph:
    """The steps of a network, with what follows each of them."""

    def __init__(self, steps: list[Step], model: nn.Module):
        self.steps = steps
        self.biases = {name for name, _ in model.named_parameters() if name.endswith(".bias")}
        self.parameters = sum(p.numel() for p in model.parameters())
        layers = {id(p) for m in model.modules() if isinstance(m, LAYERS) for p in m.parameters(recurse=False)}
        used = {s.weight for s in steps}
        self.spare = tuple(name for name, p in model.named_parameters() if id(p) not in layers and name not in used)
        self.consumers: list[list[int]] = [[] for _ in steps]
        for step in steps:
            for i in step.inputs:
                self.consumers[i].append(step.index)
        last_conv = max((s.index for s in steps if s.kind == "conv" and not _is_global(s)), default=0)
        head = [s.index for s in steps[last_conv:] if _is_global(s) and s.kind in ("avgpool", "maxpool", "linear")]
        self.end = head[0] if head else len(steps)

    def net(self) -> Net:
        convs = [s for s in self.steps if s.kind == "conv" and s.index < self.end]
        if not convs:
            raise InputError("the network computes no convolution: it is no residual network for images")
        residual = [block for s in self.steps if (block := self._block(s))]
        inside = {conv.name for block in residual for conv in (*block.convs, block.projection) if conv}
        rest = [self._conv(s) for s in convs[1:] if s.weight not in inside]
        plain = [] if residual else _chain(rest, convs[0].shape[1], "none")
        blocks = residual
        for block in plain:  # there is no addition, so its end is the ReLU behind its last convolution
            preact = all(conv.prenormed for conv in block.convs[1:]) and not block.convs[-1].normed
            blocks.append(replace(block, preact=preact, relu_after=not preact, relu_before=False))
        behind = [s for s in self.steps[self.end :] if s.kind != "constant"]
        linear = [s for s in behind if s.kind in ("linear", "conv")]
        stem_to_block = self.steps[convs[0].index : convs[1].index] if len(convs) > 1 else []
        body = [s for s in self.steps[: self.end] if s.kind in ("conv", "norm", "relu", "add")]
        uses = Counter(s.weight for s in convs)
        return Net(
            stem=self._conv(convs[0]),
            blocks=tuple(blocks),
            parameters=self.parameters,
            classes=linear[-1].shape[1] if linear else None,
            max_pool=any(s.kind == "maxpool" for s in stem_to_block),
            # BatchNorm and ReLU, with no convolution before them, are the last steps before the head.
            final_norm=[s.kind for s in body[-3:]] == ["add", "norm", "relu"],
            outside=() if plain else tuple(conv.name for conv in rest),
            head=tuple("linear" if s.kind == "conv" else s.kind for s in behind),
            reused=tuple(name for name, times in uses.items() if times > 1 and name),
            spare=self.spare,
        )

    def _conv(self, step: Step) -> Conv:
        weight = next(a for a in step.arguments[1:] if isinstance(a, torch.Tensor))
        before = self.steps[step.inputs[0]]
        return Conv(
            name=step.weight,
            kernel=weight.shape[-1],
            in_channels=weight.shape[1] * step.arguments[8],
            channels=weight.shape[0],
            bias=step.arguments[2] is not None,
            groups=step.arguments[8],
            stride=step.arguments[3][0],
            size=step.shape[-1],
            normed=any(self.steps[i].kind == "norm" for i in self.consumers[step.index]),
            prenormed=before.kind == "relu" and self.steps[before.inputs[0]].kind == "norm",
            activated=before.kind == "relu",
        )

    def _block(self, step: Step) -> Block | None:
        """The block that ends in this addition; None if it is no such addition."""
        if step.kind != "add" or len(step.inputs) != 2 or len(step.shape) != 4:
            return None
        sides = self._sides(*step.inputs)
        branch, skip = sorted(sides, key=lambda side: -sum(s.kind == "conv" for s in side))
        convs = tuple(self._conv(s) for s in branch if s.kind == "conv")
        if len(convs) < 2:
            return None
        followers = {self.steps[i].kind for i in self.consumers[step.index]}
        relu_after = followers == {"relu"}
        last = branch[-1].kind
        return Block(
            convs=convs,
            shortcut=_name_shortcut(skip),
            projection=next((self._conv(s) for s in skip if s.kind == "conv"), None),
            preact=last == "conv" and not relu_after,
            relu_after=relu_after,
            relu_before=last == "relu",
            zeros_at_end=any(_pads_only_at_end(s, self.steps) for s in skip),
        )

    def _sides(self, left: int, right: int) -> tuple[list[Step], list[Step]]:
        """The steps on both sides of an addition, back to where they part, in the order of computation."""
        color = {left: 1}
        color[right] = color.get(right, 0) | 2
        queue, sides = [-i for i in color], {1: [], 2: []}
        heapq.heapify(queue)
        while queue:
            index = -heapq.heappop(queue)
            if color[index] == 3:  # both sides come from here
                break
            step = self.steps[index]
            if step.kind != "constant":
                sides[color[index]].append(step)
            for i in step.inputs:
                if i not in color:
                    heapq.heappush(queue, -i)
                color[i] = color.get(i, 0) | color[index]
        return sides[1][::-1], sides[2][::-1]


def _is_global(step: Step) -> bool:
    """Whether a pooling leaves one number for each channel."""
    return len(step.shape) == 2 or step.shape[2:] == (1, 1)


def _name_shortcut(steps: list[Step]) -> str:
    kinds = [s.kind for s in steps]
    if not kinds:
        return "identity"
    if kinds in (["conv"], ["conv", "norm"], ["slice", "conv"], ["slice", "conv", "norm"]):
        return "projection"
    if "conv" not in kinds and ("pad" in kinds or "cat" in kinds):
        return "zeros"
    return " + ".join(kinds)


def _pads_only_at_end(step: Step, steps: list[Step]) -> bool:
    if step.kind == "pad":
        channels = step.arguments[1][4:6]  # before and after, along the channel axis
        return len(channels) == 2 and channels[0] == 0 and channels[1] > 1
    return (
        step.kind == "cat"
        and steps[step.inputs[0]].kind != "constant"
        and step.shape[1] > steps[step.inputs[0]].shape[1] + 1
    )


# Reading weights alone


def read_weights_alone(state: dict[str, torch.Tensor]) -> Net:
    weights = {key.removesuffix(".weight"): value for key, value in state.items() if key.endswith(".weight")}
    convs = [
        Conv(name, w.shape[-1], w.shape[1], w.shape[0], bias=f"{name}.bias" in state)
        for name, w in weights.items()
        if w.ndim == 4
    ]
    linear = [w for w in weights.values() if w.ndim == 2]
    if not linear and convs and convs[-1].kernel == 1 and convs[-1].bias:  # a 1×1 convolution as linear layer
        linear = [weights[convs.pop().name]]
    if len(convs) < 2:
        raise InputError("these weights hold no stack of convolutions: they belong to no residual network for images")
    stem = min(convs, key=lambda conv: conv.in_channels)  # a file may list its tensors in any order
    rest = [conv for conv in convs if conv is not stem]
    norms = {
        name: w.shape[0]
        for name, w in weights.items()
        if w.ndim == 1 and (f"{name}.running_mean" in state or f"{name}.bias" in state)
    }
    ordered = sorted(rest, key=lambda conv: natural(conv.name))
    blocks = _chain(rest, stem.channels) or _chain(ordered, stem.channels)
    blocks = [_with_norms(block, norms) for block in blocks]
    inside = {conv.name for block in blocks for conv in (*block.convs, block.projection) if conv}
    alone = [n for n in norms if not any(n.startswith(_prefix(block)) for block in blocks)]
    final_norm = (
        Counter(norms[n] for n in alone)[blocks[-1].channels] > (stem.channels == blocks[-1].channels)
        if blocks
        else None
    )
    layers = norms.keys() | {name for name, w in weights.items() if w.ndim in (2, 4)}
    leaves = {f"{layer}.{leaf}" for layer in layers for leaf in ("weight", "bias")}
    parameters = {key: value for key, value in state.items() if not key.endswith(STATISTICS)}
    return Net(
        stem=stem,
        blocks=tuple(blocks),
        parameters=sum(value.numel() for value in parameters.values()),
        classes=linear[-1].shape[0] if linear else None,
        final_norm=final_norm,
        outside=tuple(conv.name for conv in rest if conv.name not in inside),
        head=("linear",) * len(linear),
        norms=len(norms),
        bare_norms=tuple(name for name in norms if f"{name}.running_mean" not in state),
        spare=tuple(key for key in parameters if key not in leaves),
    )


def _chain(convs: list[Conv], channels: int, shortcut: str = "") -> list[Block]:
    """Cut a row of convolutions into blocks; none if they do not form a row of basic blocks or of bottlenecks.

    Args:
        convs: the convolutions behind the stem, block after block.
        channels: channels that leave the stem.
        shortcut: what stands for a shortcut without weights; the default says that it is unknown, or the identity where
            the number of channels stays.
    """
    blocks, i = [], 0
    while i < len(convs):
        for kernels in KERNELS:
            n = len(kernels)
            block = _cut(convs[i : i + n], convs[i + n : i + n + 1], kernels, channels, shortcut) or _cut(
                convs[i + 1 : i + n + 1], convs[i : i + 1], kernels, channels, shortcut
            )
            if block:
                break
        else:
            return []
        i += n + (block.projection is not None)
        blocks.append(block)
        channels = block.channels
    return blocks


def _cut(
    convs: list[Conv], neighbor: list[Conv], kernels: tuple[int, ...], channels: int, shortcut: str
) -> Block | None:
    """One block, if these convolutions are one; the neighbor is its projection if its shape says so."""
    if tuple(conv.kernel for conv in convs) != kernels:
        return None
    before = (channels, *(conv.channels for conv in convs[:-1]))
    if any(conv.in_channels * conv.groups != c for conv, c in zip(convs, before, strict=True)):
        return None
    block = Block(tuple(convs), shortcut or "unknown")
    prefix = _prefix(block)
    for conv in neighbor:
        # A 3×3 convolution may as well be of the next block: its name has to tell, by a prefix that ends in a number.
        sure = conv.kernel == 1 or (re.search(r"\d\.$", prefix) and conv.name.startswith(prefix))
        if (conv.in_channels, conv.channels) == (channels, block.channels) and sure:
            return replace(block, shortcut="projection", projection=conv)
    return block


def _prefix(block: Block) -> str:
    """What the names of all layers of a block begin with, such as ``layer1.0.``."""
    parts = [conv.name.split(".") for conv in (*block.convs, block.projection) if conv]
    common = []
    for pieces in zip(*parts, strict=False):
        if len(set(pieces)) > 1:
            break
        common.append(pieces[0])
    return ".".join([*common, ""])


def _with_norms(block: Block, norms: dict[str, int]) -> Block:
    """Find out from the number of channels of the BatchNorms where they stand."""
    prefix = _prefix(block)
    found = Counter(channels for name, channels in norms.items() if prefix and name.startswith(prefix))
    after = Counter(conv.channels for conv in block.convs)
    before = Counter(conv.in_channels for conv in block.convs)
    projected = Counter([block.channels]) if block.projection else Counter()
    if found == after + projected and found not in (before, before + projected):
        preact, projection = False, True
    elif found == after and found != before:
        preact, projection = False, False
    elif found == before and found != after:
        preact, projection = True, False
    else:
        return block
    convs = tuple(replace(conv, normed=not preact, prenormed=preact) for conv in block.convs)
    projected = replace(block.projection, normed=projection) if block.projection else None
    return replace(block, convs=convs, projection=projected, preact=preact)
