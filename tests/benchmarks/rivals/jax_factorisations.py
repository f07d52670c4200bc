"""Factorisations by loops in JAX: a loop over rows or columns, the rest of the matrix at once, masked."""

import jax.numpy as jnp
from jax import lax


def cholesky(A, weights):
    n = A.shape[0]
    rows = jnp.arange(n)

    def column(j, L):
        c = A[:, j] - L @ L[j]
        return L.at[:, j].set(jnp.where(rows >= j, c / jnp.sqrt(c[j]), 0.0))

    L = lax.fori_loop(0, n, column, jnp.zeros_like(A))
    return 2.0 * jnp.sum(jnp.log(jnp.diag(L))) + jnp.sum(L * weights)


def lu(A, weights):
    n = A.shape[0]
    index = jnp.arange(n)

    def eliminate(k, A):
        factors = jnp.where(index > k, A[:, k] / A[k, k], 0.0)
        A = A - jnp.outer(factors, jnp.where(index > k, A[k], 0.0))
        return A.at[:, k].set(jnp.where(index > k, factors, A[:, k]))

    return jnp.sum(lax.fori_loop(0, n, eliminate, A) * weights)


def durbin(r, weights):
    n = r.shape[0]
    index = jnp.arange(n)

    def extend(k, state):
        y, alpha, beta = state
        beta = beta * (1.0 - alpha * alpha)
        before = index < k
        alpha = -(r[k] + jnp.sum(jnp.where(before, jnp.roll(r[::-1], k) * y, 0.0))) / beta
        y = jnp.where(before, y + alpha * jnp.roll(y[::-1], k), y)
        return y.at[k].set(alpha), alpha, beta

    y, _, _ = lax.fori_loop(1, n, extend, (jnp.zeros_like(r).at[0].set(-r[0]), -r[0], 1.0))
    return y @ weights


def trisolv(L, b, weights):
    def row(i, x):
        return x.at[i].set((b[i] - L[i] @ x) / L[i, i])

    x = lax.fori_loop(0, len(b), row, jnp.zeros_like(b))
    return jnp.sum(weights * x**2)


def gramschmidt(A, weights):
    m, n = A.shape
    index = jnp.arange(n)

    def column(k, state):
        A, Q, R = state
        norm = jnp.sqrt(jnp.sum(A[:, k] ** 2))
        q = A[:, k] / norm
        products = jnp.where(index > k, q @ A, 0.0)
        return A - jnp.outer(q, products), Q.at[:, k].set(q), R.at[k].set(products.at[k].set(norm))

    _, Q, R = lax.fori_loop(0, n, column, (A, jnp.zeros((m, n)), jnp.zeros((n, n))))
    return jnp.sum(Q * weights) + jnp.sum(R**2)
