"""Family constructors: what all ops of a family share is said here, once."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np

from jitdiff.ir import ArrayType, broadcast_shapes
from jitdiff.ir.dtypes import is_supported, supported, unsupported_dtype
from jitdiff.ops.batching import Batch, elementwise
from jitdiff.ops.emission import Element, Emission, Index, Read, Site, broadcast_index
from jitdiff.ops.samples import Domain, Sample, sample
from jitdiff.ops.samples import array as array_sample
from jitdiff.ops.table import OPS, Counts, Level, Op, Selects, Vjp, register

Partial = Callable[..., Any] | float | None

CHEAP = {"abs", "floor", "ceil", "rint", "sign", "maximum", "minimum", "isnan", "isfinite"}
"""Functions in templates that are a few instructions: computing them twice is better than storing the result."""


def pointwise(
    name: str,
    numpy: Callable[..., Any],
    template: str,
    *partials: Partial,
    samples: Domain | Sequence[Domain | float],
    evaluate: Callable[..., Any] | None = None,
    vjp: Vjp | None = None,
    counts: Counts | None = None,
    guards: Callable[..., bool] | None = None,
    steep: Level = Level.CHOICE,
) -> Op:
    """Declare an op that works element by element; its partial derivatives are the whole rule.

    Parameters
    ----------
    name : str
        Name of the op.
    numpy : numpy.ufunc or callable
        The function it stands for; a ufunc also gives the typing rule, and is what user code calls it by.
    template : str
        Scalar expression over ``{0}``, ``{1}``, ...
    *partials : callable, float or None
        For each operand ``partial(*xs, y)``, or the constant it is. None: no gradient. With no partials at all the op
        stops gradients (its derivative is zero almost everywhere, or its result is not floating).
    samples : Domain or sequence of Domain
        Domain of each operand (one for all if single), or a number that it is.
    evaluate : callable, optional
        NumPy evaluation, if not `numpy` itself.
    vjp : callable, optional
        The rule, where multiplying by partial derivatives is not the best of rules.
    counts : callable, optional
        Where its operands count, for an operation that selects among them; see `Op`.
    guards : callable, optional
        Which cotangents need a guard, if not those with a partial derivative that is computed; see `Op`.
    steep : Level, optional
        PART if a derivative may be infinite or NaN at finite numbers, FACTOR if the value is finite there; see `Op`.
    """
    nin = numpy.nin if isinstance(numpy, np.ufunc) else max(len(partials), len(set(re.findall(r"\{\d\}", template))))
    domains: list[Domain | float] = [samples] * nin if isinstance(samples, Domain) else list(samples)

    if len(partials) == 1:
        rule = _rule_of_one(partials[0])
    else:
        # What is a number times the cotangent costs little; the rest is computed if it is wanted.
        shares = [(_share(p), callable(p)) for p in partials]

        def rule(xs: Sequence[Any], y: Any, g: Any) -> Sequence[Any]:
            return [partial(share, xs, y, g) if costly else share(xs, y, g) for share, costly in shares]

    calls = set(re.findall(r"(\w+)\(", template))
    resolve = _ufunc_types(numpy) if isinstance(numpy, np.ufunc) else _promoted
    op = Op(
        name=name,
        evaluate=evaluate or numpy,
        infer=lambda *types: (
            # Python's own operators on Python scalars give Python scalars; NumPy's functions do not.
            ArrayType(
                resolve(types)[-1], broadcast_shapes(*(t.shape for t in types)), calls <= {"abs"} and _weak(types)
            ),
        ),
        operands=lambda *types: resolve(types)[:-1],
        vjp=vjp or (rule if partials else None),
        counts=counts,
        guards=guards or _guarding({k for k, p in enumerate(partials) if vjp or callable(p)}),
        steep=steep,
        emission=Element(_broadcasting(template), costly=not calls <= CHEAP),
        batch=elementwise,
        samples=[
            sample(*(_drawn(d, 2, 3) for d in domains)),
            sample(*(_drawn(d, *((2, 3), (3,), (2, 1))[i % 3]) for i, d in enumerate(domains))),
        ],
    )
    return register(op, numpy if isinstance(numpy, np.ufunc) else None)


def _guarding(operands: set[int]) -> Callable[..., bool]:
    return lambda xs, k, only: k in operands


def every_operand(xs: Sequence[Any], k: int, only: bool) -> bool:
    """Say that the cotangents of all operands need a guard."""
    return True


def _drawn(domain: Domain | float, *shape: int) -> Any:
    return array_sample(*shape, domain=domain) if isinstance(domain, Domain) else domain


def _share(slope: Partial) -> Callable[[Sequence[Any], Any, Any], Any]:
    """Return the function of operands, result and cotangent that gives the cotangent times a partial derivative."""
    if callable(slope):
        return lambda xs, y, g: g * slope(*xs, y)
    if slope is None:
        return lambda xs, y, g: None
    if slope == 1:
        return lambda xs, y, g: g
    if slope == -1:
        return lambda xs, y, g: -g
    if slope == 0:
        return lambda xs, y, g: OPS["zeros_like"](g)
    return lambda xs, y, g: g * slope


def _rule_of_one(slope: Partial) -> Callable[..., Any]:
    if callable(slope):
        return lambda xs, y, g: (g * slope(xs[0], y),)
    share = _share(slope)
    return lambda xs, y, g: (share(xs, y, g),)


def _broadcasting(template: str) -> Callable[[Index, Read, Site], str]:
    def expression(at: Index, read: Read, site: Site) -> str:
        return template.format(*(read(k, broadcast_index(at, t.shape)) for k, t in enumerate(site.types)))

    return expression


def _ufunc_types(ufunc: np.ufunc) -> Callable[[tuple[ArrayType, ...]], tuple[np.dtype[Any], ...]]:
    @lru_cache(maxsize=512)
    def resolve(dtypes: tuple[Any, ...]) -> tuple[np.dtype[Any], ...]:
        return tuple(ufunc.resolve_dtypes((*dtypes, *(None,) * ufunc.nout)))[: ufunc.nin + 1]

    def types_of(types: tuple[ArrayType, ...]) -> tuple[np.dtype[Any], ...]:
        # Comparisons of Python numbers with each other have object loops, for integers of any size.
        give_way = not all(t.weak for t in types)
        found = resolve(tuple(_python_kind(t) if give_way and _gives_way(t) else t.dtype for t in types))
        for dtype in found:
            if not is_supported(dtype):
                given = ", ".join(map(repr, types))
                raise unsupported_dtype(dtype, f"{ufunc.__name__}: the result for {given}", "convert to float first")
        return found

    return types_of


_PYTHON_KINDS: dict[str, type] = {"i": int, "u": int, "f": float, "c": complex}


def _gives_way(type: ArrayType) -> bool:
    """Whether a value gives way to dtypes beside it, as Python's numbers do; Python's bools are NumPy's."""
    return type.weak and type.dtype.kind != "b"


def _python_kind(type: ArrayType) -> Any:
    return _PYTHON_KINDS[type.dtype.kind]


def promoted_dtype(*types: ArrayType) -> np.dtype[Any]:
    """Return the dtype that operands of these types are converted to, Python scalars giving way (NEP 50)."""
    try:
        return np.result_type(*(_python_kind(t)(1) if _gives_way(t) else t.dtype for t in types))
    except TypeError:
        for t in types:
            supported(t.dtype, "an operand")
        raise


def _promoted(types: tuple[ArrayType, ...]) -> tuple[np.dtype[Any], ...]:
    return (promoted_dtype(*types),) * (len(types) + 1)


def _weak(types: tuple[ArrayType, ...]) -> bool:
    return all(t.weak for t in types)


def general(
    name: str,
    evaluate: Callable[..., Any],
    infer: Callable[..., ArrayType],
    emission: Emission,
    vjp: Callable[..., Any] | None,
    *,
    samples: Sequence[Sample],
    operands: Callable[..., Sequence[np.dtype[Any] | None]] | None = None,
    moves: bool = False,
    selects: Selects | None = None,
    counts: Counts | None = None,
    guards: Callable[..., bool] | None = None,
    steep: Level = Level.CHOICE,
    write_back: Callable[..., Any] | None = None,
    batch: Batch | None = None,
) -> Op:
    """Declare an op whose facets are all its own; `infer` gives the one result type."""
    return register(
        Op(
            name=name,
            evaluate=evaluate,
            infer=lambda *types, **attrs: (infer(*types, **attrs),),
            operands=operands,
            vjp=vjp,
            moves=moves,
            selects=selects,
            counts=counts,
            guards=guards,
            steep=steep,
            emission=emission,
            samples=samples,
            write_back=write_back,
            batch=batch,
        )
    )


def linear(
    name: str,
    evaluate: Callable[..., Any],
    infer: Callable[..., ArrayType],
    emission: Emission,
    transpose: Callable[..., Any],
    *,
    samples: Sequence[Sample],
    selects: Selects | None = None,
    write_back: Callable[..., Any] | None = None,
    batch: Batch | None = None,
) -> Op:
    """Declare an op that moves or adds elements of its only differentiable operand, the first.

    `transpose(g, type, *rest, **attrs)` maps a cotangent of the result to one of the first operand, which has the
    type `type`; `rest` are the values of the other operands.
    """

    def vjp(xs: Sequence[Any], y: Any, g: Any, **attrs: Any) -> list[Any]:
        from jitdiff.ir import type_of

        return [transpose(g, type_of(xs[0]), *xs[1:], **attrs), *(None,) * (len(xs) - 1)]

    return general(
        name,
        evaluate,
        infer,
        emission,
        vjp,
        samples=samples,
        moves=True,
        selects=selects,
        write_back=write_back,
        batch=batch,
    )


def promote_all(*types: ArrayType, **attrs: Any) -> list[np.dtype[Any]]:
    """Operand conversion for ops that work in the common dtype of all operands."""
    return [promoted_dtype(*types)] * len(types)


def promote_floating(*types: ArrayType, **attrs: Any) -> list[np.dtype[Any]]:
    """Operand conversion for ops that work in the common dtype, floating at least (linear algebra)."""
    dtype = promoted_dtype(*types)
    return [dtype if dtype.kind in "fc" else np.dtype(np.float64)] * len(types)
