import io
import pickle
import zipfile

import numpy as np
import pytest

from resnet_tutorial import InputError, load_dataset

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (12, 8, 10, 3), dtype=np.uint8)
LABELS = np.arange(12) % 3
TEST_IMAGES = RNG.integers(0, 256, (6, 8, 10, 3), dtype=np.uint8)
TEST_LABELS = np.arange(6) % 3


def arrays(**changes):
    """The arrays of a valid file, with changes."""
    return {"x_train": IMAGES, "y_train": LABELS, "x_test": TEST_IMAGES, "y_test": TEST_LABELS} | changes


def write(root, **changes):
    np.savez(root / "mine.npz", **arrays(**changes))
    return root / "mine.npz"


@pytest.mark.parametrize("keys", ["x_train y_train x_test y_test", "train_images train_labels test_images test_labels"])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_one_file(tmp_path, keys, save):
    save(tmp_path / "mine.npz", **dict(zip(keys.split(), arrays().values(), strict=True)))
    for name, root in (("npz", tmp_path), ("auto", tmp_path), ("auto", tmp_path / "mine.npz")):
        train, test = load_dataset(name, root)
        assert np.array_equal(train.images.numpy(), IMAGES) and np.array_equal(test.images.numpy(), TEST_IMAGES)
        assert train.labels.tolist() == LABELS.tolist() and test.labels.tolist() == TEST_LABELS.tolist()
        assert (train.name, train.classes, test.split) == ("mine", ("0", "1", "2"), "test")


def test_two_files(tmp_path):
    np.savez(tmp_path / "train.npz", images=IMAGES, labels=LABELS, classes=["a", "b", "c"])
    np.savez(tmp_path / "test.npz", images=TEST_IMAGES, labels=TEST_LABELS)
    train, test = load_dataset("auto", tmp_path)
    assert (len(train), len(test), test.classes, train.name) == (12, 6, ("a", "b", "c"), tmp_path.name)


@pytest.mark.parametrize("keys", [("x_train", "y_train"), ("train_images", "train_labels"), ("images", "labels")])
def test_one_part_alone(tmp_path, keys):
    np.savez(tmp_path / "mine.npz", IMAGES, LABELS)
    with pytest.raises(InputError, match="holds arr_0, arr_1: it should hold x_train"):
        load_dataset("auto", tmp_path, test_share=0.25)
    np.savez(tmp_path / "mine.npz", **dict(zip(keys, (IMAGES, LABELS), strict=True)))
    with pytest.raises(
        InputError, match=r"it should hold x_train, .*; to split a test part off, give --test-share 0\.2"
    ):
        load_dataset("auto", tmp_path)
    train, test = load_dataset("auto", tmp_path, test_share=0.25)
    assert (train.counts().tolist(), test.counts().tolist(), test.split) == ([3, 3, 3], [1, 1, 1], "test")
    np.savez(
        tmp_path / "mine.npz",
        **{key.replace("train", "test"): x for key, x in zip(keys, (IMAGES, LABELS), strict=True)},
    )
    train, test = load_dataset("auto", tmp_path, test_alone=True)
    assert (len(train), len(test), test.split) == (0, 12, "test")


@pytest.mark.parametrize(
    ("shaped", "expected"),
    [
        (lambda x: x.transpose(0, 3, 1, 2), lambda x: x),
        (lambda x: x[..., 0], lambda x: x[..., :1].repeat(3, axis=3)),
        (lambda x: x[..., :1], lambda x: x[..., :1].repeat(3, axis=3)),
        (lambda x: x[:, None, :, :, 0], lambda x: x[..., :1].repeat(3, axis=3)),
        (np.asfortranarray, lambda x: x),
    ],
    ids=["N×3×H×W", "N×H×W", "N×H×W×1", "N×1×H×W", "columns first"],
)
def test_every_order_of_the_axes(tmp_path, shaped, expected):
    train, _ = load_dataset("npz", write(tmp_path, x_train=shaped(IMAGES), x_test=shaped(TEST_IMAGES)))
    assert np.array_equal(train.images.numpy(), expected(IMAGES))


@pytest.mark.parametrize("labels", [LABELS[:, None], LABELS.astype(np.uint8), LABELS.astype(">i4")])
def test_every_kind_of_label(tmp_path, labels):
    train, _ = load_dataset("npz", write(tmp_path, y_train=labels))
    assert train.labels.tolist() == LABELS.tolist()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_train": IMAGES / 255}, "the pixels are float64; they should be uint8"),
        ({"x_train": IMAGES[..., :2]}, r"images of shape \(12, 8, 10, 2\); they should be"),
        ({"x_train": IMAGES[0, 0]}, r"images of shape \(10, 3\)"),
        ({"x_train": IMAGES[:0]}, "there are no images"),
        ({"x_train": IMAGES[:11]}, "the train part has 11 images and 12 labels"),
        ({"x_test": TEST_IMAGES[:, :4]}, "images of 8×10 in the train part, 4×10 in the test part"),
        ({"y_train": LABELS - 1}, "labels from -1 to 1; they should count from 0"),
        ({"y_train": LABELS + 1, "y_test": TEST_LABELS + 1}, "class '0' has no images .*: do the labels count from 0"),
        ({"y_train": LABELS / 2}, "type float64; they should be N whole numbers"),
        ({"y_train": LABELS.reshape(6, 2)}, r"labels of shape \(6, 2\)"),
        ({"y_train": LABELS + 10**12}, "the label 1000000000002 among 12 images"),
        ({"y_train": np.full(12, 2**64 - 1, dtype=np.uint64)}, "labels from 18446744073709551615"),
        ({"y_test": TEST_LABELS + 1}, "the test part has the label 3, but there are 3 classes"),
        ({"y_test": TEST_LABELS % 2}, "class '2' has no images in the test part"),
        ({"classes": ["a", "b"]}, "the train part has the label 2, but there are 2 classes"),
        ({"classes": ["a", "b", "c", "d"]}, "class 'd' has no images in the train part"),
        ({"classes": [1, 2, 3]}, "classes should be a list of strings"),
        ({"y_train": np.array([None] * 12)}, "cannot be read .*pickle"),
    ],
)
def test_wrong_arrays_are_refused(tmp_path, changes, message):
    path = write(tmp_path, **changes)
    with pytest.raises(InputError, match=message) as caught:
        load_dataset("npz", path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_nothing_pickled_is_run(tmp_path, capsys):
    class Hostile:
        def __reduce__(self):
            return print, ("ran",)

    with pytest.raises(InputError, match="cannot be read"):
        load_dataset("npz", write(tmp_path, classes=np.array([Hostile()], dtype=object)))
    (tmp_path / "mine.npz").write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(InputError, match="cannot be read"):
        load_dataset("npz", tmp_path / "mine.npz")
    assert capsys.readouterr().out == ""


def test_missing_and_surplus_files(tmp_path):
    with pytest.raises(InputError, match=r"no \.npz file"):
        load_dataset("npz", tmp_path)
    np.savez(tmp_path / "a.npz", images=IMAGES)
    with pytest.raises(InputError, match="holds images: it should hold x_train, y_train, x_test, y_test or"):
        load_dataset("npz", tmp_path)
    np.savez(tmp_path / "b.npz", images=IMAGES)
    with pytest.raises(InputError, match=r"holds 2 .npz files: name the one to read, such as .*a\.npz"):
        load_dataset("npz", tmp_path)
    for split in ("train", "test"):
        np.savez(tmp_path / f"{split}.npz", images=IMAGES)
    with pytest.raises(InputError, match=r"train.npz holds images, but no labels"):
        load_dataset("npz", tmp_path)


def test_a_cut_file_is_refused(tmp_path):
    path = write(tmp_path)
    content = path.read_bytes()
    for at in range(0, len(content), len(content) // 20):
        path.write_bytes(content[:at])
        with pytest.raises(InputError, match="cannot be read"):
            load_dataset("npz", path)


def test_a_file_that_claims_more_than_it_can_hold_is_refused(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (10**9, 32, 32, 3)})
    np.savez(tmp_path / "mine.npz", **{k: v for k, v in arrays().items() if k != "x_train"})
    with zipfile.ZipFile(tmp_path / "mine.npz", "a") as archive:
        archive.writestr("x_train.npy", header.getvalue() + bytes(100))
    with pytest.raises(InputError, match="cannot be read"):
        load_dataset("npz", tmp_path)
    with zipfile.ZipFile(tmp_path / "mine.npz", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("x_train.npy", b"")
    with pytest.raises(InputError, match="compressed in a way that NumPy does not use"):
        load_dataset("npz", tmp_path)


def test_a_member_that_is_no_array_is_refused(tmp_path):
    """Found by fuzzing: NumPy gives the bytes of what does not start as an array."""
    np.savez(tmp_path / "mine.npz", **{k: v for k, v in arrays().items() if k != "x_train"})
    with zipfile.ZipFile(tmp_path / "mine.npz", "a") as archive:
        archive.writestr("x_train.npy", b"no array")
    with pytest.raises(InputError, match="something else than arrays"):
        load_dataset("npz", tmp_path)
