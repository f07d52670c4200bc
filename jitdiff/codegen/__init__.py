"""Block to Python text: loop nests of scalar expressions, calls on whole arrays, native loops."""

from jitdiff.codegen.emit import emit

__all__ = ["emit"]
