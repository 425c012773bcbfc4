"""Recipes, the engine, runs and their records."""

from typing import TYPE_CHECKING

from ..lazy import lazy_imports

if TYPE_CHECKING:
    from .checkpoint import load_checkpoint, model_from_checkpoint
    from .config import TrainConfig
    from .device import Device
    from .engine import Step, train_epoch, validate
    from .fine_tuning import find_weights
    from .optim import make_optimizer, make_scheduler
    from .parts import Parts, make_parts, pick_device
    from .prediction import Prediction, predict
    from .recipe import Recipe
    from .recipe_files import RecipeCard, list_recipes, load_card, load_recipe
    from .recipe_text import recipe_notes, recipe_summary
    from .record import RunRecord, describe_machine, read_record
    from .scores import Scores, collect_logits, evaluate, score
    from .signals import Stopped
    from .sums import Sums
    from .trained import TrainedModel, load_trained, network_of
    from .trainer import Trainer, train, train_from

__getattr__, __dir__ = lazy_imports(__name__)

__all__ = [
    "Device",
    "Parts",
    "Prediction",
    "Recipe",
    "RecipeCard",
    "RunRecord",
    "Scores",
    "Step",
    "Stopped",
    "Sums",
    "TrainConfig",
    "TrainedModel",
    "Trainer",
    "collect_logits",
    "describe_machine",
    "evaluate",
    "find_weights",
    "list_recipes",
    "load_card",
    "load_checkpoint",
    "load_recipe",
    "load_trained",
    "make_optimizer",
    "make_parts",
    "make_scheduler",
    "model_from_checkpoint",
    "network_of",
    "pick_device",
    "predict",
    "read_record",
    "recipe_notes",
    "recipe_summary",
    "score",
    "train",
    "train_epoch",
    "train_from",
    "validate",
]
