"""The book's instruments: what can be seen inside one."""

from typing import TYPE_CHECKING

from ..lazy import lazy_imports

if TYPE_CHECKING:
    from .ablation import droppable_blocks, dropped_blocks, shuffled_blocks
    from .attribution import grad_cam
    from .calibration import ConfidenceBin, reliability
    from .features import block_names, feature_maps, recorded
    from .gradients import BlockGradient, block_gradients, gradient_similarity
    from .uncertainty import (
        Estimate,
        PairedCounts,
        bootstrap_interval,
        count_pairs,
        mean_interval,
        seed_difference,
        seeds_needed,
        t_quantile,
    )

__getattr__, __dir__ = lazy_imports(__name__)

__all__ = [
    "BlockGradient",
    "ConfidenceBin",
    "Estimate",
    "PairedCounts",
    "block_gradients",
    "block_names",
    "bootstrap_interval",
    "count_pairs",
    "droppable_blocks",
    "dropped_blocks",
    "feature_maps",
    "grad_cam",
    "gradient_similarity",
    "mean_interval",
    "recorded",
    "reliability",
    "seed_difference",
    "seeds_needed",
    "shuffled_blocks",
    "t_quantile",
]
