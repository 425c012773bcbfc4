"""Networks and augmentations to choose from, runs to plan, to watch and to compare: in HTML, and live in JupyterLab.

What is HTML works without a kernel or a network: radio buttons and check boxes say what is chosen, and CSS shows what
belongs to it. Only the planner needs a script, which stands beside it, and has a table for where there is none.
Networks come from `resnet_tutorial.architectures` and `resnet_tutorial.analysis`, augmentations from
`resnet_tutorial.data`, recorded runs from `resnet_tutorial.figures.results`.
"""

from .augmentation import AUGMENTATIONS, AugmentationGallery, augment_class, augmentation_gallery, explore_augmentation
from .monitor import TrainingMonitor
from .networks import ArchitectureTable, Network, architecture_table, describe_network, explore_architectures
from .page import STATIC
from .planner import RunPlanner, explore_budget, run_planner
from .runs import RunExplorer, explore_runs, run_explorer

__all__ = [
    "AUGMENTATIONS",
    "STATIC",
    "ArchitectureTable",
    "AugmentationGallery",
    "Network",
    "RunExplorer",
    "RunPlanner",
    "TrainingMonitor",
    "architecture_table",
    "augment_class",
    "augmentation_gallery",
    "describe_network",
    "explore_architectures",
    "explore_augmentation",
    "explore_budget",
    "explore_runs",
    "run_explorer",
    "run_planner",
]
