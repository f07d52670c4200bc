"""Functions over the slices of their arguments: native loops of compiled functions, Python loops of plain ones."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from jitdiff import frontend
from jitdiff.api.calls import name_of
from jitdiff.api.derived import derived
from jitdiff.errors import ArgumentTypeError
from jitdiff.frontend import AxisTree, vmap_call
from jitdiff.ir.location import caller, describe
from jitdiff.ops.derived import Derived
from jitdiff.ops.user import in_conversion


def vmap(f: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0) -> Callable[..., Any]:
    """Return a function that applies `f` to each slice of its arguments and stacks the results.

    Parameters
    ----------
    f : callable
        Function of one example. Of a compiled function, and inside one, the result is a native loop; a plain function
        is called once for each slice, and may do anything that Python can.
    in_axes : int, None or tuple
        Along which axis to slice: one for all arguments, or an entry for each positional argument, which may be a tree
        of axes if the argument is a tree. None is for what is the same for all slices. Arguments passed by keyword are
        sliced along axis 0.
    out_axes : int, None or tree of them
        Where the new axis of the result is, or of each of its parts. None is for what does not depend on the slice.

    Returns
    -------
    callable
        Compiled if `f` is. It can be differentiated, and mapped again.

    Raises
    ------
    AxisError, ShapeError
        When called: if an argument has not the axis, or the axes differ in length.
    ArgumentError
        If the axes do not fit the arguments or the result.

    Examples
    --------
    >>> import numpy as np
    >>> import jitdiff as jd
    >>> jd.vmap(np.dot, in_axes=(0, None))(np.eye(2), np.array([3.0, 4.0]))
    array([3., 4.])

    Gradients of each example, in one native loop:

    >>> @jd.compile
    ... def loss(w, x, y):
    ...     return (x @ w - y) ** 2
    >>> X, y = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, 0.0])
    >>> jd.vmap(jd.grad(loss), in_axes=(None, 0, 0))(np.zeros(2), X, y)
    array([[-2., -4.],
           [ 0.,  0.]])
    """
    if not callable(f):
        raise ArgumentTypeError(f"vmap: a function is needed, not {f!r}", where=describe(caller()))
    if in_axes is not None and not isinstance(in_axes, int | tuple | list):
        raise ArgumentTypeError(
            f"vmap: in_axes is an int, None or a tuple with an entry for each positional argument, not {in_axes!r}",
            where=describe(caller()),
            hint=f"write in_axes=({in_axes!r},) for the tree of the only argument",
        )
    return _over_slices(f, AxisTree("in_axes", in_axes), AxisTree("out_axes", out_axes))


def _over_slices(f: Callable[..., Any], in_axes: AxisTree, out_axes: AxisTree) -> Callable[..., Any]:
    if (compiled := derived(f, _over_slices, in_axes=in_axes, out_axes=out_axes)) is not None:
        return compiled

    def mapped(*args: Any, **kwargs: Any) -> Any:
        return vmap_call(name_of(f), in_conversion(f), in_axes, out_axes, args, kwargs)

    named = Derived(mapped, f, "vmap", (_over_slices, (f, in_axes, out_axes)))
    _declare_positional(named, f, in_axes.tree)
    return named


def _declare_positional(mapped: Derived, f: Callable[..., Any], in_axes: Any) -> None:
    """Let the signature say which arguments have an entry in `in_axes`: those that are passed by position."""
    if in_axes == 0:
        return
    try:
        signature = inspect.signature(f)
    except (TypeError, ValueError):
        return
    count = len(in_axes) if isinstance(in_axes, list | tuple) else len(signature.parameters)
    either = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [
        p if p.kind is not either else p.replace(kind=p.POSITIONAL_ONLY if k < count else p.KEYWORD_ONLY)
        for k, p in enumerate(signature.parameters.values())
    ]
    # Keywords stand last.
    parameters.sort(key=lambda p: p.kind)
    mapped.__signature__ = signature.replace(parameters=parameters)


def map(f: Callable[[Any], Any], xs: Any, *, checkpoint: int | str | None = None) -> Any:
    """Return the results of `f` on the rows of `xs`, stacked along a new first axis.

    Parameters
    ----------
    f : callable
        Function of one row. Of a compiled function, and inside one, the rows are gone through by a native loop.
    xs : tree of arrays
        What to go through, along the first axis of each array.
    checkpoint : int or "sqrt", optional
        As for `fori_loop`.

    Examples
    --------
    >>> import numpy as np
    >>> import jitdiff as jd
    >>> jd.map(np.sum, np.ones((2, 3)))
    array([3., 3.])
    """
    if (compiled := derived(f, _over_rows, checkpoint=checkpoint)) is not None:
        return compiled(xs)
    return frontend.map(f, xs, checkpoint=checkpoint)


def _over_rows(f: Callable[..., Any], checkpoint: int | str | None) -> Callable[..., Any]:
    def mapped(xs: Any) -> Any:
        return frontend.map(f, xs, checkpoint=checkpoint)

    return Derived(mapped, f, "map", (_over_rows, (f, checkpoint)), same_signature=False)
