"""The variables of a block: what it finds in them, what it leaves behind, and how two outcomes become one.

A variable holds a tree whose leaves are numbers and arrays, or any other Python object. Numbers and arrays become
results of an If or carries of a loop; other objects have to be the same whichever way control goes. A variable that has
no value on some way holds an `Undefined`, which says so when it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NoReturn

import numpy as np

from jitdiff.errors import TracingError
from jitdiff.frontend.convert.source import GENERATED
from jitdiff.frontend.trees import flatten, unflatten
from jitdiff.ir import ArrayType, Const, Dim, type_of
from jitdiff.ir.builder import current_builder
from jitdiff.ir.location import caller, describe
from jitdiff.ops import OPS, Handle, Tracer
from jitdiff.ops.tracer import builder_now

Get = Callable[[], list[Any]]
Put = Callable[[Sequence[Any]], None]
Names = tuple[str, ...]


class Undefined(Handle):
    """What a variable holds that has no value, or not one value, on the way that control took."""

    __slots__ = ("why",)
    rank: ClassVar[int] = 9

    def __init__(self, why: str) -> None:
        self.why = why

    def refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise the error that says why there is no value."""
        raise TracingError(
            self.why, where=describe(caller()), hint="give it a value of one shape and dtype before, on every way"
        )

    def bind(self, op: Any, xs: tuple[Any, ...], attrs: dict[str, Any]) -> NoReturn:
        """Refuse."""
        self.refuse()

    @property
    def type(self) -> NoReturn:
        """Refuse."""
        self.refuse()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        self.refuse()

    __bool__ = __float__ = __int__ = __index__ = __len__ = __iter__ = __getitem__ = __setitem__ = __call__ = refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = refuse
    __pow__ = __rpow__ = __matmul__ = __rmatmul__ = __mod__ = __floordiv__ = __neg__ = __abs__ = refuse
    __lt__ = __le__ = __gt__ = __ge__ = __array_ufunc__ = __array_function__ = refuse

    def __repr__(self) -> str:
        return f"<undefined: {self.why}>"


class Absent(Undefined):
    """What a dict or object holds under a key that it may not have."""

    __slots__ = ()


def check_keys(x: Any) -> None:
    """Refuse to tell what is in a dict that may not have one of its keys."""
    if isinstance(x, dict):
        for value in dict.values(x):
            if isinstance(value, Absent):
                value.refuse()


UNSET = Absent("a variable is read before it has a value")


def read(*variables: Callable[[], Any]) -> list[Any]:
    """Return the values of variables, `UNSET` for those that have none."""
    values = []
    for variable in variables:
        try:
            values.append(variable())
        except NameError:
            values.append(UNSET)
    return values


def is_traced(x: Any) -> bool:
    """Whether the numbers of `x` are known only when the compiled function runs."""
    return isinstance(x, Tracer) and x.numbers is None


def is_followed(x: Any) -> bool:
    """Whether the plain numbers of `x` would lose what a trace or a recorder follows."""
    return isinstance(x, Handle) and x.followed


def is_number(leaf: Any) -> bool:
    """Whether a leaf can be a value of the program."""
    return isinstance(leaf, Tracer | bool | int | float | np.generic | np.ndarray | Dim) or (
        isinstance(leaf, Handle) and not isinstance(leaf, Undefined)
    )


def conditional() -> None:
    """Note that what is traced into the present block may not run, as the arm of a branch or a loop's iteration."""
    builder_now().notes["conditional"] = True


def is_conditional() -> bool:
    """Whether it depends on traced values if what is being traced runs."""
    builder = current_builder()
    while builder is not None and not builder.notes.get("conditional"):
        builder = builder.parent
    return builder is not None


def is_internal(name: str) -> bool:
    """Whether a variable was made by the conversion; flags say whether such a variable has a value."""
    return name.startswith(GENERATED)


def same(a: Any, b: Any) -> bool:
    """Whether two leaves are one thing: the same object, or equal Python constants."""
    if a is b:
        return True
    if type(a) is not type(b) or isinstance(a, Handle | np.ndarray):
        return False
    return type(a) in (bool, int, float, str, bytes, np.float64) and bool(a == b)


def zeros(type: ArrayType) -> Any:
    """Return zeros of a type, as part of the program."""
    zero = Tracer(Const.of(0, ArrayType(type.dtype, (), type.weak)))
    return OPS["broadcast_to"](zero, shape=type.shape) if type.shape else zero


def shown(value: Any) -> str:
    """Return a value as messages name it: the types of its arrays."""
    leaves, spec = flatten(value)
    if leaves and all(map(is_number, leaves)):
        return str(unflatten(spec, [type_of(x) for x in leaves]))
    return f"a {type(value).__name__}" if not isinstance(value, str | None) else repr(value)
