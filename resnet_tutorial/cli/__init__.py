"""The command line: ``resnet-tutorial COMMAND …``, also as ``python -m resnet_tutorial COMMAND …``.

What a command takes is in `arguments`, what it does in the module of its name, which is imported when the command runs.
"""

import difflib
import os
import sys
from collections.abc import Mapping
from importlib import import_module

from ..errors import InputError
from ..version import __version__
from .arguments import COMMANDS, STEPS
from .common import fail
from .parser import parse
from .start import first_settings


def main(argv: list[str] | None = None) -> None:
    """Run one command and exit: status 0, or 1 for wrong input, 2 for wrong usage, 130 for Ctrl-C, 143 for SIGTERM."""
    status = 0
    try:
        _run(sys.argv[1:] if argv is None else argv)
    except InputError as error:
        status = fail(str(error))
    except KeyboardInterrupt as stop:
        said = stop.args[0] if stop.args else "nothing half-written is left"
        status = fail(f"interrupted: {said}", status=getattr(stop, "status", 130))
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    sys.exit(status)


def _run(argv: list[str]) -> None:
    if argv[:1] == ["--version"]:
        import torch  # its metadata may leave out for which CUDA it was built

        print(f"resnet-tutorial {__version__}, torch {torch.__version__}")
        return
    version = "  --version  Print the versions of resnet-tutorial and torch."
    name = _choose(argv, COMMANDS, "command", "COMMAND", version)
    if name == "classroom":
        step = _choose(argv[1:], STEPS, "step of classroom", "classroom STEP")
        args = parse(STEPS[step], f"classroom {step}", argv[2:])
    else:
        args = parse(COMMANDS[name], name, argv[1:], first_settings if name == "train" else None)
    import_module(f".{name}", __package__).run(args)


def _choose(argv: list[str], choices: Mapping[str, type], what: str, usage: str, *more: str) -> str:
    """The command or step named first; without one, all of them are listed."""
    if not argv or argv[0] in ("-h", "--help"):
        lines = [f"  {name:10} {args_class.__doc__}" for name, args_class in choices.items()]
        print(f"usage: resnet-tutorial {usage} [OPTIONS]\n\neach with --help:", *lines, *more, sep="\n", flush=True)
        sys.exit(0)
    if argv[0] in choices:
        return argv[0]
    near = difflib.get_close_matches(argv[0], choices, n=1)
    hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(choices)}"
    sys.exit(fail(f"no {what} is called {argv[0]!r}: {hint}", status=2))
