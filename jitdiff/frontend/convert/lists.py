"""Lists that grow in loops: what the iterations of a loop of the program append is stacked."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

import numpy as np
import optree

from jitdiff.errors import TracingError
from jitdiff.frontend.convert.changes import born, changing, note, scope_now
from jitdiff.frontend.convert.holders import Elements
from jitdiff.frontend.convert.plan import Anew
from jitdiff.frontend.convert.rows import Rows
from jitdiff.frontend.convert.state import is_number
from jitdiff.frontend.trees import NAMESPACE
from jitdiff.ir import Builder
from jitdiff.ir.builder import current_builder
from jitdiff.ir.location import caller, describe
from jitdiff.ops import FUNCTIONS, Handle, Tracer


class Stacked(Handle):
    """What a list has in place of the items that a loop of the program appended.

    Attributes
    ----------
    items : Tracer
        The items, along the first axis.
    """

    __slots__ = ("items",)

    def __init__(self, items: Tracer) -> None:
        self.items = items


class List(list[Any]):
    """A list made in a converted function.

    Attributes
    ----------
    home : Builder or None
        The builder that was current when it was made. Blocks inside it add to the list by giving items out.
    """

    __slots__ = ("home",)

    def __init__(self, items: Iterable[Any] = ()) -> None:
        super().__init__(items)
        self.home = current_builder()
        born(self)

    @classmethod
    def of_stack(cls, items: Tracer) -> List:
        """Return the list of what stands along the first axis of an array."""
        new = cls()
        list.append(new, Stacked(items))
        return new

    def __copy__(self) -> List:
        return List(self.raw())

    def __deepcopy__(self, memo: dict[int, Any]) -> List:
        return List(copy.deepcopy(item, memo) for item in self.raw())

    @property
    def is_stacked(self) -> bool:
        """Whether some items stand along the axis of an array."""
        return any(isinstance(x, Stacked) for x in list.__iter__(self))

    def append(self, item: Any) -> None:
        """Add an item at the end."""
        builder = current_builder()
        changing(self)
        if builder is self.home:
            super().append(item)
            return
        assert builder is not None
        scope = scope_now()
        stacks = builder.notes.get("stacks")
        if not stacks and scope is None:
            raise TracingError(
                "a list grows in a branch on a traced condition, so that its length is not known",
                where=describe(caller()),
                hint="append np.where(condition, a, b), or write to elements of an array",
            )
        if not stacks or (scope is not None and id(self) in scope.whole):
            self._change()
            super().append(item)
            return
        if not is_number(item):
            _refuse(f"appends a {type(item).__name__} to a list", "append arrays and numbers, to one list each")
        growing(builder).setdefault(id(self), (self, []))[1].append(item)

    def extend(self, items: Iterable[Any]) -> None:
        """Add items at the end."""
        for item in items.raw() if isinstance(items, List) else items:
            self.append(item)

    def raw(self) -> Iterator[Any]:
        """Iterate over the items, those of a loop being one."""
        return super().__iter__()

    def stacked(self) -> Any:
        """Return the items as one array, along a new first axis."""
        self._note_read()
        parts: list[Any] = []
        for item in self.raw():
            if isinstance(item, Stacked):
                parts.append(item.items)
            else:
                parts.append(_numpy(np.expand_dims)(np.asarray(item) if not isinstance(item, Handle) else item, 0))
        return parts[0] if len(parts) == 1 else _numpy(np.concatenate)(parts)

    def stacked_rows(self) -> Rows | None:
        """Return the items by number, None for a list that Python can iterate over."""
        if not self.is_stacked:
            return None
        array = self.stacked()
        return Rows(array.shape[0], array.__getitem__, lambda: iter(array))

    def __iter__(self) -> Iterator[Any]:
        self._note_read()
        return iter(self.stacked()) if self.is_stacked else super().__iter__()

    def __len__(self) -> int:
        self._note_read()
        return len(self.stacked()) if self.is_stacked else super().__len__()

    def __getitem__(self, key: Any) -> Any:
        self._note_read()
        return self.stacked()[key] if self.is_stacked else super().__getitem__(key)

    def _note_read(self) -> None:
        """Let the blocks inside the list's home know that they read it, which those that add to it must not."""
        builder = current_builder()
        while builder is not None and builder is not self.home:
            builder.notes.setdefault("lists read", set()).add(id(self))
            builder = builder.parent

    def _change(self) -> None:
        """Note that the list is about to be changed otherwise than by growing."""
        if self.is_stacked:
            _refuse("changes a list other than by append", "use an array, and change its elements")
        builder = current_builder()
        changing(self)
        if builder is self.home:
            return
        note(Elements(self))
        scope = scope_now()
        assert builder is not None
        assert scope is not None
        if id(self) not in scope.whole:
            if id(self) in growing(builder):
                raise Anew(lambda plan: plan.whole.add(id(self)))
            scope.whole.add(id(self))

    def __setitem__(self, key: Any, value: Any) -> None:
        self._change()
        super().__setitem__(key, value)

    def __delitem__(self, key: Any) -> None:
        self._change()
        super().__delitem__(key)

    def __add__(self, other: Any) -> Any:
        return List([*self.raw(), *(other.raw() if isinstance(other, List) else other)])

    def __iadd__(self, other: Any) -> Any:
        self.extend(other)
        return self

    def insert(self, index: Any, item: Any) -> None:
        """Put an item before another."""
        self._change()
        super().insert(index, item)

    def pop(self, index: Any = -1) -> Any:
        """Take an item out."""
        self._change()
        return super().pop(index)

    def remove(self, item: Any) -> None:
        """Take out the first item that equals one."""
        self._change()
        super().remove(item)

    def sort(self, **options: Any) -> None:
        """Sort the items."""
        self._change()
        super().sort(**options)

    def clear(self) -> None:
        """Take all items out."""
        self._change()
        super().clear()

    def reverse(self) -> None:
        """Reverse the order."""
        self._change()
        super().reverse()


optree.register_pytree_node(
    List, lambda x: (list(x), None, None), lambda _, items: List(items), namespace=NAMESPACE
)  # fmt: skip


def stacking() -> None:
    """Let the block that is being built add to lists around it: it is run once an iteration, as a whole."""
    builder = current_builder()
    assert builder is not None
    builder.notes["stacks"] = True


def growing(builder: Builder) -> dict[int, tuple[List, list[Any]]]:
    """Return the lists that a block adds to, with the items."""
    found: dict[int, tuple[List, list[Any]]] = builder.notes.setdefault("lists", {})
    return found


def grown(builder: Builder) -> tuple[list[List], list[Any]]:
    """Return the lists that the iteration being traced adds to, and for each an array of the items it adds."""
    lists, arrays = [], []
    for key, (target, items) in growing(builder).items():
        if key in builder.notes.get("lists read", ()):
            _refuse("reads a list that it appends to", "keep the last item in a variable too")
        lists.append(target)
        arrays.append(List(items).stacked())
    return lists, arrays


def extend_stacked(lists: Iterable[List], stacks: Iterable[Tracer]) -> None:
    """Add to lists what the iterations of a loop added: arrays of iterations by items by the shape of an item."""
    for target, stack in zip(lists, stacks, strict=True):
        trips, items, *shape = stack.shape
        rows = Stacked(_numpy(np.reshape)(stack, (trips * items, *shape)))
        builder = current_builder()
        if builder is target.home:
            list.append(target, rows)
        else:
            assert builder is not None
            growing(builder).setdefault(id(target), (target, []))[1].append(rows)


def plain(x: Any) -> Any:
    """Return a result with ordinary lists, a list that a loop stacked as the list of its items."""
    if isinstance(x, List):
        return [plain(item) for item in x]
    if type(x) in (tuple, list):
        return type(x)(plain(item) for item in x)
    if type(x) is dict:
        return {key: plain(item) for key, item in x.items()}
    return x


def _numpy(function: Any) -> Any:
    return FUNCTIONS[function].function


def _refuse(what: str, hint: str) -> NoReturn:
    raise TracingError(f"a loop or branch of the program {what}", where=describe(caller()), hint=hint)
