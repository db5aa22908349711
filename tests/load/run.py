"""One run: workers, traffic, trouble, and the reckoning at the end."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visits import is_sqlite, kill_connections, open_transactions

from .cluster import Cluster
from .model import LAG, Model, Subject
from .storage import Storage
from .traffic import LISTS, Report, Traffic

WARM_UP = 240.0
"""Seconds after which a worker's memory has to stay as it is: until then caches fill, each statement's and page's."""
GROWTH_KILOBYTES, GROWTH_SHARE = 4096, 0.04


@dataclass
class Options:
    """How much of everything; intervals in seconds, on average."""

    seconds: float
    workers: int = 4
    users: int = 12
    roles: int = 6
    managers: int = 4
    worker_kills_every: float = 20.0
    connection_kills_every: float = 4.0


async def run(url: str, folder: Path, options: Options) -> Report:
    """Run, and give back what happened; the run was good when there are no violations."""
    cluster = Cluster(url, options.workers, folder)
    try:
        return await _run(cluster, Storage(url), options)
    finally:
        await asyncio.to_thread(cluster.close)


async def _run(cluster: Cluster, storage: Storage, options: Options) -> Report:
    report, model = Report(), Model()
    traffic = Traffic(cluster, storage, model, report)
    await asyncio.gather(*(_is_up(traffic, worker) for worker in range(options.workers)))
    before = await asyncio.to_thread(storage.rules)
    await traffic.prepare(options.users, options.roles)

    subjects: list[Subject] = [*model.users.values(), *model.roles.values()]
    work = [traffic.manage(subjects[number :: options.managers]) for number in range(options.managers)]
    work += [traffic.use(name) for name in model.users]
    tasks = [asyncio.ensure_future(each) for each in work]
    trouble = asyncio.ensure_future(_make_trouble(cluster, storage, report, options))
    await asyncio.wait([*tasks, trouble], timeout=options.seconds, return_when=asyncio.FIRST_EXCEPTION)
    traffic.stopping = True
    trouble.cancel()
    for outcome in await asyncio.gather(*tasks, trouble, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome
    await asyncio.to_thread(cluster.look)

    await asyncio.gather(*(_is_up(traffic, worker) for worker in range(options.workers)))
    if not await asyncio.to_thread(storage.wait_for_older):
        report.violation("a transaction does not end")
    await asyncio.sleep(LAG)
    await _compare(traffic, before)
    report.violations += cluster.ends
    report.counts["workers killed"] = cluster.kills
    if options.seconds >= 2 * WARM_UP:
        _judge_memory(cluster, report)
    await traffic.client.aclose()
    return report


async def _is_up(traffic: Traffic, worker: int) -> None:
    deadline = time.monotonic() + 60
    while (await traffic.ask("GET", "/load/who", worker)).status != 200:
        if time.monotonic() > deadline:
            raise RuntimeError(f"worker {worker} does not start:\n{traffic.cluster.log()[-4000:]}")
        await asyncio.sleep(0.1)


async def _make_trouble(cluster: Cluster, storage: Storage, report: Report, options: Options) -> None:
    """Kill workers, all but the first, whose memory is looked at; and connections, which are everybody's."""
    next_worker = time.monotonic() + options.worker_kills_every / 2
    next_connections = time.monotonic() + options.connection_kills_every / 2
    while True:
        await asyncio.sleep(0.25)
        await asyncio.to_thread(cluster.look)
        now = time.monotonic()
        if now >= next_worker and len(cluster.processes) > 1:
            await asyncio.to_thread(cluster.kill, random.randrange(1, len(cluster.processes)))
            next_worker = now + options.worker_kills_every * random.uniform(0.5, 1.5)
        if now >= next_connections and not is_sqlite(storage.url):
            report.counts["connections killed"] += await asyncio.to_thread(kill_connections, storage.url)
            next_connections = now + options.connection_kills_every * random.uniform(0.5, 1.5)


async def _compare(traffic: Traffic, before: list[tuple[str, ...]]) -> None:
    """Everything is settled: the database and each worker agree with the model exactly."""
    report, model, storage = traffic.report, traffic.model, traffic.storage
    stored, expected = await asyncio.to_thread(storage.rules), sorted([*before, *model.rules()])
    if stored != expected:
        report.violation(f"stored and not expected: {sorted(set(stored) - set(expected))[:10]}")
        report.violation(f"expected and not stored: {sorted(set(expected) - set(stored))[:10]}")
        report.violation(f"{len(stored)} rules are stored, {len(expected)} expected, {len(set(stored))} different")
    asked = [(name, page, action) for name in model.users for page in LISTS for action in ("page", "page:list")]
    now = time.monotonic()
    right = []
    for name, page, _ in asked:
        possible = model.may_open(name, page, now, now)
        if len(possible) != 1:
            raise RuntimeError(f"the model does not know whether {name} may open {page}")
        right += possible
    body = [[f"u:{name}", page, action, "page"] for name, page, action in asked]
    for worker in range(len(traffic.cluster.own)):
        answer = await traffic.ask("POST", "/load/decide", worker, json=body)
        wrong = [each for each, is_, should in zip(asked, answer.body, right, strict=True) if is_ is not should]
        if wrong:
            report.violation(f"worker {worker} decides otherwise at the end: {wrong[:10]}")
        for name, sessions in traffic.sessions.items():
            for headers, alive in sessions:
                who = await traffic.ask("GET", "/load/who", worker, headers=headers)
                possible_tokens = alive.possible(now, now)
                if (who.body["name"] == name) not in possible_tokens:
                    report.violation(f"worker {worker} takes a token of {name} for {who.body}: {possible_tokens}")
                report.counts["tokens looked at in the end"] += 1
    report.counts["decisions compared in the end"] = len(asked) * len(traffic.cluster.own)
    report.counts["rules compared in the end"] = len(stored)
    logins = await asyncio.to_thread(storage.logins)
    if not report.logins <= logins <= report.logins + report.open_logins:
        report.violation(f"{logins} logins are recorded, {report.logins} were answered, {report.open_logins} not")
    left: list[Any] = await asyncio.to_thread(open_transactions, storage.url)
    if left:
        report.violation(f"idle in a transaction: {left}")


def _judge_memory(cluster: Cluster, report: Report) -> None:
    """The median of the last quarter against that of the first, after the warm-up, of workers that lived as long."""
    judged = 0
    for number, process in enumerate(cluster.processes):
        samples = cluster.memory.get(process.pid, [])
        later = [kilobytes for when, kilobytes in samples if when >= samples[0][0] + WARM_UP]
        if samples and samples[-1][0] - samples[0][0] >= 1.5 * WARM_UP:
            judged += 1
            quarter = max(1, len(later) // 4)
            first, last = statistics.median(later[:quarter]), statistics.median(later[-quarter:])
            report.counts[f"kB of worker {number}, first quarter"] = int(first)
            report.counts[f"kB of worker {number}, last quarter"] = int(last)
            if last - first > max(GROWTH_KILOBYTES, first * GROWTH_SHARE):
                report.violation(f"the memory of worker {number} grows: {first:.0f} kB, then {last:.0f} kB")
    if not judged:
        report.violation("no worker lived long enough to judge its memory")
