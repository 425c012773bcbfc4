from dataclasses import dataclass
from itertools import chain

import pytest
import torch

from resnet_tutorial import ImageDataset, InputError
from resnet_tutorial.data import BatchLoader, Transform
from tests.conftest import make_dataset

PLAIN = Transform((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
AUGMENTED = Transform((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), augment=True, erase=0.5)
EVERYTHING = Transform((0.5,) * 3, (0.25,) * 3, augment=True, erase=0.5, cutout=4, rand_augment=(1, 9), mixup=1.0)


def collect(loader: BatchLoader) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = zip(*loader, strict=True)
    return torch.cat(images), torch.cat(labels)


def numbered(n: int) -> ImageDataset:
    """Images that tell their number: a single pixel, whose label is the number as well."""
    number = torch.arange(n)
    pixel = torch.stack([number // 256, number % 256, 0 * number], dim=1).to(torch.uint8)
    return ImageDataset(pixel[:, None, None], number, tuple(map(str, range(n))), "numbers", "test")


def numbers(loader: BatchLoader) -> list[list[int]]:
    """The numbers of the images, batch by batch, read off the pixels; the labels must agree."""
    out = []
    for images, labels in loader:
        pixel = (images[:, :, 0, 0] * 255).round().long()
        assert torch.equal(pixel[:, 0] * 256 + pixel[:, 1], labels)
        out.append(labels.tolist())
    return out


@pytest.mark.parametrize(("batch_size", "workers"), [(7, 0), (10, 1), (40, 0), (64, 0), (7, 3)])
def test_every_image_comes_once_an_epoch(workers, batch_size):
    dataset = make_dataset(40)
    loader = BatchLoader(dataset, batch_size, PLAIN, shuffle=True, num_workers=workers)
    images, labels = collect(loader)
    assert len(list(loader)) == len(loader) == -(-40 // batch_size)
    seen = (images.permute(0, 2, 3, 1) * 255).round().to(torch.uint8)
    key = lambda batch: sorted(image.numpy().tobytes() for image in batch)  # noqa: E731
    assert key(seen) == key(dataset.images)
    assert torch.bincount(labels).tolist() == [20, 20]


def test_without_shuffling_the_order_is_kept():
    dataset = make_dataset(10)
    images, labels = collect(BatchLoader(dataset, 3, PLAIN))
    assert torch.equal(labels, dataset.labels)
    assert torch.equal((images.permute(0, 2, 3, 1) * 255).round().to(torch.uint8), dataset.images)


@pytest.mark.parametrize("transform", [AUGMENTED, EVERYTHING])
def test_batches_depend_on_seed_and_epoch_and_not_on_workers(transform):
    def run(seed, epoch, workers):
        loader = BatchLoader(make_dataset(), 8, transform, shuffle=True, seed=seed, num_workers=workers)
        loader.epoch = epoch
        return collect(loader)[0]

    base = run(0, 0, 0)
    assert torch.equal(base, run(0, 0, 3))
    assert not torch.equal(base, run(1, 0, 0))
    assert not torch.equal(base, run(0, 1, 0))


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize(("n", "batch_size", "world_size"), [(1000, 128, 3), (1000, 128, 8), (129, 16, 7), (8, 64, 8)])
def test_processes_share_the_batches_of_one(n, batch_size, world_size, shuffle):
    """Together they hold the batches that one process would get: nothing twice, nothing padded, nothing dropped."""

    def loader(rank, world_size):
        return BatchLoader(numbered(n), batch_size, PLAIN, shuffle=shuffle, rank=rank, world_size=world_size)

    alone = numbers(loader(0, 1))
    shares = [numbers(loader(rank, world_size)) for rank in range(world_size)]
    assert {len(share) for share in shares} == {len(loader(0, world_size))}
    together = [list(chain(*parts)) for parts in zip(*shares, strict=True)]
    assert list(chain(*together)) == list(chain(*alone))
    assert sorted(chain(*together)) == list(range(n))
    sizes = [[len(part) for part in parts] for parts in zip(*shares, strict=True)]
    assert all(min(size) >= 1 and max(size) - min(size) <= 1 for size in sizes)


@pytest.mark.parametrize(
    ("n", "world_size", "fewest", "last"), [(33, 1, 2, 9), (34, 1, 2, 2), (35, 2, 2, 11), (36, 2, 2, 4)]
)
def test_a_remainder_of_too_few_images_joins_the_last_batch(n, world_size, fewest, last):
    shares = [
        [len(b) for b in numbers(BatchLoader(numbered(n), 8, PLAIN, rank=r, world_size=world_size, fewest=fewest))]
        for r in range(world_size)
    ]
    assert sum(sizes[-1] for sizes in shares) == last and min(min(sizes) for sizes in shares) >= fewest
    assert sum(map(sum, shares)) == n


@pytest.mark.parametrize("n", [32, 33, 35, 38])
@pytest.mark.parametrize(("before", "now"), [(4, 1), (2, 4), (3, 2)])
def test_another_number_of_processes_goes_on_with_the_rest(n, before, now):
    def loaders(world_size):
        return [
            BatchLoader(numbered(n), 8, PLAIN, shuffle=True, rank=rank, world_size=world_size)
            for rank in range(world_size)
        ]

    whole = list(chain(*numbers(loaders(1)[0])))
    for stop in range(len(loaders(before)[0])):  # not behind the last batch
        first, then = loaders(before), loaders(now)
        iterators = [iter(loader) for loader in first]
        for _ in range(stop):
            for iterator in iterators:
                next(iterator)
        for loader in then:
            loader.load_state_dict(first[0].state_dict())
        rest = list(zip(*map(numbers, then), strict=True))
        # Where more processes than images are left, the epoch is over.
        assert list(chain(*chain(*rest))) == (whole[8 * stop :] if stop < len(then[0]) else [])
        assert len(then[0]) <= len(first[0])  # the schedule has no more steps


def test_processes_draw_differently():
    equal = make_dataset(2).take(torch.zeros(16, dtype=torch.int64))
    first, second = (collect(BatchLoader(equal, 16, AUGMENTED, rank=rank, world_size=2))[0] for rank in (0, 1))
    assert first.shape == second.shape and not torch.equal(first, second)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("stop", [0, 1, 3, 5])
def test_a_saved_position_goes_on_with_exactly_the_rest(workers, stop):
    def loader():
        return BatchLoader(make_dataset(), 8, AUGMENTED, shuffle=True, seed=3, num_workers=workers)

    whole, cut, resumed = loader(), loader(), loader()
    whole.epoch = cut.epoch = 2
    expected = list(whole)
    iterator = iter(cut)
    for _ in range(stop):
        next(iterator)
    state = cut.state_dict()
    iterator.close()
    assert (state["epoch"], state["batch"]) == (2, stop)
    resumed.load_state_dict(state)
    assert resumed.epoch == 2 and resumed.state_dict() == state
    rest = list(resumed)
    assert len(rest) == 5 - stop
    for (images, labels), (old_images, old_labels) in zip(rest, expected[stop:], strict=True):
        assert torch.equal(images, old_images) and torch.equal(labels, old_labels)
    assert resumed.state_dict()["batch"] == 5


def test_a_position_holds_for_its_epoch_only():
    loader = BatchLoader(make_dataset(), 8, AUGMENTED, shuffle=True)
    state = loader.state_dict() | {"epoch": 1, "batch": 3}
    loader.load_state_dict(state)
    assert (len(list(loader)), len(list(loader))) == (2, 5)  # the rest, then the epoch again
    loader.load_state_dict(state)
    loader.epoch = 2
    assert loader.state_dict()["batch"] == 0
    assert len(list(loader)) == 5


def test_the_epoch_of_a_running_iteration_is_fixed():
    loader = BatchLoader(make_dataset(), 8, AUGMENTED, shuffle=True)
    expected = collect(loader)[0]
    batches = []
    for images, _ in loader:
        loader.epoch += 1
        batches.append(images)
    assert torch.equal(torch.cat(batches), expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 4}, "batch_size was 8, now it is 4"),
        ({"seed": 1}, "seed was 0, now it is 1"),
        ({"shuffle": False}, "shuffle was True, now it is False"),
        ({"dataset": make_dataset(30)}, "images was 40, now it is 30"),
    ],
)
def test_a_position_of_another_loader_is_refused(change, message):
    settings = {"dataset": make_dataset(), "batch_size": 8, "transform": PLAIN, "shuffle": True}
    state = BatchLoader(**settings).state_dict()
    with pytest.raises(InputError, match=message):
        BatchLoader(**{**settings, **change}).load_state_dict(state)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"batch_size": 3, "world_size": 4}, "batch_size must be at least 1 for each of 4 processes, got 3"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"num_workers": -1}, "num_workers must be at least 0"),
        ({"world_size": 0}, "world_size must be at least 1"),
        ({"rank": 2, "world_size": 2}, "rank must be from 0 to 1, got 2"),
        ({"world_size": 41, "batch_size": 64}, "40 images cannot be shared by 41 processes"),
        ({"batch_size": 3, "world_size": 2, "fewest": 2}, "at least 2 for each of 2 processes, got 3"),
    ],
)
def test_impossible_settings_are_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        BatchLoader(**{"dataset": make_dataset(), "batch_size": 8, "transform": PLAIN, **wrong})


def test_data_live_and_are_augmented_on_the_device():
    """The meta device holds no numbers, but it refuses to mix with CPU tensors, as a GPU would."""
    transform = Transform((0.5,) * 3, (0.25,) * 3, augment=True, erase=0.5, cutout=4, mixup=1.0, cutmix=1.0)
    loader = BatchLoader(make_dataset(20), 8, transform, shuffle=True, device="meta", pin_memory=True)
    batches = list(loader)
    assert [tuple(images.shape) for images, _ in batches] == [(8, 3, 32, 32), (8, 3, 32, 32), (4, 3, 32, 32)]
    assert {tensor.device.type for batch in batches for tensor in batch} == {"meta"}


def test_an_error_in_a_worker_reaches_the_caller():
    @dataclass(frozen=True)
    class Broken(Transform):
        def __call__(self, images, generator):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(BatchLoader(make_dataset(), 8, Broken((0.5,) * 3, (0.5,) * 3), num_workers=2))


def test_a_balanced_epoch_has_the_classes_in_equal_numbers():
    """Eight images of one class and two of the other: five of each, none again before all of its class came."""
    labels = torch.tensor([0] * 8 + [1] * 2)
    images = torch.arange(10, dtype=torch.uint8).view(10, 1, 1, 1).expand(10, 8, 8, 3).contiguous()
    data = ImageDataset(images, labels, ("many", "few"), "Uneven", "train")
    loader = BatchLoader(data, 5, Transform((0.0,) * 3, (1 / 255,) * 3), shuffle=True, balanced=True, seed=3)
    epochs = []
    for epoch in range(3):
        loader.epoch = epoch
        shown = torch.cat([images[:, 0, 0, 0] for images, _ in loader]).round().int().tolist()
        counts = [shown.count(i) for i in range(10)]
        assert sum(counts[:8]) == sum(counts[8:]) == 5 and max(counts[:8]) == 1 and sorted(counts[8:]) == [2, 3]
        epochs.append(shown)
    assert epochs[0] != epochs[1] != epochs[2]
    loader.epoch = 1
    assert torch.cat([images[:, 0, 0, 0] for images, _ in loader]).round().int().tolist() == epochs[1]
