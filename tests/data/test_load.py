import numpy as np
import pytest
import torch

from resnet_tutorial import InputError, load_dataset
from resnet_tutorial.data.load import DATASETS
from tests.data.archives import TinyCifar

pytestmark = pytest.mark.usefixtures("own_cache")


def test_the_environment_names_the_folder(image_folder, monkeypatch):
    monkeypatch.setenv("RESNET_TUTORIAL_DATA", str(image_folder))
    assert load_dataset()[0].name == "corners"


def test_where_several_are_found_it_says_which_is_taken(image_folder, monkeypatch, caplog):
    images, labels = np.zeros((2, 4, 4), dtype=np.uint8), [0, 1]
    np.savez(image_folder / "mine.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    assert load_dataset("auto", image_folder)[0].name == "corners"
    assert caplog.messages == [f"{image_folder} holds several data sets, folder and npz: folder is taken"]
    TinyCifar(monkeypatch, "cifar100").write_archive(image_folder)
    assert load_dataset("auto", image_folder)[0].name == "CIFAR-100"
    assert "cifar100 and folder and npz: cifar100 is taken" in caplog.messages[-1]
    caplog.clear()
    assert load_dataset("npz", image_folder)[0].name == "mine" and caplog.messages == []


def test_the_unpacked_folder_is_preferred_to_the_archive(tmp_path, monkeypatch):
    tiny = TinyCifar(monkeypatch)
    tiny.write_folder(tmp_path)
    tiny.write_archive(tmp_path).write_bytes(b"damaged")
    assert len(load_dataset("cifar10", tmp_path)[0]) == 50


def test_wrong_names_and_folders(tmp_path):
    with pytest.raises(InputError, match="no data set is called 'cifar11': choose from auto, shapes10, cifar10"):
        load_dataset("cifar11")
    with pytest.raises(InputError, match="does not exist"):
        load_dataset("auto", tmp_path / "nowhere")
    with pytest.raises(InputError, match="no data set found"):
        load_dataset("auto", tmp_path)
    with pytest.raises(InputError, match="needs a folder"):
        load_dataset("cifar10")
    with pytest.raises(InputError, match="cannot be 0 pixels"):
        load_dataset("folder", tmp_path, image_size=0)
    with pytest.raises(InputError, match="cannot be downloaded"):
        load_dataset("folder", tmp_path, download=True)


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "cifar100-coarse"])
def test_where_nothing_is_there_the_download_is_named(tmp_path, name):
    with pytest.raises(InputError, match=rf"no CIFAR.* run `resnet-tutorial download {name.split('-')[0]} --root"):
        load_dataset(name, tmp_path)


def test_a_file_that_is_no_data_set(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    for name in DATASETS:
        if name != "shapes10":
            with pytest.raises(InputError) as caught:
                load_dataset(name, tmp_path / "notes.txt")
            assert "\n" not in str(caught.value)


def test_all_data_sets_come_in_the_size_that_is_asked_for(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    np.savez(tmp_path / "d.npz", x_train=images, y_train=[0, 1, 0, 1], x_test=images, y_test=[0, 1, 0, 1])
    for size in (16, 32, 48):
        train, test = load_dataset("npz", tmp_path / "d.npz", image_size=size)
        assert train.images.shape == test.images.shape == (4, size, size, 3)
    assert torch.equal(load_dataset("npz", tmp_path / "d.npz", image_size=32)[0].images, torch.from_numpy(images))
    bright = np.full((4, 8, 8, 3), 200, dtype=np.uint8)
    np.savez(tmp_path / "e.npz", x_train=bright, y_train=[0, 1, 0, 1], x_test=bright, y_test=[0, 1, 0, 1])
    assert (load_dataset("npz", tmp_path / "e.npz", image_size=20)[1].images == 200).all()
