"""The shape of the C core: its layers, and where Python's header may be; and that the package says it is typed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CSRC = ROOT / "csrc"
SOURCES = sorted(path for path in CSRC.glob("*/*") if path.suffix in (".c", ".h"))

LAYERS = {  # a directory, and those it may include from besides itself
    "base": set(),
    "data": {"base"},
    "crypto": {"base"},
    "policy": {"data", "base"},
    "token": {"crypto", "data", "base"},
    "filter": {"data", "base"},
    "py": {"policy", "token", "filter", "crypto", "data", "base"},
}


def includes(path: Path) -> list[tuple[str, str]]:
    return re.findall(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', path.read_text(), re.M)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(CSRC).as_posix())
def test_includes_point_downward(path):
    layer = path.parent.name
    for mark, name in includes(path):
        if mark == '"':
            assert name.count("/") == 1, f"{name}: includes start at csrc"
            assert (CSRC / name).is_file(), name
            assert name.split("/")[0] in LAYERS[layer] | {layer}, f"{layer} may not include {name}"
        else:
            assert layer == "py" or name != "Python.h", "Python.h belongs to csrc/py"


def test_every_header_is_guarded_and_named_after_its_place():
    for path in SOURCES:
        if path.suffix == ".h":
            guard = "FUA_" + "_".join(path.relative_to(CSRC).with_suffix("").parts).upper() + "_H"
            assert f"#ifndef {guard}\n#define {guard}\n" in path.read_text(), path.name


def test_no_file_of_the_core_lies_outside_a_layer():
    assert {path.parent.name for path in SOURCES} <= set(LAYERS)
    assert [path.name for path in CSRC.iterdir() if path.is_file()] == ["README.md"]


def test_no_file_of_the_core_is_long():
    for path in SOURCES:
        assert len(path.read_text().splitlines()) < 600, path.name


def test_the_core_takes_time_and_chance_as_arguments():
    unsteady = re.compile(r"\b(time|clock|clock_gettime|gettimeofday|rand|random|srand|getrandom|getenv)\s*\(")
    for path in SOURCES:
        if path.parent.name != "py":
            assert unsteady.search(path.read_text()) is None, path.name


def test_only_the_allocator_calls_the_c_library_for_memory():
    direct = re.compile(r"\b(malloc|calloc|realloc|free)\s*\(")
    for path in SOURCES:
        text = re.sub(r"(al|ctx)->(realloc|free)", "", path.read_text())
        text = re.sub(r"\(\*(realloc|free)\)", "", text)
        if path.name not in ("alloc.c",):
            assert direct.search(text) is None, path.name


def test_no_argument_of_a_python_macro_has_an_effect():
    """CPython's macros may evaluate an argument twice; before 3.12 Py_CLEAR did."""
    careless = re.compile(r"\b_?Py_?[A-Z]\w*\([^;\n]*((\+\+|--)\w|[\w\])](\+\+|--)[,);])")
    for path in SOURCES:
        assert careless.search(path.read_text()) is None, path.name


def test_the_package_is_typed():
    package = ROOT / "fastapi_user_auth_c"
    assert (package / "py.typed").is_file()
    assert (package / "_core.pyi").is_file()
