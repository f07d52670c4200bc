"""Stencils in place. JAX has one form for both ways of writing them."""

from tests.benchmarks.rivals import loop_case


def cases(rng):
    in_two_ways = [
        ("jacobi_2d", "60x60, 20", (0,)),
        ("heat_3d", "20x20x20, 10", (0,)),
        ("fdtd_2d", "50x60, 30", (0, 1)),
    ]
    for kernel, sizes, by in in_two_ways:
        for style in ("", "_slices"):
            words = {"jax": f"jax_stencils.{kernel}", "numba_value": kernel}
            if kernel + style == "jacobi_2d_slices":
                words["torch"] = "torch_sequences.jacobi_2d"
            yield loop_case(f"stencil: {kernel}{style} {sizes} sweeps", kernel + style, by=by, **words)
    for kernel, sizes in [("seidel_2d", "40x40, 20"), ("burgers", "100, 100")]:
        yield loop_case(f"stencil: {kernel} {sizes} sweeps", kernel, jax=f"jax_stencils.{kernel}", numba_value=kernel)
