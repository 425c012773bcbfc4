from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from resnet_tutorial import ARCHITECTURES, InputError, ResNet, create_model, list_models
from resnet_tutorial.models import BasicBlock, Bottleneck, ProjectionShortcut, ZeroPadShortcut, make_shortcut

# From the paper's definition: He et al. 2016, sections 3.3 and 4.2; option A for three stages, B for four.
PARAMETERS = {
    "resnet18": 11_173_962,
    "resnet34": 21_282_122,
    "resnet50": 23_520_842,
    "resnet101": 42_512_970,
    "resnet152": 58_156_618,
    "resnet20": 269_722,
    "resnet32": 464_154,
    "resnet44": 658_586,
    "resnet56": 853_018,
    "resnet110": 1_727_962,
    "resnet1202": 19_421_274,
}


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameter_counts(name):
    with torch.device("meta"):
        assert parameters(create_model(name)) == PARAMETERS[name]


@pytest.mark.parametrize(("name", "expected"), [("resnet20", 272_474), ("resnet110", 1_730_714)])
def test_parameter_counts_with_option_b(name, expected):
    with torch.device("meta"):
        assert parameters(ResNet(replace(ARCHITECTURES[name], shortcut="B"))) == expected


@pytest.mark.parametrize("name", [n for n in PARAMETERS if n != "resnet1202"])
def test_feature_maps_have_the_sizes_of_the_table(name):
    with torch.device("meta"):
        model = create_model(name, num_classes=7).eval()
        x = F.relu(model.bn1(model.conv1(torch.empty(2, 3, 32, 32))))
        shapes = [x.shape]
        for stage in model.stages:
            x = stage(x)
            shapes.append(x.shape)
    arch = ARCHITECTURES[name]
    channels = (arch.stem_channels, *(stage.channels for stage in arch.stages))
    assert shapes == [(2, c, size, size) for c, size in zip(channels, arch.output_sizes(), strict=True)]
    assert model(torch.empty(2, 3, 32, 32, device="meta")).shape == (2, 7)


def test_resnet20_computes_what_the_paper_defines():
    """The network once more, in plain functions, straight from section 4.2."""
    torch.manual_seed(0)
    model = create_model("resnet20").double().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    weights = model.state_dict()

    def conv_bn(x, conv, bn, stride=1):
        x = F.conv2d(x, weights[f"{conv}.weight"], stride=stride, padding=1)
        mean, var = weights[f"{bn}.running_mean"], weights[f"{bn}.running_var"]
        return F.batch_norm(x, mean, var, weights[f"{bn}.weight"], weights[f"{bn}.bias"])

    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    out = F.relu(conv_bn(x, "conv1", "bn1"))
    for stage in range(3):
        for block in range(3):
            key, stride = f"stages.{stage}.{block}", 2 if stage > 0 and block == 0 else 1
            skip = out
            if stride == 2:  # option A: every second pixel; a quarter of zeros, the channels, a quarter of zeros
                zeros = torch.zeros_like(out[:, : out.shape[1] // 2, ::2, ::2])
                skip = torch.cat([zeros, out[:, :, ::2, ::2], zeros], dim=1)
            inner = F.relu(conv_bn(out, f"{key}.conv1", f"{key}.bn1", stride))
            out = F.relu(conv_bn(inner, f"{key}.conv2", f"{key}.bn2") + skip)
    expected = out.mean(dim=(2, 3)) @ weights["fc.weight"].T + weights["fc.bias"]
    torch.testing.assert_close(model(x), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_four_stage_networks_agree_with_torchvision(name):
    """Behind the stem the networks are torchvision's: same weights, same features."""
    import torchvision

    torch.manual_seed(0)
    theirs = getattr(torchvision.models, name)(num_classes=10).double().eval()
    ours = create_model(name).double().eval()
    state = {}
    for key, value in theirs.state_dict().items():
        if key.startswith("layer"):
            stage, rest = key.removeprefix("layer").split(".", 1)
            state[f"{int(stage) - 1}.{rest.replace('downsample', 'shortcut')}"] = value
    ours.stages.load_state_dict(state)
    x = torch.randn(2, 64, 16, 16, dtype=torch.float64)
    expected = theirs.layer4(theirs.layer3(theirs.layer2(theirs.layer1(x))))
    torch.testing.assert_close(ours.stages(x), expected, rtol=1e-10, atol=1e-10)


def test_no_convolution_has_a_bias_and_each_is_followed_by_batchnorm():
    for name in ("resnet20", "resnet50"):
        model = create_model(name)
        convs = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
        norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
        assert len(convs) == len(norms)
        assert all(conv.bias is None for conv in convs)


@pytest.mark.parametrize("block", [BasicBlock(16, 16), Bottleneck(64, 16)])
def test_a_block_whose_branch_is_zero_passes_its_input_on(block):
    last = block.bn2 if isinstance(block, BasicBlock) else block.bn3
    nn.init.zeros_(last.weight)
    x = torch.rand(2, block.conv1.in_channels, 8, 8)
    torch.testing.assert_close(block(x), x)
    assert block(x - 0.5).min() == 0  # the last ReLU is there


def test_option_a_pads_both_sides():
    out = ZeroPadShortcut(4, 8, 2)(torch.ones(1, 4, 6, 6))
    assert out.shape == (1, 8, 3, 3)
    assert out[0, :, 0, 0].tolist() == [0, 0, 1, 1, 1, 1, 0, 0]


def test_which_shortcut_stands_where():
    assert isinstance(make_shortcut("A", 16, 16, 1), nn.Identity)
    assert isinstance(make_shortcut("B", 16, 16, 1), nn.Identity)
    assert isinstance(make_shortcut("C", 16, 16, 1), ProjectionShortcut)
    assert isinstance(make_shortcut("A", 16, 32, 2), ZeroPadShortcut)
    assert isinstance(make_shortcut("B", 64, 256, 1), ProjectionShortcut)
    with pytest.raises(ValueError, match="must be 'A', 'B' or 'C'"):
        make_shortcut("D", 16, 16, 1)


def test_he_initialization():
    torch.manual_seed(0)
    conv = create_model("resnet18").stages[3][1].conv1
    assert conv.weight.std().item() == pytest.approx((2 / (9 * 512)) ** 0.5, rel=0.01)


def test_every_parameter_gets_a_gradient():
    model = create_model("resnet20")
    model(torch.randn(2, 3, 32, 32)).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_names():
    assert list_models("resnet*") == [*PARAMETERS, "resnet164", "resnet1001"]
    assert list_models("PreAct1*") == ["preact18", "preact101", "preact152", "preact110", "preact164", "preact1001"]
    assert len(list_models("plain*")) == 13
    assert create_model("ResNet20").arch.name == "resnet20"
    with pytest.raises(InputError, match="did you mean resnet56"):
        create_model("resnet55")
    with pytest.raises(InputError, match="num_classes"):
        create_model("resnet20", num_classes=0)
