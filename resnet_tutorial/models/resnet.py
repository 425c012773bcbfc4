"""The network: a stem, stages of blocks, global average pooling, one linear layer."""

import contextlib
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from ..architectures import Architecture
from ..errors import InputError
from .blocks import BasicBlock, Bottleneck, PlainBasicBlock, PlainBottleneck, PreActBasicBlock, PreActBottleneck

BLOCKS = {
    ("resnet", "basic"): BasicBlock,
    ("resnet", "bottleneck"): Bottleneck,
    ("plain", "basic"): PlainBasicBlock,
    ("plain", "bottleneck"): PlainBottleneck,
    ("preact", "basic"): PreActBasicBlock,
    ("preact", "bottleneck"): PreActBottleneck,
}


class ResNet(nn.Module):
    """A residual network, its plain twin, or its pre-activation form (He et al. 2016, section 4.2 and table 1; 2016b).

    Args:
        arch: the record of the network, from `resnet_tutorial.architectures`.
        num_classes: number of classes, at least 1.
        in_channels: channels of the images, 3 for color.
        zero_init_residual: start the last BatchNorm of every branch (the last convolution with pre-activation) at zero,
            so that every block starts as its shortcut (Goyal et al. 2017, section 5.1).
        stochastic_depth: probability that the last block's branch is left out in training; it rises linearly from the
            first block on (Huang et al. 2016, section 3).
        checkpoint_activations: keep only the input of each block for the backward pass and compute the rest again: less
            memory, more time. Without effect under `torch.compile`, which decides by itself what to keep.

    Attributes:
        arch: the record that it was built from.
        conv1, bn1: the stem: a convolution and its BatchNorm (with pre-activation, the first block has it).
        pool: max-pooling of the ImageNet stem, else the identity.
        stages: `nn.Sequential` of stages, each an `nn.Sequential` of blocks.
        norm: with pre-activation, the BatchNorm after the last block, else the identity.
        fc: the linear layer.

    Raises:
        InputError: if a number is out of its range, or an option does not fit a plain network.
    """

    def __init__(
        self,
        arch: Architecture,
        num_classes: int = 10,
        *,
        in_channels: int = 3,
        zero_init_residual: bool = False,
        stochastic_depth: float = 0.0,
        checkpoint_activations: bool = False,
    ):
        super().__init__()
        if num_classes < 1:
            raise InputError(f"num_classes must be at least 1, got {num_classes}")
        if in_channels < 1:
            raise InputError(f"in_channels must be at least 1, got {in_channels}")
        if not 0 <= stochastic_depth < 1:
            raise InputError(f"stochastic_depth must be from 0 to below 1, got {stochastic_depth:g}")
        if arch.kind == "plain" and (zero_init_residual or stochastic_depth > 0):
            raise InputError(
                f"{arch.name} has no shortcuts: without its branches nothing would pass; leave the option out"
            )
        self.arch = arch
        self.num_classes = num_classes
        self.in_channels = in_channels
        self.checkpoint_activations = checkpoint_activations
        self.preact = arch.kind == "preact"
        self.conv1 = _stem_conv(arch.stem, in_channels, arch.stem_channels)
        self.bn1 = nn.Identity() if self.preact else nn.BatchNorm2d(arch.stem_channels)
        self.pool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1) if arch.stem == "imagenet" else nn.Identity()
        self.stages = _make_stages(arch, stochastic_depth)
        self.norm = nn.BatchNorm2d(arch.features) if self.preact else nn.Identity()
        self.fc = nn.Linear(arch.features, num_classes)
        self.apply(_init_weights)
        if zero_init_residual:
            _zero_last_layers(self.stages)

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        """Map images N × in_channels × H × W to the feature maps of the last stage, N × C × h × w."""
        x = self.bn1(self.conv1(x))
        if not self.preact:
            x = F.relu(x)
        x = self.pool(x)
        recompute = self.checkpoint_activations and self.training
        x = self._stages_recomputed(x) if recompute else self.stages(x)
        x = self.norm(x)
        return F.relu(x) if self.preact else x

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map images N × in_channels × H × W to logits N × num_classes. The softmax belongs to the loss."""
        x = self.forward_features(x)
        x = x.mean(dim=(2, 3))  # global average pooling
        return self.fc(x)

    def reset_classifier(self, num_classes: int) -> None:
        """Put a fresh linear layer in place of the old one, to train the network on other classes.

        Args:
            num_classes: number of classes, at least 1.
        """
        self.num_classes = num_classes
        self.fc = nn.Linear(self.arch.features, num_classes).to(self.fc.weight)

    @torch.jit.unused
    def _stages_recomputed(self, x: torch.Tensor) -> torch.Tensor:
        for stage in self.stages:
            for block in stage:
                x = _recomputed(block, x)
        return x

    def __repr__(self) -> str:
        arch, parameters = self.arch, sum(p.numel() for p in self.parameters())
        sizes = arch.output_sizes()
        shortcut = "no shortcuts" if arch.kind == "plain" else f"shortcut {arch.shortcut}"
        rows = [("conv1", arch.describe_stem(), sizes[0])]
        rows += [(stage.name, arch.describe_stage(stage), n) for stage, n in zip(arch.stages, sizes[1:], strict=True)]
        lines = [f"  {name:8} {what:44} {n}×{n}" for name, what, n in rows]
        lines.append(f"  {'fc':8} {f'average pool, {self.num_classes}-way linear':44} 1×1")
        return "\n".join([f"{arch.title}: {shortcut}, {parameters:,} parameters; sizes for a 32×32 image", *lines])


def _stem_conv(stem: str, in_channels: int, channels: int) -> nn.Conv2d:
    kernel, stride = {"cifar": (3, 1), "imagenet": (7, 2)}[stem]
    return nn.Conv2d(in_channels, channels, kernel_size=kernel, stride=stride, padding=kernel // 2, bias=False)


def _make_stages(arch: Architecture, stochastic_depth: float) -> nn.Sequential:
    """Build all stages: only the first block of a stage changes resolution and channels."""
    stages, channels, built = [], arch.stem_channels, 0
    for stage in arch.stages:
        blocks = []
        for i in range(stage.blocks):
            built += 1
            drop = stochastic_depth * built / sum(arch.blocks)
            blocks.append(_make_block(arch, channels, stage.width, stage.stride if i == 0 else 1, drop, first=i == 0))
            channels = stage.channels
        stages.append(nn.Sequential(*blocks))
    return nn.Sequential(*stages)


def _make_block(arch: Architecture, channels: int, width: int, stride: int, drop: float, first: bool) -> nn.Module:
    block = BLOCKS[arch.kind, arch.block]
    if arch.kind == "plain":
        return block(channels, width, stride)
    if arch.kind == "preact":
        return block(channels, width, stride, arch.shortcut, drop, activate_shortcut=first or arch.shortcut == "C")
    return block(channels, width, stride, arch.shortcut, drop)


def _init_weights(module: nn.Module) -> None:
    """He initialization of the convolutions (He et al. 2015, equation 14), which the paper uses.

    torch's default for `nn.Conv2d` is narrower by a factor of √6. BatchNorm (1 and 0) and the linear layer keep torch's
    default.
    """
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def _zero_last_layers(stages: nn.Sequential) -> None:
    last = {BasicBlock: "bn2", Bottleneck: "bn3", PreActBasicBlock: "conv2", PreActBottleneck: "conv3"}
    for stage in stages:
        for block in stage:
            nn.init.zeros_(getattr(block, last[type(block)]).weight)


def _recomputed(block: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Run a block whose inner activations are computed a second time in the backward pass."""
    if torch.compiler.is_compiling():  # torch 2.6 would count every batch twice in the statistics
        return block(x)
    contexts = (contextlib.nullcontext(), _statistics_kept(block))  # around the first and the second computation
    return checkpoint(block, x, use_reentrant=False, context_fn=lambda: contexts)


@contextlib.contextmanager
def _statistics_kept(block: nn.Module) -> Iterator[None]:
    """Leave the running statistics alone, or the second computation would count every batch twice."""
    norms = [m for m in block.modules() if isinstance(m, nn.BatchNorm2d)]
    kept = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, batches) in zip(norms, kept, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, batches
