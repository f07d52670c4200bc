"""Writes what the snippets of pages print into the pages, where that has changed; read the difference then.

python -m tests.docs.update [PAGE ...]
"""

import contextlib
import doctest
import io
import linecache
import os
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

from tests.docs.snippets import FENCE, IGNORING, fences
from tests.docs.table import kept_table
from tests.docs.test_snippets import PAGES, ROOT

CHECKER = doctest.OutputChecker()


def updated(path: Path) -> str:
    """Return the text of a page with what its snippets print."""
    text = path.read_text(encoding="utf-8")
    namespace: dict[str, Any] = {"__name__": "__main__", "__file__": str(path)}
    pieces, end, printed = [], 0, None
    for fence, match in zip(fences(text), FENCE.finditer(text), strict=True):
        if fence.runs:
            code = compile("\n" * (fence.line - 1) + fence.body, str(path), "exec", dont_inherit=True)
            with contextlib.redirect_stdout(io.StringIO()) as stdout:
                exec(code, namespace)
            printed = stdout.getvalue()
            continue
        stale = fence.is_output and printed is not None and not CHECKER.check_output(fence.body, printed, IGNORING)
        if stale:
            indented = "".join(match["indent"] + line for line in printed.rstrip("\n").splitlines(keepends=True))
            pieces += [text[end : match.start("body")], indented + "\n"]
            end = match.end("body")
        printed = None
    return "".join([*pieces, text[end:]])


def main() -> None:
    pages = [Path(arg).resolve() for arg in sys.argv[1:]] or [ROOT / page for page in PAGES]
    warnings.simplefilter("error")
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        os.environ["MPLBACKEND"] = "Agg"
        for page in pages:
            # Output names lines of the page, which move as output above them changes its length.
            while _update(page):
                print(f"updated {page.relative_to(ROOT)}")


def _update(page: Path) -> bool:
    linecache.checkcache()
    with kept_table():
        text = updated(page)
    changed = text != page.read_text(encoding="utf-8")
    if changed:
        page.write_text(text, encoding="utf-8")
    return changed


if __name__ == "__main__":
    main()
