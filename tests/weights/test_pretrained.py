import pytest
import torch

import resnet_tutorial
from resnet_tutorial import InputError, create_model, list_pretrained, save_weights
from resnet_tutorial.weights import pretrained, pretrained_file, read_weights
from tests.weights.others import shake

CLASSES = ("circle", "square", "star")


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """The only trained network of the package: ResNet-8 with option B, three classes."""
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    model = shake(create_model("resnet8", 3, shortcut="B"))
    numbers = {"mean": [0.5] * 3, "std": [0.2] * 3}
    save_weights(model, tmp_path / "resnet8.toys.safetensors", classes=CLASSES, **numbers, dtype=torch.float16)
    return model


def test_a_trained_network_comes_by_name(trained):
    assert list_pretrained() == list_pretrained("resnet8*") == {"resnet8.toys": {}} and not list_pretrained("resnet20*")
    assert create_model("resnet8", 3, pretrained=True).arch.shortcut == "B"
    model = create_model("ResNet-8", 3, pretrained="toys")
    assert model.training and model.arch.shortcut == "B"
    for name, value in trained.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("resnet20", 3, "toys"), "'resnet20.toys': the package has resnet8.toys"),
        (("resnet8", 3, "cifar10"), "'resnet8.cifar10': the package has resnet8.toys"),
        (("resnet20", 3, True), "'resnet20.*': the package has resnet8.toys"),
        (("resnet8", 10, "toys"), "num_classes=3, then call model.reset_classifier(10)"),
    ],
)
def test_what_does_not_exist_is_said_in_one_line(trained, arguments, said):
    name, classes, tag = arguments
    with pytest.raises(InputError) as error:
        create_model(name, classes, pretrained=tag)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_options_that_the_weights_do_not_fit(trained):
    with pytest.raises(InputError, match="7×7 stem"):
        create_model("resnet8", 3, pretrained="toys", stem="imagenet")
    with pytest.raises(InputError, match="shortcut option B, not A: leave it out"):
        create_model("resnet8", 3, pretrained="toys", shortcut="A")
    assert create_model("resnet8", 3, pretrained="toys", shortcut="B").arch.shortcut == "B"


def test_a_name_is_no_path(trained):
    with pytest.raises(InputError, match="no trained network"):
        pretrained_file("../resnet8.toys")


def test_a_fresh_last_layer_for_other_classes(trained):
    model = create_model("resnet8", 3, pretrained="toys")
    before = model.conv1.weight.clone()
    model.reset_classifier(7)
    assert model.num_classes == 7 and model(torch.zeros(2, 3, 32, 32)).shape == (2, 7)
    assert torch.equal(model.conv1.weight, before)


@pytest.mark.parametrize("name", resnet_tutorial.list_pretrained())
def test_what_the_package_ships(name):
    path = pretrained_file(name)
    about = read_weights(path).metadata
    told = about["published"]
    assert path.stat().st_size < 2_000_000
    assert f"{about['architecture']['name']}." == name[: len(about["architecture"]["name"]) + 1]
    assert told["data"] == about["record"]["data"]["name"] and told["accuracy"] == about["record"]["test"]["accuracy"]
    assert abs(told["accuracy_half"] - told["accuracy"]) < 0.2
    listed = resnet_tutorial.list_pretrained()[name]
    assert listed["data"] == told["data"] and listed["accuracy"] == told["accuracy_half"]
    assert {"record", "commit", "date", "license", "test_images"} <= told.keys()
    model = create_model(about["architecture"]["name"], len(about["classes"]), pretrained=name.partition(".")[2])
    assert all(value.isfinite().all() for value in model.state_dict().values())
