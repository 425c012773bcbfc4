"""What the commands share: parsing, the one line of an error, the run that is meant if none is named."""

import contextlib
import io
import re
import sys
from pathlib import Path
from typing import Any

import tyro

RUNS = Path("runs")


def parse(args_class: type, command: str, argv: list[str], default: Any = None) -> Any:
    """Parse with tyro; turn the box that it draws around an error into one line."""
    boxed = io.StringIO()
    options = {} if default is None else {"default": default}
    try:
        with contextlib.redirect_stderr(boxed):
            return tyro.cli(args_class, args=argv, prog=f"resnet-tutorial {command}", **options)
    except SystemExit as stop:
        if stop.code:
            sys.exit(fail(f"{_unbox(boxed.getvalue())}; see resnet-tutorial {command} --help", status=2))
        raise


def _unbox(text: str) -> str:
    """The message in tyro's box, without its frame, its title and the help under it, on one line."""
    text = re.sub(r"\x1b\[[0-9;]*m|[╭╮╰╯│─]+|-{4,}", " ", text)
    body = " ".join(text.partition("\n")[2].split())
    return re.split(r"Argument helptext:|For full helptext", body)[0].strip().rstrip(".")


def data_of_run(state: dict, root: Path | None) -> tuple[str, Path | None]:
    """Name and folder of the data set that a run was trained on, unless another folder is named."""
    if root is not None:
        return "auto", root
    return state["run"]["dataset"], Path(state["root"]) if state["root"] else None


def fail(message: str, status: int = 1) -> int:
    print(f"error: {message}", file=sys.stderr)
    return status
