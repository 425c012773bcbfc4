"""The networks, built from `resnet_tutorial.architectures`."""

from .blocks import BasicBlock, Bottleneck, PlainBasicBlock, PlainBottleneck, PreActBasicBlock, PreActBottleneck
from .resnet import ResNet, create_model, list_models
from .shortcuts import ProjectionShortcut, ZeroPadShortcut, make_shortcut

__all__ = [
    "BasicBlock",
    "Bottleneck",
    "PlainBasicBlock",
    "PlainBottleneck",
    "PreActBasicBlock",
    "PreActBottleneck",
    "ProjectionShortcut",
    "ResNet",
    "ZeroPadShortcut",
    "create_model",
    "list_models",
    "make_shortcut",
]
