"""Branches and loops as functions: the same results run as Python and traced, and clear errors."""

import numpy as np
import pytest

import jitdiff as jd
from jitdiff.errors import ArgumentError, ArgumentTypeError, ShapeError, TracingError
from jitdiff.frontend import flatten

x = np.array([1.0, -2.0, 3.0])


def doubled(c, k=0):
    c[k] = c[k] * 2.0
    return c


def kept(function):
    """A loop that changes its carries and rows in place, and what it began from, which stays."""

    def program(a):
        b = a * 1.0
        return function(b), b

    return program


PROGRAMS = {
    "cond": (lambda a: jd.cond(np.sum(a) > 1.0, lambda v: v * 2, np.sin, a), (x,)),
    "cond, other branch": (lambda a: jd.cond(np.sum(a) > 9.0, lambda v: v * 2, np.sin, a), (x,)),
    "cond of trees": (
        lambda a: jd.cond(a[0] > 0, lambda: {"a": a, "b": 1.0}, lambda: {"a": -a, "b": a[1]}),
        (x,),
    ),
    "cond with a Python condition": (lambda a: jd.cond(True, lambda: a, lambda: "never"), (x,)),
    "fori_loop": (lambda a: jd.fori_loop(0, 4, lambda i, c: c * 0.5 + i, a), (x,)),
    "fori_loop from a bound": (lambda a, n: jd.fori_loop(2, n, lambda i, c: c + i * a, a), (x, 5)),
    "fori_loop without trips": (lambda a: jd.fori_loop(3, 1, lambda i, c: c + i, a), (x,)),
    "fori_loop of a tree": (
        lambda a: jd.fori_loop(0, 3, lambda i, c: {"n": c["n"] + 1, "v": (c["v"][0] * a,)}, {"n": 0, "v": (a,)}),
        (x,),
    ),
    "fori_loop from a Python scalar": (lambda a: jd.fori_loop(0, 3, lambda i, c: c + a[i], 0.0), (x,)),
    "while_loop": (lambda a: jd.while_loop(lambda c: np.sum(c * c) > 1e-2, lambda c: c * 0.5, a), (x,)),
    "while_loop of a tree": (
        lambda a: jd.while_loop(lambda c: c[0] < 5, lambda c: (c[0] + 1, c[1] + a), (0, a)),
        (x,),
    ),
    "scan": (lambda a: jd.scan(lambda c, v: (c + v, c * v), 0.0, a), (x,)),
    "scan backwards": (lambda a: jd.scan(lambda c, v: (c + v, c * v), 0.0, a, reverse=True), (x,)),
    "scan of trees": (
        lambda a: jd.scan(lambda c, r: (c + r["v"], {"sum": c, "row": r["w"]}), 0.0, {"v": a, "w": np.eye(3)}),
        (x,),
    ),
    "scan without xs": (lambda a: jd.scan(lambda c, _: (c * 0.5, c), a, None, length=3), (x,)),
    "scan of no rows": (lambda a: jd.scan(lambda c, v: (c + v, c * v), 0.0, a), (x[:0],)),
    "scan without ys": (lambda a: jd.scan(lambda c, v: (c + v, None), 0.0, a)[0], (x,)),
    "map": (lambda a: jd.map(lambda row: np.sum(row) * a[0], np.eye(3)), (x,)),
    "fori_loop in place": (kept(lambda a: jd.fori_loop(0, 3, lambda i, c: doubled(c, i), a)), (x,)),
    "while_loop in place": (kept(lambda a: jd.while_loop(lambda c: c[0] < 5.0, doubled, a)), (x,)),
    "scan in place": (kept(lambda a: jd.scan(lambda c, v: (doubled(c), c), a, a)), (x,)),
    "map in place": (kept(lambda a: jd.map(doubled, np.outer(a, a))), (x,)),
    "map in place of rows": (lambda a: (jd.map(doubled, a), a), (np.outer(x, x),)),
    "nested": (
        lambda a: jd.fori_loop(
            0, 2, lambda i, c: jd.cond(i > 0, lambda: jd.scan(lambda s, v: (s + v, s), c, a)[0], lambda: c), 0.0
        ),
        (x,),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_traced_as_run(name: str) -> None:
    function, args = PROGRAMS[name]
    want, got = function(*args), jd.compile(function)(*args)
    leaves = flatten(want)[0]
    assert len(leaves) == len(flatten(got)[0])
    for a, b in zip(leaves, flatten(got)[0], strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-12)
        assert np.shape(a) == np.shape(b)
        assert np.asarray(a).dtype == np.asarray(b).dtype


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda a: jd.cond(a[0] > 0, lambda: a, lambda: (a, a)), TracingError, r"f64\[3\] if true, \(f64\[3\], f64"),
        (lambda a: jd.cond(a[0] > 0, lambda: a, lambda: a[0]), ShapeError, r"f64\[3\] if true, f64\[\] if false"),
        (lambda a: jd.cond(a[0] > 0, lambda: {"k": a}, lambda: {"k": a[0]}), ShapeError, "for k"),
        (lambda a: jd.cond(a[0] > 0, a, a), ArgumentTypeError, "a branch must be a function"),
        (lambda a: jd.cond(a > 0, lambda: a, lambda: a), TracingError, r"must be a scalar, not bool\[3\]"),
        (lambda a: jd.fori_loop(0, 3, lambda i, c: np.outer(c, c), a), TracingError, r"from f64\[3\] to f64\[3,3\]"),
        (lambda a: jd.fori_loop(0, 3, lambda i, c: (c, c), a), TracingError, "changes its structure"),
        (lambda a: jd.fori_loop(0, 3, lambda i, c: {"v": c["v"][0]}, {"v": a}), TracingError, "carry_v changes from"),
        (lambda a: jd.while_loop(lambda c: c > 0, lambda c: c, a), TracingError, r"must be a scalar, not bool\[3\]"),
        (lambda a: jd.while_loop(lambda c: c[0] > 0, lambda c: c[0], a), TracingError, "carry changes from"),
        (lambda a: jd.scan(lambda c, v: c, 0.0, a), TracingError, "must return the pair"),
        (lambda a: jd.scan(lambda c, v: (c, v), 0.0, (a, a[:2])), ShapeError, "the lengths 3, 2 differ"),
        (lambda a: jd.scan(lambda c, v: (c, v), 0.0, a, length=5), ShapeError, "the lengths 3, 5 differ"),
        (lambda a: jd.scan(lambda c, v: (c, v), a), ArgumentError, "length says how many"),
        (lambda a: jd.scan(lambda c, v: (c, v), 0.0, a[0]), ShapeError, "has no rows"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_with_both_types(function, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        jd.compile(function)(x)
    assert "test_control.py" in str(caught.value)


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda: jd.fori_loop(0, 3, lambda i, c: np.outer(c, c), x), TracingError, "carry changes from"),
        (lambda: jd.fori_loop(0.5, 3, lambda i, c: c, x), ArgumentTypeError, "lower must be an integer, not 0.5"),
        (lambda: jd.cond(x > 0, lambda: 1, lambda: 2), ShapeError, "np.where"),
        (lambda: jd.while_loop(lambda c: c[0] > 0, lambda c: c[0], x), TracingError, "carry changes from"),
    ],
)
def test_the_same_mistakes_outside_of_a_trace(function, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        function()
    assert "test_control.py" in str(caught.value)


def test_a_loop_carry_takes_the_wider_dtype() -> None:
    assert jd.compile(lambda a: jd.fori_loop(0, 3, lambda i, c: c + a[i], 0))(x) == 2.0


@pytest.mark.parametrize("name", ["cond", "fori_loop", "while_loop", "scan", "nested", "map"])
def test_gradients_of_traced_and_run_agree(name: str) -> None:
    function, args = PROGRAMS[name]

    def total(*args):
        return sum(np.sum(leaf * leaf) for leaf in flatten(function(*args))[0])

    np.testing.assert_allclose(jd.grad(jd.compile(total))(*args), jd.grad(total)(*args), rtol=1e-12)
