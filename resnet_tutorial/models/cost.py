"""What a network costs: output sizes, parameters, multiply-accumulates (MACs), memory in training, receptive field."""

from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from itertools import groupby

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from ..architectures import Architecture
from ..errors import InputError
from .resnet import ResNet
from .shortcuts import ProjectionShortcut, ZeroPadShortcut

SMALLEST_IMAGE = 8
BYTES_IN_FLOAT32 = 4
HUGE_BATCH = 1 << 34  # divided by it, what is kept once, as weights and statistics are, comes to less than a byte
LAYERS = (nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d, nn.Linear, ZeroPadShortcut)


@dataclass(frozen=True)
class LayerCost:
    """One row of the summary.

    Attributes:
        name: of a part ``conv1``, ``conv2_x`` …, ``fc``; of a layer the module, such as ``stages.0.2.conv1``.
        what: what the row consists of, such as ``3 × [3×3, 16; 3×3, 16]``, or for a layer ``3×3, 16, BN`` (BatchNorm).
        output: height (= width) of the feature maps, 1 behind the pooling.
        channels: channels that leave.
        parameters: trainable numbers, BatchNorm included.
        macs: multiply-accumulates of convolutions and the linear layer, for one image.
        activations: numbers that the backward pass needs from the forward pass, for one image, each counted in the row
            that first keeps it: 4 bytes each in float32, 2 in bfloat16. An index of max-pooling counts twice.
        receptive_field: height (= width), in pixels, of what one output position sees along the longest path. It may be
            larger than the image: the rest is padding.
    """

    name: str
    what: str
    output: int
    channels: int
    parameters: int
    macs: int
    activations: int
    receptive_field: int


def summarize(model: ResNet, image_size: int = 32, *, layers: bool = False) -> list[LayerCost]:
    """Costs of a network for one square image, part by part or layer by layer. Add the rows up with `total`.

    Args:
        model: any network of this package; it is left unchanged. Its options count, also those that change only the
            memory, such as ``checkpoint_activations``.
        image_size: height and width of the image, at least 8.
        layers: whether to return a row for each layer: for each convolution with its BatchNorm and ReLU, and for each
            shortcut but the identity.

    Raises:
        InputError: if the image is too small.
    """
    drop = model.stages[-1][-1].drop
    return summarize_architecture(
        model.arch,
        model.num_classes,
        image_size,
        layers=layers,
        in_channels=model.in_channels,
        stochastic_depth=getattr(drop, "p", 0.0),
        checkpoint_activations=model.checkpoint_activations,
    )


def summarize_architecture(
    arch: Architecture, num_classes: int = 10, image_size: int = 32, *, layers: bool = False, **options
) -> list[LayerCost]:
    """Like `summarize`, from the record of a network: quick for the deepest, as none is built.

    Args:
        arch: the record, from `get_architecture`.
        num_classes: number of classes.
        image_size: height and width of the image, at least 8.
        layers: whether to return a row for each layer.
        options: keyword arguments of `ResNet`.

    Raises:
        InputError: if the image is too small, or `ResNet` refuses a number.
    """
    if image_size < SMALLEST_IMAGE:
        raise InputError(f"image_size must be at least {SMALLEST_IMAGE}, got {image_size}")
    # The blocks between the first and the last of a stage cost the same: one of them is measured and counted often.
    short = replace(arch, name="", blocks=tuple(min(n, 3) for n in arch.blocks))
    measured = _repeat_blocks(_measure(short, num_classes, image_size, **options), arch)
    _set_receptive_fields(measured)
    return [layer.row() for layer in measured] if layers else _parts(measured, arch)


def total(rows: list[LayerCost]) -> tuple[int, int]:
    """Parameters and MACs of all rows together."""
    return sum(row.parameters for row in rows), sum(row.macs for row in rows)


def total_activations(rows: list[LayerCost]) -> int:
    """Numbers that all rows together keep for the backward pass, for one image."""
    return sum(row.activations for row in rows)


@torch.no_grad()
def count_macs(module: nn.Module, x: Tensor) -> tuple[int, Tensor]:
    """Multiply-accumulates of all convolutions and linear layers in one forward pass, and the output.

    Works on the meta device too, where nothing is computed.
    """
    macs = 0

    def count(layer: nn.Module, _inputs: tuple, output: Tensor) -> None:
        nonlocal macs
        macs += _macs(layer, output)

    layers = [m for m in module.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    handles = [layer.register_forward_hook(count) for layer in layers]
    try:
        output = module(x)
    finally:
        for handle in handles:
            handle.remove()
    return macs, output


def format_table(rows: list[LayerCost]) -> str:
    """The rows as a text table with a line of totals; at most 100 columns for the networks as they are."""
    parameters, macs = total(rows)
    head = ("part", "consists of", "output", "parameters", "MACs", "activations", "field")
    cells = [head, *(_cells(row) for row in rows)]
    whole = (parameters, macs, total_activations(rows), rows[-1].receptive_field)
    cells.append(("all", "", "", *(f"{number:,}" for number in whole)))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(_line(row, widths) for row in cells)


def _cells(row: LayerCost) -> tuple[str, ...]:
    size = f"{row.output}×{row.output}×{row.channels}"
    numbers = (row.parameters, row.macs, row.activations, row.receptive_field)
    return (row.name, row.what, size, *(f"{number:,}" for number in numbers))


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    """Words to the left, numbers to the right."""
    pairs = list(zip(cells, widths, strict=True))
    return " ".join([cell.ljust(n) for cell, n in pairs[:2]] + [cell.rjust(n) for cell, n in pairs[2:]])


# --- Layer by layer ---


@dataclass
class _Layer:
    """A layer while it is measured: what becomes a `LayerCost`, and what its receptive field follows from."""

    name: str
    words: list[str] = field(default_factory=list)
    output: int = 1
    channels: int = 0
    parameters: int = 0
    macs: int = 0
    kept: int = 0  # bytes
    kernel: int = 1
    stride: int = 1
    receptive_field: int = 0

    @property
    def is_shortcut(self) -> bool:
        return self.name.endswith(".shortcut")

    @property
    def block(self) -> str:
        """The block that it belongs to, such as ``stages.0.1``; of any other layer its own name."""
        return self.name.rpartition(".")[0] or self.name

    def row(self) -> LayerCost:
        what, activations = ", ".join(self.words), self.kept // BYTES_IN_FLOAT32
        sizes = (self.output, self.channels, self.parameters, self.macs, activations, self.receptive_field)
        return LayerCost(self.name, what, *sizes)


@lru_cache(maxsize=64)  # networks that differ in depth alone share what is measured
def _measure(arch: Architecture, num_classes: int, image_size: int, **options) -> list[_Layer]:
    """Run a network in training mode, with shapes in place of numbers, and note what each layer costs for one image."""
    with torch.inference_mode(False), torch.enable_grad():  # whatever the caller is in
        with torch.device("meta"):
            model = ResNet(arch, num_classes, **options).float()
        images = torch.empty(HUGE_BATCH, model.in_channels, image_size, image_size, device="meta", dtype=torch.float32)
        meter = _Meter(model)
        with saved_tensors_hooks(meter.keep, lambda tensor: tensor):
            model(images)
    return [replace(layer, kept=layer.kept // HUGE_BATCH) for layer in meter.layers.values()]


class _Meter:
    """Hooks in a network, which note the costs of the layer that is running."""

    def __init__(self, model: ResNet):
        self.layers: dict[str, _Layer] = {}
        self.storages: dict[int, torch.UntypedStorage] = {}  # what is kept stays alive, so that its key stays its own
        self.running: _Layer | None = None
        self.on_path: _Layer | None = None  # the newest layer that is not a shortcut
        for path, module in model.named_modules():
            if isinstance(module, LAYERS):
                module.register_forward_pre_hook(partial(self.begin, _layer_name(path)))
                module.register_forward_hook(self.end)
            if isinstance(module, ProjectionShortcut | ZeroPadShortcut):
                module.register_forward_hook(self.leave_shortcut)

    def begin(self, name: str, _module: nn.Module, _inputs: tuple) -> None:
        self.running = self.layers.setdefault(name, _Layer(name))
        if not self.running.is_shortcut:
            self.on_path = self.running

    def end(self, module: nn.Module, _inputs: tuple, output: Tensor) -> None:
        layer = self.running
        layer.words.append(_describe(module))
        layer.parameters += sum(p.numel() for p in module.parameters())
        layer.channels, layer.output = output.shape[1], output.shape[-1] if output.dim() == 4 else 1
        if isinstance(module, nn.Conv2d | nn.Linear):
            layer.macs += _macs(module, output) // len(output)
        if isinstance(module, nn.Conv2d | nn.MaxPool2d):
            layer.kernel, layer.stride = _side(module.kernel_size), _side(module.stride)

    def leave_shortcut(self, *_: object) -> None:
        """The sum and the ReLU behind a shortcut belong to the branch."""
        self.running = self.on_path

    def keep(self, tensor: Tensor) -> Tensor:
        """Autograd keeps a tensor. Views, and tensors kept by several layers, share one storage, which counts once."""
        storage = tensor.untyped_storage()
        if storage._cdata not in self.storages:
            self.storages[storage._cdata] = storage
            self.running.kept += storage.nbytes()
        return tensor


def _layer_name(path: str) -> str:
    """The row of a module: a BatchNorm belongs to its convolution, the inside of a shortcut to the shortcut."""
    head, shortcut, _ = path.partition(".shortcut")
    return head + shortcut if shortcut else path.replace("bn", "conv")


def _describe(module: nn.Module) -> str:
    if isinstance(module, nn.BatchNorm2d):
        return "BN"
    if isinstance(module, nn.Linear):
        return f"{module.out_features}-way linear"
    if isinstance(module, ZeroPadShortcut):
        return f"zeros {module.before}+{module.after}, stride {module.stride}"
    side = _side(module.kernel_size)
    stride = f", stride {_side(module.stride)}" if _side(module.stride) > 1 else ""
    words = f"{side}×{side}, {module.out_channels}" if isinstance(module, nn.Conv2d) else f"max-pool {side}×{side}"
    return words + stride


def _side(size: int | tuple[int, int]) -> int:
    return size if isinstance(size, int) else size[0]


def _macs(layer: nn.Conv2d | nn.Linear, output: Tensor) -> int:
    """Each output number is a sum over one filter: all weights but the leading (output) axis."""
    return output.numel() * layer.weight[0].numel()


def _repeat_blocks(layers: list[_Layer], arch: Architecture) -> list[_Layer]:
    """From the layers of stages with three blocks at most to those of the whole network."""
    whole = []
    for block, group in groupby(layers, key=lambda layer: layer.block):
        _, _, place = block.partition("stages.")
        group = list(group)
        for name in _block_names(arch, *map(int, place.split("."))) if place else [block]:
            whole += [replace(layer, name=layer.name.replace(block, name, 1)) for layer in group]
    return whole


def _block_names(arch: Architecture, stage: int, block: int) -> list[str]:
    """The blocks of the whole network that one of the first, second and third block stands for."""
    last = arch.blocks[stage] - 1
    places = [[0], range(1, max(last, 2)), [last]][block]
    return [f"stages.{stage}.{i}" for i in places]


def _set_receptive_fields(layers: list[_Layer]) -> None:
    """Each kernel adds (its size − 1) × the step between its inputs, in pixels; each stride multiplies the step."""
    size, step, block, entry = 1, 1, "", (1, 1)
    layers[-1].kernel = layers[-2].output  # the average pooling in front of the linear layer
    for layer in layers:
        if layer.block != block:
            block, entry = layer.block, (size, step)
        if layer.is_shortcut:
            layer.receptive_field = entry[0] + (layer.kernel - 1) * entry[1]
            continue
        size, step = size + (layer.kernel - 1) * step, step * layer.stride
        layer.receptive_field = size


# --- Part by part ---


def _parts(layers: list[_Layer], arch: Architecture) -> list[LayerCost]:
    """Add up the layers of each stage; the last one that is not a shortcut says what leaves."""
    names = {f"stages.{i}": stage.name for i, stage in enumerate(arch.stages)}
    words = {f"stages.{i}": arch.describe_stage(stage) for i, stage in enumerate(arch.stages)}
    words["conv1"] = arch.describe_stem().partition(";")[0]
    words["fc"] = f"average pool, {layers[-1].channels}-way linear"
    parts = []
    for key, group in groupby(layers, key=lambda layer: ".".join(layer.name.split(".")[:2])):
        rows = [layer.row() for layer in group]
        last = [row for row in rows if not row.name.endswith(".shortcut")][-1]
        parameters, macs = total(rows)
        costs = {"parameters": parameters, "macs": macs, "activations": total_activations(rows)}
        parts.append(replace(last, name=names.get(key, key), what=words.get(key, last.what), **costs))
    return parts
