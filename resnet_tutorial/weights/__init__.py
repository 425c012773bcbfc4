"""Networks by name; weights read, written and recognized, whoever's they are."""

from typing import TYPE_CHECKING

from ..lazy import lazy_imports

if TYPE_CHECKING:
    from .factory import create_model, list_models
    from .file import WeightsFile, read_weights
    from .identification import Identification, identify
    from .loading import LoadedWeights, load_weights, model_from_weights
    from .pretrained import list_pretrained, pretrained_file
    from .saving import export_weights, save_weights

__getattr__, __dir__ = lazy_imports(__name__)

__all__ = [
    "Identification",
    "LoadedWeights",
    "WeightsFile",
    "create_model",
    "export_weights",
    "identify",
    "list_models",
    "list_pretrained",
    "load_weights",
    "model_from_weights",
    "pretrained_file",
    "read_weights",
    "save_weights",
]
