"""The table: one frozen record per network.

This is the only place where depths, widths and repeats are written. The models are built from it, the book's tables are
rendered from it, and the tests check it. It needs no torch.

Three-stage networks: He et al. 2016, "Deep Residual Learning for Image Recognition", section 4.2.
Four-stage networks: the same paper, table 1, with a stem for 32×32 images: 3×3 and stride 1, where the paper has 7×7,
stride 2 and max-pooling for 224×224.
"""

import difflib
import re
from dataclasses import dataclass

from .errors import InputError

CONVS_PER_BLOCK = {"basic": 2, "bottleneck": 3}
EXPANSION = {"basic": 1, "bottleneck": 4}  # output channels of a block over its width


@dataclass(frozen=True)
class Stage:
    """A run of blocks that work at one resolution.

    Attributes:
        name: the name in the paper's table, such as ``conv3_x``.
        width: channels of the 3×3 convolutions.
        channels: channels that leave the stage (the width times the block's expansion).
        blocks: number of residual blocks.
        stride: stride of the first block; every other block has stride 1.
    """

    name: str
    width: int
    channels: int
    blocks: int
    stride: int


@dataclass(frozen=True)
class Architecture:
    """One network of the table.

    Attributes:
        name: lower-case name, such as ``resnet20``.
        block: ``basic`` (two 3×3 convolutions) or ``bottleneck`` (1×1, 3×3, 1×1).
        blocks: residual blocks in each stage.
        widths: channels of the 3×3 convolutions in each stage.
        shortcut: the paper's option: ``A`` pads new channels with zeros, ``B`` projects where the shape changes,
            ``C`` projects everywhere.
    """

    name: str
    block: str
    blocks: tuple[int, ...]
    widths: tuple[int, ...]
    shortcut: str

    @property
    def title(self) -> str:
        """The name as people write it, such as ``ResNet-20``."""
        return f"ResNet-{self.depth}"

    @property
    def depth(self) -> int:
        """Weighted layers on the longest path, from the stem over the convolutions to the linear layer."""
        return 2 + CONVS_PER_BLOCK[self.block] * sum(self.blocks)

    @property
    def family(self) -> str:
        """``three-stage`` or ``four-stage``."""
        return {3: "three-stage", 4: "four-stage"}[len(self.blocks)]

    @property
    def stem_channels(self) -> int:
        """Channels that leave the stem, as many as the width of the first stage."""
        return self.widths[0]

    @property
    def features(self) -> int:
        """Channels that reach the linear layer."""
        return self.stages[-1].channels

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages in order. The first keeps the resolution, each later one halves it in its first block."""
        expansion = EXPANSION[self.block]
        return tuple(
            Stage(f"conv{i + 2}_x", width, width * expansion, blocks, stride=1 if i == 0 else 2)
            for i, (width, blocks) in enumerate(zip(self.widths, self.blocks, strict=True))
        )

    def output_sizes(self, image_size: int = 32) -> tuple[int, ...]:
        """Height (= width) of the feature maps after the stem and after each stage, for a square image.

        A 3×3 convolution with padding 1 and stride 2 turns ``n`` into ``ceil(n / 2)``.
        """
        sizes = [image_size]
        for stage in self.stages:
            sizes.append(-(-sizes[-1] // stage.stride))
        return tuple(sizes)


def _three_stage(name: str, n: int) -> Architecture:
    return Architecture(name, "basic", (n, n, n), (16, 32, 64), shortcut="A")


def _four_stage(name: str, block: str, blocks: tuple[int, ...]) -> Architecture:
    return Architecture(name, block, blocks, (64, 128, 256, 512), shortcut="B")


ARCHITECTURES: dict[str, Architecture] = {
    arch.name: arch
    for arch in (
        _four_stage("resnet18", "basic", (2, 2, 2, 2)),
        _four_stage("resnet34", "basic", (3, 4, 6, 3)),
        _four_stage("resnet50", "bottleneck", (3, 4, 6, 3)),
        _four_stage("resnet101", "bottleneck", (3, 4, 23, 3)),
        _four_stage("resnet152", "bottleneck", (3, 8, 36, 3)),
        _three_stage("resnet20", 3),
        _three_stage("resnet32", 5),
        _three_stage("resnet44", 7),
        _three_stage("resnet56", 9),
        _three_stage("resnet110", 18),
        _three_stage("resnet1202", 200),
    )
}


def get_architecture(name: str) -> Architecture:
    """Return the record of a network.

    Args:
        name: a name of the table; ``ResNet18`` and ``ResNet-18`` are read as ``resnet18``.

    Raises:
        InputError: if no network has that name. The message suggests the nearest one.
    """
    key = name.lower().replace("-", "").replace("_", "")
    if key in ARCHITECTURES:
        return ARCHITECTURES[key]
    near = _nearest(key)
    hint = f"did you mean {near}? " if near else ""
    raise InputError(f"no network is called {name!r}: {hint}choose from {', '.join(ARCHITECTURES)}")


def _nearest(key: str) -> str | None:
    """The network with the nearest depth, or else with the nearest spelling."""
    depth = re.fullmatch(r"resnet(\d+)", key)
    if depth:
        return min(ARCHITECTURES, key=lambda name: abs(ARCHITECTURES[name].depth - int(depth[1])))
    return next(iter(difflib.get_close_matches(key, ARCHITECTURES, n=1)), None)
