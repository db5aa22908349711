"""Speed of ``enforce``, as ratios within one run, so that the machine does not matter.

    python -m tests.bench.enforce [--full]

* warm: 1,000 requests asked before, in turn, against ``dict.get`` with a freshly built tuple of their four strings;
* cold: the median of requests never asked before (the kept decisions are useless to them);
* load, memory, change: seconds to load the rules from tuples, resident memory that takes, one add or remove then;
* casbin: casbin 1.43 with the same rules and the model of fastapi-user-auth, for a few requests.

``--full`` adds a million rules.  Ends with status 1 when a bar is missed.
"""

from __future__ import annotations

import gc
import os
import random
import statistics
import sys
import time
import timeit
from pathlib import Path
from typing import Any

from fastapi_user_auth_c._core import PolicyEngine

sys.path.insert(0, str(Path(__file__).parents[1]))
from reference import CASBIN_MODEL, SAME_PAGES

WARM_BAR = 0.60
LOAD_BAR_S, MEMORY_BAR_MB, CHANGE_BAR_US = 1.5, 150, 5.0  # at a million rules
COLD_BAR_US = 2.0
CASBIN_BAR = 100_000

MODEL = CASBIN_MODEL.format(pages=SAME_PAGES)

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


def requests(size: int, count: int) -> list[tuple[str, str, str, str]]:
    """Different requests, of users and pages of :func:`policy`."""
    rng = random.Random(-size)
    users, pages = max(size // 10, 10), max(size // 50, 10)
    asked: dict[tuple[str, str, str, str], None] = {}
    for _ in range(count * 3):
        request = (f"u:{rng.randrange(users)}", f"page{rng.randrange(pages)}", rng.choice(ACTIONS[:5]), "page")
        asked[request] = None
        if len(asked) == count:
            break
    return list(asked)


def engine_of(rows: list[tuple[Any, ...]]) -> PolicyEngine:
    """Loaded from rows as a database gives them, with their ids."""
    engine = PolicyEngine()
    assert engine.load(rows) == []
    engine.settle()
    return engine


def warm_times(engine: PolicyEngine, asked: list[tuple[str, str, str, str]]) -> tuple[float, float]:
    """Seconds for one ``enforce`` and for one ``dict.get``, both with the loop around them: the best of many runs."""
    known = dict.fromkeys(asked, True)
    enforce, get = engine.enforce, known.get
    loop = asked * (4000 // len(asked))

    def decide() -> None:
        for sub, obj, act, group in loop:
            enforce(sub, obj, act, group)

    def look_up() -> None:
        for sub, obj, act, group in loop:
            get((sub, obj, act, group))

    decide()
    pairs = [(timeit.timeit(decide, number=1), timeit.timeit(look_up, number=1)) for _ in range(60)]
    return min(pair[0] for pair in pairs) / len(loop), min(pair[1] for pair in pairs) / len(loop)


def cold_time(engine: PolicyEngine, asked: list[tuple[str, str, str, str]]) -> float:
    """Median seconds of a request never asked before, without the cost of reading the clock."""
    clock, enforce = time.perf_counter_ns, engine.enforce
    taken, nothing = [], []
    for sub, obj, act, group in asked:
        start = clock()
        enforce(sub, obj, act, group)
        middle = clock()
        nothing.append(clock() - middle)
        taken.append(middle - start)
    return max(statistics.median(taken) - statistics.median(nothing), 1) / 1e9


def resident() -> float:
    """Megabytes of this process in memory; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def change_time(engine: PolicyEngine) -> float:
    """The slower of the medians of one add and one remove, in seconds, each decided upon at once."""
    rng = random.Random(1)
    taken: dict[str, list[int]] = {"add": [], "remove": []}
    for _ in range(2000):
        rule = (f"u:{rng.randrange(1000)}", f"page{rng.randrange(20)}", "page:changed", "page", "allow")
        for name, times in taken.items():
            start = time.perf_counter_ns()
            getattr(engine, name)("p", [rule])
            engine.enforce(rule[0], rule[1], rule[2], "other")
            times.append(time.perf_counter_ns() - start)
    return max(statistics.median(times) for times in taken.values()) / 1e9


def casbin_time(rows: list[tuple[str, ...]], asked: list[tuple[str, str, str, str]]) -> float:
    """Mean seconds of one request to casbin."""
    import casbin

    class Rows:
        def load_policy(self, model):
            for ptype, *rule in rows:
                model[ptype[0]][ptype].policy.append(rule)

    enforcer = casbin.Enforcer(casbin.Enforcer.new_model(text=MODEL))
    enforcer.set_adapter(Rows())
    enforcer.load_policy()
    start = time.perf_counter()
    for request in asked:
        enforcer.enforce(*request)
    return (time.perf_counter() - start) / len(asked)


def main() -> int:
    full = "--full" in sys.argv[1:]
    missed: list[str] = []
    cold: dict[int, float] = {}
    heads = {"rules": 9, "warm": 9, "dict.get": 9, "ratio": 6, "cold": 9, "load": 8, "memory": 9, "change": 8}
    print(*(f"{head:>{width}}" for head, width in {**heads, "casbin": 10, "x warm": 10}.items()))
    for size in [10**power for power in range(2, 7 if full else 6)]:
        rows = policy(size)
        stored = [(i, *row) for i, row in enumerate(rows)]
        gc.collect()
        before, start = resident(), time.perf_counter()
        engine = engine_of(stored)
        load, memory = time.perf_counter() - start, resident() - before
        asked = requests(size, 8000)
        cold[size] = cold_time(engine, asked)
        warm, lookup = warm_times(engine, asked[: min(1000, len(asked) // 2)])
        ratio = warm / lookup
        line = f"{size:>9,} {warm * 1e9:>6.1f} ns {lookup * 1e9:>6.1f} ns {ratio:>6.2f} {cold[size] * 1e6:>6.2f} us"
        change = change_time(engine)
        line += f" {load:>6.2f} s {memory:>6.1f} MB {change * 1e6:>5.1f} us"
        if size == 1_000_000:
            for what, got, bar, unit in (
                ("load", load, LOAD_BAR_S, "s"),
                ("memory", memory, MEMORY_BAR_MB, "MB"),
                ("change", change * 1e6, CHANGE_BAR_US, "us"),
            ):
                if got > bar:
                    missed.append(f"{what} at {size:,} rules: {got:.2f} {unit}, not {bar}")
            line += f" ({memory * 1e6 / size:.0f} bytes a rule)"
        if ratio > WARM_BAR:
            missed.append(f"warm at {size:,} rules: {ratio:.2f} of dict.get, not {WARM_BAR}")
        if cold[size] * 1e6 > COLD_BAR_US:
            missed.append(f"cold at {size:,} rules: {cold[size] * 1e6:.2f} us, not {COLD_BAR_US}")
        if size <= 100_000:
            theirs = casbin_time(rows, asked[: max(2, 20_000 // size)])
            line += f" {theirs * 1e3:>7.2f} ms {theirs / warm:>9,.0f}x"
            if size == 10_000 and theirs / warm < CASBIN_BAR:
                missed.append(f"casbin at {size:,} rules: {theirs / warm:,.0f}x, not {CASBIN_BAR:,}x")
        print(line, flush=True)
    growth = cold[max(cold)] / cold[1000]
    print(f"cold at {max(cold):,} rules against 1,000: {growth:.2f}x")
    if growth > 2:
        missed.append(f"cold grows {growth:.2f}x, not 2x")
    for line in missed:
        print("missed:", line)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
