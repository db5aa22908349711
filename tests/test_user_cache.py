"""The opt-in cache of users."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import pytest
from app_for_tests import Client
from conftest import MIXED_DRIVERS
from fastapi import Request
from fastapi.testclient import TestClient
from sqlalchemy import delete, event, inspect, select, text, update
from sqlalchemy.orm import Session

from fastapi_user_auth_c.auth.backends.jwt import JwtTokenStore
from fastapi_user_auth_c.auth.models import User
from fastapi_user_auth_c.db import run_apart, run_committed


@pytest.fixture
def app(make_app: Callable[..., Any], database_url: str) -> Any:
    app = make_app(database_url, token_store=JwtTokenStore("k" * 32), user_cache_seconds=60)
    auth = app.state.site.auth

    @app.get("/rename/{nickname}")
    @auth.requires()
    async def rename(request: Request, nickname: str) -> Any:
        request.user.nickname = nickname  # stored with the request's session
        return {"attached": inspect(request.user).session is not None}

    @app.get("/nickname")
    @auth.requires()
    async def nickname(request: Request) -> Any:
        return {"nickname": request.user.nickname}

    return app


@contextmanager
def statements(app: Any) -> Any:
    seen: list[str] = []
    engine = app.state.site.auth.db.engine
    engine = getattr(engine, "sync_engine", engine)

    def note(connection: Any, cursor: Any, statement: str, *args: Any) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


def nickname_of(app: Any, client: TestClient, name: str = "root") -> Any:
    statement = select(User.nickname).where(User.username == name)
    return client.portal.call(run_apart, app.state.site.auth.db, lambda session: session.scalar(statement))


@pytest.mark.parametrize("database_url", MIXED_DRIVERS, indirect=True)
def test_a_user_is_read_once_and_can_still_be_changed(app: Any) -> None:
    with TestClient(app) as client:
        root, admin = Client(client, "root"), Client(client, "admin")
        assert root("GET", "/sync").status_code == 200 and admin("GET", "/sync").json() == {"name": "admin"}
        with statements(app) as seen:
            for _ in range(5):
                assert root("GET", "/sync").json() == {"name": "root"}
        assert not [one for one in seen if "auth_user" in one], seen
        for name in ("one", "two"):
            assert root("GET", f"/rename/{name}").json() == {"attached": True}
            assert nickname_of(app, client) == name
            assert root("GET", "/nickname").json() == {"nickname": name}


CHANGES: dict[str, Callable[[Any], Any]] = {
    "object": lambda session: setattr(session.scalar(select(User).filter_by(username="admin")), "is_active", False),
    "update": lambda session: session.execute(update(User).where(User.username == "admin").values(is_active=False)),
    "core": lambda session: session.execute(
        update(User.__table__).where(User.username == "admin").values(is_active=False)  # type: ignore[attr-defined]
    ),
    "delete": lambda session: session.delete(session.scalar(select(User).filter_by(username="admin"))),
    "bulk delete": lambda session: session.execute(delete(User).where(User.username == "admin")),
}


@pytest.mark.parametrize("how", CHANGES)
@pytest.mark.parametrize("database_url", ["aiosqlite", "psycopg"], indirect=True)
def test_a_change_in_this_process_holds_at_once(app: Any, how: str) -> None:
    with TestClient(app) as client:
        admin = Client(client, "admin")
        assert admin("GET", "/sync").status_code == 200
        client.portal.call(run_committed, app.state.site.auth.db, CHANGES[how])
        assert admin("GET", "/sync").status_code == 403


def test_a_session_of_somebody_elses_counts_too(app: Any, database_url: str) -> None:
    from sqlalchemy import create_engine

    with TestClient(app) as client:
        admin = Client(client, "admin")
        assert admin("GET", "/sync").status_code == 200
        with Session(create_engine(database_url.replace("+aiosqlite", ""))) as session:
            CHANGES["object"](session)
            session.flush()
            session.rollback()
        assert admin("GET", "/sync").status_code == 200
        with Session(create_engine(database_url.replace("+aiosqlite", ""))) as session:
            CHANGES["object"](session)
            session.commit()
        assert admin("GET", "/sync").status_code == 403


@pytest.mark.parametrize("database_url", ["asyncpg"], indirect=True)
def test_who_is_read_during_a_change_is_not_kept(app: Any, database_url: str) -> None:
    """A change that is flushed and not committed: others read, and must not keep, what is still stored."""
    from sqlalchemy import create_engine

    with TestClient(app) as client:
        admin = Client(client, "admin")
        assert admin("GET", "/sync").status_code == 200
        with Session(create_engine(database_url.replace("asyncpg", "psycopg"))) as session:
            CHANGES["object"](session)
            session.flush()
            assert admin("GET", "/sync").status_code == 200
            session.commit()
        assert admin("GET", "/sync").status_code == 403


@pytest.mark.parametrize("database_url", ["asyncpg"], indirect=True)
def test_a_change_within_a_savepoint(app: Any, database_url: str) -> None:
    from sqlalchemy import create_engine

    with TestClient(app) as client:
        admin = Client(client, "admin")
        with Session(create_engine(database_url.replace("asyncpg", "psycopg"))) as session:
            with session.begin_nested():
                CHANGES["object"](session)
            assert admin("GET", "/sync").status_code == 200
            session.commit()
        assert admin("GET", "/sync").status_code == 403


def test_an_object_that_has_expired_is_read_again(app: Any, database_url: str) -> None:
    auth = app.state.site.auth

    @app.get("/twice")
    @auth.requires()
    async def twice(request: Request) -> Any:
        user = request.user
        auth.db.session.expire(user)
        again = await auth.users.get(2)
        return {"name": again.username}

    with TestClient(app) as client:
        assert Client(client, "root")("GET", "/twice").json() == {"name": "root"}


def test_other_changes_hold_in_time(make_app: Callable[..., Any], database_url: str) -> None:
    app = make_app(database_url, token_store=JwtTokenStore("k" * 32), user_cache_seconds=0.5)
    with TestClient(app) as client:
        admin = Client(client, "admin")
        assert admin("GET", "/sync").status_code == 200
        statement = text("update auth_user set is_active = false where username = 'admin'")  # not the ORM
        client.portal.call(run_committed, app.state.site.auth.db, lambda session: session.execute(statement))
        deadline = time.monotonic() + 3
        while admin("GET", "/sync").status_code == 200 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert admin("GET", "/sync").status_code == 403


def test_parallel_requests_get_objects_of_their_own(app: Any) -> None:
    with TestClient(app) as client:
        root = Client(client, "root")
        answers: list[int] = []

        def ask() -> None:
            for i in range(20):
                path = "/sync" if i % 5 else f"/rename/n{i}"
                answers.append(client.get(path, headers=root.headers).status_code)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(answers) == {200}
        assert nickname_of(app, client) == root("GET", "/nickname").json()["nickname"]


def test_outside_a_request_users_are_detached(app: Any) -> None:
    auth = app.state.site.auth
    with TestClient(app) as client:
        Client(client, "root")
        for _ in range(2):
            user = client.portal.call(auth.users.get, 2)
            assert user.username == "root" and inspect(user).session is None
        assert client.portal.call(auth.users.get, 999) is None
        one, two = (client.portal.call(auth.users.get, 2) for _ in range(2))
        one.nickname = "changed"
        assert two.nickname != "changed"


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_wrong_times_are_told(make_app: Callable[..., Any], database_url: str, seconds: float) -> None:
    with pytest.raises(ValueError, match="user_cache_seconds"):
        make_app(database_url, user_cache_seconds=seconds)
