"""CIFAR's batches are pickles, and a pickle can run code. This reader runs none."""

import pickle
from typing import Any, BinaryIO, ClassVar

import numpy as np

from ..errors import first_line

# What Python 2 wrote with protocols 0 to 2 for a dictionary of lists, numbers, strings and an array.
_OPCODES = (
    "PROTO STOP MARK GLOBAL REDUCE BUILD NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG1 "
    "STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE EMPTY_LIST LIST APPEND APPENDS "
    "EMPTY_DICT DICT SETITEM SETITEMS EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 "
    "PUT BINPUT LONG_BINPUT GET BINGET LONG_BINGET"
)


class _Bytes:
    """Stands for NumPy's dtype; the only one admitted is uint8."""

    def __init__(self, code, *flags):
        if code not in ("u1", b"u1"):
            raise pickle.UnpicklingError(f"an array of type {code!r}")

    def __setstate__(self, state):
        pass  # byte order and alignment, which mean nothing for single bytes


class _Array:
    """Stands for NumPy's array while it is read."""

    def __init__(self, subtype, shape, code):
        self.pixels = None

    def __setstate__(self, state):
        _, shape, dtype, is_fortran, content = state
        if type(dtype) is not _Bytes or type(content) is not bytes:
            raise pickle.UnpicklingError("an array of something else than bytes")
        self.pixels = np.frombuffer(content, np.uint8).reshape(shape, order="F" if is_fortran else "C")


_GLOBALS = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy", "ndarray"): None,
    ("numpy", "dtype"): _Bytes,
}


class _Unpickler(pickle._Unpickler):
    """Python's own unpickler, with the opcodes of such a file and stand-ins for the names in it.

    It is the one written in Python: the one in C sets memory aside for any index that a damaged file names.
    """

    dispatch: ClassVar = {
        code[0]: pickle._Unpickler.dispatch[code[0]] for code in (getattr(pickle, name) for name in _OPCODES.split())
    }

    def find_class(self, module, name):
        if (module, name) not in _GLOBALS:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return _GLOBALS[module, name]


def read_batch(file: BinaryIO) -> dict[str, Any]:
    """Read a pickled dictionary of numbers, strings, lists and one array of bytes, as CIFAR's batches are.

    Args:
        file: the pickle, protocol 0 to 2.

    Returns:
        The dictionary: strings as ``bytes`` (Python 2 wrote them), the array as uint8.

    Raises:
        ValueError: if it is damaged or holds anything else; none of it is run.
    """
    try:
        batch = _Unpickler(file, encoding="bytes").load()
        items = {key.decode("latin-1"): value for key, value in batch.items()}
    except Exception as error:  # a damaged pickle can fail in many ways
        raise ValueError(f"no batch of CIFAR: {first_line(error)}") from None
    return {key: value.pixels if type(value) is _Array else value for key, value in items.items()}
