"""Each mistake with a tape has a sentence of its own."""

import numpy as np
import pytest

import jitdiff as jd


def test_watch_before_with() -> None:
    tape = jd.GradientTape()
    with pytest.raises(RuntimeError, match=r"tape\.watch\(\) called before the tape was entered.*\n.*\n  hint: use it"):
        tape.watch(jd.constant(1.0))


def test_gradient_of_a_tape_that_never_recorded() -> None:
    x = jd.constant(1.0)
    with pytest.raises(
        RuntimeError, match=r"tape\.gradient\(\) called before the tape was entered: it has not recorded"
    ):
        jd.GradientTape().gradient(x, x)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (2.0, r"sources is a float, not a Tensor or Variable"),
        (np.ones(2), r"sources is an ndarray, not a Tensor or Variable"),
        (None, r"sources is None, not a Tensor or Variable"),
        ([jd.constant(1.0), None], r"sources\[1\] is None"),
        ({"w": [1.0]}, r"sources\['w'\]\[0\] is a float"),
        ("x", r"sources is a str"),
    ],
)
def test_sources_that_no_tape_can_follow(source, message) -> None:
    x = jd.Variable(2.0)
    with jd.GradientTape() as tape:
        y = x * x
    with pytest.raises(TypeError, match=message) as error:
        tape.gradient(y, source)
    assert "test_tape_mistakes.py" in str(error.value)
    assert tape.gradient(y, x).item() == 4.0


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (None, "target is None.*\n.*\n  hint: it may be a function without return"),
        (4.0, r"target is a float.*\n.*\n  hint: compute it from Tensors"),
        ([np.ones(2)], r"target\[0\] is an ndarray"),
    ],
)
def test_targets_that_no_tape_can_follow(target, message) -> None:
    x = jd.Variable(2.0)
    with jd.GradientTape() as tape:
        x * x
    with pytest.raises(TypeError, match=message):
        tape.gradient(target, x)


@pytest.mark.parametrize("thing", [3.0, np.ones(2), None, [jd.constant(1.0), 2.0]])
def test_watching_what_is_no_tensor(thing) -> None:
    with jd.GradientTape() as tape, pytest.raises(ValueError, match=r"Passed in object .* not jd\.Tensor or jd\.V"):
        tape.watch(thing)


def test_an_unknown_value_for_unconnected_gradients() -> None:
    x = jd.Variable(2.0)
    with jd.GradientTape() as tape:
        y = x * x
    with pytest.raises(ValueError, match="Unknown value for unconnected_gradients: 'foo'"):
        tape.gradient(y, x, unconnected_gradients="foo")


def test_pausing_a_tape_that_does_not_record() -> None:
    tape = jd.GradientTape()
    with (
        pytest.raises(RuntimeError, match="Trying to stop recording a tape which is not recording"),
        tape.stop_recording(),
    ):
        pass
