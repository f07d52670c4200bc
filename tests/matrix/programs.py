"""Whole programs, written as a NumPy user would. Each is a loss of its first argument, an array."""

from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, gammaln, logsumexp

import jitdiff as jd


@dataclass(frozen=True)
class Case:
    """A program with its arguments; `order` is how often it may be differentiated in tests."""

    loss: Callable[..., Any]
    args: tuple[Any, ...]
    order: int = 2

    def __repr__(self) -> str:
        return self.loss.__name__


def _draw(*shape: int, seed: int = 0, low: float = -1.0, high: float = 1.0) -> Any:
    return np.random.default_rng(seed).uniform(low, high, shape)


def logistic(w, X, y):
    return np.mean(np.log1p(np.exp(-y * (X @ w))))


def logistic_regularised(w, X, y, penalty):
    z = X @ w[1:] + w[0]
    p = expit(z)
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)) + 0.5 * penalty * np.dot(w[1:], w[1:])


def rosenbrock(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def least_squares(b, x, y):
    residual = y - b[0] * (1 - np.exp(-b[1] * x))
    return residual @ residual


def gauss_peaks(b, x, y):
    model = b[0] * np.exp(-b[1] * x) + b[2] * np.exp(-((x - b[3]) ** 2) / b[4] ** 2)
    return np.sum((y - model) ** 2)


def two_layers(w, X, y):
    w1, b1, w2 = w[:12].reshape(3, 4), w[12:16], w[16:]
    hidden = np.tanh(X @ w1 + b1)
    return np.mean((hidden @ w2 - y) ** 2)


def softmax_cross_entropy(w, X, labels):
    logits = X @ w.reshape(3, 4)
    picked = logits[np.arange(len(labels)), labels]
    return np.mean(logsumexp(logits, axis=1) - picked)


def stable_softmax(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    p = e / np.sum(e, axis=-1, keepdims=True)
    return np.sum(p**2)


def normal_log_likelihood(theta, x):
    mean, log_sd = theta
    return np.sum(0.5 * ((x - mean) / np.exp(log_sd)) ** 2 + log_sd)


def poisson_regression(w, X, counts):
    eta = X @ w
    return np.sum(np.exp(eta) - counts * eta + gammaln(counts + 1.0))


def gaussian_process(theta, x, y):
    scale, length, noise = np.exp(theta)
    gram = scale * np.exp(-0.5 * (x[:, None] - x[None, :]) ** 2 / length**2) + noise * np.eye(len(x))
    chol = np.linalg.cholesky(gram)
    alpha = np.linalg.solve(gram, y)
    return 0.5 * y @ alpha + np.sum(np.log(np.diag(chol)))


def log_determinant(x, a):
    m = a + np.outer(x, x)
    sign, logdet = np.linalg.slogdet(m)
    return sign * logdet + np.linalg.det(m) / 10 + np.trace(np.linalg.inv(m))


def pairwise_distances(x):
    points = x.reshape(-1, 2)
    difference = points[:, None, :] - points[None, :, :]
    squared = np.sum(difference**2, axis=-1) + np.eye(len(points))
    return np.sum(np.triu(1.0 / np.sqrt(squared), k=1))


def attention(x, k):
    q = x.reshape(3, 4)
    scores = np.einsum("id,jd->ij", q, k) / np.sqrt(4)
    weights = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return (np.einsum("ij,jd->id", weights, k) ** 2).sum()


def batch_normalised(x):
    batch = x.reshape(4, 3)
    z = (batch - batch.mean(axis=0)) / (batch.std(axis=0) + 0.1)
    return np.sum(z**3) + np.var(batch)


def second_difference(x):
    return np.sum((x[2:] - 2 * x[1:-1] + x[:-2]) ** 2) + np.sum(x[::-2] * 0.3)


def convolution(x, kernel):
    padded = np.pad(x, (1, 1))
    windows = np.stack([padded[k : k + len(x)] for k in range(3)], axis=-1)
    return np.sum(np.maximum(windows @ kernel, 0.0) ** 2)


def guarded(x):
    return np.sum(np.where(x > 0, np.sqrt(np.where(x > 0, x, 1.0)), x**2)) + np.sum(np.clip(x, -0.5, 0.5) ** 3)


def cumulative(x):
    return np.sum(np.cumsum(x) ** 2) + np.sum(np.cumprod(1.5 + x)) + np.prod(2.0 + x)


def layouts(x):
    m = x.reshape(2, 3)
    joined = np.concatenate([m.T, np.flip(m, 1).T, np.roll(m, 1, axis=0).T], axis=1)
    tiled = np.tile(joined, (2, 1)) * np.repeat(joined, 2, axis=0)
    return np.sum(np.swapaxes(tiled, 0, 1) @ np.arange(6.0)) + np.sum(np.tril(m @ m.T) ** 2)


def norms(x):
    m = x.reshape(2, 3)
    return np.linalg.norm(x) + np.sum(np.linalg.norm(m, axis=1) ** 3) + np.linalg.norm(m, 1)


def hypotenuse(x):
    return np.sum(np.hypot(x, 1.0) * np.arctan2(x, 2.0) + np.log1p(np.abs(x)))


def statistics(x):
    return np.max(x) * np.min(x) + np.mean(x) * np.std(x) + np.sum(np.maximum(x, 0.1))


def by_loop(x):
    total = 0.0
    for i in range(4):
        total = total * 0.5 + x[i] ** 2
    return total


def by_fori_loop(x, a):
    return np.sum(jd.fori_loop(0, 5, lambda i, c: np.tanh(a @ c + x), x) ** 2)


def by_scan(x, inputs):
    def step(state, u):
        state = np.tanh(state + u * x)
        return state, np.sum(state)

    final, totals = jd.scan(step, x, inputs)
    return np.sum(final) + totals @ totals


def by_cond(x):
    y = jd.cond(np.sum(x) > 0, lambda v: v**2, lambda v: np.exp(v), x)
    return np.sum(y * x)


def by_while(x):
    return jd.while_loop(lambda c: c[0] < 50.0, lambda c: (c[0] * 1.5 + x[0], c[1] + np.sum(x * c[0])), (1.0, x[1]))[1]


State = namedtuple("State", "position velocity")


def leapfrog(x):
    def step(i, s):
        half = s.velocity - 0.05 * s.position**3
        position = s.position + 0.1 * half
        return State(position, half - 0.05 * position**3)

    end = jd.fori_loop(0, 10, step, State(x[:2], x[2:]))
    return end.position @ end.position + end.velocity @ end.velocity


LABELS = np.array([0, 3, 1, 1, 2])
SPD = np.eye(3) * 3 + 0.2

CASES = [
    Case(logistic, (_draw(3), _draw(8, 3, seed=1), np.sign(_draw(8, seed=2)))),
    Case(logistic_regularised, (_draw(4), _draw(8, 3, seed=1), (_draw(8, seed=2) > 0) * 1.0, 0.1)),
    Case(rosenbrock, (_draw(6),)),
    Case(least_squares, (np.array([2.0, 0.5]), np.linspace(0.1, 3, 7), _draw(7))),
    Case(gauss_peaks, (np.array([1.0, 0.2, 1.5, 1.2, 0.7]), np.linspace(0.1, 3, 9), _draw(9))),
    Case(two_layers, (_draw(20), _draw(5, 3, seed=1), _draw(5, seed=2))),
    Case(softmax_cross_entropy, (_draw(12), _draw(5, 3, seed=1), LABELS)),
    Case(stable_softmax, (_draw(3, 4),)),
    Case(normal_log_likelihood, (np.array([0.3, 0.2]), _draw(6))),
    Case(poisson_regression, (_draw(3), _draw(5, 3, seed=1), np.array([0.0, 1, 4, 2, 1]))),
    Case(gaussian_process, (np.array([0.1, -0.2, -1.0]), np.linspace(0, 2, 5), _draw(5))),
    Case(log_determinant, (_draw(3), SPD)),
    Case(pairwise_distances, (_draw(8),)),
    Case(attention, (_draw(12), _draw(5, 4, seed=1))),
    Case(batch_normalised, (_draw(12),)),
    Case(second_difference, (_draw(9),)),
    Case(convolution, (_draw(6), np.array([0.5, -1.0, 2.0]))),
    Case(guarded, (_draw(7, seed=3),)),
    Case(cumulative, (_draw(5),)),
    Case(layouts, (_draw(6),)),
    Case(norms, (_draw(6),)),
    Case(hypotenuse, (_draw(5),)),
    Case(statistics, (_draw(6),)),
    Case(by_loop, (_draw(4),)),
    Case(by_fori_loop, (_draw(3), _draw(3, 3, seed=1))),
    Case(by_scan, (_draw(3), _draw(4, seed=1))),
    Case(by_cond, (_draw(4, low=0.1),)),
    Case(by_while, (_draw(3, low=0.1),)),
    Case(leapfrog, (_draw(4),)),
]
