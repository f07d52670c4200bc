"""Tensors: NumPy arrays with an identity that tapes can follow, and how operations apply to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from jitdiff.eager.recorder import IDENTITY, Step, active
from jitdiff.errors import ArgumentTypeError, JitdiffError
from jitdiff.ir import ArrayType, Dim, type_of
from jitdiff.ir.location import caller, describe
from jitdiff.ops import Handle, Op, Tracer
from jitdiff.ops.methods import ArrayMethods
from jitdiff.ops.tracer import builder_now

Array = np.ndarray[Any, Any]


class EagerHandle(ArrayMethods):
    """What Tensors and Variables share: they hold numbers, and can be used wherever an array can."""

    __slots__ = ()
    rank: ClassVar[int] = 2
    _value: Any

    def read(self) -> Tensor:
        """Return the value as a Tensor that tapes connect to this object."""
        raise NotImplementedError

    def bind(self, op: Op, xs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        """Apply `op` with NumPy, and let the active recorders know."""
        return apply(op, xs, attrs)

    @property
    def type(self) -> ArrayType:
        """IR type."""
        value = self._value
        return ArrayType(value.dtype, value.shape)

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes, as in NumPy."""
        return self._value.shape  # type: ignore[no-any-return]

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy dtype."""
        return self._value.dtype  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self._value.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return self._value.size  # type: ignore[no-any-return]

    def numpy(self) -> Any:
        """Return the numbers as NumPy's own: a fresh, writable array, or a NumPy scalar.

        Examples
        --------
        >>> a = Tensor([1.0, 2.0]).numpy()
        >>> a[0] = 5.0
        >>> a
        array([5., 2.])
        """
        return self._value.copy()

    def item(self, *index: int) -> Any:
        """Return one element as a Python scalar."""
        return self._value.item(*index)

    def tolist(self) -> Any:
        """Return the elements as nested lists of Python scalars."""
        return self._value.tolist()

    def __array__(self, dtype: npt.DTypeLike = None, copy: bool | None = None) -> Array:
        if copy is False:
            view: Array = np.asarray(self._value).view()
            view.flags.writeable = False
            return view.astype(dtype, copy=False) if dtype is not None else view
        return np.array(self._value, dtype=dtype)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __float__(self) -> float:
        return float(self._value)

    def __int__(self) -> int:
        return int(self._value)

    def __complex__(self) -> complex:
        return complex(self._value)

    def __index__(self) -> int:
        if self._value.dtype.kind not in "iub" or self._value.shape:
            raise ArgumentTypeError(
                f"a {self.type} cannot be an index or the length of a range()", where=describe(caller()), hint="use int(...)"
            )
        return int(self._value)

    def __format__(self, spec: str) -> str:
        return format(self._value, spec)


class Tensor(EagerHandle):
    """An array that tapes can follow.

    NumPy functions and operators work on it and give Tensors. Its numbers never change: `numpy()` and ``np.asarray``
    give copies. Comparison is element by element; hashing is by identity. Make one with `constant`.

    Parameters
    ----------
    value : array_like
        The numbers; an array is taken as it is, without a copy.

    Examples
    --------
    >>> x = Tensor([1.0, 2.0])
    >>> x * x
    <jd.Tensor: shape=(2,), dtype=float64, numpy=array([1., 4.])>
    >>> print(np.sum(x))
    jd.Tensor(3.0, shape=(), dtype=float64)
    >>> f"{np.sum(x):.2f}"
    '3.00'
    """

    __slots__ = ("__weakref__", "_value")

    def __init__(self, value: Any) -> None:
        self._value = plain(value)

    @property
    def value(self) -> Any:
        """The read-only ndarray, or the NumPy scalar, that this Tensor holds."""
        value = self._value
        if type(value) is np.ndarray and value.flags.writeable:
            value.flags.writeable = False
        return value

    def read(self) -> Tensor:
        """Return itself."""
        return self

    def __repr__(self) -> str:
        text = np.array_repr(self._value) if self.shape else str(self._value)
        return f"<jd.Tensor: shape={self.shape}, dtype={self.dtype}, numpy={text}>"

    def __str__(self) -> str:
        return f"jd.Tensor({self._value}, shape={self.shape}, dtype={self.dtype})"

    def __copy__(self) -> Tensor:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return Tensor(self._value.copy())

    def __reduce__(self) -> tuple[Any, ...]:
        return Tensor, (self._value,)


_new = object.__new__
_ndarray = np.ndarray
_SCALARS = frozenset({bool, int, float, *(np.dtype(code).type for code in "?bhilqBHILQefdg")})


def plain(value: Any) -> Any:
    """Return `value` as a Tensor holds it: an ndarray of at least one dimension, or a NumPy scalar."""
    if isinstance(value, np.generic):
        return value
    array = np.asarray(value)
    return array if array.shape else array[()]


def tensor_of(value: Any) -> Tensor:
    """Return a Tensor of what NumPy gave: quicker than the constructor, and never a copy."""
    tensor = _new(Tensor)
    tensor._value = value if type(value) is _ndarray and value.shape else plain(value)
    return tensor


def apply(op: Op, xs: Sequence[Any], attrs: dict[str, Any]) -> Any:
    """Apply `op` to operands of which at least one is a Tensor or Variable."""
    recorders = active()
    values = []
    for x in xs:
        kind = type(x)
        if kind is Tensor:
            values.append(x._value)
        elif kind in _SCALARS:
            values.append(x)
        elif kind is _ndarray:
            values.append(_kept(x) if recorders else x)
        else:
            return _apply_mixed(op, xs, attrs)
    try:
        y = op.evaluate(*values, **attrs)
    except (ValueError, TypeError, LookupError) as error:
        raise _explained(error, op, values, attrs) from None
    if op.multiple:
        outs = tuple(map(tensor_of, y))
        record(Step(op, xs, attrs, outs, values, tuple(out._value for out in outs)))
        return outs
    if type(y) is not _ndarray or not y.shape:
        y = plain(y)
    out = _new(Tensor)
    out._value = y
    if recorders and op.vjp is not None:
        # What `record` does, in line: this is the hot path of the tape.
        step = None
        for recorder in recorders:
            known = recorder.known
            for x in xs:
                if id(x) in known:
                    if step is None:
                        if y.dtype.kind != "f":
                            return out
                        step = Step(op, xs, attrs, (out,), values, y)
                    recorder.record(step, step.outs)
                    break
    return out


def record(step: Step) -> None:
    """Record a step on each active recorder that knows one of its operands."""
    recorders = active()
    if not recorders or step.op.vjp is None:
        return
    floats = [out for out in step.outs if out.dtype.kind == "f"]
    for recorder in recorders if floats else ():
        if any(id(x) in recorder.known for x in step.args):
            recorder.record(step, floats)


def fresh(x: Tensor) -> Tensor:
    """Return another Tensor of the same numbers, connected to `x` on the active tapes."""
    out = tensor_of(x._value)
    record(Step(IDENTITY, (x,), {}, (out,), (x._value,), x._value))
    return out


def captured(x: EagerHandle) -> Tracer:
    """Return the traced value that stands for a Tensor or Variable met in a trace; each run reads it anew."""
    return Tracer(builder_now().capture(x))  # type: ignore[arg-type]


def _apply_mixed(op: Op, xs: Sequence[Any], attrs: dict[str, Any]) -> Any:
    """Apply an op to operands that are not all Tensors, arrays and numbers."""
    operands = tuple(_operand(x, op) for x in xs)
    if any(isinstance(x, Tracer | Dim) for x in operands):
        return op(*(captured(x) if isinstance(x, EagerHandle) else x for x in operands), **attrs)
    return apply(op, operands, attrs)


def _operand(x: Any, op: Op) -> Any:
    if isinstance(x, EagerHandle):
        return x.read()
    kind = type(x)
    if kind in _SCALARS or kind is _ndarray or isinstance(x, Tracer | Dim):
        return x
    if isinstance(x, list | tuple) and any(isinstance(leaf, Handle) for leaf in leaves_of(x)):
        return stacked(x)
    array = np.asarray(x)
    if array.dtype.kind not in "biufc":
        raise ArgumentTypeError(f"{op.name}: a {kind.__name__} is not an array of numbers", where=describe(caller()))
    return array


def leaves_of(x: Any) -> Iterator[Any]:
    if isinstance(x, list | tuple):
        for y in x:
            yield from leaves_of(y)
    else:
        yield x


def stacked(x: Any) -> Any:
    """Return nested lists with Tensors in them as one array, connected to each."""
    return np.stack([stacked(y) for y in x]) if isinstance(x, list | tuple) else x


def _kept(x: Array) -> Array:
    """Return an array that will not change: a recorded step needs the numbers of this moment."""
    return x if x.flags.owndata and not x.flags.writeable else x.copy()


def _explained(error: Exception, op: Op, values: Sequence[Any], attrs: dict[str, Any]) -> Exception:
    """Return the error of the op's typing rule, which names shapes, if it has one to say; else NumPy's."""
    try:
        op.infer(*map(type_of, values), **attrs)
    except JitdiffError as better:
        return type(better)(f"{op.name}: {better.what}", where=better.where or describe(caller()), hint=better.hint)
    return error
