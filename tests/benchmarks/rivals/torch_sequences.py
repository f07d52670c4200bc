"""Sequences and stencils in torch: Python loops over tensors."""

import numpy as np
import torch


def hmm(transition, emission, start, observations):
    p_next = torch.softmax(transition, 1)
    p_symbol = torch.softmax(emission, 1)
    alpha = start * p_symbol[:, observations[0]]
    scale = alpha.sum()
    alpha = alpha / scale
    loss = -torch.log(scale)
    for symbol in observations[1:]:
        alpha = (alpha @ p_next) * p_symbol[:, symbol]
        scale = alpha.sum()
        alpha = alpha / scale
        loss = loss - torch.log(scale)
    return loss


def lstm(W, b, readout, inputs, targets):
    """By torch's own cell, whose gates come in the order input, forget, cell, output, and which has two matrices."""
    n, features = len(readout), inputs.shape[1]
    order = torch.cat([torch.arange(n, 2 * n), torch.arange(n), torch.arange(3 * n, 4 * n), torch.arange(2 * n, 3 * n)])
    weights = [W[order, :features], W[order, features:], b[order], torch.zeros_like(b)]
    zeros = torch.zeros(1, 1, n, dtype=W.dtype)
    outputs, _, _ = torch.lstm(inputs[:, None, :], (zeros, zeros), weights, True, 1, 0.0, False, False, False)
    return torch.mean((outputs[:, 0, :] @ readout - targets) ** 2)


def local_level(theta, observations):
    q, r, mean = torch.exp(theta[0]), torch.exp(theta[1]), theta[2]
    variance = q + r
    loss = 0.0
    for y in observations:
        variance = variance + q
        if torch.isnan(y):
            continue
        total = variance + r
        gain = variance / total
        loss = loss + 0.5 * ((y - mean) ** 2 / total + torch.log(2 * np.pi * total))
        mean = mean + gain * (y - mean)
        variance = variance * (1 - gain)
    return loss


def _cross(u):
    return 0.2 * (u[1:-1, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:] + u[2:, 1:-1] + u[:-2, 1:-1])


def _with_inner(u, inner):
    u = u.clone()
    u[1:-1, 1:-1] = inner
    return u


def jacobi_2d(A, B, steps):
    for _ in range(steps):
        B = _with_inner(B, _cross(A))
        A = _with_inner(A, _cross(B))
    return torch.sum(A**2)
