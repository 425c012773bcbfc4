import os
import shutil
import signal
import subprocess
import sys
import unicodedata

import numpy as np
import pytest
import torch
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
    assert caplog.messages == ["corners, train: passed over, as no images: 2 files (1 .heic, 1 .txt)"]


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
    for _ in range(2):
        with pytest.raises(InputError, match=r"an image cannot be read: .*broken\.png \(a link that leads nowhere\)"):
            load_dataset("folder", image_folder)
        assert load_dataset("folder", image_folder, skip_unreadable=True)[0].left_out == 1
    shutil.copy(elsewhere / "000.png", tmp_path / "nowhere.png")
    assert len(load_dataset("folder", image_folder)[0]) == 33


# --- Other people's folders ---


def names_of_systems(root):
    """Folders that systems make, some with images that were thrown away; nothing of it is a class."""
    for part, name in (("train", "$RECYCLE.BIN"), ("train", "#recycle"), ("test", "@eaDir"), ("test", "$RECYCLE.BIN")):
        (root / part / name / "x").mkdir(parents=True)
    shutil.copy(root / "train" / "left" / "000.png", root / "train" / "#recycle")
    (root / "train" / "left" / "@eaDir" / "000.png").mkdir(parents=True)
    (root / "train" / ".Trash-1000" / "files").mkdir(parents=True)


def deeper(root):
    for part in ("train", "test"):
        (root / part / "left").rename(root / "moved")
        (root / part / "left" / "data").mkdir(parents=True)
        (root / "moved").rename(root / part / "left" / "data" / "images")
    (root / "train" / "left" / "boxes.txt").write_text("")


def twice(root):
    for part in ("train", "test"):
        (root / part).rename(root / "moved")
        (root / part).mkdir()
        (root / "moved").rename(root / part / part)


def val(root):
    (root / "test").rename(root / "Val")
    (root / "train").rename(root / "TRAIN")


def flat_test(root):
    (root / "test").rename(root / "validation")
    (root / "test").mkdir()
    shutil.copy(root / "validation" / "left" / "000.png", root / "test")


def three_parts(root):
    shutil.copytree(root / "test", root / "val")


SYSTEM = "train and test: passed over, as folders of a system: #recycle, $RECYCLE.BIN, .Trash-1000, @eaDir"
DEEPER = "the images of 1 classes are read from a folder further down, as in left/data/images"


@pytest.mark.parametrize(
    ("arrange", "notices"),
    [
        (names_of_systems, [SYSTEM]),
        (deeper, [f"train: {DEEPER}", f"test: {DEEPER}"]),
        (twice, ["train: the classes are read from train/train", "test: the classes are read from test/test"]),
        (val, ["test: Val serves as the test part, as there is no test/<class>/*"]),
        (flat_test, ["test: validation serves as the test part, as there is no test/<class>/*"]),
        (three_parts, ["train: val is not read; validation images are held out of the training images"]),
    ],
)
def test_another_arrangement_is_read_with_a_note(image_folder, caplog, arrange, notices):
    expected = [part.fingerprint for part in load_dataset("auto", image_folder)]
    arrange(image_folder)
    train, test = load_dataset("auto", image_folder)
    assert [train.fingerprint, test.fingerprint] == expected and train.classes == ("left", "right")
    assert caplog.messages == [f"corners, {notice}" for notice in notices]


def test_a_folder_above_the_only_data_set_will_do(image_folder, caplog):
    above = image_folder.parent
    assert load_dataset("auto", above)[0].name == "corners"
    assert caplog.messages == [f"{above}: the data set in the folder corners is read"]
    (above / "code" / "training" / "x").mkdir(parents=True)  # may be anything
    assert load_dataset("auto", above)[0].name == "corners"
    shutil.copytree(image_folder, above / "copy")
    with pytest.raises(InputError, match="but in copy, corners: name one of these"):
        load_dataset("auto", above)
    with pytest.raises(InputError, match=r"it has left, right with images: move them into .*test/train"):
        load_dataset("auto", image_folder / "test")


def test_class_names_are_compared_in_one_unicode_form(image_folder):
    for part, form in (("train", "NFC"), ("test", "NFD")):
        (image_folder / part / "left").rename(image_folder / part / unicodedata.normalize(form, "Ångström"))
    train, test = load_dataset("folder", image_folder)
    assert train.classes == test.classes == ("right", unicodedata.normalize("NFC", "Ångström"))
    assert test.counts().tolist() == [4, 4]


def test_class_names_that_are_numbers_are_sorted_as_numbers(image_folder):
    for part in ("train", "test"):
        (image_folder / part / "left").rename(image_folder / part / "10")
        (image_folder / part / "right").rename(image_folder / part / "9")
    assert load_dataset("folder", image_folder)[0].classes == ("9", "10")


def test_a_class_name_that_is_no_utf_8_is_refused(image_folder):
    try:
        os.rename(image_folder / "train" / "left", os.fsencode(image_folder / "train") + b"/caf\xe9")
    except OSError:
        pytest.skip("the file system takes UTF-8 only")
    with pytest.raises(InputError, match=r"class folder .*caf\ufffd is no UTF-8: rename it"):
        load_dataset("folder", image_folder)


def test_every_kind_of_still_picture_is_read_and_others_are_counted(image_folder, caplog):
    kinds = {"jfif": "jpeg", "JPE": "jpeg", "pgm": "ppm", "pnm": "ppm", "pbm": "ppm", "tga": "tga", "j2k": "jpeg2000"}
    for part in ("train", "test"):
        for i, (suffix, kind) in enumerate(kinds.items()):
            picture = Image.new({"pgm": "L", "pbm": "1"}.get(suffix, "RGB"), (32, 32))
            picture.save(image_folder / part / "left" / f"{i}.{suffix}", kind)
        for suffix in ("pdf", "eps", "mpg", "h5"):
            (image_folder / part / "left" / f"paper.{suffix}").write_text("")
    train, test = load_dataset("folder", image_folder)
    assert (len(train), len(test)) == (32 + 7, 8 + 7)
    assert caplog.messages[0] == "corners, train: passed over, as no images: 4 files (1 .eps, 1 .h5, 1 .mpg, 1 .pdf)"


def test_a_test_part_is_split_off(image_folder, caplog):
    whole, _ = load_dataset("folder", image_folder)
    shutil.rmtree(image_folder / "test")
    with pytest.raises(InputError, match=r"no folder .*test: .*--test-share 0\.2 splits a test part off"):
        load_dataset("auto", image_folder)
    first, second = (load_dataset("auto", image_folder, test_share=0.25) for _ in range(2))
    train, test = first
    assert (train.split, test.split, train.counts().tolist(), test.counts().tolist()) == (
        "train",
        "test",
        [12, 12],
        [4, 4],
    )
    assert [part.fingerprint for part in first] == [part.fingerprint for part in second]
    assert len({image.numpy().tobytes() for part in first for image in part.images}) == len(whole) == 32
    for alone in (False, True):  # the same of class folders without train/ above them
        bare = load_dataset("auto", image_folder / "train", test_share=0.25, test_alone=alone)
        assert [part.fingerprint for part in bare] == [part.fingerprint for part in first]
    with pytest.raises(InputError, match=r"it has left, right with images: move .*, or split .* --test-share 0\.2$"):
        load_dataset("auto", image_folder / "train")
    shutil.copytree(image_folder / "train", image_folder / "test")
    assert len(load_dataset("auto", image_folder, test_share=0.25)[1]) == 32
    assert caplog.messages == ["corners has a test part, so none is split off"]


@pytest.mark.parametrize(
    ("share", "left", "told"),
    [
        (0.2, 2, "none of the images of class 'left' would be in the test part; there are 2: choose a larger share"),
        (0.001, 9, "in the test part; there are 9"),
        (0.95, 9, "none of the images of class 'left' would be in the train part; there are 9: choose a smaller share"),
        (0.999, 9, "in the train part"),
        (20, 9, "the test share must be between 0 and 1, got 20: for 20 %, give 0.2"),
    ],
)
def test_a_share_leaves_no_class_without_images(image_folder, share, left, told):
    shutil.rmtree(image_folder / "test")
    for path in sorted((image_folder / "train" / "left").iterdir())[left:]:
        path.unlink()
    with pytest.raises(InputError, match=told):
        load_dataset("auto", image_folder, test_share=share)


def test_the_test_part_is_read_alone(image_folder, caplog):
    whole = load_dataset("auto", image_folder)[1]
    (image_folder / "train" / "left" / "000.png").write_bytes(b"")
    train, test = load_dataset("auto", image_folder, test_alone=True, test_share=0.2)
    assert len(train) == 0 and test.fingerprint == whole.fingerprint
    shutil.rmtree(image_folder / "train")
    for root in (image_folder, image_folder / "test"):
        train, test = load_dataset("auto", root, test_alone=True)
        assert (len(train), test.split, test.fingerprint) == (0, "test", whole.fingerprint)
    with pytest.raises(InputError, match=r"no folder .*train: an image folder needs"):
        load_dataset("auto", image_folder)
    (image_folder / "test").rename(image_folder / "train")
    with pytest.raises(InputError, match=r"no folder .*test: name the folder of the class folders to score"):
        load_dataset("auto", image_folder, test_alone=True)


# --- What cannot be read ---


def spoil(root):
    for i, content in ((0, b""), (2, b"no picture"), (4, (root / "train" / "left" / "004.png").read_bytes()[:200])):
        (root / "train" / "left" / f"{i:03}.png").write_bytes(content)
    (root / "test" / "right" / "001.png").write_bytes(b"")


def test_all_unreadable_images_of_both_parts_are_named_at_once(image_folder, own_cache):
    spoil(image_folder)
    with pytest.raises(InputError, match=r"^4 images cannot be read: ") as caught:
        load_dataset("auto", image_folder)
    message = str(caught.value)
    for words in ("left/000.png (it is empty), ", "left/002.png (no picture", "left/004.png (", "right/001.png (it is"):
        assert words in message
    assert "--skip-unreadable" in message and "\n" not in message and list(own_cache.iterdir()) == []
    for path in (image_folder / "train" / "left").iterdir():
        path.write_bytes(b"")
    with pytest.raises(InputError, match=r"^17 images .* and 7 more: repair") as caught:
        load_dataset("auto", image_folder)
    assert str(caught.value).count(".png") == 10


def test_unreadable_images_are_left_out_if_asked_for(image_folder, caplog):
    whole, _ = load_dataset("auto", image_folder)
    spoil(image_folder)
    for _ in range(2):
        caplog.clear()
        train, test = load_dataset("auto", image_folder, skip_unreadable=True)
        assert (train.left_out, test.left_out, len(train), len(test)) == (3, 1, 29, 7)
        assert torch.equal(train.images, whole.images[3:])
        assert caplog.messages[-1].startswith("corners: left out, as 4 images cannot be read: ")
    with pytest.raises(InputError, match="4 images cannot be read"):  # not from the cache, either
        load_dataset("auto", image_folder)
    for path in (image_folder / "test" / "right").iterdir():
        path.write_bytes(b"")
    with pytest.raises(InputError, match=r"no image in .*test/right can be read"):
        load_dataset("auto", image_folder, skip_unreadable=True)


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


def take_away(root):
    (root / "test" / "left" / "000.png").unlink()


def rename(root):
    (root / "train" / "left" / "000.png").rename(root / "train" / "left" / "z.png")


def change_unseen(root):
    """Other bytes, of the same number and with the same time of change."""
    path = root / "train" / "left" / "000.png"
    before = path.stat()
    path.write_bytes(path.read_bytes())
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def rename_class(root):
    for part in ("train", "test"):
        (root / part / "left").rename(root / part / "a")


@pytest.mark.parametrize("edit", [take_away, rename, change_unseen, rename_class])
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


def no_picture(root):
    (root / "train" / "left" / "004.png").write_text("not a picture")


def no_test(root):
    (root / "test").rename(root / "held-out")


def no_class(root):
    for name in ("left", "right"):
        (root / "train" / name).rename(root / name)


def capitals(root):
    (root / "train" / "left").rename(root / "train" / "Left")


def other_class(root):
    for name in ("up", "zenith"):
        shutil.copytree(root / "train" / "left", root / "train" / name)


def phone_pictures(root):
    remove(root / "train" / "right")
    for name in ("1.HEIC", "2.heic", "list.txt"):
        (root / "train" / "right" / name).write_text("")


def several_below(root):
    (root / "train" / "left").rename(root / "pictures")
    for name in ("small", "big"):
        shutil.copytree(root / "pictures", root / "train" / "left" / name)


def two_forms(root):
    for form in ("NFC", "NFD"):
        shutil.copytree(root / "train" / "left", root / "train" / unicodedata.normalize(form, "café"))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (remove_class, "class 'left' has a folder in .*train but none in .*test"),
        (no_picture, r"an image cannot be read: .*004.png \(no picture of a known format\): repair or remove"),
        (no_test, "no folder .*test"),
        (no_class, "no class folders in .*train"),
        (capitals, "class 'Left' has .*'left' there differs only in capitals, blanks or signs"),
        (other_class, r"class 'up' has a folder in .*train but none in .*test \(nor have 1 more\): both parts need"),
        (phone_pictures, r"no images in .*right \(passed over, as no images: 2 .heic, 1 .txt\): add some"),
        (several_below, "no images in .*left, but in the folders big, small below it: move them up"),
        (two_forms, "train has two folders that read 'café', in two Unicode forms"),
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
