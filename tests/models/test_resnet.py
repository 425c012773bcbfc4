import copy
import pickle

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from resnet_tutorial import InputError, create_model, list_models
from resnet_tutorial.models import make_shortcut


def randomize_norms(model):
    """Give every BatchNorm numbers of its own, so that a missing or a misplaced one shows."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    return model


class Paper:
    """The three-stage networks once more, in plain functions, straight from the papers: He et al. 2016 and 2016b."""

    def __init__(self, weights, n, kind="resnet", option="A"):
        self.weights, self.n, self.kind, self.option = weights, n, kind, option

    def conv(self, x, name, stride=1):
        weight = self.weights[f"{name}.weight"]
        return F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)

    def norm(self, x, name):
        mean, var, scale, shift = (
            self.weights[f"{name}.{part}"].view(-1, 1, 1) for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / torch.sqrt(var + 1e-5) * scale + shift

    def skip(self, x, key, stride):
        if self.option == "C" or (self.option == "B" and stride == 2):
            out = self.conv(x, f"{key}.shortcut.0", stride)
            return out if self.kind == "preact" else self.norm(out, f"{key}.shortcut.1")
        if stride == 1:
            return x
        zeros = torch.zeros_like(x[:, : x.shape[1] // 2, ::2, ::2])  # a quarter of the new channels on either side
        return torch.cat([zeros, x[:, :, ::2, ::2], zeros], dim=1)

    def post(self, x, key, stride):
        out = F.relu(self.norm(self.conv(x, f"{key}.conv1", stride), f"{key}.bn1"))
        out = self.norm(self.conv(out, f"{key}.conv2"), f"{key}.bn2")
        return F.relu(out if self.kind == "plain" else out + self.skip(x, key, stride))

    def pre(self, x, key, stride, first):
        active = F.relu(self.norm(x, f"{key}.bn1"))
        out = self.conv(active, f"{key}.conv1", stride)
        out = self.conv(F.relu(self.norm(out, f"{key}.bn2")), f"{key}.conv2")
        return out + self.skip(active if first or self.option == "C" else x, key, stride)

    def __call__(self, x):
        x = self.conv(x, "conv1")
        if self.kind != "preact":
            x = F.relu(self.norm(x, "bn1"))
        for stage in range(3):
            for block in range(self.n):
                key, stride = f"stages.{stage}.{block}", 2 if stage > 0 and block == 0 else 1
                x = self.pre(x, key, stride, block == 0) if self.kind == "preact" else self.post(x, key, stride)
        if self.kind == "preact":
            x = F.relu(self.norm(x, "norm"))
        return x.mean(dim=(2, 3)) @ self.weights["fc.weight"].T + self.weights["fc.bias"]


@pytest.mark.parametrize("size", [32, 19])
@pytest.mark.parametrize(
    ("name", "option"),
    [(name, option) for name in ("resnet20", "preact20") for option in "ABC"] + [("plain20", None)],
)
def test_networks_compute_what_the_papers_define(name, option, size):
    torch.manual_seed(0)
    model = randomize_norms(create_model(name, shortcut=option)).double().eval()
    x = torch.randn(2, 3, size, size, dtype=torch.float64)
    expected = Paper(model.state_dict(), 3, model.arch.kind, option)(x)
    torch.testing.assert_close(model(x), expected, rtol=1e-10, atol=1e-10)


@given(
    name=st.sampled_from(
        ["resnet8", "resnet20", "resnet29", "resnet18", "resnet50", "plain14", "preact20", "preact29"]
    ),
    shortcut=st.sampled_from([None, "A", "B", "C"]),
    stem=st.sampled_from(["cifar", "imagenet"]),
    num_classes=st.integers(1, 20),
    in_channels=st.integers(1, 4),
    width=st.sampled_from([0.25, 0.3, 1.0]),
    size=st.tuples(st.integers(8, 33), st.integers(8, 33)),
)
@settings(max_examples=40, deadline=None)
def test_any_options_give_logits_and_scaled_widths(name, shortcut, stem, num_classes, in_channels, width, size):
    shortcut = None if name.startswith("plain") else shortcut
    options = {"shortcut": shortcut, "stem": stem, "in_channels": in_channels, "width": width}
    with torch.device("meta"):
        model = create_model(name, num_classes, **options)
        assert model(torch.empty(2, in_channels, *size)).shape == (2, num_classes)
    base = (16, 32, 64) if len(model.stages) == 3 else (64, 128, 256, 512)
    assert [stage[0].conv1.out_channels for stage in model.stages] == [round(w * width) for w in base]


def test_names():
    assert list_models("resnet*")[:6] == ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnet20"]
    assert list_models("PreAct1*") == ["preact18", "preact101", "preact152", "preact110", "preact164", "preact1001"]
    assert create_model("resnet8").arch.blocks == (1, 1, 1)
    assert create_model("PreActResNet18").arch.name == "preact18"
    for bottleneck in ("ResNet-29", "resnet164"):  # 164 is 6n + 2, too
        assert create_model(bottleneck).arch.block == "bottleneck"
    for wrong in ("resnet2", "resnet21", "wideresnet28", "resnet"):
        with pytest.raises(InputError, match="no network is called"):
            create_model(wrong)


def test_he_initialization():
    torch.manual_seed(0)
    conv = create_model("resnet18").stages[3][1].conv1
    assert conv.weight.std().item() == pytest.approx((2 / (9 * 512)) ** 0.5, rel=0.01)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shortcut": "D"}, "shortcut must be 'A', 'B' or 'C', got 'D'"),
        ({"stem": "7x7"}, "stem must be 'cifar' or 'imagenet'"),
        ({"width": 0.01}, "at least one channel"),
        ({"width": float("nan")}, "at least one channel"),
        ({"in_channels": 0}, "in_channels must be at least 1"),
        ({"num_classes": 0}, "num_classes"),
        ({"stochastic_depth": 1.0}, "from 0 to below 1"),
    ],
)
def test_impossible_options(options, message):
    with pytest.raises(InputError, match=message):
        create_model("resnet20", **options)


@pytest.mark.parametrize("options", [{"shortcut": "B"}, {"zero_init_residual": True}, {"stochastic_depth": 0.1}])
def test_plain_networks_refuse_what_needs_a_shortcut(options):
    with pytest.raises(InputError, match="plain20"):
        create_model("plain20", **options)


@pytest.mark.parametrize("name", ["resnet14", "resnet29", "preact14", "preact29"])
def test_zero_init_makes_each_block_its_shortcut(name):
    model = create_model(name, zero_init_residual=True)
    for block in (model.stages[0][1], model.stages[2][1]):
        channels = (block.bn1 if name.startswith("preact") else block.conv1).weight.shape[name.startswith("resnet")]
        x = torch.rand(2, channels, 8, 8)
        torch.testing.assert_close(block(x), x)


def test_stochastic_depth_drops_branches_image_by_image_and_more_of_them_deeper():
    torch.manual_seed(0)
    model = create_model("resnet14", stochastic_depth=0.6)
    blocks = [block for stage in model.stages for block in stage]
    assert [round(block.drop.p, 3) for block in blocks] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    block = blocks[1]
    x = torch.rand(500, 16, 4, 4)
    dropped = (block(x) == x).flatten(1).all(dim=1).float().mean().item()
    assert 0.12 < dropped < 0.28
    undisturbed = create_model("resnet14").eval()
    undisturbed.load_state_dict(model.state_dict())
    image = torch.randn(2, 3, 16, 16)
    assert torch.equal(model.eval()(image), undisturbed(image))


def gradients_and_statistics(model, x):
    model(x).square().sum().backward()
    return [p.grad for p in model.parameters()] + [b.clone() for b in model.buffers()]


@pytest.mark.parametrize("options", [{}, {"stochastic_depth": 0.5}])
@pytest.mark.parametrize("name", ["resnet14", "preact14"])
def test_checkpointing_changes_nothing_but_memory(name, options):
    model = create_model(name, **options)
    frugal = copy.deepcopy(model)
    frugal.checkpoint_activations = True
    x = torch.randn(4, 3, 16, 16)
    for _ in range(2):  # the second step starts from the statistics of the first
        torch.manual_seed(1)
        expected = gradients_and_statistics(model, x)
        torch.manual_seed(1)
        got = gradients_and_statistics(frugal, x)
        assert all(torch.equal(a, b) for a, b in zip(got, expected, strict=True))


VARIANTS = [("resnet8", {}), ("resnet29", {"shortcut": "C"}), ("plain8", {}), ("preact8", {"stochastic_depth": 0.2})]


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # but still there
@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_torchscript_and_export(name, options):
    model = create_model(name, **options).eval()
    x = torch.randn(2, 3, 32, 32)
    for other in (torch.jit.script(model), torch.export.export(model, (x,)).module()):
        torch.testing.assert_close(other(x), model(x))


@pytest.mark.parametrize(("name", "options"), [*VARIANTS, ("resnet8", {"checkpoint_activations": True})])
def test_compile_takes_the_whole_network_as_one_graph(name, options):
    torch._dynamo.reset()  # networks share their code, and the compiler keeps only a few versions of it
    torch.manual_seed(0)
    model = create_model(name, **options | {"stochastic_depth": 0.0})
    twin = copy.deepcopy(model)
    x = torch.randn(2, 3, 16, 16)
    expected = gradients_and_statistics(model, x)
    compiled = torch.compile(twin, fullgraph=True, backend="aot_eager")
    compiled(x).square().sum().backward()
    got = [p.grad for p in twin.parameters()] + list(twin.buffers())
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_copies_layouts_and_precisions(name, options):
    torch.manual_seed(0)
    model = create_model(name, **options).eval()
    x = torch.randn(2, 3, 32, 32)
    expected = model(x)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(other(x), expected)
    last = copy.deepcopy(model).to(memory_format=torch.channels_last)
    torch.testing.assert_close(last(x.to(memory_format=torch.channels_last)), expected)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(model(x).float(), expected, rtol=0.1, atol=0.1)
    assert model.bfloat16()(x.bfloat16()).dtype == torch.bfloat16


def test_a_network_prints_as_the_table_does():
    lines = repr(create_model("resnet50", stem="imagenet", num_classes=7)).splitlines()
    assert lines[0] == "ResNet-50: shortcut B, 23,522,375 parameters; sizes for a 32×32 image"
    assert [" ".join(line.split()) for line in lines[1:3]] == [
        "conv1 7×7, 64, stride 2; max-pool 3×3, stride 2 8×8",
        "conv2_x 3 × [1×1, 64; 3×3, 64; 1×1, 256] 8×8",
    ]
    assert "no shortcuts" in repr(create_model("plain20"))


def test_a_shortcut_of_no_known_option():
    with pytest.raises(ValueError, match="must be 'A', 'B' or 'C'"):
        make_shortcut("D", 16, 16, 1)
