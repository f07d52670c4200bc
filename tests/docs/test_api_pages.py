"""The API pages name everything that is public, with the signatures that it has."""

import ast
import inspect
import re
from pathlib import Path

import pytest

import jitdiff as jd

PAGES = Path(__file__).parents[2] / "docs" / "api"
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in sorted(PAGES.glob("*.md")))
HEADINGS = re.findall(r"^## (.*)$", TEXT, flags=re.MULTILINE)
CODE = "\n".join(re.findall(r"^```python\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL))
PUBLIC = sorted(jd.__all__)
CALLED = [
    name
    for name in PUBLIC
    if callable(getattr(jd, name)) and name not in {"Compiled", "Tensor", "UnconnectedGradients"}
]
ERRORS = sorted(
    n for n, e in vars(jd.errors).items() if inspect.isclass(e) and issubclass(e, jd.errors.JitdiffError | Warning)
)


def shown_call(name):
    """Return the call of `name` that a heading shows, None if it only mentions it."""
    for heading in HEADINGS:
        for code in re.findall(r"`([^`]*)`", heading):
            if code.startswith(f"jd.{name}("):
                return ast.parse(code.split(" -> ")[0], mode="eval").body
    return None


@pytest.mark.parametrize("name", PUBLIC)
def test_public_name_is_in_the_index(name):
    assert f"`{name}`" in (PAGES / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PUBLIC)
def test_public_name_has_a_heading(name):
    assert any(re.search(rf"`(jd\.)?{name}\b", heading) for heading in HEADINGS)


@pytest.mark.parametrize("name", CALLED)
def test_public_name_is_shown_in_code(name):
    assert re.search(rf"\bjd\.{name}\b", CODE)


@pytest.mark.parametrize("name", CALLED)
def test_signature_in_the_heading_is_the_real_one(name):
    call = shown_call(name)
    if call is None:
        assert name in {"jacfwd", "jacrev"}, f"no heading shows how to call {name}"
        call = shown_call("jacobian")
    shown = [f"*{a.value.id}" if isinstance(a, ast.Starred) else a.id for a in call.args]
    shown += [f"{k.arg}={ast.literal_eval(k.value)!r}" if k.arg else f"**{k.value.id}" for k in call.keywords]
    assert shown == [described(p) for p in inspect.signature(getattr(jd, name)).parameters.values()]


def described(parameter):
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    default = "" if parameter.default is parameter.empty else f"={parameter.default!r}"
    return f"{stars}{parameter.name}{default}"


@pytest.mark.parametrize("name", ERRORS)
def test_error_is_listed(name):
    assert f"`{name}`" in (PAGES / "errors.md").read_text(encoding="utf-8")
