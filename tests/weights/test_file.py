import os
import pickle
import tarfile
import warnings
import zipfile

import pytest
import safetensors.torch
import torch
from torch import nn

from resnet_tutorial import InputError
from resnet_tutorial.weights import read_weights

STATE = {"conv1.weight": torch.arange(6.0).reshape(2, 3), "fc.bias": torch.ones(2, dtype=torch.float16)}


def write(path, content, **options):
    torch.save(content, path, **options)
    return path


def same(one, other):
    return one.keys() == other.keys() and all(
        torch.equal(one[name], other[name]) and one[name].dtype == other[name].dtype for name in one
    )


def refused(path) -> str:
    """The one line of the error."""
    with pytest.raises(InputError) as error:
        read_weights(path)
    assert "\n" not in str(error.value) and str(path) in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("suffix", [".pth", ".th", ".pt", ".safetensors", ""])
@pytest.mark.parametrize("form", ["zip", "legacy", "safetensors"])
def test_the_content_decides_and_not_the_name(tmp_path, form, suffix):
    path = tmp_path / f"weights{suffix}"
    if form == "safetensors":
        safetensors.torch.save_file(STATE, path, {"author": "somebody", "epoch": "7"})
    else:
        write(path, STATE, _use_new_zipfile_serialization=form == "zip")
    file = read_weights(str(path))
    assert same(file.state_dict, STATE) and file.path == path
    assert file.metadata == ({"author": "somebody", "epoch": "7"} if form == "safetensors" else {})


@pytest.mark.parametrize("key", ["state_dict", "net", "model", "model_state", "model_state_dict", "model_ema"])
def test_wrapped(tmp_path, key):
    content = {"epoch": 3, key: STATE, "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]}, "acc": 92.5}
    file = read_weights(write(tmp_path / "w.pth", content))
    assert same(file.state_dict, STATE)
    assert file.metadata == {"epoch": 3, "acc": 92.5}


def test_wrapped_twice_and_beside_other_tensors(tmp_path):
    content = {"model": {"state_dict": STATE}, "rng": torch.zeros(5, dtype=torch.uint8)}
    assert same(read_weights(write(tmp_path / "w.pth", content)).state_dict, STATE)


def test_the_network_comes_before_its_average(tmp_path):
    average = {name: value + 1 for name, value in STATE.items()}
    file = read_weights(write(tmp_path / "w.pth", {"state_dict_ema": average, "state_dict": STATE}))
    assert same(file.state_dict, STATE)


@pytest.mark.parametrize(
    "prefix",
    ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "module.module.", "_orig_mod._orig_mod."],
)
def test_prefixes(tmp_path, prefix):
    state = {prefix + name: value for name, value in STATE.items()}
    assert same(read_weights(write(tmp_path / "w.pth", {"net": state})).state_dict, STATE)


def test_names_of_wrapped_blocks_and_averaged_models(tmp_path):
    state = {"n_averaged": torch.tensor(3), "module.layer1._orig_mod.0._fsdp_wrapped_module.bn1.bias": torch.ones(1)}
    assert list(read_weights(write(tmp_path / "w.pth", state)).state_dict) == ["layer1.0.bn1.bias"]


def test_a_name_that_would_stand_twice_is_refused(tmp_path):
    state = {"fc.bias": torch.ones(1), "module.fc.bias": torch.zeros(1)}
    assert "twice" in refused(write(tmp_path / "w.pth", state))


def test_the_folder_of_a_run(tmp_path):
    write(tmp_path / "last.pt", {"model_state": STATE})
    assert read_weights(tmp_path).path == tmp_path / "last.pt"
    with pytest.raises(InputError, match="no weights at"):
        read_weights(tmp_path / "nowhere")


class Hostile:
    """Creates a file when it is unpickled."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("form", ["zip", "legacy", "pickle"])
def test_a_hostile_pickle_runs_nothing(tmp_path, form):
    path, trace = tmp_path / "w.pth", tmp_path / "it-ran"
    content = {"state_dict": {**STATE, "fc.weight": Hostile(trace)}}
    if form == "pickle":
        path.write_bytes(pickle.dumps(content["state_dict"]["fc.weight"]))
    else:
        write(path, content, _use_new_zipfile_serialization=form == "zip")
    message = refused(path)
    assert not trace.exists()
    assert "objects beyond tensors" in message and "model.state_dict()" in message
    if form != "pickle":
        torch.load(path, weights_only=False)  # the trap is a real one
        assert trace.exists()


def test_a_pickled_module_is_refused_by_name(tmp_path):
    message = refused(write(tmp_path / "w.pth", nn.Linear(2, 2)))
    assert "torch.nn.modules.linear.Linear" in message and "model.state_dict()" in message


def test_a_torchscript_program_is_refused(tmp_path):
    path = tmp_path / "w.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)).save(path)
    assert "TorchScript" in refused(path)


@pytest.mark.parametrize("form", ["zip", "legacy", "safetensors"])
@pytest.mark.parametrize("part", [0, 0.01, 0.1, 0.5, 0.95])
def test_a_file_cut_short(tmp_path, form, part):
    path = tmp_path / "w.pth"
    state = {f"layer{i}.weight": torch.randn(20, 20) for i in range(5)}
    if form == "safetensors":
        safetensors.torch.save_file(state, path)
    else:
        write(path, state, _use_new_zipfile_serialization=form == "zip")
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    refused(path)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("form", ["zip", "legacy", "safetensors"])
def test_flipped_bytes_give_weights_or_one_line(tmp_path, form, seed):
    path = tmp_path / "w.pth"
    if form == "safetensors":
        safetensors.torch.save_file(STATE, path)
    else:
        write(path, STATE, _use_new_zipfile_serialization=form == "zip")
    content = bytearray(path.read_bytes())
    generator = torch.Generator().manual_seed(seed)
    for position in torch.randint(min(len(content), 600), (8,), generator=generator):
        content[position] ^= 0xFF
    path.write_bytes(content)
    try:
        read_weights(path)
    except InputError as error:
        assert "\n" not in str(error)


def test_things_that_are_no_weights(tmp_path):
    path = tmp_path / "w.pth"
    for text in ("<!DOCTYPE html><html></html>", "version https://git-lfs.github.com/spec/v1\n"):
        path.write_text(text)
        assert "no file of weights" in refused(path)
    for content in ([1, 2], torch.ones(3), {}, {"epoch": 3}, {1: torch.ones(3)}, {"state_dict": {"lr": 0.1}}):
        assert "holds no weights" in refused(write(path, content))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert "no file of weights" in refused(path)
    with tarfile.open(path, "w") as archive:
        archive.add(__file__, arcname="storages")
    assert "tar archive" in refused(path)


def test_a_checkpoint_that_holds_itself(tmp_path):
    content = {"epoch": 1}
    content["model"] = content
    assert "holds no weights" in refused(write(tmp_path / "w.pth", content))


def test_tensors_without_ordinary_numbers(tmp_path):
    path = tmp_path / "w.pth"
    assert "meta" in refused(write(path, {"fc.weight": torch.empty(2, 2, device="meta")}))
    assert "sparse" in refused(write(path, {"fc.weight": torch.eye(3).to_sparse()}))


def test_parameters_come_back_as_plain_tensors(tmp_path):
    file = read_weights(write(tmp_path / "w.pth", {"fc.weight": nn.Parameter(torch.ones(2))}))
    assert not file.state_dict["fc.weight"].requires_grad


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read(tmp_path):
    path = write(tmp_path / "w.pth", STATE)
    path.chmod(0)
    assert "cannot read" in refused(path)
