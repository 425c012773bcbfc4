"""The loss around a trained network, along random directions (Li et al. 2018)."""

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from ..errors import InputError
from ..weights.trace import evaluating

Direction = dict[str, Tensor]


def filter_normalized_direction(model: nn.Module, generator: torch.Generator) -> Direction:
    """A random direction among the weights, filter by filter as long as they are (Li et al. 2018, section 4).

    A ReLU network does not change if the weights of one layer double and those of the next are halved, and BatchNorm
    undoes any scale. So a step of fixed length says nothing; a step is measured against the filter that takes it. A
    filter is what makes one channel: of a convolution its weights for one output channel, of a linear layer a row.
    Vectors, which are biases and the parameters of BatchNorm, stay where they are, as in the authors' code.

    Args:
        model: the network; it is not changed.
        generator: source of the random draws.

    Returns:
        For each parameter a tensor of its shape.
    """
    return {name: _filters_like(weight.detach(), generator) for name, weight in model.named_parameters()}


def _filters_like(weight: Tensor, generator: torch.Generator) -> Tensor:
    """Random filters with the Euclidean norms of these."""
    if weight.ndim < 2:
        return torch.zeros_like(weight)
    noise = torch.randn(weight.shape, generator=generator).to(weight).flatten(1)
    lengths = weight.flatten(1).norm(dim=1, keepdim=True) / noise.norm(dim=1, keepdim=True)
    return (noise * lengths).view_as(weight)


def loss_surface(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    directions: Sequence[Direction],
    places: Sequence[Sequence[float]],
) -> Tensor:
    """The mean loss where the weights are moved along directions.

    The network is in evaluation mode: BatchNorm keeps the running statistics of the unmoved network everywhere. Mode
    and weights are the same afterwards.

    Args:
        model: the network.
        images: float32 N × C × H × W, in one batch.
        labels: int64 N.
        directions: one or more, from `filter_normalized_direction`.
        places: for each direction, how many times it is added; 0 is where the network is.

    Returns:
        Cross-entropy in nats, float32, with one axis for each direction.

    Raises:
        InputError: if there are not as many lists of places as directions.
    """
    if len(directions) != len(places):
        raise InputError(f"{len(directions)} directions need as many lists of places, got {len(places)}")
    with evaluating(model), torch.no_grad():
        losses = [
            F.cross_entropy(functional_call(model, _moved(model, directions, steps), (images,)), labels)
            for steps in itertools.product(*places)
        ]
    return torch.stack(losses).view([len(along) for along in places]).cpu()


def _moved(model: nn.Module, directions: Sequence[Direction], steps: Sequence[float]) -> dict[str, Tensor]:
    """The weights after a step along each direction."""
    return {
        name: weight + sum(step * direction[name] for step, direction in zip(steps, directions, strict=True))
        for name, weight in model.named_parameters()
    }
