"""Comparing text with files that a person has read and committed."""

import difflib
import re
from dataclasses import dataclass
from pathlib import Path

DATA = Path(__file__).parent / "data"


def golden_path(test: str) -> Path:
    """The file of a test; the name of a parametrised test may hold anything."""
    return DATA / (re.sub(r"[^\w.-]+", "-", test).strip("-") + ".txt")


@dataclass(frozen=True)
class Golden:
    """Compares texts with golden files, or writes those files under ``pytest --update-golden``.

    Parameters
    ----------
    path : Path
        The file of the test.
    update : bool
        Write the file instead of comparing with it.
    """

    path: Path
    update: bool = False

    def __call__(self, text: str, part: str = "") -> None:
        """Fail unless `text` is what the file says; `part` tells several texts of one test apart."""
        path = self.path.with_stem(f"{self.path.stem}-{part}") if part else self.path
        text = text.rstrip("\n") + "\n"
        if self.update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
            return
        assert path.exists(), f"no golden file {path}: run pytest --update-golden, then read what it wrote"
        expected = path.read_text(encoding="utf-8")
        diff = difflib.unified_diff(expected.splitlines(), text.splitlines(), str(path), "now", lineterm="")
        assert text == expected, "\n".join(["the text differs (if that is right: pytest --update-golden)", *diff])
