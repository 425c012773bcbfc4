"""The page of model cards, and the weights beside the site."""

import base64
import importlib.util
from dataclasses import asdict
from pathlib import Path

import pytest

from resnet_tutorial import list_pretrained
from resnet_tutorial.training import RunRecord, read_record
from resnet_tutorial.weights import pretrained_file, read_weights

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def extension():
    spec = importlib.util.spec_from_file_location("trained_weights", ROOT / "book/_ext/trained_weights.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", list_pretrained())
def test_a_card_says_what_the_file_says(extension, name):
    about = read_weights(pretrained_file(name)).metadata
    text = "\n".join(extension.card(name))
    for fact in ("accuracy", "accuracy_half"):
        assert f"{about['published'][fact]:.2f} % of" in text
    assert about["published"]["data"] in text and about["record"]["command"] in text
    in_the_book = ROOT / "book/results" / f"{about['published']['record']}.json"
    here, there = asdict(read_record(in_the_book)), asdict(RunRecord(**about["record"]))
    assert here | {"schema": 0} == there | {"schema": 0}, "publish it again"


@pytest.mark.parametrize("name", list_pretrained())
def test_the_site_gets_the_weights_of_the_package(extension, tmp_path, name):
    extension.write_weights(tmp_path)
    text = (tmp_path / "_weights" / f"{name}.js").read_text()
    assert base64.b64decode(text.split('"')[3]) == pretrained_file(name).read_bytes()
