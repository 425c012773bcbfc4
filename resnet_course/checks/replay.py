"""Run a learner's network, and compute with its own layers.

A reference is an ordinary forward pass. `Replay` hands out the learner's layers for it by what went into them, so that
names and style do not matter. A layer computes with the settings that it has: how layers are wired, and how each of
them is set, are told apart.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter
from torch.overrides import TorchFunctionMode

from .contain import Outcome, contained
from .report import Finding
from .values import describe, none_returned, same

MOMENTUM = 0.1


class NoSuchLayer(Exception):
    """A reference asks for a layer that the learner's network does not have there."""


@dataclass
class Call:
    """One call of a layer: its input as it was then, its weights and settings, and for BatchNorm its statistics.

    The statistics are those that the layer has now; ``before`` and ``after`` are copies from around the call.
    """

    kind: str
    x: Tensor
    weight: Tensor | None
    bias: Tensor | None
    stride: int = 1
    padding: int = 0
    mode: str = "zeros"
    dilation: int = 1
    groups: int = 1
    mean: Tensor | None = None
    var: Tensor | None = None
    training: bool = True
    momentum: float = MOMENTUM
    eps: float = 1e-5
    before: tuple[Tensor, Tensor] | None = None
    after: tuple[Tensor, Tensor] | None = None


SIGNATURES = {
    torch.conv2d: ("input", "weight", "bias", "stride", "padding", "dilation", "groups"),
    F.batch_norm: ("input", "mean", "var", "weight", "bias", "training", "momentum", "eps"),
    torch.batch_norm: ("input", "weight", "bias", "mean", "var", "training", "momentum", "eps"),
    F.linear: ("input", "weight", "bias"),
}
KINDS = {torch.conv2d: "conv", F.batch_norm: "norm", torch.batch_norm: "norm", F.linear: "linear"}
LONG_NAMES = {"running_mean": "mean", "running_var": "var"}
BORDERS = {"zeros": "constant", "reflect": "reflect", "replicate": "replicate", "circular": "circular"}


class Recorder(TorchFunctionMode):
    """Writes down every convolution, BatchNorm and linear layer that is called, as a module or as a function."""

    def __init__(self):
        self.calls: list[Call] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func not in SIGNATURES:
            return func(*args, **kwargs)
        named = {LONG_NAMES.get(name, name): value for name, value in kwargs.items()}
        call = self._record(KINDS[func], {**dict(zip(SIGNATURES[func], args, strict=False)), **named})
        result = func(*args, **kwargs)
        if call.before:
            call.after = call.mean.clone(), call.var.clone()
        return result

    def _record(self, kind: str, given: dict[str, Any]) -> Call:
        x = given["input"].detach().clone()  # the learner may change it in place
        call = Call(kind, x, given.get("weight"), given.get("bias"))
        if kind == "conv":
            call.stride, call.dilation, call.groups = (
                _first(given.get(n, 1)) for n in ("stride", "dilation", "groups")
            )
            padding = given.get("padding", 0)
            half = call.dilation * (call.weight.shape[-1] - 1) // 2
            call.padding = {"same": half, "valid": 0}[padding] if isinstance(padding, str) else _first(padding)
        if kind == "norm":
            call.mean, call.var, call.training = given.get("mean"), given.get("var"), bool(given.get("training", False))
            call.momentum, call.eps = given.get("momentum", MOMENTUM), given.get("eps", 1e-5)
            if call.mean is not None:
                call.before = call.mean.clone(), call.var.clone()
        self.calls.append(call)
        return call


def _first(value: Any) -> int:
    return value if isinstance(value, int) else value[0]


class Replay:
    """The learner's own layers, for a reference to compute with. Each is handed out once.

    A layer is found by its kind and what went into it; of several, the one that is nearest to what is asked for.
    Where the learner's layers are no calls that could be recorded, such as a BatchNorm written by hand, parameters are
    taken by shape, in the order in which they were made.

    Args:
        module: the learner's network.
        calls: its recorded calls.
        x: the network's input.
        training: whether BatchNorm takes the statistics of the batch.
        turned: of convolutions with one kernel that read the same, take the last one first.

    Attributes:
        roles: the calls that were handed out, by the name under which they were asked for.
        doubtful: whether there were convolutions with one kernel that read the same.
    """

    def __init__(self, module: nn.Module, calls: Sequence[Call], x: Tensor, training: bool, turned: bool = False):
        self.calls = list(calls)
        self.x = x
        known = {id(tensor) for call in calls for tensor in (call.weight, call.bias, call.mean, call.var)}
        self.spare = [p for p in module.parameters() if id(p) not in known]
        self.buffers = [b for b in module.buffers() if id(b) not in known and b.is_floating_point()]
        self.training = training
        self.roles: dict[str, Call] = {}
        self.turned, self.doubtful = turned, False

    def conv(self, role: str, x: Tensor, out: int, kernel: int, stride: int = 1) -> Tensor:
        """The convolution that read ``x``; where there are several, one with these settings is preferred."""
        found = [call for call in self.calls if call.kind == "conv" and reads(call, x)]
        exact = (out, x.shape[1], kernel, kernel)
        found.sort(key=lambda call: (tuple(call.weight.shape) != exact, call.weight.shape[2] != kernel))
        sliced = x[:, :, ::stride, ::stride]
        if not found and kernel == 1 and stride > 1:  # the stride may be taken before, as a slice
            found = [call for call in self.calls if call.kind == "conv" and same(call.x, sliced)]
        if not found:
            call = Call("conv", x, self._spare(exact), None, stride, kernel // 2)
            self.roles[role] = call
            return F.conv2d(x, call.weight, None, stride, kernel // 2)
        asked = tuple(found[0].weight.shape) == exact
        alike = [call for call in found if not asked or call.weight.shape[2:] == found[0].weight.shape[2:]]
        self.doubtful |= len(alike) > 1
        call = alike[-1 if self.turned else 0]
        self.calls = [one for one in self.calls if one is not call]
        padding, mode = _border(call, x)
        steps = stride if call.x.shape[2:] == sliced.shape[2:] != x.shape[2:] else 1
        self.roles[role] = Call(
            "conv", x, call.weight, call.bias, call.stride * steps, padding, mode, call.dilation, call.groups
        )
        x = sliced if steps > 1 else x
        x = F.pad(x, (padding,) * 4, mode=BORDERS[mode]) if padding else x
        y = F.conv2d(x, call.weight, call.bias, call.stride, 0, call.dilation, call.groups)
        thin = y[:, :, ::stride, ::stride]  # the stride may be taken behind, as a slice
        if stride > 1 and any(same(call.x, thin) for call in self.calls) and not any(same(c.x, y) for c in self.calls):
            self.roles[role].stride *= stride
            return thin
        return y

    def norm(self, role: str, x: Tensor) -> Tensor:
        """The BatchNorm that read ``x``, in the mode in which it was called."""
        call = self._take("norm", x) or self._norm_by_hand(x)
        self.roles[role] = call
        if call.training or call.mean is None:
            return F.batch_norm(x, None, None, call.weight, call.bias, training=True, eps=call.eps)
        return F.batch_norm(x, call.mean, call.var, call.weight, call.bias, training=False, eps=call.eps)

    def linear(self, x: Tensor, out: int) -> Tensor:
        """The linear layer that read ``x``."""
        call = self._take("linear", x)
        if call is None and x.ndim == 2:  # a 1×1 convolution is the same, and so is the mean behind either
            heads = [c for c in self.calls if c.kind == "conv" and same(c.x.mean((2, 3)), x)]
            heads += [c for c in self.calls if c.kind == "linear" and c.x.ndim == 3 and same(c.x.mean(1), x)]
            call = next((c for c in heads if tuple(c.weight.shape[2:]) in ((), (1, 1))), None)
            if call:
                self.calls = [one for one in self.calls if one is not call]
                self.roles["linear"] = call
                return F.linear(x, call.weight.flatten(1), call.bias)
        if call is None:
            call = Call("linear", x, self._spare((out, x.shape[1])), self._spare((out,)))
        self.roles["linear"] = call
        return F.linear(x, call.weight, call.bias)

    def _take(self, kind: str, x: Tensor) -> Call | None:
        for i, call in enumerate(self.calls):
            if call.kind == kind and same(call.x, x):
                return self.calls.pop(i)
        return None

    def _norm_by_hand(self, x: Tensor) -> Call:
        shape = (x.shape[1],)
        call = Call("norm", x, self._spare(shape), self._spare(shape), training=self.training)
        statistics = [b for b in self.buffers if b.numel() == x.shape[1]][:2]
        if len(statistics) == 2:
            call.mean, call.var = (b.flatten() for b in statistics)
            self.buffers = [b for b in self.buffers if all(b is not s for s in statistics)]
        elif not self.training:
            raise NoSuchLayer
        return call

    def _spare(self, shape: tuple[int, ...]) -> Tensor:
        for i, parameter in enumerate(self.spare):
            squeezed = parameter.numel() == shape[0] if len(shape) == 1 else tuple(parameter.shape) == shape
            if squeezed:
                return self.spare.pop(i).view(shape)
        raise NoSuchLayer


def reads(call: Call, x: Tensor) -> bool:
    """Whether this is what a convolution reads, perhaps with a border around it."""
    return same(call.x, x) or _border(call, x) != (call.padding, "zeros")


def _border(call: Call, x: Tensor) -> tuple[int, str]:
    """How wide a border was put around ``x``, before the convolution or by it, and of what."""
    wider = call.x.shape[2] - x.shape[2]
    if call.x.shape[1] == x.shape[1] and wider > 0 and wider % 2 == 0 and wider == call.x.shape[3] - x.shape[3]:
        for mode, name in BORDERS.items():
            fits = mode in ("zeros", "replicate") or wider // 2 < min(x.shape[2:])
            if fits and same(call.x, F.pad(x, (wider // 2,) * 4, mode=name)):
                return wider // 2 + call.padding, mode
    return call.padding, "zeros"


@dataclass
class Run:
    """One forward pass of a network that was built with some arguments."""

    module: nn.Module
    arguments: tuple
    calls: list[Call]
    x: Tensor
    training: bool
    output: Any = None
    overwritten: bool = False
    repeats: bool = True
    turned: bool = False
    problem: Outcome | None = None
    gradients: dict[str, Tensor | None] = field(default_factory=dict)

    def replay(self) -> Replay:
        """A fresh hand-out of the layers."""
        return Replay(self.module, self.calls, self.x, self.training, self.turned)


@contextlib.contextmanager
def seeded(seed: int = 0) -> Iterator[None]:
    """Random numbers from a seed; those of the notebook go on afterwards as if nothing had been drawn."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def build(make: Callable[..., nn.Module], *args: Any, x: Tensor) -> Outcome:
    """Build a learner's network, in float64, with random weights and statistics in place of ones and zeros.

    Args:
        make: the learner's class, or a function that builds the network.
        args: what to build it with.
        x: an input, for layers that take their shape from it.
    """
    if isinstance(make, nn.Module):
        seen = "You handed in a network that is already built."
        look = "Hand in the class itself, without brackets: the check builds several of them."
        return Outcome(problem=Finding("already_built", seen, look))
    outcome = contained(make, *args)
    if outcome.problem:
        return outcome
    if not isinstance(outcome.value, nn.Module):
        seen = f"Calling it with {args} gave {describe(outcome.value)}, no nn.Module."
        look = "Hand in the class itself, or a function that builds it."
        return Outcome(problem=none_returned(outcome.value) or Finding("no_module", seen, look))
    if any(isinstance(parameter, UninitializedParameter) for parameter in outcome.value.parameters()):
        shaped = contained(outcome.value, x.float())
        if shaped.problem:
            return shaped
    return contained(_randomize, outcome.value)


def _randomize(module: nn.Module) -> nn.Module:
    module = module.double()
    for parameter in module.parameters():
        spread = (2 / max(1, parameter[0].numel())) ** 0.5 if parameter.ndim > 1 and len(parameter) else 1.0
        nn.init.normal_(parameter, std=spread)
    for buffer in module.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    return module


def run(module: nn.Module, arguments: tuple, x: Tensor, training: bool) -> Run:
    """Run a learner's network, and write down the layers that it calls."""
    recorder = Recorder()
    result = Run(module, arguments, recorder.calls, x.clone().requires_grad_(), training)
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
        calls = list(recorder.calls)
        with seeded(1):  # other random numbers than those of the first pass
            again = contained(module, kept.clone())
        result.calls, result.repeats = calls, same(again.value, result.output)
    return result


def gradients(run_: Run, output: Tensor) -> dict[str, Tensor | None]:
    """Gradients of a fixed weighted sum of the output, for the input and for every parameter."""
    named = {"the input": run_.x, **dict(run_.module.named_parameters())}
    weights = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).view(output.shape)
    if not output.requires_grad:
        return dict.fromkeys(named)
    wanted = {name: tensor for name, tensor in named.items() if tensor.requires_grad}
    found = torch.autograd.grad((output * weights).sum(), list(wanted.values()), allow_unused=True, retain_graph=True)
    return {**dict.fromkeys(named), **dict(zip(wanted, found, strict=True))}


def compare_gradients(run_: Run, right: Tensor) -> Finding | None:
    """Compare all gradients with those of the right reference's output."""
    outcome = contained(gradients, run_, run_.output)
    if outcome.problem:
        return outcome.problem
    frozen = [name for name, parameter in run_.module.named_parameters() if not parameter.requires_grad]
    if frozen:
        look = "Who sets requires_grad, and does the task ask for it?"
        return Finding("frozen", f"The output is right, but {_list(frozen)} cannot learn.", look)
    found, wanted = outcome.value, gradients(run_, right)
    cut = [name for name in found if found[name] is None and wanted[name] is not None]
    if cut:
        look = "Does something on the way detach a tensor, or switch gradients off?"
        return Finding("gradient_cut", f"The output is right, but no gradient reaches {_list(cut)}.", look)
    off = [name for name in found if found[name] is not None and not same(found[name], wanted[name])]
    if off:
        look = "Is one path cut with detach, .data or no_grad? Autograd should do all of it."
        return Finding("gradient", f"The output is right, but the gradient of {_list(off)} is not.", look)
    return None


def _list(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (" and others" if len(names) > 3 else "")
