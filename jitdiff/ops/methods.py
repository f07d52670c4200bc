"""What makes a handle behave as an ndarray: operators, methods and NumPy's protocols."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import numpy as np

from jitdiff.errors import ArgumentError, ArgumentTypeError, MissingAttributeError, TracingError
from jitdiff.ir import ArrayType, Dim, Shape
from jitdiff.ir.location import caller, describe
from jitdiff.ops.table import FUNCTIONS, UFUNCS, Handle, unsupported

Method = Callable[..., Any]

_REDUCTIONS: dict[tuple[np.ufunc, str], Callable[..., Any]] = {
    (np.add, "reduce"): np.sum,
    (np.multiply, "reduce"): np.prod,
    (np.maximum, "reduce"): np.max,
    (np.minimum, "reduce"): np.min,
    (np.logical_and, "reduce"): np.all,
    (np.logical_or, "reduce"): np.any,
    (np.add, "accumulate"): np.cumsum,
    (np.multiply, "accumulate"): np.cumprod,
}


def _operators(ufunc: np.ufunc) -> tuple[Method, Method]:
    """Return the methods for ``self op other`` and ``other op self``."""

    def forward(self: Any, other: Any) -> Any:
        return UFUNCS[ufunc](self, as_operand(other)) if _is_operand(other) else NotImplemented

    def backward(self: Any, other: Any) -> Any:
        return UFUNCS[ufunc](as_operand(other), self) if _is_operand(other) else NotImplemented

    return forward, backward


def _comparison(ufunc: np.ufunc) -> Method:
    return _operators(ufunc)[0]


def _unary(ufunc: np.ufunc) -> Method:
    return lambda self: UFUNCS[ufunc](self)


def _method(function: Callable[..., Any]) -> Method:
    """Return the method that NumPy's `function` is with the array as its first argument."""

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return implementation(function)(self, *args, **kwargs)

    method.__doc__ = f"As ``np.{function.__name__}``."
    return method


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
        return self.transpose()

    @property
    def mT(self) -> Any:
        """A stack of matrices, each transposed."""
        return self.swapaxes(-1, -2)

    @property
    def real(self) -> Any:
        """The real part."""
        return implementation(np.real)(self)

    @property
    def imag(self) -> Any:
        """The imaginary part."""
        return implementation(np.imag)(self)

    @property
    def flat(self) -> Iterator[Any]:
        """Iterator over the elements."""
        return iter(self.ravel())

    __add__, __radd__ = _operators(np.add)
    __sub__, __rsub__ = _operators(np.subtract)
    __mul__, __rmul__ = _operators(np.multiply)
    __truediv__, __rtruediv__ = _operators(np.divide)
    __floordiv__, __rfloordiv__ = _operators(np.floor_divide)
    __mod__, __rmod__ = _operators(np.remainder)
    __divmod__, __rdivmod__ = _operators(np.divmod)
    __pow__, __rpow__ = _operators(np.power)
    __matmul__, __rmatmul__ = _operators(np.matmul)
    __and__, __rand__ = _operators(np.bitwise_and)
    __or__, __ror__ = _operators(np.bitwise_or)
    __xor__, __rxor__ = _operators(np.bitwise_xor)
    __lt__ = _comparison(np.less)
    __le__ = _comparison(np.less_equal)
    __gt__ = _comparison(np.greater)
    __ge__ = _comparison(np.greater_equal)
    __eq__ = _comparison(np.equal)
    __ne__ = _comparison(np.not_equal)
    __hash__ = object.__hash__
    __neg__ = _unary(np.negative)
    __pos__ = _unary(np.positive)
    __abs__ = _unary(np.absolute)
    __invert__ = _unary(np.invert)

    all = _method(np.all)
    any = _method(np.any)
    argmax = _method(np.argmax)
    argmin = _method(np.argmin)
    clip = _method(np.clip)
    conj = conjugate = _unary(np.conjugate)
    copy = _method(np.copy)
    cumprod = _method(np.cumprod)
    cumsum = _method(np.cumsum)
    diagonal = _method(np.diagonal)
    dot = _method(np.dot)
    flatten = ravel = _method(np.ravel)
    max = _method(np.max)
    mean = _method(np.mean)
    min = _method(np.min)
    prod = _method(np.prod)
    repeat = _method(np.repeat)
    round = _method(np.round)
    squeeze = _method(np.squeeze)
    std = _method(np.std)
    sum = _method(np.sum)
    swapaxes = _method(np.swapaxes)
    take = _method(np.take)
    trace = _method(np.trace)
    var = _method(np.var)

    def reshape(self, *shape: Any, order: str = "C") -> Any:
        """As ``np.reshape``, with the sizes as one tuple or as arguments."""
        return implementation(np.reshape)(self, shape[0] if len(shape) == 1 else shape, order=order)

    def transpose(self, *axes: Any) -> Any:
        """As ``np.transpose``, with the axes as one tuple or as arguments."""
        return implementation(np.transpose)(self, (axes[0] if len(axes) == 1 else axes) or None)

    def astype(self, dtype: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the array in another dtype; order and casting are as they come."""
        from jitdiff.ops.elementwise import astype

        return astype(self, dtype=np.dtype(dtype))

    def item(self, *index: Any) -> bool | int | float:
        """Return one element as a Python scalar."""
        x = self.ravel()[index[0]] if len(index) == 1 and isinstance(index[0], int) else self[index] if index else self
        if x.size != 1:
            raise ArgumentError(f"can only convert an array of size 1 to a Python scalar, not {self.type}")
        kind: Callable[[Any], bool | int | float] = {"b": bool, "i": int, "u": int}.get(self.dtype.kind, float)
        return kind(x.reshape(()))

    def fill(self, value: Any) -> NoReturn:
        """Refuse: arrays under differentiation are not changed in place."""
        raise TracingError("fill() changes an array in place", where=describe(caller()), hint="use np.full_like")

    def __round__(self, ndigits: int | None = None) -> Any:
        rounded = self.round(ndigits or 0)
        return rounded if ndigits is not None else rounded.astype(np.int64)

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

    def __getattr__(self, name: str) -> NoReturn:
        # NumPy and Python ask for protocols by names with underscores, and expect a plain no.
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        public = sorted(n for n in dir(ArrayMethods) if not n.startswith("_"))
        near = difflib.get_close_matches(name, public, 3)
        raise MissingAttributeError(
            f"arrays have {'an' if hasattr(np.ndarray, name) else 'no'} attribute {name!r}"
            + (" in NumPy, and none here" if hasattr(np.ndarray, name) else ""),
            where=describe(caller()),
            hint=f"there is {', '.join(near)}" if near else None,
        )

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        options = {k: v for k, v in kwargs.items() if not _is_default(k, v)}
        xs = [as_operand(x) for x in inputs]
        if method == "__call__":
            out = options.get("out", ())
            if len(out) == 1 and isinstance(out[0], np.ndarray):
                raise TracingError(
                    "a NumPy array is changed in place with values under differentiation",
                    where=describe(caller()),
                    hint="write y = y + x instead of y += x",
                )
            if ufunc not in UFUNCS:
                raise unsupported(ufunc.__name__)
            if options:
                raise unsupported(ufunc.__name__, f"the argument {next(iter(options))}= has no rule")
            return UFUNCS[ufunc](*xs)
        if method == "outer" and ufunc in UFUNCS and not options:
            x, y = (np.asarray(x) if np.ndim(x) == 0 and not isinstance(x, Handle) else x for x in xs)
            return UFUNCS[ufunc](x.reshape((*x.shape, *(1,) * y.ndim)), y)
        if (ufunc, method) in _REDUCTIONS:
            options.setdefault("axis", kwargs.get("axis", 0))
            return implementation(_REDUCTIONS[ufunc, method])(xs[0], *xs[1:], **options)
        raise unsupported(ufunc.__name__, f"its method {method} has no rule")

    def __array_function__(self, func: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        return implementation(func)(*args, **kwargs)


def implementation(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what computes a NumPy function on handles.

    Raises
    ------
    UnsupportedError
        If nothing does, naming what is near.
    """
    entry = FUNCTIONS.get(function)
    if entry is None:
        raise unsupported(function.__name__)
    return entry.function


def as_operand(x: Any) -> Any:
    """Return `x`, a list or tuple of numbers as an array, and one with handles in it stacked."""
    if not isinstance(x, list | tuple):
        return x
    rows = [as_operand(row) for row in x]
    return implementation(np.stack)(rows) if any(isinstance(row, Handle) for row in rows) else np.asarray(x)


def _is_operand(x: Any) -> bool:
    return isinstance(x, Handle | np.ndarray | np.generic | int | float | Dim | list | tuple)


def _is_default(name: str, value: Any) -> bool:
    return value is None or (name == "where" and value is True) or (name == "casting" and value == "same_kind")
