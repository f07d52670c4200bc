"""Classes, dataclasses and named tuples that hold traced values."""

EXPRESSIONS = [
    "Scale({s})({x})",
    "Pair({s}, {x}).product()",
    "Point({s}, {s}).x",
]
STATEMENTS = [
    "$o = Scale({s})\n{new} = $o({x})",
    "$o = Pair({s}, {x})\n$o.first = $o.first * {c}\n{new} = $o.product()",
    "$o = Pair({s}, {s})\nfor $i in range({count}):\n    $o.first = $o.first * 0.5 + {s}\n{new} = $o.product()",
    "$o = Pair({s}, {s})\nif {cond}:\n    $o.second = {s}\n{new} = $o.product()",
    "$t = Point({s}, {s})\nfor $i in range({count}):\n    $t = Point($t.y, $t.x * 0.5 + {s})\n{new} = $t.x + $t.y",
    "$t = Point({s}, {s})._replace(x={s})\n{new} = $t.x * $t.y",
    "$o = Scale({s})\n$o.grow({s})\n{new} = $o({a}) + $o.doubled",
    "$o = Scale({s}) + Scale({s})\n{new} = $o({s})",
]
_SCALE = """\
class Scale:
    def __init__(self, s):
        self.s = s

    def __call__(self, u):
        return self.s * u

    def __add__(self, other):
        return Scale(self.s + other.s)

    @property
    def doubled(self):
        return 2.0 * self.s

    def grow(self, by):
        self.s = self.s + by
        return self
"""
_PAIR = """\
@dataclasses.dataclass
class Pair:
    first: float
    second: float

    def product(self):
        return self.first * self.second
"""
DECLARATIONS = {
    "Scale": _SCALE,
    "Pair": f"import dataclasses\n\n\n{_PAIR}",
    "Point": 'import collections\n\nPoint = collections.namedtuple("Point", "x y")\n',
}
