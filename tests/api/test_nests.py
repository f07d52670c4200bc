"""Trees of arguments and results through every transform, plain and compiled: the same structure comes back."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, namedtuple
from typing import Any

import numpy as np
import optree
import pytest

import jitdiff as jd
from jitdiff.frontend.trees import flatten

Pair = namedtuple("Pair", ["first", "second"])


@dataclasses.dataclass
class Layer:
    w: Any
    b: Any


NESTS = {
    "scalar": lambda: 0.4,
    "dict": lambda: {"a": 0.4},
    "dict of two": lambda: {"b": 0.4, "a": np.array([1.0, 2.0])},
    "ordered dict": lambda: OrderedDict(b=0.4, a=0.7),
    "list": lambda: [0.4],
    "list of two": lambda: [0.4, np.array([[1.0, 2.0]])],
    "tuple": lambda: (0.4,),
    "nested tuple": lambda: ((0.4,), (np.array([1.5]), 0.3)),
    "namedtuple": lambda: Pair(0.4, np.array([1.0, 2.0])),
    "namedtuple with None": lambda: Pair(None, 0.4),
    "dataclass": lambda: Layer(np.array([0.4, 0.1]), 0.3),
    "dataclass in a list": lambda: [Layer(0.4, None), {"x": Layer((0.3,), [0.2])}],
    "None inside": lambda: {"a": None, "b": 0.4, "c": [None, 0.3]},
    "float32": lambda: {"a": np.float32(0.5), "b": np.array([0.25, 1.0], np.float32)},
}

MIXED = {
    "int beside float": lambda: {"a": 0.4, "n": 3},
    "int array": lambda: (np.array([1, 2]), np.array([0.5, 0.3])),
    "bool": lambda: [True, 0.4],
    "static leaf": lambda: {"name": "relu", "w": 0.4},
    "all of them": lambda: Layer({"k": 2, "mode": "fast"}, [None, np.array([0.5]), np.float32(0.5), False]),
}
"""Trees that hold leaves without derivative."""


def total(*trees: Any) -> Any:
    """A function of every leaf, nonlinear in each."""
    result = 0.0
    for k, leaf in enumerate(x for tree in trees for x in flatten(tree)[0]):
        if not isinstance(leaf, str):
            result = result + np.sum(leaf * leaf * leaf) * (k + 1.0)
    return result


def same(got: Any, wanted: Any) -> None:
    """Check two trees for equality of structure, of shapes, of dtypes and of numbers."""
    a, first = optree.tree_flatten(got, none_is_leaf=True, namespace="jitdiff")
    b, second = optree.tree_flatten(wanted, none_is_leaf=True, namespace="jitdiff")
    assert first == second
    for x, y in zip(a, b, strict=True):
        assert type(x) is type(y)
        if y is not None:
            np.testing.assert_allclose(x, y, rtol=1e-6 if np.asarray(y).dtype == np.float32 else 1e-13)
            assert np.asarray(x).dtype == np.asarray(y).dtype


def moving(x: Any) -> bool:
    return np.asarray(x).dtype.kind == "f"


def gradient(tree: Any) -> Any:
    """The gradient of `total`, None for leaves that are not floating."""
    weights = iter(np.arange(1.0, 100))
    return mapped(lambda x: _cube_slope(x, next(weights)), tree)


def _cube_slope(x: Any, weight: float) -> Any:
    x = np.asarray(x)
    return (weight * 3 * x * x).astype(x.dtype)[()] if moving(x) else None


def mapped(function: Any, tree: Any) -> Any:
    leaves, spec = flatten(tree)
    return optree.tree_unflatten(spec, [function(x) for x in leaves])


def tangent(tree: Any) -> Any:
    return mapped(lambda x: np.full(np.shape(x), 0.5, np.asarray(x).dtype)[()] if moving(x) else None, tree)


both = pytest.mark.parametrize("wrap", [lambda f: f, jd.compile], ids=["plain", "compiled"])
floating = pytest.mark.parametrize("nest", NESTS.values(), ids=NESTS)
every = pytest.mark.parametrize("nest", [*NESTS.values(), *MIXED.values()], ids=[*NESTS, *MIXED])


@both
@every
def test_vjp(wrap, nest):
    value, pullback = jd.vjp(wrap(total), nest())
    np.testing.assert_allclose(value, total(nest()), rtol=1e-6)
    for _ in range(2):
        same(pullback(type(value)(1)), (gradient(nest()),))
    doubled = mapped(lambda g: None if g is None else type(g)(2 * g) if np.ndim(g) == 0 else 2 * g, gradient(nest()))
    same(pullback(type(value)(2)), (doubled,))


@both
@every
def test_vjp_of_several_arguments_and_a_nested_result(wrap, nest):
    f = wrap(lambda p, x: {"y": (total(p) * x, None), "n": x * 1.0})
    x = np.array([1.0, 2.0])
    value, pullback = jd.vjp(f, nest(), x)
    g, dx = pullback(ones_like(value))
    assert flatten(value)[1] == flatten(f(nest(), x))[1]
    np.testing.assert_allclose(dx, np.full(2, total(nest()) + 1), rtol=1e-6)
    same(g, mapped(lambda v: None if v is None else np.asarray(3 * v, np.asarray(v).dtype)[()], gradient(nest())))


def ones_like(value: Any) -> Any:
    return mapped(lambda y: np.ones_like(y), value)


@both
@every
def test_vjp_with_aux(wrap, nest):
    f = wrap(lambda p: (total(p), {"again": total(p), "two": 2}))
    value, pullback, aux = jd.vjp(f, nest(), has_aux=True)
    same(pullback(type(value)(1)), (gradient(nest()),))
    assert aux["again"] == value
    assert aux["two"] == 2


@both
@floating
def test_grad_and_value_and_grad(wrap, nest):
    f = wrap(total)
    same(jd.grad(f)(nest()), gradient(nest()))
    value, g = jd.value_and_grad(f)(nest())
    np.testing.assert_allclose(value, total(nest()), rtol=1e-6)
    same(g, gradient(nest()))
    same(jd.grad(f, argnums=(0,))(nest()), (gradient(nest()),))
    pair = wrap(lambda p: (total(p), [p, "label"] if wrap is not jd.compile else [p]))
    g, aux = jd.grad(pair, has_aux=True)(nest())
    same(g, gradient(nest()))
    assert flatten(aux[0])[1] == flatten(nest())[1]


@both
@every
def test_jvp(wrap, nest):
    value, slope = jd.jvp(wrap(total), (nest(),), (tangent(nest()),))
    gs, ts = flatten(gradient(nest()))[0], flatten(tangent(nest()))[0]
    expected = sum(np.sum(g * t) for g, t in zip(gs, ts, strict=True))
    np.testing.assert_allclose(slope, expected, rtol=1e-6)
    np.testing.assert_allclose(value, total(nest()), rtol=1e-6)


@both
@floating
@pytest.mark.parametrize("transform", [jd.jacobian, jd.jacrev, jd.jacfwd])
def test_jacobians(wrap, nest, transform):
    x = {"p": nest()}
    found = transform(wrap(lambda x: [total(x["p"]), {"twice": 2.0 * total(x["p"])}]))(x)
    same(found[0], {"p": gradient(nest())})
    assert flatten(found[1]["twice"])[1] == flatten(x)[1]
    found, aux = transform(wrap(lambda x: (total(x["p"]), (x["p"],))), has_aux=True)(x)
    same(found, {"p": gradient(nest())})
    assert flatten(aux)[1] == flatten((nest(),))[1]


@both
@floating
def test_hessian_and_hvp(wrap, nest):
    leaves, spec = flatten(nest())
    h = jd.hessian(wrap(total))(nest())
    rows = spec.flatten_up_to(h) if not spec.is_leaf() else [h]
    for k, (row, x) in enumerate(zip(rows, leaves, strict=True)):
        columns, structure = flatten(row)
        assert structure == spec
        for n, column in enumerate(columns):
            size = np.size(x)
            wanted = np.diag(6.0 * (k + 1) * np.ravel(x)) if n == k else np.zeros((size, np.size(leaves[n])))
            np.testing.assert_allclose(np.reshape(column, wanted.shape), wanted, rtol=1e-6)
            assert np.shape(column) == np.shape(x) + np.shape(leaves[n])
    product = jd.hvp(wrap(total), (nest(),), (tangent(nest()),))
    scales = iter(np.arange(1.0, 100))
    same(product, mapped(lambda x: np.asarray(3.0 * next(scales) * x, np.asarray(x).dtype)[()], nest()))


@both
@every
def test_hessian_products_of_several_arguments(wrap, nest):
    f = wrap(lambda x, p: total(p) * np.sum(x**2))
    x = np.array([1.0, 2.0])
    product = jd.hvp(f, (x, nest()), (np.array([1.0, 0.0]), tangent(nest())))
    gs, ts = flatten(gradient(nest()))[0], flatten(tangent(nest()))[0]
    slope = sum(np.sum(g * t) for g, t in zip(gs, ts, strict=True))
    np.testing.assert_allclose(product, 2 * total(nest()) * np.array([1.0, 0.0]) + 2 * x * slope, rtol=1e-6)


def test_cotangents_of_another_structure_are_refused_alike():
    for f in (lambda p: {"y": p["a"] * 2.0}, jd.compile(lambda p: {"y": p["a"] * 2.0})):
        _, pullback = jd.vjp(f, {"a": 0.5})
        with pytest.raises(jd.errors.ArgumentTypeError, match="structure"):
            pullback({"z": 1.0})
        with pytest.raises(jd.errors.ShapeError):
            pullback({"y": np.ones(2)})
        same(pullback({"y": 1.0}), ({"a": np.float64(2.0)},))


def test_pullbacks_of_methods_leave_the_instance_out():
    class Model:
        def __init__(self) -> None:
            self.w = 3.0

        @jd.compile
        def value(self, p):
            return self.w * p["a"] ** 2

    value, pullback = jd.vjp(Model().value, {"a": 0.5})
    assert value == 0.75
    same(pullback(1.0), ({"a": np.float64(3.0)},))


INDICES = np.array([0, 2, 2])


def updated(x: Any, v: Any) -> Any:
    y = x * 1.0
    y[INDICES] += v
    y[np.array([1, 1])] = v[:2] * x[:2]
    return np.sum(y**2)


def test_pullbacks_whose_adjoint_has_arrays_of_its_own():
    x, v = np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0])
    same(jd.vjp(jd.compile(updated), x, v)[1](1.0), jd.vjp(updated, x, v)[1](1.0))


@both
@pytest.mark.parametrize(
    "function",
    [
        np.exp,
        lambda x: x * x,
        lambda x: np.sum(WEIGHTS * x**2),
        lambda x: (np.exp(x), np.exp(x) * x),
        lambda x: (x, x * x),
        lambda x: np.sum(np.exp(x) * x),
    ],
)
def test_pullbacks_are_of_the_time_of_the_value(wrap, function):
    x = np.array([0.1, 0.2, 0.3])
    WEIGHTS[:] = [1.0, 2.0, 3.0]
    expected = jd.vjp(function, x.copy())[1](ones_like(function(x)))[0]
    y, pullback = jd.vjp(wrap(function), x)
    cotangent = ones_like(y)
    x[:] = 7.0
    WEIGHTS[:] = 100.0
    for result in flatten(y)[0]:
        if np.ndim(result):
            result[:] = -5.0
    for _ in range(2):
        found = pullback(cotangent)[0]
        np.testing.assert_allclose(found, expected, rtol=1e-14)
        found[:] = 99.0


WEIGHTS = np.array([1.0, 2.0, 3.0])
