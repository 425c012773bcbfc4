"""Networks with one mistake each, which people make when they write a residual network."""

from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F
from torch import nn

from resnet_tutorial import ResNet, create_model
from resnet_tutorial.models import BasicBlock, ZeroPadShortcut


class NoLastRelu(BasicBlock):
    def forward(self, x):
        return self.branch(x) + self.shortcut(x)


class ReluBeforeAddition(BasicBlock):
    def forward(self, x):
        return F.relu(self.branch(x)) + self.shortcut(x)


class ZerosAtEnd(ZeroPadShortcut):
    def forward(self, x):
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.before + self.after))


def _other_forward(block: type[nn.Module]) -> Callable[[ResNet], None]:
    def change(model: ResNet) -> None:
        for stage in model.stages:
            for part in stage:
                part.__class__ = block

    return change


def _bare_projection(model: ResNet) -> None:
    for stage in model.stages[1:]:
        del stage[0].shortcut[1]


def _stride_everywhere(model: ResNet) -> None:
    for stage in model.stages[1:]:
        for block in stage[1:]:
            block.conv1.stride = (2, 2)
            block.shortcut = ZeroPadShortcut(block.conv1.in_channels, block.conv1.in_channels, 2)


def _zeros_at_end(model: ResNet) -> None:
    for stage in model.stages[1:]:
        stage[0].shortcut.__class__ = ZerosAtEnd


def _biases(model: ResNet) -> None:
    for module in list(model.modules()):
        for name, conv in list(module.named_children()):
            if isinstance(conv, nn.Conv2d):
                new = nn.Conv2d(conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding)
                setattr(module, name, new)


@dataclass(frozen=True)
class Mutant:
    name: str
    change: Callable[[ResNet], None]
    named: str  # part of what `identify` must say
    shortcut: str = "A"


MUTANTS = (
    Mutant("no last ReLU", _other_forward(NoLastRelu), "no ReLU after the addition"),
    Mutant("ReLU before the addition", _other_forward(ReluBeforeAddition), "ReLU before the addition"),
    Mutant("no BatchNorm on the projection", _bare_projection, "projection has no BatchNorm", shortcut="B"),
    Mutant("stride on every block", _stride_everywhere, "stride on every block"),
    Mutant("zeros at the end", _zeros_at_end, "zeros padded only at the end"),
    Mutant("biases", _biases, "with a bias"),
)


def make_mutant(mutant: Mutant) -> ResNet:
    """A ResNet-14 with one mistake."""
    model = create_model("resnet14", shortcut=mutant.shortcut)
    mutant.change(model)
    return model
