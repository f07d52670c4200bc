"""Making objects of the user's classes in converted code: their `__init__` is converted as any function is."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

from jitdiff.frontend.convert.changes import born

Converted = Callable[[Any], Callable[..., Any] | None]


def construct(cls: type, args: tuple[Any, ...], kwargs: dict[str, Any], converted: Converted) -> Any:
    """Return ``cls(*args, **kwargs)`` of a class of the user's; `converted` gives what runs for his functions."""
    if type(cls).__call__ is not type.__call__:
        return cls(*args, **kwargs)
    kind: Any = cls
    init = kind.__init__
    if not isinstance(init, FunctionType):
        return cls(*args, **kwargs)
    ours = converted(init)
    finish = converted(getattr(cls, "__post_init__", None)) if ours is None else None
    if ours is None and finish is None:
        return cls(*args, **kwargs)
    made = kind.__new__(cls) if kind.__new__ is object.__new__ else kind.__new__(cls, *args, **kwargs)
    if not isinstance(kind.__new__, FunctionType):
        born(made)
    if not isinstance(made, cls):
        return made
    if ours is not None:
        ours(made, *args, **kwargs)
    elif finish is not None and hasattr(made, "__dict__"):
        # The `__init__` of a dataclass has no source; it looks up `__post_init__` on the object.
        object.__setattr__(made, "__post_init__", lambda *given: finish(made, *given))
        try:
            init(made, *args, **kwargs)
        finally:
            object.__delattr__(made, "__post_init__")
    else:
        init(made, *args, **kwargs)
    return made
