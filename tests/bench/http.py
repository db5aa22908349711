"""Requests per second through uvicorn, as ratios within one run, so that the machine does not matter.

    python -m tests.bench.http [--original PYTHON] [--rounds 9] [--seconds 1]

Each application is a process of its own, on SQLite; of two that are compared one is loaded after the other, in turn,
and the median of the ratios counts. ``PYTHON`` is an interpreter that has the original on its newest working pins
(fastapi_user_auth and fastapi_amis_admin 0.7.3, fastapi 0.118.3, sqlmodel 0.0.30, SQLAlchemy below 2.1, bcrypt below
4.1). The stall is the longest time that the server's event loop did not run while 8 logins were under way. Ends with
status 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
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
from typing import Any

CONNECTIONS = 8

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


class Server:
    """One of the applications of ``http_app.py``."""

    def __init__(self, port: int) -> None:
        self.port = port
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

    def rate(self, path: str, seconds: float) -> float:
        """Answers per second on a few connections that always have one request under way."""
        header = f"Authorization: Bearer {self.token}\r\n" if path != "/free" else ""
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{header}\r\n".encode()

        async def load() -> float:
            loop = asyncio.get_running_loop()
            done: asyncio.Future[None] = loop.create_future()
            made = [
                await loop.create_connection(lambda: Connection(request, done), "127.0.0.1", self.port)
                for _ in range(CONNECTIONS)
            ]
            await asyncio.wait([done], timeout=0.1)  # warm
            start, before = time.perf_counter(), sum(each.answers for _, each in made)
            await asyncio.wait([done], timeout=seconds)
            count, taken = sum(each.answers for _, each in made) - before, time.perf_counter() - start
            if done.done():
                done.result()
            else:
                done.set_result(None)
            for transport, _ in made:
                transport.close()
            return count / taken

        return asyncio.run(load())


@contextmanager
def served(python: str, package: str, kind: str, folder: Path) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    here = Path(__file__).parent
    path = os.pathsep.join([str(here / "apps"), *([str(here.parents[1])] if package.endswith("_c") else [])])
    environment = {
        **os.environ,
        "PYTHONPATH": path,
        "BENCH_PACKAGE": package,
        "BENCH_APP": kind,
        "BENCH_FILE": str(folder / f"{package}_{kind}.db"),
    }
    command = [python, "-m", "uvicorn", "http_app:app", "--port", str(port), "--log-level", "error", "--no-access-log"]
    process = subprocess.Popen(command, cwd=folder, env=environment)
    server = Server(port)
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


def main() -> int:
    parser = argparse.ArgumentParser(description="Requests per second through uvicorn.")
    parser.add_argument("--original", metavar="PYTHON", help="an interpreter that has the original")
    parser.add_argument("--rounds", type=int, default=9, help="loads of each application")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each load")
    options = parser.parse_args()
    original_python = options.original
    ours, theirs = "fastapi_user_auth_c", "fastapi_user_auth"
    missed: list[str] = []

    def compare(one: tuple[Server, str], other: tuple[Server, str]) -> tuple[float, float, float]:
        """Requests per second of both, and the median of the first as a part of the second."""
        pairs = []
        for number in range(options.rounds):
            order = (one, other) if number % 2 else (other, one)
            rates = {id(each): each[0].rate(each[1], options.seconds) for each in order}
            pairs.append((rates[id(one)], rates[id(other)]))
        first, second = (statistics.median(pair[i] for pair in pairs) for i in (0, 1))
        return first, second, statistics.median(a / b for a, b in pairs)

    def line(what: str, rates: tuple[float, float, float], bar: float | None, unit: str = "") -> None:
        shown = f"{bar:>5.2f}" if bar is not None else "    -"
        print(f"{what:<52} {rates[0]:>7,.0f}/s {rates[1]:>7,.0f}/s {rates[2]:>6.2f}{unit} {shown}", flush=True)
        if bar is not None and rates[2] < bar:
            missed.append(f"{what}: {rates[2]:.2f}{unit}, not {bar}")

    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        start = {kind: stack.enter_context(served(sys.executable, ours, kind, folder)) for kind in ("bare", "jwt")}
        print(f"{'':<52} {'first':>9} {'second':>9} {'ratio':>6} {'bar':>5}")
        jwt, bare = start["jwt"], start["bare"]
        line("free route with the site, without", compare((jwt, "/free"), (bare, "/free")), MOUNTED_BAR)
        line("requires() with a JWT, by hand", compare((jwt, "/requires"), (jwt, "/hand")), REQUIRES_BAR)
        db = stack.enter_context(served(sys.executable, ours, "db", folder))
        line("requires() with a stored token, by hand", compare((db, "/requires"), (db, "/hand")), REQUIRES_BAR)
        cached = stack.enter_context(served(sys.executable, ours, "cached", folder))
        line("requires() with a JWT and the cache, without", compare((cached, "/requires"), (jwt, "/requires")), None)
        if original_python:
            old = {k: stack.enter_context(served(original_python, theirs, k, folder)) for k in ("bare", "jwt", "db")}
            rates = compare((old["jwt"], "/free"), (old["bare"], "/free"))
            line("the original: free route with the site, without", rates, None)
            for what, here in (("JWT", jwt), ("stored token", db)):
                rates = compare((here, "/requires"), (old["jwt" if here is jwt else "db"], "/requires"))
                line(f"requires() with a {what}, the original", rates, None)
            rates = compare((cached, "/requires"), (old["jwt"], "/requires"))
            line("requires() with a JWT and the cache, the original", rates, CACHED_BAR)
        else:
            print("the original is left out: no --original PYTHON")
        stalls = {"here": stall_of(jwt)}
        if original_python:
            stalls["the original"] = stall_of(old["jwt"])
        for who, taken in stalls.items():
            bar = f" (bar {STALL_BAR_MS} ms)" if who == "here" else ""
            print(f"longest stall of the event loop in 8 logins, {who}: {taken:.0f} ms{bar}")
        if stalls["here"] > STALL_BAR_MS:
            missed.append(f"stall: {stalls['here']:.0f} ms, not {STALL_BAR_MS}")
    for each in missed:
        print("missed:", each)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
