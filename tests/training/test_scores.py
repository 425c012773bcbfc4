import json
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from resnet_tutorial.data import BatchLoader, Transform, normalize
from resnet_tutorial.training import Device, evaluate
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
    scores, theirs = score(*collect_logits(model, batches, CPU), dataset.classes), evaluate(model, batches, CPU)
    assert scores.accuracy == theirs["accuracy"] and scores.loss == pytest.approx(theirs["loss"], rel=1e-5)
    assert [list(row) for row in scores.confusion] == theirs["confusion"].tolist()


def test_the_mode_of_the_network_is_restored():
    model = small_network().train()
    collect_logits(model, BatchLoader(make_dataset(4), 2, Transform(*MEAN_STD)), CPU)
    assert model.training


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


def test_a_network_as_right_as_it_says_is_calibrated():
    probabilities = torch.tensor([[0.75, 0.25]]).repeat(400, 1)
    assert calibration_error(probabilities, torch.tensor([0, 0, 0, 1] * 100)) == pytest.approx(0)
    assert calibration_error(torch.eye(2), torch.tensor([1, 0])) == 1


def test_wilson_interval():
    # 95 of 100, from the closed form in Wilson (1927) with z = 1.96
    low, high = wilson_interval(95, 100)
    assert (low, high) == (pytest.approx(0.8882, abs=5e-5), pytest.approx(0.9785, abs=5e-5))
    assert wilson_interval(0, 10)[0] == 0 and wilson_interval(10, 10)[1] == pytest.approx(1)
    for end in wilson_interval(70, 100):  # the interval holds the shares from which 0.7 is 1.96 deviations away
        assert abs(0.7 - end) == pytest.approx(1.959964 * math.sqrt(end * (1 - end) / 100))


def test_scores_are_plain_data():
    from dataclasses import asdict

    assert json.loads(json.dumps(asdict(score(LOGITS, LABELS, tuple("abcdef")))))["top5"] == 75.0


def test_no_images():
    with pytest.raises(ValueError, match="no images"):
        score(LOGITS[:0], LABELS[:0], tuple("abcdef"))
