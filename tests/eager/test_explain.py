"""`tape.explain`: every reason for a gradient that is None, and the line of the user's that made it so."""

import warnings

import numpy as np
import pytest
import scipy.integrate

import jitdiff as jd


def through_numpy(x):
    return jd.constant(x.numpy() * 2.0)  # cut


def through_asarray(x):
    return jd.constant(np.asarray(x)) * 2.0  # cut


def through_float(x):
    return jd.constant(float(np.sum(x)))  # cut


def through_an_assignment_into_an_array(x):
    a = np.zeros(2)
    a[0] = x[0]  # cut
    return jd.constant(a)


def through_an_integer(x):
    return x.astype(np.int64) * 1.0  # cut


def through_argmax(x):
    return np.argmax(x) * 1.0  # cut


def through_a_variable(x):
    v = jd.Variable([0.0, 0.0], name="state")
    v.assign(x * 2.0)  # cut
    return v * 1.0


def through_a_constant(x):
    return jd.constant([x[0], x[1]])  # cut


CUTS = {
    through_numpy: "numpy()",
    through_asarray: "a conversion to a NumPy array",
    through_float: "float()",
    through_an_assignment_into_an_array: "assignment into a NumPy array",
    through_an_integer: "astype, which gave int64",
    through_argmax: "argmax, which has no gradient",
    through_a_variable: "an assignment to the Variable 'state', which stops gradients",
    through_a_constant: "conversion",
}


@pytest.mark.parametrize("cut", CUTS, ids=lambda f: f.__name__)
def test_where_a_value_left_the_tape(cut) -> None:
    x = jd.Variable([1.5, 2.5])
    with jd.GradientTape(persistent=True) as tape, warnings.catch_warnings(action="ignore"):
        y = np.sum(cut(x * 3.0))
    text = tape.explain(y, x)
    assert CUTS[cut] in text
    assert f"test_explain.py:{_line_of(cut)} in {cut.__name__}:" in text
    with pytest.warns(jd.errors.DisconnectedWarning, match="the gradient by sources is None: the source, or what"):
        assert tape.gradient(y, x) is None


def _line_of(function):
    import inspect

    lines, first = inspect.getsourcelines(function)
    (k,) = [k for k, line in enumerate(lines) if "# cut" in line]
    return first + k


@pytest.mark.parametrize("leave", [lambda w: w.numpy(), lambda w: np.asarray(w), lambda w: w.tolist()])
def test_a_variable_that_is_only_read_as_numbers(leave) -> None:
    w = jd.Variable([1.0, 2.0])
    with jd.GradientTape(persistent=True) as tape:
        y = np.sum(jd.constant(leave(w)) * 2.0)  # cut
    assert tape.watched_variables() == (w,)
    text = tape.explain(y, w)
    assert text.startswith("the source, or what was computed from it, went through ")
    assert f"in {'test_a_variable_that_is_only_read_as_numbers'}:" in text or "in <lambda>" in text
    with pytest.warns(jd.errors.DisconnectedWarning, match="went through"):
        assert tape.gradient(y, w) is None


def detached(x):
    return scipy.integrate.trapezoid(x)  # cut


@pytest.mark.parametrize(
    "transform",
    [
        lambda f: jd.grad(f)(np.ones(2)),
        lambda f: jd.value_and_grad(f)(np.ones(2))[1],
        lambda f: jd.vjp(f, np.ones(2))[1](1.0)[0],
        lambda f: jd.jacrev(f)(np.ones(2)),
    ],
)
def test_transforms_may_be_told_to_warn_only(transform) -> None:
    with jd.config(leaks="warn"), pytest.warns(jd.errors.DisconnectedWarning) as caught:
        assert transform(detached).tolist() == [0.0, 0.0]
    assert caught[0].filename == __file__
    assert str(caught[0].message) == (
        "the derivative by input 0 leaves out what went through scipy.integrate.trapezoid, "
        "by a conversion to a NumPy array"
        f"\n  at test_explain.py:{_line_of(detached)} in detached:  return scipy.integrate.trapezoid(x)  # cut"
    )
    with jd.config(leaks="ignore"):
        assert transform(detached).tolist() == [0.0, 0.0]


def test_forward_mode_warns_too() -> None:
    with jd.config(leaks="warn"), pytest.warns(jd.errors.DisconnectedWarning, match="the tangent leaves out"):
        assert jd.jvp(detached, (np.ones(2),), (np.ones(2),)) == (1.0, 0.0)


def test_transforms_do_not_warn_of_true_zeros() -> None:
    """Numbers of one argument that are looked at say nothing of another; comparisons and steps are truly flat."""

    def f(x, y):
        assert float(x) < 2.0
        return x * x if x > 0.0 else y

    assert jd.grad(f, argnums=1)(1.0, 3.0) == 0.0
    assert jd.grad(lambda x: np.floor(x))(1.5) == 0.0
    assert jd.grad(lambda x: 2.0)(1.5) == 0.0


def test_a_stopped_region() -> None:
    x, v = jd.constant(2.0), jd.Variable(2.0)
    with jd.GradientTape() as tape:
        tape.watch(x)
        with tape.stop_recording():
            y = x * x * v
        z = y * 2.0
    assert tape.explain(z, v) == "the Variable 'Variable' was not read while the tape recorded"
    assert "multiply, computed while the tape did not record\n  at test_explain.py" in tape.explain(z, x)


def test_what_was_never_watched() -> None:
    c, v = jd.constant(1.0), jd.Variable(2.0, trainable=False, name="v")
    w, u = jd.Variable(3.0, name="w"), jd.Variable(4.0, name="u")
    with jd.GradientTape() as tape:
        y = c * v * w
    assert tape.explain(y, c).startswith("the source is a Tensor that was never watched: tape.watch(x)")
    assert tape.explain(y, v).startswith("the Variable 'v' is not trainable")
    assert tape.explain(y, u) == "the Variable 'u' was not read while the tape recorded"
    assert tape.explain(y, w) == "the gradient is not None"
    with jd.GradientTape(watch_accessed_variables=False) as tape:
        y = c * w
    assert "watches only what it is told" in tape.explain(y, w)


def test_a_variable_replaced_by_a_tensor() -> None:
    x = jd.Variable(2.0)
    x = x + 1
    with jd.GradientTape() as tape:
        y = x * 2.0
    assert "where it took the place of a Variable (x = x + 1)" in tape.explain(y, x)


def test_integers() -> None:
    n, x = jd.Variable(2), jd.Variable(3.0)
    with jd.GradientTape() as tape:
        y = n * x
        m = np.argmax(x * np.ones(2))
    assert tape.explain(y, n) == "the source has dtype int64, and only what is floating has gradients"
    assert tape.explain(m, x) == "the target has dtype int64, and only what is floating has gradients"


def test_no_connection_at_all() -> None:
    x, z = jd.Variable(2.0), jd.Variable(3.0)
    with jd.GradientTape() as tape:
        y = x * 2.0
        w = z * y
        u = z * 1.0
    assert tape.explain(u, x) == "the target was not computed from the source while the tape recorded"
    assert tape.explain(w, z) == "the gradient is not None"


def test_it_can_be_asked_after_the_tape_was_used() -> None:
    x, c = jd.Variable(2.0), jd.constant(3.0)
    with jd.GradientTape() as tape:
        y = x * c
    with pytest.warns(jd.errors.DisconnectedWarning):
        tape.gradient(y, [x, c])
    assert "never watched" in tape.explain(y, c)
    assert "the tape has been used" in tape.explain(y, x)


def test_the_warning_names_the_users_line_and_comes_once_for_it() -> None:
    x, c = jd.Variable(2.0), jd.constant(3.0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            with jd.GradientTape() as tape:
                y = x * c
            tape.gradient(y, {"x": x, "c": [c]})
    (warning,) = caught
    assert warning.filename == __file__
    assert str(warning.message).startswith("the gradient by sources['c'][0] is None: the source is a Tensor")


def test_what_is_meant_gives_no_warning() -> None:
    x, frozen = jd.Variable(2.0), jd.Variable(3.0, trainable=False)
    with jd.GradientTape(persistent=True) as tape:
        y = jd.stop_gradient(x) * frozen
        z = frozen * 1.0
    assert tape.gradient(y, [x, frozen]) == [None, None]
    assert tape.gradient(z, x) is None
    assert tape.gradient(y, x, unconnected_gradients="zero").item() == 0.0
    assert "stop_gradient" in tape.explain(y, x)
