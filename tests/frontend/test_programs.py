"""Programs as people write Python: classes, operators, generators and the like, eager and compiled."""

import collections
import contextlib
import functools
import math
from dataclasses import dataclass, field

import numpy as np
import pytest

import jitdiff as jd


class Vector:
    def __init__(self, x, y):
        self.x = x
        self.y = y

    def __add__(self, o):
        return Vector(self.x + o.x, self.y + o.y)

    def __mul__(self, k):
        return Vector(math.sin(self.x) * k, self.y * k)

    def __rmul__(self, k):
        return self * k

    def __getitem__(self, i):
        return float(self.x) if i == 0 else float(self.y)

    def __abs__(self):
        return math.hypot(self.x, self.y)

    def __iter__(self):
        yield math.cos(self.x)
        yield self.y

    @property
    def norm(self):
        return math.sqrt(self.x**2 + self.y**2)

    @property
    def arr(self):
        return np.array([self.x, self.y])

    @functools.cached_property
    def twice(self):
        return np.array([self.x, self.y]) * 2

    @classmethod
    def of(cls, a):
        return cls(math.exp(a[0]), a[1])

    @staticmethod
    def dist(a, b):
        return math.dist((a.x, a.y), (b.x, b.y))

    def __enter__(self):
        self.e = math.exp(self.x)
        return self

    def __exit__(self, *a):
        return False

    def __lt__(self, o):
        return math.exp(self.x) < math.exp(o.x)

    def __len__(self):
        return 2

    def __neg__(self):
        return Vector(-math.sin(self.x), -self.y)

    def __matmul__(self, o):
        return float(self.x) * o.x + self.y * o.y

    def __contains__(self, k):
        return math.sin(self.x) > k

    def __iadd__(self, o):
        self.x = math.sin(self.x) + o.x
        return self


@dataclass
class Summed:
    a: float
    b: float = 2.0
    total: float = field(init=False)

    def __post_init__(self):
        self.total = math.sin(self.a) + self.b

    def __add__(self, o):
        return Summed(math.sin(self.a) + o.a)


@dataclass(frozen=True, slots=True)
class Frozen:
    a: float

    def f(self):
        return math.sin(self.a)


@contextlib.contextmanager
def scaled(x):
    yield math.sin(x)


def deco(f):

    @functools.wraps(f)
    def w(*a, **k):
        return math.sin(f(*a, **k))

    return w


@deco
def decorated(x):
    return math.cos(x[0]) * x[1]


def matchy(x):
    match (float(x[0]), "a"):
        case [v, "a"]:
            return math.sin(v) * x[1]


def trying(x):
    try:
        raise KeyError
    except KeyError:
        y = math.sin(x[0])
    finally:
        z = x[1]
    return y * z


def fact(x, n):
    return x if n == 0 else math.sin(fact(x, n - 1))


class Rec:
    def __init__(self, d):
        self.d = d

    def go(self, x, n):
        return x if n == 0 else math.sin(self.go(x, n - 1)) * self.d


class Base:
    def f(self, x):
        return math.sin(x[0])


class Child(Base):
    def f(self, x):
        return super().f(x) * x[1]


class Grow:
    def __init__(self):
        self.items = []
        self.d = {}

    def push(self, v):
        self.items.append(math.sin(v))
        self.d[len(self.items)] = v


def grow(x):
    g = Grow()
    for v in x:
        g.push(v)
    return sum(g.items) + sum(g.d.values())


def dd(x):
    d = collections.defaultdict(list)
    for k, v in enumerate(x):
        d[k % 2].append(math.sin(v))
    return sum(sum(v) for v in d.values())


class Desc:
    def __get__(self, o, t):
        return math.sin(o.v)


class HasDesc:
    d = Desc()

    def __init__(self, v):
        self.v = v


class Dyn:
    def __init__(self, v):
        self.v = v

    def __getattr__(self, n):
        return math.sin(self.__dict__["v"])


class Idx:
    def __init__(self):
        self.a = np.zeros(3)

    def __setitem__(self, k, v):
        self.a[k] = math.sin(v)

    def __getitem__(self, k):
        return self.a[k]


def idx(x):
    i = Idx()
    i[0] = x[0]
    i[1] = x[1]
    return i[0] * i[1]


def nested(x):
    total = 0.0

    def add(v):
        nonlocal total
        total += math.sin(v)

    for v in x:
        add(v)
    return total


def product(a, b):
    return a * b


CASES = {
    "add": lambda x: (Vector(x[0], x[1]) + Vector(1.0, 2.0)).x,
    "mul": lambda x: (Vector(x[0], x[1]) * 3.0).x + (2.0 * Vector(x[0], x[1])).y,
    "getitem": lambda x: Vector(x[0], x[1])[0] * x[1],
    "abs": lambda x: abs(Vector(x[0], x[1])),
    "it": lambda x: sum(Vector(x[0], x[1])),
    "unpack": lambda x: product(*Vector(x[0], x[1])),
    "prop": lambda x: Vector(x[0], x[1]).norm,
    "arr": lambda x: Vector(x[0], x[1]).arr.sum(),
    "cachedp": lambda x: Vector(x[0], x[1]).twice.sum(),
    "cm": lambda x: Vector.of(x).x,
    "sm": lambda x: Vector.dist(Vector(x[0], x[1]), Vector(1.0, 5.0)),
    "neg": lambda x: (-Vector(x[0], x[1])).x,
    "matmul": lambda x: Vector(x[0], x[1]) @ Vector(x[1], x[0]),
    "dc": lambda x: Summed(x[0]).total * x[1],
    "dcadd": lambda x: (Summed(x[0]) + Summed(x[1])).total,
    "frozen": lambda x: Frozen(x[0]).f() * x[1],
    "decorated": decorated,
    "matchy": matchy,
    "trying": trying,
    "rec": lambda x: fact(x[0], 3) * x[1],
    "recm": lambda x: Rec(x[0]).go(x[1], 3),
    "sup": lambda x: Child().f(x),
    "grow": grow,
    "dd": dd,
    "desc": lambda x: HasDesc(x[0]).d * x[1],
    "dyn": lambda x: Dyn(x[0]).zzz * x[1],
    "idx": idx,
    "nested": nested,
}


def withs(x):
    with Vector(x[0], x[1]) as v:
        y = v.e
    with scaled(x[1]) as z:
        return y * z


def lt(x):
    return x[0] if Vector(x[0], 1.0) < Vector(x[1], 1.0) else x[1]


def iadd(x):
    v = Vector(x[0], x[1])
    v += Vector(1.0, 1.0)
    return v.x


def contains(x):
    return x[0] * 2 if 0.1 in Vector(x[0], x[1]) else x[1]


CASES |= {"withs": withs, "lt": lt, "iadd": iadd, "contains": contains}
X = np.array([0.4, 0.7])
programs = pytest.mark.parametrize("name", CASES)


def differences(f, x, h=1e-06):
    return np.array([(f(x + h * e) - f(x - h * e)) / (2 * h) for e in np.eye(2)])


@programs
def test_eager(name) -> None:
    f = CASES[name]
    value, gradient = jd.value_and_grad(f)(X)
    np.testing.assert_allclose(value, f(X), rtol=1e-13)
    np.testing.assert_allclose(gradient, differences(f, X), rtol=1e-06, atol=1e-08)
    np.testing.assert_allclose(jd.jacfwd(f)(X), gradient, rtol=1e-12)


@programs
def test_compiled(name) -> None:
    f = CASES[name]
    value, gradient = jd.compile(f).value_and_grad(X)
    np.testing.assert_allclose(value, f(X), rtol=1e-13)
    np.testing.assert_allclose(gradient, jd.grad(f)(X), rtol=1e-11, atol=1e-13)
