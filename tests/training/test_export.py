import json
import sys

import pytest
import torch

from resnet_tutorial import InputError, create_model, list_pretrained, save_weights
from resnet_tutorial.data import normalize
from resnet_tutorial.training import export as exporting
from resnet_tutorial.training import load_trained

writes_onnx = pytest.mark.skipif(torch.__version__.startswith("2.6"), reason="onnxscript has moved on since torch 2.6")
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A network whose BatchNorms have seen numbers, read from its file."""
    torch.manual_seed(0)
    model = create_model("resnet8", 3).train()
    with torch.inference_mode():
        model(torch.randn(8, 3, 32, 32))
    path = tmp_path_factory.mktemp("weights") / "net.safetensors"
    save_weights(model, path, classes=("cat", "dog", "größe"), mean=MEAN, std=STD)
    return load_trained(path)


def pixels(n):
    return torch.randint(0, 256, (n, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(n))


def as_input(images, kind):
    """uint8 images as each kind of program takes them, written out once more."""
    if kind == "uint8":
        return images
    return normalize(images, MEAN, STD) if kind == "normalized" else images.permute(0, 3, 1, 2).float() / 255


@pytest.fixture(scope="module", params=[pytest.param(kind, marks=writes_onnx) for kind in exporting.INPUTS])
def onnx_file(request, trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / f"{request.param}.onnx"
    exported = exporting.export(trained, path, input=request.param)
    assert exported.path == path and exported.difference < 1e-4 and exported.note == ""
    return path


def test_onnx_answers_as_the_network(trained, onnx_file):
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(onnx_file, providers=["CPUExecutionProvider"])
    for n in (1, 5):
        images = as_input(pixels(n), onnx_file.stem).contiguous().numpy()
        (logits,) = session.run(None, {"images": images})
        with torch.inference_mode():
            expected = trained.model(normalize(pixels(n), MEAN, STD))
        torch.testing.assert_close(torch.from_numpy(logits), expected, rtol=1e-3, atol=1e-4)


def test_onnx_says_what_it_is(onnx_file):
    onnx = pytest.importorskip("onnx")
    model = onnx.load(onnx_file)
    assert [entry.version for entry in model.opset_import if entry.domain == ""] == [exporting.OPSET]
    (images,), (logits,) = model.graph.input, model.graph.output
    shape = [dim.dim_param or dim.dim_value for dim in images.type.tensor_type.shape.dim]
    assert images.name == "images" and logits.name == "logits"
    assert shape == (["batch", 32, 32, 3] if onnx_file.stem == "uint8" else ["batch", 3, 32, 32])
    said = {entry.key: json.loads(entry.value) for entry in model.metadata_props}
    assert said["classes"] == ["cat", "dog", "größe"] and said["input"] == onnx_file.stem
    assert (said["model"], said["mean"], said["image_size"]) == ("resnet8", list(MEAN), 32)
    assert b"site-packages" not in onnx_file.read_bytes() and b".py" not in onnx_file.read_bytes()


def test_torch_export(trained, tmp_path):
    path = tmp_path / "net.pt2"
    exported = exporting.export(trained, path)
    assert exported.difference < 1e-4
    extra = {"metadata.json": ""}
    program = torch.export.load(path, extra_files=extra).module()
    assert json.loads(extra["metadata.json"])["classes"] == ["cat", "dog", "größe"]
    for n in (1, 5):
        with torch.inference_mode():
            expected = trained.model(normalize(pixels(n), MEAN, STD))
        torch.testing.assert_close(program(pixels(n)), expected, rtol=1e-3, atol=1e-4)
    assert b"site-packages" not in path.read_bytes()


@pytest.mark.parametrize("suffix", [pytest.param(".onnx", marks=writes_onnx), ".pt2", ".safetensors"])
@pytest.mark.parametrize("name", list_pretrained())
def test_the_weights_in_the_package_can_be_exported(name, suffix, tmp_path):
    """What is written answers as the network does: `export` compares both, where a file holds a program."""
    if suffix == ".onnx":
        pytest.importorskip("onnxruntime")
    shipped = load_trained(name)
    exported = exporting.export(shipped, tmp_path / f"net{suffix}")
    if suffix == ".safetensors":
        again = load_trained(tmp_path / "net.safetensors")
        assert again.classes == shipped.classes and again.mean == shipped.mean
        assert all(map(torch.equal, again.model.state_dict().values(), shipped.model.state_dict().values()))
    else:
        assert exported.difference < 1e-3


def test_weights_come_back(trained, tmp_path):
    exporting.export(trained, tmp_path / "again.safetensors")
    again = load_trained(tmp_path / "again.safetensors")
    assert (again.mean, again.std, again.classes) == (trained.mean, trained.std, trained.classes)
    for name, value in trained.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name])


def test_a_wrong_program_is_not_written(trained, tmp_path, monkeypatch):
    capture = exporting._capture

    def other_network(module, example):
        module = exporting.WithPreparation(trained, "uint8").eval()
        module.mean += 0.1
        return capture(module, example)

    monkeypatch.setattr(exporting, "_capture", other_network)
    with pytest.raises(InputError, match="answers differently"):
        exporting.export(trained, tmp_path / "net.pt2")
    assert list(tmp_path.iterdir()) == []


@writes_onnx
def test_packages_that_are_missing(trained, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "onnxruntime", None)
        exported = exporting.export(trained, tmp_path / "net.onnx")
    assert exported.difference is None and "not installed" in exported.note and exported.path.is_file()
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(InputError, match=r"needs the package onnxscript: pip install 'resnet-tutorial\[export\]'"):
        exporting.export(trained, tmp_path / "other.onnx")


def test_wrong_words(trained, tmp_path):
    with pytest.raises(InputError, match=r"the suffix says the format: name a file like net\.onnx"):
        exporting.export(trained, tmp_path / "net.tflite")
    with pytest.raises(InputError, match="input must be one of"):
        exporting.export(trained, tmp_path / "net.onnx", input="bgr")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot write"):
        exporting.export(trained, tmp_path / "file" / "net.pt2")
