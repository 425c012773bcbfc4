"""CIFAR's batches are pickles, and a pickle can run code. This reader runs none."""

import pickle
from typing import Any, BinaryIO, ClassVar

import numpy as np

from ..errors import first_line

# The names that the pickle of an array holds. NumPy keeps the first of them in different modules.
_NAMES = {"_reconstruct": np.empty(0).__reduce__()[0], "ndarray": np.ndarray, "dtype": np.dtype}


class _Unpickler(pickle._Unpickler):
    """Python's own unpickler, which finds nothing but what arrays need.

    It is the one written in Python: the one in C sets memory aside for any index that a damaged file names. So does a
    byte array for any length, which CIFAR has none of.
    """

    dispatch: ClassVar = {op: do for op, do in pickle._Unpickler.dispatch.items() if op != pickle.BYTEARRAY8[0]}

    def find_class(self, module, name):
        if module.partition(".")[0] != "numpy" or name not in _NAMES:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return _NAMES[name]


def read_batch(file: BinaryIO) -> dict[str, Any]:
    """Read a pickled dictionary of numbers, strings, lists and arrays of bytes, as CIFAR's batches are.

    Args:
        file: the pickle.

    Returns:
        The dictionary: strings as ``bytes`` (Python 2 wrote them), arrays as uint8.

    Raises:
        ValueError: if it is damaged or holds anything else; none of it is run.
    """
    try:
        batch = {key.decode("latin-1"): value for key, value in _Unpickler(file, encoding="bytes").load().items()}
    except Exception as error:  # a damaged pickle can fail in many ways
        raise ValueError(f"no batch of CIFAR: {first_line(error)}") from None
    if any(isinstance(value, np.ndarray) and value.dtype != np.uint8 for value in batch.values()):
        raise ValueError("no batch of CIFAR: an array of something else than bytes")
    return batch
