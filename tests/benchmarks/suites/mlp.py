"""A perceptron of two layers, by its four parameters."""

import numpy as np

from tests.benchmarks.case import Case


def in_namespace(np):
    def loss(W1, b1, W2, b2, X, Y):
        hidden = np.tanh(X @ W1 + b1)
        return np.mean((hidden @ W2 + b2 - Y) ** 2)

    return loss


def by_hand(W1, b1, W2, b2, X, Y):
    hidden = np.tanh(X @ W1 + b1)
    error = hidden @ W2 + b2 - Y
    d_out = 2.0 / error.size * error
    d_hidden = (d_out @ W2.T) * (1.0 - hidden * hidden)
    gradients = X.T @ d_hidden, d_hidden.sum(axis=0), hidden.T @ d_out, d_out.sum(axis=0)
    return np.mean(error**2), gradients


def cases(rng):
    rows, inputs, hidden, outputs = 200, 30, 50, 10
    shapes = [(inputs, hidden), (hidden,), (hidden, outputs), (outputs,), (rows, inputs), (rows, outputs)]
    args = tuple(0.3 * rng.normal(size=shape) for shape in shapes)
    yield Case("MLP 200x30-50-10", args, in_namespace, by_hand, argnums=(0, 1, 2, 3))
