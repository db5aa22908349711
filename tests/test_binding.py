"""The extension as Python sees it: signatures, memory that stays and memory that runs out, interpreters, threads."""

from __future__ import annotations

import gc
import inspect
import os
import platform
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fastapi_user_auth_c import _core

#: Runs in a fresh interpreter or sub-interpreter: ``core`` is the extension, without the package around it.
LOAD = f"""
import importlib.util, sys
spec = importlib.util.spec_from_file_location("fastapi_user_auth_c._core", {_core.__file__!r})
core = importlib.util.module_from_spec(spec)
spec.loader.exec_module(core)
"""

CALLS = (Path(__file__).parent / "binding_calls.py").read_text() + "\nCASES = cases(core)\n"


def fresh(code: str, **environment: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", LOAD + code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-4000:]
    return ran.stdout


def members():
    for name, value in vars(_core).items():
        if inspect.isclass(value):
            yield name, value
            if not issubclass(value, BaseException):
                yield from ((f"{name}.{key}", member) for key, member in vars(value).items() if key[:2] != "__")
        elif callable(value):
            yield name, value


@pytest.mark.parametrize(("name", "value"), list(members()), ids=lambda value: value if isinstance(value, str) else "")
def test_whatever_is_public_tells_what_it_is(name, value):
    assert value.__doc__ and len(value.__doc__) > 10
    if callable(value) and not (inspect.isclass(value) and issubclass(value, BaseException)):
        assert value.__text_signature__ is not None
        parameters = inspect.signature(value).parameters
        assert "." not in name or next(iter(parameters)) == "self"


def test_the_signatures_cover_the_whole_extension():
    names = [name for name, _ in members()]
    assert len(names) > 35 and {"PolicyEngine.enforce", "TokenCodec.decode", "filter_sql", "password_verify"} <= set(
        names
    )


CHECK = """
def check(call, wanted):
    try:
        got = call()
    except Exception as error:
        got = type(error).__name__
    assert got == wanted, (call, got, wanted)
"""


def test_the_calls_give_what_they_should():
    fresh(CALLS + CHECK + "for call, wanted in CASES: check(call, wanted)")


def test_memory_plateaus():
    """Over 10^5 calls, good and bad, each making and dropping what it uses."""
    code = """
import gc, os
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")
def turns(count):
    for turn in range(count):
        for call, wanted in CASES: check(call, wanted)
    gc.collect()
turns(400)
blocks, memory = sys.getallocatedblocks(), resident()
turns(100_000 // len(CASES))
print(sys.getallocatedblocks() - blocks, resident() - memory)
"""
    if not Path("/proc/self/statm").exists():
        pytest.skip("the system does not tell what memory a process has")
    blocks, memory = map(int, fresh(CALLS + CHECK + code).split())
    assert blocks < 200
    assert memory < 1 << 20


def test_memory_that_runs_out_is_told():
    """Each allocation of the interpreter fails once in each call: MemoryError, or no harm done; then all is well."""
    pytest.importorskip("_testcapi")
    code = """
from _testcapi import remove_mem_hooks, set_nomemory
def attempt(call, n):
    set_nomemory(n, n + 1)
    try:
        got = call()
    except Exception as error:
        got = error
    remove_mem_hooks()
    if str(got) == "error return without exception set":
        return "MemoryError"  # the interpreter itself, which had no memory for a traceback; 1 / 0 gives it too
    return type(got).__name__ if isinstance(got, Exception) else got
fired = 0
for call, wanted in CASES:
    if wanted == "ArithmeticError" or call.__name__ == "again":
        continue  # code in Python within the call, and new types: there the interpreter itself fails
    check(call, wanted)
    for n in range(1, 2000):
        try:
            got = attempt(call, n)
        except MemoryError:  # not in the call but in what looks at its result
            got = "MemoryError"
        remove_mem_hooks()
        assert got in ("MemoryError", wanted), (call, n, got)
        fired += got == "MemoryError"
        if got != "MemoryError" and n > 150:
            break
    check(call, wanted)
print(fired)
"""
    assert int(fresh(CALLS + CHECK + code)) > 500


def test_memory_that_runs_out_in_the_core_is_told(tmp_path):
    """Each allocation of the C core fails once in each call: MemoryError, or it did without; then all is well."""
    compiler, library = shutil.which("cc"), tmp_path / "failing_memory.so"
    if compiler is None or platform.libc_ver()[0] != "glibc" or "LD_PRELOAD" in os.environ:
        pytest.skip("needs a C compiler, and glibc's own memory")
    source = Path(__file__).parent / "c" / "failing_memory.c"
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", str(source), "-o", str(library)], check=True)
    code = """
import ctypes
lib = ctypes.CDLL(None)
lib.fail_at.argtypes, lib.calls_left.restype = [ctypes.c_size_t, ctypes.c_size_t, ctypes.c_long], ctypes.c_long
with open("/proc/self/maps") as file:
    parts = [line.split()[0].split("-") for line in file if core.__file__ in line and " r-xp " in line]
start, end = int(parts[0][0], 16), int(parts[-1][1], 16)
fired = 0
for call, wanted in CASES:
    if call.__name__ == "again":
        continue  # a second copy of the extension's state, from the same code
    for n in range(1, 5000):
        lib.fail_at(start, end, n)
        try:
            got = call()
        except Exception as error:
            got = type(error).__name__
        left = lib.calls_left()
        lib.fail_at(start, end, 0)
        assert got == wanted or (left == 0 and got == "MemoryError"), (call, n, got, wanted)
        fired += left == 0
        if left:
            break
    check(call, wanted)
print(fired)
"""
    assert int(fresh(CALLS + CHECK + code, LD_PRELOAD=str(library))) > 500


def test_a_start_that_fails_is_told_and_can_be_tried_again():
    """Each allocation of the interpreter fails once while the module fills itself."""
    pytest.importorskip("_testcapi")
    code = """
import _imp, gc
from _testcapi import remove_mem_hooks, set_nomemory
def start(n):
    other = _imp.create_dynamic(core.__spec__)
    gc.collect()  # also of a module that is empty yet
    set_nomemory(n, n + 1)
    try:
        _imp.exec_dynamic(other)
        failed = None
    except BaseException as error:
        failed = error
    remove_mem_hooks()
    # PyType_FromModuleAndSpec itself fails at times without an exception
    assert failed is None or isinstance(failed, MemoryError) or "without" in str(failed), failed
    return failed is None and other.PolicyEngine is not core.PolicyEngine
fired, n = 0, 0
while n < 500 or not started:
    n += 1
    started = start(n)
    fired += not started
print(fired)
"""
    assert int(fresh(code)) > 100


def test_the_collector_sees_what_the_module_holds():
    held = [value for value in vars(_core).values() if isinstance(value, type)]
    assert len(held) >= 10
    for value in held:
        assert _core in gc.get_referrers(value)

    def sign(data):
        return b"signed"

    def verify(mark, data):
        return mark == b"signed"

    codec, engine = _core.TokenCodec([("EdDSA", None, sign, verify)], required=("sub",)), _core.PolicyEngine()
    for value in (sign, verify, _core.TokenCodec):
        assert any(each is codec for each in gc.get_referrers(value))
    assert any(each is engine for each in gc.get_referrers(_core.PolicyEngine))


def interpreters():
    """(make one with a GIL of its own where there is such a thing, run code in it, end it)."""
    if sys.version_info >= (3, 13):
        module = pytest.importorskip("_interpreters")

        def run(number, code):
            failed = module.exec(number, code)
            assert failed is None, failed.formatted

        return lambda: module.create("isolated"), run, module.destroy
    module = pytest.importorskip("_xxsubinterpreters")
    return lambda: module.create(isolated=True), module.run_string, module.destroy


def test_interpreters_beside_each_other():
    """Each with the extension and its exceptions for itself; from Python 3.12 on they run at the same time."""
    create, run, destroy = interpreters()
    code = LOAD + CALLS + CHECK + "for turn in range(20):\n    for call, wanted in CASES: check(call, wanted)\n"
    failures = []

    def work():
        try:
            for _ in range(2):
                number = create()
                try:
                    run(number, code)
                finally:
                    destroy(number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4 if sys.version_info >= (3, 12) else 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    engine = _core.PolicyEngine()
    assert engine.add("g", [("a", "b")]) == 1
    with pytest.raises(_core.CycleError):
        engine.check("g", [("b", "a")])


def test_threads_share_a_codec_and_hash_meanwhile():
    key = ("HS256", None, b"0123456789abcdef0123456789abcdef")
    codec = _core.TokenCodec([key])
    hashed = _core.bcrypt_hash(b"secret", b"0123456789abcdef", 4)
    failures = []

    def work(number):
        for turn in range(60):
            claims = {"sub": f"u{number}", "n": turn}
            if codec.decode(codec.encode(claims)) != claims:
                failures.append(claims)
            if _core.bcrypt_verify(b"secret" if turn % 2 else b"other", hashed) is not (turn % 2 == 1):
                failures.append(turn)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
