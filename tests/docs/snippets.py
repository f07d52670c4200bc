"""Running the Python of a Markdown page, and comparing what it prints with what the page says.

Fences of a page share one namespace and run in order:

* ```` ```python ```` runs;
* ```` ```text ```` or ```` ```output ```` directly after one (blank lines between do not matter) is what it prints,
  ``...`` standing for anything; so is ```` ```python output ````, for printed code;
* any other fence is left alone.
"""

import contextlib
import doctest
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FENCE = re.compile(
    r"^(?P<indent> *)```(?P<info>[^`\n]*)\n(?P<body>.*?)^(?P=indent)``` *$", flags=re.MULTILINE | re.DOTALL
)
IGNORING = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True)
class Fence:
    """A fenced block: the words after its backticks, its text, and the number of its first line."""

    info: tuple[str, ...]
    body: str
    line: int
    adjacent: bool
    """Whether nothing but blank lines stands between it and the fence before."""

    @property
    def runs(self) -> bool:
        return self.info[:1] == ("python",) and "output" not in self.info

    @property
    def is_output(self) -> bool:
        return self.adjacent and (self.info in {("text",), ("output",)} or "output" in self.info[1:])


def fences(text: str) -> Iterator[Fence]:
    """Yield the fenced blocks of a page."""
    end = 0
    for match in FENCE.finditer(text):
        body = "".join(line.removeprefix(match["indent"]) for line in match["body"].splitlines(keepends=True))
        first = text.count("\n", 0, match.start("body")) + 1
        yield Fence(tuple(match["info"].split()), body, first, adjacent=not text[end : match.start()].strip())
        end = match.end()


def run_page(path: Path) -> int:
    """Run the snippets of a page and return how many there were.

    Raises
    ------
    AssertionError
        If a snippet prints something else than the page says.
    """
    namespace: dict[str, Any] = {"__name__": "__main__", "__file__": str(path)}
    printed: str | None = None
    count = 0
    for fence in fences(path.read_text(encoding="utf-8")):
        if fence.runs:
            # Compiled under the page's own name and line numbers, so that tracebacks and source look-ups find it.
            code = compile("\n" * (fence.line - 1) + fence.body, str(path), "exec", dont_inherit=True)
            with contextlib.redirect_stdout(io.StringIO()) as stdout:
                exec(code, namespace)
            printed = stdout.getvalue()
            count += 1
        elif fence.is_output and printed is not None:
            example = doctest.Example("", fence.body)
            checker = doctest.OutputChecker()
            assert checker.check_output(example.want, printed, IGNORING), (
                f"{path}:{fence.line}: {checker.output_difference(example, printed, IGNORING)}"
            )
            printed = None
        else:
            printed = None
    return count
