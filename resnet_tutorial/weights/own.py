"""Networks of one's own, by the file that defines them: ``my_nets.py:MyNet``."""

import difflib
import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path

from torch import nn

from ..errors import InputError, first_line


def check_network(model: object) -> None:
    """Refuse what is no network, such as the class of one.

    Raises:
        InputError: if it is none.
    """
    if isinstance(model, type):
        raise InputError(f"{model.__name__} is a class: make one, {model.__name__}()")
    if not isinstance(model, nn.Module):
        raise InputError(f"a network is a name or a torch.nn.Module, not {type(model).__name__}: give one of these")


def is_own(name: str) -> bool:
    """Whether a name means a network in a file: no network of the table has a colon in its name."""
    return ":" in name


def own_file(name: str) -> Path:
    """The file in ``FILE.py:NAME``.

    Raises:
        InputError: if it is not there.
    """
    path = Path(name.rpartition(":")[0]).expanduser()
    if not path.is_file() or path.suffix != ".py":
        raise InputError(f"no file {path}: name a network of your own as FILE.py:CLASS")
    return path.resolve()


def find_own(name: str) -> Callable[..., nn.Module]:
    """Run a file of somebody's own, and return the class or function in it that makes a network.

    Args:
        name: ``FILE.py:NAME``.

    Raises:
        InputError: if there is no such file or name, or the file fails.
    """
    file, _, attribute = name.rpartition(":")
    module = _import(own_file(name))
    if not hasattr(module, attribute):
        classes = [
            key for key, value in vars(module).items() if isinstance(value, type) and issubclass(value, nn.Module)
        ]
        near = difflib.get_close_matches(attribute, classes, n=1)
        hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(classes) or 'no network'}"
        raise InputError(f"{file} defines no {attribute}: {hint}")
    return getattr(module, attribute)


def build_own(name: str, num_classes: int, build: Callable[..., nn.Module] | None = None) -> nn.Module:
    """Build a network of somebody's own.

    Args:
        name: ``FILE.py:NAME``. What it names gets ``num_classes`` if it takes such an argument, and nothing otherwise.
        num_classes: number of classes of the data.
        build: what it names, if `find_own` has found it before.

    Raises:
        InputError: as `find_own`; if building fails, or makes no ``nn.Module``.
    """
    build = build or find_own(name)
    try:
        takes = inspect.signature(build).parameters
        network = build(num_classes=num_classes) if "num_classes" in takes else build()
    except Exception as error:  # whatever a stranger's code may raise
        raise InputError(f"{name} cannot be built: {type(error).__name__}: {first_line(error)}") from error
    if not isinstance(network, nn.Module):
        raise InputError(f"{name} makes no torch.nn.Module, but {type(network).__name__}: name a class or a function")
    return network


def _import(path: Path):
    """The module in a file, which finds its neighbors, as a script does."""
    name = f"own_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"  # no other module's
    spec = importlib.util.spec_from_file_location(name, path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)  # dataclasses and the compiler look it up
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever a stranger's code may raise
        del sys.modules[name]
        raise InputError(f"{path.name} does not run: {type(error).__name__}: {first_line(error)}") from error
    return module
