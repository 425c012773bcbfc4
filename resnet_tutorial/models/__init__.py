"""The networks, built from `resnet_tutorial.architectures`."""

from .blocks import BasicBlock, Bottleneck
from .resnet import ResNet, create_model, list_models
from .shortcuts import ProjectionShortcut, ZeroPadShortcut, make_shortcut

__all__ = [
    "BasicBlock",
    "Bottleneck",
    "ProjectionShortcut",
    "ResNet",
    "ZeroPadShortcut",
    "create_model",
    "list_models",
    "make_shortcut",
]
