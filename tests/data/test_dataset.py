import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from resnet_tutorial import ImageDataset, InputError
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
    assert ((held.counts() - share).abs() <= 1).all()


def test_the_seed_fixes_the_split():
    dataset = make_dataset(100)
    first, again, other = (dataset.hold_out(20, seed)[1].fingerprint for seed in (0, 0, 1))
    assert first == again != other


def test_subset_of_all_is_the_data_set():
    dataset = make_dataset(20)
    assert dataset.subset(20).fingerprint == dataset.fingerprint


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
