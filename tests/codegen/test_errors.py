"""What emitted text refuses, and dtypes that Numba would widen."""

import numpy as np
import pytest

from jitdiff.codegen import emit
from jitdiff.native.kernel import build
from jitdiff.native.runtime import NotMine
from jitdiff.ops import control
from jitdiff.ops.index import index_update
from tests.codegen.programs import check, prepared, run, same, trace

X = np.linspace(-1.0, 1.0, 6)


@pytest.mark.parametrize("k", [6, -7, 100])
def test_an_index_out_of_range_raises(k: int) -> None:
    emitted = emit(trace(lambda x, k: x[k] * 2.0, (X, 0)), "f")
    with pytest.raises(IndexError):
        run(emitted, (X, k))
    with pytest.raises(IndexError):
        build(emitted, cache=False).call(*prepared((X, k)))


def test_an_update_out_of_range_raises_in_a_loop() -> None:
    def function(x, n):
        return control.fori(n, lambda i, y: [index_update(y, i, 0.0)], [x])[0][0]

    emitted = emit(trace(function, (X, 3)), "f")
    same(run(emitted, (X, 6)), [np.zeros(6)])
    with pytest.raises(IndexError):
        run(emitted, (X, 7))


def test_negative_indices_count_from_the_end() -> None:
    check(lambda x, k: x[k] * 2.0, X, -2)


def test_other_sizes_are_not_mine() -> None:
    emitted = emit(trace(lambda x: np.sum(x), (X,)), "f")
    with pytest.raises(NotMine):
        run(emitted, (X[:5],))
    with pytest.raises(NotMine):
        build(emitted, cache=False).call(np.ones(5))


def test_small_integers_wrap_as_in_numpy() -> None:
    a = np.array([100, 27, -128], np.int8)

    def function(a):
        return a + a, a * a - a, np.where(a > 0, a, -a)

    check(function, a)
    emitted = emit(trace(function, (a,)), "f")
    same(build(emitted, cache=False).call(a), function(a))


def test_single_precision_is_not_widened_by_literals() -> None:
    x = np.linspace(0.1, 1.0, 5, dtype=np.float32)
    emitted = check(lambda x: (1.0 / x + np.reciprocal(x), np.maximum(x, 0.5)), x)
    assert "np.float32(1.0)" in emitted.source


def test_results_are_not_the_arguments() -> None:
    x = X.copy()
    first, second = run(emit(trace(lambda x: (x, x), (x,)), "f"), (x,))
    assert not np.shares_memory(first, x)
    assert not np.shares_memory(first, second)
