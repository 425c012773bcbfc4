"""Small data that the tests make themselves."""

import numpy as np
import pytest
import torch
from hypothesis import settings
from PIL import Image

from resnet_tutorial import ImageDataset

settings.register_profile("fuzz", max_examples=5000, print_blob=True)  # make fuzz


@pytest.fixture(autouse=True)
def _no_data_from_outside(monkeypatch):
    """A data folder that the developer has set must not leak into the tests."""
    monkeypatch.delenv("RESNET_TUTORIAL_DATA", raising=False)


def make_images(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noise with a class-dependent bright corner: learnable in a few steps. Two classes."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    images = rng.integers(0, 120, (n, 32, 32, 3), dtype=np.uint8)
    images[labels == 0, :16, :16] += 100
    images[labels == 1, 16:, 16:] += 100
    return images, labels


def make_dataset(n: int = 40, split: str = "train", seed: int = 0) -> ImageDataset:
    images, labels = make_images(n, seed)
    return ImageDataset(torch.from_numpy(images), torch.from_numpy(labels), ("left", "right"), "Corners", split)


@pytest.fixture
def own_cache(tmp_path_factory, monkeypatch):
    """A cache folder for one test: the developer's own is not written to."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("RESNET_TUTORIAL_CACHE", str(folder))
    return folder


@pytest.fixture
def image_folder(tmp_path, own_cache):
    """A folder of PNG files: 2 classes, 32 images to train and 8 to test."""
    return write_image_folder(tmp_path / "corners")


def write_image_folder(root):
    for split, n, seed in (("train", 32, 0), ("test", 8, 1)):
        images, labels = make_images(n, seed)
        for i, (image, label) in enumerate(zip(images, labels, strict=True)):
            folder = root / split / ("left", "right")[label]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(folder / f"{i:03}.png")
    return root
