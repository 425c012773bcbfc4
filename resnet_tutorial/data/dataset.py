"""One data set in memory: uint8 images, labels, class names."""

import hashlib
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch

from ..errors import InputError
from .augment import Transform


@dataclass(frozen=True, eq=False)
class ImageDataset:
    """Labeled images of one size, held in memory.

    Attributes:
        images: uint8, N × H × W × 3, RGB.
        labels: int64, N.
        classes: class names; label ``k`` means ``classes[k]``.
        name: the data set, such as ``CIFAR-10``.
        split: ``train``, ``validation`` or ``test``.
        left_out: how many images of the part could not be read, and are not among these.

    Raises:
        ValueError: if shapes or dtypes are not those above, or a label has no class name.
    """

    images: torch.Tensor
    labels: torch.Tensor
    classes: tuple[str, ...]
    name: str
    split: str
    left_out: int = 0

    def __post_init__(self):
        if self.images.dtype != torch.uint8 or self.images.ndim != 4 or self.images.shape[-1] != 3:
            raise ValueError(f"images must be uint8 N×H×W×3, got {self.images.dtype} {tuple(self.images.shape)}")
        if self.labels.dtype != torch.int64 or self.labels.shape != self.images.shape[:1]:
            raise ValueError(f"labels must be int64 N, got {self.labels.dtype} {tuple(self.labels.shape)}")
        if len(self) and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < len(self.classes):
            raise ValueError(f"labels must lie in 0…{len(self.classes) - 1}, one for each class name")

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> None:
        """An image alone has no one form: `images`, `labels` and `as_torch` each give another one."""
        raise TypeError("take .images[i] and .labels[i], or .as_torch() for a DataLoader")

    def __repr__(self) -> str:
        height, width = self.images.shape[1:3]
        return (
            f"ImageDataset({self.name}, {self.split}: {len(self):,} images of {height}×{width}, "
            f"{len(self.classes)} classes)"
        )

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over images and labels, in hexadecimal. With the same one, images and labels are the same."""
        digest = hashlib.sha256(self.images.contiguous().numpy())
        digest.update(self.labels.contiguous().numpy())
        return digest.hexdigest()

    def counts(self) -> torch.Tensor:
        """Number of images of each class, int64."""
        return torch.bincount(self.labels, minlength=len(self.classes))

    def mean_std(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation of each color channel over all pixels, as fractions of 255.

        Of a channel that is the same in all pixels the deviation is given as 1, so that one can divide by it.
        """
        values = torch.arange(256, dtype=torch.float64) / 255
        means, stds = [], []
        for channel in range(3):
            # A histogram of 256 bins holds all that mean and deviation need, exactly.
            histogram = torch.bincount(self.images[..., channel].reshape(-1), minlength=256).double()
            weights = histogram / histogram.sum()
            mean = (weights * values).sum()
            means.append(float(mean))
            constant = int(histogram.count_nonzero()) == 1
            stds.append(1.0 if constant else float((weights * (values - mean) ** 2).sum().sqrt()))
        return tuple(means), tuple(stds)

    def take(self, indices: torch.Tensor, split: str | None = None) -> "ImageDataset":
        """The images at these indices, as a data set of its own."""
        return replace(self, images=self.images[indices], labels=self.labels[indices], split=split or self.split)

    def with_classes(self, classes: Sequence[str]) -> "ImageDataset":
        """The same images for a network that knows the classes in another order, or in another Unicode form.

        Where the images are sorted by class, they are so afterwards. Where ``classes`` are others, nothing is changed.
        """
        theirs, own = ([unicodedata.normalize("NFC", name) for name in names] for names in (classes, self.classes))
        if tuple(classes) == self.classes or sorted(theirs) != sorted(own) or len(set(own)) < len(own):
            return self
        labels = torch.tensor([theirs.index(name) for name in own])[self.labels]
        in_order = bool((self.labels.diff() >= 0).all())
        order = labels.argsort(stable=True) if in_order else torch.arange(len(self))
        return replace(self.take(order), labels=labels[order], classes=tuple(classes))

    def subset(self, n: int, seed: int = 0) -> "ImageDataset":
        """A random subset of ``n`` images with the classes in their proportions (to within one image).

        Raises:
            InputError: if ``n`` is not between 1 and the number of images.
        """
        if not 1 <= n <= len(self):
            raise InputError(f"a subset of {n:,} images cannot be taken from {len(self):,}: choose 1 to {len(self):,}")
        chosen, _ = self._stratified(n, seed)
        return self.take(chosen)

    def hold_out(self, n: int, seed: int = 0) -> tuple["ImageDataset", "ImageDataset"]:
        """Split into what is left for training and a stratified validation part of ``n`` images.

        The same seed always holds out the same images.

        Raises:
            InputError: if ``n`` leaves nothing on one side.
        """
        if not 1 <= n < len(self):
            raise InputError(f"{n:,} of {len(self):,} images cannot be held out: choose 1 to {len(self) - 1:,}")
        held, rest = self._stratified(n, seed)
        return self.take(rest, "train"), self.take(held, "validation")

    def as_torch(self, transform: Transform | Callable[[torch.Tensor], Any] | None = None) -> "TorchView":
        """A view for ``torch.utils.data.DataLoader``, one image at a time.

        Args:
            transform: applied to each image, uint8 3 × H × W; any of ``torchvision.transforms.v2`` will do. A
                `Transform` gives what a network takes, but for MixUp and CutMix, which need a batch.
        """
        return TorchView(self, transform)

    def _stratified(self, n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Indices of ``n`` images with the classes in proportion, and of all others, both in ascending order."""
        generator = torch.Generator().manual_seed(seed)
        shuffled = torch.randperm(len(self), generator=generator)
        order = shuffled[torch.argsort(self.labels[shuffled], stable=True)]
        counts = self.counts()
        # Largest remainders: each class gets its share rounded down, and those that lost most get one more.
        taken = counts * n // len(self)
        lost = (counts * n % len(self)).argsort(descending=True, stable=True)
        taken[lost[: n - int(taken.sum())]] += 1
        starts = torch.repeat_interleave(counts.cumsum(0) - counts, counts)
        chosen = torch.arange(len(self)) - starts < torch.repeat_interleave(taken, counts)
        return order[chosen].sort().values, order[~chosen].sort().values


class TorchView(torch.utils.data.Dataset):
    """An `ImageDataset` as PyTorch's loaders know data sets: item ``i`` is an image and its label, an ``int``.

    Made by `ImageDataset.as_torch`.
    """

    def __init__(self, dataset: ImageDataset, transform: Transform | Callable[[torch.Tensor], Any] | None = None):
        self.dataset = dataset
        self.transform = transform

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        label = int(self.dataset.labels[index])
        if isinstance(self.transform, Transform):
            # The generator of the process: a DataLoader seeds that of each worker.
            return self.transform(self.dataset.images[index, None], torch.default_generator)[0], label
        # A copy: a view would drag the whole data set along when a worker sends the image to its parent.
        image = self.dataset.images[index].permute(2, 0, 1).clone(memory_format=torch.contiguous_format)
        return (image if self.transform is None else self.transform(image)), label
