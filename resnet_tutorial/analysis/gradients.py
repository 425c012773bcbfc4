"""How the gradient of the loss reaches each block, and the input."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call

from ..models import ResNet
from ..weights.trace import evaluating
from .features import block_names, recorded


@dataclass(frozen=True)
class BlockGradient:
    """How large the gradient of the mean loss is at one block.

    Attributes:
        name: of the block, such as ``stages.0.0``.
        output: Euclidean norm of the gradient with respect to what the block gives for the batch.
        weights: Euclidean norm of the gradient with respect to all parameters of the block together.
    """

    name: str
    output: float
    weights: float


def block_gradients(model: ResNet, images: Tensor, labels: Tensor) -> list[BlockGradient]:
    """Norms of the gradients at each block, as a step of training would see them.

    He et al. (2016, section 4.1) say of their plain networks that BatchNorm gives the gradients healthy norms. This is
    the measurement. It runs in training mode, where BatchNorm uses the statistics of the batch, and changes nothing:
    neither mode nor running statistics nor the ``.grad`` of a parameter.

    Args:
        model: the network.
        images: float32 N × C × H × W.
        labels: int64 N.

    Returns:
        One entry for each block, from the first to the last.
    """
    names = block_names(model)
    weights = [_weights(model, name) for name in names]
    with recorded(model, names) as outputs:
        loss = _training_loss(model, images, labels)
        gradients = torch.autograd.grad(loss, [outputs[name] for name in names] + [p for each in weights for p in each])
    by_output, by_weights = gradients[: len(names)], iter(gradients[len(names) :])
    norms = [_norm(torch.cat([next(by_weights).flatten() for _ in each])) for each in weights]
    return [
        BlockGradient(name, _norm(output), norm) for name, output, norm in zip(names, by_output, norms, strict=True)
    ]


def _norm(gradient: Tensor) -> float:
    """In float64: the square of a gradient that has nearly vanished is too small for float32."""
    return gradient.double().norm().item()


def gradient_similarity(
    model: ResNet, images: Tensor, labels: Tensor, distances: Sequence[float], generator: torch.Generator | None = None
) -> list[float]:
    """How alike the gradients with respect to two neighboring inputs are.

    Each image is moved by noise, and its gradient before and after is compared. In deep plain networks the gradients of
    neighbors soon have nothing in common: they are shattered (Balduzzi et al. 2017, section 2). It runs in training
    mode, where BatchNorm uses the statistics of the batch, and changes nothing.

    Args:
        model: the network.
        images: float32 N × C × H × W.
        labels: int64 N.
        distances: lengths of the move, each as a share of the length of the image.
        generator: draws the direction of each image; torch's global one if None.

    Returns:
        For each distance the cosine similarity, from -1 to 1, as the mean over the images.
    """
    noise = torch.randn(images.shape, generator=generator).to(images)
    lengths = images.flatten(1).norm(dim=1) / noise.flatten(1).norm(dim=1)
    move = noise * lengths.view(-1, 1, 1, 1)
    here = _input_gradient(model, images, labels)
    there = (_input_gradient(model, images + distance * move, labels) for distance in distances)
    return [F.cosine_similarity(here, gradient).mean().item() for gradient in there]


def _input_gradient(model: ResNet, images: Tensor, labels: Tensor) -> Tensor:
    images = images.detach().requires_grad_()
    return torch.autograd.grad(_training_loss(model, images, labels), images)[0].flatten(1)


@torch.enable_grad()
def _training_loss(model: ResNet, images: Tensor, labels: Tensor) -> Tensor:
    """The mean loss in training mode; mode and running statistics of the model stay as they are."""
    statistics = {name: buffer.clone() for name, buffer in model.named_buffers()}  # these are updated, not the model's
    with evaluating(model, training=True):
        return F.cross_entropy(functional_call(model, statistics, (images,)), labels)


def _weights(model: ResNet, name: str) -> list[Tensor]:
    return list(model.get_submodule(name).parameters())
