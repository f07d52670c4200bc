"""Results linked to operands by a rule of the user's: the one mechanism under custom gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from jitdiff.ad import Mask, Part, evaluate, replay
from jitdiff.eager.calls import changes_argument, reads_from_around
from jitdiff.eager.convert import convert
from jitdiff.eager.handle import EagerHandle
from jitdiff.eager.moments import Moment
from jitdiff.eager.recorder import Step, active
from jitdiff.eager.tensor import Tensor, plain, record, tensor_of
from jitdiff.eager.traced import filled
from jitdiff.errors import DifferentiationError, ShapeError, TracingError
from jitdiff.ir import ArrayType, Block, Builder, Shape, Value, free_values, type_of
from jitdiff.ir.builder import building
from jitdiff.ir.location import caller, describe
from jitdiff.ops import Op, Tracer, lift
from jitdiff.ops.batched import by_rows
from jitdiff.ops.families import every_operand
from jitdiff.ops.tracer import builder_now

Pull = Callable[..., Sequence[Any]]
"""Maps a cotangent for each result to one for each operand, or None.

One that is told which elements count takes ``masks=``, and gives a `Part` for each operand.
"""


def is_followed(operands: Sequence[Any]) -> bool:
    """Whether a tape or accumulator is recording what becomes of one of the operands."""
    return any(x in recorder.known for recorder in active() for x in operands)


def link(
    name: str,
    operands: Sequence[Any],
    outs: Sequence[Any],
    pull: Pull,
    moment: Moment | None = None,
    told: bool = False,
) -> list[Tensor]:
    """Return Tensors equal to `outs` whose gradient by `operands` is what `pull` says, and nothing else.

    Parameters
    ----------
    name : str
        What the step is called.
    operands : sequence of Tensor or Variable
        What the results depend on.
    outs : sequence of array_like
        Results, however they were computed.
    pull : callable
        Given Tensors, gives Tensors or arrays. What it reads that changes in place reads as it was at the moment.
    moment : Moment, optional
        That moment, if not now.
    told : bool
        Whether `pull` is told which elements of the results count.
    """
    results = [tensor_of(convert(out)._value) for out in outs]
    then = moment or Moment()

    def vjp(xs: Sequence[Any], y: Any, gs: Sequence[Any], masks: Sequence[Mask | None] = ()) -> list[Any]:
        full = [zeros_like(r) if g is None else convert(g) for g, r in zip(gs, results, strict=True)]
        raw = not any(isinstance(g, Tensor) for g in gs)
        with then.restored():
            parts = pull(full, masks=masks) if masks else [Part(ct) for ct in pull(full)]
            given = [part if part.g is None else Part(convert(part.g), part.mask) for part in parts]
        found = [_checked(name, k, part.g, x) for k, (part, x) in enumerate(zip(given, operands, strict=True))]
        cts = [ct._value if raw and isinstance(ct, EagerHandle) else ct for ct in found]
        return [None if ct is None else Part(ct, p.mask) for ct, p in zip(cts, given, strict=True)] if masks else cts

    types = tuple(type_of(r) for r in results)
    op = Op(
        name=name,
        evaluate=lambda *xs: None,
        infer=lambda *_: types,
        vjp=by_rows(vjp),
        multiple=True,
        guards=every_operand,
        told=told,
    )
    values = [x._value for x in operands]
    record(Step(op, tuple(operands), {}, tuple(results), values, tuple(r._value for r in results)))
    return results


def zeros_like(x: Any, shape: Shape | None = None) -> Any:
    """Return zeros of the kind and dtype of a traced value, Tensor or array, and of its shape unless told."""
    if isinstance(x, Tracer):
        return filled(x, 0.0, shape)
    zeros = np.zeros(x.shape if shape is None else shape, x.dtype)
    return tensor_of(zeros) if isinstance(x, EagerHandle) else plain(zeros)


def _checked(name: str, k: int, ct: Any, x: Any) -> Any:
    if ct is None:
        return None
    ct = ct if isinstance(ct, EagerHandle | Tracer) else convert(ct)
    if ct.shape != x.shape:
        raise ShapeError(
            f"{name}: its rule gave a gradient of shape {ct.shape} for argument {k}, which has shape {x.shape}"
        )
    return ct


Primal = Callable[[list[Any]], Sequence[Any]]
Rule = Callable[[list[Any], list[Any]], Sequence[Any]]


def link_traced(name: str, operands: Sequence[Any], primal: Primal, rule: Rule, later: bool = False) -> list[Tracer]:
    """Append to the trace one operation that computes `primal`, and whose gradient is what `rule` says.

    Parameters
    ----------
    name : str
        What the operation is called.
    operands : sequence
        Traced values, arrays and numbers.
    primal : callable
        ``primal(xs)`` gives the results.
    rule : callable
        ``rule(xs, gs)`` gives a cotangent, or None, for each operand, from one for each result.
    later : bool
        Whether the rule is run when a derivative is taken, not traced now: for a function that its own rule calls.

    Notes
    -----
    Both are traced here, into blocks of their own. Traced values that they read from around them become further
    operands, so that the operation can be moved, run or differentiated anywhere.
    """
    where = describe(caller())
    atoms = [lift(x) for x in operands]
    types = [a.type for a in atoms]
    forward = _block(name, types, primal)
    outs = tuple(ArrayType(r.type.dtype, r.type.shape) for r in forward.results)
    count = len(types)
    connected: list[int] = []

    def rule_of(args: list[Any]) -> Sequence[Any]:
        xs = args[:count]
        found = [_checked(name, k, ct, x) for k, (ct, x) in enumerate(zip(rule(xs, args[count:]), xs, strict=True))]
        connected.extend(k for k, ct in enumerate(found) if ct is not None and types[k].is_float)
        return [found[k] for k in connected]

    blocks = [forward] if later else [forward, _block(f"{name}_vjp", [*types, *outs], rule_of)]
    free = tuple(dict.fromkeys(free_values(*blocks)))
    unruled = [count + k for k, x in enumerate(free) if x in free_values(forward) and x not in atoms]

    def refuse() -> NoReturn:
        raise reads_from_around(DifferentiationError, name, "value", where)

    for block in blocks:
        block.params += free

    def vjp(xs: Sequence[Any], ys: Sequence[Any], gs: Sequence[Any]) -> list[Any]:
        full = [zeros_like(y) if g is None else g for g, y in zip(gs, ys, strict=True)]
        found: list[Any] = [None] * len(xs)
        if later:
            found[:count] = rule(list(xs[:count]), full)
        else:
            for k, ct in zip(connected, replay(blocks[1], [*xs[:count], *full, *xs[count:]]), strict=True):
                found[k] = ct
        for k in unruled:
            found[k] = refuse
        return found

    op = Op(
        name=name,
        evaluate=lambda *xs: tuple(evaluate(forward, xs)),
        infer=lambda *_: outs,
        vjp=by_rows(vjp),
        guards=every_operand,
        inline=lambda *xs: tuple(replay(forward, xs)),
        multiple=True,
    )
    return list(op(*map(Tracer, (*atoms, *free))))


def block_of(name: str, operands: Sequence[Any], function: Callable[[list[Any]], Sequence[Any]]) -> Block:
    """Return the program of a function of values like `operands`, inside the one being built."""
    return _block(name, [lift(x).type for x in operands], function)


def _block(name: str, types: Sequence[ArrayType], function: Callable[[list[Any]], Sequence[Any]]) -> Block:
    builder = Builder([Value(t) for t in types], parent=builder_now(), name=name)
    with building(builder):
        given = [Tracer(p) for p in builder.block.params]
        results = [lift(r) for r in function(list(given))]
        changed = [x for x in given if x.version] + [cell for cell, _ in builder.changes.values()]
        if changed:
            raise changes_argument(TracingError, name, changed[0])
        return builder.finish(results)
