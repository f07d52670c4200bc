"""The gradient tape, with TensorFlow's meaning of every call."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import numpy as np

from jitdiff.eager.arguments import (
    UnconnectedGradients,
    is_zero,
    leaves_and_paths,
    output_gradients_for,
    tensors_in,
    unflatten,
)
from jitdiff.eager.backward import backward
from jitdiff.eager.explain import Paused, reason
from jitdiff.eager.handle import EagerHandle
from jitdiff.eager.jacobians import batch_jacobian, jacobian
from jitdiff.eager.linked import zeros_like
from jitdiff.eager.recorder import Recorder, References, active, around, recording, remember, start, stop
from jitdiff.eager.tensor import Tensor, tensor_of
from jitdiff.eager.traced import TraceSpan
from jitdiff.eager.variable import Variable, in_order
from jitdiff.errors import ArgumentError, DisconnectedWarning, TapeError, TapeWarning, TracingError
from jitdiff.ir.location import caller, describe
from jitdiff.ops import Tracer

USED = (
    "GradientTape.gradient can only be called once on non-persistent tapes. A non-persistent GradientTape can only be "
    "used to compute one set of gradients (or jacobians)."
)


class GradientTape:
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

    __slots__ = (
        "__weakref__",
        "_entered",
        "_outer",
        "_persistent",
        "_recorder",
        "_recording",
        "_span",
        "_told",
        "_used",
        "_variables",
    )

    def __init__(self, persistent: bool = False, watch_accessed_variables: bool = True) -> None:
        self._recorder = Recorder(takes_variables=watch_accessed_variables)
        self._persistent = persistent
        self._recording = False
        self._entered = False
        self._used = False
        self._outer: References = []
        self._told: list[tuple[Any, Any, str]] = []
        self._variables: tuple[Variable, ...] = ()
        self._span: TraceSpan | None = None

    def __enter__(self) -> GradientTape:
        if self._recording:
            raise TapeError(
                "Tape is still recording, This can happen if you try to re-enter an already-active tape.",
                where=describe(caller()),
            )
        self._entered = self._recording = True
        self._used = False
        self._outer = remember()
        start(self._recorder)
        self._span = self._span or TraceSpan.now()
        self._recorder.trace = self._span.builder.root if self._span else None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._recording:
            self._stop()

    def _stop(self) -> None:
        self._recording = False
        stop(self._recorder)

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
                warnings.warn(
                    f"The dtype of the watched tensor must be floating (e.g. float64), got {x.dtype}; "
                    f"the gradient by {path} will be None",
                    TapeWarning,
                    stacklevel=2,
                )
            else:
                self._watch(x)

    def _watch(self, x: EagerHandle | Tracer) -> None:
        if isinstance(x, Variable):
            self._recorder.accessed(x)
            return
        self._recorder.watch(x)
        for recorder in active():
            if recorder is self._recorder:
                break
            if isinstance(x, Tensor) or recorder.trace is self._recorder.trace:
                recorder.watch(x)

    def watched_variables(self) -> tuple[Variable, ...]:
        """Return the Variables that the tape watches or watched, in the order of their construction."""
        return tuple(in_order(self._recorder.variables)) or self._variables

    @contextmanager
    def stop_recording(self) -> Iterator[None]:
        """Return a context in which this tape does not record: what is computed there is constant to it.

        Examples
        --------
        >>> import jitdiff as jd
        >>> x = jd.Variable(3.0)
        >>> with jd.GradientTape() as tape:
        ...     with tape.stop_recording():
        ...         z = x * x
        ...     y = z + x
        >>> print(tape.gradient(y, x))
        jd.Tensor(1.0, shape=(), dtype=float64)
        """
        if not self._recording:
            raise TapeError("Trying to stop recording a tape which is not recording.", where=describe(caller()))
        if self._span is not None:
            self._span.refuse_pause()
        self._recording = False
        stand_in = Paused(self._recorder)
        with recording([stand_in if r is self._recorder else r for r in active()]):
            try:
                yield
            finally:
                self._recording = not self._used

    def reset(self) -> None:
        """Forget everything that was recorded and watched, and go on recording.

        Raises
        ------
        TapeError
            If the tape is not recording.
        """
        if not self._recording:
            raise TapeError("Tape is not recording.", where=describe(caller()), hint="reset() belongs inside the with")
        self._recorder.clear()
        self._span = TraceSpan.now()

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
        return self.pull(target, sources, output_gradients, "output_gradients", zero, warn=not zero)

    def pull(self, target: Any, sources: Any, weights: Any, name: str, zero: bool = False, warn: bool = False) -> Any:
        """Return what `gradient` does; errors about `weights` call them `name`; `warn` of None for a reason."""
        self._require_usable("gradient")
        targets = tensors_in(target, "target")
        wrt = tensors_in(sources, "sources")
        seeds = output_gradients_for(target, targets, weights, name)
        outer = self._recorders_around("gradient")
        if self._span is not None and any(isinstance(x, Tracer) for x in (*targets, *wrt)):
            found = self._span.gradient(self._recorder, targets, seeds, wrt)
        else:
            found = backward(self._recorder, targets, seeds, wrt, outer)
            if any(g is None for g in found):
                self._explain_nones(targets, wrt, sources, found, warn)
        if not self._persistent:
            self._finish()
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
        for told_target, told_source, text in self._told:
            if told_target() is y and told_source() is x:
                return text
        if self._used:
            return "the tape has been used, and gave a gradient that is not None, or was not asked for this one"
        if backward(self._recorder, [y], [None], [x], ())[0] is not None:
            return "the gradient is not None"
        return reason(self._recorder, y, x).text

    def _explain_nones(
        self, targets: Sequence[Any], wrt: Sequence[Any], sources: Any, found: Sequence[Any], warn: bool
    ) -> None:
        """Keep the reasons for what is None; warn of those that may surprise."""
        for k, (g, x) in enumerate(zip(found, wrt, strict=True)):
            if g is not None:
                continue
            reasons = [reason(self._recorder, y, x) for y in targets]
            self._told += [(weakref.ref(y), weakref.ref(x), r.text) for y, r in zip(targets, reasons, strict=True)]
            surprising = [r.text for r in reasons if r.surprising]
            if warn and surprising:
                path = leaves_and_paths(sources, "sources")[k][1]
                warnings.warn(f"the gradient by {path} is None: {surprising[0]}", DisconnectedWarning, stacklevel=4)

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
        self._require_usable("jacobian")
        targets, wrt = tensors_in(target, "target"), tensors_in(sources, "sources")
        outer = self._recorders_around("jacobian")
        found = []
        for y in targets:
            parts: list[Any] = list(jacobian(self._recorder, self._concrete(y), wrt, outer))
            for k, x in enumerate(wrt):
                if parts[k] is None and zero:
                    parts[k] = tensor_of(np.zeros((*y.shape, *x.shape), x.dtype))
            found.append(unflatten(sources, parts))
        if not self._persistent:
            self._finish()
        return unflatten(target, found)

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
        self._require_usable("batch_jacobian")
        (y,), (x,) = tensors_in([target], "target"), tensors_in([source], "source")
        outer = self._recorders_around("batch_jacobian")
        found = batch_jacobian(self._recorder, self._concrete(y), x, outer)
        if not self._persistent:
            self._finish()
        return found

    def _concrete(self, target: Any) -> Any:
        if isinstance(target, Tracer):
            raise TracingError(
                "a Jacobian by a tape inside a compiled function",
                where=describe(caller()),
                hint="use jd.jacobian there",
            )
        return target

    def _recorders_around(self, call: str) -> list[Recorder]:
        """Return the recorders that the gradient's own computation is recorded on; stop recording unless persistent."""
        if self._recording and self._persistent:
            warnings.warn(
                f"Calling GradientTape.{call} on a persistent tape inside its context is significantly less efficient "
                "than calling it outside the context: it records the operations of the gradient on the tape. Only do "
                "so to differentiate the gradient itself.",
                TapeWarning,
                stacklevel=4,
            )
        elif self._recording:
            self._stop()
        return around(self._outer)

    def _finish(self) -> None:
        self._variables = self.watched_variables()
        self._used = True
        self._recorder.clear()
        self._outer = []
        self._span = None

    def _require_entered(self, call: str) -> None:
        if not self._entered:
            raise TapeError(
                f"tape.{call}() called before the tape was entered: it has not recorded anything",
                where=describe(caller()),
                hint="use it inside or after `with jd.GradientTape() as tape:`",
            )

    def _require_usable(self, call: str) -> None:
        self._require_entered(call)
        if self._used:
            raise TapeError(USED, where=describe(caller()), hint="make it with jd.GradientTape(persistent=True)")

    def __repr__(self) -> str:
        recorder = self._recorder
        variables = len(self.watched_variables())
        tensors = sum(isinstance(x, Tensor) for x in recorder.leaves)
        arrays = {
            id(v): v.nbytes
            for s in recorder.steps
            for v in (*s.values, *(o._value for o in s.outs))
            if hasattr(v, "nbytes")
        }
        state = (
            "recording"
            if self._recording
            else "used"
            if self._used
            else "not recording"
            if self._entered
            else "not entered"
        )
        kind = "persistent, " if self._persistent else ""
        return (
            f"<jd.GradientTape: {kind}{state}, {len(recorder.steps)} ops, {sum(arrays.values())} bytes, "
            f"watching {tensors} tensors and {variables} variables>"
        )
