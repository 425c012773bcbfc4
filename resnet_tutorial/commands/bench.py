"""Measure how fast this machine trains."""

import json
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from ..training import TrainConfig, load_recipe
from ..training.bench import bench
from .arguments import unset
from .common import parse


@dataclass(frozen=True)
class BenchArgs:
    """Measure training and loading on this machine, and estimate how long a recipe takes."""

    models: Annotated[Positional[tuple[str, ...]], arg(metavar="[NETWORK ...]")] = ("resnet20",)
    """Networks to measure."""
    all: bool = False
    """Estimate the time with all other networks, too, scaled from the measured ones by multiply-accumulates."""
    config: Annotated[str, arg(aliases=["-c"])] = "quick"
    """Recipe: the name of a shipped one, or a YAML file."""
    batch_size: Annotated[int | None, unset("INT")] = None
    """Images in a batch; that of the recipe if not given."""
    images: int = 50_000
    """Training images that the estimates are for."""
    repeats: int = 5
    """Times that each figure is measured; the median counts."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Device; auto takes the GPU if there is one."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Precision of the convolutions; auto takes bf16 where the hardware has it."""
    channels_last: bool = True
    """Keep images as N x H x W x C in memory."""
    compile: bool = False
    """Compile the network with torch.compile."""
    cuda_graphs: bool = False
    """Record a whole step and replay it (GPU)."""
    json: bool = False
    """Print JSON, for programs."""


def bench_command(argv: list[str]) -> None:
    args = parse(BenchArgs, "bench", argv)
    recipe = load_recipe(args.config)
    if args.batch_size is not None:
        recipe = replace(recipe, batch_size=args.batch_size)
    settings = ("device", "precision", "channels_last", "compile", "cuda_graphs")
    config = TrainConfig(recipe=recipe, **{name: getattr(args, name) for name in settings})
    report = bench(args.models, config, images=args.images, repeats=args.repeats, others=args.all)
    print(json.dumps(report.as_dict(), indent=2, ensure_ascii=False) if args.json else report)
    if not (args.all or args.json):
        print("\n--all estimates the time with the other networks, too")
