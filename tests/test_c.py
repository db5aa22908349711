"""Builds and runs the C unit tests in ``tests/c`` under the address and undefined behaviour sanitizers."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TESTS = sorted((ROOT / "tests" / "c").glob("test_*.c"))
FUZZ = ROOT / "tests" / "fuzz"
CORE = sorted(path for path in (ROOT / "csrc").glob("*/*.c") if path.parent.name != "py")
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-g", "-O1"]


def compiler() -> str | None:
    return shutil.which(os.environ.get("CC", "cc").split()[0])


def warnings() -> list[str]:
    """The project's own, as ``setup.py`` has them."""
    for statement in ast.parse((ROOT / "setup.py").read_text()).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "WARNINGS":
            return ast.literal_eval(statement.value)
    raise AssertionError("setup.py has no list WARNINGS")


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
    command = [cc, "-std=c11", *warnings(), *SANITIZE, f"-I{ROOT / 'csrc'}", f"-I{ROOT / 'tests' / 'c'}", f"-I{FUZZ}"]
    command.append(f'-DFUA_VECTORS="{ROOT / "tests" / "vectors"}"')
    built = subprocess.run([*command, "-c", str(source), "-o", str(target)], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr


def link(cc: str, parts: list[Path], program: Path) -> None:
    linked = subprocess.run(
        [cc, *SANITIZE, "-pthread", *map(str, parts), "-o", str(program)], capture_output=True, text=True
    )
    assert linked.returncode == 0, linked.stderr


@pytest.mark.parametrize("standard", ["c11", "c2x"])
@pytest.mark.parametrize("name", ["gcc", "clang"])
def test_compilers_find_nothing_to_warn_of(name, standard):
    cc = shutil.which(name)
    if cc is None:
        pytest.skip(f"no {name}")
    python = Path(sysconfig.get_path("include"))
    sources = CORE if not (python / "Python.h").exists() else sorted((ROOT / "csrc").glob("*/*.c"))
    command = [cc, f"-std={standard}", "-fsyntax-only", *warnings(), f"-I{ROOT / 'csrc'}", "-isystem", str(python)]
    ran = subprocess.run([*command, *map(str, sources)], capture_output=True, text=True)
    assert ran.returncode == 0 and ran.stderr == "", ran.stderr


@pytest.mark.parametrize("source", TESTS, ids=lambda path: path.stem)
def test_c(source, objects, tmp_path):
    cc = compiler()
    assert cc is not None
    compile_one(cc, source, tmp_path / "test.o")
    program = tmp_path / source.stem
    link(cc, [tmp_path / "test.o", *objects], program)
    ran = subprocess.run([str(program)], capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr


def test_no_memory_is_read_before_it_is_written(tmp_path):
    """What the address sanitizer does not see: the tests of what reads bytes and rules, under valgrind."""
    cc, valgrind = compiler(), shutil.which("valgrind")
    if cc is None or valgrind is None:
        pytest.skip("no valgrind")
    core = [str(path) for path in CORE if path.parent.name != "filter"]
    options = ["-std=c11", "-g", "-O1", f"-I{ROOT / 'csrc'}", f"-I{ROOT / 'tests' / 'c'}"]
    subprocess.run([cc, *options, "-c", *core], check=True, cwd=tmp_path)
    for name in ("data", "json", "parts", "policy", "token"):
        source = str(ROOT / "tests" / "c" / f"test_{name}.c")
        linked = [cc, *options, source, *map(str, tmp_path.glob("*.o")), "-pthread", "-o", str(tmp_path / name)]
        subprocess.run(linked, check=True)
        command = [
            valgrind,
            "-q",
            "--error-exitcode=9",
            "--leak-check=full",
            "--show-leak-kinds=all",
            str(tmp_path / name),
        ]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert ran.returncode == 0 and "==" not in ran.stderr, ran.stderr


def test_P17_threads_over_the_core(tmp_path):
    """``threads.c`` under the thread sanitizer."""
    cc = compiler()
    if cc is None:
        pytest.skip("no C compiler")
    policy = [path for path in CORE if path.parent.name in ("base", "data", "policy")]
    command = [cc, "-std=c11", *warnings(), "-fsanitize=thread", "-g", "-O1", f"-I{ROOT / 'csrc'}"]
    command += [f"-I{ROOT / 'tests' / 'c'}", str(ROOT / "tests" / "c" / "threads.c"), *map(str, policy), "-lpthread"]
    built = subprocess.run([*command, "-o", str(tmp_path / "threads")], capture_output=True, text=True)
    if "cannot find" in built.stderr and "tsan" in built.stderr:
        pytest.skip("the compiler has no thread sanitizer runtime")
    assert built.returncode == 0, built.stderr
    ran = subprocess.run([str(tmp_path / "threads")], capture_output=True, text=True, timeout=300)
    if "unexpected memory mapping" in ran.stderr:
        pytest.skip("the thread sanitizer cannot run under this kernel")
    assert ran.returncode == 0 and "WARNING: ThreadSanitizer" not in ran.stderr, ran.stderr[:4000]


@pytest.mark.parametrize("source", sorted(FUZZ.glob("fuzz_*.c")), ids=lambda path: path.stem)
def test_fuzz_targets_on_their_corpus(source, objects, tmp_path):
    """Each file of the corpus, and some thousand changes of each."""
    cc = compiler()
    assert cc is not None
    compile_one(cc, source, tmp_path / "target.o")
    compile_one(cc, FUZZ / "replay.c", tmp_path / "replay.o")
    link(cc, [tmp_path / "target.o", tmp_path / "replay.o", *objects], tmp_path / "replay")
    corpus = sorted((FUZZ / "corpus" / source.stem.removeprefix("fuzz_")).iterdir())
    ran = subprocess.run([str(tmp_path / "replay"), *map(str, corpus)], capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == f"{len(corpus)} files\n" and len(corpus) > 10


def test_the_extension_under_sanitizers(objects, tmp_path):
    """The tests of what is in C once more, with the extension built for finding faults of memory."""
    built = tmp_path / "lib"
    package = built / "fastapi_user_auth_c"
    shutil.copytree(
        ROOT / "fastapi_user_auth_c", package, ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__")
    )
    command = [
        sys.executable,
        "setup.py",
        "-q",
        "build_ext",
        "--build-lib",
        str(built),
        "--build-temp",
        str(tmp_path / "t"),
    ]
    made = subprocess.run(command, cwd=ROOT, env={**os.environ, "FUA_SANITIZE": "1"}, capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"the extension cannot be built here: {made.stderr[-300:]}")
    cc = compiler()
    assert cc is not None
    runtimes = [
        subprocess.run([cc, f"-print-file-name={name}"], capture_output=True, text=True).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    if not all(Path(path).is_absolute() for path in runtimes):
        pytest.skip("the sanitizer runtimes are not shared libraries")
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"},  # of another choice of tests
        "LD_PRELOAD": " ".join(runtimes),
        "ASAN_OPTIONS": "detect_leaks=0",  # the interpreter keeps memory to its end
        "UBSAN_OPTIONS": "halt_on_error=1",
        "PYTHONPATH": str(built),
    }
    names = ("policy_engine", "explain", "passwords", "schemes", "tokens", "token_keys", "filters", "binding")
    tests = [str(ROOT / "tests" / f"test_{name}.py") for name in names]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-s",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:faulthandler",
        "-k",
        "not passlib_verifies and not T9 and not T11 and not plateaus and not 16777216",  # other crypt(3), time, memory
        *tests,
    ]
    ran = subprocess.run(command, cwd=built, env=environment, capture_output=True, text=True, timeout=500)
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-4000:]
