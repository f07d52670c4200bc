"""Branches and loops as functions, with JAX's signatures: one node in a trace, otherwise Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from optree import PyTreeSpec

from jitdiff.errors import ArgumentError, ArgumentTypeError, ShapeError, TracingError
from jitdiff.frontend.bounds import integer
from jitdiff.frontend.trees import flatten, leaf_names, tree_map, unflatten
from jitdiff.ir import ArrayType, Builder, Dim, Value, type_of
from jitdiff.ir.builder import building, current_builder
from jitdiff.ir.location import caller, describe
from jitdiff.ops import Tracer, control, lift, segments
from jitdiff.ops.alias import detached
from jitdiff.ops.segments import Checkpoint


def cond(pred: Any, true_fun: Callable[..., Any], false_fun: Callable[..., Any], *operands: Any) -> Any:
    """Return ``true_fun(*operands)`` if `pred` is true, else ``false_fun(*operands)``.

    Parameters
    ----------
    pred : scalar
        The condition.
    true_fun, false_fun : callable
        The branches. Traced, both must return the same structure, shapes and dtypes.
    *operands : object
        Arguments of either.

    Raises
    ------
    TracingError
        If the branches return different structures.
    ShapeError
        If they return different shapes.

    Examples
    --------
    >>> import numpy as np
    >>> import jitdiff as jd
    >>> jd.cond(2.0 > 1.0, np.sqrt, np.negative, 9.0)
    np.float64(3.0)
    """
    for branch in (true_fun, false_fun):
        if not callable(branch):
            raise ArgumentTypeError(
                f"cond: a branch must be a function, not {branch!r}",
                where=describe(caller()),
                hint="write lambda: value",
            )
    if not isinstance(pred, Tracer):
        return (true_fun if _truth(pred) else false_fun)(*operands)
    specs: list[PyTreeSpec] = []
    types: list[list[ArrayType]] = []

    def branch_of(function: Callable[..., Any]) -> Callable[[], Sequence[Any]]:
        def run() -> Sequence[Any]:
            leaves, spec = flatten(function(*operands))
            specs.append(spec)
            types.append([lift(x).type for x in leaves])
            if len(specs) == 2:
                _check_branches(specs, types)
            return leaves

        return run

    outs = control.cond(pred, branch_of(true_fun), branch_of(false_fun))
    return unflatten(specs[0], outs)


def _truth(pred: Any) -> bool:
    if np.shape(pred) != ():
        raise ShapeError(
            f"cond: the condition must be a scalar, not of shape {np.shape(pred)}",
            where=describe(caller()),
            hint="use np.where to choose element by element",
        )
    return bool(pred)


def _check_branches(specs: Sequence[PyTreeSpec], types: Sequence[Sequence[ArrayType]]) -> None:
    if specs[0] != specs[1]:
        raise TracingError(
            f"cond: the branches return different structures: {_structure(specs[0], types[0])} if true, "
            f"{_structure(specs[1], types[1])} if false",
            where=describe(caller()),
            hint="return the same from both branches",
        )
    for name, a, b in zip(leaf_names(specs[0]), *types, strict=True):
        numbers = a.dtype.kind != "b", b.dtype.kind != "b"
        if a.shape != b.shape or numbers[0] != numbers[1]:
            raise ShapeError(
                f"cond: the branches return different types{f' for {name}' if name else ''}: {a} if true, {b} if false",
                where=describe(caller()),
                hint="return the same shape and dtype from both branches",
            )


def fori_loop(
    lower: Any, upper: Any, body_fun: Callable[[Any, Any], Any], init: Any, *, checkpoint: Checkpoint = None
) -> Any:
    """Return the carry after ``carry = body_fun(i, carry)`` for i from `lower` up to `upper`, from `init` on.

    Parameters
    ----------
    lower, upper : int
        Bounds, as in ``range``; they may be traced.
    body_fun : callable
        One iteration. It keeps the structure, shapes and dtypes of the carry.
    init : tree
        The first carry.
    checkpoint : int or "sqrt", optional
        Save the carry each so many iterations only, for the gradient to run the iterations in between anew, which takes
        one more forward pass. With k, the gradient of n iterations holds n / k carries and what k iterations save;
        with "sqrt", which takes the root of n for k, both grow as the root of n. Tapes keep every operation all the
        same: there use `checkpoint`.

    Raises
    ------
    TracingError
        If the carry changes.

    Examples
    --------
    >>> import jitdiff as jd
    >>> jd.fori_loop(0, 5, lambda i, total: total + i, 0)
    10
    """
    carries, spec = flatten(init)
    lower, upper = integer(lower, "fori_loop: lower"), integer(upper, "fori_loop: upper")
    if current_builder() is None:
        carry = tree_map(detached, init)
        for i in range(lower, upper):
            carry = body_fun(i, carry)
            _kept("fori_loop", carry, spec, carries)
        return carry
    step = _body("fori_loop", spec, lambda i, *c: body_fun(i if _is_zero(lower) else i + lower, unflatten(spec, c)))
    trip = upper if _is_zero(lower) else upper - lower
    if checkpoint is not None:
        outs, _, _ = segments.fori(trip, step, carries, checkpoint)
    else:
        outs, _ = control.fori(trip, step, carries)
    return unflatten(spec, outs)


def while_loop(
    cond_fun: Callable[[Any], Any], body_fun: Callable[[Any], Any], init: Any, *, checkpoint: Checkpoint = None
) -> Any:
    """Return the first carry for which ``cond_fun(carry)`` is false, from `init` on by ``carry = body_fun(carry)``.

    Parameters
    ----------
    cond_fun : callable
        Gives a boolean scalar.
    body_fun : callable
        One iteration. It keeps the structure, shapes and dtypes of the carry.
    init : tree
        The first carry.
    checkpoint : int or "sqrt", optional
        As for `fori_loop`. Since nobody knows the number n of iterations, "sqrt" makes each segment one iteration
        longer than the one before, so that their number and the length of the last are about the root of 2 n.

    Raises
    ------
    TracingError
        If the carry changes, or the condition is no scalar.

    Examples
    --------
    >>> import jitdiff as jd
    >>> jd.while_loop(lambda x: x > 1.0, lambda x: x / 2, 10.0)
    0.625
    """
    carries, spec = flatten(init)
    if current_builder() is None:
        carry = tree_map(detached, init)
        while cond_fun(carry):
            carry = body_fun(carry)
            _kept("while_loop", carry, spec, carries)
        return carry
    step = _body("while_loop", spec, lambda *c: body_fun(unflatten(spec, c)))
    if checkpoint is not None:
        outs = segments.while_(lambda *c: cond_fun(unflatten(spec, c)), step, carries, checkpoint)
    else:
        outs, _, _ = control.while_(lambda *c: cond_fun(unflatten(spec, c)), step, carries)
    return unflatten(spec, outs)


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    *,
    checkpoint: Checkpoint = None,
) -> tuple[Any, Any]:
    """Run ``carry, y = f(carry, x)`` over the rows of `xs`, from `init` on.

    Parameters
    ----------
    f : callable
        One step. It keeps the structure, shapes and dtypes of the carry.
    init : tree
        The first carry.
    xs : tree of arrays, optional
        What to go through, along the first axis of each array. None gives `f` None each time.
    length : int, optional
        Number of steps, needed where `xs` is None.
    reverse : bool
        Go through the rows from the last to the first; the results stand in the order of `xs` all the same.
    checkpoint : int or "sqrt", optional
        As for `fori_loop`.

    Returns
    -------
    tuple
        The last carry, and the ys stacked along a new first axis.

    Raises
    ------
    ShapeError
        If the arrays of `xs` differ in length.
    TracingError
        If the carry changes.

    Examples
    --------
    >>> import numpy as np
    >>> import jitdiff as jd
    >>> jd.scan(lambda total, x: (total + x, total), 0.0, np.array([1.0, 2.0, 3.0]))
    (np.float64(6.0), array([0., 1., 3.]))
    """
    carries, spec = flatten(init)
    rows, rows_spec = flatten(xs)
    size = _length(rows, rows_spec, length)
    if current_builder() is None:
        return _scan_eagerly(f, init, rows, rows_spec, size, reverse)
    rows = [Tracer(lift(x)) for x in rows]
    outputs: list[PyTreeSpec] = []

    def step(k: Any, *c: Any) -> Sequence[Any]:
        carry, y = _pair(f(unflatten(spec, c), _row(rows, rows_spec, size - 1 - k if reverse else k)))
        ys, y_spec = flatten(y)
        outputs[:] = [y_spec]
        return [*_kept("scan", carry, spec, c), *ys]

    if checkpoint is not None:
        outs, stacked, _ = segments.fori(int(size), step, carries, checkpoint)
    else:
        outs, stacked = control.fori(size, step, carries)
    if reverse:
        stacked = [np.flip(s, 0) for s in stacked]
    return unflatten(spec, outs), unflatten(outputs[0], stacked)


def map(f: Callable[[Any], Any], xs: Any, *, checkpoint: Checkpoint = None) -> Any:
    """Return the results of `f` on the rows of `xs`, stacked: `jitdiff.map` of a function that is not compiled.

    Examples
    --------
    >>> import numpy as np
    >>> map(np.sum, np.ones((2, 3)))
    array([3., 3.])
    """
    return scan(lambda _, x: (None, f(x)), None, xs, checkpoint=checkpoint)[1]


def _scan_eagerly(
    f: Callable[[Any, Any], Any], init: Any, rows: Sequence[Any], rows_spec: PyTreeSpec, size: Any, reverse: bool
) -> tuple[Any, Any]:
    carry, ys = tree_map(detached, init), []
    carries, spec = flatten(init)
    order = range(int(size))
    for i in reversed(order) if reverse else order:
        carry, y = _pair(f(carry, tree_map(detached, _row(rows, rows_spec, i))))
        _kept("scan", carry, spec, carries)
        ys.append(flatten(tree_map(detached, y)))
    if not ys:
        return carry, _no_rows(f, init, rows, rows_spec)
    if reverse:
        ys.reverse()
    y_spec = ys[0][1]
    return carry, unflatten(y_spec, [np.stack(column) for column in zip(*(leaves for leaves, _ in ys), strict=True)])


def _row(rows: Sequence[Any], spec: PyTreeSpec, i: Any) -> Any:
    return unflatten(spec, [x[i] for x in rows])


def _no_rows(f: Callable[[Any, Any], Any], init: Any, rows: Sequence[Any], rows_spec: PyTreeSpec) -> Any:
    """Return the ys of no steps: empty arrays of the shape that a trace finds."""
    builder = Builder([index := Value(control.INDEX)])
    with building(builder):
        carry, xs = ([Tracer(lift(x)) for x in leaves] for leaves in (flatten(init)[0], rows))
        _, y = _pair(f(unflatten(flatten(init)[1], carry), _row(xs, rows_spec, Tracer(index))))
        leaves, y_spec = flatten(y)
        types = [lift(x).type for x in leaves]
    return unflatten(y_spec, [np.zeros((0, *t.shape), t.dtype) for t in types])


def _is_zero(lower: Any) -> bool:
    return isinstance(lower, int) and lower == 0


def _length(rows: Sequence[Any], spec: PyTreeSpec, length: int | None) -> int | Dim:
    sizes: list[int | Dim] = []
    for x, name in zip(rows, leaf_names(spec, "xs"), strict=True):
        shape = np.shape(x)
        if not shape:
            raise ShapeError(f"scan: {name} is a scalar and has no rows", where=describe(caller()))
        sizes.append(shape[0])
    if length is not None:
        sizes.append(integer(length, "scan: length"))
    if not sizes:
        raise ArgumentError("scan: without xs, length says how many steps to make", where=describe(caller()))
    if any(n != sizes[0] for n in sizes):
        raise ShapeError(f"scan: the lengths {', '.join(str(n) for n in sizes)} differ", where=describe(caller()))
    return sizes[0]


def _pair(result: Any) -> tuple[Any, Any]:
    if not isinstance(result, tuple) or len(result) != 2:
        raise TracingError(
            f"scan: f must return the pair (carry, y), and returned {result!r}", where=describe(caller())
        )
    return result


def _body(what: str, spec: PyTreeSpec, function: Callable[..., Any]) -> Callable[..., Sequence[Any]]:
    def step(*args: Any) -> Sequence[Any]:
        before = args[len(args) - spec.num_leaves :]
        return _kept(what, function(*args), spec, before)

    return step


def _kept(what: str, carry: Any, spec: PyTreeSpec, before: Sequence[Any]) -> list[Any]:
    """Return the leaves of the carry that an iteration returned, if it has the structure and shapes of the last one."""
    leaves, new = flatten(carry)
    types = [type_of(x) for x in leaves]
    if new != spec:
        raise TracingError(
            f"{what}: the carry changes its structure from {_structure(spec, [type_of(x) for x in before])} "
            f"to {_structure(new, types)}",
            where=describe(caller()),
            hint="return a carry like the one passed in",
        )
    for name, old, got in zip(leaf_names(spec, "carry"), before, types, strict=True):
        have = type_of(old)
        # A traced carry finds its dtype by itself.
        narrows = not (got.weak or have.weak or isinstance(old, Tracer)) and _wider(have, got) != have.dtype
        if have.shape != got.shape or narrows:
            raise TracingError(
                f"{what}: {name} changes from {have} to {got}",
                where=describe(caller()),
                hint="give it that shape and dtype before the loop",
            )
    return leaves


def _wider(a: ArrayType, b: ArrayType) -> np.dtype[Any]:
    return np.result_type(a.dtype, b.dtype)


def _structure(spec: PyTreeSpec, types: Sequence[ArrayType]) -> str:
    return str(unflatten(spec, types)) if len(types) < 20 else str(spec)
