"""Object arrays and pickles read as data: numbers, text, None, and arrays, lists and dicts of them.

``numpy.savez`` writes an array of Python objects as a pickle, and opening a pickle runs what it
asks for. Here it runs nothing: the few names that numpy's own arrays need are read as records, from
which the arrays are then made and checked; any other name is refused.
"""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

from dmrnet.data.files.arrays.numbers import Array

_TYPE = re.compile(r"([biufUS])(\d{1,9})")


class _Dtype:
    """Record of a ``numpy.dtype``."""

    def __init__(self, code: object, align: object = False, copy: object = False) -> None:
        self.code, self.order = code, "="

    def __setstate__(self, state: Any) -> None:  # noqa: ANN401
        self.order = state[1]

    @property
    def is_object(self) -> bool:
        return self.code in ("O", "O8")

    def made(self) -> np.dtype[Any]:
        """Return the type; raise ValueError if it is no type of numbers or text."""
        if not isinstance(self.code, str) or not _TYPE.fullmatch(self.code):
            raise ValueError(f"it holds an array of type {self.code!r}")
        order = self.order if self.order in ("<", ">") else "="
        return np.dtype(f"{order}{self.code}")


class _Array:
    """Record of an array; what follows in the pickle sets its shape, type and content."""

    def __init__(self, *arguments: object) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:  # noqa: ANN401
        self.state = state


class _Scalar:
    """Record of one number of numpy's."""

    def __init__(self, dtype: object, content: object = b"") -> None:
        self.dtype, self.content = dtype, content


class _Name:
    """Stands for ``numpy.ndarray`` where the pickle passes the class on."""


def _encode(text: str, encoding: str) -> bytes:
    """Return the bytes that text stands for, in pickles of protocol 2."""
    if encoding not in ("latin1", "latin-1"):
        raise ValueError(f"it holds bytes written as {encoding!r}")
    return text.encode("latin-1")


_RECORDS: dict[tuple[str, str], Any] = {
    ("multiarray", "_reconstruct"): _Array,
    ("multiarray", "scalar"): _Scalar,
    ("numpy", "ndarray"): _Name,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
    # Protocol 2 writes the content of an empty array as a call without arguments.
    ("__builtin__", "bytes"): lambda: b"",
    ("builtins", "bytes"): lambda: b"",
    # What pandas writes for a missing value.
    ("pandas", "NA"): None,
    ("pandas._libs.missing", "NA"): None,
}


class _Reader(pickle.Unpickler):
    """Reads a pickle into records; a name that is not in `_RECORDS` is refused."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401
        # numpy 2 moved the module of these functions.
        key = (module.removeprefix("numpy.").removeprefix("_").removeprefix("core."), name)
        for one in ((module, name), key):
            if one in _RECORDS:
                return _RECORDS[one]
        raise ValueError(f"it asks for {module}.{name}, which is neither number nor text")


def read_npy(stream: BinaryIO) -> Array:
    """Return the array of a ``.npy`` file; one of Python objects is read as data.

    Nothing that a file names is run. Objects may be numbers, text, None, and arrays, lists, tuples
    and dicts of them.

    Raises:
        ValueError: If the file is damaged, or holds other objects.
    """
    try:
        return _read(stream)
    # Reading damaged bytes raises nearly anything.
    except Exception as error:
        raise ValueError(str(error) or type(error).__name__) from error


def _read(stream: BinaryIO) -> Array:
    version = np.lib.format.read_magic(stream)
    one, two = np.lib.format.read_array_header_1_0, np.lib.format.read_array_header_2_0
    shape, _, dtype = (one if version == (1, 0) else two)(stream)
    if not dtype.hasobject:
        stream.seek(0)
        return np.asarray(np.lib.format.read_array(stream, allow_pickle=False))
    value = _made(_Reader(stream).load(), {})
    if shape == () and not (isinstance(value, np.ndarray) and value.shape == ()):
        # An array without axes is pickled as the object itself or as an array of it.
        array = np.empty((), dtype=object)
        array[()] = value
        return array
    if not isinstance(value, np.ndarray) or value.shape != shape or dtype.kind != "O":
        raise ValueError(f"expected objects of shape {shape}, got {type(value).__name__}")
    return value


def _made(value: Any, known: dict[int, Any]) -> Any:  # noqa: ANN401
    """Return what a record stands for; `known` holds what was made, by the record's id."""
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        return value
    if id(value) not in known:
        for kind, make in _MAKERS.items():
            if isinstance(value, kind):
                known[id(value)] = make(value, known)
                break
        else:
            raise ValueError(f"it holds a {type(value).__name__.strip('_').lower()}")
    return known[id(value)]


def _list(value: Any, known: dict[int, Any]) -> Any:  # noqa: ANN401
    return type(value)(_made(one, known) for one in value)


def _dict(value: Any, known: dict[int, Any]) -> Any:  # noqa: ANN401
    return {_made(key, known): _made(one, known) for key, one in value.items()}


def _scalar(value: _Scalar, known: dict[int, Any]) -> Any:  # noqa: ANN401
    if not isinstance(value.dtype, _Dtype) or not isinstance(value.content, bytes):
        raise ValueError("it holds a number of an unknown type")
    (number,) = np.frombuffer(value.content, value.dtype.made())
    return number


def _array(value: _Array, known: dict[int, Any]) -> Array:
    _, shape, dtype, fortran, content = value.state
    if not all(isinstance(size, int) and size >= 0 for size in shape):
        raise ValueError("it holds an array of no shape")
    order = "F" if fortran else "C"
    if dtype.is_object:
        if not isinstance(content, list) or len(content) != math.prod(shape):
            raise ValueError(f"it holds too few objects for an array of shape {shape}")
        array = np.empty(len(content), dtype=object)
        for row, one in enumerate(content):
            array[row] = _made(one, known)
    else:
        array = np.frombuffer(content, dtype.made())
    return array.reshape(shape, order=order)  # type: ignore[call-overload,no-any-return]


_MAKERS: dict[type, Callable[[Any, dict[int, Any]], Any]] = {
    list: _list,
    tuple: _list,
    dict: _dict,
    _Scalar: _scalar,
    _Array: _array,
}
