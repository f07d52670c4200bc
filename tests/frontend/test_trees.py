"""Trees of arguments and results."""

from collections import namedtuple
from dataclasses import dataclass, field

import pytest

from jitdiff.frontend import flatten, leaf_names, tree_map, unflatten

Point = namedtuple("Point", "x y")


@dataclass(frozen=True)
class Layer:
    w: object
    b: object = 0.0
    checked: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        # A constructor that does arithmetic must not run on leaves that are not numbers.
        if self.b < 0:
            raise ValueError


@pytest.mark.parametrize(
    ("tree", "leaves", "names"),
    [
        (1.0, [1.0], [""]),
        ({"w": 1.0, "b": 2.0}, [2.0, 1.0], ["b", "w"]),
        ([1.0, (2.0, None)], [1.0, 2.0], ["0", "1_0"]),
        (Point(1.0, [2.0]), [1.0, 2.0], ["x", "y_0"]),
        (Layer(1.0, 2.0), [1.0, 2.0, False], ["w", "b", "checked"]),
        ({"layer": Layer([1.0], 2.0)}, [1.0, 2.0, False], ["layer_w_0", "layer_b", "layer_checked"]),
        (None, [], []),
    ],
)
def test_round_trip(tree: object, leaves: list[object], names: list[str]) -> None:
    found, spec = flatten(tree)
    assert found == leaves
    assert leaf_names(spec) == names
    assert unflatten(spec, found) == tree


def test_dataclass_is_rebuilt_without_its_constructor() -> None:
    _, spec = flatten(Layer(1.0, 2.0))
    rebuilt = unflatten(spec, ["w", "negative?", True])
    assert (rebuilt.w, rebuilt.b, rebuilt.checked) == ("w", "negative?", True)


def test_names_start_with_the_argument() -> None:
    assert leaf_names(flatten({"w": [1.0]})[1], "params") == ["params_w_0"]


def test_map_goes_through_trees_of_one_structure() -> None:
    assert tree_map(lambda a, b: a + b, {"a": 1, "b": (2,)}, {"a": 10, "b": (20,)}) == {"a": 11, "b": (22,)}
