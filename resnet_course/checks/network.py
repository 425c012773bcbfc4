"""The reference network with three stages as a space: stem, stages of blocks, and head."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from resnet_tutorial.architectures import get_architecture

from .replay import Call, Replay
from .report import Finding
from .residual import Plan, residual, settings, wirings
from .space import Mistake, Space, mistake, mistakes

WIDTHS = get_architecture("resnet20").widths


def network(
    layers: Replay, plan: Plan, blocks: Sequence[int], classes: int, *, stem_norm=True, stem_act=True, stem_pool=None,
    last_end=True, pool="mean", pooled_act=False, out=None, counts=tuple, **block: Any,
) -> Tensor:  # fmt: skip
    """The network, and with other options what a mistake computes; those of `residual` hold for all of its blocks."""
    blocks = counts(blocks)
    x = layers.conv("stem", layers.x, WIDTHS[0], 3)
    x = layers.norm("stem norm", x) if stem_norm else x
    x = F.relu(x) if stem_act else x
    x = stem_pool(x) if stem_pool else x
    for stage, (width, n) in enumerate(zip(WIDTHS, blocks, strict=True)):
        for i in range(n):
            is_last = stage == len(WIDTHS) - 1 and i == n - 1
            ends = {"end": lambda x: x} if is_last and not last_end else {}
            x = residual(plan, layers, x, width, None, name=f"{stage}.{i}.", **{**block, **ends})
    x = {
        "mean": lambda: x.mean((2, 3)),
        "max": lambda: x.amax((2, 3)),
        "none": lambda: x.flatten(1),
        "sum": lambda: x.sum((2, 3)),
        "corner": lambda: x[:, :, 0, 0],
        "middle": lambda: x[:, :, x.shape[2] // 2, x.shape[3] // 2],
        "rows": lambda: x[:, :, 0].mean(2),
        "channels": lambda: x.mean((1, 2)),
    }[pool]()
    x = layers.linear(F.relu(x) if pooled_act else x, classes)
    return out(x) if out else x


STEM = "Which first layers does the table for CIFAR-10 have?"
SIZE = "At which size does the first stage work on CIFAR-10?"
CONTAINS = "Which part of the training already contains the softmax?"
POOLING = "What does the table say about the last pooling?"


# fmt: off
def wirings_of_network(plan: Plan) -> tuple[Mistake, ...]:
    """The mistakes that can be made in wiring such a network."""
    return (
        mistake("softmax_in_model", "Your outputs are probabilities: each row adds up to 1.", CONTAINS,
                out=lambda x: x.softmax(1)),
        mistake("log_softmax_in_model", "Your outputs are logarithms of probabilities.", CONTAINS,
                out=lambda x: x.log_softmax(1)),
        mistake("relu_on_logits", "None of your logits is negative.", "What follows the linear layer in the table?",
                out=F.relu),
        mistake("sigmoid_in_model", "Your outputs lie between 0 and 1.", CONTAINS, out=lambda x: x.sigmoid()),
        mistake("no_relu_in_stem", "Negative numbers enter your first block.",
                "What follows the first convolution and its BatchNorm?", stem_act=False),
        mistake("no_norm_in_stem", "No BatchNorm follows your first convolution.",
                "What follows every convolution of this network?", stem_norm=False),
        *mistakes("pool_in_stem", "Your stem pools before the first stage.", SIZE, "stem_pool",
                  (lambda x: F.max_pool2d(x, 3, 2, 1), lambda x: F.max_pool2d(x, 2))),
        mistake("pool_before_relu", "Your network pools first and applies the last ReLU to the means.",
                "What does the last block end with, and what follows it?", last_end=False, pooled_act=True),
        mistake("last_relu_missing", "The feature maps that you pool have negative numbers.",
                "Does the last block differ from the others?", last_end=False),
        *mistakes("block_count", "{}.", "How many blocks does each stage have?", "counts",
                  {"Your stages take their numbers of blocks from the back": lambda b: b[::-1],
                   "Every stage has as many blocks as the first": lambda b: b[:1] * 3,
                   "Each stage has one block too many": lambda b: [n + 1 for n in b],
                   "Each stage has one block too few": lambda b: [max(n - 1, 0) for n in b],
                   "Each stage has a single block": lambda b: (1, 1, 1)}),
        mistake("max_for_mean_pooling", "Your pooling keeps the largest number of each feature map.", POOLING,
                pool="max"),
        mistake("sum_for_mean_pooling", "Your pooling adds up.", POOLING, pool="sum"),
        *mistakes("one_position", "Your linear layer reads a single place of each feature map.", POOLING, "pool",
                  ("corner", "middle", "rows")),
        mistake("pooled_over_channels", "Your pooling runs over the channels, too.", POOLING, pool="channels"),
        mistake("not_pooled", "Your linear layer reads every position.", POOLING, pool="none"),
        *wirings(plan),
    )
# fmt: on


LOOK_AT_STRIDES = "Which blocks of the table halve the size, and at which of the three stages?"


def settings_of_network(plan: Plan, roles: Mapping[str, Call], blocks: Sequence[int], classes: int) -> list[Finding]:
    """What is wrong with single layers of a network: the stem, widths, strides, and each block's own."""
    found, stem, halves = [], roles["stem"], {}
    size, stride = tuple(stem.weight.shape[2:]), stem.stride
    if size != (3, 3) or stride != 1:
        found.append(Finding("stem_conv", f"Your first convolution is {size[0]}×{size[1]} with stride {stride}.", STEM))
    if stem.weight.shape[0] != WIDTHS[0]:
        found.append(Finding("stem_width", f"Your first convolution gives {stem.weight.shape[0]} channels.", STEM))
    logits = roles["linear"].weight.shape[0]
    if logits != classes:
        look = "Where does the number of classes belong?"
        found.append(Finding("classes_off", f"For {classes} classes your network gives {logits} logits.", look))
    if roles["linear"].bias is None:
        found.append(Finding("linear_bias", "Your linear layer has no bias.", "What does nn.Linear learn by default?"))
    widths = [call.weight.shape[0] for role, call in roles.items() if role.endswith(".conv0")]
    counts = tuple(map(widths.count, WIDTHS))
    if sum(counts) == len(widths) and counts != tuple(blocks):
        seen = f"For blocks {tuple(blocks)} your stages have {counts} blocks."
        return [*found, Finding("block_count", seen, "Which stage should have how many blocks?")]
    for stage, (width, n) in enumerate(zip(WIDTHS, blocks, strict=True)):
        for i in range(n):
            own = {
                role.removeprefix(f"{stage}.{i}."): c for role, c in roles.items() if role.startswith(f"{stage}.{i}.")
            }
            strides = [own[f"conv{k}"].stride for k in range(len(plan.convs))]
            halves[stage, i] = max(strides)
            found += settings(plan, own, width, max(strides))
    wanted = {(stage, i): 2 if stage > 0 and i == 0 else 1 for stage, i in halves}
    if halves != wanted:
        found.append(_explain_halves(halves, wanted, blocks))
    return found


def _explain_halves(halves: Mapping[tuple[int, int], int], wanted: Mapping, blocks: Sequence[int]) -> Finding:
    # fmt: off
    patterns = (
        ("stride_on_every_block", "Every block of your later stages halves the feature maps.", lambda s, i: s > 0),
        ("never_shrinks", "The feature maps of your network never get smaller.", lambda s, i: False),
        ("stride_in_first_stage", "Your first stage already halves the feature maps.", lambda s, i: i == 0),
        ("stride_on_last_block", "The last block of your stages halves the feature maps.",
         lambda s, i: s > 0 and i == blocks[s] - 1),
        ("stride_everywhere", "Every block of your network halves the feature maps.", lambda s, i: True),
    )
    # fmt: on
    for key, seen, rule in patterns:
        if all(stride == (2 if rule(*place) else 1) for place, stride in halves.items()):
            return Finding(key, seen, LOOK_AT_STRIDES)
    stage, i = next(place for place in halves if halves[place] != wanted[place])
    seen = f"Block {i + 1} of stage {stage + 1} has stride {halves[stage, i]}."
    return Finding("stage_stride", seen, LOOK_AT_STRIDES)


def depth(
    block: str, blocks: Sequence[int], *, ends=2, branch=(2, 3), count=sum, more=0, projections=0, per="network"
) -> int:
    """Layers with weights on the longest path."""
    ends *= {"network": 1, "stage": len(blocks), "block": sum(blocks)}[per]
    changes = {0: 0, 1: len(blocks) - 1, "first stage, too": len(blocks) - (block == "basic")}
    return ends + branch[block == "bottleneck"] * count(blocks) + more * count(blocks) + changes[projections]


ENDS = "Which layers belong to no block?"
KIND = "How many convolutions has each kind of block in its branch?"
STAGES = "Does every stage have as many blocks as the first?"
# fmt: off
DEPTH = Space(
    depth,
    (
        mistake("one_end_missing", "You leave out a layer that belongs to no block.", ENDS, ends=1),
        *mistakes("ends_repeated", "You count the layers that belong to no block once for every {}.", ENDS, "per",
                  ("stage", "block")),
        mistake("ends_missing", "You count the layers of the blocks alone.", ENDS, ends=0),
        mistake("one_layer_more", "You count a layer too many beside those of the blocks.", ENDS, ends=3),
        mistake("bottleneck_as_basic", "You count two layers in a bottleneck.", KIND, branch=(2, 2)),
        mistake("basic_as_bottleneck", "You count three layers in a basic block.", KIND, branch=(3, 3)),
        mistake("one_layer_a_block", "You count one layer for each block.", KIND, branch=(1, 1)),
        mistake("kinds_swapped", "You take each kind of block for the other.", KIND, branch=(3, 2)),
        mistake("first_stage_for_all", "You take every stage to be as long as the first.", STAGES,
                count=lambda blocks: len(blocks) * blocks[0]),
        mistake("stages_for_blocks", "You count stages, not blocks.", "What does each number count?", count=len),
        mistake("three_stages", "You take three stages, always.", STAGES, count=lambda blocks: 3 * blocks[0]),
        mistake("blocks_multiplied", "You multiply the blocks of the stages.", STAGES, count=math.prod),
        mistake("shortcut_counted", "You count a layer more in each block.", "Is it on the longest path?", more=1),
        *mistakes("projections_counted", "You count the projections.", "Do shortcuts count?", "projections",
                  (1, "first stage, too")),
        *(mistake("norms_counted", f"You count BatchNorm as a layer{where}.", "Which layers does the name count?",
                  branch=(4, 6), ends=ends) for where, ends in (("", 3), (", in the blocks", 2), (" and no ends", 0))),
        *mistakes("blocks_off", "You count one block too {} in each stage.", "Where do your loops begin, and end?",
                  "count", {"few": lambda b: sum(b) - len(b), "many": lambda b: sum(b) + len(b)}),
        mistake("first_three_stages", "You count the first three stages alone.", STAGES, count=lambda b: sum(b[:3])),
        mistake("last_stage_left_out", "Your sum leaves out the last stage.", STAGES, count=lambda b: sum(b[:-1])),
        mistake("first_stage_left_out", "Your sum leaves out the first stage.", STAGES, count=lambda b: sum(b[1:])),
        mistake("stages_for_blocks", "You count stages, not blocks.", "What does each number count?",
                count=lambda b: len(b) ** 2),
    ),
)
# fmt: on
