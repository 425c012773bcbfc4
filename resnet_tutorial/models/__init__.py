"""The networks, built from `resnet_tutorial.architectures`."""

from .blocks import BasicBlock, Bottleneck, PlainBasicBlock, PlainBottleneck, PreActBasicBlock, PreActBottleneck
from .identify import Identification, identify
from .resnet import ResNet, create_model, list_models
from .shortcuts import ProjectionShortcut, ZeroPadShortcut, make_shortcut

__all__ = [
    "BasicBlock",
    "Bottleneck",
    "Identification",
    "PlainBasicBlock",
    "PlainBottleneck",
    "PreActBasicBlock",
    "PreActBottleneck",
    "ProjectionShortcut",
    "ResNet",
    "ZeroPadShortcut",
    "create_model",
    "identify",
    "list_models",
    "make_shortcut",
]
