import hashlib
import io
import pickle
import tarfile

import numpy as np
import pytest
from PIL import Image

from resnet_tutorial import InputError, load_dataset
from resnet_tutorial.data import cifar

NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


@pytest.fixture
def cifar_archive(tmp_path, monkeypatch):
    """A CIFAR-10 archive in the original's format with 10 images a batch, and torchvision's sums changed to fit it."""
    from torchvision.datasets import CIFAR10

    rng = np.random.default_rng(0)
    archive = tmp_path / cifar.ARCHIVE
    sums = {}
    with tarfile.open(archive, "w:gz") as tar:

        def add(name, content):
            content = pickle.dumps(content, protocol=2)
            sums[name] = hashlib.md5(content).hexdigest()
            info = tarfile.TarInfo(f"{cifar.FOLDER}/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))

        for name in ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"]:
            pixels = rng.integers(0, 256, (10, 3072), dtype=np.uint8)
            add(name, {"data": pixels, "labels": list(range(10)), "filenames": [f"{i}.png" for i in range(10)]})
        add("batches.meta", {"label_names": NAMES})
    monkeypatch.setattr(CIFAR10, "train_list", [[name, sums[name]] for name, _ in CIFAR10.train_list])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", sums["test_batch"]]])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": sums["batches.meta"]})
    monkeypatch.setattr(cifar, "ARCHIVE_MD5", hashlib.md5(archive.read_bytes()).hexdigest())
    return archive


def test_cifar10_from_its_archive_then_from_its_folder(cifar_archive):
    root = cifar_archive.parent
    train, test = load_dataset("cifar10", root)
    assert train.images.shape == (50, 32, 32, 3) and test.images.shape == (10, 32, 32, 3)
    assert list(train.classes) == NAMES and train.name == "CIFAR-10"
    assert (root / cifar.FOLDER).is_dir() and sorted(p.name for p in root.iterdir()) == [cifar.FOLDER, cifar.ARCHIVE]
    cifar_archive.unlink()
    for folder in (root, root / cifar.FOLDER):
        assert load_dataset("auto", folder)[0].fingerprint == train.fingerprint


def test_cifar10_pixels_are_red_green_blue_planes(cifar_archive):
    train, _ = load_dataset("cifar10", cifar_archive.parent)
    pixels = np.random.default_rng(0).integers(0, 256, (10, 3072), dtype=np.uint8)
    assert np.array_equal(train.images[:10].numpy(), pixels.reshape(10, 3, 32, 32).transpose(0, 2, 3, 1))


def test_a_truncated_archive_is_refused_and_nothing_is_unpacked(cifar_archive):
    cifar_archive.write_bytes(cifar_archive.read_bytes()[:5000])
    with pytest.raises(InputError, match=r"damaged or cut off .* delete it and run"):
        load_dataset("cifar10", cifar_archive.parent)
    assert [p.name for p in cifar_archive.parent.iterdir()] == [cifar.ARCHIVE]


def test_a_damaged_batch_is_refused(cifar_archive):
    root = cifar_archive.parent
    load_dataset("cifar10", root)
    batch = root / cifar.FOLDER / "data_batch_3"
    batch.write_bytes(batch.read_bytes()[:-1])
    with pytest.raises(InputError, match="damaged or incomplete"):
        load_dataset("cifar10", root)


def test_image_folder(image_folder):
    train, test = load_dataset("auto", image_folder)
    assert (len(train), len(test), train.classes, train.name) == (32, 8, ("left", "right"), "corners")
    first = np.asarray(Image.open(image_folder / "train" / "left" / "000.png"))
    assert np.array_equal(train.images[0].numpy(), first)


def test_image_folder_takes_any_size_and_mode(image_folder):
    Image.new("L", (100, 40), 200).save(image_folder / "train" / "left" / "000.png")
    Image.new("RGBA", (8, 8), (200, 200, 200, 255)).save(image_folder / "train" / "left" / "002.png")
    train, _ = load_dataset("folder", image_folder)
    assert train.images.shape == (32, 32, 32, 3)
    assert (train.images[:2] == 200).all()


def test_the_environment_names_the_folder(image_folder, monkeypatch):
    monkeypatch.setenv("RESNET_TUTORIAL_DATA", str(image_folder))
    assert load_dataset()[0].name == "corners"


def remove_class(root):
    for path in (root / "test" / "left").iterdir():
        path.unlink()
    (root / "test" / "left").rmdir()


def empty_class(root):
    for path in (root / "train" / "right").iterdir():
        path.unlink()


def no_picture(root):
    (root / "train" / "left" / "004.png").write_text("not a picture")


def cut_picture(root):
    path = root / "train" / "left" / "006.png"
    path.write_bytes(path.read_bytes()[:200])


def no_test(root):
    (root / "test").rename(root / "held-out")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (remove_class, "class 'left' has a folder in .*train but none in .*test"),
        (empty_class, "no images in .*right"),
        (no_picture, "004.png cannot be read as an image"),
        (cut_picture, "006.png cannot be read as an image"),
        (no_test, "no folder .*test"),
    ],
)
def test_a_damaged_image_folder_is_named(image_folder, damage, message):
    damage(image_folder)
    with pytest.raises(InputError, match=message) as caught:
        load_dataset("auto", image_folder)
    assert "\n" not in str(caught.value)


def test_wrong_names_and_folders(tmp_path):
    with pytest.raises(InputError, match="no data set is called 'cifar11'"):
        load_dataset("cifar11")
    with pytest.raises(InputError, match="does not exist"):
        load_dataset("auto", tmp_path / "nowhere")
    with pytest.raises(InputError, match="no data set found"):
        load_dataset("auto", tmp_path)
    with pytest.raises(InputError, match="needs a folder"):
        load_dataset("cifar10")
    with pytest.raises(InputError, match="resnet-tutorial download"):
        load_dataset("cifar10", tmp_path)
