"""Workers as processes of their own, behind one listening socket that outlives them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent


class Cluster:
    """``count`` workers on the database of a URL. Each also has a socket of its own, to be asked by itself.

    Args:
        url: of the database.
        count: how many workers.
        folder: where they run and log.
    """

    def __init__(self, url: str, count: int, folder: Path) -> None:
        self.url = url
        self.folder = folder
        self.shared = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.own = [socket.create_server(("127.0.0.1", 0), backlog=512) for _ in range(count)]
        self.processes: list[subprocess.Popen[bytes]] = []
        self.kills = 0
        self.ends: list[str] = []
        self.memory: dict[int, list[tuple[float, int]]] = {}
        """Resident kilobytes by process, and when."""
        for number in range(count):
            self.processes.append(self._start(number))

    def _start(self, number: int) -> subprocess.Popen[bytes]:
        sockets = [self.shared.fileno(), self.own[number].fileno()]
        unlimited = {"USER_AUTH_LOGIN_ATTEMPTS": "0", "USER_AUTH_LOGIN_ATTEMPTS_PER_NAME": "0"}
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-W", "ignore", str(HERE / "worker.py"), *map(str, sockets)],
                pass_fds=sockets,
                env={**os.environ, **unlimited, "FUA_WORKER_URL": self.url, "PYTHONPATH": str(HERE.parent)},
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )

    def address(self, worker: int | None = None) -> str:
        """Of one worker, or of whichever takes the request."""
        return "http://{}:{}".format(*(self.shared if worker is None else self.own[worker]).getsockname())

    def kill(self, worker: int) -> None:
        """End a worker without a word, and start another one in its place."""
        self.processes[worker].kill()
        self.processes[worker].wait()
        self.kills += 1
        self.processes[worker] = self._start(worker)

    def look(self) -> None:
        """Note the memory of each worker; one that has ended by itself is noted and replaced."""
        for number, process in enumerate(self.processes):
            if process.poll() is not None:
                self.ends.append(f"worker {number} ended with {process.returncode}")
                self.processes[number] = self._start(number)
                continue
            status = Path(f"/proc/{process.pid}/status").read_text()
            kilobytes = int(status.partition("VmRSS:")[2].split()[0])
            self.memory.setdefault(process.pid, []).append((time.monotonic(), kilobytes))

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def close(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for each in (self.shared, *self.own):
            each.close()
