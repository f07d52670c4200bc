"""The layers of docs/design.md: imports run one way, and only `native` knows Numba (contracts in pyproject.toml)."""

import subprocess
import sys


def test_import_contracts_are_kept(pytestconfig):
    command = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    done = subprocess.run([sys.executable, "-c", command], cwd=pytestconfig.rootpath, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
