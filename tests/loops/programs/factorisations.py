"""Linear algebra of PolyBench by explicit loops, the matrix overwritten as there."""

import numpy as np

from tests.loops.programs.program import Program, draw


def cholesky(A, weights):
    """Weighted sum of the Cholesky factor and the log determinant."""
    n = A.shape[0]
    for i in range(n):
        for j in range(i):
            for k in range(j):
                A[i, j] -= A[i, k] * A[j, k]
            A[i, j] /= A[j, j]
        for k in range(i):
            A[i, i] -= A[i, k] * A[i, k]
        A[i, i] = np.sqrt(A[i, i])
    logdet = 0.0
    for i in range(n):
        logdet += 2.0 * np.log(A[i, i])
    return logdet + np.sum(np.tril(A) * weights)


def _spd(n):
    m = draw(n, n)
    return m @ m.T + n * np.eye(n)


def cholesky_args(n):
    return _spd(n), draw(n, n, seed=1)


def lu(A, weights):
    """Weighted sum of the two triangular factors."""
    n = len(A)
    for i in range(n):
        for j in range(i):
            for k in range(j):
                A[i, j] -= A[i, k] * A[k, j]
            A[i, j] /= A[j, j]
        for j in range(i, n):
            for k in range(i):
                A[i, j] -= A[i, k] * A[k, j]
    return np.sum(A * weights)


def lu_args(n):
    return draw(n, n) + n * np.eye(n), draw(n, n, seed=1)


def durbin(r, weights):
    """Weighted sum of the solution of the Yule-Walker equations, by Durbin's recursion."""
    n = len(r)
    y = np.empty_like(r)
    z = np.empty_like(r)
    y[0] = -r[0]
    alpha, beta = -r[0], 1.0
    for k in range(1, n):
        beta *= 1.0 - alpha * alpha
        total = 0.0
        for i in range(k):
            total += r[k - i - 1] * y[i]
        alpha = -(r[k] + total) / beta
        for i in range(k):
            z[i] = y[i] + alpha * y[k - i - 1]
        for i in range(k):
            y[i] = z[i]
        y[k] = alpha
    return np.dot(y, weights)


def durbin_args(n):
    return 0.4 ** np.arange(1.0, n + 1) + 0.05 * draw(n) / n, draw(n, seed=1)


def trisolv(L, b, weights):
    """Weighted sum of the solution of a lower triangular system."""
    n = len(b)
    x = np.zeros_like(b)
    for i in range(n):
        x[i] = b[i]
        for j in range(i):
            x[i] -= L[i, j] * x[j]
        x[i] /= L[i, i]
    return np.sum(weights * x**2)


def trisolv_args(n):
    return np.tril(draw(n, n)) / n + 2 * np.eye(n), draw(n, seed=1), draw(n, seed=2)


def gramschmidt(A, weights):
    """Weighted sum of both factors of a QR factorisation, element by element."""
    m, n = A.shape
    Q = np.zeros((m, n))
    R = np.zeros((n, n))
    for k in range(n):
        squares = 0.0
        for i in range(m):
            squares += A[i, k] * A[i, k]
        R[k, k] = np.sqrt(squares)
        for i in range(m):
            Q[i, k] = A[i, k] / R[k, k]
        for j in range(k + 1, n):
            for i in range(m):
                R[k, j] += Q[i, k] * A[i, j]
            for i in range(m):
                A[i, j] -= Q[i, k] * R[k, j]
    return np.sum(Q * weights) + np.sum(R**2)


def gramschmidt_columns(A, weights):
    """Weighted sum of both factors of a QR factorisation, column by column."""
    n = A.shape[1]
    Q = np.zeros_like(A)
    R = np.zeros((n, n))
    for k in range(n):
        R[k, k] = np.linalg.norm(A[:, k])
        Q[:, k] = A[:, k] / R[k, k]
        for j in range(k + 1, n):
            R[k, j] = Q[:, k] @ A[:, j]
            A[:, j] -= Q[:, k] * R[k, j]
    return np.sum(Q * weights) + np.sum(R**2)


def gramschmidt_args(m, n):
    return draw(m, n) + 2 * np.eye(m, n), draw(m, n, seed=1)


PROGRAMS = [
    Program(cholesky, cholesky_args, (9,), (12,), (40,)),
    Program(lu, lu_args, (9,), (12,), (40,)),
    Program(durbin, durbin_args, (9,), (13,), (150,)),
    Program(trisolv, trisolv_args, (9,), (12,), (100,), (0, 1)),
    Program(gramschmidt, gramschmidt_args, (10, 9), (12, 11), (40, 25)),
    Program(gramschmidt_columns, gramschmidt_args, (10, 9), (12, 11), (40, 25)),
]
