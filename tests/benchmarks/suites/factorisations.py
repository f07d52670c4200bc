"""Linear algebra by explicit loops."""

from tests.benchmarks.rivals import loop_case


def cases(rng):
    sizes = [("cholesky", "40"), ("lu", "40"), ("durbin", "150"), ("trisolv", "100"), ("gramschmidt", "40x25")]
    for kernel, size in sizes:
        title = f"factorisation: {kernel} {size}"
        yield loop_case(title, kernel, jax=f"jax_factorisations.{kernel}", numba_value=kernel)
