"""What the argument classes of the commands share."""

from collections.abc import Iterable
from glob import glob, has_magic
from pathlib import Path
from typing import Any

from tyro.conf import arg


def unset(metavar: str, **options: Any) -> Any:
    """An argument that need not be given: its help shows neither ``{None}|PATH`` nor ``(default: None)``."""
    return arg(metavar=metavar, help_behavior_hint="", **options)


def expand(paths: Iterable[Path]) -> list[Path]:
    """Resolve patterns such as ``runs/*``, which the shells of Windows leave to the program.

    A pattern that nothing matches stays as it is, for the error message.
    """
    expanded = []
    for path in paths:
        pattern = has_magic(str(path)) and not path.exists()
        found = sorted(map(Path, glob(str(path)))) if pattern else []
        expanded += found or [path]
    return expanded
