"""The networks, built from `resnet_tutorial.architectures`."""

from typing import TYPE_CHECKING

from ..lazy import lazy_imports

if TYPE_CHECKING:
    from .blocks import BasicBlock, Bottleneck, PlainBasicBlock, PlainBottleneck, PreActBasicBlock, PreActBottleneck
    from .cost import LayerCost, format_table, summarize, summarize_architecture, total, total_activations
    from .resnet import ResNet
    from .shortcuts import ProjectionShortcut, ZeroPadShortcut, make_shortcut

__getattr__, __dir__ = lazy_imports(__name__)

__all__ = [
    "BasicBlock",
    "Bottleneck",
    "LayerCost",
    "PlainBasicBlock",
    "PlainBottleneck",
    "PreActBasicBlock",
    "PreActBottleneck",
    "ProjectionShortcut",
    "ResNet",
    "ZeroPadShortcut",
    "format_table",
    "make_shortcut",
    "summarize",
    "summarize_architecture",
    "total",
    "total_activations",
]
