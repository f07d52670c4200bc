"""The gradient of the Lotka-Volterra fit as an expert writes it in Numba: forward, keep the states, go back."""

import numba
import numpy as np

FAST = {"reassoc", "contract", "arcp", "nsz"}


@numba.njit(fastmath=FAST, error_model="numpy")
def value_and_gradient(p, start, data, dt):
    growth, predation, death, conversion = p[0], p[1], p[2], p[3]
    n = data.shape[0]
    h, half, sixth = dt, 0.5 * dt, dt / 6.0
    xs, ys = np.empty(n), np.empty(n)
    x, y = start[0], start[1]
    total = 0.0
    for i in range(n):
        xs[i], ys[i] = x, y
        kx1, ky1 = x * (growth - predation * y), y * (conversion * x - death)
        x2, y2 = x + half * kx1, y + half * ky1
        kx2, ky2 = x2 * (growth - predation * y2), y2 * (conversion * x2 - death)
        x3, y3 = x + half * kx2, y + half * ky2
        kx3, ky3 = x3 * (growth - predation * y3), y3 * (conversion * x3 - death)
        x4, y4 = x + h * kx3, y + h * ky3
        kx4, ky4 = x4 * (growth - predation * y4), y4 * (conversion * x4 - death)
        x += sixth * (kx1 + 2.0 * kx2 + 2.0 * kx3 + kx4)
        y += sixth * (ky1 + 2.0 * ky2 + 2.0 * ky3 + ky4)
        total += (x - data[i, 0]) ** 2 + (y - data[i, 1]) ** 2
    d_growth, d_predation, d_death, d_conversion = 0.0, 0.0, 0.0, 0.0
    dx, dy = 0.0, 0.0  # by the state after the step
    scale = 2.0 / n
    for i in range(n - 1, -1, -1):
        dx += scale * (x - data[i, 0])
        dy += scale * (y - data[i, 1])
        x, y = xs[i], ys[i]
        kx, ky = x * (growth - predation * y), y * (conversion * x - death)
        x2, y2 = x + half * kx, y + half * ky
        kx, ky = x2 * (growth - predation * y2), y2 * (conversion * x2 - death)
        x3, y3 = x + half * kx, y + half * ky
        kx, ky = x3 * (growth - predation * y3), y3 * (conversion * x3 - death)
        x4, y4 = x + h * kx, y + h * ky
        # Each stage: from the cotangent of its slope (gx, gy) to that of its point (rx, ry).
        gx, gy = sixth * dx, sixth * dy
        d_growth += gx * x4
        d_predation -= gx * x4 * y4
        d_conversion += gy * x4 * y4
        d_death -= gy * y4
        rx = gx * (growth - predation * y4) + gy * conversion * y4
        ry = gy * (conversion * x4 - death) - gx * predation * x4
        sum_x, sum_y = dx + rx, dy + ry
        gx, gy = 2.0 * sixth * dx + h * rx, 2.0 * sixth * dy + h * ry
        d_growth += gx * x3
        d_predation -= gx * x3 * y3
        d_conversion += gy * x3 * y3
        d_death -= gy * y3
        rx = gx * (growth - predation * y3) + gy * conversion * y3
        ry = gy * (conversion * x3 - death) - gx * predation * x3
        sum_x, sum_y = sum_x + rx, sum_y + ry
        gx, gy = 2.0 * sixth * dx + half * rx, 2.0 * sixth * dy + half * ry
        d_growth += gx * x2
        d_predation -= gx * x2 * y2
        d_conversion += gy * x2 * y2
        d_death -= gy * y2
        rx = gx * (growth - predation * y2) + gy * conversion * y2
        ry = gy * (conversion * x2 - death) - gx * predation * x2
        sum_x, sum_y = sum_x + rx, sum_y + ry
        gx, gy = sixth * dx + half * rx, sixth * dy + half * ry
        d_growth += gx * x
        d_predation -= gx * x * y
        d_conversion += gy * x * y
        d_death -= gy * y
        dx = sum_x + gx * (growth - predation * y) + gy * conversion * y
        dy = sum_y + gy * (conversion * x - death) - gx * predation * x
    return total / n, np.array([d_growth, d_predation, d_death, d_conversion])
