import pytest
import torch
from torch import nn

from resnet_tutorial import InputError, create_model
from resnet_tutorial.analysis import block_names, droppable_blocks, dropped_blocks, shuffled_blocks


def lively(name, **options):
    """A network in evaluation mode whose statistics are not those that it starts with."""
    torch.manual_seed(0)
    model = create_model(name, width=0.5, **options)
    with torch.no_grad():
        model(torch.randn(16, 3, 16, 16))
    return model.eval()


def blocks_of(model):
    return [block for stage in model.stages for block in stage]


@pytest.fixture
def images():
    return torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", ["resnet20", "plain20", "preact20", "resnet29"])
def test_dropping_a_block_that_keeps_the_shape_is_leaving_it_out(name, images):
    model, shorter = lively(name), lively(name)
    del shorter.stages[1][1]
    with torch.no_grad(), dropped_blocks(model, ["stages.1.1"]):
        assert torch.equal(model(images), shorter(images))
        assert not torch.allclose(model(images), lively(name)(images))


@pytest.mark.parametrize("name", ["resnet14", "preact14"])
@pytest.mark.parametrize("shortcut", ["A", "B", "C"])
def test_dropping_is_switching_the_branch_off(name, shortcut, images):
    """Also where the shape changes, and where the shortcut projects."""
    model, off = lively(name, shortcut=shortcut), lively(name, shortcut=shortcut)
    for block in (off.stages[1][0], off.stages[2][1]):
        last = block.conv2 if off.preact else block.bn2
        for parameter in last.parameters():
            nn.init.zeros_(parameter)
    with torch.no_grad(), dropped_blocks(model, ["stages.1.0", "stages.2.1"]):
        assert torch.allclose(model(images), off(images), atol=1e-6)


def test_the_blocks_are_back_afterwards_also_after_an_error(images):
    model = lively("resnet14")
    before, answer = blocks_of(model), model(images)
    names = list(model.state_dict())
    with pytest.raises(KeyError), dropped_blocks(model, block_names(model)):
        assert not set(blocks_of(model)) & set(before)
        raise KeyError
    assert blocks_of(model) == before and torch.equal(model(images), answer) and list(model.state_dict()) == names


def test_what_cannot_be_dropped_is_said():
    model = lively("plain14")
    assert droppable_blocks(model) == ["stages.0.0", "stages.0.1", "stages.1.1", "stages.2.1"]
    assert droppable_blocks(lively("resnet14")) == block_names(model)
    with pytest.raises(InputError, match="changes the shape"), dropped_blocks(model, ["stages.1.0"]):
        pass
    with pytest.raises(InputError, match="no block 'conv1'"), dropped_blocks(model, ["conv1"]):
        pass


def test_one_swap_exchanges_two_blocks_of_a_stage(images):
    model = lively("resnet20")
    before, answer = blocks_of(model), model(images)
    with shuffled_blocks(model, 1, torch.Generator().manual_seed(0)):
        moved = [(i, j) for i, a in enumerate(before) for j, b in enumerate(blocks_of(model)) if a is b and i != j]
        (i, j), back = moved
        assert back == (j, i) and i // 3 == j // 3
        assert torch.isfinite(model(images)).all() and not torch.allclose(model(images), answer)
    assert blocks_of(model) == before


def test_shuffling_moves_only_blocks_that_keep_the_shape(images):
    model = lively("resnet20")
    before = blocks_of(model)
    with shuffled_blocks(model, 5, torch.Generator().manual_seed(0)):
        shuffled = blocks_of(model)
        model(images)
    assert set(shuffled) == set(before) and shuffled[3] is before[3] and shuffled[6] is before[6]
    with pytest.raises(InputError, match="6 swaps"), shuffled_blocks(model, 6, torch.Generator()):
        pass
