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


def test_other_sizes(root):
    train, _ = load_dataset("parquet", root, image_size=16)
    assert train.images.shape == (8, 16, 16, 3)


def refused(root, message):
    with pytest.raises(InputError, match=message) as caught:
        load_dataset("parquet", root)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        ([b"no picture"] * 2, [0, 1], r"test-.*\.parquet, row 0 cannot be read as an image"),
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
    header = content[:4] + b"\xff" * 8 + content[12:]  # found by benchmarks/fuzz_readers.py: a message of two lines
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
