"""CUDA graphs: a whole step recorded once and replayed with one launch.

A small network on a large GPU spends its time on launching hundreds of short kernels, not on running them. See
"CUDA Graphs" in PyTorch's notes on CUDA semantics, whose rules this follows: inputs in buffers that stay, a few steps
on a side stream before the recording, and the learning rate as a tensor, as a number would be recorded with the rest.
"""

import torch
from torch import optim

from ..errors import InputError
from .engine import Step

WARM_UP = 3  # ordinary steps of one shape in a row before it is recorded, in the place of an earlier shape


class GraphedStep:
    """A `Step` on a GPU that is recorded and replayed. The steps before the recording count: they train.

    Args:
        step: the step. Its optimizer must be SGD, Adam or AdamW, whose fused forms take the rate as a tensor.

    Raises:
        InputError: if the step cannot be recorded.
    """

    def __init__(self, step: Step):
        self._check(step)
        self.step = step
        self.latest, self.in_a_row = None, 0  # shape of the last images, and for how many steps
        self.graph = self.images = self.divisor = None
        # One for all steps: memory goes back only to the stream that it was taken on.
        self.side = torch.cuda.Stream(step.device.device)

    @property
    def groups(self) -> list[dict]:
        """The optimizer's groups; what loads its state puts others into their place."""
        return self.step.optimizer.param_groups

    def __call__(self, images: torch.Tensor, labels: torch.Tensor, divisor: float) -> torch.Tensor:
        """Train on one batch; arguments and result as of `Step`."""
        self.in_a_row = self.in_a_row + 1 if images.shape == self.latest else 0
        self.latest = images.shape
        new = self.graph is None or images.shape != self.images.shape or divisor != self.divisor
        if new and self.in_a_row < WARM_UP:
            return self._run(images, labels, divisor)
        if new:
            self._record(images, labels, divisor)
        self.images.copy_(images)
        self.labels.copy_(labels)
        for rate, group in zip(self.rates, self.groups, strict=True):
            rate.fill_(group["lr"])
        self.graph.replay()
        return self.measured.clone()

    def _run(self, images: torch.Tensor, labels: torch.Tensor, divisor: float) -> torch.Tensor:
        self.side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.side):
            measured = self.step(images, labels, divisor)
        torch.cuda.current_stream().wait_stream(self.side)
        return measured

    def _record(self, images: torch.Tensor, labels: torch.Tensor, divisor: float) -> None:
        self.images, self.labels, self.divisor = images.clone(), labels.clone(), divisor
        for group in self.groups:
            group.update(fused=True, foreach=False)
            group.update({"capturable": True} if "capturable" in group else {})
        numbers = [group["lr"] for group in self.groups]
        self.rates = [torch.full((), number, device=images.device) for number in numbers]
        self.step.optimizer.zero_grad(set_to_none=True)  # the recorded step makes gradients of its own
        self.graph = None  # an earlier one gives its memory back
        self.graph = torch.cuda.CUDAGraph()
        self._set_rates(self.rates)
        try:
            # Threads that prepare batches may use the GPU meanwhile.
            with torch.cuda.graph(self.graph, stream=self.side, capture_error_mode="thread_local"):
                self.measured = self.step(self.images, self.labels, divisor)
        finally:
            self._set_rates(numbers)  # schedules go on with plain numbers

    def _set_rates(self, rates: list) -> None:
        for group, rate in zip(self.groups, rates, strict=True):
            group["lr"] = rate

    def _check(self, step: Step) -> None:
        if step.device.device.type != "cuda":
            raise InputError("CUDA graphs need a GPU from NVIDIA: leave --cuda-graphs out")
        if step.scaler is not None:
            raise InputError("CUDA graphs do not go with fp16, whose scaler waits for every step: use --precision bf16")
        if not isinstance(step.optimizer, (optim.SGD, optim.Adam)):  # AdamW is an Adam
            raise InputError(f"CUDA graphs do not go with {type(step.optimizer).__name__}: use SGD, Adam or AdamW")
