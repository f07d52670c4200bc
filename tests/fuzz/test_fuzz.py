"""A few hundred programs of fixed seeds: no wrong number, nothing lost in silence, no foreign error."""

import numpy as np
import pytest

from tests.fuzz.campaign import judge
from tests.fuzz.generator import generate
from tests.fuzz.modes import MODES
from tests.fuzz.oracle import NotSmooth, by_differences
from tests.fuzz.outcome import Outcome
from tests.fuzz.program import Program
from tests.fuzz.shrink import shrink


def test_a_seed_gives_one_program():
    assert generate(7).source == generate(7).source


LOSING = """\
import numpy as np


def f(x, y):
    z = y * 2.0
    for i in range(3):
        z = z + np.sin(x)
    return np.sum(z) + {term}


ARGUMENTS = [(np.array([0.3, 0.6]), 1.0), (np.array([0.1]), 2.0)]
"""


STOPPED = """\
import jitdiff as jd
import numpy as np


def f(x):
    return jd.stop_gradient(np.sum(x) ** 2) + 0.0 * x[0]


ARGUMENTS = [(np.array([0.3]),), (np.array([0.3]),)]
"""


def judged(term, mode="eager_grad"):
    program = Program(LOSING.format(term=term))
    return program, judge(program, [mode]).outcomes[0]


def test_what_is_right_is_ok():
    assert judged("np.sum(x ** 2)")[1].kind == "ok"


def test_an_error_that_is_not_ours_is_seen_and_shrunk(monkeypatch):
    def broken(program, truths):
        if "np.sin" in program.source:
            raise KeyError("sin")

    monkeypatch.setitem(MODES, "broken", broken)
    program, outcome = judged("np.sum(x) * np.cos(x[0])", "broken")
    assert outcome == Outcome("broken", "foreign error", "KeyError: 'sin'")
    smaller = shrink(program, outcome).source
    assert "for" not in smaller
    assert "cos" not in smaller
    assert "np.sin" in smaller


def test_a_lost_gradient_is_seen():
    # Stopped on purpose, which NumPy does not see.
    _, outcome = judged("np.sum(__import__('jitdiff').stop_gradient(x) ** 2)")
    assert outcome.kind == "wrong number"
    program = Program(STOPPED)
    assert judge(program, ["eager_grad"]).outcomes[0].kind == "silent loss"


@pytest.mark.parametrize("f", [abs, lambda t: max(t, 0.0), lambda t: float(t > 0), lambda t: float("nan")])
def test_kinks_have_no_slope(f):
    with pytest.raises(NotSmooth):
        by_differences(f)


def test_differences_of_a_smooth_function():
    slope = by_differences(lambda t: np.exp(2 * t))
    assert abs(slope.first - 2) < 1e-9 + slope.error
    assert abs(slope.second - 4) < 1e-6 + slope.second_error
