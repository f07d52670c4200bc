"""The reference data sets: what the files say is what is read, and each model is the one that was certified."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("nist_strd", EXAMPLES / "nist_strd.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["nist_strd"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


nist_strd = load()
PROBLEMS = {problem.name: problem for problem in nist_strd.read_all()}


def test_all_27_are_read():
    assert sorted(PROBLEMS) == sorted(nist_strd.MODELS)
    assert len(PROBLEMS) == 27
    assert sum(problem.difficulty == "Lower" for problem in PROBLEMS.values()) == 8
    assert sum(problem.difficulty == "Average" for problem in PROBLEMS.values()) == 11
    assert sum(problem.difficulty == "Higher" for problem in PROBLEMS.values()) == 8


def test_misra1a():
    misra1a = PROBLEMS["Misra1a"]
    assert misra1a.formula == "y = b1*(1-exp[-b2*x]) + e"
    assert [start.tolist() for start in misra1a.starts] == [[500, 0.0001], [250, 0.0005]]
    assert misra1a.certified.tolist() == [2.3894212918e02, 5.5015643181e-04]
    assert misra1a.certified_sd.tolist() == [2.7070075241, 7.2668688436e-06]
    assert misra1a.residual_sum_of_squares == 1.2455138894e-01
    assert len(misra1a.y) == len(misra1a.x) == 14
    assert (misra1a.y[0], misra1a.x[0], misra1a.y[-1], misra1a.x[-1]) == (10.07, 77.6, 81.78, 760.0)


def test_nelson_has_two_predictors_and_a_logarithm():
    nelson = PROBLEMS["Nelson"]
    assert nelson.formula == "log[y] = b1 - b2*x1 * exp[-b3*x2] + e"
    assert nelson.x.shape == (2, 128)
    assert nelson.x[:, -1].tolist() == [64, 275]
    assert nelson.y[0] == np.log(15.0)


def test_a_formula_over_several_lines():
    assert PROBLEMS["ENSO"].formula.startswith("y = b1 + b2*cos( 2*pi*x/12 )")
    assert PROBLEMS["ENSO"].formula.endswith("+ b9*sin( 2*pi*x/b7 ) + e")
    assert PROBLEMS["Roszman1"].formula == "y = b1 - b2*x - arctan[b3/(x-b4)]/pi + e"
    assert PROBLEMS["Thurber"].starts[1].tolist() == [1300, 1500, 500, 75, 1, 0.4, 0.05]


@pytest.mark.parametrize("name", PROBLEMS)
def test_certified_parameters_give_the_certified_sum_of_squares(name):
    problem = PROBLEMS[name]
    residuals = problem.model(problem.certified, problem.x) - problem.y
    assert residuals.shape == problem.y.shape
    # The residuals of Lanczos1 (1e-13) are smaller than what rounding the parameters to 11 digits does to them.
    tolerance = {"rtol": 0, "atol": 1e-20} if name == "Lanczos1" else {"rtol": 1e-9, "atol": 0}
    np.testing.assert_allclose(np.sum(residuals**2), problem.residual_sum_of_squares, **tolerance)


@pytest.mark.parametrize("name", PROBLEMS)
def test_standard_deviations_follow_from_the_model(name):
    problem = PROBLEMS[name]
    b, n, p = problem.certified, len(problem.y), len(problem.certified)
    steps = np.diag(1e-6 * b)
    jacobian = [(problem.model(b + h, problem.x) - problem.model(b - h, problem.x)) / (2 * sum(h)) for h in steps]
    scaled = np.array(jacobian) * b[:, None]
    covariance = np.linalg.inv(scaled @ scaled.T) * problem.residual_sum_of_squares / (n - p)
    np.testing.assert_allclose(np.sqrt(np.diag(covariance)) * np.abs(b), problem.certified_sd, rtol=2e-3)


def test_correct_digits():
    problem = PROBLEMS["DanWood"]
    b = problem.certified
    assert problem.correct_digits(b) == 11
    assert problem.correct_digits(b * [1, 1 + 1e-4]) == pytest.approx(4, abs=1e-6)
    assert problem.correct_digits(b * 100) == 0
    assert problem.correct_digits(b * np.nan) == 0
    assert problem.correct_digits(b * np.inf) == 0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("DanWood  ", "Danwood  ", "no model for the data set 'Danwood'"),
        ("  b2 =   5", "  b9    5", "1 parameters read"),
        ("2 Parameters", "Parameters", "no line matches"),
        ("      5.660E0        1.680E0\n", "", "5 rows of 1 \\+ 1 columns"),
        ("Residual Sum of Squares", "Sum", "no line matches"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, old, new, message):
    text = (EXAMPLES / "data" / "nist_strd" / "DanWood.dat").read_text("ascii")
    assert old in text
    path = tmp_path / "DanWood.dat"
    path.write_text(text.replace(old, new), "ascii")
    with pytest.raises(ValueError, match=message):
        nist_strd.read(path)
