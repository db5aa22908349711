"""Builds and runs the C unit tests in ``tests/c`` under the address and undefined behaviour sanitizers."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TESTS = sorted((ROOT / "tests" / "c").glob("test_*.c"))
CORE = sorted(path for path in (ROOT / "csrc").glob("*/*.c") if path.parent.name != "py")
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-g", "-O1"]


def compiler() -> str | None:
    return shutil.which(os.environ.get("CC", "cc").split()[0])


def warnings() -> list[str]:
    """The project's own, as ``setup.py`` has them."""
    text = (ROOT / "setup.py").read_text()
    block = re.search(r"WARNINGS = \(\n(.*?)\n\)\.split", text, re.S)
    assert block is not None
    return " ".join(re.findall(r'"(.*?)"', block[1])).split()


@pytest.fixture(scope="session")
def objects(tmp_path_factory):
    """The core without Python, compiled once."""
    cc = compiler()
    if cc is None:
        pytest.skip("no C compiler")
    where = tmp_path_factory.mktemp("core")
    probe = where / "probe.c"
    probe.write_text("int main(void) { return 0; }\n")
    built = subprocess.run([cc, *SANITIZE, str(probe), "-o", str(where / "probe")], capture_output=True, text=True)
    if built.returncode != 0 or subprocess.run([str(where / "probe")], capture_output=True).returncode != 0:
        pytest.skip("the compiler has no sanitizer runtime")
    made = []
    for source in CORE:
        made.append(where / f"{source.parent.name}_{source.stem}.o")
        compile_one(cc, source, made[-1])
    return made


def compile_one(cc: str, source: Path, target: Path) -> None:
    command = [cc, "-std=c11", *warnings(), *SANITIZE, f"-I{ROOT / 'csrc'}", f"-I{ROOT / 'tests' / 'c'}"]
    built = subprocess.run([*command, "-c", str(source), "-o", str(target)], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr


@pytest.mark.parametrize("source", TESTS, ids=lambda path: path.stem)
def test_c(source, objects, tmp_path):
    cc = compiler()
    assert cc is not None
    compile_one(cc, source, tmp_path / "test.o")
    program = tmp_path / source.stem
    linked = subprocess.run(
        [cc, *SANITIZE, str(tmp_path / "test.o"), *map(str, objects), "-o", str(program)],
        capture_output=True,
        text=True,
    )
    assert linked.returncode == 0, linked.stderr
    ran = subprocess.run([str(program)], capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
