"""Building the region nodes If, For and While from functions of handles.

A branch or a loop body may change arrays around it in place. What it changes becomes a result of the If, or a carry of
the loop, which the array holds afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from jitdiff.errors import ShapeError, TracingError
from jitdiff.ir import ArrayType, Atom, Block, Builder, Const, Dim, For, If, Value, While
from jitdiff.ir.builder import building
from jitdiff.ir.location import caller, describe
from jitdiff.ops.families import promoted_dtype
from jitdiff.ops.table import OPS
from jitdiff.ops.tracer import Tracer, builder_now, lift

Function = Callable[..., Sequence[Any]]

INDEX = ArrayType(np.dtype(np.int64))
TRIP_INDEX = ArrayType(np.dtype(np.int64), weak=True)
"""Type of a loop's index inside it: a Python integer, which gives way to the dtypes of arrays."""


def cond(pred: Any, then: Function, orelse: Function) -> list[Any]:
    """Append an If: `then` and `orelse` take nothing, read what is around them, and give as many results.

    Raises
    ------
    TracingError, ShapeError
        If the branches disagree in number, shape or dtype kind of their results.
    """
    outer = builder_now()
    builders = [_nested(outer) for _ in range(2)]
    results, changed = _trace_branches(outer, builders, (then, orelse))
    if len(results[0]) != len(results[1]):
        raise TracingError(
            f"cond: the branches return {len(results[0])} and {len(results[1])} values", where=describe(caller())
        )
    for k, (a, b) in enumerate(zip(*results, strict=True)):
        if a.type.shape != b.type.shape:
            raise ShapeError(
                f"cond: result {k} is {a.type} in the true branch and {b.type} in the false branch",
                where=describe(caller()),
            )
    types = [ArrayType(promoted_dtype(a.type, b.type), a.type.shape) for a, b in zip(*results, strict=True)]
    blocks = [_finish(b, r, types) for b, r in zip(builders, results, strict=True)]
    outs = tuple(map(Value, types))
    outer.append(If(_predicate(pred), blocks[0], blocks[1], outs, outer.loc or caller()))
    return _rebound(changed, outs)


def _trace_branches(
    outer: Builder, builders: Sequence[Builder], functions: Sequence[Function]
) -> tuple[list[list[Atom]], list[Tracer]]:
    """Trace branches, each followed by what the arrays are then that either of them changes."""
    known: list[Tracer] = []
    results: list[list[Atom]] = []
    after: list[dict[int, Atom]] = []
    for builder, function in zip(builders, functions, strict=True):
        with _undone(builder):
            results.append(_trace_into(builder, function, ()))
            with building(builder):
                after.append({key: cell.atom for key, (cell, _) in builder.changes.items()})
        known += [cell for key, (cell, _) in builder.changes.items() if not any(cell is c for c in known)]
    with building(outer):
        before = [cell.atom for cell in known]
    for found, changes in zip(results, after, strict=True):
        found += [changes.get(id(cell), atom) for cell, atom in zip(known, before, strict=True)]
    return results, known


@contextmanager
def _undone(builder: Builder) -> Iterator[None]:
    """Give the cells that a block changes their states back at the end of it."""
    try:
        yield
    finally:
        for cell, state in builder.changes.values():
            cell.state = state


def _rebound(cells: Sequence[Tracer], outs: Sequence[Value]) -> list[Any]:
    """Let cells hold the last results, and return tracers for the others."""
    rest = len(outs) - len(cells)
    for cell, out in zip(cells, outs[rest:], strict=True):
        cell.rebind(Tracer(out))
    return [Tracer(o) for o in outs[:rest]]


class _Cells:
    """The cells around a loop that its body changes, found by tracing it until there are no more."""

    def __init__(self, outer: Builder) -> None:
        self.outer = outer
        self.cells: list[Tracer] = []

    def types(self) -> list[ArrayType]:
        return [cell.type for cell in self.cells]

    def init(self) -> list[Any]:
        return [Tracer(cell.atom) for cell in self.cells]

    def run(self, builder: Builder, function: Function, params: Sequence[Value], carries: int) -> list[Atom]:
        """Trace `function`; the last of `params` are what the cells hold, and so are the results after the carries."""
        rest = len(params) - len(self.cells)
        with building(builder), _undone(builder):
            for cell, param in zip(self.cells, params[rest:], strict=True):
                builder.changes[id(cell)] = (cell, cell.state)
                cell.state = (param, None)
            found = [lift(x) for x in function(*map(Tracer, params[:rest]))]
            return [*found[:carries], *(cell.atom for cell in self.cells), *found[carries:]]

    def more(self, builder: Builder) -> bool:
        """Take up the cells that a trace changed and that were not known; say whether there were any."""
        new = [c for c, _ in builder.changes.values() if not any(c is have for have in self.cells)]
        self.cells += new
        return bool(new)


def fori(trip: Any, body: Function, init: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Append a For: ``body(i, *carries)`` gives the next carries, then the values of this iteration to stack.

    Returns
    -------
    tuple
        The final carries, and the stacked values (with a new leading axis of length `trip`).

    Raises
    ------
    TracingError
        If a carry changes its shape or its dtype.
    """
    outer = builder_now()
    count = lift(trip)
    cells = _Cells(outer)
    width = len(init)
    while True:
        start_ = [*init, *cells.init()]
        types = [lift(x).type for x in start_]
        inner, params, results = _settle(
            outer, "the loop", lambda b, *c: cells.run(b, body, c, width), types, (TRIP_INDEX,)
        )
        if not cells.more(inner):
            break
    init = start_
    each = results[len(init) :]
    block = _finish(inner, results, [*(p.type for p in params[1:]), *(_strong(r.type) for r in each)])
    size = trips_of(outer, count)
    outs = tuple(Value(p.type) for p in params[1:])
    stacked = tuple(Value(ArrayType(r.type.dtype, (size, *r.type.shape))) for r in each)
    start = tuple(_converted(lift(x), p.type.dtype) for x, p in zip(init, params[1:], strict=True))
    outer.append(For(count, start, block, outs, stacked, outer.loc or caller(), size))
    return _rebound(cells.cells, outs), [Tracer(s) for s in stacked]


def while_(condition: Callable[..., Any], body: Function, init: Sequence[Any]) -> tuple[list[Any], list[Any], Any]:
    """Append a While: ``condition(*carries)`` gives a boolean scalar, ``body(*carries)`` the next carries and then the
    values of this iteration to stack.

    Returns
    -------
    tuple
        The final carries, the stacked values, and the number of iterations.

    Raises
    ------
    TracingError
        If a carry changes its shape or its dtype, or the condition is not a boolean scalar.
    """
    outer = builder_now()
    cells = _Cells(outer)
    width = len(init)
    while True:
        start_ = [*init, *cells.init()]
        types = [lift(x).type for x in start_]
        inner, params, results = _settle(outer, "the loop", lambda b, *c: cells.run(b, body, c, width), types, ())
        if not cells.more(inner):
            break
    init = start_
    each = results[len(init) :]
    block = _finish(inner, results, [*(p.type for p in params), *(_strong(r.type) for r in each)])
    test = _nested(outer, tuple(Value(p.type) for p in params))
    (verdict,) = cells.run(test, lambda *c: [Tracer(_predicate(condition(*c)))], test.block.params, 0)[-1:]
    outs = tuple(Value(p.type) for p in params)
    size = _symbol(outer, "trips")
    stacked = tuple(Value(ArrayType(r.type.dtype, (size, *r.type.shape))) for r in each)
    count = Value(INDEX, str(size))
    outer.root.name_size(count, size)
    start = tuple(_converted(lift(x), p.type.dtype) for x, p in zip(init, params, strict=True))
    outer.append(While(test.finish([verdict]), block, start, outs, stacked, count, outer.loc or caller(), size))
    return _rebound(cells.cells, outs), [Tracer(s) for s in stacked], Tracer(count)


def block_of(function: Function, types: Sequence[ArrayType], names: Sequence[str] = (), name: str = "") -> Block:
    """Return the block that `function` traces to inside the current one, as a block with parameters of `types`."""
    labels = list(names) or [""] * len(types)
    inner = _nested(builder_now(), tuple(Value(t, n) for t, n in zip(types, labels, strict=True)))
    inner.block.name = name
    return inner.finish(_trace_into(inner, function, inner.block.params))


def _nested(outer: Builder, params: tuple[Value, ...] = ()) -> Builder:
    inner = Builder(params, parent=outer)
    inner.loc = outer.loc
    return inner


def _trace_into(builder: Builder, function: Function, params: Sequence[Value]) -> list[Atom]:
    with building(builder):
        return [lift(x) for x in function(*map(Tracer, params))]


def _settle(
    outer: Builder,
    what: str,
    run: Callable[..., list[Atom]],
    carries: Sequence[ArrayType],
    before: tuple[ArrayType, ...],
) -> tuple[Builder, tuple[Value, ...], list[Atom]]:
    """Trace a loop body with the types of its carries, a second time where Python scalars give way to other dtypes."""
    types = list(carries)
    for last in (False, True):
        params = tuple(map(Value, (*before, *(_strong(t) for t in types))))
        inner = _nested(outer, params)
        results = run(inner, *params)
        if len(results) < len(types):
            raise TracingError(
                f"{what} carries {len(types)} values and its body returns {len(results)}", where=describe(caller())
            )
        changed = False
        for k, (have, result) in enumerate(zip(types, results[: len(types)], strict=True)):
            want = result.type
            if have.shape != want.shape or not (result.type.weak or _same_or_weak(have, want)):
                raise TracingError(
                    f"carry {k} of {what} changes from {have} to {want}",
                    where=describe(caller()),
                    hint="give it that shape and dtype before the loop",
                )
            wider = promoted_dtype(have, want)
            if wider != have.dtype and not last:
                types[k], changed = ArrayType(wider, have.shape), True
        if not changed:
            return inner, params, results
    raise TracingError(f"the carries of {what} do not keep their dtypes", where=describe(caller()))


def _same_or_weak(have: ArrayType, want: ArrayType) -> bool:
    return have.weak or have.dtype == want.dtype


def _strong(type: ArrayType) -> ArrayType:
    return ArrayType(type.dtype, type.shape)


def _finish(builder: Builder, results: Sequence[Atom], types: Sequence[ArrayType]) -> Block:
    with building(builder):
        return builder.finish([_converted(r, t.dtype) for r, t in zip(results, types, strict=True)])


def _converted(atom: Atom, dtype: np.dtype[Any]) -> Atom:
    if atom.type.dtype == dtype:
        return atom
    if isinstance(atom, Const) and not isinstance(atom.value, Dim):
        return Const.of(atom.value, ArrayType(dtype))
    return lift(OPS["astype"](Tracer(atom), dtype=dtype))


def _predicate(pred: Any) -> Atom:
    atom = lift(pred)
    if atom.type.shape != ():
        raise TracingError(f"a condition must be a scalar, not {atom.type}", where=describe(caller()))
    return _converted(atom, np.dtype(bool)) if atom.type.dtype.kind == "b" else lift(OPS["not_equal"](Tracer(atom), 0))


def trips_of(outer: Builder, count: Atom) -> int | Dim:
    """Return the leading size of what a loop of `count` trips stacks."""
    if isinstance(count, Const):
        size: int | Dim = count.value
        return size if isinstance(size, Dim) else max(int(size), 0)
    return outer.root.size_of(count, "trips")


def _symbol(builder: Builder, stem: str) -> Dim:
    return Dim.symbol(builder.root.fresh_symbol(stem))
