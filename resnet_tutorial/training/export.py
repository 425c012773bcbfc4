"""Trained networks in the formats of other programs: ONNX, torch.export, safetensors."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn

from ..errors import InputError
from ..files import write_atomic
from ..models import ResNet
from ..weights import save_weights
from .trained import TrainedModel

OPSET = 18  # of ONNX: fixed, so that a file does not depend on the versions of those who write it
INPUTS = ("uint8", "unit", "normalized")
SUFFIXES = (".onnx", ".pt2", ".safetensors")
TOLERANCE = 1e-3  # of the logits; the same arithmetic in another order differs by about 1e-5
CHECKED = (1, 3)  # sizes of the batches that are compared


@dataclass(frozen=True)
class Exported:
    """A file that was written.

    Attributes:
        path: the file.
        difference: largest difference between its logits and the network's, on random images, as a share of the
            largest logit where that is above 1; None if they were not compared.
        note: why they were not compared; empty if they were.
        usage: what the file takes and gives, and the lines of Python that use it.
    """

    path: Path
    difference: float | None
    note: str = ""
    usage: str = ""


class WithPreparation(nn.Module):
    """A network and what has to be done to the images in front of it, as one module.

    Args:
        trained: the network with its mean and standard deviation.
        input: what ``forward`` takes, N images of RGB each time.

            - ``uint8``: N × H × W × 3, the pixels as an image file or a canvas has them;
            - ``unit``: float32 N × 3 × H × W from 0 to 1, as torchvision's ``ToTensor`` makes them;
            - ``normalized``: float32 N × 3 × H × W, mean and standard deviation already applied.
    """

    def __init__(self, trained: TrainedModel, input: str):
        super().__init__()
        self.model = trained.model
        self.input = input
        self.register_buffer("mean", torch.tensor(trained.mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(trained.std).view(3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Map images to logits, N × classes."""
        if self.input == "uint8":
            images = images.permute(0, 3, 1, 2).float() / 255
        if self.input != "normalized":
            images = (images - self.mean) / self.std
        return self.model(images)


def export(trained: TrainedModel, path: str | Path, *, input: str = "uint8") -> Exported:
    """Write a trained network to a file that others can use without this package.

    The suffix of the file says the format:

    - ``.onnx``: ONNX, opset 18, for onnxruntime, also in a browser; checked against onnxruntime if that is installed;
    - ``.pt2``: a program of ``torch.export``, for PyTorch from Python and C++; checked;
    - ``.safetensors``: the weights alone with their metadata, as `save_weights` writes them.

    A program has one input, ``images``, by default uint8 N × H × W × 3 in RGB: N is free, H and W are those of the
    training. It has one output, ``logits``, float32 N × classes; their softmax are the probabilities. In Python::

        import onnxruntime

        session = onnxruntime.InferenceSession("net.onnx")
        (logits,) = session.run(["logits"], {"images": images})

    In the metadata of a program (ONNX: the model's properties; ``.pt2``: the extra file ``metadata.json``) stand
    ``model``, ``classes``, ``mean``, ``std``, ``input`` and ``image_size``, each as JSON; and ``assumed``, a
    sentence, where mean and std were not stated but assumed.

    Args:
        trained: from `load_trained`.
        path: the file; an older one is replaced.
        input: what the program takes, see `WithPreparation`. Programs that take ``uint8`` leave least to get wrong.

    Returns:
        The file, how far its answers differ, and how to use it.

    Raises:
        InputError: if the suffix is another, a package is missing, the file cannot be written, or its answers are not
            those of the network.
    """
    path = Path(path).expanduser()
    if path.suffix not in SUFFIXES:
        raise InputError(
            f"the suffix says the format: name a file like {path.stem or 'net'}.onnx, .pt2 or .safetensors"
        )
    if input not in INPUTS:
        raise InputError(f"input must be one of {', '.join(INPUTS)}, got {input!r}")
    if path.suffix == ".safetensors":
        return _export_weights(trained, path)
    module = WithPreparation(trained, input).cpu().eval()
    write = _export_onnx if path.suffix == ".onnx" else _export_program
    exported = write(module, path, _examples(trained, input), _metadata(trained, input))
    return replace(exported, usage=_usage(trained, path, input))


def _export_weights(trained: TrainedModel, path: Path) -> Exported:
    if not isinstance(trained.model, ResNet):
        tensors = {name: value.clone().contiguous() for name, value in trained.model.state_dict().items()}
        write_atomic(path, safetensors.torch.save(tensors, {"format": "pt", **_metadata(trained, "normalized")}))
        return Exported(path, None, "weights as they are", _OWN.format(name=trained.name, path=str(path)))
    record = trained.run["record"] if trained.run else None
    save_weights(
        trained.model,
        path,
        classes=trained.classes,
        mean=trained.mean,
        std=trained.std,
        assumed=trained.guess or None,
        recipe=record and record["recipe"],
        record=record,
    )
    return Exported(path, None, "weights as they are", _LINES[path.suffix].format(path=str(path)))


_OWN = """\
  from safetensors.torch import load_file
  model = {name}(…)
  model.load_state_dict(load_file({path!r}))"""
_LINES = {
    ".onnx": """\
  import onnxruntime
  session = onnxruntime.InferenceSession({path!r})
  (logits,) = session.run(["logits"], {{"images": images}})  # images: NumPy array""",
    ".pt2": """\
  import torch
  program = torch.export.load({path!r}).module()
  logits = program(images)  # images: tensor""",
    ".safetensors": """\
  from resnet_tutorial import model_from_weights
  model = model_from_weights({path!r})""",
}


def _usage(trained: TrainedModel, path: Path, input: str) -> str:
    size = trained.image_size
    images = {
        "uint8": f"uint8, N × {size} × {size} × 3 (RGB, 0 to 255)",
        "unit": f"float32, N × 3 × {size} × {size} (RGB, 0 to 1)",
        "normalized": f"float32, N × 3 × {size} × {size} (RGB from 0 to 1, less mean, divided by std)",
    }
    classes = len(trained.class_names)
    logits = f"float32, N × {classes} (one for each class; their softmax are the probabilities)"
    return f"input   images: {images[input]}\noutput  logits: {logits}\n{_LINES[path.suffix].format(path=str(path))}"


def _metadata(trained: TrainedModel, input: str) -> dict[str, str]:
    values = {
        "model": trained.name,
        "classes": trained.class_names,
        "mean": trained.mean,
        "std": trained.std,
        "input": input,
        "image_size": trained.image_size,
        **({"assumed": trained.guess} if trained.guess else {}),
    }
    return {key: json.dumps(value, ensure_ascii=False) for key, value in values.items()}


def _examples(trained: TrainedModel, input: str) -> list[Tensor]:
    """Random images, a batch of each size to check."""
    generator = torch.Generator().manual_seed(0)
    size = trained.image_size
    batches = [torch.randint(0, 256, (n, size, size, 3), dtype=torch.uint8, generator=generator) for n in CHECKED]
    return batches if input == "uint8" else [batch.permute(0, 3, 1, 2).contiguous() / 255 for batch in batches]


def _capture(module: nn.Module, example: Tensor) -> torch.export.ExportedProgram:
    batch = torch.export.Dim("batch", max=2**31 - 1)  # torch 2.6 refuses a size without a bound
    program = torch.export.export(module, (example,), dynamic_shapes={"images": {0: batch}})
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # it names the files of this machine
    return program


def _export_program(module: nn.Module, path: Path, examples: list[Tensor], metadata: dict[str, str]) -> Exported:
    content = io.BytesIO()
    text = json.dumps({key: json.loads(value) for key, value in metadata.items()}, ensure_ascii=False)
    torch.export.save(_capture(module, examples[-1]), content, extra_files={"metadata.json": text})
    content.seek(0)
    difference = _check(module, torch.export.load(content).module(), examples, path)
    write_atomic(path, content.getbuffer())
    return Exported(path, difference)


def _export_onnx(module: nn.Module, path: Path, examples: list[Tensor], metadata: dict[str, str]) -> Exported:
    try:
        import onnx
        import onnxscript
    except ImportError as error:
        raise InputError(f"ONNX needs the package {error.name}: pip install 'resnet-tutorial[export]'") from None
    try:
        with torch.inference_mode():
            program = torch.onnx.export(
                _capture(module, examples[-1]),
                dynamo=True,
                opset_version=OPSET,
                input_names=["images"],
                output_names=["logits"],
                verbose=False,
            )
    except torch.onnx.OnnxExporterError:  # as torch 2.6 with the onnxscript of later years
        raise InputError(
            f"torch {torch.__version__} and onnxscript {onnxscript.__version__} do not fit together to write ONNX: "
            "upgrade torch, or write .pt2"
        ) from None
    graph = _tidy(program.model_proto)
    onnx.helper.set_model_props(graph, metadata)
    onnx.checker.check_model(graph, full_check=True)
    content = graph.SerializeToString()
    run = _onnxruntime(content)
    difference = _check(module, run, examples, path) if run else None
    write_atomic(path, content)
    return Exported(path, difference, "" if run else "onnxruntime is not installed, so the file was not run")


def _tidy(model):
    """Call the free dimension ``batch``, and drop what the exporter notes on every node."""
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
        del value.metadata_props[:]
    for node in model.graph.node:
        del node.metadata_props[:]
    del model.graph.value_info[:], model.graph.metadata_props[:]
    return model


def _onnxruntime(content: bytes) -> Callable[[Tensor], Tensor] | None:
    try:
        import onnxruntime
    except ImportError:
        return None
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run(["logits"], {"images": images.numpy()})[0])


@torch.inference_mode()
def _check(module: nn.Module, exported: Callable[[Tensor], Tensor], examples: list[Tensor], path: Path) -> float:
    """The largest difference between the logits of both."""
    largest = 0.0
    for images in examples:
        expected = module(images)
        largest = max(largest, (exported(images) - expected).abs().max().item() / max(1.0, expected.abs().max().item()))
    if not largest <= TOLERANCE:  # also where it is not a number
        raise InputError(
            f"the exported network answers differently (by {largest:.2g}), so {path} was not written: "
            "try other versions of torch, onnx and onnxruntime"
        )
    return largest
