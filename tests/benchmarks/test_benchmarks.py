"""The benchmark script: its figures come out, and it times nothing that computes other numbers."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.case import DisagreementError, check
from tests.benchmarks.contenders import JITDIFF
from tests.benchmarks.report import Report
from tests.benchmarks.suites import all_cases

CASES = {case.name: case for case in all_cases() if case.by_hand}


@pytest.mark.parametrize("name", CASES)
def test_jitdiff_agrees_with_the_derivation_by_hand(name):
    case = CASES[name]
    function, args = JITDIFF.call(case)
    check(case, "jitdiff", function(*args))


@pytest.mark.parametrize("name", CASES)
def test_derivation_by_hand_is_the_derivative(name, rng):
    case = CASES[name]
    loss = case.loss(np)
    for position, i in enumerate(case.argnums):
        gradient = case.by_hand(*case.args)[1]
        gradient = gradient[position] if len(case.argnums) > 1 else gradient
        direction = rng.normal(size=case.args[i].shape)

        def along(t, i=i, direction=direction):
            return loss(*case.args[:i], case.args[i] + t * direction, *case.args[i + 1 :])

        difference = (along(1e-6) - along(-1e-6)) / 2e-6
        found = np.tensordot(gradient, direction, direction.ndim)
        assert found == pytest.approx(difference, rel=1e-5, abs=1e-5 * np.max(np.abs(difference)))


def test_other_numbers_are_refused():
    case = CASES["Rosenbrock n=10"]
    value, gradient = case.by_hand(*case.args)
    with pytest.raises(DisagreementError, match=r"Rosenbrock n=10: wrong: gradient by argument 0: off by 1\.0e\+00"):
        check(case, "wrong", (value, 2 * gradient))
    with pytest.raises(DisagreementError, match="list, not a float64 array"):
        check(case, "wrong", (value, list(gradient)))


def test_own_call_of_a_case_comes_first():
    case = dataclasses.replace(CASES["Rosenbrock n=10"], calls={"jitdiff": None})
    assert JITDIFF.call(case) is None
    own = dataclasses.replace(case, calls={"jitdiff": case.by_hand})
    assert JITDIFF.call(own) == (case.by_hand, case.args)


def test_report_compares_with_jitdiff():
    report = Report({"cpu": "some"}, rounds=3)
    report.seconds = {"logistic 100x10": {"jitdiff": 2e-6, "jax": 8e-6}, "other": {"jitdiff": 2e-6, "jax": 1e-6}}
    assert report.ratios == {"logistic 100x10": {"jax": 4.0}, "other": {"jax": 0.5}}
    text = report.text()
    assert "aim: logistic 100x10: jax takes at least 8 times as long: MISSED (4.00, logistic 100x10)" in text
    assert "aim: every case: jax takes at least 1 times as long: MISSED (0.50, other)" in text


def test_report_of_loops():
    report = Report({"cpu": "some"}, rounds=3)
    report.seconds = {
        "stencil: a": {"jitdiff": 2e-6, "jax": 4e-5, "jitdiff value": 1e-6, "numba value": 5e-7},
        "factorisation: b": {"jitdiff": 2e-6, "jax": 1e-5, "jitdiff value": 2.5e-7},
    }
    report.first_call = {"stencil: a": {"jitdiff": {"import": 1.0, "cold": 4.0, "warm": 0.1}}}
    text = report.text()
    assert "stencil and factorisation: jax takes at least 10 times as long in geometric mean: met (10.00)" in text
    assert "every case: jitdiff value takes at least 0.2 times as long: MISSED (0.12, factorisation: b)" in text
    assert "the first call with a cold cache takes less than 5 s: met (4.00 s, stencil: a)" in text
    rows = text.splitlines()
    start = rows.index("value and gradient by jitdiff: times as long as the value alone")
    assert [row.split() for row in rows[start + 1 : start + 4]] == [
        ["by", "jitdiff", "by", "Numba"],
        ["stencil:", "a", "2.00", "4.00"],
        ["factorisation:", "b", "8.00", "-"],
    ]


def test_script_prints_and_writes_figures(tmp_path):
    figures = tmp_path / "figures.json"
    script = Path(__file__).with_name("run.py")
    options = ["--quick", "--only", "Rosenbrock", "--contenders", "jitdiff,numpy by hand", "--json", str(figures)]
    done = subprocess.run([sys.executable, str(script), *options], capture_output=True, text=True, check=True)
    assert "times as long as jitdiff" in done.stdout
    found = json.loads(figures.read_text())
    assert found["seconds"]["Rosenbrock n=10"].keys() == {"jitdiff", "numpy by hand"}
    first = found["first_call"]["Rosenbrock n=10"]["jitdiff"]
    assert 0 < first["warm"] < first["cold"]
