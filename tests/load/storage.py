"""The database as seen from beside the workers."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError
from visits import is_postgres, is_sqlite, side_engine

from fastapi_user_auth_c.auth.models import CasbinRule, LoginHistory

T = TypeVar("T")


def persistent(method: Callable[..., T]) -> Callable[..., T]:
    """Looking once more where the connections that are killed had this one among them."""

    @functools.wraps(method)
    def call(*args: Any) -> T:
        for _ in range(50):
            try:
                return method(*args)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                time.sleep(0.05)
        raise RuntimeError("the database cannot be asked")

    return call


class Storage:
    """Look-ups that the workers have no part in; synchronous, for a thread."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = side_engine(url)

    @persistent
    def rules(self, *subjects: str) -> list[tuple[str, ...]]:
        """All stored rules, or those of some subjects."""
        columns = (CasbinRule.ptype, *(getattr(CasbinRule, f"v{number}") for number in range(6)))
        statement = select(*columns)
        if subjects:
            statement = statement.where(CasbinRule.v0.in_(subjects))
        with self.engine.connect() as connection:
            found = connection.execute(statement).all()
        return sorted(tuple(value for value in row if value is not None) for row in found)

    @persistent
    def logins(self) -> int:
        with self.engine.connect() as connection:
            return int(connection.scalar(select(func.count()).select_from(LoginHistory)) or 0)

    @persistent
    def wait_for_older(self, seconds: float = 60.0) -> bool:
        """Wait until every transaction is over that is open now, also those of workers that are gone."""
        if is_sqlite(self.url):
            return True  # they end with their process
        if is_postgres(self.url):
            now = "SELECT clock_timestamp()"
            older = (
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND pid <> pg_backend_pid() AND xact_start <= :now"
            )
        else:
            now = "SELECT NOW(6)"
            older = (
                "SELECT count(*) FROM information_schema.innodb_trx t JOIN information_schema.processlist p "
                "ON p.id = t.trx_mysql_thread_id WHERE p.db = DATABASE() AND t.trx_started <= :now"
            )
        deadline = time.monotonic() + seconds
        with self.engine.connect() as connection:
            before: Any = connection.scalar(text(now))
            while connection.scalar(text(older), {"now": before}):
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.02)
        return True
