"""Several processes, or several enforcers, on one database (P18), and the watchers (P19)."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import ASYNC_DRIVERS, EVERY_DRIVER, end
from sqlalchemy import create_engine, func, select, text
from sqlalchemy_database import AsyncDatabase, Database

from fastapi_user_auth_c.auth import Auth
from fastapi_user_auth_c.auth.models import CasbinRule, Role, User
from fastapi_user_auth_c.policy import Adapter, AsyncEnforcer, Enforcer, StalePolicy
from fastapi_user_auth_c.policy.watchers import PostgresWatcher, PushWatcher, RedisWatcher
from fastapi_user_auth_c.policy.writer import resolved

HERE = Path(__file__).parent
RULE = ("u:al", "page", "page", "page", "allow")


def database(url: str) -> Any:
    """A Database of its own: like that of another process."""
    AsyncDatabase._instances = Database._instances = None
    kind = AsyncDatabase if any(name in url for name in ASYNC_DRIVERS) else Database
    return kind.create(url)


def synchronous_url(url: str) -> str:
    driver, rest = url.split("://", 1)
    driver = driver.replace("+aiosqlite", "").replace("+asyncpg", "+psycopg").replace("_async", "").replace("aio", "py")
    return f"{driver}://{rest}"


@asynccontextmanager
async def enforcers(url: str, count: int = 2) -> AsyncIterator[list[AsyncEnforcer]]:
    """Enforcers that share nothing but the database; they ask for changes whenever they are asked to."""
    databases = [database(url) for _ in range(count)]
    engine = create_engine(synchronous_url(url))
    CasbinRule.metadata.create_all(engine)
    made = [AsyncEnforcer(adapter=Adapter(db)) for db in databases]
    try:
        for enforcer in made:
            await enforcer.load_policy()
            enforcer.poll_seconds = 0.0
        yield made
    finally:
        engine.dispose()
        for db in databases:
            await resolved(db.engine.dispose())


@pytest.mark.parametrize("database_url", EVERY_DRIVER, indirect=True)
def test_P18_a_change_made_elsewhere_is_seen_and_never_overwritten(database_url: str) -> None:
    async def check() -> None:
        async with enforcers(database_url, 3) as (a, b, c):
            assert await a.add_policy(*RULE)
            assert not b.enforce(*RULE[:4])
            assert await b.refresh() and b.enforce(*RULE[:4])
            assert not await b.refresh()

            # from a stale policy: the same rule again, roles replaced, a rule removed that is gone already
            assert not await c.add_policy(*RULE)
            assert await a.replace_filtered_policies("g", [("u:al", "r:1"), ("u:al", "r:2")], 0, "u:al")
            assert await b.replace_filtered_policies("g", [("u:al", "r:3")], 0, "u:al")
            assert await c.get_roles_for_user("u:al") == []
            assert not await c.remove_grouping_policy("u:al", "r:1")
            assert await c.get_roles_for_user("u:al") == ["r:3"]
            assert await a.remove_policy(*RULE)
            assert await b.delete_roles_for_user("u:al")
            for enforcer in (a, b, c):
                await enforcer.refresh()
                assert enforcer.get_policy() == enforcer.get_grouping_policy() == []

            # a stale worker that saves its whole memory
            assert await a.add_policy(*RULE)
            with pytest.raises(StalePolicy):
                await b.save_policy()
            await b.load_policy()
            assert b.enforce(*RULE[:4])
            await b.save_policy()
            await a.refresh()
            assert a.get_policy() == [list(RULE)]

    asyncio.run(check())


@pytest.mark.parametrize("database_url", ["asyncpg", "aiomysql", "aiosqlite"], indirect=True)
def test_P18_many_changes_from_all_sides_leave_all_with_what_is_stored(database_url: str) -> None:
    async def check() -> None:
        async with enforcers(database_url, 3) as made:

            async def work(number: int, enforcer: AsyncEnforcer) -> None:
                for i in range(12):
                    await enforcer.add_policy(f"u:{number}", f"page{i}", "page", "page", "allow")
                    await enforcer.replace_filtered_policies("g", [("u:all", f"r:{number}.{i}")], 0, "u:all")
                    if i % 3 == 0:
                        await enforcer.remove_policy(f"u:{number}", f"page{i}", "page", "page", "allow")

            await asyncio.gather(*(work(number, enforcer) for number, enforcer in enumerate(made)))
            rules = {f"u:{n}/page{i}" for n in range(3) for i in range(12) if i % 3}
            for enforcer in made:
                await enforcer.refresh()
                assert {f"{rule[0]}/{rule[1]}" for rule in enforcer.get_policy()} == rules
                assert len(enforcer.get_grouping_policy()) == 1
            assert made[0].get_grouping_policy() == made[1].get_grouping_policy() == made[2].get_grouping_policy()

    asyncio.run(check())


def test_P18_an_idle_enforcer_asks_nothing_and_a_busy_one_once_a_second(tmp_path: Path) -> None:
    async def check() -> None:
        async with enforcers(f"sqlite+aiosqlite:///{tmp_path}/x.db") as (a, b):
            asked = []
            revision = b.adapter.revision

            async def counted() -> Any:
                asked.append(time.monotonic())
                return await revision()

            b.adapter.revision = counted
            b.poll_seconds = 0.3
            await b.refresh()
            start = len(asked)
            await asyncio.sleep(0.4)
            assert len(asked) == start
            await asyncio.gather(*(b.refresh() for _ in range(50)))
            assert len(asked) == start + 1
            await a.add_policy(*RULE)
            assert not b.enforce(*RULE[:4])
            await asyncio.sleep(0.35)
            await asyncio.gather(*(b.refresh() for _ in range(50)))
            assert b.enforce(*RULE[:4])

    asyncio.run(check())


def test_P18_while_the_database_cannot_be_asked_the_old_policy_answers(tmp_path: Path, caplog: Any) -> None:
    async def check() -> None:
        async with enforcers(f"sqlite+aiosqlite:///{tmp_path}/x.db") as (a, b):
            await a.add_policy(*RULE)
            await b.refresh()
            revision = b.adapter.revision

            async def broken() -> Any:
                raise OSError("gone")

            b.adapter.revision = broken
            await a.remove_policy(*RULE)
            assert not await b.refresh()
            assert b.enforce(*RULE[:4])
            assert "gone" in caplog.text
            b.adapter.revision = revision
            assert await b.refresh()
            assert not b.enforce(*RULE[:4])

    asyncio.run(check())


def test_P18_a_stale_change_keeps_what_the_request_has_not_committed_yet(tmp_path: Path) -> None:
    """The change is tried again; the rest of the session is not undone by it."""

    async def check() -> None:
        async with enforcers(f"sqlite+aiosqlite:///{tmp_path}/x.db") as (a, b):
            await b.add_policy("u:x", *RULE[1:])
            async with a.adapter.db():
                a.adapter.db.session.add(Role(key="kept", name="kept"))
                assert await a.add_policy(*RULE)
            async with b.adapter.db():
                assert (await b.adapter.db.session.scalars(select(Role.key))).all() == ["kept"]
            assert a.has_policy("u:x", *RULE[1:])

    asyncio.run(check())


@pytest.mark.parametrize("database_url", ["aiomysql", "asyncpg", "aiosqlite"], indirect=True)
def test_P18_a_request_that_has_read_before_revokes_what_came_since(database_url: str) -> None:
    """MariaDB shows a transaction what was there at its first query."""

    async def check() -> None:
        async with enforcers(database_url) as (a, b):
            async with a.adapter.db():
                await a.adapter.db.session.scalars(select(CasbinRule))
                await b.add_policy(*RULE)
                assert await a.remove_policy(*RULE)
            await b.refresh()
            assert not b.enforce(*RULE[:4]) and not a.enforce(*RULE[:4])
            await b.load_policy()
            assert b.get_policy() == []

    asyncio.run(check())


def test_P18_a_lost_revision_is_begun_anew_and_reaches_no_old_number(tmp_path: Path) -> None:
    async def check() -> None:
        url = f"sqlite+aiosqlite:///{tmp_path}/x.db"
        async with enforcers(url) as (a, b):
            await a.add_policy("u:x", *RULE[1:])
            await b.refresh()
            engine = create_engine(synchronous_url(url))
            with engine.begin() as connection:
                connection.execute(text("DELETE FROM auth_policy_revision"))
            engine.dispose()
            assert await a.add_policy(*RULE)
            assert await b.refresh() and b.enforce(*RULE[:4])
            assert await b.remove_policy(*RULE)
            assert await a.refresh() and not a.enforce(*RULE[:4])

    asyncio.run(check())


def test_P18_a_link_that_closes_no_cycle_any_more_is_taken(tmp_path: Path) -> None:
    async def check() -> None:
        async with enforcers(f"sqlite+aiosqlite:///{tmp_path}/x.db") as (a, b):
            await a.add_grouping_policy("r:1", "r:2")
            await b.refresh()
            await a.remove_grouping_policy("r:1", "r:2")
            assert await b.add_grouping_policy("r:2", "r:1")

    asyncio.run(check())


def test_P18_a_synchronous_enforcer_follows_too(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    a, b = database(url), database(url)
    CasbinRule.metadata.create_all(a.engine)
    first, second = Enforcer(adapter=Adapter(a)), Enforcer(adapter=Adapter(b))
    second.poll_seconds = 0.0
    first.add_policy(*RULE)
    assert second.refresh() and second.enforce(*RULE[:4])
    first.remove_policy(*RULE)
    assert not second.remove_policy(*RULE)
    assert second.revision == first.revision
    for db in (a, b):
        db.engine.dispose()


@pytest.mark.parametrize("kind", [AsyncEnforcer, Enforcer])
def test_P18_auth_follows_with_either_enforcer(kind: Any, tmp_path: Path) -> None:
    """The decisions of Auth, asked in one process, after changes in another."""

    async def check() -> None:
        url = f"sqlite:///{tmp_path}/x.db"
        here, elsewhere = database(url), database(url)
        CasbinRule.metadata.create_all(here.engine)
        enforcer = kind(adapter=Adapter(here))
        await resolved(enforcer.load_policy())
        enforcer.poll_seconds = 0.0
        auth = Auth(here, enforcer=enforcer)
        other = Enforcer(adapter=Adapter(elsewhere))
        assert not await auth.has_role_for_user("al", "x")
        other.add_grouping_policy("u:al", "r:x")
        assert await auth.has_role_for_user("al", "x")
        other.remove_grouping_policy("u:al", "r:x")
        assert not await auth.has_role_for_user("al", "x")
        for db in (here, elsewhere):
            db.engine.dispose()

    asyncio.run(check())


def test_a_database_without_the_revision_table_gets_it(tmp_path: Path) -> None:
    """As one that the original wrote."""

    async def check() -> None:
        url = f"sqlite+aiosqlite:///{tmp_path}/x.db"
        async with enforcers(url, 1):
            pass
        engine = create_engine(synchronous_url(url))
        with engine.begin() as connection:
            connection.execute(text("DROP TABLE auth_policy_revision"))
        db = database(url)
        enforcer = AsyncEnforcer(adapter=Adapter(db))
        assert await enforcer.add_policy(*RULE)
        await enforcer.load_policy()
        assert enforcer.revision is not None
        assert enforcer.enforce(*RULE[:4])
        await db.engine.dispose()
        engine.dispose()

    asyncio.run(check())


# --- real servers


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(url: str, tmp_path: Path, push: str = "", count: int = 4) -> Iterator[tuple[str, set[int]]]:
    """``worker_app`` under uvicorn; the address and the workers, as soon as all of them answer."""
    port = free_port()
    environment = {**os.environ, "FUA_WORKER_URL": url, "FUA_WORKER_PUSH": push, "PYTHONPATH": str(HERE)}
    command = [sys.executable, "-m", "uvicorn", "worker_app:app", "--workers", str(count), "--port", str(port)]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            [*command, "--log-level", "warning"], env=environment, cwd=tmp_path, stdout=log, stderr=log
        )
        try:
            address = f"http://127.0.0.1:{port}"
            yield address, wait_for_workers(address, count, tmp_path / "log")
        finally:
            end(server)


def answers(address: str, path: str = "/may") -> dict[str, Any]:
    return dict(httpx.get(address + path, headers={"connection": "close"}, timeout=20).json())


def wait_for_workers(address: str, count: int, log: Path) -> set[int]:
    seen: set[int] = set()
    deadline = time.monotonic() + 60
    while len(seen) < count:
        assert time.monotonic() < deadline, (seen, log.read_text())
        try:
            seen.add(answers(address)["pid"])
        except httpx.TransportError:
            time.sleep(0.1)
    return seen


def assert_all_say(address: str, workers: set[int], expected: bool) -> None:
    """From now on: every answer of every worker."""
    seen: set[int] = set()
    deadline = time.monotonic() + 20
    while seen != workers and time.monotonic() < deadline:
        answer = answers(address)
        assert answer["allowed"] is expected
        seen.add(answer["pid"])
    assert seen == workers


@pytest.mark.parametrize("database_url", ["asyncpg", "aiosqlite", "aiomysql"], indirect=True)
def test_P18_four_workers_start_at_once_on_an_empty_database_and_agree_within_a_second(
    database_url: str, tmp_path: Path
) -> None:
    with served(database_url, tmp_path) as (address, workers):
        engine = create_engine(synchronous_url(database_url))
        with engine.connect() as connection:
            count = {model: connection.scalar(select(func.count()).select_from(model)) for model in (User, Role)}
            rows = connection.execute(select(CasbinRule.ptype, CasbinRule.v0, CasbinRule.v1)).all()
        engine.dispose()
        assert count == {User: 2, Role: 2}
        assert len(set(rows)) == len(rows) > 4
        for change, expected in (("add", True), ("remove", False), ("add", True), ("remove", False)):
            assert httpx.post(f"{address}/{change}").json()["changed"]
            time.sleep(1.0)
            assert_all_say(address, workers, expected)
    assert "Traceback" not in (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    ("database_url", "push"),
    [("asyncpg", "postgres"), ("psycopg_async", "postgres"), ("asyncpg", "redis")],
    indirect=["database_url"],
)
def test_P18_pushed_changes_are_seen_without_asking(database_url: str, push: str, tmp_path: Path) -> None:
    if push == "redis":
        need_redis()
    with served(database_url, tmp_path, push, count=2) as (address, workers):
        for change, expected in (("add", True), ("remove", False)):
            assert httpx.post(f"{address}/{change}").json()["changed"]
            time.sleep(0.5)
            assert_all_say(address, workers, expected)


# --- watchers


def need_redis() -> None:
    import redis

    try:
        redis.Redis().ping()
    except redis.RedisError as error:
        pytest.skip(f"no Redis server: {error}")


def make_redis() -> PushWatcher:
    from redis.asyncio import Redis

    need_redis()
    return RedisWatcher(Redis(), channel=f"fua_test_{os.getpid()}", retry_seconds=0.2)


async def until(condition: Callable[[], Any]) -> None:
    for _ in range(200):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not happen")


@pytest.mark.parametrize("database_url", ["asyncpg", "psycopg_async"], indirect=True)
@pytest.mark.parametrize("kind", ["redis", "postgres"])
def test_P19_a_push_reaches_the_others_and_not_its_sender(kind: str, database_url: str) -> None:
    async def check() -> None:
        async with enforcers(database_url) as (a, b):
            heard: list[str] = []
            watchers = []
            for name, enforcer in (("a", a), ("b", b)):
                enforcer.poll_seconds = 3600.0
                watcher = make_redis() if kind == "redis" else PostgresWatcher(database_url, retry_seconds=0.2)
                enforcer.set_watcher(watcher)
                refresh = watcher.callback
                assert refresh is not None

                async def called(name: str = name, refresh: Any = refresh) -> None:
                    heard.append(name)
                    await refresh()

                await watcher.start()
                watcher.set_update_callback(called)
                watchers.append(watcher)
            await a.add_policy(*RULE)
            await until(lambda: b.enforce(*RULE[:4]))
            assert heard == ["b"]
            assert not await a.add_policy(*RULE)
            await b.remove_policy(*RULE)
            await until(lambda: not a.enforce(*RULE[:4]))
            assert heard == ["b", "a"]

            # a lost connection is made anew, and what was missed meanwhile is caught up with
            if kind == "postgres":
                engine = create_engine(synchronous_url(database_url), isolation_level="AUTOCOMMIT")
                with engine.connect() as connection:
                    connection.execute(
                        text(
                            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                            "AND pid <> pg_backend_pid() AND query ILIKE 'LISTEN%'"
                        )
                    )
                engine.dispose()
                b.watcher.set_update_callback(refresh)
                await a.add_policy("u:missed", *RULE[1:])
                await until(lambda: b.enforce("u:missed", *RULE[1:4]))
            for watcher in watchers:
                await watcher.close()
                if kind == "redis":
                    client: Any = watcher.redis  # type: ignore[attr-defined]
                    await getattr(client, "aclose", client.close)()

    asyncio.run(check())


def test_P19_a_watcher_that_cannot_tell_loses_nothing(tmp_path: Path, caplog: Any) -> None:
    async def check() -> None:
        from redis.asyncio import Redis

        async with enforcers(f"sqlite+aiosqlite:///{tmp_path}/x.db") as (a, b):
            watcher = RedisWatcher(Redis(port=free_port(), retry=None), retry_seconds=0.1)
            a.set_watcher(watcher)
            await watcher.start()
            assert await a.add_policy(*RULE)
            assert await b.refresh() and b.enforce(*RULE[:4])
            await until(lambda: "not listening" in caplog.text)
            await watcher.close()
        assert "were not told" in caplog.text

    asyncio.run(check())


def test_P19_a_watcher_closes_whatever_its_client_makes_of_it() -> None:
    """Some answer a cancellation with an error of their own."""

    class Rude(PushWatcher):
        @asynccontextmanager
        async def _messages(self) -> AsyncIterator[Any]:
            try:
                yield self.forever()
            except asyncio.CancelledError:
                raise AttributeError("aclose") from None

        async def forever(self) -> AsyncIterator[str]:
            while True:
                await asyncio.sleep(3600)
                yield ""

    async def check() -> None:
        watcher = Rude("channel", retry_seconds=3600)
        await watcher.start()
        for _ in range(2):
            await asyncio.wait_for(watcher.close(), 5)
        await watcher.start()
        await asyncio.wait_for(watcher.close(), 5)

    asyncio.run(check())


def test_the_postgres_watcher_refuses_other_databases() -> None:
    for url in ("sqlite:///x.db", "postgresql+pg8000://localhost/x"):
        with pytest.raises(ValueError):
            PostgresWatcher(url)
