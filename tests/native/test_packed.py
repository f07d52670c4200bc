"""Arrays that come as one argument, in plain Python and compiled."""

from __future__ import annotations

import numpy as np
import pytest

from jitdiff.ir import ArrayType, Emitted
from jitdiff.native import records
from jitdiff.native.kernel import build
from jitdiff.native.signals import NotMine

VECTOR, MATRIX = ArrayType(np.dtype(float), (3,)), ArrayType(np.dtype(np.float32), (3, 2))
SCALAR = ArrayType(np.dtype(float))
SOURCE = """
import numpy as np
from jitdiff.native.runtime import check_arrays, size_of, taken

TABLE = np.array([{code}, 1, -1, {single}, 2, -2, 2, {code}, 1, -2])

def f(ws, arrays, c):
    check_arrays(arrays, TABLE)
    n = size_of(arrays, 0, 0)
    x = taken(arrays, 0, np.float64, (n,))
    y = taken(arrays, 1, np.float32, (n, 2))
    row = taken(arrays, 1, np.float32, (n * 2,))
    out = taken(arrays, 2, np.float64, (n,))
    for i in range(n):
        out[i] = x[i] * c + y[i, 1] + row[0]
    return row[n * 2 - 1]
"""


@pytest.fixture(scope="module")
def emitted() -> Emitted:
    from jitdiff.ir.emitted import DTYPES

    source = SOURCE.format(code=DTYPES.index(np.dtype(float)), single=DTYPES.index(np.dtype(np.float32)))
    return Emitted(source, "f", ("f",), (VECTOR, SCALAR, MATRIX), (VECTOR, SCALAR), 0, (0,), packed=True)


@pytest.fixture(scope="module", params=["python", "native"])
def function(request, emitted):
    """The function of x, c and y, whose outs are the caller's."""
    if request.param == "native":
        kernel = build(emitted, cache=False)
        return lambda x, c, y, out: kernel.run(np.empty(0, np.uint8), (x, c, y), [out])
    scope: dict = {}
    exec(emitted.source, scope)
    return lambda x, c, y, out: scope["f"](np.empty(0, np.uint8), *emitted.arguments((x, c, y), [out]))


def good(n: int = 3) -> list:
    return [np.arange(float(n)), 2.0, np.arange(2.0 * n, dtype=np.float32).reshape(n, 2) + 1, np.empty(n)]


@pytest.mark.parametrize("n", [1, 3, 7])
def test_arrays_are_taken_out_in_their_shapes(function, n):
    x, c, y, out = good(n)
    x.flags.writeable = False
    assert function(x, c, y, out) == y[-1, -1]
    np.testing.assert_array_equal(out, x * c + y[:, 1] + y[0, 0])


def unaligned(x: np.ndarray) -> np.ndarray:
    raw = np.empty(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)
    raw[...] = x
    return raw


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.astype(np.float32),
        lambda x: x.astype(np.int64),
        lambda x: x[:, None].copy(),
        lambda x: x.astype(x.dtype.newbyteorder()),
        lambda x: np.repeat(x, 2)[::2],
        lambda x: x.view(type("Mine", (np.ndarray,), {})),
        lambda x: 2.0,
        lambda x: list(x),
        lambda x: None,
    ],
    ids="single integers rank foreign strided subclass number list None".split(),
)
def test_arrays_of_another_kind_are_refused(function, change):
    x, c, y, out = good()
    with pytest.raises(TypeError):
        function(change(x), c, y, out)


def test_arrays_in_another_order_or_place_are_refused_by_native_code(emitted):
    x, c, y, out = good()
    kernel = build(emitted, cache=False)
    for bad in (np.asfortranarray(y), unaligned(y)):
        with pytest.raises(TypeError):
            kernel.run(np.empty(0, np.uint8), (x, c, bad), [out])


@pytest.mark.parametrize(("at", "shape"), [(2, (3, 3)), (2, (4, 2)), (3, (4,)), (3, (2,)), (0, (2,))])
def test_arrays_of_other_sizes_are_not_its_own(function, at, shape):
    arguments = good()
    arguments[at] = np.ones(shape, arguments[at].dtype)
    with pytest.raises(NotMine):
        function(*arguments)


def test_the_number_of_arguments_is_checked(emitted):
    with pytest.raises(TypeError, match="3 arguments are needed, not 2"):
        emitted.arguments((1.0, 2.0), [])


def test_numbers_of_dtypes_are_those_of_all_names_for_them():
    for code in "?bBhHiIlLqQfd":
        low, high = records.numbers_of(np.dtype(code))
        assert np.dtype(code).num in (low, high)


def test_kernels_that_are_called_take_arguments_one_by_one(emitted):
    x, c, y, _ = good()
    out, last = build(emitted, cache=False).call(x, c, y)
    np.testing.assert_array_equal(out, x * c + y[:, 1] + y[0, 0])
    assert last == y[-1, -1]
