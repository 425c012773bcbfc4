"""Checks of residual blocks and of a whole network (He et al. 2016, figure 5, section 3.3 and section 4.2)."""

import copy
import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from resnet_tutorial import models

from . import replay
from .contain import contained
from .network import DEPTH, WIDTHS, network, settings_of_network, wirings_of_network
from .replay import NoSuchLayer, Replay, Run
from .report import HALF, Finding, Result, grade
from .residual import BASIC, BOTTLENECK, ZEROS, Plan, conv_settings, norms, residual, settings, wirings
from .space import Mistake, search, together
from .values import check_values, compare_values, explain_shape, none_returned, same

# Channels that come in, width, stride: the shape stays; both change; only the channels; only the size.
BASIC_CASES = ((4, 4, 1), (4, 8, 2), (4, 6, 1), (4, 4, 2))
BOTTLENECK_CASES = ((16, 4, 1), (6, 4, 2), (8, 4, 1), (16, 4, 2))
NETWORK_CASES = (((1, 2, 1), 10), ((3, 1, 2), 7))
DEPTH_CASES = (("basic", (1, 1)), ("bottleneck", (1, 2, 3)), ("basic", (3, 3, 3)), ("bottleneck", (3, 4, 6, 2)))
# What a block can be off in that leaves it a residual block of its kind: no heart of a task.
DETAILS = {"conv_bias", "linear_bias", "norm_eps", "norm_momentum", "norm_not_learned", "border_not_zero"}
OTHER_NORMS = {"GroupNorm", "InstanceNorm2d", "LayerNorm", "LocalResponseNorm", "BatchNorm1d", "RMSNorm"}
FEW = 12  # calls: of a block, each way to read them is tried; of a network once
SMALL = 3, 7, 9  # images, odd height and odd width for a block
LARGE = 2, 32, 32  # for a network


@dataclass(frozen=True)
class Task:
    """What a learner's network should compute.

    Attributes:
        answer: the reference, of the learner's layers and the arguments with which the network was built; its options
            are the ways in which layers can be wired.
        mistakes: rows of wirings.
        settings: what is wrong with single layers, by their roles and the same arguments.
        explain: what can be said of a run that no wiring explains.
    """

    answer: Callable[..., Tensor]
    mistakes: tuple[Mistake, ...]
    settings: Callable[..., list[Finding]]
    explain: Callable[..., Finding | None]


def basic_block(
    make: Callable[[int, int, int], nn.Module], *, shortcut: str = "B", more: Sequence = (), points: float = 5
) -> Result:
    """Check a basic block (He et al. 2016, figure 5 left).

    Args:
        make: the learner's class, called with channels that come in, width and stride.
        shortcut: which option it should have where the shape changes, ``A`` or ``B``.
        more: further cases, each with these three numbers.
        points: points of a right answer.
    """
    task = _block_task(replace(BASIC, option=shortcut))
    return _check(f"Basic block, option {shortcut}", points, make, task, BASIC_CASES, more, [1] * 5)


def bottleneck(
    make: Callable[[int, int, int], nn.Module], *, shortcut: str = "B", more: Sequence = (), points: float = 5
) -> Result:
    """Check a bottleneck block with its stride on the 3×3 convolution (He et al. 2016, figure 5 right; torchvision).

    Args:
        make: the learner's class, called with channels that come in, width of the 3×3 convolution, and stride.
        shortcut: which option it should have where the shape changes, ``A`` or ``B``.
        more: further cases, each with these three numbers.
        points: points of a right answer.
    """
    task = _block_task(replace(BOTTLENECK, option=shortcut))
    return _check(f"Bottleneck, option {shortcut}", points, make, task, BOTTLENECK_CASES, more, [1, 2, 1, 2, 1])


def zero_padding(function: Callable[[Tensor, int, int], Tensor], *, more: Sequence = (), points: float = 2) -> Result:
    """Check shortcut option A: subsample in space, zeros on both sides of the channels.

    Args:
        function: the learner's function of images (N × C × H × W), channels that should leave, and stride.
        more: further cases, each with height (= width), channels that come in, channels that leave, and stride.
        points: points of a right answer.
    """
    generator = torch.Generator().manual_seed(0)
    small = torch.arange(1.0, 5).double().view(1, 1, 2, 2)
    first, second, *others = [
        (torch.randn(2, c, n, n, generator=generator, dtype=torch.float64), channels, stride)
        for n, c, channels, stride in ((8, 4, 8, 2), (6, 4, 4, 2), *more)
    ]
    cases = [(small, 4, 1), first, second]
    steps = compare_values(function, ZEROS, cases) + (compare_values(function, ZEROS, others) if others else [])
    if not any(steps):
        found = contained(function, first[0].clone().requires_grad_(), *first[1:]).value
        if not found.requires_grad:
            seen = "No gradient passes through your function."
            look = "It has no parameters; what comes before it in a network has."
            steps.append(Finding("gradient_cut", seen, look, heart=True))
    return grade("Zero padding", points, steps)


def resnet(
    make: Callable[[Sequence[int], int], nn.Module],
    *,
    shortcut: str = "B",
    block: str = "basic",
    more: Sequence = (),
    points: float = 6,
) -> Result:
    """Check a whole network with three stages of 16, 32 and 64 channels (He et al. 2016, section 4.2).

    Args:
        make: the learner's class, called with the number of blocks in each stage, such as ``(3, 3, 3)``, and the number
            of classes.
        shortcut: which option it should have where the shape changes, ``A`` or ``B``.
        block: ``basic`` or ``bottleneck``.
        more: further cases, each with these two arguments.
        points: points of a right answer.
    """
    plan = replace({"basic": BASIC, "bottleneck": BOTTLENECK}[block], option=shortcut)

    def answer(layers: Replay, blocks: Sequence[int], classes: int, **options: Any) -> Tensor:
        return network(layers, plan, blocks, classes, **options)

    def set_wrong(roles: dict, blocks: Sequence[int], classes: int) -> list[Finding]:
        return settings_of_network(plan, roles, blocks, classes)

    task = Task(answer, wirings_of_network(plan), set_wrong, partial(_explain_network, plan=plan))
    name, last = f"ResNet, {block} blocks, option {shortcut}", None
    if isinstance(make, type) and len(inspect.signature(make).parameters) > 2:
        last = partial(_explain_other_block, make)
    return _check(name, points, make, task, NETWORK_CASES, more, [1, 1, 1], channels=3, size=LARGE, last=last)


def _explain_other_block(make: Callable) -> Finding | None:
    """Whether a network can be built of another class of blocks."""
    built = contained(make, (1, 1, 2), 5, models.Bottleneck)
    kinds = [type(module) for module in built.value.modules()] if isinstance(built.value, nn.Module) else []
    heads = [m for m in built.value.modules() if isinstance(m, nn.Linear)] if kinds else []
    sizes = []
    for module in built.value.modules() if kinds else ():
        if isinstance(module, models.Bottleneck):
            module.register_forward_hook(lambda _module, _given, maps: sizes.append(maps.shape[-1]))
    ran = contained(built.value, torch.randn(2, 3, 32, 32)) if kinds else built
    if (
        not ran.problem
        and sizes[-1:] == [8]
        and kinds.count(models.Bottleneck) == 4
        and (not heads or heads[-1].in_features == 256)
    ):
        return None
    seen = "With another class of blocks, from which four times the width leaves, your network does not work."
    if kinds and not ran.problem:
        seen = "Handed another class of blocks, your network is not built of those."
        if sizes:
            seen = f"With blocks from which four times the width leaves, your maps of 32 × 32 become {sizes[-1]} wide."
    look = "Which numbers, and which names, in your code belong to one kind of block?"
    return Finding("block_not_exchangeable", seen, look, heart=True)


def depth(function: Callable[[str, Sequence[int]], int], *, more: Sequence = (), points: float = 3) -> Result:
    """Check the number of layers with weights on the longest path.

    Args:
        function: the learner's function of the kind of block, ``basic`` or ``bottleneck``, and of the number of blocks
            in each stage.
        more: further cases, each with these two.
        points: points of a right answer.
    """
    return check_values("Depth", points, function, DEPTH, DEPTH_CASES, more)


def identity_start(
    make: Callable[..., nn.Module], function: Callable[[nn.Module], Any], *, width: int = 6, points: float = 3
) -> Result:
    """Check what lets a block of unchanged shape start as the identity, with as few changed numbers as possible.

    Args:
        make: the learner's class of blocks, called with channels that come in, and width.
        function: the learner's function, which changes a block.
        width: channels of the block.
        points: points of a right answer.
    """
    with replay.seeded():
        built = contained(make, width, width)
        if built.problem:
            return grade("Start as the identity", points, [built.problem])
        block, x = built.value, torch.rand(4, width, 8, 8)
        before = {name: value.clone() for name, value in block.state_dict().items()}
        changed = contained(function, block)
        problem = changed.problem or _explain_identity(block, before, x, width)
    kept = {"cannot_learn": 1, "frozen": 1, "too_many_changed": 2}.get(problem.key, 0) if problem else 3
    return grade("Start as the identity", points, [None] * kept + [problem] * (3 - kept), most=1)


def _explain_identity(block: nn.Module, before: dict[str, Tensor], x: Tensor, width: int) -> Finding | None:
    after = {name: value.clone() for name, value in block.state_dict().items()}
    numbers = {name: int((after[name] != old).sum()) for name, old in before.items() if name in after}
    touched = [name for name, n in numbers.items() if n]
    gaps = []
    for training in (True, False):
        ran = contained(block.train(training), x)
        if ran.problem:
            return ran.problem
        gaps.append((ran.value - x).abs().max().item() if ran.value.shape == x.shape else float("inf"))
    if not touched:
        seen = "No number of the block has changed."
        return Finding("nothing_changed", seen, "Does your change reach the block itself?")
    if max(gaps) > 1e-6:
        if min(gaps) <= 1e-6:
            mode = "training" if gaps[0] > 1e-6 else "evaluation"
            seen = f"In {mode} mode your block is not the identity."
            return Finding("identity_in_one_mode", seen, "What enters the branch's last layer in either mode?")
        seen = f"You changed {', '.join(touched[:3])}; the output is off by up to {max(gaps):.2g}."
        return Finding("no_identity", seen, "What has the last word in the branch, and what must the branch give?")
    frozen = [name for name, parameter in block.named_parameters() if not parameter.requires_grad]
    if frozen:
        return Finding("frozen", f"After your change, {frozen[0]} cannot learn.", "Should the block stay as it starts?")
    optimizer = torch.optim.SGD(block.parameters(), lr=0.1)
    block.train()
    for _ in range(4):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(block(x), x.flip(0)).backward()
        optimizer.step()
    dead = [name for name, p in block.named_parameters() if p.grad is None or not p.grad.any()]
    if dead:
        seen = f"After four steps of training, {dead[0]} has not had a gradient yet: your zeros hold it back."
        return Finding("cannot_learn", seen, "Through which numbers must a gradient pass to reach the layers before?")
    if sum(numbers.values()) > width:
        seen = f"You changed {sum(numbers.values())} numbers, in {', '.join(touched[:3])}; fewer would do."
        return Finding("too_many_changed", seen, "Which few numbers decide what leaves the branch?")
    return None


def _block_task(plan: Plan) -> Task:
    def answer(layers: Replay, channels: int, width: int, stride: int, **options: Any) -> Tensor:
        return residual(plan, layers, layers.x, width, stride, **options)

    def set_wrong(roles: dict, channels: int, width: int, stride: int) -> list[Finding]:
        return settings(plan, roles, width, stride)

    return Task(answer, wirings(plan), set_wrong, _explain_block)


def _check(
    name: str, points: float, make: Callable, task: Task, cases: Sequence[tuple], more: Sequence[tuple],
    weights: list[float], channels: int | None = None, size: tuple[int, int, int] = SMALL,
    last: Callable[[], Finding | None] | None = None,
) -> Result:  # fmt: skip
    """Build and run a learner's network in all cases, and explain all of its runs together."""
    steps: list[Finding | None] = []
    with replay.seeded():
        for given in (cases, more):
            if not any(steps):  # further cases are for an answer that is right so far
                steps = [*steps[:-1], *_explain_cases(make, task, given, channels, size)] if given else steps
        steps[-1] = steps[-1] or (None if any(steps) else _explain_builds(make, cases[0]))
        steps += [] if any(steps) else [finding for finding in [last and last()] if finding]
    weights = weights[:-1] + [1] * (len(steps) - len(cases) - 1) + weights[-1:]
    keys = {key for step in steps if step for key in step.key.split("+")}
    return grade(name, points, steps, weights, most=1 if keys <= DETAILS else HALF)


def _explain_builds(make: Callable, arguments: tuple) -> Finding | None:
    """What can be wrong with a network before it is called: it is there already, or begins as another one did."""
    built = []
    for seed in range(2):
        torch.manual_seed(seed)
        built.append(contained(make, *arguments).value)
    if built[0] is built[1]:
        seen = "Two calls give one and the same network."
        return Finding("built_once", seen, "What do two runs share, if they train one network?", heart=True)
    if not all(one.training for one in built):
        look = "Who decides on the mode, and what does BatchNorm learn in it?"
        return Finding("built_in_evaluation_mode", "Your network comes in evaluation mode.", look)
    pairs = zip(built[0].parameters(), built[1].parameters(), strict=True)
    random = [(a, b) for a, b in pairs if not isinstance(a, UninitializedParameter) and a.ndim > 1]
    if random and all(torch.equal(a, b) for a, b in random):
        seen = "Two of your networks begin with the same weights: a seed is set inside."
        return Finding("global_seed", seen, "Whose random numbers does that change, and who should decide on a seed?")
    return None


def _explain_cases(
    make: Callable, task: Task, cases: Sequence[tuple], channels: int | None, size: tuple[int, int, int]
) -> list[Finding | None]:
    """For each case what was wrong, and at last what is wrong with layers whose output is right."""
    found: list[Run | Finding] = []
    known: set[int] = set()
    for arguments in cases:
        x = torch.randn(size[0], channels or arguments[0], *size[1:], dtype=torch.float64)
        built = replay.build(make, *arguments, x=x)
        own = {id(one) for one in built.value.parameters()} if not built.problem else set()
        if own & known:
            seen = "Two of your networks share layers: what one learns changes the other."
            return [Finding("built_once", seen, "What do two calls of your class share?", heart=True)] * (
                len(cases) + 1
            )
        known |= own
        found.append(built.problem or replay.run(built.value, tuple(arguments), x, training=True))
        if _hangs(found[-1]):
            break
    steps, roles = _explain_runs(found, task)
    numbers = next((finding for known in roles for finding in norms(known)), None)
    return [*steps, numbers or _check_layers([run for run in found if isinstance(run, Run)], steps)]


def _hangs(found: Run | Finding) -> bool:
    problem = found.problem.problem if isinstance(found, Run) and found.problem else found
    return isinstance(problem, Finding) and problem.key == "endless"


def _explain_runs(found: Sequence[Run | Finding], task: Task) -> tuple[list[Finding | None], list[dict]]:
    """For each run what was wrong, or None; and the layers of those that are explained, by their roles."""
    steps = [run if isinstance(run, Finding) else _explain_output(run) for run in found]
    open_ = [i for i, step in enumerate(steps) if step is None]
    states = {i: _matches(found[i], task) for i in open_}
    unlike = [i for i in open_ if states[i] is None]
    wiring = None
    if unlike:
        made: dict[int, Replay] = {}

        def explains(among: Sequence[int], **options: Any) -> float:
            for done, i in enumerate(among):
                made[i], share = _fitted(found[i], task, options)
                if share < 1:
                    return (done + share) / len(among)
            return 1.0

        for among in ([*unlike, *(i for i in open_ if i not in unlike)], unlike):
            wiring = search(task.mistakes, partial(explains, among))
            if wiring:
                states.update({i: made[i] for i in among})
                break
    wrong_settings = {i: _settings(found[i], states[i], task) for i in open_ if states[i] is not None}
    single = {one.key: one for i in wrong_settings for one in wrong_settings[i]}
    wired = set(wiring.key.split("+")) if wiring else set()
    if wired & {"skip_from_first", "skip_from_branch"}:  # where the path starts that is strided already
        single.pop("stride_branch_only", None)
    single = [one for key, one in single.items() if key not in wired]
    told = together([*([wiring] if wiring else []), *single][:3]) if wiring or single else None
    for i in open_:
        if i in unlike:
            steps[i] = told if wiring or (found[i].problem and single) else _explain_unlike(found[i], task)
        elif wrong_settings[i]:
            steps[i] = told
        else:
            steps[i] = _explain_silent(found[i], task)
    return steps, [layers.roles for layers in states.values() if layers]


def _matches(run: Run, task: Task, **options: Any) -> Replay | None:
    """The layers in their roles, if the reference with these options computes what the run did, or stops as it did."""
    layers, share = _fitted(run, task, options)
    return layers if share >= 1 else None


def _fitted(run: Run, task: Task, options: dict[str, Any]) -> tuple[Replay, float]:
    """The layers in their roles, and how much of the run the reference explains with them."""
    layers = run.replay()
    share = _explained(run, task, layers, options)
    if share < 1 and layers.doubtful and (not options or len(run.calls) < FEW):
        run.turned = not run.turned  # which of two is the branch's? That which explains more
        other = run.replay()
        explained = _explained(run, task, other, options)
        if explained <= share or options:  # only the right wiring settles it
            run.turned = not run.turned
        if explained > share:
            return other, explained
    return layers, share


def _explained(run: Run, task: Task, layers: Replay, options: dict[str, Any]) -> float:
    """1 if the reference explains the run; else the share of the run's calls up to which it does, below 1."""
    try:
        output = task.answer(layers, *run.arguments, **options)
        if run.problem is None and same(run.output, output):
            return 1.0
    except NoSuchLayer:
        pass
    except (RuntimeError, KeyError, ValueError) as error:
        if run.problem is not None and isinstance(run.problem.error, RuntimeError) and not layers.calls:
            return 1.0 if _alike(str(run.problem.error), str(error)) else 0.99
    return 0.99 * (1 - len(layers.calls) / max(1, len(run.calls)))


def _alike(one: str, other: str) -> bool:
    """Whether two errors tell of the same sizes; those of which one tells of none may be the same."""
    sizes = [sorted(re.findall(r"\((\d+)\)", text)) for text in (one, other) if text.startswith("The size of tensor")]
    return len(sizes) < 2 or sizes[0] == sizes[1]


def _settings(run: Run, layers: Replay, task: Task) -> list[Finding]:
    try:
        return task.settings(layers.roles, *run.arguments)
    except KeyError:  # it stopped before the last layer
        return []


def _explain_output(run: Run) -> Finding | None:
    if run.problem:
        return _explain_crash(run)
    if not isinstance(run.output, Tensor):
        seen = f"forward gives back a {type(run.output).__name__}, no tensor."
        return none_returned(run.output) or Finding("no_tensor", seen, "What does forward return?")
    if run.overwritten:
        seen = "Your network writes into its own input: after the call, the tensor handed in has other numbers."
        look = "Which in-place operation (inplace=True, +=, a trailing _) touches x?"
        return Finding("input_overwritten", seen, look)
    if not run.repeats:
        look = "Is there dropout, or another random layer, that the task does not name?"
        return Finding("random_output", "The same input gives two different outputs.", look)
    return None


def _explain_crash(run: Run) -> Finding | None:
    """What stopped a run; None if it was the shapes of layers, which the search explains."""
    message = str(run.problem.error).lower()
    if "float" in message and "double" in message and run.calls:
        if run.calls[-1].weight is None or run.calls[-1].weight.dtype == torch.float64:
            seen = "On its way through your network, the input turns from float64 into float32."
            look = "Which line names a dtype, or calls float()? The input's own will do."
            return Finding("dtype_changed", seen, look)
        seen = "model.double() does not reach all of your weights: some layers are not registered."
        return Finding("unregistered_layers", seen, "Where are your layers kept? A plain list hides them from PyTorch.")
    if isinstance(run.problem.error, RuntimeError) and run.calls and run.problem.problem.key == "crash":
        return None
    return run.problem.problem


def _explain_silent(run: Run, task: Task) -> Finding | None:
    """What can be wrong while the output is right in training mode: gradients, evaluation."""
    finding = replay.compare_gradients(run, task.answer(run.replay(), *run.arguments))
    if finding:
        return finding
    seen = "Your network keeps a tensor from one call to the next."
    kept = Finding("carried_over", seen, "What stands in self that belongs to one input alone?", heart=True)
    copied = contained(copy.deepcopy, run.module)
    if copied.problem:
        return kept
    module, x = copied.value, run.x.detach()
    evaluated = replay.run(module, run.arguments, x.flip(0), training=False)
    if evaluated.problem:
        return evaluated.problem.problem
    seen = "In evaluation mode your network still takes the statistics of the batch."
    always = Finding("norm_ignores_eval", seen, "What does BatchNorm use after model.eval()?")
    if any(call.kind == "norm" and call.training for call in evaluated.calls):
        return always
    if _matches(evaluated, task) is None:
        evaluated.training = True
        if _matches(evaluated, task) is not None:
            return always
        if _matches(replay.run(module, run.arguments, x.flip(0), training=True), task) is None:
            return replace(kept, seen="Your network is right in its first call, and not in the next one.")
        seen = "Your network is right in training mode, and computes something else in evaluation mode."
        known = search(task.mistakes, lambda **options: _matches(evaluated, task, **options) is not None, most=1)
        seen = f"{seen} {known.seen if known else ''}".strip()
        return Finding("evaluation_differs", seen, "What depends on self.training?")
    height, width = x.shape[2:]
    for other in (x[:1], torch.randn(2, x.shape[1], height + 8, width + 16, dtype=x.dtype)):
        again = replay.run(module, run.arguments, other, training=False)
        if _matches(again, task) is None:
            seen = f"Your network is right for an input of shape {tuple(x.shape)}, and not for {tuple(other.shape)}."
            return Finding("other_inputs", seen, "Which number or axis in your code belongs to one shape alone?")
    return None


def _explain_unlike(run: Run, task: Task) -> Finding:
    """What to say about a run that no wiring explains."""
    kinds = {type(module).__name__ for module in run.module.modules()} & OTHER_NORMS
    if kinds:
        seen = f"Among your layers is {min(kinds)}."
        return Finding("other_norm", seen, "Which normalization does the task name?")
    convs = [call for call in run.calls if call.kind == "conv"]
    odd = [one for c in convs for one in conv_settings(c, "convolution", c.weight.shape[2], len(c.weight), last=False)]
    known = task.explain(run)
    if odd or known:
        return odd[0] if odd else known
    if run.problem:
        return run.problem.problem
    if convs and not any(replay.reads(call, run.x) for call in convs):
        seen = "What your first layer reads is not what came in."
        return Finding("input_changed", seen, "What happens to the input first, and does the task name it?")
    used = {id(tensor) for call in run.calls for tensor in (call.weight, call.bias)}
    strange = [name for name, p in run.module.named_parameters() if id(p) not in used]
    if strange:
        seen = f"Your network learns numbers that belong to none of its layers: {', '.join(strange[:3])}."
        return Finding("other_parameters", seen, "Which layers does the task name, and what do those learn?")
    given = f"for an input of shape {tuple(run.x.shape)}"
    try:
        wanted = task.answer(run.replay(), *run.arguments)
    except (NoSuchLayer, RuntimeError):
        look = "Which layers does the task name, and in which order? What does each of them read?"
        return Finding("other", f"Some of your layers do not read what they should, {given}.", look)
    if run.output.shape != wanted.shape:
        return explain_shape(run.output, wanted, f"With {run.arguments}, {given}")
    alone = contained(copy.deepcopy(run.module).eval(), run.x[:1])
    whole = contained(copy.deepcopy(run.module).eval(), run.x)
    if not alone.problem and not whole.problem and not same(alone.value, whole.value[:1]):
        seen = "In evaluation mode, your output for one image depends on the other images of the batch."
        return Finding("depends_on_batch", seen, "Which of your operations runs over the first axis?")
    if same(run.output, run.output[:, :1].expand_as(run.output)) and run.output.shape[1] > 1:
        seen = "All channels of your output are alike."
        return Finding("channels_alike", seen, "Which operation runs over channels?")
    seen = f"Your layers come in the expected order; what leaves the last of them is not what is expected {given}."
    return Finding("other", seen, "What happens after the last layer, line by line, beside what the task says?")


def _check_layers(runs: Sequence[Run], before: Sequence[Finding | None]) -> Finding | None:
    """What can be wrong while the output is right: biases, layers in two places, layers that nothing reads."""
    looked_at = [run for run in runs if run.calls]
    if not looked_at:  # what kept them from running has been said before
        unknown = Finding("not_run", "The layers could not be looked at.", "Does forward call any?")
        return next(filter(None, before), unknown)
    found = next(filter(None, map(_explain_layers, looked_at)), None)
    return together(found) if found else None


def _explain_layers(run: Run) -> list[Finding]:
    found = []
    inner = [call for call in run.calls[:-1] if call.kind == "conv"]  # the last one may be a head
    if any(call.bias is not None for call in inner):
        seen = "Your convolutions have biases, which the BatchNorm after them subtracts again."
        found.append(Finding("conv_bias", seen, "Which argument of nn.Conv2d leaves them out?"))
    for kind, noun in (("conv", "convolution"), ("norm", "BatchNorm")):
        weights = [id(call.weight) for call in run.calls if call.kind == kind and call.weight is not None]
        if len(set(weights)) < len(weights):
            seen = f"One {noun} is used in two places, so both share their weights."
            look = f"How many {noun} layers does the task name? Make each its own."
            found.append(Finding(f"shared_{kind}", seen, look))
    used = {id(tensor) for call in run.calls for tensor in (call.weight, call.bias)}
    unknown = [name for name, p in run.module.named_parameters() if id(p) not in used]
    if unknown and isinstance(run.output, Tensor):
        gradients = replay.gradients(run, run.output)
        idle = [name for name in unknown if gradients[name] is None]
        if idle:
            seen = f"Some parameters are never used: {', '.join(idle[:3])}."
            found.append(Finding("unused_layers", seen, "Which layer do you build and never call?"))
    return found[:3]


def _explain_block(run: Run) -> Finding | None:
    if run.problem or not isinstance(run.output, Tensor) or run.output.ndim != 4:
        return None
    wrong = [i for i in range(run.output.shape[1]) if (run.output[:, i] < 0).any()]
    if 0 < len(wrong) < run.output.shape[1]:
        seen = "Some channels of your output have negative numbers, others have none."
        return Finding("some_negative", seen, "What comes last, and for which channels?")
    return None


def _explain_network(run: Run, plan: Plan) -> Finding | None:
    """What a count of layers says about a network that no wiring explains."""
    blocks, classes = run.arguments
    if not run.problem and run.output.shape[1:] != (classes,):
        seen = f"With {classes} classes your network gives an output of shape {tuple(run.output.shape)}."
        return Finding("classes_off", seen, "Where does the number of classes belong, and what does it multiply?")
    convs = [call for call in run.calls if call.kind == "conv" and call.weight.shape[2] > 1]
    wanted = 1 + sum(blocks) * sum(kernel > 1 for kernel, _ in plan.convs)
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
