"""Starting from weights: what stays as it is, what learns how fast, and what cannot be meant."""

import pytest
import torch
from torch import nn

from resnet_tutorial import InputError, Recipe, TrainConfig, Trainer, create_model, load_trained, save_weights
from resnet_tutorial.training import make_optimizer
from resnet_tutorial.training.fine_tuning import freeze
from resnet_tutorial.training.recipe_files import name_recipe
from tests.conftest import make_dataset

NUMBERS = {"mean": (0.5,) * 3, "std": (0.25,) * 3}


@pytest.fixture
def weights(tmp_path):
    """ResNet-8 that knows five classes."""
    torch.manual_seed(7)
    save_weights(create_model("resnet8", 5), tmp_path / "five.safetensors", classes=tuple("abcde"), **NUMBERS)
    return tmp_path / "five.safetensors"


def make(folder, weights, lines, **changes) -> Trainer:
    recipe = Recipe(**{"epochs": 1, "batch_size": 16, "lr": 0.05} | changes)
    config = TrainConfig("resnet8", recipe=recipe, pretrained=str(weights), ckpt_dir=folder, precision="fp32")
    return Trainer(config, make_dataset(40), make_dataset(20, "test", 1), log=lines.append)


def test_frozen_parts_stay_as_they_are_with_their_statistics(weights, tmp_path):
    lines = []
    record = make(tmp_path / "run", weights, lines, freeze="stem, conv2_x").fit()
    before, after = load_trained(weights).model.state_dict(), load_trained(tmp_path / "run").model.state_dict()
    changed = {name.rsplit(".", 1)[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed and not any(name.startswith(("conv1", "bn1", "stages.0")) for name in changed)
    assert "stages.1.0.bn1" in changed and after["fc.weight"].shape[0] == 2
    assert record.recipe["freeze"] == "stem, conv2_x" and "--freeze 'stem, conv2_x'" in record.command
    assert any("the last layer is new, for 2 classes (the weights know 5)" in line for line in lines)
    assert any("stem, conv2_x frozen" in line for line in lines)


def test_what_is_frozen_has_no_state_and_the_rest_a_rate_of_its_own():
    model = create_model("resnet8", 2)
    freeze(model, "stem")
    groups = make_optimizer(Recipe(lr=0.1, backbone_lr=0.01, decay_norm_and_bias=False), model).param_groups
    rates = {id(p): group["lr"] for group in groups for p in group["params"]}
    assert rates[id(model.fc.weight)] == rates[id(model.fc.bias)] == groups[0]["lr"] == 0.1
    assert rates[id(model.stages[0][0].conv1.weight)] == 0.01 and id(model.conv1.weight) not in rates
    assert len(rates) == sum(p.requires_grad for p in model.parameters())


def test_all_but_the_last_layer(weights, tmp_path):
    trainer = make(tmp_path / "run", weights, [], freeze="backbone", ema=0.9)
    trainer.fit()
    assert [name for name, p in trainer.model.named_parameters() if p.requires_grad] == ["fc.weight", "fc.bias"]
    before, after = load_trained(weights).model, load_trained(tmp_path / "run").model
    assert torch.equal(before.stages[2][0].bn2.running_mean, after.stages[2][0].bn2.running_mean)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"freeze": "fc"}, "the last layer, fc, cannot be frozen"),
        ({"freeze": "stem,conv5_x"}, "no part of the network is called 'conv5_x': choose from stem, conv2_x, conv3_x"),
        ({"freeze": ""}, "no part of the network is called '': choose from stem, conv2_x, conv3_x, conv4_x, backbone"),
        ({"backbone_lr": 0.1, "optimizer": "Muon"}, "backbone_lr is not for Muon"),
        ({"mean": (0.5, 0.5, 0.5)}, "mean and std belong together"),
        ({"mean": (125.0, 122.0, 114.0), "std": (63.0, 62.0, 66.0)}, "divide those of bytes by 255"),
        ({"balanced": True, "class_weights": True}, "choose one"),
    ],
)
def test_what_cannot_be_meant_is_said_in_one_line(weights, tmp_path, changes, said):
    with pytest.raises(InputError) as error:
        make(tmp_path / "run", weights, [], **changes)
    assert said in str(error.value) and "\n" not in str(error.value) and not (tmp_path / "run").exists()


def test_weights_that_fit_no_network(tmp_path):
    torch.save({"weight": torch.ones(3, 3)}, tmp_path / "odd.pth")
    torch.save(create_model("resnet20").state_dict(), tmp_path / "deep.pth")
    for name in ("odd.pth", "deep.pth", "missing.pth"):
        with pytest.raises(InputError) as error:
            make(tmp_path / "run", tmp_path / name, [])
        assert name in str(error.value) and "\n" not in str(error.value)


class Small(nn.Module):
    def __init__(self, num_classes=2):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
        self.head = nn.Linear(4, num_classes)

    def forward(self, x):
        return self.head(self.body(x).flatten(1))


def test_a_network_of_ones_own(tmp_path):
    (tmp_path / "nets.py").write_text("from tests.training.test_fine_tuning import Small\n")
    old = Small(5)
    torch.save(old.state_dict(), tmp_path / "old.pth")
    recipe = Recipe(epochs=1, batch_size=16, freeze="body", backbone_lr=0.01)
    name = f"{tmp_path / 'nets.py'}:Small"
    config = TrainConfig(name, recipe=recipe, pretrained=str(tmp_path / "old.pth"), ckpt_dir=tmp_path / "run")
    trainer = Trainer(config, make_dataset(40), make_dataset(20, "test", 1), log=lambda line: None)
    trainer.fit()
    assert trainer.model.head.out_features == 2
    for new, before in zip(trainer.model.body.state_dict().values(), old.body.state_dict().values(), strict=True):
        assert torch.equal(new, before)


def test_a_rare_class_counts_as_much_as_a_frequent_one(tmp_path):
    data = make_dataset(40)
    uneven = data.take(torch.cat([torch.nonzero(data.labels == 0)[:, 0], torch.nonzero(data.labels == 1)[:5, 0]]))
    recipe = Recipe(epochs=1, batch_size=8, class_weights=True, validation=0)
    config = TrainConfig("resnet8", recipe=recipe, ckpt_dir=tmp_path, precision="fp32")
    trainer = Trainer(config, uneven, make_dataset(20, "test", 1), log=lambda line: None)
    weights = trainer.parts.step.class_weights
    assert weights.tolist() == [25 / 40, 25 / 10] and weights[uneven.labels].mean() == 1
    images, labels = next(iter(trainer.parts.batches))
    trainer.parts.model.eval()
    with torch.no_grad():
        expected = nn.functional.cross_entropy(trainer.model(images), labels, weights, reduction="sum")
    measured = trainer.parts.step(images, labels, len(labels))
    torch.testing.assert_close(measured[0], expected)
    assert trainer.fit().recipe["class_weights"]


def test_images_are_normalized_as_for_the_weights(weights, tmp_path):
    lines = []
    record = make(tmp_path / "run", weights, lines, balanced=True).fit()
    assert record.data["mean"] == [0.5] * 3 and record.recipe["std"] == [0.25] * 3
    assert name_recipe(Recipe(epochs=3, mean=(0.5,) * 3, std=(0.25,) * 3)) == "quick, epochs 3"
    assert any(line.endswith("; images are normalized by their mean and std") for line in lines)
    weights.unlink()  # a run that goes on has no need of them
    recipe = Recipe(epochs=1, batch_size=16, lr=0.05, balanced=True)
    config = TrainConfig("resnet8", recipe=recipe, pretrained=str(weights), ckpt_dir=tmp_path / "run", resume=True)
    again = Trainer(config, make_dataset(40), make_dataset(20, "test", 1), log=lines.append).fit()
    assert again.test == record.test
    other = make(tmp_path / "other", tmp_path / "run", lines, mean=(0.1,) * 3, std=(0.2,) * 3)
    assert other.parts.mean == (0.1,) * 3


def test_a_rate_for_fresh_weights_is_noted(weights, tmp_path):
    for lr, backbone_lr in ((0.3, None), (0.3, 0.003), (0.03, None)):
        lines = []
        make(tmp_path / f"{lr} {backbone_lr}", weights, lines, lr=lr, backbone_lr=backbone_lr).fit()
        assert any("lr 0.3 is for fresh weights" in line for line in lines) == (lr == 0.3 and backbone_lr is None)
