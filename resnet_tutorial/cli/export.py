"""Write a trained network for other programs."""

from ..training.export import export
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
