"""Work on a database from asynchronous code, whether its driver is synchronous or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from sqlalchemy.orm import Session
from sqlalchemy.sql import Executable
from sqlalchemy_database import AsyncDatabase, Database

AnyDatabase = AsyncDatabase | Database
T = TypeVar("T")


async def run_committed(db: AnyDatabase, work: Callable[[Session], T]) -> T:
    """Run ``work(session)`` and commit; on an exception roll back and let it through.

    Inside a request (or any ``async with db():``) it is that request's session, so what the request has changed so
    far is committed along, as in the original; elsewhere a session of its own.
    """
    if isinstance(db, AsyncDatabase):
        if db.scoped:
            return await db.session.run_sync(_committed, work)
        async with db.session_maker() as session:
            return await session.run_sync(_committed, work)
    if db.scoped:
        return await asyncio.to_thread(_committed, db.session, work)
    return await asyncio.to_thread(_with_own_session, db, work)


def _committed(session: Session, work: Callable[[Session], T]) -> T:
    try:
        result = work(session)
        session.commit()
    except BaseException:
        session.rollback()
        raise
    return result


def _with_own_session(db: Database, work: Callable[[Session], T]) -> T:
    with db.session_maker() as session:
        return _committed(session, work)


async def read_chunks(db: AnyDatabase, statement: Executable, size: int) -> AsyncIterator[list[tuple[Any, ...]]]:
    """The rows of a query as plain tuples, ``size`` at a time, read in a session of its own."""
    if isinstance(db, AsyncDatabase):
        async with db.session_maker() as session:
            result = await session.stream(statement)
            async for part in result.partitions(size):
                yield [tuple(row) for row in part]
        return
    rows = await asyncio.to_thread(_read_all, db, statement)
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _read_all(db: Database, statement: Executable) -> list[tuple[Any, ...]]:
    with db.session_maker() as session:
        return [tuple(row) for row in session.execute(statement)]
