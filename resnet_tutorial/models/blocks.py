"""The two residual blocks of He et al. 2016, figure 5: relu(F(x) + shortcut(x))."""

import torch
import torch.nn.functional as F
from torch import nn

from ..architectures import EXPANSION
from .shortcuts import make_shortcut


def conv3x3(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    """A 3×3 convolution with padding 1. It has no bias: the BatchNorm behind it would subtract it again."""
    return nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=stride, padding=1, bias=False)


def conv1x1(in_channels: int, out_channels: int) -> nn.Conv2d:
    """A 1×1 convolution without bias."""
    return nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=False)


class BasicBlock(nn.Module):
    """Two 3×3 convolutions around a shortcut (He et al. 2016, figure 5 left).

    Args:
        in_channels: channels that come in.
        width: channels of both convolutions, and of the output.
        stride: stride of the first convolution and of the shortcut.
        shortcut: option ``A``, ``B`` or ``C``.
    """

    expansion = EXPANSION["basic"]

    def __init__(self, in_channels: int, width: int, stride: int = 1, shortcut: str = "B"):
        super().__init__()
        self.conv1 = conv3x3(in_channels, width, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv3x3(width, width)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = make_shortcut(shortcut, in_channels, width, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map N × in_channels × H × W to N × width × ⌈H/stride⌉ × ⌈W/stride⌉."""
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return F.relu(out + self.shortcut(x))


class Bottleneck(nn.Module):
    """A 1×1 convolution that narrows, a 3×3, and a 1×1 that widens (He et al. 2016, figure 5 right).

    The stride sits on the 3×3 convolution, as in torchvision ("ResNet v1.5"); the paper puts it on the first 1×1, which
    reads only every fourth position.

    Args:
        in_channels: channels that come in.
        width: channels of the 3×3 convolution; four times as many leave the block.
        stride: stride of the 3×3 convolution and of the shortcut.
        shortcut: option ``A``, ``B`` or ``C``.
    """

    expansion = EXPANSION["bottleneck"]

    def __init__(self, in_channels: int, width: int, stride: int = 1, shortcut: str = "B"):
        super().__init__()
        out_channels = width * self.expansion
        self.conv1 = conv1x1(in_channels, width)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv3x3(width, width, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = conv1x1(width, out_channels)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.shortcut = make_shortcut(shortcut, in_channels, out_channels, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map N × in_channels × H × W to N × 4·width × ⌈H/stride⌉ × ⌈W/stride⌉."""
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return F.relu(out + self.shortcut(x))
