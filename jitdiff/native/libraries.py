"""What Numba makes of functions that nothing but compiled code calls: instructions to be linked, no machine code.

Numba optimises every function it compiles and makes machine code of it, and then all of that again in each function
that calls it. Of what one module of ours is cut into, Python calls the entry alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numba.core.codegen import JITCodeLibrary, JITCPUCodegen

_WRAPPER = "_ZN7cpython"
_Library: Any = JITCodeLibrary


class _Linked(_Library):  # type: ignore[misc]  # Numba's class has no types
    """A library of one function, which is optimised and becomes machine code once Python asks for its address."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._is_native = False

    @property
    def codegen(self) -> Any:
        """The code generator; it takes no environments for functions without machine code."""
        return super().codegen if self._is_native else _NoEnvironments

    def get_pointer_to_function(self, name: str) -> int:
        """Return the address of a function, for which machine code is made now if need be, zero if there is none."""
        self._ensure_finalized()
        if not self._is_native and name in {fn.name for fn in self.get_defined_functions()}:
            self._make_native()
        address: int = super().get_pointer_to_function(name)
        return address

    def _optimize_final_module(self) -> None:
        if any(fn.name.startswith(_WRAPPER) for fn in self.get_defined_functions()):
            super()._optimize_final_module()

    def _set_compiled_object(self, value: bytes) -> None:
        # It comes from the cache.
        self._is_native = True
        super()._set_compiled_object(value)

    def _finalize_final_module(self) -> None:
        if self._is_native:
            super()._finalize_final_module()
            return
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True

    def _make_native(self) -> None:
        self._is_native = True
        self._dynamic_globals.clear()
        super()._finalize_final_module()


class _NoEnvironments:
    @staticmethod
    def set_env(name: str, env: Any) -> None:
        """Do nothing: what is linked into another function finds no environment either when loaded from the cache."""


@contextmanager
def linked_only() -> Iterator[None]:
    """Let what Numba compiles meanwhile be machine code only where Python can call it."""
    before = JITCPUCodegen._library_class
    JITCPUCodegen._library_class = _Linked
    try:
        yield
    finally:
        JITCPUCodegen._library_class = before
