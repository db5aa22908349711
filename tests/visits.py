"""Many requests at once to an application in this process, and a look at what they leave in the database's hands."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

LOGIN = "/admin/auth/gettoken"


def is_sqlite(url: str) -> bool:
    return url.startswith("sqlite")


def is_postgres(url: str) -> bool:
    return url.startswith("postgresql")


def side_engine(url: str) -> Engine:
    """An engine for a synchronous look at the same database, which keeps no connection."""
    plain = make_url(url)
    driver = "sqlite" if is_sqlite(url) else "postgresql+psycopg" if is_postgres(url) else "mysql+pymysql"
    plain = plain.set(drivername=driver).difference_update_query(["check_same_thread", "timeout", "init_command"])
    return create_engine(plain, poolclass=NullPool, isolation_level="AUTOCOMMIT")


@asynccontextmanager
async def visited(app: Any, address: tuple[str, int] = ("127.0.0.1", 5000)) -> AsyncIterator[httpx.AsyncClient]:
    """The started application, and a client whose requests come from an address; errors become status 500."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False, client=address)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test", timeout=60) as client,
    ):
        yield client


async def log_in(client: httpx.AsyncClient, name: str, password: str = "", headers: Any = None) -> dict[str, str]:
    """Log in, and the headers to be that user by."""
    form = {"username": name, "password": password or name}
    answer = await client.post(LOGIN, data=form, headers=headers)
    client.cookies.clear()
    assert answer.status_code == 200 and answer.json()["status"] == 0, (name, answer.status_code, answer.text)
    return {"Authorization": f"bearer {answer.json()['data']['access_token']}"}


def fine(answer: httpx.Response) -> Any:
    """The data of an answer that has to be a success."""
    assert answer.status_code == 200 and answer.json()["status"] == 0, (answer.status_code, answer.text)
    return answer.json()["data"]


def checked_out(app: Any) -> int:
    """Connections that requests hold now; a pool that does not count, as of files of old SQLAlchemy, has none."""
    return int(getattr(app.state.site.db.engine.pool, "checkedout", lambda: 0)())


async def returned(app: Any, url: str = "", seconds: float = 10.0) -> bool:
    """Whether all connections come back in time; with a URL, also whether nobody has a transaction open there."""
    deadline = time.monotonic() + seconds
    while checked_out(app) or (url and await asyncio.to_thread(open_transactions, url)):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.02)
    return True


def open_transactions(url: str) -> list[Any]:
    """Sessions of the database's server that do nothing and hold a transaction open; for SQLite, who holds the file."""
    with side_engine(url).connect() as connection:
        if is_sqlite(url):
            connection.execute(text("PRAGMA busy_timeout = 0"))
            try:
                connection.exec_driver_sql("BEGIN EXCLUSIVE")
            except OperationalError as error:  # somebody reads or writes
                return [str(error)]
            connection.exec_driver_sql("ROLLBACK")
            return []
        if is_postgres(url):
            rows = connection.execute(
                text(
                    "SELECT pid, query FROM pg_stat_activity WHERE datname = current_database() "
                    "AND state LIKE 'idle in transaction%'"
                )
            )
        else:
            rows = connection.execute(
                text(
                    "SELECT p.id, p.time FROM information_schema.innodb_trx t JOIN information_schema.processlist p "
                    "ON p.id = t.trx_mysql_thread_id WHERE p.db = DATABASE() AND p.command = 'Sleep'"
                )
            )
        return list(rows)


def kill_connections(url: str) -> int:
    """Cut every connection to the database but this one, whatever it does; how many there were."""
    with side_engine(url).connect() as connection:
        if is_postgres(url):
            statement = (
                "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity "  # and wait until it is gone
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            return len(connection.execute(text(statement)).all())
        statement = "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()"
        ids = connection.scalars(text(statement)).all()
        for each in ids:
            with suppress(OperationalError):  # gone by itself
                connection.execute(text(f"KILL {int(each)}"))
        deadline = time.monotonic() + 2
        while set(connection.scalars(text(statement))) & set(ids) and time.monotonic() < deadline:
            time.sleep(0.01)
        return len(ids)
