"""The API pages name everything that is public."""

import inspect
import re
from pathlib import Path

import pytest

import jitdiff as jd

PAGES = Path(__file__).parents[2] / "docs" / "api"
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in sorted(PAGES.glob("*.md")))
PUBLIC = sorted(jd.__all__)
FUNCTIONS = [name for name in PUBLIC if inspect.isfunction(getattr(jd, name)) or inspect.isclass(getattr(jd, name))]
ERRORS = [name for name, value in vars(jd.errors).items() if inspect.isclass(value) and issubclass(value, Exception | Warning)]


@pytest.mark.parametrize("name", PUBLIC)
def test_public_name_is_in_the_index(name):
    assert f"`{name}`" in (PAGES / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_public_name_has_a_heading_or_a_use(name):
    assert re.search(rf"^## .*`(jd\.)?{name}\b|^## `jd\.{name}\(", TEXT, flags=re.MULTILINE)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_public_name_is_shown_in_code(name):
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL))
    assert re.search(rf"\bjd\.{name}\b", code) or inspect.isclass(getattr(jd, name))


@pytest.mark.parametrize("name", [e for e in ERRORS if e.endswith(("Error", "Warning"))])
def test_error_is_listed(name):
    assert f"`{name}`" in (PAGES / "errors.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [n for n in FUNCTIONS if inspect.isfunction(getattr(jd, n))])
def test_signature_on_the_page_is_the_real_one(name):
    """What stands in the parentheses of a heading are the real parameters, in order, with the real defaults."""
    shown = re.search(rf"`jd\.{name}\((.*?)\)[^`()]*`", TEXT)
    if shown is None:
        assert name in {"jacrev", "jacfwd"}, f"no heading shows the signature of {name}"
        return
    real = [
        (("*" if p.kind is p.VAR_POSITIONAL else "") + p.name, p.default)
        for p in inspect.signature(getattr(jd, name)).parameters.values()
    ]
    namespace = {}
    exec(f"def f({shown[1]}): pass", namespace)
    page = [
        (("*" if p.kind is p.VAR_POSITIONAL else "") + p.name, p.default)
        for p in inspect.signature(namespace["f"]).parameters.values()
    ]
    assert page == real
