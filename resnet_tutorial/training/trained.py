"""A trained network with all that it takes to use it, from a run or from a file of weights."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from ..architectures import get_architecture
from ..data import Transform
from ..errors import InputError
from ..models import ResNet
from ..text import count
from ..weights import identify, list_pretrained, load_weights, model_from_weights, pretrained_file, read_weights
from ..weights.factory import options_of
from ..weights.layouts import get_layout
from ..weights.own import check_network, is_own
from .checkpoint import LAST, load_checkpoint, model_from_checkpoint

IMAGE_SIZE = 32


@dataclass(frozen=True)
class TrainedModel:
    """A network in evaluation mode, on the CPU, and how images have to be prepared for it.

    Attributes:
        model: the network.
        mean: mean of each color channel that it was trained with, as a fraction of 255.
        std: standard deviation of each channel, likewise.
        classes: names of the classes in the order of the logits; None if the file does not say.
        image_size: height and width of the images that it was trained with, in pixels.
        path: what it was read from.
        run: the checkpoint of a run; None for a file of weights.
        guess: a sentence on what neither the file says nor the caller gave, and was assumed; empty if nothing was.
        others: what there is to say of other networks in the file, such as an average or a teacher.
    """

    model: nn.Module
    mean: tuple[float, ...]
    std: tuple[float, ...]
    classes: tuple[str, ...] | None
    image_size: int
    path: Path
    run: dict | None = None
    guess: str = ""
    others: tuple[str, ...] = ()

    @property
    def transform(self) -> Transform:
        """From uint8 images to the input of the network."""
        return Transform(self.mean, self.std)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes; ``class 0``, ``class 1`` … if the file does not say."""
        return self.classes or tuple(f"class {k}" for k in range(self.model.num_classes))

    @property
    def name(self) -> str:
        """What records call the network."""
        return self.model.arch.name if self.run is None else self.run["record"]["model"]

    def describe(self) -> str:
        """Network and origin, such as ``resnet20, epoch 10 of runs/first``."""
        if self.run is None:
            return f"{self.name}, weights from {self.path}"
        steps = self.run.get("loader", {}).get("batch", 0)
        more = f" and {count(steps, 'step')}" if steps else ""
        return f"{self.name}, epoch {self.run['epoch']}{more} of {self.path}"


def load_trained(
    path: str | Path,
    *,
    model: str | nn.Module | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    classes: Sequence[str] | None = None,
) -> TrainedModel:
    """Load a trained network.

    Args:
        path: the folder of a run, a checkpoint in it, a file of weights as for `load_weights`, or a name from
            `list_pretrained`.
        model: name of the network, for a file of weights that does not say it; for a run of a network of one's own, the
            network, as a module or as ``FILE.py:CLASS``.
        mean: mean of each color channel, on the scale 0 to 1, for a file that does not say it.
        std: standard deviation of each channel, likewise.
        classes: names of the classes in the order of the logits, for a file that does not say them.

    Raises:
        InputError: if it cannot be read, or network, mean or standard deviation are neither in the file nor given, or
            contradict what is in the file.
    """
    path = pretrained_file(str(path)) if str(path) in list_pretrained() else Path(path).expanduser()
    if not isinstance(model, str | None):
        check_network(model)
    if (mean is None) != (std is None):
        raise InputError("mean and std belong together: give both or none")
    if _is_of_a_run(path):
        state = load_checkpoint(path)
        _refuse_given(path, model=None if state.get("own") else model, mean=mean, std=std, classes=classes)
        return trained_from_checkpoint(state, path, model)
    if isinstance(model, nn.Module) or (model and is_own(model)):
        raise InputError(f"{path} is a file of weights: name a network of the table, or load it with load_state_dict")
    return _with_classes(_from_weights(path, model, mean, std), classes)


def network_of(path: Path) -> dict[str, Any]:
    """The network of a run or a file of weights, as settings of a run: ``model``, and options of `create_model`.

    Raises:
        InputError: if it cannot be read, or holds no network of this package.
    """
    if _is_of_a_run(path):
        state = load_checkpoint(path)
        if state.get("own"):
            name = state["model"].rpartition(":")[2]
            raise InputError(f"{path} is of {name}, code of your own: add --model FILE.py:{name}")
        return {"model": state["model"], **state.get("options", {})}
    model = _build(path, None)[0]
    return {"model": model.arch.name, **(options_of(model) or {})}


def trained_from_checkpoint(state: dict, path: Path = Path(), model: str | nn.Module | None = None) -> TrainedModel:
    """The trained network of a checkpoint that was read with `load_checkpoint`; see `model_from_checkpoint`."""
    return TrainedModel(
        model_from_checkpoint(state, model),
        tuple(state["mean"]),
        tuple(state["std"]),
        tuple(state["classes"]),
        state["image_size"],
        path,
        state,
    )


def _is_of_a_run(path: Path) -> bool:
    if path.is_dir():
        return True
    try:
        metadata = read_weights(path).metadata
    except InputError:
        if path.name == LAST:  # damaged or missing: `load_checkpoint` knows of the one before it
            return True
        raise
    return isinstance(metadata.get("record"), dict) and "architecture" not in metadata


def _refuse_given(path: Path, **given: object) -> None:
    names = [f"--{name}" for name, value in given.items() if value is not None]
    if names:
        raise InputError(f"{path} is of a run, which knows its own: leave out {', '.join(names)}")


def _from_weights(
    path: Path, name: str | None, mean: Sequence[float] | None, std: Sequence[float] | None
) -> TrainedModel:
    model, guess = _build(path, name)
    if model.in_channels != 3:
        raise InputError(f"{path} is for images of {model.in_channels} channels: here images have 3 (RGB)")
    loaded = load_weights(model, path)
    if mean is None and loaded.mean is None:
        raise InputError(
            f"{path} does not say which mean and standard deviation its network was trained with: give them, "
            "as in --mean 0.4914 0.4822 0.4465 --std 0.2470 0.2435 0.2616"
        )
    if mean is None:
        mean, std = loaded.mean, loaded.std
        if loaded.assumed:
            numbers = " and ".join(" ".join(f"{value:g}" for value in values) for values in (mean, std))
            title = get_layout(loaded.layout).title
            assumed = f"mean and std assumed, {numbers} as of {title}; give --mean --std if it was trained with others"
            assumed = loaded.metadata.get("assumed") or assumed  # of the file that this one was written from
            guess = "; ".join(filter(None, [guess, assumed]))
    if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
        raise InputError("mean and std are three numbers each, for red, green and blue, and std is above 0")
    record = loaded.metadata.get("record")
    data = record.get("data") if isinstance(record, dict) else None
    recorded = data.get("image_size", IMAGE_SIZE) if isinstance(data, dict) else IMAGE_SIZE
    size = loaded.metadata.get("image_size") or recorded
    model, mean, std = model.eval(), tuple(mean), tuple(std)
    return TrainedModel(model, mean, std, loaded.classes, int(size), path, guess=guess, others=loaded.others)


def _with_classes(trained: TrainedModel, classes: Sequence[str] | None) -> TrainedModel:
    """The network with names for its classes, where the file has none."""
    if classes is None or trained.classes == tuple(classes):
        return trained
    if trained.classes is not None:
        raise InputError(f"{trained.path} names its classes, {', '.join(trained.classes)}: leave out --classes")
    if len(set(classes)) != trained.model.num_classes:
        raise InputError(
            f"{trained.path} has {trained.model.num_classes} classes, and {len(set(classes))} names are given: "
            "give one for each"
        )
    return replace(trained, classes=tuple(classes))


def _build(path: Path, name: str | None) -> tuple[ResNet, str]:
    """The network of a file of weights, which it states or its tensors fit, and what was guessed."""
    wanted = name and get_architecture(name).name
    try:
        model = model_from_weights(path)
    except InputError:
        return _recognize(path, wanted)
    if wanted not in (None, model.arch.name):
        raise InputError(f"{path} holds {model.arch.name}, not {wanted}: leave out --model")
    return model, ""


def _recognize(path: Path, wanted: str | None) -> tuple[ResNet, str]:
    found = identify(read_weights(path))
    fitting = [arch for arch in found.candidates if wanted in (None, arch.name)]
    if not found.candidates:
        what = found.title[0].lower() + found.title[1:]  # "no residual network", or "no network of the table: …"
        raise InputError(f"{path} holds {what}: see resnet-tutorial identify")
    if found.num_classes is None:
        raise InputError(
            f"{path} holds {found.title} without a head: load_weights(model, path, partial=True), and train"
        )
    names = [arch.name for arch in found.candidates]
    if not fitting:
        raise InputError(f"{path} holds {' or '.join(names)}, not {wanted}: leave out --model")
    likely, *others = (arch.name for arch in fitting)  # the one with shortcuts comes first
    same = f"the network is taken for {likely}, as {{}} has the same tensors: give --model if it is that one"
    return ResNet(fitting[0], found.num_classes), same.format(" or ".join(others)) if others else ""
