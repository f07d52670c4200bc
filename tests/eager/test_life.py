"""The life of a tape: used once or more, paused, reset, entered again, freed, in threads."""

import gc
import threading
import warnings
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import jitdiff as jd
from jitdiff.eager.recorder import active

USED = (
    "GradientTape.gradient can only be called once on non-persistent tapes. A non-persistent GradientTape can only be "
    "used to compute one set of gradients (or jacobians)."
)


def test_the_second_gradient_of_a_tape_that_is_not_persistent() -> None:
    x = jd.Variable(2.0)
    with jd.GradientTape() as tape:
        y = x * x
    tape.gradient(y, x)
    with pytest.raises(RuntimeError) as error:
        tape.gradient(y, x)
    first, *rest = str(error.value).splitlines()
    assert first == USED
    assert rest[-1] == "  hint: make it with jd.GradientTape(persistent=True)"
    assert tape.watched_variables() == (x,)


def test_a_persistent_tape_answers_as_often_as_asked() -> None:
    x = jd.constant([1.0, 3.0])
    with jd.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = x * x
        z = y * y
    assert tape.gradient(z, x).tolist() == [4.0, 108.0]
    assert tape.gradient(y, x).tolist() == [2.0, 6.0]
    assert tape.gradient(z, y).tolist() == [2.0, 18.0]


def test_a_gradient_inside_the_context_ends_the_recording() -> None:
    x = jd.Variable(3.0)
    with jd.GradientTape() as tape:
        y = x * x
        assert tape.gradient(y, x).item() == 6.0
        assert active() == []
        with pytest.raises(RuntimeError, match="is not recording"), tape.stop_recording():
            pass


def test_stop_recording_makes_constants() -> None:
    x = jd.Variable(3.0)
    with jd.GradientTape(persistent=True) as tape:
        y = x
        with tape.stop_recording():
            z = y * y
            read = x.value()
        w = z + x
        v = read * x
    assert tape.gradient(w, x).item() == 1.0
    assert tape.gradient(v, x).item() == 3.0
    assert tape.gradient(z, x) is None


def test_stop_recording_pauses_one_tape_only() -> None:
    x = jd.Variable(3.0)
    with jd.GradientTape() as outer, jd.GradientTape() as inner:
        with inner.stop_recording():
            y = x * x
        z = y * x
    assert inner.gradient(z, x).item() == 9.0
    assert outer.gradient(z, x).item() == 27.0


def test_stop_recording_resumes_after_an_exception() -> None:
    x = jd.Variable(3.0)
    with jd.GradientTape() as tape:
        with pytest.raises(KeyError), tape.stop_recording():
            raise KeyError
        y = x * x
    assert tape.gradient(y, x).item() == 6.0


def test_a_gradient_inside_a_persistent_tape_warns_once() -> None:
    x = jd.Variable(3.0)
    with jd.GradientTape(persistent=True) as tape, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        y = x * x
        for _ in range(3):
            tape.gradient(y, x)
            tape.jacobian(y, x)
    assert [w.category for w in caught] == [jd.errors.TapeWarning]
    assert caught[0].filename == __file__


def test_errors_of_a_tapes_life_are_what_tensorflow_users_catch() -> None:
    tape = jd.GradientTape()
    for kind in (ValueError, RuntimeError):
        with pytest.raises(kind, match="Tape is not recording"):
            tape.reset()


def test_a_gradient_during_a_pause_ends_the_recording() -> None:
    x = jd.Variable(3.0)
    with jd.GradientTape() as tape:
        y = x * x
        with tape.stop_recording():
            assert tape.gradient(y, x).item() == 6.0
        assert active() == []
        assert "used" in repr(tape)


def test_a_tape_entered_again_goes_on() -> None:
    x = jd.Variable(3.0)
    tape = jd.GradientTape()
    with tape:
        y = x * x
    between = y * y
    with tape:
        z = y * x + between
    assert tape.gradient(z, x).item() == 27.0


def test_a_used_tape_entered_again_begins_anew() -> None:
    x = jd.Variable(3.0)
    tape = jd.GradientTape()
    for expected in (6.0, 6.0):
        with tape:
            y = x * x
        assert tape.gradient(y, x).item() == expected


def test_an_active_tape_cannot_be_entered() -> None:
    with jd.GradientTape() as tape, pytest.raises(RuntimeError, match="Tape is still recording"), tape:
        pass
    assert active() == []


def test_reset_forgets() -> None:
    x = jd.constant(3.0)
    with jd.GradientTape() as tape:
        tape.watch(x)
        y = x * x
        tape.reset()
        tape.watch(x)
        z = x * x * x
    dy, dz = tape.gradient([y, z], [y, x])
    assert dy.item() == 1.0
    assert dz.item() == 27.0
    with pytest.raises(RuntimeError, match=r"Tape is not recording\."):
        tape.reset()


def test_watched_variables_stand_in_order_of_construction() -> None:
    a, b, c = (jd.Variable(float(k)) for k in range(3))
    with jd.GradientTape() as tape:
        y = c * a + b
    assert [v is w for v, w in zip(tape.watched_variables(), (a, b, c), strict=True)] == [True] * 3
    tape.gradient(y, a)
    assert len(tape.watched_variables()) == 3


def test_an_exception_leaves_no_tape_active() -> None:
    x = jd.Variable(3.0)
    tape = jd.GradientTape()
    with pytest.raises(ZeroDivisionError), jd.GradientTape(), tape:
        _ = (x * x) / (1 / 0)
    assert active() == []
    with tape:
        y = x * x
    assert tape.gradient(y, x).item() == 6.0


def test_an_error_in_an_op_or_a_rule_leaves_no_tape_active() -> None:
    x = jd.Variable([1.0, 2.0])

    @jd.custom_gradient
    def broken(x):
        return x * 1.0, lambda dy: 1 / 0

    with jd.GradientTape() as outer:
        with jd.GradientTape(persistent=True) as inner:
            y = broken(x)
            with pytest.raises(ValueError, match="broadcast"):
                y + np.ones(3)
        with pytest.raises(ZeroDivisionError):
            inner.gradient(y, x)
        assert len(active()) == 1
        z = x * x
    assert active() == []
    assert outer.gradient(z, x).tolist() == [2.0, 4.0]


@pytest.fixture
def no_collector():
    """The cyclic garbage collector is off: what goes, goes by reference counting."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def _alive(values):
    return [ref for ref in map(weakref.ref, values) if ref() is not None]


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("persistent", [False, True])
def test_a_tape_frees_its_graph_by_reference_counting(persistent) -> None:
    x = jd.Variable(np.ones(3))
    tape = jd.GradientTape(persistent=persistent)
    with tape:
        y = np.sin(x) * x
        z = np.sum(np.exp(y))
    gradient = tape.gradient(z, x)
    refs = [weakref.ref(v) for v in (y, z, tape, gradient)]
    del y, z, tape, gradient
    assert [r() for r in refs] == [None] * 4


@pytest.mark.usefixtures("no_collector")
def test_a_used_tape_holds_nothing() -> None:
    x = jd.Variable(np.ones(3))
    with jd.GradientTape() as tape:
        y = np.sin(x)
        z = np.sum(y)
    ref = weakref.ref(y)
    del y
    assert ref() is not None
    tape.gradient(z, x)
    assert ref() is None


@pytest.mark.usefixtures("no_collector")
def test_nested_tapes_and_transforms_free_their_graphs() -> None:
    x = jd.constant([1.0, 2.0])
    with jd.GradientTape() as outer:
        with jd.GradientTape() as inner:
            inner.watch(x)
            y = np.sum(x**3)
        first = inner.gradient(y, x)
    second = outer.gradient(first, x)
    value, vjp = jd.make_vjp(lambda x: np.sum(x * x))(x)
    with jd.ForwardAccumulator(x, [1.0, 1.0]) as accumulator:
        z = np.sin(x)
    refs = [weakref.ref(v) for v in (outer, inner, y, first, second, value, accumulator, z)]
    del outer, inner, y, first, second, value, vjp, accumulator, z
    assert [r() for r in refs] == [None] * 8


@pytest.mark.usefixtures("no_collector")
def test_a_variable_does_not_outlive_its_use() -> None:
    v = jd.Variable(1.0)
    with jd.GradientTape() as tape:
        y = v * v
    ref = weakref.ref(v)
    tape.gradient(y, v)
    del v, y, tape
    assert ref() is None


def test_tapes_belong_to_their_thread() -> None:
    x = jd.Variable(2.0)
    seen = []

    def other():
        with jd.GradientTape():
            seen.append(len(active()))
        seen.append(len(active()))
        seen.append((x * x).item())

    with jd.GradientTape() as tape:
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        y = x * 3.0
    assert seen == [1, 0, 4.0]
    assert tape.gradient(y, x).item() == 3.0


def test_many_threads_at_once() -> None:
    v = jd.Variable([1.0, 2.0, 3.0])

    def work(k):
        for _ in range(50):
            with jd.GradientTape() as outer:
                with jd.GradientTape() as inner:
                    y = np.sum(v**3) * k
                first = inner.gradient(y, v)
            second = outer.gradient(first, v).tolist()
        return second

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == [[6.0 * k, 12.0 * k, 18.0 * k] for k in range(4)]


def test_a_gradient_may_be_taken_in_another_thread() -> None:
    x = jd.Variable(2.0)
    with jd.GradientTape() as tape:
        y = x * x
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(tape.gradient, y, x).result().item() == 4.0


def test_repr_tells_the_state() -> None:
    x = jd.Variable([1.0, 2.0])
    c = jd.constant(3.0)
    tape = jd.GradientTape(persistent=True)
    assert repr(tape).startswith("<jd.GradientTape: persistent, not entered, 0 ops, 0 bytes")
    with tape:
        tape.watch(c)
        y = x * c
        assert repr(tape) == (
            "<jd.GradientTape: persistent, recording, 2 ops, 40 bytes, watching 1 tensors and 1 variables>"
        )
    assert "not recording" in repr(tape)
    with jd.GradientTape() as tape:
        y = x * c
    tape.gradient(y, x)
    assert "used, 0 ops, 0 bytes" in repr(tape)
