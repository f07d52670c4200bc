"""What programs took for settled when they were traced: a function and its derivatives never disagree about it."""

from __future__ import annotations

import collections
import functools
import gc
import pickle
import threading
import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import jitdiff as jd
from jitdiff.api.specialisation import Specialisation
from jitdiff.errors import SettledWarning

X = np.array([1.0, 2.0])


class Holder:
    def __init__(self, **held: Any) -> None:
        vars(self).update(held)


def in_namespace(source: str, **names: Any) -> Any:
    """The function f of some text, and its globals."""
    scope = {"np": np, **names}
    exec(source, scope)
    return scope["f"], scope


@pytest.mark.parametrize(
    "ask",
    [
        lambda f: f(np.ones(3)),
        lambda f: f.grad(X),
        lambda f: jd.vjp(f, {"a": X}),
        lambda f: jd.jvp(f, (X,), (X,)),
        lambda f: jd.hessian(f)(X),
        lambda f: jd.vmap(f)(np.ones((3, 2))),
        lambda f: f.warmup(np.ones(5)),
        lambda f: f(X.astype(np.float32)),
    ],
)
def test_whatever_is_traced_notices(ask):
    scale = Holder(k=2.0)
    f = jd.compile(lambda x: scale.k * np.sum(x["a"] if isinstance(x, dict) else x))
    assert f(X) == 6.0
    scale.k = 5.0
    with pytest.warns(SettledWarning, match=r"scale\.k has changed from 2\.0 to 5\.0"):
        ask(f)
    assert f(X) == 15.0


def test_under_a_tape():
    scale = Holder(k=2.0)
    f = jd.compile(lambda x: scale.k * np.sum(x**2))
    x = jd.Variable(X)
    with jd.GradientTape(persistent=True) as tape:
        y = f(x)
        scale.k = 5.0
    # The gradient is that of the value that was recorded.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SettledWarning)
        np.testing.assert_array_equal(tape.gradient(y, x), 4 * X)


def test_functions_bound_to_other_functions():
    f, scope = in_namespace("def g(x): return 2 * x\ndef f(x): return np.sum(g(x))")
    compiled = jd.compile(f)
    assert compiled(X) == 6.0
    scope["g"] = lambda x: 3 * x
    with pytest.warns(SettledWarning, match="g is another function"):
        np.testing.assert_array_equal(compiled.grad(X), [3.0, 3.0])
    assert compiled(X) == 9.0


def test_arrays_bound_anew_and_arrays_changed_in_place():
    table = SimpleNamespace(w=np.array([1.0, 2.0]))
    f = jd.compile(lambda x: np.sum(table.w * x))
    assert f(X) == 5.0
    table.w[:] = 10.0
    assert f(X) == 30.0
    np.testing.assert_array_equal(f.grad(X), [10.0, 10.0])  # without a warning: it is read anew at each call
    table.w = np.array([0.0, 1.0])
    with pytest.warns(SettledWarning, match=r"table\.w is another array"):
        f.value_and_grad(X)
    assert f(X) == 2.0


def test_static_objects_of_arguments():
    class Settings:
        factor = 2.0

    f = jd.compile(lambda x, settings: settings.factor * np.sum(x))
    assert f(X, Settings) == 6.0
    Settings.factor = 3.0
    with pytest.warns(SettledWarning, match=r"settings\.factor has changed from 2\.0 to 3\.0"):
        f.grad(X, Settings)
    assert f(X, Settings) == 9.0


def test_one_warning_names_what_changed():
    a, b = Holder(k=1.0), Holder(k=2.0)
    f = jd.compile(lambda x: a.k * b.k * np.sum(x))
    f(X)
    a.k, b.k = 3.0, 4.0
    with pytest.warns(SettledWarning) as caught:
        f.grad(X)
    assert len(caught) == 1
    text = str(caught[0].message)
    assert "a.k has changed from 1.0 to 3.0, b.k has changed from 2.0 to 4.0" in text
    assert caught[0].filename == __file__


def test_functions_inside_other_functions_share_what_they_settle():
    scale = Holder(k=2.0)
    inner = jd.compile(lambda x: scale.k * x)
    outer = jd.compile(lambda x: np.sum(inner(x)))
    assert outer(X) == 6.0
    scale.k = 5.0
    with pytest.warns(SettledWarning):
        np.testing.assert_array_equal(outer.grad(X), [5.0, 5.0])
    assert outer(X) == 15.0


def test_methods_of_one_class():
    class Model:
        rate = 2.0

        def __init__(self, w: float) -> None:
            self.w = w

        @jd.compile
        def loss(self, x):
            return self.rate * self.w * np.sum(x)

    model = Model(1.0)
    assert model.loss(X) == 6.0
    model.w = 2.0  # an argument like others
    np.testing.assert_array_equal(model.loss.grad(X), [4.0, 4.0])
    Model.rate = 3.0
    with pytest.warns(SettledWarning, match=r"Model\.rate"):
        model.loss.value_and_grad(X)
    assert model.loss(X) == 18.0
    assert Model(1.0).loss(X) == 9.0


def unread_attribute(holder: Any) -> None:
    holder.unread = 5.0


def equal_number(holder: Any) -> None:
    holder.k = float("2.0")


def grown_log(holder: Any) -> None:
    holder.log.append(1.0)


def emptied_log(holder: Any) -> None:
    holder.log.clear()


@pytest.mark.parametrize("change", [unread_attribute, equal_number, grown_log, emptied_log])
def test_what_is_not_read_may_change(change):
    holder = Holder(k=2.0, log=[], unread=1.0)
    log = holder.log

    def loss(x):
        log.append(1.0)
        return holder.k * np.sum(x)

    f = jd.compile(loss)
    f(X)
    change(holder)
    f.grad(X)  # warnings are errors
    assert len(f.specialisations) == 1


def test_what_tracing_itself_changes_is_no_news():
    traces = SimpleNamespace(count=0, last=None)

    def loss(x):
        traces.count += 1
        traces.last = {"x": [traces.count]}
        return np.sum(x) * (1.0 + 0.0 * traces.count)

    f = jd.compile(loss)
    for _ in range(2):
        f(X), f.grad(X), f(np.ones(3)), f.value_and_grad(X)
    assert len(f.specialisations) == 2


def test_cyclic_structures_and_nan():
    node = Holder(value=np.nan)
    node.self, node.children = node, [node]
    f = jd.compile(lambda x: np.where(np.isnan(node.self.value), x, node.children[0].value))
    assert f(1.0) == 1.0
    assert f.grad(1.0) == 1.0
    node.value = 2.0
    with pytest.warns(SettledWarning, match="value has changed from nan to 2.0"):
        f.value_and_grad(1.0)
    assert f(1.0) == 2.0


def test_calls_from_threads_see_one_world():
    scale = Holder(k=2.0)
    f = jd.compile(lambda x: scale.k * np.sum(x))
    f(X)
    scale.k = 5.0
    results: list[tuple[Any, Any]] = []

    def work(n: int) -> None:
        results.append((f.grad(np.ones(n))[0], n))

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        threads = [threading.Thread(target=work, args=(n,)) for n in (1, 2, 3, 4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len([w for w in caught if w.category is SettledWarning]) == 1
    assert sorted(results) == [(5.0, n) for n in (1, 2, 3, 4)]
    assert f(X) == 15.0


def test_quick_calls_are_dropped_too():
    scale = Holder(k=2.0)
    f = jd.compile(lambda x: scale.k * np.sum(x))
    for _ in range(5):
        assert f(X) == 6.0
    scale.k = 5.0
    with pytest.warns(SettledWarning):
        f.grad(X)
    for _ in range(5):
        assert f(X) == 15.0


def test_methods_taken_before_the_change():
    scale = Holder(k=2.0)

    class Model:
        def __init__(self) -> None:
            self.w = 1.0

    def loss(self, x):
        return scale.k * self.w * np.sum(x)

    # The method keeps the compiled function, which nothing else does.
    method: Any = jd.compile(loss).__get__(Model(), Model)
    assert method(X) == 6.0
    gc.collect()
    scale.k = 5.0
    with pytest.warns(SettledWarning):
        np.testing.assert_array_equal(method.grad(X), [5.0, 5.0])
    assert method(X) == 15.0


def in_another_thread(function: Any, *args: Any) -> None:
    thread = threading.Thread(target=function, args=args)
    thread.start()
    thread.join()


def test_a_change_while_a_program_is_compiled(monkeypatch):
    scale = Holder(k=2.0)
    f = jd.compile(lambda x: scale.k * np.sum(x))
    direct = Specialisation.direct

    def slow(self: Specialisation, leaves: Any) -> Any:
        monkeypatch.undo()
        scale.k = 5.0
        with pytest.warns(SettledWarning):
            in_another_thread(f, np.ones(3))
        return direct(self, leaves)

    monkeypatch.setattr(Specialisation, "direct", slow)
    assert f(X) == 6.0  # it was traced before
    for _ in range(3):
        assert f(X) == 15.0


def test_pickles_are_of_what_is_settled_where_they_are_read():
    scale = Holder(k=2.0)
    f = jd.compile(lambda x: scale.k * np.sum(x))
    f(X)
    again = pickle.loads(pickle.dumps(f))
    scale.k = 5.0
    assert again(X) == f(X) == 6.0
    np.testing.assert_array_equal(again.grad(X), [2.0, 2.0])


def local_variable_named_like_a_global() -> tuple[Any, Any]:
    source = "def f(x):\n    k = 2.0\n    def inside(): return k\n    return inside() * np.sum(x)"
    f, scope = in_namespace(source, k=1.0)
    return f, functools.partial(scope.__setitem__, "k")


def variable_of_a_function_named_like_a_global() -> tuple[Any, Any]:
    f, scope = in_namespace("def outer(k): return lambda x: k * np.sum(x)\nf = outer(2.0)", k=1.0)
    return f, functools.partial(scope.__setitem__, "k")


def attribute_that_no_code_names() -> tuple[Any, Any]:
    holder = SimpleNamespace(w=2.0, k=1.0)
    return lambda x: holder.w * np.sum(x), functools.partial(setattr, holder, "k")


@pytest.mark.parametrize(
    "kind",
    [local_variable_named_like_a_global, variable_of_a_function_named_like_a_global, attribute_that_no_code_names],
)
def test_what_is_not_read_is_not_settled(kind):
    function, change = kind()
    f = jd.compile(function)
    assert f(X) == 6.0
    change(5.0)
    np.testing.assert_array_equal(f.grad(X), [2.0, 2.0])  # warnings are errors


def chain(length: int, back_to: int | None = None) -> list[Holder]:
    """Nodes that each hold the next one, and the last one an earlier one or None."""
    nodes = [Holder(value=1.0) for _ in range(length)]
    for node, following in zip(nodes, [*nodes[1:], None if back_to is None else nodes[back_to]], strict=True):
        node.next = following
    return nodes


@pytest.mark.parametrize("back_to", [None, 0, 1500])
def test_long_chains_and_rings(back_to):
    nodes = chain(2000, back_to)
    first = nodes[0]
    f = jd.compile(lambda x: first.value * first.next.value * np.sum(x))
    assert f(X) == 3.0
    f.grad(X)  # warnings are errors
    nodes[1].value = 2.0
    with pytest.warns(SettledWarning, match=r"first\.next\.value has changed from 1\.0 to 2\.0"):
        f.value_and_grad(X)
    assert f(X) == 6.0


def test_a_container_in_two_places_is_replaced_in_one():
    inner, other = [Holder(k=2.0)], [Holder(k=5.0)]
    held = Holder(a=inner, b=other, c=inner)
    f = jd.compile(lambda x: (held.c[0].k + 0.0 * held.a[0].k * held.b[0].k) * np.sum(x))
    assert f(X) == 6.0
    held.c = other
    with pytest.warns(SettledWarning):
        f.grad(X)
    assert f(X) == 15.0


def test_arrays_that_are_another_object_at_the_same_memory_are_the_same():
    class Table:
        def __init__(self) -> None:
            self.memory = np.array([2.0, 1.0])
            self.rows = self.memory[:1]

    table = Table()
    f = jd.compile(lambda x: float(table.rows[0]) * np.sum(x))
    assert f(X) == 6.0
    table.rows = table.memory[:1]
    f.grad(X)  # warnings are errors
    table.rows = table.memory[1:]
    with pytest.warns(SettledWarning, match=r"table\.rows is another array"):
        f.value_and_grad(X)
    assert f(X) == 3.0


@pytest.mark.parametrize("array", [np.array([2.0, "a", None], object), np.array([], "U"), np.array(["2", "b"])])
def test_arrays_of_all_kinds(array):
    f = jd.compile(lambda x: len(array) * np.sum(x))
    assert f(X) == 3.0 * len(array)
    f.grad(X)  # warnings are errors
    if len(array):
        array[0] = "7"
        with pytest.warns(SettledWarning):
            f.value_and_grad(X)


@pytest.mark.parametrize("changed", [0, 1, 2])
def test_items_of_each_library_container(changed):
    tables: list[Any] = [collections.UserDict(k=2.0), collections.UserList([2.0]), collections.ChainMap({}, {"k": 2.0})]
    table, key = tables[changed], ("k", 0, "k")[changed]
    f = jd.compile(lambda x: table[key] * np.sum(x))
    assert f(X) == 6.0
    table[key] = 5.0
    with pytest.warns(SettledWarning):
        f.grad(X)
    assert f(X) == 15.0
