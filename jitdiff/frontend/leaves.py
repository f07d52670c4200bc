"""What becomes of each leaf of an argument: traced under a type, or static and part of the specialisation.

Arrays, NumPy scalars and floats are traced. Integers are traced until a trace asks for their number; from then on they
are static. Everything else that can be hashed is static.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from jitdiff.errors import ArgumentError, ArgumentTypeError
from jitdiff.ir import ArrayType
from jitdiff.ir.dtypes import SCALARS, is_supported
from jitdiff.ir.location import caller, describe
from jitdiff.ops import Handle
from jitdiff.ops.admission import admitted, refusal

FLOAT = ArrayType(np.dtype(np.float64), (), weak=True)
INT = ArrayType(np.dtype(np.int64), (), weak=True)

_INT64 = range(-(2**63), 2**63)


class Static:
    """A value that a specialisation is made for; equal only to an equal value of the same type, all through.

    Parameters
    ----------
    value : hashable
        The value.
    name : str
        Name of the argument, for the message when it cannot be hashed.

    Examples
    --------
    >>> Static(1) == Static(1), Static(1) == Static(True), Static((1, 2)) == Static((1, 2.0))
    (True, False, False)
    """

    __slots__ = ("_hash", "_key", "value")

    def __init__(self, value: Any, name: str = "") -> None:
        self._key = exact(value)
        try:
            self._hash = hash(self._key)
        except TypeError:
            raise ArgumentTypeError(
                f"the argument {name or 'here'} is static and must be hashable, and a {type(value).__name__} is not",
                where=describe(caller()),
                hint="pass a tuple or a frozen dataclass, or numbers as arrays",
            ) from None
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Static) and self._key == other._key

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return repr(self.value)


def exact(value: Any) -> tuple[Any, ...]:
    """Return a key that tells apart what ``==`` takes for equal: 1, True and 1.0, or 0.0 and -0.0."""
    kind = type(value)
    if kind is tuple:
        return (kind, *map(exact, value))
    if kind is frozenset:
        return kind, frozenset(map(exact, value))
    return kind, repr(value) if kind is float else value


Kind = ArrayType | Static
"""How one leaf takes part in a trace."""


def kind_of(x: Any, name: str = "", *, static: bool = False) -> Kind:
    """Return the type that `x` is traced under, or `x` as a static value.

    Parameters
    ----------
    x : object
        A leaf.
    name : str
        Its name in messages.
    static : bool
        Make an integer static.

    Raises
    ------
    DtypeError
        For an array of objects, strings, complex numbers and the like.
    ArgumentTypeError
        For a value that can neither be traced nor hashed.

    Examples
    --------
    >>> kind_of(np.ones(3)), kind_of(2.0), kind_of(2), kind_of(2, static=True), kind_of("relu")
    (f64[3], f64[], i64[], 2, 'relu')
    """
    cls = type(x)
    if cls is np.ndarray and (x.shape or not static) and (found := _type_of_array(x.dtype, x.shape)) is not None:
        return found
    if cls is float:
        return FLOAT
    if cls is Static:
        return x  # type: ignore[no-any-return]
    if cls is int and not static:
        if x not in _INT64:
            raise ArgumentError(
                f"the argument {name or 'here'} is {x}, which does not fit 64 bits", where=describe(caller())
            )
        return INT
    if isinstance(x, np.character):
        return Static(x.item())
    x = as_leaf(x, f"the argument {name or 'here'}")
    if isinstance(x, np.generic | np.ndarray | Handle):
        if static and isinstance(x, np.generic | np.ndarray) and not x.shape and x.dtype.kind in "iub":
            return Static(np.asarray(x)[()])
        return ArrayType(x.dtype.newbyteorder("="), tuple(x.shape))  # type: ignore[union-attr]
    return Static(x, name)


def as_leaf(x: Any, what: str) -> Any:
    """Return a leaf as it is computed with: anything array-like as an array, what is no array as it is.

    Raises
    ------
    ArgumentTypeError, DtypeError
        If it is an array that cannot be computed with; `what` names it.
    """
    if isinstance(x, Handle | str | bytes):
        return x
    if isinstance(x, np.generic | complex) or hasattr(type(x), "__array__"):
        return admitted(x, what)
    if (error := refusal(x, what)) is not None:
        raise error
    return x


def is_native(x: Any) -> bool:
    """Say whether native code takes a leaf as it is.

    Examples
    --------
    >>> is_native(np.ones(3)), is_native(np.ones((2, 3)).T), is_native(np.float64(1.0)), is_native([1.0])
    (True, False, True, False)
    """
    if type(x) is np.ndarray:
        return x.ndim > 0 and x.flags.c_contiguous and x.flags.aligned and x.dtype.isnative
    return type(x) in SCALARS and type(x) is not bool


def native(x: Any) -> Any:
    """Return a traced leaf as native code takes it: a scalar, or an array in C order and native bytes.

    Examples
    --------
    >>> native(np.array(2.0)), native(np.ones((2, 3)).T).flags.c_contiguous
    (np.float64(2.0), True)
    """
    if is_native(x):
        return x
    x = np.asarray(x)
    return x[()] if x.ndim == 0 else np.require(x, x.dtype.newbyteorder("="), ("C", "ALIGNED"))


@lru_cache(maxsize=4096)
def _type_of_array(dtype: np.dtype[Any], shape: tuple[int, ...]) -> ArrayType | None:
    return ArrayType(dtype.newbyteorder("="), shape) if is_supported(dtype) else None
