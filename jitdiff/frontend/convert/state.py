"""The variables of a block: what it finds in them, what it leaves behind, and how two outcomes become one.

A variable holds a tree whose leaves are numbers and arrays, or any other Python object. Numbers and arrays become
results of an If or carries of a loop; other objects have to be the same whichever way control goes. A variable that has
no value on some way holds an `Undefined`, which says so when it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn

import numpy as np
from optree import PyTreeSpec

from jitdiff.errors import TracingError
from jitdiff.frontend.convert.source import GENERATED
from jitdiff.frontend.trees import flatten, unflatten
from jitdiff.ir import ArrayType, Block, Const, Dim, free_values, type_of
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
        if name.startswith("__array"):
            raise AttributeError(name)
        self.refuse()

    __bool__ = __float__ = __int__ = __index__ = __len__ = __iter__ = __getitem__ = __setitem__ = __call__ = refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = refuse
    __pow__ = __rpow__ = __matmul__ = __rmatmul__ = __mod__ = __floordiv__ = __neg__ = __abs__ = refuse
    __lt__ = __le__ = __gt__ = __ge__ = __array_ufunc__ = __array_function__ = refuse

    def __repr__(self) -> str:
        return f"<undefined: {self.why}>"


UNSET = Undefined("a variable is read before it has a value")


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


def is_number(leaf: Any) -> bool:
    """Whether a leaf can be a value of the program."""
    return isinstance(leaf, Tracer | bool | int | float | np.generic | np.ndarray | Dim) or (
        isinstance(leaf, Handle) and not isinstance(leaf, Undefined)
    )


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


@dataclass(slots=True)
class Leaf:
    """A number or array that a branch leaves in a variable.

    Attributes
    ----------
    given : object
        What the variable holds.
    now : object
        The same with its present value, which undoing the branch does not change.
    outer : bool
        Whether it is an array from around the branch, which can be changed in place under its other names.
    """

    given: Any
    now: Any
    outer: bool


Outcome = list[tuple[Any, list[Leaf] | None, PyTreeSpec | None]]
"""For each variable what it holds, and the leaves and structure of that if all leaves are numbers and arrays."""


def outcome(values: Sequence[Any]) -> Outcome:
    """Return what the variables hold at the end of the branch that is being traced."""
    builder = current_builder()
    found: Outcome = []
    for value in values:
        leaves, spec = flatten(value)
        if not all(map(is_number, leaves)):
            found.append((value, None, None))
            continue
        kept = []
        for leaf in leaves:
            pinned = isinstance(leaf, Tracer) and leaf.numbers is None
            outer = isinstance(leaf, Tracer) and bool(leaf.shape) and leaf.home is not builder
            kept.append(Leaf(leaf, Tracer(leaf.atom) if pinned else leaf, outer))
        found.append((value, kept, spec))
    return found


class Merge:
    """What variables hold after a branch, from what they hold at the end of either arm.

    Parameters
    ----------
    names : tuple of str
        The variables.
    """

    def __init__(self, names: Names) -> None:
        self.names = names
        self.after: list[Callable[[Iterator[Any]], Any]] = []

    def __call__(self, a: Outcome, b: Outcome) -> tuple[list[Any], list[Any]]:
        """Return the results of either arm."""
        results: tuple[list[Any], list[Any]] = ([], [])
        for name, x, y in zip(self.names, a, b, strict=True):
            self.after.append(self._variable(name, x, y, results))
        return results

    def finish(self, outs: Sequence[Any]) -> list[Any]:
        """Return what the variables hold after the branch, given its results."""
        rest = iter(outs)
        return [after(rest) for after in self.after]

    def _variable(self, name: str, x: Any, y: Any, results: Any) -> Callable[[Iterator[Any]], Any]:
        (va, la, sa), (vb, lb, sb) = x, y
        if va is vb:
            return lambda outs: va
        if is_internal(name):
            # A flag says that it is not read where it has no value.
            if isinstance(va, Undefined) and lb is not None:
                la, sa = [Leaf(None, t, False) for t in map(_type_of_leaf, lb)], sb
            elif isinstance(vb, Undefined) and la is not None:
                lb, sb = [Leaf(None, t, False) for t in map(_type_of_leaf, la)], sa
        if la is None or lb is None or sa != sb:
            return _constantly(Undefined(_disagreement(name, va, vb)))
        kept = [
            p.given is not None and q.given is not None and same(p.given, q.given) for p, q in zip(la, lb, strict=True)
        ]
        for p, q, keep in zip(la, lb, kept, strict=True):
            ta, tb = _type_of_leaf(p), _type_of_leaf(q)
            if not keep and (ta.shape != tb.shape or (ta.dtype.kind == "b") != (tb.dtype.kind == "b")):
                return _constantly(Undefined(_disagreement(name, va, vb)))
        for p, q, keep in zip(la, lb, kept, strict=True):
            if not keep:
                results[0].append(_result(p))
                results[1].append(_result(q))

        def after(outs: Iterator[Any]) -> Any:
            leaves = [
                p.given if keep else _taken(next(outs), p.outer or q.outer, name)
                for p, q, keep in zip(la, lb, kept, strict=True)
            ]
            return unflatten(sa, leaves)

        return after


def _result(leaf: Leaf) -> Any:
    """Return what an arm gives for a leaf: zeros, made in the arm, where it has none."""
    type = leaf.now
    return (lambda: zeros(type)) if isinstance(type, ArrayType) else leaf.now


def _type_of_leaf(leaf: Leaf) -> ArrayType:
    return leaf.now if isinstance(leaf.now, ArrayType) else type_of(leaf.now)


def _constantly(value: Any) -> Callable[[Iterator[Any]], Any]:
    return lambda outs: value


def _taken(out: Tracer, aliased: bool, name: str) -> Tracer:
    if aliased and out.shape:
        out.fixed = f"{name} may or may not be the same array as another, depending on the branch taken"
    return out


def _disagreement(name: str, a: Any, b: Any) -> str:
    here = caller()
    line = f" at line {here.line}" if here else ""
    if isinstance(a, Undefined) or isinstance(b, Undefined):
        which = "false" if isinstance(b, Undefined) else "true"
        return f"{name} has no value if the condition{line} is {which}"
    return f"{name} is {shown(a)} if the condition{line} is true, and {shown(b)} if it is false"


def shown(value: Any) -> str:
    """Return a value as messages name it: the types of its arrays."""
    leaves, spec = flatten(value)
    if leaves and all(map(is_number, leaves)):
        return str(unflatten(spec, [type_of(x) for x in leaves]))
    return f"a {type(value).__name__}" if not isinstance(value, str | None) else repr(value)


class Demote(Exception):
    """A variable is not carried by a loop after all: what it holds at the start of an iteration is not read."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class Carried:
    """The variables of a loop: which of them its iterations hand on, and what they hold after it.

    Parameters
    ----------
    names : tuple of str
        The variables that the body assigns.
    before : list
        What they hold before the loop.
    demoted : set of str
        Those of them that are known not to be read before they are assigned.

    Notes
    -----
    In the body each carried leaf is a cell of its own. A variable that still holds its cell at the end of an iteration
    was changed in place, and so is the array that it held before the loop. One that holds another array then was bound
    anew; if its cell was changed as well, the array from before the loop is not to be read any more.
    """

    def __init__(self, names: Names, before: list[Any], demoted: set[str]) -> None:
        self.names = names
        self.before = before
        self.init: list[Any] = []
        self.slots: list[list[int] | None] = []
        self.specs: list[PyTreeSpec] = []
        by_identity: dict[int, int] = {}
        for name, value in zip(names, before, strict=True):
            leaves, spec = flatten(value)
            self.specs.append(spec)
            if name in demoted or not leaves or not all(map(is_number, leaves)):
                self.slots.append(None)
                continue
            found = []
            for leaf in leaves:
                shared = isinstance(leaf, Tracer) and bool(leaf.shape)
                if shared and id(leaf) in by_identity:
                    found.append(by_identity[id(leaf)])
                    continue
                found.append(len(self.init))
                if shared:
                    by_identity[id(leaf)] = len(self.init)
                self.init.append(leaf)
            self.slots.append(found)
        self.demoted = demoted
        self.cells: list[Tracer] = []
        self.versions: list[int] = []
        self.kept: list[bool] = []
        self.lasts: list[Any] = []
        self.ends: list[Any] = []

    def enter(self, put: Put, params: Sequence[Tracer]) -> None:
        """Let the variables hold the parameters of an iteration."""
        self.cells = list(params)
        self.versions = [p.version for p in params]
        values: list[Any] = []
        for name, value, slots, spec in zip(self.names, self.before, self.slots, self.specs, strict=True):
            if slots is not None:
                values.append(unflatten(spec, [params[s] for s in slots]))
            elif name in self.demoted:
                values.append(Undefined(f"{name} is read in the loop before it is assigned there"))
            else:
                values.append(value)
        put(values)

    def leave(self, get: Get) -> list[Any]:
        """Return what an iteration hands on."""
        following: list[Any] = list(self.cells)
        given: list[list[Any]] = [[] for _ in self.cells]
        self.lasts, self.ends = [], []
        for k, (name, value) in enumerate(zip(self.names, get(), strict=True)):
            slots = self.slots[k]
            if slots is None:
                self.ends.append(self._left(k, name, value))
                continue
            leaves, spec = flatten(value)
            fits = spec == self.specs[k] and all(map(is_number, leaves))
            if not fits or not all(_fits(self.cells[s].type, type_of(x)) for s, x in zip(slots, leaves, strict=True)):
                if not any(self._is_read(s) for s in slots):
                    raise Demote(name)
                raise TracingError(
                    f"{name} changes in the loop from {shown(self.before[k])} to {shown(value)}",
                    where=describe(caller()),
                    hint="give it that shape and dtype before the loop",
                )
            self.ends.append(None)
            for s, x in zip(slots, leaves, strict=True):
                given[s].append(x)
        for s, xs in enumerate(given):
            if any(x is not xs[0] for x in xs):
                raise TracingError(
                    "two variables are one array before the loop, and two different ones after an iteration",
                    where=describe(caller()),
                    hint="copy one of them before the loop",
                )
            if xs:
                following[s] = xs[0]
        self._check_aliases(following)
        return following

    def _check_aliases(self, following: list[Any]) -> None:
        changed = [cell.version != v for cell, v in zip(self.cells, self.versions, strict=True)]
        self.kept = [x is cell for x, cell in zip(following, self.cells, strict=True)]
        moved = [
            s
            for s, kept in enumerate(self.kept)
            if not kept and isinstance(self.init[s], Tracer) and self.cells[s].shape
        ]
        builder = builder_now()
        for s, cell in enumerate(self.cells):
            first = self.init[s]
            if isinstance(first, Tracer) and first.view is not None:
                base_changed = id(first.view.root) in builder.changes
                if changed[s] or (base_changed and self._is_read(s)):
                    raise TracingError(
                        f"a loop rebinds a variable that is a view ({cell.type}) of an array changed in it",
                        where=describe(caller()),
                        hint="copy the view before the loop",
                    )
        if any(changed[s] for s in moved):
            others = [x for x in following if isinstance(x, Tracer) and x.shape]
            doubled = len({id(x) for x in others}) < len(others)
            foreign = any(
                x.home is not builder for x in (following[s] for s in moved) if isinstance(x, Tracer) and x.shape
            )
            if doubled or foreign:
                raise TracingError(
                    "a variable is bound to an array that has another name, and changed in place in the next iteration",
                    where=describe(caller()),
                    hint="copy the array: y = x.copy()",
                )
        self.stale = moved if any(changed[s] for s in moved) else []
        self.changed = changed

    def _left(self, k: int, name: str, value: Any) -> Any:
        """Return what a variable that is not carried holds after the loop: a number of lasts and a structure, or it."""
        before = self.before[k]
        if value is before:
            return before
        leaves, spec = flatten(value)
        if not all(map(is_number, leaves)):
            if not isinstance(before, Undefined) and name not in self.demoted and not same(before, value):
                raise _changes(name, before, value)
            return Undefined(f"{name} is {shown(value)} from inside the loop") if _has_tracer(leaves) else value
        if not isinstance(before, Undefined) and name not in self.demoted:
            raise _changes(name, before, value)
        first = len(self.lasts)
        self.lasts += leaves
        return _Last(first, len(leaves), spec)

    def _is_read(self, s: int) -> bool:
        atom = self.cells[s]._atom
        nodes = builder_now().block.nodes
        return atom in set(free_values(Block((), nodes, ())))

    def finish(self, outs: Sequence[Tracer], lasts: Sequence[Any], surely: bool) -> list[Any]:
        """Return what the variables hold after the loop; `surely` says that it runs at least once."""
        for s, (first, out) in enumerate(zip(self.init, outs, strict=True)):
            if isinstance(first, Tracer) and first.shape:
                if self.kept[s]:
                    if self.changed[s]:
                        first.rebind(out)
                elif s in self.stale:
                    first.retire("it was changed in place under another name in a loop that binds names anew")
        held = [
            first if self.kept[s] and isinstance(first, Tracer) and first.shape else out
            for s, (first, out) in enumerate(zip(self.init, outs, strict=True))
        ]
        values: list[Any] = []
        for name, slots, spec, end in zip(self.names, self.slots, self.specs, self.ends, strict=True):
            if slots is not None:
                values.append(unflatten(spec, [held[s] for s in slots]))
            elif not isinstance(end, _Last):
                values.append(end)
            elif not surely and not is_internal(name):
                values.append(Undefined(f"{name} has no value if the loop does not run at all"))
            else:
                values.append(unflatten(end.spec, lasts[end.first : end.first + end.count]))
        return values


@dataclass(frozen=True, slots=True)
class _Last:
    """A variable's part of the lasts of a loop."""

    first: int
    count: int
    spec: PyTreeSpec


def _changes(name: str, before: Any, value: Any) -> TracingError:
    return TracingError(
        f"{name} changes in the loop from {shown(before)} to {shown(value)}",
        where=describe(caller()),
        hint="give it a value of that kind before the loop",
    )


def _fits(have: ArrayType, want: ArrayType) -> bool:
    if have.shape != want.shape:
        return False
    if have.weak or want.weak:
        return (have.dtype.kind == "b") == (want.dtype.kind == "b")
    return have.dtype == want.dtype


def _has_tracer(leaves: Sequence[Any]) -> bool:
    return any(isinstance(x, Handle) for x in leaves)
