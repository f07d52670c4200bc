"""Draw sin^2 and its first three derivatives on [-2 pi, 2 pi].

    python examples/derivatives_plot.py [--out DIR]

A derivative is a function like any other, so `derivative` is applied as often as one likes. Needs matplotlib.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import jitdiff as jd


def sin2(x: Any) -> Any:
    return np.sin(x) ** 2


def derivative(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return f', by the tape; at an array of points, the derivative at each."""
    gradients = jd.gradients_function(f)
    return lambda x: gradients(x)[0]


@jd.compile
def sum_of_sin2(x: Any) -> Any:
    return np.sum(sin2(x))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="where the picture goes")
    folder = parser.parse_args().out
    try:
        import matplotlib as mpl
    except ImportError:
        raise SystemExit("this example draws with matplotlib, which is not installed: pip install matplotlib") from None
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    x = np.linspace(-2 * np.pi, 2 * np.pi, 401)
    curves = [sin2(x)]
    f = sin2
    for _ in range(3):
        f = derivative(f)
        curves.append(np.asarray(f(x)))

    labels = ["sin$^2$ x", "first derivative", "second derivative", "third derivative"]
    exact = [np.sin(x) ** 2, np.sin(2 * x), 2 * np.cos(2 * x), -4 * np.sin(2 * x)]
    for label, curve, expected in zip(labels, curves, exact, strict=True):
        error = np.max(np.abs(curve - expected))
        print(f"{label:18s} largest error {error:.1e}")
        if not error < 1e-13:
            raise SystemExit(f"{label}: off by {error}")
    error = np.max(np.abs(sum_of_sin2.grad(x) - exact[1]))
    print(f"{'the first, native':18s} largest error {error:.1e}")
    if not error < 1e-13:
        raise SystemExit(f"the compiled derivative is off by {error}")

    figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
    for label, curve in zip(labels, curves, strict=True):
        axes.plot(x, curve, label=label)
    axes.set_xticks(np.arange(-2, 3) * np.pi, ["$-2\\pi$", "$-\\pi$", "0", "$\\pi$", "$2\\pi$"])
    axes.grid(alpha=0.3)
    axes.legend()
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / "sin2_derivatives.png", dpi=120)
    print(f"saved {folder / 'sin2_derivatives.png'}")


if __name__ == "__main__":
    main()
