"""Layout, joining and padding beyond what samples say: index arithmetic for any shapes, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jitdiff.errors import ArgumentError, AxisError, ShapeError, UnsupportedError
from jitdiff.ir import Dim
from jitdiff.ops.axes import completed_shape
from jitdiff.ops.shape import reshaped_index
from tests.tracing import run, trace

X = np.arange(6.0).reshape(2, 3)


@st.composite
def two_shapes(draw):
    """Two shapes with the same number of elements, some axes of size 1 among them."""

    def grouped(factors):
        sizes, rest = [], list(factors)
        while rest:
            k = draw(st.integers(0, len(rest)))
            sizes.append(int(np.prod(rest[:k])))
            rest = rest[k:]
        return tuple(sizes)

    factors = draw(st.lists(st.sampled_from([2, 3, 5]), max_size=4))
    return grouped(factors), grouped(factors)


@given(two_shapes())
@settings(max_examples=200)
def test_elements_of_a_reshaped_array_are_found_where_they_were(shapes):
    shape, source = shapes
    x = np.arange(np.prod(source, dtype=int)).reshape(source)
    names = [f"i{k}" for k in range(len(shape))]
    index = reshaped_index(tuple(names), shape, source)
    for at in np.ndindex(*shape):
        found = tuple(eval(str(term), dict(zip(names, at, strict=True))) for term in index)
        assert all(0 <= i < n for i, n in zip(found, source, strict=True))
        assert x[found] == x.reshape(shape)[at]


def test_axes_that_stay_keep_their_coordinate():
    n = Dim.symbol("n")
    assert reshaped_index(("i", "j"), (n, 3), (n, 1, 3)) == ("i", 0, "j")
    assert reshaped_index(("i", "j", "k"), (n, 2, 3), (n, 6)) == ("i", "3*j + k")
    assert completed_shape((n, -1), 6 * n) == (n, 6)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_any_margin_is_numpys(data):
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=2))
    mode = data.draw(st.sampled_from(["constant", "edge", "reflect", "symmetric", "wrap"]))
    widths = [data.draw(st.tuples(st.integers(0, 5), st.integers(0, 5))) for _ in shape]
    x = np.arange(float(np.prod(shape))).reshape(shape)
    (got,) = run(lambda x: [np.pad(x, widths, mode=mode)], x)
    np.testing.assert_array_equal(got, np.pad(x, widths, mode=mode))


REFUSED = {
    "reshape": (lambda x: np.reshape(x, (4, 2)), ShapeError, r"cannot reshape x? ?f64\[2,3\] to \[4, 2\]"),
    "reshape -1": (lambda x: np.reshape(x, (4, -1)), ShapeError, "cannot reshape an array of 6 elements"),
    "broadcast": (lambda x: np.broadcast_to(x, (3, 3)), ShapeError, "do not broadcast"),
    "transpose": (lambda x: np.transpose(x, (0,)), ArgumentError, "axes .* do not match"),
    "axis": (lambda x: np.swapaxes(x, 0, 2), AxisError, "axis 2 is out of bounds for array of dimension 2"),
    "axis twice": (lambda x: np.flip(x, (0, 0)), ArgumentError, "twice"),
    "squeeze": (lambda x: np.squeeze(x, 0), ShapeError, r"axis 0 of f64\[2,3\] has size 2, not 1"),
    "order": (lambda x: np.ravel(x, order="F"), UnsupportedError, "order='F'"),
    "concatenate": (lambda x: np.concatenate([x, x[:, 1:]]), ShapeError, "differ in an axis other than 0"),
    "scalars": (lambda x: np.concatenate([x[0, 0], x[0, 0]]), ShapeError, "np.stack joins them"),
    "stack": (lambda x: np.stack([x, x[0]]), ShapeError, "arrays must have one shape"),
    "split": (lambda x: np.split(x, 2, axis=1), ShapeError, "3 elements do not make 2 equal pieces"),
    "pad": (lambda x: np.pad(x, 1, mode="mean"), UnsupportedError, "mode='mean'"),
    "diag": (lambda x: np.diag(x[None]), ShapeError, "a vector or a matrix"),
    "take_along_axis": (lambda x: np.take_along_axis(x, np.array([0]), 0), ShapeError, "number of axes"),
    "take": (lambda x: np.take(x, 0, mode="nearest"), ArgumentError, "'raise', 'wrap' or 'clip'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_makes_no_sense_is_refused(name):
    function, error, message = REFUSED[name]
    with pytest.raises(error, match=message):
        trace(lambda x: [function(x)], X)


def test_python_numbers_join_as_the_arrays_they_would_be():
    single = np.float32([1.0, 2.0])
    assert trace(lambda x: [np.stack([x[0], 1.0])], single).results[0].type.dtype == np.float64
    assert trace(lambda x: [np.concatenate([x, x])], single).results[0].type.dtype == np.float32
