"""What an answer gives when it is asked once more: the same whatever it is called, and nothing that hangs."""

import json

import torch
from torch import nn

from resnet_course.checks.probe import agree, behavior, draw, plain, probe


class Straight(nn.Module):
    def __init__(self, bias=False):
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1, bias=bias)
        self.bn = nn.BatchNorm2d(4)

    def forward(self, x):
        return self.bn(self.conv(x))


class Swapped(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(4)
        self.first = nn.Conv2d(2, 4, 3, padding=1, bias=False)

    def forward(self, images):
        return self.norm(self.first(images))


def asked(module):
    inputs = draw(3)
    return plain(behavior(inputs.fill(module), inputs.tensor(3, 2, 5, 4)))


def test_names_and_order_of_layers_do_not_matter_but_what_they_compute_does():
    assert agree(asked(Straight()), asked(Swapped()))
    assert not agree(asked(Straight()), asked(Straight(bias=True)))


def test_each_seed_draws_other_inputs():
    assert torch.equal(draw(1).tensor(3, 2), draw(1).tensor(3, 2)) and not torch.equal(
        draw(1).tensor(9), draw(2).tensor(9)
    )
    assert draw(1).images(2, 3).dtype == torch.uint8


def test_values_of_every_kind_become_data():
    one = json.loads(probe(lambda x: {"a": torch.tensor([x, 2.0]), 1: (True, None, "text")}, [(0.5,)]))
    assert one == [{"a": [0.5, 2.0], "1": [True, None, "text"]}]
    assert json.loads(probe(lambda x: 1 / x, [(0,), (2,)])) == ["failed", 0.5]


def test_numbers_agree_up_to_rounding_alone():
    assert agree([1.0, {"a": 100.0}], [1.0004, {"a": 100.03}])
    assert not agree([1.0], [1.01]) and not agree([1.0], [1.0, 2.0]) and not agree({"a": 1}, {"b": 1})
    assert not agree("higher", "lower") and not agree(None, [1]) and agree(float("nan"), float("nan"))
