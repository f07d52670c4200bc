"""Objects as arguments: what they hold is traced, at every depth, and other values of it compile nothing."""

from __future__ import annotations

import dataclasses
import enum
import fractions
import functools
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

import jitdiff as jd
from jitdiff.errors import ArgumentTypeError, TraceWarning

X = np.array([1.0, 2.0])


class Plain:
    a: Any = 2.0

    def __init__(self, a: Any = None) -> None:
        if a is not None:
            self.a = a


class Slotted:
    __slots__ = ("__scale", "a")

    def __init__(self, a: Any) -> None:
        self.a = a
        self.__scale = 1.0

    @property
    def scaled(self) -> Any:
        return self.a * self.__scale


class Subslotted(Slotted):
    __slots__ = ("b",)


class Equal:
    """Equal to all others of its kind, and hashed alike."""

    def __init__(self, a: Any) -> None:
        self.a = a

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Equal)

    def __hash__(self) -> int:
        return 7


class Settings(dict[str, Any]):
    def __getattr__(self, name: str) -> Any:
        return self[name]

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


class Stack(list[Any]):
    @property
    def a(self) -> Any:
        return self[0]

    @a.setter
    def a(self, value: Any) -> None:
        self[0] = value


@dataclasses.dataclass
class Data:
    a: Any

    def __post_init__(self) -> None:
        self.half = 0.5
        self.count = 2


@dataclasses.dataclass(frozen=True)
class Frozen:
    a: Any


class Meta(type):
    pass


class WithMeta(Plain, metaclass=Meta):
    pass


MAKERS = {
    "plain": Plain,
    "slots": Slotted,
    "inherited slots": Subslotted,
    "equal": Equal,
    "namespace": lambda a: SimpleNamespace(a=a),
    "dict subclass": lambda a: Settings(a=a),
    "list subclass": lambda a: Stack([a]),
    "dataclass": Data,
    "metaclass": WithMeta,
}

every_kind = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def scaled(x: Any, p: Any) -> Any:
    return p.a * np.sum(x**2)


@every_kind
def test_attributes_are_seen_as_they_are_in_each_call(make):
    f, p = jd.compile(scaled), make(2.0)
    for a in (2.0, 10.0, np.float64(-3.0)):
        p.a = a
        assert f(X, p) == scaled(X, p)
        np.testing.assert_array_equal(f.grad(X, p), jd.grad(scaled)(X, p))
        np.testing.assert_array_equal(jd.vjp(f, X, p)[1](1.0)[0], 2 * a * X)
        for g in (scaled, f):
            assert (jd.vjp(g, X, p)[1](1.0)[1] is None) == (not isinstance(p, Data))
    assert f(X, make(7.0)) == 35.0
    assert len(f.specialisations) <= 2  # a NumPy scalar is of another dtype than a float


@every_kind
def test_objects_in_objects_and_in_containers(make):
    def deep(x, model):
        return model.layers[0].a * model.named["second"].a * np.sum(x) * model.inner.a.a

    f = jd.compile(deep)
    model = Plain()
    model.layers, model.named, model.inner = [make(2.0)], {"second": make(3.0)}, make(make(5.0))
    assert f(X, model) == 90.0
    model.layers[0].a = 4.0
    assert f(X, model) == 180.0
    model.named["second"].a = 1.0
    model.inner.a.a = 0.5
    assert f(X, model) == 6.0
    np.testing.assert_array_equal(f.grad(X, model), jd.grad(deep)(X, model))
    assert len(f.specialisations) == 1


def test_properties_and_private_names_keep_working():
    f = jd.compile(lambda x, p: p.scaled * np.sum(x))
    p = Subslotted(2.0)
    assert f(X, p) == 6.0
    p.a = 3.0
    assert f(X, p) == 9.0
    assert len(f.specialisations) == 1


def test_attributes_that_come_and_go():
    f, p = jd.compile(scaled), Plain()
    assert f(X, p) == 10.0  # the class's own
    p.a = 1.0
    assert f(X, p) == 5.0
    del p.a
    assert f(X, p) == 10.0


def test_one_object_at_several_places_is_one_object():
    def same(x, tree, leaf):
        first = tree.first is leaf and tree.all[1] is leaf and tree.first.parent is tree
        return np.sum(x) * leaf.a if first else np.sum(x) * 0.0

    f = jd.compile(same)
    tree, leaf = Plain(), Plain(2.0)
    tree.first, tree.all, leaf.parent = leaf, (1.0, leaf), tree
    assert f(X, tree, leaf) == 6.0
    leaf.a = 3.0
    assert f(X, tree, leaf) == 9.0
    tree.first = Plain(1.0)
    tree.first.parent = tree
    assert f(X, tree, leaf) == 0.0
    assert f.grad(X, tree, leaf)[0] == 0.0


class Gain:
    def __init__(self, s: Any) -> None:
        self.s = s

    def __call__(self, x: Any) -> Any:
        return self.s * x

    def squared(self, x: Any) -> Any:
        return self.s * x**2


class Amplifier:
    """Not callable, but for its methods."""

    def __init__(self, s: Any) -> None:
        self.s = s
        self.stage = Gain(s)

    def out(self, x: Any, twice: bool = False) -> Any:
        if x[0] > 0:
            x = x * self.s
        return self.stage(x) * (2.0 if twice else 1.0)


def test_callables_as_arguments():
    def applied(x, g):
        return np.sum(g(x))

    f = jd.compile(applied)
    gain = Gain(2.0)
    callables = [gain, gain.squared, functools.partial(gain.squared), functools.partial(lambda s, x: s * x, 2.0)]
    for g in callables:
        assert f(X, g) == applied(X, g)
    count = len(f.specialisations)
    gain.s = 5.0
    for g in callables:
        assert f(X, g) == applied(X, g)
        np.testing.assert_array_equal(f.grad(X, g), jd.grad(applied)(X, g))
    assert len(f.specialisations) == count


def test_compiled_methods_and_callables_keep_their_object():
    amplifier = Amplifier(2.0)
    f, g = jd.compile(amplifier.out), jd.compile(amplifier.stage)
    static = jd.compile(amplifier.out, static_argnums=1)
    for s in (2.0, 3.0):
        amplifier.s = amplifier.stage.s = s
        np.testing.assert_array_equal(f(X), s * s * X)
        np.testing.assert_array_equal(static(X, True), 2 * s * s * X)
        np.testing.assert_array_equal(g(X), s * X)
        np.testing.assert_array_equal(jd.jacobian(f)(X), s * s * np.eye(2))
        np.testing.assert_array_equal(jd.jacobian(g)(X), s * np.eye(2))
    assert (f.__name__, g.__name__) == ("out", "Gain")
    assert len(f.specialisations) == len(g.specialisations) == 1


def test_compiling_a_compiled_method_again_keeps_its_object():
    class Model:
        def __init__(self) -> None:
            self.part = Plain(2.0)

        @jd.compile
        def loss(self, x):
            return self.part.a * np.sum(x)

    model = Model()
    again = jd.compile(model.loss)
    assert model.loss(X) == again(X) == 6.0
    model.part.a = 5.0
    assert model.loss(X) == again(X) == 15.0
    np.testing.assert_array_equal(again.grad(X), [5.0, 5.0])
    np.testing.assert_array_equal(model.loss.grad(X), [5.0, 5.0])


def test_methods_that_donate():
    class Filter:
        rate = 0.5

        @jd.compile(donate="x")
        def apply(self, x):
            x *= self.rate
            return np.sum(x)

    x = np.array([2.0, 4.0])
    assert Filter().apply(x) == 3.0
    np.testing.assert_array_equal(x, [1.0, 2.0])


def test_variables_in_objects_are_differentiated():
    holder = SimpleNamespace(a=jd.Variable(3.0))
    with jd.GradientTape() as tape:
        y = jd.compile(scaled)(X, holder)
    assert float(tape.gradient(y, holder.a)) == 5.0


def test_what_a_function_does_not_read_may_be_anything():
    p = Plain(2.0)
    p.names, p.table, p.seen, p.handle = np.array(["a"]), np.array([1j]), {1, 2}, (x for x in ())
    f = jd.compile(scaled)
    assert f(X, p) == 10.0
    assert jd.compile(lambda x, p: x * len(p.seen))(1.0, p) == 2.0
    with pytest.raises(ArgumentTypeError, match="the attribute table of a Plain has dtype complex128"):
        jd.compile(lambda x, p: np.sum(x * p.table))(X, p)
    with pytest.raises(ArgumentTypeError, match="the attribute names of a Plain has dtype <U1"):
        jd.compile(lambda x, p: x * (p.names[0] == "a"))(X, p)


def test_arrays_in_objects_of_other_sizes_are_symbolic():
    f = jd.compile(lambda p: np.sum(p.w**2))
    p = SimpleNamespace(w=X)
    for n in (2, 3, 5, 8):
        p.w = np.arange(float(n))
        assert f(p) == np.sum(p.w**2)
    assert len(f.specialisations) == 2


def test_integers_in_objects_are_static_where_their_number_is_asked_for():
    f = jd.compile(lambda x, p: np.ones(p.order) * x)
    p = SimpleNamespace(order=2)
    for p.order in (2, 3, 2):
        np.testing.assert_array_equal(f(2.0, p), np.full(p.order, 2.0))
    assert len(f.specialisations) == 2


class Colour(enum.Enum):
    RED = 1.0
    BLUE = 2.0


class Fixed:
    factor: ClassVar[float] = 3.0


def test_what_never_changes_is_static():
    f = jd.compile(lambda x, c: x * float(c.value))
    assert (f(2.0, Colour.RED), f(2.0, Colour.BLUE)) == (2.0, 4.0)
    assert len(f.specialisations) == 2
    assert jd.compile(lambda x, c: x * c.factor)(2.0, Fixed) == 6.0
    assert jd.compile(lambda x, m: m.sqrt(x))(4.0, np) == 2.0
    assert jd.compile(lambda x, q: x * (q.numerator / q.denominator))(4.0, fractions.Fraction(1, 2)) == 2.0
    assert jd.compile(lambda x, q: x * q.a)(4.0, Frozen(0.5)) == 2.0


def test_other_fields_of_dataclasses_are_there():
    f = jd.compile(lambda x, p: x * p.a * p.half * p.count)
    p = Data(3.0)
    assert f(2.0, p) == 6.0
    p.half, p.count = 0.25, 4
    assert f(2.0, p) == 6.0
    p.count = 8
    assert f(2.0, p) == 12.0


def test_assignments_stay_inside_and_say_so():
    def caches(x, p):
        p.a = p.a * 2.0
        p.last = np.sum(x) * p.a
        return p.last

    p = Plain(2.0)
    f = jd.compile(caches)
    with pytest.warns(TraceWarning, match=r"caches assigns Plain\.a, Plain\.last"):
        assert f(X, p) == 12.0
    assert vars(p) == {"a": 2.0}
    assert f(X, p) == 12.0


def test_objects_nested_without_end_are_refused():
    class Chain:
        def __init__(self, depth: int) -> None:
            self.next = Chain(depth - 1) if depth else None

    head = tail = Plain(1.0)
    for _ in range(100_000):
        tail.next = Plain(1.0)
        tail = tail.next
    with pytest.raises(ArgumentTypeError, match="nested too deeply"):
        jd.compile(scaled)(X, head)
    del head


def test_objects_are_refused_where_derivatives_are_asked_for():
    for f in (scaled, jd.compile(scaled)):
        with pytest.raises(jd.errors.DtypeError, match="Plain"):
            jd.grad(f, argnums=1)(X, Plain(2.0))


def test_maps_pass_objects_on():
    def scale(x, p):
        return p.a * x

    p = Plain(2.0)
    for f in (scale, jd.compile(scale)):
        for p.a in (2.0, 3.0):
            np.testing.assert_array_equal(jd.vmap(f, in_axes=(0, None))(X, p), p.a * X)
