"""Speed of ``enforce``, as ratios within one run, so that the machine does not matter.

    python -m tests.bench.enforce [--quick]

* asked before: 1,000 requests in turn, against ``dict.get`` with a freshly built tuple of their four strings;
* never asked before: the median of requests whose decisions are not kept;
* load, memory, change: seconds to load a million rules from tuples, resident memory that takes, one add or remove then;
* casbin with the same rules and the model of fastapi-user-auth, and cedarpy with those of them that allow, whose
  decisions have to be the same.  They keep no decisions, so both of ours stand beside theirs.

Ends with status 1 when a bar is missed.
"""

from __future__ import annotations

import gc
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from fastapi_user_auth_c._core import PolicyEngine

from .report import Options, Result, Row, alone, duration, middle, missing, ratios, timings
from .rivals import Request, allows, casbin_engine, cedar_engine

WARM_BAR = 0.60
LOAD_BAR_S, MEMORY_BAR_MB, CHANGE_BAR_US = 1.5, 150, 5.0  # at a million rules
COLD_BAR_US, GROWTH_BAR = 2.0, 2.0
CASBIN_BAR = 100_000  # at 10,000 rules

ACTIONS = ["page", "page:list", "page:create", "page:update", "page:delete", "page:*", "page:list:*"]


def policy(size: int) -> list[tuple[str, ...]]:
    """About ``size`` rules: users in two roles each, roles in wider roles, pages in apps, apps in one site."""
    rng = random.Random(size)
    roles, users, pages = max(size // 100, 4), max(size // 10, 10), max(size // 50, 10)
    rows = [("g", f"u:{i}", f"r:{rng.randrange(roles)}") for i in range(users) for _ in range(2)]
    rows += [("g", f"r:{i}", f"r:{rng.randrange(i + 1, roles)}") for i in range(roles // 2)]
    rows += [("g2", f"app{i % 10}", f"page{i}") for i in range(pages)] + [("g2", "site", f"app{i}") for i in range(10)]
    while len(rows) < size:
        sub = f"r:{rng.randrange(roles)}" if rng.random() < 0.8 else f"u:{rng.randrange(users)}"
        effect = "allow" if rng.random() < 0.9 else "deny"
        rows.append(("p", sub, f"page{rng.randrange(pages)}", rng.choice(ACTIONS), "page", effect))
    return rows


def requests(size: int, count: int) -> list[Request]:
    """Different requests, of users and pages of :func:`policy`."""
    rng = random.Random(-size)
    users, pages = max(size // 10, 10), max(size // 50, 10)
    asked: dict[Request, None] = {}
    for _ in range(count * 3):
        request = (f"u:{rng.randrange(users)}", f"page{rng.randrange(pages)}", rng.choice(ACTIONS[:5]), "page")
        asked[request] = None
        if len(asked) == count:
            break
    return list(asked)


def loaded(stored: Sequence[tuple[Any, ...]]) -> PolicyEngine:
    """From rows as a database gives them, with their ids."""
    engine = PolicyEngine()
    assert engine.load(stored) == []
    engine.settle()
    return engine


def with_ids(rows: Sequence[tuple[str, ...]]) -> list[tuple[Any, ...]]:
    return [(i, *row) for i, row in enumerate(rows)]


def warm_times(engine: PolicyEngine, asked: Sequence[Request], runs: int, turns: int) -> list[list[float]]:
    """Seconds for one ``enforce`` and for one ``dict.get``, both with the loop around them."""
    known = dict.fromkeys(asked, True)
    enforce, get = engine.enforce, known.get
    loop = list(asked) * (4000 // len(asked))

    def decide() -> None:
        for sub, obj, act, group in loop:
            enforce(sub, obj, act, group)

    def look_up() -> None:
        for sub, obj, act, group in loop:
            get((sub, obj, act, group))

    decide()
    return [[seconds / len(loop) for seconds in times] for times in timings([decide, look_up], runs, turns=turns)]


def cold_times(decide: Callable[..., object], asked: Sequence[Any], runs: int) -> list[float]:
    """Median seconds of requests never asked before, a share of them for each run, without reading the clock."""
    clock = time.perf_counter_ns
    medians = []
    for run in range(runs):
        taken, nothing = [], []
        for request in asked[run::runs]:
            start = clock()
            decide(*request)
            middle = clock()
            nothing.append(clock() - middle)
            taken.append(middle - start)
        medians.append(max(statistics.median(taken) - statistics.median(nothing), 1) / 1e9)
    return medians


def resident() -> float:
    """Megabytes of this process in memory; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def load_of(size: int) -> tuple[float, float]:
    """Seconds to load that many rules, and those of them that this process had a core."""
    stored = with_ids(policy(size))
    gc.collect()
    start, busy = time.perf_counter(), time.process_time()
    loaded(stored)
    return time.perf_counter() - start, time.process_time() - busy


def memory_of(size: int) -> float:
    """Megabytes that the rules take in a process of their own, whose heap is as it comes."""
    code = (
        "from tests.bench.enforce import *\n"
        f"stored = with_ids(policy({size}))\n"
        "before = resident()\n"
        "engine = loaded(stored)\n"
        "print(resident() - before)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    return float(done.stdout)


def change_times(engine: PolicyEngine, runs: int) -> list[float]:
    """The slower of the medians of one add and one remove, in seconds, each decided upon at once."""
    rng = random.Random(1)
    slower = []
    for _ in range(runs):
        taken: dict[str, list[int]] = {"add": [], "remove": []}
        for _ in range(300):
            rule = (f"u:{rng.randrange(1000)}", f"page{rng.randrange(20)}", "page:changed", "page", "allow")
            for name, times in taken.items():
                start = time.perf_counter_ns()
                getattr(engine, name)("p", [rule])
                engine.enforce(rule[0], rule[1], rule[2], "other")
                times.append(time.perf_counter_ns() - start)
        slower.append(max(statistics.median(times) for times in taken.values()) / 1e9)
    return slower


def against(
    rival: str,
    size: int,
    rows: Sequence[tuple[str, ...]],
    asked: Sequence[Request],
    options: Options,
    theirs_of: Callable[[Sequence[tuple[str, ...]]], tuple[Callable[[Request], Any], Callable[[Any], bool]]],
    bar: float | None = None,
) -> Iterator[Row]:
    """An engine of somebody else beside ours, in turn, on the same rules and requests."""
    made, decide = theirs_of(rows)
    engine = loaded(with_ids(rows))
    few = list(asked[: max(2, min(200, 30_000 // size if rival == "casbin" else 1_000_000 // size))])
    share = max(len(few) // options.runs, 1)
    unasked = list(asked[len(few) :])
    here_warm, here_cold, there = [], [], []
    for request in few:
        assert engine.enforce(*request) is decide(made(request)), f"{rival} decides {request} in another way"
    for run in range(options.runs):
        here_warm += warm_times(engine, few, 1, 5)[0]
        here_cold += cold_times(engine.enforce, unasked[run :: options.runs], 1)
        given = [made(few[(run * share + i) % len(few)]) for i in range(share)]
        start = time.process_time()
        for each in given:
            decide(each)
        there.append((time.process_time() - start) / len(given))
    for what, here, limit in (("asked before", here_warm, bar), ("never asked before", here_cold, None)):
        detail = f"{middle(here)}, {rival} {middle(there)}"
        yield Row(f"{what}, {size:,} rules, against {rival}", ratios(there, here), "times faster", limit, True, detail)


def rows(options: Options) -> Iterator[Result]:
    sizes = [10**power for power in range(2, 5 if options.quick else 7)]
    runs, turns = options.runs, 3 if options.quick else 12
    cold: dict[int, list[float]] = {}
    warm: dict[int, list[list[float]]] = {}
    for size in sizes:  # from the smallest, whose process is still small
        engine = loaded(with_ids(policy(size)))
        asked = requests(size, 8000)
        cold[size] = cold_times(engine.enforce, asked, runs)
        warm[size] = warm_times(engine, asked[: min(1000, len(asked) // 2)], runs, turns)
    changes = [each * 1e6 for each in change_times(engine, runs)]
    del engine
    for size, (here, lookup) in warm.items():
        detail = f"{middle(here)}, `dict.get` {middle(lookup)}"
        found = ratios(here, lookup)
        yield Row(f"`enforce`, asked before, {size:,} rules", found, "of `dict.get`", WARM_BAR, detail=detail)
    for size, seconds in cold.items():
        found = [each * 1e6 for each in seconds]
        yield Row(f"`enforce`, never asked before, {size:,} rules", found, "µs", COLD_BAR_US)
    most = sizes[-1]
    if most == 1_000_000:
        what = "never asked before, 1,000,000 rules, against 1,000"
        yield Row(what, ratios(cold[most], cold[1000]), "times as long", GROWTH_BAR)
        yield Row("one add or remove, 1,000,000 rules", changes, "µs", CHANGE_BAR_US)
        waited, found = zip(*(load_of(most) for _ in range(3)), strict=True)
        detail = f"{duration(statistics.median(waited))} with what other processes took"
        yield Row("load 1,000,000 rules from tuples", found, "s", LOAD_BAR_S, detail=detail)
        found = [memory_of(most) for _ in range(2)]
        detail = f"{statistics.median(found) * 1e6 / most:.0f} bytes a rule"
        yield Row("memory of 1,000,000 rules", found, "MB", MEMORY_BAR_MB, detail=detail)
    else:
        yield Row(f"one add or remove, {most:,} rules", changes, "µs")
    for size in sizes[1:2] if options.quick else (1000, 10_000, 100_000):
        given, asked = policy(size), requests(size, 4000)
        bar = CASBIN_BAR if size == 10_000 else None
        try:
            yield from against("casbin", size, given, asked, options, lambda r: (lambda q: q, casbin_engine(r)), bar)
        except ImportError:
            yield missing("casbin", "decisions against casbin")
        if size <= 10_000:
            try:
                yield from against(
                    "cedarpy", size, allows(given), asked, options, lambda r: cedar_engine(r, ACTIONS[:5])
                )
            except ImportError:
                yield missing("cedarpy", "decisions against cedarpy")


if __name__ == "__main__":
    sys.exit(alone(rows, __doc__))
