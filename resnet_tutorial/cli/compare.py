"""Put runs side by side."""

import io
import json
import sys

from ..errors import InputError
from ..figures.results import compare
from ..files import write_atomic
from .arguments import CompareArgs

PLOT_SUFFIXES = (".png", ".svg", ".pdf")


def run(args: CompareArgs) -> None:
    if not args.runs:
        raise InputError("no runs named: give folders of runs or records (.json), as in runs/*")
    if args.plot and args.plot.suffix not in PLOT_SUFFIXES:
        raise InputError(f"a plot is written as .png, .svg or .pdf, not {args.plot.name}")
    comparison = compare(args.runs)
    print(json.dumps(comparison.as_dict(), indent=2, ensure_ascii=False) if args.json else comparison)
    if args.plot:
        try:
            from ..figures.plots import show_runs
        except ImportError as error:
            raise InputError(f"plots need the package {error.name}: pip install 'resnet-tutorial[book]'") from None
        content = io.BytesIO()
        runs = [run for each in comparison.experiments for run in each.runs]
        show_runs(runs).figure.savefig(content, format=args.plot.suffix[1:], dpi=150)
        write_atomic(args.plot, content.getvalue())
        print(f"curves: {args.plot}", file=sys.stderr if args.json else sys.stdout)
