"""Whatever code reads from around it is settled when it is traced: names, attributes, items, defaults, functions."""

from __future__ import annotations

import contextvars
import dataclasses
import functools
import operator
import sys
import threading
import types
import weakref
from typing import Any

import numpy as np
import pytest

import jitdiff as jd
from jitdiff.errors import SettledWarning

X = np.array([1.0, 2.0])


class Holder:
    def __init__(self, **held: Any) -> None:
        vars(self).update(held)


def helper_of(holder: Any) -> Any:
    def helper(x: Any) -> Any:
        return holder.w * x

    return helper


def closure() -> tuple[Any, Any]:
    k: Any = 2.0

    def change(value: Any) -> None:
        nonlocal k
        k = value

    return lambda x: k * np.sum(x), change


def in_namespace(source: str, **names: Any) -> Any:
    """The function f of some text, and its globals."""
    scope = {"np": np, **names}
    exec(source, scope)
    return scope["f"], scope


def global_number() -> tuple[Any, Any]:
    f, scope = in_namespace("def f(x): return k * np.sum(x)", k=2.0)
    return f, functools.partial(scope.__setitem__, "k")


def global_of_a_helper() -> tuple[Any, Any]:
    f, scope = in_namespace("def g(x): return k * x\ndef f(x): return np.sum(g(x))", k=2.0)
    return f, functools.partial(scope.__setitem__, "k")


def attribute_of_a_module() -> tuple[Any, Any]:
    config = types.ModuleType("config")
    config.k = 2.0
    return lambda x: config.k * np.sum(x), functools.partial(setattr, config, "k")


def attribute_of_an_object() -> tuple[Any, Any]:
    model = Holder(w=2.0, other=1.0)
    return lambda x: model.w * np.sum(x), functools.partial(setattr, model, "w")


def attribute_of_an_object_in_an_object() -> tuple[Any, Any]:
    model = Holder(layers=[Holder(w=2.0)])
    return lambda x: model.layers[0].w * np.sum(x), functools.partial(setattr, model.layers[0], "w")


def attribute_read_by_a_helper() -> tuple[Any, Any]:
    holder = Holder(w=2.0)
    helper = helper_of(holder)
    return lambda x: np.sum(helper(x)), functools.partial(setattr, holder, "w")


def attribute_of_a_class() -> tuple[Any, Any]:
    class Settings:
        k = 2.0

    return lambda x: Settings.k * np.sum(x), functools.partial(setattr, Settings, "k")


def attribute_of_the_class_of_an_object() -> tuple[Any, Any]:
    class Settings:
        k = 2.0

    settings = Settings()
    return lambda x: settings.k * np.sum(x), functools.partial(setattr, Settings, "k")


def attribute_by_its_name() -> tuple[Any, Any]:
    model = Holder(w=2.0)
    return lambda x: getattr(model, "w") * np.sum(x), functools.partial(setattr, model, "w")  # noqa: B009


def attribute_by_attrgetter() -> tuple[Any, Any]:
    model, get = Holder(inner=Holder(w=2.0)), operator.attrgetter("inner.w")
    return lambda x: get(model) * np.sum(x), functools.partial(setattr, model.inner, "w")


def attribute_of_vars() -> tuple[Any, Any]:
    model = Holder(w=2.0)
    return lambda x: vars(model)["w"] * np.sum(x), functools.partial(setattr, model, "w")


def field_of_a_dataclass() -> tuple[Any, Any]:
    @dataclasses.dataclass
    class Data:
        w: float

    data = Data(2.0)
    return lambda x: data.w * np.sum(x), functools.partial(setattr, data, "w")


def slot() -> tuple[Any, Any]:
    class Slotted:
        __slots__ = ("w",)

    slotted = Slotted()
    slotted.w = 2.0
    return lambda x: slotted.w * np.sum(x), functools.partial(setattr, slotted, "w")


def item_of_a_dict() -> tuple[Any, Any]:
    table = {"k": 2.0}
    return lambda x: table["k"] * np.sum(x), functools.partial(table.__setitem__, "k")


def item_of_a_list() -> tuple[Any, Any]:
    table = [1.0, 2.0]
    return lambda x: table[1] * np.sum(x), functools.partial(table.__setitem__, 1)


def default_argument() -> tuple[Any, Any]:
    def f(x: Any, k: Any = 2.0) -> Any:
        return k * np.sum(x)

    return f, lambda value: setattr(f, "__defaults__", (value,))


def keyword_default() -> tuple[Any, Any]:
    def f(x: Any, *, k: Any = 2.0) -> Any:
        return k * np.sum(x)

    return f, lambda value: setattr(f, "__kwdefaults__", {"k": value})


def partial_from_outside() -> tuple[Any, Any]:
    holder = Holder(scaled=functools.partial(lambda k, x: k * x, 2.0))
    return lambda x: np.sum(holder.scaled(x)), lambda value: setattr(
        holder, "scaled", functools.partial(holder.scaled.func, value)
    )


def bound_method_from_outside() -> tuple[Any, Any]:
    class Scale:
        def __init__(self) -> None:
            self.k = 2.0

        def of(self, x: Any) -> Any:
            return self.k * x

    scale = Scale()
    method = scale.of
    return lambda x: np.sum(method(x)), functools.partial(setattr, scale, "k")


def numbers_of_an_array() -> tuple[Any, Any]:
    table = np.array([2.0, 0.0])
    return lambda x: float(table[0]) * np.sum(x), functools.partial(table.__setitem__, 0)


def name_of_a_builtin() -> tuple[Any, Any]:
    f, scope = in_namespace("def f(x): return float(abs(-2)) * np.sum(x)")
    return f, lambda value: scope.__setitem__("abs", lambda x: value)


def name_given_to_globals() -> tuple[Any, Any]:
    f, scope = in_namespace("def f(x): return globals()['k'] * np.sum(x)", k=2.0)
    return f, functools.partial(scope.__setitem__, "k")


def module(name: str, **held: Any) -> types.ModuleType:
    found = sys.modules[name] = types.ModuleType(name)
    vars(found).update(held)
    return found


def attribute_of_a_module_imported_inside() -> tuple[Any, Any]:
    settings = module("settings_of_a_test", k=2.0)

    def f(x: Any) -> Any:
        import settings_of_a_test as settings  # type: ignore[import-not-found]

        return settings.k * np.sum(x)

    return f, functools.partial(setattr, settings, "k")


def name_imported_inside() -> tuple[Any, Any]:
    settings = module("settings_of_a_test", k=2.0)

    def f(x: Any) -> Any:
        from settings_of_a_test import k

        return k * np.sum(x)

    return f, functools.partial(setattr, settings, "k")


def name_imported_from_a_module_in_a_package() -> tuple[Any, Any]:
    module("package_of_a_test")
    settings = sys.modules["package_of_a_test"].settings = module("package_of_a_test.settings", k=2.0)
    source = "def f(x):\n    from .settings import k\n    return k * np.sum(x)"
    f, _ = in_namespace(source, __package__="package_of_a_test", __name__="package_of_a_test")
    return f, functools.partial(setattr, settings, "k")


def by_method(name: str, method: Any, use: Any) -> Any:
    """An object whose method reads an attribute, and code that uses the object."""

    def kind() -> tuple[Any, Any]:
        made = type("Made", (Holder,), {name: method})(k=2.0)
        return lambda x: use(made, x), functools.partial(setattr, made, "k")

    kind.__name__ = name
    return kind


METHODS = [
    by_method("__float__", lambda self: self.k, lambda made, x: float(made) * np.sum(x)),
    by_method("__len__", lambda self: int(self.k), lambda made, x: float(len(made)) * np.sum(x)),
    by_method("__bool__", lambda self: self.k < 3.0, lambda made, x: (2.0 if made else 5.0) * np.sum(x)),
    by_method("__iter__", lambda self: iter([self.k]), lambda made, x: max(made) * np.sum(x)),
    by_method("__call__", lambda self, x: self.k * x, lambda made, x: np.sum(made(x))),
    by_method("__mul__", lambda self, x: self.k * x, lambda made, x: np.sum(made * x)),
    by_method("factor", property(lambda self: self.k), lambda made, x: made.factor * np.sum(x)),
]


def cached_function() -> tuple[Any, Any]:
    holder = Holder(k=2.0)

    @functools.cache
    def factor() -> Any:
        return holder.k

    def change(value: Any) -> None:
        holder.k = value
        factor.cache_clear()

    return lambda x: factor() * np.sum(x), change


def function_given_to_map() -> tuple[Any, Any]:
    holder = Holder(w=2.0)
    helper = helper_of(holder)
    return lambda x: sum(map(helper, [x[0], x[1]])), functools.partial(setattr, holder, "w")


def key_of_sorted() -> tuple[Any, Any]:
    holder = Holder(w=1.0)
    helper = helper_of(holder)
    return (
        lambda x: sorted([2.0, 5.0], key=helper)[0] * np.sum(x),
        lambda value: setattr(holder, "w", -value),
    )


def weak_reference() -> tuple[Any, Any]:
    holder = Holder(k=2.0)
    reference = weakref.ref(holder)
    return lambda x: reference().k * np.sum(x), functools.partial(setattr, holder, "k")


def context_variable() -> tuple[Any, Any]:
    variable = contextvars.ContextVar("variable", default=2.0)
    return lambda x: variable.get() * np.sum(x), variable.set


def attribute_of_a_thread() -> tuple[Any, Any]:
    local = threading.local()
    local.k = 2.0
    return lambda x: local.k * np.sum(x), functools.partial(setattr, local, "k")


def number_of_a_large_array() -> tuple[Any, Any]:
    table = np.zeros(1_000_000)
    table[-1] = 2.0
    return lambda x: float(table[-1]) * np.sum(x), functools.partial(table.__setitem__, -1)


def custom_rule() -> tuple[Any, Any]:
    holder = Holder(w=2.0)
    rule = jd.custom_vjp(helper_of(holder))
    rule.defvjp(lambda x: (holder.w * x, None), lambda _, ct: (holder.w * ct,))
    return lambda x: np.sum(rule(x)), functools.partial(setattr, holder, "w")


def checkpointed_function() -> tuple[Any, Any]:
    holder = Holder(w=2.0)
    segment = jd.checkpoint(helper_of(holder))
    return lambda x: np.sum(segment(x)), functools.partial(setattr, holder, "w")


def function_compiled_inside() -> tuple[Any, Any]:
    holder = Holder(w=2.0)
    inner = jd.compile(helper_of(holder))
    return lambda x: np.sum(inner(x)), functools.partial(setattr, holder, "w")


def gradient_inside() -> tuple[Any, Any]:
    holder = Holder(w=2.0)
    slope = jd.grad(jd.compile(lambda x: np.sum(helper_of(holder)(x) * x) / 2.0))
    return lambda x: np.sum(slope(x)), functools.partial(setattr, holder, "w")


def batch_inside() -> tuple[Any, Any]:
    holder = Holder(w=2.0)
    batch = jd.vmap(jd.compile(helper_of(holder)))
    return lambda x: np.sum(batch(x)), functools.partial(setattr, holder, "w")


KINDS = [
    global_number,
    global_of_a_helper,
    closure,
    attribute_of_a_module,
    attribute_of_an_object,
    attribute_of_an_object_in_an_object,
    attribute_read_by_a_helper,
    attribute_of_a_class,
    attribute_of_the_class_of_an_object,
    attribute_by_its_name,
    attribute_by_attrgetter,
    attribute_of_vars,
    field_of_a_dataclass,
    slot,
    item_of_a_dict,
    item_of_a_list,
    default_argument,
    keyword_default,
    partial_from_outside,
    bound_method_from_outside,
    numbers_of_an_array,
    name_of_a_builtin,
    name_given_to_globals,
    attribute_of_a_module_imported_inside,
    name_imported_inside,
    name_imported_from_a_module_in_a_package,
    cached_function,
    function_given_to_map,
    key_of_sorted,
    weak_reference,
    context_variable,
    attribute_of_a_thread,
    number_of_a_large_array,
    custom_rule,
    checkpointed_function,
    function_compiled_inside,
    gradient_inside,
    batch_inside,
    *METHODS,
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_function_and_its_derivatives_are_of_one_world(kind):
    function, change = kind()
    f = jd.compile(function)
    assert f(X) == 6.0
    np.testing.assert_array_equal(f.grad(X), [2.0, 2.0])
    change(5.0)
    assert f(X) == 6.0  # nothing is traced, and nothing checked
    with pytest.warns(SettledWarning, match="it and its derivatives are traced again") as caught:
        value, gradient = f.value_and_grad(X)
    assert len([w for w in caught if w.category is SettledWarning]) == 1
    assert value == f(X) == 15.0
    for g in (gradient, f.grad(X), jd.grad(f)(X), jd.vjp(f, X)[1](1.0)[0]):
        np.testing.assert_array_equal(g, [5.0, 5.0])
    assert jd.jvp(f, (X,), (X,))[1] == 15.0
    np.testing.assert_array_equal(jd.jacobian(f)(X), [5.0, 5.0])
    np.testing.assert_array_equal(jd.vmap(f)(np.stack([X, X])), [15.0, 15.0])
    np.testing.assert_array_equal(jd.hvp(f, (X,), (X,)), [0.0, 0.0])
