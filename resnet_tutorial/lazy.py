"""Names that a package imports when they are first asked for: ``import resnet_tutorial`` does not wait for torch."""

import ast
import inspect
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any


def lazy_imports(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Make ``__getattr__`` and ``__dir__`` of a package (PEP 562) from its imports under ``if TYPE_CHECKING:``.

    Editors and type checkers read those imports; Python skips them, until one of their names is asked for. No such name
    may be that of a module beside it, which Python would put into its place.

    Args:
        package: the package, in whose ``__init__.py`` both functions belong.
    """
    module = sys.modules[package]
    statements = ast.walk(ast.parse(inspect.getsource(module)))
    imports = [each for each in statements if isinstance(each, ast.ImportFrom) and each.level == 1]
    origins = {alias.name: each.module for each in imports for alias in each.names}
    submodules = {origin.partition(".")[0] for origin in origins.values()}

    def __getattr__(name: str) -> Any:
        if name in origins:
            value = getattr(import_module(f".{origins[name]}", package), name)
        elif name in submodules:
            value = import_module(f".{name}", package)
        else:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        setattr(module, name, value)  # next time Python finds it by itself
        return value

    def __dir__() -> list[str]:
        return sorted({*vars(module), *origins, *submodules})

    return __getattr__, __dir__
