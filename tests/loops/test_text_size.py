"""The text of programs with loops stays short: Numba takes about 10 ms for each line."""

import pytest

import jitdiff as jd
from tests.loops.programs import PROGRAMS


@pytest.mark.parametrize("name", ["observed_at_times", "lstm", "hmm_log_space"])
def test_text_of_a_gradient_is_short(name):
    program = PROGRAMS[name]
    loss = jd.compile(program.loss)
    loss(*program.make(*program.large))
    assert len(loss.source.splitlines()) < 150
    assert len(loss.adjoint_source.splitlines()) < 150


def test_a_list_from_a_loop_is_stacked_as_the_array_it_is():
    program = PROGRAMS["observed_at_times"]
    loss = jd.compile(program.loss)
    loss(*program.make(*program.large))
    assert len(str(loss.ir).splitlines()) < 60
