"""Weights under the names, prefixes, keys and heads of the real world, loaded into networks of this package."""

import re

import pytest
import torch
import torchvision
from torch import nn

from resnet_tutorial import create_model, export_weights, load_weights
from tests.weights.others import TheirNet, shake
from tests.weights.test_loading import agree, logits, refused, write

SMALL = (4, 8, 16)


def small(option="A", num_classes=10, blocks=(1, 1, 1)) -> TheirNet:
    """Idelbayev's or chenyaofo's names, at a quarter of the width, with three stages."""
    torch.manual_seed(0)
    names = {"shortcut": "shortcut", "head": "linear"} if option == "A" else {"shortcut": "downsample", "head": "fc"}
    return shake(TheirNet(blocks, SMALL, option=option, num_classes=num_classes, **names)).double()


def ours(**options) -> nn.Module:
    return create_model("resnet8", width=0.25, **options).double()


def check(path, theirs, model=None, **options):
    """Load a file; the logits must be those of their network."""
    model = model or ours()
    loaded = load_weights(model, path, **options)
    agree(model, theirs)
    return loaded


# Prefixes and keys


@pytest.mark.parametrize(
    "prefix",
    ["net.", "model.", "backbone.", "encoder.", "f.", "model.net.", "module.model.", "model.module.", "a_b.0.resnet."],
)
@pytest.mark.parametrize("option", "AB")
def test_a_prefix_is_taken_off_and_said(tmp_path, prefix, option):
    theirs = small(option)
    state = {prefix + name: value for name, value in theirs.state_dict().items()}
    loaded = check(write(tmp_path / "w.pth", state), theirs)
    told = prefix.removeprefix("module.")
    assert f"the prefix {told!r} was taken off" in loaded.inferred and loaded.left_out == ()
    assert ("the prefix 'module.' was taken off" in loaded.inferred) == prefix.startswith("module.")


def test_tensors_beside_the_prefix_are_named(tmp_path):
    theirs = small()
    state = {f"model.{name}": value for name, value in theirs.state_dict().items()}
    state |= {"criterion.weight": torch.ones(10), "loss.vgg.0.weight": torch.ones(8, 3, 3, 3)}
    loaded = check(write(tmp_path / "w.ckpt", {"state_dict": state, "global_step": 7}), theirs)
    assert loaded.left_out == ("criterion.weight", "loss.vgg.0.weight")
    assert "criterion.weight, loss.vgg.0.weight were left out" in loaded.inferred


@pytest.mark.parametrize(
    "names",
    [{"fc": "fc"}, {"fc": "head.fc"}, {"fc": "linear.0"}, {"conv1": "stem.0", "bn1": "stem.1", "fc": "head"}],
    ids=str,
)
def test_a_stem_and_a_head_beside_the_prefix(tmp_path, names):
    theirs = small("B")
    state = {"loss.weight": torch.ones(10)}
    for name, value in theirs.state_dict().items():
        first, _, rest = name.partition(".")
        state[f"{names[first]}.{rest}" if first in names else f"body.{name}"] = value
    loaded = check(write(tmp_path / "w.pth", state), theirs)
    told = ", ".join(name for ours, name in names.items() if name != ours)
    assert f"{told}, told by place" in loaded.inferred or not told
    assert loaded.left_out == ("loss.weight",)


@pytest.mark.parametrize(
    ("wanted", "other"),
    [
        ("module.encoder_q.", "module.encoder_k."),
        ("model.", "ema_model."),
        ("online_encoder.", "target_encoder."),
        ("student.", "teacher."),
        ("", "ema."),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_of_a_network_and_its_copy_the_network_is_read(tmp_path, wanted, other, turned):
    theirs, state = small(), {}
    for prefix in (other, wanted) if turned else (wanted, other):
        state |= {prefix + k: v if prefix == wanted else v * 0 + 1 for k, v in theirs.state_dict().items()}
    state["module.queue" if "module" in wanted else f"{other}queue"] = torch.zeros(4, 8)
    loaded = check(write(tmp_path / "w.pth", state), theirs)
    assert f"{other.removeprefix('module.')}conv1.weight" in loaded.left_out and "another network" in loaded.inferred


def test_a_network_under_another_key_is_said(tmp_path):
    theirs = small()
    loaded = check(write(tmp_path / "w.pt", {"params_ema": theirs.state_dict(), "epoch": 3}), theirs)
    assert "under the key 'params_ema'" in loaded.inferred


# What other tools leave behind


def test_a_profilers_counters(tmp_path):
    theirs = small()
    state = theirs.state_dict()
    for module in ("", "conv1.", "layer1.0.bn1."):
        state |= {f"{module}total_ops": torch.zeros(1), f"{module}total_params": torch.zeros(1)}
    loaded = check(write(tmp_path / "w.pth", {f"module.{name}": value for name, value in state.items()}), theirs)
    assert "6 counters of a profiler" in loaded.inferred and len(loaded.left_out) == 6


def test_masks_of_pruning(tmp_path):
    from torch.nn.utils import prune

    theirs = small("B")
    for module in theirs.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            prune.random_unstructured(module, "weight", 0.5)
    path = write(tmp_path / "w.pth", theirs.state_dict())
    for module in theirs.modules():
        if prune.is_pruned(module) and not list(module.children()):
            prune.remove(module, "weight")
    loaded = check(path, theirs)
    assert "masks of pruning were multiplied into 10 weights" in loaded.inferred


# Names


@pytest.mark.parametrize("head", ["classifier", "fc.0", "head", "last_linear", "classifier.1", "head.fc", "output"])
@pytest.mark.parametrize("option", "AB")
def test_the_one_linear_layer_is_the_head(tmp_path, head, option):
    theirs = small(option)
    state = {re.sub(r"^(fc|linear)\b", head, name): value for name, value in theirs.state_dict().items()}
    loaded = check(write(tmp_path / "w.pth", state), theirs)
    assert f"but for {head}, told by place" in loaded.inferred and loaded.mean is None
    assert f"missing: {head}.bias" not in loaded.inferred
    del state[f"{head}.bias"]
    assert "bias" in refused(ours(), write(tmp_path / "w.pth", state))


@pytest.mark.parametrize("stem", [("conv", "bn"), ("stem.0", "stem.1"), ("conv0", "norm0"), ("conv1.0", "conv1.1")])
def test_a_stem_of_another_name(tmp_path, stem):
    theirs = small()
    state = {
        name.replace("conv1.", f"{stem[0]}.", 1).replace("bn1.", f"{stem[1]}.", 1)
        if "layer" not in name
        else name: value
        for name, value in theirs.state_dict().items()
    }
    assert f"but for {stem[0]}, {stem[1]}," in check(write(tmp_path / "w.pth", state), theirs).inferred


@pytest.mark.parametrize("names", [("shortcut.conv", "shortcut.bn"), ("skip.0", "skip.1"), ("conv_proj", "bn_proj")])
def test_a_projection_of_another_name(tmp_path, names):
    theirs = small("B", blocks=(2, 2, 2))
    state = theirs.state_dict()
    for i in (1, 0):
        state = {name.replace(f"downsample.{i}", names[i]): value for name, value in state.items()}
    assert (
        check(write(tmp_path / "w.pth", state), theirs, create_model("resnet14", width=0.25).double()).shortcut == "B"
    )


def test_what_only_looks_like_a_projection_is_refused(tmp_path):
    state = small("A").state_dict()
    state |= {f"layer{i}.0.gate.weight": torch.zeros(c, c, 1, 1) for i, c in enumerate(SMALL, 1)}
    assert "extra: layer1.0.gate.weight" in refused(ours(), write(tmp_path / "w.pth", state))


def hysts(name):
    name = re.sub(r"layer(\d)\.(\d)", lambda m: f"stage{m[1]}.block{int(m[2]) + 1}", name)
    name = name.replace("downsample.0", "shortcut.conv").replace("downsample.1", "shortcut.bn")
    return re.sub(r"^(conv|bn)1", r"\1", name)


def weiaicunzai(name):
    name = re.sub(r"^layer(\d)", lambda m: f"conv{int(m[1]) + 1}_x", name)
    name = re.sub(r"^bn1", "conv1.1", re.sub(r"^conv1", "conv1.0", name)).replace("downsample", "shortcut")
    inner = {"conv": 0, "bn": 1}
    return re.sub(r"(?<=\d\.)(conv|bn)([123])", lambda m: f"residual_function.{3 * int(m[2]) - 3 + inner[m[1]]}", name)


def transformers(name):
    if name.startswith("fc"):
        return name.replace("fc", "classifier.1")
    name = re.sub(r"^layer(\d)\.", lambda m: f"encoder.stages.{int(m[1]) - 1}.layers.", name)
    words = {"conv": "convolution", "bn": "normalization"}
    name = re.sub(r"(?<=\d\.)(conv|bn)([123])", lambda m: f"layer.{int(m[2]) - 1}.{words[m[1]]}", name)
    name = name.replace("downsample.0", "shortcut.convolution").replace("downsample.1", "shortcut.normalization")
    name = name.replace("conv1", "embedder.embedder.convolution").replace("bn1", "embedder.embedder.normalization")
    return f"resnet.{name}"


@pytest.mark.parametrize("rename", [hysts, weiaicunzai, transformers])
@pytest.mark.parametrize("bottleneck", [False, True])
def test_layouts_of_others(tmp_path, rename, bottleneck):
    torch.manual_seed(0)
    blocks, name = ((3, 4, 6, 3), "resnet50") if bottleneck else ((2, 2, 2, 2), "resnet18")
    theirs = TheirNet(blocks, (4, 8, 16, 32), shortcut="downsample", head="fc", bottleneck=bottleneck)
    theirs = shake(theirs).double()
    state = {rename(key): value for key, value in theirs.state_dict().items()}
    assert len(state) == len(theirs.state_dict())
    model = create_model(name, width=1 / 16).double()
    loaded = check(write(tmp_path / "w.pth", state), theirs, model)
    assert (loaded.layout, loaded.shortcut, loaded.mean) == (rename.__name__, "B", None)
    assert export_weights(model, loaded.layout).keys() == state.keys()


@pytest.mark.parametrize(("prefix", "max_pool"), [("", True), ("f.", False)])
def test_torchvision_cut_into_its_children(tmp_path, prefix, max_pool):
    """As codes of SimCLR do it: all but the last layer, and without max-pooling a stem for small images."""
    theirs = shake(torchvision.models.resnet18(num_classes=3)).double()
    if not max_pool:
        theirs.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False).double()
    children = [m for m in list(theirs.children())[:-1] if max_pool or not isinstance(m, nn.MaxPool2d)]
    state = {prefix + name: value for name, value in nn.Sequential(*children).state_dict().items()}
    path = write(tmp_path / "w.pth", state)
    model = create_model("resnet18", num_classes=3, stem="imagenet" if max_pool else "cifar").double()
    assert "partial=True keeps the network's own head" in refused(model, path)
    loaded = load_weights(model, path, partial=True)
    assert loaded.layout == ("sequential" if max_pool else "sequential_cifar")
    assert loaded.kept == ("fc.weight", "fc.bias") and loaded.left_out == ()
    if not max_pool:
        theirs.maxpool = nn.Identity()
    theirs.fc.load_state_dict(model.fc.state_dict())
    torch.testing.assert_close(logits(model, 32), logits(theirs, 32), rtol=1e-10, atol=1e-10)


def test_repdistiller(tmp_path):
    """A stem narrower than the first stage is theirs alone."""
    wide = TheirNet((1, 1, 1), (64, 128, 256), shortcut="downsample", head="fc", option="C")  # resnet8x4
    wide.conv1, wide.bn1 = nn.Conv2d(3, 32, 3, 1, 1, bias=False), nn.BatchNorm2d(32)
    wide.layer1[0] = type(wide.layer1[0])(32, 64, 1, False, "downsample", "C")
    path = write(tmp_path / "w.pth", wide.state_dict())
    for model in (create_model("resnet8", width=4), create_model("resnet20")):
        message = refused(model, path)
        assert "64, 128, 256 channels after a stem of 32" in message and "create_model" not in message


# What is proposed, and what cannot be read


@pytest.mark.parametrize("option", "BC")
def test_projections_of_3x3(tmp_path, option):
    theirs = small(option, blocks=(2, 2, 2))
    for module in theirs.modules():
        if hasattr(module, "downsample"):
            conv = module.downsample[0]
            module.downsample[0] = nn.Conv2d(conv.in_channels, conv.out_channels, 3, conv.stride, 1, bias=False)
    message = refused(ours(), write(tmp_path / "w.pth", theirs.state_dict()))
    assert "its projections are 3×3 convolutions" in message and "create_model" not in message


def change_alpha(state):
    return state | {"layer1.0.alpha": torch.ones(1)}


def change_bias(state):
    return state | {"layer1.0.conv1.bias": torch.ones(4)}


def change_stem(state):
    return state | {"conv1.weight": torch.zeros(4, 3, 5, 5)}


def change_widths(state):
    return {k: torch.cat([v, v]) if k.startswith("layer3.0.bn") and v.ndim else v for k, v in state.items()}


@pytest.mark.parametrize("change", [change_alpha, change_bias, change_stem, change_widths])
def test_no_call_is_proposed_that_fails(tmp_path, change):
    path = write(tmp_path / "w.pth", change(small("B").state_dict()))
    for model in (create_model("resnet20"), ours(), ours(num_classes=3), create_model("resnet18", width=0.125)):
        assert "create_model" not in refused(model, path)


@pytest.mark.parametrize("name", ["resnet14", "resnet11", "resnet18"])
@pytest.mark.parametrize("options", [{"shortcut": "C", "num_classes": 3}, {"stem": "imagenet", "width": 0.5}])
def test_a_proposed_call_loads(tmp_path, name, options):
    path = write(tmp_path / "w.pth", create_model(name, **options).state_dict())
    (call,) = re.findall(r"(create_model\(.*?\)) fits", refused(create_model("resnet8", 7), path))
    load_weights(eval(call), path)


# A backbone


def test_a_backbone_with_a_head_for_other_classes(tmp_path):
    theirs, model = small("B"), ours(num_classes=3)
    path = write(tmp_path / "w.pth", {"state_dict": theirs.state_dict(), "classes": list("abcdefghij")})
    head = model.fc.weight.clone()
    assert "partial=True leaves out fc.weight, fc.bias and keeps the network's own head" in refused(model, path)
    loaded = load_weights(model, path, partial=True)
    assert torch.equal(model.fc.weight, head) and loaded.classes is None and loaded.shortcut == "B"
    assert loaded.left_out == loaded.kept == ("fc.weight", "fc.bias")
    assert "left out: fc.weight, fc.bias; the network's own stay: fc.weight, fc.bias" in loaded.inferred
    theirs.fc = model.fc
    agree(model, theirs)
    whole = load_weights(ours(), path, partial=True)
    assert whole.left_out == whole.kept == () and whole.classes == tuple("abcdefghij")


@pytest.mark.parametrize("head", [(), ("fc.0", "fc.2"), ("projector.0", "projector.3")])
@pytest.mark.parametrize("prefix", ["", "encoder."])
def test_a_backbone_without_a_head_or_with_one_of_several_layers(tmp_path, head, prefix):
    theirs, model = small("A"), ours()
    state = {prefix + name: value for name, value in theirs.state_dict().items() if not name.startswith("linear")}
    state |= {f"{name}.weight": torch.zeros(8, 8) for name in head}
    path = write(tmp_path / "w.pth", state)
    assert "linear.weight" in refused(model, path) and "partial=True" in refused(model, path)
    loaded = load_weights(model, path, partial=True)
    assert set(loaded.left_out) == {f"{name}.weight" for name in head} and loaded.kept == ("fc.weight", "fc.bias")
    theirs.linear = model.fc
    agree(model, theirs)


def test_only_the_head_may_differ(tmp_path):
    state = small("B").state_dict()
    for change in (change_alpha, change_stem, change_bias, lambda state: state | {"conv1.bias": torch.ones(4)}):
        assert "partial" not in refused(ours(), write(tmp_path / "w.pth", change(state)), partial=True)
    refused(create_model("resnet20"), write(tmp_path / "w.pth", state), partial=True)
    del state["layer1.0.bn1.running_mean"]
    assert "missing: layer1.0.bn1.running_mean" in refused(ours(), write(tmp_path / "w.pth", state), partial=True)
