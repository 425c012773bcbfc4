import matplotlib

matplotlib.use("Agg")

import pytest
import torch

from resnet_tutorial import Recipe, plots
from tests.conftest import make_dataset


def test_confusion_shows_the_percentages_of_each_row():
    figure = plots.show_confusion(torch.tensor([[3, 1], [0, 5]]), ("left", "right"))
    assert [text.get_text() for text in figure.axes[0].texts] == ["75", "25", "0", "100"]
    assert figure.axes[0].get_ylabel() == "true" and figure.axes[0].get_xlabel() == "predicted"


def test_schedules_are_the_real_ones():
    figure = plots.show_schedules({"drops": Recipe(epochs=4, lr=0.1, lr_scheduler="MultiStepLR", milestones=(2,))})
    rates = figure.axes[0].lines[0].get_ydata()
    assert rates[0] == rates[39] == pytest.approx(0.1) and rates[40] == rates[-1] == pytest.approx(0.01)


def test_classes_stand_in_their_rows():
    dataset = make_dataset(20)
    figure = plots.show_classes(dataset, per_class=3)
    assert [axis.texts[0].get_text() for axis in figure.axes if axis.texts] == ["left", "right"]
    shown = figure.axes[3].images[0].get_array()
    assert torch.equal(torch.tensor(shown), dataset.images[1])


def test_costs_name_every_network():
    figure = plots.show_costs({"resnet20": (269_722, 40_551_040), "resnet18": (11_173_962, 555_422_720)})
    assert [text.get_text() for text in figure.axes[0].texts] == ["ResNet-20", "ResNet-18"]
    assert figure.axes[0].get_xscale() == figure.axes[0].get_yscale() == "log"


def test_counts_and_images():
    dataset = make_dataset(20)
    assert plots.show_counts(dataset, make_dataset(4, "test")).axes
    figure = plots.show_images(dataset.images[:5], titles=list("abcde"), columns=2)
    assert [axis.get_title() for axis in figure.axes if axis.images] == list("abcde")
