import pytest
import torch

from resnet_tutorial import InputError, create_model
from resnet_tutorial.analysis import block_names, feature_maps, recorded


def small(name="resnet14", **options):
    torch.manual_seed(0)
    return create_model(name, width=0.5, **options)


def hooks(model):
    return sum(len(module._forward_hooks) for module in model.modules())


def test_feature_maps_are_what_the_modules_give():
    model, images = small(), torch.randn(2, 3, 16, 16)
    maps = feature_maps(model, images, ["conv1", "stages.1.0"])
    model.eval()
    stem = torch.relu(model.bn1(model.conv1(images)))
    assert torch.equal(maps["conv1"], model.conv1(images))
    assert torch.equal(maps["stages.1.0"], model.stages[1][0](model.stages[0](stem)))
    assert not maps["conv1"].requires_grad


def test_blocks_are_named_in_order():
    model = small()
    blocks = [block for stage in model.stages for block in stage]
    assert [model.get_submodule(name) for name in block_names(model)] == blocks


def test_hooks_are_removed_also_after_an_error():
    model = small()
    with recorded(model, ["conv1"]):
        assert hooks(model) == 1
    assert hooks(model) == 0
    with pytest.raises(RuntimeError, match="channels"):
        feature_maps(model, torch.zeros(1, 5, 16, 16), ["conv1"])
    assert hooks(model) == 0 and model.training


def test_a_wrong_name_is_said():
    with pytest.raises(InputError, match=r"no module 'stages.9'"):
        feature_maps(small(), torch.zeros(1, 3, 16, 16), ["stages.9"])
