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
    return branch(pred, then, orelse, lambda *results: results)


def branch(
    pred: Any, then: Callable[[], Any], orelse: Callable[[], Any], select: Callable[[Any, Any], Any]
) -> list[Any]:
    """Append an If as `cond` does, where what `then` and `orelse` return is not yet its results.

    ``select(a, b)`` gets both outcomes, and gives the results of either branch: two lists of as many handles, or of
    functions that make them in their branch.
    """
    outer = builder_now()
    builders = [_nested(outer) for _ in range(2)]
    outcomes, changed = [], []
    for builder, function in zip(builders, (then, orelse), strict=True):
        with building(builder), _undone(builder):
            outcomes.append(function())
            changed.append({key: (cell, cell.atom) for key, (cell, _) in builder.changes.items()})
    results: list[list[Atom]] = []
    for builder, picked in zip(builders, select(*outcomes), strict=True):
        with building(builder):
            results.append([lift(x() if callable(x) else x) for x in picked])
    if len(results[0]) != len(results[1]):
        raise TracingError(
            f"cond: the branches return {len(results[0])} and {len(results[1])} values", where=describe(caller())
        )
    cells = {key: cell for changes in changed for key, (cell, _) in changes.items()}
    before = {key: cell.atom for key, cell in cells.items()}
    for found, changes in zip(results, changed, strict=True):
        found += [changes[key][1] if key in changes else before[key] for key in cells]
    for k, (a, b) in enumerate(zip(*results, strict=True)):
        if a.type.shape != b.type.shape:
            raise ShapeError(
                f"cond: result {k} is {a.type} in the true branch and {b.type} in the false branch",
                where=describe(caller()),
            )
    types = [
        ArrayType(promoted_dtype(a.type, b.type), a.type.shape, a.type.weak and b.type.weak)
        for a, b in zip(*results, strict=True)
    ]
    blocks = [_finish(b, r, types) for b, r in zip(builders, results, strict=True)]
    outs = tuple(map(Value, types))
    outer.append(If(_predicate(pred), blocks[0], blocks[1], outs, outer.loc or caller()))
    return _rebound(list(cells.values()), outs)


def tried(function: Callable[[], Any]) -> tuple[Builder, Any]:
    """Trace a function into a block of its own that is not kept; return its builder and what the function returned."""
    builder = _nested(builder_now())
    with building(builder), _undone(builder):
        return builder, function()


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


def fori(
    trip: Any, body: Function, init: Sequence[Any], size: int | Dim | None = None, restart: bool = False
) -> tuple[list[Any], list[Any]]:
    """Append a For: ``body(i, *carries)`` gives the next carries, then the values of this iteration to stack.

    Returns
    -------
    tuple
        The final carries, and the stacked values, with a new leading axis of length `size` (if not given, of `trip`).
        What `restart` means is written at `For`.

    Raises
    ------
    TracingError
        If a carry changes its shape or its dtype.
    """
    carries, stacked, _ = fori_with_lasts(trip, body, init, list, size, restart)
    return carries, stacked


def fori_with_lasts(
    trip: Any,
    body: Function,
    init: Sequence[Any],
    lasts: Callable[[], Sequence[Any]],
    size: int | Dim | None = None,
    restart: bool = False,
) -> tuple[list[Any], list[Any], list[Any]]:
    """Append a For as `fori` does, for a body that also leaves values behind that no iteration reads.

    ``lasts()``, called after the body, gives them. Third of what is returned are those of the last iteration, zeros if
    there is none.
    """
    outer = builder_now()
    count = lift(trip)
    left: list[Atom] = []
    loop = _Loop(outer, _leaving(body, lasts, left), init, (TRIP_INDEX,))
    behind = loop.leave(left)
    block = loop.finish(left)
    rows = trips_of(outer, count) if size is None else size
    outs = tuple(Value(p.type) for p in block.params[1:])
    each = block.results[len(outs) :]
    stacked = tuple(Value(ArrayType(r.type.dtype, (rows, *r.type.shape))) for r in each)
    start = (*loop.start(), *(lift(_zeros(v.type)) for v in behind))
    outer.append(For(count, start, block, outs, stacked, outer.loc or caller(), own_size(outer, count, rows), restart))
    final = _rebound(loop.cells, outs[: len(outs) - len(behind)])
    return final, [Tracer(s) for s in stacked], [Tracer(o) for o in outs[len(outs) - len(behind) :]]


def while_(
    condition: Callable[..., Any], body: Function, init: Sequence[Any], restart: bool = False
) -> tuple[list[Any], list[Any], Any]:
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
    return while_with_lasts(condition, body, init, list, restart)[:3]


def while_with_lasts(
    condition: Callable[..., Any],
    body: Function,
    init: Sequence[Any],
    lasts: Callable[[], Sequence[Any]],
    restart: bool = False,
) -> tuple[list[Any], list[Any], Any, list[Any]]:
    """Append a While as `while_` does, for a body that leaves values behind as that of `fori_with_lasts` may."""
    outer = builder_now()
    left: list[Atom] = []
    loop = _Loop(outer, _leaving(body, lasts, left), init, ())
    behind = loop.leave(left)
    test = _nested(outer, tuple(Value(p.type) for p in loop.params))
    verdict = loop.traced(test, lambda *c: [Tracer(_predicate(condition(*c)))], 0)[-1]
    block = loop.finish(left)
    each = block.results[len(block.params) :]
    outs = tuple(Value(p.type) for p in block.params)
    size = _symbol(outer, "trips")
    stacked = tuple(Value(ArrayType(r.type.dtype, (size, *r.type.shape))) for r in each)
    count = Value(INDEX, str(size))
    outer.root.name_size(count, size)
    tested = test.finish([verdict])
    tested.params += tuple(Value(v.type) for v in behind)
    start = (*loop.start(), *(lift(_zeros(v.type)) for v in behind))
    outer.append(While(tested, block, start, outs, stacked, count, outer.loc or caller(), size, restart))
    final = _rebound(loop.cells, outs[: len(outs) - len(behind)])
    return final, [Tracer(s) for s in stacked], Tracer(count), [Tracer(o) for o in outs[len(outs) - len(behind) :]]


def _leaving(body: Function, lasts: Callable[[], Sequence[Any]], left: list[Atom]) -> Function:
    """Return the body of a loop that also keeps in `left` what it leaves behind."""

    def run(*args: Any) -> Sequence[Any]:
        found = list(body(*args))
        left[:] = map(lift, lasts())
        return found

    return run


_ROUNDS = 8
"""How often a loop body is traced at most: dtypes only widen, and there are few of them."""


class _Loop:
    """A traced loop body, its carries, and the arrays around it that it changes.

    The body is traced again until nothing is new: where Python scalars give way to other dtypes, and where it changes
    arrays that were not known to be carried.

    Attributes
    ----------
    builder : Builder
        Of the body.
    params : tuple of Value
        What comes before the carries, the carries, and one for each cell.
    results : list of Atom
        Next carries, what the cells hold then, and what is to be stacked.
    init : list
        What the carries and cells are before the loop.
    cells : list of Tracer
        The arrays around the body that it changes.
    """

    def __init__(self, outer: Builder, body: Function, init: Sequence[Any], before: tuple[ArrayType, ...]) -> None:
        self.outer = outer
        self.cells: list[Tracer] = []
        types = [lift(x).type for x in init]
        for _ in range(_ROUNDS):
            self.init = [*init, *(Tracer(cell.atom) for cell in self.cells)]
            types += [cell.type for cell in self.cells[len(types) - len(init) :]]
            self.params = tuple(map(Value, (*before, *types)))
            self.builder = _nested(outer, self.params)
            self.builder.notes["indices"] = self.params[: len(before)]
            self.results = self.traced(self.builder, body, len(init))
            wider = _settled(types, self.results)
            new = [c for c, _ in self.builder.changes.values() if not any(c is have for have in self.cells)]
            if wider == types and not new:
                return
            types = wider
            self.cells += new
        raise TracingError("the carries of the loop do not keep their dtypes", where=describe(caller()))

    def traced(self, builder: Builder, function: Function, carries: int) -> list[Atom]:
        """Return the results of `function` on the parameters of `builder`, the last of which the cells hold."""
        params = builder.block.params
        rest = len(params) - len(self.cells)
        with building(builder), _undone(builder):
            for cell, param in zip(self.cells, params[rest:], strict=True):
                builder.changes[id(cell)] = (cell, cell.state)
                cell.state = (param, None, "")
            found = [lift(x) for x in function(*map(Tracer, params[:rest]))]
            if len(found) < carries:
                raise TracingError(
                    f"the loop carries {carries} values and its body returns {len(found)}", where=describe(caller())
                )
            return [*found[:carries], *(cell.atom for cell in self.cells), *found[carries:]]

    def leave(self, left: Sequence[Atom]) -> tuple[Value, ...]:
        """Add carries that no iteration reads, for what the body leaves behind."""
        behind = tuple(Value(_strong(a.type)) for a in left)
        self.builder.block.params += behind
        return behind

    def finish(self, left: Sequence[Atom]) -> Block:
        """Return the body, with the results in the dtypes of the carries."""
        n = len(self.init)
        params = self.params[len(self.params) - n :]
        results = [*self.results[:n], *left, *self.results[n:]]
        types = [*(p.type for p in params), *(_strong(r.type) for r in results[n:])]
        return _finish(self.builder, results, types)

    def start(self) -> tuple[Atom, ...]:
        """Return the first carries, in the dtypes that they settled on."""
        params = self.params[len(self.params) - len(self.init) :]
        return tuple(_converted(lift(x), p.type.dtype) for x, p in zip(self.init, params, strict=True))


def _settled(types: Sequence[ArrayType], results: Sequence[Atom]) -> list[ArrayType]:
    """Return the types of carries that also hold what an iteration made of them."""
    settled = []
    for k, (have, result) in enumerate(zip(types, results[: len(types)], strict=True)):
        want = result.type
        if have.shape != want.shape or not (want.weak or have.weak or have.dtype == want.dtype):
            raise TracingError(
                f"carry {k} of the loop changes from {have} to {want}",
                where=describe(caller()),
                hint="give it that shape and dtype before the loop",
            )
        dtype = promoted_dtype(have, want)
        if dtype != have.dtype and not have.weak:
            raise TracingError(
                f"carry {k} of the loop changes from {have} to {want}",
                where=describe(caller()),
                hint="give it that dtype before the loop",
            )
        settled.append(ArrayType(dtype, have.shape, have.weak and want.weak))
    return settled


def _zeros(type: ArrayType) -> Any:
    zero = Tracer(Const.of(0, ArrayType(type.dtype)))
    return OPS["broadcast_to"](zero, shape=type.shape) if type.shape else zero


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


def own_size(outer: Builder, count: Atom, rows: int | Dim) -> Dim | None:
    """Return `rows` if it is the symbol for the number of trips of a loop."""
    return rows if isinstance(rows, Dim) and isinstance(count, Value) and outer.root.known_size(count) == rows else None


def _symbol(builder: Builder, stem: str) -> Dim:
    return Dim.symbol(builder.root.fresh_symbol(stem))
