"""Costs against the tables, against torch's own counter, against real tensors and real gradients."""

import pytest
import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from resnet_tutorial import ARCHITECTURES, create_model, summarize
from resnet_tutorial.models import format_table, summarize_architecture, total, total_activations

# Parameters with option A (three stages) or B (four), parameters with option B, million MACs with the first of them.
TABLE = {
    "resnet20": (269_722, 272_474, 40.6),
    "resnet32": (464_154, 466_906, 68.9),
    "resnet44": (658_586, 661_338, 97.2),
    "resnet56": (853_018, 855_770, 125.5),
    "resnet110": (1_727_962, 1_730_714, 252.9),
    "resnet1202": (19_421_274, 19_424_026, 2829),
    "resnet18": (11_173_962, 11_173_962, 555),
    "resnet34": (21_282_122, 21_282_122, 1159),
    "resnet50": (23_520_842, 23_520_842, 1298),
    "resnet101": (42_512_970, 42_512_970, 2510),
    "resnet152": (58_156_618, 58_156_618, 3722),
}

SIZE = 17
# Every option, in every kind of network; from the fourth block of a stage on, blocks are counted, not measured.
NETWORKS = [
    ("resnet26", {"shortcut": "C", "width": 0.5, "in_channels": 1, "num_classes": 7}),
    ("resnet20", {"shortcut": "B", "stem": "imagenet"}),
    ("resnet26", {"stochastic_depth": 0.2}),
    ("resnet26", {"checkpoint_activations": True}),
    ("resnet50", {"width": 0.125}),
    ("plain26", {"stem": "imagenet"}),
    ("preact26", {"checkpoint_activations": True}),
    ("preact47", {"stochastic_depth": 0.1}),
    ("preact18", {"width": 0.25, "shortcut": "C"}),
]
NAMES = [f"{name} {options}" for name, options in NETWORKS]


@pytest.mark.parametrize("name", TABLE)
def test_the_published_table(name):
    arch = ARCHITECTURES[name]
    own, with_b, mega_macs = TABLE[name]
    parameters, macs = total(summarize_architecture(arch))
    assert parameters == own
    assert macs / 1e6 == pytest.approx(mega_macs, abs=0.5 if mega_macs > 500 else 0.05)
    assert total(summarize_architecture(arch.with_options(shortcut="B")))[0] == with_b
    for option, count in ((None, own), ("B", with_b)):
        with torch.device("meta"):
            model = create_model(name, shortcut=option)
        assert sum(p.numel() for p in model.parameters()) == count


@pytest.mark.parametrize(("name", "options"), NETWORKS, ids=NAMES)
def test_parameters_and_macs_agree_with_torch(name, options):
    model = create_model(name, **options).eval()
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, model.in_channels, SIZE, SIZE))
    expected = (sum(p.numel() for p in model.parameters()), counter.get_total_flops() / 2)
    assert total(summarize(model, SIZE)) == total(summarize(model, SIZE, layers=True)) == expected


def kept(model: nn.Module, images: torch.Tensor) -> int:
    """Bytes of the distinct storages that autograd keeps of one forward pass."""
    storages = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        output = model(images)
    assert output.requires_grad
    return sum(storage.nbytes() for storage in storages.values())


@pytest.mark.parametrize(("name", "options"), NETWORKS, ids=NAMES)
def test_activations_are_those_that_real_tensors_keep(name, options):
    torch.manual_seed(0)
    model = create_model(name, **options)
    images = torch.randn(3, model.in_channels, SIZE, SIZE)
    one_image = kept(model, images) - kept(model, images[:2].clone())
    assert 4 * total_activations(summarize(model, SIZE)) == one_image
    assert 4 * total_activations(summarize(model, SIZE, layers=True)) == one_image


def test_each_layer_counts_what_it_keeps_first():
    rows = {row.name: row for row in summarize(create_model("resnet8", shortcut="B"), layers=True)}
    # what BatchNorm reads and what ReLU writes; the shortcut has no ReLU, the sum belongs to the branch
    assert rows["stages.1.0.conv1"].activations == rows["stages.1.0.conv2"].activations == 2 * 32 * 16 * 16
    # and what its convolution reads, every second position of the block's input
    assert rows["stages.1.0.shortcut"].activations == (32 + 16) * 16 * 16


def test_it_does_not_depend_on_what_the_caller_is_in():
    from resnet_tutorial.models.cost import _measure

    model = create_model("resnet8").eval()
    expected = summarize(model)
    for context in (torch.no_grad(), torch.inference_mode(), torch.device("meta")):
        _measure.cache_clear()
        with context:
            assert summarize(model) == expected
    assert not model.training and not any(m._forward_hooks for m in model.modules())


# --- Receptive field ---


def test_receptive_field_by_hand():
    """Each 3×3 convolution adds 2 × the step: 1, 2 and 4 pixels in the three stages."""
    fields = [row.receptive_field for row in summarize(create_model("resnet20"))]
    assert fields == [3, 3 + 6 * 2, 15 + 2 + 5 * 4, 37 + 4 + 5 * 8, 81 + 7 * 4]
    layers = summarize(create_model("resnet20", shortcut="B"), layers=True)
    assert next(row for row in layers if row.name == "stages.1.0.shortcut").receptive_field == 15


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("resnet8", {}),
        ("plain8", {}),
        ("preact8", {"shortcut": "B"}),
        ("resnet11", {}),
        ("resnet8", {"stem": "imagenet"}),
        ("resnet18", {"width": 0.05}),
    ],
)
def test_receptive_field_is_what_a_gradient_reaches(name, options):
    model = create_model(name, **options).double().eval()
    for parameter in model.parameters():  # nothing cancels, no ReLU closes
        nn.init.constant_(parameter, 0.1)
    if options.get("stem"):
        model.pool = nn.AvgPool2d(3, 2, padding=1)  # the same field, but the gradient reaches all of it
    size = 161
    image = torch.ones(1, 3, size, size, dtype=torch.float64, requires_grad=True)
    maps = model.forward_features(image)
    middle = maps.shape[-1] // 2
    (gradient,) = torch.autograd.grad(maps[0, :, middle, middle].sum(), image)
    rows = gradient[0].abs().amax(dim=(0, 2)).nonzero()
    assert summarize(model, size)[-2].receptive_field == (rows.max() - rows.min() + 1).item() < size


# --- Tables ---


def test_parts_add_up_their_layers():
    with torch.device("meta"):
        model = create_model("preact56", shortcut="B", stem="imagenet", stochastic_depth=0.1)
    parts, layers = summarize(model), summarize(model, layers=True)
    assert [row.name for row in parts] == ["conv1", "pool", "conv2_x", "conv3_x", "conv4_x", "norm", "fc"]
    assert total(parts) == total(layers) and total_activations(parts) == total_activations(layers)
    assert [row.output for row in parts] == [16, 8, 8, 4, 2, 2, 1]
    assert [row.what for row in layers[2:5]] == ["BN, 3×3, 16"] * 3
    assert {row.name: row.what for row in layers}["stages.1.0.shortcut"] == "1×1, 32, stride 2"


@pytest.mark.parametrize(("stem", "size", "classes"), [("cifar", 32, 10), ("imagenet", 224, 1000)])
@pytest.mark.parametrize("layers", [False, True], ids=["parts", "layers"])
def test_every_table_fits_100_columns(layers, stem, size, classes):
    for arch in ARCHITECTURES.values():
        rows = summarize_architecture(arch.with_options(stem=stem), classes, size, layers=layers)
        lines = format_table(rows).splitlines()
        assert len(set(map(len, lines))) == 1 and len(lines[0]) <= 100, arch.name
