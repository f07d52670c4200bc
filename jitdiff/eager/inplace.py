"""Tensors changed in place, as NumPy arrays are: `y[i] = v`, `y += z`, `out=y`, and views that see it.

The numbers of a Tensor never change, since recorded steps need them. A Tensor that is changed becomes a `Changed`: the
object that the user holds reads, from then on, another Tensor, which the operation that changed it gave. To recorders
the object itself goes on to mean the value that it had first. A view reads its elements anew when it is read after a
change of the array it is a view of, and what nobody reads costs nothing.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from jitdiff.eager.handle import EagerHandle
from jitdiff.eager.indexing import composed, is_basic, item
from jitdiff.eager.moments import History, is_restored
from jitdiff.eager.recorder import Recorder, Step, active, recording
from jitdiff.eager.tensor import Tensor, tensor_of
from jitdiff.errors import TapeError, TracingError
from jitdiff.ir import ArrayType
from jitdiff.ir.builder import building, current_builder
from jitdiff.ir.location import caller, describe
from jitdiff.ops import Op
from jitdiff.ops.elementwise import identity
from jitdiff.ops.methods import with_fixed_type
from jitdiff.threads import Lock

one_at_a_time = Lock()
"""Held while a Tensor becomes another: threads may write to parts of one array."""

HELD = object()
"""Marks, in place of a view, the Tensor that a Variable holds."""


class View(NamedTuple):
    """The operation by which a Tensor reads its elements from another.

    Attributes
    ----------
    base : Tensor or Variable
        What it was read from, which may be a view itself.
    root : Tensor or Variable
        The array at the end of a chain of views.
    op, rest, attrs : Op, tuple, mapping
        The operation that reads it; `rest` are its operands after the base.
    """

    base: Any
    root: Any
    op: Op
    rest: tuple[Any, ...]
    attrs: Mapping[str, Any]

    def elements(self) -> Tensor:
        """Return what the view sees now."""
        base = self.base.read()
        with self.root._cell.recorded(), building(None):
            found: Tensor = self.op(base, *self.rest, **self.attrs)
        # A Tensor that an object reads is nobody's view.
        found._view, base._views = None, None
        return found

    def written(self, part: Tensor) -> Tensor:
        """Return the base with `part` in place of the elements of the view."""
        assert self.op.write_back is not None
        return self.op.write_back((self.base.read(), *self.rest), part, **self.attrs)  # type: ignore[no-any-return]


class Cell(History):
    """The state of a Tensor that was changed in place.

    Attributes
    ----------
    first : Tensor
        What it held before, which the object itself means to recorders.
    recorders : list
        Weak references to the recorders that were active when it was last changed.
    """

    __slots__ = ("first", "recorders")

    def __init__(self, x: Tensor, time: int = 0) -> None:
        self.first = tensor_of(x._value)
        self.recorders: list[weakref.ref[Recorder]] = []
        super().__init__(self.first, time)

    def change(self, new: Tensor) -> None:
        """Let it hold a new value."""
        self.put(new)
        self.recorders = [weakref.ref(r) for r in active()]

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Return a context in which those record that did when it was changed: as if its views were read then."""
        then = [r for ref in self.recorders if (r := ref()) is not None]
        if is_restored() or then == active():
            yield
        else:
            with recording(then):
                yield

    def tensor(self) -> Tensor:
        """Return what is to be read now."""
        return self.now()  # type: ignore[no-any-return]


class ViewCell(Cell):
    """The state of a view whose root was changed: the elements last read there, at the times of the root.

    Parameters
    ----------
    x : Tensor
        The view.
    time : int
        Since when the root held what the view was first read from.
    """

    __slots__ = ("view",)

    def __init__(self, x: Tensor, time: int) -> None:
        super().__init__(x, time)
        self.view: View = x._view

    def tensor(self) -> Tensor:
        """Return what is to be read now: of the root if that has changed."""
        root: Cell = self.view.root._cell
        time = root.shown() if is_restored() else root.time
        found: Tensor | None = self.at(time)
        if found is None:
            found = self.view.elements()
            if time == root.time:
                self.put(found, time)
        return found


@with_fixed_type
class Changed(Tensor):
    """A Tensor that was changed in place, or is a view of one: it reads what it has become."""

    __slots__ = ()

    @property
    def _value(self) -> Any:
        return self.read()._value

    def read(self) -> Tensor:
        """Return the Tensor that it has become."""
        found: Tensor = self._cell.tensor()
        return first(self) if found is self._cell.first else found

    def key(self) -> Tensor:
        """Return what recorders know the present value by; in a trace that is the object, which each run reads anew."""
        return self if current_builder() is not None else self.read()

    @property
    def type(self) -> ArrayType:
        """IR type."""
        return self._cell.first.type  # type: ignore[no-any-return]

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes, as in NumPy."""
        return self._cell.first.shape  # type: ignore[no-any-return]

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy dtype."""
        return self._cell.first.dtype  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return self._cell.first.size  # type: ignore[no-any-return]

    # Those of `Tensor` compute with the object itself.
    __array_ufunc__ = EagerHandle.__array_ufunc__
    __add__, __radd__ = EagerHandle.__add__, EagerHandle.__radd__
    __sub__, __rsub__ = EagerHandle.__sub__, EagerHandle.__rsub__
    __mul__, __rmul__ = EagerHandle.__mul__, EagerHandle.__rmul__
    __truediv__, __rtruediv__ = EagerHandle.__truediv__, EagerHandle.__rtruediv__
    __pow__, __rpow__ = EagerHandle.__pow__, EagerHandle.__rpow__


Changed.__name__ = Changed.__qualname__ = "Tensor"


def note_view(view: Tensor, op: Op, xs: Sequence[Any], attrs: Mapping[str, Any]) -> None:
    """Remember that `view`, what `op` gave for `xs`, shares its elements with the first of them, if it does."""
    base, *rest = xs
    value = view._value
    if not value.shape or (owner := value.base) is None or any(getattr(x, "shape", ()) for x in rest):
        return
    if not isinstance(base, EagerHandle):
        return
    shared = base._value
    if not (owner is shared or owner is shared.base or np.may_share_memory(value, shared)):
        return
    root = root_of(base)
    if op is item:
        base, key = _merged(base, attrs["key"])
        attrs = {"key": key}
    view._view = View(base, root, op, tuple(rest), attrs)
    if not isinstance(root, Tensor):
        return
    views = _slot(_views_slot, root)
    if views is None:
        views = root._views = []
    views.append(weakref.ref(view))
    count = len(views)
    if count > 16 and not count & (count - 1):
        views[:] = [ref for ref in views if ref() is not None]


_cell_slot = Tensor.__dict__["_cell"].__get__
_held_slot = Tensor.__dict__["_held"].__get__
_view_slot = Tensor.__dict__["_view"].__get__
_views_slot = Tensor.__dict__["_views"].__get__


def _slot(get: Callable[[Tensor], Any], x: Tensor) -> Any:
    """Return what a slot holds, None if nothing was put there yet."""
    try:
        return get(x)
    except AttributeError:
        return None


def root_of(x: Any) -> Any:
    """Return the array that `x` is a view of, `x` itself if it is none."""
    view = _slot(_view_slot, x) if isinstance(x, Tensor) else None
    return x if view is None or view is HELD else view.root


def change(x: Tensor, new: Any) -> None:
    """Let `x`, its base and all views of that have the elements of `new`, which has its shape and dtype."""
    if current_builder() is not None:
        raise TracingError(
            "a Tensor from outside of a compiled function is changed in place in it",
            where=describe(caller()),
            hint="copy it first: y = x.copy()",
        )
    new = new if isinstance(new, Tensor) else tensor_of(new)
    view = _slot(_view_slot, x)
    if view is HELD:
        raise TapeError(
            "the value of a Variable is changed in place",
            where=describe(caller()),
            hint="copy it first: y = x.copy()",
        )
    if view is not None:
        view.base.rebind(view.written(new))
        x._cell.put(new, view.root._cell.time)
        return
    _refuse_if_watched(x)
    cell = _slot(_cell_slot, x) or _turned(x, Cell(x))
    before = cell.time
    cell.change(new)
    views, x._views = _slot(_views_slot, x), None
    for ref in views or ():
        if (found := ref()) is not None:
            _turned(found, ViewCell(found, before))
    for recorder in active():
        recorder.changed(x)


def _merged(base: Any, key: Any) -> tuple[Any, Any]:
    """Return an array and a basic index that takes of it what `key` takes of `base`, without going through a slice."""
    view = _slot(_view_slot, base) if isinstance(base, Tensor) else None
    if isinstance(view, View) and view.op is item:
        merged = composed(view.attrs["key"], key, view.base.shape)
        if merged is not None:
            return view.base, merged
    return base, key


def _turned(x: Tensor, cell: Cell) -> Cell:
    """Let a Tensor become a `Changed`."""
    x._cell = cell
    x.__class__ = Changed
    return cell


def is_item(x: Any, base: Tensor, key: Any) -> bool:
    """Whether `x` is the view ``base[key]``, so that ``base[key] = x`` changes nothing."""
    view = _slot(_view_slot, x) if isinstance(x, Tensor) else None
    if not isinstance(view, View) or view.op is not item or not is_basic(key):
        return False
    source, key = _merged(base, key)
    return view.base is source and bool(view.attrs["key"] == key)


def hold(x: Any, recorder: Recorder) -> None:
    """Refuse changes of `x`, or of what it is a view of, while `recorder` is active and watches what `x` is now."""
    if isinstance(x, Tensor):
        root = root_of(x)
        holders = [pair for pair in _slot(_held_slot, root) or () if pair[0]() is not None]
        root._held = [*holders, (weakref.ref(recorder), weakref.ref(x.key()))]


def _refuse_if_watched(x: Tensor) -> None:
    for ref, key in _slot(_held_slot, x) or ():
        recorder = ref()
        if recorder in active() and key() in recorder.leaves:
            raise TapeError(
                "a Tensor that is watched is changed in place, and its gradient would be that of two values",
                where=describe(caller()),
                hint="copy it first, and change the copy: y = x.copy()",
            )


def first(x: Changed) -> Tensor:
    """Return a Tensor of the value that `x` had before it was changed, connected to it on the active tapes."""
    value: Tensor = x._cell.first
    step = None
    for recorder in active():
        if x in recorder.known and value not in recorder.known:
            step = step or Step(identity, (x,), {}, (value,), (value._value,), value._value)
            recorder.record(step, step.outs)
    return value
