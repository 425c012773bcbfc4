"""Compare a learner's answer with the right one and, if it differs, with the well-known wrong ones.

A wrong answer is recognized by what it computes. References are written as ordinary forward passes and run on the
learner's own weights: `Replay` hands out a layer of theirs by what went into it, so names and style do not matter.
"""

import contextlib
import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from .contain import Outcome, contained
from .report import Finding

TOLERANCE = 1e-6  # of float64 numbers: rounding stays far below, a mistake lies far above


@dataclass(frozen=True)
class Wrong:
    """A well-known wrong answer.

    Attributes:
        key, seen, look: as in `Finding`.
        answer: computes what the mistake computes, with the same arguments as the right answer.
    """

    key: str
    answer: Callable[..., Any]
    seen: str
    look: str

    @property
    def finding(self) -> Finding:
        """What to say about it."""
        return Finding(self.key, self.seen, self.look)


class NoSuchLayer(Exception):
    """A reference asks for a layer that the learner's network does not have there."""


@dataclass
class Call:
    """One call of a layer: its input as it was then, its weights, and for BatchNorm its running statistics."""

    kind: str
    x: Tensor
    weight: Tensor | None
    bias: Tensor | None
    stride: int = 1
    padding: Any = 0
    mean: Tensor | None = None
    var: Tensor | None = None
    eps: float = 1e-5


SIGNATURES = {
    torch.conv2d: ("input", "weight", "bias", "stride", "padding"),
    F.batch_norm: ("input", "mean", "var", "weight", "bias", "training", "momentum", "eps"),
    torch.batch_norm: ("input", "weight", "bias", "mean", "var", "training", "momentum", "eps"),
    F.linear: ("input", "weight", "bias"),
}
KINDS = {torch.conv2d: "conv", F.batch_norm: "norm", torch.batch_norm: "norm", F.linear: "linear"}
LONG_NAMES = {"running_mean": "mean", "running_var": "var"}


class Recorder(TorchFunctionMode):
    """Writes down every convolution, BatchNorm and linear layer that is called, as a module or as a function."""

    def __init__(self):
        self.calls: list[Call] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func in SIGNATURES:
            named = {LONG_NAMES.get(name, name): value for name, value in kwargs.items()}
            self._record(KINDS[func], {**dict(zip(SIGNATURES[func], args, strict=False)), **named})
        return func(*args, **kwargs)

    def _record(self, kind: str, given: dict[str, Any]) -> None:
        x = given["input"].detach().clone()  # the learner may change it in place
        call = Call(kind, x, given.get("weight"), given.get("bias"))
        if kind == "conv":
            stride = given.get("stride", 1)
            call.stride = stride if isinstance(stride, int) else stride[0]
            call.padding = given.get("padding", 0)
        if kind == "norm":
            call.mean, call.var, call.eps = given.get("mean"), given.get("var"), given.get("eps", 1e-5)
        self.calls.append(call)


class Replay:
    """The learner's own layers, for a reference to compute with. Each is handed out once.

    A layer is found by its kind, its shape and what went into it. Where the learner's layers are no calls that could be
    recorded, such as a BatchNorm written by hand, parameters are taken by shape, in the order in which they were made.

    Args:
        module: the learner's network.
        calls: its recorded calls.
        x: the network's input.
        training: whether BatchNorm takes the statistics of the batch.
    """

    def __init__(self, module: nn.Module, calls: Sequence[Call], x: Tensor, training: bool):
        self.calls = list(calls)
        self.x = x
        known = {id(tensor) for call in calls for tensor in (call.weight, call.bias, call.mean, call.var)}
        self.spare = [p for p in module.parameters() if id(p) not in known]
        self.buffers = [b for b in module.buffers() if id(b) not in known and b.is_floating_point()]
        self.training = training

    def conv(self, x: Tensor, out: int, kernel: int, stride: int = 1) -> Tensor:
        """The convolution that read ``x``, padded so that stride 1 keeps the size."""
        shape = (out, x.shape[1], kernel, kernel)
        call = self._take("conv", x, shape)
        if call is None and kernel == 1 and stride > 1:  # the stride may be taken before, as a slice
            call = self._take("conv", x[:, :, ::stride, ::stride], shape)
        call = call or Call("conv", x, self._spare(shape), None)
        return F.conv2d(x, call.weight, call.bias, stride, kernel // 2)

    def norm(self, x: Tensor) -> Tensor:
        """The BatchNorm that read ``x``."""
        call = self._take("norm", x, None) or self._norm_by_hand(x)
        if self.training:
            return F.batch_norm(x, None, None, call.weight, call.bias, training=True, eps=call.eps)
        if call.mean is None:
            raise NoSuchLayer
        return F.batch_norm(x, call.mean, call.var, call.weight, call.bias, training=False, eps=call.eps)

    def conv_norm(self, x: Tensor, out: int, kernel: int, stride: int = 1) -> Tensor:
        """A convolution and its BatchNorm."""
        return self.norm(self.conv(x, out, kernel, stride))

    def linear(self, x: Tensor, out: int) -> Tensor:
        """The linear layer that read ``x``."""
        call = self._take("linear", x, (out, x.shape[1]))
        if call is None:
            call = Call("linear", x, self._spare((out, x.shape[1])), self._spare((out,)))
        return F.linear(x, call.weight, call.bias)

    def _take(self, kind: str, x: Tensor, shape: tuple[int, ...] | None) -> Call | None:
        for i, call in enumerate(self.calls):
            fits = call.kind == kind and (shape is None or tuple(call.weight.shape) == shape)
            if fits and (same(call.x, x) or (kind == "conv" and same(call.x, F.pad(x, (shape[2] // 2,) * 4)))):
                return self.calls.pop(i)
        return None

    def _norm_by_hand(self, x: Tensor) -> Call:
        shape = (x.shape[1],)
        call = Call("norm", x, self._spare(shape), self._spare(shape))
        statistics = [b for b in self.buffers if b.numel() == x.shape[1]][:2]
        if len(statistics) == 2:
            call.mean, call.var = (b.flatten() for b in statistics)
            self.buffers = [b for b in self.buffers if all(b is not s for s in statistics)]
        return call

    def _spare(self, shape: tuple[int, ...]) -> Tensor:
        for i, parameter in enumerate(self.spare):
            squeezed = parameter.numel() == shape[0] if len(shape) == 1 else tuple(parameter.shape) == shape
            if squeezed:
                return self.spare.pop(i).view(shape)
        raise NoSuchLayer


@dataclass
class Run:
    """One forward pass, and in training mode its gradients."""

    module: nn.Module
    calls: list[Call]
    x: Tensor
    training: bool
    output: Any = None
    overwritten: bool = False
    repeats: bool = True
    problem: Outcome | None = None
    gradients: dict[str, Tensor | None] = field(default_factory=dict)

    def replay(self) -> Replay:
        """A fresh hand-out of the layers."""
        return Replay(self.module, self.calls, self.x, self.training)


@contextlib.contextmanager
def seeded(seed: int = 0) -> Iterator[None]:
    """Random numbers from a seed; those of the notebook go on afterwards as if nothing had been drawn."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def same(a: Any, b: Any, tolerance: float = TOLERANCE) -> bool:
    """Whether two tensors have one shape and, but for rounding, the same numbers."""
    if not isinstance(a, Tensor) or not isinstance(b, Tensor) or a.shape != b.shape:
        return False
    return torch.allclose(a.detach().double(), b.detach().double(), rtol=tolerance, atol=tolerance, equal_nan=True)


def build(make: Callable[..., nn.Module], *args: Any) -> Outcome:
    """Build a learner's network, in float64, with random weights and statistics in place of ones and zeros."""
    if isinstance(make, nn.Module):
        seen = "You handed in a network that is already built."
        look = "Hand in the class itself, without brackets: the check builds several of them."
        return Outcome(problem=Finding("already_built", seen, look))
    outcome = contained(make, *args)
    if outcome.problem:
        return outcome
    if not isinstance(outcome.value, nn.Module):
        seen = f"Calling it with {args} gave {_describe(outcome.value)}, no nn.Module."
        if outcome.value is None:
            return Outcome(problem=none_returned(None))
        return Outcome(problem=Finding("no_module", seen, "Hand in the class itself, or a function that builds it."))
    return contained(_randomize, outcome.value)


def _randomize(module: nn.Module) -> nn.Module:
    module = module.double()
    for parameter in module.parameters():
        spread = (2 / parameter[0].numel()) ** 0.5 if parameter.ndim > 1 else 1.0
        nn.init.normal_(parameter, std=spread)
    for buffer in module.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    return module


def run(module: nn.Module, x: Tensor, training: bool) -> Run:
    """Run a learner's network, write down the layers that it calls, and in training mode take the gradients."""
    recorder = Recorder()
    result = Run(module, recorder.calls, x.clone().requires_grad_(), training)
    fed = result.x.clone()
    kept = fed.detach().clone()

    def forward() -> Tensor:
        module.train(training)
        with recorder:
            return module(fed)

    outcome = contained(forward)
    if outcome.problem:
        result.problem = outcome
        return result
    result.output, result.overwritten = outcome.value, not same(fed, kept)
    if isinstance(result.output, Tensor):
        again = contained(module, kept.clone())
        result.repeats = same(again.value, result.output)
    return result


def gradients(run_: Run, output: Tensor) -> dict[str, Tensor | None]:
    """Gradients of a fixed weighted sum of the output, for the input and for every parameter."""
    named = {"the input": run_.x, **dict(run_.module.named_parameters())}
    weights = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).view(output.shape)
    if not output.requires_grad:
        return dict.fromkeys(named)
    found = torch.autograd.grad((output * weights).sum(), list(named.values()), allow_unused=True, retain_graph=True)
    return dict(zip(named, found, strict=True))


def recognize(
    run_: Run, right: Callable[[Replay], Tensor], wrongs: Sequence[tuple[Finding, Callable[[Replay], Tensor]]]
) -> Finding | None:
    """Compare the output of a run with the right reference, then with each wrong one.

    Returns:
        None if it is right; the finding of the wrong reference that it equals; else what was seen.
    """
    if _equals(run_, right):
        return None
    for finding, reference in wrongs:
        if _equals(run_, reference):
            return finding
    return _difference(run_, right)


def compare_gradients(run_: Run, right: Callable[[Replay], Tensor]) -> Finding | None:
    """Compare all gradients with those of the right reference."""
    outcome = contained(gradients, run_, run_.output)
    if outcome.problem:
        return outcome.problem
    found, wanted = outcome.value, gradients(run_, right(run_.replay()))
    cut = [name for name in found if found[name] is None and wanted[name] is not None]
    if cut:
        look = "Does something on the way detach a tensor, or switch gradients off?"
        return Finding("gradient_cut", f"The output is right, but no gradient reaches {_list(cut)}.", look)
    off = [name for name in found if found[name] is not None and not same(found[name], wanted[name])]
    if off:
        look = "Is one path cut with detach, .data or no_grad? Autograd should do all of it."
        return Finding("gradient", f"The output is right, but the gradient of {_list(off)} is not.", look)
    return None


def compare_values(
    function: Callable[..., Any],
    cases: Sequence[tuple],
    right: Callable[..., Any],
    wrongs: Sequence[Wrong],
    tolerance: float = TOLERANCE,
) -> list[Finding | None]:
    """Compare the values of a learner's function, case by case.

    A wrong answer is recognized if it explains the values of all cases.

    Returns:
        For each case what was wrong, or None.
    """
    found = []
    for case in cases:
        hangs = found and isinstance(found[-1], Finding) and found[-1].key == "endless"
        found.append(found[-1] if hangs else _value(function, case))
    wanted = [_tensor(right(*case)) for case in cases]
    passed = [same(a, b, tolerance) for a, b in zip(found, wanted, strict=True)]
    known = None
    if not all(passed):
        for wrong in wrongs:
            if all(same(a, _try(wrong.answer, case), tolerance) for a, case in zip(found, cases, strict=True)):
                known = wrong.finding
                break
    return [
        None if ok else value if isinstance(value, Finding) else known or _unlike(value, target, case)
        for ok, value, target, case in zip(passed, found, wanted, cases, strict=True)
    ]


def none_returned(value: Any) -> Finding | None:
    """What to say about a function that returns nothing."""
    if value is not None:
        return None
    return Finding("returns_none", "Your function gives back None.", "Does every way through it end with return?")


def _value(function: Callable[..., Any], case: tuple) -> Tensor | Finding:
    outcome = contained(function, *copy.deepcopy(case))
    problem = outcome.problem or none_returned(outcome.value)
    if problem:
        return problem
    converted = contained(_tensor, outcome.value)
    if converted.problem:
        seen = f"Your function gives back {_describe(outcome.value)} where numbers are wanted."
        return Finding("no_number", seen, "What does the task ask you to return?")
    return converted.value


def _tensor(value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value.detach().double()
    if isinstance(value, tuple | list):
        return torch.stack([_tensor(item) for item in value])
    return torch.tensor(float(value), dtype=torch.float64)


def _try(answer: Callable[..., Any], case: tuple) -> Tensor | None:
    try:
        return _tensor(answer(*case))
    except (ArithmeticError, RuntimeError, ValueError):  # this mistake cannot be made with these numbers
        return None


def _unlike(value: Tensor, target: Tensor, case: tuple) -> Finding:
    given = ", ".join(_describe(item) for item in case)
    if value.shape != target.shape:
        seen = f"For ({given}) your answer has shape {tuple(value.shape)}; {tuple(target.shape)} was expected."
        return Finding("shape", seen, "Which dimension is too many, or missing?")
    shown = f"{value.item():g}" if value.ndim == 0 else f"numbers that are off by up to {_gap(value, target):.3g}"
    return Finding("value", f"For ({given}) you get {shown}.", "Work this case out by hand: where do you part?")


def _equals(run_: Run, reference: Callable[[Replay], Tensor]) -> bool:
    try:
        return same(run_.output, reference(run_.replay()))
    except (NoSuchLayer, RuntimeError):  # the learner's layers do not fit this reference
        return False


def _difference(run_: Run, right: Callable[[Replay], Tensor]) -> Finding:
    given = f"for an input of shape {tuple(run_.x.shape)}"
    try:
        wanted = right(run_.replay())
    except (NoSuchLayer, RuntimeError):
        look = "Which layers does the task name, and in which order?"
        return Finding("other", f"Your layers are not called in the expected order {given}.", look)
    if run_.output.shape != wanted.shape:
        seen = f"Your output has shape {tuple(run_.output.shape)} {given}; {tuple(wanted.shape)} was expected."
        return Finding("shape", seen, "Print the shape behind every layer: where does it first surprise you?")
    seen = f"Your output differs from the expected one by up to {_gap(run_.output, wanted):.3g} {given}."
    return Finding("other", seen, "Go through your forward pass line by line, beside what the task says.")


def _gap(a: Tensor, b: Tensor) -> float:
    return (a.detach() - b.detach()).abs().max().item()


def _describe(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    return repr(value) if isinstance(value, int | float | bool | tuple | list) else f"a {type(value).__name__}"


def _list(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (" and others" if len(names) > 3 else "")
