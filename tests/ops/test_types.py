"""What a trace says an operation gives is what NumPy gives: dtype and shape."""

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jitdiff import ad
from jitdiff.errors import DtypeError, UnsupportedError
from jitdiff.ir import ArrayType, Builder, Value, type_of, verify
from jitdiff.ir.builder import building
from jitdiff.ops import Tracer, lift
from tests.ops.cases import CASES, POINTWISE
from tests.tracing import trace


def typed(case, leaves):
    """Return what the case gives on tracers of the types of the leaves."""
    params = [Value(type_of(x)) for x in leaves]
    with building(Builder(params)):
        return case(*map(Tracer, params))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("case", CASES, ids=repr)
def test_types_are_those_of_numpy(case, dtype):
    leaves = case.draw(dtype)
    want, got = case.numpy(*leaves), typed(case, leaves)
    assert len(got) == len(want)
    for w, g in zip(want, got, strict=True):
        if isinstance(w, np.ndarray | np.generic):
            assert (g.shape, g.dtype) == (w.shape, w.dtype)
        else:
            assert g == w


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.bool_])
@pytest.mark.parametrize("case", CASES, ids=repr)
def test_types_of_integers_are_those_of_numpy(case, dtype):
    leaves = [np.ceil(x).astype(dtype) if x.dtype.kind == "f" else x for x in case.draw()]
    try:
        want = case.numpy(*leaves)
    except (TypeError, ValueError, np.linalg.LinAlgError):
        return
    if any(isinstance(w, np.ndarray | np.generic) and w.dtype == np.float16 for w in want):
        return  # there is no half precision in emitted code
    try:
        got = typed(case, leaves)
    except (UnsupportedError, DtypeError):
        return  # half precision on the way, as of the logarithm of a bool
    for w, g in zip(want, got, strict=True):
        if isinstance(w, np.ndarray | np.generic):
            assert (g.shape, g.dtype) == (w.shape, w.dtype)


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_program_evaluates_to_what_numpy_gives(case):
    leaves = case.draw()
    want = case.numpy(*leaves)
    if not all(isinstance(w, np.ndarray | np.generic) for w in want):
        return
    params = [Value(type_of(x)) for x in leaves]
    with building(builder := Builder(params)):
        block = verify(builder.finish([lift(y) for y in case(*map(Tracer, params))]))
    got = ad.evaluate(block, [*leaves, *block.captured])
    for w, g in zip(want, got, strict=True):
        assert type(g) is type(w)
        np.testing.assert_allclose(g, w, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("op", POINTWISE, ids=lambda op: op.name)
@given(data=st.data())
@settings(max_examples=15)
def test_pointwise_operations_broadcast_as_numpy_does(op, data):
    arity = len(op.samples[0].args)
    shapes = data.draw(hnp.mutually_broadcastable_shapes(num_shapes=arity, max_dims=3, max_side=3, min_side=0))
    domains = [a.domain for a in op.samples[0].args if hasattr(a, "domain")] or [None]
    rng = np.random.default_rng(3)
    leaves = [
        (domains[k % len(domains)].draw(rng, shape) if domains[0] else np.ones(shape))[()]
        for k, shape in enumerate(shapes.input_shapes)
    ]
    with np.errstate(all="ignore"):
        want = op(*leaves)
    assert want.shape == shapes.result_shape
    (out,) = op.infer(*map(type_of, leaves))
    assert out == ArrayType(want.dtype, want.shape)
    block = trace(lambda *xs: [op(*xs)], *leaves)
    (got,) = ad.evaluate(block, leaves)
    np.testing.assert_array_equal(got, want)
