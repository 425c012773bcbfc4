import pytest
import torch
import torch.nn.functional as F

from resnet_tutorial import InputError, create_model
from resnet_tutorial.analysis import filter_normalized_direction, loss_surface


@pytest.fixture
def model():
    torch.manual_seed(0)
    return create_model("resnet8", width=0.5)


def direction(model, seed=0):
    return filter_normalized_direction(model, torch.Generator().manual_seed(seed))


def test_each_filter_of_a_direction_is_as_long_as_that_of_the_network(model):
    step = direction(model)
    assert list(step) == [name for name, _ in model.named_parameters()]
    for name, weight in model.named_parameters():
        if weight.ndim == 1:
            assert not step[name].any(), name
        else:
            for mine, theirs in zip(step[name], weight, strict=True):
                assert mine.norm().item() == pytest.approx(theirs.norm().item(), rel=1e-5)
                assert not torch.allclose(mine, theirs)


def test_directions_repeat_with_their_seed(model):
    assert torch.equal(direction(model)["conv1.weight"], direction(model)["conv1.weight"])
    assert not torch.equal(direction(model)["conv1.weight"], direction(model, seed=1)["conv1.weight"])


def test_the_surface_is_the_loss_of_the_moved_network(model):
    images, labels = torch.randn(6, 3, 16, 16), torch.arange(6)
    steps = [direction(model), direction(model, seed=1)]
    before = {key: value.clone() for key, value in model.state_dict().items()}
    surface = loss_surface(model, images, labels, steps, [(-0.5, 0.0, 1.0), (0.0, 0.25)])
    assert surface.shape == (3, 2) and model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())

    model.eval()
    assert surface[1, 0].item() == pytest.approx(F.cross_entropy(model(images), labels).item(), rel=1e-5)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight += 1.0 * steps[0][name] + 0.25 * steps[1][name]
    assert surface[2, 1].item() == pytest.approx(F.cross_entropy(model(images), labels).item(), rel=1e-5)


def test_one_direction_gives_a_line_and_missing_places_are_said(model):
    images, labels = torch.randn(2, 3, 16, 16), torch.arange(2)
    assert loss_surface(model, images, labels, [direction(model)], [(-1, 0, 1)]).shape == (3,)
    with pytest.raises(InputError, match="1 directions"):
        loss_surface(model, images, labels, [direction(model)], [])
