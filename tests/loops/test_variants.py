"""The programs by NumPy alone: written in several ways they agree, and they compute what they say."""

import copy

import numpy as np
import pytest

from tests.loops.programs import PROGRAMS


def plain(program, args):
    return program.loss(*copy.deepcopy(args))


VARIANTS = [
    ("lotka_volterra", "lotka_volterra_scalars", "lotka_volterra_trajectory"),
    ("hmm_scaled", "hmm_log_space"),
    ("jacobi_2d", "jacobi_2d_slices"),
    ("heat_3d", "heat_3d_slices"),
    ("fdtd_2d", "fdtd_2d_slices"),
    ("gramschmidt", "gramschmidt_columns"),
    ("american_put", "american_put_slices"),
    ("gravity", "gravity_slices"),
]


@pytest.mark.parametrize("names", VARIANTS, ids=lambda names: names[0])
def test_variants_agree(names):
    values = [plain(PROGRAMS[name], PROGRAMS[name].make(*PROGRAMS[name].other)) for name in names]
    np.testing.assert_allclose(values, values[0], rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "solution"),
    [
        ("square_root", lambda a: np.sum(a**1.5)),
        ("cholesky", lambda A, w: np.linalg.slogdet(A)[1] + np.sum(np.linalg.cholesky(A) * np.tril(w))),
        ("trisolv", lambda L, b, w: np.sum(w * np.linalg.solve(L, b) ** 2)),
        ("conjugate_gradient", lambda A, b, target: np.sum((np.linalg.solve(A, b) - target) ** 2)),
    ],
)
def test_programs_compute_what_they_say(name, solution):
    program = PROGRAMS[name]
    args = program.make(*program.other)
    np.testing.assert_allclose(plain(program, args), solution(*args), rtol=1e-10)
