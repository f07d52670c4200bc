"""Operations whose rules ask for sizes work where sizes are symbols: one program for all of them."""

import numpy as np
import pytest

from jitdiff.codegen import emit
from jitdiff.ir import ArrayType, Builder, Dim, Value, verify
from jitdiff.ir.builder import building
from jitdiff.native.runtime import WorkspaceTooSmall
from jitdiff.ops import Tracer, lift
from jitdiff.ops.special import logsumexp, softmax
from tests.codegen.programs import load, prepared, workspace
from tests.ops.harness import evaluate
from tests.tracing import gradient_of

FUNCTIONS = {
    "arithmetic": lambda x: np.sum(x * x.T.T + 2 * x / 3 - x**3),
    "constants": lambda x: np.sum(x * np.ones_like(x) + np.full_like(x, 2.0) * x - np.zeros_like(x)),
    "sum": lambda x: np.sum(np.sum(x * x, axis=0, keepdims=True) * x),
    "mean": lambda x: np.mean(x * x) + np.sum(np.mean(x**3, axis=1)),
    "var": lambda x: np.var(x) + np.sum(np.var(x, axis=0, ddof=1)),
    "std": lambda x: np.std(x) + np.sum(np.std(x, axis=1)),
    "max": lambda x: np.max(x) * np.sum(np.min(x, axis=0)),
    "prod": lambda x: np.prod(x) + np.sum(np.prod(x, axis=0) ** 2),
    "cumsum": lambda x: np.sum(np.cumsum(x) ** 2) + np.sum(np.cumsum(x, axis=1) ** 2),
    "cumprod": lambda x: np.sum(np.cumprod(x, axis=0) ** 2),
    "logsumexp": lambda x: logsumexp(x) + np.sum(logsumexp(x, axis=1) ** 2),
    "softmax": lambda x: np.sum(softmax(x, axis=1) ** 2),
    "average": lambda x: np.average(x, weights=np.abs(x)),
    "argmax": lambda x: np.sum(np.argmax(x, axis=1) * x[:, 0]) + np.argmax(x),
    "any": lambda x: np.sum(np.where(np.any(x > 1, axis=1, keepdims=True), x, 2 * x)),
    "count": lambda x: np.count_nonzero(x > 0, axis=0) @ x[0],
    "ptp": lambda x: np.sum(np.ptp(x, axis=0)),
    "norm": lambda x: np.linalg.norm(x) + np.sum(np.hypot(x, 1.0)),
}


def run(emitted, args):
    """Return the results of emitted text, given as large a workspace as it asks for."""
    entry, args, outs = load(emitted), prepared(args), emitted.fresh(args)
    try:
        returned = entry(workspace(emitted), *args, *outs)
    except WorkspaceTooSmall as too_small:
        returned = entry(workspace(emitted, too_small.args[0]), *args, *outs)
    return emitted.collect(returned, outs)


@pytest.mark.parametrize("f", FUNCTIONS.values(), ids=FUNCTIONS)
def test_one_program_for_all_sizes(f, rng):
    param = Value(ArrayType(np.dtype(float), (Dim.symbol("n"), Dim.symbol("m"))), "x")
    with building(builder := Builder([param], name="f")):
        results = [f(Tracer(param)), *gradient_of(lambda x: [f(x)])(Tracer(param))]
        block = verify(builder.finish([lift(r) for r in results]))
    for shape in [(3, 4), (2, 5)]:
        x = rng.normal(size=shape)
        value, grad = evaluate(block, [x])
        np.testing.assert_allclose(value, f(x), rtol=1e-13)
        h, v = 1e-6, rng.normal(size=shape)
        np.testing.assert_allclose(np.sum(grad * v), (f(x + h * v) - f(x - h * v)) / (2 * h), rtol=1e-6, atol=1e-7)
        emitted = emit(block, "f")
        for got, want in zip(run(emitted, [x, *block.captured]), (value, grad), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-12)
