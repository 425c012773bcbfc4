"""Reading a pickle of `torch.save` in which other things lie beside the tensors, without running any code of it.

torch's own safe reader stops at the first class that it does not know, were it the settings of `argparse`. This one
puts a stand-in, which does nothing, in the place of everything but tensors, and imports nothing that a file names. It
still refuses what has no business beside weights, so that a hostile file, or a pickled network, is called what it is.

The module is what `torch.load` takes as ``pickle_module``.
"""

import io
import math
import pickle
import re
import sys
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import OrderedDict
from typing import Any, BinaryIO

import numpy as np
import torch

# Of the standard library: these modules, which hold types of data, and these names.
DATA_MODULES = {
    *("argparse", "collections", "datetime", "decimal", "enum", "fractions", "ipaddress"),
    *("numbers", "pathlib", "pathlib._local", "time", "typing", "uuid", "zoneinfo"),
}
DATA = {
    "types": {"SimpleNamespace"},
    "copyreg": {"_reconstructor"},
    "builtins": {
        *("bool", "int", "float", "complex", "str", "bytes", "bytearray"),
        *("list", "tuple", "dict", "set", "frozenset", "range", "slice", "object"),
    },
}
# Types of data that are written like functions, and functions of NumPy that make an array, a number or a generator.
LIKE_FUNCTIONS = {"date", "datetime", "time", "timedelta", "timezone", "defaultdict", "deque", "struct_time", "device"}
LIKE_FUNCTIONS |= {"scalar", "dtype", "ndarray", "_reconstruct", "_frombuffer"}
LIKE_FUNCTIONS |= {"__randomstate_ctor", "__generator_ctor", "__bit_generator_ctor"}
# Of NumPy's types those that are numbers, as its pickles name them.
NUMBERS = re.compile(r"[?biufc][0-9]{0,2}")


def _load_from_bytes(data: bytes) -> object:
    """The numbers of a tensor, which ``pickle`` without torch keeps as a file of torch within the file."""
    try:
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception:
        raise pickle.UnpicklingError("unsupported global torch.storage._load_from_bytes") from None


def _encode(text: str, encoding: str) -> bytes:
    """How old pickles write bytes."""
    return text.encode("latin1")


# All functions that are ever called: they make a tensor of numbers that the file holds, or bytes.
FUNCTIONS = {
    "torch._utils._rebuild_tensor": torch._utils._rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": torch._utils._rebuild_tensor_v2,
    "torch._utils._rebuild_parameter": torch._utils._rebuild_parameter,
    "torch.storage._load_from_bytes": _load_from_bytes,
    "_codecs.encode": _encode,
}


class StandIn(dict):
    """What stands for an object of another class. It keeps entries as a dict does, and forgets everything else."""

    __hash__ = object.__hash__  # it may be a key
    __eq__ = object.__eq__
    may_be_made = True

    def __new__(cls, *args: object, **kwargs: object) -> "StandIn":
        if not cls.may_be_made:
            raise pickle.UnpicklingError(f"unsupported global {cls.__name__}")
        return super().__new__(cls)

    def __init__(self, *args: object, **kwargs: object):
        super().__init__()

    def __setstate__(self, state: object) -> None:
        pass

    append = extend = add = __setstate__  # what a pickle calls to fill a list or a set


class Type(StandIn):
    """What stands for a ``numpy.dtype``."""

    def __init__(self, name: object = "", *args: object):
        super().__init__()
        self.name, self.order = name, "|"

    def __setstate__(self, state: object) -> None:
        self.order = state[1]


class Array(StandIn):
    """What stands for an array of NumPy.

    Attributes:
        value: the array; None if it is not one of numbers.
    """

    value: np.ndarray | None = None

    def __setstate__(self, state: object) -> None:
        *_, shape, kind, by_columns, raw = state
        if isinstance(raw, bytes | bytearray) and isinstance(kind, Type) and NUMBERS.fullmatch(str(kind.name)):
            kind = np.dtype(f"{kind.order}{kind.name}")
            if math.prod(shape) * kind.itemsize == len(raw):
                self.value = np.frombuffer(bytes(raw), kind).reshape(shape, order="F" if by_columns else "C")


class Buffer(Array):
    """Likewise, as newer pickles hold it."""

    def __init__(self, raw: object = b"", kind: object = None, shape: object = (), order: object = "C"):
        super().__init__()
        self.__setstate__((shape, kind, order == "F", raw))


ARRAYS = {"_reconstruct": Array, "_frombuffer": Buffer, "dtype": Type}


class Unpickler(pickle._Unpickler):
    """The pure Python one, as `torch.package` uses it: in C, a number in the file can ask for any amount of memory."""

    def find_class(self, module: str, name: str) -> Any:
        """What stands for a class or function in the file.

        Raises:
            pickle.UnpicklingError: if it has no business beside weights.
        """
        module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))  # of Python 2
        path = f"{module}.{name}"
        if path == "collections.OrderedDict":
            return OrderedDict
        if path in FUNCTIONS:
            function = FUNCTIONS[path]
            return lambda *args: function(*args)  # a new one, as a pickle can set attributes of what it is given
        if not _is_data(module, name):
            raise pickle.UnpicklingError(f"unsupported global {path}")
        # A class is told from a function by its capital letter. A function may be named, but not called.
        like_a_class = name.lstrip("_")[:1].isupper() or name in LIKE_FUNCTIONS or name in DATA.get(module, ())
        base = ARRAYS.get(name, StandIn) if module.partition(".")[0] == "numpy" else StandIn
        return type(path, (base,), {"may_be_made": like_a_class})


def load(file: BinaryIO, **options: Any) -> object:
    """As `pickle.load`."""
    return Unpickler(file, **options).load()


def _is_data(module: str, name: str) -> bool:
    """Whether what a file names may be data: of the standard library and torch only what is known to be."""
    library = module.partition(".")[0]
    if library == "torch":  # types such as torch.float32, and optimizers; no networks, and no functions of submodules
        return module == "torch" or module.startswith("torch.optim.")
    if library in sys.stdlib_module_names:
        return module in DATA_MODULES or name in DATA.get(module, ())
    return True
