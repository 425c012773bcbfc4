"""The moving average of a network's weights."""

from itertools import chain, compress

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel


class MovingAverage(AveragedModel):
    """An exponential moving average, BatchNorm statistics included, whose update never waits for a GPU.

    That of PyTorch copies its counter to the GPU at every step, and waits for the copy.

    Args:
        model: the network itself, without wrappers, on its device.
        decay: share of the average that stays at each step.
    """

    def __init__(self, model: nn.Module, decay: float):
        super().__init__(model, use_buffers=True)  # without a device named, the counter stays on the CPU
        self.decay = decay

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Take a step of the network in. The average begins with the weights after the first step."""
        averages, values = ([*chain(m.parameters(), m.buffers())] for m in (self.module, model))
        if self.n_averaged == 0:
            torch._foreach_copy_(averages, values)
        else:
            floats = [average.is_floating_point() for average in averages]
            torch._foreach_lerp_([*compress(averages, floats)], [*compress(values, floats)], 1 - self.decay)
            counts = [not is_float for is_float in floats]
            if any(counts):  # BatchNorm's, of batches
                torch._foreach_copy_([*compress(averages, counts)], [*compress(values, counts)])
        self.n_averaged += 1
