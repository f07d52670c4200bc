"""Handles behave as ndarrays: operators, methods, attributes and protocols, with lists and arrays around them."""

import operator

import numpy as np
import pytest

import jitdiff as jd
from jitdiff.errors import ArgumentTypeError, TracingError, UnsupportedError
from tests.ops.harness import evaluate, program

A = np.array([[1.5, -2.0, 3.0], [0.5, 4.0, -1.0]])
V = np.array([2.0, 0.5, -1.0])
BINARY = "add sub mul truediv floordiv mod lt le gt ge eq ne".split()


def in_a_trace(f, *args):
    block = program(lambda *xs: f(*xs) if isinstance(f(*xs), tuple) else [f(*xs)], list(args))
    got = evaluate(block, list(args))
    return got[0] if len(got) == 1 else tuple(got)


def on_tensors(f, *args):
    xs = [jd.constant(a) for a in args]
    with jd.GradientTape() as tape:
        tape.watch([x for x in xs if x.dtype.kind == "f"])
        y = f(*map(np.copy, xs))
    return tuple(x.numpy() for x in y) if isinstance(y, tuple) else y.numpy()


worlds = pytest.mark.parametrize("world", [in_a_trace, on_tensors])


def same(got, want):
    for g, w in zip(got, want, strict=True) if isinstance(want, tuple) else [(got, want)]:
        np.testing.assert_allclose(g, w, rtol=1e-13)
        assert np.asarray(g).dtype == np.asarray(w).dtype
        assert np.shape(g) == np.shape(w)


@worlds
@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("other", [V, A, 2.0, 2, [2.0, 0.5, -1.0], [[2], [3]], np.float64(2), np.int32(3), True])
def test_binary_operators(world, name, other):
    op = getattr(operator, name)
    as_array = np.asarray(other) if isinstance(other, list) else other
    same(world(lambda x: op(x, other), A), op(A, as_array))
    same(world(lambda x: op(other, x), A), op(as_array, A))


@worlds
@pytest.mark.parametrize("other", [2, 3.0, V, [1, 2, 3]])
def test_powers(world, other):
    positive = np.abs(A)
    as_array = np.asarray(other) if isinstance(other, list) else other
    same(world(lambda x: x**other, positive), positive**as_array)
    same(world(lambda x: other**x, positive), as_array**positive)


@worlds
def test_matrix_products_with_lists(world):
    w, b = A.T.copy(), np.ones(2)
    same(world(lambda w, b: [[1, 2, 3]] @ w + b, w, b), np.array([[1, 2, 3]]) @ w + b)
    same(world(lambda w: w @ [1.0, 2.0], w), w @ [1.0, 2.0])
    same(world(lambda w: V @ w, w), V @ w)
    same(world(lambda w: w.dot(b), w), w.dot(b))


@worlds
def test_logic(world):
    m = np.array([True, False, True])
    n = np.array([True, True, False])
    k = np.array([6, 5, -3])
    for f in (operator.and_, operator.or_, operator.xor):
        same(world(f, m, n), f(m, n))
        same(world(f, k, k[::-1].copy()), f(k, k[::-1]))
        same(world(lambda m, f=f: f(m, True), m), f(m, True))
    for f in (operator.lshift, operator.rshift):
        for dtype in (np.int64, np.int8, np.uint8, np.uint64):
            bits = np.array([1, 6, 100, 200], np.uint8).astype(dtype)
            places = np.array([3, 0, 7, 80], dtype)
            same(world(f, bits, places), f(bits, places))
            same(world(lambda x, f=f: f(f(x, 4), 3), bits), f(f(bits, 4), 3))
        same(world(f, k, np.array([-1, 64, 63])), f(k, np.array([-1, 64, 63])))
        same(world(lambda k, f=f: f(k, 3) + f(100, abs(k)), k), f(k, 3) + f(100, abs(k)))
    same(world(operator.invert, m), ~m)
    same(world(operator.invert, k), ~k)
    same(world(lambda x: (x > 0) & (x < 2), A), (A > 0) & (A < 2))


@worlds
def test_unary_operators(world):
    for f in (operator.neg, operator.pos, abs, round):
        same(world(f, V), f(V) if f is not round else V.round().astype(int))
    same(world(lambda x: round(x, 1), V), V.round(1))
    same(world(lambda x: divmod(x, 0.75), A), divmod(A, 0.75))
    same(world(lambda x: divmod(0.75, x), A), divmod(0.75, A))


METHODS = {
    "sum": lambda x: x.sum(),
    "sum of rows": lambda x: x.sum(axis=1, keepdims=True),
    "mean": lambda x: x.mean(0),
    "prod": lambda x: x.prod(axis=-1),
    "max": lambda x: x.max(axis=0),
    "min": lambda x: x.min(),
    "var": lambda x: x.var(ddof=1),
    "std": lambda x: x.std(axis=1),
    "argmax": lambda x: x.argmax(axis=1),
    "argmin": lambda x: x.argmin(),
    "any": lambda x: (x > 3).any(),
    "all": lambda x: (x > 3).all(axis=0),
    "cumsum": lambda x: x.cumsum(),
    "cumprod": lambda x: x.cumprod(axis=1),
    "clip": lambda x: x.clip(-1, 1),
    "clip above": lambda x: x.clip(max=1),
    "round": lambda x: x.round(1),
    "reshape": lambda x: x.reshape(3, 2),
    "reshape of a tuple": lambda x: x.reshape((-1, 2)),
    "reshape to a row": lambda x: x.reshape(-1),
    "ravel": lambda x: x.ravel(),
    "flatten": lambda x: x.flatten(),
    "transpose": lambda x: x.transpose(),
    "transpose axes": lambda x: x.transpose(1, 0),
    "transpose tuple": lambda x: x.transpose((0, 1)),
    "T": lambda x: x.T,
    "mT": lambda x: x.mT,
    "swapaxes": lambda x: x.swapaxes(0, 1),
    "squeeze": lambda x: x[:1].squeeze(),
    "squeeze axis": lambda x: x[:1].squeeze(axis=0),
    "repeat": lambda x: x.repeat(2, axis=1),
    "take": lambda x: x.take([0, 2], axis=1),
    "dot": lambda x: x.dot(np.arange(3.0)),
    "diagonal": lambda x: x.diagonal(),
    "trace": lambda x: x.trace(),
    "astype": lambda x: x.astype(np.float32),
    "astype int": lambda x: x.astype("int64", copy=False),
    "copy": lambda x: x.copy(),
    "conj": lambda x: x.conj(),
    "real": lambda x: x.real,
    "imag": lambda x: x.imag,
    "flat at a place": lambda x: x.flat[4] * x.flat[-1],
    "flat of a transpose": lambda x: x.T.flat[1:4],
    "flat at places": lambda x: x.flat[[0, 0, 5]],
    "flat as operand": lambda x: x.ravel() - x.flat,
    "flat summed": lambda x: np.sum(x.flat),
    "flat in a list": lambda x: np.concatenate([x.flat, x.ravel()]),
    "flat of a ufunc": lambda x: np.add(x.flat, 1.0),
    "flat is one iterator": lambda x: next(x.flat) + sum(x.flat),
    "flat has a length": lambda x: x * len(x.flat),
}


def assigned_flat(x):
    y, z = x.copy(), x.T.copy()
    y.flat[1] = y.flat[2] * 3.0
    z.T.flat[3:5] = x[0, :2]
    w = x[:, ::2] * 1.0
    w.flat = 7.0
    v = x * 1.0
    v[:, 1].flat[0] = -1.0
    return np.concatenate([y.flat, z.flat, w.flat, v.flat])


@worlds
def test_assignment_to_flat(world):
    same(world(assigned_flat, A), assigned_flat(A))


@worlds
@pytest.mark.parametrize("f", METHODS.values(), ids=METHODS)
def test_methods(world, f):
    same(world(f, A), f(A))


def test_attributes():
    x = jd.constant(A)
    assert (x.shape, x.dtype, x.ndim, x.size, x.itemsize, x.nbytes, len(x)) == ((2, 3), A.dtype, 2, 6, 8, 48, 2)
    assert [float(v) for v in x.flat] == list(A.flat)
    assert [row.numpy().tolist() for row in x] == A.tolist()
    assert (x[0, 1].item(), x.item(4), x.item(1, 2)) == (-2.0, 4.0, -1.0)
    assert type(jd.constant(np.array([1, 2]))[0].item()) is int


@worlds
def test_squares_of_bools_have_the_dtype_of_numpy(world):
    b = np.array([True, False])
    for f in (lambda b: b**2, lambda b: b**3, lambda b: b**2.0, lambda b: np.power(b, 2)):
        same(world(f, b), f(b))


@worlds
def test_ufuncs_take_lists(world):
    same(world(lambda x: np.add(x, [1.0, 2.0, 3.0]), V), np.add(V, [1.0, 2.0, 3.0]))
    same(world(lambda x: np.hypot([[1.0], [2.0]], x), V), np.hypot([[1.0], [2.0]], V))
    same(world(lambda x: np.add(x, [x[0], 1.0, x[1]]), V), np.add(V, [V[0], 1.0, V[1]]))


@worlds
def test_methods_of_ufuncs(world):
    same(world(lambda x: np.add.reduce(x), A), np.add.reduce(A))
    same(world(lambda x: np.multiply.reduce(x, axis=None), A), np.multiply.reduce(A, axis=None))
    same(world(lambda x: np.maximum.reduce(x, axis=1, keepdims=True), A), np.maximum.reduce(A, axis=1, keepdims=True))
    same(world(lambda x: np.add.accumulate(x), A), np.add.accumulate(A))
    same(world(lambda x: np.subtract.outer(x, x), V), np.subtract.outer(V, V))
    same(world(lambda x: np.multiply.outer(x, 2.0), V), np.multiply.outer(V, 2.0))


@worlds
@pytest.mark.parametrize(
    ("f", "error", "message"),
    [
        (lambda x: np.add.reduceat(x, [0, 1]), UnsupportedError, "method reduceat"),
        (lambda x: np.nextafter(x, 1.0), UnsupportedError, "np.nextafter is not supported"),
        (lambda x: np.add(x, 1.0, where=x > 0), UnsupportedError, "where="),
        (lambda x: np.polyfit(x, x, 1), UnsupportedError, "np.polyfit is not supported"),
        (lambda x: np.sum(x, initial=1.0), UnsupportedError, "initial="),
        (lambda x: np.mean(x, out=np.zeros(())), UnsupportedError, "out="),
        (lambda x: np.add(x, 1.0, out=np.zeros(3)), TracingError, "in place"),
        (lambda x: operator.iadd(np.zeros(3), x), TracingError, "write y = y \\+ x"),
        (lambda x: x.sort(), AttributeError, "'sort'"),
        (lambda x: x.cumsun(), AttributeError, "there is cumsum"),
        (lambda x: np.max(x[:0]), ValueError, "no elements"),
        (lambda x: np.sum(x, axis=3), np.exceptions.AxisError, "axis 3"),
        (lambda x: x + {}, TypeError, "unsupported operand"),
        (lambda x: x.item(), ValueError, "array of size 1"),
    ],
    ids=lambda p: p if isinstance(p, str) else "",
)
def test_mistakes(world, f, error, message):
    with pytest.raises(error, match=message):
        world(f, V)


def test_how_many_elements_hold_is_unknown_in_a_trace():
    with pytest.raises(ArgumentTypeError, match="condition alone"):
        in_a_trace(lambda x: np.where(x > 0), V)
    for found, want in zip(on_tensors(lambda x: np.where(x > 0), V), np.where(V > 0), strict=True):
        np.testing.assert_array_equal(found, want)


def test_near_names_are_told():
    with pytest.raises(UnsupportedError, match=r"numpy\.cumsum"):
        jd.grad(lambda x: np.sum(np.nancumsum(x)))(V)
