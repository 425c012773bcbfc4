"""Reading files of weights, whoever wrote them. No code in a file is ever run."""

import json
import pickle
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from ..errors import InputError

FORMAT = 1
FORMAT_KEY = "resnet_tutorial_format"
RUN_CHECKPOINT = "last.pt"  # what training leaves in a run's folder

# Where people put the state dict inside a checkpoint, in the order in which we look. EMA copies come last.
WRAPPERS = ("model_state", "model_state_dict", "state_dict", "net", "model", "state_dict_ema", "model_ema", "ema")
# Parts of a name that come from wrapping: by DataParallel and DDP, torch.compile, FSDP, activation checkpointing.
LEADING_PART = "module"
WRAPPING_PARTS = {"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}


@dataclass(frozen=True)
class WeightsFile:
    """What a file of weights holds.

    Attributes:
        state_dict: the tensors by name, on the CPU, in the file's own dtypes. The prefixes ``module.`` and
            ``_orig_mod.`` are gone.
        metadata: what else the file says and is plain data: the metadata of `save_weights`, parsed; the short entries
            beside the state dict of a checkpoint, such as ``epoch``.
        path: the file that was read.
    """

    state_dict: dict[str, torch.Tensor]
    metadata: dict[str, object] = field(default_factory=dict)
    path: Path = Path()


def read_weights(path: str | Path) -> WeightsFile:
    """Read the tensors of a file, and whatever plain data stands beside them.

    Args:
        path: a safetensors file, a file of ``torch.save`` (``.pth``, ``.th``, ``.pt``; what counts is the content, not
            the name), or the folder of a run. The state dict may be wrapped, as in ``{"state_dict": …}``.

    Returns:
        The state dict and the metadata.

    Raises:
        InputError: if there is no such file, it is damaged or holds no weights, or it holds Python objects beyond
            tensors.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        path = path / RUN_CHECKPOINT
    if not path.is_file():
        raise InputError(f"no weights at {path}: name a .safetensors, .pth, .th or .pt file, or the folder of a run")
    try:
        with open(path, "rb") as file:
            head = file.read(262)
        content, metadata = _read_safetensors(path) if _looks_like_safetensors(head) else _unwrap(_unpickle(path, head))
    except OSError as error:
        raise InputError(
            f"cannot read {path} ({error.strerror or error}): check the file and its permissions"
        ) from None
    tensors = {name: value.detach() for name, value in content.items() if isinstance(value, torch.Tensor)}
    tensors.pop("n_averaged", None)  # the counter of torch.optim.swa_utils.AveragedModel
    if not tensors or not all(isinstance(name, str) for name in tensors):
        raise InputError(f"{path} holds no weights: it needs a state dict, saved from model.state_dict()")
    _check_tensors(tensors, path)
    return WeightsFile(_without_prefixes(tensors, path), metadata, path)


def _looks_like_safetensors(head: bytes) -> bool:
    """Eight bytes of length, then a JSON object."""
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 2**32


def _read_safetensors(path: Path) -> tuple[dict, dict]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            names = file.keys()
            tensors = {name: file.get_tensor(name) for name in names}
    except SafetensorError:
        raise _damaged(path) from None
    return tensors, _parse_metadata(metadata, path)


def _parse_metadata(metadata: dict[str, str], path: Path) -> dict:
    """Values of our own files are JSON; other people's stay the strings that they are."""
    if FORMAT_KEY not in metadata:
        return metadata
    try:
        parsed = {key: json.loads(value) for key, value in metadata.items() if key != "format"}
        newer = parsed[FORMAT_KEY] > FORMAT
    except (ValueError, TypeError, RecursionError):
        raise InputError(f"the metadata of {path} are damaged: use another copy of the file") from None
    if newer:
        raise InputError(f"{path} was written by a newer version of resnet-tutorial: upgrade the package")
    return parsed


def _unpickle(path: Path, head: bytes) -> object:
    if head[257:262] == b"ustar":
        raise InputError(f"{path} is a tar archive: unpack it, or save its weights again with current PyTorch")
    try:
        # An open file, because torch goes by the suffix of a name. Its warnings are advice on foreign files.
        with open(path, "rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(file, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # a damaged or hostile file can raise nearly anything
        objects = _objects_named(error, head)
        if objects is None:
            raise _damaged(path) from None
        raise InputError(
            f"{path} holds Python objects beyond tensors{objects}: such a file can run code and was not opened; "
            "have it saved again with torch.save(model.state_dict(), …)"
        ) from None


def _objects_named(error: Exception, head: bytes) -> str | None:
    """The class that torch refused, in brackets; an empty string if unknown; None if the file is merely damaged."""
    match = re.search(r"unsupported global:? (?:global )?([\w.]{1,80})", str(error), re.IGNORECASE)
    if match:
        return f" ({match[1]})"
    if "TorchScript" in str(error):
        return " (a TorchScript program)"
    pickled = head[:1] == b"\x80" or head[:2] == b"PK"
    return "" if pickled and isinstance(error, pickle.UnpicklingError) else None


def _damaged(path: Path) -> InputError:
    return InputError(f"{path} is damaged, cut short, or no file of weights: get another copy of it")


def _unwrap(content: object) -> tuple[Mapping, dict]:
    """The innermost state dict of a checkpoint, and the plain data on the way to it."""
    metadata = {}
    for _ in range(4):  # a hostile file may wrap itself
        if not isinstance(content, Mapping):
            return {}, metadata
        metadata |= {key: value for key, value in content.items() if isinstance(key, str) and _is_plain(key, value)}
        inner = next((content[key] for key in WRAPPERS if isinstance(content.get(key), Mapping)), None)
        if inner is None:
            return content, metadata
        content = inner
    return {}, metadata


def _is_plain(key: str, value: object) -> bool:
    """Numbers, strings and flat lists of them; of nested data only the record and the recipe of a run."""
    if isinstance(value, list | tuple):
        return all(isinstance(item, str | int | float) for item in value)
    return isinstance(value, str | int | float) or (key in ("record", "recipe") and isinstance(value, dict))


def _check_tensors(tensors: dict[str, torch.Tensor], path: Path) -> None:
    for name, value in tensors.items():
        if value.is_meta:
            raise InputError(f"{path} holds shapes without numbers (meta tensors): save the network from a real device")
        if value.layout != torch.strided or value.is_quantized:
            raise InputError(f"{name} in {path} is sparse or quantized: save it as an ordinary tensor")


def _without_prefixes(tensors: dict[str, torch.Tensor], path: Path) -> dict[str, torch.Tensor]:
    cleaned = {_without_prefix(name): value for name, value in tensors.items()}
    if len(cleaned) < len(tensors):
        raise InputError(
            f"{path} holds some tensors twice, with and without a prefix such as 'module.': keep one of each"
        )
    return cleaned


def _without_prefix(name: str) -> str:
    parts = [part for part in name.split(".") if part not in WRAPPING_PARTS]
    while len(parts) > 1 and parts[0] == LEADING_PART:
        parts.pop(0)
    return ".".join(parts)
