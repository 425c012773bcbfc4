"""The reference network with three stages, and the well-known wrong ones."""

from collections.abc import Callable, Sequence
from functools import partial

import torch.nn.functional as F
from torch import Tensor

from .compare import Replay, Wrong
from .residual import BLOCK_MISTAKES, BOTTLENECK_MISTAKES, Plan, residual

WIDTHS = (16, 32, 64)


def stem(layers: Replay, x: Tensor) -> Tensor:
    """One 3×3 convolution with BatchNorm and ReLU."""
    return F.relu(layers.conv_norm(x, WIDTHS[0], 3))


def first_of_stage(stage: int, i: int, _blocks: int) -> int:
    """Stride of a block: 2 in the first block of the second and third stage."""
    return 2 if stage > 0 and i == 0 else 1


def pooled_linear(layers: Replay, x: Tensor, classes: int) -> Tensor:
    """Global average pooling and one linear layer."""
    return layers.linear(x.mean(dim=(2, 3)), classes)


def network(
    layers: Replay,
    plan: Plan,
    blocks: Sequence[int],
    classes: int,
    *,
    stem: Callable[[Replay, Tensor], Tensor] = stem,
    stride: Callable[[int, int, int], int] = first_of_stage,
    block: Callable[..., Tensor] = residual,
    last_block: Callable[..., Tensor] | None = None,
    head: Callable[[Replay, Tensor, int], Tensor] = pooled_linear,
) -> Tensor:
    """The network. A wrong network has another part in one of the five places."""
    x = stem(layers, layers.x)
    for stage, (width, n) in enumerate(zip(WIDTHS, blocks, strict=True)):
        for i in range(n):
            is_last = stage == len(WIDTHS) - 1 and i == n - 1
            make = last_block if last_block is not None and is_last else block
            x = make(plan, layers, x, width, stride(stage, i, n))
    return head(layers, x, classes)


def _same(x: Tensor) -> Tensor:
    return x


def _relu_behind_pooling(layers: Replay, x: Tensor, classes: int) -> Tensor:
    return layers.linear(F.relu(x.mean(dim=(2, 3))), classes)


def _large_stem(layers: Replay, x: Tensor, pool: bool) -> Tensor:
    x = F.relu(layers.norm(layers.conv(x, WIDTHS[0], 7, 2)))
    return F.max_pool2d(x, 3, 2, 1) if pool else x


LOOK_AT_STRIDES = "Which blocks of the table halve the size, and at which of the three stages?"
NETWORK_MISTAKES = (
    Wrong(
        "stride_on_every_block",
        partial(network, stride=lambda stage, i, n: 2 if stage > 0 else 1),
        "Every block of your later stages halves the feature maps.",
        LOOK_AT_STRIDES,
    ),
    Wrong(
        "never_shrinks",
        partial(network, stride=lambda stage, i, n: 1),
        "The feature maps of your network never get smaller.",
        LOOK_AT_STRIDES,
    ),
    Wrong(
        "stride_in_first_stage",
        partial(network, stride=lambda stage, i, n: 2 if i == 0 else 1),
        "Your first stage already halves the feature maps.",
        LOOK_AT_STRIDES,
    ),
    Wrong(
        "stride_on_last_block",
        partial(network, stride=lambda stage, i, n: 2 if stage > 0 and i == n - 1 else 1),
        "The last block of your stages halves the feature maps.",
        LOOK_AT_STRIDES,
    ),
    Wrong(
        "pool_before_relu",
        partial(network, last_block=partial(residual, end=_same), head=_relu_behind_pooling),
        "Your network pools first and applies the last ReLU to the means.",
        "What does the last block end with, and what follows it?",
    ),
    Wrong(
        "last_relu_missing",
        partial(network, last_block=partial(residual, end=_same)),
        "The feature maps that you pool have negative numbers.",
        "Does the last block differ from the others?",
    ),
    Wrong(
        "softmax_in_model",
        partial(network, head=lambda *a: pooled_linear(*a).softmax(dim=1)),
        "Your outputs are probabilities: each row adds up to 1.",
        "Which part of the training already contains the softmax?",
    ),
    Wrong(
        "log_softmax_in_model",
        partial(network, head=lambda *a: pooled_linear(*a).log_softmax(dim=1)),
        "Your outputs are logarithms of probabilities.",
        "Which part of the training already contains the softmax?",
    ),
    Wrong(
        "relu_on_logits",
        partial(network, head=lambda *a: F.relu(pooled_linear(*a))),
        "None of your logits is negative.",
        "What follows the linear layer in the table?",
    ),
    Wrong(
        "max_for_mean_pooling",
        partial(network, head=lambda layers, x, classes: layers.linear(x.amax(dim=(2, 3)), classes)),
        "Your pooling keeps the largest number of each feature map.",
        "What does the table say about the last pooling?",
    ),
    Wrong(
        "imagenet_stem",
        partial(network, stem=partial(_large_stem, pool=True)),
        "Your stem is made for large images: at 32×32 it throws most positions away.",
        "Which first layer does the table for CIFAR-10 have?",
    ),
    Wrong(
        "large_stem",
        partial(network, stem=partial(_large_stem, pool=False)),
        "Your first convolution is 7×7 with stride 2.",
        "Which first layer does the table for CIFAR-10 have?",
    ),
    Wrong(
        "pool_in_stem",
        partial(network, stem=lambda layers, x: F.max_pool2d(stem(layers, x), 3, 2, 1)),
        "Your stem pools before the first stage.",
        "At which size does the first stage work on CIFAR-10?",
    ),
    Wrong(
        "no_relu_in_stem",
        partial(network, stem=lambda layers, x: layers.conv_norm(x, WIDTHS[0], 3)),
        "Negative numbers enter your first block.",
        "What follows the first convolution and its BatchNorm?",
    ),
    Wrong(
        "no_norm_in_stem",
        partial(network, stem=lambda layers, x: F.relu(layers.conv(x, WIDTHS[0], 3))),
        "No BatchNorm follows your first convolution.",
        "What follows every convolution of this network?",
    ),
    *(Wrong(w.key, partial(network, block=w.answer), w.seen, w.look) for w in BLOCK_MISTAKES + BOTTLENECK_MISTAKES),
)
