"""The blocks: residual (He et al. 2016, figure 5), their plain twins, pre-activation (He et al. 2016b, figure 1b)."""

import torch
import torch.nn.functional as F
from torch import nn

from ..architectures import EXPANSION
from .shortcuts import make_shortcut


def conv3x3(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    """A 3×3 convolution with padding 1. It has no bias: the BatchNorm after it would subtract it again."""
    return nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=stride, padding=1, bias=False)


def conv1x1(in_channels: int, out_channels: int) -> nn.Conv2d:
    """A 1×1 convolution without bias."""
    return nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=False)


def make_drop(probability: float) -> nn.Module:
    """Stochastic depth: in training, leave the branch of a block out, image by image (Huang et al. 2016)."""
    if probability == 0:
        return nn.Identity()
    from torchvision.ops import StochasticDepth  # imported here: torchvision is slow to import

    return StochasticDepth(probability, mode="row")


class BasicBlock(nn.Module):
    """Two 3×3 convolutions around a shortcut: relu(F(x) + shortcut(x)) (He et al. 2016, figure 5 left).

    Args:
        in_channels: channels that come in.
        width: channels of both convolutions, and of the output.
        stride: stride of the first convolution and of the shortcut.
        shortcut: option ``A``, ``B`` or ``C``.
        drop: probability that the branch is left out in training (stochastic depth).
    """

    expansion = EXPANSION["basic"]

    def __init__(self, in_channels: int, width: int, stride: int = 1, shortcut: str = "B", drop: float = 0.0):
        super().__init__()
        self.conv1 = conv3x3(in_channels, width, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv3x3(width, width)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = make_shortcut(shortcut, in_channels, width, stride)
        self.drop = make_drop(drop)

    def branch(self, x: torch.Tensor) -> torch.Tensor:
        """F(x), which the block adds to its shortcut."""
        out = F.relu(self.bn1(self.conv1(x)))
        return self.bn2(self.conv2(out))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map N × in_channels × H × W to N × width × ⌈H/stride⌉ × ⌈W/stride⌉."""
        return F.relu(self.drop(self.branch(x)) + self.shortcut(x))


class Bottleneck(nn.Module):
    """A 1×1 convolution that narrows, a 3×3, and a 1×1 that widens (He et al. 2016, figure 5 right).

    The stride sits on the 3×3 convolution, as in torchvision ("ResNet v1.5"); the paper puts it on the first 1×1, which
    reads only every fourth position.

    Args:
        in_channels: channels that come in.
        width: channels of the 3×3 convolution; four times as many leave the block.
        stride: stride of the 3×3 convolution and of the shortcut.
        shortcut: option ``A``, ``B`` or ``C``.
        drop: probability that the branch is left out in training (stochastic depth).
    """

    expansion = EXPANSION["bottleneck"]

    def __init__(self, in_channels: int, width: int, stride: int = 1, shortcut: str = "B", drop: float = 0.0):
        super().__init__()
        out_channels = width * self.expansion
        self.conv1 = conv1x1(in_channels, width)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv3x3(width, width, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = conv1x1(width, out_channels)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.shortcut = make_shortcut(shortcut, in_channels, out_channels, stride)
        self.drop = make_drop(drop)

    def branch(self, x: torch.Tensor) -> torch.Tensor:
        """F(x), which the block adds to its shortcut."""
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        return self.bn3(self.conv3(out))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map N × in_channels × H × W to N × 4·width × ⌈H/stride⌉ × ⌈W/stride⌉."""
        return F.relu(self.drop(self.branch(x)) + self.shortcut(x))


class PlainBasicBlock(BasicBlock):
    """The basic block without its shortcut: relu(F(x)) (He et al. 2016, section 3.3, "plain network")."""

    def __init__(self, in_channels: int, width: int, stride: int = 1):
        super().__init__(in_channels, width, stride, shortcut="none")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map N × in_channels × H × W to N × width × ⌈H/stride⌉ × ⌈W/stride⌉."""
        return F.relu(self.branch(x))


class PlainBottleneck(Bottleneck):
    """The bottleneck without its shortcut: relu(F(x))."""

    def __init__(self, in_channels: int, width: int, stride: int = 1):
        super().__init__(in_channels, width, stride, shortcut="none")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map N × in_channels × H × W to N × 4·width × ⌈H/stride⌉ × ⌈W/stride⌉."""
        return F.relu(self.branch(x))


class PreActBasicBlock(nn.Module):
    """BatchNorm and ReLU before each of two 3×3 convolutions, nothing after the sum (He et al. 2016b, figure 1b).

    Args:
        in_channels: channels that come in.
        width: channels of both convolutions, and of the output.
        stride: stride of the first convolution and of the shortcut.
        shortcut: option ``A``, ``B`` or ``C``. A projection is a convolution alone.
        drop: probability that the branch is left out in training (stochastic depth).
        activate_shortcut: whether the shortcut, too, starts behind the first ReLU. So it does in the first block of a
            stage and wherever the shortcut projects (the paper's appendix).
    """

    expansion = EXPANSION["basic"]

    def __init__(
        self,
        in_channels: int,
        width: int,
        stride: int = 1,
        shortcut: str = "B",
        drop: float = 0.0,
        activate_shortcut: bool = False,
    ):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = conv3x3(in_channels, width, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = conv3x3(width, width)
        self.shortcut = make_shortcut(shortcut, in_channels, width, stride, norm=False)
        self.drop = make_drop(drop)
        self.activate_shortcut = activate_shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map N × in_channels × H × W to N × width × ⌈H/stride⌉ × ⌈W/stride⌉."""
        active = F.relu(self.bn1(x))
        out = self.conv1(active)
        out = self.conv2(F.relu(self.bn2(out)))
        return self.drop(out) + self.shortcut(active if self.activate_shortcut else x)


class PreActBottleneck(nn.Module):
    """BatchNorm and ReLU before each of three convolutions, nothing after the sum (He et al. 2016b).

    Args:
        in_channels: channels that come in.
        width: channels of the 3×3 convolution; four times as many leave the block.
        stride: stride of the 3×3 convolution and of the shortcut.
        shortcut: option ``A``, ``B`` or ``C``. A projection is a convolution alone.
        drop: probability that the branch is left out in training (stochastic depth).
        activate_shortcut: whether the shortcut, too, starts behind the first ReLU. So it does in the first block of a
            stage and wherever the shortcut projects (the paper's appendix).
    """

    expansion = EXPANSION["bottleneck"]

    def __init__(
        self,
        in_channels: int,
        width: int,
        stride: int = 1,
        shortcut: str = "B",
        drop: float = 0.0,
        activate_shortcut: bool = False,
    ):
        super().__init__()
        out_channels = width * self.expansion
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = conv1x1(in_channels, width)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = conv3x3(width, width, stride)
        self.bn3 = nn.BatchNorm2d(width)
        self.conv3 = conv1x1(width, out_channels)
        self.shortcut = make_shortcut(shortcut, in_channels, out_channels, stride, norm=False)
        self.drop = make_drop(drop)
        self.activate_shortcut = activate_shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map N × in_channels × H × W to N × 4·width × ⌈H/stride⌉ × ⌈W/stride⌉."""
        active = F.relu(self.bn1(x))
        out = self.conv1(active)
        out = self.conv2(F.relu(self.bn2(out)))
        out = self.conv3(F.relu(self.bn3(out)))
        return self.drop(out) + self.shortcut(active if self.activate_shortcut else x)
