"""Values without axes where NumPy takes them for arrays: reductions over an axis, masks."""

import inspect

import numpy as np
import pytest

import jitdiff as jd
from jitdiff.errors import DtypeError
from jitdiff.ops import FUNCTIONS
from tests.frontend.agree import agrees_in_every_mode

X = np.linspace(0.3, 1.7, 5)

EXTRA = {"take": (0,), "repeat": (2,), "roll": (1,)}
OTHERS = {"expand_dims", "logsumexp", "take_along_axis", "put_along_axis"}
OVER_AXES = sorted(
    {
        f.__name__: f
        for f in FUNCTIONS
        if f.__name__ not in OTHERS
        and "axis" in inspect.signature(f).parameters
        and "a" in inspect.signature(f).parameters
    }.items()
)


@pytest.mark.parametrize("axis", [None, 0, -1, 1, (0,)])
@pytest.mark.parametrize("function", [f for _, f in OVER_AXES], ids=[name for name, _ in OVER_AXES])
def test_axes_of_a_value_without_axes(function, axis):
    def along(x):
        return function(x, *EXTRA.get(function.__name__, ()), axis=axis)

    try:
        want = along(np.float64(1.5))
    except (ValueError, TypeError):
        for f in (along, jd.compile(along)):
            with pytest.raises((ValueError, TypeError)):
                f(jd.constant(1.5))
        return
    np.testing.assert_array_equal(np.asarray(along(jd.constant(1.5))), want)
    np.testing.assert_array_equal(jd.compile(along)(1.5), want)


def reduced(x):
    s = x[0]
    t = np.sum(s, axis=0) + np.max(s, axis=-1) * s.sum(axis=0) + np.prod(s, axis=-1, keepdims=True)
    return t + np.cumsum(s, axis=0)[0] ** 2 + np.repeat(s, 2, axis=0)[1] + np.take(s, 0, axis=-1)


def kept(x):
    return np.sum(x[0][x[0] > 0] ** 2) + np.sum(x[1][x[1] < 0]) + np.sum(x[x[2] > 0.9] ** 2)


def number_kept(x):
    found = x[1][x[1] > 0.5]
    return np.sum(found * 2) + len(found) * x[0] + found.size


def kept_in_a_loop(x):
    s = 0.0
    for v in x:
        s += np.sum(v[v > 0.7] * x[0])
    return s


def known_masks(x):
    return np.sum(x[True] ** 2) + np.sum(x[False]) + np.sum(x[0][np.array(True)]) + np.sum(x[np.bool_(True)])


def written(x):
    y = x * 1.0
    y[x[0] > 0] = x[::-1]
    y[x[0] < 0] = 7.0
    y[True] += x[0]
    np.add.at(y, x[1] > 0, x)
    z = np.array(x[0])
    z[z > 0] += 2.0
    z[z > 100] = 0.0
    return np.sum(y * x) * z


@pytest.mark.parametrize("f", [reduced, kept, number_kept, kept_in_a_loop, known_masks, written])
def test_programs(f):
    agrees_in_every_mode(f, X)


def test_a_mask_among_others_is_refused():
    for f in (lambda x: x[True, 0], jd.compile(lambda x: x[x[0] > 0, 0])):
        with pytest.raises((DtypeError, TypeError)):
            f(jd.constant(X))
