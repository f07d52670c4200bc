"""Arrays that each function of a module makes anew: to hand them on takes Numba longer."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from jitdiff.codegen.text import Stmt, count_names, names_in


@dataclass(frozen=True, slots=True)
class View:
    """An array in C order over memory that a function can name.

    Parameters
    ----------
    head : str
        The call that makes it, up to its last argument.
    shape : str
        That argument, a tuple.
    """

    head: str
    shape: str

    @property
    def text(self) -> str:
        """The expression."""
        return f"{self.head}{self.shape})"


def find_views(
    body: Sequence[Stmt], arrays: Collection[str], given: Mapping[str, View]
) -> tuple[dict[str, View], list[Stmt]]:
    """Return the views among statements, by name, and the other statements.

    Parameters
    ----------
    body : sequence of Stmt
        The statements of a function.
    arrays : collection of str
        Names of arrays that are never bound anew.
    given : mapping
        Views that there are already; they are among those returned.

    Examples
    --------
    >>> body = [Stmt("a = buffer(ws, 64, np.float64, (2, 3))"), Stmt("r = a.reshape(6)"), Stmt("r[0] = 1.0")]
    >>> views, rest = find_views(body, (), {})
    >>> views["r"].text, [stmt.text for stmt in rest]
    ('buffer(ws, 64, np.float64, (6,))', ['r[0] = 1.0'])
    """
    stores = count_names(body)[1]
    found = dict(given)
    rest: list[Stmt] = []
    for stmt in body:
        found_here = _view(stmt.text, arrays, found)
        if found_here is not None:
            name, view = found_here
            if stores[name] == 1 and not any(stores[other] for other in names_in(f"{name} = {view.text}")[0]):
                found[name] = view
                continue
        rest.append(stmt)
    return found, rest


def _view(text: str, arrays: Collection[str], found: Mapping[str, View]) -> tuple[str, View] | None:
    if " = buffer(" not in text and ".reshape(" not in text:
        return None
    match ast.parse(text).body[0]:
        case ast.Assign([ast.Name(name)], ast.Call(ast.Name("buffer"), [*first, shape])):
            return name, View(f"buffer({', '.join(map(ast.unparse, first))}, ", ast.unparse(shape))
        case ast.Assign([ast.Name(name)], ast.Call(ast.Attribute(ast.Name(base), "reshape"), [size])):
            sizes = ast.unparse(size if isinstance(size, ast.Tuple) else ast.Tuple([size]))
            if base in found:
                return name, View(found[base].head, sizes)
            if base in arrays:
                return name, View(f"{base}.reshape(", sizes)
    return None


def with_views(body: Sequence[Stmt], read: Iterable[str], views: Mapping[str, View]) -> list[Stmt]:
    """Return statements after those that make the views among the names they read."""
    needed = set(read)
    return [*(Stmt(f"{name} = {view.text}") for name, view in views.items() if name in needed), *body]
