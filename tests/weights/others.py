"""Networks as other people's code writes them: an oracle, written again from the paper."""

import torch
import torch.nn.functional as F
from torch import nn


class TheirBlock(nn.Module):
    def __init__(self, channels: int, width: int, stride: int, bottleneck: bool, shortcut: str, option: str):
        super().__init__()
        out_channels = 4 * width if bottleneck else width
        kernels, widths = ((1, 3, 1), (width, width, out_channels)) if bottleneck else ((3, 3), (width, width))
        incoming = channels
        for i, (kernel, outgoing) in enumerate(zip(kernels, widths, strict=True), start=1):
            strided = i == (2 if bottleneck else 1)
            conv = nn.Conv2d(incoming, outgoing, kernel, stride if strided else 1, kernel // 2, bias=False)
            self.add_module(f"conv{i}", conv)
            self.add_module(f"bn{i}", nn.BatchNorm2d(outgoing))
            incoming = outgoing
        self.last, self.stride, self.name = len(kernels), stride, shortcut
        self.zeros = (out_channels - channels) // 2 if option == "A" else None
        if option == "C" or (option == "B" and (stride != 1 or channels != out_channels)):
            projection = nn.Conv2d(channels, out_channels, 1, stride, bias=False)
            self.add_module(shortcut, nn.Sequential(projection, nn.BatchNorm2d(out_channels)))

    def forward(self, x):
        out = x
        for i in range(1, self.last + 1):
            out = self.get_submodule(f"bn{i}")(self.get_submodule(f"conv{i}")(out))
            out = F.relu(out) if i < self.last else out
        return F.relu(out + self.skip(x))

    def skip(self, x):
        if self.name in dict(self.named_children()):
            return self.get_submodule(self.name)(x)
        if not self.zeros:
            return x
        # Option A: every second pixel; half of the zeros, the channels, half of the zeros.
        x = x[:, :, ::2, ::2]
        zeros = x.new_zeros(x.shape[0], self.zeros, *x.shape[2:])
        return torch.cat([zeros, x, zeros], dim=1)


class TheirNet(nn.Module):
    """A CIFAR ResNet with ``layer1 …``; what differs between authors are two names and the shortcut option."""

    def __init__(
        self,
        blocks: tuple[int, ...],
        widths: tuple[int, ...],
        *,
        shortcut: str,
        head: str,
        option: str = "B",
        bottleneck: bool = False,
        num_classes: int = 10,
    ):
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        channels = widths[0]
        self.layers = []
        for i, (count, width) in enumerate(zip(blocks, widths, strict=True), start=1):
            layer = nn.Sequential()
            for b in range(count):
                stride = 2 if i > 1 and b == 0 else 1
                layer.append(TheirBlock(channels, width, stride, bottleneck, shortcut, option))
                channels = 4 * width if bottleneck else width
            self.add_module(f"layer{i}", layer)
            self.layers.append(f"layer{i}")
        self.head = head
        self.add_module(head, nn.Linear(channels, num_classes))

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        for name in self.layers:
            x = self.get_submodule(name)(x)
        return self.get_submodule(self.head)(x.mean(dim=(2, 3)))


def idelbayev(n: int = 3) -> TheirNet:
    return TheirNet((n, n, n), (16, 32, 64), shortcut="shortcut", head="linear", option="A")


def chenyaofo(n: int = 3, num_classes: int = 10) -> TheirNet:
    return TheirNet((n, n, n), (16, 32, 64), shortcut="downsample", head="fc", num_classes=num_classes)


def kuangliu(blocks: tuple[int, ...] = (2, 2, 2, 2), bottleneck: bool = False) -> TheirNet:
    """At an eighth of the width, to be quick."""
    return TheirNet(blocks, (8, 16, 32, 64), shortcut="shortcut", head="linear", bottleneck=bottleneck)


def shake(model: nn.Module) -> nn.Module:
    """Give every BatchNorm numbers of its own, so that none can be mistaken for another."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return model
