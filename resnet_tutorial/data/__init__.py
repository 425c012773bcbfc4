"""Data sets in memory, augmentation, batches. It knows nothing of networks."""

from typing import TYPE_CHECKING

from ..lazy import lazy_imports

if TYPE_CHECKING:
    from .augment import Transform, crop_and_flip, cutout, normalize, random_erase
    from .cifar import load_cifar
    from .dataset import ImageDataset
    from .download import download_dataset
    from .duplicates import Duplicate, find_duplicates
    from .folder import load_image_folder
    from .load import load_dataset
    from .loader import BatchLoader
    from .npz import load_npz
    from .parquet import load_parquet
    from .pictures import read_image

__getattr__, __dir__ = lazy_imports(__name__)

__all__ = [
    "BatchLoader",
    "Duplicate",
    "ImageDataset",
    "Transform",
    "crop_and_flip",
    "cutout",
    "download_dataset",
    "find_duplicates",
    "load_cifar",
    "load_dataset",
    "load_image_folder",
    "load_npz",
    "load_parquet",
    "normalize",
    "random_erase",
    "read_image",
]
