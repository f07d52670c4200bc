"""What stands in the words of a library is imported only where that is installed, by the suites."""

collect_ignore_glob = ["rivals/jax_*.py", "rivals/torch_*.py"]
