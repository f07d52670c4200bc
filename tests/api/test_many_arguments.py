"""Functions of very many arrays: their text is in proportion, and they mean what they mean of few."""

from __future__ import annotations

import ast
import pickle
from typing import Any

import numpy as np
import optree
import pytest

import jitdiff as jd
from jitdiff.codegen.pack import PACKED_FROM
from jitdiff.native import records

COUNT = PACKED_FROM + 3


def energy(d: dict[str, Any]) -> Any:
    total = 0.0
    for k, x in enumerate(d.values()):
        total = total + np.sum(np.sin(x) * x) / (k + 1.0)
    return total


def weighted(*xs: Any) -> Any:
    total = 0.0
    for k, x in enumerate(xs):
        total = total + (k + 1.0) * np.sum(x * x * x)
    return total


def in_place(xs: list[Any]) -> Any:
    total = 0.0
    for x in xs:
        x *= x
        x[0] = 2.0 * x[-1]
        total = total + np.sum(x)
    return total


def same_kind(count: int, size: int = 5) -> list[np.ndarray]:
    return [np.linspace(-1.0, 1.0, size) * (k + 1) / count for k in range(count)]


def mixed(count: int) -> list[np.ndarray]:
    """Arrays of several ranks, dtypes, orders and sizes, none and no axes among them, read-only and foreign ones."""
    kinds = [
        lambda x: x,
        lambda x: x.reshape(2, 3),
        lambda x: np.asfortranarray(x.reshape(3, 2)),
        lambda x: np.float32(x),
        lambda x: np.asarray(x[0]),
        lambda x: x[:0],
        lambda x: np.repeat(x, 2)[::2],
        lambda x: x.astype(x.dtype.newbyteorder()),
        lambda x: np.float32(x).reshape(1, 2, 3),
    ]
    arrays = [kinds[k % len(kinds)](np.linspace(-1.0, 1.0, 6) * (k + 1) / count) for k in range(count)]
    arrays[0].flags.writeable = False
    return arrays


def named(arrays: list[np.ndarray]) -> dict[str, np.ndarray]:
    return {f"w{k:03}": x for k, x in enumerate(arrays)}


def close(have: Any, want: Any, rtol: float = 1e-12) -> None:
    have, want = optree.tree_leaves(have), optree.tree_leaves(want)
    assert len(have) == len(want)
    for a, b in zip(have, want, strict=True):
        assert np.shape(a) == np.shape(b)
        assert np.asarray(a).dtype == np.asarray(b).dtype
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)


def test_values_and_gradients_of_a_dict_of_many_kinds():
    d = named(mixed(COUNT))
    compiled = jd.compile(energy).value_and_grad
    close(compiled(d), jd.value_and_grad(energy)(d), rtol=1e-6)
    assert compiled.specialisation(d).emitted.packed


def test_values_and_gradients_by_many_arguments():
    xs = same_kind(COUNT)
    by = tuple(range(COUNT))
    close(jd.value_and_grad(jd.compile(weighted), argnums=by)(*xs), jd.value_and_grad(weighted, argnums=by)(*xs))


def test_arguments_changed_in_place_stay_as_they_are():
    xs = same_kind(COUNT)
    before = [x.copy() for x in xs]
    close(jd.compile(in_place).value_and_grad(xs), jd.value_and_grad(in_place)(xs))
    close(xs, before)


def test_other_sizes_compile_one_text_for_all():
    compiled = jd.compile(energy).value_and_grad
    for size in (4, 6, 9, 1):
        d = named(same_kind(COUNT, size))
        close(compiled(d), jd.value_and_grad(energy)(d))
    assert len(compiled.specialisations) == 2


def test_second_derivatives_tangents_and_batches():
    xs = same_kind(COUNT, 3)
    dxs = [np.cos(x) for x in xs]
    compiled, by = jd.compile(weighted), tuple(range(COUNT))
    close(jd.jvp(compiled, tuple(xs), tuple(dxs)), jd.jvp(weighted, tuple(xs), tuple(dxs)))
    value, pull = jd.vjp(compiled, *xs)
    close((value, pull(2.0)), (weighted(*xs), tuple(2.0 * 3.0 * (k + 1.0) * x * x for k, x in enumerate(xs))))
    gradient = jd.grad(compiled, argnums=by)
    tangents = jd.jvp(gradient, tuple(xs), tuple(dxs))[1]
    close(tangents, tuple(6.0 * (k + 1.0) * x * dx for k, (x, dx) in enumerate(zip(xs, dxs, strict=True))))
    batches = [np.stack([x, 2.0 * x]) for x in xs]
    close(jd.vmap(compiled)(*batches), np.array([weighted(*xs), weighted(*(2.0 * x for x in xs))]))


def test_wrong_shapes_and_dtypes_are_errors_of_ours():
    @jd.compile
    def together(d):
        total = 0.0
        for x in d.values():
            total = total + np.sum(x * d["w000"])
        return total

    d = named(same_kind(COUNT))
    together(d)
    d["w020"] = np.ones(7)
    with pytest.raises(jd.errors.ShapeError, match=r"shapes \[7\], \[5\]"):
        together(d)
    d["w020"] = np.array(["a"])
    with pytest.raises(jd.errors.JitdiffError, match="w020"):
        together(d)


def test_donated_arrays_among_many():
    def step(state, others):
        for x in others:
            state += x
        return np.sum(state)

    others = same_kind(COUNT)
    state = np.ones(5)
    compiled = jd.compile(step, donate="state")
    assert compiled(state, others) == pytest.approx(np.sum(1.0 + sum(others)))
    np.testing.assert_allclose(state, 1.0 + sum(others))


def test_other_compiled_code_gives_each_array_by_itself():
    xs = same_kind(COUNT, 2)
    kernel = jd.compile(weighted).kernel(*xs)
    assert not kernel.emitted.packed
    assert kernel.dispatcher(np.empty(kernel.emitted.workspace, np.uint8), *xs) == pytest.approx(weighted(*xs))


def test_pickles_run_again():
    xs = same_kind(COUNT)
    again = pickle.loads(pickle.dumps(jd.compile(weighted)))
    assert again(*xs) == pytest.approx(weighted(*xs))


def test_arrays_stay_arguments_where_their_memory_is_not_known(monkeypatch):
    monkeypatch.setattr(records, "are_known", lambda: False)
    xs = same_kind(COUNT, 2)
    compiled = jd.compile(weighted)
    assert not compiled.specialisation(*xs).emitted.packed
    assert compiled(*xs) == pytest.approx(weighted(*xs))


def test_few_arrays_are_arguments():
    xs = same_kind(PACKED_FROM - 1)
    assert not jd.compile(weighted).specialisation(*xs).emitted.packed


def test_text_is_in_proportion_and_no_function_long_or_of_many_arguments():
    """What Numba is handed of each array does not depend on how many there are."""
    nodes = []
    for count in (150, 300):
        compiled = jd.compile(energy).value_and_grad
        functions = functions_of(compiled.specialisation(named(same_kind(count))).emitted.source)
        nodes.append(sum(len(list(ast.walk(f))) for f in functions))
        assert max(f.end_lineno - f.lineno for f in functions) <= 300
        arrays = [len({a.arg for a in f.args.args} & {f"d_w{k:03}" for k in range(count)}) for f in functions]
        assert max(arrays) == 0
        assert len(functions[-1].args.args) == 2
    assert nodes[1] < 2.1 * nodes[0]


def test_totals_begin_in_the_function_that_adds_to_them():
    compiled = jd.compile(energy).value_and_grad
    for function in functions_of(compiled.specialisation(named(same_kind(100))).emitted.source)[:-1]:
        added = {
            n.target.id for n in ast.walk(function) if isinstance(n, ast.AugAssign) and isinstance(n.target, ast.Name)
        }
        assert not added & {a.arg for a in function.args.args}


def functions_of(source: str) -> list[ast.FunctionDef]:
    return [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
