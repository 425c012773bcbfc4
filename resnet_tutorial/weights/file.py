"""Reading files of weights, whoever wrote them. No code in a file is ever run."""

import contextlib
import errno
import json
import pickle
import re
import warnings
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from ..data.npz import read_npz
from ..errors import InputError
from ..files import newer
from . import unpickling
from .layouts import find_networks, tell_by_place
from .other_formats import name_format

FORMAT = 1
FORMAT_KEY = "resnet_tutorial_format"
RUN_CHECKPOINT = "last.pt"  # what training leaves in a run's folder

# Where people put the state dict inside a checkpoint, in the order in which we look. Any other key is found, too.
WRAPPERS = ("model_state", "model_state_dict", "state_dict", "net", "model")
# Parts of a key or a prefix that say: an average of the network, or a copy that only follows it. They come last.
AVERAGES = {"ema", "swa", "avg", "average", "averaged", "shadow", "teacher", "target", "momentum", "key", "k"}
# Parts of a name that come from wrapping: by DataParallel and DDP, torch.compile, FSDP, activation checkpointing.
LEADING_PART = "module"
WRAPPING_PARTS = {"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
TORCH_PICKLE = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the number that old files of torch begin with
ANOTHER = "another network"  # so begins a note on what else could have been meant
COUNTERS = {"total_ops", "total_params"}  # of the profiler thop
NAMED = 5  # names that a message lists before it only counts the rest


@dataclass(frozen=True)
class WeightsFile:
    """What a file of weights holds.

    Attributes:
        state_dict: the tensors of the network by name, on the CPU, in the file's own dtypes. A prefix in front of all
            of them, such as ``module.`` or ``backbone.``, is gone; masks of pruning are multiplied into the weights.
        metadata: what else the file says and is plain data: the metadata of `save_weights`, parsed; the short entries
            beside the state dict of a checkpoint, such as ``epoch``.
        path: the file that was read.
        notes: what was done to get at the network, in words.
        left_out: names of tensors that are none of the network's: those beside its prefix, a profiler's counters.
    """

    state_dict: dict[str, torch.Tensor]
    metadata: dict[str, object] = field(default_factory=dict)
    path: Path = Path()
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def others(self) -> tuple[str, ...]:
        """The notes on other networks in the file, such as an average or a teacher."""
        return tuple(note for note in self.notes if note.startswith(ANOTHER))


def read_weights(path: str | Path) -> WeightsFile:
    """Read the tensors of a file, and whatever plain data stands beside them.

    Args:
        path: a safetensors file, a file of ``torch.save`` (``.pth``, ``.th``, ``.pt``; what counts is the content, not
            the name) or ``pickle``, an ``.npz`` file, or the folder of a run. The state dict, of tensors or of arrays
            of NumPy, may lie under any key, as in ``{"state_dict": …}``, with other objects beside it, which are not
            made.

    Returns:
        The state dict and the metadata.

    Raises:
        InputError: if there is no such file, it is damaged or holds no weights, or what it holds beside them is a
            network or could run code.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        path = path / RUN_CHECKPOINT
    if not path.is_file():
        raise InputError(f"no weights at {path}: name a .safetensors, .pth, .th or .pt file, or the folder of a run")
    try:
        with open(path, "rb") as file:
            head = file.read(512)
        if _looks_like_safetensors(head):
            content, metadata, notes = *_read_safetensors(path), ()
        elif other := name_format(path, head):
            raise InputError(f"{path} {other}")
        elif head.startswith(b"PK") and _holds_arrays(path):
            content, metadata, notes = {key: _to_tensor(value) for key, value in read_npz(path).items()}, {}, ()
        else:
            content, metadata, notes = _unwrap(_unpickle(path, head), path)
    except OSError as error:
        if error.errno == errno.EINVAL:  # a place behind the end was asked for
            raise _damaged(path) from None
        raise InputError(
            f"cannot read {path} ({error.strerror or error}): check the file and its permissions"
        ) from None
    tensors = {name: value.detach() for name, value in content.items() if isinstance(value, torch.Tensor)}
    tensors.pop("n_averaged", None)  # the counter of torch.optim.swa_utils.AveragedModel
    if not tensors or not all(isinstance(name, str) for name in tensors):
        raise InputError(f"{path} holds no weights: it needs a state dict, saved from model.state_dict()")
    _check_tensors(tensors, path)
    network, more_notes, left_out = find_network(tensors, path)
    return WeightsFile(network, metadata, path, (*notes, *more_notes), left_out)


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
        is_known = parsed[FORMAT_KEY] <= FORMAT
    except (ValueError, TypeError, RecursionError):
        raise InputError(f"the metadata of {path} are damaged: use another copy of the file") from None
    if not is_known:
        raise newer(path)
    return parsed


def _holds_arrays(path: Path) -> bool:
    """Whether it is a zip file of NumPy's."""
    with contextlib.suppress(zipfile.BadZipFile, ValueError, NotImplementedError), zipfile.ZipFile(path) as archive:
        return all(name.endswith(".npy") for name in archive.namelist())
    return False


def _to_tensor(array: np.ndarray) -> torch.Tensor | None:
    """The numbers of an array; None if it holds something else."""
    kind = array.dtype.newbyteorder("=")
    return torch.from_numpy(array.astype(kind)) if kind.kind in "biufc" else None


def _unpickle(path: Path, head: bytes) -> object:
    try:
        if head.startswith(b"\x80") and TORCH_PICKLE not in head[:32]:
            with open(path, "rb") as file:
                return unpickling.load(file, encoding="latin1")
        try:
            return _torch_load(path, weights_only=True)
        except pickle.UnpicklingError:  # there is more than tensors; not so with TorchScript and archives, never read
            return _torch_load(path, weights_only=False, pickle_module=unpickling)
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


def _torch_load(path: Path, **options: Any) -> object:
    """An open file, because torch goes by the suffix of a name. Its warnings are advice on foreign files."""
    with open(path, "rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.load(file, map_location="cpu", **options)


def _objects_named(error: Exception, head: bytes) -> str | None:
    """The class that was refused, in brackets; an empty string if unknown; None if the file is merely damaged."""
    match = re.search(r"unsupported global:? (?:global )?([\w.]{1,80})", str(error), re.IGNORECASE)
    if match:
        return f" ({match[1]})"
    if "TorchScript" in str(error):
        return " (a TorchScript program)"
    pickled = head[:1] == b"\x80" or head[:2] == b"PK"
    return "" if pickled and isinstance(error, pickle.UnpicklingError) else None


def _damaged(path: Path) -> InputError:
    return InputError(f"{path} is damaged, cut short, or no file of weights: get another copy of it")


def _unwrap(content: object, path: Path, kind: type = torch.Tensor) -> tuple[Mapping, dict, tuple[str, ...]]:
    """The state dict of a checkpoint, the plain data beside it and on the way to it, and under which key it lay.

    Where there are no tensors, arrays of NumPy are taken for them.
    """
    found, queue, seen = [], [((), content, {})], set()
    while queue:
        keys, value, metadata = queue.pop(0)
        if isinstance(value, list | tuple):
            value = {str(i): item for i, item in enumerate(value) if _is_dict(item)}
        if not _is_dict(value) or id(value) in seen:  # a hostile file may wrap itself
            continue
        seen.add(id(value))
        entries = {key: entry for key, entry in value.items() if isinstance(key, str)}
        metadata = metadata | {key: entry for key, entry in entries.items() if _is_plain(key, entry)}
        if any(isinstance(entry, kind) and getattr(entry, "value", entry) is not None for entry in entries.values()):
            found.append((keys, entries, metadata))
        queue += [((*keys, key), entry, metadata) for key, entry in entries.items() if "optim" not in key]
    if not found and kind is torch.Tensor:
        return _unwrap(content, path, unpickling.Array)
    if not found:
        raise InputError(
            f"{path} holds no weights: it needs a state dict, saved from model.state_dict(), and holds {_held(content)}"
        )

    def rank(entry: tuple) -> tuple:
        places = [WRAPPERS.index(key) for key in entry[0] if key in WRAPPERS]
        return any(map(_is_average, entry[0])), min(places, default=len(WRAPPERS)), -len(entry[1])

    keys, state, metadata = min(found, key=rank)
    others = [each for each, entries, _ in found if each != keys and len(entries) > max(1, len(state) / 2)]
    notes = [f"{ANOTHER}, under the key {'.'.join(each)[:80]!r}, was left alone" for each in others[:NAMED]]
    if keys and not set(keys) & set(WRAPPERS):
        notes.insert(0, f"the state dict lay under the key {'.'.join(keys)[:80]!r}")
    if kind is not torch.Tensor:
        arrays = {name: entry.value for name, entry in state.items() if isinstance(entry, kind)}
        state = {name: _to_tensor(value) for name, value in arrays.items() if value is not None}
    return state, metadata, tuple(notes)


def _is_dict(value: object) -> bool:
    return isinstance(value, Mapping) and not isinstance(value, unpickling.Array)


def _is_plain(key: str, value: object) -> bool:
    """Numbers, strings and flat lists of them; of nested data only the record and the recipe of a run."""
    if isinstance(value, list | tuple):
        return all(isinstance(item, str | int | float) for item in value)
    return isinstance(value, str | int | float) or (key in ("record", "recipe") and type(value) is dict)


def _is_average(name: str) -> bool:
    return not AVERAGES.isdisjoint(re.split(r"[._]", name.lower()))


def _held(content: object) -> str:
    """What a file holds in place of a state dict."""
    if isinstance(content, Mapping) and content:
        return some(f"{str(key)!r} ({type(value).__name__})" for key, value in content.items())
    if isinstance(content, list | tuple) and content:
        kinds = sorted({type(value).__name__ for value in content})
        return f"a {type(content).__name__} without names: {len(content)} × {' or '.join(kinds[:3])}"
    if isinstance(content, torch.Tensor):
        return f"a single tensor, of the shape {tuple(content.shape)}"
    return f"nothing but an object of the class {type(content).__name__}"


def some(names: Iterable[str]) -> str:
    """The first few names, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(name[:80] for name in names[:NAMED]) + more


def _check_tensors(tensors: dict[str, torch.Tensor], path: Path) -> None:
    for name, value in tensors.items():
        if value.is_meta:
            raise InputError(f"{path} holds shapes without numbers (meta tensors): save the network from a real device")
        if value.layout != torch.strided or value.is_quantized:
            raise InputError(f"{name} in {path} is sparse or quantized: save it as an ordinary tensor")
        if value.is_complex():
            raise InputError(f"{name} in {path} holds complex numbers: save the weights of a network with real ones")
        if value.is_floating_point() and not value.isfinite().all():
            raise InputError(f"{name} in {path} holds nan or inf: its training diverged, so take an earlier checkpoint")


# The network among the tensors


def find_network(
    tensors: Mapping[str, torch.Tensor], source: object = "the state dict"
) -> tuple[dict[str, torch.Tensor], tuple[str, ...], tuple[str, ...]]:
    """The tensors of the network in a state dict, without prefixes, masks and counters.

    Args:
        tensors: the state dict.
        source: what an error calls it.

    Returns:
        The tensors; what was done, in words; the names of those that were left out.

    Raises:
        InputError: if a name would stand twice.
    """
    state = {_without_wrapping(name): value for name, value in tensors.items()}
    if len(state) < len(tensors):
        raise InputError(
            f"{source} holds some tensors twice, with and without a prefix such as 'module.': keep one of each"
        )
    notes = ["the prefix 'module.' was taken off"] * any(name.startswith(f"{LEADING_PART}.") for name in tensors)
    left_out = [name for name in state if name.rpartition(".")[2] in COUNTERS]
    if left_out:
        notes.append(f"{len(left_out)} counters of a profiler (total_ops, total_params) were ignored")
        state = {name: value for name, value in state.items() if name not in left_out}
    masks = {name: state[name] for name in state if name.endswith("_mask") and f"{name[:-5]}_orig" in state}
    if masks:
        notes.append(f"the masks of pruning were multiplied into {len(masks)} weights")
        pruned = {f"{name[:-5]}_orig": mask for name, mask in masks.items()}
        state = {
            name[:-5] if name in pruned else name: value * pruned[name] if name in pruned else value
            for name, value in state.items()
            if name not in masks
        }
    network, prefix, others, beside = _behind_prefix(state)
    if prefix:
        notes.append(f"the prefix {prefix!r} was taken off")
    notes += [f"{ANOTHER}, under the prefix {other!r}, was left alone" for other in others[:NAMED]]
    if single := [name for name in beside if not name.startswith(others)]:
        notes.append(f"{some(single)} {'was' if len(single) == 1 else 'were'} left out, being none of the network's")
    return network, tuple(notes), (*left_out, *beside)


def _without_wrapping(name: str) -> str:
    parts = [part for part in name.split(".") if part not in WRAPPING_PARTS]
    while len(parts) > 1 and parts[0] == LEADING_PART:
        parts.pop(0)
    return ".".join(parts)


def _behind_prefix(
    state: dict[str, torch.Tensor],
) -> tuple[dict[str, torch.Tensor], str, tuple[str, ...], list[str]]:
    """The tensors of one network without the prefix that they share; the prefix, those of other networks as large, and
    the names of all other tensors.
    """
    found = find_networks(state)
    if not found:
        return state, "", (), []
    prefix = max(found, key=lambda prefix: (not _is_average(prefix), found[prefix][0]))
    known, layout = found[prefix]
    others = tuple(p for p in found if not prefix.startswith(p) and found[p][0] > known / 2)
    own = {name for name in state if name.startswith(prefix) and not name.startswith(others)}
    network = {name.removeprefix(prefix): value for name, value in state.items() if name in own}
    beside = {name: value for name, value in state.items() if name not in own}
    # What the network lacks, and only one layer beside it can be, is its own: its head, its stem.
    for module in tell_by_place(network, layout, beside):
        network |= {name: beside.pop(name) for name in [*beside] if name.startswith(f"{module}.")}
    return network, prefix, others, [*beside]
