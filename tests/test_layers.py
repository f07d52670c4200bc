"""The layers of docs/design.md: imports run one way, only `native` knows Numba, and folders reach no insides."""

import ast
import subprocess
import sys

import pytest

MIDDLE = ("ad", "codegen", "eager", "frontend", "passes")


def test_import_contracts_are_kept(pytestconfig):
    command = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    done = subprocess.run([sys.executable, "-c", command], cwd=pytestconfig.rootpath, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("folder", MIDDLE)
def test_folder_is_reached_through_its_package(folder, pytestconfig):
    # Read off the source: import-linter takes `from jitdiff.ad import walk` for the module jitdiff.ad.walk.
    root = pytestconfig.rootpath / "jitdiff"
    inside = f"jitdiff.{folder}."
    outsiders = {
        p: _imported(p.read_text(encoding="utf-8")) for p in root.rglob("*.py") if root / folder not in p.parents
    }
    assert outsiders
    reached = {
        str(path.relative_to(root)): [m for m in modules if m.startswith(inside)] for path, modules in outsiders.items()
    }
    assert {path: modules for path, modules in reached.items() if modules} == {}


def _imported(source):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
