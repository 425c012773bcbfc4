"""Look into a network while it runs: which blocks it has, and what its modules give."""

import contextlib
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from ..errors import InputError
from ..models import ResNet
from ..weights.trace import evaluating


def block_names(model: ResNet) -> list[str]:
    """The names of all blocks from the first to the last: ``stages.0.0`` is block 1 of stage 1."""
    return [f"stages.{s}.{b}" for s, stage in enumerate(model.stages) for b in range(len(stage))]


def feature_maps(model: nn.Module, images: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
    """What modules inside a network give for images, in evaluation mode.

    Args:
        model: the network; its mode is restored afterwards.
        images: float32, as the network takes them, N × C × H × W.
        names: names of modules as in ``model.named_modules()``, such as ``conv1`` or those of `block_names`.

    Returns:
        For each name the output of the module, without gradients.

    Raises:
        InputError: if the network has no module of that name.
    """
    with evaluating(model), recorded(model, names) as outputs, torch.no_grad():
        model(images)
    return outputs


@contextlib.contextmanager
def recorded(model: nn.Module, names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """Record what modules give while the context is open, by forward hooks that are removed at its end.

    Args:
        model: the network.
        names: names of modules as in ``model.named_modules()``.

    Yields:
        A dictionary that each forward pass fills: the last output of each module by its name.

    Raises:
        InputError: if the network has no module of that name.
    """
    modules = dict(model.named_modules())
    if unknown := [name for name in names if name not in modules]:
        raise InputError(f"the network has no module {unknown[0]!r}: named_modules() lists them")
    outputs: dict[str, Tensor] = {}
    hooks = [
        modules[name].register_forward_hook(lambda module, args, output, name=name: outputs.update({name: output}))
        for name in names
    ]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()
