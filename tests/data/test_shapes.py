"""Tests for Shapes-10, the data set that the package draws by itself."""

import numpy as np
import pytest

from resnet_tutorial.data import shapes
from resnet_tutorial.data.shapes import draw_shapes, load_shapes10


@pytest.fixture(scope="module")
def sample() -> tuple[np.ndarray, np.ndarray]:
    return draw_shapes(4000, seed=7)


@pytest.fixture
def small_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "TRAIN_SIZE", 30)
    monkeypatch.setattr(shapes, "TEST_SIZE", 20)


@pytest.fixture
def no_drawing(monkeypatch: pytest.MonkeyPatch):
    """Return a function after whose call any drawing fails the test."""

    def refuse(n: int, seed: int) -> None:
        raise AssertionError("the pictures were drawn instead of read from the cache")

    return lambda: monkeypatch.setattr(shapes, "draw_shapes", refuse)


def nearest_mean_accuracy(features: np.ndarray, labels: np.ndarray) -> float:
    """Fit class means on one half of the rows and classify the other half by the nearest one."""
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    half = len(features) // 2
    means = np.stack([features[:half][labels[:half] == c].mean(axis=0) for c in range(10)])
    distances = ((features[half:, None] - means) ** 2).sum(axis=2)
    return float((distances.argmin(axis=1) == labels[half:]).mean())


def same(left, right) -> bool:
    return [part.fingerprint for part in left] == [part.fingerprint for part in right]


# --- draw_shapes ---


@pytest.mark.parametrize("n", [1, 20, 37, 501])
def test_shapes_dtypes_and_balance(n):
    images, labels = draw_shapes(n, seed=0)
    assert images.shape == (n, 32, 32, 3) and images.dtype == np.uint8 and images.flags.c_contiguous
    assert labels.shape == (n,) and labels.dtype == np.int64
    counts = np.bincount(labels, minlength=10)
    assert len(counts) == 10 and counts.max() - counts.min() <= 1


def test_order_is_shuffled(sample):
    labels = sample[1]
    assert 0.05 < np.mean(labels[1:] == labels[:-1]) < 0.15
    assert set(labels[:100]) == set(range(10))


def test_same_seed_gives_the_same_bytes_whatever_the_number_of_threads(monkeypatch):
    images, labels = draw_shapes(600, seed=5)
    monkeypatch.setattr(shapes.os, "cpu_count", lambda: 1)
    again, labels_again = draw_shapes(600, seed=5)
    assert np.array_equal(images, again)
    assert np.array_equal(labels, labels_again)


def test_pictures_belong_to_this_generator_version():
    # If this fails because the pictures were changed on purpose, raise GENERATOR_VERSION and put in the new numbers.
    images, labels = draw_shapes(10, seed=0)
    means = [148.28, 193.25, 114.48, 188.12, 96.07, 126.88, 66.72, 116.7, 72.96, 106.99]
    assert shapes.GENERATOR_VERSION == 1
    assert labels.tolist() == [4, 9, 8, 7, 5, 3, 0, 1, 2, 6]
    assert images.mean(axis=(1, 2, 3)) == pytest.approx(means, abs=0.05)


def test_no_picture_appears_twice_in_train_and_test():
    train, test = draw_shapes(2000, shapes.TRAIN_SEED)[0], draw_shapes(1000, shapes.TEST_SEED)[0]
    assert shapes.TRAIN_SEED != shapes.TEST_SEED
    assert len({image.tobytes() for image in (*train, *test)}) == 3000


@pytest.mark.parametrize("n", [0, -1])
def test_bad_number_of_pictures_raises(n):
    with pytest.raises(ValueError, match="at least 1"):
        draw_shapes(n, seed=0)


# --- What gives the class away, and what does not ---


def test_color_and_brightness_do_not_give_the_class_away(sample):
    images, labels = sample
    pixels = images.reshape(len(images), -1, 3) / 255
    features = np.concatenate([pixels.mean(axis=1), pixels.std(axis=1), pixels.mean(axis=(1, 2))[:, None]], axis=1)
    assert nearest_mean_accuracy(features, labels) < 0.2
    assert nearest_mean_accuracy(pixels.reshape(len(images), -1), labels) < 0.3


def test_every_class_is_drawn_lighter_and_darker_than_its_background(sample):
    images, labels = sample
    gray = images.mean(axis=3)
    border = np.concatenate([gray[:, :3].reshape(len(gray), -1), gray[:, -3:].reshape(len(gray), -1)], axis=1)
    difference = gray[:, 10:22, 10:22].mean(axis=(1, 2)) - border.mean(axis=1)
    for label in range(10):
        lighter = np.mean(difference[labels == label] > 0)
        assert 0.35 < lighter < 0.65
        assert np.quantile(difference[labels == label], 0.1) < -12
        assert np.quantile(difference[labels == label], 0.9) > 12


# --- load_shapes10 ---


def test_second_load_reads_the_cache(own_cache, small_splits, no_drawing):
    first = load_shapes10()
    for part, size, seed in zip(first, (30, 20), (shapes.TRAIN_SEED, shapes.TEST_SEED), strict=True):
        images, labels = draw_shapes(size, seed)
        assert np.array_equal(part.images, images) and np.array_equal(part.labels, labels)
        assert part.classes == shapes.CLASSES
    no_drawing()
    assert same(first, load_shapes10()) and len(list(own_cache.iterdir())) == 1


def test_new_generator_version_does_not_read_an_old_cache(own_cache, monkeypatch, small_splits, no_drawing):
    load_shapes10()
    monkeypatch.setattr(shapes, "GENERATOR_VERSION", shapes.GENERATOR_VERSION + 1)
    no_drawing()
    with pytest.raises(AssertionError, match="drawn instead"):
        load_shapes10()


def test_damaged_cache_is_made_again(own_cache, small_splits, no_drawing):
    expected = load_shapes10()
    (path,) = own_cache.iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    assert same(expected, load_shapes10())
    no_drawing()
    assert same(expected, load_shapes10())
