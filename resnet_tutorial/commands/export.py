"""Write a trained network for other programs."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tyro.conf import OmitArgPrefixes, Positional

from ..training.export import export
from .common import parse
from .trained import WeightsArgs


@dataclass(frozen=True)
class ExportArgs:
    """Write a trained network as ONNX (.onnx), torch.export (.pt2) or weights (.safetensors)."""

    file: Positional[Path]
    """File to write; its suffix says the format."""
    checkpoint: Positional[Path | None] = None
    """Folder or checkpoint of a run, or a file of weights; the newest run in runs/ if not given."""
    input: Literal["uint8", "unit", "normalized"] = "uint8"
    """Images that the program takes: uint8 N×H×W×3; unit, float N×3×H×W from 0 to 1; normalized, likewise, with mean
    and standard deviation already applied."""
    weights: OmitArgPrefixes[WeightsArgs] = field(default_factory=WeightsArgs)


def export_command(argv: list[str]) -> None:
    args = parse(ExportArgs, "export", argv)
    trained = args.weights.load(args.checkpoint)
    exported = export(trained, args.file, input=args.input)
    checked = f"its answers differ by at most {exported.difference:.1g}" if exported.note == "" else exported.note
    print(f"{trained.describe()}, is in {exported.path}: {checked}")
