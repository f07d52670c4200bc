"""Jacobians and gradients of each example: compiled, and on the tape with one walk for all rows or one for each."""

import functools

import numpy as np

from tests.benchmarks.case import Case

# A decaying oscillation, to be fitted: many residuals, few parameters.


def oscillation(np):
    def residuals(p, t, y):
        return p[0] * np.exp(-p[1] * t) * np.cos(p[2] * t + p[3]) - y

    return residuals


def oscillation_by_hand(p, t, y):
    decay, angle = np.exp(-p[1] * t), p[2] * t + p[3]
    wave, slope = decay * np.cos(angle), -p[0] * decay * np.sin(angle)
    return p[0] * wave - y, np.stack([wave, -t * p[0] * wave, t * slope, slope], axis=1)


# The loss of each example, for its gradient by the weights that all share.


def losses(np):
    def each(w, X, y):
        return np.log1p(np.exp(-y * (X @ w)))

    return each


def loss(np):
    return lambda w, x, y: np.log1p(np.exp(-y * (x @ w)))


def losses_by_hand(w, X, y):
    e = np.exp(-y * (X @ w))
    return np.log1p(e), (-y * e / (1 + e))[:, None] * X


# A perceptron by its input: as many results as arguments.


def perceptron(np):
    def outputs(x, A, B, C):
        return np.tanh(C @ np.tanh(B @ np.tanh(A @ x)))

    return outputs


def perceptron_by_hand(x, A, B, C):
    a = np.tanh(A @ x)
    b = np.tanh(B @ a)
    c = np.tanh(C @ b)
    return c, ((1 - c * c)[:, None] * C) @ ((1 - b * b)[:, None] * B) @ ((1 - a * a)[:, None] * A)


def jitdiff_compiled(function):
    @functools.cache
    def made():
        import jitdiff as jd

        compiled = jd.compile(function)
        return jd.compile(lambda *args: (compiled(*args), jd.jacobian(compiled)(*args)))

    return lambda *args: made()(*args)


def jax_compiled(function, mode):
    @functools.cache
    def made():
        import jax

        jax.config.update("jax_enable_x64", True)
        f = function(jax.numpy)
        return jax.jit(lambda *args: (f(*args), getattr(jax, mode)(f)(*args)))

    return lambda *args: tuple(map(np.asarray, made()(*args)))


def torch_function(function, mode):
    def call(*args):
        import torch

        f = function(torch)
        tensors = [torch.from_numpy(a) for a in args]
        return f(*tensors).numpy(), getattr(torch.func, mode)(f)(*tensors).numpy()

    return call


def autograd_jacobian(function):
    def call(*args):
        import autograd
        import autograd.numpy

        f = function(autograd.numpy)
        return f(*args), autograd.jacobian(f)(*args)

    return call


def jitdiff_examples(function):
    @functools.cache
    def made():
        import jitdiff as jd

        return jd.vmap(jd.value_and_grad(jd.compile(function)), in_axes=(None, 0, 0))

    return lambda *args: made()(*args)


def jax_examples(function):
    @functools.cache
    def made():
        import jax

        jax.config.update("jax_enable_x64", True)
        return jax.jit(jax.vmap(jax.value_and_grad(function(jax.numpy)), in_axes=(None, 0, 0)))

    return lambda *args: tuple(map(np.asarray, made()(*args)))


def torch_examples(function):
    def call(*args):
        import torch

        each = torch.func.vmap(torch.func.grad_and_value(function(torch)), in_dims=(None, 0, 0))
        gradients, values = each(*map(torch.from_numpy, args))
        return values.numpy(), gradients.numpy()

    return call


def tape(x, *weights):
    import jitdiff as jd

    v = jd.Variable(x)
    with jd.GradientTape() as tape:
        y = perceptron(np)(v, *weights)
    return y.numpy(), tape.jacobian(y, v).numpy()


def tape_row_by_row(x, *weights):
    import jitdiff as jd

    v = jd.Variable(x)
    with jd.GradientTape(persistent=True) as tape:
        y = perceptron(np)(v, *weights)
    rows = [tape.gradient(y, v, output_gradients=unit).numpy() for unit in np.eye(len(x))]
    return y.numpy(), np.stack(rows)


def torch_autograd(vectorize):
    def call(x, *weights):
        import torch

        tensors = list(map(torch.from_numpy, weights))
        v = torch.from_numpy(x).requires_grad_()
        y = perceptron(torch)(v, *tensors)
        if vectorize:
            (rows,) = torch.autograd.grad(y, v, torch.eye(len(x), dtype=y.dtype), is_grads_batched=True)
        else:
            units = torch.eye(len(x), dtype=y.dtype)
            rows = torch.stack([torch.autograd.grad(y, v, unit, retain_graph=True)[0] for unit in units])
        return y.detach().numpy(), rows.numpy()

    return call


def calls(jitdiff, jax, torch, autograd=None):
    """The call of each contender; JAX's is timed with NumPy arguments only."""
    return {
        "jitdiff": jitdiff,
        "jax": jax,
        "jax resident": None,
        "torch": torch,
        "torch 1 thread": torch,
        "autograd": autograd,
    }


def cases(rng):
    p, t = np.array([1.5, 0.3, 2.0, 0.1]), np.linspace(0.0, 5.0, 200)
    args = p, t, rng.normal(size=200)
    yield Case(
        "Jacobian of 200 residuals by 4 parameters",
        args,
        oscillation,
        oscillation_by_hand,
        calls=calls(
            jitdiff_compiled(oscillation(np)),
            jax_compiled(oscillation, "jacfwd"),
            torch_function(oscillation, "jacfwd"),
            autograd_jacobian(oscillation),
        ),
    )
    w, X, y = 0.3 * rng.normal(size=10), rng.normal(size=(1000, 10)), np.sign(rng.normal(size=1000))
    yield Case(
        "gradients of 1000 examples by 10 weights",
        (w, X, y),
        losses,
        losses_by_hand,
        calls=calls(jitdiff_examples(loss(np)), jax_examples(loss), torch_examples(loss)),
    )
    args = rng.normal(size=50), *(rng.normal(size=(50, 50)) / 7 for _ in range(3))
    yield Case(
        "tape: Jacobian 50x50 of a perceptron",
        args,
        perceptron,
        perceptron_by_hand,
        calls=calls(tape, None, torch_autograd(vectorize=True), autograd_jacobian(perceptron)),
    )
    yield Case(
        "tape: the same row by row",
        args,
        perceptron,
        perceptron_by_hand,
        calls=calls(tape_row_by_row, None, torch_autograd(vectorize=False)),
    )
