"""What Tensors and Variables have in common: they hold numbers, and give them out."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from jitdiff.eager.explain import note, warn_of_assignment
from jitdiff.eager.recorder import active
from jitdiff.errors import ArgumentTypeError
from jitdiff.ir import ArrayType
from jitdiff.ir.location import caller, describe, is_assigning_to_item
from jitdiff.ops.methods import ArrayMethods

Array = np.ndarray[Any, Any]


class EagerHandle(ArrayMethods):
    """What Tensors and Variables share: they hold numbers, and can be used wherever an array can."""

    __slots__ = ()
    rank: ClassVar[int] = 2
    _value: Any

    def read(self) -> Any:
        """Return the value as a Tensor that tapes connect to this object."""
        raise NotImplementedError

    def key(self) -> Any:
        """Return what recorders know the present value by."""
        return self

    def _given(self, how: str) -> Any:
        """Return the numbers, which go where no tape can follow."""
        key = self.key()
        if any(key in recorder.known for recorder in active()):
            if is_assigning_to_item():
                warn_of_assignment()
            note(key, how, numbers=True)
        return self._value

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
        >>> from jitdiff.eager import constant
        >>> a = constant([1.0, 2.0]).numpy()
        >>> a[0] = 5.0
        >>> a
        array([5., 2.])
        """
        return self._given("numpy()").copy()

    def item(self, *index: int) -> Any:
        """Return one element as a Python scalar."""
        return self._given("item()").item(*index)

    def tolist(self) -> Any:
        """Return the elements as nested lists of Python scalars."""
        return self._given("tolist()").tolist()

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        value = self._given("a conversion to a NumPy array")
        if copy is False:
            view: Array = np.asarray(value).view()
            view.flags.writeable = False
            return view.astype(dtype, copy=False) if dtype is not None else view
        return np.array(value, dtype=dtype)

    def __bool__(self) -> bool:
        return bool(self._given("a truth value"))

    def __float__(self) -> float:
        return float(self._given("float(), or an assignment into a NumPy array,"))

    def __int__(self) -> int:
        return int(self._given("int()"))

    def __complex__(self) -> complex:
        return complex(self._given("complex()"))

    def __index__(self) -> int:
        if self._value.dtype.kind not in "iub" or self._value.shape:
            raise ArgumentTypeError(
                f"a {self.type} cannot be an index or the length of a range()",
                where=describe(caller()),
                hint="use int(...)",
            )
        return int(self._value)

    def __format__(self, spec: str) -> str:
        return format(self._value, spec)
