"""Networks of one's own: given as a module, or named as FILE.py:CLASS."""

import textwrap
from pathlib import Path

import pytest
import torch
from torch import nn

from resnet_tutorial import (
    InputError,
    Recipe,
    ResNet,
    TrainConfig,
    Trainer,
    create_model,
    evaluate,
    load_trained,
    train,
)
from resnet_tutorial.training import load_checkpoint, make_parts
from tests.conftest import make_dataset
from tests.test_cli import refused, run

RECIPE = Recipe(epochs=2, batch_size=16, lr=0.05)
SOURCE = """
from torch import nn

class Tiny(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, 2)
        self.fc = nn.Linear(4, num_classes)

    def forward(self, x):
        return self.fc(self.conv(x).mean((2, 3)))

def wide():
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(2))

def broken(num_classes):
    raise ValueError("no such thing\\nat all")

number = 3
"""


class InTwo(nn.Module):
    """Gives a second answer in training, as networks with an auxiliary head do."""

    def forward(self, x):
        logits = x.mean((2, 3))[:, :2]
        return (logits, logits) if self.training else logits


class Odd(nn.Linear):
    """Keeps in its state what no file may give back."""

    def __init__(self):
        super().__init__(3, 2)

    def forward(self, x):
        return super().forward(x.mean((2, 3)))

    def get_extra_state(self):
        return Path("somewhere")


def tiny(classes=2):
    names = {}
    exec(SOURCE, names)
    return names["Tiny"](classes)


def trained(folder, model, **options):
    data = make_dataset(40), make_dataset(20, "test", 1)
    return train(model, *data, recipe=RECIPE, folder=folder, log=lambda line: None, precision="fp32", **options)


def test_a_module_is_trained_where_it_is_and_comes_back(tmp_path):
    model = tiny()
    before = model.fc.weight.clone()
    record = trained(tmp_path, model)
    assert record.model == "Tiny" and record.parameters == 122 and not torch.equal(before, model.fc.weight)
    back = load_trained(tmp_path, model=tiny())
    assert torch.equal(back.model.fc.weight, model.fc.weight) and not back.model.training
    with pytest.raises(InputError, match="of Tiny, code of your own, which runs only if you name it"):
        load_trained(tmp_path)
    with pytest.raises(InputError, match=r"weights of another network: size mismatch for fc\.bias"):
        load_trained(tmp_path, model=tiny(3))
    assert evaluate(tmp_path, make_dataset(20, "test", 1), model=tiny()).accuracy == record.test["accuracy"]
    for use in (lambda: load_trained(tmp_path, model=InTwo), lambda: trained(tmp_path / "class", InTwo)):
        with pytest.raises(InputError, match=r"InTwo is a class: make one, InTwo\(\)"):
            use()


def test_a_module_resumes_with_the_same_bits(tmp_path):
    """Its first weights are those that it came with; everything else is the seed's."""
    start = tiny().state_dict()
    whole, cut = tiny(), tiny()
    for model in (whole, cut):
        model.load_state_dict(start)
    trained(tmp_path / "whole", whole)

    def stop(row):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "cut", cut, listeners=[stop])
    fresh = tiny()
    trained(tmp_path / "cut", fresh, resume=True)
    assert all(map(torch.equal, fresh.state_dict().values(), whole.state_dict().values()))
    with pytest.raises(InputError, match="another model: it was Tiny, now it is Sequential"):
        trained(tmp_path / "cut", nn.Sequential(nn.Flatten(), nn.LazyLinear(2)), resume=True)


def test_a_changed_network_of_the_table_is_ones_own(tmp_path):
    """It would come back as the network that it no longer is."""

    class Other(ResNet):
        pass

    changed = create_model("resnet8", 2)
    changed.stages[0][0].bn1 = nn.BatchNorm2d(16, eps=0.1)
    plain = create_model("resnet8", 2)
    for i, model in enumerate((changed, Other(plain.arch, 2))):
        record = trained(tmp_path / str(i), model)
        assert record.options == {} and load_checkpoint(tmp_path / str(i))["own"], i
        with pytest.raises(InputError, match="code of your own"):
            load_trained(tmp_path / str(i))


def test_lazy_layers_draw_from_the_seed_and_nothing_else_does(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text("import torch\ntorch.manual_seed(5)\n" + textwrap.dedent(SOURCE))
    weights = []
    for seed in (0, 0, 1):
        before = torch.get_rng_state()
        config = TrainConfig("nets.py:wide", recipe=RECIPE, seed=seed, ckpt_dir=tmp_path / "run")
        one = Trainer(config, make_dataset(40), make_dataset(20, "test", 1))
        weights.append(one.model[1].weight.clone())
        torch.manual_seed(len(weights))
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2]) and before is not None


def test_a_look_at_a_module_leaves_it_as_it_is():
    class Counting(nn.Sequential):
        def forward(self, x):
            self.seen = getattr(self, "seen", 0) + (1 if self.training else 0)
            return super().forward(x)

    model = Counting(nn.Conv2d(3, 2, 32), nn.BatchNorm2d(2), nn.Dropout(), nn.Flatten())
    model[1].eval()
    before, numbers = {k: v.clone() for k, v in model.state_dict().items()}, torch.get_rng_state()
    make_parts(TrainConfig(recipe=RECIPE), make_dataset(40), model)
    assert model.training and not model[1].training and model.seen == 0
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert torch.equal(numbers, torch.get_rng_state())


def test_a_network_of_the_table_that_was_given_comes_back_by_itself(tmp_path):
    model = create_model("resnet8", 2, shortcut="B", width=0.3)  # 5, 10 and 19 channels
    record = trained(tmp_path, model)
    assert (record.model, record.options) == ("resnet8", {"shortcut": "B", "width": 19 / 64})
    assert torch.equal(load_trained(tmp_path).model.fc.weight, model.fc.weight)
    assert load_checkpoint(tmp_path)["own"] is False


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (tiny(3), r"Tiny gives \(2, 3\) for two images: for .* it should give \(2, 2\), a logit for each class"),
        (nn.Linear(5, 2), "Linear cannot take images of 3 × 32 × 32: mat1 and mat2"),
        (InTwo(), "InTwo gives a tuple for two images"),
        (Odd(), "the state_dict of Odd holds more than tensors and plain values"),
        (create_model("resnet8", 10), r"ResNet gives \(2, 10\)"),
    ],
)
def test_a_network_that_does_not_fit_is_refused_before_anything_is_written(tmp_path, model, message):
    with pytest.raises(InputError, match=message):
        trained(tmp_path / "run", model)
    assert not (tmp_path / "run").exists()


def test_the_command_line_takes_a_file(tmp_path, image_folder, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text(textwrap.dedent(SOURCE))
    words = ("--root", image_folder, "--epochs", 1, "--batch-size", 4, "--ckpt-dir", "run")
    code, out, _ = run(capsys, "train", "--model", "nets.py:Tiny", *words)
    assert code == 0 and "Tiny (122 parameters)" in out
    assert "add --model nets.py:Tiny" in refused(capsys, "evaluate", "run")
    assert "add --model nets.py:Tiny" in refused(capsys, "train", "--resume", "--ckpt-dir", "run")
    assert run(capsys, "train", "--resume", "--ckpt-dir", "run", "--model", "nets.py:Tiny")[0] == 0
    code, out, _ = run(capsys, "evaluate", "run", "--model", "nets.py:Tiny")
    assert code == 0 and "Tiny, epoch 1" in out
    for file in ("net.pt2", "net.safetensors"):
        assert run(capsys, "export", file, "run", "--model", "nets.py:Tiny")[0] == 0
    picture = next((image_folder / "test").rglob("*.png"))
    assert run(capsys, "predict", picture, "--checkpoint", "run", "--model", "nets.py:Tiny")[0] == 0


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nets.py:Tinny", "nets.py defines no Tinny: did you mean Tiny?"),
        ("other.py:Tiny", "no file other.py: name a network of your own as FILE.py:CLASS"),
        ("nets.py:broken", "nets.py:broken cannot be built: ValueError: no such thing"),
        ("nets.py:number", "nets.py:number cannot be built: TypeError: 3 is not a callable object"),
        ("wrong.py:Tiny", "wrong.py does not run: SyntaxError"),
        ("nets.py:Tiny --shortcut B", "--shortcut is for networks of the table"),
    ],
)
def test_a_file_that_holds_no_network(tmp_path, image_folder, monkeypatch, capsys, name, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text(textwrap.dedent(SOURCE))
    (tmp_path / "wrong.py").write_text("class Tiny(:")
    message = refused(capsys, "train", "--model", *name.split(), "--root", image_folder)
    assert words in message and message.count("\n") == 1 and not (tmp_path / "runs").exists()
