"""The command line: ``resnet-tutorial COMMAND …``, also as ``python -m resnet_tutorial COMMAND …``.

The commands themselves are in `resnet_tutorial.commands`.
"""

import difflib
import os
import sys
from collections.abc import Callable

import torch

from . import __version__
from .commands.bench import BenchArgs, bench_command
from .commands.classroom import ClassroomArgs, classroom_command
from .commands.common import fail
from .commands.compare import CompareArgs, compare_command
from .commands.download import DownloadArgs, download_command
from .commands.evaluate import EvaluateArgs, evaluate_command
from .commands.export import ExportArgs, export_command
from .commands.networks import IdentifyArgs, SummaryArgs, identify_command, summary_command
from .commands.predict import PredictArgs, predict_command
from .commands.recipes import RecipesArgs, recipes_command
from .commands.train import TrainArgs, train_command
from .errors import InputError

COMMANDS: dict[str, tuple[Callable[[list[str]], None], type]] = {
    "train": (train_command, TrainArgs),
    "evaluate": (evaluate_command, EvaluateArgs),
    "predict": (predict_command, PredictArgs),
    "export": (export_command, ExportArgs),
    "compare": (compare_command, CompareArgs),
    "bench": (bench_command, BenchArgs),
    "summary": (summary_command, SummaryArgs),
    "identify": (identify_command, IdentifyArgs),
    "download": (download_command, DownloadArgs),
    "recipes": (recipes_command, RecipesArgs),
    "classroom": (classroom_command, ClassroomArgs),
}


def main(argv: list[str] | None = None) -> None:
    """Run one command and exit: status 0, or 1 for wrong input, 2 for wrong usage, 130 for Ctrl-C, 143 for SIGTERM."""
    argv = sys.argv[1:] if argv is None else argv
    try:
        status = _dispatch(argv)
    except InputError as error:
        status = fail(str(error))
    except KeyboardInterrupt as stop:
        said = stop.args[0] if stop.args else "nothing half-written is left"
        status = fail(f"interrupted: {said}", status=getattr(stop, "status", 130))
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    sys.exit(status)


def _dispatch(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        print("usage: resnet-tutorial COMMAND [OPTIONS]\n\ncommands (each with --help):")
        for name, (_, args_class) in COMMANDS.items():
            print(f"  {name:10} {args_class.__doc__}")
        print("\n  --version  Print the versions of resnet-tutorial and torch.")
        return 0
    if argv[0] == "--version":
        print(f"resnet-tutorial {__version__}, torch {torch.__version__}")
        return 0
    if argv[0] in COMMANDS:
        COMMANDS[argv[0]][0](argv[1:])
        return 0
    near = difflib.get_close_matches(argv[0], COMMANDS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(COMMANDS)}"
    return fail(f"no command is called {argv[0]!r}: {hint}", status=2)
