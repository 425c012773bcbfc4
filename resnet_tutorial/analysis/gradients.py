"""How the gradient of the loss reaches each block."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call

from ..models import ResNet
from .features import block_names, evaluating, recorded


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
    statistics = {name: buffer.clone() for name, buffer in model.named_buffers()}  # these are updated, not the model's
    with evaluating(model, training=True), recorded(model, names) as outputs, torch.enable_grad():
        loss = F.cross_entropy(functional_call(model, statistics, (images,)), labels)
        by_output = torch.autograd.grad(loss, [outputs[name] for name in names], retain_graph=True)
        by_weights = [torch.autograd.grad(loss, _weights(model, name), retain_graph=True) for name in names]
    return [
        BlockGradient(name, output.norm().item(), torch.cat([g.flatten() for g in weights]).norm().item())
        for name, output, weights in zip(names, by_output, by_weights, strict=True)
    ]


def _weights(model: ResNet, name: str) -> list[Tensor]:
    return list(model.get_submodule(name).parameters())
