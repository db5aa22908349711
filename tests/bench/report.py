"""What the benchmarks share: rows of results, how they are timed and printed, and the machine they ran on."""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import timeit
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

RIVALS = ("casbin", "cedarpy", "PyJWT", "python-jose", "bcrypt", "argon2-cffi")
STACK = ("fastapi", "starlette", "sqlalchemy", "uvicorn")
UNITS = ("µs", "ms", "s", "MB")
ORIGINAL = ("fastapi-user-auth", "fastapi-amis-admin", "fastapi", "sqlalchemy", "casbin", "bcrypt", "python-jose")


@dataclass(frozen=True)
class Options:
    """How much is measured: ``quick`` shows that everything runs, its figures mean little."""

    quick: bool = False
    original: str | None = None

    @property
    def runs(self) -> int:
        """How often each figure is measured; the median counts."""
        return 2 if self.quick else 7


@dataclass(frozen=True)
class Row:
    """A figure with one value for each run, and the bar that its median has to keep to."""

    what: str
    values: Sequence[float]
    unit: str
    bar: float | None = None
    at_least: bool = False
    detail: str = ""

    @cached_property
    def value(self) -> float:
        return statistics.median(self.values)

    @property
    def met(self) -> bool | None:
        """None for figures without a bar."""
        if self.bar is None:
            return None
        return self.value >= self.bar if self.at_least else self.value <= self.bar

    def cells(self) -> list[str]:
        unit = f" {self.unit}" if self.unit in UNITS else ""  # a ratio is explained beside it
        bar = "" if self.bar is None else f"{'≥' if self.at_least else '≤'} {number(self.bar)}{unit}"
        spread = f"{number(min(self.values))} to {number(max(self.values))}" if len(self.values) > 1 else ""
        met = {None: "", True: "yes", False: "**no**"}[self.met]
        return [self.what, bar, f"{number(self.value)} {self.unit}".strip(), spread, met, self.detail]


@dataclass(frozen=True)
class Note:
    """What was left out, and why."""

    text: str


@dataclass(frozen=True)
class Series:
    """How a cost grows: seconds at each size; ``panel`` says along what."""

    panel: str
    what: str
    points: Sequence[tuple[float, float]]

    @property
    def slope(self) -> float | None:
        """The power of the size that the cost grows with, between both ends: 0 is constant, 1 linear."""
        (x0, y0), (x1, y1) = self.points[0], self.points[-1]
        return math.log(y1 / y0) / math.log(x1 / x0) if x1 > x0 else None

    def cells(self) -> list[str]:
        told = ", ".join(f"{size:,.0f}: {duration(seconds)}" for size, seconds in self.points)
        return [self.what, self.panel, told, "" if self.slope is None else f"{self.slope:.2f}"]


Result = Row | Note | Series


def number(value: float) -> str:
    """Three digits, without a power of ten."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def duration(seconds: float) -> str:
    for factor, unit in ((1, "s"), (1e3, "ms"), (1e6, "µs")):
        if seconds * factor >= 1:
            return f"{number(seconds * factor)} {unit}"
    return f"{number(seconds * 1e9)} ns"


SLICE = 0.001
"""Seconds that a call is timed for in one turn, if it is not longer itself."""


def timings(
    calls: Sequence[Callable[[], object]],
    runs: int,
    turns: int = 10,
    idle: bool = False,
    clock: Callable[[], float] = time.process_time,
) -> list[list[float]]:
    """For each call the seconds it takes, one figure for each run.

    Within a run the calls take turns, each for about the same short time, and the best of their turns counts: what is
    slower was disturbed, and a longer turn would be disturbed more often.  The clock is that of the process, which
    stands still while others have the core; calls with threads of their own need ``time.perf_counter``.  ``idle`` takes
    off what an empty call costs.
    """
    called = [*calls, lambda: None] if idle else list(calls)
    once = [min(timeit.repeat(call, number=1, repeat=2, timer=clock)) for call in called]
    numbers = [max(1, min(5000, int(SLICE / max(seconds, 1e-7)))) for seconds in once]
    found: list[list[float]] = [[] for _ in called]
    for _ in range(runs):
        best = [math.inf] * len(called)
        for _ in range(turns):
            for index, (call, number) in enumerate(zip(called, numbers, strict=True)):
                best[index] = min(best[index], timeit.timeit(call, number=number, timer=clock) / number)
        for index, seconds in enumerate(best):
            found[index].append(seconds)
    if idle:
        nothing = found.pop()
        found = [[max(a - b, 1e-9) for a, b in zip(times, nothing, strict=True)] for times in found]
    return found


def ratios(over: Sequence[float], under: Sequence[float]) -> list[float]:
    """Run by run, so that what slowed both down is no difference."""
    return [a / b for a, b in zip(over, under, strict=True)]


def middle(seconds: Sequence[float]) -> str:
    return duration(statistics.median(seconds))


def installed(names: Iterable[str]) -> dict[str, str]:
    """Versions of those packages that are there."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def machine(options: Options) -> list[str]:
    """Processor, cores, interpreter and the versions of everything compared, one line each."""
    processor = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        processor = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    load = f", load {os.getloadavg()[0]:.1f} at the start" if hasattr(os, "getloadavg") else ""
    found = [
        f"{processor}, {os.cpu_count()} cores{load}; {platform.system()}, {platform.python_implementation()} "
        f"{platform.python_version()}",
        ", ".join(f"{name} {number}" for name, number in installed(RIVALS + STACK).items()),
    ]
    if options.original:
        code = (
            "import json, sys\nfrom importlib.metadata import version\n"
            "print(json.dumps({name: version(name) for name in sys.argv[1:]}))"
        )
        done = subprocess.run([options.original, "-c", code, *ORIGINAL], capture_output=True, text=True, timeout=60)
        if done.returncode == 0:
            versions = ", ".join(f"{name} {number}" for name, number in json.loads(done.stdout).items())
            found.append(f"the original: {versions}")
    return found


def parser_of(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="little work: does everything run?")
    parser.add_argument("--original", metavar="PYTHON", help="an interpreter that has the original")
    return parser


def line_of(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


ROW_HEAD = ["what", "bar", "measured", "runs", "met", "times"]
SERIES_HEAD = ["what", "by", "one costs", "power"]


def told(results: Iterable[Result], emit: Callable[[str], None]) -> list[Result]:
    """Print each as soon as it is there: first the rows, then how costs grow, as Markdown, then notes and misses."""
    found: list[Result] = []
    head: list[str] = []
    for result in results:
        found.append(result)
        if isinstance(result, Note):
            continue
        wanted = ROW_HEAD if isinstance(result, Row) else SERIES_HEAD
        if head != wanted:
            emit(("\n" if head else "") + line_of(wanted) + "\n" + line_of(["---"] * len(wanted)))
            head = wanted
        emit(line_of(result.cells()))
    notes = dict.fromkeys(result.text for result in found if isinstance(result, Note))
    missed = [result for result in found if isinstance(result, Row) and result.met is False]
    if notes or missed:
        emit("")
    for text in notes:
        emit(f"* left out: {text}")
    for row in missed:
        emit(f"* missed: {row.what}: {number(row.value)} {row.unit}, bar {number(row.bar or 0)}")
    return found


def status(results: Iterable[Result]) -> int:
    """1 when a bar is missed."""
    return int(any(isinstance(result, Row) and result.met is False for result in results))


def alone(rows: Callable[[Options], Iterator[Result]], description: str | None) -> int:
    """Run one part from the command line."""
    given = parser_of(description).parse_args()
    options = Options(given.quick, given.original)
    print("\n".join(machine(options)) + "\n")
    return status(told(rows(options), lambda text: print(text, flush=True)))


def missing(package: str, compared_with: str) -> Note:
    return Note(f"{compared_with}, as {package} is not installed")


def worker(python: str, script: Path, *arguments: str) -> dict[str, object]:
    """What a script prints after ``result:``, run by another interpreter in a directory of its own.

    Raises:
        RuntimeError: it did not get that far.
    """
    with tempfile.TemporaryDirectory() as folder:  # a site makes a directory for uploads
        environment = {**os.environ, "PYTHONPATH": ""}
        if python == sys.executable:
            environment["PYTHONPATH"] = str(Path(__file__).parents[2])
        command = [python, "-W", "ignore", str(script), *arguments]
        try:
            done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900)
        except (OSError, subprocess.SubprocessError) as error:
            raise RuntimeError(str(error)) from error
    for line in done.stdout.splitlines():
        if line.startswith("result:"):
            return dict(json.loads(line.partition(": ")[2]))
    raise RuntimeError((done.stderr.strip().splitlines() or ["it ended without a result"])[-1])
