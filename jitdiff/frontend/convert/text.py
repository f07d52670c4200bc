"""Text with the numbers of followed values in it: a trace has none yet, and no derivative goes through text."""

from __future__ import annotations

import builtins
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self, SupportsIndex

import numpy as np

from jitdiff.eager import EagerHandle
from jitdiff.frontend.convert.state import is_followed, is_traced
from jitdiff.frontend.trees import flatten, unflatten
from jitdiff.ir.builder import current_builder
from jitdiff.ops import OPS, Handle, Tracer


class Text(str):
    """Text that was made with followed values; it can be shown, and to read it asks for the numbers of a trace.

    Parameters
    ----------
    text : str
        The text, with types in place of numbers that only the running program knows.
    values : iterable
        The followed values.
    """

    values: tuple[Any, ...]

    def __new__(cls, text: str, values: Iterable[Any]) -> Self:
        """Return text made with `values`."""
        made = super().__new__(cls, text)
        made.values = tuple(values)
        return made

    def ask(self) -> None:
        """Ask for the numbers in the text, which the error of a trace tells."""
        for value in self.values:
            if is_traced(value):
                value._refuse("text that is read: compared, measured or looked up,", "compare the numbers instead")

    def give(self) -> None:
        """Give out the numbers in the text, to be computed with as constants."""
        self.ask()
        for value in self.values:
            if isinstance(value, EagerHandle):
                value._given("reading a number from its text")

    def __add__(self, other: str) -> Text:
        return Text(str.__add__(self, other), (*self.values, *values_in(other)))

    def __radd__(self, other: str) -> Text:
        return Text(str.__add__(other, self), (*values_in(other), *self.values))

    def __mod__(self, values: Any) -> str:
        return formatted(self, values)

    def __mul__(self, times: SupportsIndex) -> Text:
        return Text(str.__mul__(self, times), self.values)


def values_in(x: Any) -> tuple[Any, ...]:
    """Return the followed values in text, or in a tree that is made into text."""
    if isinstance(x, str):
        return x.values if isinstance(x, Text) else ()
    if is_followed(x) or (isinstance(x, EagerHandle) and current_builder() is None):
        return (x,)
    if isinstance(x, list | tuple | dict):
        return tuple(value for leaf in flatten(x)[0] if isinstance(leaf, str | Handle) for value in values_in(leaf))
    return ()


def give(x: Any) -> None:
    """Give out the numbers in the texts that an array or number is made of; see `Text.give`."""
    if isinstance(x, Text):
        x.give()
    elif isinstance(x, list | tuple):
        for part in x:
            give(part)


def _asking(method: Callable[..., Any]) -> Callable[..., Any]:
    def run(self: Text, *args: Any, **kwargs: Any) -> Any:
        self.ask()
        return method(self, *args, **kwargs)

    return run


def _keeping(method: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, *args, **kwargs: Text(method(self, *args, **kwargs), self.values)


_KEEPING = (
    "capitalize", "center", "expandtabs", "ljust", "lower", "lstrip", "replace", "rjust", "rstrip", "strip", "swapcase",
    "title", "upper", "zfill",
)  # fmt: skip
_ASKING = (
    "__contains__", "__eq__", "__ge__", "__getitem__", "__gt__", "__hash__", "__iter__", "__le__", "__len__", "__lt__",
    "__ne__", "casefold", "count", "encode", "endswith", "find", "index", "isalnum", "isalpha", "isdecimal", "isdigit",
    "isnumeric", "partition", "removeprefix", "removesuffix", "rfind", "rindex", "rpartition", "rsplit", "split",
    "splitlines", "startswith", "translate",
)  # fmt: skip
for _name in _KEEPING:
    setattr(Text, _name, _keeping(getattr(str, _name)))
for _name in _ASKING:
    setattr(Text, _name, _asking(getattr(str, _name)))


def shown(x: Any) -> Any:
    """Return the numbers of a Tensor or Variable, which are told and go no further; anything else as it is."""
    if isinstance(x, EagerHandle):
        return OPS["stop_gradient"](x).numpy()
    if isinstance(x, list | tuple | dict) and values_in(x):
        leaves, spec = flatten(x)
        return unflatten(spec, list(map(shown, leaves)))
    return x


def _told(write: Callable[..., str], x: Any, *rest: Any) -> str:
    """Return the text that `write` gives for a value, by the numbers that it has."""
    values = tuple(v for part in (x, *rest) for v in values_in(part))
    if not values:
        return write(x, *rest)
    if isinstance(x, Tracer) and is_traced(x):
        return Text(builtins.repr(x), values)
    return Text(write(shown(x), *rest), values)


_CONVERSIONS: dict[int, Callable[[Any], str]] = {115: builtins.str, 114: builtins.repr, 97: builtins.ascii}
"""The conversions of replacement fields, by the code of their letters."""


def told(x: Any, conversion: int, spec: str) -> str:
    """Return the text of a replacement field of an f-string."""
    if conversion in _CONVERSIONS:
        x = _told(_CONVERSIONS[conversion], x)
    return _told(builtins.format, x, spec)


def joined(*parts: str) -> str:
    """Return the parts of an f-string as one text."""
    text = "".join(parts)
    values = [value for part in parts for value in values_in(part)]
    return Text(text, values) if values else text


def formatted(text: str, values: Any) -> str:
    """Return ``text % values``."""
    followed = (*values_in(text), *values_in(values))
    if not followed:
        return str.__mod__(text, values)
    if any(map(is_traced, followed)):
        text = _NUMBERS.sub(r"%\1s", text)
    return Text(str.__mod__(text, shown(values)), followed)


_NUMBERS = re.compile(r"%(\(\w+\))?[-+ #0]*\d*(?:\.\d+)?[a-zA-Z]")
"""The places for values in a format, of which text without numbers takes none but ``%s``."""


def of_method(method: Callable[..., str], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return what a method of text gives."""
    args = tuple(builtins.list(x) if isinstance(x, Iterator) else x for x in args)
    values = [value for x in (*args, *kwargs.values()) for value in values_in(x)]
    found = method(*map(shown, args), **{name: shown(x) for name, x in kwargs.items()})
    return Text(found, values) if values and isinstance(found, str) else found


def _str(*args: Any, **kwargs: Any) -> Any:
    return _told(builtins.str, *args) if len(args) == 1 and not kwargs else builtins.str(*args, **kwargs)


def _numpy_told(write: Callable[..., str]) -> Callable[..., str]:
    return lambda x, *args, **kwargs: _told(lambda numbers: write(numbers, *args, **kwargs), x)


TELLING: dict[Any, Callable[..., Any]] = {
    builtins.str: _str,
    builtins.repr: lambda x, /: _told(builtins.repr, x),
    builtins.ascii: lambda x, /: _told(builtins.ascii, x),
    builtins.format: lambda x, spec="", /: _told(builtins.format, x, spec),
    **{each: _numpy_told(each) for each in (np.array2string, np.array_repr, np.array_str)},
}
"""What runs for functions that make text."""


def read(x: Any) -> Any:
    """Return text that is to be read, after asking for the numbers in it; anything else as it is."""
    if isinstance(x, Text):
        x.ask()
    return x


def reading(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what runs for a function that reads text: it asks for the numbers in that."""
    return lambda *args, **kwargs: function(*map(read, args), **kwargs)
