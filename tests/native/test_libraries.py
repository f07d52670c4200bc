"""Machine code is made for what Python calls, and for that alone."""

import numba
import numpy as np
import pytest
from numba.core.codegen import JITCodeLibrary

from jitdiff.ir import ArrayType, Emitted
from jitdiff.native.kernel import build
from jitdiff.native.libraries import linked_only

SOURCE = """\"\"\"Two functions.\"\"\"

import numpy as np

from jitdiff.native.runtime import matmul


def product_1(a, out):
    matmul(a, a, out)
    return out[0, 0]


def product(ws, a, out):
    return product_1(a, out) + {}
"""


@pytest.fixture
def made(monkeypatch):
    """The libraries that became machine code."""
    found = []
    original = JITCodeLibrary._finalize_specific

    def counted(library):
        found.append(library.name)
        original(library)

    monkeypatch.setattr(JITCodeLibrary, "_finalize_specific", counted)
    return found


def test_a_module_is_machine_code_once(made):
    square = ArrayType(np.dtype(float), (2, 2))
    number = ArrayType(np.dtype(float))
    source = SOURCE.format(0.0)
    emitted = Emitted(source, "product", ("product_1", "product"), (square,), (square, number), 0, outs=(0,))
    product, corner = build(emitted, cache=False).call(np.array([[1.0, 2.0], [3.0, 4.0]]))
    np.testing.assert_array_equal(product, [[7.0, 10.0], [15.0, 22.0]])
    assert corner == 7.0
    assert len(made) == 1


def test_functions_that_numba_meets_meanwhile_can_be_called(made):
    with linked_only():
        inner = numba.njit(lambda x: x + 1.0)
        outer = numba.njit(lambda x: 2.0 * inner(x))
        assert outer(3.0) == 8.0
    assert inner(3.0) == 4.0
    later = numba.njit(lambda x: outer(x) - inner(x))
    assert later(3.0) == 4.0


def test_functions_without_a_wrapper_can_be_linked_later():
    hidden = numba.njit(no_cpython_wrapper=True)(lambda x: x * x)
    with linked_only():
        assert numba.njit(lambda x: hidden(x) + 1.0)(3.0) == 10.0
    assert numba.njit(lambda x: hidden(x) + 2.0)(3.0) == 11.0
