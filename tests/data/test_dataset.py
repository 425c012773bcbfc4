import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from resnet_tutorial import ImageDataset, InputError
from resnet_tutorial.data import Transform, normalize
from tests.conftest import make_dataset


def unbalanced(counts) -> ImageDataset:
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    images = torch.arange(len(labels) * 12).reshape(-1, 2, 2, 3).to(torch.uint8)
    return ImageDataset(images, labels, tuple(map(str, range(len(counts)))), "toy", "train")


def test_mean_and_deviation_are_those_of_all_pixels():
    dataset = make_dataset()
    pixels = dataset.images.double().view(-1, 3) / 255
    mean, std = dataset.mean_std()
    assert mean == pytest.approx(pixels.mean(dim=0).tolist())
    assert std == pytest.approx(pixels.std(dim=0, correction=0).tolist())


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=2, max_size=6), st.data(), st.integers(0, 5))
def test_a_held_out_part_is_stratified_and_disjoint(counts, data, seed):
    dataset = unbalanced(counts)
    n = data.draw(st.integers(1, len(dataset) - 1))
    rest, held = dataset.hold_out(n, seed)
    assert (len(rest), len(held), rest.split, held.split) == (len(dataset) - n, n, "train", "validation")
    assert torch.equal(rest.counts() + held.counts(), dataset.counts())
    share = dataset.counts() * n / len(dataset)
    assert ((held.counts() - share).abs() < 1).all()


def test_the_seed_fixes_the_split():
    dataset = make_dataset(100)
    first, again, other = (dataset.hold_out(20, seed)[1].fingerprint for seed in (0, 0, 1))
    assert first == again != other


def test_subset_of_all_is_the_data_set():
    dataset = make_dataset(20)
    assert dataset.subset(20).fingerprint == dataset.fingerprint


def test_the_view_for_pytorch_hands_out_image_and_label():
    dataset = make_dataset(6)
    view = dataset.as_torch()
    with pytest.raises(TypeError, match="as_torch"):
        dataset[0]
    image, label = view[3]
    assert (len(view), type(label), label) == (6, int, int(dataset.labels[3]))
    assert torch.equal(image, dataset.images[3].permute(2, 0, 1)) and image.dtype == torch.uint8
    image.zero_()
    assert dataset.images[3].any()  # a copy, so that transforms in place do no harm
    assert len(list(view)) == 6


def test_the_view_feeds_a_dataloader_with_torchvisions_transforms():
    dataset = make_dataset(20)
    transform = v2.Compose([v2.RandomCrop(32, 4), v2.RandomHorizontalFlip(), v2.ToDtype(torch.float32, scale=True)])
    loader = DataLoader(dataset.as_torch(transform), batch_size=8, num_workers=2)
    images, labels = zip(*loader, strict=True)
    assert [tuple(batch.shape) for batch in images] == [(8, 3, 32, 32), (8, 3, 32, 32), (4, 3, 32, 32)]
    assert images[0].dtype == torch.float32 and images[0].max() <= 1
    assert torch.equal(torch.cat(labels), dataset.labels)


@pytest.mark.parametrize("n", [0, -1, 41])
def test_impossible_parts_are_refused(n):
    with pytest.raises(InputError, match="choose 1 to"):
        make_dataset(40).subset(n)
    with pytest.raises(InputError, match="choose 1 to"):
        make_dataset(40).hold_out(n)


def test_the_fingerprint_sees_one_changed_pixel_and_one_changed_label():
    dataset, changed, relabeled = make_dataset(), make_dataset(), make_dataset()
    changed.images[3, 4, 5, 1] += 1
    relabeled.labels[0] = 1
    assert len({dataset.fingerprint, changed.fingerprint, relabeled.fingerprint}) == 3


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (torch.zeros(2, 4, 4, 3), torch.zeros(2, dtype=torch.int64)),
        (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64)),
        (torch.zeros(2, 4, 4, 3, dtype=torch.uint8), torch.zeros(2, dtype=torch.int32)),
        (torch.zeros(2, 4, 4, 3, dtype=torch.uint8), torch.tensor([0, 2])),
        (torch.zeros(2, 4, 4, 3, dtype=torch.uint8), torch.tensor([-1, 0])),
    ],
)
def test_wrong_shapes_types_and_labels_are_refused(images, labels):
    with pytest.raises(ValueError):
        ImageDataset(images, labels, ("a", "b"), "toy", "train")


def test_a_channel_that_is_the_same_everywhere_has_a_deviation_of_one():
    dataset = make_dataset()
    dataset.images[..., 2] = 77
    mean, std = dataset.mean_std()
    assert mean[2] == pytest.approx(77 / 255) and std[2] == 1 and std[0] < 0.5


def test_classes_in_the_order_of_a_network():
    sorted_by_class = make_dataset().take(torch.arange(40).reshape(20, 2).T.flatten())
    turned = sorted_by_class.with_classes(["right", "left"])
    assert turned.classes == ("right", "left") and turned.labels.tolist() == [0] * 20 + [1] * 20
    assert torch.equal(turned.images[0], sorted_by_class.images[20])
    mixed = make_dataset()
    assert mixed.with_classes(["right", "left"]).labels.tolist() == (1 - mixed.labels).tolist()
    assert torch.equal(mixed.with_classes(["right", "left"]).images, mixed.images)
    for others in (["left", "right"], ["left", "up"], ["left"]):
        assert mixed.with_classes(others) is mixed


def test_a_torch_loader_gives_what_a_network_takes():
    data = make_dataset(6)
    mean, std = data.mean_std()
    images, labels = next(iter(DataLoader(data.as_torch(Transform(mean, std)), 6)))
    torch.testing.assert_close(images, normalize(data.images, mean, std))
    assert torch.equal(labels, data.labels)
    flipped = data.as_torch(Transform(mean, std, augment=True))
    torch.manual_seed(0)
    first, second = flipped[0][0], flipped[0][0]
    assert first.shape == (3, 32, 32) and not torch.equal(first, second)
