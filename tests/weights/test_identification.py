"""What `identify` says of networks that others wrote, of wrong ones, and of weights alone."""

import pytest
import timm
import torch
import torch.nn.functional as F
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from resnet_tutorial import ARCHITECTURES, InputError, create_model, export_weights, identify, save_weights
from resnet_tutorial.cli import main
from resnet_tutorial.models import BasicBlock, ProjectionShortcut
from resnet_tutorial.weights import read_weights
from tests.weights.mutants import MUTANTS, make_mutant


class Residual(nn.Module):
    """A basic block in the words of somebody else: other names, `nn.Sequential`, ReLU in place."""

    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(c_out),
            nn.ReLU(inplace=True),
            nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(c_out),
        )
        self.skip = nn.Sequential()
        if stride != 1 or c_in != c_out:
            self.skip = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out))
        self.act = nn.ReLU(inplace=True)

    def forward(self, x):
        out = self.body(x)
        out += self.skip(x)
        return self.act(out)


def hand_made(block=Residual, n=3, widths=(16, 32, 64), classes=10):
    layers = [nn.Conv2d(3, widths[0], 3, 1, 1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()]
    before = widths[0]
    for i, width in enumerate(widths):
        for j in range(n):
            layers.append(block(before, width, 2 if i and not j else 1))
            before = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, classes))


@pytest.mark.parametrize("name", [arch.name for arch in ARCHITECTURES.values() if arch.depth <= 56])
def test_each_network_of_the_table_is_named_and_faultless(name):
    model = create_model(name, width=0.25)
    found = identify(model)
    assert found.arch == model.arch
    assert found.departures == found.unknown == ()
    weights_alone = identify(model.state_dict())
    assert model.arch in weights_alone.candidates
    assert weights_alone.departures == ()


@given(
    name=st.sampled_from(["resnet8", "resnet14", "resnet29", "resnet18", "preact20", "preact29", "plain14"]),
    shortcut=st.sampled_from([None, "A", "B", "C"]),
    stem=st.sampled_from(["cifar", "imagenet"]),
    num_classes=st.integers(1, 30),
    in_channels=st.integers(1, 4),
    width=st.sampled_from([0.25, 0.5, 1.0]),
)
@settings(max_examples=25, deadline=None)
def test_whatever_the_options_the_network_is_recognized(name, shortcut, stem, num_classes, in_channels, width):
    shortcut = None if name.startswith("plain") else shortcut
    model = create_model(name, num_classes, shortcut=shortcut, stem=stem, in_channels=in_channels, width=width)
    modes = [m.training for m in model.modules()]
    found = identify(model)
    assert (found.arch, found.num_classes) == (model.arch, num_classes)
    assert found.parameters == sum(p.numel() for p in model.parameters())
    assert bool(found.departures) == (stem == "imagenet")
    assert model.arch in identify(model.state_dict()).candidates
    assert modes == [m.training for m in model.modules()]


def test_what_weights_alone_cannot_tell_is_said_to_be_unknown():
    found = identify(create_model("resnet20").state_dict())
    assert [arch.name for arch in found.candidates] == ["resnet20", "plain20"]
    assert found.name is None and found.arch is None
    assert any("option A" in text and "plain" in text for text in found.unknown)
    assert any("strides" in text for text in found.unknown)
    assert "32×32" not in str(found)
    assert identify(create_model("resnet20", shortcut="B").state_dict()).name == "resnet20"


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50"])
def test_torchvision(name):
    model = getattr(torchvision.models, name)()
    for found in (identify(model, image_size=224), identify(model.state_dict())):
        assert (found.name, found.arch.stem, found.arch.shortcut) == (name, "imagenet", "B")
        assert found.num_classes == 1000
    assert identify(model, image_size=224).departures == ()
    assert "max-pool kept: the first stage sees 8×8" in identify(model).departures


def test_timm():
    model = timm.create_model("resnetv2_50", num_classes=7)
    for found in (identify(model, image_size=224), identify(model.state_dict())):
        assert (found.name, found.num_classes) == ("preact50", 7)


def test_variants_of_torchvision_are_none_of_the_papers_networks():
    wide = identify(torchvision.models.wide_resnet50_2())
    assert wide.candidates == () and any("widen by 2, not by 4" in text for text in wide.departures)
    grouped = identify(torchvision.models.resnext50_32x4d())
    assert grouped.candidates == () and any("32 groups" in text for text in grouped.departures)


def test_a_network_of_no_known_words():
    model = hand_made()
    found = identify(model)
    assert found.arch == create_model("resnet20", shortcut="B").arch
    assert found.departures == ()
    weights = model.state_dict()
    assert identify(weights).arch == found.arch
    shuffled = dict(sorted(weights.items(), reverse=True))  # safetensors gives back no order
    assert identify(shuffled).arch == found.arch


def test_names_that_do_not_fit():
    resnet164 = create_model("resnet164", width=0.25)
    found = identify(resnet164, claimed="resnet110.pth")
    assert found.name == "resnet164"
    assert any("bottleneck 9n+2" in text and "not ResNet-110" in text for text in found.departures)
    assert identify(resnet164, claimed="ResNet164").departures == ()

    class ResNet20(nn.Sequential):
        pass

    found = identify(ResNet20(create_model("resnet18", width=0.25)))
    assert found.departures == ("it is called resnet20, but it has the layers of ResNet-18",)
    assert identify(create_model("plain20"), claimed="resnet20").departures != ()
    assert identify(create_model("preact20"), claimed="PreActResNet20").departures == ()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_wrong_blocks_are_named(mutant):
    found = identify(make_mutant(mutant))
    assert any(mutant.named in text for text in found.departures), found.departures
    assert found.facts["block"].startswith("basic")


@pytest.mark.parametrize(
    ("name", "named"), [("biases", "with a bias"), ("no BatchNorm on the projection", "projection has no BatchNorm")]
)
def test_wrong_blocks_are_named_from_weights_alone_where_they_show(name, named):
    mutant = next(m for m in MUTANTS if m.name == name)
    assert any(named in text for text in identify(make_mutant(mutant).state_dict()).departures)


def test_the_command_names_what_was_ignored(tmp_path, capsys):
    torch.save(others_names() | {"total_ops": torch.zeros(1), "alpha": torch.ones(1)}, tmp_path / "w.pth")
    status, out, _ = run(capsys, tmp_path / "w.pth")
    assert status == 0 and "1 counters of a profiler" in out and "no layer that the paper has: alpha" in out


def test_a_bias_is_idle_only_in_front_of_a_batchnorm():
    model = create_model("resnet14", shortcut="B")
    for stage, (before, width) in ((1, (16, 32)), (2, (32, 64))):
        model.stages[stage][0].shortcut = nn.Sequential(nn.Conv2d(before, width, 1, stride=2))
    model.conv1 = nn.Conv2d(3, 16, 3, padding=1)
    departures = " ".join(identify(model).departures)
    assert "1 convolution with a bias: BatchNorm subtracts it again, 16 idle parameters" in departures
    assert "2 convolutions with a bias and no BatchNorm after it" in departures


def test_stride_on_the_wrong_block():
    model = create_model("resnet14")
    first, second = model.stages[1][0], model.stages[1][1]
    first.conv1.stride, second.conv1.stride = (1, 1), (2, 2)
    first.shortcut = ProjectionShortcut(16, 32, 1)
    second.shortcut = ProjectionShortcut(32, 32, 2)
    departures = identify(model).departures
    assert "stride on the wrong block: in conv3_x on block 2, its features end at 16×16" in departures
    second.conv1.stride, second.shortcut = (1, 1), nn.Identity()
    assert "stride on the wrong block: none in conv3_x, so its features stay 32×32" in identify(model).departures


def others_names(**options):
    return export_weights(create_model("resnet14", width=0.25, shortcut="B", **options), "chenyaofo")


def test_parameters_of_no_layer_are_named():
    """A learned factor, a lone weight, PReLU, and in a network as well as in its weights."""
    weights = others_names()
    for extra in ("layer1.0.alpha1.alpha", "layer1.0.relu.weight", "layer2.1.scale", "loss.weight", "gamma"):
        found = identify(weights | {extra: torch.ones(4)})
        assert found.name == "resnet14" and "nowhere" not in str(found)
        assert any(f"1 parameter of no layer that the paper has: {extra}" in text for text in found.departures)
    model = create_model("resnet8", width=0.25)
    model.stages[0][0].relu = nn.PReLU()
    model.stages[0][0].scale = nn.Parameter(torch.ones(1))
    assert any("stages.0.0.scale, stages.0.0.relu.weight" in text for text in identify(model).departures)


def test_what_was_done_to_a_state_dict_is_said(tmp_path):
    weights = others_names()
    parameters = identify(weights).parameters
    profiled = weights | {"total_ops": torch.zeros(1), "layer1.0.conv1.total_params": torch.zeros(1)}
    mask = (torch.rand_like(weights["conv1.weight"]) > 0.5).float()
    pruned = {name: value for name, value in weights.items() if name != "conv1.weight"}
    pruned |= {"conv1.weight_orig": weights["conv1.weight"], "conv1.weight_mask": mask}
    wrapped = {f"model.{name}": value for name, value in weights.items()} | {"loss.weight": torch.ones(10)}
    taught = {f"student.{name}": value for name, value in weights.items()}
    taught |= {f"teacher.{name}": value for name, value in weights.items()}
    averaged = weights | {f"ema.{name}": value for name, value in weights.items()}
    for state, words in (
        (taught, "another network, under the prefix 'teacher.', was left alone"),
        (averaged, "another network, under the prefix 'ema.', was left alone"),
        (profiled, "2 counters of a profiler"),
        (pruned, "masks of pruning were multiplied into 1 weight"),
        (wrapped, "loss.weight was left out"),
    ):
        torch.save(state, tmp_path / "w.pth")
        for form in (state, read_weights(tmp_path / "w.pth")):
            found = identify(form)
            assert (found.name, found.parameters, found.departures) == ("resnet14", parameters, ())
            assert any(words in note for note in found.notes) and words in str(found) and "nowhere" not in str(found)


@pytest.mark.parametrize("option", "BC")
@pytest.mark.parametrize("order", [1, -1])
def test_projections_of_3x3_are_named(option, order):
    model = create_model("resnet14", shortcut=option, width=0.25)
    for stage in model.stages:
        for block in stage:
            if isinstance(block.shortcut, ProjectionShortcut):
                old = block.shortcut[0]
                block.shortcut[0] = nn.Conv2d(old.in_channels, old.out_channels, 3, block.conv1.stride, 1, bias=False)
    for found in (identify(model), identify(dict(sorted(model.state_dict().items())[::order]))):
        assert (found.name, found.arch.shortcut) == ("resnet14", option)
        count = 2 if option == "B" else 6
        assert any(f"{count} projections by 3×3 convolutions" in text for text in found.departures)


def test_option_b_where_each_block_changes_shape():
    """As RepDistiller's resnet8x4, whose stem is narrower than the first stage."""
    weights = create_model("resnet8", shortcut="C").state_dict()
    assert identify(weights).arch.shortcut == "C"
    weights |= {"conv1.weight": torch.zeros(8, 3, 3, 3), "bn1.weight": torch.ones(8), "bn1.bias": torch.ones(8)}
    weights |= {f"stages.0.0.{n}.weight": torch.zeros(16, 8, k, k) for n, k in (("conv1", 3), ("shortcut.0", 1))}
    found = identify(weights)
    assert found.arch.shortcut == "B" and any("stem has 8 channels" in text for text in found.departures)


def test_more_layers_than_the_paper_has_are_named():
    weights = others_names()
    without_head = {name: value for name, value in weights.items() if not name.startswith("fc")}
    group_norm = {name: value for name, value in weights.items() if not name.startswith("bn1.running")}
    for state, words in (
        (
            weights | {"layer1.0.se.fc1.weight": torch.zeros(2, 4), "layer1.0.se.fc2.weight": torch.zeros(4, 2)},
            "3 linear",
        ),
        (without_head, "no linear layers"),
        (group_norm, "no BatchNorm: bn1"),
        (
            weights | {f"layer{i}.0.bn3.{n}": torch.ones(4) for i in (1, 2, 3) for n in ("weight", "bias")},
            "more than one",
        ),
    ):
        assert any(words in text for text in identify(state).departures), words
    bare = {name: value for name, value in weights.items() if "running" not in name}
    assert any("no running statistics" in text for text in identify(bare).unknown)


def test_the_head():
    body = hand_made(n=1)
    softmax = identify(nn.Sequential(body, nn.Softmax(dim=1)))
    assert any("softmax" in text for text in softmax.departures)
    no_pool = nn.Sequential(*body[:6], nn.Flatten(), nn.Linear(64 * 8 * 8, 10))
    assert any("no global average pooling" in text for text in identify(no_pool).departures)
    two = nn.Sequential(*body, nn.ReLU(), nn.Linear(10, 5))
    assert any("2 linear layers" in text for text in identify(two).departures)


def test_preactivation_without_its_last_norm():
    model = create_model("preact20")
    model.norm = nn.Identity()
    model.preact = False  # leaves out the ReLU, too; and there is none behind the stem
    model.bn1 = nn.BatchNorm2d(16)
    assert any("after the last block" in text for text in identify(model).departures)


def test_weights_used_twice():
    model = create_model("resnet14")
    model.stages[0][1].conv1 = model.stages[0][0].conv1
    assert any("more than once: stages.0.0.conv1" in text for text in identify(model).departures)


def test_input_that_is_no_residual_network():
    with pytest.raises(InputError, match="no convolution"):
        identify(nn.Linear(3, 2))
    with pytest.raises(InputError, match="no stack of convolutions"):
        identify({"weight": torch.zeros(3, 3)})
    with pytest.raises(InputError, match="takes a network or a state dict"):
        identify("resnet20")
    tied = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8 * 222 * 222, 2))
    with pytest.raises(InputError, match="does not run on a 32×32 image"):
        identify(tied)
    found = identify(torchvision.models.vgg11(num_classes=3), image_size=64)
    assert found.candidates == () and found.title == "No residual network"


def test_the_network_is_left_as_it_was():
    model = create_model("resnet8").train()
    model.stages[0].eval()  # a mode of its own
    before = {key: value.clone() for key, value in model.state_dict().items()}
    identify(model)
    assert not model.stages[0].training and model.stages[1].training and model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_a_functional_block_reads_the_same():
    class Functional(BasicBlock):
        def forward(self, x):
            out = F.relu_(self.bn1(self.conv1(x)))
            return F.relu(torch.add(self.shortcut(x), self.bn2(self.conv2(out))), inplace=True)

    model = create_model("resnet8")
    for stage in model.stages:
        stage[0].__class__ = Functional
    assert identify(model).arch == model.arch
    assert identify(model).departures == ()


def run(capsys, *argv):
    with pytest.raises(SystemExit) as stop:
        main(["identify", *map(str, argv)])
    output = capsys.readouterr()
    return stop.value.code, output.out, output.err


def test_the_command_on_files_of_others(tmp_path, capsys):
    path = tmp_path / "resnet110.pth"
    weights = {f"module.{key}": value for key, value in create_model("resnet164", width=0.25).state_dict().items()}
    torch.save({"state_dict": weights, "best_prec1": 93.0}, path)
    status, out, _ = run(capsys, path)
    assert status == 0
    assert out.startswith("ResNet-164 (resnet164), 0.25 times the width")
    assert "not ResNet-110" in out and "cannot be told from the weights alone" in out


def test_the_command_on_a_file_that_names_its_network(tmp_path, capsys):
    path = tmp_path / "mine.safetensors"
    save_weights(create_model("resnet8"), path)
    status, out, _ = run(capsys, path)
    assert status == 0
    assert "option A" in out and "none: a plain network" not in out


def test_the_command_refuses_in_one_line(tmp_path, capsys):
    (tmp_path / "text.pth").write_text("no weights")
    torch.save(create_model("resnet8"), tmp_path / "objects.pt")
    for name, message in (("text.pth", ""), ("objects.pt", "Python objects"), ("missing.pt", "no weights at")):
        status, out, err = run(capsys, tmp_path / name)
        assert (status, out) == (1, "")
        assert err.startswith("error: ") and message in err and err.count("\n") == 1
