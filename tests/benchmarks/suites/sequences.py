"""Loops over time, over a tree, over a table, over pairs."""

from tests.benchmarks.rivals import loop_case


def cases(rng):
    jax, torch = "jax_sequences", "torch_sequences"
    yield loop_case("HMM 8 states, 500 symbols", "hmm_scaled", jax=f"{jax}.hmm", torch=f"{torch}.hmm")
    yield loop_case("LSTM 8-16, 200 steps", "lstm", jax=f"{jax}.lstm", torch=f"{torch}.lstm")
    yield loop_case("Kalman 4 states, 500 steps", "kalman", jax=f"{jax}.kalman")
    yield loop_case("local level, 2,000 steps", "local_level", jax=f"{jax}.local_level", numba_value="local_level")
    yield loop_case("American put, 100 steps", "american_put", jax=f"{jax}.american_put", numba_value="american_put")
    yield loop_case("soft DTW 60x60", "soft_dtw", jax=f"{jax}.soft_dtw")
    yield loop_case("gravity, 12 bodies, 20 steps", "gravity", jax=f"{jax}.gravity")
