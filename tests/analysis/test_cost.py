import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from resnet_tutorial import create_model, summarize
from resnet_tutorial.analysis import format_table, total

MEGA_MACS = {
    "resnet18": 555,
    "resnet34": 1159,
    "resnet50": 1298,
    "resnet101": 2510,
    "resnet152": 3722,
    "resnet20": 40.6,
    "resnet32": 68.9,
    "resnet44": 97.2,
    "resnet56": 125.5,
    "resnet110": 252.9,
}


@pytest.mark.parametrize("name", MEGA_MACS)
def test_macs(name):
    with torch.device("meta"):
        model = create_model(name)
    parameters, macs = total(summarize(model))
    assert macs / 1e6 == pytest.approx(MEGA_MACS[name], abs=0.5 if macs > 5e8 else 0.05)
    assert parameters == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("size", [32, 33])
def test_macs_agree_with_torch(size):
    with torch.device("meta"):
        model = create_model("resnet50").eval()
        with FlopCounterMode(display=False) as counter:
            model(torch.empty(1, 3, size, size))
    assert total(summarize(model, size))[1] == counter.get_total_flops() / 2


def test_the_table_fits_100_columns():
    with torch.device("meta"):
        rows = summarize(create_model("resnet152"))
    assert [row.output for row in rows] == [32, 32, 16, 8, 4, 1]
    assert max(map(len, format_table(rows).splitlines())) <= 100
