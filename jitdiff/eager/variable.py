"""Variables: named numbers that change in place, and that tapes watch by themselves."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from jitdiff.eager.convert import numbers
from jitdiff.eager.explain import note
from jitdiff.eager.handle import EagerHandle
from jitdiff.eager.inplace import HELD
from jitdiff.eager.moments import History
from jitdiff.eager.operands import captured, leaves_of
from jitdiff.eager.recorder import Step, active, is_helping
from jitdiff.eager.tensor import Tensor, apply, fresh, numpy_function, tensor_of
from jitdiff.errors import DtypeError, ShapeError, TapeError, TracingError
from jitdiff.ir.builder import current_builder
from jitdiff.ir.location import caller, describe
from jitdiff.ops import Op
from jitdiff.ops.elementwise import identity
from jitdiff.ops.methods import ArrayMethods

_counter = itertools.count()


class Variable(EagerHandle):
    """Numbers that a program changes in place, such as the parameters of a model.

    It can be used wherever an array can; what is computed from it keeps the value it had. Tapes watch a trainable
    Variable when it is read.

    Parameters
    ----------
    initial_value : array_like, or callable without arguments that returns one
        The first value, copied. It settles shape and dtype.
    trainable : bool
        Whether tapes watch it without being asked.
    name : str, optional
        A name to print.
    dtype : dtype, optional
        Dtype, if not that of `initial_value`.

    Examples
    --------
    >>> w = Variable([1.0, 2.0], name="w")
    >>> w.assign_sub([0.5, 0.5])
    <jd.Variable 'w': shape=(2,), dtype=float64, numpy=array([0.5, 1.5])>
    >>> w * 2
    <jd.Tensor: shape=(2,), dtype=float64, numpy=array([1., 3.])>
    """

    __slots__ = ("__weakref__", "_history", "name", "order", "trainable")

    def __init__(
        self, initial_value: Any, trainable: bool = True, name: str | None = None, dtype: npt.DTypeLike | None = None
    ) -> None:
        if callable(initial_value) and not isinstance(initial_value, EagerHandle):
            initial_value = initial_value()
        self._history = History(None)
        self._hold(numbers(initial_value, dtype))
        self.trainable = trainable
        self.name = name or "Variable"
        self.order = next(_counter)

    @property
    def _value(self) -> Any:
        return self._history.now()._value

    def read(self) -> Any:
        """Return the Tensor that stands for the present value; tapes that watch the Variable connect the two."""
        if (builder := current_builder()) is not None:
            for recorder in active():
                if recorder.takes_variables and self.trainable and recorder.trace is builder.root:
                    recorder.variables.add(self)
            return captured(self)
        tensor = self._history.now()
        step = None
        for recorder in active():
            # Threads share Variables: a tape of another thread watches none for being read in this one.
            if recorder.takes_variables and self.trainable and (recorder.strict or not is_helping()):
                recorder.accessed(self)
            if self in recorder.known and tensor not in recorder.known:
                step = step or Step(identity, (self,), {}, (tensor,), (tensor._value,), tensor._value)
                recorder.record(step, step.outs)
        return tensor

    def _given(self, how: str) -> Any:
        self._refuse_in_traces(how)
        return self.read()._given(how)

    def _read_for(self, how: str) -> Any:
        self._refuse_in_traces(how)
        return self.read()._read_for(how)

    def _refuse_in_traces(self, how: str) -> None:
        if current_builder() is not None:
            raise TracingError(
                f"{how} of the Variable {self.name!r} in a compiled function: its numbers may be others at each call",
                where=describe(caller()),
                hint="compute with the Variable itself, which each call reads anew",
            )

    def rebind(self, new: Any) -> None:
        """Refuse: a Variable is changed by assignments."""
        raise TapeError(
            f"the Variable {self.name!r} is changed in place, itself or through a view",
            where=describe(caller()),
            hint=f"{self.name}.assign(...) changes it, and {self.name}.value().copy() gives an array to change",
        )

    def bind(self, op: Op, xs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        """Apply `op` to the present value."""
        return apply(op, xs, attrs)

    def __array_function__(self, func: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        return numpy_function(func, args, kwargs)

    def value(self) -> Tensor:
        """Return the present value as a Tensor, which later assignments do not change."""
        tensor = self.read()
        return fresh(tensor) if isinstance(tensor, Tensor) else tensor

    read_value = value

    def assign(self, value: Any) -> Variable:
        """Set the value, and return the Variable. No gradient flows through an assignment.

        Raises
        ------
        ShapeError, DtypeError
            If the new value has another shape, or numbers that the dtype cannot hold.
        """
        self._set("assign", value)
        return self

    def assign_add(self, delta: Any) -> Variable:
        """Add to the value, and return the Variable."""
        self._set("assign_add", delta)
        return self

    def assign_sub(self, delta: Any) -> Variable:
        """Subtract from the value, and return the Variable."""
        self._set("assign_sub", delta)
        return self

    def _set(self, how: str, given: Any) -> None:
        if current_builder() is not None:
            raise TracingError(
                f"{self.name}.{how}: a compiled function cannot assign to a Variable",
                where=describe(caller()),
                hint="return the new value, and assign it outside",
            )
        for x in leaves_of(given):
            if isinstance(x, EagerHandle):
                note(x.read(), f"an assignment to the Variable {self.name!r}, which stops gradients,")
        array = numbers(given)
        old = self._value
        if array.shape != old.shape:
            raise ShapeError(
                f"{self.name}.{how}: the Variable has shape {old.shape}, the value has {array.shape}",
                where=describe(caller()),
            )
        if not np.can_cast(array.dtype, old.dtype, "safe" if isinstance(given, EagerHandle) else "same_kind"):
            raise DtypeError(
                f"{self.name}.{how}: the Variable has dtype {old.dtype}, the value has {array.dtype}",
                where=describe(caller()),
                hint=f"convert it with .astype(np.{old.dtype})",
            )
        array = array.astype(old.dtype)
        if how == "assign_add":
            array = old + array
        elif how == "assign_sub":
            array = old - array
        # A new Tensor, not the old one changed: steps on tapes keep the numbers they were computed with.
        self._hold(array)

    def _hold(self, array: Any) -> None:
        tensor = tensor_of(array)
        tensor._view = HELD
        self._history.put(tensor)

    # As in TensorFlow, v += x binds the name to a Tensor.
    __iadd__ = ArrayMethods.__add__
    __isub__ = ArrayMethods.__sub__
    __imul__ = ArrayMethods.__mul__
    __itruediv__ = ArrayMethods.__truediv__
    __ifloordiv__ = ArrayMethods.__floordiv__
    __imod__ = ArrayMethods.__mod__
    __ipow__ = ArrayMethods.__pow__
    __imatmul__ = ArrayMethods.__matmul__

    def __repr__(self) -> str:
        text = np.array_repr(self._value) if self.shape else str(self._value)
        return f"<jd.Variable {self.name!r}: shape={self.shape}, dtype={self.dtype}, numpy={text}>"

    def __copy__(self) -> Variable:
        return Variable(self._value, self.trainable, self.name)

    def __deepcopy__(self, memo: dict[int, Any]) -> Variable:
        return self.__copy__()

    def __reduce__(self) -> tuple[Any, ...]:
        return Variable, (self._value, self.trainable, self.name)


def in_order(variables: Iterable[Variable]) -> list[Variable]:
    """Return Variables in the order of their construction."""
    return sorted(variables, key=lambda v: v.order)
