"""Small arrays in scalars, and those that have to stay in memory."""

import numpy as np

from jitdiff.ops import control
from tests.codegen.programs import check

X = np.linspace(0.5, 1.5, 4)


def test_an_array_that_an_inner_loop_reads_at_a_varying_place_stays_in_memory() -> None:
    def function(x):
        def outer(i, total):
            y = np.sin(x * i)
            return [total + control.fori(4, lambda j, s: [s + y[3 - j] * j], [0.0])[0][0]]

        return control.fori(3, outer, [0.0])[0][0]

    assert "buffer" in check(function, X).source
