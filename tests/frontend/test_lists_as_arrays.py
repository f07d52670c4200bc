"""Functions of arrays that are given lists of traced values, by whatever way they are called."""

import functools

import numpy as np
import pytest
import scipy.special

from tests.frontend.agree import agrees_in_every_mode

X = np.linspace(0.3, 1.7, 5)


def reductions(a, b, c):
    s = np.sum([a, b, c]) * np.mean([a, b]) + np.max([a, b, c]) + np.min((b, c)) + np.prod([a, b, c])
    s += np.std([a, b, c]) + np.var([a, b]) + np.sum([[a, b], [c, a]], axis=0)[0] + np.mean(a=[a, b, c])
    s += np.sum([np.ones(2) * a, np.ones(2) * b], axis=0)[0] + np.average([a, b, c], weights=[1.0, 2.0, 3.0])
    return s + np.add.reduce([a, b, c]) + np.sum(np.add.accumulate([a, b, c]) ** 2) + np.ptp([a, c])


def products(a, b, c):
    s = (
        np.dot([a, b], [b, c])
        + np.vdot([a, b], [b, c])
        + np.inner([a, b], [c, c])
        + np.sum(np.outer([a, b], [b, c]) ** 2)
    )
    s += (
        np.sum(np.matmul([[a, b], [b, c]], [a, b])) + np.einsum("i,i", [a, b], [b, c]) + np.tensordot([a, b], [b, c], 1)
    )
    s += np.eye(2)[0] @ [a, b] + np.sum(np.kron([a, b], [b, c])) + np.sum(np.multiply.outer([a, b], [b, c]) ** 2)
    return s + np.linalg.multi_dot([[a, b], [[1.0, c], [2.0, 3.0]], [1.0, 1.0]])


def linear_algebra(a, b, c):
    s = np.linalg.norm([a, b, c]) + np.linalg.norm([a, b, c], 1) + np.linalg.det([[a, b], [c, 1.0]])
    s += np.sum(np.linalg.inv([[a, b], [c, 3.0]]) ** 2) + np.sum(np.linalg.solve([[a, b], [c, 3.0]], [a, 1.0]) ** 2)
    return s + np.trace([[a, b], [c, a]]) + np.linalg.slogdet([[a, b], [c, -3.0]])[1]


def joins(a, b, c):
    s = (
        np.sum(np.concatenate([[a, b], [c]]) ** 2)
        + np.sum(np.append([a, b], c) ** 2)
        + np.sum(np.append([a], [b, c]) ** 2)
    )
    s += np.sum(np.r_[a, b, c] ** 2) + np.sum(np.r_[[a, b], c, 0:3] ** 2) + np.sum(np.c_[[a, b], [b, c]] ** 2)
    s += (
        np.sum(np.stack([[a, b], [b, c]]) ** 2)
        + np.sum(np.vstack([[a, b], [b, c]]) ** 2)
        + np.sum(np.hstack([a, b, c]) ** 2)
    )
    return s + np.sum(np.hstack([[a, b], [b, c]]) ** 2) + np.sum(np.column_stack([[a, b], [b, c]]) ** 2)


def arrangements(a, b, c):
    s = np.sum(np.transpose([[a, b], [c, a]])[0] ** 2) + np.sum(np.reshape([a, b, c, a], (2, 2))[0] ** 2)
    s += np.flip([a, b, c])[0] ** 2 + np.roll([a, b, c], 1)[0] ** 2 + np.sum(np.tile([a, b], 2)[:3] ** 2)
    s += np.sum(np.repeat([a, b], 2)[:3] ** 2) + np.sum(np.broadcast_to([a, b], (3, 2))[:2] ** 2)
    s += np.sum(np.take([a, b, c], [0, 2]) ** 2) + np.sum(np.diag([a, b]) ** 2) + np.sum(np.pad([a, b], 1) ** 2)
    s += np.sum(np.atleast_2d([a, b]) @ np.ones((2, 1))) + np.sum(np.tril([[a, b], [c, a]]) ** 2)
    s += np.sum(np.meshgrid([a, b], [c])[0] ** 2) + np.sum(np.linspace([a, b], [c, c], 3)[1] ** 2)
    return s + np.sum(np.full((2, 2), [a, b]) ** 2) + np.sum(np.squeeze([[a, b]]) ** 2) + np.ravel([[a], [b]])[1] ** 2


def elementwise(a, b, c):
    s = (
        np.sum(np.sin([a, b, c]))
        + np.sum(np.exp((a, b, c)))
        + np.sum(np.maximum([a, b], [c, c]))
        + np.sum(np.abs([a, -b]))
    )
    s += np.sum(np.add([a, b], [c, c]) ** 2) + np.sum(np.power([a, b], 2)) + np.sum(np.array([1.0, 2.0]) * [a, b])
    s += np.sum(np.clip([a, b, c], 0.4, 0.9)) + np.sum(np.where([True, False], [a, b], [c, c]))
    s += np.sum(np.where(a > 0, [a, b], [c, c]) ** 2) + np.sum(np.hypot([a, b], c)) + np.sum(np.float64([a, b]) ** 2)
    return s + scipy.special.logsumexp([a, b, c]) + np.sum(scipy.special.gammaln([a, b, c]))


def running(a, b, c):
    s = np.sum(np.cumsum([a, b, c]) ** 2) + np.sum(np.cumprod([a, b, c])) + np.sum(np.diff([a, b * b, c]) ** 2)
    s += a * np.argmax([a, b, c]) + b * np.any([a > 0, b > 0]) + c * np.count_nonzero([a, b]) + a * np.shape([a, b])[0]
    return s + np.sum(np.zeros_like([a, b])) + a * np.size([a, b]) + b * np.ndim([a, b]) + c * len([a, b])


@pytest.mark.parametrize("f", [reductions, products, linear_algebra, joins, arrangements, elementwise, running])
def test_functions(f):
    agrees_in_every_mode(lambda x: f(x[0], x[1], x[2]), X)


def partials(x):
    total = functools.partial(np.sum, axis=0)
    length = functools.partial(functools.partial(np.linalg.norm, ord=2), axis=None)
    along = functools.partial(np.dot, [x[0], x[1]])
    return total([x[0], x[1]]) * length((x[2], x[3])) + along([x[2], x[3]]) + functools.partial(max, x[0])(x[1])


def by_other_names(x, aggregate=np.sum, weights=(1.0, 2.0)):
    table = {"largest": np.max, "mean": np.mean}
    find = np.min
    s = aggregate([x[0], x[1]]) + table["largest"]([x[0], x[1]]) * table["mean"]((x[2], x[3])) + find([x[3], x[4]])
    return s + np.dot([x[0], x[1]], weights)


def given_to_functions(x):
    def apply(f, *args):
        return f(args)

    s = sum(map(np.sum, [[x[0], x[1]], [x[2]]])) + functools.reduce(np.add, [x[0], x[1], x[2]]) ** 2
    s += sum(map(functools.partial(np.linalg.norm, ord=1), [[x[0], x[1]], [x[2]]]))
    return (
        s + apply(np.sum, x[0], x[1]) * apply(np.linalg.norm, x[2], x[3]) + np.sum([*x[:3]]) + np.sum([v**2 for v in x])
    )


@pytest.mark.parametrize("f", [partials, by_other_names, given_to_functions])
def test_ways_of_calling(f):
    agrees_in_every_mode(f, X)
