"""Muon: every step turns the weights of a convolution by about the same amount in all directions."""

import torch
from torch import optim

# Coefficients of a polynomial that takes all numbers from near 0 to 1 close to 1 in a few rounds (Jordan et al. 2024).
A, B, C = 3.4445, -4.7750, 2.0315
ROUNDS = 3


def orthogonalize(matrix: torch.Tensor) -> torch.Tensor:
    """Bring the singular values of a matrix close to 1 and keep its singular vectors, by Newton-Schulz rounds.

    Args:
        matrix: float32, m × n.

    Returns:
        float32, m × n; the large singular values lie between about 0.6 and 1.2.
    """
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T  # the product below is then the smaller one
    x = wide / (wide.norm() + 1e-7)
    for _ in range(ROUNDS):
        product = x @ x.T
        x = A * x + (B * product + C * product @ product) @ x
    return x if wide is matrix else x.T


class Muon(optim.SGD):
    """SGD whose groups marked ``muon`` step along an orthogonal matrix, not along the gradient (Jordan et al. 2024).

    The gradient of such a weight, a convolution's seen as the matrix out × (in · height · width), goes into an average
    with momentum, whose singular values are then brought close to 1. Before each step the weight gets its norm √out
    back: BatchNorm after the convolution makes its length mean nothing, and a fixed one lets the rate alone say how
    far a step turns it. (`torch.optim.Muon`, in later versions of PyTorch, takes matrices only.)

    Args:
        groups: groups of parameters as for SGD; a marked one has ``average``, its own momentum, and none of SGD's.
        lr: rate of the groups that name none.
        **options: of SGD.
    """

    @torch.no_grad()
    def step(self) -> None:
        """Take one step; the gradients of marked groups hold the orthogonal matrices afterwards."""
        for group in self.param_groups:
            for weight in group["params"]:
                if not group.get("muon") or weight.grad is None:
                    continue
                state = self.state[weight]
                if "average" not in state:
                    state["average"] = torch.zeros_like(weight)
                average = state["average"].mul_(group["average"]).add_(weight.grad)
                ahead = weight.grad.add(average, alpha=group["average"])  # Nesterov's form
                weight.grad.copy_(orthogonalize(ahead.flatten(1)).view_as(weight))
                weight.mul_(len(weight) ** 0.5 / weight.norm().clamp(min=1e-7))
        super().step()
