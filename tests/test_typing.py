"""What type checkers make of the public API: ``typed_use.py`` under ``mypy --strict``."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy")

HERE = Path(__file__).parent
USE = HERE / "typed_use.py"


@pytest.fixture
def strict(pytestconfig: pytest.Config, tmp_path: Path) -> list[str]:
    """The command, with the settings of somebody who has none; other packages need not be typed."""
    assert pytestconfig.cache is not None
    cache = pytestconfig.cache.mkdir("mypy")
    options = [
        "--strict",
        "--config-file=",
        "--follow-imports=silent",
        "--ignore-missing-imports",
        "--no-error-summary",
    ]
    return [sys.executable, "-m", "mypy", *options, f"--cache-dir={cache}"]


def check(command: list[str], path: Path) -> list[str]:
    done = subprocess.run([*command, str(path)], cwd=HERE.parent, capture_output=True, text=True, timeout=600)
    assert not done.stderr
    return done.stdout.splitlines()


def test_typed_use(strict: list[str]) -> None:
    assert check(strict, USE) == []


def test_wrong_use_is_found(strict: list[str], tmp_path: Path) -> None:
    """So that nothing above is right merely because it is ``Any``."""
    tree = ast.parse(USE.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "assert_type":
            node.args[1] = ast.Name("complex")
    text = ast.unparse(tree)
    wrong = tmp_path / "wrong_use.py"
    wrong.write_text(text, encoding="utf-8")
    lines = [number for number, line in enumerate(text.splitlines(), 1) if "assert_type(" in line]
    assert len(lines) > 40
    found = [int(line.split(":")[1]) for line in check(strict, wrong) if line.endswith("[assert-type]")]
    assert found == lines
