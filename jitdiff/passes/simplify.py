"""Algebra: each rule is a function from a node to what replaces it, found by the name of the op."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jitdiff.ir import Apply, Atom, Block, Const, Dim, broadcast_shapes, product
from jitdiff.ops import OPS, Op
from jitdiff.ops.emission import Element
from jitdiff.passes.rewrite import Rewriter, rewrite

Rule = Callable[[Rewriter, Apply], "Atom | None"]

RULES: dict[str, list[Rule]] = {}


def simplify(block: Block) -> Block:
    """Apply the algebraic rules to each operation, in the order in which they stand in this file."""

    def visit(rewriter: Rewriter, node: Apply) -> list[Atom] | None:
        if len(node.outs) != 1:
            return None
        for rule in RULES.get(node.op.name, ()):
            atom = rule(rewriter, node)
            if atom is not None and _fits(atom, node):
                return [atom]
        atom = _narrow_operands(rewriter, node)
        return None if atom is None else [atom]

    return rewrite(block, visit)


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Enter a rule for the ops called `names`."""

    def enter(function: Rule) -> Rule:
        for name in names:
            RULES.setdefault(name, []).append(function)
        return function

    return enter


def _fits(atom: Atom, node: Apply) -> bool:
    return atom.type.shape == node.out.type.shape and atom.type.dtype == node.out.type.dtype


def _constant(rw: Rewriter, atom: Atom) -> Any:
    """Return the number that every element of `atom` is, or None."""
    while (node := rw.maker(atom, "broadcast_to", "reshape")) is not None:
        atom = node.args[0]
    return atom.value if isinstance(atom, Const) and not isinstance(atom.value, Dim) else None


def _is(rw: Rewriter, atom: Atom, number: float) -> bool:
    return bool(_constant(rw, atom) == number)


@rule("identity", "stop_gradient", "positive")
def same(rw: Rewriter, node: Apply) -> Atom | None:
    """``identity(x) = x``."""
    return node.args[0]


@rule("astype", "reshape", "broadcast_to")
def no_change(rw: Rewriter, node: Apply) -> Atom | None:
    """Drop a conversion to what it is already."""
    x = node.args[0]
    return x if x.type.dtype == node.out.type.dtype and x.type.shape == node.out.type.shape else None


@rule("add")
def add_zero(rw: Rewriter, node: Apply) -> Atom | None:
    """``x + 0 = x``."""
    x, y = node.args
    return x if _is(rw, y, 0) and _fits(x, node) else y if _is(rw, x, 0) else None


@rule("add")
def add_back(rw: Rewriter, node: Apply) -> Atom | None:
    """``(x with zeros in a part) + (that part of x, zeros around it) = x``: the adjoint of ``x[a:b] -= y``."""
    for x, y in (node.args, node.args[::-1]):
        emptied, kept = rw.maker(x, "index_set"), rw.maker(y, "place")
        if emptied is None or kept is None or len(emptied.args) != 2 or kept.attrs["fill"] != 0:
            continue
        if not (_fits(x, node) and _fits(y, node)):
            continue
        whole, selection = emptied.args[0], emptied.attrs["selection"]
        part = rw.maker(kept.args[0], "gather", "slice")
        if part is not None and part.args == (whole,) and _is(rw, emptied.args[1], 0):
            taken = part.attrs["selection" if part.op.name == "gather" else "ranges"]
            if selection == taken == kept.attrs["ranges"]:
                return whole
    return None


@rule("add")
def add_negative(rw: Rewriter, node: Apply) -> Atom | None:
    """``x + -y = x - y``."""
    x, y = node.args
    if (minus := rw.maker(y, "negative")) is not None:
        return rw.apply(OPS["subtract"], (x, minus.args[0]))
    if (minus := rw.maker(x, "negative")) is not None:
        return rw.apply(OPS["subtract"], (y, minus.args[0]))
    return None


@rule("subtract")
def subtract_zero(rw: Rewriter, node: Apply) -> Atom | None:
    """``x - 0 = x`` and ``0 - x = -x``."""
    x, y = node.args
    if _is(rw, y, 0):
        return x
    return rw.apply(OPS["negative"], (y,)) if _is(rw, x, 0) and _fits(y, node) else None


@rule("subtract")
def subtract_negative(rw: Rewriter, node: Apply) -> Atom | None:
    """``x - -y = x + y``."""
    minus = rw.maker(node.args[1], "negative")
    return None if minus is None else rw.apply(OPS["add"], (node.args[0], minus.args[0]))


@rule("multiply")
def multiply_one(rw: Rewriter, node: Apply) -> Atom | None:
    """``x * 1 = x`` and ``x * -1 = -x``."""
    for x, y in (node.args, node.args[::-1]):
        if _is(rw, y, 1) and _fits(x, node):
            return x
        if _is(rw, y, -1) and _fits(x, node):
            return rw.apply(OPS["negative"], (x,))
    return None


@rule("multiply")
def multiply_constants(rw: Rewriter, node: Apply) -> Atom | None:
    """``2 * (3 * x) = 6 * x`` for constants."""
    for c, rest in (node.args, node.args[::-1]):
        inner = rw.maker(rest, "multiply")
        if not _is_number(c) or inner is None:
            continue
        for d, x in (inner.args, inner.args[::-1]):
            if _is_number(d) and d.type.dtype == c.type.dtype:
                return rw.apply(OPS["multiply"], (rw.apply(OPS["multiply"], (c, d)), x))
    return None


def _is_number(atom: Atom) -> bool:
    return isinstance(atom, Const) and not isinstance(atom.value, Dim)


@rule("not_equal")
def condition_of_a_weight(rw: Rewriter, node: Apply) -> Atom | None:
    """``where(c, 1, 0) != 0`` is ``c``."""
    chosen = rw.maker(node.args[0], "where")
    if (
        chosen is None
        or not _is(rw, node.args[1], 0)
        or not _is(rw, chosen.args[2], 0)
        or not _is(rw, chosen.args[1], 1)
    ):
        return None
    return chosen.args[0] if _fits(chosen.args[0], node) else None


@rule("add")
def add_placed(rw: Rewriter, node: Apply) -> Atom | None:
    """Add what is put into the same place of zeros before putting it there."""
    x, y = (rw.maker(a, "place") for a in node.args)
    if x is None or y is None or x.attrs != y.attrs or x.attrs["fill"] != 0:
        return None
    return rw.apply(OPS["place"], (rw.apply(OPS["add"], (*x.args, *y.args)),), **x.attrs)


@rule("add")
def add_scattered(rw: Rewriter, node: Apply) -> Atom | None:
    """Add what is scattered into zeros straight to the other operand, which so may be updated in place."""
    for x, y in (node.args, node.args[::-1]):
        if _fits(x, node) and _fits(y, node) and (added := _scattered_onto(rw, x, y)) is not None:
            return added
    return None


def _scattered_onto(rw: Rewriter, x: Atom, y: Atom) -> Atom | None:
    """Return ``x + y`` if `y` is scattered into zeros, in one step or several."""
    made = rw.maker(y, "scatter", "index_add")
    if made is None:
        return None
    base: Atom | None = x
    added = made.args
    if made.op.name == "index_add":
        base, added = _scattered_onto(rw, x, made.args[0]), made.args[1:]
    return None if base is None else rw.apply(OPS["index_add"], (base, *added), selection=made.attrs["selection"])


@rule("divide")
def divide_one(rw: Rewriter, node: Apply) -> Atom | None:
    """``x / 1 = x``."""
    x, y = node.args
    return x if _is(rw, y, 1) else None


@rule("negative")
def negative_twice(rw: Rewriter, node: Apply) -> Atom | None:
    """``--x = x`` and ``-(x - y) = y - x``."""
    if (inner := rw.maker(node.args[0], "negative")) is not None:
        return inner.args[0]
    if (inner := rw.maker(node.args[0], "subtract")) is not None:
        return rw.apply(OPS["subtract"], inner.args[::-1])
    return None


@rule("where")
def where_known(rw: Rewriter, node: Apply) -> Atom | None:
    """Decide a choice between the same, or with a known condition."""
    c, x, y = node.args
    if x is y:
        return x
    known = _constant(rw, c)
    return None if known is None else x if known else y


@rule("transpose")
def transpose_twice(rw: Rewriter, node: Apply) -> Atom | None:
    """Two transpositions are one, and one that moves nothing is none."""
    axes = node.attrs["axes"]
    x = node.args[0]
    if (inner := rw.maker(x, "transpose")) is not None:
        first = inner.attrs["axes"]
        return rw.apply(OPS["transpose"], inner.args, axes=tuple(first[a] for a in axes))
    return x if axes == tuple(range(len(axes))) else None


@rule("reshape")
def reshape_twice(rw: Rewriter, node: Apply) -> Atom | None:
    """Only the last of several reshapes counts."""
    inner = rw.maker(node.args[0], "reshape")
    return None if inner is None else rw.apply(OPS["reshape"], inner.args, shape=node.attrs["shape"])


@rule("broadcast_to")
def broadcast_of_ones(rw: Rewriter, node: Apply) -> Atom | None:
    """Broadcast at once what is broadcast twice, or after gaining leading axes of size 1."""
    x, shape = node.args[0], node.attrs["shape"]
    if (inner := rw.maker(x, "broadcast_to")) is not None:
        return rw.apply(OPS["broadcast_to"], inner.args, shape=shape)
    if (inner := rw.maker(x, "reshape")) is not None:
        source = inner.args[0]
        if _leading_ones(source.type.shape, x.type.shape):
            return rw.apply(OPS["broadcast_to"], (source,), shape=shape)
    return None


def _leading_ones(short: tuple[int | Dim, ...], long: tuple[int | Dim, ...]) -> bool:
    extra = len(long) - len(short)
    return extra >= 0 and long[extra:] == short and all(n == 1 for n in long[:extra])


@rule("sum")
def sum_of_broadcast(rw: Rewriter, node: Apply) -> Atom | None:
    """Sum equal elements as a product with their number, and over no axis not at all."""
    x, axes = node.args[0], node.attrs["axes"]
    if not axes:
        return x
    spread = rw.maker(x, "broadcast_to")
    if spread is None or x.type.dtype.kind != "f":
        return None
    source, shape = spread.args[0], x.type.shape
    lead = len(shape) - len(source.type.shape)
    free = [a for a in axes if a < lead or (source.type.shape[a - lead] == 1 and shape[a] != 1)]
    if len(free) != len(axes):
        return None
    kept_shape = tuple(n for a, n in enumerate(source.type.shape) if a + lead not in axes)
    count = (
        Const.of(float(n), source.type.with_shape(()))
        if isinstance(n := product(tuple(shape[a] for a in axes)), int)
        else None
    )
    if count is None:
        return None
    kept = rw.apply(OPS["reshape"], (source,), shape=kept_shape)
    scaled = rw.apply(OPS["multiply"], (kept, count))
    wanted = node.out.type.shape
    return scaled if scaled.type.shape == wanted else rw.apply(OPS["broadcast_to"], (scaled,), shape=wanted)


@rule("gather")
def gather_twice(rw: Rewriter, node: Apply) -> Atom | None:
    """``x[i][j] = x[i, j]``: an element of a row that scalar indices pick."""
    inner = rw.maker(node.args[0], "gather")
    if inner is None or any(i.type.shape for i in (*inner.args[1:], *node.args[1:])):
        return None
    x, *indices = inner.args
    of_row = iter(node.attrs["selection"])
    selection: list[Any] = []
    for taken, n in zip(inner.attrs["selection"], x.type.shape, strict=True):
        if isinstance(taken, tuple):
            if taken != (0, 1, n):
                return None
            again = next(of_row)
            selection.append(again + len(indices) if isinstance(again, int) else again)
        else:
            selection.append(taken)
    return rw.apply(OPS["gather"], (x, *indices, *node.args[1:]), selection=tuple(selection))


def _narrow_operands(rw: Rewriter, node: Apply) -> Atom | None:
    """Let a pointwise operation, which broadcasts by itself, read what was broadcast rather than the broadcast.

    Where all operands are broadcasts, the result is broadcast instead.
    """
    op = node.op
    if not isinstance(op, Op) or not isinstance(op.emission, Element) or op.emission.moves or node.attrs:
        return None
    spreads = [rw.maker(x, "broadcast_to") for x in node.args]
    sources = [x if s is None else s.args[0] for x, s in zip(node.args, spreads, strict=True)]
    whole = node.out.type.shape
    if not any(spreads):
        return None
    all_spread = all(s is not None or x.type.shape == () for x, s in zip(node.args, spreads, strict=True))
    if all_spread and broadcast_shapes(*(a.type.shape for a in sources)) != whole:
        return rw.apply(OPS["broadcast_to"], (rw.apply(op, sources),), shape=whole)
    args = list(node.args)
    for k, source in enumerate(sources):
        others = [a.type.shape for j, a in enumerate(args) if j != k]
        if broadcast_shapes(source.type.shape, *others) == whole:
            args[k] = source
    return None if all(a is b for a, b in zip(args, node.args, strict=True)) else rw.apply(op, args)
