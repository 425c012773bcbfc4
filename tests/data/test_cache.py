import logging

import pytest

from resnet_tutorial.data import cache
from resnet_tutorial.data.cache import Reading, cached, read_cache, write_cache
from tests.conftest import make_dataset


def make_reading():
    return Reading((make_dataset(3), make_dataset(2, "test")), ("ä", "b"), ("c",))


def same(left, right):
    parts = [[(part.fingerprint, part.classes, part.split) for part in reading.parts] for reading in (left, right)]
    return parts[0] == parts[1] and (left.notices, left.failures) == (right.notices, right.failures)


def test_a_reading_comes_back_with_the_usual_permissions(tmp_path):
    path = tmp_path / "new" / "c"
    write_cache(path, "key", make_reading())
    assert same(read_cache(path, "key", "Corners"), make_reading())
    assert list(path.parent.iterdir()) == [path]
    (tmp_path / "plain").write_bytes(b"")
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert read_cache(path, "other", "Corners") is None and read_cache(tmp_path / "none", "key", "Corners") is None


def test_a_file_damaged_anywhere_is_not_read(tmp_path):
    path = tmp_path / "c"
    write_cache(path, "key", make_reading())
    content = path.read_bytes()
    for at in range(0, len(content), 29):
        path.write_bytes(content[:at])
        assert read_cache(path, "key", "Corners") is None
        path.write_bytes(content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :])
        found = read_cache(path, "key", "Corners")  # a byte of padding may differ, a value may not
        assert found is None or same(found, make_reading())


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


def test_an_unwritable_folder_is_a_notice(own_cache, monkeypatch, caplog):
    (own_cache / "file").write_text("")
    monkeypatch.setenv("RESNET_TUTORIAL_CACHE", str(own_cache / "file" / "folder"))
    with caplog.at_level(logging.WARNING):
        train, _ = cached("place", "a", "Corners", lambda: Reading((make_dataset(), make_dataset(8, "test"))))
    assert len(train) == 40
    assert caplog.messages[0].startswith("Corners is not cached and will be read again next time: cannot write")
