"""Networks by name, with fresh weights or trained ones."""

import fnmatch
from typing import Any

import torch
from torch import nn

from ..architectures import ARCHITECTURES, get_architecture
from ..errors import InputError
from ..models.resnet import ResNet
from .pretrained import load_pretrained


def create_model(
    name: str,
    num_classes: int = 10,
    *,
    pretrained: str | bool | None = None,
    shortcut: str | None = None,
    stem: str = "cifar",
    in_channels: int = 3,
    width: float = 1.0,
    zero_init_residual: bool = False,
    stochastic_depth: float = 0.0,
    checkpoint_activations: bool = False,
) -> ResNet:
    """Build a network by name, with fresh weights or trained ones.

    Args:
        name: a name from `list_models`, such as ``resnet20``, ``plain20`` or ``preact20``, or one with another depth
            (see `get_architecture`); ``ResNet20`` is accepted too.
        num_classes: number of classes, at least 1.
        pretrained: None or False for fresh weights, or what it was trained on, such as ``cifar10``, or True for the
            first that there are; see `list_pretrained`.
        shortcut: option ``A``, ``B`` or ``C`` (He et al. 2016, section 3.3); None takes the network's own.
        stem: ``cifar``, a 3×3 convolution, or ``imagenet``, 7×7 with stride 2 and max-pooling.
        in_channels: channels of the images.
        width: factor for the channels of every layer.
        zero_init_residual: start every block as its shortcut; see `ResNet`.
        stochastic_depth: drop probability of the last block, 0 to below 1; see `ResNet`.
        checkpoint_activations: save memory in training for time; see `ResNet`.

    Returns:
        The network in training mode, on the CPU, in float32. It takes images from 8×8 on, of any shape.

    Raises:
        InputError: if no network has that name, an option does not fit, or there are no such trained weights.
    """
    arch = get_architecture(name).with_options(shortcut, stem, width)
    model = ResNet(
        arch,
        num_classes,
        in_channels=in_channels,
        zero_init_residual=zero_init_residual,
        stochastic_depth=stochastic_depth,
        checkpoint_activations=checkpoint_activations,
    )
    if pretrained:
        asked = model.arch.shortcut
        load_pretrained(model, pretrained)
        if shortcut is not None and model.arch.shortcut != asked:
            raise InputError(
                f"{name} trained before has shortcut option {model.arch.shortcut}, not {asked}: leave it out"
            )
    return model


def options_of(model: nn.Module) -> dict[str, Any] | None:
    """The options with which `create_model` would build this very network, layer by layer; None if it would not."""
    if type(model) is not ResNet:
        return None
    arch, usual = model.arch, get_architecture(model.arch.name)
    options = {"shortcut": arch.shortcut, "stem": arch.stem, "width": arch.widths[-1] / usual.widths[-1]}
    defaults = {"shortcut": usual.shortcut, "stem": usual.stem, "width": 1}
    options = {name: value for name, value in options.items() if value != defaults[name]}
    with torch.device("meta"):
        same = create_model(arch.name, model.num_classes, **options)
    alike = same.arch == arch and nn.Module.__repr__(same) == nn.Module.__repr__(model)
    return options if alike else None


def list_models(pattern: str = "*") -> list[str]:
    """Names of the networks of the table that match a wildcard, in its order: ``list_models("plain*")``.

    Other depths can be built, too: ``create_model("resnet8")``.
    """
    return [name for name in ARCHITECTURES if fnmatch.fnmatchcase(name, pattern.lower())]
