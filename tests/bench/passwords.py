"""Speed of password hashing, as ratios within one run, so that the machine does not matter.

    python -m tests.bench.passwords

* bcrypt against the ``bcrypt`` package, cost 10, and two threads against one;
* Argon2id against ``argon2-cffi`` with the same parameters;
* PBKDF2 against ``hashlib`` (OpenSSL), for which there is no bar;
* the longest stall of the event loop while 8 logins run at the default cost.

Ends with status 1 when a bar is missed.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
import threading
import time
from collections.abc import Callable

import bcrypt
from argon2.low_level import Type, hash_secret

from fastapi_user_auth_c._core import password_hash, password_verify
from fastapi_user_auth_c.passwords import PasswordHasher, in_hashing_thread

BCRYPT_BAR = 0.90
THREADS_BAR = 1.9
ARGON2_BAR = 1.05
STALL_BAR_MS = 50

SALT = b"0123456789abcdef"


def timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def pair(here: Callable[[], object], there: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Seconds of both, the best of runs in turn."""
    times = [(timed(here), timed(there)) for _ in range(repeats)]
    return min(a for a, _ in times), min(b for _, b in times)


def two_threads(call: Callable[[], object], repeats: int) -> float:
    """How much more two threads get done than one in the same time."""

    def both() -> None:
        threads = [threading.Thread(target=call) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    one, two = pair(call, both, repeats)
    return 2 * one / two


def longest_stall(logins: int = 8) -> float:
    """Seconds that the event loop was kept from running at most."""
    hasher = PasswordHasher()
    stored = hasher.hash("password")

    async def main() -> float:
        stalls = [0.0]

        async def watch() -> None:
            while True:
                start = time.perf_counter()
                await asyncio.sleep(0.001)
                stalls.append(time.perf_counter() - start - 0.001)

        watcher = asyncio.create_task(watch())
        await asyncio.gather(*(in_hashing_thread(hasher.verify, "password", stored) for _ in range(logins)))
        watcher.cancel()
        return max(stalls)

    return asyncio.run(main())


def main() -> int:
    missed: list[str] = []

    def report(what: str, figure: float, bar: float | None, unit: str = "", above: bool = False) -> None:
        print(f"{what:<44} {figure:>7.2f}{unit} {'' if bar is None else f'bar {bar:g}{unit}'}", flush=True)
        if bar is not None and (figure < bar if above else figure > bar):
            missed.append(f"{what}: {figure:.2f}{unit}, not {bar:g}{unit}")

    stored = bcrypt.hashpw(b"password", bcrypt.gensalt(10))
    here, there = pair(lambda: password_verify(b"password", stored), lambda: bcrypt.checkpw(b"password", stored), 15)
    print(f"bcrypt, cost 10: {here * 1e3:.1f} ms, bcrypt package {there * 1e3:.1f} ms")
    report("  of the bcrypt package", here / there, BCRYPT_BAR)
    threads = max(two_threads(lambda: password_verify(b"password", stored), 10) for _ in range(3))
    report("  two threads against one", threads, THREADS_BAR, "x", above=True)

    for memory, passes, lanes in ((65536, 3, 4), (65536, 3, 1), (19456, 2, 1)):
        costs = {"memory": memory, "passes": passes, "lanes": lanes}
        here, there = pair(
            lambda costs=costs: password_hash("argon2id", b"password", SALT, **costs),
            lambda costs=costs: hash_secret(
                b"password", SALT, costs["passes"], costs["memory"], costs["lanes"], 32, Type.ID
            ),
            12,
        )
        print(
            f"Argon2id, {memory} KiB, {passes} passes, {lanes} lanes: {here * 1e3:.1f} ms, "
            f"argon2-cffi {there * 1e3:.1f} ms"
        )
        report("  of argon2-cffi", here / there, ARGON2_BAR)

    for digest in ("sha256", "sha512"):
        here, there = pair(
            lambda digest=digest: password_hash(f"pbkdf2_{digest}", b"password", SALT, rounds=50_000),
            lambda digest=digest: hashlib.pbkdf2_hmac(digest, b"password", SALT, 50_000),
            5,
        )
        print(f"PBKDF2, {digest}, 50,000 rounds: {here * 1e3:.1f} ms, hashlib {there * 1e3:.1f} ms")
        report("  of hashlib", here / there, None)

    report("longest stall while 8 logins run", min(longest_stall() for _ in range(3)) * 1e3, STALL_BAR_MS, " ms")
    for line in missed:
        print("missed:", line)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
