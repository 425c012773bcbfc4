"""What timm's own tests check of a model (its tests/test_models.py), on small networks."""

import sys

import pytest
import torch
import torch.nn.functional as F

from resnet_tutorial import InputError, create_model, list_models, list_pretrained, load_trained, register_with_timm

timm = pytest.importorskip("timm")
timm_optim = pytest.importorskip("timm.optim")
timm_scheduler = pytest.importorskip("timm.scheduler")

NETWORKS = [
    ("resnet20", {}),
    ("plain20", {"shortcut": None}),
    ("preact20", {"shortcut": "B"}),
    ("resnet18", {"width": 0.125}),
    ("resnet20", {"stem": "imagenet"}),
]
IDS = [f"{name} {options}" for name, options in NETWORKS]


@pytest.fixture(autouse=True, scope="module")
def _registered():
    register_with_timm()


def create(name: str, **options) -> torch.nn.Module:
    return timm.create_model(f"resnet_tutorial_{name}", pretrained=False, **options)


def images(n: int = 2, size: int = 32, channels: int = 3) -> torch.Tensor:
    return torch.randn(n, channels, size, size, generator=torch.Generator().manual_seed(0))


# --- The registry ---


def test_timm_knows_every_network():
    names = [f"resnet_tutorial_{name}" for name in list_models()]
    assert register_with_timm() == names  # a second time: no warning, no change
    assert sorted(timm.list_models("resnet_tutorial_*")) == sorted(names)
    trained = [f"resnet_tutorial_{name}" for name in list_pretrained()]
    assert timm.list_models("resnet_tutorial_*", pretrained=True) == trained


@pytest.mark.parametrize("name", list_pretrained())
def test_trained_networks_come_trained(name):
    ours = load_trained(name)
    theirs = timm.create_model(f"resnet_tutorial_{name.partition('.')[0]}", pretrained=True).eval()
    with torch.inference_mode():
        torch.testing.assert_close(theirs(images()), ours.model(images()))
    config = timm.data.resolve_model_data_config(theirs)
    assert (config["mean"], config["std"]) == (ours.mean, ours.std)
    other = timm.create_model(f"resnet_tutorial_{name}", pretrained=True, num_classes=3)
    assert other(images()).shape == (2, 3) and torch.equal(other.conv1.weight, ours.model.conv1.weight)


def test_without_timm(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InputError, match=r'pip install "resnet-tutorial\[timm\]"'):
        register_with_timm()


# --- timm's checks ---


@pytest.mark.parametrize(("name", "options"), NETWORKS, ids=IDS)
def test_it_computes_what_our_network_computes(name, options):
    """State dicts go both ways."""
    ours, theirs = create_model(name, num_classes=7, **options).eval(), create(name, num_classes=7, **options).eval()
    theirs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(theirs(images()), ours(images()))
    theirs.reset_classifier(7)
    ours.load_state_dict(theirs.state_dict())
    torch.testing.assert_close(theirs(images()), ours(images()))


@pytest.mark.parametrize(("name", "options"), NETWORKS, ids=IDS)
def test_backward_reaches_every_parameter(name, options):
    model = create(name, num_classes=42, in_chans=1, drop_rate=0.1, **options).train()
    model.set_grad_checkpointing()
    assert model.checkpoint_activations
    output = model(images(channels=1))
    assert output.shape == (2, 42)
    output.mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize(("name", "options"), NETWORKS, ids=IDS)
def test_the_default_cfg_is_true(name, options):
    model = create(name, **options).eval()
    cfg, state = model.default_cfg, model.state_dict()
    assert cfg["input_size"] == (3, 32, 32) and cfg["num_classes"] == 10
    assert cfg["mean"] == pytest.approx((0.4914, 0.4822, 0.4465), abs=1e-4)
    assert cfg["std"] == pytest.approx((0.2470, 0.2435, 0.2616), abs=1e-4)
    assert f"{cfg['classifier']}.weight" in state and f"{cfg['first_conv']}.weight" in state
    assert model.get_submodule(cfg["classifier"]) is model.get_classifier()
    assert model.forward_features(images()).shape[-2:] == cfg["pool_size"]
    assert timm.data.resolve_data_config({}, model=model)["mean"] == cfg["mean"]


@pytest.mark.parametrize(("name", "options"), NETWORKS, ids=IDS)
def test_the_head_comes_off(name, options):
    model = create(name, **options).eval()
    maps = model.forward_features(images())
    assert model.forward_head(maps, pre_logits=True).shape == (2, model.head_hidden_size)
    torch.testing.assert_close(model.forward_head(maps), model(images()))
    model.reset_classifier(0)
    assert model(images()).shape == (2, model.num_features) and model.num_classes == 0
    model.reset_classifier(0, "")
    torch.testing.assert_close(model(images()), maps)
    model.reset_classifier(5, "catavgmax")
    assert model(images()).shape == (2, 5) and model.head_hidden_size == 2 * model.num_features
    bare = create(name, num_classes=0, global_pool="", **options).eval()
    assert bare(images()).shape == maps.shape


@pytest.mark.parametrize("mode", [True, False])
def test_a_new_head_is_in_the_mode_of_the_model(mode):
    model = create("resnet20").double().train(mode)
    model.reset_classifier(3)
    assert model.fc.training is mode and model.fc.weight.dtype == torch.float64


@pytest.mark.parametrize("indices", [None, (1, 2), (-1,), (0,)])
@pytest.mark.parametrize(("name", "options"), NETWORKS, ids=IDS)
def test_features_only(name, options, indices):
    """The maps behind the ReLU of the stem (0) and of each stage, against those computed part by part."""
    whole = create(name, **options).eval()
    x = whole.bn1(whole.conv1(images(size=64)))
    maps = [x if whole.preact else F.relu(x)]
    x = whole.pool(maps[0])
    for stage in whole.stages:
        x = stage(x)
        maps.append(x)
    chosen = {} if indices is None else {"out_indices": indices}
    model = create(name, features_only=True, **chosen, **options).eval()
    weights = model.body.state_dict()
    model.body.load_state_dict({key: whole.state_dict()[key] for key in weights})
    outputs = model(images(size=64))
    torch.testing.assert_close(outputs, maps if indices is None else [maps[i] for i in indices])
    assert [output.shape[1] for output in outputs] == model.feature_info.channels()
    assert [64 // output.shape[2] for output in outputs] == model.feature_info.reduction()
    assert "fc.weight" not in weights


@pytest.mark.parametrize("name", ["resnet20", "preact20"])
def test_parameter_groups_follow_depth(name):
    """timm's learning rates layer by layer: lowest in the stem, rising block by block, whole in the head."""
    model = create(name)
    groups = timm_optim.param_groups_layer_decay(model, layer_decay=0.5)
    scale = {id(p): group["lr_scale"] for group in groups for p in group["params"]}
    scales = [scale[id(model.get_parameter(key))] for key in ("conv1.weight", "stages.0.0.conv1.weight", "fc.weight")]
    assert len(scale) == len(list(model.parameters())) and scales == sorted(set(scales)) and scales[-1] == 1
    assert scale[id(model.stages[0][0].bn1.weight)] == scale[id(model.stages[0][0].conv1.weight)]
    coarse = timm.models.group_parameters(model, model.group_matcher(coarse=True))
    assert len(coarse) <= 1 + len(model.arch.blocks) + 2


@pytest.mark.filterwarnings("ignore:.*torch.jit:")
@pytest.mark.parametrize(("name", "options"), NETWORKS, ids=IDS)
def test_torchscript_and_fx(name, options):
    model = create(name, scriptable=True, **options).eval()
    with torch.no_grad():
        expected = model(images())
        torch.testing.assert_close(torch.jit.script(model)(images()), expected)
        torch.testing.assert_close(torch.fx.symbolic_trace(model)(images()), expected)
