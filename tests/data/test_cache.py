import logging

import numpy as np
import pytest

from resnet_tutorial.data import cache
from resnet_tutorial.data.cache import Reading, cached, read_arrays, write_arrays
from tests.conftest import make_dataset

ARRAYS = {
    "images": np.arange(120, dtype=np.uint8).reshape(10, 2, 2, 3),
    "labels": np.arange(10),
    "names": np.array(["ä", "b"]),
    "nothing": np.array([], dtype=str),
}


def same(left, right):
    return list(left) == list(right) and all(np.array_equal(left[name], right[name]) for name in left)


def test_arrays_come_back_in_order(tmp_path):
    write_arrays(tmp_path / "new" / "c", ARRAYS)
    assert same(read_arrays(tmp_path / "new" / "c"), ARRAYS)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["c"]
    assert read_arrays(tmp_path / "none") is None


def test_a_file_damaged_at_any_byte_is_not_read(tmp_path):
    path = tmp_path / "c"
    write_arrays(path, ARRAYS)
    content = path.read_bytes()
    for at in range(len(content)):
        path.write_bytes(content[:at])
        assert read_arrays(path) is None
        path.write_bytes(content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :])
        found = read_arrays(path)  # a byte of padding may differ, a value may not
        assert found is None or same(found, ARRAYS)


def test_it_is_read_once_and_again_when_the_key_changes(own_cache, caplog):
    calls = []

    def read():
        calls.append(1)
        return Reading((make_dataset(), make_dataset(8, "test")), ("look here",))

    for key, expected in (("a", 1), ("a", 1), ("b", 2), ("b", 2), ("a", 3)):
        train, test = cached("place", key, "Corners", read)
        assert len(calls) == expected
        assert train.fingerprint == make_dataset().fingerprint and test.split == "test" and train.name == "Corners"
    assert len(list(own_cache.iterdir())) == 1 and caplog.messages == ["look here"] * 5
    cached("other place", "a", "Corners", read)
    assert len(list(own_cache.iterdir())) == 2


def test_an_old_reader_s_cache_is_not_read(own_cache, monkeypatch):
    cached("place", "a", "Corners", lambda: Reading((make_dataset(), make_dataset(8, "test"))))
    monkeypatch.setattr(cache, "READER_VERSION", cache.READER_VERSION + 1)
    with pytest.raises(ZeroDivisionError):
        cached("place", "a", "Corners", lambda: 1 / 0)


@pytest.mark.parametrize(
    "change", [{}, {"train_labels": np.arange(40.0)}, {"classes": np.array(["one"])}, {"notices": np.array(0)}]
)
def test_a_cache_that_does_not_fit_is_made_anew(own_cache, change):
    def read():
        return Reading((make_dataset(), make_dataset(8, "test")))

    cached("place", "a", "Corners", read)
    (path,) = own_cache.iterdir()
    arrays = {name: array.copy() for name, array in read_arrays(path).items()} | change
    if not change:
        del arrays["test_labels"]
    write_arrays(path, arrays)
    assert cached("place", "a", "Corners", read)[0].fingerprint == make_dataset().fingerprint
    assert read_arrays(path)["train_labels"].dtype == np.int64


def test_an_unwritable_folder_is_a_notice(own_cache, monkeypatch, caplog):
    (own_cache / "file").write_text("")
    monkeypatch.setenv("RESNET_TUTORIAL_CACHE", str(own_cache / "file" / "folder"))
    with caplog.at_level(logging.WARNING):
        train, _ = cached("place", "a", "Corners", lambda: Reading((make_dataset(), make_dataset(8, "test"))))
    assert len(train) == 40
    assert caplog.messages[0].startswith("Corners is not cached and will be read again next time: cannot write")
