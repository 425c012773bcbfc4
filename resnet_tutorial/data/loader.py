"""Batches for training and evaluation."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from .augment import crop_and_flip, normalize, random_erase
from .dataset import ImageDataset


@dataclass(frozen=True)
class Transform:
    """From uint8 images to the network's input.

    Attributes:
        mean, std: per channel, as fractions of 255.
        augment: crop and flip each image at random.
        erase: probability of random erasing.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    augment: bool = False
    erase: float = 0.0

    def __call__(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Map uint8 N × H × W × 3 to float32 N × 3 × H × W."""
        if self.augment:
            images = crop_and_flip(images, generator)
        batch = normalize(images, self.mean, self.std)
        return random_erase(batch, generator, self.erase) if self.erase > 0 else batch


class BatchLoader:
    """Iterate over a data set in batches: every image once an epoch, the last batch smaller if need be.

    What a batch holds depends only on the seed, the epoch and its number, not on the number of workers. So a run that
    is resumed sees the images that it would have seen.

    Args:
        dataset: the images.
        batch_size: images in a batch.
        transform: from uint8 images to the network's input.
        shuffle: whether to visit the images in a new random order each epoch.
        seed: seed of order and augmentation.
        num_workers: threads that prepare batches ahead; 0 prepares each batch when it is asked for.
        pin_memory: put batches into page-locked memory, from which copies to a GPU need not wait.

    Attributes:
        epoch: number of the epoch that the next iteration runs; set it before iterating.

    Yields:
        float32 images, N × 3 × H × W in channels-last memory order, and int64 labels, N.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        batch_size: int,
        transform: Transform,
        *,
        shuffle: bool = False,
        seed: int = 0,
        num_workers: int = 0,
        pin_memory: bool = False,
    ):
        self.dataset = dataset
        self.batch_size = batch_size
        self.transform = transform
        self.shuffle = shuffle
        self.seed = seed
        self.num_workers = num_workers
        self.pin_memory = pin_memory
        self.epoch = 0

    def __len__(self) -> int:
        return -(-len(self.dataset) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        order = self._order()
        chunks = [(i, order[start : start + self.batch_size]) for i, start in self._starts()]
        if self.num_workers == 0:
            return (self._prepare(i, indices) for i, indices in chunks)
        return self._prefetch(chunks)

    def _starts(self) -> Iterator[tuple[int, int]]:
        return enumerate(range(0, len(self.dataset), self.batch_size))

    def _generator(self, batch: int) -> torch.Generator:
        """A generator of its own for each batch of each epoch; batch -1 stands for the order."""
        state = np.random.SeedSequence((self.seed, self.epoch, batch + 1)).generate_state(1, np.uint64)
        return torch.Generator().manual_seed(int(state[0]))

    def _order(self) -> torch.Tensor:
        if self.shuffle:
            return torch.randperm(len(self.dataset), generator=self._generator(-1))
        return torch.arange(len(self.dataset))

    def _prepare(self, i: int, indices: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        images = self.transform(self.dataset.images[indices], self._generator(i))
        labels = self.dataset.labels[indices]
        return (images.pin_memory(), labels.pin_memory()) if self.pin_memory else (images, labels)

    def _prefetch(self, chunks: list[tuple[int, torch.Tensor]]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Keep two batches per worker in the making, and hand them out in order."""
        with ThreadPoolExecutor(self.num_workers) as pool:
            pending = deque()
            for i, indices in chunks:
                pending.append(pool.submit(self._prepare, i, indices))
                if len(pending) > 2 * self.num_workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
