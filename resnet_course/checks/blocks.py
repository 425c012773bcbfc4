"""Checks of residual blocks and of a whole network (He et al. 2016, figure 5, section 3.3 and section 4.2)."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from . import compare
from .compare import Replay, Run, Wrong
from .network import NETWORK_MISTAKES, WIDTHS, network
from .report import Finding, Result, grade
from .residual import (
    BASIC,
    BLOCK_MISTAKES,
    BOTTLENECK,
    BOTTLENECK_MISTAKES,
    PADDING_MISTAKES,
    Plan,
    residual,
    zero_padded,
)

# Channels that come in, width, stride: the shape stays; both change; only the channels; only the size.
BASIC_CASES = ((4, 4, 1), (4, 8, 2), (4, 6, 1), (4, 4, 2))
BOTTLENECK_CASES = ((8, 2, 1), (6, 3, 2), (4, 2, 1), (8, 2, 2))
NETWORK_CASES = (((1, 2, 1), 10), ((3, 1, 2), 7))
SIZE = 8


def basic_block(make: Callable[[int, int, int], nn.Module], *, shortcut: str = "B", points: float = 5) -> Result:
    """Check a basic block (He et al. 2016, figure 5 left).

    Args:
        make: the learner's class, called with channels that come in, width and stride.
        shortcut: which option it should have where the shape changes, ``A`` or ``B``.
        points: points of a right answer.
    """
    plan = replace(BASIC, option=shortcut)
    task = f"Basic block, option {shortcut}"
    return _check_blocks(task, points, make, plan, BLOCK_MISTAKES, BASIC_CASES)


def bottleneck(make: Callable[[int, int, int], nn.Module], *, shortcut: str = "B", points: float = 5) -> Result:
    """Check a bottleneck block with its stride on the 3×3 convolution (He et al. 2016, figure 5 right; torchvision).

    Args:
        make: the learner's class, called with channels that come in, width of the 3×3 convolution, and stride.
        shortcut: which option it should have where the shape changes, ``A`` or ``B``.
        points: points of a right answer.
    """
    plan = replace(BOTTLENECK, option=shortcut)
    mistakes = BLOCK_MISTAKES + BOTTLENECK_MISTAKES
    return _check_blocks(f"Bottleneck, option {shortcut}", points, make, plan, mistakes, BOTTLENECK_CASES)


def zero_padding(function: Callable[[Tensor, int, int], Tensor], *, points: float = 2) -> Result:
    """Check shortcut option A: subsample in space, zeros on both sides of the channels.

    Args:
        function: the learner's function of images (N × C × H × W), channels that should leave, and stride.
        points: points of a right answer.
    """
    with compare.seeded():
        images = torch.randn(2, 4, 8, 8, dtype=torch.float64)
    cases = ((images, 8, 2), (images, 6, 1), (images, 4, 2))
    wrongs = [replace(w, answer=partial(w.answer, None)) for w in PADDING_MISTAKES]
    steps = compare.compare_values(function, cases, partial(zero_padded, None), wrongs)
    return grade("Zero padding", points, steps)


def resnet(
    make: Callable[[Sequence[int], int], nn.Module], *, shortcut: str = "B", block: str = "basic", points: float = 6
) -> Result:
    """Check a whole network with three stages of 16, 32 and 64 channels (He et al. 2016, section 4.2).

    Args:
        make: the learner's class, called with the number of blocks in each stage, such as ``(3, 3, 3)``, and the number
            of classes.
        shortcut: which option it should have where the shape changes, ``A`` or ``B``.
        block: ``basic`` or ``bottleneck``.
        points: points of a right answer.
    """
    plan = replace({"basic": BASIC, "bottleneck": BOTTLENECK}[block], option=shortcut)
    steps, runs = [], []
    with compare.seeded():
        for blocks, classes in NETWORK_CASES:
            given = {"plan": plan, "blocks": blocks, "classes": classes}
            wrongs = [(w.finding, partial(w.answer, **given)) for w in NETWORK_MISTAKES]
            x = torch.randn(3, 3, SIZE, SIZE, dtype=torch.float64)
            references = partial(network, **given), wrongs, partial(_explain_network, **given)
            steps.append(_check_module(make, (blocks, classes), x, *references, runs))
            if _hangs(steps[-1]):
                break
    steps.append(_check_layers(runs, steps))
    return grade(f"ResNet, {block} blocks, option {shortcut}", points, steps)


def _check_blocks(
    task: str, points: float, make: Callable, plan: Plan, mistakes: Sequence[Wrong], cases: Sequence[tuple]
) -> Result:
    steps, runs = [], []
    with compare.seeded():
        for channels, width, stride in cases:
            given = {"width": width, "stride": stride}
            right = partial(_replayed, partial(residual, plan), **given)
            wrongs = [(w.finding, partial(_replayed, partial(w.answer, plan), **given)) for w in mistakes]
            x = torch.randn(3, channels, SIZE, SIZE, dtype=torch.float64)
            references = right, wrongs, partial(_explain_block, plan=plan, **given)
            steps.append(_check_module(make, (channels, width, stride), x, *references, runs))
            if _hangs(steps[-1]):
                break
    steps.append(_check_layers(runs, steps))
    return grade(task, points, steps)


def _replayed(answer: Callable[..., Tensor], layers: Replay, width: int, stride: int) -> Tensor:
    return answer(layers, layers.x, width, stride)


def _hangs(finding: Finding | None) -> bool:
    return finding is not None and finding.key == "endless"


def _check_module(
    make: Callable,
    arguments: tuple,
    x: Tensor,
    right: Callable[[Replay], Tensor],
    wrongs: Sequence[tuple[Finding, Callable[[Replay], Tensor]]],
    explain: Callable[[Run], Finding | None],
    runs: list[Run],
) -> Finding | None:
    """Build and run a learner's network in both modes; say what is wrong with it, if anything. Keep the run."""
    built = compare.build(make, *arguments)
    if built.problem:
        return built.problem
    run = compare.run(built.value, x, training=True)
    runs.append(run)
    if run.problem:
        return explain(run) or _explain_crash(run) or run.problem.problem
    finding = _explain_output(run) or compare.recognize(run, right, wrongs)
    if finding is not None and finding.key in ("other", "shape"):
        finding = explain(run) or finding
    if finding is None:
        finding = compare.compare_gradients(run, right) or _check_evaluation(run, right)
    return finding


def _explain_output(run: Run) -> Finding | None:
    if not isinstance(run.output, Tensor):
        seen = f"forward gives back a {type(run.output).__name__}, no tensor."
        return compare.none_returned(run.output) or Finding("no_tensor", seen, "What does forward return?")
    if run.overwritten:
        seen = "Your network writes into its own input: after the call, the tensor handed in has other numbers."
        return Finding(
            "input_overwritten", seen, "Which in-place operation (inplace=True, +=, a trailing _) touches x?"
        )
    if not run.repeats:
        look = "Is there dropout, or another random layer, that the task does not name?"
        return Finding("random_output", "The same input gives two different outputs.", look)
    return None


def _explain_crash(run: Run) -> Finding | None:
    message = str(run.problem.error).lower()
    if not ("float" in message and "double" in message and run.calls):
        return None
    if run.calls[-1].weight.dtype == torch.float64:
        seen = "On its way through your network, the input turns from float64 into float32."
        return Finding("dtype_changed", seen, "Which line names a dtype, or calls float()? The input's own will do.")
    seen = "model.double() does not reach all of your weights: some layers are not registered."
    return Finding("unregistered_layers", seen, "Where are your layers kept? A plain list hides them from PyTorch.")


def _check_evaluation(run: Run, right: Callable[[Replay], Tensor]) -> Finding | None:
    evaluated = compare.run(run.module, run.x.detach(), training=False)
    if evaluated.problem:
        return evaluated.problem.problem
    seen = "In evaluation mode your network still takes the statistics of the batch."
    look = "What does BatchNorm use after model.eval()?"
    always = Finding("norm_ignores_eval", seen, look)
    return compare.recognize(evaluated, right, [(always, partial(_in_training, right))])


def _in_training(reference: Callable[[Replay], Tensor], layers: Replay) -> Tensor:
    layers.training = True
    return reference(layers)


def _check_layers(runs: Sequence[Run], before: Sequence[Finding | None]) -> Finding | None:
    """What can be wrong while the output is right: biases, layers in two places, layers that nothing reads."""
    looked_at = [run for run in runs if run.calls]
    if not looked_at:  # what kept them from running has been said before
        unknown = Finding("not_run", "The layers could not be looked at.", "Does forward call any?")
        return next(filter(None, before), unknown)
    return next(filter(None, map(_explain_layers, looked_at)), None)


def _explain_layers(run: Run) -> Finding | None:
    if any(call.kind == "conv" and call.bias is not None for call in run.calls):
        seen = "Your convolutions have biases, which the BatchNorm behind them subtracts again."
        return Finding("conv_bias", seen, "Which argument of nn.Conv2d leaves them out?")
    for kind, noun in (("conv", "convolution"), ("norm", "BatchNorm")):
        weights = [id(call.weight) for call in run.calls if call.kind == kind and call.weight is not None]
        if len(set(weights)) < len(weights):
            seen = f"One {noun} is used in two places, so both share their weights."
            return Finding(f"shared_{kind}", seen, f"How many {noun} layers does the task name? Make each its own.")
    used = {id(tensor) for call in run.calls for tensor in (call.weight, call.bias)}
    unknown = [name for name, p in run.module.named_parameters() if id(p) not in used]
    if unknown and isinstance(run.output, Tensor):
        found = compare.gradients(run, run.output)
        idle = [name for name in unknown if found[name] is None]
        if idle:
            seen = f"Some parameters are never used: {', '.join(idle[:3])}."
            return Finding("unused_layers", seen, "Which layer do you build and never call?")
    return None


def _explain_block(run: Run, plan: Plan, width: int, stride: int) -> Finding | None:
    """Say why two paths do not fit together, or why the output has another shape."""
    convs = [call for call in run.calls if call.kind == "conv"]
    channels, out = run.x.shape[1], width * plan.expansion
    if run.problem and "must match" not in str(run.problem.error):
        return None
    skips = [c for c in convs if c.weight.shape[2] == 1 and c.weight.shape[0] != width and compare.same(c.x, run.x)]
    if plan.expansion == 1:
        skips = [c for c in convs if c.weight.shape[2] == 1]
    branch = [c for c in convs if all(c is not skip for skip in skips)]
    if plan.expansion > 1 and branch and branch[-1].weight.shape[2] == 1 and branch[-1].weight.shape[0] != out:
        seen = f"With width {width}, your last convolution gives {branch[-1].weight.shape[0]} channels."
        return Finding("expansion_off", seen, "How many times the width leaves a bottleneck?")
    if any(c.weight.shape[2] == 3 and c.padding in (0, (0, 0)) for c in branch):
        seen = "Your 3×3 convolutions make the feature maps smaller, stride or no stride."
        return Finding("padding_missing", seen, "What does a 3×3 convolution need at the border to keep the size?")
    strided = math.prod(c.stride for c in branch)
    if branch and strided != stride:
        return _explain_stride(strided, stride)
    if plan.option == "B" and not skips and (channels, stride) != (out, 1):
        return _explain_projection(channels, out, stride)
    if stride > 1 and run.problem:
        seen = "Your branch makes the feature maps smaller, and your shortcut does not."
        return Finding("stride_branch_only", seen, "Which stride does the shortcut need, so that the two can be added?")
    return None


def _explain_stride(strided: int, stride: int) -> Finding:
    if strided < stride:
        seen = f"With stride {stride}, your branch keeps the size of the feature maps."
        return Finding("stride_shortcut_only", seen, "Which convolution of the branch should take the stride?")
    seen = f"With stride {stride}, your branch makes the feature maps {strided} times smaller."
    return Finding("stride_twice", seen, "How many convolutions of a block take the stride?")


def _explain_projection(channels: int, out: int, stride: int) -> Finding:
    seen = f"Nothing projects the shortcut from {channels} to {out} channels with stride {stride}."
    if stride == 1:
        return Finding("projection_by_stride_only", seen, "Is the stride the only thing that changes a shape?")
    if channels == out:
        return Finding("projection_by_channels_only", seen, "Are the channels the only thing that changes a shape?")
    return Finding("projection_never", seen, "What does option B do where the two shapes differ?")


def _explain_network(run: Run, plan: Plan, blocks: Sequence[int], classes: int) -> Finding | None:
    if not run.problem and run.output.shape[1:] != (classes,):
        seen = f"With {classes} classes your network gives an output of shape {tuple(run.output.shape)}."
        return Finding("classes_off", seen, "Where does the number of classes belong, and what does it multiply?")
    if run.problem and not run.calls:
        return None
    convs = [call for call in run.calls if call.kind == "conv" and call.weight.shape[2] > 1]
    wanted = 1 + sum(blocks) * sum(kernel > 1 for kernel, _ in plan.convs)
    if convs and (tuple(convs[0].weight.shape[2:]), convs[0].stride) != ((3, 3), 1):
        kernel = "×".join(map(str, convs[0].weight.shape[2:]))
        seen = f"Your first convolution is {kernel} with stride {convs[0].stride}."
        return Finding("stem_conv", seen, "Which first layer does the table for CIFAR-10 have?")
    if len(run.calls) > 2 and run.calls[2].x.shape[-1] < run.x.shape[-1]:  # behind a convolution and its BatchNorm
        seen = "Between your first convolution and the first block the feature maps get smaller."
        return Finding("stem_shrinks", seen, "At which size does the first stage work on CIFAR-10?")
    basic, bottlenecks = 1 + 2 * sum(blocks), 1 + sum(blocks)
    if not run.problem and len(convs) == (basic if wanted == bottlenecks else bottlenecks):
        seen = f"Your blocks have {2 if len(convs) == basic else 1} convolutions larger than 1×1 each."
        return Finding("block_kind", seen, "Which kind of block was your class given, and does it build with that?")
    if not run.problem and len(convs) != wanted:
        seen = f"For blocks {tuple(blocks)} your network has {len(convs)} convolutions larger than 1×1."
        return Finding("block_count", seen, "How many blocks does each stage have, and how many such layers a block?")
    widths = sorted({call.weight.shape[0] for call in convs})
    if not run.problem and widths != list(WIDTHS):
        seen = f"Your 3×3 convolutions have {', '.join(map(str, widths))} channels."
        return Finding("widths_off", seen, "Which widths does the table give to the three stages?")
    return None
