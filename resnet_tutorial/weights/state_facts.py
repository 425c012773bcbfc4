"""What a state dict alone tells about the network that it belongs to."""

import re
from dataclasses import dataclass

from torch import Tensor

from ..architectures import depth_of

STEM_KERNEL = {3: "cifar", 7: "imagenet"}
KINDS = {"resnet": "residual blocks", "plain": "blocks without shortcuts", "preact": "pre-activation blocks"}


@dataclass(frozen=True)
class StateFacts:
    """What the names and shapes of a state dict tell. What they do not tell is None.

    Attributes:
        kind: ``preact`` if the first BatchNorm of a block stands before its convolution, else ``resnet``. A plain
            network looks like one with option A.
        block: ``basic`` or ``bottleneck``.
        blocks: blocks in each stage.
        widths: channels of the 3×3 convolutions in each stage.
        kernel: size of the stem's convolution.
        stem_channels: channels that leave the stem.
        in_channels: channels of the images.
        num_classes: outputs of the linear layer.
        final_norm: whether a BatchNorm stands behind the last block.
        options: shortcut options that the shortcut parameters fit; none if they stand where no option has them.
        projection_kernel: size of the projections' convolutions; None if there are none.
    """

    kind: str
    block: str
    blocks: tuple[int, ...]
    widths: tuple[int, ...] | None
    kernel: int | None
    stem_channels: int | None
    in_channels: int | None
    num_classes: int | None
    final_norm: bool
    options: tuple[str, ...]
    projection_kernel: int | None

    @property
    def stem(self) -> str | None:
        """``cifar`` or ``imagenet``; None for any other size of the convolution."""
        return STEM_KERNEL.get(self.kernel)

    @property
    def depth(self) -> int:
        """Layers with weights, if nothing is missing."""
        return depth_of(self.block, self.blocks)


def describe_state(state: dict[str, Tensor]) -> StateFacts:
    """Read the facts off a state dict under this package's names."""
    places = _places(state)
    stages = sorted({stage for stage, _ in places})
    block = "bottleneck" if any(re.fullmatch(r"stages\.\d+\.\d+\.conv3\.weight", name) for name in state) else "basic"
    widths = tuple(_size(state, f"stages.{stage}.0.conv2.weight", 0) for stage in stages)
    return StateFacts(
        kind=_kind(state, places),
        block=block,
        blocks=tuple(sum(place[0] == stage for place in places) for stage in stages),
        widths=None if None in widths else widths,
        kernel=_size(state, "conv1.weight", 2),
        stem_channels=_size(state, "conv1.weight", 0),
        in_channels=_size(state, "conv1.weight", 1),
        num_classes=_size(state, "fc.weight", 0),
        final_norm="norm.weight" in state,
        options=_options(state, places, block),
        projection_kernel=max(
            (_size(state, name, 2) or 1 for name in state if name.endswith(".shortcut.0.weight")), default=None
        ),
    )


def _places(state: dict[str, Tensor]) -> list[tuple[int, int]]:
    """Stage and number of every block."""
    matches = (re.match(r"stages\.(\d+)\.(\d+)\.", name) for name in state)
    return sorted({(int(match[1]), int(match[2])) for match in matches if match})


def _size(state: dict[str, Tensor], name: str, dim: int) -> int | None:
    return state[name].shape[dim] if name in state and state[name].ndim > dim else None


def _kind(state: dict[str, Tensor], places: list[tuple[int, int]]) -> str:
    for stage, number in places:
        prefix = f"stages.{stage}.{number}"
        outgoing, incoming = (_size(state, f"{prefix}.conv1.weight", dim) for dim in (0, 1))
        if incoming != outgoing:
            return "preact" if _size(state, f"{prefix}.bn1.weight", 0) == incoming else "resnet"
    return "preact" if "norm.weight" in state else "resnet"


def _options(state: dict[str, Tensor], places: list[tuple[int, int]], block: str) -> tuple[str, ...]:
    last = {"basic": "conv2", "bottleneck": "conv3"}[block]
    projects, changes = set(), set()
    for stage, number in places:
        prefix = f"stages.{stage}.{number}"
        if f"{prefix}.shortcut.0.weight" in state:
            projects.add((stage, number))
        widens = _size(state, f"{prefix}.conv1.weight", 1) != _size(state, f"{prefix}.{last}.weight", 0)
        if widens or (stage > 0 and number == 0):
            changes.add((stage, number))
    wanted = {"A": set(), "B": changes, "C": set(places)}
    return tuple(option for option, where in wanted.items() if where == projects)
