import pytest
import torch
import torch.nn.functional as F

from resnet_tutorial import create_model
from resnet_tutorial.analysis import block_gradients, gradient_similarity


@pytest.mark.parametrize("name", ["resnet14", "plain14", "preact14"])
def test_they_are_those_of_a_backward_pass_and_leave_no_trace(name):
    torch.manual_seed(0)
    model = create_model(name, width=0.5)
    images, labels = torch.randn(8, 3, 16, 16), torch.arange(8)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    found = block_gradients(model.eval(), images, labels)
    assert not model.training and all(p.grad is None for p in model.parameters())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())

    model.train()
    x = model.conv1(images)
    x = x if model.preact else torch.relu(model.bn1(x))
    outputs = []
    for stage in model.stages:
        for block in stage:
            x = block(x)
            x.retain_grad()
            outputs.append(x)
    x = torch.relu(model.norm(x)) if model.preact else x
    F.cross_entropy(model.fc(x.mean(dim=(2, 3))), labels).backward()
    assert [entry.output for entry in found] == pytest.approx([x.grad.norm().item() for x in outputs], rel=1e-4)
    blocks = [block for stage in model.stages for block in stage]
    squares = [sum(p.grad.square().sum().item() for p in block.parameters()) for block in blocks]
    assert [entry.weights for entry in found] == pytest.approx([s**0.5 for s in squares], rel=1e-4)


def test_gradients_of_neighbors_agree_near_by_and_less_far_away():
    torch.manual_seed(0)
    model = create_model("plain14", width=0.5)
    images, labels = torch.randn(8, 3, 16, 16), torch.arange(8)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    same, near, far = gradient_similarity(model, images, labels, [0, 1e-4, 1], torch.Generator().manual_seed(0))
    assert same == pytest.approx(1, abs=1e-5) and 0.9 < near < 1 and abs(far) < 0.5
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_a_network_that_does_not_bend_has_the_same_gradient_everywhere():
    class Linear(torch.nn.Module):
        def forward(self, x):
            return torch.stack((x.mean(dim=(1, 2, 3)), -x.mean(dim=(1, 2, 3))), dim=1)

    images, labels = torch.randn(4, 3, 8, 8), torch.tensor([0, 1, 0, 1])
    assert gradient_similarity(Linear(), images, labels, [0.5]) == pytest.approx([1], abs=1e-5)
