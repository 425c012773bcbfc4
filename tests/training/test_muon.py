import copy
import math

import pytest
import torch
from torch import nn

from resnet_tutorial import Recipe, create_model
from resnet_tutorial.training import make_optimizer, make_scheduler
from resnet_tutorial.training.muon import Muon, orthogonalize

RECIPE = Recipe(optimizer="Muon", lr=0.1, rest_lr=0.2, momentum=0.6, weight_decay=5e-4, decay_norm_and_bias=False)


@pytest.mark.parametrize("shape", [(16, 144), (64, 576), (32, 16), (5, 40)])
def test_the_singular_values_come_near_one_and_the_directions_stay(shape):
    torch.manual_seed(0)
    matrix = torch.randn(shape)
    got = orthogonalize(matrix)
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    inside = u.T @ got @ v.T  # diagonal, if the singular vectors are the same
    values = inside.diagonal()
    assert values.min() > 0.5 and values.max() < 1.25
    assert (inside - torch.diag(values)).abs().max() < 1e-4
    torch.testing.assert_close(orthogonalize(1000 * matrix), got, rtol=1e-3, atol=1e-4)  # the length means nothing


def test_the_first_step_is_the_definition():
    torch.manual_seed(0)
    model = create_model("resnet8")
    before = copy.deepcopy(model)
    optimizer = make_optimizer(RECIPE, model)
    model(torch.randn(8, 3, 32, 32)).square().sum().backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters()}
    optimizer.step()
    old = dict(before.named_parameters())
    hidden = {name for name, p in model.named_parameters() if p.ndim == 4} - {"conv1.weight"}
    assert len(hidden) == 6
    for name, p in model.named_parameters():
        w, g = old[name], gradients[name]
        if name in hidden:
            turned = orthogonalize(g.flatten(1)).view_as(
                w
            )  # its length means nothing, so neither does the momentum yet
            expected = w * math.sqrt(len(w)) / w.norm() - 0.1 * turned
        else:
            decay = 5e-4 if w.ndim > 1 else 0.0
            expected = w - 0.2 * 1.6 * (g + decay * w)  # Nesterov: the first step counts 1 + momentum
        torch.testing.assert_close(p, expected, rtol=1e-4, atol=1e-5, msg=name)


def test_the_average_leads_the_steps_that_follow():
    weight = nn.Parameter(torch.eye(3).view(3, 3, 1, 1))
    optimizer = Muon([{"params": [weight], "muon": True, "average": 0.6, "momentum": 0.0}], lr=0.1)
    first, second = torch.randn(2, 3, 3, 1, 1)
    weight.grad = first.clone()
    optimizer.step()
    weight.grad = second.clone()
    optimizer.step()
    average = 0.6 * first + second
    torch.testing.assert_close(weight.grad, orthogonalize((second + 0.6 * average).flatten(1)).view_as(weight))


def test_both_rates_follow_the_schedule():
    model = create_model("resnet8")
    optimizer = make_optimizer(RECIPE, model)
    scheduler, _ = make_scheduler(RECIPE, optimizer, 10)
    tops = [0.0] * 3
    for _ in range(100):
        tops = [max(top, group["lr"]) for top, group in zip(tops, optimizer.param_groups, strict=True)]
        optimizer.step()
        scheduler.step()
    assert tops == pytest.approx([0.1, 0.2, 0.2])


def test_a_network_without_hidden_convolutions_is_trained_by_sgd_alone():
    optimizer = make_optimizer(RECIPE, nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4, 2)))
    assert not any(group.get("muon") for group in optimizer.param_groups)


def test_weights_that_start_at_zero_move_and_stay_numbers():
    model = create_model("preact8", zero_init_residual=True)  # its last convolutions are zero
    optimizer = make_optimizer(RECIPE, model)
    model(torch.randn(4, 3, 32, 32)).square().sum().backward()
    optimizer.step()
    assert all(p.isfinite().all() for p in model.parameters())
    assert model.stages[0][0].conv2.weight.abs().sum() > 0
