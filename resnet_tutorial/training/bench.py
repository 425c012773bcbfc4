"""How fast this machine trains: images a second, the share of its peak, and how long recipes would take."""

import itertools
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

import torch

from ..architectures import get_architecture
from ..data import ImageDataset
from ..errors import InputError
from ..models.cost import summarize_architecture, total
from ..text import duration, text_table
from ..weights import list_models
from .config import TrainConfig
from .device import DTYPES, Device
from .engine import train_epoch
from .parts import Parts, chosen_kernels, make_parts, pick_device
from .recipe import Recipe
from .recipe_text import recipe_summary
from .record import describe_machine, name_device

CLASSES = 10
PREPARED = 4  # batches that the steps take turns with
MATRIX = {"cpu": 1024, "mps": 4096, "cuda": 8192}  # sides of the matrices that find the peak
FORWARD_AND_BACKWARD = 3  # the gradients of inputs and of weights cost as much as the forward pass, each
FLOPS_IN_MAC = 2  # a multiplication and an addition


@dataclass(frozen=True)
class Speed:
    """What was measured of one network.

    Attributes:
        model: name of the network.
        batch_size: images in a batch.
        images_per_second: of the training step alone, the median of the repeats.
        slowest, fastest: the lowest and the highest of the repeats.
        flops: floating-point operations a second: images a second × MACs × 2 × 3, see `training_flops`.
        of_peak: share of the machine's peak (`measure_peak`), from 0 to 1.
    """

    model: str
    batch_size: int
    images_per_second: float
    slowest: float
    fastest: float
    flops: float
    of_peak: float


@dataclass(frozen=True)
class Estimate:
    """How long a recipe would take with one network.

    Attributes:
        model: name of the network.
        images_per_second: of the step together with the preparation of the batches.
        seconds: the whole run: training, validation after every epoch, the test.
        scaled_from: the network whose step was measured, if not this one: the time of a step is taken to grow with
            the MACs. None if this network itself was measured.
    """

    model: str
    images_per_second: float
    seconds: float
    scaled_from: str | None


@dataclass(frozen=True)
class Report:
    """What `bench` finds.

    Attributes:
        machine: processor, accelerator, versions.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        peak_flops: floating-point operations a second in a product of large matrices, in that precision.
        loader_images_per_second: of the preparation of training batches alone.
        speeds: one for each network that was measured.
        images: number of training images that the estimates are for, before validation is held out of them.
        test_images: number of test images, likewise.
        recipe: the recipe in short.
        estimates: one for each network that was measured, in their order; then, if asked for, for all others.
    """

    machine: dict
    precision: str
    peak_flops: float
    loader_images_per_second: float
    speeds: tuple[Speed, ...]
    images: int
    test_images: int
    recipe: str
    estimates: tuple[Estimate, ...]

    def __str__(self) -> str:
        return _format(self)

    def as_dict(self) -> dict:
        """Plain data, for JSON."""
        return asdict(self)


def bench(
    models: Sequence[str] = ("resnet20",),
    config: TrainConfig | None = None,
    *,
    images: int = 50_000,
    test_images: int = 10_000,
    repeats: int = 5,
    seconds: float = 1.0,
    others: bool = False,
) -> Report:
    """Measure the training step of networks and the loader on this machine, and estimate the time of a recipe.

    What runs is what a run is made of, on images of noise of 32×32, with a learning rate of zero. After a warm-up each
    figure is measured ``repeats`` times; the median counts.

    Args:
        models: networks to measure.
        config: recipe, device, precision and the like; its model, data and folder are not looked at.
        images: number of training images that the estimates are for.
        test_images: number of test images, likewise.
        repeats: number of times that each figure is measured.
        seconds: time of one measurement, about.
        others: whether to estimate the time with all other networks, too, scaled from the measured ones.

    Raises:
        InputError: if a name or a number is wrong, or the device asked for is not there.
    """
    config = config or TrainConfig()
    for name, value in (("images", images), ("test_images", test_images), ("repeats", repeats)):
        if value < 1:
            raise InputError(f"{name} must be at least 1, got {value}")
    if not models:
        raise InputError("no network named: give one or more to measure, such as resnet20")
    names = list(dict.fromkeys(get_architecture(name).name for name in models))
    estimated = [*names, *(name for name in list_models() if others and name not in names)]
    device = pick_device(config)
    peak = measure_peak(device, repeats)
    parts = {name: _parts(replace(config, model=name)) for name in names}
    with chosen_kernels(config.deterministic):
        speeds = tuple(_measure(name, each, peak, repeats, seconds) for name, each in parts.items())
    loader = _measure_loader(parts[names[0]], repeats)
    recipe = config.recipe
    return Report(
        machine=describe_machine(device.device),
        precision=device.precision,
        peak_flops=peak,
        loader_images_per_second=loader,
        speeds=speeds,
        images=images,
        test_images=test_images,
        recipe=recipe_summary(recipe).strip().replace("\n", "; "),
        estimates=tuple(estimate(name, speeds, loader, recipe, images, test_images) for name in estimated),
    )


def training_flops(macs: int) -> int:
    """Floating-point operations of training on one image: MACs × 2 × 3.

    A multiply-accumulate is two operations. The backward pass computes the gradient of the inputs and that of the
    weights, each with as many operations as the forward pass. BatchNorm, ReLU and the optimizer are not counted.
    """
    return macs * FLOPS_IN_MAC * FORWARD_AND_BACKWARD


def estimate(
    model: str, speeds: Sequence[Speed], loader: float, recipe: Recipe, images: int, test_images: int
) -> Estimate:
    """Estimate the time of a run.

    A network that was not measured is scaled from the measured one with the nearest number of MACs, as if the time
    grew with them. Small networks use less of a machine than large ones, so it is a rough figure. The preparation of a
    batch and the step are taken to follow each other; evaluation, a forward pass, to take a third of a step; a step on
    images that still grow, to take the share of their area.

    Args:
        model: name of the network.
        speeds: what was measured.
        loader: images a second of the loader.
        recipe: the recipe.
        images: number of training images, before validation is held out.
        test_images: number of test images.
    """
    basis, factor = nearest(model, speeds)
    held = round(recipe.validation * images)
    per_epoch = math.ceil((images - held) / recipe.batch_size)
    trained = recipe.total_steps(per_epoch) / per_epoch * (images - held)
    epochs = recipe.total_epochs(per_epoch)
    scored = epochs * held + test_images
    step = factor / basis.images_per_second  # seconds for an image of full size
    an_image = step * statistics.mean(recipe.arithmetic(epochs)) + 1 / loader
    seconds = trained * an_image + scored * (step / FORWARD_AND_BACKWARD + 1 / loader)
    return Estimate(model, 1 / an_image, seconds, None if basis.model == model else basis.model)


def nearest(model: str, measured: Sequence[Any]) -> tuple[Any, float]:
    """What the time of a network is scaled from.

    Args:
        model: name of the network.
        measured: measurements, each of the network in its ``model``.

    Returns:
        The measurement of this network, else of the one with the nearest number of MACs; and the MACs of this network
        in those of that one.
    """
    macs = _macs(model)
    basis = min(measured, key=lambda each: (each.model != model, abs(math.log(_macs(each.model) / macs))))
    return basis, macs / _macs(basis.model)


def measure_peak(device: Device, repeats: int = 5, side: int | None = None) -> float:
    """Floating-point operations a second of a product of two square matrices, the best of the repeats.

    It is what this machine's libraries reach, not what its data sheet promises. In float32 on a GPU the product may use
    TF32, as convolutions do by default.

    Args:
        device: where, and in which precision.
        repeats: number of products that are timed, after one that is not.
        side: height and width of the matrices; by default 1024 on a CPU and 8192 on a CUDA GPU.
    """
    side = side or MATRIX[device.device.type]
    dtype = DTYPES[device.precision] or torch.float32
    a, b = (torch.randn(side, side, device=device.device, dtype=dtype) for _ in range(2))
    before = torch.get_float32_matmul_precision()
    if device.device.type == "cuda" and torch.backends.cudnn.allow_tf32:
        torch.set_float32_matmul_precision("high")
    try:
        times = [_time(lambda: a @ b, device) for _ in range(repeats + 1)][1:]
    finally:
        torch.set_float32_matmul_precision(before)
    return FLOPS_IN_MAC * side**3 / min(times)


def _time(work: Callable[[], object], device: Device) -> float:
    _wait(device)
    started = time.perf_counter()
    work()
    _wait(device)
    return time.perf_counter() - started


def _wait(device: Device) -> None:
    if device.device.type != "cpu":
        getattr(torch, device.device.type).synchronize()


@lru_cache(maxsize=256)
def _macs(model: str) -> int:
    return total(summarize_architecture(get_architecture(model), CLASSES))[1]


def _parts(config: TrainConfig) -> Parts:
    """What trains, on noise."""
    recipe = config.recipe
    n = math.ceil(PREPARED * recipe.batch_size / (1 - recipe.validation)) + 1
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 256, (n, 32, 32, 3), dtype=torch.uint8, generator=generator)
    data = ImageDataset(noise, torch.arange(n) % CLASSES, tuple(map(str, range(CLASSES))), "noise", "train")
    parts = make_parts(replace(config, train_size=None), data)
    for group in parts.optimizer.param_groups:
        group["lr"] = 0.0  # the network stays as it is, whatever the recipe
    return parts


def _measure(name: str, parts: Parts, peak: float, repeats: int, seconds: float) -> Speed:
    """Time the steps on a few batches that are prepared, so that the loader plays no part."""
    prepared = list(itertools.islice(parts.batches, PREPARED))

    def run(steps: int) -> float:
        return train_epoch(
            parts.step_model,
            itertools.islice(itertools.cycle(prepared), steps),
            parts.optimizer,
            parts.device,
            ema=parts.ema,
            step=parts.step,
        )["images_per_second"]

    run(2 * PREPARED)  # compiles and records, where that is asked for
    batch = len(prepared[0][1])
    steps = max(1, round(seconds * run(1) / batch))
    rates = [run(steps) for _ in range(repeats)]
    median = statistics.median(rates)
    flops = median * training_flops(_macs(name))
    return Speed(name, batch, median, min(rates), max(rates), flops, flops / peak)


def _measure_loader(parts: Parts, repeats: int) -> float:
    def run() -> None:
        for _ in parts.batches:
            pass

    run()
    images = len(parts.train_set)
    return images / statistics.median(_time(run, parts.device) for _ in range(repeats))


# As text


def _format(report: Report) -> str:
    machine = report.machine
    where = name_device(machine)
    threads = machine["threads"]
    peak, unit = _flops(report.peak_flops).split()
    measured = [("  peak", peak, f"{unit} in a product of large matrices")]
    measured.append(("  loader", f"{report.loader_images_per_second:,.0f}", "images/s prepared"))
    for speed in report.speeds:
        spread = f"images/s ({speed.slowest:,.0f} to {speed.fastest:,.0f}), batch {speed.batch_size}"
        how = f"{spread}: {_flops(speed.flops)}, {speed.of_peak:.0%} of the peak"
        measured.append((f"  {speed.model}", f"{speed.images_per_second:,.0f}", how))
    estimated = []
    for row in report.estimates:
        rate = format_rate(row.images_per_second)
        how = "its own step" if row.scaled_from is None else f"the step of {row.scaled_from}, scaled by MACs"
        estimated.append((f"  {row.model}", rate, "images/s", f"{duration(row.seconds)},", f"from {how}"))
    lines = [
        f"{where}, {threads} thread{'s' * (threads != 1)}, torch {machine['torch']}, {report.precision}",
        "",
        "measured",
        text_table(measured, "<><", gap=" "),
        "  (training steps: median, slowest and fastest repeat; operations: MACs × 2 × 3, for forward and backward)",
        "",
        f"estimated: a whole run on {report.images:,} training images, with validation and test",
        f"  recipe: {report.recipe}",
        text_table(estimated, "<><><", gap=" "),
    ]
    return "\n".join(lines)


def format_rate(rate: float) -> str:
    """Images per second, with one decimal where they are few."""
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"


def _flops(flops: float) -> str:
    """Operations a second with the unit that leaves a number above 1."""
    for unit, size in (("TFLOP/s", 1e12), ("GFLOP/s", 1e9)):
        if flops >= size:
            return f"{flops / size:,.1f} {unit}"
    return f"{flops / 1e6:,.1f} MFLOP/s"
