"""ResNet, built and measured: the package behind the book.

>>> from resnet_tutorial import create_model
>>> model = create_model("resnet20", num_classes=10)
"""

from importlib.metadata import PackageNotFoundError, version

from .analysis import summarize
from .architectures import ARCHITECTURES, Architecture, get_architecture
from .data import ImageDataset, load_dataset
from .errors import InputError
from .models import (
    ResNet,
    create_model,
    export_weights,
    identify,
    list_models,
    list_pretrained,
    load_weights,
    model_from_weights,
    save_weights,
)
from .models.timm_registry import register_with_timm
from .training import Recipe, TrainConfig, Trainer, train

try:
    __version__ = version("resnet-tutorial")
except PackageNotFoundError:  # used from a folder without being installed
    __version__ = "0+unknown"

__all__ = [
    "ARCHITECTURES",
    "Architecture",
    "ImageDataset",
    "InputError",
    "Recipe",
    "ResNet",
    "TrainConfig",
    "Trainer",
    "create_model",
    "export_weights",
    "get_architecture",
    "identify",
    "list_models",
    "list_pretrained",
    "load_dataset",
    "load_weights",
    "model_from_weights",
    "register_with_timm",
    "save_weights",
    "summarize",
    "train",
]
