import gzip
import io
import os
import pickle
import re
import tarfile
import zipfile

import numpy as np
import pytest

from resnet_tutorial import InputError, load_dataset
from resnet_tutorial.data.batch_pickle import read_batch
from resnet_tutorial.data.cifar import KINDS, _read_packed
from tests.data.archives import NAMES, TinyCifar, python2_pickle, tar_gz

VERSIONS = [("cifar10", False), ("cifar10", True), ("cifar100", False), ("cifar100", True)]

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def tiny(monkeypatch):
    return TinyCifar(monkeypatch)


def pixels(planes):
    return planes.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)


def refused(name, root, message):
    with pytest.raises(InputError, match=message) as caught:
        load_dataset(name, root)
    assert "\n" not in str(caught.value)


# --- What is read ---


@pytest.mark.parametrize(("name", "binary"), VERSIONS)
@pytest.mark.parametrize("unpacked", [False, True])
def test_every_version_from_its_archive_and_its_folder(tmp_path, monkeypatch, name, binary, unpacked):
    tiny = TinyCifar(monkeypatch, name, binary)
    place = tiny.write_folder(tmp_path) if unpacked else tiny.write_archive(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    for root in (tmp_path, place):
        train, test = load_dataset(name, root)
        n = len(test)
        assert (n, len(train)) == (10, 10 * len(tiny.layout.train))
        assert np.array_equal(train.images.numpy(), pixels(tiny.planes[:-n]))
        assert np.array_equal(test.images.numpy(), pixels(tiny.planes[-n:]))
        assert train.labels.tolist() + test.labels.tolist() == tiny.labels.tolist()
        names = NAMES[KINDS[name].names]
        assert [c.replace("_", " ") for c in train.classes] == names and train.name == KINDS[name].title
        assert load_dataset("auto", root)[0].fingerprint == train.fingerprint
    assert sorted(tmp_path.rglob("*")) == before  # nothing is unpacked, nothing is written beside the data


@pytest.mark.parametrize("binary", [False, True])
def test_the_coarse_labels_of_cifar100(tmp_path, monkeypatch, binary):
    tiny = TinyCifar(monkeypatch, "cifar100", binary)
    tiny.write_archive(tmp_path)
    train, test = load_dataset("cifar100-coarse", tmp_path)
    assert train.labels.tolist() + test.labels.tolist() == (tiny.labels // 5).tolist()
    assert len(train.classes) == 20


def test_the_second_time_an_archive_comes_from_the_cache(tmp_path, tiny, monkeypatch):
    archive = tiny.write_archive(tmp_path)
    first = load_dataset("cifar10", tmp_path)
    monkeypatch.setattr("resnet_tutorial.data.cifar._read", None)
    again = load_dataset("cifar10", tmp_path)
    assert [p.fingerprint for p in first] == [p.fingerprint for p in again]
    os.utime(archive, (0, 0))  # another time of change: to be read, and so checked, again
    with pytest.raises(TypeError):
        load_dataset("cifar10", tmp_path)


def test_images_from_the_cache_may_be_changed(tmp_path, tiny):
    tiny.write_archive(tmp_path)
    load_dataset("cifar10", tmp_path)
    train, _ = load_dataset("cifar10", tmp_path)
    train.images[0] = 7
    assert (train.images[0] == 7).all()
    assert np.array_equal(load_dataset("cifar10", tmp_path)[0].images[0].numpy(), pixels(tiny.planes)[0])


# --- Under other names, and packed anew ---


def packed(tiny: TinyCifar, how: str) -> bytes:
    """The archive as others have it: unpacked to a tar, or its files packed anew in another way and order."""
    if how == "tar":
        return gzip.decompress(tiny.archive)
    content = io.BytesIO()
    files = [("__MACOSX/._data_batch_1", b"x"), ("./a/b/notes.txt", b"x"), *reversed(tiny.files.items())]
    if how == "zip":
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files:
                archive.writestr(f"{tiny.layout.folder}/{name}", data)
        return content.getvalue()
    with tarfile.open(fileobj=content, mode=f"w:{how}") as archive:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return content.getvalue()


@pytest.mark.parametrize(
    ("file", "how"),
    [
        ("{} (1).tar.gz", None),
        ("{}", None),
        ("{}.tar", "tar"),
        ("batches.tar.gz", "gz"),
        ("batches.tar.bz2", "bz2"),
        ("batches.txz", "xz"),
        ("batches.zip", "zip"),
    ],
)
def test_an_archive_is_known_by_what_it_holds(tmp_path, monkeypatch, file, how):
    name = "cifar100"
    tiny = TinyCifar(monkeypatch, name)
    (tmp_path / "other.tar.gz").write_bytes(tar_gz({"train": b"small", "test": b"small"}, "x"))
    (tmp_path / f"{name}.tar.gz.part").write_bytes(tiny.archive)
    place = tmp_path / file.format(tiny.layout.archive.removesuffix(".tar.gz"))
    place.write_bytes(packed(tiny, how) if how else tiny.archive)
    for root in (tmp_path, place):
        train, test = load_dataset("auto", root)
        assert np.array_equal(train.images.numpy(), pixels(tiny.planes[: -len(test)])) and train.name == "CIFAR-100"
    place.write_bytes(packed(TinyCifar(monkeypatch, name, n=11), how or "gz"))
    monkeypatch.undo()
    monkeypatch.setenv("RESNET_TUTORIAL_CACHE", str(tmp_path / "cache"))
    TinyCifar(monkeypatch, name)
    refused(name, tmp_path, "is damaged or was changed .its MD5 is .*, and the MD5 of .* is not .*: delete it and run")


def test_folders_are_known_by_what_they_hold(tmp_path, tiny, caplog):
    folder = tiny.write_folder(tmp_path / "cifar-10-python")
    for root in (tmp_path, tmp_path / "cifar-10-python"):
        for name in ("auto", "cifar10"):
            assert len(load_dataset(name, root, download=name != "auto")[0]) == 50
    assert caplog.messages == [f"{tmp_path}: the data set in the folder cifar-10-python is read"] * 2
    folder = folder.rename(tmp_path / "batches")
    assert len(load_dataset("auto", tmp_path)[0]) == len(load_dataset("auto", folder)[0]) == 50
    (folder / "data_batch_4").unlink()
    refused("auto", tmp_path, "data_batch_4 is missing")


def test_the_binary_version_has_no_sums_but_that_of_its_archive(tmp_path, monkeypatch, caplog):
    tiny = TinyCifar(monkeypatch, binary=True)
    (tmp_path / "cifar (1).tgz").write_bytes(tiny.archive)
    assert len(load_dataset("auto", tmp_path)[0]) == 50
    (tmp_path / "cifar (1).tgz").write_bytes(gzip.decompress(tiny.archive))
    for _ in range(2):
        assert len(load_dataset("auto", tmp_path)[0]) == 50
        assert "it was packed anew, so whether its images are the published ones is not known" in caplog.text
        caplog.clear()


# --- What is refused ---


def test_an_archive_cut_or_changed_at_any_byte_is_refused_or_gives_the_same_images(tmp_path, tiny):
    archive = tiny.write_archive(tmp_path)
    content = archive.read_bytes()
    same = []
    for at in (3, 4, *range(0, len(content), len(content) // 40)):
        for damaged in (content[:at], content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]):
            archive.write_bytes(damaged)
            try:
                train, test = load_dataset("cifar10", tmp_path)
            except InputError as error:
                assert re.search("damaged or was .*MD5.* delete it and run `resnet-tutorial download", str(error))
            else:
                same.append(np.array_equal(train.images.numpy(), pixels(tiny.planes[: -len(test)])))
    assert list(tmp_path.iterdir()) == [archive] and all(same) and len(same) < 5


@pytest.mark.parametrize("name", ["data_batch_3", "batches.meta"])
def test_a_changed_or_missing_file_of_the_folder_is_named(tmp_path, tiny, name):
    file = tiny.write_folder(tmp_path) / name
    file.write_bytes(file.read_bytes()[:-1])
    refused("cifar10", tmp_path, f"the MD5 of {name} is not")
    file.unlink()
    refused("cifar10", tmp_path, f"{name} is missing")


@pytest.mark.parametrize(("name", "column", "highest"), [("cifar10", 0, 9), ("cifar100", 1, 99)])
def test_a_binary_file_has_no_sum_but_size_and_labels(tmp_path, monkeypatch, name, column, highest):
    tiny = TinyCifar(monkeypatch, name, binary=True)
    file = tiny.write_folder(tmp_path) / next(iter(tiny.layout.train))
    content = bytearray(file.read_bytes())
    file.write_bytes(content + b"x")
    refused(name, tmp_path, "does not hold 10 images")
    content[column] = highest + 1
    file.write_bytes(content)
    refused(name, tmp_path, rf"a label lies outside of 0…{highest}")


def test_links_and_paths_out_of_the_archive_are_not_followed(tmp_path, tiny):
    """Below the check of the sum: a tar whose members point elsewhere."""
    secret = tmp_path / "secret"
    secret.write_bytes(tiny.files["test_batch"])
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        for name, target in (("../escaped", None), (f"{tiny.layout.folder}/test_batch", str(secret))):
            info = tarfile.TarInfo(name)
            info.type = tarfile.SYMTYPE if target else tarfile.REGTYPE
            info.linkname = target or ""
            tar.addfile(info, io.BytesIO())
    before = sorted(tmp_path.parent.rglob("*"))
    with pytest.raises(ValueError, match="data_batch_1 is missing"):
        _read_packed(io.BytesIO(content.getvalue()), tiny.layout, KINDS["cifar10"])
    assert sorted(tmp_path.parent.rglob("*")) == before


def test_a_member_that_would_fill_the_memory_is_passed_over(tiny):
    files = {**tiny.files, "data_batch_1": bytes(10_000_000)}
    archive = io.BytesIO(tar_gz(files, tiny.layout.folder))
    with pytest.raises(ValueError, match="data_batch_1 is missing"):
        _read_packed(archive, tiny.layout, KINDS["cifar10"])


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("damage", [lambda gz: gz[:2000], lambda gz: gzip.compress(gzip.decompress(gz)[:20_000])])
def test_a_cut_tar_is_refused_below_the_sum_too(monkeypatch, damage, binary):
    """The tar may also end within a member: found by fuzzing."""
    tiny = TinyCifar(monkeypatch, binary=binary)
    with pytest.raises(ValueError):
        _read_packed(io.BytesIO(damage(tiny.archive)), tiny.layout, KINDS["cifar10"])


# --- The pickles ---


def read(content: bytes):
    return read_batch(io.BytesIO(content))


def test_a_pickle_of_python_2_is_read_as_pickle_reads_it():
    rows = np.arange(12, dtype=np.uint8).reshape(2, 6)
    content = python2_pickle({"data": rows, "labels": [3, 300, -70000], "filenames": ["a" * 300, "b"]})
    expected = {key.decode(): value for key, value in pickle.loads(content, encoding="bytes").items()}
    found = read(content)
    assert np.array_equal(found.pop("data"), expected.pop("data"))
    assert found == expected


class Hostile:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("function", [os.system, eval, print, np.load, getattr])
def test_a_pickle_that_names_anything_else_runs_nothing(tmp_path, protocol, function):
    content = pickle.dumps({b"data": Hostile(function, (f"touch {tmp_path}/ran",))}, protocol)
    with pytest.raises(ValueError, match="no batch of CIFAR"):
        read(content)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [
        # An array of objects, whose content NumPy itself would unpickle.
        pickle.dumps({b"data": np.array([Hostile(print, ("ran",))], dtype=object)}, 2),
        pickle.dumps({b"data": np.zeros(3)}, 2),
        pickle.dumps([1, 2], 2),
        b"\x80\x02}q\x01(U\x01aK\x01u",  # cut before its end
        b"\x80\x02cnumpy\ndtype\n}U\x01aK\x01sb.",  # gives the type a state, not an array
        b"\x80\x02]q\x01r\xff\xff\xff\x7f.",  # a memo of two billion entries
        b"\x80\x02T\xff\xff\xff\x7fabc.",  # a string of two gigabytes
        b"\x80\x05\x96\xff\xff\xff\xff\x01\x00\x00\x00abc.",  # a byte array of eight gigabytes
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncos\nsystem\nK\x00\x85U\x01b\x87R.",
    ],
)
def test_hostile_pickles_are_refused(content, capsys):
    with pytest.raises(ValueError, match="no batch of CIFAR"):
        read(content)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": [0] * 9 + [10]}, "a label lies outside of 0…9"),
        ({"labels": [0] * 9 + [-1]}, "a label lies outside of 0…9"),
        ({"labels": [0] * 9}, "does not hold 10 labels"),
        ({"labels": ["a"] * 10}, "does not hold 10 labels"),
        ({"data": np.zeros((10, 3071), dtype=np.uint8)}, "does not hold 10 images"),
        ({"data": [1]}, "does not hold 10 images"),
        ({"data": "pixels"}, "does not hold 10 images"),
    ],
)
def test_a_wrong_batch_is_refused(tiny, changes, message):
    batch = {"labels": [0] * 10, "data": np.zeros((10, 3072), dtype=np.uint8)} | changes
    archive = io.BytesIO(tar_gz({**tiny.files, "data_batch_2": python2_pickle(batch)}, tiny.layout.folder))
    with pytest.raises(ValueError, match=message):
        _read_packed(archive, tiny.layout, KINDS["cifar10"])
