"""Objects and containers bound anew in traced branches and loops, and names that then may be the same one."""

import copy
import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

import jitdiff as jd
from jitdiff.errors import TracingError
from tests.frontend.agree import agrees_in_every_mode

X = np.linspace(0.11, 1.03, 30)


class Vector:
    def __init__(self, a, b):
        self.a = a
        self.b = b

    def __add__(self, other):
        return Vector(self.a + other.a, self.b + other.b)

    def __mul__(self, k):
        return Vector(self.a * k, self.b * k)

    @property
    def norm(self):
        return np.sqrt(self.a**2 + self.b**2)


@dataclasses.dataclass(frozen=True)
class State:
    position: object
    velocity: object
    name: str = "state"


class Node:
    __slots__ = ("kind", "parent", "value")

    def __init__(self, value, parent=None):
        self.value = value
        self.parent = parent
        self.kind = "node"


def operators_in_loops(x):
    v, w = Vector(x[0], x[1]), Vector(x[2], x[3])
    s = SimpleNamespace(p=Vector(x[0], x[1]), n=0)
    for k in jd.range(12):
        v = v * 0.9 + w * x[k]
        s.p = s.p * 0.9 + Vector(x[k], 1.0)
        if s.p.a > 0.5:
            s.p = s.p * 0.5
        s.n += 1
    return v.a * v.norm + s.p.a * s.p.b * s.n


def chosen_by_branches(x):
    v, w = Vector(x[0], x[1]), Vector(x[2], x[3])
    if x[0] > 0:
        v = v + w
    if x[1] < 0:
        u = Vector(x[0], 1.0)
        v = u
    else:
        u = Vector(2.0, x[1])
    points = [Vector(x[k], x[2 * k]) for k in range(5)]
    best = points[0]
    for p in points:
        if p.norm * (1.0 - p.norm) > best.norm * (1.0 - best.norm):
            best = p
    nearest = v if v.norm < u.norm else u
    return v.a * v.norm + u.norm * x[2] + best.a * best.b + nearest.a


def returned_by_helpers(x):
    def larger(a, b):
        if a.norm > b.norm:
            return a
        return b

    v = Vector(x[0], x[1])
    for k in jd.range(5):
        v = larger(v * 0.9, Vector(x[k], x[k + 1]))
        v.a = v.a + 0.1 * x[k]
    return v.a * v.b


def replaced(x):
    s = State(x[0], x[1])
    mode = {"name": "euler", "step": 0.1}
    for _ in jd.range(5):
        s = dataclasses.replace(
            s, position=s.position + mode["step"] * s.velocity, velocity=s.velocity - s.position * 0.1
        )
        mode = {**mode, "step": mode["step"] * 0.9}
    if s.position > 0:
        s = State(s.velocity, s.position)
    return s.position * mode["step"]


def linked(x):
    root = Node(x[0])
    if x[0] > 0:
        node = Node(x[1], Node(x[0]))
        root.value = root.value * 2
    else:
        node = Node(x[2], Node(x[1]))
    for k in range(3):
        root = Node(x[k] * root.value, root)
    total = node.value * node.parent.value
    while root is not None:
        total += root.value
        root = root.parent
    return total


class Total:
    def __init__(self, value):
        self.value = value
        self.count = 0

    def add(self, v):
        self.value += v
        self.count += 1


def begun_anew(x):
    state = {"n": 0.0, "s": x[0]}
    total = Total(x[0])
    best = {"loss": 1e9, "w": np.zeros(3)}
    w = x[:3] * 1.0
    nested = {"p": {"w": x[:3] * 1.0}, "h": [0.0, 0.0]}
    for k in jd.range(10):
        if state["s"] > 1.0:
            state = {"n": 0.0, "s": x[k]}
        state["n"] += 1.0
        state["s"] = state["s"] * 1.3 + 0.1 * x[k]
        if total.value > 1.0:
            total = Total(x[k])
        total.add(x[k])
        loss = np.sum((w - x[3:6] * 1.3) ** 2)
        if loss < best["loss"]:
            best = {"loss": loss, "w": w}
        w = w - 0.2 * (w - x[3:6])
        trial = copy.deepcopy(nested)
        trial["p"]["w"] = trial["p"]["w"] * 0.9
        trial["h"][0] += np.sum(trial["p"]["w"])
        if trial["h"][0] < 3.0:
            nested = trial
    found = state["s"] * state["n"] + total.value * total.count + best["loss"] + np.sum(best["w"])
    return found + np.sum(nested["p"]["w"]) * nested["h"][0]


def names_of_one_object(x):
    d = {"s": x[0]}
    before = d
    for _ in jd.range(3):
        d = {"s": d["s"] * 2}
    d["s"] *= 5.0
    table = {"a": {"s": x[1]}, "v": [Vector(x[2], x[3])]}
    for _ in jd.range(3):
        row = table["a"]
        row["s"] = row["s"] * 2
        vector = table["v"][0]
        vector.a = vector.a * 2
    row["s"] *= 5.0
    vector.a = vector.a * 5.0
    reset = {"s": x[4]}
    if x[0] < 0:
        reset = {"s": x[5]}
    reset["s"] *= x[6]
    return before["s"] + d["s"] + table["a"]["s"] + table["v"][0].a + reset["s"]


def arrays_under_two_names(x):
    total = term = x
    for k in range(1, 30):
        term = term * x / (k + 1)
        total = total + term
    s = t = x[:3]
    n = 1
    while np.sum(np.abs(t)) > 1e-10:
        n += 1
        t = t * x[3:6] / n
        s = s + t
    return np.sum(total) * np.sum(s)


def grids_of_lists(x):
    g = [[x[i * 3 + j] for j in range(3)] for i in range(3)]
    a = {"u": x[:5] * 1.0, "n": 0}
    b = {"u": np.zeros(5), "n": 0}
    for _ in jd.range(4):
        new = [[0.0] * 3 for _ in range(3)]
        for i in range(3):
            for j in range(3):
                new[i][j] = 0.5 * g[i][j] + 0.1 * g[(i + 1) % 3][j] + 0.1 * g[i][(j + 1) % 3]
        g = new
        b["u"] = 0.9 * a["u"] + 0.1 * np.roll(a["u"], 1)
        b["n"] = a["n"] + 1
        a, b = b, a
    return g[0][0] * g[1][1] + g[2][2] + np.sum(a["u"] ** 2) * a["n"]


PROGRAMS = [
    arrays_under_two_names, grids_of_lists, operators_in_loops, chosen_by_branches, returned_by_helpers, replaced,
    linked, begun_anew, names_of_one_object,
]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_values_and_gradients(program):
    agrees_in_every_mode(program, X)


def test_second_derivatives():
    v = np.cos(np.arange(X.size))
    step = 1e-6
    slope = jd.grad(jd.compile(operators_in_loops))
    want = (slope(X + step * v) - slope(X - step * v)) / (2 * step)
    for f in (operators_in_loops, jd.compile(operators_in_loops)):
        np.testing.assert_allclose(jd.hvp(f, (X,), (v,)), want, rtol=1e-5, atol=1e-6)


def changed_copy(x):
    d = {"s": x[0]}
    e = d
    if x[0] < 0:
        d = {"s": x[1]}
    d["s"] = d["s"] * 5
    return e["s"]


def changed_original(x):
    v = Vector(x[0], x[1])
    u = v
    if x[0] < 0:
        v = v * 2
    u.a = u.a * 5
    return v.a


def changed_original_of_an_expression(x):
    a, b = [x[0]], [x[1]]
    c = a if x[0] < 0 else b
    b[0] = 5.0 * x[2]
    return c[0]


def changed_under_another_name_in_a_loop(x):
    q = [x[0], x[1]]
    e = q
    for _ in jd.range(3):
        q[0] = q[0] * 2
        q = [q[1], q[0]]
    return e[0]


def two_names_of_what_is_changed(x):
    a = b = {"s": x[0]}
    for k in jd.range(3):
        a["s"] = a["s"] * 2
        if k > 5:
            a = {"s": x[1]}
        b = {"s": b["s"] + 1.0}
    return a["s"] * b["s"]


def other_names_in_each_iteration(x):
    s = State(x[0], x[1], "a")
    for _ in jd.range(3):
        s = State(s.velocity, s.position, s.name + "b")
    return s.position


@pytest.mark.parametrize(
    ("function", "message", "line"),
    [
        (changed_copy, "a dict is read after another one was changed in place", 6),
        (changed_original, "a Vector is read after another one was changed in place", 6),
        (changed_original_of_an_expression, "a list is read after another one was changed in place", 4),
        (changed_under_another_name_in_a_loop, "is read after it was changed in place under another name", 6),
        (two_names_of_what_is_changed, "two variables of a loop hold one container, which is changed in place", 3),
        (other_names_in_each_iteration, "s changes in the loop from a State to a State", 2),
    ],
    ids=lambda p: p.__name__ if callable(p) else "",
)
def test_mistakes(function, message, line):
    with pytest.raises(TracingError, match=message) as caught:
        jd.compile(function)(X)
    assert f"test_objects_as_values.py:{function.__code__.co_firstlineno + line} in " in str(caught.value)


SETTINGS = {"scale": 2.0, "calls": 0}


def test_what_is_outside_stays_as_it_is():
    def run(x):
        settings = SETTINGS
        if x[0] < 0:
            settings = {"scale": x[1], "calls": 1}
        settings["scale"] = settings["scale"] * x[2]
        return settings["scale"]

    np.testing.assert_allclose(jd.compile(run)(X), 2.0 * X[2])
    assert SETTINGS == {"scale": 2.0, "calls": 0}
