"""Two hundred small operations, recorded and differentiated while Python runs: what a tape costs an operation."""

from functools import cache

import numpy as np

from tests.benchmarks.case import Case

ROUNDS = 50


def in_namespace(np):
    def loss(x):
        for _ in range(ROUNDS):
            x = np.log(np.exp(x * 1.001) + 0.01)
        return np.sum(x)

    return loss


def by_hand(x):
    slope = np.ones_like(x)
    for _ in range(ROUNDS):
        e = np.exp(x * 1.001)
        x = np.log(e + 0.01)
        slope = slope * (1.001 * e / (e + 0.01))
    return np.sum(x), slope


def by_tape(x):
    import jitdiff as jd

    x = jd.constant(x)
    with jd.GradientTape() as tape:
        tape.watch(x)
        y = in_namespace(np)(x)
    return y.numpy(), tape.gradient(y, x).numpy()


def by_tensorflow(x):
    import tensorflow as tf

    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x
        for _ in range(ROUNDS):
            y = tf.math.log(tf.exp(y * 1.001) + 0.01)
        y = tf.reduce_sum(y)
    return np.float64(y.numpy()), tape.gradient(y, x).numpy()


def by_mygrad(x):
    import mygrad as mg

    x = mg.tensor(x)
    y = in_namespace(mg)(x)
    y.backward()
    return np.float64(y.item()), x.grad


def forward_only(x):
    """Return the value, computed, and the gradient, remembered: what NumPy itself takes for the forward pass."""
    return in_namespace(np)(x), _gradient(x.tobytes())


@cache
def _gradient(numbers):
    return by_hand(np.frombuffer(numbers))[1]


def cases(rng):
    calls = {
        "jitdiff": by_tape,
        "jax": None,
        "jax resident": None,
        "tensorflow": by_tensorflow,
        "mygrad": by_mygrad,
        "numpy forward": forward_only,
    }
    yield Case("tape, 200 ops on 10 numbers", (rng.uniform(0.1, 1.0, 10),), in_namespace, by_hand, calls=calls)
