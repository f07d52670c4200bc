"""Losses that each library has its own words for: whichever are installed compute what NumPy does."""

import pytest

from tests.benchmarks.case import DisagreementError, check
from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.rivals import Words
from tests.benchmarks.suites import all_cases

CASES = [case for case in all_cases() if isinstance(case.loss, Words)]


def written_for(case, contender):
    """Whether the contender has words for the case; ways of calling the same words are not told apart."""
    # What jitdiff makes of the same programs is tested in tests/loops.
    return contender.name in {*case.loss.others, *case.calls} - {"jitdiff", "jitdiff value"}


@pytest.mark.parametrize(
    ("case", "contender"),
    [
        pytest.param(case, contender, id=f"{case.name}-{contender.name}")
        for case in CASES
        for contender in CONTENDERS
        if contender.installed and written_for(case, contender)
    ],
)
def test_rival_agrees_with_numpy(case, contender):
    contender.before()
    function, args = contender.call(case)
    check(case, contender.name, contender.after(function(*args)))


def test_other_numbers_are_refused():
    case = next(case for case in CASES if "Lotka" in case.name)
    value, gradient = case.calls["numba by hand"](*case.args)
    check(case, "right", (value, gradient))
    with pytest.raises(DisagreementError, match=r"wrong: gradient by argument 0: off by .* along a direction"):
        check(case, "wrong", (value, 1.001 * gradient))
    with pytest.raises(DisagreementError, match="wrong: value: off by"):
        check(case, "wrong", (1.001 * value, gradient))
