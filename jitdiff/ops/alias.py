"""Views: arrays that share their elements with another, read and written through it, as in NumPy.

In the IR every value is constant. An array that the user changes in place is a cell holding the present value, and a
view is the operation that reads it from its base; its entry in the table says how a changed view is written back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from jitdiff.errors import TracingError
from jitdiff.ir.builder import current_builder
from jitdiff.ir.location import caller, describe
from jitdiff.ir.types import Shape
from jitdiff.ops.table import Handle, Op

if TYPE_CHECKING:
    from jitdiff.ops.tracer import Tracer


@dataclass(slots=True)
class View:
    """How a tracer reads its elements from another.

    Attributes
    ----------
    base : Tracer
        The array it is a view of; that may be a view itself.
    op, xs, attrs : Op, tuple, dict
        The operation that reads it; the first operand is `base`.
    sure : bool
        Whether NumPy gives a view here; a reshape of an array that is not contiguous may be a copy.
    version : int
        Version of the base's root when the tracer's value was read.
    """

    base: Tracer
    op: Op
    xs: tuple[Any, ...]
    attrs: dict[str, Any]
    sure: bool
    version: int

    @property
    def root(self) -> Tracer:
        """The array at the end of a chain of views."""
        base = self.base
        while base.view is not None:
            base = base.view.base
        return base

    def refresh(self, tracer: Tracer) -> None:
        """Let the tracer hold what its base has now."""
        builder = current_builder()
        version = self.root.version
        changed = version != self.version
        if changed and not self.sure:
            raise TracingError(
                f"a reshaped {tracer.type} is read after the array it came from was changed in place, and whether "
                "NumPy's reshape made a view or a copy there depends on the memory layout",
                where=describe(caller()),
                hint="copy it when it is made: y = x.reshape(...).copy()",
            )
        atom = tracer._atom
        if changed or atom is None or (builder is not None and not builder.sees_atom(atom)):
            from jitdiff.ops.tracer import append, lift

            tracer._atom = append(self.op, [lift(x) for x in self.xs], self.attrs)[0]
            self.version = version

    def numbers(self) -> Any:
        """Return the elements of the view if those of its root are known, and which they are; otherwise None."""
        from jitdiff.ops.tracer import numbers_of

        known = numbers_of(self.xs, self.attrs)
        return None if known is None else self.op.evaluate(*known, **self.attrs)

    def write(self, tracer: Tracer, new: Any) -> None:
        """Change the elements of the view, that is, of its base."""
        if not self.sure or self.op.write_back is None:
            raise TracingError(
                f"a reshaped {tracer.type} is changed in place, and whether NumPy's reshape made a view or a copy "
                "depends on the memory layout",
                where=describe(caller()),
                hint="copy it first: y = x.reshape(...).copy()",
            )
        self.base.rebind(self.op.write_back(self.xs, new, **self.attrs))


@dataclass(slots=True)
class Unclear:
    """In place of a `View`, for an array that may be another or part of it, depending on the way that control took.

    It can be read until one of those is changed, and not be changed itself.

    Attributes
    ----------
    bases : sequence of Tracer
        What it may share elements with.
    versions : list of int
        Their versions when it was made.
    why : str
        What it depends on.
    """

    bases: Sequence[Tracer]
    versions: list[int]
    why: str

    @property
    def base(self) -> Tracer:
        """One of the arrays that it may be."""
        return self.bases[0]

    @property
    def root(self) -> Tracer:
        """The same."""
        return self.bases[0]

    def refresh(self, tracer: Tracer) -> None:
        """Raise `TracingError` if the tracer may hold something else by now."""
        if self.versions != [base.version for base in self.bases]:
            self._refuse(f"a {tracer._atom and tracer._atom.type} is read after another array was changed in place")

    def numbers(self) -> None:
        """Return None: it is traced."""

    def write(self, tracer: Tracer, new: Any) -> None:
        """Raise `TracingError`."""
        self._refuse(f"a {tracer.type} is changed in place")

    def _refuse(self, what: str) -> NoReturn:
        raise TracingError(f"{what}, and {self.why}", where=describe(caller()), hint="copy it: y = x.copy()")


def shared(x: Any) -> list[Any]:
    """Return the arrays that `x` is, or is a view of; none if it has no elements to share."""
    if not isinstance(x, Handle) or not x.shape:  # type: ignore[attr-defined]
        return []
    view = getattr(x, "view", None)
    return list(view.bases) if isinstance(view, Unclear) else [x if view is None else view.root]


def tie(results: Sequence[tuple[Any, Sequence[Any]]], outer: Callable[[Any], bool], why: str) -> None:
    """Let results of a branch or loop be unclear that share elements with arrays around it, or with each other.

    Parameters
    ----------
    results : sequence of (Tracer, sequence of Tracer)
        What a variable holds afterwards, and the arrays that it was, or was a view of, inside.
    outer : callable
        Whether one of those comes from around the branch or loop.
    why : str
        What it depends on, for messages.
    """
    first: dict[int, Any] = {}
    for result, roots in results:
        bases = [root for root in roots if outer(root)]
        bases += [first[id(root)] for root in roots if id(root) in first]
        if bases and result.shape:
            result.view = Unclear(bases, [base.version for base in bases], why)
        for root in roots:
            first.setdefault(id(root), result)


def view_of(op: Op, xs: tuple[Any, ...], attrs: dict[str, Any], result: Any) -> Any:
    """Let `result`, of `op` on `xs`, be the view of its first operand that it is in NumPy, if it is one."""
    if op.write_back is None or not isinstance(result, Handle):
        return result
    base = xs[0]
    tracer: Any = result
    if not tracer.shape or not isinstance(base, type(tracer)) or any(getattr(x, "shape", ()) for x in xs[1:]):
        return result
    sure = op.name != "reshape" or is_contiguous(base) or _without_ones(base.shape) == _without_ones(tracer.shape)
    return _viewing(tracer, op, xs, attrs, sure)


def as_view(op: Op, xs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
    """Return the result of an operation on a tracer as a view of it, which it is in NumPy written differently."""
    result = op(*xs, **attrs)
    return result if result.view is not None else _viewing(result, op, xs, attrs, sure=True)


def _viewing(result: Any, op: Op, xs: tuple[Any, ...], attrs: dict[str, Any], sure: bool) -> Any:
    """Let `result` read its elements from the first operand."""
    view = View(xs[0], op, xs, attrs, sure, 0)
    view.version = view.root.version
    result.view, result.fixed = view, xs[0].fixed
    return result


def is_contiguous(tracer: Tracer) -> bool:
    """Say whether the elements surely stand one after another in memory, as NumPy would have them."""
    view = tracer.view
    if view is None:
        return True
    if isinstance(view, Unclear):
        return False
    if view.op.name == "reshape":
        return view.sure and is_contiguous(view.base)
    ranges = view.attrs.get("ranges") or view.attrs.get("selection")
    if ranges is None or not is_contiguous(view.base):
        return False
    if any(getattr(x, "shape", ()) for x in view.xs[1:]):
        return False
    leading = True
    for taken, n in zip(ranges, view.base.shape, strict=True):
        if isinstance(taken, int) or taken[2] == 1:
            if not leading:
                return False
            continue
        if taken[1] != 1 or not (leading or taken[2] == n):
            return False
        leading = False
    return True


def read_only(xs: tuple[Any, ...], part: Any, **attrs: Any) -> Any:
    """Refuse to write to a view that is read-only in NumPy too."""
    raise TracingError(
        f"a {part.type} is changed in place, and it is a read-only view, as in NumPy",
        where=describe(caller()),
        hint="copy it first: y = y.copy()",
    )


def owned(result: Any, args: tuple[Any, ...]) -> Any:
    """Return what a NumPy function gave as an array of its own: one that is neither a view nor an argument."""
    from jitdiff.ops.tracer import Tracer, apart, holding

    if type(result) is np.ndarray and any(isinstance(a, Tracer) for a in _flat(args)):
        return holding(result)
    if isinstance(result, Handle) and not isinstance(result, Tracer):
        return result.owned(list(_flat(args)))
    if not isinstance(result, Tracer) or not result.shape:
        return result
    if result.view is None and not any(result is a for a in _flat(args)):
        return result
    return apart(result)


def detached(x: Any) -> Any:
    """Return the present value of an array as an array of its own; numbers and other objects as they are."""
    return x.copy() if isinstance(x, np.ndarray) else owned(x, (x,))


def _flat(args: tuple[Any, ...]) -> Iterator[Any]:
    for a in args:
        yield from a if type(a) in (list, tuple) else (a,)


def _without_ones(shape: Shape) -> list[Any]:
    return [n for n in shape if n != 1]
