"""The reference block as a space: how its layers may be wired, and how each of them may be set."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .replay import MOMENTUM, Call, Replay
from .report import Finding
from .space import Mistake, Space, mistake, mistakes, part, within
from .values import same

EPS = 1e-5


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


def _same(x: Tensor) -> Tensor:
    return x


# The choices in wiring a block, and the right one of each; a mistake is another one.
RIGHT = {
    "unit": "conv norm act", "no_norm": (), "act": F.relu, "linear": (), "begin": _same, "branch_end": _same,
    "skip_reads": "input", "projects": "where the shape changes", "change": None, "pool": None, "skip_norm": True,
    "unchanged": _same, "projection_end": _same, "skip_end": _same, "padded_norm": False, "join": torch.add,
    "sum_norm": False, "end": F.relu, "expects": "its own width",
}  # fmt: skip


def residual(
    plan: Plan, layers: Replay, x: Tensor, width: int, stride: int | None, *, name: str = "", **mistake: Any
) -> Tensor:
    """The block: relu(F(x) + shortcut(x)), and with other choices what a mistake computes.

    Args:
        plan, width: as the task gives them.
        layers: the learner's own.
        x: what comes in.
        stride: the block's; None for that of the learner's branch.
        name: put before the names of the layers' roles.
        mistake: what is chosen in place of `RIGHT`.
    """
    how = RIGHT | mistake
    x = how["begin"](x)
    out, inner, last = x, [x], len(plan.convs) - 1
    for i, (kernel, times) in enumerate(plan.convs):
        bend = how["act"] if i not in how["linear"] else _same

        def norm(x: Tensor, i: int = i) -> Tensor:
            skipped = i in how["no_norm"] or (how["sum_norm"] and i == last)
            return x if skipped else layers.norm(f"{name}norm{i}", x)

        if how["unit"] == "norm act conv":
            out = bend(norm(out))
        out = layers.conv(f"{name}conv{i}", out, width * times, kernel, (stride or 1) if i == plan.strided else 1)
        if how["unit"] == "conv act norm":
            out = norm(bend(out) if i < last else out)
        if how["unit"] == "conv norm act":
            out = norm(out)
            out = bend(out) if i < last else out
        inner.append(out)
    out = how["branch_end"](out)
    if how["join"] == "branch alone":
        joined = out
    else:
        step = stride or math.prod(layers.roles[f"{name}conv{i}"].stride for i in range(last + 1))
        source = {"input": x, "input bent": F.relu(x), "branch": out}.get(how["skip_reads"], inner[1])
        leaves = width * plan.expansion if stride and how["expects"] == "its own width" else out.shape[1]
        shortcut = how["skip_end"](_shortcut(plan, layers, source, x.shape[1], leaves, step, name, how))
        joined = shortcut if how["join"] == "shortcut alone" else how["join"](out, shortcut)
    return how["end"](layers.norm(f"{name}norm{last}", joined) if how["sum_norm"] else joined)


def _shortcut(
    plan: Plan, layers: Replay, x: Tensor, comes_in: int, leaves: int, stride: int, name: str, how: Mapping[str, Any]
) -> Tensor:
    changes = {
        "where the shape changes": stride != 1 or comes_in != leaves,
        "always": True,
        "never": False,
        "by stride": stride != 1,
        "by channels": comes_in != leaves,
        "by both": stride != 1 and comes_in != leaves,
    }
    if not changes[how["projects"]]:
        return how["unchanged"](x)
    if (how["change"] or {"A": "pad", "B": "project"}[plan.option]) == "pad":
        x = zero_padded(x, leaves, stride, **part("pads", how))
        return layers.norm(f"{name}projection norm", x) if how["padded_norm"] else x
    pooled = how["pool"](x, stride) if how["pool"] else x
    x = layers.conv(f"{name}projection", pooled, leaves, 1, 1 if how["pool"] else stride)
    if how["pool"]:
        layers.roles[f"{name}projection"].stride *= stride
    return how["projection_end"](layers.norm(f"{name}projection norm", x) if how["skip_norm"] else x)


def zero_padded(
    x: Tensor, channels: int, stride: int, *, zeros=lambda new, old: (new // 2, new - new // 2), pick="first",
    fill="zeros", place="channels", step=None, turned=False,
) -> Tensor:  # fmt: skip
    """Option A."""
    channels, stride = (stride, channels) if turned else (channels, step or stride)
    new = channels - x.shape[1]
    first, last = zeros(new, x.shape[1])
    picks = {
        "first": lambda: x[:, :, ::stride, ::stride],
        "mean": lambda: F.avg_pool2d(x, stride),
        "largest": lambda: F.max_pool2d(x, stride),
        "mean, rounded up": lambda: F.avg_pool2d(x, stride, ceil_mode=True),
        "largest, rounded up": lambda: F.max_pool2d(x, stride, ceil_mode=True),
        "second": lambda: x[:, :, stride - 1 :: stride, stride - 1 :: stride],
        "every": lambda: x,
        "rows": lambda: x[:, :, ::stride],
        "columns": lambda: x[:, :, :, ::stride],
        "corner": lambda: x[:, :, : -(-x.shape[2] // stride), : -(-x.shape[3] // stride)],
        "rounded down": lambda: F.interpolate(x, size=(x.shape[2] // stride, x.shape[3] // stride)),
    }
    x = picks[pick]()
    if place == "beside":
        return F.pad(x, (first, last))
    if place == "between":
        y = x.new_zeros(len(x), channels, *x.shape[2:])
        y[:, torch.linspace(0, channels - 1, x.shape[1]).long()] = x
        return y
    if place == "never with stride 1" and stride == 1:
        return x
    if fill == "copies":
        return x[:, (torch.arange(channels) - first) % x.shape[1]]
    return F.pad(x, (0, 0, 0, 0, first, last), value=1.0 if fill == "ones" else 0.0)


SIDES = "How are the zeros spread over the two sides of the channel axis?"
PICKS = "Does option A compute anything from its input, or only pick from it? Which positions?"
# fmt: off
PADS = (
    mistake("padding_at_end", "All new channels of zeros come after the old ones.", SIDES,
            zeros=lambda new, old: (0, new)),
    mistake("padding_at_start", "All new channels of zeros stand before the old ones.", SIDES,
            zeros=lambda new, old: (new, 0)),
    mistake("odd_zero_before", "If the number of zeros is odd, one more of them stands before.", SIDES,
            zeros=lambda new, old: (new - new // 2, new // 2)),
    *mistakes("zeros_off", "You add {}.", "How many channels are new?", "zeros",
              {"as many zeros as channels should leave": lambda new, old: ((new + old) // 2, (new + old + 1) // 2),
               "all new channels to each side": lambda new, old: (new, new),
               "half of the new channels, all of them last": lambda new, old: (0, new // 2),
               "half of the new channels, all of them before": lambda new, old: (new // 2, 0),
               "a quarter of the channels that leave to each side": lambda new, old: ((new + old) // 4,) * 2,
               "half of the channels that come in to each side": lambda new, old: (old // 2,) * 2}),
    *mistakes("shortcut_pooled", "Your shortcut takes the mean of neighboring positions.", PICKS, "pick",
              ("mean", "mean, rounded up")),
    *mistakes("shortcut_max_pooled", "Your shortcut takes the largest of neighboring positions.", PICKS, "pick",
              ("largest", "largest, rounded up")),
    mistake("picks_second", "Your shortcut does not begin with the first position.", PICKS, pick="second"),
    mistake("picks_every", "Your shortcut keeps every position.", PICKS, pick="every"),
    mistake("picks_rows", "Your shortcut leaves out rows, and no columns.", PICKS, pick="rows"),
    mistake("stride_fixed", "Your shortcut takes every second position, whatever the stride is.", PICKS, step=2),
    mistake("arguments_swapped", "Your shortcut takes the stride for the channels.",
            "In which order do the arguments come?", turned=True),
    mistake("picks_columns", "Your shortcut leaves out columns, and no rows.", PICKS, pick="columns"),
    mistake("picks_corner", "Your shortcut cuts out a corner of the image.", PICKS, pick="corner"),
    mistake("picks_rounded_down", "Of an odd size, your shortcut loses the last row and column.",
            "How many of five positions does a step of 2 meet, the first one included?", pick="rounded down"),
    mistake("zeros_beside", "Your zeros stand beside the image, not before and after the channels.",
            "With which axis do the pairs of F.pad begin?", place="beside"),
    mistake("zeros_between", "Your zeros stand between the old channels.", SIDES, place="between"),
    mistake("odd_zero_lost", "If the number of zeros is odd, one of them is missing.", SIDES,
            zeros=lambda new, old: (new // 2,) * 2),
    mistake("only_with_stride", "With stride 1 nothing happens, also where the channels change.",
            "Which two things can change a shape?", place="never with stride 1"),
    mistake("copies_for_zeros", "Your new channels are copies of the old ones.", "With what does option A fill up?",
            fill="copies"),
    mistake("ones_for_zeros", "Your new channels are no zeros.", "With what does option A fill up?", fill="ones"),
)
# fmt: on
ZEROS = Space(zero_padded, PADS)
FIGURE = "On which side of the addition does the figure have its last ReLU?"
READS = "What does the shortcut start from? Is the block's input still there, under a name of its own?"
NORMS = "What follows every convolution of this network?"
BENDS = "What stands between two convolutions, beside BatchNorm?"
ORDER = "In which order do convolution, BatchNorm and ReLU follow each other?"
MEET = "With a branch of zeros, what should a block of non-negative input return?"
EXPANSION = "How many times the width leaves a bottleneck?"
FUNCTION = "Which function does the figure name between the layers?"
OTHER_ACTS = {
    "GELU": F.gelu, "a leaky ReLU": F.leaky_relu, "SiLU": F.silu, "ELU": F.elu, "tanh": torch.tanh,
    "a sigmoid": torch.sigmoid, "ReLU6": F.relu6,
}  # fmt: skip


# fmt: off
def wirings(plan: Plan) -> tuple:
    """The mistakes that can be made in wiring such a block, the likelier ones first."""
    last = len(plan.convs) - 1
    fourfold = mistake("expansion_off", "Four times the width is not what leaves your block.", EXPANSION,
                       expects="what leaves")
    ordinal = ("first", "second", "third") if last > 1 else ("first", "second")
    return (
        *((fourfold,) if last > 1 else ()),
        mistake("no_final_relu", "Your block gives negative numbers.", "What should come last?", end=_same),
        mistake("relu_before_addition",
                "Your block cuts the branch at zero before the two paths meet, and leaves their sum alone.", FIGURE,
                branch_end=F.relu, end=_same),
        mistake("relu_twice",
                "Your branch can only add to the shortcut, never take away: it is cut at zero before they meet.",
                "How many times is ReLU applied in the figure, and where?", branch_end=F.relu),
        mistake("skip_from_branch", "Your shortcut starts from what the branch computed, not from the block's input.",
                READS, skip_reads="branch"),
        mistake("skip_from_first", "Your shortcut starts after the first layers of the branch.", READS,
                skip_reads="first"),
        mistake("shortcut_not_added", "Your output depends on the branch alone, as in a plain network.",
                "Where does the input meet the branch again?", join="branch alone"),
        mistake("nothing_added_unchanged", "Nothing is added to the branch where the shape stays the same.",
                "What is the shortcut where nothing has to change?", heart=True, unchanged=torch.zeros_like),
        mistake("branch_not_added", "Your output depends on the shortcut alone.",
                "Which variable holds what the branch computed, and is it the one that you add?",
                join="shortcut alone"),
        mistake("projection_by_stride_only", "Nothing projects the shortcut where only the channels change.",
                "Is the stride the only thing that changes a shape?", projects="by stride"),
        mistake("projection_by_channels_only", "Nothing projects the shortcut where only the size changes.",
                "Are the channels the only thing that changes a shape?", projects="by channels"),
        mistake("projection_by_both", "Nothing projects the shortcut where only one of size and channels changes.",
                "Does one change alone leave the two shapes alike?", projects="by both"),
        mistake("projection_never", "Nothing projects the shortcut where the shape changes.",
                "What does the option do where the two shapes differ?", projects="never"),
        mistake("projection_always", "Your shortcut projects although the shape stays the same.",
                "What is the shortcut where nothing has to change?", projects="always", change="project"),
        mistake("no_norm_on_projection", "Your projection is a convolution alone.", NORMS, skip_norm=False),
        mistake("no_norm", "No BatchNorm acts in your branch.",
                "What stands between each convolution and what follows it?", no_norm=tuple(range(last + 1))),
        *mistakes("norms_missing", "Only the {} convolution of your branch has a BatchNorm.", NORMS, "no_norm",
                  {ordinal[i]: tuple(k for k in range(last + 1) if k != i) for i in range(last + 1) if last > 1}),
        *mistakes("norm_missing", "No BatchNorm follows the {} convolution of your branch.", NORMS, "no_norm",
                  {ordinal[i]: (i,) for i in range(last + 1)}),
        mistake("no_relu_between", "Your branch is linear: nothing bends between its convolutions.", BENDS,
                linear=tuple(range(last + 1))),
        *mistakes("relu_missing", "Nothing bends after the {} convolution of your branch.", BENDS, "linear",
                  {ordinal[i]: (i,) for i in range(last if last > 1 else 0)}),
        mistake("relu_on_projection", "Your projection is cut at zero before it is added.",
                "Does a shortcut have a ReLU of its own?", projection_end=F.relu),
        mistake("relu_on_shortcut", "Negative numbers do not pass your shortcut.",
                "What does the figure write on the shortcut's line?", skip_end=F.relu),
        mistake("input_bent", "Your block begins with a ReLU: its input is cut at zero for both paths.", READS,
                begin=F.relu),
        *mistakes("pooled_before_projection", "Your shortcut pools before it projects.",
                  "Which layers does option B put on the shortcut?", "pool",
                  (lambda x, s: F.avg_pool2d(x, s, ceil_mode=True), F.avg_pool2d,
                   lambda x, s: F.max_pool2d(x, s, ceil_mode=True), F.max_pool2d)),
        mistake("norm_on_padding", "BatchNorm follows your zeros.", "How many numbers does option A learn?",
                padded_norm=True),
        mistake("input_bent", "Your shortcut starts from the input after a ReLU.", READS, skip_reads="input bent"),
        mistake("shortcut_twice", "The shortcut counts twice in your sum.",
                "Is there a second addition, perhaps in place?", join=lambda a, b: a + 2 * b),
        mistake("branch_twice", "The branch counts twice in your sum.", "Is there a second addition, perhaps in place?",
                join=lambda a, b: 2 * a + b),
        mistake("shortcut_subtracted", "Your block subtracts the shortcut from the branch.", MEET, join=torch.sub),
        mistake("branch_subtracted", "Your block subtracts the branch from the shortcut.", MEET,
                join=lambda a, b: b - a),
        mistake("multiplied", "Your two paths are multiplied.", MEET, join=torch.mul),
        mistake("averaged", "You take the mean of the two paths.", MEET, join=lambda a, b: (a + b) / 2),
        mistake("concatenated", "You put the two paths side by side.", "Does a residual block add, or concatenate?",
                join=lambda a, b: torch.cat((a, b), dim=1)),
        mistake("norm_after_addition", "Your last BatchNorm also normalizes the shortcut.",
                "Does the figure normalize the branch, or the sum?", sum_norm=True),
        mistake("norm_after_relu", "In your branch, ReLU comes before BatchNorm.", ORDER, unit="conv act norm"),
        mistake("pre_activation",
                "Your block normalizes before each convolution, as the pre-activation form of the later paper does.",
                "Which of the two papers' figures does the task name?", unit="norm act conv", end=_same),
        mistake("pre_activation", "Your block normalizes before each convolution.", ORDER, unit="norm act conv"),
        mistake("projection_for_padding", "Your shortcut projects with weights of its own.",
                "How many parameters does option A have?", change="project"),
        mistake("padding_for_projection", "Your shortcut pads with zeros where the shape changes.",
                "Which of the options A and B learns its shortcut?", change="pad"),
        *mistakes("other_activation", "Between your layers stands {}.", FUNCTION, "act", OTHER_ACTS),
        *mistakes("other_end", "Your block ends with {}.", "What should come last?", "end", OTHER_ACTS),
        *(mistake("other_everywhere", f"In place of ReLU your block has {noun}.", FUNCTION, act=act, end=act)
          for noun, act in OTHER_ACTS.items()),
        *within("pads", PADS),
        *(Mistake(one.finding, {**one.options, "projects": "always"})  # called where nothing changes, too
          for one in within("pads", PADS) if one.finding.key in ("stride_fixed", "arguments_swapped")),
    )
# fmt: on


def settings(plan: Plan, roles: Mapping[str, Call], width: int, stride: int) -> list[Finding]:
    """What is wrong with single layers of a block: kernels, borders, biases, strides, BatchNorm's numbers."""
    convs = [roles[f"conv{i}"] for i in range(len(plan.convs))]
    names = ["first", "second", "third"]
    found = []
    for i, (call, (kernel, times)) in enumerate(zip(convs, plan.convs, strict=True)):
        found += conv_settings(
            call, f"{names[i]} convolution", kernel, width * times, last=plan.expansion > 1 and i == len(convs) - 1
        )
    projection = roles.get("projection")
    if projection:
        found += conv_settings(projection, "projection", 1, convs[-1].weight.shape[0], last=False)
    found += _strides(plan, [call.stride for call in convs], projection.stride if projection else None, stride)
    return found


SPREAD = "Which argument of nn.Conv2d changes which numbers a kernel reads?"


def conv_settings(call: Call, name: str, kernel: int, out: int, last: bool) -> list[Finding]:
    """What is wrong with one convolution that should have this kernel and give so many channels."""
    found, size = [], tuple(call.weight.shape[2:])
    if size != (kernel, kernel):
        key = "projection_kernel" if name == "projection" else "kernel_size"
        seen = f"Your {name} is {size[0]}×{size[1]}."
        found.append(Finding(key, seen, "Which kernel does the task give it?"))
    elif call.padding != kernel // 2 * call.dilation:
        if call.padding == 0:
            seen = "Your 3×3 convolutions have no padding, so the feature maps get smaller, stride or no stride."
            look = "What does a 3×3 convolution need at the border to keep the size?"
            found.append(Finding("padding_missing", seen, look))
        else:
            seen = f"Your {name} has padding {call.padding}."
            found.append(Finding("padding_off", seen, "Which padding keeps the size?"))
    if call.mode != "zeros":
        verb = {"reflect": "mirrors", "replicate": "repeats", "circular": "continues"}[call.mode]
        seen = f"Around its input, your {name} {verb} the image in place of zeros."
        found.append(Finding("border_not_zero", seen, "With what does the paper's convolution pad?"))
    if call.dilation != 1:
        found.append(Finding("dilated", f"Your {name} leaves gaps between the pixels that it reads.", SPREAD))
    if call.groups != 1:
        seen = f"In your {name}, a filter does not read all channels (groups={call.groups})."
        found.append(Finding("grouped", seen, SPREAD))
    if call.weight.shape[0] != out and name != "projection":
        seen = f"Your {name} gives {call.weight.shape[0]} channels, where {out // 4 if last else out} is the width."
        look = EXPANSION if last else "How many channels does the task give it?"
        found.append(Finding("expansion_off" if last else "channels_off", seen, look))
    return found


def _strides(plan: Plan, branch: list[int], shortcut: int | None, stride: int) -> list[Finding]:
    wanted, strided = [1] * len(branch), math.prod(branch)
    wanted[plan.strided] = stride
    if branch == wanted and shortcut in (None, stride):
        return []
    if strided == stride and shortcut not in (None, stride):
        seen = "Your branch makes the feature maps smaller, and your shortcut does not."
        if shortcut > stride:
            seen = f"Your shortcut has stride {shortcut}, and your branch {stride}."
        look = "Which stride does the shortcut need, so that the two can be added?"
        return [Finding("stride_branch_only", seen, look)]
    if strided < stride:
        seen = f"With stride {stride}, your branch keeps the size of the feature maps."
        if shortcut in (None, 1):
            seen = "Your block ignores its stride."
            return [Finding("stride_never", seen, "Which layers does the task name for it?")]
        return [Finding("stride_shortcut_only", seen, "Which convolution of the branch should take the stride?")]
    if any(step not in (1, stride) for step in branch):
        seen = f"With stride {stride}, a convolution of your branch has stride {max(branch)}."
        return [Finding("stride_fixed", seen, "Where does the block's stride enter?")]
    if strided > stride:
        seen = f"With stride {stride}, your branch makes the feature maps {strided} times smaller."
        return [Finding("stride_twice", seen, "How many convolutions of a block take the stride?")]
    if branch[-1] > 1:
        seen = "Your last convolution takes the stride, so those before it work at the full size."
        look = "Which convolution of the branch does the task name for the stride?"
        return [Finding("stride_on_last_convolution", seen, look)]
    seen = "Your first 1×1 convolution takes the stride and never reads three of four positions."
    look = "Which convolution looks at neighbors, so that no position is lost?"
    return [Finding("stride_on_first_convolution", seen, look)]


def norms(roles: Mapping[str, Call]) -> list[Finding]:
    """What is wrong with the numbers of BatchNorm, and with its running statistics after a step of training."""
    found, defaults = [], "Which arguments of BatchNorm does the task name? What are they by default?"
    for call in (call for role, call in roles.items() if "norm" in role):
        if abs(call.eps - EPS) > 1e-12:
            found.append(Finding("norm_eps", f"Your BatchNorm adds {call.eps:g} to the variance.", defaults))
        if call.weight is None:
            found.append(Finding("norm_not_learned", "Your BatchNorm learns no scale and no shift.", defaults))
        if not call.training:
            seen = "In training mode your BatchNorm takes its running statistics."
            found.append(Finding("norm_frozen", seen, "What does BatchNorm use in which mode?"))
        if call.training and call.after:
            n = call.x.numel() / call.x.shape[1]
            batch = call.x.mean((0, 2, 3)), call.x.var((0, 2, 3), correction=0) * n / (n - 1)
            wanted = [(1 - MOMENTUM) * old + MOMENTUM * new for old, new in zip(call.before, batch, strict=True)]
            if not all(map(same, call.after, wanted)):
                seen = "After a step of training, your BatchNorm's running statistics are not those of a default one."
                if same(call.after[0], call.before[0]):
                    seen = "Your BatchNorm's running statistics never move."
                elif abs(call.momentum - MOMENTUM) > 1e-9:
                    seen = f"Your BatchNorm's running statistics take {100 * call.momentum:g} % of every batch."
                found.append(Finding("norm_momentum", seen, defaults))
    return found
