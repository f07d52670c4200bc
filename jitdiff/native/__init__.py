"""Emitted text to native functions: the one folder that imports Numba and llvmlite.

`jitdiff.native.kernel.build` compiles, `jitdiff.native.cache` keeps what was compiled, `jitdiff.native.runtime` holds
the functions that emitted text calls. Importing this package imports none of them, so Numba waits until it is needed.
"""
