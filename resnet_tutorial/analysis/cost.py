"""What a network costs: output sizes, parameters and multiply-accumulates (MACs)."""

from dataclasses import dataclass

import torch
from torch import nn

from ..models import ResNet


@dataclass(frozen=True)
class LayerCost:
    """One row of the summary.

    Attributes:
        name: ``conv1``, ``conv2_x`` …, ``fc``.
        what: what the row consists of, such as ``3 × [3×3, 16; 3×3, 16]``.
        output: height (= width) of the feature maps, 1 behind the pooling.
        channels: channels that leave.
        parameters: trainable numbers, BatchNorm included.
        macs: multiply-accumulates of convolutions and the linear layer, for one image.
    """

    name: str
    what: str
    output: int
    channels: int
    parameters: int
    macs: int


@torch.no_grad()
def count_macs(module: nn.Module, x: torch.Tensor) -> tuple[int, torch.Tensor]:
    """Multiply-accumulates of all convolutions and linear layers in one forward pass, and the output.

    Works on the meta device too, where nothing is computed.
    """
    macs = 0

    def count(layer: nn.Module, _inputs: tuple, output: torch.Tensor) -> None:
        nonlocal macs
        # Each output number is a sum over one filter: all weights but the leading (output) axis.
        macs += output.numel() * layer.weight[0].numel()

    layers = [m for m in module.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    handles = [layer.register_forward_hook(count) for layer in layers]
    try:
        output = module(x)
    finally:
        for handle in handles:
            handle.remove()
    return macs, output


def summarize(model: ResNet, image_size: int = 32) -> list[LayerCost]:
    """Costs of a network for one square image, part by part. Add the rows up with `total`.

    Args:
        model: any network of this package; it is left unchanged.
        image_size: height and width of the image.
    """
    arch = model.arch
    # A copy on the meta device has shapes but no numbers: even ResNet-1202 takes no time.
    with torch.device("meta"):
        twin = ResNet(arch, model.num_classes).eval()
        x = torch.empty(1, 3, image_size, image_size)
    parts = [("conv1", arch.describe_stem(), nn.Sequential(twin.conv1, twin.bn1, twin.pool))]
    parts += [(s.name, arch.describe_stage(s), twin.stages[i]) for i, s in enumerate(arch.stages)]
    rows = []
    for name, what, part in parts:
        macs, x = count_macs(part, x)
        rows.append(LayerCost(name, what, x.shape[-1], x.shape[1], _parameters(part), macs))
    macs, x = count_macs(twin.fc, x.mean(dim=(2, 3)))
    what = f"average pool, {model.num_classes}-way linear"
    return [*rows, LayerCost("fc", what, 1, model.num_classes, _parameters(twin.fc), macs)]


def total(rows: list[LayerCost]) -> tuple[int, int]:
    """Parameters and MACs of all rows together."""
    return sum(row.parameters for row in rows), sum(row.macs for row in rows)


def format_table(rows: list[LayerCost]) -> str:
    """The rows as a text table of at most 100 columns, with a line of totals."""
    lines = [f"{'part':8} {'consists of':42} {'output':>12} {'parameters':>13} {'MACs':>15}"]
    for row in rows:
        size = f"{row.output}×{row.output}×{row.channels}"
        lines.append(f"{row.name:8} {row.what:42} {size:>12} {row.parameters:>13,} {row.macs:>15,}")
    parameters, macs = total(rows)
    return "\n".join([*lines, f"{'all':8} {'':42} {'':>12} {parameters:>13,} {macs:>15,}"])


def _parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())
