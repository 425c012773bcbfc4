"""Weights saved with what one needs to know in a year, and written under the names of others."""

import json
from collections.abc import Iterable
from dataclasses import asdict, is_dataclass, replace
from pathlib import Path

import safetensors.torch
import torch

from ..errors import InputError
from ..files import write_atomic
from ..models.resnet import ResNet
from ..version import __version__
from .file import FORMAT, FORMAT_KEY
from .layouts import LAYOUTS, get_layout
from .loading import are_numbers, check_model
from .state_facts import describe_state


def save_weights(
    model: ResNet,
    path: str | Path,
    *,
    classes: Iterable[str] | None = None,
    mean: Iterable[float] | None = None,
    std: Iterable[float] | None = None,
    recipe: object = None,
    record: object = None,
    published: dict | None = None,
    assumed: str | None = None,
    dtype: torch.dtype | None = None,
) -> None:
    """Save a network's weights as safetensors, whole or not at all, with the metadata that one needs in a year.

    The metadata are strings of JSON: the format's version, the package's and torch's, the whole record of the network
    (``architecture``), ``classes``, ``mean``, ``std``, ``channel_order`` (RGB), ``recipe``, ``record``,
    ``published``, ``assumed``.

    Args:
        model: a network from `create_model`.
        path: the file, ``*.safetensors``.
        classes: names of the classes, in the order of the logits.
        mean: mean of each input channel that images are normalized with, on the scale 0 to 1.
        std: standard deviation of each input channel.
        recipe: how it was trained: a `Recipe` or a dict.
        record: the record of the run: a `RunRecord` or a dict.
        assumed: a sentence that says so, if mean and std are a guess.
        published: what a model card says beside these, such as the accuracy of the file itself and its license.
        dtype: ``torch.float16`` or ``torch.bfloat16`` for a file of half the size; None keeps the network's dtype.

    Raises:
        InputError: if an argument does not fit the network, or the file cannot be written.
    """
    check_model(model)
    path = Path(path).expanduser()
    if path.suffix != ".safetensors":
        raise InputError(f"weights are saved as safetensors: name a file like {path.stem}.safetensors, not {path.name}")
    metadata = _metadata(
        model, classes, mean, std, {"recipe": recipe, "record": record, "published": published, "assumed": assumed}
    )
    tensors = {name: _to_save(name, value, dtype) for name, value in model.state_dict().items()}
    write_atomic(path, safetensors.torch.save(tensors, metadata))


def export_weights(model: ResNet, layout: str = "torchvision") -> dict[str, torch.Tensor]:
    """The network's weights under the names of somebody else's code, for ``load_state_dict`` there.

    Args:
        model: a network from `create_model`.
        layout: a name of the table ``LAYOUTS``.

    Returns:
        A state dict of copies, on the CPU.

    Raises:
        InputError: if that code has no such network, as torchvision has none with shortcut option A.
    """
    check_model(model)
    target = get_layout(layout)
    facts = replace(describe_state(model.state_dict()), kind=model.arch.kind, options=(model.arch.shortcut,))
    if reason := target.misfit(facts):
        others = ", ".join(name for name, known in LAYOUTS.items() if not known.misfit(facts))
        raise InputError(f"{model.arch.name} cannot be written as {layout}: {reason}; choose from {others}")
    state = {
        f"{'' if name.startswith('fc.') else target.body}{target.from_ours(name)}": value.detach().cpu().clone()
        for name, value in model.state_dict().items()
    }
    if target.conv_head:
        state[f"{target.head}.weight"] = state[f"{target.head}.weight"][:, :, None, None]
    return state


def _metadata(model: ResNet, classes: object, mean: object, std: object, notes: dict[str, object]) -> dict[str, str]:
    facts = describe_state(model.state_dict())
    classes = None if classes is None else [str(name) for name in classes]
    if classes is not None and len(classes) != facts.num_classes:
        raise InputError(f"the network has {facts.num_classes} classes, got {len(classes)} names")
    mean, std = (None if values is None else [float(value) for value in values] for values in (mean, std))
    if (mean is None) != (std is None):
        raise InputError("mean and std belong together: give both or none")
    if mean is not None and not (are_numbers(mean, facts.in_channels) and are_numbers(std, facts.in_channels)):
        raise InputError(f"mean and std need {facts.in_channels} finite numbers each, one for each image channel")
    if std is not None and min(std) <= 0:
        raise InputError("std must be above 0 in every channel")
    values = {
        FORMAT_KEY: FORMAT,
        "package_version": __version__,
        "torch_version": str(torch.__version__),
        "architecture": {
            **asdict(model.arch),
            "depth": model.arch.depth,
            "in_channels": facts.in_channels,
            "num_classes": facts.num_classes,
        },
        "classes": classes,
        "mean": mean,
        "std": std,
        "channel_order": "RGB" if facts.in_channels == 3 else None,
        **{key: asdict(note) if is_dataclass(note) else note for key, note in notes.items()},
    }
    try:
        text = {key: json.dumps(value, ensure_ascii=False) for key, value in values.items() if value is not None}
    except (TypeError, ValueError) as error:
        raise InputError(f"recipe, record and published must be plain data that JSON can hold: {error}") from None
    return {"format": "pt", **text}  # the one entry that other readers of safetensors look at


def _to_save(name: str, value: torch.Tensor, dtype: torch.dtype | None) -> torch.Tensor:
    value = value.detach().cpu()
    if dtype is not None and value.is_floating_point():
        wide, value = value, value.to(dtype)
        if not torch.equal(value.isfinite(), wide.isfinite()):
            raise InputError(f"{name} holds numbers beyond {dtype}: save in torch.bfloat16 or in float32")
    return value.contiguous()
