"""What loops and branches save for their adjoints, in shapes and bytes."""

from typing import Any

import numpy as np
import pytest

from jitdiff.ad.cut import Network
from jitdiff.ad.residuals import BYTE, choose
from jitdiff.ir import outs_of
from jitdiff.ops import control
from jitdiff.ops.index import index_update
from tests.ad.saved import saved, workspace
from tests.tracing import gradient_of, numerical, run, trace


def test_the_cut_is_as_large_as_the_flow(rng):
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import maximum_flow

    for _ in range(50):
        n = int(rng.integers(3, 12))
        capacities = np.zeros((n, n), np.int32)
        network = Network()
        for _ in range(int(rng.integers(3, 40))):
            a, b = rng.choice(n, 2, replace=False)
            capacity = int(rng.integers(10))
            capacities[a, b] += capacity
            network.edge(a, b, capacity)
        side = network.source_side(0, n - 1)
        cut = sum(capacities[a, b] for a in side for b in range(n) if b not in side)
        assert cut == maximum_flow(csr_matrix(capacities), 0, n - 1).flow_value


def _choice(fn, *args, needed):
    """Return the names of what is saved where all parameters are given, each at the price of its bytes."""
    block = trace(fn, *args)
    by_name = {v.name: v for v in (*block.params, *(o for n in block.nodes for o in outs_of(n)))}
    given = {p: BYTE * 8 * int(p.type.size) for p in block.params}
    choice = choose(block.nodes, given, [by_name[n] for n in needed])
    return [v.name for v in choice.saved], [n.op.name for n in block.nodes if n in choice.again]


def test_what_is_cheap_is_computed_again():
    def fn(x: Any) -> Any:
        a = x * 2.0
        b = a + 1.0
        return [a * b]

    assert _choice(fn, 1.0, needed=["a", "b"]) == (["a"], ["add"])


def test_a_function_call_is_saved_rather_than_made_again():
    def fn(x: Any) -> Any:
        e = np.exp(x)
        f = e + 1.0
        return [f * e]

    assert _choice(fn, 1.0, needed=["e", "f"]) == (["e"], ["add"])


def test_one_number_is_saved_rather_than_the_array_it_is_read_from():
    def fn(x: Any) -> Any:
        a = x[3]
        b = a * a
        return [b]

    assert _choice(fn, np.ones(100), needed=["a", "b"])[0] == ["a"]


def stencil(A: Any, sweeps: int, f: Any) -> Any:
    n, m = A.shape

    def column(i: Any) -> Any:
        def at(j: Any, A: Any) -> list[Any]:
            total = sum(A[i + k // 3, j + k % 3] for k in range(9))
            return [index_update(A, (i + 1, j + 1), f(total / 9.0))]

        return at

    def sweep(t: Any, A: Any) -> list[Any]:
        return control.fori(n - 2, lambda i, A: control.fori(m - 2, column(i), [A])[0], [A])[0]

    return control.fori(sweeps, sweep, [A])[0][0]


GRID = np.linspace(-1.0, 1.0, 63).reshape(7, 9) ** 2


def linear_stencil(A: Any) -> list[Any]:
    return [np.sum(stencil(A, 4, lambda v: v) ** 2)]


def curved_stencil(A: Any) -> list[Any]:
    return [np.sum(stencil(A, 4, np.tanh) ** 2)]


def branching_stencil(A: Any) -> list[Any]:
    def f(v: Any) -> Any:
        return control.cond(v > 0.3, lambda: [v * v * v], lambda: [np.sin(v)])[0]

    return [np.sum(stencil(A, 2, f) ** 2)]


def reading_branches(A: Any) -> list[Any]:
    """Branches that read single elements of a carried array."""

    def body(i: Any, A: Any) -> list[Any]:
        (v,) = control.cond(A[i] > 0.2, lambda: [np.sin(A[i]) * A[i + 1]], lambda: [A[i] * A[i]])
        return [index_update(A, i + 1, v)]

    (A,), _ = control.fori(A.shape[0] - 1, body, [A])
    return [np.sum(A * A)]


def cholesky(A: Any) -> list[Any]:
    def column(i: Any) -> Any:
        def at(j: Any, L: Any) -> list[Any]:
            (s,), _ = control.fori(j, lambda k, s: [s - L[i, k] * L[j, k]], [A[i, j]])
            (v,) = control.cond(np.equal(i, j), lambda: [np.sqrt(s)], lambda: [s / L[j, j]])
            return [index_update(L, (i, j), v)]

        return at

    (L,), _ = control.fori(A.shape[0], lambda i, L: control.fori(i + 1, column(i), [L])[0], [A * 0.0])
    return [np.sum(np.log(np.diag(L)))]


def read_around(a: Any) -> list[Any]:
    """An inner loop that reads an array which the outer one changes."""

    def outer(t: Any, a: Any) -> list[Any]:
        (s,), _ = control.fori(3, lambda j, s: [s + a[j] * a[j + t]], [0.1])
        return [index_update(a, t, s)]

    (a,), _ = control.fori(4, outer, [a])
    return [np.sum(a)]


SPD = np.array([[4.0, 1.0, 0.5, 0.2], [1.0, 3.0, 0.3, 0.1], [0.5, 0.3, 2.0, 0.4], [0.2, 0.1, 0.4, 5.0]])
VECTOR = np.array([0.5, 0.1, 0.7, -0.2, 0.4, 0.9, 0.3])


@pytest.mark.parametrize(
    ("fn", "x"),
    [
        (linear_stencil, GRID[:4, :4]),
        (curved_stencil, GRID[:4, :4]),
        (branching_stencil, GRID[:4, :5]),
        (reading_branches, VECTOR),
        (cholesky, SPD),
        (read_around, VECTOR),
    ],
)
def test_gradients_of_what_changes_arrays_in_place(fn, x):
    np.testing.assert_allclose(run(gradient_of(fn), x)[0], numerical(fn, (x,), 0), rtol=1e-6, atol=1e-8)


def test_a_linear_stencil_saves_nothing():
    assert saved(linear_stencil, GRID) == []
    few, many = (workspace(lambda A, t=t: [np.sum(stencil(A, t, lambda v: v) ** 2)], GRID) for t in (2, 200))
    assert few == many


def test_a_curved_stencil_saves_one_number_for_each_point():
    assert saved(curved_stencil, GRID) == [(4, 5, 7)]


def test_branches_save_numbers_not_the_array_that_they_read():
    shapes = saved(reading_branches, VECTOR)
    assert set(shapes) == {(6,)}
    assert len(shapes) <= 4  # The condition, sin or the element, the other element, cos.
    assert all(len(shape) == 3 for shape in saved(branching_stencil, GRID))


def test_triangular_loops_save_numbers_not_arrays():
    for n in (6, 30):
        # What column divides by, and what a root is taken of; all else stands in the factor.
        assert sum(8 * int(np.prod(s)) for s in saved(cholesky, np.eye(n))) <= 2 * 8 * n**2


def test_a_solution_that_is_written_once_is_not_saved():
    def solve(L: Any) -> list[Any]:
        def row(i: Any, x: Any) -> list[Any]:
            (s,), _ = control.fori(i, lambda j, s: [s - L[i, j] * x[j]], [1.0])
            return [index_update(x, i, s / L[i, i])]

        (x,), _ = control.fori(L.shape[0], row, [L[0] * 0.0])
        return [np.sum(x * x)]

    assert saved(solve, np.eye(20)) == []
    np.testing.assert_allclose(run(gradient_of(solve), SPD)[0], numerical(solve, (SPD,), 0), rtol=1e-6, atol=1e-8)


def test_triangular_loops_that_write_over_what_they_read_save_rows_of_one_length():
    """Elements of every inner trip, which are not the same after the loop."""

    def fn(a: Any) -> list[Any]:
        def outer(i: Any, a: Any) -> list[Any]:
            return control.fori(i + 1, lambda j, a: [index_update(a, j, np.sin(a[j]) + a[i])], [a])[0]

        return [np.sum(control.fori(a.shape[0], outer, [a])[0][0])]

    assert saved(fn, VECTOR) == [(7, 7)]
    np.testing.assert_allclose(run(gradient_of(fn), VECTOR)[0], numerical(fn, (VECTOR,), 0), rtol=1e-6, atol=1e-8)


def test_a_large_array_is_saved_once_where_the_inner_loops_read_all_of_it():
    def fn(a: Any) -> list[Any]:
        def outer(t: Any, a: Any) -> list[Any]:
            (s,), _ = control.fori(50, lambda j, s: [s + a[j] * a[49 - j]], [0.1])
            return [np.tanh(a + 0.01 * s)]

        return [np.sum(control.fori(3, outer, [a])[0][0])]

    assert sum(int(np.prod(s)) for s in saved(fn, np.ones(50))) <= 2 * 3 * 50


def test_a_scalar_system_saves_its_state():
    def step(i: Any, x: Any, y: Any) -> list[Any]:
        def slope(x: Any, y: Any) -> Any:
            return x * 1.1 - x * y * 0.4, x * y * 0.1 - y * 0.4

        k1 = slope(x, y)
        k2 = slope(x + 0.05 * k1[0], y + 0.05 * k1[1])
        k3 = slope(x + 0.05 * k2[0], y + 0.05 * k2[1])
        k4 = slope(x + 0.1 * k3[0], y + 0.1 * k3[1])
        return [v + 0.1 / 6 * (a + 2 * b + 2 * c + d) for v, a, b, c, d in zip((x, y), k1, k2, k3, k4, strict=True)]

    def fit(x: Any, y: Any) -> list[Any]:
        (x, y), _ = control.fori(100, step, [x, y])
        return [x * x + y]

    assert saved(fit, np.float64(1.0), np.float64(2.0)) == [(100,), (100,)]


def test_a_history_that_the_program_returns_is_not_saved_again():
    def fn(x: Any) -> list[Any]:
        _, (rows,) = control.fori(5, lambda i, c: [c * c * 0.9, c], [x])
        return [np.sum(rows * rows)]

    assert saved(fn, np.ones(20)) == [(5, 20)]


def test_the_gradient_of_a_gradient_saves_numbers_too():
    x = np.linspace(0.1, 0.8, 12).reshape(4, 3)

    def slope(A: Any) -> list[Any]:
        return [np.sum(gradient_of(lambda A: [np.sum(stencil(A, 3, np.tanh))])(A)[0] ** 2)]

    assert sum(int(np.prod(s)) for s in saved(slope, x)) <= 8 * 3 * 2 * 1
    np.testing.assert_allclose(run(gradient_of(slope), x)[0], numerical(slope, (x,), 0), rtol=1e-6, atol=1e-7)
