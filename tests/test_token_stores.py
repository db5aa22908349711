"""Token stores: how long tokens live, what ends them, what a look into the storage gives away, and outages."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from app_for_tests import UA, Client
from conftest import MIXED_DRIVERS
from fastapi.testclient import TestClient
from gate import Gate
from pydantic import BaseModel, SecretStr
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy_database import AsyncDatabase

from fastapi_user_auth_c.auth import Auth
from fastapi_user_auth_c.auth import revocations as revocations_module
from fastapi_user_auth_c.auth.backends import db as db_backend
from fastapi_user_auth_c.auth.backends.base import BaseTokenStore
from fastapi_user_auth_c.auth.backends.db import DbTokenStore, TokenStoreModel
from fastapi_user_auth_c.auth.backends.jwt import JwtTokenStore
from fastapi_user_auth_c.auth.backends.redis import RedisTokenStore
from fastapi_user_auth_c.auth.models import User
from fastapi_user_auth_c.auth.revocations import DbRevocations, RedisRevocations, end_tokens
from fastapi_user_auth_c.auth.schemas import BaseTokenData, UserLoginOut
from fastapi_user_auth_c.db import open_database, run_committed

KEY = "k" * 32
SOME = ["aiosqlite", "asyncpg"]
STORES = pytest.mark.parametrize(  # those that are in Redis on one database alone
    ("store_options", "database_url"),
    [
        *((store, driver) for store in ("db", "jwt") for driver in MIXED_DRIVERS),
        ("jwt and redis", "aiosqlite"),
        ("redis", "asyncpg"),
    ],
    indirect=True,
)


def redis_client(port: int = 6379) -> Any:
    redis = pytest.importorskip("redis.asyncio")
    import socket

    try:
        socket.create_connection(("127.0.0.1", 6379), 1).close()
    except OSError as error:
        pytest.skip(f"no Redis server: {error}")
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    return redis.Redis(port=port, socket_timeout=2, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0))


@pytest.fixture(params=["db", "jwt", "jwt and redis", "redis"])
def store_options(request: pytest.FixtureRequest) -> Callable[[], dict[str, Any]]:
    """Options of an ``Auth`` on a database of its own; the same for each process."""
    prefix = f"auth:test:{os.getpid()}:{time.time_ns()}"

    def options() -> dict[str, Any]:
        if request.param == "db":
            return {}  # the default
        if request.param == "jwt":
            return {"token_store": JwtTokenStore(KEY)}
        if request.param == "redis":
            return {"token_store": RedisTokenStore(redis_client())}
        return {"token_store": JwtTokenStore(KEY), "revocations": RedisRevocations(redis_client(), key=f"{{{prefix}}}")}

    return options


def change(app: Any, client: TestClient, name: str, **values: Any) -> None:
    """Change the account of that name behind the back of the site; no values: delete it."""

    def work(session: Any) -> None:
        user = session.scalar(select(User).where(User.username == name))
        if not values:
            session.delete(user)
        for key, value in values.items():
            setattr(user, key, value)

    client.portal.call(run_committed, app.state.site.auth.db, work)


def make_user(app: Any, client: TestClient, name: str, user_id: Any = None) -> None:
    hashed = app.state.site.auth.get_password_hash(name)

    def work(session: Any) -> None:
        session.add(User(id=user_id, username=name, password=SecretStr(hashed)))

    client.portal.call(run_committed, app.state.site.auth.db, work)


def is_let_in(who: Client) -> bool:
    answer = who("GET", "/sync")
    assert answer.status_code in (200, 403), (answer.status_code, answer.text)
    return bool(answer.status_code == 200)


# -- T1: life ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def zone() -> Iterator[Callable[[str], None]]:
    before = os.environ.get("TZ")

    def set_zone(name: str | None) -> None:
        os.environ.pop("TZ", None)
        if name is not None:
            os.environ["TZ"] = name
        time.tzset()

    yield set_zone  # type: ignore[misc]
    set_zone(before)


@pytest.mark.parametrize("name", ["America/Los_Angeles", "Asia/Shanghai", "UTC"])
def test_T1_a_jwt_lives_an_hour_wherever_it_is_made(name: str, zone: Callable[[str], None]) -> None:
    zone(name)
    store: Any = JwtTokenStore(KEY, expire_seconds=3600)
    before = int(time.time())
    token = asyncio.run(store.write_token({"id": 1, "username": "root"}))
    claims = store.decode(token)
    assert before <= claims["iat"] <= time.time() and claims["exp"] - claims["iat"] == 3600
    assert store._codec.decode(token, now=claims["exp"] - 1)
    with pytest.raises(ValueError):
        store._codec.decode(token, now=claims["exp"])


@pytest.mark.parametrize("database_url", SOME, indirect=True)
@pytest.mark.parametrize("name", ["America/Los_Angeles", "Asia/Shanghai"])
def test_T1_a_stored_token_lives_an_hour_over_a_clock_change(
    name: str, zone: Callable[[str], None], database_url: str, tmp_path: Any, monkeypatch: Any
) -> None:
    zone(name)
    (tmp_path / "test.db").touch()
    start = 1793521800.0  # half an hour before daylight saving time ends in Los Angeles, 2026-11-01 09:00 UTC
    now = [start]
    clock = SimpleNamespace(time=lambda: now[0], monotonic=time.monotonic)
    monkeypatch.setattr(db_backend, "time", clock)

    async def main() -> None:
        db = open_database(database_url)
        await db.async_run_sync(User.metadata.create_all, is_session=False)
        store: Any = DbTokenStore(db, expire_seconds=3600)
        token = await store.write_token({"id": 1, "username": "root"})
        for later, alive in ((0, True), (3599, True), (3600, False), (10, False)):  # read too late it is gone
            now[0] = start + later
            assert (await store.read_token(token) is not None) is alive, later
        await db.engine.dispose()

    asyncio.run(main())


@pytest.mark.parametrize("seconds", [0, -1, True, 1.5, "60", float("nan")])
def test_a_life_that_is_none_is_refused(seconds: Any) -> None:
    for make in (
        lambda: JwtTokenStore(KEY, expire_seconds=seconds),
        lambda: DbTokenStore(SimpleNamespace(), expire_seconds=seconds),  # type: ignore[arg-type]
        lambda: RedisTokenStore(SimpleNamespace(), expire_seconds=seconds),  # type: ignore[arg-type]
    ):
        with pytest.raises(ValueError, match="expire_seconds"):
            make()


def test_tokens_without_an_end(make_app: Callable[..., Any], database_url: str) -> None:
    app = make_app(database_url, token_store=JwtTokenStore(KEY, expire_seconds=None))
    with TestClient(app) as client:
        root = Client(client, "root")
        assert is_let_in(root)
        assert "exp" not in app.state.site.auth.backend.token_store.decode(root.headers["Authorization"][7:])
        root("GET", "/admin/auth/logout")
        assert not is_let_in(root)

    async def main() -> None:
        client = redis_client()
        store: Any = RedisTokenStore(client, expire_seconds=None)
        token = await store.write_token({"id": 1, "username": "root"})
        assert await client.ttl(store.get_key(token)) == -1
        await store.destroy_token(token)
        await client.close()

    asyncio.run(main())


# -- T2, T3: what ends tokens -----------------------------------------------------------------------------------------


@STORES
def test_T2_tokens_end_with_their_account(
    make_app: Callable[..., Any], database_url: str, store_options: Callable[[], dict[str, Any]]
) -> None:
    app = make_app(database_url, **store_options())
    auth = app.state.site.auth
    with TestClient(app) as client:
        for name in ("quit", "gone", "removed", "changed", "again", "renamed", "empty"):
            make_user(app, client, name)
        people = {name: Client(client, name) for name in ("quit", "gone", "removed", "changed", "again", "renamed")}
        change(app, client, "empty", password=SecretStr(""))  # logs in by other means
        for_empty = client.portal.call(_token_of, auth, "empty")
        people["empty"] = Client(client)
        people["empty"].headers = {"Authorization": f"bearer {for_empty}"}
        assert all(is_let_in(who) for who in people.values())

        change(app, client, "quit", is_active=False)
        change(app, client, "gone", delete_time=datetime.now())
        change(app, client, "removed")
        change(app, client, "changed", password=SecretStr(auth.get_password_hash("changed")))  # the same word again
        change(app, client, "renamed", username="other")
        for name in ("again", "empty"):
            user_id = client.portal.call(_user, auth, name).id
            change(app, client, name)
            make_user(app, client, name, user_id)
        change(app, client, "empty", password=SecretStr(""), create_time=datetime.now() + timedelta(seconds=5))
        assert [name for name, who in people.items() if is_let_in(who)] == []
        assert is_let_in(Client(client, "changed")) and is_let_in(Client(client, "again"))


async def _user(auth: Auth[Any], name: str) -> Any:
    from fastapi_user_auth_c.db import run_read

    return await run_read(auth.db, lambda session: session.scalar(select(User).where(User.username == name)))


async def _token_of(auth: Auth[Any], name: str) -> str:
    return await auth.backend.token_store.write_token((await _user(auth, name)).model_dump())


@pytest.mark.parametrize("database_url", SOME, indirect=True)
def test_T3_a_token_ends_with_logout_in_all_processes(
    make_app: Callable[..., Any], database_url: str, store_options: Callable[[], dict[str, Any]]
) -> None:
    first, second = make_app(database_url, **store_options()), make_app(database_url, **store_options())
    with TestClient(first) as client, TestClient(second) as other:
        root, phone = Client(client, "root"), Client(client, "root")
        elsewhere = Client(other)
        elsewhere.headers = root.headers
        assert is_let_in(root) and is_let_in(elsewhere) and is_let_in(phone)
        assert root("GET", "/admin/auth/logout").status_code == 307
        assert not is_let_in(root)
        deadline = time.monotonic() + 1.5
        while is_let_in(elsewhere) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not is_let_in(elsewhere) and is_let_in(phone)
        assert is_let_in(Client(client, "root"))


@STORES
def test_T3_log_out_everywhere(
    make_app: Callable[..., Any], database_url: str, store_options: Callable[[], dict[str, Any]]
) -> None:
    first, second = make_app(database_url, **store_options()), make_app(database_url, **store_options())
    with TestClient(first) as client, TestClient(second) as other:
        admin, root = Client(client, "admin"), Client(client, "root")
        devices = [Client(client, "root"), Client(other, "root"), root]
        assert all(is_let_in(who) for who in devices)
        answer = root("POST", "/admin/auth/logout_everywhere")
        assert answer.status_code == 200 and answer.json()["status"] == 0
        assert "Authorization=" in answer.headers["set-cookie"]
        assert not is_let_in(devices[0]) and not is_let_in(root)
        # whoever logs in again at once stays in, whichever process answers
        again = [Client(other, "root"), Client(client, "root")]
        assert all(is_let_in(who) for who in again)
        assert not is_let_in(devices[1])  # that process has asked since
        assert is_let_in(admin)
        assert Client(client)("POST", "/admin/auth/logout_everywhere").status_code == 403


@pytest.mark.parametrize("database_url", SOME, indirect=True)
def test_a_login_link_has_ended_in_all_processes_at_once(make_app: Callable[..., Any], database_url: str) -> None:
    """Who came in by it a moment later, where nobody knows of its end yet, would have a token that lives on."""
    first, second = (make_app(database_url, token_store=JwtTokenStore(KEY)) for _ in range(2))
    with TestClient(first) as client, TestClient(second) as other:
        root, there = Client(client, "root"), Client(other, "root")
        user_id = client.portal.call(_user, first.state.site.auth, "admin").id
        link = root.act(UA, "CopyUserAuthLinkAction", user_id, {}).json()["data"]["auth_url"]
        assert is_let_in(there)  # the other process has just asked what has ended
        client.portal.call(first.state.site.auth.logout_everywhere, user_id)
        answer = other.post(
            "/admin/login_by_token", data={"token": link.partition("token=")[2]}, follow_redirects=False
        )
        assert answer.status_code == 403


@pytest.mark.parametrize("everybody", [False, True])
def test_login_links_end_with_the_tokens(make_app: Callable[..., Any], database_url: str, everybody: bool) -> None:
    app = make_app(database_url, token_store=JwtTokenStore(KEY))
    auth = app.state.site.auth
    with TestClient(app) as client:
        root = Client(client, "root")
        ids = {name: client.portal.call(_user, auth, name).id for name in ("root", "admin")}
        links = {
            name: root.act(UA, "CopyUserAuthLinkAction", each, {}).json()["data"]["auth_url"]
            for name, each in ids.items()
        }
        if everybody:
            client.portal.call(auth.logout_everybody)
        else:
            client.portal.call(auth.logout_everywhere, ids["admin"])

        def use(name: str) -> int:
            code = links[name].partition("token=")[2]
            return client.post("/admin/login_by_token", data={"token": code}, follow_redirects=False).status_code

        assert use("admin") == 403
        assert use("root") == (403 if everybody else 303)


def test_others_are_logged_out_by_those_who_may(make_app: Callable[..., Any], database_url: str) -> None:
    app = make_app(database_url, token_store=JwtTokenStore(KEY))
    enforcer = app.state.site.auth.enforcer
    with TestClient(app) as client:
        make_user(app, client, "bob")
        bob, admin, root = Client(client, "bob"), Client(client, "admin"), Client(client, "root")
        ids = {name: client.portal.call(_user, app.state.site.auth, name).id for name in ("bob", "admin", "root")}
        act = "LogoutEverywhereAction"
        assert bob.act(UA, act, ids["admin"], {}).status_code in (307, 401, 403)
        assert admin.act(UA, act, ids["bob"], {}).status_code in (307, 401, 403)
        page = "Auth>UserAdmin"
        rules = [["u:admin", page, name, "page", "allow"] for name in ("page", "page:logout_everywhere")]
        client.portal.call(enforcer.add_policies, rules)
        assert admin.act(UA, act, ids["root"], {}).status_code == 403 and is_let_in(root)
        for bad, status in (("x", 422), (10**30, 422), (99999, 404)):
            assert admin.act(UA, act, bad, {}).status_code == status, bad  # type: ignore[arg-type]
        assert admin.act(UA, act, ids["bob"], {}).json()["status"] == 0
        assert not is_let_in(bob) and is_let_in(admin)
        assert admin.act(UA, act, ids["admin"], {}).json()["status"] == 0
        assert not is_let_in(admin) and is_let_in(root)


@pytest.mark.parametrize("database_url", MIXED_DRIVERS, indirect=True)
def test_what_ended_is_known_in_order_and_forgotten_in_time(database_url: str, tmp_path: Any) -> None:
    (tmp_path / "test.db").touch()

    async def main() -> None:
        db = open_database(database_url)
        many = [DbRevocations(db, poll_seconds=0) for _ in range(6)]
        reader = DbRevocations(db, poll_seconds=0)
        soon = time.time() - 5  # over already: the next entry takes it out
        seen: set[str] = set()

        async def end(who: DbRevocations, number: int) -> None:
            for i in range(8):
                await who.end(f"t:{number}-{i}", time.time() + 100)

        async def read() -> None:
            while len(seen) < 48:
                await reader.refresh()
                for name in (f"t:{number}-{i}" for number in range(6) for i in range(8)):
                    if reader.has_ended(name):
                        seen.add(name)

        await asyncio.wait_for(asyncio.gather(read(), *(end(who, n) for n, who in enumerate(many))), 60)
        assert len(seen) == 48 and len(set(await _numbers(db))) == 48 + 1  # and the counter
        await many[0].end("t:over", soon)
        await many[0].end("u:1", None)
        await many[0].end("t:last", time.time() + 100)
        names = await _names(db)
        assert "t:over" not in names and {"u:1", "t:last"} <= names
        fresh = DbRevocations(db, poll_seconds=0)
        last = await fresh.revision()
        assert fresh.has_ended("u:1", 5) and not fresh.has_ended("u:1", last)
        await _closed(db)

    asyncio.run(main())


async def _rows(db: Any) -> list[Any]:
    from fastapi_user_auth_c.db import run_apart

    return await run_apart(db, lambda session: list(session.execute(text("select * from auth_token_revocation"))))


async def _numbers(db: Any) -> list[int]:
    return [row.number for row in await _rows(db)]


async def _names(db: Any) -> set[str]:
    return {row.name for row in await _rows(db)}


async def _closed(db: Any) -> None:
    from fastapi_user_auth_c.db import close_database

    await close_database(db)


def test_memory_forgets_what_is_over(monkeypatch: Any) -> None:
    from fastapi_user_auth_c.auth import revocations

    class Listed(revocations.Revocations):
        async def _since(self, number: int) -> list[revocations.Entry]:
            return [(number + 1, f"t:{number}", int(time.time()) - 1 if number % 2 else None)]

        async def _append(self, name: str, expires: int | None) -> int:
            return 10**9

    monkeypatch.setattr(revocations, "CLEAN_SECONDS", 0.0)

    async def main() -> None:
        listed = Listed(poll_seconds=0)
        for _ in range(50):
            await listed.refresh()
        assert len(listed._ended) <= 26

    asyncio.run(main())


def test_what_redis_forgot_is_numbered_on() -> None:
    async def main() -> None:
        client = redis_client()
        key = f"{{auth:test:{time.time_ns()}}}"
        try:
            one, two = (RedisRevocations(client, poll_seconds=0, key=key) for _ in range(2))
            await one.end("u:1", None)
            before = await two.revision()
            assert two.has_ended("u:1", before - 1) and not two.has_ended("u:1", before)
            await client.delete(*one._keys)  # a restart without persistence
            await asyncio.sleep(0.01)
            await one.end("u:2", None)
            await two.refresh()
            assert two.has_ended("u:2", before), "a process that had seen higher numbers sees the new ones"
            await one.end("t:over", time.time() - 10)
            await one.end("t:last", time.time() + 10)  # takes out what is over
            assert [entry.decode().split()[0] for entry in await client.zrange(key, 0, -1)] == ["u:2", "t:last"]
        finally:
            await client.delete(*one._keys)
            await client.close()

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["db", "redis"])
def test_storage_that_was_set_back_goes_on_above(database_url: str, tmp_path: Any, kind: str) -> None:
    (tmp_path / "test.db").touch()

    async def main() -> None:
        db, client = open_database(database_url), redis_client()
        key = f"{{auth:test:{time.time_ns()}}}"

        def process() -> Any:
            return RedisRevocations(client, 0, key) if kind == "redis" else DbRevocations(db, 0)

        one, two = process(), process()
        for i in range(20):
            await one.end(f"u:{i}", None)
        await two.refresh()
        if kind == "redis":
            await client.set(f"{key}:last", two._last - 10)
            await client.zremrangebyscore(key, two._last - 9, "+inf")
        else:
            from fastapi_user_auth_c.db import run_apart

            for statement in (
                "update auth_token_revocation set expires = expires - 10 where number = 0",
                f"delete from auth_token_revocation where number > {two._last - 10}",
            ):
                await run_apart(db, lambda s, t=statement: (s.execute(text(t)), s.commit()))
        await asyncio.sleep(0.1)  # numbers are not ahead of the milliseconds, unless a thousand end in a second
        await one.end("t:new", None)
        await two.refresh()
        assert two.has_ended("t:new")
        await client.delete(key, f"{key}:expires", f"{key}:last")
        await client.close()
        await _closed(db)

    asyncio.run(main())


def test_what_ended_is_known_as_long_as_leeway_lets_it_live() -> None:
    class Listed(revocations_module.Revocations):
        def __init__(self) -> None:
            super().__init__()
            self.until: list[Any] = []

        async def _since(self, number: int) -> list[revocations_module.Entry]:
            return []

        async def _append(self, name: str, expires: int | None) -> int:
            self.until.append(expires)
            return 1

    async def main() -> None:
        store: Any = JwtTokenStore(KEY, expire_seconds=10, leeway=500)
        store.revocations = listed = Listed()
        await store.destroy_token(await store.write_token({"id": 1, "username": "root"}))
        assert listed.until[0] >= time.time() + 10 + 500 + 3000, "clocks of other machines may be ahead"

    asyncio.run(main())


def test_a_file_is_no_database_in_memory(tmp_path: Any) -> None:
    from sqlalchemy.pool import StaticPool

    from fastapi_user_auth_c.db import is_private

    (tmp_path / "t.db").touch()
    for url, private in (
        (f"sqlite+aiosqlite:///{tmp_path}/t.db", False), ("sqlite+aiosqlite://", True),
        ("sqlite+aiosqlite:///:memory:", True), ("sqlite+aiosqlite:///file:x?mode=memory&uri=true", True),
    ):  # fmt: skip
        assert is_private(AsyncDatabase(create_async_engine(url, poolclass=StaticPool))) is private, url


@pytest.mark.parametrize("database_url", ["asyncpg", "psycopg", "aiomysql"], indirect=True)
def test_two_logins_while_the_hash_is_replaced(make_app: Callable[..., Any], database_url: str) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from fastapi_user_auth_c.passwords import PasswordHasher

    app = make_app(database_url)
    with TestClient(app) as client:
        change(app, client, "root", password=SecretStr(PasswordHasher(bcrypt_rounds=5).hash("root")))
        app.state.site.auth.pwd_context = PasswordHasher(bcrypt_rounds=9)
        body = {"username": "root", "password": "root"}

        def log_in(_: int) -> str:
            out = client.post("/admin/auth/gettoken", data=body).json()
            return str(out["data"]["access_token"])

        with ThreadPoolExecutor(4) as pool:
            tokens = list(pool.map(log_in, range(4)))
        client.cookies.clear()
        for token in tokens:
            assert client.get("/sync", headers={"Authorization": f"bearer {token}"}).status_code == 200


def test_the_site_ends_tokens_for_good(make_app: Callable[..., Any], database_url: str) -> None:
    """Those of an account that was switched off do not come back with it, nor do those without the hash."""
    app = make_app(database_url, token_store=JwtTokenStore(KEY))
    with TestClient(app) as client:
        root = Client(client, "root")
        make_user(app, client, "bob")
        bob_id = client.portal.call(_user, app.state.site.auth, "bob").id
        old = Client(client, "bob")
        assert root("PUT", f"{UA}/item/{bob_id}", {"is_active": False}).json()["status"] == 0
        assert not is_let_in(old)
        assert root("PUT", f"{UA}/item/{bob_id}", {"is_active": True}).json()["status"] == 0
        assert not is_let_in(old)
        unbound = Client(client)
        store = app.state.site.auth.backend.token_store
        token = client.portal.call(store.write_token, {"id": bob_id, "username": "bob"})
        unbound.headers = {"Authorization": f"bearer {token}"}
        assert is_let_in(unbound)
        assert root("PUT", f"{UA}/item/{bob_id}", {"nickname": "Bobby"}).json()["status"] == 0
        assert is_let_in(unbound)
        assert root("PUT", f"{UA}/item/{bob_id}", {"password": "another one"}).json()["status"] == 0
        assert not is_let_in(unbound)


@pytest.mark.parametrize("database_url", ["asyncpg", "psycopg"], indirect=True)
def test_requests_with_a_connection_do_not_wait_for_each_other(make_app: Callable[..., Any], database_url: str) -> None:
    """A dependency that reads before anybody asks who is calling, in more requests at once than the pool has."""
    from concurrent.futures import ThreadPoolExecutor

    from fastapi import Depends

    app = make_app(database_url, token_store=JwtTokenStore(KEY))
    auth = app.state.site.auth

    async def reads_first() -> None:
        await auth.db.async_execute(select(User.id))

    @app.get("/late", dependencies=[Depends(reads_first), Depends(auth.requires()())])
    async def late() -> Any:
        return {}

    with TestClient(app) as client:
        auth.enforcer.poll_seconds = 0.01
        root = Client(client, "root")
        auth.revocations.poll_seconds = 0.01
        start = time.monotonic()
        with ThreadPoolExecutor(24) as pool:
            answers = list(pool.map(lambda _: client.get("/late", headers=root.headers).status_code, range(72)))
        assert set(answers) == {200} and time.monotonic() - start < 20


# -- T12: what is stored ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("database_url", MIXED_DRIVERS, indirect=True)
def test_T12_tokens_are_stored_hashed_and_purged(make_app: Callable[..., Any], database_url: str) -> None:
    app = make_app(database_url)
    auth = app.state.site.auth
    store = auth.backend.token_store

    def rows(session: Any) -> list[Any]:
        return list(session.execute(select(TokenStoreModel.token, TokenStoreModel.data)))

    with TestClient(app) as client:
        root = Client(client, "root")
        token = root.headers["Authorization"][7:]
        (stored,) = client.portal.call(run_committed, auth.db, rows)
        assert token not in str(stored) and "password" not in stored.data
        thief = Client(client)
        for found in (stored.token, stored.token[2:], stored.token.lower()):
            thief.headers = {"Authorization": f"bearer {found}"}
            assert not is_let_in(thief), found
        thief.headers = {"Authorization": f"bearer {token.swapcase()}"}
        assert not is_let_in(thief)

        # rows of the original: the token itself, no expiry, the local time of creation
        def as_the_original(session: Any) -> None:
            for name, days in (("old" * 14, 2.9), ("over" * 10, 3.1), ("OLDER" * 8, 10)):
                made = datetime.now() - timedelta(days=days)
                session.add(TokenStoreModel(token=name, data='{"id": 2, "username": "root"}', create_time=made))

        client.portal.call(run_committed, auth.db, as_the_original)
        old = Client(client)
        for name, good in (("old" * 14, True), ("OLD" * 14, False), ("over" * 10, False), ("nobody", False)):
            old.headers = {"Authorization": f"bearer {name}"}
            assert is_let_in(old) is good, name
        assert client.portal.call(store.purge) == 1  # the other was removed when it was presented
        assert client.portal.call(store.purge) == 0
        assert {row.token for row in client.portal.call(run_committed, auth.db, rows)} == {"old" * 14, stored.token}

        # a login purges too, now and then
        client.portal.call(run_committed, auth.db, as_the_original_again)
        store._next_purge = 0.0
        Client(client, "root")
        left = {row.token for row in client.portal.call(run_committed, auth.db, rows)}
        assert "a" * 40 not in left and len(left) == 3


def as_the_original_again(session: Any) -> None:
    session.add(TokenStoreModel(token="a" * 40, data="{}", create_time=datetime.now() - timedelta(days=9)))


def test_T12_redis_has_no_usable_token() -> None:
    async def main() -> None:
        client = redis_client()
        store: Any = RedisTokenStore(client, expire_seconds=100)
        token = await store.write_token({"id": 1, "username": "root", "password": SecretStr("x")})
        assert (await store.read_token(token)).username == "root"
        key = store.get_key(token)
        assert token not in key and 0 < await client.ttl(key) <= 100
        assert b"password" not in await client.get(key) and token.encode() not in await client.get(key)
        for found in (key.removeprefix("auth:token:"), key.rpartition(":")[2]):
            assert await store.read_token(found) is None
        await client.set("auth:token:" + "old" * 14, '{"id": 1, "username": "root"}', ex=10)  # of the original
        assert (await store.read_token("old" * 14)).id == 1
        await client.set("auth:token:" + "odd" * 14, "no JSON", ex=10)
        assert await store.read_token("odd" * 14) is None
        for each in (token, "old" * 14, "", "ä", "a b", "*"):
            await store.destroy_token(each)
            assert await store.read_token(each) is None
        await client.close()

    asyncio.run(main())


# -- T13: outages -----------------------------------------------------------------------------------------------------


@contextmanager
def _served(app: Any) -> Iterator[TestClient]:
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def _recovers(who: Client) -> bool:
    for _ in range(50):
        answer = who("GET", "/sync")
        if answer.status_code == 200:
            return True
        assert answer.status_code == 503, (answer.status_code, answer.text)
        time.sleep(0.1)
    return False


def _outage(app: Any, gate: Gate, with_middleware: bool, caplog: Any) -> None:
    if with_middleware:
        app.state.site.auth.backend.attach_middleware(app)
    with _served(app) as client:
        root = Client(client, "root")
        cookie = {"Cookie": "Authorization=bearer " + root.headers["Authorization"][7:]}
        assert is_let_in(root)
        gate.shut()
        for _ in range(2):
            time.sleep(1.05)  # until the policy and the revocations are asked for again
            for path in ("/sync", "/async", "/admin/", UA, "/admin/auth/userinfo"):
                answer = root("GET", path)
                assert answer.status_code == 503, (path, answer.status_code, answer.text)
                assert int(answer.headers["Retry-After"]) > 0
            assert root("POST", f"{UA}/list", {}).status_code == 503
            assert client.get("/free").status_code == 200
            client.cookies.clear()
            for headers in ({}, cookie, root.headers):
                page = client.get("/admin/auth/form/login", headers=headers, follow_redirects=False)
                assert page.status_code == 200 and "amis" in page.text, (headers, page.status_code, page.text)
        body = {"username": "root", "password": "root"}
        answer = client.post("/admin/auth/form/login/api", json=body)
        assert answer.status_code == 503, answer.text
        gate.open()
        token = root.headers["Authorization"][7:]
        assert token not in caplog.text and "$2b$" not in caplog.text, "the log has no secrets"
        assert _recovers(root)
        Client(client, "root")


@pytest.mark.parametrize("with_middleware", [False, True])
@pytest.mark.parametrize("database_url", ["asyncpg", "psycopg", "aiomysql"], indirect=True)
def test_T13_the_database_is_down(
    make_app: Callable[..., Any], database_url: str, with_middleware: bool, caplog: Any
) -> None:
    from sqlalchemy import make_url

    url = make_url(database_url)
    gate = Gate(url.port or 0)
    app = make_app(url.set(port=gate.port).render_as_string(hide_password=False))
    try:
        _outage(app, gate, with_middleware, caplog)
    finally:
        gate.close()


@pytest.mark.parametrize("kind", ["store", "revocations"])
@pytest.mark.parametrize("with_middleware", [False, True])
def test_T13_redis_is_down(
    make_app: Callable[..., Any], database_url: str, kind: str, with_middleware: bool, caplog: Any
) -> None:
    redis_client()
    gate = Gate(6379)
    client = redis_client(gate.port)
    if kind == "store":
        options: dict[str, Any] = {"token_store": RedisTokenStore(client)}
    else:
        key = f"{{auth:test:{time.time_ns()}}}"
        options = {"token_store": JwtTokenStore(KEY), "revocations": RedisRevocations(client, key=key)}
    try:
        _outage(make_app(database_url, **options), gate, with_middleware, caplog)
    finally:
        gate.close()


def test_T13_a_locked_database_is_an_outage_and_a_missing_table_is_none(tmp_path: Any) -> None:
    import sqlite3

    from sqlalchemy import create_engine

    from fastapi_user_auth_c.db_errors import is_outage

    file = tmp_path / "a.db"
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("create table t (x)")
    holder.execute("begin exclusive")
    engine = create_engine(f"sqlite:///{file}", connect_args={"timeout": 0})
    errors = []
    for statement in ("select * from t", "select * from nowhere", "selec 1", "insert into t (y) values (1)"):
        try:
            with engine.connect() as connection:
                connection.execute(text(statement))
        except Exception as error:
            errors.append(error)
        if holder.in_transaction:
            holder.execute("rollback")
    assert [is_outage(error) for error in errors] == [True, False, False, False]
    assert is_outage(ConnectionRefusedError()) and not is_outage(ValueError())


# -- T14: other purposes ----------------------------------------------------------------------------------------------


def _signed(claims: dict[str, Any], head: dict[str, Any], key: str = KEY) -> str:
    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    signed = f"{part({'alg': 'HS256', **head})}.{part(claims)}"
    mac = hmac.digest(key.encode(), signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def test_T14_a_token_of_another_purpose_is_no_login() -> None:
    claims = {"id": 1, "username": "root", "exp": int(time.time()) + 50}

    def read(store: Any, token: str) -> Any:
        return asyncio.run(store.read_token(token))

    store = JwtTokenStore(KEY)
    assert read(store, _signed(claims, {"typ": "login+jwt"})).id == 1
    for head in ({}, {"typ": "JWT"}, {"typ": "reset+jwt"}, {"typ": None}, {"typ": ["login+jwt"]}):
        assert read(store, _signed(claims, head)) is None, head
    assert read(store, _signed({**claims, "aud": "reset"}, {"typ": "login+jwt"})) is None
    of_the_original = JwtTokenStore(KEY, typ="JWT")
    assert read(of_the_original, _signed(claims, {"typ": "JWT"})).id == 1
    bound = JwtTokenStore(KEY, audience="site", issuer="me")
    token = asyncio.run(bound.write_token({"id": 1, "username": "root"}))
    assert read(bound, token).id == 1 and read(store, token) is None
    assert read(JwtTokenStore(KEY, audience="other", issuer="me"), token) is None


def test_keys_change_without_logging_anybody_out(make_app: Callable[..., Any], database_url: str) -> None:
    from fastapi_user_auth_c.tokens import TokenKey

    old, new = TokenKey("o" * 32, kid="2025"), TokenKey("n" * 32, kid="2026")
    with TestClient(make_app(database_url, token_store=JwtTokenStore(old))) as client:
        root = Client(client, "root")
    for store, good in ((JwtTokenStore(new, other_keys=[old]), True), (JwtTokenStore(new), False)):
        with TestClient(make_app(database_url, token_store=store)) as client:
            later = Client(client)
            later.headers = root.headers
            assert is_let_in(later) is good


def test_key_pairs_in_a_store(make_app: Callable[..., Any], database_url: str) -> None:
    ed25519 = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519")
    store: Any = JwtTokenStore(ed25519.Ed25519PrivateKey.generate(), "EdDSA")
    app = make_app(database_url, token_store=store)
    with TestClient(app) as client:
        root = Client(client, "root")
        assert is_let_in(root)
        change(app, client, "root", password=SecretStr("$2b$04$" + "a" * 53))
        assert not is_let_in(root)


# -- stores and schemas of one's own ----------------------------------------------------------------------------------


class Detailed(BaseTokenData):
    nickname: str | None = None


class Bare(BaseModel):
    id: int
    username: str


class Kept(BaseTokenStore[Any]):
    """As an application may have written one for the original."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens: dict[str, Any] = {}

    async def read_token(self, token: str) -> Any:
        return self.tokens.get(token)

    async def write_token(self, token_data: Any) -> str:
        token = hashlib.sha256(repr(token_data).encode()).hexdigest()
        self.tokens[token] = self.token_data(token_data)
        return token

    async def destroy_token(self, token: str) -> None:
        self.tokens.pop(token, None)


@pytest.mark.parametrize("schema", [Detailed, Bare])
def test_a_schema_of_ones_own(make_app: Callable[..., Any], database_url: str, schema: Any) -> None:
    app = make_app(database_url, token_store=JwtTokenStore(KEY, TokenDataSchema=schema))
    store = app.state.site.auth.backend.token_store
    with TestClient(app) as client:
        change(app, client, "root", nickname="Rootie")
        root = Client(client, "root")
        assert is_let_in(root)
        claims = store.decode(root.headers["Authorization"][7:])
        assert claims.get("nickname") == ("Rootie" if schema is Detailed else None) and "password" not in claims
        change(app, client, "root", password=SecretStr("$2b$04$" + "a" * 53))
        assert not is_let_in(root)


def test_a_store_of_ones_own(make_app: Callable[..., Any], database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    app = make_app(database_url, token_store=Kept())
    with TestClient(app) as client:
        root = Client(client, "root")
        assert is_let_in(root)
        assert root("POST", "/admin/auth/logout_everywhere").status_code == 501, (
            "it cannot tell new tokens from old ones"
        )
        assert is_let_in(root) and is_let_in(Client(client, "root"))
        assert root("PUT", f"{UA}/item/2", json={"password": "another"}).json()["status"] == 0
        assert "stay valid until they expire: this token store cannot" in caplog.text
        root = Client(client, "admin")
        change(app, client, "admin", is_active=False)
        assert not is_let_in(root)


def test_T3_tokens_of_accounts_end_whatever_their_ids_are() -> None:
    ended: list[Any] = []

    class Site:
        async def logout_everywhere(self, user: Any) -> None:
            ended.append(user)

    ids = [1, uuid.UUID(int=7), "text"]  # of the application's own user model
    asyncio.run(end_tokens(cast(Any, Site()), *ids))
    assert ended == ids


@pytest.mark.parametrize("kind", ["db", "jwt"])
def test_a_database_in_memory(make_app: Callable[..., Any], kind: str) -> None:
    options = {"token_store": JwtTokenStore(KEY)} if kind == "jwt" else {}
    with TestClient(make_app("sqlite+aiosqlite://", **options)) as client:
        root, phone = Client(client, "root"), Client(client, "root")
        assert is_let_in(root)
        root("GET", "/admin/auth/logout")
        assert not is_let_in(root) and is_let_in(phone)
        phone("POST", "/admin/auth/logout_everywhere")
        assert not is_let_in(phone) and is_let_in(Client(client, "root"))


@pytest.mark.parametrize("database_url", SOME, indirect=True)
def test_T15_the_token_of_a_login_that_replaces_the_hash_is_good(
    make_app: Callable[..., Any], database_url: str
) -> None:
    from fastapi_user_auth_c.passwords import PasswordHasher

    app = make_app(database_url)
    with TestClient(app) as client:
        change(app, client, "root", password=SecretStr(PasswordHasher(bcrypt_rounds=5).hash("root")))
        app.state.site.auth.pwd_context = PasswordHasher(bcrypt_rounds=6)
        root = Client(client, "root")
        assert is_let_in(root)
        stored = client.portal.call(_user, app.state.site.auth, "root").password.get_secret_value()
        assert stored.startswith("$2b$06$")
        again = Client(client, "root")
        assert is_let_in(again) and is_let_in(root)


def test_what_may_be_written(database_url: str, tmp_path: Any) -> None:
    """A dict, a schema object, or a user: its password hash never gets into the token."""
    user = User(id=7, username="u", password=SecretStr("secret-hash"))

    async def main() -> None:
        store: Any = JwtTokenStore(KEY)
        for data in (user, user.model_dump(), BaseTokenData(id=7, username="u"), {"id": 7, "username": "u"}):
            token = await store.write_token(data)
            info = await store.read_token(token)
            assert info.id == 7 and info.username == "u" and "secret" not in json.dumps(store.decode(token))
            bound = data is user or (isinstance(data, dict) and "password" in data)
            assert (info.bound_to is not None) is bound and store.fits(token, info, user)
            other = User(id=7, username="u", password=SecretStr("other-hash"))
            assert store.fits(token, info, other) is not bound
        first = await store.read_token(await store.write_token(user))
        masked = user.model_dump(mode="json")
        for data in (
            first,
            masked,
            user.model_dump(exclude={"password"}),
            UserLoginOut(**{**masked, "password": None}),
        ):
            token = await store.write_token(data)  # none of them has the hash
            info = await store.read_token(token)
            assert info.bound_to is None and store.fits(token, info, user), data
        with pytest.raises(ValueError):
            await store.write_token({"id": "x"})
        with pytest.raises(NotImplementedError):
            await store.destroy_token(token)  # no revocations: nobody has given it any

    asyncio.run(main())
