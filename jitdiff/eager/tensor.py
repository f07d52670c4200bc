"""Tensors: NumPy arrays with an identity that tapes can follow, and how operations apply to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import optree

from jitdiff.eager.explain import note
from jitdiff.eager.handle import EagerHandle
from jitdiff.eager.operands import captured, explained, kept, operand
from jitdiff.eager.recorder import Step, active
from jitdiff.ir.builder import current_builder
from jitdiff.ir.dtypes import CHARACTERS, SCALARS, supported
from jitdiff.ops import FUNCTIONS, OPS, UFUNCS, Handle, Op
from jitdiff.ops.admission import admitted
from jitdiff.ops.elementwise import identity
from jitdiff.ops.methods import ArrayMethods, called


class Tensor(EagerHandle):
    """An array that tapes can follow.

    NumPy functions and operators work on it and give Tensors. It can be changed in place as an array can, also through
    views; `numpy()` and ``np.asarray`` give copies. Comparison is element by element; hashing is by identity. Make one
    with `constant`.

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

    __slots__ = ("__weakref__", "_cell", "_held", "_value", "_view", "_views")
    _cell: Any
    _held: Any
    _view: Any
    _views: Any

    def __init__(self, value: Any) -> None:
        self._value = plain(admitted(value, "the value"))

    @property
    def value(self) -> Any:
        """The read-only ndarray, or the NumPy scalar, that this Tensor holds."""
        value = self._given("value")
        if type(value) is np.ndarray and value.flags.writeable:
            value.flags.writeable = False
        return value

    def read(self) -> Tensor:
        """Return itself."""
        return self

    def rebind(self, new: Any) -> None:
        """Change the Tensor in place: from now on it has the elements of `new`."""
        from jitdiff.eager.inplace import change, one_at_a_time

        with one_at_a_time:
            change(self, new)

    def owned(self, args: Sequence[Any]) -> Tensor:
        """Return what a function of `args` gave as a Tensor of its own: neither a view nor one of them."""
        return fresh(self.read()) if getattr(self, "_view", None) or any(self is x for x in args) else self

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method == "__call__" and not kwargs:
            target = UFUNCS.get(ufunc)
            if type(target) is Op:
                return _apply_to_self(target, self) if len(inputs) == 1 else apply(target, inputs, _NONE)
        return super().__array_ufunc__(ufunc, method, *inputs, **kwargs)

    def __array_function__(self, func: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        return numpy_function(func, args, kwargs)

    def __getitem__(self, key: Any) -> Any:
        from jitdiff.eager.indexing import is_basic, item

        if current_builder() is None and is_basic(key):
            return apply(item, (self,), {"key": key})
        return super().__getitem__(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        from jitdiff.eager.inplace import is_item, one_at_a_time

        # Python assigns ``x[key] += y`` back to where it has changed already.
        if not is_item(value, self, key):
            with one_at_a_time:
                super().__setitem__(key, value)

    def bind(self, op: Op, xs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        """Apply `op` with NumPy, and let the active recorders know."""
        return apply(op, xs, attrs)

    def __repr__(self) -> str:
        text = np.array_repr(self._value) if self.shape else str(self._value)
        return f"<jd.Tensor: shape={self.shape}, dtype={self.dtype}, numpy={text}>"

    def __str__(self) -> str:
        return f"jd.Tensor({self._value}, shape={self.shape}, dtype={self.dtype})"

    def __copy__(self) -> Tensor:
        return fresh(self.read())

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return fresh(self.read())

    def __reduce__(self) -> tuple[Any, ...]:
        return Tensor, (self._given("pickling"),)


_TELLING = frozenset(
    {
        np.allclose, np.argpartition, np.argwhere, np.array2string, np.array_equal, np.array_equiv, np.array_repr,
        np.array_str, np.count_nonzero, np.digitize, np.flatnonzero, np.isclose, np.isin, np.isreal, np.iscomplex,
        np.lexsort, np.may_share_memory, np.nonzero, np.save, np.savetxt, np.searchsorted, np.shares_memory,
    }
)  # fmt: skip
"""NumPy functions that tell something about arrays and give nothing to differentiate: they run on the numbers."""


def _tells(function: Callable[..., Any], args: Any, kwargs: Any) -> bool:
    return function in _TELLING or (function is np.where and len(args) == 1 and not kwargs)


def numpy_function(function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Return what a NumPy function gives for arguments with Tensors or Variables among them."""
    tells = current_builder() is None and _tells(function, args, kwargs)
    if tells or (function not in FUNCTIONS and _are_constant((args, kwargs))):
        args, kwargs = optree.tree_map(_value_of, [args, kwargs])  # type: ignore[arg-type]
        return _made(function(*args, **kwargs))
    result = called(function, args, kwargs)
    # What is made of a shape alone, as by np.zeros_like, has to be a Tensor to be changed in place with Tensors.
    return tensor_of(result) if type(result) is _ndarray else result


def _made(result: Any) -> Any:
    """Return what NumPy gave with its arrays as Tensors."""
    return tuple(map(_made, result)) if type(result) is tuple else constant_array(result)


def _are_constant(tree: Any) -> bool:
    """Whether no recorder follows any of the values in a tree, so that their numbers may be taken."""
    return current_builder() is None and not any(isinstance(x, Handle) and x.followed for x in optree.tree_leaves(tree))


def constant_ufunc(ufunc: np.ufunc, method: str, inputs: Any, kwargs: Any) -> Any:
    """Return what a ufunc without a rule gives for values that nothing follows, None if something does."""
    if not _are_constant((inputs, kwargs)):
        return None
    inputs, kwargs = optree.tree_map(_value_of, (inputs, kwargs))  # type: ignore[arg-type]
    return _made(getattr(ufunc, method)(*inputs, **kwargs))


def _value_of(x: Any) -> Any:
    return x._value if isinstance(x, EagerHandle) else x


_new = object.__new__
_ndarray = np.ndarray


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


def constant_array(x: Any) -> Any:
    """Return an array as a Tensor, to which followed values can be assigned and the caller's array stays as it is."""
    return tensor_of(x) if type(x) is _ndarray and current_builder() is None else x


def apply(op: Op, xs: Sequence[Any], attrs: dict[str, Any], given: Sequence[Any] | None = None) -> Any:
    """Apply `op` to operands of which at least one is a Tensor or Variable.

    `given` are the objects that the user holds, where those are others than what is computed with.
    """
    if current_builder() is not None:
        return _append(op, xs, attrs)
    recorders = active()
    values = []
    followed: list[Any] = []
    for x in xs:
        kind = type(x)
        if kind is Tensor:
            values.append(x._value)
            followed.append(x)
        elif kind in SCALARS:
            values.append(x)
            followed.append(None)
        elif kind is _ndarray and x.dtype.char in CHARACTERS:
            values.append(kept(x) if recorders else x)
            followed.append(None)
        else:
            return _apply_mixed(op, xs, attrs)
    try:
        y = op.evaluate(*values, **attrs)
    except (ValueError, TypeError, LookupError) as error:
        raise explained(error, op, values, attrs) from None
    if op.multiple:
        outs = tuple(map(tensor_of, y))
        if recorders:
            record(Step(op, followed, attrs, outs, values, tuple(out._value for out in outs)))
        return outs
    out = _new(Tensor)
    out._value = y if type(y) is _ndarray and y.shape else plain(y)
    if out._value.dtype.char not in CHARACTERS:
        supported(out._value.dtype, f"{op.name}: the result")
    if recorders:
        if op.vjp is not None:
            record_one(op, followed, attrs, out, values)
        else:
            _note_stop(op, followed)
    if op.write_back is not None:
        from jitdiff.eager.inplace import note_view

        note_view(out, op, given or xs, attrs)
    return out


def _apply_to_self(op: Op, x: Tensor) -> Tensor:
    """Apply an op of one operand and no attributes: what `apply` does, without its generality."""
    if current_builder() is not None:
        return _append(op, (x,), _NONE)  # type: ignore[no-any-return]
    value = x._value
    try:
        y = op.evaluate(value)
    except (ValueError, TypeError) as error:
        raise explained(error, op, (value,), _NONE) from None
    out = _new(Tensor)
    out._value = y if type(y) is _ndarray else plain(y)
    if out._value.dtype.char not in CHARACTERS:
        supported(out._value.dtype, f"{op.name}: the result")
    if active():
        if op.vjp is not None:
            record_one(op, (x,), _NONE, out, (value,))
        else:
            _note_stop(op, (x,))
    return out


def _note_stop(op: Op, args: Sequence[Any]) -> None:
    for x in args:
        if x is not None:
            note(x, f"{op.name}, which has no gradient,")


def record_one(op: Op, args: Sequence[Any], attrs: dict[str, Any], out: Tensor, values: Sequence[Any]) -> None:
    """Record an op with one result on each active recorder that knows an operand."""
    step = None
    for recorder in active():
        known = recorder.known
        for x in args:
            if x in known:
                if step is None:
                    y = out._value
                    if y.dtype.kind != "f":
                        supported(y.dtype, f"{op.name}: the result")
                        note(x, f"{op.name}, which gave {y.dtype},")
                        return
                    step = Step(op, args, attrs, (out,), values, y)
                if recorder.pushes:
                    recorder.record(step, step.outs)
                else:
                    recorder.steps.append(step)
                    known.add(out)
                break


def record(step: Step) -> None:
    """Record a step on each active recorder that knows one of its operands."""
    if step.op.vjp is None:
        return
    floats = [out for out in step.outs if out.dtype.kind == "f"]
    for recorder in list(active()) if floats else ():
        if any(x in recorder.known for x in step.args):
            recorder.record(step, floats)


def fresh(x: Tensor) -> Tensor:
    """Return another Tensor of the same numbers, connected to `x` on the active tapes."""
    out = tensor_of(x._value)
    record_one(identity, (x,), {}, out, (x._value,))
    return out


def _apply_mixed(op: Op, xs: Sequence[Any], attrs: dict[str, Any]) -> Any:
    """Apply an op to operands that are not all Tensors, arrays and numbers."""
    return apply(op, [operand(x, op.name) for x in xs], attrs, xs)


def _append(op: Op, xs: Sequence[Any], attrs: dict[str, Any]) -> Any:
    """Append an op to the trace: Tensors and Variables are parameters of the program, also where they meet alone."""
    return op(*(captured(x) if isinstance(x, Tensor) else operand(x, op.name) for x in xs), **attrs)


_NONE: dict[str, Any] = {}


def _binary(op: Op, slow: Callable[[Any, Any], Any], swapped: bool) -> Callable[[Any, Any], Any]:
    """Return the method for an operator: what `apply` does, without its generality where both operands are simple."""
    evaluate = op.evaluate

    def method(self: Any, other: Any) -> Any:
        kind = type(other)
        if current_builder() is not None:
            return slow(self, other)
        if kind is Tensor:
            x, y, second = self._value, other._value, other
        elif kind is float or kind is int:
            x, y, second = self._value, other, None
        else:
            return slow(self, other)
        if swapped:
            x, y = y, x
        try:
            z = evaluate(x, y)
        except (ValueError, TypeError) as error:
            raise explained(error, op, (x, y), _NONE) from None
        out = _new(Tensor)
        out._value = z if type(z) is _ndarray else plain(z)
        if active():
            record_one(op, (second, self) if swapped else (self, second), _NONE, out, (x, y))
        return out

    return method


def _install_operators() -> None:
    names = {"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "pow": "power"}
    for name, op in names.items():
        for method, swapped in ((f"__{name}__", False), (f"__r{name}__", True)):
            setattr(Tensor, method, _binary(OPS[op], getattr(ArrayMethods, method), swapped))
    quick: Any = Tensor.__pow__

    def power(x: Tensor, y: Any) -> Any:
        return ArrayMethods.__pow__(x, y) if x._value.dtype.kind == "b" else quick(x, y)

    setattr(Tensor, "__pow__", power)  # noqa: B010  mypy takes it for an assignment to a method


_install_operators()
