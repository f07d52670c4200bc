"""The programs of tests/loops as a user of JAX, torch or Numba writes them, a file a library and theme."""
