"""What Tensors and Variables have in common: they hold numbers, and give them out."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from jitdiff.eager.explain import note
from jitdiff.eager.leaks import leave
from jitdiff.eager.recorder import active
from jitdiff.errors import ArgumentTypeError
from jitdiff.ir import ArrayType
from jitdiff.ir.location import caller, describe
from jitdiff.ops import UFUNCS
from jitdiff.ops.methods import ArrayMethods, with_fixed_type

Array = np.ndarray[Any, Any]


_CHANGING = frozenset({"byteswap", "partition", "put", "resize", "setfield", "setflags", "sort"})
"""Methods of NumPy's arrays that change them."""


@with_fixed_type
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

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        from jitdiff.eager.tensor import constant_ufunc

        if ufunc not in UFUNCS and (found := constant_ufunc(ufunc, method, inputs, kwargs)) is not None:
            return found
        return super().__array_ufunc__(ufunc, method, *inputs, **kwargs)

    def _given(self, how: str) -> Any:
        """Return the numbers, which go where no recorder can follow.

        Raises
        ------
        UnsupportedError
            If that loses a derivative that a transform is to give.
        """
        leave(self, how)
        return self._value

    def _read_for(self, how: str) -> Any:
        """Return the numbers for a use that is flat between jumps, which loses no derivative."""
        note(self.key(), how)
        return self._value

    @property
    def followed(self) -> bool:
        """Whether an active recorder knows the present value."""
        recorders = active()
        if not recorders:
            return False
        key = self.key()
        return any(key in recorder.known for recorder in recorders)

    @property
    def type(self) -> ArrayType:
        """IR type."""
        value = self._value
        return ArrayType(value.dtype, value.shape)

    def __getattr__(self, name: str) -> Any:
        # What has nothing to do with derivatives is read from the array, as long as nothing follows it.
        if name.startswith("_") or name in _CHANGING or not hasattr(np.ndarray, name) or self.followed:
            super().__getattr__(name)
        value = self._value
        if isinstance(value, np.ndarray):
            value = value.view()
            value.flags.writeable = False
        return getattr(value, name)

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
        return bool(self._read_for("a truth value"))

    def __float__(self) -> float:
        return float(self._given("float()"))

    def __int__(self) -> int:
        return int(self._read_for("int()"))

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
