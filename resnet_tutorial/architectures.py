"""The table: one frozen record per network.

This is the only place where depths, widths and repeats are written. The models are built from it, the book's tables are
rendered from it, and the tests check it. It needs no torch.

Three-stage networks: He et al. 2016, "Deep Residual Learning for Image Recognition", section 4.2.
Four-stage networks: the same paper, table 1, with a stem for 32×32 images: 3×3 and stride 1, where the paper has 7×7,
stride 2 and max-pooling for 224×224.
Pre-activation networks, ResNet-164 and ResNet-1001: He et al. 2016b, "Identity Mappings in Deep Residual Networks".
"""

import difflib
import math
import re
from dataclasses import dataclass, replace

from .errors import InputError

CONVS_PER_BLOCK = {"basic": 2, "bottleneck": 3}
EXPANSION = {"basic": 1, "bottleneck": 4}  # output channels of a block over its width
STEM_STRIDE = {"cifar": 1, "imagenet": 4}  # convolution and max-pooling together
TITLES = {"resnet": "ResNet", "plain": "Plain", "preact": "Pre-activation ResNet"}


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


def depth_of(block: str, blocks: tuple[int, ...]) -> int:
    """Layers with weights of a network with so many blocks of a kind in each stage: stem, blocks, linear layer."""
    return 2 + CONVS_PER_BLOCK[block] * sum(blocks)


@dataclass(frozen=True)
class Architecture:
    """One network of the table.

    Attributes:
        name: lower-case name, such as ``resnet20``.
        block: ``basic`` (two 3×3 convolutions) or ``bottleneck`` (1×1, 3×3, 1×1).
        blocks: residual blocks in each stage.
        widths: channels of the 3×3 convolutions in each stage.
        shortcut: the paper's option: ``A`` pads new channels with zeros, ``B`` projects where the shape changes,
            ``C`` projects everywhere; ``none`` in a plain network.
        kind: ``resnet``, its twin without shortcuts, ``plain``, or ``preact``, where BatchNorm and ReLU stand before
            each convolution (He et al. 2016b).
        stem: ``cifar``, a 3×3 convolution, or ``imagenet``, 7×7 with stride 2 and max-pooling with stride 2.
    """

    name: str
    block: str
    blocks: tuple[int, ...]
    widths: tuple[int, ...]
    shortcut: str
    kind: str = "resnet"
    stem: str = "cifar"

    @property
    def title(self) -> str:
        """The name as people write it, such as ``ResNet-20``."""
        return f"{TITLES[self.kind]}-{self.depth}"

    @property
    def depth(self) -> int:
        """Weighted layers on the longest path, from the stem over the convolutions to the linear layer."""
        return depth_of(self.block, self.blocks)

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

        A 3×3 convolution with padding 1 and stride 2 turns ``n`` into ``ceil(n / 2)``; so do a 7×7 with padding 3 and
        the max-pooling.
        """
        sizes = [-(-image_size // STEM_STRIDE[self.stem])]
        for stage in self.stages:
            sizes.append(-(-sizes[-1] // stage.stride))
        return tuple(sizes)

    def describe_stem(self) -> str:
        """The stem as the paper's table writes it: ``3×3, 16``."""
        if self.stem == "cifar":
            return f"3×3, {self.stem_channels}"
        return f"7×7, {self.stem_channels}, stride 2; max-pool 3×3, stride 2"

    def describe_stage(self, stage: Stage) -> str:
        """A stage as the paper's table writes it: ``3 × [3×3, 16; 3×3, 16]``."""
        if self.block == "basic":
            return f"{stage.blocks} × [3×3, {stage.width}; 3×3, {stage.width}]"
        return f"{stage.blocks} × [1×1, {stage.width}; 3×3, {stage.width}; 1×1, {stage.channels}]"

    def with_options(self, shortcut: str | None = None, stem: str = "cifar", width: float = 1.0) -> "Architecture":
        """The same network with another shortcut option, another stem, or all widths multiplied.

        Args:
            shortcut: ``A``, ``B`` or ``C``; None keeps the network's own.
            stem: ``cifar`` or ``imagenet``.
            width: factor for the channels of every layer, rounded to whole channels.

        Raises:
            InputError: if an option does not exist, or a plain network is given a shortcut.
        """
        if stem not in STEM_STRIDE:
            raise InputError(f"stem must be 'cifar' or 'imagenet', got {stem!r}")
        if shortcut is not None and shortcut not in ("A", "B", "C"):
            raise InputError(f"shortcut must be 'A', 'B' or 'C', got {shortcut!r}")
        if shortcut is not None and self.kind == "plain":
            raise InputError(f"{self.name} is a plain network, which has no shortcuts: leave shortcut out")
        widths = tuple(round(w * width) for w in self.widths) if math.isfinite(width) else (0,)
        if min(widths) < 1:
            raise InputError(f"width must leave at least one channel in each layer, got {width:g}: try 0.25")
        return replace(self, shortcut=shortcut or self.shortcut, stem=stem, widths=widths)


def _three_stage(depth: int, block: str = "basic") -> Architecture:
    """Depth 6n + 2 with basic blocks and option A, or 9n + 2 with bottlenecks, which need option B to widen cheaply."""
    n = (depth - 2) // (3 * CONVS_PER_BLOCK[block])
    shortcut = {"basic": "A", "bottleneck": "B"}[block]
    return Architecture(f"resnet{depth}", block, (n, n, n), (16, 32, 64), shortcut)


def _four_stage(depth: int, block: str, blocks: tuple[int, ...]) -> Architecture:
    return Architecture(f"resnet{depth}", block, blocks, (64, 128, 256, 512), shortcut="B")


def _twin(arch: Architecture, kind: str) -> Architecture:
    """The network of the same depth and widths, plain or with pre-activation."""
    name = arch.name.replace("resnet", kind)
    return replace(arch, name=name, kind=kind, shortcut="none" if kind == "plain" else arch.shortcut)


_RESNETS = (
    _four_stage(18, "basic", (2, 2, 2, 2)),
    _four_stage(34, "basic", (3, 4, 6, 3)),
    _four_stage(50, "bottleneck", (3, 4, 6, 3)),
    _four_stage(101, "bottleneck", (3, 4, 23, 3)),
    _four_stage(152, "bottleneck", (3, 8, 36, 3)),
    _three_stage(20),
    _three_stage(32),
    _three_stage(44),
    _three_stage(56),
    _three_stage(110),
    _three_stage(1202),
    # 164 is both 6·27 + 2 and 9·18 + 2. The network that goes by this name has bottlenecks (He et al. 2016b, table 3).
    _three_stage(164, "bottleneck"),
    _three_stage(1001, "bottleneck"),
)

ARCHITECTURES: dict[str, Architecture] = {
    arch.name: arch
    for arch in (
        *_RESNETS,
        *(_twin(arch, "plain") for arch in _RESNETS),
        *(_twin(arch, "preact") for arch in _RESNETS if arch.depth != 1202),
    )
}


def get_architecture(name: str) -> Architecture:
    """Return the record of a network.

    Args:
        name: a name of the table, or ``resnet``, ``plain`` or ``preact`` with another depth: 6n + 2 for basic blocks in
            three stages (``resnet8``, ``plain14``), 9n + 2 for bottlenecks (``resnet29``). ``ResNet18``, ``ResNet-18``
            and ``PreActResNet18`` are read as ``resnet18``, ``resnet18`` and ``preact18``.

    Raises:
        InputError: if no network has that name. The message suggests the nearest one.
    """
    key = re.sub(r"[-_ ]", "", name.lower()).replace("preactresnet", "preact")
    if key in ARCHITECTURES:
        return ARCHITECTURES[key]
    match = re.fullmatch(r"(resnet|plain|preact)(\d{1,4})", key)
    if match and (arch := _by_rule(int(match[2]))):
        return arch if match[1] == "resnet" else _twin(arch, match[1])
    near = _nearest(key)
    hint = f"did you mean {near}? " if near else ""
    raise InputError(
        f"no network is called {name!r}: {hint}write resnet, plain or preact and a depth: 18, 34, 50, 101, 152, "
        "6n+2 as in resnet20, or 9n+2 as in resnet164"
    )


def _by_rule(depth: int) -> Architecture | None:
    """The three-stage network of a depth that the table does not list."""
    for block, convs in CONVS_PER_BLOCK.items():
        if depth > 2 and (depth - 2) % (3 * convs) == 0:
            return _three_stage(depth, block)
    return None


def _nearest(key: str) -> str | None:
    """The network of the nearest kind with that depth, or else with the nearest depth or spelling."""
    match = re.fullmatch(r"([a-z]+)(\d{1,4})", key)
    kinds = difflib.get_close_matches(match[1], ("resnet", "plain", "preact"), n=1) if match else []
    if not kinds:
        return next(iter(difflib.get_close_matches(key, ARCHITECTURES, n=1)), None)
    kind, depth = kinds[0], int(match[2])
    if f"{kind}{depth}" not in ARCHITECTURES and _by_rule(depth):  # ``resnet8``, which the table does not list
        return f"{kind}{depth}"
    kin = [arch for arch in ARCHITECTURES.values() if arch.kind == kind]
    return min(kin, key=lambda arch: abs(arch.depth - depth)).name
