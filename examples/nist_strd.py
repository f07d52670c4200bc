"""The nonlinear regression problems of the NIST Statistical Reference Datasets: data, certified answers, models.

The files in ``data/nist_strd`` are the originals of https://www.itl.nist.gov/div898/strd/ (a work of the US government,
in the public domain). Each gives a model, two starting points, the data, and the least-squares parameters certified
to eleven digits. The models follow the formulas in the files, as plain NumPy.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Model = Callable[[Any, Any], Any]

FOLDER = Path(__file__).parent / "data" / "nist_strd"


@dataclass(frozen=True)
class Problem:
    """One reference data set: fit ``model(b, x)`` to ``y``."""

    name: str
    formula: str
    difficulty: str
    model: Model
    x: Array  # (observations,), or (predictors, observations) where there are several
    y: Array  # (observations,), the logarithm already taken where the model is of log[y]
    starts: tuple[Array, Array]
    certified: Array
    certified_sd: Array
    residual_sum_of_squares: float

    def correct_digits(self, b: Array) -> float:
        """The number of digits in which every parameter agrees with its certified value, at most 11."""
        with np.errstate(invalid="ignore", over="ignore"):
            error = np.max(np.abs(b - self.certified) / np.abs(self.certified))
        if not np.isfinite(error):
            return 0.0
        return float(np.clip(-np.log10(max(error, 1e-11)), 0.0, 11.0))


def read(path: Path) -> Problem:
    """Read one ``.dat`` file; ValueError if it does not hold what its own header promises."""
    text = path.read_text("ascii")

    def find(pattern: str) -> str:
        match = re.search(pattern, text, re.MULTILINE)
        if match is None:
            raise ValueError(f"{path.name}: no line matches {pattern!r}")
        return match[1]

    name = find(r"^Dataset Name:\s+(\w+)")
    if name not in MODELS:
        raise ValueError(f"{path.name}: no model for the data set {name!r}")
    parameters = re.findall(r"^ *b\d+ *= +(\S+) +(\S+) +(\S+) +(\S+)", text, re.MULTILINE)
    start1, start2, certified, sd = _columns(parameters)
    if len(certified) != int(find(r"^ +(\d+) Parameters")):
        raise ValueError(f"{path.name}: {len(certified)} parameters read, the header says otherwise")

    formula = re.sub(r"\s+", " ", find(r"^ +((?:log\[y\]|y) +=(?:.+\n)+?)\s*\n").strip())
    table = text[text.rindex("Data:") :].splitlines()[1:]
    y, *predictors = _columns([line.split() for line in table if line.strip()])
    if len(y) != int(find(r"^Number of Observations: +(\d+)")) or len(predictors) != int(find(r"^ +(\d+) Predictor")):
        raise ValueError(f"{path.name}: {len(y)} rows of 1 + {len(predictors)} columns, the header says otherwise")

    return Problem(
        name=name,
        formula=formula,
        difficulty=find(r"^ +(\w+) +Level of Difficulty"),
        model=MODELS[name],
        x=predictors[0] if len(predictors) == 1 else np.array(predictors),
        y=np.log(y) if formula.startswith("log[y]") else y,
        starts=(start1, start2),
        certified=certified,
        certified_sd=sd,
        residual_sum_of_squares=float(find(r"^Residual Sum of Squares: +(\S+)")),
    )


def _columns(rows: Any) -> Array:
    """Return the columns of a table of numbers, each contiguous: native code takes those as they are."""
    return np.ascontiguousarray(np.array(rows, np.float64).T)


def read_all(folder: Path = FOLDER) -> list[Problem]:
    """Read every problem, in alphabetical order."""
    return [read(path) for path in sorted(folder.glob("*.dat"))]


def misra1a(b: Any, x: Any) -> Any:
    b1, b2 = b
    return b1 * (1 - np.exp(-b2 * x))


def misra1b(b: Any, x: Any) -> Any:
    b1, b2 = b
    return b1 * (1 - (1 + b2 * x / 2) ** -2)


def misra1c(b: Any, x: Any) -> Any:
    b1, b2 = b
    return b1 * (1 - (1 + 2 * b2 * x) ** -0.5)


def misra1d(b: Any, x: Any) -> Any:
    b1, b2 = b
    return b1 * b2 * x * (1 + b2 * x) ** -1


def danwood(b: Any, x: Any) -> Any:
    b1, b2 = b
    return b1 * x**b2


def bennett5(b: Any, x: Any) -> Any:
    b1, b2, b3 = b
    return b1 * (b2 + x) ** (-1 / b3)


def chwirut(b: Any, x: Any) -> Any:
    b1, b2, b3 = b
    return np.exp(-b1 * x) / (b2 + b3 * x)


def eckerle4(b: Any, x: Any) -> Any:
    b1, b2, b3 = b
    return (b1 / b2) * np.exp(-0.5 * ((x - b3) / b2) ** 2)


def mgh10(b: Any, x: Any) -> Any:
    b1, b2, b3 = b
    return b1 * np.exp(b2 / (x + b3))


def nelson(b: Any, x: Any) -> Any:
    b1, b2, b3 = b
    x1, x2 = x
    return b1 - b2 * x1 * np.exp(-b3 * x2)


def rat42(b: Any, x: Any) -> Any:
    b1, b2, b3 = b
    return b1 / (1 + np.exp(b2 - b3 * x))


def rat43(b: Any, x: Any) -> Any:
    b1, b2, b3, b4 = b
    return b1 / (1 + np.exp(b2 - b3 * x)) ** (1 / b4)


def mgh09(b: Any, x: Any) -> Any:
    b1, b2, b3, b4 = b
    return b1 * (x**2 + x * b2) / (x**2 + x * b3 + b4)


def roszman1(b: Any, x: Any) -> Any:
    b1, b2, b3, b4 = b
    return b1 - b2 * x - np.arctan(b3 / (x - b4)) / np.pi


def kirby2(b: Any, x: Any) -> Any:
    b1, b2, b3, b4, b5 = b
    return (b1 + b2 * x + b3 * x**2) / (1 + b4 * x + b5 * x**2)


def mgh17(b: Any, x: Any) -> Any:
    b1, b2, b3, b4, b5 = b
    return b1 + b2 * np.exp(-x * b4) + b3 * np.exp(-x * b5)


def lanczos(b: Any, x: Any) -> Any:
    b1, b2, b3, b4, b5, b6 = b
    return b1 * np.exp(-b2 * x) + b3 * np.exp(-b4 * x) + b5 * np.exp(-b6 * x)


def cubic_over_cubic(b: Any, x: Any) -> Any:
    b1, b2, b3, b4, b5, b6, b7 = b
    return (b1 + b2 * x + b3 * x**2 + b4 * x**3) / (1 + b5 * x + b6 * x**2 + b7 * x**3)


def gauss(b: Any, x: Any) -> Any:
    b1, b2, b3, b4, b5, b6, b7, b8 = b
    return (
        b1 * np.exp(-b2 * x)
        + b3 * np.exp(-((x - b4) ** 2) / b5**2)
        + b6 * np.exp(-((x - b7) ** 2) / b8**2)
    )  # fmt: skip


def enso(b: Any, x: Any) -> Any:
    b1, b2, b3, b4, b5, b6, b7, b8, b9 = b
    w = 2 * np.pi * x
    return (
        b1 + b2 * np.cos(w / 12) + b3 * np.sin(w / 12)
        + b5 * np.cos(w / b4) + b6 * np.sin(w / b4)
        + b8 * np.cos(w / b7) + b9 * np.sin(w / b7)
    )  # fmt: skip


MODELS: dict[str, Model] = {
    "Bennett5": bennett5,
    "BoxBOD": misra1a,
    "Chwirut1": chwirut,
    "Chwirut2": chwirut,
    "DanWood": danwood,
    "ENSO": enso,
    "Eckerle4": eckerle4,
    "Gauss1": gauss,
    "Gauss2": gauss,
    "Gauss3": gauss,
    "Hahn1": cubic_over_cubic,
    "Kirby2": kirby2,
    "Lanczos1": lanczos,
    "Lanczos2": lanczos,
    "Lanczos3": lanczos,
    "MGH09": mgh09,
    "MGH10": mgh10,
    "MGH17": mgh17,
    "Misra1a": misra1a,
    "Misra1b": misra1b,
    "Misra1c": misra1c,
    "Misra1d": misra1d,
    "Nelson": nelson,
    "Rat42": rat42,
    "Rat43": rat43,
    "Roszman1": roszman1,
    "Thurber": cubic_over_cubic,
}


if __name__ == "__main__":
    for problem in read_all():
        print(f"{problem.name:9s} {problem.difficulty:8s} {len(problem.y):4d} observations  {problem.formula}")
