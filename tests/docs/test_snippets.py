"""Every Python snippet of the README and of docs/ runs and prints what the page says."""

from pathlib import Path

import pytest

from tests.docs.snippets import run_page

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", *sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("docs/**/*.md"))]


@pytest.mark.parametrize("page", PAGES)
def test_page(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_page(ROOT / page)


def test_readme_has_snippets():
    assert "```python\n" in (ROOT / "README.md").read_text(encoding="utf-8")
