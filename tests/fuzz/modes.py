"""The ways to run a program, each compared with what NumPy says of it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import optree

import jitdiff as jd
from jitdiff.errors import DisconnectedWarning, JitdiffError
from tests.fuzz import oracle
from tests.fuzz.kernels import plain_python
from tests.fuzz.oracle import NotSmooth, Slope
from tests.fuzz.outcome import Outcome, Wrong, expect_close, expect_types
from tests.fuzz.program import Point, Program

SEEDS = (1, 2)
"""Of the directions: one of the first argument alone, one of all of them."""


class Truth:
    """What NumPy says of a program at one size.

    Raises
    ------
    NotSmooth
        If its derivatives cannot be had by differences.
    """

    def __init__(self, program: Program, point: Point) -> None:
        self.program = program
        self.point = point
        self.value = oracle.value(program, point)
        if not np.all(np.isfinite(self.value)) or np.ndim(self.value):
            raise NotSmooth
        self.directions = [self._of_first(point.directions(SEEDS[0])), point.directions(SEEDS[1])]
        self.slopes: list[Slope] = [oracle.slope(program, point, d) for d in self.directions]
        self.is_single = point.is_single or getattr(self.value, "dtype", None) == np.float32

    def _of_first(self, direction: tuple[Any, ...]) -> tuple[Any, ...]:
        still = [None if d is None else optree.tree_map(lambda x: x * 0, d) for d in direction[1:]]
        return (direction[0], *still)

    def tolerance(self, double: float, single: float = 2e-3) -> float:
        return single if self.is_single else double

    def check_value(self, got: Any) -> None:
        expect_close(got, self.value, self.tolerance(1e-9, 1e-4), "the value")
        # Functions of math keep single precision, where Python's give a double.
        if isinstance(self.value, np.generic) and not (self.is_single and "math." in self.program.source):
            expect_types(got, self.value, "the value")

    def check_gradient(self, grads: tuple[Any, ...]) -> None:
        """Compare gradients by all of `point.argnums` with differences."""
        args = [self.point.args[k] for k in self.point.argnums]
        expect_types(grads, args, "the gradient")
        for direction, slope in zip(self.directions, self.slopes, strict=True):
            got, scale = oracle.inner(grads, [direction[k] for k in self.point.argnums])
            if not self.near(got, slope.first, slope.error, scale):
                self._explain(grads, got, slope)

    def near(self, got: float, want: float, error: float, scale: float = 0.0) -> bool:
        return abs(got - want) <= self.tolerance(1e-6, 4e-3) * max(1.0, scale, abs(want)) + 10 * error

    def _explain(self, grads: Any, got: float, slope: Slope) -> None:
        try:
            want = oracle.elements(self.program, self.point)
        except NotSmooth:
            want = []
        leaves = [np.asarray(g, float) for g in optree.tree_leaves(grads)]
        lost = any(np.any((g == 0) & (np.abs(w) > 1e-5)) for g, w in zip(leaves, want, strict=False))
        told = f"{[g.tolist() for g in leaves]}, not {[np.round(w, 9).tolist() for w in want]}"
        raise Wrong("silent loss" if lost else "wrong number", f"slope {got:.9g}, not {slope.first:.9g}: {told}")

    def check_slope(self, got: Any, n: int, what: str) -> None:
        """Compare a derivative along direction n with differences."""
        slope = self.slopes[n]
        if np.shape(got) or not self.near(float(got), slope.first, slope.error):
            lost = np.all(np.asarray(got) == 0)
            raise Wrong("silent loss" if lost else "wrong number", f"{what} is {got}, not {slope.first:.9g}")

    def check_second(self, product: Any) -> None:
        """Compare the product of the Hessian with the first direction."""
        slope = self.slopes[0]
        if slope.second_error > 1e-4 * max(1.0, abs(slope.second)):
            return
        got, scale = oracle.inner(product, self.directions[0][0])
        if abs(got - slope.second) > self.tolerance(2e-4, 3e-2) * max(1.0, scale, abs(slope.second)):
            raise Wrong("wrong number", f"the second derivative is {got:.9g}, not {slope.second:.9g}")


Check = Callable[[Program, list[Truth]], None]
MODES: dict[str, Check] = {}


def mode(check: Check) -> Check:
    MODES[check.__name__] = check
    return check


def run(program: Program, truths: list[Truth], name: str) -> Outcome:
    """Run a program in one mode."""
    with warnings.catch_warnings(record=True) as caught, np.errstate(all="ignore"):
        warnings.simplefilter("always")
        try:
            MODES[name](program, truths)
        except Wrong as error:
            if any(issubclass(w.category, DisconnectedWarning) for w in caught):
                return Outcome(name, "warned", str(error))
            return Outcome(name, error.kind, str(error))
        except JitdiffError as error:
            return Outcome(name, "refusal", str(error))
        except Exception as error:  # noqa: BLE001  what it may be is what is asked
            return Outcome(name, "foreign error", f"{type(error).__name__}: {error}")
    return Outcome(name, "ok")


def _unchanged(point: Point, call: Callable[..., Any]) -> Any:
    """Return what a call gives, and see that its arguments stay as they are."""
    args = point.fresh()
    result = call(*args)
    expect_close(args, point.args, 0.0, "an argument after the call")
    return result


def _value_and_gradient(function: Callable[..., Any], truth: Truth) -> None:
    value, grads = _unchanged(truth.point, function)
    truth.check_value(value)
    truth.check_gradient(grads)


def _both_ways(function: Callable[..., Any], truth: Truth) -> None:
    """Check a jvp and a vjp, and that they agree to the last digits."""
    args = truth.point.fresh()
    value, pullback = jd.vjp(function, *args)
    truth.check_value(value)
    cotangents = pullback(np.asarray(value).dtype.type(1.0))
    grads = tuple(cotangents[k] for k in truth.point.argnums)
    truth.check_gradient(grads)
    for n, direction in enumerate(truth.directions):
        value, tangent = jd.jvp(function, truth.point.fresh(), direction)
        truth.check_value(value)
        truth.check_slope(tangent, n, "the jvp")
        product, scale = oracle.inner(grads, [direction[k] for k in truth.point.argnums])
        if abs(product - tangent) > truth.tolerance(1e-9) * max(1.0, scale):
            raise Wrong("wrong number", f"vjp gives {product!r} along a direction, jvp {tangent!r}")


def _curved(function: Callable[..., Any], truth: Truth) -> None:
    truth.check_second(jd.hvp(function, truth.point.fresh(), truth.directions[0]))


def _mapped(function: Callable[..., Any], truth: Truth) -> None:
    """Check vmap over the first argument against calls of the plain function."""
    args, step = truth.point.contiguous(), truth.directions[0]
    rows = [oracle.moved(args, step, t) for t in (0.0, 0.05, -0.03)]
    with np.errstate(all="ignore"):
        want = [truth.program.f(*oracle.copied(row)) for row in rows]
    if not np.all(np.isfinite(want)):
        return
    stacked = optree.tree_map(lambda *xs: np.stack(xs), *(row[0] for row in rows))
    axes = (0, *(None for _ in args[1:]))
    got = jd.vmap(function, in_axes=axes)(stacked, *args[1:])
    expect_close(got, np.array(want), truth.tolerance(1e-9, 1e-4), "a row of vmap")


def _gradient_of(function: Callable[..., Any], truth: Truth) -> Callable[..., Any]:
    return jd.value_and_grad(function, argnums=truth.point.argnums)


@mode
def eager_grad(program: Program, truths: list[Truth]) -> None:
    for truth in truths:
        _value_and_gradient(_gradient_of(program.f, truth), truth)


@mode
def eager_jvp(program: Program, truths: list[Truth]) -> None:
    for truth in truths[:1]:
        _both_ways(program.f, truth)


@mode
def eager_hvp(program: Program, truths: list[Truth]) -> None:
    _curved(program.f, truths[0])


@mode
def eager_vmap(program: Program, truths: list[Truth]) -> None:
    _mapped(program.f, truths[0])


@mode
def tape(program: Program, truths: list[Truth]) -> None:
    truth = truths[0]
    args = list(truth.point.fresh())
    for k in truth.point.argnums:
        args[k] = optree.tree_map(jd.constant, args[k])
    sources = [args[k] for k in truth.point.argnums]
    with jd.GradientTape() as recording:
        recording.watch(sources)
        value = program.f(*optree.tree_map(lambda x: x * 1.0 if isinstance(x, jd.Tensor) else x, args))
    truth.check_value(np.asarray(value)[()])
    grads = recording.gradient(value, sources, unconnected_gradients="none")
    filled = optree.tree_map(
        lambda x, g: np.zeros_like(np.asarray(x))[()] if g is None else np.asarray(g)[()],
        sources,
        grads,
        none_is_leaf=True,
    )
    truth.check_gradient(tuple(filled))


@mode
def text_value(program: Program, truths: list[Truth]) -> None:
    function = jd.compile(program.f)
    with plain_python():
        for truth in truths:
            truth.check_value(_unchanged(truth.point, function))


@mode
def text_grad(program: Program, truths: list[Truth]) -> None:
    function = _gradient_of(jd.compile(program.f), truths[0])
    with plain_python():
        for truth in truths:
            _value_and_gradient(function, truth)


@mode
def text_jvp(program: Program, truths: list[Truth]) -> None:
    with plain_python():
        _both_ways(jd.compile(program.f), truths[0])


@mode
def text_hvp(program: Program, truths: list[Truth]) -> None:
    with plain_python():
        _curved(jd.compile(program.f), truths[0])


@mode
def text_vmap(program: Program, truths: list[Truth]) -> None:
    with plain_python():
        _mapped(jd.compile(program.f), truths[0])


@mode
def text_of_grad(program: Program, truths: list[Truth]) -> None:
    """The compiled gradient of the plain function, where others take the gradient of the compiled one."""
    with plain_python():
        _value_and_gradient(jd.compile(_gradient_of(program.f, truths[0])), truths[0])


@mode
def native_value(program: Program, truths: list[Truth]) -> None:
    function = jd.compile(program.f, cache=False)
    for truth in truths:
        truth.check_value(_unchanged(truth.point, function))


@mode
def native_grad(program: Program, truths: list[Truth]) -> None:
    function = _gradient_of(jd.compile(program.f, cache=False), truths[0])
    for truth in truths:
        _value_and_gradient(function, truth)


CHEAP = tuple(name for name in MODES if not name.startswith("native"))
NATIVE = ("native_grad",)
