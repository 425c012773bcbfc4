import argparse
import builtins
import collections
import datetime
import enum
import functools
import os
import pathlib
import pickle
import subprocess
import tarfile
import types
import warnings
import zipfile
from dataclasses import dataclass

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from resnet_tutorial import InputError, create_model
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


@pytest.mark.parametrize("key", ["state_dict", "net", "model", "model_state", "model_state_dict"])
def test_wrapped(tmp_path, key):
    content = {"epoch": 3, key: STATE, "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]}, "acc": 92.5}
    file = read_weights(write(tmp_path / "w.pth", content))
    assert same(file.state_dict, STATE)
    assert file.metadata == {"epoch": 3, "acc": 92.5} and file.notes == ()


@pytest.mark.parametrize("key", ["network", "params_ema", "model_ema", "weights", "student", "backbone", "a.b"])
def test_wrapped_under_any_key(tmp_path, key):
    moments = {"state": {"conv1.weight": {"exp_avg": torch.zeros(2, 3), "step": torch.tensor(1)}}}
    content = {"epoch": 3, key: STATE, "optimizer": moments, "teacher": dict.fromkeys("abcde", torch.zeros(2, 2))}
    file = read_weights(write(tmp_path / "w.pth", content))
    if key.endswith("ema"):  # two that may be averages, and the larger one is taken
        assert file.notes == ("the state dict lay under the key 'teacher'",)
        del content["teacher"]
        file = read_weights(write(tmp_path / "w.pth", content))
    assert same(file.state_dict, STATE) and file.metadata == {"epoch": 3}
    assert file.notes[0] == f"the state dict lay under the key {key!r}" and file.notes[1:] == file.others


@pytest.mark.parametrize("content", [[STATE, {"epoch": 3}], ({"epoch": 3}, STATE), {"models": [STATE]}])
def test_a_state_dict_in_a_list(tmp_path, content):
    file = read_weights(write(tmp_path / "w.pth", content))
    assert same(file.state_dict, STATE) and "the state dict lay under the key" in file.notes[0]


def test_what_lies_in_a_file_without_a_state_dict_is_named(tmp_path):
    content = {"epoch": 3, "weights": [torch.zeros(2, 2)]}
    assert "holds 'epoch' (int), 'weights' (list)" in refused(write(tmp_path / "w.pth", content))
    for content, told in (
        (torch.zeros(2, 2), "a single tensor, of the shape (2, 2)"),
        ([torch.zeros(2), np.zeros(2)], "a list without names: 2 × "),
        (["conv1"] * 3, "a list without names: 3 × str"),
        ([], "nothing but an object of the class list"),
        (argparse.Namespace(lr=1), "nothing but an object of the class argparse.Namespace"),
        ({"names": np.array(["a", "b"])}, "'names' ("),
    ):
        assert told in refused(write(tmp_path / "w.pth", content))


ARRAYS = {name: value.numpy() for name, value in STATE.items()}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("form", ["zip", "legacy", "plain", "plain tensors"])
@pytest.mark.parametrize("key", ["", "params"])
def test_a_state_dict_of_numpy_and_of_plain_pickle(tmp_path, protocol, form, key):
    content = STATE if form == "plain tensors" else ARRAYS | {"odd": np.asfortranarray(np.eye(3, 2, dtype=">f8"))}
    content = {key: content, "epoch": 3} if key else content
    if form.startswith("plain"):
        (tmp_path / "w.pkl").write_bytes(pickle.dumps(content, protocol=protocol))
        file = read_weights(tmp_path / "w.pkl")
    else:
        options = {"pickle_protocol": protocol, "_use_new_zipfile_serialization": form == "zip"}
        file = read_weights(write(tmp_path / "w.pth", content, **options))
    odd = file.state_dict.pop("odd", torch.eye(3, 2, dtype=torch.float64))
    assert same(file.state_dict, STATE) and torch.equal(odd, torch.eye(3, 2, dtype=torch.float64))
    assert file.metadata == ({"epoch": 3} if key else {})


def test_an_npz_file_of_weights(tmp_path):
    np.savez(tmp_path / "w.npz", **ARRAYS)
    assert same(read_weights(tmp_path / "w.npz").state_dict, STATE)
    np.savez(tmp_path / "w.npz", a=np.array([Settings()]))
    assert "cannot be read" in refused(tmp_path / "w.npz")


def test_arrays_beside_tensors_are_no_weights(tmp_path):
    path = write(tmp_path / "w.pth", {**STATE, "mean": np.zeros(3), "history": {"loss": np.zeros(9), "lr": np.ones(9)}})
    assert same(read_weights(path).state_dict, STATE)


def test_complex_weights_are_refused(tmp_path):
    assert "fc.bias" in (told := refused(write(tmp_path / "w.pth", {**STATE, "fc.bias": torch.ones(2) * 1j})))
    assert "complex numbers" in told


@pytest.mark.parametrize(
    ("text", "told"), [('{"epoch": 3}', "a JSON file"), ("epoch,loss\n1,2\n", "a text that begins")]
)
def test_a_table_or_json_is_no_file_of_weights(tmp_path, text, told):
    (tmp_path / "w.pth").write_text(text)
    assert told in (message := refused(tmp_path / "w.pth")) and "name the file of weights itself" in message


def test_wrapped_twice_and_beside_other_tensors(tmp_path):
    content = {"model": {"state_dict": STATE}, "rng": torch.zeros(5, dtype=torch.uint8)}
    assert same(read_weights(write(tmp_path / "w.pth", content)).state_dict, STATE)


def test_the_network_comes_before_its_average(tmp_path):
    average = {name: value + 1 for name, value in STATE.items()}
    file = read_weights(write(tmp_path / "w.pth", {"state_dict_ema": average, "state_dict": STATE}))
    assert same(file.state_dict, STATE)
    assert file.notes == file.others == ("another network, under the key 'state_dict_ema', was left alone",)


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


class Split(enum.Enum):
    TRAIN = 1


@dataclass
class Settings:
    lr: float = 0.1


class Attributes(dict):
    pass


BESIDE = {
    "namespace": argparse.Namespace(lr=0.1, path=pathlib.Path("data")),
    "simple namespace": types.SimpleNamespace(lr=0.1),
    "scalar": np.float64(92.5),
    "array": np.arange(6.0).reshape(2, 3),
    "dtype": np.dtype("float32"),
    "generator": np.random.get_state(),
    "datetime": datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone.utc),
    "timedelta": [datetime.timedelta(1), datetime.date(2020, 1, 2)],
    "path": pathlib.PurePosixPath("a/b"),
    "defaultdict": collections.defaultdict(list, {"loss": [0.5]}),
    "deque": collections.deque([1, 2], maxlen=3),
    "counter": collections.Counter("abc"),
    "ordered": collections.OrderedDict(a=1),
    "enum": {Split.TRAIN: 1, "split": Split.TRAIN},
    "set": {1, 2, frozenset("ab")},
    "bytes": b"\xff\x00",
    "class": Settings,
    "dataclass": Settings(0.5),
    "subclass": Attributes(lr=0.1),
    "dtypes": [torch.float16, torch.Size([1, 2]), torch.device("cpu")],
    "optimizer": torch.optim.SGD([torch.zeros(1)], lr=0.1),
    "function": refused,
}


@pytest.mark.parametrize("form", ["zip", "legacy", 4, 5])
@pytest.mark.parametrize("kind", BESIDE)
def test_other_objects_beside_the_tensors_are_not_made(tmp_path, monkeypatch, kind, form):
    content = {"args": BESIDE[kind], "state_dict": STATE, "epoch": 3}
    options = {"pickle_protocol": form} if isinstance(form, int) else {"_use_new_zipfile_serialization": form == "zip"}
    path = write(tmp_path / "w.pth", content, **options)
    imported = []

    def watch(name, *rest, importer=__import__, **options):
        imported.append(name)
        return importer(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", watch)
    monkeypatch.setattr(Settings, "__init__", lambda self, lr: imported.append("made"), raising=True)
    file = read_weights(path)
    monkeypatch.undo()
    assert same(file.state_dict, STATE) and file.metadata["epoch"] == 3
    assert "made" not in imported and __name__ not in imported


def test_a_state_dict_in_a_dict_of_another_class(tmp_path):
    content = collections.defaultdict(dict, {"hyper": Attributes(lr=0.1), "state_dict": Attributes(STATE)})
    assert same(read_weights(write(tmp_path / "w.pth", content)).state_dict, STATE)


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


class Calls:
    """Calls a function when it is unpickled."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("form", ["zip", "legacy", 4, "plain"])
@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (os.system, ("true",)),
        (subprocess.Popen, ("true",)),
        (eval, ("1",)),
        (getattr, (1, "real")),
        (functools.partial, (int,)),
        (np.load, ("none.npy",)),
        (torch.load, ("none.pth",)),
        (torch.storage._load_from_bytes, (b"none",)),
        (torch.nn.Linear, (1, 1)),
        (refused, ("none",)),
    ],
    ids=lambda value: getattr(value, "__qualname__", ""),
)
def test_a_call_of_a_function_is_refused_by_name(tmp_path, function, arguments, form):
    path, content = tmp_path / "w.pth", {"state_dict": STATE, "args": [Calls(function, *arguments)]}
    if form == "plain":
        path.write_bytes(pickle.dumps(content["args"]))
    elif form == 4:
        write(path, content, pickle_protocol=4)
    else:
        write(path, content, _use_new_zipfile_serialization=form == "zip")
    message = refused(path)
    assert "objects beyond tensors" in message and function.__name__ in message


def test_what_a_pickle_is_given_cannot_be_changed(tmp_path):
    """Attributes of torch's function, and of the stand-ins, by the instructions of a pickle written by hand."""
    rebuild, path = torch._utils._rebuild_tensor_v2, tmp_path / "w.pth"
    attack = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\nN}X\x0c\x00\x00\x00__defaults__K\x01\x85s\x86b."
    with zipfile.ZipFile(write(tmp_path / "whole.pth", STATE)) as whole, zipfile.ZipFile(path, "w") as archive:
        for name in whole.namelist():
            archive.writestr(name, attack if name.endswith("data.pkl") else whole.read(name))
    before = rebuild.__defaults__
    refused(path)
    assert rebuild.__defaults__ == before


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
    assert ("damaged, cut short" if part else "is empty") in refused(path)


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
    for content in ([1, 2], torch.ones(3), {}, {"epoch": 3}, {1: torch.ones(3)}, {"state_dict": {"lr": 0.1}}):
        assert "holds no weights" in refused(write(path, content))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert "no file of weights" in refused(path)
    with tarfile.open(path, "w") as archive:
        archive.add(__file__, arcname="storages")
    assert "tar archive" in refused(path)


FOREIGN = [
    (b"\n<!DOCTYPE html>\n<html><body>Sign in</body></html>", "a web page (HTML)"),
    ("<html lang='de'><title>Zurück".encode() + b"\xc3", "a web page (HTML)"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 123\n", "a pointer of Git LFS"),
    (b'{"weight_map": {"conv1.weight": "model.safetensors"}}', "a JSON file"),
    (b"Quota exceeded, try again later", "a text that begins with 'Quota"),
    (b"\x89HDF\r\n\x1a\n" + bytes(100), "Keras (HDF5)"),
    (b"\x08\x01\x12\x80\x01" + bytes(100), "SavedModel of TensorFlow"),
    (b"\x08\x08\x12\x07pytorch\x1a\x052.0.0" + bytes(100), "ONNX"),
    (b"\x1f\x8b\x08\0" + bytes(100), "compressed with gzip"),
]


@pytest.mark.parametrize(("content", "words"), FOREIGN, ids=[words for _, words in FOREIGN])
def test_files_of_something_else_are_called_what_they_are(tmp_path, content, words):
    path = tmp_path / "w.pth"
    path.write_bytes(content)
    message = refused(path)
    assert words in message and "no file of weights: " in message


@pytest.mark.parametrize(
    ("member", "words"),
    [
        ("model.weights.h5", "Keras"),
        ("conv1.npy", "write it anew with np.savez"),
        ("archive/archive_format", "torch.export"),
        ("resnet20.pth", "a zip archive of resnet20.pth"),
    ],
)
def test_zip_files_of_something_else(tmp_path, member, words):
    with zipfile.ZipFile(tmp_path / "w.pt", "w") as archive:
        archive.writestr(member, "content")
    assert words in refused(tmp_path / "w.pt")


def test_files_that_other_programs_wrote(tmp_path):
    onnx = pytest.importorskip("onnx")
    graph = onnx.helper.make_graph([], "empty", [], [])
    onnx.save(onnx.helper.make_model(graph), tmp_path / "w.pth")
    assert "ONNX" in refused(tmp_path / "w.pth")
    (tmp_path / "model.ckpt.data-00000-of-00001").write_bytes(bytes(100))
    assert "TensorFlow checkpoint" in refused(tmp_path / "model.ckpt.data-00000-of-00001")


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


def test_numbers_that_are_none_are_refused(tmp_path):
    state = create_model("resnet8").state_dict()
    state["conv1.weight"][0] = float("nan")
    torch.save(state, tmp_path / "a.pt")
    with pytest.raises(InputError, match=r"conv1.weight in .* holds nan or inf: its training diverged"):
        read_weights(tmp_path / "a.pt")
