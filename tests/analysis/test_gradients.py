import pytest
import torch
import torch.nn.functional as F

from resnet_tutorial import create_model
from resnet_tutorial.analysis import block_gradients


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
