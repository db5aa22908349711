"""Source and binary distributions: complete, installable, and clear about what a machine lacks."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# without the network: what builds this is what is installed
pytest.importorskip("setuptools", minversion="77")


def run(*command: str, cwd: Path, status: int = 0, **env: str) -> str:
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **env}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert (done.returncode == 0) == (status == 0), done.stdout
    return done.stdout


def backend(call: str, tree: Path, target: Path) -> Path:
    target.mkdir(exist_ok=True)
    code = f"from setuptools import build_meta as b; print('made', b.{call}({str(target)!r}))"
    out = run(sys.executable, "-c", code, cwd=tree)
    return target / out.split("made ")[-1].strip()


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the checkout that matter, without what builds left behind."""
    top = tmp_path_factory.mktemp("tree")
    for name in ("csrc", "fastapi_user_auth_c", "tests", "setup.py", "pyproject.toml", "README.md", "LICENSE"):
        for path in [ROOT / name] if (ROOT / name).is_file() else (ROOT / name).rglob("*"):
            if path.is_file() and path.suffix not in (".so", ".pyc", ".pyd"):
                target = top / path.relative_to(ROOT)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_bytes())
    return top


@pytest.fixture(scope="module")
def unpacked(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, unpacked."""
    top = tmp_path_factory.mktemp("sdist")
    with tarfile.open(backend("build_sdist", tree, top / "dist")) as archive:
        archive.extractall(top)
    (found,) = (path for path in top.iterdir() if path.name.startswith("fastapi_user_auth_c"))
    return found


def files(top: Path, *patterns: str) -> set[str]:
    return {path.relative_to(top).as_posix() for pattern in patterns for path in top.glob(pattern) if path.is_file()}


def test_the_source_distribution_is_complete(unpacked: Path) -> None:
    wanted = files(ROOT, "csrc/**/*.[ch]", "fastapi_user_auth_c/**/*.py", "fastapi_user_auth_c/locale/**/*.?o")
    wanted |= {"fastapi_user_auth_c/py.typed", "fastapi_user_auth_c/_core.pyi", "LICENSE", "README.md", "setup.py"}
    wanted.add("fastapi_user_auth_c/common_passwords.txt")
    assert wanted - files(unpacked, "**/*") == set()
    assert any(name.endswith(".h") for name in wanted)


def test_a_wheel_of_the_source_distribution_installs_and_works(unpacked: Path, tmp_path: Path) -> None:
    wheel = backend("build_wheel", unpacked, tmp_path / "dist")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path / "site")
    inside = {name for name in names if name.startswith("fastapi_user_auth_c/")}
    wanted = files(ROOT, "fastapi_user_auth_c/**/*.py", "fastapi_user_auth_c/locale/**/*.?o")
    assert wanted - inside == set()
    others = {name for name in inside - wanted if not name.startswith("fastapi_user_auth_c/_core.")}
    assert others == {"fastapi_user_auth_c/py.typed", "fastapi_user_auth_c/common_passwords.txt"}
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"fastapi_user_auth_c"}  # no tests, no csrc
    out = run(
        sys.executable,
        "-c",
        "import fastapi_user_auth_c as p; from fastapi_user_auth_c import PasswordHasher, _core\n"
        "from fastapi_user_auth_c.locale import translations\n"
        "assert p.__file__.startswith(_core.__file__.rpartition('/')[0]) and 'zh_CN' in translations()\n"
        "print(p.__file__, PasswordHasher(bcrypt_rounds=4).verify('x', PasswordHasher(bcrypt_rounds=4).hash('x')))",
        cwd=tmp_path,
        PYTHONPATH=str(tmp_path / "site"),
    )
    assert str(tmp_path / "site") in out and out.strip().endswith("True")


@pytest.mark.skipif(os.name != "posix", reason="names of the compiler")
def test_a_missing_compiler_is_named(tree: Path, tmp_path: Path) -> None:
    out = run(
        sys.executable, "setup.py", "-q", "build_ext", "-b", str(tmp_path), "-t", str(tmp_path), cwd=tree,
        status=1, CC="/nonexistent/cc",
    )  # fmt: skip
    assert "no C compiler ('/nonexistent/cc' not found)" in out and "apt-get install gcc" in out
    assert "Traceback" not in out


WITHOUT_HEADERS = """
import sys, sysconfig
import setuptools
import distutils.sysconfig

path = sysconfig.get_path
sysconfig.get_path = lambda name, *args, **kwargs: "/nonexistent" if "include" in name else path(name, *args, **kwargs)
distutils.sysconfig.get_python_inc = lambda *args, **kwargs: "/nonexistent"
sys.argv[0] = "setup.py"
exec(compile(open("setup.py").read(), "setup.py", "exec"))
"""


@pytest.mark.skipif(os.name != "posix", reason="names of the headers")
def test_missing_headers_are_named(tree: Path, tmp_path: Path) -> None:
    out = run(
        sys.executable, "-c", WITHOUT_HEADERS, "-q", "build_ext", "-b", str(tmp_path), "-t", str(tmp_path), cwd=tree,
        status=1,
    )  # fmt: skip
    assert "Python headers are missing (/nonexistent/Python.h)" in out and "python3-dev" in out
    assert "Traceback" not in out


def test_versions_agree() -> None:
    import fastapi_user_auth_c

    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'version = "{fastapi_user_auth_c.__version__}"' in text


def test_lowest_versions_are_those_declared() -> None:
    def release(text: str) -> list[int]:
        numbers = [int(part) for part in text.split(".")]
        while numbers[-1] == 0:
            numbers.pop()
        return numbers

    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    declared = {name: release(low) for name, low in re.findall(r'"([\w-]+)(?:\[\w+\])?>=([\d.]+)', text)}
    lines = (ROOT / ".ci" / "lowest.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    assert {name: release(version) for name, version in pins.items()} == {name: declared[name] for name in pins}
    needed = text.partition("\ndependencies = [")[2].partition("\n]")[0]
    assert set(re.findall(r'"([\w-]+)', needed)) <= set(pins)
