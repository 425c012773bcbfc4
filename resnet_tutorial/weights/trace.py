"""What a network does, step by step: the operations of one forward pass, whatever the layers are called."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

# torch's names of operations, and ours. An operation that only renames its input ("same") leaves no step.
KINDS = {
    "convolution": "conv",
    "native_batch_norm": "norm",
    "cudnn_batch_norm": "norm",
    "_native_batch_norm_legit_no_training": "norm",
    "relu": "relu",
    "add": "add",
    "constant_pad_nd": "pad",
    "cat": "cat",
    "slice": "slice",
    "avg_pool2d": "avgpool",
    "_adaptive_avg_pool2d": "avgpool",
    "mean": "avgpool",
    "max_pool2d_with_indices": "maxpool",
    "addmm": "linear",
    "mm": "linear",
    "linear": "linear",
    "_softmax": "softmax",
    "_log_softmax": "softmax",
    **dict.fromkeys(("view", "_unsafe_view", "clone", "alias", "detach", "squeeze", "_to_copy", "permute"), "same"),
}
CONSTANTS = {"zeros", "zeros_like", "new_zeros", "full", "full_like", "empty", "ones"}


@dataclass(frozen=True)
class Step:
    """One operation of a forward pass.

    Attributes:
        index: its place in the order of computation.
        kind: ``input``, ``constant``, one of the values of `KINDS`, or torch's own name of the operation.
        inputs: indices of the steps whose outputs it takes.
        shape: shape of its output.
        weight: name of the weight of a convolution or linear layer, else "".
        arguments: everything that it was called with.
    """

    index: int
    kind: str
    inputs: tuple[int, ...]
    shape: tuple[int, ...]
    weight: str
    arguments: tuple


class _Recorder(TorchDispatchMode):
    def __init__(self, weights: dict[int, str]):
        super().__init__()
        self.weights = weights
        self.steps: list[Step] = []
        self.producer: dict[int, int] = {}  # id of a tensor: the step that made its present content
        self.alive: list[torch.Tensor] = []  # an id may not be given to another tensor meanwhile

    def record(self, kind: str, inputs: tuple[int, ...], output: torch.Tensor, weight: str = "", arguments=()) -> None:
        step = Step(len(self.steps), kind, inputs, tuple(output.shape), weight, arguments)
        self.steps.append(step)
        self._remember(output, step.index)

    def _remember(self, tensor: torch.Tensor, index: int) -> None:
        self.alive.append(tensor)
        self.producer[id(tensor)] = index

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        outputs = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        in_place = name.endswith("_") and not name.startswith("_")
        output = args[0] if in_place else outputs[0] if isinstance(outputs, tuple) else outputs
        if not isinstance(output, torch.Tensor):
            return outputs
        name = name.rstrip("_")
        tensors = list(_tensors(args))
        inputs = tuple(self.producer[id(t)] for t in tensors if id(t) in self.producer)
        kind = KINDS.get(name, name)
        if "_pool2d" in name and list(args[1:2]) == [[1, 1]] and not name.startswith("_adaptive"):
            kind = "slice"  # a pooling of single positions takes every second one, or the like
        if name in CONSTANTS:
            self.record("constant", (), output)
        elif kind == "same" and inputs:
            self._remember(output, inputs[0])
        elif inputs:  # an operation on weights alone is none of the network's steps
            weight = next((self.weights[id(t)] for t in tensors if id(t) in self.weights), "")
            self.record(kind, inputs, output, weight, tuple(args))
        elif any(id(t) in self.weights for t in tensors):  # a weight that is turned before it is used
            self.weights[id(output)] = next(self.weights[id(t)] for t in tensors if id(t) in self.weights)
            self.alive.append(output)
        return outputs


def _tensors(arguments: Any) -> Iterator[torch.Tensor]:
    """The tensors among the arguments of an operation, lists of them included."""
    for argument in arguments:
        if isinstance(argument, torch.Tensor):
            yield argument
        elif isinstance(argument, list | tuple):
            yield from _tensors(argument)


def trace(model: nn.Module, x: torch.Tensor) -> list[Step]:
    """Record every operation of one forward pass in evaluation mode.

    An operation that works in place is recorded as if it made a new tensor.

    Args:
        model: any network; its mode (training or not) is put back afterwards.
        x: the input.

    Raises:
        Exception: whatever the network itself raises on this input.
    """
    recorder = _Recorder({id(p): name for name, p in model.named_parameters()})
    recorder.record("input", (), x)
    with evaluating(model), torch.no_grad(), recorder:
        model(x)
    return recorder.steps


@contextlib.contextmanager
def evaluating(model: nn.Module, training: bool = False) -> Iterator[None]:
    """Put a network into evaluation mode, and every module back into its own mode afterwards.

    Args:
        model: the network.
        training: whether to put it into training mode instead.
    """
    modes = {module: module.training for module in model.modules()}
    model.train(training)
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
