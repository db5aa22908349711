"""Line and branch coverage of ``csrc``: ``python tests/c_coverage.py [--show FILE ...] [--no-python]``.

Runs the unit tests in ``tests/c``, the fuzz targets on their corpora and the tests in Python of what is in C, all built
with gcc's ``--coverage``, and prints for each file how much of it ran; ``--show`` names the lines with branches that
were never taken.  Works in a temporary directory and needs gcc, gcov and what the tests need.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CSRC = ROOT / "csrc"
FUZZ = ROOT / "tests" / "fuzz"
CORE = sorted(path for path in CSRC.glob("*/*.c") if path.parent.name != "py")
TESTS = ("policy_engine", "explain", "passwords", "schemes", "tokens", "token_keys", "filters", "binding")
FLAGS = [
    "-std=c11",
    "-O0",
    "-g",
    "-fwrapv",
    "-DNDEBUG",
    "--coverage",
    f"-I{CSRC}",
    f"-I{ROOT / 'tests' / 'c'}",
    f"-I{FUZZ}",
]

Lines = dict[int, int]
Branches = dict[int, list[int]]


def run(command: list[str], **options) -> subprocess.CompletedProcess[str]:
    ran = subprocess.run(command, capture_output=True, text=True, **options)
    if ran.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{ran.stdout[-3000:]}{ran.stderr[-3000:]}")
    return ran


def compile_one(source: Path, target: Path) -> Path:
    vectors = f'-DFUA_VECTORS="{ROOT / "tests" / "vectors"}"'
    run(["gcc", *FLAGS, vectors, "-c", str(source), "-o", str(target)])
    return target


def c_tests(where: Path) -> None:
    with ThreadPoolExecutor() as pool:
        core = list(pool.map(lambda s: compile_one(s, where / f"{s.parent.name}_{s.stem}.o"), CORE))
    replay = compile_one(FUZZ / "replay.c", where / "replay.o")
    for source in sorted([*(ROOT / "tests" / "c").glob("test_*.c"), *FUZZ.glob("fuzz_*.c")]):
        parts, arguments = [compile_one(source, where / f"{source.stem}.o"), *core], []
        if source.parent == FUZZ:
            parts.append(replay)
            arguments = [str(path) for path in sorted((FUZZ / "corpus" / source.stem.removeprefix("fuzz_")).iterdir())]
        program = where / source.stem
        run(["gcc", "--coverage", "-pthread", *map(str, parts), "-o", str(program)])
        run([str(program), *arguments], cwd=where)


def python_tests(where: Path) -> None:
    package = where / "lib" / "fastapi_user_auth_c"
    ignored = shutil.ignore_patterns("*.so", "*.pyd", "__pycache__")
    shutil.copytree(ROOT / "fastapi_user_auth_c", package, ignore=ignored)
    environment = {**os.environ, "FUA_COVERAGE": "1", "PYTHONPATH": str(where / "lib")}
    places = ["--build-lib", str(where / "lib"), "--build-temp", str(where / "objects")]
    run([sys.executable, "setup.py", "-q", "build_ext", *places], cwd=ROOT, env=environment)
    tests = [path for path in (ROOT / "tests" / f"test_{name}.py" for name in TESTS) if path.exists()]
    slow = "not T9 and not T11 and not passlib_verifies and not 16777216"  # what they measure is not so at -O0
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", slow, *map(str, tests)]
    run(command, cwd=where, env=environment)


def collect(where: Path, lines: dict[str, Lines], branches: dict[str, Branches]) -> None:
    """Adds up what gcov says of every object below a directory."""
    for data in sorted(where.rglob("*.gcda")):
        told = run(["gcov", "--json-format", "--branch-probabilities", "--stdout", str(data)], cwd=ROOT).stdout
        for report in map(json.loads, told.splitlines()):
            for file in report["files"]:
                path = (ROOT / file["file"]).resolve()
                if CSRC not in path.parents:
                    continue
                name = path.relative_to(CSRC).as_posix()
                for line in file["lines"]:
                    number, taken = line["line_number"], [branch["count"] for branch in line["branches"]]
                    lines[name][number] = lines[name].get(number, 0) + line["count"]
                    before = branches[name].setdefault(number, taken)
                    if before is not taken and len(before) == len(taken):
                        branches[name][number] = [a + b for a, b in zip(before, taken, strict=True)]
                    elif before is not taken:  # compiled differently: the fuller account
                        branches[name][number] = max(before, taken, key=lambda counts: sum(map(bool, counts)))


def share(counts: list[int]) -> str:
    done = sum(count > 0 for count in counts)
    return f"{done:5d} of {len(counts):5d} {100 * done / len(counts) if counts else 100:6.1f} %"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", nargs="*", default=[], metavar="FILE", help="e.g. policy/engine.c, or all")
    parser.add_argument("--no-python", action="store_true", help="only the tests in C, and without csrc/py")
    options = parser.parse_args()
    lines: dict[str, Lines] = defaultdict(dict)
    branches: dict[str, Branches] = defaultdict(dict)
    with tempfile.TemporaryDirectory() as name:
        where = Path(name)
        c_tests(where)
        if not options.no_python:
            python_tests(where)
        collect(where, lines, branches)
    groups: dict[str, list[str]] = {"csrc without py": [], "csrc/py": []}
    for file in sorted(lines):
        groups["csrc/py" if file.startswith("py/") else "csrc without py"].append(file)
    print(f"{'':28}{'lines':>20}{'branches':>24}")
    groups["csrc"] = [file for files in groups.values() for file in files]
    for group, files in groups.items():
        for file in files if group != "csrc" else ():
            ways = [count for counts in branches[file].values() for count in counts]
            print(f"{file:28}{share(list(lines[file].values())):>20}{share(ways):>24}")
        if files:
            every = [count for file in files for count in lines[file].values()]
            ways = [count for file in files for counts in branches[file].values() for count in counts]
            print(f"{group:28}{share(every):>20}{share(ways):>24}\n")
    for file in sorted(lines):
        if file in options.show or "all" in options.show:
            text = (CSRC / file).read_text().splitlines()
            for number, counts in sorted(branches[file].items()):
                if not all(counts) or not lines[file][number]:
                    marks = "".join("+" if count else "-" for count in counts)
                    print(f"{file}:{number}: {marks:8} {text[number - 1].strip()}")


if __name__ == "__main__":
    main()
