"""The network: a stem, stages of residual blocks, global average pooling, one linear layer."""

import fnmatch

import torch
import torch.nn.functional as F
from torch import nn

from ..architectures import ARCHITECTURES, Architecture, Stage, get_architecture
from .blocks import BasicBlock, Bottleneck, conv3x3

BLOCKS = {"basic": BasicBlock, "bottleneck": Bottleneck}


class ResNet(nn.Module):
    """A residual network for small images (He et al. 2016, section 4.2 and table 1).

    Args:
        arch: the record of the network, from `resnet_tutorial.architectures`.
        num_classes: number of classes.

    Attributes:
        arch: the record that it was built from.
        conv1, bn1: the stem, a 3×3 convolution with stride 1 and its BatchNorm.
        stages: `nn.Sequential` of stages, each an `nn.Sequential` of blocks.
        fc: the linear layer.
    """

    def __init__(self, arch: Architecture, num_classes: int = 10):
        super().__init__()
        self.arch = arch
        self.num_classes = num_classes
        self.conv1 = conv3x3(3, arch.stem_channels)
        self.bn1 = nn.BatchNorm2d(arch.stem_channels)
        stages, channels = [], arch.stem_channels
        for stage in arch.stages:
            stages.append(_make_stage(arch, stage, channels))
            channels = stage.channels
        self.stages = nn.Sequential(*stages)
        self.fc = nn.Linear(channels, num_classes)
        self.apply(_init_weights)

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        """Map images N × 3 × H × W to the feature maps of the last stage, N × C × h × w."""
        x = F.relu(self.bn1(self.conv1(x)))
        return self.stages(x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map images N × 3 × H × W to logits N × num_classes. The softmax belongs to the loss."""
        x = self.forward_features(x)
        x = x.mean(dim=(2, 3))  # global average pooling
        return self.fc(x)


def _make_stage(arch: Architecture, stage: Stage, in_channels: int) -> nn.Sequential:
    """Build a stage: only its first block changes resolution and channels."""
    block = BLOCKS[arch.block]
    blocks = [block(in_channels, stage.width, stage.stride, arch.shortcut)]
    blocks += [block(stage.channels, stage.width, 1, arch.shortcut) for _ in range(stage.blocks - 1)]
    return nn.Sequential(*blocks)


def _init_weights(module: nn.Module) -> None:
    """He initialization of the convolutions (He et al. 2015, equation 14), which the paper uses.

    torch's default for `nn.Conv2d` is narrower by a factor of √6. BatchNorm (1 and 0) and the linear layer keep torch's
    default.
    """
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def create_model(name: str, num_classes: int = 10) -> ResNet:
    """Build a network by name, with fresh weights.

    Args:
        name: a name from `list_models`, such as ``resnet20``; ``ResNet20`` is accepted too.
        num_classes: number of classes, at least 1.

    Returns:
        The network in training mode, on the CPU, in float32.

    Raises:
        InputError: if no network has that name.
        ValueError: if ``num_classes`` is below 1.
    """
    arch = get_architecture(name)
    if num_classes < 1:
        raise ValueError(f"num_classes must be at least 1, got {num_classes}")
    return ResNet(arch, num_classes)


def list_models(pattern: str = "*") -> list[str]:
    """Names of all networks that match a wildcard, in the table's order: ``list_models("resnet1*")``."""
    return [name for name in ARCHITECTURES if fnmatch.fnmatchcase(name, pattern.lower())]
