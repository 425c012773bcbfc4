"""The networks, built from `resnet_tutorial.architectures`."""

from typing import TYPE_CHECKING

from ..lazy import lazy_imports

if TYPE_CHECKING:
    from .blocks import BasicBlock, Bottleneck, PlainBasicBlock, PlainBottleneck, PreActBasicBlock, PreActBottleneck
    from .cost import LayerCost, format_table, summarize, summarize_architecture, total, total_activations
    from .identification import Identification, identify
    from .pretrained import list_pretrained, pretrained_file
    from .resnet import ResNet, create_model, list_models
    from .shortcuts import ProjectionShortcut, ZeroPadShortcut, make_shortcut
    from .weights import LoadedWeights, export_weights, load_weights, model_from_weights, save_weights
    from .weights_file import WeightsFile, read_weights

__getattr__, __dir__ = lazy_imports(__name__)

__all__ = [
    "BasicBlock",
    "Bottleneck",
    "Identification",
    "LayerCost",
    "LoadedWeights",
    "PlainBasicBlock",
    "PlainBottleneck",
    "PreActBasicBlock",
    "PreActBottleneck",
    "ProjectionShortcut",
    "ResNet",
    "WeightsFile",
    "ZeroPadShortcut",
    "create_model",
    "export_weights",
    "format_table",
    "identify",
    "list_models",
    "list_pretrained",
    "load_weights",
    "make_shortcut",
    "model_from_weights",
    "pretrained_file",
    "read_weights",
    "save_weights",
    "summarize",
    "summarize_architecture",
    "total",
    "total_activations",
]
