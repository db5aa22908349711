"""Limits on wrong passwords."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from app_for_tests import Client
from conftest import MIXED_DRIVERS
from fastapi.testclient import TestClient
from pydantic import ValidationError
from sqlalchemy import text

from fastapi_user_auth_c import throttle
from fastapi_user_auth_c.db import close_database, open_database, run_apart
from fastapi_user_auth_c.settings import AuthSettings
from fastapi_user_auth_c.throttle import DbCounters, LoginThrottle, RedisCounters, TooManyLogins


def guess(client: TestClient, name: str = "root", password: str = "wrong", path: str = "gettoken") -> Any:
    client.cookies.clear()
    body = {"username": name, "password": password}
    if path == "gettoken":
        return client.post("/admin/auth/gettoken", data=body)
    return client.post("/admin/auth/form/login/api", json=body)


def logged_in(answer: Any) -> bool:
    assert answer.status_code == 200, answer.text
    return bool(answer.json()["status"] == 0)


@pytest.mark.parametrize("database_url", MIXED_DRIVERS, indirect=True)
def test_T10_wrong_passwords_are_limited_in_all_processes(make_app: Callable[..., Any], database_url: str) -> None:
    with TestClient(make_app(database_url)) as client, TestClient(make_app(database_url)) as other:
        answers = [guess(client if i % 2 else other, path=("gettoken", "form")[i % 2]) for i in range(12)]
        assert [answer.status_code for answer in answers] == [200] * 10 + [429] * 2
        assert not any(logged_in(answer) for answer in answers[:10])
        for answer in answers[10:]:
            assert 0 < int(answer.headers["Retry-After"]) <= 900 and "later" in answer.text
        assert guess(other, password="root").status_code == 429, "the right password does not help any more"
        assert guess(client, name="ROOT ").status_code == 429, "nor does another spelling"
        assert logged_in(guess(client, "admin", "admin")), "others are not concerned"
        assert Client(other)("GET", "/free").status_code == 200


def test_T10_a_login_begins_anew(make_app: Callable[..., Any], database_url: str) -> None:
    with TestClient(make_app(database_url)) as client:
        for _ in range(3):
            assert not any(logged_in(guess(client)) for _ in range(9))
            assert logged_in(guess(client, password="root"))


def test_T10_time_heals(make_app: Callable[..., Any], database_url: str) -> None:
    limits = AuthSettings(login_attempts=1, login_window_seconds=2)
    with TestClient(make_app(database_url, settings=limits)) as client:
        assert not logged_in(guess(client)) and guess(client).status_code == 429
        deadline = time.monotonic() + 5
        while guess(client, password="root").status_code == 429 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert logged_in(guess(client, password="root"))


def test_T10_it_can_be_set_and_switched_off(
    make_app: Callable[..., Any], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LOGIN_ATTEMPTS", "LOGIN_ATTEMPTS_PER_NAME", "LOGIN_ATTEMPTS_PER_ADDRESS"):
        monkeypatch.setenv(f"USER_AUTH_{name}", "0")
    app = make_app(database_url)
    with TestClient(app) as client:
        assert {guess(client).status_code for _ in range(15)} == {200}
        db = app.state.site.auth.db
        counted = client.portal.call(run_apart, db, lambda s: s.scalar(text("select count(*) from auth_login_attempt")))
        assert counted == 0
    monkeypatch.setenv("USER_AUTH_LOGIN_ATTEMPTS_PER_ADDRESS", "4")
    with TestClient(make_app(database_url)) as client:
        answers = [guess(client, f"name{i}").status_code for i in range(6)]
        assert answers == [200] * 4 + [429] * 2, "the address, whatever the name"
    with pytest.raises(ValidationError):
        AuthSettings(login_attempts=-1)


# -- the counters -----------------------------------------------------------------------------------------------------


async def _check(first: Any, second: Any, **settings: int) -> None:
    limits = AuthSettings(login_attempts=3, login_attempts_per_name=5, login_window_seconds=60, **settings)
    one, two = LoginThrottle(first, limits), LoginThrottle(second, limits)

    async def wrong(who: LoginThrottle, name: str, address: str) -> bool:
        try:
            async with who.attempt(name, address):
                return True
        except TooManyLogins as error:
            assert 0 < int((error.headers or {})["Retry-After"]) <= 60
            return False

    async def right(who: LoginThrottle, name: str, address: str) -> None:
        async with who.attempt(name, address) as found:
            found.append(True)

    assert [await wrong(who, "al", "10.0.0.1") for who in (one, two, one, two)] == [True, True, True, False]
    assert [await wrong(one, "al", f"10.0.0.{i}") for i in (2, 3, 4)] == [True, True, False], "one name, all addresses"
    assert await wrong(two, "bo", "10.0.0.1"), "another name"
    # refused ones are not counted, and a right one counts for nobody
    for _ in range(4):
        await right(two, "cy", "10.0.0.1")
    assert [await wrong(one, "cy", "10.0.0.1") for _ in range(4)] == [True, True, True, False]
    # 40 at once: three passwords are looked at, whatever the order
    many = await asyncio.gather(*(wrong((one, two)[i % 2], "di", "10.0.0.1") for i in range(40)))
    assert sum(many) == 3
    # an IPv6 subscriber has a whole network
    v6 = [await wrong(one, "ed", f"2001:db8:1:2::{i:x}") for i in range(4)]
    assert v6 == [True, True, True, False] and await wrong(one, "ed", "2001:db8:1:3::1")
    assert not one._turns and not two._turns
    for odd in ("", "\0", "\udc80", "x" * 100_000, "名"):
        assert await wrong(one, odd, odd[:50]) in (True, False)


@pytest.mark.parametrize("database_url", MIXED_DRIVERS, indirect=True)
def test_T10_counters_in_the_database(database_url: str, tmp_path: Any) -> None:
    (tmp_path / "test.db").touch()

    async def main() -> None:
        db = open_database(database_url)
        await _check(DbCounters(db), DbCounters(db))
        rows = await run_apart(db, lambda session: list(session.execute(text("select * from auth_login_attempt"))))
        assert rows and not any("al" in row.name.split(":") for row in rows)
        # what is over goes with the next new one
        over = text("update auth_login_attempt set expires = 1")
        await run_apart(db, lambda session: (session.execute(over), session.commit()))
        assert await DbCounters(db).add(["x"], 60) == [(1, 60)]
        left = await run_apart(db, lambda s: s.scalar(text("select count(*) from auth_login_attempt")))
        assert left == 1
        await close_database(db)

    asyncio.run(main())


@pytest.mark.parametrize("decode", [True, False])
def test_T10_counters_in_redis(decode: bool) -> None:
    redis = pytest.importorskip("redis.asyncio")

    async def main() -> None:
        async with redis.Redis(decode_responses=decode) as client:
            try:
                await client.ping()
            except Exception as error:
                pytest.skip(f"no Redis server: {error}")
            prefix = f"auth:test:{time.time_ns()}:"
            try:
                await _check(RedisCounters(client, prefix), RedisCounters(client, prefix))
                keys = [key async for key in client.scan_iter(f"{prefix}*")]
                assert keys and all([0 < await client.ttl(key) <= 60 for key in keys])
                await RedisCounters(client, prefix).give_back(["gone"])
                assert not await client.exists(f"{prefix}gone")
            finally:
                for key in [key async for key in client.scan_iter(f"{prefix}*")]:
                    await client.delete(key)

    asyncio.run(main())


@pytest.mark.parametrize("database_url", ["aiomysql", "asyncpg", "aiosqlite"], indirect=True)
def test_many_names_at_once(database_url: str, tmp_path: Any) -> None:
    """New counters do not lock each other out."""
    (tmp_path / "test.db").touch()

    async def main() -> None:
        db = open_database(database_url)
        counters = DbCounters(db)
        for turn in range(3):
            names = [[f"p:{turn}-{i}", f"n:{turn}-{i}"] for i in range(40)]
            assert await asyncio.gather(*(counters.add(each, 60) for each in names)) == [[(1, 60)] * 2] * 40
        await close_database(db)

    asyncio.run(main())


def test_a_password_that_was_not_looked_at_does_not_count(database_url: str, tmp_path: Any) -> None:
    (tmp_path / "test.db").touch()

    async def main() -> None:
        db = open_database(database_url)
        limits = LoginThrottle(DbCounters(db), AuthSettings(login_attempts=2))
        for _ in range(5):
            with pytest.raises(ConnectionError):
                async with limits.attempt("al", "a"):
                    raise ConnectionError
        async with limits.attempt("al", "a"):
            pass
        for _ in range(2):
            with pytest.raises((asyncio.CancelledError, TooManyLogins)):
                async with limits.attempt("al", "a"):
                    raise asyncio.CancelledError
        await close_database(db)

    asyncio.run(main())


def test_few_passwords_of_one_name_are_looked_at_side_by_side() -> None:
    class Counters:
        async def add(self, names: Any, seconds: int) -> list[tuple[int, int]]:
            return [(1, seconds) for _ in names]

        async def give_back(self, names: Any) -> None: ...

        async def clear(self, names: Any) -> None: ...

    async def main() -> None:
        limits = LoginThrottle(Counters(), AuthSettings())
        now, most = 0, 0

        async def one(name: str) -> None:
            nonlocal now, most
            async with limits.attempt(name, "a"):
                now += 1
                most = max(most, now)
                await asyncio.sleep(0.01)
                now -= 1

        await asyncio.gather(*(one("al") for _ in range(10)))
        assert most == throttle.AT_ONCE
        most = 0
        await asyncio.gather(*(one(f"al{i}") for i in range(10)))
        assert most == 10

    asyncio.run(main())
