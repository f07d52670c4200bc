"""`check_grads`: what it accepts and refuses, what it compiles, and what it says."""

import io
import logging
import sys
import time
from itertools import pairwise

import numpy as np
import pytest

import jitdiff as jd
from jitdiff import errors
from jitdiff.api import progress


def network(params, x, y):
    h = x
    for w, b in params[:-1]:
        h = np.tanh(h @ w + b)
    w, b = params[-1]
    return np.mean((h @ w + b - y) ** 2)


def decay(x, k):
    def step(i, c):
        return c * (1 - 0.1 * np.sin(c))

    return np.sum(jd.fori_loop(0, 40, step, x) * k)


@pytest.fixture
def example(rng):
    sizes = [2, 8, 8, 4]
    params = [(rng.normal(size=(a, b)) / a, np.zeros(b)) for a, b in pairwise(sizes)]
    return params, rng.normal(size=(5, 2)), rng.normal(size=(5, 4))


@pytest.fixture
def kernels(monkeypatch):
    """Names of the native functions that are built meanwhile."""
    from jitdiff.native import kernel

    built = []
    build = kernel.build

    def counted(emitted, **options):
        built.append(emitted.entry)
        return build(emitted, **options)

    monkeypatch.setattr(kernel, "build", counted)
    return built


def test_all_derivatives_of_a_network_take_one_program_beside_its_values(example, kernels) -> None:
    jd.check_grads(jd.compile(network), example, order=3)
    assert kernels == ["network", "network_derivatives"]


def test_derivatives_with_loops_are_native_of_all_orders(kernels) -> None:
    jd.check_grads(jd.compile(decay), (np.array([0.3, 0.7]), 2.0))
    assert kernels == ["decay", "decay_derivatives", "decay_derivatives"]


def test_values_may_be_of_any_nesting_and_kind() -> None:
    def several(p, n):
        return {"a": p["x"] ** n * p["y"], "b": [np.sum(p["x"]), n + 1]}, np.float32(2.0) * p["y"]

    args = {"x": np.array([0.5, 1.5]), "y": 0.3}, 3
    jd.check_grads(several, args)
    jd.check_grads(jd.compile(several), args)
    jd.check_grads(jd.compile(several), args, modes=("fwd",), order=1)


def wrong_by(share):
    @jd.custom_vjp
    def product(x, pair):
        return np.sum(np.sin(x) * pair[0] + pair[1])

    def pullback(saved, g):
        x, (y, _) = saved
        return g * np.cos(x) * y, (g * np.sin(x) * (1 + share), g * np.ones(3))

    product.defvjp(lambda x, pair: (product(x, pair), (x, pair)), pullback)
    return product


@pytest.mark.parametrize("mode", ["fwd", "rev"])
@pytest.mark.parametrize("compiled", [False, True])
def test_a_wrong_rule_is_found_and_its_argument_named(mode, compiled) -> None:
    rule = wrong_by(0.01)
    f = jd.compile(lambda x, pair: 2 * rule(x, pair)) if compiled else rule
    args = np.array([0.2, 0.5, 0.9]), (np.ones(3), np.arange(3.0))
    with pytest.raises(errors.MismatchError) as caught:
        jd.check_grads(f, args, modes=(mode,))
    title, _, *rows = str(caught.value).splitlines()
    assert f"{mode}: the derivative differs" in title
    assert [(row.split()[0], row.endswith("<--")) for row in rows] == [
        ("x", False),
        ("pair_0", True),
        ("pair_1", False),
    ]
    got, want = map(float, rows[1].split()[1:3])
    np.testing.assert_allclose(got / want, 1.01, rtol=1e-6)
    jd.check_grads(jd.compile(wrong_by(0.0)) if compiled else wrong_by(0.0), args)


def test_a_rule_that_is_wrong_in_second_order_only_is_found() -> None:
    @jd.custom_vjp
    def cube(x):
        return np.sum(x**3)

    cube.defvjp(lambda x: (cube(x), x), lambda x, g: (g * 3 * jd.stop_gradient(x) * x,))
    args = (np.array([0.5, 1.5]),)
    for f in (cube, jd.compile(lambda x: cube(x))):
        jd.check_grads(f, args, order=1)
        with pytest.raises(AssertionError, match="of rev: the derivative differs"):
            jd.check_grads(f, args, order=2, modes=("rev",))


def test_it_says_what_it_does(example, caplog) -> None:
    with caplog.at_level(logging.INFO, "jitdiff"):
        jd.check_grads(jd.compile(network), example)
    said = [r.getMessage() for r in caplog.records if "check_grads" in r.getMessage()]
    assert said == ["check_grads: first derivatives of network", "check_grads: second derivatives of network"]


class Terminal(io.StringIO):
    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def isatty(self):
        return self.answer


@pytest.mark.parametrize(("terminal", "wait", "said"), [(True, 0.0, True), (False, 0.0, False), (True, 60.0, False)])
def test_a_terminal_is_told_of_what_takes_long(monkeypatch, terminal, wait, said) -> None:
    stream = Terminal(terminal)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress, "PATIENCE", wait)
    with progress.told("compiling the world"):
        for _ in range(200):
            if stream.getvalue() or not said:
                break
            time.sleep(0.01)
    assert (stream.getvalue() == "jitdiff: compiling the world ...\n") is said
