"""Write a trained network for other programs."""

from ..training.export import export
from ..training.scores import some_classes
from .arguments import ExportArgs
from .common import load


def run(args: ExportArgs) -> None:
    trained = load(args.checkpoint, args.weights)
    exported = export(trained, args.file, input=args.input)
    checked = exported.note or f"its answers differ from the network's by at most {exported.difference:.1g}"
    print(f"{trained.describe()}, is in {exported.path}: {checked}")
    if trained.guess:
        print(f"note: the file says so, too: {trained.guess}")
    print(exported.usage)
    mean, std = (" ".join(f"{value:.4f}" for value in values) for values in (trained.mean, trained.std))
    inside = args.input != "normalized" and exported.path.suffix != ".safetensors"
    print(f"classes in the order of the logits: {some_classes(trained.class_names)}")
    print(
        f"images of {trained.image_size}×{trained.image_size}, mean {mean}, std {std}: "
        + ("the file itself applies them" if inside else "to be applied on the scale 0 to 1")
    )
