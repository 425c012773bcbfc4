"""Ask an answer once more when it is graded, at inputs drawn then: what it gives is compared outside of its kernel."""

import json
import math
import random
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from .contain import contained


class Draw(random.Random):
    """Inputs that follow from one seed: numbers as `random.Random` draws them, and tensors."""

    def tensor(self, *shape: int) -> Tensor:
        """Standard normal numbers, float32."""
        return torch.randn(shape, generator=self._generator())

    def images(self, *shape: int) -> Tensor:
        """Pixels, uint8."""
        return torch.randint(256, shape, generator=self._generator(), dtype=torch.uint8)

    def fill(self, module: nn.Module) -> nn.Module:
        """Give each parameter and buffer numbers that follow from its shape alone: names and order do not matter."""
        seed = self.randrange(2**31)
        with torch.no_grad():
            for one in (*module.parameters(), *module.buffers()):
                shape = [n for n in one.shape if n > 1]
                generator = torch.Generator().manual_seed(seed + sum(n * 1009**i for i, n in enumerate(shape)))
                if len(shape) > 1:  # weights of a convolution or a linear layer
                    one.copy_(torch.randn(shape, generator=generator).view(one.shape) / math.sqrt(one[0].numel()))
                elif one.is_floating_point():  # among them the variances of a BatchNorm
                    one.copy_(torch.rand(one.shape, generator=generator) + 0.5)
        return module

    def _generator(self) -> torch.Generator:
        return torch.Generator().manual_seed(self.randrange(2**31))


def draw(seed: int) -> Draw:
    """The inputs of a probe. Grading writes another seed into the cell."""
    return Draw(seed)


def probe(answer: Callable[..., Any], cases: Iterable[tuple]) -> str:
    """What an answer gives for each case, as JSON.

    As the last line of a cell that is tagged ``probe`` and stands behind a test in an assignment's source. Grading runs
    the cell in the student's kernel and in that of the solution. Where a test gave all points, the two must agree.

    Args:
        answer: takes the arguments of a case; gives numbers, texts, tensors, or lists and dicts of them.
        cases: arguments of each call, drawn by `draw`.
    """
    outcomes = [contained(answer, *case) for case in cases]
    return json.dumps(["failed" if one.problem else plain(one.value) for one in outcomes])


def behavior(module: nn.Module, x: Tensor) -> list[Tensor]:
    """Outputs in evaluation and in training, and the gradient of the latter's squares for ``x``."""
    x = x.clone().requires_grad_()
    with torch.no_grad():
        evaluated = module.eval()(x.detach())
    trained = module.train()(x)
    return [evaluated, trained, *torch.autograd.grad(trained.square().sum(), x)]


def plain(value: Any) -> Any:
    """The value as JSON can hold it; numbers with six digits."""
    if hasattr(value, "tolist"):  # a tensor or an array
        return plain(value.tolist())
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, float):
        return float(f"{value:.6g}")
    return value if isinstance(value, bool | int | str | None) else str(value)


def agree(one: Any, other: Any) -> bool:
    """Whether two plain values are the same, up to the rounding of float32."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(agree(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(agree, one, other))
    if isinstance(one, int | float) and isinstance(other, int | float):
        one, other = (max(-1e300, min(1e300, number)) if number == number else number for number in (one, other))
        return math.isclose(one, other, rel_tol=2e-3, abs_tol=2e-3) or (math.isnan(one) and math.isnan(other))
    return one == other
