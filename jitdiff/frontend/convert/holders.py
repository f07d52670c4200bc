"""Read, change and restore what containers and objects hold, as values under keys."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Mapping
from types import CellType, MappingProxyType
from typing import Any, ClassVar

from jitdiff.frontend.objects import slots


class _Missing:
    def __repr__(self) -> str:
        return "nothing"


MISSING: Any = _Missing()
"""Stands for what a holder has under a key that it does not have."""


class Holder:
    """A container, or the attributes of an object: values under keys.

    Parameters
    ----------
    target : object
        What has the values.
    """

    __slots__ = ("target",)
    kind: ClassVar[str] = ""
    fixed: ClassVar[bool] = True
    """Whether programs see which keys there are, so that they cannot depend on traced values."""

    def __init__(self, target: Any) -> None:
        self.target = target

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Holder) and other.target is self.target and other.kind == self.kind

    def __hash__(self) -> int:
        return id(self.target)

    @property
    def owner_id(self) -> int:
        """Identity of the container or object."""
        return id(self.target)

    def read(self) -> dict[Any, Any]:
        """Return all values by their keys."""
        raise NotImplementedError

    def restore(self, held: Mapping[Any, Any]) -> None:
        """Let it hold these values, and no others."""
        raise NotImplementedError

    def put(self, key: Any, value: Any) -> None:
        """Let it hold a value under a key."""
        raise NotImplementedError

    def name(self, key: Any) -> str:
        """Return what messages call the value under a key."""
        return f"the item {key!r} of a {kind_of(self.target)}"

    def get(self, key: Any) -> Any:
        """Return the value under a key, `MISSING` if there is none."""
        return self.read().get(key, MISSING)

    def first(self, key: Any) -> Any:
        """Return what is read under a key: where there is nothing, what the container gives for that."""
        return self.get(key)


class Items(Holder):
    """The items of a dict."""

    __slots__ = ()
    kind = "items"

    def read(self) -> dict[Any, Any]:
        """Return all values by their keys."""
        return dict(dict.items(self.target))

    def restore(self, held: Mapping[Any, Any]) -> None:
        """Let it hold these values, and no others."""
        if dict.keys(self.target) != held.keys():
            (OrderedDict if isinstance(self.target, OrderedDict) else dict).clear(self.target)
        for key, value in held.items():
            self.put(key, value)

    def put(self, key: Any, value: Any) -> None:
        """Let it hold a value under a key."""
        (OrderedDict if isinstance(self.target, OrderedDict) else dict).__setitem__(self.target, key, value)

    def first(self, key: Any) -> Any:
        """Return what is read under a key."""
        found = self.get(key)
        if found is not MISSING:
            return found
        if isinstance(self.target, Counter):
            return 0
        make = self.target.default_factory if isinstance(self.target, defaultdict) else None
        return MISSING if make is None else make()


class Attributes(Items):
    """The attributes in the ``__dict__`` of an object."""

    __slots__ = ("owner",)
    fixed = False

    def __init__(self, owner: Any) -> None:
        super().__init__(vars(owner))
        self.owner = owner

    @property
    def owner_id(self) -> int:
        """Identity of the object."""
        return id(self.owner)

    def name(self, key: Any) -> str:
        """Return what messages call the value under a key."""
        return f"the attribute {key} of a {type(self.owner).__name__}"


class Slots(Holder):
    """The attributes of an object that stand in slots."""

    __slots__ = ()
    fixed = False

    def read(self) -> dict[Any, Any]:
        """Return all values by their keys."""
        return {n: getattr(self.target, n) for n in slots(type(self.target)) if hasattr(self.target, n)}

    def restore(self, held: Mapping[Any, Any]) -> None:
        """Let it hold these values, and no others."""
        for name in self.read().keys() - held.keys():
            object.__delattr__(self.target, name)
        for name, value in held.items():
            self.put(name, value)

    def put(self, key: Any, value: Any) -> None:
        """Let it hold a value under a key."""
        object.__setattr__(self.target, key, value)

    def name(self, key: Any) -> str:
        """Return what messages call the value under a key."""
        return f"the attribute {key} of a {type(self.target).__name__}"


class Elements(Holder):
    """The elements of a list or deque, by position."""

    __slots__ = ()

    def read(self) -> dict[Any, Any]:
        """Return all values by their keys."""
        return dict(enumerate(_kind(self.target).__iter__(self.target)))

    def restore(self, held: Mapping[Any, Any]) -> None:
        """Let it hold these values, and no others."""
        _kind(self.target).clear(self.target)
        _kind(self.target).extend(self.target, held.values())

    def name(self, key: Any) -> str:
        """Return what messages call the value under a key."""
        return f"element {key} of a {kind_of(self.target)}"

    def put(self, key: Any, value: Any) -> None:
        """Let it hold a value under a key."""
        if key == _kind(self.target).__len__(self.target):
            self.target.append(value)
        else:
            _kind(self.target).__setitem__(self.target, key, value)


def kind_of(x: Any) -> str:
    """Return what messages call the class of an object."""
    return "list" if isinstance(x, list) and hasattr(x, "home") else type(x).__name__


def _kind(x: Any) -> Any:
    return list if isinstance(x, list) else deque


class Members(Holder):
    """The members of a set."""

    __slots__ = ()

    def read(self) -> dict[Any, Any]:
        """Return all values by their keys."""
        return dict.fromkeys(set.__iter__(self.target))

    def restore(self, held: Mapping[Any, Any]) -> None:
        """Let it hold these values, and no others."""
        set.clear(self.target)
        set.update(self.target, held)

    def put(self, key: Any, value: Any) -> None:
        """Let it hold a value under a key."""
        set.add(self.target, key)

    def name(self, key: Any) -> str:
        """Return what messages call the value under a key."""
        return f"{key!r} in a {type(self.target).__name__}"


class Cell(Holder):
    """The value of a variable that a function shares with those inside it; its key is the variable's name."""

    __slots__ = ("variable",)
    fixed = False

    def __init__(self, target: CellType, variable: str) -> None:
        super().__init__(target)
        self.variable = variable

    def read(self) -> dict[Any, Any]:
        """Return all values by their keys."""
        try:
            return {self.variable: self.target.cell_contents}
        except ValueError:
            return {}

    def restore(self, held: Mapping[Any, Any]) -> None:
        """Let it hold these values, and no others."""
        if held:
            self.target.cell_contents = held[self.variable]
        elif self.read():
            del self.target.cell_contents

    def put(self, key: Any, value: Any) -> None:
        """Let it hold a value under a key."""
        self.target.cell_contents = value

    def name(self, key: Any) -> str:
        """Return what messages call the value under a key."""
        return str(key)


def items(x: Any) -> Holder | None:
    """Return the holder of the items of a container, None for what is none."""
    if isinstance(x, dict):
        return Items(x)
    if isinstance(x, list | deque):
        return Elements(x)
    return Members(x) if isinstance(x, set) else None


def attributes(x: Any) -> list[Holder]:
    """Return the holders of the attributes of an object, none for one whose attributes cannot be set back."""
    if isinstance(x, type) or isinstance(getattr(x, "__dict__", None), MappingProxyType):
        return []
    found: list[Holder] = [Attributes(x)] if hasattr(x, "__dict__") else []
    return [*found, Slots(x)] if slots(type(x)) else found
