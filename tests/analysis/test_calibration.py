import pytest
import torch

from resnet_tutorial.analysis import reliability
from resnet_tutorial.training.scores import calibration_error


def test_bins_by_hand():
    probabilities = torch.tensor([[0.6, 0.4], [0.9, 0.1], [0.2, 0.8], [1.0, 0.0]], dtype=torch.float64)
    low, middle, high = reliability(probabilities, torch.tensor([0, 0, 0, 0]), bins=5)
    assert (low.low, low.high, low.images) == (0.4, 0.6, 1), "a bin is closed on the right"
    assert (middle.images, middle.confidence, middle.accuracy) == (1, pytest.approx(0.8), 0.0)
    assert (high.images, high.confidence, high.accuracy) == (2, pytest.approx(0.95), 1.0)


def test_the_weighted_gap_is_the_calibration_error():
    torch.manual_seed(0)
    probabilities, labels = torch.randn(200, 5).softmax(dim=1), torch.randint(5, (200,))
    found = reliability(probabilities, labels, bins=15)
    gap = sum(entry.images * abs(entry.accuracy - entry.confidence) for entry in found) / 200
    assert gap == pytest.approx(calibration_error(probabilities, labels))
    assert sum(entry.images for entry in found) == 200
