"""What a network costs."""

import json
from dataclasses import asdict
from typing import Any

from ..architectures import Architecture, get_architecture
from ..errors import InputError
from ..models import LayerCost, format_table, summarize_architecture, total, total_activations
from ..weights import list_models
from .arguments import SummaryArgs


def run(args: SummaryArgs) -> None:
    many = args.model is None or any(sign in args.model for sign in "*?[")
    if many and args.layers:
        raise InputError("--layers shows one network: name it, as in summary resnet20 --layers")
    names = list_models(args.model or "*") if many else [args.model]
    if not names:
        raise InputError(f"no network matches {args.model!r}: try 'resnet*', 'plain*' or 'preact*'")
    network = args.network
    archs = [get_architecture(name).with_options(network.shortcut, network.stem, network.width) for name in names]
    options = {"in_channels": args.in_channels, "checkpoint_activations": network.checkpoint_activations}
    answers = []
    for arch in archs:
        rows = summarize_architecture(arch, args.num_classes, args.image_size, layers=args.layers, **options)
        if args.json:
            answers.append(_as_dict(arch, rows, args))
        elif many:
            parameters, macs = total(rows)
            size = f"{parameters:>12,} parameters {macs / 1e6:>9,.1f} million MACs"
            print(f"{arch.name:12} {arch.family:12} {arch.block:11} {size}")
        else:
            print(_table(arch, rows, args))
    if args.json:
        print(json.dumps(answers if many else answers[0], indent=2, ensure_ascii=False))


def _table(arch: Architecture, rows: list[LayerCost], args: SummaryArgs) -> str:
    shortcut = "no shortcuts" if arch.kind == "plain" else f"shortcut {arch.shortcut}"
    width = "" if args.network.width == 1 else f", width × {args.network.width:g}"
    image = f"{args.image_size}×{args.image_size}×{args.in_channels}"
    checkpoints = ", with checkpoints" if args.network.checkpoint_activations else ""
    return (
        f"{arch.title}: {shortcut}, {arch.stem} stem{width}, {image} image, {args.num_classes} classes\n"
        f"{format_table(rows)}\n"
        f"activations: numbers kept for the backward pass{checkpoints}; field: receptive field, in pixels"
    )


def _as_dict(arch: Architecture, rows: list[LayerCost], args: SummaryArgs) -> dict[str, Any]:
    parameters, macs = total(rows)
    totals = {"parameters": parameters, "macs": macs, "activations": total_activations(rows)}
    options = {name: getattr(args.network, name) for name in ("stem", "width", "checkpoint_activations")}
    options |= {name: getattr(args, name) for name in ("in_channels", "num_classes", "image_size")}
    return {
        "name": arch.name,
        "title": arch.title,
        "depth": arch.depth,
        "options": options | {"shortcut": arch.shortcut},
        "rows": [asdict(row) for row in rows],
        "totals": totals | {"receptive_field": rows[-1].receptive_field},
    }
