"""State in containers, objects and closures, changed in traced branches and loops."""

import collections
import dataclasses
import functools
from types import SimpleNamespace

import numpy as np
import pytest

import jitdiff as jd
from jitdiff.errors import TraceWarning, TracingError
from tests.frontend.agree import agrees_in_every_mode, second_derivatives_agree

X = np.linspace(0.11, 1.03, 30)


def items_of_dicts(x):
    d = {"sum": 0.0, "count": 0, "seen": {"last": x[0]}}
    if x[0] > 0:
        d["sum"] = d["sum"] + x[0]
        d["start"] = x[1]
    else:
        d["start"] = 2 * x[1]
    for v in x:
        if v > 0.4:
            d["sum"] += v * d["seen"]["last"]
            d["count"] += 1
        else:
            d["seen"]["last"] = v
        d["latest"] = v * v
    return d["sum"] * d["count"] + d["start"] * d["latest"]


def optimizer(x):
    state = {"w": x * 1.0, "m": np.zeros(30), "v": np.zeros(30), "t": 0}

    def step(g):
        state["t"] += 1
        state["m"] = 0.9 * state["m"] + 0.1 * g
        state["v"] *= 0.99
        state["v"] += 0.01 * g * g
        state["w"] = state["w"] - 0.1 * state["m"] / (np.sqrt(state["v"]) + 1e-2) / state["t"]

    for _ in jd.range(10):
        step(2 * state["w"])
    return np.sum(state["w"] ** 2)


def nested_containers(x):
    state = {"net": {"w": [x[0] * 1.0, x[1] * 1.0], "b": 0.0}, "loss": [0.0]}
    for k in jd.range(20):
        w = state["net"]["w"]
        w[0] = w[0] * 0.9 + x[k]
        state["net"]["w"][1] += state["net"]["w"][0] * 0.1
        if w[0] > 0.9:
            state["net"]["b"] -= 0.3 * x[k]
            state["loss"][-1] += w[1] ** 2
    return state["loss"][0] + state["net"]["b"]


def elements_of_lists(x):
    bins = [0.0, 0.0, 0.0]
    counts = [0, 0, 0]
    layers = [x[:3] * 1.0, x[3:6] * 1.0]
    for i in jd.range(30):
        v = x[i]
        if v < 0.3:
            bins[0] += v
            counts[0] += 1
        elif v < 0.6:
            bins[1] += v * v
            counts[1] += 1
        elif v < 0.9:
            bins[2] += v**3
        bins[0], bins[2] = bins[2], bins[0]
        for j in range(len(layers)):
            layers[j] = layers[j] * 0.95 + 0.01 * i
        layers[0][1] += v
    return bins[0] * bins[1] + bins[2] * counts[1] + np.sum(layers[0] * layers[1]) * counts[0]


def containers_of_fixed_length(x):
    recent = collections.deque([0.0, 0.0, 0.0], maxlen=3)
    queue = [0.0, 0.0]
    stack = [x[0]]
    total = 0.0
    for k in jd.range(12):
        if x[k] > 0.2:
            recent.append(x[k])
        queue.append(x[k])
        total += queue.pop(0)
        stack.append(x[k] + 0.5)
        b, a = stack.pop(), stack.pop()
        stack.append(a * b)
        total += recent[0] * recent[2]
    return total * stack[0] + queue[1]


def lists_grow_in_both_arms(x):
    out = []
    log = {"kept": []}
    for v in x:
        if v > 0.5:
            out.append(v)
        else:
            out.append(v * v)
        log["kept"].append(out[-1] if False else v)
    return np.sum(np.array(out) * np.array(log["kept"]))


def counters(x):
    counts = collections.Counter()
    totals = collections.defaultdict(float)
    ordered = collections.OrderedDict(a=x[0], b=x[1])
    for v in x:
        counts["all"] += 1
        totals["sum"] += v
        if v > 0.5:
            totals["sum"] += v * v
        for key in ordered:
            ordered[key] = ordered[key] * 0.9 + v
        ordered.update(b=ordered["b"] * 0.5)
        ordered["tmp"] = ordered["a"] * 0.9
        ordered["a"] = ordered.pop("tmp")
    return totals["sum"] / counts["all"] + ordered["a"] * ordered["b"]


class Account:
    __slots__ = ("balance", "deposits", "history")

    def __init__(self, balance):
        self.balance = balance
        self.deposits = 0
        self.history = []

    def deposit(self, amount):
        self.balance += amount
        self.deposits += 1
        self.history.append(self.balance)


class Tracker:
    def __init__(self):
        self.values = []
        self.best = 0.0
        self.inner = SimpleNamespace(hits=0.0)

    def add(self, value):
        self.values.append(value)
        if value > self.best:
            self.best = value
            self.inner.hits += 1


def attributes(x):
    account = Account(x[0])
    tracker = Tracker()
    for v in x:
        account.deposit(v * account.balance)
        tracker.add(v * (1.7 - v))
    history = np.sum(np.array(account.history)) / account.deposits
    return account.balance + history + tracker.best * np.sum(np.array(tracker.values)) * tracker.inner.hits


@dataclasses.dataclass
class Particle:
    position: object
    velocity: object
    kicks: int = 0

    def kick(self, force, dt):
        self.velocity = self.velocity + force * dt
        self.kicks += 1
        return self

    def drift(self, dt):
        self.position += self.velocity * dt


def dataclasses_in_lists(x):
    particles = [Particle(x[:3] * 1.0, x[3:6] * 0.1), Particle(x[6:9] * 1.0, x[9:12] * 0.1)]
    for k in jd.range(10):
        force = particles[1].position - particles[0].position
        for particle, sign in zip(particles, (1, -1), strict=True):
            particle.kick(sign * force, 0.1).drift(0.1)
        new = Particle(x[k], x[k + 1])
        new.drift(0.2)
        if new.position > 0.5:
            new.position = new.position * 2
        particles[0].position = particles[0].position + new.position
    return np.sum(particles[0].position * particles[1].velocity) * particles[1].kicks


class Thermometer:
    def __init__(self, celsius):
        self.celsius = celsius

    @property
    def fahrenheit(self):
        return self.celsius * 1.8 + 32

    @fahrenheit.setter
    def fahrenheit(self, value):
        if value > 33:
            self.celsius = (value - 32) / 1.8
        else:
            self.celsius = value * 0.1


class Positive:
    def __set_name__(self, owner, name):
        self.name = "_" + name

    def __get__(self, owner, cls=None):
        return getattr(owner, self.name)

    def __set__(self, owner, value):
        if value > 0:
            setattr(owner, self.name, value)
        else:
            setattr(owner, self.name, 0.0 * value)


class Doubling:
    level = Positive()

    def __init__(self):
        self.__dict__["data"] = {}

    def __setattr__(self, name, value):
        if name == "level":
            super().__setattr__(name, value)
        else:
            self.data[name] = value * 2

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self.data[name]


class Counted(dict):
    def __setitem__(self, key, value):
        super().__setitem__(key, value * 1.0)
        self.__dict__["writes"] = self.__dict__.get("writes", 0) + 1


def setters(x):
    t = Thermometer(x[0])
    d = Doubling()
    d.level = x[1]
    d.sum = 0.0
    c = Counted()
    c["sum"] = x[2]
    o = SimpleNamespace(a=0.0, b=1.0)
    t.fahrenheit = x[1] + 31
    for k in jd.range(20):
        t.fahrenheit = t.fahrenheit * 0.98 + x[k]
        t.fahrenheit += 0.1 * x[k]
        d.sum = d.sum * 0.3 + x[k]
        d.level = x[k] - 0.5
        c["sum"] = c["sum"] + x[k]
        for name in ("a", "b"):
            setattr(o, name, getattr(o, name) * 0.9 + x[k])
    return t.celsius + d.sum * d.level + c["sum"] * c.writes + o.a * o.b


def closures(x):
    def counter():
        n = 0.0

        def add(v):
            nonlocal n
            n = n + v
            return n

        return add

    def visit(k):
        nonlocal total
        if k < 3:
            total += x[k]
            visit(k + 1)

    total = 0.0
    add = counter()
    s = 0.0
    for k in jd.range(10):
        s += add(x[k]) * total
        visit(0)
        if x[k] > 0.3:
            visit(1)
    if x[0] > 0:
        add(x[1])
    return s + add(0.0) + total


def while_loops(x):
    s = SimpleNamespace(x=x[0] + 1, error=1.0, steps=0)
    while s.error > 1e-8:
        new = 0.5 * (s.x + (2 + x[1]) / s.x)
        s.error = abs(new - s.x)
        s.x = new
        s.steps += 1
        if s.steps > 50:
            break
    d = {"s": s.x}
    while True:
        d["s"] = d["s"] * 0.9
        if d["s"] < 0.5:
            break
    return s.x * s.steps + d["s"]


def jumps(x):
    d = {"s": 0.0, "t": 0.0}
    for v in x:
        if v < 0.4:
            continue
        d["s"] += v
        if v > 0.9:
            break
        d["t"] += v * v
    else:
        d["t"] = 0.0
    for v in x:
        d["s"] += v * v
        if d["s"] > 8:
            return d["s"] * d["t"]
    return d["s"]


def expressions(x):
    d = {"n": 0.0}

    def hit(v):
        d["n"] += v
        return v > 0.4

    def add(v):
        d["n"] *= 1.1
        return v * 2

    total = 0.0
    for v in x:
        if v > 0.2 and hit(v):
            d["n"] += 1.0 * v
        total += add(v) if v > 0.6 else -v
    return d["n"] * total


def aliases_and_copies(x):
    def step(state, v):
        state["a"] = state["a"] * 0.9 + v
        state["b"] += state["a"]
        return state

    d = {"a": x[0], "b": x[1]}
    alias = d
    for k in jd.range(10):
        d = step(d, x[k])
    for k in jd.range(10):
        e = d.copy()
        e["a"] = e["a"] * 0.9 + x[k]
        e.update(b=e["b"] + e["a"])
        d = {**e}
        p = dataclasses.replace(Particle(x[0], x[1]), position=d["a"])
        p.drift(0.1)
        d["b"] += p.position
    return d["a"] * alias["b"] + d["b"] * alias["a"]


def arrays_in_place_or_bound_anew(x):
    d = {"w": np.zeros(3), "v": x[:3] * 1.0}
    if x[0] > 0:
        d["w"][0] = x[1]
        d["v"][1] *= 2.0
    else:
        d["w"] = x[:3] * 2
    if x[0] < 0:
        d["v"] = x[3:6] * 2
    else:
        d["v"][2] = 5.0 * x[2]
    return np.sum(d["w"] * x[:3]) + np.sum(d["v"] ** 2)


def removed_in_both_arms(x):
    d = {"a": x[0], "tmp": x[1]}
    if x[0] > 0:
        d["a"] = d.pop("tmp")
    else:
        del d["tmp"]
    return d["a"] * len(d)


def context_managers(x):
    d = {"s": 0.0, "open": 0}

    class Opened:
        def __enter__(self):
            d["open"] += 1
            return d

        def __exit__(self, *error):
            d["open"] -= 1

    for v in x:
        with Opened() as opened:
            if v > 0.4:
                opened["s"] += v * opened["open"]
    return d["s"] + d["open"]


class Base:
    def __init__(self):
        self.s = 0.0

    def add(self, v):
        self.s += v


class Scaled(Base):
    def add(self, v):
        if v > 0.5:
            super().add(v * 2)
        else:
            super().add(v)

    @functools.cached_property
    def table(self):
        return np.arange(4.0) * 0.5


def inherited(x):
    scaled = Scaled()
    total = 0.0
    for v in x:
        scaled.add(v)
    for k in jd.range(4):
        total += scaled.table[k] * x[k]
    return scaled.s * total + scaled.table[1]


def sent_to_a_generator(x):
    def average():
        total, n, mean = 0.0, 0, 0.0
        while True:
            v = yield mean
            if v > 0.3:
                total = total + v
            for _ in range(3):
                total += 0.1 * v
                if n > 100:
                    break
            n += 1
            mean = total / n

    def forwarded():
        yield from average()

    g = forwarded()
    next(g)
    mean = 0.0
    for k in range(5):
        mean += g.send(x[3 * k])
    return mean**2


PROGRAMS = [
    items_of_dicts, optimizer, nested_containers, elements_of_lists, containers_of_fixed_length,
    lists_grow_in_both_arms, counters, attributes, dataclasses_in_lists, setters, closures, while_loops, jumps,
    expressions, aliases_and_copies, arrays_in_place_or_bound_anew, removed_in_both_arms, context_managers, inherited,
    sent_to_a_generator,
]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_values_and_gradients(program):
    agrees_in_every_mode(program, X)


@pytest.mark.parametrize("program", [items_of_dicts, nested_containers, attributes], ids=lambda f: f.__name__)
def test_second_derivatives(program):
    second_derivatives_agree(program, X, rtol=1e-5)


@pytest.mark.parametrize(
    "program", [items_of_dicts, counters, attributes, jumps, context_managers], ids=lambda f: f.__name__
)
def test_any_size(program):
    compiled = jd.compile(program)
    for n in (12, 17, 23, 31):
        x = np.linspace(0.11, 1.03, n)
        np.testing.assert_allclose(compiled(x), program(x), rtol=1e-12)
    assert len(compiled.specialisations) == 2


def loops(compiled):
    return compiled.ir.count(" carrying ")


@pytest.mark.parametrize(
    ("program", "count"),
    [(items_of_dicts, 1), (attributes, 1), (counters, 1), (while_loops, 2)],
    ids=lambda p: getattr(p, "__name__", None),
)
def test_they_are_loops_of_the_program(program, count):
    compiled = jd.compile(program)
    compiled(X)
    assert loops(compiled) == count


def test_the_callers_objects_stay_as_they_are():
    @jd.compile
    def run(account, d, x):
        for v in x:
            account.deposit(v)
            d["n"] += v
        return account.balance + d["n"]

    account, d = Account(1.0), {"n": 2.0}
    with pytest.warns(TraceWarning, match=r"Account\.balance"):
        np.testing.assert_allclose(run(account, d, X), 3.0 + 2 * np.sum(X))
    assert (account.balance, account.deposits, account.history, d) == (1.0, 0, [], {"n": 2.0})


def test_what_fails_leaves_objects_as_they_were():
    d = {"a": 1.0, "b": [1.0, 2.0]}
    tracker = Tracker()
    queue = collections.deque([1.0], maxlen=2)

    def broken(x):
        for v in jd.range(5):
            d["a"] = d["a"] + x[v]
            d["b"][0] = x[v]
            d["c"] = x[v]
            tracker.add(x[v])
            queue.append(x[v])
            if x[v] > 0:
                d["a"] = x[:3]
        return d["a"]

    with pytest.raises(TracingError):
        jd.compile(broken)(X)
    assert d == {"a": 1.0, "b": [1.0, 2.0]}
    assert (tracker.values, tracker.best, vars(tracker.inner)) == ([], 0.0, {"hits": 0.0})
    assert list(queue) == [1.0]


def new_key_in_one_arm(x):
    d = {"v": 1.0}
    if x[0] > 0:
        d["u"] = x[0]
    return d["v"] * x[1]


def removed_in_one_arm(x):
    d = {"a": x[0], "b": x[1]}
    if x[0] > 0:
        del d["b"]
    return d["a"]


def new_attribute_in_one_arm(x):
    o = SimpleNamespace()
    if x[0] > 0:
        o.u = x[0]
    return o.u * 2


def asked_for_a_new_attribute(x):
    o = SimpleNamespace()
    if x[0] > 0:
        o.u = x[0]
    return x[0] if hasattr(o, "u") else x[1]


def asked_for_a_new_key_in_a_loop(x):
    d = {}
    for k in jd.range(5):
        if len(d) < 1:
            d["s"] = x[k]
        d["s"] = x[k] * 2
    return d["s"]


def member_in_one_arm(x):
    seen = set()
    if x[0] > 0:
        seen.add("a")
    return x[0] if "a" in seen else x[1]


def another_shape_in_one_arm(x):
    d = {"a": x[:2]}
    if x[0] > 0:
        d["a"] = x[:3]
    return np.sum(d["a"])


def another_shape_in_a_loop(x):
    d = {"a": x[:1]}
    for _ in jd.range(5):
        d["a"] = np.concatenate([d["a"], x[:1]])
    return np.sum(d["a"])


def another_key_in_each_iteration(x):
    d = {}
    for k in jd.range(5):
        d["s"] = d.get("s", 0.0) + x[k]
    return d["s"]


def new_key_in_a_loop_that_may_not_run(x):
    d = {}
    for k in range(int(x[0])):
        d["last"] = x[k]
    return d["last"]


def grows_in_a_loop(x):
    d = collections.deque()
    for k in jd.range(5):
        d.append(x[k])
    return d[0]


def changed_by_a_condition(x):
    s = SimpleNamespace(n=0.0)

    def goes_on():
        s.n += x[0]
        return s.n < 3

    while goes_on():
        s.n += 0.1
    return s.n


def changed_by_vmap(x):
    d = {"s": 0.0}

    def add(v):
        d["s"] += v
        return v

    return jd.vmap(add)(x)


def generator_of_traced_length(x):
    def positive():
        for v in x:
            if v > 0:
                yield v

    return sum(positive())


def generator_from_around_a_loop(x):
    def numbers():
        while True:
            yield x[0]

    g = numbers()
    s = 0.0
    for _ in jd.range(5):
        s += next(g)
    return s


@pytest.mark.parametrize(
    ("function", "message", "line"),
    [
        (new_key_in_one_arm, r"the item 'u' of a dict is there only if the condition at line \d+ is true", 3),
        (removed_in_one_arm, r"the item 'b' of a dict is there only if the condition at line \d+ is false", 3),
        (new_attribute_in_one_arm, r"the attribute u of a SimpleNamespace has no value if the condition", 4),
        (asked_for_a_new_attribute, r"the attribute u of a SimpleNamespace has no value if the condition", 4),
        (asked_for_a_new_key_in_a_loop, r"the item 's' of a dict is read in the loop before it is assigned there", 3),
        (member_in_one_arm, r"'a' in a set is there only if the condition at line \d+ is true", 3),
        (another_shape_in_one_arm, r"the item 'a' of a dict is f64\[3\] if .* true, and f64\[2\] if it is false", 4),
        (another_shape_in_a_loop, r"the item 'a' of a dict changes in the loop from f64\[1\] to f64\[2\]", 2),
        (another_key_in_each_iteration, r"the item 's' of a dict is read in the loop before it is assigned there", 3),
        (new_key_in_a_loop_that_may_not_run, r"the item 'last' of a dict is new in a loop that may not run", 3),
        (grows_in_a_loop, r"element 0 of a deque is added in a traced loop", 3),
        (changed_by_a_condition, r"the attribute n of a SimpleNamespace is changed by the condition of a", 4),
        (changed_by_vmap, r"a dict from around a traced branch or loop is changed in it", 4),
        (generator_of_traced_length, r"what a generator yields, or when it ends, depends on a traced value", 3),
        (generator_from_around_a_loop, r"a generator from around a traced branch or loop is advanced in it", 8),
    ],
    ids=lambda p: p.__name__ if callable(p) else "",
)
def test_mistakes(function, message, line):
    with pytest.raises(TracingError, match=message) as caught:
        jd.compile(function)(X)
    assert f"test_state.py:{function.__code__.co_firstlineno + line} in " in str(caught.value)
