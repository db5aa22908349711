"""What fails while requests run: connections, locks, clients and handlers. Nothing is half written, leaked or granted.

An outage of a whole server is in ``test_token_stores.py`` (T13).
"""

from __future__ import annotations

import asyncio
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import uvicorn
from app_for_tests import PAGES, RA, ROLES, UA, settings_for
from conftest import EVERY_DRIVER, MIXED_DRIVERS
from fastapi import FastAPI, HTTPException
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy_database import AsyncDatabase, Database
from sqlmodel import SQLModel
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from visits import (
    LOGIN,
    checked_out,
    fine,
    is_postgres,
    is_sqlite,
    kill_connections,
    log_in,
    open_transactions,
    returned,
    side_engine,
    visited,
)

from fastapi_user_auth_c.admin import AuthAdminSite
from fastapi_user_auth_c.auth import Auth
from fastapi_user_auth_c.auth.models import CasbinRule, Role
from fastapi_user_auth_c.db import to_the_end
from fastapi_user_auth_c.db_errors import is_outage
from fastapi_user_auth_c.policy.writer import resolved

SERVERS = ["asyncpg", "psycopg_async", "psycopg", "aiomysql", "pymysql"]
USER_PAGE = "Auth>UserAdmin"
MAY_LIST = f"{USER_PAGE}#page#page,{USER_PAGE}#page:list#page"


def role_keys(url: str) -> set[str]:
    with side_engine(url).connect() as connection:
        return set(connection.scalars(select(Role.key)))


def stored_rules(url: str) -> list[tuple[str, ...]]:
    columns = (CasbinRule.ptype, CasbinRule.v0, CasbinRule.v1, CasbinRule.v2, CasbinRule.v3, CasbinRule.v4)
    with side_engine(url).connect() as connection:
        found = [tuple(value for value in row if value is not None) for row in connection.execute(select(*columns))]
    return sorted(found)


def rules_in_memory(app: Any) -> list[tuple[str, ...]]:
    enforcer = app.state.site.auth.enforcer
    return sorted((ptype, *rule) for ptype in enforcer.types() for rule in enforcer.rules(ptype))


async def one_of_each(client: httpx.AsyncClient, root: dict[str, str]) -> tuple[dict[str, str], int, int]:
    """A role ``editor`` and a user ``al``, logged in."""
    role = fine(await client.post(f"{RA}/item", json={"key": "editor", "name": "editor"}, headers=root))["id"]
    user = fine(await client.post(f"{UA}/item", json={"username": "al", "password": "al"}, headers=root))["id"]
    return await log_in(client, "al"), role, user


# -- connections ------------------------------------------------------------------------------------------------------


def sleeping(url: str, seconds: float) -> Any:
    return text(f"SELECT pg_sleep({seconds})" if is_postgres(url) else f"SELECT SLEEP({seconds})")


def count_sleeping(url: str) -> int:
    table, column = ("pg_stat_activity", "query") if is_postgres(url) else ("information_schema.processlist", "info")
    statement = f"SELECT count(*) FROM {table} WHERE {column} ~ '^SELECT (pg_sleep|SLEEP)'"
    if not is_postgres(url):
        statement = statement.replace("~", "RLIKE")
    with side_engine(url).connect() as connection:
        return int(connection.scalar(text(statement)) or 0)


@pytest.mark.parametrize("database_url", SERVERS, indirect=True)
def test_D5_a_start_goes_on_after_its_connection_was_killed(make_app: Callable[..., Any], database_url: str) -> None:
    site = make_app(database_url).state.site
    auth = site.auth

    async def main() -> None:
        await auth.db.async_run_sync(SQLModel.metadata.create_all, is_session=False)
        for name in ("admin", "root", "root"):
            assert kill_connections(database_url) > 0, "there is one in the pool"
            assert (await auth.create_role_user(name)).username == name
        assert kill_connections(database_url) > 0
        await site.router.startup()
        assert auth.enforcer.enforce("u:root", "a", "page", "page")
        await resolved(auth.db.engine.dispose())

    asyncio.run(main())
    assert role_keys(database_url) == {"admin", "root"}
    links = [rule for rule in stored_rules(database_url) if rule[0] == "g"]
    assert links == [("g", "u:admin", "r:admin"), ("g", "u:root", "r:root")]


@pytest.mark.parametrize("database_url", SERVERS, indirect=True)
def test_D5_a_killed_connection_costs_no_right_and_no_later_request(
    make_app: Callable[..., Any], database_url: str
) -> None:
    app = make_app(database_url)
    site = app.state.site
    auth = site.auth

    @site.router.get("/slow")
    @auth.requires("editor")
    async def slow(request: Request, key: str) -> Any:
        site.db.session.add(Role(key=key, name=key))
        await site.db.async_flush()
        await site.db.async_execute(sleeping(database_url, 20))
        return {}

    async def main() -> None:
        async with visited(app) as client:
            root = await log_in(client, "root")
            al, role, user = await one_of_each(client, root)
            fine(await client.post(f"{UA}/{ROLES}/api?item_id={user}", json={"role_keys": "editor"}, headers=root))
            fine(await client.post(f"{RA}/{PAGES}/api?item_id={role}", json={"permissions": MAY_LIST}, headers=root))

            # in the middle of a request
            hit = [asyncio.ensure_future(client.get(f"/admin/slow?key=half{n}", headers=al)) for n in range(3)]
            while await asyncio.to_thread(count_sleeping, database_url) < 3:
                await asyncio.sleep(0.02)
            assert kill_connections(database_url) >= 3
            start = time.monotonic()
            for answer in await asyncio.gather(*hit):
                assert answer.status_code == 503, answer.text
                assert int(answer.headers["retry-after"]) > 0
            assert time.monotonic() - start < 15
            assert (await client.post(f"{UA}/list", json={}, headers=al)).status_code == 200
            assert (await client.post(f"{RA}/list", json={}, headers=al)).status_code == 403
            assert role_keys(database_url) == {"admin", "root", "editor"}

            # between requests: what lies in the pool is dead, and who asks is served all the same
            for _ in range(2):
                auth.enforcer._asked = auth.revocations._asked = float("-inf")  # as a second later
                kill_connections(database_url)
                answers = await asyncio.gather(
                    *(client.post(f"{page}/list", json={}, headers=al) for page in (UA, RA, UA, RA)),
                    client.get("/async", headers=root),
                )
                assert [answer.status_code for answer in answers] == [200, 403, 200, 403, 200]

            # a right that another process has revoked is gone, though the connection to ask by was dead
            with side_engine(database_url).connect() as connection:
                connection.execute(text("DELETE FROM auth_casbin_rule WHERE ptype = 'g' AND v0 = 'u:al'"))
                connection.execute(text("UPDATE auth_policy_revision SET revision = revision + 1"))
            auth.enforcer._asked = float("-inf")
            kill_connections(database_url)
            assert (await client.post(f"{UA}/list", json={}, headers=al)).status_code == 403

            # changes under fire: each is in the database and in memory, or in neither
            async def change(number: int) -> int:
                body = {"permissions": MAY_LIST if number % 2 else ""}
                page, item = ((RA, role), (UA, user))[number % 3 == 0]
                return (await client.post(f"{page}/{PAGES}/api?item_id={item}", json=body, headers=root)).status_code

            stop = False

            async def killing() -> None:
                while not stop:
                    await asyncio.to_thread(kill_connections, database_url)
                    await asyncio.sleep(random.random() * 0.05)

            killer = asyncio.ensure_future(killing())
            codes = [code for number in range(12) for code in [await change(number)]]
            stop = True
            await killer
            assert set(codes) <= {200, 503}, codes

            async def recovers(ask: Callable[[], Any]) -> bool:
                """Whether no more requests are hit than there were connections to die."""
                return any([await ask() == 200 for _ in range(4)])

            async def look() -> int:
                auth.enforcer._asked = float("-inf")
                return (await client.post(f"{UA}/list", json={}, headers=root)).status_code

            assert await recovers(look)
            assert rules_in_memory(app) == stored_rules(database_url)
            for number in (1, 2, 3):
                assert await recovers(lambda number=number: change(number))  # type: ignore[misc]
                assert rules_in_memory(app) == stored_rules(database_url)
            assert await returned(app)
        assert open_transactions(database_url) == []

    asyncio.run(main())


def test_an_error_of_a_driver_that_was_cut_off_is_an_outage() -> None:
    asyncpg = pytest.importorskip("asyncpg")
    from pymysql.err import OperationalError

    # as it is while rows are streamed, where SQLAlchemy does not wrap it
    lost = asyncpg.InternalClientError("cannot switch to state 16; another operation (2) is in progress")
    # newer releases of PyMySQL have a SQLSTATE that says nothing
    waited, refused = OperationalError(1205, "Lock wait timeout exceeded"), OperationalError(1054, "Unknown column")
    waited.sqlstate = refused.sqlstate = "HY000"
    wrapped = [DBAPIError.instance("SELECT 1", {}, each, Exception) for each in (waited, refused)]
    assert [is_outage(each) for each in (lost, *wrapped)] == [True, True, False]
    assert not is_outage(ValueError("57P01x")) and not is_outage(KeyError("x"))


# -- locks ------------------------------------------------------------------------------------------------------------


def impatient(url: str) -> str:
    """The same database, whose sessions wait half a second for a lock."""
    if is_sqlite(url):
        return url + "&timeout=0.3"
    if is_postgres(url):
        name = url.rpartition("/")[2]
        with side_engine(url).connect() as connection:
            connection.execute(text(f"ALTER DATABASE {name} SET lock_timeout = '300ms'"))
        return url
    return url + "&init_command=SET SESSION innodb_lock_wait_timeout = 1"


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Somebody else writes to all tables, and is not done yet."""
    engine = side_engine(url).execution_options(isolation_level="AUTOCOMMIT")
    tables = ("auth_user", "auth_role", "auth_casbin_rule", "auth_policy_revision", "auth_login_history", "auth_token")
    with engine.connect() as connection:
        if is_sqlite(url):
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.exec_driver_sql("BEGIN")
            if is_postgres(url):
                connection.exec_driver_sql(f"LOCK TABLE {', '.join(tables)} IN SHARE ROW EXCLUSIVE MODE")
            else:
                for table in tables:  # every row, and the gaps between them
                    connection.exec_driver_sql(f"SELECT * FROM {table} FOR UPDATE").fetchall()
        try:
            yield
        finally:
            connection.exec_driver_sql("ROLLBACK")


@pytest.mark.parametrize("database_url", MIXED_DRIVERS, indirect=True)
def test_D7_a_lock_of_somebody_else_is_503_for_writers(make_app: Callable[..., Any], database_url: str) -> None:
    app = make_app(impatient(database_url))

    async def main() -> None:
        async with visited(app) as client:
            root = await log_in(client, "root")
            al, role, user = await one_of_each(client, root)
            writes = [
                ("POST", f"{RA}/item", {"key": "new", "name": "new"}),
                ("PUT", f"{UA}/item/{user}", {"nickname": "Al"}),
                ("POST", f"{UA}/{ROLES}/api?item_id={user}", {"role_keys": "editor"}),
                ("POST", f"{RA}/{PAGES}/api?item_id={role}", {"permissions": MAY_LIST}),
                ("POST", "/admin/auth/form/login/api", {"username": "al", "password": "al"}),
                ("POST", "/admin/auth/form/reg/api", {"username": "eve", "password": "pw", "email": "eve@example.com"}),
                ("DELETE", f"{RA}/item/{role}", None),
                ("GET", "/admin/auth/logout", None),
            ]
            before = stored_rules(database_url)

            async def ask(method: str, path: str, body: Any, headers: Any) -> httpx.Response:
                return await client.request(method, path, json=body, headers=headers)

            with locked(database_url):
                asked = [ask(*write, {} if "/form/" in write[1] else root) for write in writes]
                answers = await asyncio.gather(*asked)
                said = {
                    write[1]: (answer.status_code, answer.text) for write, answer in zip(writes, answers, strict=True)
                }
                assert {status for status, _ in said.values()} == {503}, said
                # those who read go on
                assert (await client.get("/sync", headers=al)).json() == {"name": "al"}
                assert (await client.post(f"{UA}/list", json={}, headers=root)).status_code == 200
                assert (await client.post(f"{UA}/list", json={}, headers=al)).status_code == 403
            client.cookies.clear()
            assert before == stored_rules(database_url) == rules_in_memory(app)
            assert role_keys(database_url) == {"admin", "root", "editor"}
            assert await returned(app)
            assert open_transactions(database_url) == []
            for method, path, body in writes:
                answer = await ask(method, path, body, {} if "/form/" in path else root)
                client.cookies.clear()
                assert answer.status_code in (200, 307), (path, answer.text)
                assert answer.status_code == 307 or answer.json()["status"] == 0, (path, answer.text)
            assert role_keys(database_url) == {"admin", "root", "new"}
            assert stored_rules(database_url) == rules_in_memory(app)

    asyncio.run(main())


# -- handlers ---------------------------------------------------------------------------------------------------------


class Known(Exception):
    """What the application has a handler for."""


def failing_routes(app: Any) -> dict[str, int]:
    """Routes that store a role named as they are and fail then, and the status of the answer."""
    site = app.state.site
    db = site.db

    async def half(name: str, flush: bool = True) -> None:
        db.session.add(Role(key=name, name=name))
        if flush:
            await db.async_flush()

    def async_handler(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": str(error)})

    async def sync_handler(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": str(error)}, 409)

    app.add_exception_handler(Known, async_handler)
    app.add_exception_handler(LookupError, sync_handler)
    errors = {
        "raises": (500, RuntimeError("host")),
        "handled": (200, Known("host")),
        "handled_409": (409, LookupError("host")),
        "refuses": (403, HTTPException(403)),
        "teapot": (418, HTTPException(418)),
    }

    def add(router: Any, name: str, error: Exception, flush: bool) -> None:
        @router.get(f"/{name}")
        async def route() -> Any:
            await half(name, flush)
            raise error

    for name, (_, error) in errors.items():
        for router, place in ((app, ""), (site.router, "site_")):
            for flush in (True, False):
                add(router, f"{place}{name}{'' if flush else '_early'}", error, flush)
    expected = {f"/{name}{early}": status for name, (status, _) in errors.items() for early in ("", "_early")}
    # the site answers what nobody handles with status 200, as amis expects
    in_site = {"raises": 200, "handled": 200, "handled_409": 200, "refuses": 403, "teapot": 418}
    expected |= {f"/admin/site_{name}{early}": status for name, status in in_site.items() for early in ("", "_early")}

    @app.get("/invalid", response_model=int)
    async def invalid() -> Any:
        await half("invalid")
        return "no number"

    @app.get("/late")
    async def late() -> Any:
        async def parts() -> Any:
            yield b"begun"
            await half("late")
            raise RuntimeError("late")

        return StreamingResponse(parts())

    return {**expected, "/invalid": 500, "/late": 200}


@pytest.mark.parametrize("database_url", EVERY_DRIVER, indirect=True)
def test_D5_a_handler_that_fails_has_stored_nothing(make_app: Callable[..., Any], database_url: str) -> None:
    app = make_app(database_url)
    db = app.state.site.db
    expected = failing_routes(app)

    @app.get("/elsewhere")
    async def elsewhere() -> Any:
        db.session.add(Role(key="elsewhere", name="elsewhere"))
        raise HTTPException(303, headers={"location": "/free"})

    @app.get("/tells")
    async def tells() -> Any:
        db.session.add(Role(key="tells", name="tells"))
        return JSONResponse({}, 400)

    async def main() -> None:
        async with visited(app) as client:
            for path, status in expected.items():
                answer = await client.get(path)
                assert answer.status_code == status, (path, answer.status_code, answer.text)
                assert role_keys(database_url) == {"admin", "root"}, path
                assert checked_out(app) == 0, path
            assert open_transactions(database_url) == []
            # no failures: a redirect, and an error that a handler gives back
            assert [(await client.get(path)).status_code for path in ("/elsewhere", "/tells")] == [303, 400]
            assert role_keys(database_url) == {"admin", "root", "elsewhere", "tells"}
            answers = await asyncio.gather(*(client.get(path) for path in expected))
            assert [answer.status_code for answer in answers] == list(expected.values())
            assert role_keys(database_url) == {"admin", "root", "elsewhere", "tells"}
            assert await returned(app)
            await log_in(client, "root")
        assert open_transactions(database_url) == []

    asyncio.run(main())


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str) -> tuple[AuthAdminSite, FastAPI]:
    """A site, and an application on which it is not mounted yet."""
    monkeypatch.chdir(tmp_path)
    AsyncDatabase._instances = Database._instances = None
    site, app = AuthAdminSite(settings_for(database_url)), FastAPI()
    app.state.site = site
    return site, app


def test_D5_a_handled_exception_is_seen_behind_other_middlewares(
    bare: tuple[AuthAdminSite, FastAPI], database_url: str
) -> None:
    """Added before the site is mounted and afterwards; each runs the application in a task of its own."""
    site, app = bare

    async def pass_on(request: Request, call_next: Any) -> Any:
        return await call_next(request)

    app.middleware("http")(pass_on)
    app.middleware("http")(pass_on)
    site.mount_app(app)
    app.middleware("http")(pass_on)
    expected = failing_routes(app)

    @app.get("/elsewhere")
    async def elsewhere() -> Any:
        site.db.session.add(Role(key="elsewhere", name="elsewhere"))
        raise HTTPException(303, headers={"location": "/free"})

    async def main() -> None:
        await site.db.async_run_sync(SQLModel.metadata.create_all, is_session=False)
        async with visited(app) as client:
            for path, status in expected.items():
                answer = await client.get(path)
                assert answer.status_code == status, (path, answer.status_code, answer.text)
                assert role_keys(database_url) == set(), path
                assert checked_out(app) == 0, path
            assert (await client.get("/elsewhere")).status_code == 303
            assert role_keys(database_url) == {"elsewhere"}
        assert open_transactions(database_url) == []
        await site.db.engine.dispose()

    asyncio.run(main())


@pytest.mark.parametrize(
    "how", ["alone", "around a middleware", "two sites", "two sites, one database", "a site in a mounted application"]
)
def test_D5_a_handled_exception_undoes_the_changes_of_all_databases(
    bare: tuple[AuthAdminSite, FastAPI], database_url: str, how: str
) -> None:
    """The middleware, between the sites where there are two, runs the application in a task of its own."""
    site, app = bare
    inner = FastAPI() if "mounted" in how else app
    url = "sqlite+aiosqlite:///other.db"

    async def pass_on(request: Request, call_next: Any) -> Any:
        return await call_next(request)

    if how == "around a middleware":
        app.middleware("http")(pass_on)
    if "site" in how:
        site.mount_app(app)
        inner.middleware("http")(pass_on)
        settings = settings_for(database_url if "one database" in how else url)
        second = AuthAdminSite(settings.model_copy(update={"site_path": "/second"}))
        second.mount_app(inner)
        databases = list({id(db): db for db in (site.db, second.db)}.values())
        assert len(databases) == (1 if "one database" in how else 2)
    else:
        databases = [site.db, AsyncDatabase.create(url)]
        site.auth = Auth(db=databases[1])
        site.mount_app(app)

    async def handler(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": str(error)})

    inner.add_exception_handler(Known, handler)

    @inner.get("/{name}")
    async def store(name: str) -> Any:
        for db in databases:
            db.session.add(Role(key=name, name=name))
            await db.async_flush()
        if name == "bad":
            raise Known(name)
        return name

    if inner is not app:
        app.mount("/inner", inner)

    async def main() -> None:
        for db in databases:
            await db.async_run_sync(SQLModel.metadata.create_all, is_session=False)
        async with visited(app) as client:
            for name in ("bad", "good", "bad"):
                answer = await client.get(f"/{name}" if inner is app else f"/inner/{name}")
                assert answer.status_code == 200 and (name == "good" or "error" in answer.json())
        assert {frozenset(role_keys(each)) for each in [database_url, url][: len(databases)]} == {frozenset(["good"])}
        for db in databases:
            await db.engine.dispose()

    asyncio.run(main())


def test_what_a_middleware_stores_after_a_refusal_stays(bare: tuple[AuthAdminSite, FastAPI], database_url: str) -> None:
    """Also behind exceptions of other libraries, whose ``status_code`` is no number."""
    site, app = bare

    class Odd(Exception):
        def __init__(self, status_code: Any) -> None:
            super().__init__({"unhashable": True})  # nobody looks for a number of a database here
            self.status_code = status_code

    @app.middleware("http")
    async def log(request: Request, call_next: Any) -> Any:
        answer = await call_next(request)
        if request.url.path.startswith("/log_"):
            site.db.session.add(Role(key=request.url.path[1:], name="of the middleware"))
        return answer

    @app.exception_handler(Odd)
    async def odd(request: Request, error: Odd) -> JSONResponse:
        return JSONResponse({}, 409)

    site.mount_app(app)

    @app.get("/log_{code}")
    async def fail(code: str) -> Any:
        site.db.session.add(Role(key="of the handler", name="of the handler"))
        if code == "200":
            return {}
        raise HTTPException(404) if code == "404" else Odd(None if code == "none" else code)

    async def main() -> None:
        await site.db.async_run_sync(SQLModel.metadata.create_all, is_session=False)
        async with visited(app) as client:
            for code, status in (("404", 404), ("none", 409), ("text", 409)):
                assert (await client.get(f"/log_{code}")).status_code == status
            assert role_keys(database_url) == {"log_404", "log_none", "log_text"}
            assert (await client.get("/log_200")).status_code == 200
            assert {"of the handler", "log_200"} < role_keys(database_url)
        await site.db.engine.dispose()

    asyncio.run(main())


# -- clients ----------------------------------------------------------------------------------------------------------


@contextmanager
def served(app: Any) -> Iterator[int]:
    """The application under a real server in a thread; its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(20)


@pytest.mark.parametrize("database_url", MIXED_DRIVERS, indirect=True)
def test_D5_clients_that_are_gone_leave_no_connection_behind(make_app: Callable[..., Any], database_url: str) -> None:
    app = make_app(database_url)
    site = app.state.site
    auth, db = site.auth, site.db

    @app.get("/hold")
    @auth.requires()
    async def hold(request: Request) -> Any:
        db.session.add(Role(key="held", name="held"))
        await db.async_scalars(select(Role.key))
        await asyncio.sleep(0.2)
        raise HTTPException(409)

    @app.get("/hold_sync")
    @auth.requires()
    def hold_sync(request: Request) -> Any:
        time.sleep(0.1)
        return {}

    @app.get("/stream")
    async def stream() -> Any:
        async def parts() -> Any:
            for _ in range(20):
                await db.async_scalars(select(Role.key))
                yield b"x" * 65536
                await asyncio.sleep(0.01)

        return StreamingResponse(parts())

    with served(app) as port:
        address = f"http://127.0.0.1:{port}"
        form = {"username": "root", "password": "root"}
        token = httpx.post(address + LOGIN, data=form).json()["data"]["access_token"]
        body = b"username=root&password=root"
        requests = [b"GET %s HTTP/1.1" % path for path in (b"/hold", b"/hold_sync", b"/stream", b"/sync")]
        requests += [b"POST /admin/auth/RoleAdmin/list HTTP/1.1", b"POST %s HTTP/1.1" % LOGIN.encode()]
        random.seed(1)
        for turn in range(24):
            first = requests[turn % len(requests)]
            content = body if b"gettoken" in first else b""
            head = f"Host: x\r\nAuthorization: bearer {token}\r\nContent-Length: {len(content)}\r\n"
            head += "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
            with socket.create_connection(("127.0.0.1", port)) as gone:
                gone.sendall(first + b"\r\n" + head.encode() + content)
                time.sleep(random.random() * 0.02)
                with suppress(OSError):  # some by a reset, some in the middle of an answer
                    gone.shutdown(random.choice((socket.SHUT_RDWR, socket.SHUT_WR)))
        assert asyncio.run(returned(app, database_url)), checked_out(app)
        headers = {"Authorization": f"bearer {token}"}
        assert httpx.get(address + "/sync", headers=headers).status_code == 200
        assert role_keys(database_url) == {"admin", "root"}


@pytest.mark.parametrize("database_url", MIXED_DRIVERS, indirect=True)
def test_D5_cancelled_requests_leave_no_connection_and_no_half_behind(
    make_app: Callable[..., Any], database_url: str
) -> None:
    """As a server or a middleware with a time limit cancels them, at whatever point they are."""
    app = make_app(database_url)
    enforcer = app.state.site.auth.enforcer

    async def main() -> None:
        async with visited(app) as client:
            root = await log_in(client, "root")
            al, role, user = await one_of_each(client, root)
            grants = [{"permissions": MAY_LIST}, {"permissions": ""}]

            def request(number: int) -> Any:
                kind = number % 5
                if kind == 0:
                    path = f"{RA}/{PAGES}/api?item_id={role}"
                    return client.post(path, json=grants[number // 5 % 2], headers=root)
                if kind == 1:
                    path = f"{UA}/{ROLES}/api?item_id={user}"
                    return client.post(path, json={"role_keys": "editor" if number % 2 else ""}, headers=root)
                if kind == 2:
                    return client.post(LOGIN, data={"username": "al", "password": "al"})
                if kind == 3:
                    return client.post(f"{UA}/item", json={"username": f"new{number}", "password": "x"}, headers=root)
                return client.post(f"{UA}/list", json={}, headers=root)

            random.seed(2)
            tasks = []
            for number in range(40):
                tasks.append(asyncio.ensure_future(request(number)))
                await asyncio.sleep(random.random() * 0.01)
                if random.random() < 0.8:
                    random.choice(tasks[-6:]).cancel()
            done = await asyncio.gather(*tasks, return_exceptions=True)
            client.cookies.clear()
            assert sum(isinstance(each, asyncio.CancelledError) for each in done) > 10
            statuses = [each.status_code for each in done if not isinstance(each, asyncio.CancelledError)]
            assert set(statuses) == {200}
            assert await returned(app), checked_out(app)
            await enforcer.refresh(at_once=True)
            assert rules_in_memory(app) == stored_rules(database_url)
            for number in range(5):
                fine(await request(number + 100))
                client.cookies.clear()
            assert rules_in_memory(app) == stored_rules(database_url)
            assert (await client.get("/sync", headers=al)).json() == {"name": "al"}
        assert open_transactions(database_url) == []

    asyncio.run(main())


def test_work_whose_caller_is_cancelled_is_waited_for_without_turning(monkeypatch: pytest.MonkeyPatch) -> None:
    """anyio cancels again in every turn of the event loop."""
    waits = 0
    wait = asyncio.wait

    async def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal waits
        waits += 1
        return await wait(*args, **kwargs)

    async def main() -> None:
        done = False

        async def work() -> None:
            nonlocal done
            await asyncio.sleep(0.3)
            done = True

        async with anyio.create_task_group() as group:
            group.start_soon(to_the_end, work())
            await asyncio.sleep(0.05)
            group.cancel_scope.cancel()
        assert done

    monkeypatch.setattr(asyncio, "wait", counted)
    asyncio.run(main())
    assert 1 <= waits < 5
