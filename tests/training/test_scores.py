import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from resnet_tutorial import InputError, Recipe, TrainConfig, Trainer, evaluate, load_trained, save_weights
from resnet_tutorial.data import BatchLoader, Transform, normalize
from resnet_tutorial.training import Device, read_record, validate
from resnet_tutorial.training.scores import calibration_error, collect_logits, confusions, score, wilson_interval
from tests.conftest import make_dataset

CPU = Device(torch.device("cpu"))
MEAN_STD = ((0.5,) * 3, (0.25,) * 3)


def small_network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 30 * 30, 2))


def test_every_image_is_scored_once_in_order():
    dataset, model = make_dataset(23), small_network()
    logits, labels = collect_logits(model, BatchLoader(dataset, 5, Transform(*MEAN_STD)), CPU)
    assert torch.equal(labels, dataset.labels)
    model.eval()
    with torch.inference_mode():
        torch.testing.assert_close(logits, model(normalize(dataset.images, *MEAN_STD)))


def test_scores_agree_with_the_engine():
    dataset, model = make_dataset(40), small_network()
    batches = BatchLoader(dataset, 16, Transform(*MEAN_STD))
    scores, theirs = score(*collect_logits(model, batches, CPU), dataset.classes), validate(model, batches, CPU)
    assert scores.accuracy == theirs["accuracy"] and scores.loss == pytest.approx(theirs["loss"], rel=1e-5)
    assert [list(row) for row in scores.confusion] == theirs["confusion"].tolist()


@pytest.fixture
def run(tmp_path):
    """The folder of a run, and its test part."""
    config = TrainConfig("resnet8", width=0.25, recipe=Recipe(epochs=1, batch_size=20), ckpt_dir=tmp_path / "run")
    test = make_dataset(20, "test", 1)
    Trainer(config, make_dataset(40), test, log=lambda line: None).fit()
    return config.ckpt_dir, test


def test_a_run_scores_on_its_test_part_what_its_record_says(run):
    folder, test = run
    scores = evaluate(folder, test)
    assert scores.accuracy == read_record(folder / "record.json").test["accuracy"] and scores.images == 20
    assert evaluate(load_trained(folder), test, device="cpu") == scores
    assert repr(scores).startswith(f"accuracy {scores.accuracy:.2f} % (95 % interval ")


def test_a_file_of_weights_is_scored(run, tmp_path):
    folder, test = run
    trained = load_trained(folder)
    save_weights(trained.model, tmp_path / "net.safetensors", mean=trained.mean, std=trained.std)
    assert evaluate(str(tmp_path / "net.safetensors"), test) == evaluate(folder, test)


def test_data_that_do_not_fit_are_refused(run):
    folder, test = run
    with pytest.raises(InputError, match="the network knows left, right: evaluate it on "):
        evaluate(folder, replace(test, classes=("up", "down")))
    with pytest.raises(InputError, match=r"images of 16×16 pixels, the network was trained with 32×32"):
        evaluate(folder, replace(test, images=test.images[:, ::2, ::2].contiguous()))
    with pytest.raises(InputError, match="no weights at "):
        evaluate(folder / "gone", test)


def test_scores_as_text():
    few = str(score(LOGITS, LABELS, tuple("abcdef"))).splitlines()
    numbers = "balanced 50.00 % (mean of the classes), top-5 75.00 %, loss "
    assert few[0].startswith(f"accuracy 50.00 % (95 % interval 15.00 to 85.00), {numbers}")
    assert few[3].split() == ["a", "50.00", "%", "1", "0", "0", "0", "0", "1"] and few[6].split()[:2] == ["d", "–"]
    many = str(score(torch.eye(25), torch.arange(25).roll(1), [f"class {k}" for k in range(25)])).splitlines()
    assert many[2].startswith("most frequent mistakes: class 0 taken for class 1 1; ")
    assert many[3].split() == ["class", "0", "0.00", "%"]


def test_flipping_takes_the_mean_of_both_answers():
    dataset, model = make_dataset(6), small_network().eval()
    logits, _ = collect_logits(model, BatchLoader(dataset, 4, Transform(*MEAN_STD)), CPU, flip=True)
    images = normalize(dataset.images, *MEAN_STD)
    with torch.inference_mode():
        torch.testing.assert_close(logits, (model(images) + model(images.flip(3))) / 2)


LOGITS = torch.tensor([[9.0, 5, 4, 3, 2, 1], [1, 2, 3, 4, 5, 9], [1, 9, 3, 4, 5, 6], [2, 3, 4, 5, 9, 8]])
LABELS = torch.tensor([0, 0, 1, 2])


def test_figures_worked_out_by_hand():
    scores = score(LOGITS, LABELS, tuple("abcdef"))
    assert (scores.images, scores.accuracy, scores.top5) == (4, 50.0, 75.0)
    assert scores.loss == pytest.approx(F.cross_entropy(LOGITS, LABELS).item())
    by_class = [(entry.images, entry.accuracy, entry.precision) for entry in scores.classes]
    none = (0, None, None)
    assert by_class == [(2, 50.0, 100.0), (1, 100.0, 100.0), (1, 0.0, None), none, (0, None, 0.0), (0, None, 0.0)]
    assert scores.confusion[0] == (1, 0, 0, 0, 0, 1) and scores.confusion[2] == (0, 0, 0, 0, 1, 0)
    assert confusions(scores) == [(1, "a", "f"), (1, "c", "e")]


def test_top5_needs_more_than_five_classes():
    assert score(LOGITS[:2, :5], LABELS[:2], tuple("abcde")).top5 is None


def test_calibration_error_by_hand():
    # Two bins are hit: 0.9 three times, right twice; 0.6 twice, right twice.
    first = torch.tensor([0.9, 0.9, 0.9, 0.6, 0.6], dtype=torch.float64)
    probabilities = torch.stack([first, 1 - first], dim=1)
    error = calibration_error(probabilities, torch.tensor([0, 0, 1, 0, 0]))
    assert error == pytest.approx(3 / 5 * abs(2 / 3 - 0.9) + 2 / 5 * abs(1 - 0.6))


def test_calibration_bins_are_closed_on_the_right():
    # With two bins 0.5 belongs to the lower one: the errors of the two images must not cancel in one bin.
    probabilities = torch.tensor([[0.5, 0.25, 0.25], [0.75, 0.25, 0.0]])
    error = calibration_error(probabilities, torch.tensor([0, 1]), bins=2)
    assert error == pytest.approx((0.5 + 0.75) / 2)


def test_wilson_interval():
    # 95 of 100, from the closed form in Wilson (1927) with z = 1.96
    low, high = wilson_interval(95, 100)
    assert (low, high) == (pytest.approx(0.8882, abs=5e-5), pytest.approx(0.9785, abs=5e-5))
    assert wilson_interval(0, 10)[0] == 0 and wilson_interval(10, 10)[1] == pytest.approx(1)
    for end in wilson_interval(70, 100):  # the interval holds the shares from which 0.7 is 1.96 deviations away
        assert abs(0.7 - end) == pytest.approx(1.959964 * math.sqrt(end * (1 - end) / 100))


def test_no_images():
    with pytest.raises(ValueError, match="no images"):
        score(LOGITS[:0], LABELS[:0], tuple("abcdef"))
