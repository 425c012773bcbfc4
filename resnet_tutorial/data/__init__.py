"""Data sets in memory, augmentation, batches. It knows nothing of networks."""

from .augment import Transform, crop_and_flip, cutout, normalize, random_erase
from .cifar import load_cifar10
from .dataset import ImageDataset
from .download import download_dataset
from .folder import load_image_folder, read_image
from .load import load_dataset
from .loader import BatchLoader

__all__ = [
    "BatchLoader",
    "ImageDataset",
    "Transform",
    "crop_and_flip",
    "cutout",
    "download_dataset",
    "load_cifar10",
    "load_dataset",
    "load_image_folder",
    "normalize",
    "random_erase",
    "read_image",
]
