"""The gradient tape, with TensorFlow's meaning of every call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jitdiff.eager.arguments import (
    UnconnectedGradients,
    is_zero,
    leaves_and_paths,
    output_gradients_for,
    tensors_in,
    unflatten,
)
from jitdiff.eager.backward import backward
from jitdiff.eager.explain import reason
from jitdiff.eager.handle import EagerHandle
from jitdiff.eager.inplace import hold
from jitdiff.eager.jacobians import batch_jacobian, jacobian
from jitdiff.eager.leaks import warn_of_leaks
from jitdiff.eager.linked import zeros_like
from jitdiff.eager.recorder import Recorder, active
from jitdiff.eager.recording import Recording
from jitdiff.eager.tensor import Tensor
from jitdiff.eager.traced import TraceSpan
from jitdiff.eager.variable import Variable
from jitdiff.errors import ArgumentError, DisconnectedWarning, TapeWarning
from jitdiff.ir.location import caller, describe, warn
from jitdiff.ops import Tracer


class GradientTape(Recording):
    """Records operations, to differentiate what was computed.

    Inside ``with GradientTape() as tape:`` every operation on a watched value is recorded. Trainable Variables are
    watched when they are read; a constant when asked by `watch`.

    Parameters
    ----------
    persistent : bool
        Whether `gradient` may be called more than once.
    watch_accessed_variables : bool
        Whether trainable Variables are watched by themselves.

    Examples
    --------
    >>> import jitdiff as jd
    >>> x = jd.constant(3.0)
    >>> with jd.GradientTape() as tape:
    ...     tape.watch(x)
    ...     y = x * x
    >>> tape.gradient(y, x)
    <jd.Tensor: shape=(), dtype=float64, numpy=6.0>

    Tapes nest, for derivatives of derivatives:

    >>> with jd.GradientTape() as outer:
    ...     with jd.GradientTape() as inner:
    ...         inner.watch(x)
    ...         y = x * x * x
    ...     first = inner.gradient(y, x)
    >>> print(outer.gradient(first, x))
    jd.Tensor(18.0, shape=(), dtype=float64)
    """

    __slots__ = ()

    def watch(self, tensor: Any) -> None:
        """Make gradients by `tensor` available: a Tensor, a Variable, or any nest of them.

        The tapes recording around this one watch its Tensors too, so that they can differentiate its gradients.

        Raises
        ------
        ArgumentError
            If it is anything else.
        TapeError
            If the tape was not entered yet.
        """
        self._require_entered("watch")
        for x, path in leaves_and_paths(tensor, "tensor"):
            if not isinstance(x, EagerHandle | Tracer):
                raise ArgumentError(
                    f"Passed in object {x!r} of type {type(x).__name__!r} ({path}), not jd.Tensor or jd.Variable.",
                    where=describe(caller()),
                    hint="make a Tensor with x = jd.constant(...), watch that, and compute with it",
                )
            if x.dtype.kind != "f":
                warn(
                    f"The dtype of the watched tensor must be floating (e.g. float64), got {x.dtype}; "
                    f"the gradient by {path} will be None",
                    TapeWarning,
                )
            else:
                self._watch(x)

    def _watch(self, x: EagerHandle | Tracer) -> None:
        if isinstance(x, Tracer) and self._span is None:
            self._require_same_world("watch")
        if isinstance(x, Variable):
            self._recorder.accessed(x)
            return
        given = x
        if isinstance(x, Tensor):
            x = x.key()
        elif isinstance(x, Tracer) and self._span is not None:
            x = self._span.watched(x)
        watching = [self._recorder]
        for recorder in active():
            if recorder is self._recorder:
                break
            if isinstance(x, Tensor) or recorder.trace is self._recorder.trace:
                watching.append(recorder)
        for recorder in watching:
            recorder.watch(x)
            hold(given, recorder)

    def gradient(
        self,
        target: Any,
        sources: Any,
        output_gradients: Any = None,
        unconnected_gradients: UnconnectedGradients | str = UnconnectedGradients.NONE,
    ) -> Any:
        """Return the gradient of the sum of `target` by `sources`.

        Parameters
        ----------
        target : Tensor or Variable, or any nest of them
            What to differentiate; several and non-scalar targets are summed.
        sources : Tensor or Variable, or any nest of them
            What to differentiate by.
        output_gradients : array_like or nest of them, optional
            A weight for each element of each target, of its shape; None stands for ones.
        unconnected_gradients : UnconnectedGradients or str
            ``"none"`` gives None, ``"zero"`` gives zeros, where the target does not depend on a source.

        Returns
        -------
        Tensor or None, nested as `sources`

        Raises
        ------
        TapeError
            If a tape that is not persistent has given its gradient before, or the tape never recorded.

        Examples
        --------
        >>> import numpy as np
        >>> import jitdiff as jd
        >>> layer = {"w": jd.Variable([1.0, 2.0]), "b": jd.Variable(1.0)}
        >>> with jd.GradientTape() as tape:
        ...     y = np.sum(layer["w"] ** 2) + layer["b"]
        >>> {name: g.tolist() for name, g in tape.gradient(y, layer).items()}
        {'w': [2.0, 4.0], 'b': 1.0}
        """
        zero = is_zero(unconnected_gradients)
        return self.pull(target, sources, output_gradients, "output_gradients", zero, warned=not zero)

    def pull(self, target: Any, sources: Any, weights: Any, name: str, zero: bool = False, warned: bool = False) -> Any:
        """Return what `gradient` does; errors about `weights` call them `name`; `warned` of None for a reason."""
        targets, wrt, outer = self._asked("gradient", target, sources)
        seeds = output_gradients_for(target, targets, weights, name)
        if span := self._traced([*targets, *wrt]):
            found = span.gradient(self._recorder, targets, seeds, wrt)
        else:
            found = backward(self._recorder, targets, seeds, wrt, outer)
            self._tell(targets, wrt, sources, found, warned)
        self._answered()
        return unflatten(sources, [zeros_like(x) if g is None and zero else g for g, x in zip(found, wrt, strict=True)])

    def explain(self, target: Any, source: Any) -> str:
        """Return why the gradient of `target` by `source` is None, with the line of yours that made it so.

        It can be asked before and after `gradient`.

        Parameters
        ----------
        target : Tensor or Variable
            What was to be differentiated.
        source : Tensor or Variable
            What by.

        Examples
        --------
        >>> import jitdiff as jd
        >>> x, c = jd.Variable(3.0), jd.constant(2.0)
        >>> with jd.GradientTape() as tape:
        ...     y = x * c
        >>> tape.explain(y, c)
        'the source is a Tensor that was never watched: tape.watch(x) before it is used, ...'
        >>> tape.explain(y, x)
        'the gradient is not None'
        """
        self._require_entered("explain")
        (y,), (x,) = tensors_in([target], "target"), tensors_in([source], "source")
        if (text := self._told.of(y, x)) is not None:
            return text
        if self._used:
            return "the tape has been used, and gave a gradient that is not None, or was not asked for this one"
        if backward(self._recorder, [y], [None], [x], ())[0] is not None:
            return "the gradient is not None"
        return reason(self._recorder, y, x).text

    def jacobian(
        self,
        target: Any,
        sources: Any,
        unconnected_gradients: UnconnectedGradients | str = UnconnectedGradients.NONE,
        parallel_iterations: int | None = None,
        experimental_use_pfor: bool = True,
    ) -> Any:
        """Return the Jacobian of `target` by `sources`.

        Parameters
        ----------
        target : Tensor or Variable, or any nest of them
            What to differentiate, element by element.
        sources : Tensor or Variable, or any nest of them
            What to differentiate by.
        unconnected_gradients : UnconnectedGradients or str
            As for `gradient`.
        parallel_iterations, experimental_use_pfor : object
            Taken for the sake of TensorFlow code; they change nothing.

        Returns
        -------
        Tensor or None, of shape ``target.shape + source.shape``
            Nested as `target`, and in each place as `sources`.

        Examples
        --------
        >>> import jitdiff as jd
        >>> x = jd.constant([1.0, 2.0])
        >>> with jd.GradientTape() as tape:
        ...     tape.watch(x)
        ...     y = x * x
        >>> tape.jacobian(y, x).tolist()
        [[2.0, 0.0], [0.0, 4.0]]
        """
        zero = is_zero(unconnected_gradients)
        targets, wrt, outer = self._asked("jacobian", target, sources)
        found = []
        for y in targets:
            if span := self._traced([y, *wrt]):
                parts = span.jacobian(self._recorder, y, wrt)
            else:
                parts = jacobian(self._recorder, y, wrt, outer)
                self._tell([y], wrt, sources, parts, warned=not zero)
            found.append(
                [
                    zeros_like(x, (*y.shape, *x.shape)) if g is None and zero else g
                    for g, x in zip(parts, wrt, strict=True)
                ]
            )
        self._answered()
        return unflatten(target, [unflatten(sources, parts) for parts in found])

    def batch_jacobian(
        self,
        target: Any,
        source: Any,
        unconnected_gradients: UnconnectedGradients | str = UnconnectedGradients.NONE,
        parallel_iterations: int | None = None,
        experimental_use_pfor: bool = True,
    ) -> Any:
        """Return the Jacobian of each row of `target` by the row of `source` that it was computed from.

        Parameters
        ----------
        target : Tensor
            Of shape [b, y...], each row computed from the same row of `source`.
        source : Tensor or Variable
            Of shape [b, x...].
        unconnected_gradients, parallel_iterations, experimental_use_pfor : object
            Taken for the sake of TensorFlow code; where `target` does not depend on `source` the result is zeros.

        Returns
        -------
        Tensor
            Of shape [b, y..., x...].
        """
        is_zero(unconnected_gradients)
        (y,), (x,), outer = self._asked("batch_jacobian", [target], [source])
        if span := self._traced([y, x]):
            found = span.batch_jacobian(self._recorder, y, x)
        else:
            found = batch_jacobian(self._recorder, y, x, outer)
        self._answered()
        return found

    def _asked(self, call: str, target: Any, sources: Any) -> tuple[list[Any], list[Any], list[Recorder]]:
        """Return the leaves of both, and the recorders that the answer is recorded on."""
        self._require_usable(call)
        if self._span is None:
            self._require_same_world(call)
        targets, wrt = tensors_in(target, "target"), tensors_in(sources, "sources")
        return targets, wrt, self._recorders_around(call)

    def _traced(self, values: Sequence[Any]) -> TraceSpan | None:
        """Return the span of the trace that the answer is a part of, if it is."""
        return self._span if any(isinstance(x, Tracer) for x in values) else None

    def _tell(
        self, targets: Sequence[Any], wrt: Sequence[Any], sources: Any, found: Sequence[Any], warned: bool
    ) -> None:
        """Keep the reasons for what is None; warn of those that may surprise, and of gradients that are parts."""
        connected = [k for k, g in enumerate(found) if g is not None]
        if warned and connected and self._recorder.leaks:
            names = [f"by {leaves_and_paths(sources, 'sources')[k][1]}" for k in connected]
            warn_of_leaks(names, self._recorder, targets, [wrt[k] for k in connected])
        for k, (g, x) in enumerate(zip(found, wrt, strict=True)):
            if g is not None:
                continue
            reasons = [reason(self._recorder, y, x) for y in targets]
            self._told.keep(targets, x, reasons)
            surprising = [r.text for r in reasons if r.surprising]
            if warned and surprising:
                path = leaves_and_paths(sources, "sources")[k][1]
                warn(f"the gradient by {path} is None: {surprising[0]}", DisconnectedWarning)
