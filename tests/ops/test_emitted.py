"""The text of every operation, under plain Python and compiled, gives what NumPy gives."""

import numpy as np
import pytest
from numba import njit

from jitdiff import ad
from jitdiff.codegen import emit
from jitdiff.errors import DtypeError, UnsupportedError
from jitdiff.ops import Op
from tests.codegen.programs import run
from tests.ops.cases import CASES, POINTWISE
from tests.ops.harness import is_array, program, tolerance

EMITTED = [case for case in CASES if all(map(is_array, case.numpy(*case.draw())))]
CHUNK = 8


def compiled(function):
    return njit(error_model="numpy", fastmath={"reassoc", "contract", "arcp", "nsz"})(function)


def agree(got, want, cases_of_results):
    for g, w, case in zip(got, want, cases_of_results, strict=True):
        assert np.shape(g) == np.shape(w), case
        if np.ndim(w):
            assert g.dtype == w.dtype, case
        np.testing.assert_allclose(g, w, **tolerance(w), err_msg=repr(case))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("case", EMITTED, ids=repr)
def test_text_under_python(case, dtype):
    leaves = case.draw(dtype)
    block = program(case, leaves)
    args = [*leaves, *block.captured]
    got = run(emit(block, "f"), args)
    agree(got, ad.evaluate(block, args), [case] * len(got))


def whole(case, dtype):
    """Return the leaves of a case with whole numbers in place of floating ones, None where NumPy refuses them."""
    leaves = [np.ceil(x).astype(dtype) if x.dtype.kind == "f" else x for x in case.draw()]
    try:
        results = case.numpy(*leaves)
    except (TypeError, ValueError, np.linalg.LinAlgError):
        return None
    return None if any(y.dtype == np.float16 for y in results) else leaves


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.bool_])
@pytest.mark.parametrize("case", EMITTED, ids=repr)
def test_text_under_python_on_whole_numbers(case, dtype):
    leaves = whole(case, dtype)
    if leaves is None:
        return
    try:
        block = program(case, leaves)
        args = [*leaves, *block.captured]
        want = ad.evaluate(block, args)
    except (UnsupportedError, DtypeError, np.linalg.LinAlgError):
        return
    agree(run(emit(block, "f"), args), want, [case] * len(want))


def chunks(cases, size):
    return [cases[k : k + size] for k in range(0, len(cases), size)]


def together(cases, leaves):
    """One program of many cases, its arguments, and the case of each result."""
    counts = [len(x) for x in leaves]

    def call(*xs):
        each = iter(xs)
        return [y for case, n in zip(cases, counts, strict=True) for y in case(*(next(each) for _ in range(n)))]

    flat = [x for case in leaves for x in case]
    block = program(call, flat)
    results = [case for case, xs in zip(cases, leaves, strict=True) for _ in case.numpy(*xs)]
    return block, [*flat, *block.captured], results


# Functions of the table are made of ops, which is what there is to compile.
COMPILED = [
    case for case in EMITTED if isinstance(case.entry, Op) and (case.number == 1 or case.entry not in POINTWISE)
]


@pytest.mark.parametrize("cases", chunks(COMPILED, CHUNK), ids=lambda cases: f"{cases[0]}..{cases[-1]}")
def test_text_compiled(cases):
    block, args, results = together(cases, [case.draw() for case in cases])
    agree(run(emit(block, "f"), args, compiled), ad.evaluate(block, args), results)


SINGLE = [case for case in COMPILED if case.entry in POINTWISE]


@pytest.mark.parametrize("cases", chunks(SINGLE, CHUNK), ids=lambda cases: f"{cases[0]}..{cases[-1]}")
def test_text_compiled_in_single_precision(cases):
    block, args, results = together(cases, [case.draw(np.float32) for case in cases])
    agree(run(emit(block, "f"), args, compiled), ad.evaluate(block, args), results)


@pytest.mark.parametrize("dtype", [np.int64, np.bool_])
@pytest.mark.parametrize("cases", chunks(SINGLE, CHUNK), ids=lambda cases: f"{cases[0]}..{cases[-1]}")
def test_text_compiled_on_whole_numbers(cases, dtype):
    accepted = [case for case in cases if whole(case, dtype) is not None]
    block, args, results = together(accepted, [whole(case, dtype) for case in accepted])
    agree(run(emit(block, "f"), args, compiled), ad.evaluate(block, args), results)
