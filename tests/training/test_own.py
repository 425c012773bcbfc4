"""Networks of one's own: given as a module, or named as FILE.py:CLASS."""

import textwrap

import pytest
import torch
from torch import nn

from resnet_tutorial import InputError, Recipe, create_model, load_trained, train
from resnet_tutorial.training import load_checkpoint
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


def test_a_network_of_the_table_that_was_given_comes_back_by_itself(tmp_path):
    model = create_model("resnet8", 2, shortcut="B", width=0.5)
    record = trained(tmp_path, model)
    assert (record.model, record.options) == ("resnet8", {"shortcut": "B", "width": 0.5})
    assert torch.equal(load_trained(tmp_path).model.fc.weight, model.fc.weight)
    assert load_checkpoint(tmp_path)["own"] is False


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (tiny(3), r"Tiny gives \(2, 3\) for two images: for .* it should give \(2, 2\), a logit for each class"),
        (nn.Linear(5, 2), "Linear cannot take images of 3 × 32 × 32: mat1 and mat2"),
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
