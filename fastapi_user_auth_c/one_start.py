"""Several processes that start at one instant on an empty database: one makes the tables, the others find them.

``metadata.create_all`` looks which tables are there and then makes the rest; two processes that look at the same time
both make them, and one of them fails.  Here whoever looks holds a lock of the database until the tables are made.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, Table, inspect
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from .dialects import MYSQL

_NUMBER = 0x6661_7561  # any number, as long as all processes take the same
_NAME = "fastapi_user_auth_c.create_all"


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    dialect = connection.dialect.name
    if dialect == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_NUMBER})")  # until the transaction ends
        yield
    elif dialect in MYSQL:
        connection.exec_driver_sql(f"SELECT GET_LOCK('{_NAME}', 60)")
        try:
            yield
        finally:
            connection.exec_driver_sql(f"SELECT RELEASE_LOCK('{_NAME}')")
    elif dialect == "sqlite":
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        except OperationalError as error:
            if "within a transaction" not in str(error):
                raise
        yield
    else:
        yield


def make_tables_alone(metadata: MetaData) -> None:
    """Let ``metadata.create_all`` be run by one process at a time; SQLite, PostgreSQL, MySQL and MariaDB."""
    create_all = metadata.create_all
    if getattr(create_all, "__alone__", False):
        return

    @functools.wraps(create_all)
    def alone(bind: Any, *args: Any, **kwargs: Any) -> None:
        if isinstance(bind, Engine):
            with bind.begin() as connection:
                alone(connection, *args, **kwargs)
        elif isinstance(bind, Connection):
            with _alone(bind):
                create_all(bind, *args, **kwargs)
        else:
            create_all(bind, *args, **kwargs)

    alone.__alone__ = True  # type: ignore[attr-defined]
    metadata.create_all = alone  # type: ignore[method-assign]


def make_table(session: Session, table: Table) -> None:
    """Make a table where it is missing; of several processes that do so at once, all find it.

    Raises:
        DBAPIError: it is not there and cannot be made.
    """
    try:
        table.create(session.connection(), checkfirst=True)
        session.commit()
    except DBAPIError:  # another process was faster, or nobody may make tables here
        session.rollback()
        there = inspect(session.connection()).has_table(table.name)
        session.rollback()
        if not there:
            raise
