"""Running a block in whichever world its arguments live in.

On arrays this evaluates with NumPy, on tracers it inlines into the block being built, on Tensors it records.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitdiff.ir import Apply, Atom, Block, Const, Dim, For, If, Node, Value, While, outs_of, type_of
from jitdiff.ir.builder import building, current_builder
from jitdiff.ops import control
from jitdiff.ops.table import Handle, Op
from jitdiff.ops.tracer import Tracer, builder_now, lift

Env = dict[Value, Any]


def replay(block: Block, args: Sequence[Any]) -> list[Any]:
    """Return the results of `block` on `args`.

    Parameters
    ----------
    block : Block
        The program.
    args : sequence
        One array, tracer or Tensor for each parameter.

    Returns
    -------
    list
        One value for each result.
    """
    env: Env = dict(zip(block.params, args, strict=True))
    for param, arg in zip(block.params, args, strict=True):
        for dim, size in zip(param.type.shape, type_of(arg).shape, strict=True):
            if isinstance(dim, Dim) and len(dim.symbols) == 1:
                env.setdefault(_symbol(dim), size)
    run(block.nodes, env)
    return [value_of(r, env) for r in block.results]


def evaluate(block: Block, args: Sequence[Any]) -> list[Any]:
    """Return the results of `block` on arrays, computed by NumPy."""
    with building(None), np.errstate(all="ignore"):
        return replay(block, args)


class _SymbolKey(Value):
    """The number behind a symbolic size, kept in an environment beside the values."""

    __slots__ = ()


_symbols: dict[str, _SymbolKey] = {}


def _symbol(dim: Dim) -> Value:
    (name,) = dim.symbols
    return _symbols.setdefault(name, _SymbolKey(control.INDEX, name))


def bind_size(dim: Dim | None, trips: Any, env: Env) -> None:
    """Let `env` know what the trip count of a loop is, for the sizes that depend on it."""
    if dim is not None:
        env[_symbol(dim)] = control.trips_of(builder_now(), trips.atom) if isinstance(trips, Tracer) else trips


def rows_of(node: For, env: Env) -> int | Dim | None:
    """Return the leading size of what a loop stacks, None if its trips are that."""
    return concrete(node.stacked[0].shape[0], env) if node.stacked and node.size is None else None


def value_of(atom: Atom, env: Env) -> Any:
    """Return what `atom` stands for: from `env`, itself for a value of the block being built, or a scalar."""
    if isinstance(atom, Const):
        return concrete(atom.value, env) if isinstance(atom.value, Dim) else _scalar(atom)
    if atom in env:
        return env[atom]
    return Tracer(atom)


def _scalar(const: Const) -> Any:
    if const.type.weak or const.type.dtype in (np.float64, np.int64, np.bool_):
        return const.value
    return const.type.dtype.type(const.value)


def concrete(x: Any, env: Env) -> Any:
    """Return an attribute with the sizes that `env` knows put in for symbolic ones."""
    if isinstance(x, Dim):
        known = {s: env[key] for s in x.symbols if (key := _symbols.get(s)) in env}
        return x.substitute(known) if len(known) == len(x.symbols) else x
    if type(x) is tuple:
        return tuple(concrete(y, env) for y in x)
    return x


def run(nodes: Sequence[Node], env: Env) -> None:
    """Run nodes, reading and adding to `env`."""
    builder = current_builder()
    for node in nodes:
        if builder is None or node.loc is None:
            _step(node, env)
        else:
            with builder.at(node.loc):
                _step(node, env)
        if builder is not None:
            _keep_names(node, env)


def _keep_names(node: Node, env: Env) -> None:
    for out in outs_of(node):
        new = env.get(out)
        if out.name and isinstance(new, Tracer) and isinstance(new.atom, Value) and not new.atom.name:
            new.atom.name = out.name


def _step(node: Node, env: Env) -> None:
    match node:
        case Apply(op, args, attrs, outs):
            assert isinstance(op, Op)
            xs = [value_of(a, env) for a in args]
            if xs and current_builder() is not None and not any(isinstance(x, Handle) for x in xs):
                # In a trace an operation on constants stays an operation: its result may be an array.
                xs[0] = Tracer(lift(xs[0]))
            y = op(*xs, **{k: concrete(v, env) for k, v in attrs.items()})
            env.update(zip(outs, y if op.multiple else (y,), strict=True))
        case If(pred, then, orelse, outs):
            choice = value_of(pred, env)
            if isinstance(choice, Tracer):
                values = control.cond(choice, _thunk(then, env), _thunk(orelse, env))
            else:
                values = inner(then if choice else orelse, (), env)
            env.update(zip(outs, values, strict=True))
        case For(trip, init, body, outs, stacked):
            start = [value_of(a, env) for a in init]
            count = value_of(trip, env)
            if current_builder() is not None:
                carries, histories = control.fori(
                    count, lambda *p: inner(body, p, env), start, rows_of(node, env), node.restart
                )
            else:
                carries, histories = _loop(node, int(count), start, env)
            env.update(zip(outs, carries, strict=True))
            env.update(zip(stacked, histories, strict=True))
            bind_size(node.size, count, env)
        case While(cond, body, init, outs, stacked, count):
            start = [value_of(a, env) for a in init]
            if current_builder() is not None:
                carries, histories, made = control.while_(
                    lambda *c: inner(cond, c, env)[0], lambda *c: inner(body, c, env), start, node.restart
                )
            else:
                carries, histories, made = _run_while(node, start, env)
            env.update(zip(outs, carries, strict=True))
            env.update(zip(stacked, histories, strict=True))
            if count is not None:
                env[count] = made
            bind_size(node.size, made, env)


def inner(block: Block, args: Sequence[Any], env: Env) -> list[Any]:
    """Return the results of a block inside another, whose values it reads from `env`."""
    local = {**env, **dict(zip(block.params, args, strict=True))}
    run(block.nodes, local)
    return [value_of(r, local) for r in block.results]


def _thunk(block: Block, env: Env) -> Callable[[], list[Any]]:
    return lambda: inner(block, (), env)


def _loop(node: For, trips: int, carries: list[Any], env: Env) -> tuple[list[Any], list[Any]]:
    rows: list[list[Any]] = []
    for i in range(trips):
        results = inner(node.body, (i, *carries), env)
        carries = results[: len(carries)]
        rows.append(results[len(carries) :])
    size = rows_of(node, env)
    return carries, _stacks(node, rows, trips if size is None else int(size), env)


def _stacks(node: For | While, rows: list[list[Any]], size: int, env: Env) -> list[Any]:
    """Return the stacked values of a loop, given those of each iteration."""
    stacks = [np.zeros((size, *concrete(s.shape[1:], env)), s.type.dtype) for s in node.stacked]
    for k, row in enumerate(rows):
        for stack, value in zip(stacks, row, strict=True):
            stack[k] = value
    return stacks


def _run_while(node: While, carries: list[Any], env: Env) -> tuple[list[Any], list[Any], int]:
    rows: list[list[Any]] = []
    while inner(node.cond, carries, env)[0]:
        results = inner(node.body, carries, env)
        carries = results[: len(carries)]
        rows.append(results[len(carries) :])
    return carries, _stacks(node, rows, len(rows), env), len(rows)
