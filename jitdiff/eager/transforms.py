"""Derivatives of plain functions of flat lists of arrays, by running them: what the public transforms build on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from jitdiff.eager.backward import backward
from jitdiff.eager.convert import convert
from jitdiff.eager.forward import Pusher
from jitdiff.eager.handle import EagerHandle
from jitdiff.eager.jacobians import backward_rows, rows_at_once
from jitdiff.eager.leaks import warn_of_leaks, warn_of_leaks_on_the_way
from jitdiff.eager.recorder import Recorder, References, active, around, remember, started
from jitdiff.eager.tensor import Tensor, fresh, tensor_of
from jitdiff.errors import ArgumentError, ShapeError
from jitdiff.ir.location import caller, describe
from jitdiff.ops.batched import Batched

Function = Callable[[list[Tensor]], Sequence[Any]]


class Pullback:
    """Pulls cotangents of results back through a recording, any number of times; see `vjp`."""

    def __init__(
        self,
        recorder: Recorder,
        inputs: Sequence[Tensor],
        outs: Sequence[Tensor],
        references: References,
        handles: bool,
    ) -> None:
        self._recorder = recorder
        self._inputs = inputs
        self._outs = outs
        self._references = references
        self._handles = handles

    def __call__(self, cotangents: Sequence[Any]) -> list[Any]:
        """Return a cotangent or None for each input, given one or None for each result."""
        return self._pulled(cotangents, rows=False)

    def rows(self, cotangents: Sequence[Any]) -> list[Any]:
        """Do so for many cotangents, which are the rows of the arrays given; so are those returned."""
        return self._pulled(cotangents, rows=True)

    @property
    def at_once(self) -> int:
        """How many tangents to push through the function in one run of it."""
        return rows_at_once(self._recorder)

    def _pulled(self, cotangents: Sequence[Any], rows: bool) -> list[Any]:
        pairs = _seeds(cotangents, self._outs, rows)
        outer = around(self._references)
        pull = backward_rows if rows else backward
        found = pull(self._recorder, [p[0] for p in pairs], [p[1] for p in pairs], self._inputs, outer)
        if self._recorder.leaks:
            names = [f"by input {k}" for k in range(len(found))]
            warn_of_leaks(names, self._recorder, [p[0] for p in pairs], self._inputs)
        handles = self._handles or _has_handles(cotangents)
        return _returned(map(_unbatched, found), handles, outer, [_unbatched(p[1]) for p in pairs])


def vjp(fun: Function, leaves: Sequence[Any]) -> tuple[list[Any], Pullback]:
    """Run `fun` on Tensors, and return its results and the function that pulls cotangents back through it.

    Parameters
    ----------
    fun : callable
        Takes a list of Tensors, one for each leaf, and returns a list of results (Tensors, arrays or numbers).
    leaves : sequence
        Floating arrays, numbers, Tensors or Variables. Each gets a Tensor of its own, even if one object stands twice.

    Returns
    -------
    outs : list
        The results: arrays, or Tensors if a leaf is one or a tape around knows them.
    pullback : callable
        ``pullback(cotangents)`` takes one cotangent for each result (None for zero) and returns one for each leaf
        (None where it is not connected): fresh writable arrays, or Tensors under the same condition. It may be called
        any number of times, and the tapes recording then record it.

    Examples
    --------
    >>> outs, pullback = vjp(lambda xs: [xs[0] * xs[1]], [np.array([1.0, 2.0]), 3.0])
    >>> outs
    [array([3., 6.])]
    >>> pullback([np.ones(2)])
    [array([3., 3.]), np.float64(3.0)]
    """
    recorder, references = Recorder(keeps_leaves=False, strict=True), remember()
    as_tensors = _has_handles(leaves)
    inputs = [_input(x) for x in leaves]
    for x in inputs:
        if x.dtype.kind == "f":
            recorder.watch(x)
    with started(recorder):
        outs = [convert(out) for out in fun(list(inputs))]

    pullback = Pullback(recorder, inputs, outs, references, as_tensors)
    return _returned(outs, as_tensors, active(), outs), pullback


def jvp(
    fun: Function, leaves: Sequence[Any], tangents: Sequence[Any], rows: bool = False
) -> tuple[list[Any], list[Any]]:
    """Run `fun` on Tensors, and return its results and their derivatives along `tangents`.

    Parameters
    ----------
    fun : callable
        As for `vjp`.
    leaves : sequence
        As for `vjp`.
    tangents : sequence
        A tangent of the same shape for each leaf, None for zero.
    rows : bool
        Whether the tangents are arrays whose rows are many tangents each, pushed at once; so are then those returned.

    Returns
    -------
    outs, tangents : list, list
        Arrays, or Tensors if a leaf or tangent is one or a tape around knows them; None for the tangent of a result
        that does not depend on what moves.

    Examples
    --------
    >>> jvp(lambda xs: [xs[0] * xs[1]], [np.array([1.0, 2.0]), 3.0], [np.array([1.0, 0.0]), 1.0])
    ([array([3., 6.])], [array([4., 2.])])
    """
    pusher = Pusher(keeps_leaves=False, strict=True)
    as_tensors = _has_handles(leaves) or _has_handles(tangents)
    inputs = [_input(x) for x in leaves]
    for x, t in _seeds(tangents, inputs, rows):
        pusher.set(x, t)
    with started(pusher):
        outs = [convert(out) for out in fun(list(inputs))]
    found = [pusher.tangent(out) for out in outs]
    warn_of_leaks_on_the_way(pusher)
    return _returned(outs, as_tensors, active(), outs), _returned(
        map(_unbatched, found), as_tensors, active(), list(map(_unbatched, pusher.tangents.values()))
    )


def _has_handles(leaves: Sequence[Any]) -> bool:
    return any(isinstance(x, EagerHandle) for x in leaves)


def _input(x: Any) -> Tensor:
    return fresh(x.read()) if isinstance(x, EagerHandle) else tensor_of(np.array(x))


def _unbatched(x: Any) -> Tensor | None:
    """Return a Tensor of the rows of a batch, anything else as it is."""
    if not isinstance(x, Batched):
        return x  # type: ignore[no-any-return]
    return x.value if isinstance(x.value, Tensor) else tensor_of(x.value)


def _seeds(given: Sequence[Any], values: Sequence[Tensor], rows: bool) -> list[tuple[Tensor, Any]]:
    """Return the floating values that are given a cotangent or tangent, each with it, or with a batch of its rows."""
    if len(given) != len(values):
        raise ArgumentError(f"{len(given)} cotangents or tangents for {len(values)} values", where=describe(caller()))
    pairs = []
    for g, value in zip(given, values, strict=True):
        if g is None or value.dtype.kind != "f":
            continue
        seed = convert(g)
        if seed.shape[rows:] != value.shape:
            raise ShapeError(
                f"a cotangent or tangent of shape {seed.shape} for a value of shape {value.shape}",
                where=describe(caller()),
            )
        seed = convert(seed, value.dtype)
        pairs.append((value, Batched(seed) if rows else seed))
    return pairs


def _returned(
    found: Iterable[Tensor | None], handles: bool, outer: Sequence[Recorder], held: Sequence[Any]
) -> list[Any]:
    """Return Tensors if they may matter to someone around, otherwise fresh arrays that share nothing with `held`."""
    taken = {id(x._value) for x in held}
    results: list[Any] = []
    for x in found:
        if x is None or handles or any(x in r.known for r in outer):
            results.append(x)
            continue
        value = x._value
        own = type(value) is np.ndarray and value.flags.owndata and value.flags.c_contiguous and value.flags.writeable
        if type(value) is np.ndarray and (not own or id(value) in taken):
            value = np.array(value, order="C")
        taken.add(id(value))
        results.append(value)
    return results
