"""Recipes: all that decides what a network learns, apart from the network, the data and the seed."""

import difflib
from dataclasses import asdict, dataclass, fields, replace
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

import yaml
from tyro.conf import arg

from ..errors import InputError

# ImageNet's constants, which widely copied CIFAR recipes use as well.
IMAGENET_MEAN_STD = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclass(frozen=True)
class Recipe:
    """How to train. A recipe file (YAML) holds these names; what it leaves out keeps the value given here."""

    # -- how long
    epochs: Annotated[int, arg(aliases=["--num-epochs"])] = 10
    """Passes over the training images."""
    batch_size: int = 128
    """Images in a batch."""

    # -- optimizer
    optimizer: Literal["SGD", "AdamW", "Adam"] = "SGD"
    """Optimizer, by its name in torch.optim."""
    lr: float = 0.3
    """Learning rate at its highest."""
    momentum: float = 0.9
    """Momentum of SGD."""
    nesterov: bool = True
    """Nesterov's form of the momentum (SGD)."""
    weight_decay: float = 5e-4
    """Weight decay (L2 penalty for SGD, decoupled for AdamW)."""

    # -- schedule of the learning rate
    lr_scheduler: Literal["OneCycleLR", "CosineAnnealingLR", "MultiStepLR", "none"] = "OneCycleLR"
    """Schedule, by its name in torch.optim.lr_scheduler. OneCycleLR advances every step, the others every epoch."""
    pct_start: float = 0.3
    """OneCycleLR: share of the run in which the rate rises."""
    t_max: int | None = None
    """CosineAnnealingLR: epochs from the highest rate to zero; the whole run if not given."""
    milestones: tuple[int, ...] = ()
    """MultiStepLR: epochs at which the rate is multiplied by gamma."""
    gamma: float = 0.1
    """MultiStepLR: the factor."""
    warmup_epochs: int = 0
    """Epochs in which the rate first rises linearly from warmup_lr to lr (not with OneCycleLR)."""
    warmup_lr: float = 1e-5
    """Rate at the start of the warm-up."""

    # -- regularization and augmentation
    label_smoothing: float = 0.0
    """Share of the target probability that is spread over all classes."""
    transform: bool = True
    """Augment the training images: pad 4, random crop, random flip."""
    random_erasing: float = 0.0
    """Probability that a rectangle of a training image is erased."""
    normalization: Literal["dataset", "imagenet"] = "dataset"
    """Mean and deviation: measured on the training images, or ImageNet's."""

    # -- choice
    validation: float = 0.1
    """Share of the training images held out for validation; 0 trains on all of them."""

    def __post_init__(self):
        for name, ok, rule in (
            ("epochs", self.epochs >= 1, "at least 1"),
            ("batch_size", self.batch_size >= 1, "at least 1"),
            ("lr", self.lr > 0, "above 0"),
            ("momentum", 0 <= self.momentum < 1, "in [0, 1)"),
            ("weight_decay", self.weight_decay >= 0, "at least 0"),
            ("pct_start", 0 < self.pct_start < 1, "between 0 and 1"),
            ("t_max", self.t_max is None or self.t_max >= 1, "at least 1"),
            ("milestones", all(m >= 1 for m in self.milestones), "epochs from 1 on"),
            ("gamma", self.gamma > 0, "above 0"),
            ("warmup_epochs", 0 <= self.warmup_epochs < self.epochs or self.warmup_epochs == 0, "below epochs"),
            ("warmup_lr", self.warmup_lr > 0, "above 0"),
            ("label_smoothing", 0 <= self.label_smoothing < 1, "in [0, 1)"),
            ("random_erasing", 0 <= self.random_erasing <= 1, "in [0, 1]"),
            ("validation", 0 <= self.validation < 1, "in [0, 1)"),
        ):
            if not ok:
                raise InputError(f"{name} must be {rule}, got {getattr(self, name)}")

    def notes(self) -> list[str]:
        """Things in the recipe that are allowed but surely not meant, one line each."""
        lines = []
        descent = self.epochs - self.warmup_epochs
        if self.lr_scheduler == "CosineAnnealingLR" and self.t_max is not None and self.t_max < descent:
            lines.append(
                f"t_max {self.t_max} is shorter than the run: after epoch {self.t_max + self.warmup_epochs} the "
                f"learning rate climbs again, back to {self.lr:g}. For one descent use t_max {descent}."
            )
        late = [m for m in self.milestones if m >= self.epochs]
        if self.lr_scheduler == "MultiStepLR" and late:
            lines.append(
                f"milestones {late} lie at or after the end of the run ({self.epochs} epochs): no drop happens."
            )
        return lines

    def to_yaml(self) -> str:
        """The recipe as a YAML file."""
        values = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}
        return yaml.safe_dump(values, sort_keys=False)


def list_recipes() -> list[str]:
    """Names of the recipes that come with the package."""
    return sorted(path.name.removesuffix(".yml") for path in _shipped().iterdir() if path.name.endswith(".yml"))


def load_recipe(name_or_file: str) -> Recipe:
    """Load a recipe by the name of a shipped one or from a YAML file.

    Raises:
        InputError: if there is no such recipe, the file is not YAML, or a key or value in it is wrong.
    """
    text = _read(name_or_file)
    try:
        values = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise InputError(f"the recipe {name_or_file} is not valid YAML{where}: repair the file") from None
    if not isinstance(values, dict):
        raise InputError(f"the recipe {name_or_file} must hold `name: value` lines")
    return recipe_from_dict(values, name_or_file)


def recipe_from_dict(values: dict, where: str) -> Recipe:
    """Build a recipe from plain values.

    Raises:
        InputError: if a key is unknown or a value has the wrong type or range; ``where`` is named in the message.
    """
    known = {field.name: field for field in fields(Recipe)}
    for key, value in values.items():
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise InputError(f"unknown key {key!r} in the recipe {where}: {hint}")
        values = {**values, key: _typed(known[key], value, where)}
    return replace(Recipe(), **values)


def _typed(field, value, where: str):
    """The value in the type of its field; YAML reads 1e-4 as text and 1 as a whole number."""
    default = field.default
    problem = InputError(f"{field.name} in the recipe {where} cannot be {value!r}")
    if isinstance(default, bool) or isinstance(value, bool):
        if isinstance(default, bool) and isinstance(value, bool):
            return value
        raise problem
    choices = getattr(field.type, "__args__", ()) if isinstance(default, str) else ()
    if choices:
        if value in choices:
            return value
        raise InputError(f"{problem}: choose from {', '.join(choices)}")
    try:
        if isinstance(default, tuple):
            return tuple(int(v) for v in value)
        if default is None:
            return None if value is None else int(value)
        if isinstance(default, int) and int(value) != float(value):
            raise problem
        return type(default)(value)
    except (TypeError, ValueError):
        raise problem from None


def _shipped():
    return resources.files(__package__) / "recipes"


def _read(name_or_file: str) -> str:
    if name_or_file in list_recipes():
        return (_shipped() / f"{name_or_file}.yml").read_text(encoding="utf-8")
    path = Path(name_or_file).expanduser()
    if path.is_file():
        return path.read_text(encoding="utf-8")
    near = difflib.get_close_matches(name_or_file, list_recipes(), n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise InputError(
        f"no recipe and no file is called {name_or_file!r}: {hint}Shipped recipes: {', '.join(list_recipes())}."
    )
