import pytest
import torch
from torch import nn

from resnet_tutorial import create_model
from resnet_tutorial.analysis import grad_cam


def test_against_a_calculation_by_hand():
    """One channel doubles the image, one negates it; class 0 is the mean of the first, class 1 of the second."""
    net = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2))
    with torch.no_grad():
        net[0].weight[:, 0, 0, 0] = torch.tensor([2.0, -1.0])
        net[3].weight.copy_(torch.eye(2))
        net[3].bias.zero_()
    image = torch.tensor([[1.0, -2.0], [3.0, 4.0]]).expand(2, 1, 2, 2)
    # The mean over 4 positions has a gradient of 1/4 at each: relu(2 · image / 4) for class 0, relu(-image / 4) for 1.
    expected = torch.tensor([[[0.5, 0.0], [1.5, 2.0]], [[0.0, 0.5], [0.0, 0.0]]])
    assert torch.allclose(grad_cam(net, image, torch.tensor([0, 1]), layer="0"), expected)
    assert torch.allclose(grad_cam(net, image, layer="0"), expected[:1].expand(2, 2, 2)), "its own answer is class 0"


@pytest.mark.parametrize("layer", ["stages", "stages.1"])
def test_images_do_not_look_at_each_other_and_nothing_is_left_behind(layer):
    torch.manual_seed(0)
    model = create_model("resnet8", width=0.5)
    images = torch.randn(3, 3, 16, 16)
    maps = grad_cam(model, images, torch.tensor([0, 1, 2]), layer)
    assert maps.shape == ((3, 4, 4) if layer == "stages" else (3, 8, 8))
    assert torch.allclose(maps[1:2], grad_cam(model, images[1:2], torch.tensor([1]), layer), atol=1e-6)
    assert maps.min() >= 0 and not maps.requires_grad
    assert model.training and all(p.grad is None for p in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())


def test_with_global_average_pooling_it_is_the_class_activation_map():
    """Zhou et al. 2016: the features, weighted with the row of the linear layer."""
    torch.manual_seed(0)
    model = create_model("resnet8", width=0.5).eval().requires_grad_(False)
    images = torch.randn(2, 3, 16, 16)
    features = model.forward_features(images)
    cam = torch.einsum("nchw,c->nhw", features, model.fc.weight[3]) / 16
    assert torch.allclose(grad_cam(model, images, torch.tensor([3, 3])), cam.relu(), atol=1e-6)
