import json
import re

import pytest

from benchmarks.publish import main, publish
from resnet_tutorial import InputError, Recipe, TrainConfig, Trainer, create_model, list_pretrained
from resnet_tutorial.data import normalize
from resnet_tutorial.training import load_trained
from resnet_tutorial.training.scores import score
from resnet_tutorial.weights import pretrained, pretrained_file, read_weights
from tests.conftest import make_dataset


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run: its checkpoint, its record, its test part."""
    folder = tmp_path_factory.mktemp("run")
    config = TrainConfig(model="resnet8", ckpt_dir=folder, recipe=Recipe(epochs=1, batch_size=20), progress=False)
    test = make_dataset(30, "test", seed=1)
    Trainer(config, make_dataset(), test, log=lambda line: None).fit()
    record = folder / "resnet8-corners-seed0.json"
    (folder / "record.json").rename(record)
    return folder / "last.pt", record, test


def test_a_run_becomes_a_file_that_says_what_it_is(run, tmp_path, monkeypatch):
    checkpoint, record_file, test = run
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    path = publish(checkpoint, record_file, test, "corners", tmp_path)
    assert path == pretrained_file("resnet8.corners") and list(list_pretrained()) == ["resnet8.corners"]
    record, trained = json.loads(record_file.read_text()), load_trained(path)
    about = read_weights(path).metadata
    told = about["published"]
    logits = trained.model(normalize(test.images, trained.mean, trained.std))
    assert told["accuracy"] == record["test"]["accuracy"] and told["data"] == "Corners" and told["test_images"] == 30
    assert told["accuracy_half"] == score(logits.detach(), test.labels, test.classes).accuracy
    assert told["record"] == "resnet8-corners-seed0" and re.fullmatch(r"\d{4}-\d\d-\d\d", told["date"])
    assert about["record"] == record and about["classes"] == ["left", "right"] and trained.mean == tuple(about["mean"])
    assert {str(value.dtype) for name, value in read_weights(path).state_dict.items() if "num_batches" not in name} == {
        "torch.float16"
    }
    assert create_model("resnet8", 2, pretrained="corners").num_classes == 2


def test_what_does_not_belong_together_is_refused(run, tmp_path):
    checkpoint, record_file, test = run
    with pytest.raises(InputError, match="another test part"):
        publish(checkpoint, record_file, make_dataset(30, "test", seed=2), "corners", tmp_path)
    record = json.loads(record_file.read_text())
    other = tmp_path / "other.json"
    other.write_text(json.dumps({**record, "seed": 1}))
    with pytest.raises(InputError, match="not that of the record's run"):
        publish(checkpoint, other, test, "corners", tmp_path)
    assert not list(tmp_path.glob("*.safetensors"))


def test_the_command_says_what_is_wrong_in_one_line(run, image_folder, capsys):
    checkpoint, record_file, _ = run
    assert main([str(checkpoint), str(record_file), "--data", str(image_folder)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1
