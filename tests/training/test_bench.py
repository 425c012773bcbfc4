"""Shapes of the report, and its arithmetic. Never how fast anything is."""

import json
import math
from dataclasses import replace

import pytest
import torch

from resnet_tutorial import InputError, Recipe, TrainConfig, create_model, list_models, summarize
from resnet_tutorial.models import total
from resnet_tutorial.training import Device
from resnet_tutorial.training.bench import Speed, bench, estimate, measure_peak

RECIPE = Recipe(epochs=10, batch_size=100, validation=0.1)
FAST = Speed("resnet20", 100, 1000.0, 900.0, 1100.0, 1.0, 0.5)
SLOW = Speed("resnet50", 100, 20.0, 19.0, 21.0, 1.0, 0.5)


def macs(name):
    with torch.device("meta"):
        return total(summarize(create_model(name)))[1]


def test_time_of_a_measured_network():
    """45,000 images trained and 5,000 validated in each of 10 epochs, 10,000 tested, a forward pass for a third."""
    answer = estimate("resnet20", [SLOW, FAST], 10_000.0, RECIPE, 50_000, 10_000)
    assert answer.scaled_from is None and answer.images_per_second == pytest.approx(1 / (1 / 1000 + 1 / 10_000))
    trained, scored = 450_000, 60_000
    assert answer.seconds == pytest.approx(trained * (1 / 1000 + 1e-4) + scored * (1 / 3000 + 1e-4))


def test_other_networks_are_scaled_from_the_nearest_in_macs():
    answer = estimate("resnet56", [SLOW, FAST], math.inf, RECIPE, 50_000, 10_000)
    assert answer.scaled_from == "resnet20"
    assert answer.images_per_second == pytest.approx(1000 * macs("resnet20") / macs("resnet56"))
    assert estimate("resnet34", [SLOW, FAST], math.inf, RECIPE, 50_000, 10_000).scaled_from == "resnet50"


def test_growing_images_take_less():
    """Half of the epochs at full size, the others at 16, 20, 24, 24 and 28 pixels; the loader is as slow."""
    recipe = replace(RECIPE, validation=0.0, initial_scale=0.5, growing_share=0.5)
    answer = estimate("resnet20", [FAST], 10_000.0, recipe, 50_000, 10_000)
    share = (5 + sum((side / 32) ** 2 for side in (16, 20, 24, 24, 28))) / 10
    assert answer.seconds == pytest.approx(500_000 * (share / 1000 + 1e-4) + 10_000 * (1 / 3000 + 1e-4))


def test_a_recipe_in_steps():
    """64,000 steps of 100 images, whatever the size of the data; 143 epochs begin, each ends with a validation."""
    recipe = replace(RECIPE, steps=64_000)
    answer = estimate("resnet20", [FAST], math.inf, recipe, 50_000, 10_000)
    assert answer.seconds == pytest.approx(6_400_000 / 1000 + (143 * 5000 + 10_000) / 3000)


def test_the_peak_is_that_of_its_own_matrices():
    assert measure_peak(Device(torch.device("cpu")), repeats=2, side=64) > 0
    assert torch.get_float32_matmul_precision() == "highest"


@pytest.fixture(scope="module")
def report():
    recipe = Recipe(epochs=2, batch_size=8, mixup=0.2, ema=0.9)
    config = TrainConfig(recipe=recipe, device="cpu", precision="fp32")
    return bench(["ResNet8", "resnet8"], config, images=1000, repeats=2, seconds=0.0, others=True)


def test_the_report(report):
    (speed,) = report.speeds
    assert (speed.model, speed.batch_size) == ("resnet8", 8)
    assert speed.slowest <= speed.images_per_second <= speed.fastest
    assert speed.flops == pytest.approx(6 * macs("resnet8") * speed.images_per_second)
    assert speed.of_peak == pytest.approx(speed.flops / report.peak_flops)
    assert [row.model for row in report.estimates] == ["resnet8", *list_models()]
    assert [row.scaled_from for row in report.estimates] == [None] + ["resnet8"] * len(list_models())
    again = estimate(
        "resnet20", report.speeds, report.loader_images_per_second, Recipe(epochs=2, batch_size=8), 1000, 10
    )
    (resnet20,) = (row for row in report.estimates if row.model == "resnet20")
    assert again.images_per_second == pytest.approx(resnet20.images_per_second)


def test_the_report_as_text_and_as_data(report):
    text = str(report)
    assert "MACs × 2 × 3" in text and "of the peak" in text and "1,000 training images" in text
    measured, estimated = text.split("estimated: ")
    assert measured.count("resnet") == 1 and estimated.count("from its own step") == 1
    assert estimated.count("from the step of resnet8, scaled by MACs") == len(list_models())
    plain = json.loads(json.dumps(report.as_dict()))
    assert plain["precision"] == "fp32" and len(plain["estimates"]) == len(report.estimates)


def test_nothing_is_written_and_other_networks_are_left_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    report = bench(["resnet8"], TrainConfig(recipe=Recipe(batch_size=4), device="cpu"), repeats=1, seconds=0.0)
    assert [row.model for row in report.estimates] == ["resnet8"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"models": ["resnet21"]}, "did you mean resnet20"),
        ({"models": []}, "no network named"),
        ({"images": 0}, "images must be at least 1"),
        ({"repeats": 0}, "repeats must be at least 1"),
        ({"config": TrainConfig(device="mps")}, "no mps device"),
    ],
)
def test_wrong_words(options, message):
    with pytest.raises(InputError, match=message):
        bench(**options)
