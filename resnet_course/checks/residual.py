"""The reference block, and the well-known wrong ones: each computes with the learner's own layers."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from .compare import Replay, Wrong


@dataclass(frozen=True)
class Plan:
    """What a right block consists of.

    Attributes:
        convs: kernel of each convolution of the branch, and its channels as a multiple of the width.
        strided: which of them takes the stride.
        option: shortcut where the shape changes, ``A`` or ``B``.
    """

    convs: tuple[tuple[int, int], ...]
    strided: int
    option: str = "B"

    @property
    def expansion(self) -> int:
        """Channels that leave the block, as a multiple of the width."""
        return self.convs[-1][1]


BASIC = Plan(((3, 1), (3, 1)), strided=0)
BOTTLENECK = Plan(((1, 1), (3, 1), (1, 4)), strided=1)


def branch(
    plan: Plan,
    layers: Replay,
    x: Tensor,
    width: int,
    stride: int,
    *,
    strided: int | None = None,
    norm: bool = True,
    between: Callable[[Tensor], Tensor] = F.relu,
) -> Tensor:
    """F(x): the convolutions, each with its BatchNorm, and a ReLU between two of them."""
    strided = plan.strided if strided is None else strided
    for i, (kernel, times) in enumerate(plan.convs):
        x = between(x) if i else x
        x = layers.conv(x, width * times, kernel, stride if i == strided else 1)
        x = layers.norm(x) if norm else x
    return x


def zero_padded(_layers: Replay | None, x: Tensor, channels: int, stride: int, *, before: float = 0.5) -> Tensor:
    """Option A; ``before`` is the share of the zeros that stand before the old channels."""
    new = channels - x.shape[1]
    first = int(new * before)
    return F.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, first, new - first))


def pooled(_layers: Replay | None, x: Tensor, channels: int, stride: int) -> Tensor:
    """Option A, but with a mean over each square of positions."""
    return zero_padded(None, F.avg_pool2d(x, stride), channels, 1)


def projected(layers: Replay, x: Tensor, channels: int, stride: int, *, norm: bool = True) -> Tensor:
    """A 1×1 convolution and its BatchNorm."""
    x = layers.conv(x, channels, 1, stride)
    return layers.norm(x) if norm else x


def skip(plan: Plan, layers: Replay, x: Tensor, width: int, stride: int, *, change=None, always=False) -> Tensor:
    """The shortcut; ``change`` is what it does where the shape changes, or ``always``."""
    channels = width * plan.expansion
    if stride == 1 and x.shape[1] == channels and not always:
        return x
    change = change or (zero_padded if plan.option == "A" else projected)
    return change(layers, x, channels, stride)


def residual(
    plan: Plan,
    layers: Replay,
    x: Tensor,
    width: int,
    stride: int,
    *,
    branch: Callable[..., Tensor] = branch,
    skip: Callable[..., Tensor] = skip,
    join: Callable[[Tensor, Tensor], Tensor] = torch.add,
    end: Callable[[Tensor], Tensor] = F.relu,
) -> Tensor:
    """The block: relu(F(x) + shortcut(x)). A wrong block has another part in one of the four places."""
    return end(join(branch(plan, layers, x, width, stride), skip(plan, layers, x, width, stride)))


def _same(x: Tensor) -> Tensor:
    return x


def _norm_behind(plan: Plan, layers: Replay, x: Tensor, width: int, stride: int) -> Tensor:
    """BatchNorm behind the sum in place of the branch's last one."""
    out = x
    for i, (kernel, times) in enumerate(plan.convs):
        out = F.relu(layers.norm(out)) if i else out
        out = layers.conv(out, width * times, kernel, stride if i == plan.strided else 1)
    return F.relu(layers.norm(out + skip(plan, layers, x, width, stride)))


def _norm_after_relu(plan: Plan, layers: Replay, x: Tensor, width: int, stride: int) -> Tensor:
    """In the branch, each convolution, then ReLU, then BatchNorm."""
    for i, (kernel, times) in enumerate(plan.convs):
        x = layers.conv(x, width * times, kernel, stride if i == plan.strided else 1)
        x = layers.norm(F.relu(x) if i < len(plan.convs) - 1 else x)
    return x


def _activate_first(plan: Plan, layers: Replay, x: Tensor, width: int, stride: int) -> Tensor:
    """Pre-activation: BatchNorm and ReLU before each convolution."""
    out = x
    for i, (kernel, times) in enumerate(plan.convs):
        out = F.relu(layers.norm(out))
        out = layers.conv(out, width * times, kernel, stride if i == plan.strided else 1)
    return out


def _moved_stride(place: int) -> Callable[..., Tensor]:
    return partial(residual, branch=partial(branch, strided=place))


def _other_skip(change: Callable[..., Tensor], always: bool = False) -> Callable[..., Tensor]:
    return partial(residual, skip=partial(skip, change=change, always=always))


PADDING_MISTAKES = (
    Wrong(
        "padding_at_end",
        partial(zero_padded, before=0.0),
        "All new channels of zeros stand behind the old ones.",
        "How are the zeros spread over the two sides of the channel axis?",
    ),
    Wrong(
        "padding_at_start",
        partial(zero_padded, before=1.0),
        "All new channels of zeros stand before the old ones.",
        "How are the zeros spread over the two sides of the channel axis?",
    ),
    Wrong(
        "shortcut_pooled",
        pooled,
        "Your shortcut takes the mean of neighboring positions.",
        "Does option A compute anything from its input, or only pick from it?",
    ),
)
BLOCK_MISTAKES = (
    Wrong(
        "no_final_relu",
        partial(residual, end=_same),
        "Your block gives negative numbers.",
        "What should come last?",
    ),
    Wrong(
        "relu_before_addition",
        lambda plan, layers, x, *a: F.relu(branch(plan, layers, x, *a)) + skip(plan, layers, x, *a),
        "Your block cuts the branch at zero before the two paths meet, and leaves their sum alone.",
        "On which side of the addition does the figure have its last ReLU?",
    ),
    Wrong(
        "relu_twice",
        lambda plan, layers, x, *a: F.relu(F.relu(branch(plan, layers, x, *a)) + skip(plan, layers, x, *a)),
        "Your branch can only add to the shortcut, never take away: it is cut at zero before they meet.",
        "How many times is ReLU applied in the figure, and where?",
    ),
    Wrong(
        "relu_on_projection",
        _other_skip(lambda *a: F.relu(projected(*a))),
        "Your projection is cut at zero before it is added.",
        "Does a shortcut have a ReLU of its own?",
    ),
    Wrong(
        "relu_on_shortcut",
        lambda plan, layers, x, *a: F.relu(branch(plan, layers, x, *a) + F.relu(skip(plan, layers, x, *a))),
        "Negative numbers do not pass your shortcut.",
        "What does the figure write on the shortcut's line?",
    ),
    Wrong(
        "shortcut_not_added",
        lambda plan, layers, x, *a: F.relu(branch(plan, layers, x, *a)),
        "Your output depends on the branch alone, as in a plain network.",
        "Where does the input meet the branch again?",
    ),
    Wrong(
        "branch_not_added",
        lambda plan, layers, x, *a: F.relu(skip(plan, layers, x, *a)),
        "Your output depends on the shortcut alone.",
        "Which variable holds what the branch computed, and is it the one that you add?",
    ),
    Wrong(
        "shortcut_twice",
        lambda plan, layers, x, *a: F.relu(branch(plan, layers, x, *a) + 2 * skip(plan, layers, x, *a)),
        "The shortcut counts twice in your sum.",
        "Is there a second addition, perhaps in place?",
    ),
    Wrong(
        "shortcut_subtracted",
        partial(residual, join=torch.sub),
        "Your block subtracts the shortcut from the branch.",
        "With a branch of zeros, what should a block of non-negative input return?",
    ),
    Wrong(
        "multiplied",
        partial(residual, join=torch.mul),
        "Your two paths are multiplied.",
        "With a branch of zeros, what should a block of non-negative input return?",
    ),
    Wrong(
        "norm_after_addition",
        _norm_behind,
        "Your last BatchNorm also normalizes the shortcut.",
        "Does the figure normalize the branch, or the sum?",
    ),
    Wrong(
        "norm_after_relu",
        partial(residual, branch=_norm_after_relu),
        "In your branch, ReLU comes before BatchNorm.",
        "In which order do convolution, BatchNorm and ReLU follow each other?",
    ),
    Wrong(
        "pre_activation",
        lambda plan, layers, x, *a: _activate_first(plan, layers, x, *a) + skip(plan, layers, x, *a),
        "Your block normalizes before each convolution, as the pre-activation form of the later paper does.",
        "Which of the two papers' figures does the task name?",
    ),
    Wrong(
        "no_norm",
        partial(residual, branch=partial(branch, norm=False)),
        "No BatchNorm acts in your branch.",
        "What stands between each convolution and what follows it?",
    ),
    Wrong(
        "no_relu_between",
        partial(residual, branch=partial(branch, between=_same)),
        "Your branch is linear: nothing bends between its convolutions.",
        "What stands between two convolutions, beside BatchNorm?",
    ),
    Wrong(
        "no_norm_on_projection",
        _other_skip(partial(projected, norm=False)),
        "Your projection is a convolution alone.",
        "What follows every convolution of this network?",
    ),
    Wrong(
        "projection_for_padding",
        _other_skip(projected),
        "Your shortcut projects with weights of its own.",
        "How many parameters does option A have?",
    ),
    Wrong(
        "projection_always",
        _other_skip(projected, always=True),
        "Your shortcut projects although the shape stays the same.",
        "What is the shortcut where nothing has to change?",
    ),
    Wrong(
        "padding_for_projection",
        _other_skip(zero_padded),
        "Your shortcut pads with zeros where the shape changes.",
        "Which of the options A and B learns its shortcut?",
    ),
    *(Wrong(w.key, _other_skip(w.answer), w.seen, w.look) for w in PADDING_MISTAKES),
    Wrong(
        "stride_on_last_convolution",
        lambda plan, *a: _moved_stride(len(plan.convs) - 1)(plan, *a),
        "Your last convolution takes the stride, so those before it work at the full size.",
        "Which convolution of the branch does the task name for the stride?",
    ),
)
BOTTLENECK_MISTAKES = (
    Wrong(
        "stride_on_first_convolution",
        _moved_stride(0),
        "Your first 1×1 convolution takes the stride and never reads three of four positions.",
        "Which convolution looks at neighbors, so that no position is lost?",
    ),
)
