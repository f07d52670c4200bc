"""Fits of differential equations by loops over time."""

from tests.benchmarks.rivals import loop_case


def cases(rng):
    rivals = {
        "jax": "jax_ode.lotka_volterra",
        "numba_by_hand": "numba_lotka_volterra.value_and_gradient",
        "numba_value": "lotka_volterra_scalars",
    }
    for style in ("", "_scalars", "_trajectory"):
        title = f"Lotka-Volterra RK4 1,000 steps{style.replace('_', ', ')}"
        yield loop_case(title, f"lotka_volterra{style}", by=(0,), **rivals)
    yield loop_case("bouncing ball 1,000 steps", "bouncing_ball", jax="jax_ode.bouncing_ball")
    yield loop_case("adaptive ODE to t = 20", "adaptive_step")
