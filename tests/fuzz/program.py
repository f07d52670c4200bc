"""A program to try: the text of a module with a function `f` and the arguments that it is called with."""

from __future__ import annotations

import copy
import linecache
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np
import optree

PRELUDE = """\
import functools
import math

import numpy as np
from scipy.special import expit, logsumexp
"""


@dataclass(frozen=True)
class Program:
    """The text of a module that defines `f`, and `ARGUMENTS`: two tuples, of the first size and of the second.

    Arguments that can be differentiated come first.
    """

    source: str
    name: str = "program"

    @cached_property
    def module(self) -> ModuleType:
        """The module; its text can be had from its functions, as that of a file."""
        unique = f"{self.name}_{zlib.crc32(self.source.encode()):08x}"
        path = f"<{unique}>"
        linecache.cache[path] = (len(self.source), None, self.source.splitlines(keepends=True), path)
        # Dataclasses look for the module of their class.
        module = sys.modules[unique] = ModuleType(unique)
        exec(compile(self.source, path, "exec"), module.__dict__)
        return module

    @property
    def f(self) -> Callable[..., Any]:
        return self.module.f

    @cached_property
    def sizes(self) -> list[Point]:
        """The arguments of each size."""
        return [Point(tuple(args)) for args in self.module.ARGUMENTS]


@dataclass(frozen=True)
class Point:
    """Arguments, and what can be said of them alone."""

    args: tuple[Any, ...] = field(repr=False)

    def fresh(self) -> tuple[Any, ...]:
        """Return copies, in the same memory layout: programs may change their arguments."""
        return copied(self.args)

    def contiguous(self) -> tuple[Any, ...]:
        """Return copies as arguments are meant: in C order, on which it depends whether ``ravel`` gives a view, and
        scalars where there are no dimensions.
        """
        return optree.tree_map(lambda x: x.copy(order="C")[()] if isinstance(x, np.ndarray) else x, self.args)

    @cached_property
    def argnums(self) -> tuple[int, ...]:
        """Positions of the arguments to differentiate by."""
        return tuple(k for k, arg in enumerate(self.args) if all(map(is_float, optree.tree_leaves(arg))))

    def directions(self, seed: int) -> tuple[Any, ...]:
        """Return a tangent for each argument, None for what cannot move."""
        rng = np.random.default_rng(seed)

        def draw(x: Any) -> Any:
            tangent = rng.uniform(0.3, 1.0, np.shape(x)) * rng.choice([-1.0, 1.0], np.shape(x))
            dtype = getattr(x, "dtype", np.dtype(float))
            return tangent.astype(dtype)[()] if isinstance(x, np.generic | np.ndarray) else float(tangent)

        return tuple(optree.tree_map(draw, arg) if k in self.argnums else None for k, arg in enumerate(self.args))

    @property
    def is_single(self) -> bool:
        """Whether something is in single precision."""
        return any(getattr(x, "dtype", None) == np.float32 for x in optree.tree_leaves(self.args))


def is_float(x: Any) -> bool:
    return isinstance(x, float) or (isinstance(x, np.ndarray | np.generic) and x.dtype.kind == "f")


def copied(tree: Any) -> Any:
    """Return a tree with copies of its arrays: strided ones stay strided, and Fortran's order stays."""

    def leaf(x: Any) -> Any:
        if not isinstance(x, np.ndarray):
            return x
        if x.base is None or x.flags.c_contiguous or x.flags.f_contiguous:
            return x.copy(order="K")
        base = x.base
        if isinstance(base, np.ndarray) and base.base is None:
            start = x.__array_interface__["data"][0] - base.__array_interface__["data"][0]
            return np.ndarray(x.shape, x.dtype, base.copy(), start, x.strides)
        return x.copy()

    return optree.tree_map(leaf, copy.copy(tree))
