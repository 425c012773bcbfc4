"""Batches for training and evaluation."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from ..errors import InputError
from .augment import Transform
from .dataset import ImageDataset

Batch = tuple[torch.Tensor, torch.Tensor]


class BatchLoader:
    """Iterate over a data set in batches: every image once an epoch, the last batch smaller if need be.

    What a batch holds depends only on the seed, the epoch, its number and the share of it that is asked for; not on
    the number of workers, nor on what was drawn before. So the position of a run is two numbers, and a run that is
    resumed sees the images that it would have seen. A generator handed in could not promise that: its state would have
    to be saved, and workers would share it. Hence a seed.

    Several processes share each batch without overlap: process ``rank`` of ``world_size`` gets its part, and all parts
    together hold the images that one process would get; crops, and which images are mixed, are drawn part by part. All
    processes get the same number of batches, and none is empty: a last batch of fewer images than processes is joined
    to the one before. Unless it is ``balanced``, no image is dropped or shown twice, so sums over the processes score
    every image once. The order does not depend on the number of processes, so another number can go on from a saved
    position; only its crops are other ones.

    Args:
        dataset: the images.
        batch_size: images in a batch, over all processes.
        transform: from uint8 images to the network's input.
        shuffle: whether to visit the images in a new random order each epoch.
        balanced: whether an epoch, of as many images, has the classes in equal numbers, for training: images of small
            classes come several times, and of large ones others in each epoch.
        seed: seed of order and augmentation, the same in all processes.
        num_workers: threads that prepare batches ahead; 0 prepares each batch when it is asked for.
        pin_memory: put batches into page-locked memory, from which copies to a GPU need not wait; nothing to do if
            ``device`` is the GPU.
        rank: number of this process, from 0.
        world_size: number of processes.
        fewest: images that each process gets of a batch at least; a last batch of fewer is joined to the one before.
        device: where the images are kept and the batches made. On a GPU the whole data set is copied there once, as
            bytes (50,000 images of CIFAR-10 take 154 MB), and no image is copied after that.

    Attributes:
        epoch: number of the epoch that the next iteration runs; set it before iterating.

    Yields:
        float32 images, N × 3 × H × W in channels-last memory order, and int64 labels, N; with MixUp or CutMix float32
        labels, N × classes.

    Raises:
        InputError: if a number is out of range, or there are too few images for the processes.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        batch_size: int,
        transform: Transform,
        *,
        shuffle: bool = False,
        balanced: bool = False,
        seed: int = 0,
        num_workers: int = 0,
        pin_memory: bool = False,
        rank: int = 0,
        world_size: int = 1,
        fewest: int = 1,
        device: torch.device | str = "cpu",
    ):
        for name, value, ok, rule in (
            ("seed", seed, seed >= 0, "at least 0"),
            ("num_workers", num_workers, num_workers >= 0, "at least 0"),
            ("world_size", world_size, world_size >= 1, "at least 1"),
            ("rank", rank, 0 <= rank < max(world_size, 1), f"from 0 to {world_size - 1}"),
            (
                "batch_size",
                batch_size,
                batch_size >= fewest * world_size,
                f"at least {fewest} for each of {world_size} processes",
            ),
        ):
            if not ok:
                raise InputError(f"{name} must be {rule}, got {value}")
        if len(dataset) < fewest * world_size:
            raise InputError(f"{len(dataset)} images cannot be shared by {world_size} processes: use fewer")
        self.dataset = dataset
        self.batch_size = batch_size
        self.transform = transform
        self.shuffle = shuffle
        self.balanced = balanced
        self.seed = seed
        self.num_workers = num_workers
        self.device = torch.device(device)
        self.pin_memory = pin_memory and self.device.type == "cpu"
        self.rank = rank
        self.world_size = world_size
        self.smallest = fewest * world_size  # images of a last batch that is a batch of its own
        self.epoch = 0
        self._images, self._labels = dataset.images.to(self.device), dataset.labels.to(self.device)
        self._position = (0, 0)  # epoch, and batches of it that were handed out
        self._resumed = False

    def __len__(self) -> int:
        whole, rest = divmod(len(self.dataset), self.batch_size)
        return whole + (rest >= self.smallest)

    def __iter__(self) -> Iterator[Batch]:
        if not (self._resumed and self._position[0] == self.epoch):
            self._position = (self.epoch, 0)
        self._resumed = False
        return self._hand_out(*self._position)

    def state_dict(self) -> dict[str, int]:
        """The position: epoch, batches handed out, and what it takes for them to be the same batches again."""
        epoch, batch = self._position
        state = {"epoch": self.epoch, "batch": batch if epoch == self.epoch else 0, "smallest": self.smallest}
        return state | self._identity()

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go to a saved position: the next iteration yields the rest of that epoch.

        Raises:
            InputError: if the position is of a loader with other images, batches or seed.
        """
        for name, value in self._identity().items():
            if state[name] != value:
                raise InputError(
                    f"the saved position is of another loader: {name} was {state[name]}, now it is {value}"
                )
        self.epoch = state["epoch"]
        # Where fewer processes go on, an epoch has as many batches as before, which the schedule counts. Where more do,
        # a rest of fewer images than processes, all that is left of the epoch, is passed over.
        self.smallest = max(self.smallest, state.get("smallest", state.get("world_size", 1)))
        self._position = (state["epoch"], min(state["batch"], len(self)))
        self._resumed = True

    def _identity(self) -> dict[str, int]:
        names = ("batch_size", "shuffle", "seed")
        return {"images": len(self.dataset), **{name: getattr(self, name) for name in names}}

    def _hand_out(self, epoch: int, first: int) -> Iterator[Batch]:
        order = self._order(epoch)
        # The last batch takes what is left, also where a remainder was joined to it.
        stops = [self.batch_size * (i + 1) for i in range(len(self) - 1)] + [len(order)]
        shares = [
            (epoch, i, order[i * self.batch_size : stops[i]].tensor_split(self.world_size)[self.rank])
            for i in range(first, len(self))
        ]
        batches = self._prefetch(shares) if self.num_workers else (self._prepare(*share) for share in shares)
        for i, batch in enumerate(batches, start=first):
            self._position = (epoch, i + 1)
            yield batch

    def _generator(self, *numbers: int) -> torch.Generator:
        """A generator of its own for each batch of each epoch in each process."""
        state = np.random.SeedSequence((self.seed, *numbers)).generate_state(1, np.uint64)
        return torch.Generator().manual_seed(int(state[0]))

    def _order(self, epoch: int) -> torch.Tensor:
        if self.balanced:
            return self._balanced_order(self._generator(epoch, 0))
        if self.shuffle:
            return torch.randperm(len(self.dataset), generator=self._generator(epoch, 0))
        return torch.arange(len(self.dataset))

    def _balanced_order(self, generator: torch.Generator) -> torch.Tensor:
        """As many indices as images, the classes in equal numbers; none comes again before all of its class came."""
        classes = [torch.nonzero(self.dataset.labels == label)[:, 0] for label in self.dataset.labels.unique()]
        share, more = divmod(len(self.dataset), len(classes))
        larger = set(torch.randperm(len(classes), generator=generator)[:more].tolist())
        drawn = []
        for k, members in enumerate(classes):
            wanted = share + (k in larger)
            rounds = -(-wanted // len(members))
            places = torch.cat([torch.randperm(len(members), generator=generator) for _ in range(rounds)])
            drawn.append(members[places[:wanted]])
        order = torch.cat(drawn)
        return order[torch.randperm(len(order), generator=generator)]

    def _prepare(self, epoch: int, i: int, indices: torch.Tensor) -> Batch:
        generator = self._generator(epoch, i + 1, self.rank)  # number 0 is the order's
        indices = indices.to(self.device, non_blocking=True)
        images = self.transform(self._images.index_select(0, indices), generator)
        labels = self._labels.index_select(0, indices)
        images, labels = self.transform.mix(images, labels, len(self.dataset.classes), generator)
        return (images.pin_memory(), labels.pin_memory()) if self.pin_memory else (images, labels)

    def _prefetch(self, shares: list[tuple[int, int, torch.Tensor]]) -> Iterator[Batch]:
        """Keep two batches per worker in the making, and hand them out in order."""
        with ThreadPoolExecutor(self.num_workers) as pool:
            pending = deque()
            for share in shares:
                pending.append(pool.submit(self._prepare, *share))
                if len(pending) > 2 * self.num_workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
