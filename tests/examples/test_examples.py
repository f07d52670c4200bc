"""Every example runs as a script in an empty folder with an empty cache, quietly, and shows what it should."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def run(tmp_path):
    def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env=os.environ | {"JITDIFF_CACHE_DIR": str(tmp_path / "cache"), "MPLCONFIGDIR": str(tmp_path / "mpl")},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run_python


def output(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    # matplotlib says so when it reads the fonts for the first time.
    warnings = [line for line in done.stderr.splitlines() if "font cache" not in line]
    assert not warnings, done.stderr
    return done.stdout


def test_every_example_is_tested():
    names = {path.name for path in EXAMPLES.glob("*.py")}
    assert names == {name for name in names if name in Path(__file__).read_text("utf-8")}


def test_gradient_tape(run):
    shown = output(run(str(EXAMPLES / "gradient_tape.py")))
    for line in [
        r"d\(x\^2\)/dx at 2 +4\.0",
        r"the same of a constant +None",
        r"d loss/dw of a 3x2 linear layer +\[\[22\.0, 28\.0\], \[44\.0, 56\.0\], \[66\.0, 84\.0\]\]",
        r"d loss/db +\[22\.0, 28\.0\]",
        r"dz/dx of x\^4 at 1 and 3 +\[4\.0, 108\.0\]",
        r"asked twice: GradientTape\.gradient can only be called once on non-persistent tapes\.",
        r"dz/dy of y\^2, .* +8\.0",
        r"d2\(x\^3\)/dx2 +6\.0",
        r"d\(x\^y\)/dx at x = 3, y = 2 +6\.0",
        r"at x = 4, y = 3 +48\.0",
        r"All as they should be\.",
    ]:
        assert re.search(f"^{line}", shown, re.MULTILINE), f"no line {line!r} in:\n{shown}"


def test_derivatives_plot(run, tmp_path):
    shown = output(run(str(EXAMPLES / "derivatives_plot.py"), "--out", "pictures"))
    assert shown.count("largest error") == 5
    picture = tmp_path / "pictures" / "sin2_derivatives.png"
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_logistic_regression(run):
    shown = output(run(str(EXAMPLES / "logistic_regression.py")))
    assert "400 rows to train on, 169 to test, 31 weights" in shown
    assert "0 compilations during the fits" in shown
    rows = re.findall(r"^ *1e-0\d +(\d+) +(\d+) +([\d.]+) +([\d.]+)% +([\d.]+)%$", shown, re.MULTILINE)
    assert len(rows) == 5
    losses = [float(row[2]) for row in rows]
    assert losses == sorted(losses, reverse=True)
    assert max(float(row[4]) for row in rows) > 95


def test_lotka_volterra_fit(run):
    shown = output(run(str(EXAMPLES / "lotka_volterra_fit.py")))
    rates = re.findall(r"^\D+(0\.\d+)   Stan (0\.\d+)$", shown, re.MULTILINE)
    assert len(rates) == 4
    assert re.search(r"us a value and gradient of 1000 steps$", shown)


def test_kalman_nile(run):
    shown = output(run(str(EXAMPLES / "kalman_nile.py")))
    assert re.search(
        r"^all years: observations 15[01]\d\d, level 14\d\d\.\d, log likelihood -632\.5456$", shown, re.MULTILINE
    )
    assert "without 1891-1910 and 1931-1950: observations 17" in shown


def test_inverse_heat(run):
    shown = output(run(str(EXAMPLES / "inverse_heat.py")))
    found = re.search(r"^sensor within (0\.\d+); the end within (0\.\d+) of the truth$", shown, re.MULTILINE)
    assert found is not None, shown
    assert float(found[1]) < 0.003
    assert float(found[2]) < 0.03


def test_option_greeks(run):
    shown = output(run(str(EXAMPLES / "option_greeks.py")))
    rows = re.findall(
        r"^ +\d\d +0\.\d +\d +(\d\.\d+) +(\d\.\d+) +-0\.\d+ +-\d+\.\d+ +\d+\.\d+ +-\d\.\d+$", shown, re.MULTILINE
    )
    assert len(rows) == 5
    assert "80,200 nodes" in shown


def test_nist_strd_lists_the_problems(run):
    shown = output(run(str(EXAMPLES / "nist_strd.py")))
    assert len(shown.splitlines()) == 27


def test_nist_fit(run, tmp_path):
    names = ["BoxBOD", "Nelson", "Rat42"]
    chosen = [argument for name in names for argument in ("--problem", name)]
    shown = output(run(str(EXAMPLES / "nist_fit.py"), *chosen, "--plot", "pictures"))
    for line in ["BoxBOD +2 +6 +- +", "Nelson +3 +128 +([6-9]|1[01])", "Rat42 +3 +9 +([6-9]|1[01])"]:
        assert re.search(f"^{line}", shown, re.MULTILINE), f"no line {line!r} in:\n{shown}"
    assert "BoxBOD, start 1: least_squares diverges: it ends at 8.37 times the least sum of squares" in shown
    summary = shown.splitlines()[-1]
    assert summary.startswith("3 of 3 problems reach 6 certified digits from at least one start")
    assert sorted(path.stem for path in (tmp_path / "pictures").glob("*.png")) == names


def test_nist_fit_fails_if_a_problem_is_not_solved(run):
    strict = "import sys, nist_fit; nist_fit.DIGITS_WANTED = 12; sys.exit(nist_fit.main())"
    code = f"import sys; sys.path.insert(0, {str(EXAMPLES)!r}); {strict}"
    done = run("-c", code, "--problem", "DanWood")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "0 of 1 problems reach 12 certified digits" in done.stdout


def test_nist_fit_names_the_problems_there_are(run):
    done = run(str(EXAMPLES / "nist_fit.py"), "--problem", "Misra")
    assert done.returncode == 2
    assert "no problem named Misra; there are Bennett5, BoxBOD," in done.stderr
