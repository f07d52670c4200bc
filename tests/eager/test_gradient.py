"""What `GradientTape.gradient` gives; the cases follow TensorFlow 2."""

from collections import namedtuple

import numpy as np
import pytest

import jitdiff as jd
from jitdiff.ops import OPS, Op


def disconnected(why):
    return pytest.warns(jd.errors.DisconnectedWarning, match=why)


def test_constants_are_not_watched_unless_asked() -> None:
    x = jd.constant(2.0)
    with jd.GradientTape() as tape:
        y = x**2
    with disconnected("was never watched"):
        assert tape.gradient(y, x) is None
    with jd.GradientTape() as tape:
        tape.watch(x)
        y = x**2
    assert tape.gradient(y, x).item() == 4.0


def test_variables_are_watched_by_themselves() -> None:
    x = jd.Variable(2.0)
    with jd.GradientTape() as tape:
        y = x**2
    gradient = tape.gradient(y, x)
    assert type(gradient) is jd.Tensor
    assert gradient.item() == 4.0


def test_variables_that_are_not_trainable_are_not() -> None:
    v = jd.Variable(2.0, trainable=False)
    with jd.GradientTape() as tape:
        y = v * v
    assert tape.gradient(y, v) is None
    with jd.GradientTape() as tape:
        tape.watch(v)
        y = v * v
    assert tape.gradient(y, v).item() == 4.0


def test_a_tape_that_watches_what_it_is_told() -> None:
    v, w = jd.Variable(2.0), jd.Variable(5.0)
    with jd.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(v)
        y = v * w
    assert [g if g is None else g.item() for g in tape.gradient(y, [v, w])] == [5.0, None]
    assert tape.watched_variables() == (v,)


def test_linear_layer() -> None:
    w, b = jd.Variable([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), jd.Variable([0.0, 0.0])
    with jd.GradientTape() as tape:
        y = [[1.0, 2.0, 3.0]] @ w + b
        loss = np.mean(y**2)
    dw, db = tape.gradient(loss, [w, b])
    assert dw.tolist() == [[22, 28], [44, 56], [66, 84]]
    assert db.tolist() == [22, 28]


Point = namedtuple("Point", "x y")


@pytest.mark.parametrize(
    "nest",
    [
        lambda v, w: {"v": v, "w": [w]},
        lambda v, w: (v, (w, v)),
        lambda v, w: Point(x=v, y={"w": w}),
        lambda v, w: [v, v, w],
    ],
)
def test_sources_keep_their_nesting(nest) -> None:
    v, w = jd.Variable(2.0), jd.Variable(3.0)
    with jd.GradientTape() as tape:
        y = v * v * w
    sources = nest(v, w)
    gradients = tape.gradient(y, sources)
    assert type(gradients) is type(sources)
    assert _numbers(gradients) == _numbers(nest(12.0, 4.0))


def _numbers(tree):
    if isinstance(tree, dict):
        return {k: _numbers(v) for k, v in tree.items()}
    if isinstance(tree, list | tuple):
        return [_numbers(v) for v in tree]
    return float(tree)


def test_targets_are_summed() -> None:
    x = jd.Variable(2.0)
    with jd.GradientTape(persistent=True) as tape:
        parts = {"a": x * 2, "b": [x * 3, x * np.array([1.0, 1.0])]}
    assert tape.gradient(parts, x).item() == 7.0
    assert tape.gradient([parts["a"], parts["a"]], x).item() == 4.0


def test_a_target_may_be_a_source() -> None:
    x, v = jd.constant([1.0, 2.0]), jd.Variable(3.0)
    with jd.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = x * v
    assert tape.gradient(x, x).tolist() == [1.0, 1.0]
    assert tape.gradient(v, v).item() == 1.0
    assert tape.gradient([y, x], [y, x])[1].tolist() == [4.0, 4.0]
    assert tape.gradient([y, x], [y, x])[0].tolist() == [1.0, 1.0]


def test_intermediate_values_are_sources() -> None:
    x = jd.constant(np.ones((2, 2)))
    with jd.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = np.sum(x)
        z = y * y
    assert tape.gradient(z, y).item() == 8.0
    dx, dy = tape.gradient(z, [x, y])
    assert dx.tolist() == [[8.0, 8.0], [8.0, 8.0]]
    assert dy.item() == 8.0


def test_what_is_not_connected_is_none_or_zero() -> None:
    x, v = jd.Variable([1.0, 2.0]), jd.Variable([[3.0]], dtype="float32")
    with jd.GradientTape(persistent=True) as tape:
        y = np.sum(x)
        v * 1.0
    for none in ("none", jd.UnconnectedGradients.NONE):
        assert tape.gradient(y, v, unconnected_gradients=none) is None
    for zero in ("zero", jd.UnconnectedGradients.ZERO):
        g, dx = tape.gradient(y, [v, x], unconnected_gradients=zero)
        assert g.tolist() == [[0.0]]
        assert g.dtype == np.float32
        assert dx.tolist() == [1.0, 1.0]
    assert tape.gradient(v, x) is None


def test_integers_are_never_differentiable() -> None:
    n, x = jd.Variable(2), jd.Variable(3.0)
    with jd.GradientTape() as tape:
        y = x * n
    assert tape.watched_variables() == (n, x)
    with disconnected(r"sources\[0\] is None: the source has dtype int64"):
        dn, dx = tape.gradient(y, [n, x])
    assert dn is None
    assert dx.item() == 2.0
    with jd.GradientTape() as tape, pytest.warns(jd.errors.TapeWarning, match="must be floating .* got int64"):
        tape.watch(jd.constant([1, 2]))


def test_a_cast_through_an_integer_cuts() -> None:
    x = jd.Variable(3.7)
    with jd.GradientTape() as tape:
        y = x.astype(np.int64).astype(np.float64) * 2.0
    with disconnected("astype, which gave int64"):
        assert tape.gradient(y, x) is None


def test_a_cast_between_floats_keeps_the_sources_dtype() -> None:
    x = jd.Variable([1.0, 2.0], dtype="float32")
    with jd.GradientTape() as tape:
        y = np.sum(x.astype(np.float64) ** 2)
    gradient = tape.gradient(y, x)
    assert gradient.dtype == np.float32
    assert gradient.tolist() == [2.0, 4.0]


@pytest.mark.parametrize(
    "step",
    [np.floor, np.ceil, np.rint, np.trunc, np.round, lambda x: np.round(x, 1), lambda x: x // 2.0],
)
def test_what_is_flat_between_jumps_has_no_gradient(step) -> None:
    """As in TensorFlow; the sign is the exception there and here."""
    x = jd.Variable([1.3, -2.7])
    with jd.GradientTape() as tape:
        y = step(x) * 2.0
    with disconnected("which has no gradient"):
        assert tape.gradient(y, x) is None
    np.testing.assert_array_equal(jd.grad(lambda x: np.sum(step(x)))(np.array([1.3, -2.7])), [0.0, 0.0])


def test_the_sign_has_a_gradient_of_zeros() -> None:
    x = jd.Variable([1.3, -2.7])
    with jd.GradientTape(persistent=True) as tape:
        y, z = np.sign(x), x % 2.0
    assert tape.gradient(y, x).tolist() == [0.0, 0.0]
    assert tape.gradient(z, x).tolist() == [1.0, 1.0]


def test_stop_gradient() -> None:
    x = jd.Variable(3.0)
    with jd.GradientTape(persistent=True) as tape:
        y = x * jd.stop_gradient(x * x)
        z = jd.stop_gradient(x)
    assert tape.gradient(y, x).item() == 9.0
    assert tape.gradient(z, x) is None


def test_broadcast_operands_get_gradients_of_their_shape(rng) -> None:
    a, b, c = jd.Variable(rng.normal(size=(2, 3))), jd.Variable(rng.normal(size=3)), jd.Variable(2.0)
    with jd.GradientTape() as tape:
        y = a * b + c
    da, db, dc = tape.gradient(y, [a, b, c])
    np.testing.assert_allclose(da, np.broadcast_to(b.numpy(), (2, 3)))
    np.testing.assert_allclose(db, a.numpy().sum(axis=0))
    assert dc.item() == 6.0


def test_output_gradients_weigh_the_targets() -> None:
    x = jd.Variable([1.0, 2.0, 3.0])
    with jd.GradientTape(persistent=True) as tape:
        y = x * x
        z = np.sum(x)
    assert tape.gradient(y, x, output_gradients=[1.0, 10.0, 100.0]).tolist() == [2.0, 40.0, 600.0]
    assert tape.gradient(y, x, output_gradients=jd.constant([0.0, 1.0, 0.0])).tolist() == [0.0, 4.0, 0.0]
    assert tape.gradient(y, x, output_gradients=np.array([1, 0, 0])).tolist() == [2.0, 0.0, 0.0]
    assert tape.gradient([y, z], x, output_gradients=[None, 5.0]).tolist() == [7.0, 9.0, 11.0]
    assert tape.gradient({"y": y, "z": z}, x, output_gradients={"y": np.zeros(3), "z": None}).tolist() == [1.0] * 3


def test_output_gradients_may_be_a_list_of_one_for_one_target() -> None:
    x = jd.Variable([1.0, 2.0])
    with jd.GradientTape(persistent=True) as tape:
        y, z = x * x, np.sum(x)
    for one in (jd.constant([1.0, 10.0]), np.array([1.0, 10.0])):
        assert tape.gradient(y, x, output_gradients=[one]).tolist() == [2.0, 40.0]
    assert tape.gradient(z, x, output_gradients=[jd.constant(3.0)]).tolist() == [3.0, 3.0]
    with pytest.raises(ValueError, match=r"has shape \(1, 3\), its target has \(2,\)"):
        tape.gradient(y, x, output_gradients=[np.ones(3)])


def test_output_gradients_of_the_wrong_shape_or_count() -> None:
    x = jd.Variable([1.0, 2.0, 3.0])
    with jd.GradientTape(persistent=True) as tape:
        y = x * x
        z = np.sum(x)
    with pytest.raises(ValueError, match=r"output_gradients has shape \(2,\), its target has \(3,\)"):
        tape.gradient(y, x, output_gradients=[1.0, 2.0])
    with pytest.raises(ValueError, match=r"output_gradients has shape \(2,\), its target has \(\)"):
        tape.gradient(z, x, output_gradients=[1.0, 2.0])
    with pytest.raises(ValueError, match=r"output_gradients has shape \(\), its target has \(3,\)"):
        tape.gradient(y, x, output_gradients=1.0)
    with pytest.raises(ValueError, match=r"output_gradients\[1\] has shape \(3,\), its target has \(\)"):
        tape.gradient([y, z], x, output_gradients=[None, np.ones(3)])
    for wrong in ([1.0], [1.0, 2.0, 3.0], 1.0, {"y": 1.0}):
        with pytest.raises(ValueError, match="output_gradients"):
            tape.gradient([y, z], x, output_gradients=wrong)
    assert tape.gradient(y, x).tolist() == [2.0, 4.0, 6.0]


def test_python_control_flow_is_simply_run() -> None:
    def f(x, y):
        result = 1.0
        for i in range(y):
            if 1 < i < 5:
                result = result * x
        return result

    def gradient(x, y):
        x = jd.constant(x)
        with jd.GradientTape() as tape:
            tape.watch(x)
            out = f(x, y)
        return tape.gradient(out, x).item()

    assert (gradient(2.0, 6), gradient(2.0, 5), gradient(2.0, 4)) == (12.0, 12.0, 4.0)


def test_raw_arrays_may_change_after_they_were_used() -> None:
    x, a = jd.Variable([1.0, 2.0]), np.array([3.0, 4.0])
    with jd.GradientTape() as tape:
        y = np.sum(x * a)
        a[:] = 0.0
    assert tape.gradient(y, x).tolist() == [3.0, 4.0]


def test_operations_with_several_results() -> None:
    x = jd.Variable([1.0, 2.0, 3.0, 4.0])
    with jd.GradientTape() as tape:
        first, second = np.split(x, 2)
        y = np.sum(first * second)
    assert tape.gradient(y, x).tolist() == [3.0, 4.0, 1.0, 2.0]


def test_a_branch_not_taken_does_not_spoil_the_gradient() -> None:
    x = jd.Variable([0.0, 4.0])
    with jd.GradientTape() as tape, np.errstate(all="ignore"):
        y = np.sum(np.where(x > 1.0, np.sqrt(x), 0.0))
    assert tape.gradient(y, x).tolist() == [0.0, 0.25]


def test_the_backward_pass_gives_no_numpy_warnings() -> None:
    x = jd.Variable(0.0)
    with jd.GradientTape() as tape:
        y = np.sqrt(x)
    assert tape.gradient(y, x).item() == np.inf


def test_cotangents_that_nobody_wants_are_not_computed() -> None:
    asked = []

    def vjp(xs, y, g):
        return (lambda: asked.append("x") or g * xs[1]), (lambda: asked.append("y") or g * xs[0])

    product = Op("product", np.multiply, OPS["multiply"].infer, vjp=vjp)
    x, y = jd.Variable([1.0, 2.0]), jd.Variable([3.0, 4.0])
    with jd.GradientTape(persistent=True) as tape:
        z = product(x, y)
        w = product(x, np.array([3.0, 4.0]))
    assert tape.gradient(z, y).tolist() == [1.0, 2.0]
    assert asked == ["y"]
    assert tape.gradient(w, x).tolist() == [3.0, 4.0]
    assert asked == ["y", "x"]
    with jd.ForwardAccumulator(x, [1.0, 0.0]) as accumulator:
        z = product(x, y)
    assert accumulator.jvp(z).tolist() == [3.0, 0.0]
    assert asked == ["y", "x", "x"]


def test_compiled_functions_are_one_step() -> None:
    x = jd.Variable([0.5, 1.0])

    @jd.compile
    def energy(x):
        return np.sum(np.sin(x) ** 2)

    with jd.GradientTape() as tape:
        y = 3 * energy(x)
    np.testing.assert_allclose(tape.gradient(y, x), 3 * np.sin([1.0, 2.0]))
    with jd.GradientTape() as outer:
        with jd.GradientTape() as inner:
            y = energy(x)
        first = inner.gradient(y, x)
    np.testing.assert_allclose(outer.gradient(first, x), 2 * np.cos([1.0, 2.0]))
