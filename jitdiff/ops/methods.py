"""What makes a handle behave as an ndarray: operators, methods and NumPy's protocols."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from jitdiff.errors import ArgumentTypeError, TracingError
from jitdiff.ir import ArrayType, Dim, Shape
from jitdiff.ir.location import caller, describe
from jitdiff.ops.table import FUNCTIONS, OPS, UFUNCS, Handle, unsupported


class ArrayMethods(Handle):
    """Operators and methods of arrays, for every kind of handle."""

    __slots__ = ()

    @property
    def type(self) -> ArrayType:
        """IR type."""
        raise NotImplementedError

    @property
    def shape(self) -> Shape:
        """Sizes, as in NumPy."""
        return self.type.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy dtype."""
        return self.type.dtype

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return self.type.ndim

    @property
    def size(self) -> int | Dim:
        """Number of elements."""
        return self.type.size

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int | Dim:
        """Bytes of all elements."""
        return self.size * self.dtype.itemsize

    @property
    def T(self) -> Any:
        """The transpose."""
        return np.transpose(self)  # type: ignore[call-overload]

    def __len__(self) -> int:
        if not self.shape:
            raise ArgumentTypeError("len() of a scalar", where=describe(caller()))
        return self.shape[0].__index__()

    def __iter__(self) -> Iterator[Any]:
        if not self.shape:
            raise ArgumentTypeError("iteration over a scalar", where=describe(caller()))
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: Any) -> Any:
        from jitdiff.ops.index import getitem

        return getitem(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        raise TracingError(
            "in-place assignment to an array inside a differentiated function",
            where=describe(caller()),
            hint="build the result with np.where, np.stack or np.concatenate",
        )

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        target = UFUNCS.get(ufunc)
        if target is None:
            raise unsupported(ufunc.__name__)
        if method != "__call__":
            raise unsupported(ufunc.__name__, f"its method {method} has no rule")
        if kwargs:
            kwargs = {k: v for k, v in kwargs.items() if not _is_default(k, v)}
            if kwargs:
                raise unsupported(ufunc.__name__, f"the argument {next(iter(kwargs))}= has no rule")
        return target(*(np.asarray(x) if isinstance(x, list | tuple) else x for x in inputs))

    def __array_function__(self, func: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        entry = FUNCTIONS.get(func)
        if entry is None:
            raise unsupported(func.__name__)
        return entry.function(*args, **kwargs)

    __hash__ = object.__hash__


def _is_default(name: str, value: Any) -> bool:
    return value is None or (name == "where" and value is True) or (name == "casting" and value == "same_kind")


def _operators() -> None:
    """Install the arithmetic and comparison operators, each calling the op of its name."""
    binary = {
        "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "pow": "power",
        "floordiv": "floor_divide", "mod": "remainder", "and": "logical_and", "or": "logical_or", "xor": "logical_xor",
    }  # fmt: skip
    compare = {"lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal", "eq": "equal", "ne": "not_equal"}
    unary = {"neg": "negative", "abs": "absolute", "invert": "logical_not"}

    def forward(op: str) -> Callable[[Any, Any], Any]:
        def method(self: Any, other: Any) -> Any:
            return OPS[op](self, other) if _is_operand(other) else NotImplemented

        return method

    def backward(op: str) -> Callable[[Any, Any], Any]:
        def method(self: Any, other: Any) -> Any:
            return OPS[op](other, self) if _is_operand(other) else NotImplemented

        return method

    def single(op: str) -> Callable[[Any], Any]:
        return lambda self: OPS[op](self)

    for name, op in binary.items():
        setattr(ArrayMethods, f"__{name}__", forward(op))
        setattr(ArrayMethods, f"__r{name}__", backward(op))
    for name, op in compare.items():
        setattr(ArrayMethods, f"__{name}__", forward(op))
    for name, op in unary.items():
        setattr(ArrayMethods, f"__{name}__", single(op))


def _is_operand(x: Any) -> bool:
    return isinstance(x, Handle | np.ndarray | np.generic | int | float | Dim)

_operators()
