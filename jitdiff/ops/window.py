"""Slices that begin at a traced position and have a known length: ``x[i:i+3]``."""

from __future__ import annotations

from typing import Any

from jitdiff.errors import TracingError
from jitdiff.ir import Atom, Builder, Const, Dim
from jitdiff.ir.location import caller, describe
from jitdiff.ops.alias import as_view
from jitdiff.ops.axes import shape_of
from jitdiff.ops.gather import gather
from jitdiff.ops.key import axes_taken
from jitdiff.ops.positions import arange_
from jitdiff.ops.slices import whole
from jitdiff.ops.table import OPS, Handle
from jitdiff.ops.tracer import Tracer, builder_now, lift


def windowed(x: Tracer, key: Any) -> tuple[Tracer, Any]:
    """Return the view of `x` that the slices at traced positions in `key` select, and `key` with all of that in their
    place.

    Raises
    ------
    TracingError
        If the length of such a slice is not known.
    """
    parts = list(key) if isinstance(key, tuple) else [key]
    if not any(isinstance(p, slice) and _is_traced(p) for p in parts):
        return x, key
    if any(p is Ellipsis for p in parts):
        k = next(k for k, p in enumerate(parts) if p is Ellipsis)
        used = sum(map(axes_taken, parts))
        parts[k : k + 1] = [slice(None)] * (x.ndim - used)
    axis = 0
    for k, part in enumerate(parts):
        if isinstance(part, slice) and _is_traced(part):
            x = _window(x, axis, part)
            parts[k] = slice(None)
        axis += axes_taken(part)
    return x, tuple(parts)


def _is_traced(part: slice) -> bool:
    return any(isinstance(b, Handle) for b in (part.start, part.stop))


def _window(x: Tracer, axis: int, part: slice) -> Tracer:
    n = shape_of(x)[axis]
    start = 0 if part.start is None else part.start
    stop = n if part.stop is None else part.stop
    builder = builder_now()
    first, last = _sum(builder, lift(start)), _sum(builder, lift(stop))
    length = {v: c for v in {*first, *last} if (c := last.get(v, 0) - first.get(v, 0))}
    if part.step not in (None, 1) or set(length) - {None}:
        # Where the bounds are integer arguments, the function is traced again with their numbers.
        for bound in (start, stop):
            if isinstance(bound, Tracer):
                builder.root.refused = bound.atom
        raise TracingError(
            "a slice between traced positions whose length is not known while tracing",
            where=describe(caller()),
            hint="write the stop as the start plus a number, x[i : i + 3], or loop over the elements",
        )
    size = max(length.get(None, 0), 0)
    if not _is_natural(builder, first):
        # A negative start counts from the end in NumPy, and gives something else: it is out of bounds here.
        start = OPS["where"](OPS["less"](start, 0), n, start)
    ranges = [whole(m) for m in shape_of(x)]
    selection = (*ranges[:axis], 0, *ranges[axis + 1 :])
    view: Tracer = as_view(gather, (x, arange_(start, size=size)), {"selection": selection})
    return view


_Sum = dict[Any, Any]


def _sum(builder: Builder, atom: Atom) -> _Sum:
    """Return an integer scalar as a sum: factors by value, the constant under None."""
    if isinstance(atom, Const):
        return {None: atom.value if isinstance(atom.value, Dim) else int(atom.value)}
    node = builder.definition(atom)
    if node is not None and node.op.name in ("add", "subtract"):
        a, b = (_sum(builder, x) for x in node.args)
        sign = 1 if node.op.name == "add" else -1
        return {v: a.get(v, 0) + sign * b.get(v, 0) for v in {**a, **b}}
    return {atom: 1}


def _is_natural(builder: Builder | None, total: _Sum) -> bool:
    """Whether a sum of indices of loops and a number is surely not negative."""
    indices = set()
    while builder is not None:
        indices.update(builder.notes.get("indices", ()))
        builder = builder.parent
    return all((v is None or v in indices) and isinstance(c, int) and c >= 0 for v, c in total.items())
