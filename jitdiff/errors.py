"""Every exception of jitdiff. The docstring of an exception is its help page.

Each class is also the builtin that a NumPy or TensorFlow user would catch for the same mistake.
"""

from __future__ import annotations

import numpy as np


class JitdiffError(Exception):
    """Base of all errors raised by jitdiff.

    Parameters
    ----------
    what : str
        One sentence: the op or call, what was expected, what was given.
    where : str, optional
        The user's line, as ``file.py:12 in function:  source text``.
    hint : str, optional
        One thing to do about it.

    Examples
    --------
    >>> print(JitdiffError("matmul: inner sizes differ", where="model.py:12 in predict", hint="transpose X"))
    matmul: inner sizes differ
      at model.py:12 in predict
      hint: transpose X
    """

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        self.what = what
        self.where = where
        self.hint = hint
        lines = [what]
        if where:
            lines.append(f"  at {where}")
        if hint:
            lines.append(f"  hint: {hint}")
        text = "\n".join(lines)
        super().__init__(text)
        # NumPy's AxisError keeps the arguments it was made with.
        self.args = (text,)

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.what, self.where, self.hint))


def _rebuild(kind: type[JitdiffError], what: str, where: str | None, hint: str | None) -> JitdiffError:
    return kind(what, where=where, hint=hint)


class ShapeError(JitdiffError, ValueError):
    """Shapes or sizes do not fit together, as in ``X @ w`` with a ``w`` of the wrong length."""


class DtypeError(JitdiffError, TypeError):
    """A dtype that the operation cannot take, such as the gradient of an integer."""


class AxisError(JitdiffError, np.exceptions.AxisError):
    """An axis is out of range for the array's number of dimensions."""

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        JitdiffError.__init__(self, what, where=where, hint=hint)

    def __str__(self) -> str:
        return str(self.args[0])


class BoundsError(JitdiffError, IndexError):
    """An index lies outside its array."""


class ArgumentError(JitdiffError, ValueError):
    """A call with an argument that makes no sense, named in the message."""


class ArgumentTypeError(JitdiffError, TypeError):
    """A call with an argument of the wrong kind, named in the message."""


class TracingError(JitdiffError, TypeError):
    """Traced code needed a concrete value, or did what a trace cannot record.

    Inside ``@jitdiff.compile`` an array is a symbol: it has a shape and a dtype but no numbers.
    ``if x > 0`` or ``float(x)`` ask for numbers. Use ``np.where`` or ``jitdiff.cond`` for a choice,
    ``jitdiff.while_loop`` or ``jitdiff.fori_loop`` for a loop, or the tape for anything at all.
    """


class UnsupportedError(JitdiffError, NotImplementedError, TypeError):
    """A NumPy function, or an option of one, that jitdiff has no rule for."""


class MissingAttributeError(JitdiffError, AttributeError):
    """An attribute or method of NumPy's arrays that jitdiff's do not have."""


class TapeError(JitdiffError, RuntimeError, ValueError):
    """A tape was used in a way its life does not allow, such as a second ``gradient`` on a used tape."""


class DifferentiationError(JitdiffError, LookupError):
    """An operation on the way to the result has no derivative rule."""


class CacheError(JitdiffError, PermissionError):
    """The cache folder cannot be trusted or used."""


class MismatchError(JitdiffError, AssertionError):
    """A derivative is not what differences of values give: most often a custom rule that is wrong."""


class VerificationError(JitdiffError, AssertionError):
    """An IR program is not well formed: a defect of jitdiff itself, please report it."""


class JitdiffWarning(UserWarning):
    """Base of all warnings given by jitdiff."""


class CacheWarning(JitdiffWarning):
    """The cache folder is not used as it should be: the disk is full, or the folder cannot be written to or locked.

    What is there is loaded, and what is compiled works, in this process alone.
    """


class TraceWarning(JitdiffWarning):
    """Something in a compiled function means less than in Python: a print or an assertion runs while tracing only, a
    loop is unrolled into very many operations.
    """


class SettledWarning(TraceWarning):
    """Something that a compiled function took for settled, such as a global number, has changed since it was traced.

    The function and its derivatives are traced again with what it is now. Nothing checks it in calls that trace
    nothing: those go on with what was settled. Pass what changes as an argument.
    """


class TapeWarning(JitdiffWarning):
    """A tape was asked for something that works, but surely not as wished: watching an integer, for instance."""


class DisconnectedWarning(TapeWarning):
    """A gradient is None, and the tape knows why: `GradientTape.explain` tells it again.

    It is given once for each line that asks; ``unconnected_gradients="zero"`` gives zeros, and no warning.
    """
