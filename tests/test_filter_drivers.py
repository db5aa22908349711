"""The SQL text of filters, executed by drivers of the DB-API and asyncpg: every style, odd names, odd values."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import make_url

from fastapi_user_auth_c.filters import ago, compile_filter, user_attribute

NAMES = ['a"b', "a`b", "a%b", "a%sb", "a'b", "a;--", "a?b", "a:b", "é", "a b", "%(x)s", "select"]
STRINGS = ["'", "'; DROP TABLE t; --", '"', "%", "%s", "\\", "é\U0001f600", "?", ":p1", "$1", ""]
Run = Callable[..., list[Any]]


def with_sqlite(url: Any, paramstyle: str) -> tuple[Any, Run]:
    connection = sqlite3.connect(":memory:")

    def run(text: str, values: Any = ()) -> list[Any]:
        if paramstyle == "numeric":  # SQLite takes the numbers for names
            values = {str(number): value for number, value in enumerate(values, 1)}
        return connection.execute(text, values).fetchall()

    return connection, run


def with_dbapi(url: Any, paramstyle: str) -> tuple[Any, Run]:
    options = {"host": url.host, "port": url.port, "user": url.username, "autocommit": True}
    if url.drivername.startswith("mysql"):
        pymysql = pytest.importorskip("pymysql")
        connection = pymysql.connect(**options, database=url.database, charset="utf8mb4")
    else:
        psycopg = pytest.importorskip("psycopg")
        connection = psycopg.connect(**options, dbname=url.database)

    def run(text: str, values: Any = None) -> list[Any]:
        with closing(connection.cursor()) as cursor:
            cursor.execute(text, values)
            return list(cursor.fetchall()) if cursor.description else []

    return connection, run


def with_asyncpg(url: Any, paramstyle: str) -> tuple[Any, Run]:
    asyncpg = pytest.importorskip("asyncpg")
    loop = asyncio.new_event_loop()
    connection = loop.run_until_complete(
        asyncpg.connect(host=url.host, port=url.port, user=url.username, database=url.database)
    )

    class Closing:
        def close(self) -> None:
            loop.run_until_complete(connection.close())
            loop.close()

    def run(text: str, values: Any = ()) -> list[Any]:
        return [tuple(row) for row in loop.run_until_complete(connection.fetch(text, *values))]

    return Closing(), run


@pytest.mark.parametrize(
    ("database_url", "paramstyle", "connect"),
    [
        *[("sqlite", style, with_sqlite) for style in ("qmark", "named", "numeric")],
        *[(driver, style, with_dbapi) for driver in ("psycopg", "pymysql") for style in ("format", "pyformat")],
        ("asyncpg", "dollar", with_asyncpg),
    ],
    indirect=["database_url"],
)
def test_names_and_values_of_any_kind(database_url: str, paramstyle: str, connect: Any) -> None:
    url = make_url(database_url)
    mysql = url.drivername.startswith("mysql")
    mark = "`" if mysql else '"'
    options = {"paramstyle": paramstyle, "dialect": url.drivername}
    connection, run = connect(url, paramstyle)
    with closing(connection):
        for name in NAMES:
            quoted = mark + name.replace(mark, mark * 2) + mark
            run(f"CREATE TABLE t (id INTEGER PRIMARY KEY, {quoted} VARCHAR(99))")
            # the texts get in by one statement per style, too: "(id = 1 AND x = text)" as a list of values
            for number, text in enumerate(STRINGS, 1):
                plan = compile_filter([("id", "=", number), ("x", "=", text)])
                marks, values = plan.sql(**options)  # type: ignore[arg-type]
                marks = marks.replace(f"{mark}id{mark} = ", "").replace(f"{mark}x{mark} = ", "").replace(" AND ", ", ")
                doubled = quoted.replace("%", "%%") if "format" in paramstyle else quoted
                run(f"INSERT INTO t (id, {doubled}) VALUES ({marks})", values)
            for number, text in enumerate(STRINGS, 1):
                plan = compile_filter([(name, "in", [text, None]), (name, "!=", "other"), ("id", ">", 0)])
                condition, values = plan.sql(table="t", **options)  # type: ignore[arg-type]
                assert [row[0] for row in run(f"SELECT id FROM t WHERE {condition}", values)] == [number], name
            nothing, values = compile_filter([(name, "=", None)]).sql(**options)  # type: ignore[arg-type]
            assert run(f"SELECT id FROM t WHERE {nothing}", values) == []
            run("DROP TABLE t")


def test_all_128_settings_of_the_documented_example_as_text() -> None:
    now = datetime(2026, 3, 1, 12)
    me = {"id": 7}
    permissions: dict[str, Any] = {
        "recent7_create": [("create_time", ">", ago(days=7))],
        "recent30_create": [("create_time", ">", ago(days=30))],
        "recent3_update": [("update_time", ">", ago(days=3))],
        "self_create": [("user_id", "=", user_attribute("id"))],
        "self_update": [("update_by", "=", user_attribute("id"))],
        "published": [("is_published", "in", [True])],
        "status_1_2_3": [("status", "in", [1, 2, 3])],
    }
    days = [now - timedelta(days=count) for count in (1, 10, 40)]
    made = [*itertools.product([*days, None], days, (7, 8, None), (7, None), (True, False, None), (2, 5, None))]
    tests: dict[str, Callable[..., bool]] = {
        "recent7_create": lambda created, *rest: created is not None and created > now - timedelta(days=7),
        "recent30_create": lambda created, *rest: created is not None and created > now - timedelta(days=30),
        "recent3_update": lambda created, updated, *rest: updated > now - timedelta(days=3),
        "self_create": lambda created, updated, user, *rest: user == 7,
        "self_update": lambda created, updated, user, updater, *rest: updater == 7,
        "published": lambda *row: row[4] is True,
        "status_1_2_3": lambda *row: row[5] in (1, 2, 3),
    }

    def stored(values: Any) -> list[Any]:
        return [value.isoformat(" ") if isinstance(value, datetime) else value for value in values]

    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (id, create_time, update_time, user_id, update_by, is_published, status)")
        connection.executemany(
            "INSERT INTO t VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(number, *stored(row)) for number, row in enumerate(made)],
        )
        for switches in itertools.product((True, False), repeat=7):
            active = [name for name, on in zip(permissions, switches, strict=True) if on]
            text, values = compile_filter(permissions, active).sql("qmark", now=now, user=me)
            found = {row[0] for row in connection.execute(f"SELECT id FROM t WHERE {text}", stored(values))}
            assert found == {number for number, row in enumerate(made) if all(tests[name](*row) for name in active)}
            assert text.count("create_time") <= 1  # the tighter bound alone
