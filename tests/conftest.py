"""Databases and sites for the tests.

Servers are looked for on the loopback address at their usual ports: PostgreSQL trusts user ``postgres``, MariaDB has a
``root`` without a password. Each test gets a database of its own there; tests are skipped where there is no server.

A test that is named after a fault of the site or of databases (``test_S4_...``, ``test_D9_...``) runs on each kind of
database, any other on one, unless it says on which. ``FUA_TEST_DRIVER`` chooses one for both, ``FUA_TEST_ONLY`` leaves
out all drivers but those it names, and ``FUA_TEST_EVERY_DRIVER`` takes all where otherwise some stand for the rest.
"""

from __future__ import annotations

import gc
import os
import re
import secrets
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import fastapi_user_auth_c  # noqa: F401  (before anything of fastapi_amis_admin)

os.environ.setdefault("USER_AUTH_BCRYPT_ROUNDS", "4")  # of examples and servers too: most of their time otherwise
gc.set_threshold(20_000, 20, 10)  # each site is a hundred thousand objects that live as long as it

POSTGRES = os.environ.get("FUA_TEST_POSTGRES", "postgres@127.0.0.1:5432")
MARIADB = os.environ.get("FUA_TEST_MARIADB", "root@127.0.0.1:3306")

DRIVER = os.environ.get("FUA_TEST_DRIVER", "aiosqlite")
"""Of tests that run on one database."""
EACH_KIND = [DRIVER] if "FUA_TEST_DRIVER" in os.environ else ["aiosqlite", "asyncpg", "aiomysql"]
"""Of tests that run on each kind of database."""

ASYNC_DRIVERS = ["aiosqlite", "asyncpg", "psycopg_async", "aiomysql"]
SYNC_DRIVERS = ["sqlite", "psycopg", "pymysql"]
EVERY_DRIVER = [*ASYNC_DRIVERS, *SYNC_DRIVERS]
MIXED_DRIVERS = ["aiosqlite", "sqlite", "asyncpg", "pymysql"]
"""Of tests that take long: each kind of database and of driver."""
if os.environ.get("FUA_TEST_EVERY_DRIVER"):
    MIXED_DRIVERS = EVERY_DRIVER
URLS = {
    "aiosqlite": "sqlite+aiosqlite:///{path}?check_same_thread=False",
    "sqlite": "sqlite:///{path}?check_same_thread=False",
    "asyncpg": "postgresql+asyncpg://" + POSTGRES + "/{name}",
    "psycopg_async": "postgresql+psycopg_async://" + POSTGRES + "/{name}",
    "psycopg": "postgresql+psycopg://" + POSTGRES + "/{name}",
    "aiomysql": "mysql+aiomysql://" + MARIADB + "/{name}?charset=utf8mb4",
    "pymysql": "mysql+pymysql://" + MARIADB + "/{name}?charset=utf8mb4",
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what is named after a fault of the site or of databases on each kind of database."""
    told = any("database_url" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize"))
    named = re.match(r"test_(?:[A-Z]\d+_)*[SD]\d", metafunc.definition.name)
    if named and not told and "database_url" in metafunc.fixturenames:
        metafunc.parametrize("database_url", EACH_KIND, indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what ``FUA_TEST_ONLY``, names of drivers, does not name."""
    only = os.environ.get("FUA_TEST_ONLY")
    if not only:
        return
    left_out = []
    for item in items:
        call: Any = getattr(item, "callspec", None)
        driver = call.params.get("database_url") if call else None
        if driver in URLS and driver not in only.split(","):
            left_out.append(item)
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@contextmanager
def empty_database(driver: str, folder: Path) -> Iterator[str]:
    """The URL of an empty database for a driver, which lasts as long as the block; skips where there is no server."""
    template = URLS[driver]
    if template.startswith("sqlite"):
        yield template.format(path=folder / "test.db")
        return
    from sqlalchemy import create_engine, text

    is_postgres = template.startswith("postgresql")
    admin_url = (URLS["psycopg"] if is_postgres else URLS["pymysql"]).format(name="postgres" if is_postgres else "")
    admin = create_engine(admin_url, isolation_level="AUTOCOMMIT")
    name = f"fua_test_{secrets.token_hex(6)}"
    try:
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
    except Exception as error:
        pytest.skip(f"no {'PostgreSQL' if is_postgres else 'MariaDB'} server: {error}")
    try:
        yield template.format(name=name)
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name}" + (" WITH (FORCE)" if is_postgres else "")))
        admin.dispose()


def end(server: subprocess.Popen[Any]) -> None:
    """Let a server end, by force if it does not."""
    server.terminate()
    try:
        server.wait(20)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database for the driver in ``request.param`` (default that of ``FUA_TEST_DRIVER``)."""
    with empty_database(getattr(request, "param", DRIVER), tmp_path) as url:
        yield url


@pytest.fixture
def make_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """``make_app(url)``: an application with the site of the documented example; the site is ``app.state.site``."""
    monkeypatch.chdir(tmp_path)  # the site makes a directory for uploads

    def make(url: str, *args: Any, **kwargs: Any) -> Any:
        from app_for_tests import example_app

        return example_app(url, *args, **kwargs)

    return make


@pytest.fixture
def app(make_app: Callable[..., Any], database_url: str) -> Any:
    """The application of :func:`make_app` on the test's database."""
    return make_app(database_url)


@pytest.fixture
def client(app: Any) -> Iterator[Any]:
    """That application, started."""
    from starlette.testclient import TestClient

    with TestClient(app) as client:
        yield client


@pytest.fixture
def root(client: Any) -> Any:
    """Requests to it in the name of root."""
    from app_for_tests import Client

    return Client(client, "root")
