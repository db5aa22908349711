"""A short run of the load program: four workers on PostgreSQL, killed now and then, as their connections are."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from load.run import Options, run


@pytest.mark.parametrize("database_url", ["asyncpg"], indirect=True)
def test_D5_P18_twenty_seconds_under_load_and_fire(database_url: str, tmp_path: Path) -> None:
    random.seed()
    options = Options(seconds=12, worker_kills_every=6, connection_kills_every=2)
    report = asyncio.run(run(database_url, tmp_path, options))
    assert not report.violations, "\n".join(report.violations)
    counts = report.counts
    assert counts["workers killed"] and counts["connections killed"] and counts["changes"] > 5, counts
    assert counts["allowed"] > 5 and counts["denied"] > 5 and counts["logouts"], counts
    assert counts["503"] + counts["cut off"] < counts["requests"] / 2, counts
