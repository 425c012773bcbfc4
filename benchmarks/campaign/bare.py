"""Stand-ins for two packages of the command line that a bare machine may lack, so that runs can be trained there.

`tyro` reads flags and `platformdirs` names the user's cache folder. A campaign needs neither, but the package imports
both. Where one is missing, `stand_in` puts the few names that are imported in its place.
"""

import importlib
import os
import sys
from types import ModuleType


class _Unmarked:
    """In place of a marker of tyro: ``Marker[kind]`` is ``kind``."""

    def __class_getitem__(cls, kind: type) -> type:
        return kind


def _tyro() -> dict[str, ModuleType]:
    tyro, conf = ModuleType("tyro"), ModuleType("tyro.conf")
    conf.arg = lambda **options: None
    conf.OmitArgPrefixes = _Unmarked
    tyro.conf = conf
    return {"tyro": tyro, "tyro.conf": conf}


def _platformdirs() -> dict[str, ModuleType]:
    module = ModuleType("platformdirs")
    module.user_cache_dir = lambda name: os.path.expanduser(f"~/.cache/{name}")
    return {"platformdirs": module}


def stand_in() -> list[str]:
    """Put stand-ins where a package cannot be imported; return the names of those packages."""
    missing = []
    for name, make in (("tyro", _tyro), ("platformdirs", _platformdirs)):
        try:
            importlib.import_module(name)
        except ImportError:
            sys.modules.update(make())
            missing.append(name)
    return missing
