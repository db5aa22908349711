"""Speed of password hashing, as ratios within one run, so that the machine does not matter.

    python -m tests.bench.passwords [--quick]

* bcrypt against the ``bcrypt`` package, cost 10, and two threads against one;
* Argon2id against ``argon2-cffi`` with the same parameters;
* PBKDF2 against ``hashlib`` (OpenSSL), for which there is no bar;
* the longest stall of the event loop while 8 logins run at the default cost.

Ends with status 1 when a bar is missed.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator

import bcrypt
from argon2.low_level import Type, hash_secret

from fastapi_user_auth_c._core import password_hash, password_verify
from fastapi_user_auth_c.passwords import PasswordHasher, in_hashing_thread

from .report import Options, Result, Row, alone, middle, ratios, timings

BCRYPT_BAR = 0.90
THREADS_BAR = 1.9
ARGON2_BAR = 1.05
STALL_BAR_MS = 50

SALT = b"0123456789abcdef"


def at_once(call: Callable[[], object]) -> Callable[[], None]:
    """The same call in two threads."""

    def both() -> None:
        threads = [threading.Thread(target=call) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return both


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


def rows(options: Options) -> Iterator[Result]:
    runs, turns = options.runs, 1 if options.quick else 3
    stored = bcrypt.hashpw(b"password", bcrypt.gensalt(10))
    assert password_verify(b"password", stored) and not password_verify(b"Password", stored)

    def verify() -> bool:
        return password_verify(b"password", stored)

    here, there = timings([verify, lambda: bcrypt.checkpw(b"password", stored)], runs, turns=turns)
    detail = f"{middle(here)}, bcrypt {middle(there)}"
    yield Row("bcrypt, cost 10, against `bcrypt`", ratios(here, there), "of it", BCRYPT_BAR, detail=detail)
    one, two = timings([verify, at_once(verify)], runs, turns, clock=time.perf_counter)
    done = [2 * ratio for ratio in ratios(one, two)]
    # other processes may have the second core; no order of the calls makes up for that
    detail = f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores" if hasattr(os, "getloadavg") else ""
    yield Row("bcrypt, two threads against one", done, "times as many", THREADS_BAR, True, detail)

    for memory, passes, lanes in ((65536, 3, 4), (65536, 3, 1), (19456, 2, 1)):
        costs = {"memory": memory, "passes": passes, "lanes": lanes}

        def argon2id(costs: dict[str, int] = costs) -> str:
            return password_hash("argon2id", b"password", SALT, **costs)

        def cffi(costs: dict[str, int] = costs) -> str:
            return hash_secret(
                b"password", SALT, costs["passes"], costs["memory"], costs["lanes"], 32, Type.ID
            ).decode()

        assert argon2id() == cffi()
        clock = time.process_time if lanes == 1 else time.perf_counter
        here, there = timings([argon2id, cffi], runs, turns, clock=clock)
        what = f"Argon2id, {memory // 1024} MiB, {passes} passes, {lanes} lane{'s' * (lanes > 1)}, against argon2-cffi"
        detail = f"{middle(here)}, argon2-cffi {middle(there)}"
        yield Row(what, ratios(here, there), "of it", ARGON2_BAR, detail=detail)

    for digest in ("sha1", "sha256", "sha512"):
        here, there = timings(
            [
                lambda digest=digest: password_hash(f"pbkdf2_{digest}", b"password", SALT, rounds=50_000),
                lambda digest=digest: hashlib.pbkdf2_hmac(digest, b"password", SALT, 50_000),
            ],
            runs,
            turns=turns,
        )
        what = f"PBKDF2-{digest.upper()}, 50,000 rounds, against `hashlib`"
        yield Row(what, ratios(here, there), "of it", detail=f"{middle(here)}, hashlib {middle(there)}")

    stalls = [longest_stall() * 1e3 for _ in range(runs)]
    yield Row("longest stall of the event loop, 8 passwords verified at once", stalls, "ms", STALL_BAR_MS)


if __name__ == "__main__":
    sys.exit(alone(rows, __doc__))
