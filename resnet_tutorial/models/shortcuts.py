"""The three shortcut options of He et al. 2016, section 3.3 and table 3, as small named modules."""

import torch
import torch.nn.functional as F
from torch import nn


def subsample(x: torch.Tensor, stride: int) -> torch.Tensor:
    """Take every stride-th position: ``x[:, :, ::stride, ::stride]``, as a pooling of single positions.

    Pooling goes back and forth in one pass each; the gradient of a slice is first filled with zeros, then written to.
    """
    return x if stride == 1 else F.avg_pool2d(x, kernel_size=1, stride=stride)


class ZeroPadShortcut(nn.Module):
    """Option A: subsample in space, pad the new channels with zeros. It has no parameters.

    The zeros go on both sides of the channel axis, half before and half after. The best-known published weights were
    trained that way: padding only at the end would load them without complaint and misread every channel.

    Args:
        in_channels: channels that come in.
        out_channels: channels that leave, at least ``in_channels``.
        stride: spatial subsampling.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int):
        super().__init__()
        new = out_channels - in_channels
        self.before, self.after = new // 2, new - new // 2
        self.stride = stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map N × in_channels × H × W to N × out_channels × ⌈H/stride⌉ × ⌈W/stride⌉."""
        return F.pad(subsample(x, self.stride), (0, 0, 0, 0, self.before, self.after))

    def extra_repr(self) -> str:
        return f"stride={self.stride}, zeros={self.before}+{self.after}"


class StridedConv1x1(nn.Conv2d):
    """A 1×1 convolution without bias that takes every stride-th position first, and convolves those.

    It computes what ``nn.Conv2d(…, kernel_size=1, stride=stride)`` computes. On CPUs without AVX-512 that one's weight
    gradient is wrong, or the process crashes, if few channels lie in channels-last memory (oneDNN's issue 6035).

    Args:
        in_channels: channels that come in.
        out_channels: channels that leave.
        stride: spatial subsampling.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int):
        super().__init__(in_channels, out_channels, kernel_size=1, stride=stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map N × in_channels × H × W to N × out_channels × ⌈H/stride⌉ × ⌈W/stride⌉."""
        return F.conv2d(subsample(x, self.stride[0]), self.weight)


class ProjectionShortcut(nn.Sequential):
    """Options B and C: a 1×1 convolution without bias, then BatchNorm.

    Args:
        in_channels: channels that come in.
        out_channels: channels that leave.
        stride: stride of the convolution.
        norm: whether BatchNorm follows. A pre-activation block leaves it out: its sum stays free of it.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, norm: bool = True):
        conv = StridedConv1x1(in_channels, out_channels, stride)
        super().__init__(conv, nn.BatchNorm2d(out_channels)) if norm else super().__init__(conv)


def make_shortcut(option: str, in_channels: int, out_channels: int, stride: int, norm: bool = True) -> nn.Module | None:
    """Build the shortcut of one block.

    Args:
        option: ``A``, ``B`` or ``C``, or ``none`` for a plain block.
        in_channels: channels that enter the block.
        out_channels: channels that leave the block.
        stride: stride of the block.
        norm: whether BatchNorm follows a projection.

    Returns:
        The shortcut; None for ``none``.

    Raises:
        ValueError: if the option is none of these.
    """
    if option not in ("A", "B", "C", "none"):
        raise ValueError(f"shortcut must be 'A', 'B' or 'C', got {option!r}")
    if option == "none":
        return None
    same_shape = stride == 1 and in_channels == out_channels
    if option == "C":
        return ProjectionShortcut(in_channels, out_channels, stride, norm)
    if same_shape:
        return nn.Identity()
    if option == "A":
        return ZeroPadShortcut(in_channels, out_channels, stride)
    return ProjectionShortcut(in_channels, out_channels, stride, norm)
