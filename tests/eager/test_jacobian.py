"""Jacobians by the tape."""

import numpy as np
import pytest

import jitdiff as jd
from jitdiff.eager import jacobians
from jitdiff.ops import Op
from jitdiff.ops.batched import Batched
from tests.ops.cases import DIFFERENTIABLE
from tests.ops.harness import along, is_float


def test_shape_is_that_of_the_target_and_then_the_source(rng) -> None:
    a, b = rng.normal(size=(2, 3)), rng.normal(size=(3, 4))
    x = jd.Variable(a)
    with jd.GradientTape() as tape:
        y = x @ b
    found = tape.jacobian(y, x)
    assert type(found) is jd.Tensor
    np.testing.assert_allclose(found, np.einsum("ik,jl->ijkl", np.eye(2), b.T))


def test_nests() -> None:
    x, v = jd.Variable([1.0, 2.0]), jd.Variable(3.0)
    with jd.GradientTape(persistent=True) as tape:
        y, z = x * v, np.sum(x)
    found = tape.jacobian({"y": y, "z": z}, [x, v])
    assert found["y"][0].tolist() == [[3.0, 0.0], [0.0, 3.0]]
    assert found["y"][1].tolist() == [1.0, 2.0]
    assert found["z"][0].tolist() == [1.0, 1.0]
    assert found["z"][1] is None
    zeros = tape.jacobian(y * 0 + z, [v], unconnected_gradients="zero")
    assert zeros[0].tolist() == [0.0, 0.0]


def test_rows_that_do_not_depend_on_the_source_are_zero() -> None:
    x = jd.Variable([1.0, 2.0])
    with jd.GradientTape() as tape:
        y = np.stack([x[0] * x[1], jd.constant(1.0)])
    assert tape.jacobian(y, x).tolist() == [[2.0, 1.0], [0.0, 0.0]]


def test_the_jacobian_of_a_gradient_is_the_hessian() -> None:
    x = jd.constant([1.0, 2.0])
    with jd.GradientTape() as outer:
        with jd.GradientTape() as inner:
            inner.watch(x)
            y = np.sum(x**3) + x[0] * x[1]
        gradient = inner.gradient(y, x)
    assert outer.jacobian(gradient, x).tolist() == [[6.0, 1.0], [1.0, 12.0]]


def test_the_gradient_of_a_jacobian() -> None:
    x = jd.constant([1.0, 2.0])
    with jd.GradientTape() as outer:
        with jd.GradientTape() as inner:
            inner.watch(x)
            y = x**3
        matrix = inner.jacobian(y, x)
        trace = np.trace(matrix)
    assert outer.gradient(trace, x).tolist() == [6.0, 12.0]


def test_a_tape_that_is_not_persistent_gives_one() -> None:
    x = jd.Variable([1.0, 2.0])
    with jd.GradientTape() as tape:
        y = x * x
    tape.jacobian(y, x)
    with pytest.raises(RuntimeError, match="one set of gradients"):
        tape.gradient(y, x)


def test_batch_jacobian(rng) -> None:
    a, w = rng.normal(size=(5, 3)), rng.normal(size=(3, 2))
    x = jd.constant(a)
    with jd.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = np.tanh(x @ w)
    found = tape.batch_jacobian(y, x)
    assert found.shape == (5, 2, 3)
    whole = tape.jacobian(y, x).numpy()
    np.testing.assert_allclose(found, np.stack([whole[b, :, b, :] for b in range(5)]))


def test_batch_jacobian_of_what_is_not_connected_is_zero() -> None:
    x, z = jd.Variable(np.ones((2, 3))), jd.Variable(np.ones((2, 1)))
    with jd.GradientTape() as tape:
        y = z * 2.0
    assert tape.batch_jacobian(y, x).numpy().tolist() == np.zeros((2, 1, 3)).tolist()


def test_batch_jacobian_needs_the_same_rows() -> None:
    x = jd.Variable(np.ones((2, 3)))
    with jd.GradientTape(persistent=True) as tape:
        y = np.concatenate([x, x[:1]])
        z = np.sum(x, axis=1)
    with pytest.raises(ValueError, match=r"target shape \(\(3, 3\)\) and source shape \(\(2, 3\)\) to match"):
        tape.batch_jacobian(y, x)
    with pytest.raises(ValueError, match=r"Shape \(2,\) must have rank at least 2"):
        tape.batch_jacobian(z, x)


# One walk for many rows.


@pytest.fixture
def walks(monkeypatch):
    """The number of seeds of each walk back."""
    seen = []
    original = jacobians.backward

    def backward(recorder, targets, seeds, sources, outer):
        seen.append(len(seeds[0].value) if isinstance(seeds[0], Batched) else 1)
        return original(recorder, targets, seeds, sources, outer)

    monkeypatch.setattr(jacobians, "backward", backward)
    return seen


def curve(x):
    return np.sin(x) * np.sum(x * x) + x[::-1]


def curve_by_hand(x):
    return np.diag(np.cos(x) * np.sum(x * x)) + 2 * np.outer(np.sin(x), x) + np.eye(len(x))[::-1]


@pytest.mark.parametrize(("n", "expected"), [(1, [1]), (3, [1, 1, 1]), (4, [4]), (30, [30])])
def test_rows_are_pulled_back_together(n, expected, walks) -> None:
    x = jd.Variable(np.linspace(0.1, 1.0, n))
    with jd.GradientTape() as tape:
        y = curve(x)
    np.testing.assert_allclose(tape.jacobian(y, x), curve_by_hand(x.numpy()), rtol=1e-12, atol=1e-14)
    assert walks == expected


@pytest.mark.parametrize(
    ("bytes_", "expected"), [(10 * 80, [10]), (5 * 80, [5, 5]), (4 * 80, [4, 4, 2]), (80, [1] * 10)]
)
def test_a_walk_has_not_more_rows_than_fit(bytes_, expected, walks, monkeypatch) -> None:
    monkeypatch.setattr(jacobians, "PASS_BYTES", bytes_)
    x, c = jd.Variable(np.linspace(0.1, 1.0, 10)), jd.Variable(2.0)
    with jd.GradientTape() as tape:
        y, _ = curve(x), c * 1.0
    by_x, by_c = tape.jacobian(y, [x, c])
    np.testing.assert_allclose(by_x, curve_by_hand(x.numpy()), rtol=1e-12, atol=1e-14)
    assert by_c is None
    assert walks == expected


@pytest.mark.parametrize("case", [c for c in DIFFERENTIABLE if isinstance(c.entry, Op)], ids=repr)
def test_every_op_against_differences(case) -> None:
    leaves = case.draw()
    xs = [jd.constant(x) for x in leaves]
    moving = [k for k, x in enumerate(leaves) if is_float(x)]
    with jd.GradientTape() as tape:
        tape.watch([xs[k] for k in moving])
        (y,) = case(*xs)
    found = tape.jacobian(y, [xs[k] for k in moving], unconnected_gradients="zero")
    for k, matrix in zip(moving, found, strict=True):
        assert matrix.shape == (*y.shape, *leaves[k].shape)
        for at in np.ndindex(*leaves[k].shape):
            unit = np.zeros(leaves[k].shape)
            unit[at] = 1.0
            column = along(
                lambda *moved: case.numpy(*moved)[0], leaves, [unit if n == k else None for n in range(len(leaves))]
            )
            rough = {"rtol": 2e-3, "atol": 2e-3} if y.dtype == np.float32 else {"rtol": 1e-7, "atol": 1e-8}
            np.testing.assert_allclose(matrix.numpy()[(..., *at)], column, **rough)


def test_single_precision() -> None:
    x = jd.Variable(np.linspace(0.1, 1.0, 8, dtype=np.float32))
    with jd.GradientTape() as tape:
        y = curve(x)
    found = tape.jacobian(y, x)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, curve_by_hand(x.numpy()), rtol=1e-5, atol=1e-5)


def test_without_elements() -> None:
    x = jd.Variable(np.ones((2, 3)))
    with jd.GradientTape(persistent=True) as tape:
        y = x[:0] * 2.0
    assert tape.jacobian(y, x).shape == (0, 3, 2, 3)
    assert tape.batch_jacobian(y, jd.constant(np.ones((0, 4)))).shape == (0, 3, 4)


def test_what_is_not_taken_does_no_harm() -> None:
    x = jd.Variable(np.array([-1.0, 0.0, 1.0, 4.0]))
    with jd.GradientTape() as tape, np.errstate(invalid="ignore"):
        y = np.where(x > 0, np.sqrt(x), 0.0)
    assert np.diag(tape.jacobian(y, x).numpy()).tolist() == [0.0, 0.0, 0.5, 0.25]


def test_rules_of_users() -> None:
    seen = []

    @jd.custom_gradient
    def doubled(x):
        def grad(g):
            seen.append(g.shape)
            return g * 2.0 if float(np.sum(g)) > 0 else g

        return x * 2.0, grad

    @jd.custom_vjp
    def tripled(x):
        return 3 * x

    tripled.defvjp(lambda x: (3 * x, None), lambda _, g: (3 * g,))
    square = jd.recompute_grad(lambda x: x * x)
    x = jd.Variable(np.arange(1.0, 6.0))
    with jd.GradientTape() as tape:
        y = square(tripled(doubled(x)))
    np.testing.assert_allclose(tape.jacobian(y, x), np.diag(72 * x.numpy()), rtol=1e-12)
    assert seen == [(5,)] * 5


def test_of_compiled_functions_they_are_native() -> None:
    @jd.compile
    def f(x, w):
        return curve(x) * w, w * w

    x, w = jd.Variable(np.linspace(0.1, 1.0, 6)), jd.Variable(2.0)
    with jd.GradientTape(persistent=True) as tape:
        y, square = f(x, w)
        z = y * square
    by_x, by_w = tape.jacobian(z, [x, w])
    np.testing.assert_allclose(by_x, 8 * curve_by_hand(x.numpy()), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(by_w, 12 * curve(x.numpy()), rtol=1e-12)
    np.testing.assert_allclose(tape.jacobian(y, w), curve(x.numpy()), rtol=1e-12)


def test_other_tapes_record_the_walk(walks) -> None:
    a = np.linspace(0.1, 1.0, 5)
    x = jd.constant(a)
    with jd.GradientTape() as outer:
        outer.watch(x)
        with jd.GradientTape() as inner:
            inner.watch(x)
            y = np.sin(x) * x
        first = inner.jacobian(y, x)
    second = outer.jacobian(first, x).numpy()
    want = np.zeros((5, 5, 5))
    want[range(5), range(5), range(5)] = 2 * np.cos(a) - a * np.sin(a)
    np.testing.assert_allclose(second, want, rtol=1e-12, atol=1e-14)
    assert walks == [5, 25]


def test_three_deep() -> None:
    a = np.linspace(0.5, 1.0, 4)
    x = jd.constant(a)
    with jd.GradientTape() as one:
        one.watch(x)
        with jd.GradientTape() as two:
            two.watch(x)
            with jd.GradientTape() as three:
                three.watch(x)
                y = x**4
            first = three.jacobian(y, x)
        second = two.jacobian(first, x)
    third = one.jacobian(second, x).numpy()
    np.testing.assert_allclose(third[(range(4),) * 4], 24 * a, rtol=1e-12)
    assert np.count_nonzero(third) == 4


def test_derivatives_of_jacobians_in_forward_mode() -> None:
    a = np.linspace(0.1, 1.0, 5)
    x = jd.constant(a)
    with jd.ForwardAccumulator(x, np.ones(5)) as accumulator:
        with jd.GradientTape() as tape:
            tape.watch(x)
            y = np.exp(x)
        matrix = tape.jacobian(y, x)
    np.testing.assert_allclose(accumulator.jvp(matrix), np.diag(np.exp(a)), rtol=1e-12)


def test_a_persistent_tape_records_its_own_jacobian() -> None:
    a = np.linspace(0.1, 1.0, 5)
    x = jd.Variable(a)
    with jd.GradientTape(persistent=True) as tape:
        y = x**3
        with pytest.warns(jd.errors.TapeWarning, match="significantly less efficient"):
            matrix = tape.jacobian(y, x)
        total = np.sum(matrix)
    np.testing.assert_allclose(tape.gradient(total, x), 6 * a, rtol=1e-12)


def test_batch_jacobian_in_one_walk(rng, walks) -> None:
    a, w = rng.normal(size=(3, 4)), rng.normal(size=(4, 6))
    x = jd.constant(a)
    with jd.GradientTape() as outer:
        outer.watch(x)
        with jd.GradientTape() as tape:
            tape.watch(x)
            y = np.tanh(x @ w)
        found = tape.batch_jacobian(y, x)
        total = np.sum(found)
    t = np.tanh(a @ w)
    np.testing.assert_allclose(found, (1 - t * t)[:, :, None] * w.T, rtol=1e-12)
    assert walks == [6]
    gradient = outer.gradient(total, x)
    np.testing.assert_allclose(gradient, ((-2 * t * (1 - t * t)) * w.sum(0)) @ w.T, rtol=1e-10)


def test_batch_jacobian_of_rows_that_mix_is_a_sum() -> None:
    x = jd.Variable(np.array([[1.0, 2.0], [3.0, 4.0]]))
    with jd.GradientTape() as tape:
        y = np.sum(x * x, axis=0) + x
    found = tape.batch_jacobian(y, x).numpy()
    np.testing.assert_allclose(found, [[[5.0, 0.0], [0.0, 9.0]], [[13.0, 0.0], [0.0, 17.0]]])
