"""Emitted text computes what the program says: as plain Python and as machine code."""

import numpy as np
import pytest

from jitdiff.codegen import emit
from jitdiff.native.kernel import build
from jitdiff.ops.replay import evaluate
from tests.codegen.examples import CASES
from tests.codegen.programs import check, prepared, same, trace
from tests.codegen.random_programs import random_program


@pytest.mark.parametrize("name", CASES)
def test_python(name: str) -> None:
    function, args = CASES[name]
    check(function, *args)


def _natively(function, args) -> None:
    block = trace(function, args)
    args = [*prepared(args), *block.captured]
    want = evaluate(block, args)
    emitted = emit(block, "f")
    try:
        have = build(emitted, cache=False).call(*args)
        same(list(have) if isinstance(have, tuple) else [have], want)
    except Exception as error:
        error.add_note(f"{block}\n{emitted.source}")
        raise


@pytest.mark.parametrize("name", CASES)
def test_native(name: str) -> None:
    _natively(*CASES[name])


SINGLE = ["pointwise", "softmax", "logistic", "where", "branch", "seidel", "neighbours", "scalar"]


@pytest.mark.parametrize("name", SINGLE)
def test_float32_stays_float32(name: str) -> None:
    function, args = CASES[name]
    args = tuple(np.float32(a) if np.ndim(a) == 0 else a.astype(np.float32) for a in args)
    check(function, *args)
    assert "float64" not in emit(trace(function, args), "f").source
    _natively(function, args)


@pytest.mark.parametrize("seed", range(60))
def test_random_programs(seed: int) -> None:
    function, args = random_program(seed)
    check(function, *args)


@pytest.mark.parametrize("seed", range(1000, 1008))
def test_random_programs_natively(seed: int) -> None:
    _natively(*random_program(seed, 16))
