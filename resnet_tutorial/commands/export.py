"""Write a trained network for other programs."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import OmitArgPrefixes, Positional, arg

from ..training.export import export
from .arguments import unset
from .common import parse
from .trained import WeightsArgs


@dataclass(frozen=True)
class ExportArgs:
    """Write a trained network as ONNX (.onnx), torch.export (.pt2) or weights (.safetensors)."""

    file: Annotated[Positional[Path], arg(metavar="FILE")]
    """File to write; its suffix says the format."""
    checkpoint: Annotated[Positional[Path | None], unset("[RUN]")] = None
    """Folder or checkpoint of a run, a file of weights, or a trained network of the package, as
    resnet20.cifar10-jpeg; the newest run in runs/ if not given."""
    input: Literal["uint8", "unit", "normalized"] = "uint8"
    """RGB images: uint8 N×H×W×3; unit, float N×3×H×W from 0 to 1; normalized, likewise, with mean and std applied."""
    weights: OmitArgPrefixes[WeightsArgs] = field(default_factory=WeightsArgs)


def export_command(argv: list[str]) -> None:
    args = parse(ExportArgs, "export", argv)
    trained = args.weights.load(args.checkpoint)
    exported = export(trained, args.file, input=args.input)
    checked = (
        f"its answers differ from the network's by at most {exported.difference:.1g}"
        if exported.note == ""
        else exported.note
    )
    print(f"{trained.describe()}, is in {exported.path}: {checked}")
    print(exported.usage)
