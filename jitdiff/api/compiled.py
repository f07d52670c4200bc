"""Compiled functions: called, differentiated, and asked what they are."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Self, TypeVar, cast, overload

from jitdiff import eager
from jitdiff.api import transforms
from jitdiff.api.invalidation import Invalidation
from jitdiff.api.memory import Memory
from jitdiff.api.methods import as_argument, of_method, target
from jitdiff.api.pickling import copied, recipe, reduced
from jitdiff.api.program import Program
from jitdiff.api.specialisation import Options, Specialisation
from jitdiff.api.tape_op import inlined, operation
from jitdiff.errors import ArgumentError
from jitdiff.frontend import Signature, converting, is_native, tree_map, unflatten
from jitdiff.ir import show, type_of
from jitdiff.ir.builder import current_builder
from jitdiff.native.signals import NotMine
from jitdiff.ops import Handle
from jitdiff.ops.tracer import apart
from jitdiff.threads import Lock, lazy

if TYPE_CHECKING:
    from jitdiff.native.kernel import Kernel

P = ParamSpec("P")
R = TypeVar("R")


MAX_PATIENCE = 1000
"""Calls in a row of one program before it is tried first again, at most."""


def _refuse(*_: Any) -> Any:
    raise NotMine


_NOTHING: tuple[Callable[..., Any], Callable[[Any], Any] | None] = (_refuse, None)
"""What a function tries first that has nothing to try."""


class Compiled(Generic[P, R]):
    """A function compiled to native code when it is called, once for each kind of arguments.

    Made by `compile`. Arguments and results may be any nesting of dict, list, tuple, namedtuple and dataclass.
    Arrays, NumPy scalars and Python floats are traced; integers are traced until the function asks for their number;
    everything else is static: each value has its own specialisation. The first call is traced with exact sizes; when a
    call differs only in sizes, those become symbolic, and other sizes compile nothing.

    Called with Tensors it is one differentiable operation; called inside another compiled function it becomes part
    of it.

    Attributes
    ----------
    grad, value_and_grad : Compiled
        The gradient by the first argument, without and with the value: plain callables, to hand to scipy.
    hessp : Compiled
        ``hessp(x, p, *args)``, the product of the Hessian with `p`, in scipy's order.
    """

    __name__: str
    __wrapped__: Callable[P, R]
    _unbound: Compiled[..., Any]

    def __init__(
        self,
        function: Callable[P, R],
        static_argnames: Iterable[str] = (),
        static_argnums: Iterable[int] = (),
        options: Options | None = None,
        name: str = "",
        invalidation: Invalidation | None = None,
    ) -> None:
        self._function = function
        self._converted = converting(function)
        signature = Signature(function, static_argnames, static_argnums)
        signature.name = name or signature.name
        self._invalidation = invalidation or Invalidation(signature.name)
        self._program = Program(
            self._converted, signature, options or Options(), _doc_of(signature.name), self._invalidation
        )
        self._bound: tuple[Any, ...] = ()
        self._origin: tuple[Any, ...] | None = None
        self._fast = _NOTHING
        self._streak = self._patience = 0
        self._latest_found: Specialisation | None = None
        self._transformed: dict[Any, Compiled[..., Any]] = {}
        functools.update_wrapper(self, function)
        self.__name__ = self._program.signature.name
        self.__qualname__ = name or getattr(function, "__qualname__", self.__name__)
        self._invalidation.add(self)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the result, computed by native code."""
        if not kwargs:
            direct, finish = self._fast
            try:
                result = direct(*args)
            except NotMine:
                pass
            except (TypeError, OverflowError):
                self._missed()
            else:
                return result if finish is None else finish(result)  # type: ignore[no-any-return]
        return self._call(args, kwargs)  # type: ignore[no-any-return]

    def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if current_builder() is not None:
            return self._inline(args, kwargs)
        args = self._bound + args
        version = self._invalidation.version
        leaves, layout = self._program.arrange(args, kwargs)
        found = self._program.find(leaves, layout)
        if any(isinstance(x, Handle) for x in leaves) or (found.handles and eager.is_recording()):
            return self._on_tape(found, leaves)
        if not self._bound and len(leaves) == len(found.traced_leaves) == len(args) and all(map(is_native, leaves)):
            self._streak = self._streak + 1 if found is self._latest_found else 0
            self._latest_found = found
            if self._streak >= self._patience and not found.handles:
                self._take_first(found, leaves, version)
        return found.call(leaves)

    def _inline(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the function as part of the program being built; it cannot change arrays of its caller's."""
        args, kwargs = tree_map(apart, (self._targets(args), kwargs))
        return self._converted(*args, **kwargs)

    def _missed(self) -> None:
        """Go the careful way until one program has taken enough calls in a row: being refused is the slowest way."""
        self._fast = _NOTHING
        self._streak = 0
        self._patience = min(2 * self._patience + 1, MAX_PATIENCE)

    def _take_first(self, found: Specialisation, leaves: Sequence[Any], version: int) -> None:
        """Let calls try a program first, unless it was dropped since it was found."""
        fast = found.direct(leaves), found.finish
        with self._invalidation.lock:
            if version == self._invalidation.version:
                self._fast = fast

    def _forget(self) -> None:
        """Drop all programs: what they took for settled has changed."""
        self._program.forget()
        self._fast = _NOTHING
        self._latest_found = None
        self._streak = 0

    def _on_tape(self, found: Specialisation, leaves: Sequence[Any]) -> Any:
        if found.operation is None:
            block, count = found.traced.block, len(found.traced_leaves)
            params = [p.type for p in block.params[:count]] + [type_of(x) for x in block.captured]
            moving = [k for k in range(len(params)) if k < count or isinstance(block.captured[k - count], Handle)]
            like = functools.partial(_compiled_like, self)
            found.operation = operation(self.__name__, found.types, params, moving, found.flat, inlined(block), like)
        # What it reads from around it is operands too: the tape connects Tensors, and keeps arrays as they are now.
        outs = found.operation(*(leaves[k] for k in found.traced_leaves), *found.traced.block.captured)
        return unflatten(found.traced.out_spec, outs if found.operation.multiple else [outs])

    def _targets(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(map(target, self._bound)) + args

    def transformed(self, transform: Callable[..., Any], **options: Any) -> Compiled[..., Any]:
        """Return ``transform(function, **options)`` compiled, the same object each time."""
        key = (transform, bool(self._bound), *options.items())
        with self._program.lock:
            found = self._transformed.get(key)
            if found is None:
                function = self._converted
                plain = of_method(transform, function, options) if self._bound else transform(function, **options)
                static = self._program.signature.static & set(Signature(plain).names)
                found = self._transformed[key] = Compiled(
                    plain, static, options=self._program.options, invalidation=self._invalidation
                )
                found._origin = (self, transform, options)
        return found._bind(self._bound) if self._bound else found

    @property
    def _lock(self) -> Lock:
        return self._program.lock

    def _bind(self, bound: tuple[Any, ...]) -> Compiled[..., Any]:
        clone: Compiled[..., Any] = object.__new__(type(self))
        clone.__dict__.update({k: v for k, v in self.__dict__.items() if k not in ("grad", "value_and_grad", "hessp")})
        clone._bound = bound
        clone._fast = _NOTHING
        clone._unbound = self  # kept: it is the one whose programs are dropped
        return clone

    @overload
    def __get__(self, instance: None, owner: type) -> Compiled[P, R]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> Compiled[..., R]: ...
    def __get__(self, instance: object | None, owner: type) -> Compiled[..., R]:
        """Return the method of an instance: its attributes are arguments like others."""
        return self if instance is None else self._bind((as_argument(instance),))

    @lazy
    def grad(self) -> Compiled[P, Any]:
        """The gradient by the first argument."""
        return cast(Compiled[P, Any], transforms.grad(self))

    @lazy
    def value_and_grad(self) -> Compiled[P, tuple[R, Any]]:
        """The value, and the gradient by the first argument."""
        return cast(Compiled[P, tuple[R, Any]], transforms.value_and_grad(self))

    @lazy
    def hessp(self) -> Compiled[..., Any]:
        """The product of the Hessian by the first argument with a vector: ``hessp(x, p, *args)``."""
        return cast(Compiled[..., Any], transforms.hessp(self))

    def specialisation(self, *args: Any, **kwargs: Any) -> Specialisation:
        """Return the program for these arguments, traced if it was not before."""
        return self._program.find(*self._program.arrange(self._bound + args, kwargs))

    def interpreted(self, *args: Any, **kwargs: Any) -> Any:
        """Return the result as NumPy computes it from the program, which takes longer and compiles nothing."""
        leaves, layout = self._program.arrange(self._bound + args, kwargs)
        return self._program.find(leaves, layout).interpret(leaves)

    @property
    def specialisations(self) -> tuple[Specialisation, ...]:
        """The programs there are, oldest first."""
        return tuple(self._program.specialisations)

    def _latest(self) -> Specialisation:
        if self._program.specialisations:
            return self._program.specialisations[-1]
        for each in self._transformed.values():
            # Its gradient may have been called, which takes the same arguments, and itself never.
            if each._origin is not None and each._origin[1] in (transforms.grad, transforms.value_and_grad):
                for called in each.specialisations[-1:]:
                    return self._program.like(called)
        raise ArgumentError(
            f"{self.__name__} has no program yet: it is traced when it is called",
            hint=f"call it, or {self.__name__}.warmup(*args)",
        )

    @property
    def ir(self) -> str:
        """The latest program, after all passes."""
        return show(self._latest().block)

    @property
    def source(self) -> str:
        """The emitted text of the latest program."""
        return self._latest().emitted.source

    @property
    def adjoint_source(self) -> str:
        """The emitted text of the adjoint: from cotangents of the results, and what the value saved, to the gradient.

        It is by the first argument. The fused text of value and gradient is ``value_and_grad.source``.
        """
        return self._latest().pullback_by_first.adjoint.source

    def value_and_pullback(self, primals: Sequence[Any]) -> tuple[Any, Callable[[Any], tuple[Any, ...] | None]] | None:
        """Return the value and the native pullback; None for what it cannot take, such as a handle among the leaves.

        The pullback gives None for a cotangent that is not of the results' structure and shapes.
        """
        leaves, layout = self._program.arrange((*self._bound, *primals), {})
        if self._bound or layout.holds_objects or any(isinstance(x, Handle) for x in leaves):
            return None
        found = self._program.find(leaves, layout)
        return None if found.handles or found.is_symbolic else found.value_and_pullback(leaves)

    def warmup(self, *args: P.args, **kwargs: P.kwargs) -> Self:
        """Compile for these arguments without running, and return the function itself.

        Examples
        --------
        >>> import numpy as np
        >>> import jitdiff as jd
        >>> f = jd.compile(lambda x: np.sum(x**2)).warmup(np.ones(3))
        >>> len(f.specialisations)
        1
        """
        _ = self.specialisation(*args, **kwargs).kernel
        return self

    def memory(self, *args: P.args, **kwargs: P.kwargs) -> Memory:
        """Return the bytes that a call with these arguments needs, without running it.

        That of the gradient is ``f.grad.memory(*args)``.

        Examples
        --------
        >>> import numpy as np
        >>> import jitdiff as jd
        >>> @jd.compile
        ... def f(x):
        ...     return np.sum(jd.fori_loop(0, 1000, lambda i, c: np.sin(c) * 0.9, x))
        >>> f.memory(np.ones(20)).saved, f.grad.memory(np.ones(20)).saved
        (0, 160000)
        """
        found = self.specialisation(*args, **kwargs)
        leaves, _ = self._program.arrange(self._bound + args, kwargs)
        return found.memory_for([leaves[k] for k in found.traced_leaves])

    def kernel(self, *args: P.args, **kwargs: P.kwargs) -> Kernel:
        """Return the native function for these arguments, to be called from other compiled code.

        Its ``dispatcher`` is a Numba function. It takes bytes to work in, the arguments, and an array to be filled for
        each result that is an array (``emitted.outs`` says which); it returns the other results.

        Examples
        --------
        >>> import numba
        >>> import numpy as np
        >>> import jitdiff as jd
        >>> loss = jd.compile(lambda w, x: np.sum((w - x) ** 2))
        >>> w, x = np.zeros(2), np.array([1.0, 2.0])
        >>> kernel = loss.value_and_grad.kernel(w, x)
        >>> value_and_grad, workspace = kernel.dispatcher, np.empty(kernel.emitted.workspace, np.uint8)
        >>> @numba.njit
        ... def descend(workspace, w, x, steps):
        ...     gradient = np.empty_like(w)
        ...     for _ in range(steps):
        ...         value_and_grad(workspace, w, x, gradient)
        ...         w -= 0.25 * gradient
        ...     return w
        >>> descend(workspace, w, x, 20)
        array([0.99999905, 1.99999809])
        """
        return self.specialisation(*args, **kwargs).kernel_for_compiled_code

    def explain(self) -> str:
        """Return what was traced and compiled, and why."""
        if not self._program.specialisations:
            return f"{self.__name__} has not been called yet"
        return "\n".join(f"{k}. {each.summary()}" for k, each in enumerate(self._program.specialisations, 1))

    def __repr__(self) -> str:
        made = self._program.specialisations
        if not made:
            return f"<jitdiff {self._program.signature}, not traced yet>"
        count = f"{len(made)} specialisation{'s' * (len(made) > 1)}"
        return f"<jitdiff {made[-1].header()} | {count}, {made[-1].state()}>"

    def __reduce__(self) -> str | tuple[Any, ...]:
        return reduced(self)

    def _made_of(self, function: Any) -> tuple[Any, ...]:
        return recipe(self, Compiled, function)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return cast(Self, copied(self, memo))


def _compiled_like(like: Compiled[..., Any], function: Callable[..., Any]) -> Compiled[..., Any]:
    return Compiled(function, options=like._program.options, invalidation=like._invalidation)


def _doc_of(name: str) -> str:
    """Return the first line of an emitted module."""
    return f"{name}, compiled by jitdiff."
