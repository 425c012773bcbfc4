import io
import json
import sys

import numpy as np
import pytest
from PIL import Image

from resnet_tutorial import InputError, load_dataset
from resnet_tutorial.data import parquet as parquet_reader

pyarrow = pytest.importorskip("pyarrow")
from pyarrow import parquet  # noqa: E402

pytestmark = pytest.mark.usefixtures("own_cache")
IMAGES = np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)
LABELS = [k % 2 for k in range(12)]


def png(image: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(image).save(content, "png")
    return content.getvalue()


def write(path, images, labels, image="img", label="label", names=("cat", "dog")):
    """A file as the hub writes it: the class names stand in the metadata of the schema."""
    rows = [{"bytes": content, "path": None} for content in images]
    table = pyarrow.table({image: rows, label: pyarrow.array(labels, pyarrow.int64())})
    if names:
        info = {"info": {"features": {label: {"names": names, "_type": "ClassLabel"}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(info)})
    path.parent.mkdir(exist_ok=True)
    parquet.write_table(table, path)


@pytest.fixture
def root(tmp_path):
    pictures = [png(image) for image in IMAGES]
    write(tmp_path / "plain_text" / "train-00000-of-00002.parquet", pictures[:4], LABELS[:4])
    write(tmp_path / "plain_text" / "train-00001-of-00002.parquet", pictures[4:8], LABELS[4:8])
    write(tmp_path / "plain_text" / "test-00000-of-00001.parquet", pictures[8:], LABELS[8:])
    return tmp_path


def test_files_of_the_hub(root, monkeypatch):
    for name, place in (("parquet", root), ("auto", root / "plain_text")):
        train, test = load_dataset(name, place)
        assert np.array_equal(train.images.numpy(), IMAGES[:8]) and np.array_equal(test.images.numpy(), IMAGES[8:])
        assert train.labels.tolist() == LABELS[:8] and train.classes == ("cat", "dog")
    monkeypatch.setattr(parquet_reader, "_read", None)
    assert np.array_equal(load_dataset("parquet", root)[0].images.numpy(), IMAGES[:8])  # from the cache


def test_other_columns_and_no_names(tmp_path):
    for split in ("train", "test"):
        write(tmp_path / f"{split}.parquet", [png(i) for i in IMAGES], LABELS, "image", "fine_label", None)
    assert load_dataset("auto", tmp_path)[0].classes == ("0", "1")


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("plain_text/train/0000.parquet", "plain_text/test/0000.parquet"),
        ("data/cifar10-train.parquet", "data/cifar10-test.parquet"),
        ("train/0000.parquet", "test/0000.parquet"),
        ("partial-train/0.parquet", "partial-test/0.parquet"),
    ],
)
def test_every_arrangement_of_the_hub_is_found(tmp_path, train, test):
    for path, part in ((train, slice(0, 8)), (test, slice(8, 12))):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        write(tmp_path / path, [png(image) for image in IMAGES[part]], LABELS[part])
    for root in {tmp_path, (tmp_path / train).parents[1]}:
        parts = load_dataset("auto", root)
        assert np.array_equal(parts[0].images.numpy(), IMAGES[:8]) and np.array_equal(
            parts[1].images.numpy(), IMAGES[8:]
        )


def test_validation_serves_as_the_test_part_or_one_is_split_off(root, caplog):
    (root / "plain_text" / "test-00000-of-00001.parquet").rename(root / "plain_text" / "validation-0.parquet")
    assert len(load_dataset("auto", root)[1]) == 4
    assert "the files of validation serve as the test part" in caplog.text
    (root / "plain_text" / "validation-0.parquet").unlink()
    refused(root, "no test.*--test-share 0.2 splits a test part off")
    train, test = load_dataset("auto", root, test_share=0.25)
    assert (len(train), test.counts().tolist(), test.split) == (6, [1, 1], "test")


def test_one_of_several_configurations_is_read_and_named(root, caplog):
    write(root / "fine" / "train.parquet", [b""], [0])
    write(root / "default" / "train.parquet", [png(image) for image in IMAGES], LABELS)
    write(root / "default" / "test.parquet", [png(image) for image in IMAGES], LABELS)
    assert len(load_dataset("auto", root)[0]) == 12
    (message,) = caplog.messages
    assert message.endswith(": the Parquet files in default are read, not those in fine, plain_text")


def test_unreadable_rows_are_named_or_left_out(root):
    path = root / "plain_text" / "train-00001-of-00002.parquet"
    write(path, [b"", png(IMAGES[5]), png(IMAGES[6]), b"no picture"], LABELS[4:8])
    refused(root, r"2 images cannot be read: .*, row 0 \(it is empty\), .*00001.*, row 3 \(no picture")
    train, test = load_dataset("parquet", root, test_alone=True)
    assert (len(train), len(test), test.split) == (0, 4, "test")
    train, test = load_dataset("parquet", root, skip_unreadable=True)
    assert np.array_equal(train.images.numpy(), IMAGES[[0, 1, 2, 3, 5, 6]]) and train.labels.tolist() == [
        0,
        1,
        0,
        1,
        1,
        0,
    ]
    assert (train.left_out, test.left_out) == (2, 0)


def refused(root, message):
    with pytest.raises(InputError, match=message) as caught:
        load_dataset("parquet", root)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (
            [b"no picture"] * 2,
            [0, 1],
            r"the test part has 0 images .*; 2 images cannot be read: .*test-.*\.parquet, row 0 \(",
        ),
        ([None] * 2, [0, 1], "row 0 is no image with a label"),
        ([png(IMAGES[0])] * 2, [0, -1], "row 1 is no image with a label"),
        ([png(IMAGES[0])] * 2, [None, 1], "row 0 is no image with a label"),
        ([png(IMAGES[0])] * 2, [0, 2], "the test part has the label 2, but there are 2 classes"),
        ([png(IMAGES[0])] * 2, [1, 1], "class 'cat' has no images in the test part"),
        ([], [], "the test part has 0 images"),
    ],
)
def test_wrong_rows_are_refused(root, images, labels, message):
    write(root / "plain_text" / "test-00000-of-00001.parquet", images or [b""], labels or [0])
    if not images:
        empty = parquet.read_table(root / "plain_text" / "test-00000-of-00001.parquet").slice(0, 0)
        parquet.write_table(empty, root / "plain_text" / "test-00000-of-00001.parquet")
    refused(root, message)


def test_damaged_and_missing_files_are_refused(root):
    path = root / "plain_text" / "test-00000-of-00001.parquet"
    content = path.read_bytes()
    header = content[:4] + b"\xff" * 8 + content[12:]  # found by fuzzing: a message of two lines
    for damaged in (b"", content[:100], content[: len(content) // 2], content[:-1], header):
        path.write_bytes(damaged)
        refused(root, r"test-00000-of-00001\.parquet cannot be read as Parquet")
    parquet.write_table(pyarrow.table({"text": ["a"]}), path)
    refused(root, "its columns are text, not img and label")
    path.unlink()
    refused(root, r"no test\*\.parquet in")


def test_without_pyarrow_the_extra_is_named(root, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    refused(root, r'Parquet files need pyarrow: pip install "resnet-tutorial\[parquet\]"')
