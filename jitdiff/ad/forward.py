"""Forward mode, derived: the pullback of an op is linear in its cotangent, so its transpose is the pushforward."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from jitdiff.ad import roots
from jitdiff.ad.masks import counted
from jitdiff.ad.region import zeros
from jitdiff.ad.reverse import pull
from jitdiff.ir import Apply, ArrayType, Block, For, If, Value, While, outs_of, reads_of, type_of
from jitdiff.ir.builder import Builder, building
from jitdiff.ops import Op, Tracer, control, lift
from jitdiff.ops.fit import fit
from jitdiff.ops.replay import Env, bind_size, concrete, inner, rows_of, run, value_of
from jitdiff.ops.table import computed
from jitdiff.ops.tracer import builder_now


class Tangents(dict[Value, Any]):
    """Tangents by the values that they belong to.

    Attributes
    ----------
    squares : dict
        Of what comes of a root, the tangent of its square; see `jitdiff.ad.roots`.
    """

    def __init__(self, of: Mapping[Value, Any], squares: Mapping[Value, Any] = MappingProxyType({})) -> None:
        super().__init__(of)
        self.squares = dict(squares)

    def copy(self) -> Tangents:
        """Return a copy, for a region."""
        return Tangents(self, self.squares)


def pushforward(op: Op, xs: Sequence[Any], y: Any, tangents: Sequence[Any | None], attrs: Mapping[str, Any]) -> Any:
    """Return the tangent of ``op(*xs, **attrs)``, appending to the current block.

    Parameters
    ----------
    op : Op
        The operation.
    xs : sequence
        Operands, as tracers or constants.
    y : tracer or tuple of tracers
        The result.
    tangents : sequence
        Tangent of each operand, None for zero.
    attrs : mapping
        Attributes of the call.

    Returns
    -------
    tracer, None or tuple of them
        The tangent of each result, None for zero.

    Notes
    -----
    The rule is run on a symbolic cotangent, and what it appended is transposed by the reverse walk. Nodes that depend
    on the symbol itself are removed again: the walk of a linear program reads only its coefficients.
    """
    here = builder_now()
    ys = y if op.multiple else (y,)
    symbols = [here.define(Value(ArrayType(v.dtype, v.shape))) if type_of(v).is_float else None for v in ys]
    start = len(here.block.nodes)
    gs = tuple(None if s is None else Tracer(s) for s in symbols)
    pulled = op.pullback(xs, y, gs if op.multiple else gs[0], attrs)
    seeds = []
    for x, ct, t in zip(xs, pulled, tangents, strict=True):
        if ct is not None and t is not None:
            seeds.append((lift(fit(computed(ct), type_of(x))), t))
    stop = len(here.block.nodes)
    found = pull(here, start, seeds, [s for s in symbols if s is not None], stop, masking=False)
    _drop_dependents(here, start, {s for s in symbols if s is not None})
    results = iter(found)
    out = tuple(None if s is None else next(results) for s in symbols)
    return out if op.multiple else counted(op, xs, tangents, out[0])


def pushforward_block(
    op: Op,
    operands: Sequence[ArrayType],
    results: Sequence[ArrayType],
    attrs: Mapping[str, Any],
    moving: Sequence[bool],
) -> Block:
    """Return the pushforward of one op as a program, for those who run it many times.

    Its parameters are the operands, the results, and the tangents of the operands that are `moving`; its results are
    the tangents of the floating results, zeros where nothing moves them.
    """
    xs, ys = [Value(t) for t in operands], [Value(t) for t in results]
    ts = [Value(ArrayType(x.dtype, x.shape)) if m else None for x, m in zip(xs, moving, strict=True)]
    builder = Builder([*xs, *ys, *(t for t in ts if t is not None)], name=f"{op.name}_pushforward")
    with building(builder):
        y = tuple(map(Tracer, ys))
        tangents = [None if t is None else Tracer(t) for t in ts]
        dy = pushforward(op, list(map(Tracer, xs)), y if op.multiple else y[0], tangents, attrs)
        dots = dy if op.multiple else (dy,)
        floats = [(v, d) for v, d in zip(ys, dots, strict=True) if v.type.is_float]
        return builder.finish([lift(zeros(v) if d is None else d) for v, d in floats])


def _drop_dependents(builder: Builder, start: int, symbols: set[Value]) -> None:
    dead = set(symbols)
    kept = []
    for node in builder.block.nodes[start:]:
        if any(v in dead for v in reads_of(node)):
            dead.update(outs_of(node))
        else:
            kept.append(node)
    builder.block.nodes[start:] = kept


def push(block: Block, primals: Sequence[Any], tangents: Sequence[Any | None]) -> tuple[list[Any], list[Any | None]]:
    """Inline `block` into the current one together with its derivative along `tangents`.

    Returns
    -------
    tuple
        The results, and the tangent of each (None for zero).
    """
    env: Env = dict(zip(block.params, primals, strict=True))
    given = zip(block.params, tangents, strict=True)
    moving = Tangents({p: t for p, t in given if t is not None and p.type.is_float})
    _push_nodes(block, env, moving)
    return [value_of(r, env) for r in block.results], [_tangent(r, moving) for r in block.results]


def _tangent(atom: Any, moving: Tangents) -> Any | None:
    return moving.get(atom) if isinstance(atom, Value) else None


def _push_nodes(block: Block, env: Env, moving: Tangents) -> None:
    here = builder_now()
    for node in block.nodes:
        with here.at(node.loc):
            if not any(v in moving for v in reads_of(node)):
                run((node,), env)
                continue
            match node:
                case Apply():
                    _push_apply(node, env, moving)
                case If():
                    _push_if(node, env, moving)
                case For() | While():
                    _push_loop(node, env, moving)


def _push_apply(node: Apply, env: Env, moving: Tangents) -> None:
    run((node,), env)
    op = node.op
    assert isinstance(op, Op)
    if op.vjp is None:
        return
    xs = [value_of(a, env) for a in node.args]
    ys = tuple(env[o] for o in node.outs)
    attrs = {k: concrete(v, env) for k, v in node.attrs.items()}
    tangents = [_tangent(a, moving) for a in node.args]
    squares = [moving.squares.get(a) if isinstance(a, Value) else None for a in node.args]
    if squares and squares[0] is not None and (n := roots.exponent(node, xs)) is not None:
        moving[node.outs[0]] = roots.slope(squares[0], xs[0], n)
        return
    dy = pushforward(op, xs, ys if op.multiple else ys[0], tangents, attrs)
    if not op.multiple and (of_square := roots.below(node, xs, tangents, squares)) is not None:
        moving.squares[node.outs[0]] = of_square
    for out, t in zip(node.outs, dy if op.multiple else (dy,), strict=True):
        if t is not None:
            moving[out] = t


def _filled(values: Sequence[Value], tangents: Sequence[Any | None]) -> list[Any]:
    return [zeros(v) if t is None else t for v, t in zip(values, tangents, strict=True)]


def _push_if(node: If, env: Env, moving: Tangents) -> None:
    floats = [k for k, o in enumerate(node.outs) if o.type.is_float]

    def branch(block: Block) -> list[Any]:
        inner_env, inner_moving = dict(env), moving.copy()
        _push_nodes(block, inner_env, inner_moving)
        values = [value_of(r, inner_env) for r in block.results]
        dots = _filled([node.outs[k] for k in floats], [_tangent(block.results[k], inner_moving) for k in floats])
        return [*values, *dots]

    outs = control.cond(value_of(node.pred, env), lambda: branch(node.then), lambda: branch(node.orelse))
    env.update(zip(node.outs, outs, strict=False))
    for k, t in zip(floats, outs[len(node.outs) :], strict=True):
        moving[node.outs[k]] = t


def _push_loop(node: For | While, env: Env, moving: Tangents) -> None:
    """Tangent of a loop: one loop over values and tangents together."""
    n = len(node.outs)
    floats = [k for k, o in enumerate(node.outs) if o.type.is_float]
    stacked_floats = [k for k, s in enumerate(node.stacked) if s.type.is_float]
    params = node.body.params[-n:] if n else ()
    start = [value_of(a, env) for a in node.init]
    dots = _filled([node.outs[k] for k in floats], [_tangent(node.init[k], moving) for k in floats])

    def step(*args: Any) -> list[Any]:
        lead = args[: len(args) - n - len(floats)]
        values, tangents = args[len(lead) : len(lead) + n], args[len(lead) + n :]
        inner_env = {**env, **dict(zip(node.body.params, (*lead, *values), strict=True))}
        inner_moving = moving.copy()
        inner_moving.update({params[k]: t for k, t in zip(floats, tangents, strict=True)})
        _push_nodes(node.body, inner_env, inner_moving)
        results = [value_of(r, inner_env) for r in node.body.results]
        ts = [_tangent(r, inner_moving) for r in node.body.results]
        each = [r.type for r in node.body.results]
        new = _filled([node.outs[k] for k in floats], [ts[k] for k in floats])
        rows = [zeros(Value(each[n + k])) if ts[n + k] is None else ts[n + k] for k in stacked_floats]
        return [*results[:n], *new, *results[n:], *rows]

    if isinstance(node, For):
        trips = value_of(node.trip, env)
        carries, histories = control.fori(trips, step, [*start, *dots], rows_of(node, env), node.restart)
    else:
        carries, histories, trips = control.while_(
            lambda *c: _condition(node, env, c[:n]), step, [*start, *dots], node.restart
        )
        if node.count is not None:
            env[node.count] = trips
    env.update(zip(node.outs, carries, strict=False))
    env.update(zip(node.stacked, histories, strict=False))
    bind_size(node.size, trips, env)
    moving.update({node.outs[k]: t for k, t in zip(floats, carries[n:], strict=True)})
    m = len(node.stacked)
    moving.update({node.stacked[k]: t for k, t in zip(stacked_floats, histories[m:], strict=True)})


def _condition(node: While, env: Env, carries: Sequence[Any]) -> Any:
    return inner(node.cond, carries, env)[0]
