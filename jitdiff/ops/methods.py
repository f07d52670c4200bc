"""What makes a handle behave as an ndarray: operators, methods and NumPy's protocols."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn, TypeVar

import numpy as np
import optree

from jitdiff.errors import (
    ArgumentError,
    ArgumentTypeError,
    DtypeError,
    MissingAttributeError,
    ShapeError,
    TracingError,
    UnsupportedError,
)
from jitdiff.ir import ArrayType, Dim, Shape, broadcast_shapes, type_of
from jitdiff.ir.location import caller, describe
from jitdiff.ops.admission import admitted, refusal
from jitdiff.ops.alias import owned
from jitdiff.ops.flat import Flat
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
        return UFUNCS[ufunc](self, as_operand(other)) if _is_operand(other, ufunc) else NotImplemented

    def backward(self: Any, other: Any) -> Any:
        return UFUNCS[ufunc](as_operand(other), self) if _is_operand(other, ufunc) else NotImplemented

    return forward, backward


def _in_place(ufunc: np.ufunc) -> Method:
    """Return the method for ``self op= other``: scalars are bound to a new one, arrays are changed."""

    def method(self: Any, other: Any) -> Any:
        if not _is_operand(other, ufunc):
            return NotImplemented
        new = UFUNCS[ufunc](self, as_operand(other))
        return stored(ufunc, new, self) if self.shape else new

    return method


def stored(ufunc: np.ufunc, new: Any, out: Any) -> Any:
    """Put the result of a ufunc into `out`, and return that.

    Raises
    ------
    ShapeError, DtypeError
        If it has not the shape of `out`, or a dtype that does not go into its.
    """
    from jitdiff.ops.elementwise import astype
    from jitdiff.ops.shape import broadcast

    have, want = type_of(new), type_of(out)
    if broadcast_shapes(have.shape, want.shape) != want.shape:
        raise ShapeError(f"{ufunc.__name__}: a result {have} does not fit into {want}", where=describe(caller()))
    if not np.can_cast(have.dtype, want.dtype, "same_kind"):
        raise DtypeError(
            f"{ufunc.__name__}: a result {have} cannot be stored in {want}",
            where=describe(caller()),
            hint="give the array a floating dtype when it is made",
        )
    out.rebind(astype(broadcast(new, want.shape), dtype=want.dtype))
    return out


def _comparison(ufunc: np.ufunc) -> Method:
    return _operators(ufunc)[0]


def _unary(ufunc: np.ufunc) -> Method:
    return lambda self: UFUNCS[ufunc](self)


def _method(function: Callable[..., Any]) -> Method:
    """Return the method that NumPy's `function` is with the array as its first argument."""

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return called(function, (self, *args), kwargs)

    method.__doc__ = f"As ``np.{function.__name__}``."
    return method


C = TypeVar("C", bound=type)


def with_fixed_type(cls: C) -> C:
    """Have a class refuse that ``x.shape`` and ``x.dtype`` are set, which NumPy's arrays allow."""
    for name, method in (("shape", "reshape"), ("dtype", "astype")):
        setattr(cls, name, property(cls.__dict__[name].fget, _refuse_to_set(name, method)))
    return cls


def _refuse_to_set(name: str, method: str) -> Method:
    def refuse(self: Any, value: Any) -> None:
        raise UnsupportedError(
            f"the {name} of an array is set in place",
            where=describe(caller()),
            hint=f"make another: y = y.{method}(...)",
        )

    return refuse


@with_fixed_type
class ArrayMethods(Handle):
    """Operators and methods of arrays, for every kind of handle."""

    __slots__ = ()

    __pandas_priority__ = 10_000
    """Has pandas leave operators to handles, which refuse its objects: it would take their plain numbers."""

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
    def flat(self) -> Flat:
        """Iterator over the elements, which takes and assigns them by position."""
        return Flat(self)

    @flat.setter
    def flat(self, value: Any) -> None:
        self.flat[:] = value

    __add__, __radd__ = _operators(np.add)
    __sub__, __rsub__ = _operators(np.subtract)
    __mul__, __rmul__ = _operators(np.multiply)
    __truediv__, __rtruediv__ = _operators(np.divide)
    __floordiv__, __rfloordiv__ = _operators(np.floor_divide)
    __mod__, __rmod__ = _operators(np.remainder)
    __divmod__, __rdivmod__ = _operators(np.divmod)
    _power, __rpow__ = _operators(np.power)
    __matmul__, __rmatmul__ = _operators(np.matmul)
    __and__, __rand__ = _operators(np.bitwise_and)
    __or__, __ror__ = _operators(np.bitwise_or)
    __xor__, __rxor__ = _operators(np.bitwise_xor)
    __lshift__, __rlshift__ = _operators(np.left_shift)
    __rshift__, __rrshift__ = _operators(np.right_shift)
    __lt__ = _comparison(np.less)
    __le__ = _comparison(np.less_equal)
    __gt__ = _comparison(np.greater)
    __ge__ = _comparison(np.greater_equal)
    __eq__ = _comparison(np.equal)
    __ne__ = _comparison(np.not_equal)
    __hash__ = object.__hash__
    __iadd__ = _in_place(np.add)
    __isub__ = _in_place(np.subtract)
    __imul__ = _in_place(np.multiply)
    __itruediv__ = _in_place(np.divide)
    __ifloordiv__ = _in_place(np.floor_divide)
    __imod__ = _in_place(np.remainder)
    __ipow__ = _in_place(np.power)
    __imatmul__ = _in_place(np.matmul)
    __iand__ = _in_place(np.bitwise_and)
    __ior__ = _in_place(np.bitwise_or)
    __ixor__ = _in_place(np.bitwise_xor)
    __ilshift__ = _in_place(np.left_shift)
    __irshift__ = _in_place(np.right_shift)
    __neg__ = _unary(np.negative)
    __pos__ = _unary(np.positive)
    __abs__ = _unary(np.absolute)
    __invert__ = _unary(np.invert)

    def __pow__(self, other: Any) -> Any:
        # NumPy's arrays square by multiplication, so that bools become 8 bits.
        squares = type(other) is int and other == 2 and self.dtype.kind == "b" and self.shape
        return UFUNCS[np.square](self) if squares else self._power(other)

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
    ravel = _method(np.ravel)
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
        return called(np.reshape, (self, shape[0] if len(shape) == 1 else shape), {"order": order})

    def transpose(self, *axes: Any) -> Any:
        """As ``np.transpose``, with the axes as one tuple or as arguments."""
        return called(np.transpose, (self, (axes[0] if len(axes) == 1 else axes) or None), {})

    def flatten(self, order: str = "C") -> Any:
        """Return a copy of the elements in one row."""
        return owned(self.ravel(order), (self,))

    def astype(self, dtype: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the array in another dtype; order and casting are as they come."""
        from jitdiff.ops.elementwise import astype

        return owned(astype(self, dtype=np.dtype(dtype)), (self,))

    def item(self, *index: Any) -> bool | int | float:
        """Return one element as a Python scalar."""
        x = self.ravel()[index[0]] if len(index) == 1 and isinstance(index[0], int) else self[index] if index else self
        if x.size != 1:
            raise ArgumentError(f"can only convert an array of size 1 to a Python scalar, not {self.type}")
        kind: Callable[[Any], bool | int | float] = {"b": bool, "i": int, "u": int}.get(self.dtype.kind, float)
        return kind(x.reshape(()))

    def tolist(self) -> Any:
        """Return the elements, each an array without dimensions, as nested lists."""
        return [row.tolist() for row in self] if self.shape else self

    def fill(self, value: Any) -> None:
        """Set all elements, in place."""
        self[...] = value

    def rebind(self, new: Any) -> None:
        """Change the array in place: from now on it is `new`, an array of its shape and dtype."""
        raise TracingError(
            f"a {type(self).__name__} is changed in place",
            where=describe(caller()),
            hint="compute a new array, with np.where, np.stack or np.concatenate",
        )

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

    def nonzero(self) -> Any:
        """As ``np.nonzero``."""
        return np.nonzero(self)

    def __setitem__(self, key: Any, value: Any) -> None:
        from jitdiff.ops.index import index_update

        self.rebind(index_update(self, key, as_operand(value)))

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
            return _call_ufunc(ufunc, xs, options)
        if method == "at" and ufunc in (np.add, np.subtract) and not options:
            from jitdiff.ops.index import index_add

            if not isinstance(xs[0], ArrayMethods):
                raise _array_changed()
            xs[0].rebind(index_add(xs[0], inputs[1], xs[2] if ufunc is np.add else -xs[2]))
            return None
        if method == "outer" and ufunc in UFUNCS and not options:
            x, y = (np.asarray(x) if np.ndim(x) == 0 and not isinstance(x, Handle) else x for x in xs)
            return UFUNCS[ufunc](x.reshape((*x.shape, *(1,) * y.ndim)), y)
        if (ufunc, method) in _REDUCTIONS:
            options.setdefault("axis", kwargs.get("axis", 0))
            return implementation(_REDUCTIONS[ufunc, method])(xs[0], *xs[1:], **options)
        raise unsupported(ufunc, f"its method {method} has no rule")

    def __array_function__(self, func: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        return called(func, args, kwargs)


_VIEWS = frozenset(
    {
        np.array_split, np.atleast_1d, np.atleast_2d, np.atleast_3d, np.broadcast_arrays, np.broadcast_to, np.diag,
        np.diagonal, np.dsplit, np.expand_dims, np.flip, np.fliplr, np.flipud, np.hsplit, np.matrix_transpose,
        np.moveaxis, np.ravel, np.real, np.reshape, np.rollaxis, np.rot90, np.split, np.squeeze, np.swapaxes,
        np.transpose, np.vsplit,
    }
)  # fmt: skip
"""NumPy functions whose results share elements with their arguments."""


def called(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return what a NumPy function gives on handles, as views of its arguments only where NumPy gives views."""
    for x in args:
        if type(x) not in _PLAIN and (error := refusal(x, f"{function.__name__}: an argument")) is not None:
            raise error
    try:
        result = implementation(function)(*args, **kwargs)
    except (TypeError, ValueError):
        # What cannot be computed with may fail before it is an operand.
        for x in optree.tree_leaves((args, kwargs)):  # type: ignore[arg-type]
            if isinstance(x, np.ndarray | np.generic | complex) and not isinstance(x, np.character):
                admitted(x, f"{function.__name__}: an argument")
        raise
    return result if function in _VIEWS else owned(result, args)


_PLAIN = frozenset({np.ndarray, int, float, bool, tuple, list, str, type(None)})
"""Types of arguments that mean their numbers; a look at them is quicker than at what others mean."""


def implementation(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what computes a NumPy function on handles.

    Raises
    ------
    UnsupportedError
        If nothing does, naming what is near.
    """
    entry = FUNCTIONS.get(function)
    if entry is None:
        raise unsupported(function)
    return entry.function


def _array_changed() -> TracingError:
    return TracingError(
        "a NumPy array is changed in place with values under differentiation",
        where=describe(caller()),
        hint="write y = y + x instead of y += x, or make y with np.zeros_like(x)",
    )


def _call_ufunc(ufunc: np.ufunc, xs: Sequence[Any], options: dict[str, Any]) -> Any:
    if ufunc not in UFUNCS:
        raise unsupported(ufunc)
    (out,) = options.pop("out", (None,))
    if isinstance(out, np.ndarray):
        raise _array_changed()
    where = options.pop("where", None)
    if options:
        raise unsupported(ufunc, f"the argument {next(iter(options))}= has no rule")
    if out is None:
        if where is not None:
            raise unsupported(ufunc, "where= without out= leaves elements undefined", hint="use np.where")
        return UFUNCS[ufunc](*xs)
    new = UFUNCS[ufunc](*xs)
    return stored(ufunc, new if where is None else implementation(np.where)(where, new, out), out)


def as_operand(x: Any) -> Any:
    """Return `x`, a list or tuple of numbers as an array, and one with handles in it stacked."""
    if isinstance(x, Flat):
        return x.copy()
    if not isinstance(x, list | tuple):
        return x
    rows = [as_operand(row) for row in x]
    return implementation(np.stack)(rows) if any(isinstance(row, Handle) for row in rows) else np.asarray(x)


def _is_operand(x: Any, ufunc: np.ufunc) -> bool:
    if isinstance(x, Handle | np.ndarray | np.generic | int | float | complex | Dim | list | tuple | Flat):
        return True
    if (error := refusal(x, f"{ufunc.__name__}: an operand")) is not None:
        raise error
    return False


def _is_default(name: str, value: Any) -> bool:
    return value is None or (name == "where" and value is True) or (name == "casting" and value == "same_kind")
