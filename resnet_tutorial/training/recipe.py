"""Recipes: all that decides what a network learns, apart from the network, the data and the seed."""

import contextlib
import difflib
import functools
import math
import os
from dataclasses import asdict, dataclass, is_dataclass, replace
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from ..errors import InputError
from ..text import count

# ImageNet's constants, which widely copied CIFAR recipes use as well.
IMAGENET_MEAN_STD = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

T = TypeVar("T")

# Counts up when a key changes its meaning; a file without one is of version 1.
RECIPE_VERSION = 2

SHORT_NAMES = {"onecycle": "OneCycleLR", "multistep": "MultiStepLR", "cosine": "CosineAnnealingLR"}


def checked(settings: type[T]) -> type[T]:
    """Let a dataclass of settings refuse unknown names, and give each value the type of its field.

    Making one then raises an InputError if a name is unknown, or a field cannot have the value that is given.
    """
    init, kinds = settings.__init__, get_type_hints(settings)

    @functools.wraps(init)
    def __init__(self, *values: Any, **named: Any):
        for name in named.keys() - kinds.keys():
            (near,) = difflib.get_close_matches(name, kinds | get_type_hints(Recipe), n=1) or [None]
            hint = (
                f"did you mean {near}?" if near in kinds else f"did you mean recipe=rt.Recipe({near}={named[name]!r})?"
            )
            hint = hint if near else f"help({settings.__name__}) names them"
            raise InputError(f"{settings.__name__} has no setting {name}: {hint}")
        given = dict(zip(kinds, values, strict=False)) | named
        init(self, **{name: typed(name, kinds[name], value) for name, value in given.items()})

    settings.__init__ = __init__
    return settings


@checked
@dataclass(frozen=True)
class Recipe:
    """How to train. A recipe file (YAML) holds these names; what it leaves out keeps the value given here.

    The values given here are those of the recipe ``quick``, the default: who changes one changes ``recipes/quick.yml``.
    """

    # -- how long
    epochs: int = 10
    """Passes over the training images."""
    steps: int | None = None
    """Length in steps of the optimizer; if given, it decides and epochs is ignored."""
    batch_size: int = 128
    """Images in a batch, over all GPUs together."""
    accumulate: int = 1
    """Compute the gradient of a batch in this many parts, which needs less memory."""

    # -- optimizer
    optimizer: Literal["SGD", "Muon", "AdamW", "Adam", "NAdam", "RAdam", "Adamax", "RMSprop", "Adagrad", "Adadelta"] = (
        "SGD"
    )
    """Optimizer, by its name in torch.optim. Muon moves the convolutions behind the first, and SGD all the rest."""
    lr: float = 0.3
    """Learning rate at its highest."""
    rest_lr: float = 0.2
    """Muon: the rate of SGD for all the rest, at its highest."""
    momentum: float = 0.9
    """Momentum of SGD, RMSprop and Muon."""
    nesterov: bool = True
    """Nesterov's form of the momentum (SGD)."""
    weight_decay: float = 5e-4
    """Weight decay (decoupled for AdamW, for the others an L2 penalty)."""
    decay_norm_and_bias: bool = True
    """Decay the scales and shifts of BatchNorm and the biases as well."""
    clip_grad_norm: float | None = None
    """Largest norm of the gradient of all parameters together; longer ones are shortened to it."""
    ema: float = 0.0
    """Decay per step of the moving average of the weights that is evaluated; 0 for none."""

    # -- fine-tuning
    freeze: str | None = None
    """Parts that stay as they are: stem,conv2_x; or backbone."""
    backbone_lr: float | None = None
    """Highest rate of all layers but the last, which keeps lr."""

    # -- schedule of the learning rate
    lr_scheduler: Literal[
        "OneCycleLR",
        "CosineAnnealingLR",
        "MultiStepLR",
        "StepLR",
        "ExponentialLR",
        "LinearLR",
        "PolynomialLR",
        "ConstantLR",
        "none",
        "onecycle",
        "cosine",
        "multistep",
    ] = "OneCycleLR"
    """Schedule, by its name in torch.optim.lr_scheduler; ConstantLR and none keep the rate."""
    schedule_unit: Literal["epoch", "step"] = "epoch"
    """The unit of the schedule: what it counts, and how often it advances. OneCycleLR always counts steps."""
    pct_start: float = 0.3
    """OneCycleLR: share of the run in which the rate rises."""
    t_max: int | None = None
    """CosineAnnealingLR, LinearLR, PolynomialLR: units from the highest rate to the lowest; to the end if not given."""
    lr_min: float = 0.0
    """CosineAnnealingLR, LinearLR: the lowest rate."""
    power: float = 1.0
    """PolynomialLR: the power."""
    milestones: tuple[int, ...] = ()
    """MultiStepLR: units from the start of the run at which the rate is multiplied by gamma."""
    step_size: int = 30
    """StepLR: units after which the rate is multiplied by gamma, again and again."""
    gamma: float = 0.1
    """MultiStepLR, StepLR: the factor. ExponentialLR: the factor for each unit."""
    warmup_epochs: int = 0
    """Units in which the rate first rises linearly from warmup_lr to lr (not with OneCycleLR)."""
    warmup_until_error: float | None = None
    """Hold warmup_lr until the training error of an epoch is below this, in percent; then go on with the schedule."""
    warmup_lr: float = 1e-5
    """Rate at the start of the warm-up."""

    # -- regularization and augmentation
    label_smoothing: float = 0.0
    """Share of the target probability that is spread over all classes."""
    transform: bool = True
    """Augment the training images: pad 4, random crop, random flip."""
    initial_scale: float = 1.0
    """Progressive resizing: side of the training images in the first epoch, as a share of their own."""
    growing_share: float = 0.5
    """Progressive resizing: share of the run in which the images grow, evenly, until they have their own size."""
    random_erasing: float = 0.0
    """Probability that a rectangle of a training image is erased."""
    cutout: int = 0
    """Side of the square that is erased in every training image, in pixels."""
    rand_augment: tuple[int, int] | None = None
    """RandAugment: number of operations and their magnitude (0 to 30), such as 2 9. Slow."""
    mixup: float = 0.0
    """MixUp: parameter alpha; 0 for none."""
    cutmix: float = 0.0
    """CutMix: parameter alpha; 0 for none."""
    normalization: Literal["dataset", "imagenet"] = "dataset"
    """Mean and deviation: measured on the training images, or ImageNet's."""
    mean: tuple[float, float, float] | None = None
    """Mean of red, green and blue to normalize with, on the scale 0 to 1, in place of the above."""
    std: tuple[float, float, float] | None = None
    """Standard deviation of red, green and blue, likewise."""

    # -- classes of uneven size
    balanced: bool = False
    """Show the images of every class equally often: those of small classes several times in an epoch."""
    class_weights: bool = False
    """Weigh the loss of every image by how rare its class is."""

    # -- validation
    validation: float = 0.1
    """Share of the training images held out for validation; 0 trains on all of them."""

    def __post_init__(self):
        object.__setattr__(self, "lr_scheduler", SHORT_NAMES.get(self.lr_scheduler, self.lr_scheduler))
        operations, magnitude = self.rand_augment or (1, 0)
        until = self.warmup_until_error
        for name, ok, rule in (
            ("epochs", self.epochs >= 1, "at least 1"),
            ("steps", self.steps is None or self.steps >= 1, "at least 1"),
            ("batch_size", self.batch_size >= 1, "at least 1"),
            ("accumulate", self.accumulate >= 1, "at least 1"),
            ("accumulate", self.batch_size % self.accumulate == 0, f"a divisor of batch_size {self.batch_size}"),
            ("lr", self.lr > 0, "above 0"),
            ("rest_lr", self.rest_lr > 0, "above 0"),
            ("backbone_lr", self.backbone_lr is None or self.backbone_lr > 0, "above 0"),
            ("momentum", 0 <= self.momentum < 1, "in [0, 1)"),
            ("weight_decay", self.weight_decay >= 0, "at least 0"),
            ("clip_grad_norm", self.clip_grad_norm is None or self.clip_grad_norm > 0, "above 0"),
            ("ema", 0 <= self.ema < 1, "in [0, 1)"),
            ("pct_start", 0 < self.pct_start < 1, "between 0 and 1"),
            ("t_max", self.t_max is None or self.t_max >= 1, "at least 1"),
            ("lr_min", 0 <= self.lr_min <= self.lr, f"from 0 to lr {self.lr:g}"),
            ("power", self.power > 0, "above 0"),
            ("milestones", all(m >= 1 for m in self.milestones), f"{self.schedule_unit}s from 1 on"),
            ("step_size", self.step_size >= 1, "at least 1"),
            ("gamma", self.gamma > 0, "above 0"),
            ("warmup_epochs", self.warmup_epochs >= 0, "at least 0"),
            ("warmup_lr", self.warmup_lr > 0, "above 0"),
            ("warmup_lr", self.warmup_lr <= self.lr or not self.has_warmup, f"at most lr {self.lr:g}"),
            ("warmup_until_error", until is None or 0 < until <= 100, "in (0, 100]"),
            ("label_smoothing", 0 <= self.label_smoothing < 1, "in [0, 1)"),
            ("initial_scale", 0 < self.initial_scale <= 1, "above 0 and at most 1"),
            ("growing_share", 0 <= self.growing_share < 1, "in [0, 1)"),
            ("random_erasing", 0 <= self.random_erasing <= 1, "in [0, 1]"),
            ("cutout", self.cutout >= 0, "at least 0"),
            ("rand_augment", operations >= 1 and 0 <= magnitude <= 30, "(operations from 1 on, magnitude 0 to 30)"),
            ("mixup", self.mixup >= 0, "at least 0"),
            ("cutmix", self.cutmix >= 0, "at least 0"),
            ("validation", 0 <= self.validation < 1, "in [0, 1)"),
        ):
            value = getattr(self, name)
            if not ok or (isinstance(value, float) and not math.isfinite(value)):
                raise InputError(f"{name} must be {rule}, got {value}")
        self._check_pairs()
        if until is not None and self.warmup_epochs:
            raise InputError("warmup_epochs and warmup_until_error are two warm-ups: set one of them to 0 or None")
        self.check_warmup(self.length())

    def _check_pairs(self) -> None:
        if self.backbone_lr is not None and self.optimizer == "Muon":
            raise InputError("backbone_lr is not for Muon, which has rates of its own: choose another optimizer")
        if self.balanced and self.class_weights:
            raise InputError("balanced and class_weights both even out the classes: choose one")
        if (self.mean is None) != (self.std is None):
            raise InputError("mean and std belong together: give both or none")
        if self.mean is not None and not (all(0 <= m <= 1 for m in self.mean) and all(0 < s <= 1 for s in self.std)):
            raise InputError("mean and std are on the scale 0 to 1, and std is above 0: divide those of bytes by 255")

    @property
    def has_warmup(self) -> bool:
        """Whether the run starts at warmup_lr."""
        one_cycle = self.lr_scheduler == "OneCycleLR"  # brings its own
        return not one_cycle and (self.warmup_epochs > 0 or self.warmup_until_error is not None)

    def total_steps(self, steps_per_epoch: int) -> int:
        """Steps of the whole run.

        Args:
            steps_per_epoch: batches in an epoch.
        """
        return self.epochs * steps_per_epoch if self.steps is None else self.steps

    def total_epochs(self, steps_per_epoch: int) -> int:
        """Epochs of the whole run; if ``steps`` is given, the last of them may be cut short.

        Args:
            steps_per_epoch: batches in an epoch.
        """
        return self.epochs if self.steps is None else math.ceil(self.steps / steps_per_epoch)

    def image_size(self, size: int, share: float) -> int:
        """Size of the training images in an epoch (progressive resizing, Howard 2018), a multiple of 4 below their own.

        Args:
            size: height and width of the images.
            share: share of the run that is over when the epoch begins, from 0 to 1.
        """
        if share >= self.growing_share or self.initial_scale == 1:
            return size
        grown = self.initial_scale + (1 - self.initial_scale) * share / self.growing_share
        return min(size, max(4, 4 * round(size * grown / 4)))

    def arithmetic(self, epochs: int, size: int = 32) -> list[float]:
        """The arithmetic of each epoch as a share of that on images of their own size: it grows with their area.

        Args:
            epochs: of the whole run.
            size: height and width of the images.
        """
        return [(self.image_size(size, epoch / epochs) / size) ** 2 for epoch in range(epochs)]

    def length(self, steps_per_epoch: int | None = None) -> int | None:
        """Length of the run in the unit of the schedule.

        Args:
            steps_per_epoch: batches in an epoch, if known.

        Returns:
            Epochs or steps, as ``schedule_unit`` says; None if ``steps_per_epoch`` is needed to tell.
        """
        given, unit = (self.epochs, "epoch") if self.steps is None else (self.steps, "step")
        if self.schedule_unit == unit:
            return given
        if steps_per_epoch is None:
            return None
        return self.total_steps(steps_per_epoch) if unit == "epoch" else self.total_epochs(steps_per_epoch)

    def check_warmup(self, length: int | None) -> None:
        """Raise an InputError if the warm-up takes the whole run; the length may be None, for unknown."""
        if length is not None and self.has_warmup and self.warmup_epochs >= length:
            raise InputError(
                f"warmup_epochs must be below the length of the run, {count(length, self.schedule_unit)}, "
                f"got {self.warmup_epochs}"
            )

    def to_yaml(self, model: str | None = None) -> str:
        """The whole recipe as a YAML file.

        Args:
            model: name of the network, which ``resnet-tutorial train -c FILE`` then takes if none is named.
        """
        head = {"version": RECIPE_VERSION} | ({"model": model} if model else {})
        return yaml.safe_dump(head | self.as_dict(), sort_keys=False)

    def as_dict(self) -> dict[str, Any]:
        """The values as YAML and JSON know them: lists in place of tuples."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


def recipe_from_dict(values: dict[str, Any], where: str) -> Recipe:
    """Build a recipe from plain values; what they leave out keeps its default.

    Args:
        values: as a recipe file or a run record holds them.
        where: file, for the messages.

    Raises:
        InputError: if a key is unknown or a value has the wrong type or range.
    """
    kinds = get_type_hints(Recipe)
    for key in values:
        if key not in kinds:
            near = difflib.get_close_matches(str(key), kinds, n=1)
            hint = f"did you mean {near[0]}?" if near else "take it out."
            raise InputError(
                f"unknown key {key!r} in the recipe {where}: {hint} "
                "Or a newer version of resnet-tutorial knows it: upgrade the package"
            )
    try:
        return replace(
            Recipe(), **{key: typed(key, kinds[key], value, f"the recipe {where}") for key, value in values.items()}
        )
    except InputError as error:
        raise InputError(f"{error}" if where in str(error) else f"{error} (in the recipe {where})") from None


def typed(key: str, kind: Any, value: Any, where: str = "") -> Any:
    """The value in the type of its field; YAML reads 1e-4 as text and 1 as a whole number.

    Args:
        key: name of the field.
        kind: type of the field, as `typing.get_type_hints` has it.
        value: as a file or a caller gives it.
        where: the file that holds it, for the message.

    Raises:
        InputError: if the field cannot have this value.
    """
    kinds = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    for each in kinds:
        with contextlib.suppress(TypeError, ValueError, OverflowError):
            return _converted(each, value)
    wanted = " or ".join(_in_words(each) for each in kinds)
    raise InputError(f"{key}{where and f' in {where}'} cannot be {value!r}: {wanted}")


def _in_words(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return f"choose from {', '.join(get_args(kind))}"
    if get_origin(kind) is tuple:
        return "give numbers" if Ellipsis in get_args(kind) else f"give {len(get_args(kind))} numbers"
    words = {int: "a whole number", float: "a number", bool: "True or False", str: "text", Path: "a path"}
    return "None" if kind is NoneType else f"give {words.get(kind) or f'a {kind.__name__}'}"


def _converted(kind: Any, value: Any) -> Any:
    if get_origin(kind) is Literal and value in get_args(kind):
        return value
    if kind is NoneType or is_dataclass(kind):
        if isinstance(value, kind):
            return value
        raise ValueError
    if kind is str:
        return os.fspath(value)
    if get_origin(kind) is tuple:
        numbers = tuple(_converted(get_args(kind)[0], v) for v in value) if isinstance(value, list | tuple) else ()
        if len(numbers) != len(value) or (Ellipsis not in get_args(kind) and len(numbers) != len(get_args(kind))):
            raise ValueError
        return numbers
    if isinstance(value, bool) != (kind is bool):
        raise ValueError
    if kind is int and not float(value).is_integer():
        raise ValueError
    return kind(value)
