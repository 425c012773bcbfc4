"""ResNet, built and measured: the package behind the book.

>>> from resnet_tutorial import create_model
>>> model = create_model("resnet20", num_classes=10)
"""

from typing import TYPE_CHECKING

from .architectures import ARCHITECTURES, Architecture, get_architecture
from .errors import InputError
from .lazy import lazy_imports

if TYPE_CHECKING:
    from .data import ImageDataset, load_dataset
    from .figures.results import compare
    from .models import ResNet, summarize
    from .training import Recipe, TrainConfig, Trainer, evaluate, load_trained, train
    from .version import __version__ as __version__
    from .weights import (
        create_model,
        export_weights,
        identify,
        list_models,
        list_pretrained,
        load_weights,
        model_from_weights,
        save_weights,
    )
    from .weights.timm_registry import register_with_timm

__getattr__, __dir__ = lazy_imports(__name__)

__all__ = [
    "ARCHITECTURES",
    "Architecture",
    "ImageDataset",
    "InputError",
    "Recipe",
    "ResNet",
    "TrainConfig",
    "Trainer",
    "compare",
    "create_model",
    "evaluate",
    "export_weights",
    "get_architecture",
    "identify",
    "list_models",
    "list_pretrained",
    "load_dataset",
    "load_trained",
    "load_weights",
    "model_from_weights",
    "register_with_timm",
    "save_weights",
    "summarize",
    "train",
]
