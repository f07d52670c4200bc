"""Methods of the user's objects that Python calls by itself, for operators, attributes and `with`: converted too."""

from __future__ import annotations

import builtins
import contextlib
import functools
import operator
from collections.abc import Callable, Iterator
from types import FunctionType, GeneratorType, ModuleType
from typing import Any

import numpy as np

from jitdiff.frontend.boxes import check_field, is_box
from jitdiff.frontend.convert import support
from jitdiff.frontend.convert.arrays import holds_followed
from jitdiff.frontend.convert.changes import born, check_own, is_own, note_attributes
from jitdiff.frontend.convert.functions import is_users_class
from jitdiff.frontend.convert.handlers import Suppressing
from jitdiff.frontend.convert.operators import looked_up
from jitdiff.frontend.convert.state import Absent, check_keys, is_followed
from jitdiff.frontend.convert.text import formatted
from jitdiff.ir.assumptions import acts_for_program
from jitdiff.ops import Handle, Tracer
from jitdiff.ops.methods import as_operand

_PLAIN = frozenset(
    {bool, int, float, complex, str, list, tuple, dict, set, type(None), np.ndarray, np.float64, ModuleType}
)
_KEYED = (dict, set, frozenset)
_MISSING = object()


def _is_users(x: Any) -> bool:
    cls = type(x)
    return cls not in _PLAIN and not isinstance(x, Handle | type) and (is_users_class(cls) or is_box(cls))


def _method(x: Any, name: str) -> Any:
    """Return the function that a class of the user's has under a name, None where it has none of the user's."""
    if not _is_users(x):
        return None
    found = _static(type(x), name)
    return found if isinstance(found, FunctionType) else None


def _static(cls: type, name: str) -> Any:
    return next((vars(base)[name] for base in cls.__mro__ if name in vars(base)), _MISSING)


def _modulo(x: Any, y: Any) -> Any:
    return formatted(x, y) if isinstance(x, str) else x % y


_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "truediv": operator.truediv,
    "floordiv": operator.floordiv, "mod": _modulo, "pow": operator.pow, "matmul": operator.matmul,
    "and": operator.and_, "or": operator.or_, "xor": operator.xor, "lshift": operator.lshift,
    "rshift": operator.rshift,
    "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge, "eq": operator.eq, "ne": operator.ne,
}  # fmt: skip
_REFLECTED = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le", "eq": "eq", "ne": "ne"}
_UNARY: dict[str, Callable[[Any], Any]] = {"neg": operator.neg, "pos": operator.pos, "invert": operator.invert}


def binary(op: str, x: Any, y: Any) -> Any:
    """Return ``x op y``."""
    if not (_is_users(x) or _is_users(y)):
        if isinstance(y, np.ndarray | np.generic) and isinstance(x, list | tuple) and holds_followed(x):
            x = as_operand(x)
        elif isinstance(x, np.ndarray | np.generic) and isinstance(y, list | tuple) and holds_followed(y):
            y = as_operand(y)
        found = _BINARY[op](x, y)
        return born(found) if type(found) is list else found
    straight, reflected = (x, f"__{op}__", y), (y, f"__{_REFLECTED.get(op, 'r' + op)}__", x)
    tries = [straight, reflected]
    if type(y) is not type(x) and isinstance(y, type(x)):
        tries.reverse()
    for owner, name, other in tries:
        function = _method(owner, name)
        if function is not None:
            result = support.call_on_values(function, owner, other)
        else:
            native = getattr(type(owner), name, None)
            result = NotImplemented if native is None else native(owner, other)
        if result is not NotImplemented:
            return result
    return _BINARY[op](x, y)


def unary(op: str, x: Any) -> Any:
    """Return ``op x``."""
    function = _method(x, f"__{op}__")
    return _UNARY[op](x) if function is None else support.call_on_values(function, x)


def contains(x: Any, container: Any) -> Any:
    """Return ``x in container``."""
    if isinstance(container, dict) and isinstance(found := container.get(x), Absent):
        found.refuse()
    function = _method(container, "__contains__")
    if function is None:
        return (looked_up(x, container) if isinstance(container, _KEYED) else x) in container
    found = support.call_on_values(function, container, x)
    return found if is_followed(found) else bool(found)


def attribute(owner: Any, name: str) -> Any:
    """Return ``owner.name``, by the user's property or descriptor converted."""
    if not _is_users(owner):
        return getattr(owner, name)
    cls = type(owner)
    found = _static(cls, name)
    own = getattr(owner, "__dict__", {})
    if isinstance(found, property) and found.fget is not None:
        return support.call_on_values(found.fget, owner)
    if isinstance(found, functools.cached_property):
        if name in own:
            return own[name]
        value = support.call_on_values(found.func, owner)
        if is_own(owner):
            # What a branch or loop finds for an object from around it is found anew after it.
            own[name] = value
        return value
    if found is _MISSING:
        ask = _static(cls, "__getattr__")
        if name not in own and isinstance(ask, FunctionType):
            return support.call_on_values(ask, owner, name)
        return getattr(owner, name)
    get = _method(found, "__get__")
    if get is not None and (name not in own or hasattr(type(found), "__set__")):
        return support.call_on_values(get, found, owner, cls)
    return getattr(owner, name)


def set_attribute(owner: Any, name: str, value: Any) -> None:
    """Run ``owner.name = value``, by the user's setter or descriptor converted."""
    if (function := _method(owner, "__setattr__")) is not None:
        support.call_on_values(function, owner, name, value)
    else:
        set_by_object(owner, name, value)


def set_by_object(owner: Any, name: str, value: Any) -> None:
    """Run ``object.__setattr__(owner, name, value)``, by the user's setter or descriptor converted."""
    if _is_users(owner):
        check_field(owner, name, value)
        found = _static(type(owner), name)
        if isinstance(found, property) and found.fset is not None:
            support.call_on_values(found.fset, owner, value)
            return
        if (function := _method(found, "__set__")) is not None:
            support.call_on_values(function, found, owner, value)
            return
    note_attributes(owner)
    (object.__setattr__ if _method(owner, "__setattr__") is not None else setattr)(owner, name, value)


def del_attribute(owner: Any, name: str) -> None:
    """Run ``del owner.name``."""
    note_attributes(owner)
    delattr(owner, name)


def item(x: Any, key: Any) -> Any:
    """Return ``x[key]``."""
    function = _method(x, "__getitem__")
    return support.getitem(x, key) if function is None else support.call_on_values(function, x, key)


def set_item(x: Any, key: Any, value: Any) -> None:
    """Run ``x[key] = value``."""
    function = _method(x, "__setitem__")
    if function is None:
        support.setitem(x, key, value)
    else:
        support.call_on_values(function, x, key, value)


def del_item(x: Any, key: Any) -> None:
    """Run ``del x[key]``."""
    function = _method(x, "__delitem__")
    if function is None:
        support.delitem(x, key)
    else:
        support.call_on_values(function, x, key)


def augment_item(x: Any, key: Any, op: str, value: Any) -> None:
    """Run ``x[key] op= value``."""
    if support.augment_masked(x, key, op, value):
        return
    part = item(x, key)
    changed = augmented(part, op, value)
    if changed is not part or not isinstance(part, Tracer) or part.view is None:
        set_item(x, key, changed)


def augment_attribute(owner: Any, name: str, op: str, value: Any) -> None:
    """Run ``owner.name op= value``."""
    set_attribute(owner, name, augmented(attribute(owner, name), op, value))


def augmented(x: Any, op: str, value: Any) -> Any:
    """Return what ``x op= value`` binds the variable to, for an object of the user's."""
    if not (_is_users(x) or _is_users(value)):
        return support.augment(x, op, value)
    function = _method(x, f"__i{op}__")
    found = NotImplemented if function is None else support.call_on_values(function, x, value)
    return binary(op, x, value) if found is NotImplemented else found


def iterated(x: Any) -> Any:
    """Return what a loop goes through: of an object of the user's, what its `__iter__` gives."""
    if isinstance(x, GeneratorType):
        check_own(x)
    check_keys(x)
    function = _method(x, "__iter__")
    return x if function is None else _Iteration(support.call_on_values(function, x))


class _Iteration:
    """An iterator of the user's, whose `__next__` is converted."""

    def __init__(self, iterator: Any) -> None:
        self.iterator = iterator

    def __iter__(self) -> Iterator[Any]:
        function = _method(self.iterator, "__next__")
        if function is None:
            yield from self.iterator
            return
        while True:
            try:
                found = support.call_on_values(function, self.iterator)
            except StopIteration:
                return
            yield found


class _Managed:
    """A context manager of the user's, whose methods are converted."""

    def __init__(self, manager: Any) -> None:
        self.manager = manager

    def __enter__(self) -> Any:
        return support.call_on_values(_static(type(self.manager), "__enter__"), self.manager)

    def __exit__(self, *error: Any) -> Any:
        return support.call_on_values(_static(type(self.manager), "__exit__"), self.manager, *error)


def managed(manager: Any) -> Any:
    """Return what a ``with`` statement enters."""
    if type(manager) is contextlib.suppress:
        return Suppressing(manager)
    both = _method(manager, "__enter__") is not None and _method(manager, "__exit__") is not None
    return _Managed(manager) if both else manager


def _dunder(builtin: Callable[..., Any], name: str) -> Callable[..., Any]:
    def run(x: Any, *args: Any) -> Any:
        function = _method(x, name)
        return builtin(x, *args) if function is None else support.call_on_values(function, x, *args)

    return run


def _over(builtin: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: builtin(*map(iterated, args), **kwargs)


PROTOCOLS: dict[Any, Callable[..., Any]] = {builtins.abs: _dunder(builtins.abs, "__abs__")}
"""What runs for builtins that call methods of the user's objects."""

PROTOCOLS_ON_VALUES: dict[Any, Callable[..., Any]] = {
    builtins.len: _dunder(builtins.len, "__len__"),
    builtins.round: _dunder(builtins.round, "__round__"),
    **{each: _over(each) for each in (builtins.sum, builtins.list, builtins.tuple, builtins.zip, builtins.enumerate)},
}
"""What runs for further ones on values only."""

acts_for_program(binary.__code__, contains.__code__)

# Called from C, as operators are, they leave the user's frame at the instruction itself: it tells the variable that
# their result is assigned to (`jitdiff.ir.location`).
for _name in (
    "attribute", "augment_attribute", "augment_item", "augmented", "binary", "contains", "del_attribute", "del_item",
    "item", "iterated", "managed", "set_attribute", "set_item", "unary",
):  # fmt: skip
    setattr(support, _name, functools.partial(globals()[_name]))
