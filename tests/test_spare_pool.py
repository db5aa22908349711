"""Requests that have a connection in hand when they ask about the policy: more of them at once than the pool has."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import pytest
from conftest import MIXED_DRIVERS
from fastapi import Depends, FastAPI
from sqlalchemy import AsyncAdaptedQueuePool, QueuePool, create_engine, event, func, select, text
from sqlalchemy.orm import Session
from sqlalchemy_database import AsyncDatabase, Database
from sqlmodel import SQLModel

from fastapi_user_auth_c.auth import Auth
from fastapi_user_auth_c.auth.backends.jwt import JwtTokenStore
from fastapi_user_auth_c.auth.models import CasbinRule, Role, User
from fastapi_user_auth_c.db import SessionMiddleware, close_database, run_apart, run_committed
from fastapi_user_auth_c.policy.adapter import Adapter
from fastapi_user_auth_c.policy.enforcer import AsyncEnforcer
from fastapi_user_auth_c.spare_pool import spare_engine

WAIT = 10
"""Seconds that the pool lets wait; who waits for each other would all wait so long."""


def small_database(url: str) -> Any:
    AsyncDatabase._instances = Database._instances = None  # else there is one object per URL in a process
    kind = AsyncDatabase if any(name in url for name in ("aiosqlite", "asyncpg", "_async", "aiomysql")) else Database
    pool = AsyncAdaptedQueuePool if kind is AsyncDatabase else QueuePool  # SQLite's in every version
    return kind.create(url, poolclass=pool, pool_size=2, max_overflow=0, pool_timeout=WAIT)


def make(db: Any) -> tuple[FastAPI, Auth]:
    auth: Auth = Auth(db=db, token_store=JwtTokenStore("k" * 32))
    app = FastAPI()
    app.add_middleware(SessionMiddleware, db=db)

    async def reads_first() -> None:
        await db.async_execute(select(User.id))

    async def has_changes() -> None:
        await db.async_run_sync(lambda session: session.add(Role(key=f"k{time.monotonic_ns()}", name="n")))

    @app.get("/read", dependencies=[Depends(reads_first), Depends(auth.requires()())])
    async def read() -> None: ...

    @app.get("/change/{number}", dependencies=[Depends(reads_first)])
    async def change(number: int) -> None:
        assert await auth.enforcer.add_policy("u:somebody", f"page{number}", "page", "page", "allow")

    @app.get("/pending/{number}", dependencies=[Depends(has_changes)])
    async def pending(number: int) -> None:
        assert await auth.enforcer.add_policy("u:somebody", f"pending{number}", "page", "page", "allow")

    @app.get("/clean/{number}")
    async def clean(number: int) -> None:
        assert await auth.enforcer.add_policy("u:somebody", f"clean{number}", "page", "page", "allow")

    return app, auth


@pytest.mark.parametrize("database_url", MIXED_DRIVERS, indirect=True)
def test_requests_with_a_connection_do_not_wait_for_each_other(database_url: str) -> None:
    async def run() -> None:
        db, other = small_database(database_url), small_database(database_url)
        app, auth = make(db)
        await db.async_run_sync(SQLModel.metadata.create_all, is_session=False)
        user = await auth.create_role_user("root")
        await auth.enforcer.load_policy()
        auth.enforcer.poll_seconds = auth.revocations.poll_seconds = 0.01
        token = await auth.backend.token_store.write_token(user.model_dump())
        headers = {"Authorization": f"Bearer {token}"}
        elsewhere = AsyncEnforcer(None, Adapter(other))
        await elsewhere.load_policy()

        async def another_process() -> None:
            for number in range(15):
                assert await elsewhere.add_policy("u:somebody", f"other{number}", "page", "page", "allow")
                await asyncio.sleep(0.02)

        async def outside_a_request() -> None:
            for number in range(15):
                assert await auth.enforcer.add_policy("u:somebody", f"outside{number}", "page", "page", "allow")

        paths = [f"/{kind}/{number}" for number in range(15) for kind in ("change", "pending", "clean")]
        paths = [path for each in paths for path in (each, "/read", "/read")]
        start = time.monotonic()
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://x") as client:
            work = [client.get(path, headers=headers) for path in paths]
            answers = await asyncio.gather(another_process(), outside_a_request(), *work)
        assert {answer.status_code for answer in answers if answer is not None} == {200}
        assert time.monotonic() - start < WAIT

        def counts(session: Session) -> tuple[int, int]:
            rules = select(func.count()).select_from(CasbinRule).where(CasbinRule.v0 == "u:somebody")
            roles = select(func.count()).select_from(Role).where(Role.name == "n")
            return session.scalar(rules) or 0, session.scalar(roles) or 0

        assert await run_committed(db, counts) == (75, 15)
        await auth.enforcer.refresh(at_once=True)
        assert len(auth.enforcer.get_filtered_policy(0, "u:somebody")) == 75
        for each in (db, other):
            await close_database(each)

    asyncio.run(run())


@pytest.mark.parametrize("database_url", ["asyncpg", "psycopg"], indirect=True)
def test_the_connections_beside_the_pool_close_with_it(database_url: str) -> None:
    async def run() -> None:
        db, other = small_database(database_url), create_engine(database_url.replace("asyncpg", "psycopg"))
        adapter = Adapter(db)
        await db.async_run_sync(SQLModel.metadata.create_all, is_session=False)
        await adapter.revision()
        connected = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")

        def count() -> int:
            with other.connect() as connection:
                return int(connection.scalar(connected) or 0)

        assert count() == 3
        first = spare_engine(db)
        for _ in range(2):
            await close_database(db)
            for _ in range(100):
                if count() == 1:
                    break
                await asyncio.sleep(0.05)
            assert count() == 1
            assert await adapter.revision()
            assert getattr(spare_engine(db), "sync_engine", spare_engine(db)) is getattr(first, "sync_engine", first)
        other.dispose()
        await close_database(db)

    asyncio.run(run())


def test_listeners_that_come_later_hold_for_these_connections_too(database_url: str) -> None:
    async def run() -> None:
        db = small_database(database_url)
        adapter = Adapter(db)
        await adapter.revision()

        @event.listens_for(db.engine.sync_engine, "connect")
        def foreign_keys(connection: Any, record: Any) -> None:
            connection.execute("PRAGMA foreign_keys = ON")

        def ask(session: Session) -> Any:
            return session.scalar(text("PRAGMA foreign_keys"))

        spare_engine(db).sync_engine.pool.dispose()  # as if the first connection were made now
        assert await run_apart(db, ask, spare=True) == 1
        await close_database(db)
        assert await run_apart(db, ask, spare=True) == 1
        await close_database(db)

    asyncio.run(run())
