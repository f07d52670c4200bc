"""Tensors changed in place, as NumPy arrays are: `y[i] = v`, `y += z`, `out=y`, and views that see it.

The numbers of a Tensor never change, since recorded steps need them. A Tensor that is changed becomes a `Changed`: the
object that the user holds reads, from then on, another Tensor, which the operation that changed it gave. To recorders
the object itself goes on to mean the value that it had first.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jitdiff.eager.handle import EagerHandle
from jitdiff.eager.recorder import Step, active
from jitdiff.eager.tensor import Tensor, tensor_of
from jitdiff.errors import TapeError, TracingError
from jitdiff.ir.builder import current_builder
from jitdiff.ir.location import caller, describe
from jitdiff.ops import Op
from jitdiff.ops.elementwise import identity

HELD = object()
"""Marks, in place of a view, the Tensor that a Variable holds."""


class View(NamedTuple):
    """How a Tensor reads its elements from another, its base."""

    base: Any
    op: Op
    rest: tuple[Any, ...]
    attrs: Mapping[str, Any]

    def elements(self) -> Tensor:
        """Return what the view sees now."""
        base = self.base.read()
        found: Tensor = self.op(base, *self.rest, **self.attrs)
        # A Tensor that an object reads is nobody's view.
        found._view, base._views = None, None
        return found

    def written(self, part: Tensor) -> Tensor:
        """Return the base with `part` in place of the elements of the view."""
        assert self.op.write_back is not None
        return self.op.write_back((self.base.read(), *self.rest), part, **self.attrs)  # type: ignore[no-any-return]


class Changed(Tensor):
    """A Tensor that was changed in place: it reads what it has become."""

    __slots__ = ()

    @property
    def _value(self) -> Any:
        return self._now._value

    def read(self) -> Tensor:
        """Return the Tensor that it has become."""
        return self._now

    key = read

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
    shared = base._value
    if not (owner is shared or owner is shared.base or np.may_share_memory(value, shared)):
        return
    view._view = View(base, op, tuple(rest), attrs)
    if not isinstance(base, Tensor):
        return
    views = _slot(_views_slot, base)
    if views is None:
        views = base._views = []
    views.append(weakref.ref(view))
    count = len(views)
    if count > 16 and not count & (count - 1):
        views[:] = [ref for ref in views if ref() is not None]


_view_slot = Tensor.__dict__["_view"].__get__
_views_slot = Tensor.__dict__["_views"].__get__


def _slot(get: Callable[[Tensor], Any], x: Tensor) -> Any:
    """Return what a slot holds, None if nothing was put there yet."""
    try:
        return get(x)
    except AttributeError:
        return None


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
        return
    for part in _with_views(x):
        _refuse_if_watched(part)
    _set(x, new)
    _refresh(x)


def _views(x: Tensor) -> list[Tensor]:
    found = (ref() for ref in _slot(_views_slot, x) or ())
    return [view for view in found if view is not None]


def _with_views(x: Tensor) -> Iterator[Tensor]:
    yield x
    for view in _views(x):
        yield from _with_views(view)


def _refuse_if_watched(x: Tensor) -> None:
    if any(r.keeps_leaves and x.key() in r.leaves for r in active()):
        raise TapeError(
            "a Tensor that is watched is changed in place, and its gradient would be that of two values",
            where=describe(caller()),
            hint="copy it first, and change the copy: y = x.copy()",
        )


def _set(x: Tensor, new: Tensor) -> None:
    if type(x) is Tensor:
        x._first = tensor_of(x._value)
        x.__class__ = Changed
    x._now = new


def _refresh(x: Tensor) -> None:
    for view in _views(x):
        _set(view, view._view.elements())
        _refresh(view)


def first(x: Changed) -> Tensor:
    """Return a Tensor of the value that `x` had before it was changed, connected to it on the active tapes."""
    value: Tensor = x._first
    step = None
    for recorder in active():
        if x in recorder.known and value not in recorder.known:
            step = step or Step(identity, (x,), {}, (value,), (value._value,), value._value)
            recorder.record(step, step.outs)
    return value
