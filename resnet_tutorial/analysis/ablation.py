"""Networks with blocks taken out or exchanged, after training (Veit et al. 2016)."""

import contextlib
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import InputError
from ..models import BasicBlock, Bottleneck, PreActBasicBlock, PreActBottleneck, ResNet
from .features import block_names

Block = BasicBlock | Bottleneck | PreActBasicBlock | PreActBottleneck


class Bypass(nn.Module):
    """A block whose branch has been taken out: what is left is its shortcut, with the ReLU that the block has on it.

    Args:
        block: a block of this package. It is not changed.

    Raises:
        InputError: if the block is plain and changes the shape, so that nothing would lead around it.
    """

    def __init__(self, block: Block):
        super().__init__()
        if block.shortcut is None and not keeps_shape(block):
            raise InputError("a plain block that changes the shape cannot be dropped: nothing leads around it")
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        """Map what goes into the block to what comes out of it without its branch."""
        if self.block.shortcut is None:
            return x
        if isinstance(self.block, BasicBlock | Bottleneck):
            return F.relu(self.block.shortcut(x))
        return self.block.shortcut(F.relu(self.block.bn1(x)) if self.block.activate_shortcut else x)


def keeps_shape(block: Block) -> bool:
    """Whether a block gives as many channels as it takes, at the same resolution."""
    convolutions = [module for name, module in block.named_children() if name.startswith("conv")]
    strides = [convolution.stride for convolution in convolutions]
    return convolutions[0].in_channels == convolutions[-1].out_channels and set(strides) == {(1, 1)}


def droppable_blocks(model: ResNet) -> list[str]:
    """Names of the blocks that can be dropped: all of a residual network, those of a plain one that keep the shape."""
    blocks = {name: model.get_submodule(name) for name in block_names(model)}
    return [name for name, block in blocks.items() if block.shortcut is not None or keeps_shape(block)]


@contextlib.contextmanager
def dropped_blocks(model: ResNet, names: Sequence[str]) -> Iterator[None]:
    """Take blocks out of a network while the context is open (Veit et al. 2016, sections 4.1 and 4.2).

    Of a residual block the shortcut stays; a plain block is left out as a whole.

    Args:
        model: the network; the same blocks are back afterwards.
        names: names of blocks, from `droppable_blocks`.

    Raises:
        InputError: if there is no such block, or nothing leads around it.
    """
    if unknown := [name for name in names if name not in block_names(model)]:
        raise InputError(f"the network has no block {unknown[0]!r}: block_names(model) lists them")
    with _replaced(model, {name: Bypass(model.get_submodule(name)) for name in names}):
        yield


@contextlib.contextmanager
def shuffled_blocks(model: ResNet, swaps: int, generator: torch.Generator) -> Iterator[None]:
    """Exchange pairs of blocks within their stages while the context is open (Veit et al. 2016, section 4.3).

    Only blocks that keep the shape are moved.

    Args:
        model: the network; its blocks are back in their order afterwards.
        swaps: how many different pairs change places, one after the other.
        generator: source of the random draws.

    Raises:
        InputError: if there are not that many pairs.
    """
    pairs = [
        (f"stages.{s}.{i}", f"stages.{s}.{j}")
        for s, stage in enumerate(model.stages)
        for j in range(len(stage))
        for i in range(j)
        if keeps_shape(stage[i]) and keeps_shape(stage[j])
    ]
    if swaps > len(pairs):
        raise InputError(f"{swaps} swaps need as many pairs of blocks, got {len(pairs)}: take a deeper network")
    order = {name: model.get_submodule(name) for pair in pairs for name in pair}
    for k in torch.randperm(len(pairs), generator=generator)[:swaps].tolist():
        first, second = pairs[k]
        order[first], order[second] = order[second], order[first]
    with _replaced(model, order):
        yield


@contextlib.contextmanager
def _replaced(model: ResNet, modules: dict[str, nn.Module]) -> Iterator[None]:
    """Put modules into the places of others, and the others back at the end."""
    before = {name: model.get_submodule(name) for name in modules}
    _put(model, modules)
    try:
        yield
    finally:
        _put(model, before)


def _put(model: ResNet, modules: dict[str, nn.Module]) -> None:
    for name, module in modules.items():
        parent, _, place = name.rpartition(".")
        setattr(model.get_submodule(parent), place, module)
