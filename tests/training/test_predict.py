import numpy as np
import pytest
import torch
from PIL import Image

from resnet_tutorial import InputError, create_model, save_weights
from resnet_tutorial.data import normalize, read_image
from resnet_tutorial.training import load_trained, predict
from resnet_tutorial.training import predict as predict_function
from tests.conftest import make_images

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


@pytest.fixture
def trained(tmp_path):
    torch.manual_seed(0)
    save_weights(create_model("resnet8", 3), tmp_path / "net.safetensors", classes="abc", mean=MEAN, std=STD)
    return load_trained(tmp_path / "net.safetensors")


@pytest.fixture
def pictures(tmp_path):
    """Pictures of three sizes."""
    images, _ = make_images(5)
    sizes = ((32, 32), (64, 48), (33, 100), (500, 300), (20, 20))
    paths = [tmp_path / f"{i}.png" for i in range(len(sizes))]
    for path, pixels, size in zip(paths, images, sizes, strict=True):
        Image.fromarray(pixels).resize(size).save(path)
    return paths


def test_probabilities_are_those_of_the_network(trained, pictures):
    answers = predict(trained, pictures)
    assert [answer.path for answer in answers] == pictures
    for path, answer in zip(pictures, answers, strict=True):
        image = normalize(torch.from_numpy(read_image(path, 32)[np.newaxis].copy()), MEAN, STD)
        with torch.inference_mode():
            expected = trained.model(image).softmax(dim=1)[0]
        assert list(answer.probabilities) == sorted(answer.probabilities, reverse=True)
        assert sum(answer.probabilities) == pytest.approx(1)
        found = torch.tensor([answer.probabilities[answer.classes.index(name)] for name in "abc"])
        torch.testing.assert_close(found, expected)


def test_more_pictures_than_a_batch_holds(trained, pictures, monkeypatch):
    whole = predict(trained, pictures)
    import sys

    monkeypatch.setattr(sys.modules[predict_function.__module__], "BATCH", 2)
    in_parts = predict(trained, pictures)
    assert [a.path for a in in_parts] == pictures and [a.classes for a in in_parts] == [a.classes for a in whole]


def test_weights_given_as_a_picture(trained, pictures):
    with pytest.raises(InputError, match=r"holds weights, and no image: name it with --checkpoint"):
        predict(trained, [*pictures, trained.path])


def test_a_picture_that_is_none(trained, tmp_path):
    (tmp_path / "note.txt").write_text("hello")
    with pytest.raises(InputError, match="cannot be read as an image"):
        predict(trained, [tmp_path / "note.txt"])
    with pytest.raises(InputError, match="no such image"):
        predict(trained, [tmp_path / "gone.png"])


def test_bad_files_are_told_and_left_out(trained, pictures, tmp_path, monkeypatch):
    """In every batch, also in one with no image at all."""
    import sys

    monkeypatch.setattr(sys.modules[predict_function.__module__], "BATCH", 2)
    gone, errors = tmp_path / "gone.png", []
    answers = predict(trained, [gone, gone, pictures[0], gone, *pictures[1:]], on_error=errors.append)
    assert [answer.path for answer in answers] == pictures and answers[1:] == predict(trained, pictures)[1:]
    assert [str(error) for error in errors] == [f"no such image: {gone}"] * 3
