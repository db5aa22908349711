"""Rates of requests through uvicorn, as ratios within one run, so that the machine does not matter.

    python -m tests.bench.http [--original PYTHON] [--quick]

Each application is a process of its own, on SQLite. For each run both that are compared are started anew, with the same
hash seed, another one than in other runs: with some seeds all of a process takes up to twice as long. Then one is
loaded after the other, in short turns, the best of which counts for the run; the median of the runs' ratios. A rate is
answers per second of the server's processor, its threads included: the clients and whatever else the machine does take
no part in it; where the system does not tell, per second. Answers per second as clients see them stand beside.

``PYTHON`` is an interpreter that has the original on its newest working pins
(fastapi_user_auth and fastapi_amis_admin 0.7.3, fastapi 0.118.3, sqlmodel 0.0.30, SQLAlchemy below 2.1, bcrypt below
4.1). The stall is the longest time that the server's event loop did not run while 8 logins were under way. Ends with
status 1 when a bar is missed.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from .report import Note, Options, Result, Row, alone, ratios

CONNECTIONS = 8

OURS, THEIRS = "fastapi_user_auth_c", "fastapi_user_auth"

MOUNTED_BAR, REQUIRES_BAR, CACHED_BAR, STALL_BAR_MS = 0.95, 0.95, 5.0, 50


class Connection(asyncio.Protocol):
    """One request after the other; counts the answers."""

    def __init__(self, request: bytes, done: asyncio.Future[None]) -> None:
        self.request, self.done = request, done
        self.answers = 0
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        transport.write(self.request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self.done.set_exception(RuntimeError(self.buffer.decode()))
            return
        self.answers += 1
        self.buffer = b""
        self.transport.write(self.request)  # type: ignore[attr-defined]

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("the server closed the connection"))


class Rate(NamedTuple):
    """Of answers."""

    busy: float
    """Per second of the server's processor."""
    seen: float
    """Per second."""


class Server:
    """One of the applications of ``http_app.py``."""

    def __init__(self, port: int, process: int) -> None:
        self.port = port
        self.process = process
        self.token = ""

    def ask(self, request: str, body: str = "") -> Any:
        """The JSON that a request is answered with."""
        # by hand: beside a file of this name the standard library's client cannot be imported
        head = f"{request} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        if body:
            head += f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n"
        with socket.create_connection(("127.0.0.1", self.port), 60) as connection:
            connection.sendall(f"{head}\r\n{body}".encode())
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        status, _, content = answer.partition(b"\r\n\r\n")
        if not status.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(answer.decode())
        return json.loads(content)

    def log_in(self) -> str:
        answer = self.ask("POST /admin/auth/gettoken", "username=root&password=root")
        return str(answer["data"]["access_token"])

    def busy(self) -> float:
        """Seconds of a processor that the server has taken so far."""
        try:
            return time.clock_gettime(~self.process << 3 | 2)  # what clock_getcpuclockid gives on Linux
        except (AttributeError, OSError):
            return time.perf_counter()

    def rate(self, path: str, seconds: float) -> Rate:
        """Of answers on a few connections that always have one request under way."""
        header = f"Authorization: Bearer {self.token}\r\n" if path != "/free" else ""
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{header}\r\n".encode()

        async def load() -> Rate:
            loop = asyncio.get_running_loop()
            done: asyncio.Future[None] = loop.create_future()
            made = [
                await loop.create_connection(lambda: Connection(request, done), "127.0.0.1", self.port)
                for _ in range(CONNECTIONS)
            ]
            await asyncio.wait([done], timeout=0.1)  # warm
            start, busy, before = time.perf_counter(), self.busy(), sum(each.answers for _, each in made)
            count = 0
            while not count and not done.done():  # a rate of nothing at all says that the time was too short
                await asyncio.wait([done], timeout=seconds)
                count = sum(each.answers for _, each in made) - before
                assert time.perf_counter() - start < 60, "no answer"
            rate = Rate(count / (self.busy() - busy), count / (time.perf_counter() - start))
            if done.done():
                done.result()
            else:
                done.set_result(None)
            for transport, _ in made:
                transport.close()
            return rate

        return asyncio.run(load())


@contextmanager
def served(python: str, package: str, kind: str, folder: Path, seed: int = 0) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    here = Path(__file__).parent
    path = os.pathsep.join([str(here / "apps"), *([str(here.parents[1])] if package.endswith("_c") else [])])
    environment = {
        **os.environ,
        "PYTHONHASHSEED": str(seed),
        "PYTHONPATH": path,
        "BENCH_PACKAGE": package,
        "BENCH_APP": kind,
        "BENCH_FILE": str(folder / f"{package}_{kind}.db"),
    }
    command = [python, "-m", "uvicorn", "http_app:app", "--port", str(port), "--log-level", "error", "--no-access-log"]
    process = subprocess.Popen(command, cwd=folder, env=environment)
    server = Server(port, process.pid)
    try:
        for _ in range(300):
            try:
                server.ask("GET /free")
                break
            except OSError:
                if process.poll() is not None:
                    raise RuntimeError(f"{package} {kind} does not start") from None
                time.sleep(0.1)
        if kind != "bare":
            server.token = server.log_in()
        yield server
    finally:
        process.terminate()
        process.wait()


def stall_of(server: Server) -> float:
    """Milliseconds that the loop was away at most while 8 clients log in at once."""
    server.ask("GET /stall")
    with ThreadPoolExecutor(8) as clients:
        for token in [clients.submit(server.log_in) for _ in range(8)]:
            assert token.result()
    return float(server.ask("GET /stall")["seconds"]) * 1e3


class Target(NamedTuple):
    """What is loaded."""

    kind: str
    path: str
    package: str = OURS
    python: str = sys.executable


def rates_of(one: Target, other: Target, options: Options, folder: Path) -> tuple[list[Rate], list[Rate]]:
    """Rates of both, the best of a few short turns for each run: what else happens to a server only slows it down."""
    runs, turns = (1, 1) if options.quick else (7, 5)
    pairs = []
    for seed in range(runs):
        with ExitStack() as stack:
            servers = {
                key: stack.enter_context(served(*key, folder, seed))
                for key in {(each.python, each.package, each.kind) for each in (one, other)}
            }
            rates: dict[Target, list[Rate]] = {one: [], other: []}
            for turn in range(turns):
                for each in (one, other) if turn % 2 else (other, one):
                    server = servers[each.python, each.package, each.kind]
                    rates[each].append(server.rate(each.path, 0.25))
        pairs.append((max(rates[one]), max(rates[other])))
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def rows(options: Options) -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as name:
        yield from rows_in(Path(name), options)


def rows_in(folder: Path, options: Options) -> Iterator[Result]:
    def compared(what: str, one: Target, other: Target, bar: float | None = None, unit: str = "of its rate") -> Row:
        first, second = rates_of(one, other, options, folder)
        told = " and ".join(f"{statistics.median(rate.seen for rate in rates):,.0f}" for rates in (first, second))
        busy = ratios([rate.busy for rate in first], [rate.busy for rate in second])
        return Row(what, busy, unit, bar, True, f"{told} requests/s")

    what = "free route, site mounted, against without"
    yield compared(what, Target("jwt", "/free"), Target("bare", "/free"), MOUNTED_BAR)
    for what, kind in (("JWT", "jwt"), ("stored token", "db")):
        what = f"`requires()`, {what}, against one by hand"
        yield compared(what, Target(kind, "/requires"), Target(kind, "/hand"), REQUIRES_BAR)
    what = "`requires()`, JWT, user cache, against without"
    yield compared(what, Target("cached", "/requires"), Target("jwt", "/requires"))
    original: tuple[str, str] | None = None
    if options.original:
        original = THEIRS, options.original
        try:
            with served(options.original, THEIRS, "bare", folder):
                pass
        except (RuntimeError, OSError) as error:
            original = None
            yield Note(f"requests against the original: {error}")
    else:
        yield Note("requests against the original, as no --original PYTHON was given")
    if original:
        what = "the original: free route, site mounted, against without"
        yield compared(what, Target("jwt", "/free", *original), Target("bare", "/free", *original))
        for what, kind, theirs, bar in (
            ("JWT", "jwt", "jwt", None),
            ("stored token", "db", "db", None),
            ("JWT, user cache", "cached", "jwt", CACHED_BAR),
        ):
            what = f"`requires()`, {what}, against the original"
            rival = Target(theirs, "/requires", *original)
            yield compared(what, Target(kind, "/requires"), rival, bar, "times its rate")
    stalls = "longest stall of the event loop in 8 logins"
    for what, key, limit in (
        (stalls, (OURS, sys.executable), STALL_BAR_MS),
        (f"the original: {stalls}", original, None),
    ):
        if key is not None:
            with served(key[1], key[0], "jwt", folder) as server:
                times = [stall_of(server) for _ in range(1 if options.quick else 3)]
            yield Row(what, times, "ms", limit)


if __name__ == "__main__":
    sys.exit(alone(rows, __doc__))
