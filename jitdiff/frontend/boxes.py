"""Instances of Numba's jitclasses: their fields, and the Python class that theirs was made of.

They are recognised by the module of their class, so that Numba is not imported for it.
"""

from __future__ import annotations

from functools import cache
from types import FunctionType, MethodType
from typing import Any

from jitdiff.errors import UnsupportedError
from jitdiff.ir.builder import current_builder
from jitdiff.ir.location import caller, describe
from jitdiff.ops import Handle

_BOXING = "numba.experimental.jitclass.boxing"


def is_box(cls: type) -> bool:
    """Say whether instances of a class are those of a jitclass."""
    return cls.__module__ == _BOXING and hasattr(cls, "_numba_type_")


def fields(x: Any) -> dict[str, Any]:
    """Return the fields of an instance of a jitclass."""
    return {name: getattr(x, name) for name in type(x)._numba_type_.struct}


def check_field(x: Any, name: str, value: Any) -> None:
    """Refuse to set a field of an instance of a jitclass to a followed value, or in a traced branch or loop."""
    if not is_box(type(x)):
        return
    builder = current_builder()
    inside = builder is not None and builder.parent is not None
    if inside or isinstance(value, Handle):
        what = "is set in a traced branch or loop" if inside else "takes plain numbers"
        raise UnsupportedError(
            f"the field {name} of a {type(x).__name__}, which jitclass made, {what}",
            where=describe(caller()),
            hint="pass the object to a compiled function as an argument, or write its class in Python",
        )


@cache
def python_class(cls: Any) -> type:
    """Return the class that the user wrote, with its methods in Python, for the class of a jitclass's instances."""
    made_of = cls._numba_type_.class_type
    methods = {name: method.py_func for name, method in made_of.jit_methods.items()}
    statics = {name: staticmethod(method.py_func) for name, method in made_of.jit_static_methods.items()}
    properties = {
        name: property(*(method and method.py_func for method in (found.get("get"), found.get("set"))))
        for name, found in made_of.jit_props.items()
    }
    module = {"__module__": methods["__init__"].__module__} if "__init__" in methods else {}
    return type(cls.__name__, (), {**methods, **statics, **properties, **module, "__doc__": cls.__doc__})


def unboxed(function: Any) -> Any:
    """Return the Python method for a method of an instance of a jitclass, anything else as it is."""
    if isinstance(function, MethodType):
        owner: Any = function.__self__
        kind: Any = type(owner)
        python = unboxed(function.__func__)
        if python is function.__func__ or not is_box(kind):
            return function
        is_static = isinstance(vars(python_class(kind)).get(python.__name__), staticmethod)
        return python if is_static else MethodType(python, owner)
    if isinstance(function, FunctionType) and function.__globals__.get("__name__") == _BOXING:
        return getattr(function, "__wrapped__", function)
    return function
