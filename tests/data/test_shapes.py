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
    return all(np.array_equal(a, b) for x, y in zip(left, right, strict=True) for a, b in zip(x, y, strict=True))


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


def test_second_load_reads_the_cache(tmp_path, small_splits, no_drawing):
    first = load_shapes10(tmp_path)
    (train_images, train_labels), (test_images, test_labels) = first
    assert train_images.shape == (30, 32, 32, 3) and test_images.shape == (20, 32, 32, 3)
    assert train_labels.shape == (30,) and test_labels.shape == (20,)
    assert same(first, (draw_shapes(30, shapes.TRAIN_SEED), draw_shapes(20, shapes.TEST_SEED)))
    no_drawing()
    assert same(first, load_shapes10(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == [f"shapes10-v{shapes.GENERATOR_VERSION}.cache"]


def test_new_generator_version_does_not_read_an_old_cache(tmp_path, monkeypatch, small_splits):
    load_shapes10(tmp_path)
    monkeypatch.setattr(shapes, "GENERATOR_VERSION", shapes.GENERATOR_VERSION + 1)
    load_shapes10(tmp_path)
    assert len(list(tmp_path.glob("*.cache"))) == 2


def test_cache_of_other_sizes_is_made_again(tmp_path, monkeypatch, small_splits):
    load_shapes10(tmp_path)
    monkeypatch.setattr(shapes, "TRAIN_SIZE", 40)
    assert load_shapes10(tmp_path)[0][0].shape == (40, 32, 32, 3)


def test_unwritable_cache_folder_only_warns(tmp_path, small_splits, caplog):
    blocker = tmp_path / "file"
    blocker.write_text("not a folder")
    (images, _), _ = load_shapes10(blocker / "cache")
    assert len(images) == 30
    (line,) = caplog.messages
    assert line.startswith("Shapes-10 is not cached") and "choose a folder that you may write to" in line
