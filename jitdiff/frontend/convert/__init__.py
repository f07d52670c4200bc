"""Python's control flow inside compiled functions: on traced values `if`, `for`, `while` become If, For, While."""

from jitdiff.frontend.convert.rows import range

__all__ = ["converting", "range"]

import functools
from collections.abc import Callable
from typing import Any

from jitdiff.frontend.convert.calls import call
from jitdiff.frontend.convert.functions import is_convertible
from jitdiff.frontend.convert.lists import plain
from jitdiff.ops.user import called_by


def converting(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function` converted where it runs, with what it calls: in a trace, or where tapes follow its values.

    Anywhere else it runs as it is.
    """

    @functools.wraps(function, updated=())
    def run(*args: Any, **kwargs: Any) -> Any:
        return _call(function, *args, **kwargs)

    run.convertible = is_convertible(function)  # type: ignore[attr-defined]
    return run


def _call(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    return plain(call(function, *args, **kwargs))


called_by(_call)
