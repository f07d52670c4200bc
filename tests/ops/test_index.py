"""Indexing and updates against NumPy: every kind of key, read, written and differentiated."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jitdiff import ad
from jitdiff.eager import GradientTape, constant
from jitdiff.errors import ArgumentError, BoundsError, DtypeError, TracingError
from jitdiff.ir import ArrayType, Builder, Dim, NeedsConcreteSize, Value
from jitdiff.ir.builder import building
from jitdiff.ops import Tracer
from jitdiff.ops.index import getitem, index_add, index_update
from jitdiff.ops.key import understand
from jitdiff.ops.slices import conditions, positions
from tests.tracing import gradient_of, run, trace

X = np.arange(60.0).reshape(3, 4, 5)
ROWS, COLUMNS = np.array([2, 0, -1]), np.array([[1], [-4]])
MASK = X[:, :, 0] % 3 == 0
KEYS = [
    1,
    -1,
    np.int32(2),
    (0, -1, 2),
    slice(1, None),
    slice(None, None, -1),
    slice(10, -10, -2),
    slice(-2, None),
    slice(2, 1),
    (Ellipsis, 0),
    (0, Ellipsis, slice(1, 4, 2)),
    None,
    (slice(None), None, 1, None),
    ROWS,
    [0, 2],
    ((0, 2, 1),),
    [],
    (ROWS, COLUMNS),
    (slice(None), ROWS),
    (slice(None), ROWS, COLUMNS),
    (ROWS, slice(1, 3), COLUMNS),
    (0, slice(None), ROWS),
    (ROWS, 1, slice(None, None, 2)),
    (slice(None), 1, ROWS),
    (ROWS, None, COLUMNS),
    (None, ROWS, COLUMNS),
    (slice(None), None, ROWS),
    (np.array(1), ROWS),
    MASK,
    (MASK, slice(1, 3)),
    (slice(None), MASK[0], 1),
    (Ellipsis, X[0, 0] > 1),
    X > 30,
    [True, False, True],
    Ellipsis,
    (),
]
OUTSIDE = [3, -4, (0, 4), (slice(None), [0, 4]), (slice(None), [0, -5]), (0, 0, 0, 0), (Ellipsis, Ellipsis)]


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_getitem_is_numpys(key):
    want = X[key]
    np.testing.assert_array_equal(getitem(X, key), want)
    (got,) = run(lambda x: [x[key]], X)
    np.testing.assert_array_equal(got, want)
    assert trace(lambda x: [x[key]], X).results[0].type.shape == want.shape


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_updates_are_numpys(key):
    value = np.arange(1.0, 1 + X[key].size).reshape(X[key].shape)
    for v in (value, 7.0):
        want = X.copy()
        want[key] = v
        np.testing.assert_array_equal(run(lambda x, v=v: [index_update(x, key, v)], X)[0], want)
        np.testing.assert_array_equal(index_update(X, key, v), want)
        want = X.copy()
        np.add.at(want, key, v)
        np.testing.assert_array_equal(run(lambda x, v=v: [index_add(x, key, v)], X)[0], want)


def test_an_update_broadcasts_as_an_assignment_does():
    every = slice(None)
    for key, shape in [(0, (1, 1, 4, 5)), (0, (5,)), ((every, ROWS), (3, 1)), ((ROWS, every, 0), (1, 3, 1))]:
        value = np.arange(1.0, 1 + np.prod(shape)).reshape(shape)
        want = X.copy()
        want[key] = value
        np.testing.assert_array_equal(run(lambda x, v, key=key: [index_update(x, key, v)], X, value)[0], want)


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_gradient_of_a_selection_counts_how_often_an_element_is_selected(key):
    count = np.zeros(X.shape)
    np.add.at(count, key, 1.0)
    (got,) = run(gradient_of(lambda x: [np.sum(x[key])]), X)
    np.testing.assert_array_equal(got, count)


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_gradient_of_an_update_is_that_of_the_last_value_written(key):
    value, weights = np.ones(X[key].shape), np.arange(1.0, 61.0).reshape(X.shape)
    by_x, by_value = run(gradient_of(lambda x, v: [np.sum(index_update(x, key, v) * weights)]), X, value)
    written = np.zeros(X.shape)
    written[key] = 1.0
    np.testing.assert_array_equal(by_x, np.where(written == 1.0, 0.0, weights))
    last = np.zeros(X.shape, int) - 1
    numbers = np.arange(value.size).reshape(value.shape)
    last[key] = numbers
    np.testing.assert_array_equal(by_value, np.where(last[key] == numbers, weights[key], 0.0))


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_any_key_that_numpy_takes(data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=4))
    x = np.arange(float(np.prod(shape))).reshape(shape)
    basic = hnp.basic_indices(shape, allow_newaxis=True)
    arrays = hnp.integer_array_indices(shape, result_shape=hnp.array_shapes(max_dims=2, max_side=3))
    key = data.draw(st.one_of(basic, arrays))
    (got,) = run(lambda x: [x[key]], x)
    np.testing.assert_array_equal(got, x[key])


@pytest.mark.parametrize("key", OUTSIDE, ids=repr)
def test_positions_outside_are_refused(key):
    with pytest.raises(IndexError):
        X[key]
    with pytest.raises(BoundsError):
        getitem(X, key)
    with pytest.raises(BoundsError):
        trace(lambda x: [x[key]], X)


def test_the_message_names_position_axis_size_and_line():
    with pytest.raises(BoundsError, match=r"index 4 is out of bounds for axis 1 with size 4\n  at test_index.py:\d+"):
        trace(lambda x: [x[0, 4]], X)


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(BoundsError, match="a mask of 4 elements does not fit axis 0 with size 3"):
        trace(lambda x: [x[np.ones(4, bool)]], X)


@pytest.mark.parametrize("key", [1.0, np.array([0.5]), "a", (0, 1.5)], ids=repr)
def test_what_is_no_index_is_refused(key):
    with pytest.raises(DtypeError, match="an index must be an integer, a slice or a mask"):
        trace(lambda x: [x[key]], X)


def test_a_step_of_zero_is_refused():
    with pytest.raises(ArgumentError, match="step cannot be zero"):
        trace(lambda x: [x[::0]], X)


def test_traced_positions():
    i, rows = np.array(-2), np.array([0, 2, 2])
    got = run(lambda x, i, rows: [x[i], x[rows, i], x[i, :, None, 1], x[1:, rows]], X, i, rows)
    for g, w in zip(got, [X[-2], X[rows, -2], X[-2, :, None, 1], X[1:, rows]], strict=True):
        np.testing.assert_array_equal(g, w)


def test_traced_positions_outside_are_refused_when_the_program_runs():
    block = trace(lambda x, i: [x[i]], X, np.array(0))
    for i in (3, -4):
        with pytest.raises(BoundsError, match=f"index {i} is out of bounds for axis 0 with size 3"):
            ad.evaluate(block, [X, i])


def test_a_traced_mask_is_refused_when_reading_and_selects_when_writing_one_value():
    with pytest.raises(TracingError, match=r"np\.where"):
        trace(lambda x: [x[x > 0]], X)
    (got,) = run(lambda x: [index_update(x, x > 30, 0.0)], X)
    np.testing.assert_array_equal(got, np.where(X > 30, 0.0, X))
    (got,) = run(lambda x: [index_add(x, x > 30, 1)], X)
    np.testing.assert_array_equal(got, np.where(X > 30, X + 1, X))


def test_an_update_keeps_the_dtype():
    x = np.arange(3)
    got = run(lambda x: [index_update(x, 0, 2.7), index_add(x, [0, 0], 1.9)], x)
    np.testing.assert_array_equal(got[0], [2, 1, 2])
    np.testing.assert_array_equal(got[1], [2, 1, 2])
    assert got[0].dtype == got[1].dtype == x.dtype


def test_tensors_are_indices_and_are_indexed():
    x = constant(X)
    with GradientTape() as tape:
        tape.watch(x)
        y = np.sum(x[constant([0, 0]), 1] ** 2) + np.sum(x[x > 50]) + x[constant(2), 0, 0]
    want = np.zeros(X.shape)
    want[0, 1] = 4 * X[0, 1]
    want[X > 50] += 1
    want[2, 0, 0] += 1
    np.testing.assert_array_equal(tape.gradient(y, x), want)


N = Dim.symbol("n")
SYMBOLIC = [
    (slice(1, None), N - 1),
    (slice(None, -1), N - 1),
    (slice(2, -3), N - 5),
    (slice(None, None, -1), N),
    (slice(None, N - 1), N - 1),
    (slice(-3, None), 3),
    (slice(None, 3), 3),
    (slice(-2, None, -1), N - 1),
]


@pytest.mark.parametrize(("taken", "size"), SYMBOLIC, ids=repr)
def test_slices_of_symbolic_sizes_agree_with_numpys_where_their_conditions_hold(taken, size):
    ranges = [positions(taken, N)]
    assert ranges[0][2] == size
    for n in range(8):

        def known(x, n=n):
            return x.substitute({"n": n}) if isinstance(x, Dim) else x

        here = [known(c) for c in conditions(ranges, (N,))]
        bounds = slice(known(taken.start), known(taken.stop), taken.step)
        if min(here) >= 0:
            start, step, count = map(known, ranges[0])
            assert [start + step * k for k in range(count)] == list(range(n))[bounds]
    assert min(here) >= 0


def test_positions_in_symbolic_sizes_count_from_either_end():
    x = Tracer(Value(ArrayType(np.dtype(float), (N, 2))))
    with building(Builder([x.atom])):
        assert x[-1].shape == (2,)
        assert x[1:, None].shape == (N - 1, 1, 2)
        assert x[[0, 1]].shape == (2, 2)
    assert understand(-1, x.type).selection[0] == (N - 1, 1, 1)


@pytest.mark.parametrize("key", [slice(None, None, 3), X > 0], ids=repr)
def test_what_depends_on_the_number_behind_a_symbolic_size_asks_for_it(key):
    x = Tracer(Value(ArrayType(np.dtype(float), (N, 4, 5))))
    with building(Builder([x.atom])), pytest.raises(NeedsConcreteSize):
        x[key]


def test_a_typing_rule_may_ask_for_the_number_behind_a_symbolic_size():
    x = Tracer(Value(ArrayType(np.dtype(float), (N, 4))))
    with building(Builder([x.atom])), pytest.raises(NeedsConcreteSize):
        np.diagonal(x)
