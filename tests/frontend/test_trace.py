"""Tracing: a call of a function becomes a block."""

import numpy as np
import pytest

import jitdiff as jd
from jitdiff import ad
from jitdiff.errors import ArgumentError, ArgumentTypeError, TracingError
from jitdiff.frontend import Layout, NeedsStatic, Signature, Static, Traced, flatten_call, symbolic_kinds, trace
from jitdiff.ir import ArrayType, NeedsConcreteSize, reads_of, verify


def traced(function, *args, static_argnames=(), **kwargs) -> Traced:
    signature = Signature(function, static_argnames)
    leaves, spec = flatten_call(*signature.arrange(args, kwargs))
    layout = Layout(signature, spec)
    return trace(function, layout, layout.kinds(leaves))


def test_parameters_are_named_after_the_signature() -> None:
    def model(params, X, *rest, scale=1.0):
        return X @ params["w"] * scale + rest[0]

    found = traced(model, {"w": np.ones(3)}, np.ones((2, 3)), 1.0, scale=2.0)
    assert [p.name for p in found.block.params] == ["params_w", "X", "rest_0", "scale"]
    verify(found.block)


def test_keywords_take_their_positions() -> None:
    signature = Signature(lambda w, X, y=0.0: X @ w)
    assert signature.arrange((1,), {"y": 3, "X": 2}) == ((1, 2, 3), {})
    assert signature.arrange((1,), {"y": 3}) == ((1,), {"y": 3})


def test_captured_arrays_are_parameters() -> None:
    table = np.arange(3.0)
    found = traced(lambda x: x * table + table, np.ones(3))
    assert found.block.captured == (table,)
    assert found.block.captured[0] is table
    assert len(found.block.params) == 2
    np.testing.assert_array_equal(ad.evaluate(found.block, [np.ones(3), table]), [[0, 2, 4]])


def test_captured_arrays_that_nothing_reads_are_no_parameters() -> None:
    def f(x):
        jd.cond(x > 0, lambda: x * np.ones(3), lambda: x * np.zeros(3))
        return jd.jacobian(lambda v: v * np.arange(2.0))(np.ones(2)) * x

    found = traced(f, 1.0)
    assert len(found.block.params) == 1 + len(found.block.captured)
    read = {v for node in found.block.nodes for v in reads_of(node)}
    assert set(found.block.params) <= read


def test_static_arguments_are_python_values_inside() -> None:
    def f(x, mode, n):
        assert (mode, n) == ("twice", [2])
        return x * n[0]

    class Hashable(list):
        __hash__ = object.__hash__

    found = traced(f, 1.0, "twice", Hashable([2]), static_argnames=["n"])
    assert len(found.block.params) == 1


def test_the_number_of_an_integer_makes_it_static() -> None:
    for f in (
        lambda x, n: sum(x for _ in range(n)),
        lambda x, n: x if n > 2 else -x,
        lambda x, n: np.zeros(n + 1) + x,
        lambda x, n: x * [1.0, 2.0, 3.0, 4.0][n],
    ):
        with pytest.raises(NeedsStatic) as caught:
            traced(f, 1.0, 3)
        assert caught.value.leaves == {1}


def test_only_the_integers_behind_the_number_are_named() -> None:
    with pytest.raises(NeedsStatic) as caught:
        traced(lambda x, k, n: x * k + np.zeros(2 * n), 1.0, 3, 4)
    assert caught.value.leaves == {2}


def test_an_integer_that_is_computed_with_stays_traced() -> None:
    found = traced(lambda x, n: x * n, np.ones(2), 3)
    assert [repr(p.type) for p in found.block.params] == ["f64[2]", "i64[]"]


def test_integers_are_weak_as_in_numpy() -> None:
    found = traced(lambda x, n, a: x * n * a, np.ones(2, np.float32), 3, 2.0)
    assert repr(found.block.results[0].type) == "f32[2]"


def test_result_as_it_came_and_constants() -> None:
    found = traced(lambda x: {"x": x, "one": 1.0, "table": np.arange(2)}, np.ones(2))
    one, table, x = found.block.results
    assert one.value == 1.0
    assert repr(table.type) == "i64[2]"
    assert x is found.block.params[0]


def test_arguments_are_not_changed_by_the_trace() -> None:
    def f(params):
        params["w"] = params["w"] * 2
        params["new"] = 1.0
        return params["w"]

    params = {"w": np.ones(2)}
    traced(f, params)
    assert list(params) == ["w"]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: None, "returned None; did you forget to return a value"),
        (lambda x: (), "without any value in it"),
        (lambda x: "yes", "returned a str, 'yes'"),
        (lambda x: (x, object), "returned a type"),
    ],
)
def test_results_that_are_no_arrays(function, message: str) -> None:
    with pytest.raises(TracingError, match=message) as caught:
        traced(function, 1.0)
    assert "test_trace.py" in str(caught.value)


def test_wrong_arguments() -> None:
    def f(w, X):
        return X @ w

    with pytest.raises(ArgumentTypeError, match="missing a required argument: 'X'") as caught:
        Signature(f).check((1.0,), {})
    assert "f(w, X)" in str(caught.value)
    with pytest.raises(ArgumentError, match="has no argument 'n'"):
        Signature(f, ["n"])
    with pytest.raises(ArgumentError, match="has no argument number 4"):
        Signature(f, static_argnums=[4])


def sized(*shapes: tuple[int, ...]) -> tuple[ArrayType, ...]:
    return tuple(ArrayType(np.dtype(float), shape) for shape in shapes)


def test_sizes_that_vary_together_share_a_symbol() -> None:
    kinds, symbols = symbolic_kinds([sized((3,), (7, 3), (3, 3)), sized((4,), (7, 4), (4, 9))], ["x", "A", "B"])
    assert repr(kinds) == "(f64[n], f64[7,n], f64[n,m])"
    assert symbols == {"n", "m"}


def test_symbols_avoid_the_names_of_arguments() -> None:
    kinds, _ = symbolic_kinds([sized((3,)), sized((4,))], ["n"])
    assert repr(kinds) == "(f64[m],)"


def test_sizes_asked_for_stay_numbers() -> None:
    calls = [sized((3,), (5,)), sized((4,), (6,))]
    kinds, symbols = symbolic_kinds(calls, ["x", "y"], frozenset({"n"}))
    assert repr(kinds) == "(f64[4], f64[m])"
    assert symbols == {"m"}


def test_static_kinds_stay() -> None:
    kinds, _ = symbolic_kinds([(Static("a"), *sized((3,))), (Static("a"), *sized((4,)))], ["mode", "x"])
    assert kinds[0] == Static("a")


def test_a_symbolic_size_has_no_number() -> None:
    def f(x):
        return sum(x[i] for i in range(x.shape[0]))

    signature = Signature(f)
    _, spec = flatten_call((np.ones(3),), {})
    kinds, _ = symbolic_kinds([sized((3,)), sized((4,))], ["x"])
    with pytest.raises(NeedsConcreteSize):
        trace(f, Layout(signature, spec), kinds)
