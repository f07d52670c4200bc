"""Forward mode: tangents computed as operations happen."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from jitdiff.ad import counted, roots
from jitdiff.eager.arguments import UnconnectedGradients, handles_in, is_zero, nested_as, unflatten
from jitdiff.eager.backward import backward, read_arrays, read_tensors
from jitdiff.eager.convert import convert
from jitdiff.eager.handle import EagerHandle
from jitdiff.eager.recorder import Recorder, Step, active, recording, start, stop
from jitdiff.eager.tensor import Tensor, tensor_of
from jitdiff.errors import ArgumentError, DtypeError, ShapeError, TapeError, TracingError
from jitdiff.ir.builder import current_builder
from jitdiff.ir.location import caller, describe
from jitdiff.ops.batched import Batched
from jitdiff.ops.fit import fit
from jitdiff.ops.table import computed


class Tangents:
    """The tangents of values, by identity; a value that nobody else holds is gone, and so is its tangent."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: dict[int, tuple[weakref.ref[Any], Any]] = {}

    def __contains__(self, x: object, /) -> bool:
        found = self._held.get(id(x))
        return found is not None and found[0]() is x

    def __len__(self) -> int:
        return len(self._held)

    def __getitem__(self, x: Any) -> Any:
        return self._held[id(x)][1] if x in self else None

    def __setitem__(self, x: Any, tangent: Any) -> None:
        key, held = id(x), self._held
        held[key] = weakref.ref(x, lambda _: held.pop(key, None)), tangent

    def values(self) -> list[Any]:
        """Return all tangents."""
        return [tangent for _, tangent in self._held.values()]

    def add(self, x: Any, /) -> None:
        """Refuse: what is known is what has a tangent."""
        raise AssertionError(f"{x} has no tangent")

    def update(self, xs: Iterable[Any], /) -> None:
        """Refuse to add any."""
        for x in xs:
            self.add(x)


class Pusher(Recorder):
    """A recorder that keeps the tangents of the values it knows, while those exist, instead of steps.

    Attributes
    ----------
    tangents : Tangents
        The tangents, and so what is known.
    squares : Tangents
        Of what comes of a root, the tangents of its square; see `jitdiff.ad.roots`.
    """

    __slots__ = ("squares", "tangents")
    pushes: ClassVar[bool] = True

    def __init__(self, keeps_leaves: bool = True, strict: bool = False) -> None:
        super().__init__(keeps_leaves=keeps_leaves, strict=strict)
        self.known = self.tangents = Tangents()
        self.squares = Tangents()

    def watch(self, value: Any) -> None:
        """Do nothing: a value that a tape inside watches does not move by that."""

    def set(self, primal: EagerHandle, tangent: Any) -> None:
        """Give a value its tangent, a Tensor or a batch of them."""
        self.tangents[primal] = tangent
        if self.keeps_leaves:
            self.leaves.add(primal)

    def tangent(self, x: Any) -> Any:
        """Return the tangent of a value, or None."""
        return self.tangents[x]

    def record(self, step: Step, outs: Sequence[Any]) -> None:
        """Compute the tangents of a step's results."""
        recorders = active()
        # Those around this one follow the tangents; it does not follow its own, nor do those inside it.
        outer = recorders[: recorders.index(self)]
        tangents = [self.tangents[x] for x in step.args]
        found = self._of_power(step, outer) or pushforward(step, tangents, outer)
        self._keep_square(step, tangents, outer)
        for out, tangent in zip(step.outs, found, strict=True):
            if tangent is not None:
                self.tangents[out] = tangent

    def _of_power(self, step: Step, outer: Sequence[Recorder]) -> list[Any] | None:
        """Return the tangent of a power of a root, None for another step."""
        square = self.squares[step.args[0]] if step.op.name in roots.POWERS and len(self.squares) else None
        if square is None:
            return None
        with recording(outer), np.errstate(all="ignore"):
            xs, _ = (read_tensors if outer else read_arrays)(step)
            n = roots.exponent(step, xs)
            return None if n is None else [_held(roots.slope(square, xs[0], n))]

    def _keep_square(self, step: Step, tangents: Sequence[Any], outer: Sequence[Recorder]) -> None:
        """Compute the tangent of the square of a step's result, if that comes of a root."""
        if step.op.name != "sqrt" and not len(self.squares):
            return
        squares = [self.squares[x] for x in step.args]
        if step.op.name == "sqrt" or any(t is not None for t in squares):
            with recording(outer), np.errstate(all="ignore"):
                xs, _ = (read_tensors if outer else read_arrays)(step)
                found = roots.below(step, xs, tangents, squares)
            if found is not None:
                self.squares[step.outs[0]] = _held(found)


def _held(tangent: Any) -> Any:
    return tangent if isinstance(tangent, Tensor | Batched) else tensor_of(tangent)


def pushforward(step: Step, tangents: Sequence[Any], outer: Sequence[Recorder]) -> list[Any]:
    """Return the tangent of each result of a step, given those of its operands.

    The op's rule is linear in the cotangent: it is run on one, recorded, and walked back.
    """
    inner = Recorder()
    gs = [tensor_of(np.ones(out.shape, out.dtype)) if out.dtype.kind == "f" else None for out in step.outs]
    for g in gs:
        if g is not None:
            inner.watch(g)
    with recording([*outer, inner]), np.errstate(all="ignore"):
        xs, y = (read_tensors if outer else read_arrays)(step)
        pulled = step.op.pullback(xs, y, tuple(gs) if step.op.multiple else gs[0], step.attrs)
        pairs = [
            (fit(ct, arg.type), tangent)
            for arg, given, tangent in zip(step.args, pulled, tangents, strict=True)
            if tangent is not None and isinstance(ct := computed(given), Tensor)
        ]
    moved = backward(
        inner, [p[0] for p in pairs], [p[1] for p in pairs], [g for g in gs if g is not None], outer, masking=False
    )
    found = iter(moved)
    dots = [None if g is None else next(found) for g in gs]
    if step.op.counts is not None:
        with recording(outer):
            dots = [counted(step.op, xs, tangents, *dots)]
    return dots


def _require_no_trace() -> None:
    """Raise in a trace, whose operations an accumulator does not see."""
    if current_builder() is not None:
        raise TracingError(
            "a ForwardAccumulator in a compiled function, whose operations it does not follow",
            where=describe(caller()),
            hint="use jd.jvp(f, primals, tangents) there, or the accumulator around the call of the compiled function",
        )


class ForwardAccumulator:
    """Computes derivatives along a direction as operations happen: forward mode, as TensorFlow has it.

    It nests in itself and with tapes: a gradient taken by a tape inside one has a derivative along the direction, which
    is a Hessian-vector product.

    Parameters
    ----------
    primals : Tensor or Variable, or any nest of them
        What moves.
    tangents : array_like, nested as `primals`
        The direction.

    Raises
    ------
    ArgumentError
        If the nestings differ, or a primal is there twice.
    ShapeError, DtypeError
        If a tangent has not the shape of its primal, or a primal is not floating.

    Examples
    --------
    >>> import jitdiff as jd
    >>> x = jd.constant([1.0, 2.0])
    >>> with ForwardAccumulator(x, [1.0, 0.0]) as accumulator:
    ...     with jd.GradientTape() as tape:
    ...         tape.watch(x)
    ...         y = np.sum(x ** 3)
    ...     gradient = tape.gradient(y, x)
    >>> accumulator.jvp(y).item(), accumulator.jvp(gradient).tolist()
    (3.0, [6.0, 0.0])
    """

    __slots__ = ("__weakref__", "_pusher", "_recording")

    def __init__(self, primals: Any, tangents: Any) -> None:
        _require_no_trace()
        self._pusher = Pusher()
        self._recording = False
        for (primal, path), tangent in zip(handles_in(primals, "primals"), nested_as(primals, tangents), strict=True):
            if primal in self._pusher.known:
                raise ArgumentError(f"{path} is a primal that was given before", where=describe(caller()))
            if primal.dtype.kind != "f":
                raise DtypeError(
                    f"{path} has dtype {primal.dtype}; only what is floating can move", where=describe(caller())
                )
            t = convert(tangent)
            if t.shape != primal.shape:
                raise ShapeError(
                    f"the tangent of {path} has shape {t.shape}, its primal has {primal.shape}",
                    where=describe(caller()),
                )
            self._pusher.set(primal, convert(t, primal.dtype))

    def __enter__(self) -> ForwardAccumulator:
        _require_no_trace()
        if self._recording:
            raise TapeError("Accumulator is already recording.", where=describe(caller()))
        self._recording = True
        start(self._pusher)
        return self

    def __exit__(self, *error: object) -> None:
        self._recording = False
        stop(self._pusher)

    def jvp(self, primals: Any, unconnected_gradients: UnconnectedGradients | str = UnconnectedGradients.NONE) -> Any:
        """Return the derivative of computed values along the direction.

        Parameters
        ----------
        primals : Tensor or Variable, or any nest of them
            What was computed.
        unconnected_gradients : UnconnectedGradients or str
            ``"none"`` gives None, ``"zero"`` gives zeros, for what does not depend on what moves.

        Returns
        -------
        Tensor or None, nested as `primals`
        """
        _require_no_trace()
        zero = is_zero(unconnected_gradients)
        found = []
        for x, _ in handles_in(primals, "primals"):
            t = self._pusher.tangent(x)
            found.append(tensor_of(np.zeros(x.shape, x.dtype)) if t is None and zero else t)
        return unflatten(primals, found)

    def __repr__(self) -> str:
        state = "recording" if self._recording else "not recording"
        return f"<jd.ForwardAccumulator: {state}, {len(self._pusher.tangents)} tangents>"
