"""Emitted modules written by hand."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np

from jitdiff.ir import ArrayType, Emitted
from jitdiff.native import runtime
from jitdiff.native.kernel import Kernel, build


def types_of(*args: Any) -> tuple[ArrayType, ...]:
    return tuple(ArrayType(np.asarray(arg).dtype, np.shape(arg)) for arg in args)


def module(body: str, args: Sequence[Any], *, workspace: int = 0, name: str = "entry") -> Emitted:
    """Return a module of one function of `args`, called a, b, c and so on."""
    params = "abcdefgh"[: len(args)]
    source = (
        f'"""{name}."""\n\nimport numpy as np\n\nfrom jitdiff.native.runtime import {", ".join(runtime.__all__)}\n\n\n'
        f"def {name}({', '.join(['ws', *params])}):\n{textwrap.indent(textwrap.dedent(body), '    ')}\n"
    )
    return Emitted(source, name, (name,), types_of(*args), (), workspace)


def native(body: str, *args: Any, workspace: int = 0) -> Kernel:
    return build(module(body, args, workspace=workspace))


def run(body: str, *args: Any) -> Any:
    """Return what the body computes natively."""
    return native(body, *args).call(*args)


def run_in_python(body: str, *args: Any, workspace: int = 0) -> Any:
    """Return what the same text computes as plain Python."""
    emitted = module(body, args, workspace=workspace)
    names: dict[str, Any] = {}
    exec(emitted.source, names)
    return names[emitted.entry](np.zeros(workspace, np.uint8), *args)
