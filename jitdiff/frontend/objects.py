"""Objects among the arguments of a call: trees of their attributes, made again in a trace as objects of their class.

What an object holds may change from call to call. Its attributes are therefore leaves as other arguments are, and so
are those of the objects that it holds. Bound methods and partial functions are trees of what they hold.
"""

from __future__ import annotations

import enum
import functools
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from types import BuiltinFunctionType, FunctionType, MemberDescriptorType, MethodType, SimpleNamespace
from typing import Any, NoReturn

import numpy as np
from optree import PyTreeSpec

from jitdiff.errors import ArgumentTypeError, JitdiffError
from jitdiff.frontend.boxes import fields, is_box, python_class
from jitdiff.frontend.leaves import Static, as_leaf
from jitdiff.frontend.libraries import LIBRARIES, STANDARD, package_of
from jitdiff.frontend.trees import enter, flatten, unflatten
from jitdiff.ir.dtypes import CHARACTERS
from jitdiff.ir.location import caller, describe
from jitdiff.ops import Handle

_SIMPLE = frozenset({np.ndarray, float, int, bool, str, type(None), np.float64})
"""Types of attributes that need no second look; arrays of other dtypes do."""


def is_object(cls: Any) -> bool:
    """Say whether instances of a class are trees of their attributes when they are arguments.

    Other leaves are static: functions, classes, members of enumerations, and the values of libraries.

    Examples
    --------
    >>> is_object(SimpleNamespace), is_object(type), is_object(type(np.random.default_rng()))
    (True, False, False)
    """
    return _is_object(cls)


@cache
def _is_object(cls: Any) -> bool:
    if is_box(cls):
        return True
    package = package_of(cls.__module__)
    # What Python's own library gives a hash is a value (a path, a fraction) or a resource (a logger, a thread).
    return package not in LIBRARIES and (package not in STANDARD or cls.__hash__ is None) and can_be_opened(cls)


def can_be_opened(cls: Any) -> bool:
    """Say whether instances of a class have attributes, and others can be made with other attributes."""
    return _can_be_opened(cls)


@cache
def _can_be_opened(cls: Any) -> bool:
    never = (type, enum.Enum, np.ndarray, np.generic, np.dtype, np.ufunc, Handle, Static, FunctionType)
    if issubclass(cls, never) or hasattr(cls, "__array__"):
        return False
    return _base(cls) in (object, SimpleNamespace, dict, list) and (cls.__dictoffset__ != 0 or bool(slots(cls)))


def _base(cls: type) -> type:
    """Return the first base of a class that is no class statement's: that makes its instances."""
    return next(base for base in cls.__mro__ if not _is_written_in_python(base))


@cache
def _is_written_in_python(cls: Any) -> bool:
    if not cls.__flags__ & _HEAP or isinstance(vars(cls).get("__new__"), BuiltinFunctionType):
        return False
    own = any(name in vars(cls) for name in ("__slots__", "__dict__", "__weakref__"))
    return own or any(map(_is_written_in_python, cls.__bases__))


_HEAP = 1 << 9
"""Flag of classes that are made while Python runs; C code makes such too."""


def slots(cls: Any) -> dict[str, Any]:
    """Return the slots of a class and its bases, by their names."""
    return _slots(cls)


@cache
def _slots(cls: Any) -> dict[str, Any]:
    written = [base for base in cls.__mro__ if _is_written_in_python(base)]
    return {n: s for base in written for n, s in vars(base).items() if isinstance(s, MemberDescriptorType)}


def attributes(x: Any) -> dict[str, Any]:
    """Return the attributes that an object holds itself, its slots among them.

    Examples
    --------
    >>> attributes(SimpleNamespace(b=1.0, a=2.0))
    {'a': 2.0, 'b': 1.0}
    """
    kind: Any = type(x)
    if is_box(kind):
        return fields(x)
    found = dict(vars(x)) if hasattr(x, "__dict__") else {}
    for name in slots(kind):
        if hasattr(x, name):
            found[name] = getattr(x, name)
    return dict(sorted(found.items()))


def is_opened(cls: type) -> bool:
    """Say whether a leaf of this type becomes a tree of what it holds."""
    return cls in (Self, MethodType, functools.partial) or is_object(cls)


class Self:
    """Marks the object that a method is called on: its attributes are children whatever its class is.

    Parameters
    ----------
    target : object
        The object.
    """

    __slots__ = ("target",)

    def __init__(self, target: Any) -> None:
        self.target = target


class Instance:
    """A node for an object: its children are its attributes, and its items if it is a dict or a list.

    Parameters
    ----------
    target : object
        The object.
    number : int
        Its number among the objects of a call.
    children : list
        Its attributes, then its items, opened.
    keys : tuple
        The keys of its items if it is a dict.
    """

    __slots__ = ("children", "keys", "names", "number", "target")

    def __init__(self, target: Any, number: int, names: tuple[str, ...], keys: tuple[Any, ...]) -> None:
        self.target = target
        self.number = number
        self.names = names
        self.keys = keys
        self.children: list[Any] = []


class _Method:
    """A node for a bound method: its child is the object."""

    __slots__ = ("function", "owner")

    def __init__(self, function: Any, owner: Any) -> None:
        self.function = function
        self.owner = owner


class _Partial:
    """A node for a partial function: its children are the function and the arguments."""

    __slots__ = ("children",)

    def __init__(self, *children: Any) -> None:
        self.children = children


class _Set:
    """A node without children for a set of values that can be hashed."""

    __slots__ = ("items",)

    def __init__(self, items: Iterable[Any]) -> None:
        self.items = frozenset(map(Static, items))


class _Again:
    """Stands for an object that was met before in the same call."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Again) and other.number == self.number

    def __hash__(self) -> int:
        return hash((_Again, self.number))


class Unusable:
    """Stands for an attribute that can be neither traced nor static, and says so when it is used."""

    def __init__(self, what: str, hint: str | None) -> None:
        vars(self).update(what=what, hint=hint)

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise ArgumentTypeError(vars(self)["what"], where=describe(caller()), hint=vars(self)["hint"])

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        self._refuse()

    __array__ = __array_ufunc__ = __array_function__ = __bool__ = __call__ = __contains__ = __float__ = _refuse
    __getitem__ = __int__ = __iter__ = __len__ = __setitem__ = __index__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _refuse
    __pow__ = __rpow__ = __matmul__ = __rmatmul__ = __neg__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unusable) and vars(other) == vars(self)

    def __hash__(self) -> int:
        return hash(vars(self)["what"])


class Opening:
    """Opens the objects among the arguments of one call."""

    def __init__(self) -> None:
        self.met: dict[int, Instance] = {}

    def leaf(self, x: Any, holder: str = "") -> Any:
        """Return the node for a leaf that is an object, a method or a partial function, any other leaf as it is.

        `holder` says whose attribute it is, if it is one: then it need not be usable.
        """
        cls = type(x)
        if cls is Self:
            return self.instance(x.target)
        if is_object(cls):
            return self.instance(x)
        if cls is MethodType:
            return _Method(x.__func__, self.leaf(x.__self__))
        if cls is functools.partial:
            return _Partial(self.leaf(x.func), self.tree(x.args), self.tree(x.keywords))
        if not holder:
            return x
        return _Set(x) if cls is set else _usable(x, holder)

    def instance(self, x: Any) -> Any:
        """Return the node for an object."""
        if (known := self.met.get(id(x))) is not None:
            return Static(_Again(known.number))
        held = attributes(x)
        keys = tuple(x) if isinstance(x, dict) else ()
        node = self.met[id(x)] = Instance(x, len(self.met), tuple(held), keys)
        for name, value in held.items():
            node.children.append(self.tree(value, f"the attribute {name} of a {type(x).__name__}"))
        items = x.values() if isinstance(x, dict) else x if isinstance(x, list) else ()
        node.children += [self.tree(item, f"an item of a {type(x).__name__}") for item in items]
        return node

    def tree(self, x: Any, holder: str = "") -> Any:
        """Return a tree with nodes in place of the objects in it."""
        if type(x) in _SIMPLE and (type(x) is not np.ndarray or x.dtype.char in CHARACTERS):
            return x
        leaves, spec = flatten(x)
        return unflatten(spec, [self.leaf(leaf, holder) for leaf in leaves])


def _usable(x: Any, what: str) -> Any:
    try:
        x = as_leaf(x, what)
        if not isinstance(x, np.ndarray | np.generic | Handle):
            Static(x, what)
    except JitdiffError as error:
        return Static(Unusable(error.what, error.hint))
    return x


def opened(leaves: list[Any], spec: PyTreeSpec) -> tuple[list[Any], PyTreeSpec]:
    """Return the leaves of a tree and its structure, with the objects among the leaves opened.

    Raises
    ------
    ArgumentTypeError
        If objects are nested too deeply.
    """
    opening = Opening()
    try:
        return flatten(unflatten(spec, [opening.leaf(x) for x in leaves]))
    except RecursionError:
        raise ArgumentTypeError(
            "the objects among the arguments are nested too deeply", where=describe(caller()), hint="pass arrays"
        ) from None


def holds_objects(spec: PyTreeSpec) -> bool:
    """Say whether a structure has nodes for objects, methods or partial functions in it."""
    return spec.type in _NODES or any(map(holds_objects, spec.children()))


class _Closing(threading.local):
    """The objects made again by the call of `closed` that is running."""

    made: dict[int, Any]


_closing = _Closing()


def closed(spec: PyTreeSpec, leaves: Iterable[Any]) -> tuple[Any, list[Any]]:
    """Return the tree of structure `spec` with these leaves, and the objects in it, made again.

    An object that stood at several places is one object again.
    """
    leaves = list(leaves)
    _closing.made = {}
    tree = unflatten(spec, leaves)
    made, _closing.made = _closing.made, {}
    if any(isinstance(x, _Again) for x in leaves):
        for x in made.values():
            for name, value in attributes(x).items():
                object.__setattr__(x, name, _resolved(value, made))
            if isinstance(x, dict):
                x.update({k: _resolved(value, made) for k, value in x.items()})
            elif isinstance(x, list):
                x[:] = [_resolved(value, made) for value in x]
        tree = _resolved(tree, made)
    return tree, list(made.values())


def assigned(before: Iterable[tuple[Any, dict[str, Any]]]) -> list[str]:
    """Return what was assigned to objects since they had these attributes, as ``Model.scale``."""
    return [
        f"{type(x).__name__}.{name}"
        for x, held in before
        for name, value in attributes(x).items()
        if name not in held or value is not held[name]
    ]


def _resolved(tree: Any, made: dict[int, Any]) -> Any:
    leaves, spec = flatten(tree)
    if not any(isinstance(x, _Again) for x in leaves):
        return tree
    return unflatten(spec, [made[x.number] if isinstance(x, _Again) else x for x in leaves])


def _instance_children(node: Instance) -> Any:
    cls: Any = type(node.target)
    meta = python_class(cls) if is_box(cls) else cls, node.number, node.names, node.keys
    items = len(node.children) - len(node.names)
    return node.children, meta, (*node.names, *(node.keys or range(items)))


def _instance_again(meta: Any, children: Iterable[Any]) -> Any:
    cls, number, names, keys = meta
    values = list(children)
    new = instance(cls, dict(zip(names, values, strict=False)))
    items = values[len(names) :]
    if isinstance(new, dict):
        dict.update(new, zip(keys, items, strict=True))
    elif isinstance(new, list):
        list.extend(new, items)
    if hasattr(_closing, "made"):
        _closing.made[number] = new
    return new


def instance(cls: type, held: Mapping[str, Any]) -> Any:
    """Return an object of a class with these attributes, made without its constructor."""
    base: Any = _base(cls)
    new = base.__new__(cls)
    for name, value in held.items():
        if name in slots(cls):
            object.__setattr__(new, name, value)
        else:
            vars(new)[name] = value
    return new


def _partial_again(_: Any, children: Iterable[Any]) -> Any:
    function, args, keywords = children
    return functools.partial(function, *args, **keywords)


def _method_again(function: Callable[..., Any], children: Iterable[Any]) -> Any:
    (owner,) = children
    return MethodType(function, owner)


def _items(node: _Set) -> Any:
    return [], node.items, ()


_NODES = (Instance, _Method, _Partial, _Set)

enter(Instance, _instance_children, _instance_again)
enter(_Method, lambda node: ([node.owner], node.function, ("self",)), _method_again)
enter(_Partial, lambda node: (node.children, None, ("func", "args", "keywords")), _partial_again)
enter(_Set, _items, lambda items, _: {item.value for item in items})
