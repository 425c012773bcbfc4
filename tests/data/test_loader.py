import pytest
import torch

from resnet_tutorial.data import BatchLoader, Transform
from tests.conftest import make_dataset

PLAIN = Transform((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
AUGMENTED = Transform((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), augment=True, erase=0.5)


def collect(loader: BatchLoader) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = zip(*loader, strict=True)
    return torch.cat(images), torch.cat(labels)


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("batch_size", [7, 10, 40, 64])
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


def test_batches_depend_on_seed_and_epoch_and_not_on_workers():
    def run(seed, epoch, workers):
        loader = BatchLoader(make_dataset(), 8, AUGMENTED, shuffle=True, seed=seed, num_workers=workers)
        loader.epoch = epoch
        return collect(loader)[0]

    base = run(0, 0, 0)
    assert torch.equal(base, run(0, 0, 2))
    assert not torch.equal(base, run(1, 0, 0))
    assert not torch.equal(base, run(0, 1, 0))


def test_an_error_in_a_worker_reaches_the_caller():
    def broken(images, generator):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(BatchLoader(make_dataset(), 8, broken, num_workers=2))
