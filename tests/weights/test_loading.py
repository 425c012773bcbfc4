import copy
import json
import re
from dataclasses import asdict, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from torch import nn

from resnet_tutorial import InputError, Recipe, ResNet, create_model, export_weights, load_weights, save_weights
from resnet_tutorial.training.checkpoint import save_checkpoint
from resnet_tutorial.weights import model_from_weights
from tests.weights.others import TheirNet, chenyaofo, idelbayev, kuangliu, shake

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CHENYAOFO = ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))


def write(path, content):
    torch.save(content, path)
    return path


def logits(model, size=16):
    """In evaluation mode, on images that are the same on every call."""
    dtype = next(model.parameters()).dtype
    x = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(dtype)
    with torch.no_grad():
        return copy.deepcopy(model).eval()(x)


def agree(ours, theirs):
    torch.testing.assert_close(logits(ours), logits(theirs), rtol=1e-10, atol=1e-10)


def refused(model, path, **options) -> str:
    """The error of `load_weights`, which must be one line and leave the network as it was, bit by bit."""
    before, modules, arch = copy.deepcopy(model.state_dict()), list(model.modules()), model.arch
    with pytest.raises(InputError) as error:
        load_weights(model, path, **options)
    after = model.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    assert modules == list(model.modules()) and model.arch is arch
    assert "\n" not in str(error.value)
    return str(error.value)


# Against code that others wrote


def build_theirs(source, name):
    if source == "torchvision":
        import torchvision

        return getattr(torchvision.models, name)(weights=None)
    timm = pytest.importorskip("timm")
    return timm.create_model(name, pretrained=False)


def our_name(name: str) -> str:
    """The rules once more, as a reader would write them down."""
    name = re.sub(r"layer(\d)", lambda match: f"stages.{int(match[1]) - 1}", name).replace(
        "downsample.conv", "shortcut.0"
    )
    name = re.sub(r"\.norm(\d)", r".bn\1", name.replace("downsample", "shortcut").replace(".blocks", ""))
    return name.replace("stem.conv", "conv1").replace("head.fc", "fc")


@pytest.mark.parametrize(
    ("source", "theirs", "name"),
    [("torchvision", name, name) for name in ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")]
    + [("timm", "resnet18", "resnet18"), ("timm", "resnet50", "resnet50"), ("timm", "resnetv2_50", "preact50")],
)
def test_published_code_computes_the_same(tmp_path, source, theirs, name):
    """Same logits in both modes, same gradients, same running statistics, to 1e-10."""
    torch.manual_seed(0)
    theirs = build_theirs(source, theirs)
    file = write(tmp_path / "w.pth", theirs.state_dict())
    theirs = theirs.double()
    with torch.device("meta"):  # without the time that initialization takes
        ours = create_model(name, num_classes=1000, stem="imagenet").double()
    ours = ours.to_empty(device="cpu")
    loaded = load_weights(ours, file)
    file.unlink()  # hundreds of megabytes
    assert loaded.layout == ("timm_resnetv2" if name == "preact50" else "torchvision")
    theirs.load_state_dict(export_weights(ours, loaded.layout))
    assert (loaded.shortcut, loaded.changed, loaded.mean) == ("B", False, None)
    x = torch.randn(2, 3, 36, 36, dtype=torch.float64)  # the smallest that leaves 2×2 to the last BatchNorm
    close = {"rtol": 1e-10, "atol": 1e-10}
    for mode in (True, False):  # evaluation last, with the running statistics that training left
        results = [model.train(mode)(x) for model in (ours, theirs)]
        torch.testing.assert_close(*results, **close)
        if mode:
            for result in results:
                result.square().mean().backward()
    gradients = {
        our_name(name): p.grad.reshape(p.shape[:2] if "fc" in name else p.shape)
        for name, p in theirs.named_parameters()
    }
    torch.testing.assert_close({name: p.grad for name, p in ours.named_parameters()}, gradients, **close)


def test_timms_basic_pre_activation_block_is_another_one(tmp_path):
    timm = pytest.importorskip("timm")
    file = write(tmp_path / "w.pth", timm.create_model("resnetv2_18", pretrained=False).state_dict())
    assert "first basic block" in refused(create_model("preact18", num_classes=1000, stem="imagenet"), file)


@pytest.mark.parametrize("prefix", ["", "module."])
def test_idelbayev(tmp_path, prefix):
    """Option A, ``linear``, no counters of batches, wrapped: the paper's network, written a second time."""
    torch.manual_seed(0)
    theirs = shake(idelbayev()).double()
    state = {prefix + k: v for k, v in theirs.state_dict().items() if not k.endswith("num_batches_tracked")}
    assert len(state) == 97
    file = write(tmp_path / "resnet20-12fca82f.th", {"state_dict": state, "best_prec1": 91.73})
    ours = create_model("resnet20").double()
    loaded = load_weights(ours, file)
    agree(ours, theirs)
    theirs.load_state_dict(export_weights(ours, "idelbayev"))
    assert (loaded.layout, loaded.shortcut, loaded.changed) == ("idelbayev", "A", False)
    assert (loaded.mean, loaded.std) == IMAGENET and "published" in loaded.inferred
    assert loaded.metadata == {"best_prec1": 91.73} and loaded.classes is None


@pytest.mark.parametrize(
    ("name", "blocks", "bottleneck"), [("resnet18", (2, 2, 2, 2), False), ("resnet50", (3, 4, 6, 3), True)]
)
def test_kuangliu(tmp_path, name, blocks, bottleneck):
    torch.manual_seed(0)
    theirs = shake(kuangliu(blocks, bottleneck)).double()
    state = {f"module.{name}": value for name, value in theirs.state_dict().items()}
    file = write(tmp_path / "ckpt.pth", {"net": state, "acc": 95.47, "epoch": 199})
    ours = create_model(name, width=0.125).double()
    loaded = load_weights(ours, file)
    agree(ours, theirs)
    theirs.load_state_dict(export_weights(ours, "kuangliu"))
    assert (loaded.layout, loaded.shortcut, loaded.mean, loaded.std) == ("kuangliu", "B", None, None)
    assert loaded.metadata == {"acc": 95.47, "epoch": 199}


@pytest.mark.parametrize(("num_classes", "mean_std"), [(10, CHENYAOFO), (100, (None, None))])
def test_chenyaofo(tmp_path, num_classes, mean_std):
    """Option B in three stages: the network's option A gives way. Mean and deviation are known for ten classes only."""
    torch.manual_seed(0)
    theirs = shake(chenyaofo(num_classes=num_classes)).double()
    ours = create_model("resnet20", num_classes=num_classes).double()
    loaded = load_weights(ours, write(tmp_path / "cifar_resnet20.pt", theirs.state_dict()))
    agree(ours, theirs)
    theirs.load_state_dict(export_weights(ours, "chenyaofo"))
    assert (loaded.layout, loaded.shortcut, loaded.changed) == ("chenyaofo", "B", True)
    assert (loaded.mean, loaded.std) == mean_std
    assert ours.arch == replace(create_model("resnet20").arch, shortcut="B")


def test_other_peoples_three_stage_networks_are_not_chenyaofos(tmp_path):
    theirs = TheirNet((2, 2, 2), (16, 32, 64), shortcut="downsample", head="fc", bottleneck=True).double()
    ours = create_model("resnet20", shortcut="C").double()
    assert "basic blocks" in refused(ours, write(tmp_path / "w.pth", theirs.state_dict()))
    ours = create_model("resnet164").double()
    theirs = TheirNet((18, 18, 18), (16, 32, 64), shortcut="downsample", head="fc", bottleneck=True).double()
    loaded = load_weights(ours, write(tmp_path / "w.pth", theirs.state_dict()))
    agree(ours, theirs)
    assert (loaded.layout, loaded.mean) == ("torchvision", None)


def test_option_a_of_unknown_padding_is_not_guessed(tmp_path):
    theirs = TheirNet((3, 3, 3), (16, 32, 64), shortcut="downsample", head="fc", option="A")
    assert "pads the zeros" in refused(create_model("resnet20"), write(tmp_path / "w.pth", theirs.state_dict()))


def test_a_pre_activation_network_without_its_last_norm_is_refused(tmp_path):
    """kuangliu's PreActResNet: names and shapes of the tensors as in its code."""
    state = {}
    for name, value in create_model("preact18", width=0.125).state_dict().items():
        if not name.startswith("norm."):
            stage, _, rest = name.removeprefix("stages.").partition(".")
            state[f"layer{int(stage) + 1}.{rest}" if name.startswith("stages.") else name.replace("fc", "linear")] = (
                value
            )
    file = write(tmp_path / "w.pth", state)
    for name in ("preact18", "resnet18"):
        assert "PreActResNet" in refused(create_model(name, width=0.125), file)


def test_a_plain_network_takes_no_weights_of_a_residual_one(tmp_path):
    """Names and shapes agree with option A: only the layout and the metadata tell them apart."""
    theirs = write(tmp_path / "w.th", idelbayev().state_dict())
    assert "plain" in refused(create_model("plain20"), theirs)
    for one, other in (("resnet20", "plain20"), ("plain20", "resnet20")):
        save_weights(create_model(one), tmp_path / "w.safetensors")
        assert f"create_model('{one}'" in refused(create_model(other), tmp_path / "w.safetensors")
    bare = write(tmp_path / "bare.pth", create_model("plain20").state_dict())
    assert load_weights(create_model("plain20"), bare).shortcut == "none"
    assert "a plain network would look the same" in load_weights(create_model("resnet20"), bare).inferred


# The shortcut option


@pytest.mark.parametrize("kind", ["resnet", "preact"])
@pytest.mark.parametrize("option", "ABC")
@pytest.mark.parametrize("own", "ABC")
def test_the_shortcut_option_of_the_file_is_fitted(tmp_path, kind, own, option):
    torch.manual_seed(0)
    source = shake(create_model(f"{kind}14", shortcut=option, width=0.5, num_classes=3)).double()
    model = create_model(f"{kind}14", shortcut=own, width=0.5, num_classes=3).double().eval()
    loaded = load_weights(model, write(tmp_path / "w.pth", source.state_dict()))
    assert (loaded.shortcut, loaded.changed) == (option, own != option)
    assert model.arch == source.arch and repr(model) == repr(source)
    assert torch.equal(logits(model), logits(source))
    assert not any(module.training for module in model.modules())


def test_new_shortcuts_are_like_the_rest_of_the_network(tmp_path):
    file = write(tmp_path / "w.pth", chenyaofo().half().state_dict())
    model = create_model("resnet20").to(torch.bfloat16).requires_grad_(False)
    load_weights(model, file)
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
    assert not any(p.requires_grad for p in model.parameters()) and all(m.training for m in model.modules())


def test_counters_of_batches_that_the_file_lacks_start_at_zero(tmp_path):
    state = {k: v for k, v in chenyaofo().state_dict().items() if not k.endswith("num_batches_tracked")}
    model = create_model("resnet20")
    model(torch.randn(2, 3, 8, 8))
    assert load_weights(model, write(tmp_path / "w.pth", state)).changed
    counters = [value for name, value in model.state_dict().items() if name.endswith("num_batches_tracked")]
    assert len(counters) == 21 and not any(counters)


def test_projections_where_no_option_has_them(tmp_path):
    state = create_model("resnet20", shortcut="C").state_dict()
    state = {name: value for name, value in state.items() if not name.startswith("stages.1.0.shortcut")}
    assert "other blocks" in refused(create_model("resnet20"), write(tmp_path / "w.pth", state))


def test_one_block_a_stage_where_b_and_c_are_one(tmp_path):
    for option in "BC":
        model = create_model("resnet11", shortcut=option)
        loaded = load_weights(model, write(tmp_path / "w.pth", create_model("resnet11", shortcut="B").state_dict()))
        assert (loaded.shortcut, loaded.changed) == (option, False)


# What does not fit


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("resnet20", {"stem": "imagenet"}, ["3×3 stem", "7×7 stem"]),
        ("resnet20", {"num_classes": 100}, ["10 classes", "100 classes"]),
        ("resnet20", {"in_channels": 1}, ["3 image channels", "1 image channels"]),
        ("resnet20", {"width": 2}, ["16, 32, 64", "32, 64, 128"]),
        ("resnet32", {}, ["3 + 3 + 3 basic", "5 + 5 + 5 basic", "depth 20", "depth 32"]),
        ("resnet18", {}, ["3 + 3 + 3 basic", "2 + 2 + 2 + 2 basic"]),
        ("resnet29", {}, ["3 + 3 + 3 basic", "3 + 3 + 3 bottleneck"]),
        ("preact20", {}, ["residual blocks", "pre-activation blocks"]),
    ],
)
def test_words_before_keys(tmp_path, name, options, words):
    """Also with another shortcut option in the file, which must not be fitted before the rest is known to fit."""
    for file_option in "AB":
        source = create_model("resnet20", shortcut=file_option)
        message = refused(create_model(name, **options), write(tmp_path / "w.pth", source.state_dict()))
        if name != "preact20" or file_option == "B":
            assert all(word in message for word in words) and "create_model('resnet20', num_classes=10) fits" in message


def rename(state):
    state["fc.scale"] = state.pop("fc.bias")


def reshape(state):
    state["stages.0.1.conv1.weight"] = torch.zeros(16, 16, 1, 1)


def to_integers(state):
    state["fc.bias"] = torch.zeros(10, dtype=torch.long)


def thin_out(state):
    for i in range(3):
        for j in range(3):
            del state[f"stages.{i}.{j}.bn2.running_mean"]


@pytest.mark.parametrize("option", "AB")
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (rename, ["missing: fc.bias;", "extra: fc.scale"]),
        (reshape, ["misshapen: stages.0.1.conv1.weight"]),
        (to_integers, ["misshapen: fc.bias"]),
        (thin_out, ["missing: stages.0.0.bn2.running_mean", "and 4 more"]),
    ],
)
def test_keys_are_named(tmp_path, change, words, option):
    state = create_model("resnet20", shortcut=option).state_dict()
    change(state)
    message = refused(create_model("resnet20"), write(tmp_path / "w.pth", state))
    assert all(word in message for word in words)


def test_keys_are_named_as_in_the_file(tmp_path):
    state = idelbayev().state_dict()
    del state["layer2.0.bn1.weight"], state["linear.bias"]
    message = refused(create_model("resnet20"), write(tmp_path / "w.pth", state))
    assert "missing: layer2.0.bn1.weight, linear.bias" in message


def test_a_network_that_is_none_of_these(tmp_path):
    file = write(tmp_path / "w.pth", nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)).state_dict())
    message = refused(create_model("resnet20"), file)
    assert "no layout known here" in message and "0.weight, 0.bias, 1.weight, 1.bias" in message


def test_a_layout_can_be_forced(tmp_path):
    file = write(tmp_path / "w.th", idelbayev().state_dict())
    assert load_weights(create_model("resnet20"), file, layout="idelbayev").layout == "idelbayev"
    assert "have no option A" in refused(create_model("resnet20"), file, layout="kuangliu")
    assert "not those of the layout resnet_tutorial" in refused(
        create_model("resnet20"), file, layout="resnet_tutorial"
    )
    assert "did you mean 'torchvision'" in refused(create_model("resnet20"), file, layout="torchvison")
    ours = write(tmp_path / "three.pt", chenyaofo().state_dict())
    assert "4 stages, it has 3" in refused(create_model("resnet20"), ours, layout="torchvision")


def test_only_networks_of_the_package_take_weights(tmp_path):
    save_weights(create_model("resnet8"), tmp_path / "w.safetensors")
    for model, words in (
        (nn.Linear(2, 2), "got Linear"),
        (nn.DataParallel(create_model("resnet8")), "pass its .module"),
        (create_model("resnet8").to("meta"), "meta device"),
    ):
        with pytest.raises(InputError, match=words):
            load_weights(model, tmp_path / "w.safetensors")


def test_a_head_that_the_learner_replaced(tmp_path):
    model = create_model("resnet8")
    model.fc = nn.Linear(64, 3)
    source = create_model("resnet8", num_classes=3, shortcut="B")
    load_weights(model, write(tmp_path / "w.pth", source.state_dict()))
    assert torch.equal(logits(model), logits(source))
    model.fc = nn.Identity()
    assert "extra: fc.weight, fc.bias" in refused(model, tmp_path / "w.pth")


# Saved and loaded


@settings(max_examples=15, deadline=None)
@given(
    name=st.sampled_from(["resnet8", "resnet11", "preact8", "preact11", "plain8", "resnet18", "preact18"]),
    shortcut=st.sampled_from([None, "A", "B", "C"]),
    stem=st.sampled_from(["cifar", "imagenet"]),
    width=st.sampled_from([0.07, 0.125, 0.25]),
    num_classes=st.integers(1, 12),
    dtype=st.sampled_from([None, torch.float16, torch.bfloat16]),
    seed=st.integers(0, 99),
)
def test_saved_and_loaded(tmp_path_factory, name, shortcut, stem, width, num_classes, dtype, seed):
    if name.startswith("plain"):
        shortcut = None
    torch.manual_seed(seed)
    options = {"shortcut": shortcut, "stem": stem, "width": width, "num_classes": num_classes}
    model = shake(create_model(name, **options))
    if dtype is not None:  # numbers that the smaller dtype can hold
        model = model.to(dtype).float()
    path = tmp_path_factory.mktemp("weights") / "w.safetensors"
    save_weights(model, path, dtype=dtype)
    again = model_from_weights(path)
    assert again.arch == model.arch and not again.training
    assert torch.equal(logits(again, 32), logits(model, 32))
    other = create_model(name, **options)
    loaded = load_weights(other, path)
    assert (loaded.layout, loaded.changed, loaded.mean, loaded.classes) == ("resnet_tutorial", False, None, None)
    assert all(torch.equal(a, b) for a, b in zip(other.state_dict().values(), model.state_dict().values(), strict=True))


@pytest.mark.parametrize("name", ["resnet8", "preact8"])
@pytest.mark.parametrize("option", "ABC")
def test_stages_of_one_width(tmp_path, name, option):
    """Where no block widens, only the stride asks for a projection, and the final norm tells pre-activation."""
    model = shake(ResNet(replace(create_model(name).arch, name="narrow", widths=(8, 8, 8), shortcut=option)))
    save_weights(model, tmp_path / "w.safetensors")
    again = model_from_weights(tmp_path / "w.safetensors")
    assert again.arch == model.arch and torch.equal(logits(again), logits(model))
    load_weights(again, write(tmp_path / "bare.pth", shake(model).state_dict()))
    assert torch.equal(logits(again), logits(model))


def test_what_a_file_says_in_a_year(tmp_path):
    model, path = create_model("resnet20", num_classes=2, width=0.5), tmp_path / "deep" / "w.safetensors"
    recipe, record = Recipe(epochs=7), {"test": {"accuracy": 91.25}, "seed": 0}
    save_weights(
        model, path, classes=("cat", "dög"), mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6), recipe=recipe, record=record
    )
    with safe_open(path, "pt") as file:
        stored = file.metadata()
    assert stored["format"] == "pt"
    stored = {key: json.loads(value) for key, value in stored.items() if key != "format"}
    assert stored["architecture"] == json.loads(json.dumps(asdict(model.arch))) | {
        "depth": 20,
        "in_channels": 3,
        "num_classes": 2,
    }
    assert stored["channel_order"] == "RGB" and stored["classes"] == ["cat", "dög"]
    assert stored["recipe"]["epochs"] == 7 and stored["record"] == record
    assert stored["torch_version"] == str(torch.__version__) and {"package_version", "mean", "std"} < stored.keys()
    loaded = load_weights(create_model("resnet20", num_classes=2, width=0.5), path)
    assert loaded.metadata == stored and loaded.classes == ("cat", "dög")
    assert (loaded.mean, loaded.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert "stand in the file" in loaded.inferred


def test_half_precision_halves_the_file(tmp_path):
    model = create_model("resnet20")
    for dtype in (None, torch.float16):
        save_weights(model, tmp_path / f"{dtype}.safetensors", dtype=dtype)
    sizes = [(tmp_path / f"{dtype}.safetensors").stat().st_size for dtype in (None, torch.float16)]
    assert sizes[1] < 0.6 * sizes[0]
    assert model.fc.weight.dtype == torch.float32
    assert {p.dtype for p in model_from_weights(tmp_path / "torch.float16.safetensors").parameters()} == {torch.float32}
    model.stages[0][0].bn1.running_var.fill_(1e6)
    with pytest.raises(InputError, match=r"stages.0.0.bn1.running_var holds numbers beyond"):
        save_weights(model, tmp_path / "w.safetensors", dtype=torch.float16)
    assert not (tmp_path / "w.safetensors").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"classes": ["a"]}, "10 classes, got 1"),
        ({"mean": [0.5] * 3}, "belong together"),
        ({"mean": [0.5], "std": [0.5]}, "3 finite numbers"),
        ({"mean": [0.5] * 3, "std": [0, 1, 1]}, "above 0"),
        ({"record": {"what": object()}}, "plain data"),
    ],
)
def test_metadata_that_cannot_be_right(tmp_path, arguments, words):
    with pytest.raises(InputError, match=words):
        save_weights(create_model("resnet8"), tmp_path / "w.safetensors", **arguments)
    assert list(tmp_path.iterdir()) == []


def test_where_weights_cannot_be_saved(tmp_path):
    with pytest.raises(InputError, match=r"w\.safetensors, not w\.pth"):
        save_weights(create_model("resnet8"), tmp_path / "w.pth")
    (tmp_path / "w.safetensors").mkdir()
    with pytest.raises(InputError, match="cannot write"):
        save_weights(create_model("resnet8"), tmp_path / "w.safetensors")


def change_metadata(path, **changes):
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    import safetensors.torch

    safetensors.torch.save_file(tensors, path, metadata | changes)


def test_metadata_that_lie(tmp_path):
    path = tmp_path / "w.safetensors"
    save_weights(create_model("resnet8"), path)
    record = asdict(create_model("resnet8").arch)
    for changes, words in (
        ({"architecture": json.dumps(record | {"blocks": [10**9] * 3})}, "not those of"),
        ({"architecture": json.dumps(record | {"kind": "transformer"})}, "damaged"),
        ({"architecture": json.dumps({"name": "resnet8"})}, "damaged"),
        ({"architecture": "{"}, "damaged"),
        ({"resnet_tutorial_format": "2"}, "upgrade"),
        ({"resnet_tutorial_format": '"one"'}, "damaged"),
    ):
        save_weights(create_model("resnet8"), path)
        change_metadata(path, **changes)
        with pytest.raises(InputError, match=words):
            model_from_weights(path)
    save_weights(create_model("resnet8"), path)
    change_metadata(path, mean='["a"]', std="[1, 2]", classes='["one"]')
    loaded = load_weights(create_model("resnet8"), path)
    assert (loaded.mean, loaded.std, loaded.classes) == (None, None, None)


def test_a_checkpoint_of_a_run(tmp_path):
    torch.manual_seed(0)
    source = shake(create_model("resnet8", num_classes=2, shortcut="B", width=0.5))
    state = {
        "model": "resnet8",
        "model_state": source.state_dict(),
        "classes": ["left", "right"],
        "mean": [0.1, 0.2, 0.3],
        "std": [0.4, 0.5, 0.6],
        "optimizer": {"state": {0: {"momentum_buffer": torch.zeros(3)}}},
        "rng": torch.get_rng_state(),
        "record": {"model": "resnet8", "recipe": {"epochs": 3}},
    }
    save_checkpoint(tmp_path / "last.pt", state)
    for path in (tmp_path, tmp_path / "last.pt"):
        model = create_model("resnet8", num_classes=2, width=0.5)
        loaded = load_weights(model, path)
        assert torch.equal(logits(model), logits(source))
        assert (loaded.layout, loaded.shortcut, loaded.changed) == ("resnet_tutorial", "B", True)
        assert (loaded.classes, loaded.mean) == (("left", "right"), (0.1, 0.2, 0.3))
        assert loaded.metadata["record"]["recipe"] == {"epochs": 3}
        assert torch.equal(logits(model_from_weights(path)), logits(source))


def test_a_file_that_does_not_say_what_it_holds(tmp_path):
    file = write(tmp_path / "w.pth", create_model("resnet8").state_dict())
    with pytest.raises(InputError, match="create_model"):
        model_from_weights(file)
    with pytest.raises(InputError, match="create_model"):
        model_from_weights(write(tmp_path / "v.pth", {"model": "vgg16", "net": create_model("resnet8").state_dict()}))


# Written for others


EXPORTS = [
    ("torchvision", "resnet18", "B"),
    ("torchvision", "resnet50", "B"),
    ("kuangliu", "resnet34", "B"),
    ("chenyaofo", "resnet20", "B"),
    ("idelbayev", "resnet20", "A"),
    ("timm_resnetv2", "preact50", "B"),
    ("hysts", "resnet20", "B"),
    ("weiaicunzai", "resnet50", "B"),
    ("transformers", "resnet18", "B"),
    ("sequential", "resnet18", "B"),
    ("sequential_cifar", "resnet34", "B"),
    ("resnet_tutorial", "resnet20", "C"),
    ("resnet_tutorial", "plain18", "none"),
    ("resnet_tutorial", "preact20", "A"),
]


@pytest.mark.parametrize(("layout", "name", "option"), EXPORTS)
def test_written_and_read_again(tmp_path, layout, name, option):
    torch.manual_seed(0)
    width = 1 if "20" in name else 0.125
    source = shake(create_model(name, shortcut=None if option == "none" else option, width=width))
    state = export_weights(source, layout)
    assert list(map(torch.Tensor.numel, state.values())) == list(map(torch.Tensor.numel, source.state_dict().values()))
    model = create_model(name, width=width)
    loaded = load_weights(model, write(tmp_path / "w.pth", state))
    assert (loaded.layout, loaded.shortcut) == (layout, option)
    assert torch.equal(logits(model), logits(source))
    nn.init.zeros_(source.fc.weight)  # what was written is a copy
    assert any(
        value.any()
        for key, value in state.items()
        if key.endswith(("fc.weight", "linear.weight", "classifier.1.weight"))
    )


@pytest.mark.parametrize(
    ("name", "options", "layout", "words"),
    [
        ("resnet20", {}, "torchvision", r"pad zeros on both sides; choose from resnet_tutorial, idelbayev"),
        ("resnet20", {"shortcut": "B"}, "torchvision", r"4 stages, it has 3; choose from resnet_tutorial, chenyaofo"),
        ("resnet20", {"shortcut": "B"}, "idelbayev", "option A, it has B"),
        ("resnet18", {"shortcut": "C"}, "kuangliu", "option B, it has C"),
        ("resnet18", {}, "chenyaofo", "3 stages, it has 4"),
        ("resnet164", {}, "chenyaofo", "basic blocks only"),
        ("preact18", {}, "kuangliu", "pre-activation blocks"),
        ("plain18", {}, "torchvision", "blocks without shortcuts"),
        ("resnet20", {}, "tensorflow", "no layout is called 'tensorflow'"),
    ],
)
def test_what_others_cannot_build(name, options, layout, words):
    with pytest.raises(InputError, match=words):
        export_weights(create_model(name, width=0.125, **options), layout)
