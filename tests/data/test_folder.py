import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from resnet_tutorial import InputError, load_dataset
from resnet_tutorial.data import folder


def remove(folder):
    for path in folder.iterdir():
        path.unlink()


def test_image_folder(image_folder):
    train, test = load_dataset("auto", image_folder)
    assert (len(train), len(test), train.classes, train.name) == (32, 8, ("left", "right"), "corners")
    first = np.asarray(Image.open(image_folder / "train" / "left" / "000.png"))
    assert np.array_equal(train.images[0].numpy(), first)
    assert train.labels.tolist() == [0] * 16 + [1] * 16


def test_any_size_with_one_notice_for_each_part(image_folder, caplog):
    Image.new("L", (100, 40), 200).save(image_folder / "train" / "left" / "000.png")
    Image.new("RGBA", (8, 8), (200, 200, 200, 255)).save(image_folder / "train" / "left" / "002.png")
    for _ in range(2):  # told again when they come from the cache
        caplog.clear()
        train, _ = load_dataset("folder", image_folder)
        assert train.images.shape == (32, 32, 32, 3)
        assert (train.images[:2] == 200).all()
        (message,) = caplog.messages
        assert message.startswith("corners, train: not 32×32: 2 of 32 images")


def test_several_sizes_do_not_clash(image_folder):
    for size in (32, 16, 32):
        train, _ = load_dataset("folder", image_folder, image_size=size)
        assert train.images.shape == (32, size, size, 3)


def test_hidden_files_are_ignored_and_others_counted(image_folder, caplog):
    (image_folder / "train" / ".DS_Store").write_text("")
    (image_folder / "train" / ".cache").mkdir()
    (image_folder / "train" / "left" / "._000.png").write_text("")
    assert len(load_dataset("folder", image_folder)[0]) == 32 and not caplog.messages
    (image_folder / "train" / "left" / "notes.txt").write_text("")
    (image_folder / "train" / "right" / "photo.HEIC").write_text("")
    (image_folder / "train" / "left" / "000.png").touch()
    load_dataset("folder", image_folder)
    assert caplog.messages == ["corners, train: passed over, as no images: 2 files (.heic, .txt)"]


def test_images_outside_of_class_folders_are_reported_each_time(image_folder, caplog):
    shutil.copy(image_folder / "train" / "left" / "000.png", image_folder / "train" / "stray.png")
    (image_folder / "test" / "left" / "more").mkdir()
    for _ in range(2):
        assert len(load_dataset("folder", image_folder)[0]) == 32
        assert [line.partition(" (")[0] for line in caplog.messages] == [
            f"corners, {part}: passed over, as not in train/<class>/* or test/<class>/*: 1"
            for part in ("train", "test")
        ]
        caplog.clear()


def test_links_are_followed_and_broken_ones_named(image_folder, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    (image_folder / "train" / "left").rename(elsewhere)
    (image_folder / "train" / "left").symlink_to(elsewhere)
    assert len(load_dataset("folder", image_folder)[0]) == 32
    (elsewhere / "broken.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(InputError, match=r"broken\.png is a link that leads nowhere"):
        load_dataset("folder", image_folder)


# --- The cache ---


@pytest.fixture
def no_decoding(monkeypatch):
    def forbid(*args):
        raise AssertionError("the images were decoded")

    return lambda: monkeypatch.setattr(folder, "decode_all", forbid)


def test_the_second_time_nothing_is_decoded(image_folder, no_decoding):
    first = load_dataset("folder", image_folder)
    no_decoding()
    again = load_dataset("folder", image_folder)
    assert [part.fingerprint for part in first] == [part.fingerprint for part in again]
    assert (again[0].name, again[0].split, again[0].classes) == ("corners", "train", ("left", "right"))


def add(root):
    Image.new("RGB", (32, 32)).save(root / "train" / "left" / "new.png")


def take_away(root):
    (root / "test" / "left" / "000.png").unlink()


def rename(root):
    (root / "train" / "left" / "000.png").rename(root / "train" / "left" / "z.png")


def change(root):
    path = root / "train" / "left" / "000.png"
    before = path.stat()
    path.write_bytes(path.read_bytes())
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))


def change_unseen(root):
    """Other bytes, of the same number and with the same time of change."""
    path = root / "train" / "left" / "000.png"
    before = path.stat()
    path.write_bytes(path.read_bytes())
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def rename_class(root):
    for part in ("train", "test"):
        (root / part / "left").rename(root / part / "a")


@pytest.mark.parametrize("edit", [add, take_away, rename, change, change_unseen, rename_class])
def test_a_changed_folder_is_noticed(image_folder, no_decoding, own_cache, edit):
    load_dataset("folder", image_folder)
    edit(image_folder)
    no_decoding()
    with pytest.raises(AssertionError, match="decoded"):
        load_dataset("folder", image_folder)
    assert len(list(own_cache.iterdir())) == 1


def test_ctrl_c_while_decoding_leaves_nothing(image_folder, own_cache, tmp_path):
    """A real interrupt: the decoder waits in the middle until it comes."""
    script = (
        "import signal, sys, threading\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from resnet_tutorial import load_dataset\n"
        "from resnet_tutorial.data import decoding\n"
        "decode, seen = decoding.decode, threading.Event()\n"
        "def slow(*args):\n"
        "    print('decoding', flush=True)\n"
        "    seen.wait(0.02)\n"
        "    return decode(*args)\n"
        "decoding.decode = slow\n"
        f"load_dataset('folder', {str(image_folder)!r})\n"
    )
    command = [sys.executable, "-c", script]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in errors and output.count("decoding") < 38
    assert list(own_cache.iterdir()) == []


# --- What is refused ---


def remove_class(root):
    remove(root / "test" / "left")
    (root / "test" / "left").rmdir()


def empty_class(root):
    remove(root / "train" / "right")


def no_picture(root):
    (root / "train" / "left" / "004.png").write_text("not a picture")


def cut_picture(root):
    path = root / "train" / "left" / "006.png"
    path.write_bytes(path.read_bytes()[:200])


def no_test(root):
    (root / "test").rename(root / "held-out")


def no_class(root):
    for name in ("left", "right"):
        (root / "train" / name).rename(root / name)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (remove_class, "class 'left' has a folder in .*train but none in .*test"),
        (empty_class, "no images in .*right"),
        (no_picture, "004.png cannot be read as an image"),
        (cut_picture, "006.png cannot be read as an image"),
        (no_test, "no folder .*test"),
        (no_class, "no class folders in .*train"),
    ],
)
def test_a_damaged_image_folder_is_named(image_folder, own_cache, damage, message):
    damage(image_folder)
    with pytest.raises(InputError, match=message) as caught:
        load_dataset("auto", image_folder)
    assert "\n" not in str(caught.value) and list(own_cache.iterdir()) == []


def test_the_earlier_cache_survives_a_failed_reading(image_folder, own_cache):
    load_dataset("folder", image_folder)
    (cache,) = own_cache.iterdir()
    content = cache.read_bytes()
    no_picture(image_folder)
    with pytest.raises(InputError, match=r"004\.png"):
        load_dataset("folder", image_folder)
    assert cache.read_bytes() == content


def test_a_folder_that_may_not_be_read_is_named(image_folder, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match=r"cannot read .*left \(Permission denied\)"):
        load_dataset("folder", image_folder)
