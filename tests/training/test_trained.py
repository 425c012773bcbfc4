import json

import pytest
import torch

from resnet_tutorial import (
    InputError,
    Recipe,
    TrainConfig,
    Trainer,
    create_model,
    export_weights,
    list_pretrained,
    save_weights,
)
from resnet_tutorial.training import load_trained
from resnet_tutorial.training.export import export
from resnet_tutorial.weights import pretrained_file
from tests.conftest import make_dataset

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return create_model("resnet8", num_classes=2).eval()


def answers(model):
    with torch.inference_mode():
        return model(torch.linspace(-1, 1, 3 * 32 * 32).view(1, 3, 32, 32))


def test_weights_with_everything_in_them(model, tmp_path):
    save_weights(model, tmp_path / "net.safetensors", classes=("cat", "dog"), mean=MEAN, std=STD)
    trained = load_trained(tmp_path / "net.safetensors")
    assert (trained.mean, trained.std, trained.classes, trained.image_size) == (MEAN, STD, ("cat", "dog"), 32)
    assert trained.run is None and not trained.model.training
    assert torch.equal(answers(trained.model), answers(model))


def test_weights_that_leave_the_mean_open(model, tmp_path):
    path = tmp_path / "net.safetensors"
    save_weights(model, path)
    with pytest.raises(InputError, match=r"does not say which mean .* --mean 0\.4914"):
        load_trained(path)
    with pytest.raises(InputError, match="give both or none"):
        load_trained(path, mean=MEAN)
    with pytest.raises(InputError, match="std is above 0"):
        load_trained(path, mean=MEAN, std=(0.2, 0.0, 0.2))
    trained = load_trained(path, mean=MEAN, std=STD)
    assert (trained.mean, trained.std) == (MEAN, STD)
    assert trained.classes is None and trained.class_names == ("class 0", "class 1")


def test_weights_of_others(tmp_path):
    """Option A and a plain network have the same tensors; option B is recognized alone."""
    torch.manual_seed(0)
    theirs = create_model("resnet20").eval()
    torch.save({"state_dict": export_weights(theirs, "idelbayev")}, tmp_path / "a.th")
    likely = load_trained(tmp_path / "a.th")
    assert likely.name == "resnet20" and "taken for resnet20, as plain20 has the same tensors" in likely.guess
    trained = load_trained(tmp_path / "a.th", model="ResNet20")
    assert trained.mean == (0.485, 0.456, 0.406) and torch.equal(answers(trained.model), answers(theirs))
    with pytest.raises(InputError, match="holds resnet20 or plain20, not resnet32"):
        load_trained(tmp_path / "a.th", model="resnet32")
    other = create_model("resnet20", shortcut="B").eval()
    torch.save(export_weights(other, "chenyaofo"), tmp_path / "b.pt")
    assert torch.equal(answers(load_trained(tmp_path / "b.pt", mean=MEAN, std=STD).model), answers(other))


def test_a_guessed_mean_is_called_one(tmp_path):
    torch.save(export_weights(create_model("resnet8"), "idelbayev"), tmp_path / "a.th")
    guess = load_trained(tmp_path / "a.th", model="resnet8").guess
    assert "mean and std assumed, 0.485 0.456 0.406 and 0.229 0.224 0.225" in guess and "give --mean --std" in guess
    assert load_trained(tmp_path / "a.th", model="resnet8", mean=MEAN, std=STD).guess == ""
    save_weights(create_model("resnet8"), tmp_path / "net.safetensors", mean=STD, std=STD)
    assert load_trained(tmp_path / "net.safetensors").guess == ""
    assert load_trained(tmp_path / "net.safetensors", mean=MEAN, std=STD).mean == MEAN  # given ones go before


def test_a_guess_stays_one_in_what_is_written(tmp_path):
    torch.save(export_weights(create_model("resnet8"), "idelbayev"), tmp_path / "a.th")
    guessed = load_trained(tmp_path / "a.th", model="resnet8")
    export(guessed, tmp_path / "net.safetensors")
    assert load_trained(tmp_path / "net.safetensors").guess == guessed.guess != ""
    assert load_trained(tmp_path / "net.safetensors", mean=MEAN, std=STD).guess == ""
    export(guessed, tmp_path / "net.pt2")
    told = {"metadata.json": ""}
    torch.export.load(tmp_path / "net.pt2", extra_files=told)
    assert json.loads(told["metadata.json"])["assumed"] == guessed.guess


def test_another_network_in_the_file_is_named(model, tmp_path):
    state = model.state_dict()
    torch.save({"state_dict": state, "state_dict_ema": dict(state)}, tmp_path / "a.pt")
    trained = load_trained(tmp_path / "a.pt", model="resnet8", mean=MEAN, std=STD)
    assert trained.others == ("another network, under the key 'state_dict_ema', was left alone",)


def test_a_backbone_without_a_head(model, tmp_path):
    torch.save({k: v for k, v in model.state_dict().items() if not k.startswith("fc")}, tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"without a head: load_weights\(model, path, partial=True\)"):
        load_trained(tmp_path / "a.pth", mean=MEAN, std=STD)


def test_what_is_no_network_for_these_images(model, tmp_path):
    save_weights(create_model("resnet8", in_channels=1), tmp_path / "gray.safetensors")
    with pytest.raises(InputError, match="images of 1 channels"):
        load_trained(tmp_path / "gray.safetensors")
    save_weights(model, tmp_path / "net.safetensors", mean=MEAN, std=STD)
    with pytest.raises(InputError, match="holds resnet8, not resnet20"):
        load_trained(tmp_path / "net.safetensors", model="resnet20")
    with pytest.raises(InputError, match="no weights at"):
        load_trained(tmp_path / "gone.safetensors")
    torch.save({"weight": torch.zeros(3, 3)}, tmp_path / "linear.pt")
    with pytest.raises(InputError):
        load_trained(tmp_path / "linear.pt")


def test_checkpoints_of_a_run(tmp_path):
    """The folder, each file in it, and the one before where the newest is damaged; options of the network included."""
    config = TrainConfig(
        "resnet8", width=0.5, recipe=Recipe(epochs=2, batch_size=20, validation=0.2), ckpt_dir=tmp_path
    )
    trainer = Trainer(config, make_dataset(40), make_dataset(20, "test", 1), log=lambda line: None)
    trainer.fit()
    for path in (tmp_path, tmp_path / "last.pt"):
        trained = load_trained(path)
        expected = trainer.model.state_dict()
        assert all(torch.equal(value, expected[name]) for name, value in trained.model.state_dict().items())
        assert (trained.mean, trained.classes, trained.run["epoch"]) == (trainer.parts.mean, ("left", "right"), 2)
    assert load_trained(tmp_path / "best.pt").run["epoch"] == trainer.record.best["epoch"]
    (tmp_path / "last.pt").write_bytes((tmp_path / "last.pt").read_bytes()[:-1000])
    assert load_trained(tmp_path / "last.pt").run["epoch"] == 2  # saved a second time, with the score on the test part
    with pytest.raises(InputError, match="leave out --mean, --std"):
        load_trained(tmp_path, mean=MEAN, std=STD)


def test_the_networks_of_the_package_go_by_their_names():
    (name, *_) = list_pretrained()
    trained = load_trained(name)
    assert trained.path == pretrained_file(name) and len(trained.mean) == 3 and trained.classes
