"""The command line of the load program."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from conftest import empty_database

from .run import Options, run

DRIVERS = {"postgresql": "asyncpg", "mariadb": "aiomysql", "sqlite": "aiosqlite"}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.load", description="Load, trouble and a model.")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--users", type=int, default=12)
    parser.add_argument("--database", choices=DRIVERS, default="postgresql")
    parser.add_argument("--driver", help="another driver of that database, as tests/conftest.py calls it")
    given = parser.parse_args()
    options = Options(given.minutes * 60, workers=given.workers, users=given.users)
    name = tempfile.mkdtemp(prefix="load-")
    with empty_database(given.driver or DRIVERS[given.database], Path(name)) as url:
        report = asyncio.run(run(url, Path(name), options))
    for what, count in sorted(report.counts.items()):
        print(f"{count:>10}  {what}")
    for violation in report.violations:
        print("VIOLATION:", violation)
    if report.violations:
        print("failed; what the workers have logged is in", Path(name) / "log")
    else:
        print("passed")
        shutil.rmtree(name)
    return bool(report.violations)


if __name__ == "__main__":
    sys.exit(main())
