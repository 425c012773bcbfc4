import copy
import pickle

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from resnet_tutorial import InputError, create_model, list_models
from resnet_tutorial.models import BasicBlock, Bottleneck, ProjectionShortcut, ZeroPadShortcut, make_shortcut
from tests.models.mutants import MUTANTS, make_mutant

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


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet20", 272_474),
        ("resnet32", 466_906),
        ("resnet44", 661_338),
        ("resnet56", 855_770),
        ("resnet110", 1_730_714),
        ("resnet1202", 19_424_026),
    ],
)
def test_parameter_counts_with_option_b(name, expected):
    with torch.device("meta"):
        assert parameters(create_model(name, shortcut="B")) == expected


@pytest.mark.parametrize("name", [n for n in PARAMETERS if n != "resnet1202"])
def test_feature_maps_have_the_sizes_of_the_table(name):
    with torch.device("meta"):
        model = create_model(name, num_classes=7).eval()
        x = F.relu(model.bn1(model.conv1(torch.empty(2, 3, 32, 32))))
        shapes = [x.shape]
        for stage in model.stages:
            x = stage(x)
            shapes.append(x.shape)
    arch = model.arch
    channels = (arch.stem_channels, *(stage.channels for stage in arch.stages))
    assert shapes == [(2, c, size, size) for c, size in zip(channels, arch.output_sizes(), strict=True)]
    assert model(torch.empty(2, 3, 32, 32, device="meta")).shape == (2, 7)


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


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_definition_catches_wrong_blocks(mutant):
    """The comparison above must fail for each of them: in the number of parameters, or in the outputs."""
    torch.manual_seed(0)
    right = create_model("resnet14", shortcut=mutant.shortcut)
    wrong = randomize_norms(make_mutant(mutant)).double().eval()
    if parameters(wrong) != parameters(right):
        return
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    expected = Paper(wrong.state_dict(), 2, "resnet", mutant.shortcut)(x)
    assert (wrong(x) - expected).abs().max() > 0.01


def conv_numbers(kernel, c, d):
    return kernel * kernel * c * d


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
def test_any_options_give_the_shape_and_the_parameters_of_the_formula(
    name, shortcut, stem, num_classes, in_channels, width, size
):
    shortcut = None if name.startswith("plain") else shortcut
    options = {"shortcut": shortcut, "stem": stem, "in_channels": in_channels, "width": width}
    with torch.device("meta"):
        model = create_model(name, num_classes, **options)
        assert model(torch.empty(2, in_channels, *size)).shape == (2, num_classes)

    arch, preact = model.arch, name.startswith("preact")
    base = (16, 32, 64) if len(arch.blocks) == 3 else (64, 128, 256, 512)
    widths = [round(w * width) for w in base]
    channels = widths[0]
    count = conv_numbers(3 if stem == "cifar" else 7, in_channels, channels) + (0 if preact else 2 * channels)
    for i, (w, blocks) in enumerate(zip(widths, arch.blocks, strict=True)):
        for j in range(blocks):
            out = w * (4 if arch.block == "bottleneck" else 1)
            kernels = (1, 3, 1) if arch.block == "bottleneck" else (3, 3)
            path = [channels, w, w, out] if arch.block == "bottleneck" else [channels, w, out]
            count += sum(conv_numbers(k, c, d) for k, c, d in zip(kernels, path[:-1], path[1:], strict=True))
            count += 2 * sum(path[:-1] if preact else path[1:])
            changes = channels != out or (i > 0 and j == 0)
            if arch.shortcut == "C" or (arch.shortcut == "B" and changes):
                count += channels * out + (0 if preact else 2 * out)
            channels = out
    count += (2 * channels if preact else 0) + channels * num_classes + num_classes
    assert parameters(model) == count


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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shortcut": "D"}, "shortcut must be 'A', 'B' or 'C', got 'D'"),
        ({"stem": "7x7"}, "stem must be 'cifar' or 'imagenet'"),
        ({"width": 0.01}, "at least one channel"),
        ({"width": float("nan")}, "at least one channel"),
        ({"in_channels": 0}, "in_channels must be at least 1"),
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


def test_checkpointing_keeps_less():
    def kept(model):
        sizes = {}

        def pack(tensor):
            sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            output = model(torch.randn(8, 3, 32, 32))
        del output
        return sum(sizes.values())

    assert kept(create_model("resnet32", checkpoint_activations=True)) < kept(create_model("resnet32")) / 3


VARIANTS = [("resnet8", {}), ("resnet29", {"shortcut": "C"}), ("plain8", {}), ("preact8", {"stochastic_depth": 0.2})]


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # but still there
@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_torchscript(name, options):
    model = create_model(name, **options).eval()
    x = torch.randn(2, 3, 32, 32)
    scripted = torch.jit.script(model)
    torch.testing.assert_close(scripted(x), model(x))


@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_export(name, options):
    model = create_model(name, **options).eval()
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(torch.export.export(model, (x,)).module()(x), model(x))


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


def test_other_depths_by_name():
    assert create_model("resnet8").arch.blocks == (1, 1, 1)
    assert create_model("ResNet-29").arch.block == "bottleneck"
    assert create_model("PreActResNet18").arch.name == "preact18"
    assert create_model("resnet164").arch.block == "bottleneck"  # 164 is 6n + 2, too
    for wrong in ("resnet2", "resnet21", "wideresnet28", "resnet"):
        with pytest.raises(InputError, match="no network is called"):
            create_model(wrong)
