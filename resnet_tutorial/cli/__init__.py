"""The command line: ``resnet-tutorial COMMAND …``, also as ``python -m resnet_tutorial COMMAND …``.

What a command takes is in `arguments`, what it does in the module of its name, which is imported when the command runs.
`resnet_course` adds the command ``classroom``, by an entry point.
"""

import os
import sys
from importlib import import_module
from importlib.metadata import entry_points, version

from ..errors import InputError
from ..files import refusal
from ..version import __version__
from .arguments import COMMANDS, EVERYDAY
from .common import fail
from .parser import choose, parse
from .start import first_settings

VERSION = "  --version  Print the versions of resnet-tutorial and torch."
GROUP = "resnet_tutorial.commands"  # entry points by which other packages add commands: modules with ``run(argv)``


def main(argv: list[str] | None = None) -> None:
    """Run one command and exit: status 0, or 1 for wrong input, 2 for wrong usage, 130 for Ctrl-C, 143 for SIGTERM."""
    status = 0
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # names of files may hold what the terminal cannot show
    try:
        _run(sys.argv[1:] if argv is None else argv)
    except InputError as error:
        status = fail(str(error))
    except KeyboardInterrupt as stop:
        said = stop.args[0] if stop.args else "nothing half-written is left"
        status = fail(f"interrupted: {said}", status=getattr(stop, "status", 130))
    except BrokenPipeError as error:  # the reader of our output went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1 if error.errno else fail(f"the output was closed: {error}")
    except OSError as error:
        status = fail(refusal(error))
    sys.exit(status)


def _run(argv: list[str]) -> None:
    if argv[:1] == ["--version"]:
        print(f"resnet-tutorial {__version__}, torch {version('torch')}")
        return
    if argv[:1] and argv[0] in COMMANDS:
        name = argv[0]
        start = first_settings if name == "train" else None
        args = parse(COMMANDS[name], name, argv[1:], start, EVERYDAY.get(name, ""))
        import_module(f".{name}", __package__).run(args)
    else:
        more = {each.name: each.load() for each in entry_points(group=GROUP)}
        more[choose(argv, COMMANDS | more, "command", "COMMAND", VERSION)].run(argv[1:])
