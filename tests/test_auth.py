"""``Auth`` outside the site: requires(), start-up, sessions, tokens, databases of the original."""

from __future__ import annotations

import asyncio
import base64
import functools
import hmac
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from app_for_tests import ANY_PASSWORD, RA, UA, Client, settings_for
from conftest import ASYNC_DRIVERS, EVERY_DRIVER, MIXED_DRIVERS
from fastapi import Depends, FastAPI, WebSocket
from sqlalchemy import Boolean, Column, DateTime, Integer, MetaData, Table, func, insert, select, text, update
from sqlmodel import AutoString
from starlette.requests import Request
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from visits import side_engine

from fastapi_user_auth_c.auth.models import User
from fastapi_user_auth_c.db import run_committed
from fastapi_user_auth_c.passwords import PasswordHasher
from fastapi_user_auth_c.settings import AuthSettings

ROOT = Path(__file__).parents[1]


def python(code: str, **env: str) -> str:
    """Runs code in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# -- sync endpoints ---------------------------------------------------------------------------------------------------


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("database_url", EVERY_DRIVER, indirect=True)
def test_D5_sync_endpoints_are_checked_on_the_servers_loop(make_app: Callable[..., Any], database_url: str) -> None:
    app = make_app(database_url)

    async def main() -> None:
        transport = httpx.ASGITransport(app=app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://test", timeout=60) as client,
        ):
            out = (await client.post("/admin/auth/gettoken", data={"username": "root", "password": "root"})).json()
            client.cookies.clear()
            headers = {"Authorization": f"bearer {out['data']['access_token']}"}
            files = 0
            for turn in range(4):
                answers = await asyncio.gather(*(client.get("/sync", headers=headers) for _ in range(60)))
                assert {(a.status_code, a.text) for a in answers} == {(200, '{"name":"root"}')}
                refused = await asyncio.gather(*(client.get("/sync") for _ in range(10)))
                assert {answer.status_code for answer in refused} == {403}
                if turn == 0:
                    files = open_files()
            assert open_files() <= files + 3
            assert (await client.get("/async", headers=headers)).json() == {"name": "root"}

    asyncio.run(main())


def test_D5_a_check_outside_a_server_and_inside_a_loop(make_app: Callable[..., Any], database_url: str) -> None:
    app = make_app(database_url)
    auth = app.state.site.auth

    @auth.requires()
    def endpoint(request: Request) -> str:
        return "in"

    request = Request({"type": "http", "headers": [], "path": "/", "user": None})
    with pytest.raises(Exception, match="403"):
        endpoint(request)

    async def inside() -> None:
        endpoint(request)

    with pytest.raises(RuntimeError, match="running event loop"):
        asyncio.run(inside())
    with pytest.raises(TypeError, match="request must be a Request"):
        endpoint("text")
    with pytest.raises(TypeError, match="endpoint_without"):

        @auth.requires()
        def endpoint_without() -> None:
            pass


# -- start ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("startup", ["lifespan", "on_event", "by hand"])
@pytest.mark.parametrize("database_url", ["aiosqlite", "sqlite", "asyncpg", "aiomysql"], indirect=True)
def test_D6_the_policy_is_loaded_before_the_first_request_once(
    make_app: Callable[..., Any], database_url: str, startup: str
) -> None:
    app = make_app(database_url, startup)
    enforcer = app.state.site.auth.enforcer
    loads = []
    load = enforcer.load_policy

    async def counted() -> None:
        loads.append(1)
        await load()

    enforcer.load_policy = counted
    with TestClient(app) as client:
        assert loads == [1]
        assert enforcer.get_named_grouping_policy("g2")
        assert client.portal.call(enforcer.has_role_for_user, "u:root", "r:root")
        assert client.get("/free").status_code == 200
        assert Client(client, "root")("GET", "/async").status_code == 200
    if startup == "by hand":
        with side_engine(database_url).connect() as db:
            row = db.execute(text("SELECT v0, v1, v2, v3, v4 FROM auth_casbin_rule WHERE ptype = 'p'")).all()
        assert row == [("u:admin", "AuthAdminSite", "page", "page", "allow")]


# -- a database of the original ---------------------------------------------------------------------------------------

ORIGINAL_TABLES = MetaData()
"""As the original's models made them, with its SQLModel."""


def original_table(name: str, *columns: Column[Any]) -> Table:
    return Table(name, ORIGINAL_TABLES, Column("id", Integer, primary_key=True), *columns)


USERS = original_table(
    "auth_user",
    Column("email", AutoString),
    Column("password", AutoString, nullable=False),
    Column("username", AutoString(32), nullable=False, unique=True, index=True),
    Column("delete_time", DateTime),
    Column("update_time", DateTime, server_default=func.now()),
    Column("create_time", DateTime, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("nickname", AutoString(40)),
    Column("avatar", AutoString(255)),
)
ROLES = original_table(
    "auth_role",
    Column("delete_time", DateTime),
    Column("update_time", DateTime, server_default=func.now()),
    Column("create_time", DateTime, nullable=False),
    Column("key", AutoString(40), nullable=False, unique=True, index=True),
    Column("name", AutoString(40), nullable=False),
    Column("desc", AutoString(400), nullable=False),
)
RULES = original_table(
    "auth_casbin_rule",
    *(Column(name, AutoString, nullable=False) for name in ("ptype", "v0", "v1")),
    *(Column(name, AutoString) for name in ("v2", "v3", "v4", "v5")),
)
HISTORY = original_table(
    "auth_login_history",
    Column("create_time", DateTime, nullable=False),
    Column("user_id", Integer),
    *(
        Column(name, AutoString(width), nullable=False)
        for name, width in {
            "login_name": 20, "ip": 20, "ip_info": 255, "client": 20, "user_agent": 400, "login_type": 20,
            "login_status": 20, "forwarded_for": 60,
        }.items()
    ),
)  # fmt: skip
TOKENS = original_table(
    "auth_token",
    Column("create_time", DateTime, nullable=False),
    Column("token", AutoString(48), nullable=False),
    Column("data", AutoString, nullable=False),
)
# hashes that passlib 1.7.4 with bcrypt 4.0.1 made of "root" and "admin"
ROOT_HASH = "$2b$12$jZzoX92cH/HEabQUDXRcI.KvC3VtCS91LT2B1oBCxIaayfQUeW7/y"
ADMIN_HASH = "$2b$12$tu0XetOlbM4njkBVdLks5uUtjZOFKo35mBfdAYbpEhMbY5Iy5g7Im"
TIME = datetime(2024, 3, 1, 10)


def write_original_database(url: str) -> None:
    with side_engine(url).connect() as db:
        ORIGINAL_TABLES.create_all(db)
        users = [("admin", ADMIN_HASH), ("root", ROOT_HASH), ("ed", ADMIN_HASH)]
        for name, hash_ in users:
            db.execute(
                insert(USERS).values(
                    username=name, password=hash_, create_time=TIME, update_time=TIME, is_active=True, nickname="",
                    avatar="",
                )
            )  # fmt: skip
        for key in ("admin", "root", "editor"):
            db.execute(insert(ROLES).values(key=key, name=f"{key} role", desc="", create_time=TIME))
        rules = [
            ("g", "u:admin", "r:admin"),
            ("g", "u:root", "r:root"),
            ("g", "u:ed", "r:editor"),
            ("g2", "AuthAdminSite", "f736aeb720a47010"),  # the API documentation
            ("g2", "AuthAdminSite", "283002fe81d9bbae"),  # Home
            ("g2", "AuthAdminSite", "Auth>UserAuthApp"),
            ("g2", "Auth>UserAuthApp", "Auth>UserAdmin"),
            ("g2", "Auth>UserAuthApp", "Auth>RoleAdmin"),
            ("p", "u:admin", "AuthAdminSite", "page", "page", "allow"),
            ("p", "r:editor", "Auth>UserAdmin", "page", "page", "allow"),
            ("p", "r:editor", "Auth>UserAdmin", "page:list", "page", "allow"),
            ("p", "r:editor", "Auth>UserAdmin", "page:list:email", "page:list", "allow"),
            ("p", "u:ed", "283002fe81d9bbae", "page", "page", "allow"),
        ]
        names = ("ptype", "v0", "v1", "v2", "v3", "v4")
        for rule in rules:
            db.execute(insert(RULES).values(dict(zip(names, rule, strict=False))))
        for token, created in (("live" * 11, datetime.now()), ("dead" * 11, TIME)):
            data = '{"id":3,"username":"ed"}'
            db.execute(insert(TOKENS).values(token=token, data=data, create_time=created))


@pytest.mark.parametrize("database_url", [*ASYNC_DRIVERS, "sqlite"], indirect=True)
def test_D9_a_database_of_the_original_opens_as_it_is(make_app: Callable[..., Any], database_url: str) -> None:
    write_original_database(database_url)

    def content() -> dict[str, Any]:
        with side_engine(database_url).connect() as db:
            return {
                "users": db.execute(USERS.select().order_by(USERS.c.id)).all(),
                "roles": db.execute(ROLES.select().order_by(ROLES.c.id)).all(),
                "rules": [tuple(row[1:]) for row in db.execute(RULES.select())],
            }

    before = content()
    app = make_app(database_url)
    enforcer = app.state.site.auth.enforcer
    with TestClient(app) as client:
        after = content()
        assert after["users"] == before["users"] and after["roles"] == before["roles"]
        assert set(after["rules"]) > set(before["rules"])
        assert {row[0] for row in set(after["rules"]) - set(before["rules"])} == {"g2"}  # pages new since
        assert len(after["rules"]) == len(set(after["rules"]))
        ed = Client(client)
        ed.headers = {"Authorization": "bearer " + "live" * 11}
        assert ed("GET", "/sync").json() == {"name": "ed"}
        ed.headers = {"Authorization": "bearer " + "dead" * 11}
        assert ed("GET", "/sync").status_code == 403
        root, admin, ed = Client(client, "root"), Client(client, "admin"), Client(client, "ed", "admin")
        assert ed("POST", "/admin/").status_code == 200
        assert ed("POST", f"{UA}/list").status_code == 200
        assert ed("POST", f"{RA}/list").status_code == 403
        assert admin("POST", "/admin/").status_code == 200
        assert admin("POST", f"{UA}/list").status_code == 403
        assert len(root.data("POST", f"{UA}/list")["items"]) == 3
        assert ed("POST", "/admin/page/home").status_code == 200
        assert enforcer.enforce("u:ed", "Auth>UserAdmin", "page:list:email", "page:list")
        assert not enforcer.enforce("u:ed", "Auth>UserAdmin", "page:update", "page")

    async def from_afar(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "client": ("2001:db8:1234:5678:9abc:def0:1234:5678", 1)}, receive, send)

    with TestClient(from_afar) as client:  # the original's columns are narrower than ours
        root, name = Client(client, "root"), "n" * 32
        root.data("POST", f"{UA}/item", {"username": name, "password": name})
        Client(client, name)
    with side_engine(database_url).connect() as db:
        last = db.execute(select(HISTORY.c.login_name, HISTORY.c.ip).order_by(HISTORY.c.id.desc())).first()
        assert last == (name[:20], "2001:db8:1234:5678:9")


def test_D9_one_rule_set_decides_as_the_model_file_says() -> None:
    """Decisions that the original's model makes of the rules above, by casbin 1.43 with that model."""
    casbin = pytest.importorskip("casbin")
    from fastapi_user_auth_c.policy import AsyncEnforcer

    model = casbin.Model()
    model.load_model_from_text(
        "[request_definition]\nr = sub, obj, act, group\n[policy_definition]\np = sub, obj, act, group, eft\n"
        "[role_definition]\ng = _, _\ng2 = _, _\n[policy_effect]\ne = subjectPriority(p.eft) || deny\n[matchers]\n"
        'm = (r.sub=="u:root" && p.eft=="allow") || '
        "((g(r.sub, p.sub) && g2(r.obj, p.obj) && keyMatch(r.act,p.act)) && r.group==p.group)\n"
    )
    theirs, ours = casbin.Enforcer(model), AsyncEnforcer()
    links = [["u:ed", "r:editor"], ["u:admin", "r:admin"]]
    pages = [["AuthAdminSite", "Auth>UserAuthApp"], ["Auth>UserAuthApp", "Auth>UserAdmin"]]
    rules = [
        ["u:admin", "AuthAdminSite", "page", "page", "allow"],
        ["r:editor", "Auth>UserAdmin", "page", "page", "allow"],
        ["r:editor", "Auth>UserAdmin", "page:list", "page", "allow"],
        ["r:editor", "Auth>UserAdmin", "page:list:*", "page:list", "allow"],
    ]
    theirs.add_grouping_policies(links)
    theirs.add_named_grouping_policies("g2", pages)
    theirs.add_policies(rules)
    theirs.model.sort_policies_by_subject_hierarchy()
    ours.add("g", links)
    ours.add("g2", pages)
    ours.add("p", rules)
    for subject in ("u:ed", "u:admin", "u:root", "u:guest", "r:editor"):
        for page in ("AuthAdminSite", "Auth>UserAuthApp", "Auth>UserAdmin", "Auth>RoleAdmin"):
            for action, group in (("page", "page"), ("page:list", "page"), ("page:list:email", "page:list")):
                request = (subject, page, action, group)
                assert ours.enforce(*request) == theirs.enforce(*request), request


# -- requires, in all its uses ----------------------------------------------------------------------------------------


def test_requires_as_decorator_dependency_and_call(make_app: Callable[..., Any], database_url: str) -> None:
    app = make_app(database_url)
    auth = app.state.site.auth

    @app.get("/vip")
    @auth.requires(roles=["vip", "root"])
    async def vip(request: Request, number: int = 1) -> Any:
        return number

    @app.get("/depend", dependencies=[Depends(auth.requires("admin")())])
    async def depend() -> Any:
        return "in"

    @app.get("/user")
    def user(user: Any = Depends(auth.get_current_user)) -> Any:
        return user and user.username

    @app.get("/call")
    async def call(request: Request) -> Any:
        return bool(await auth.requires("admin", response=False)(request))

    @app.get("/redirect")
    @auth.requires("admin", redirect="free_endpoint")
    async def redirect(request: Request) -> Any:
        return "in"

    @app.get("/status")
    @auth.requires("admin", status_code=404)
    def status(request: Request) -> Any:
        return "in"

    @app.websocket("/socket")
    @auth.requires("root")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(websocket.user.username)
        await websocket.close()

    with TestClient(app) as client:
        guest, root, admin = Client(client), Client(client, "root"), Client(client, "admin")
        assert [who("GET", "/vip?number=5").status_code for who in (guest, root, admin)] == [403, 200, 403]
        assert root("GET", "/vip?number=5").json() == 5
        assert [who("GET", "/depend").status_code for who in (guest, root, admin)] == [403, 403, 200]
        assert [who("GET", "/user").json() for who in (guest, root, admin)] == [None, "root", "admin"]
        assert [who("GET", "/call").json() for who in (guest, root, admin)] == [False, False, True]
        away = guest("GET", "/redirect")
        assert away.status_code == 307 and away.headers["location"] == "http://testserver/free"
        assert [who("GET", "/status").status_code for who in (guest, root, admin)] == [404, 404, 200]
        with client.websocket_connect("/socket", headers=root.headers) as socket_:
            assert socket_.receive_text() == "root"
        for who in (guest, admin):
            with pytest.raises(WebSocketDisconnect), client.websocket_connect("/socket", headers=who.headers):
                pass
        assert client.portal.call(auth.has_role_for_user, "root", ["admin", "root"])
        assert client.portal.call(auth.has_role_for_user, "root", ["admin", "root"], False)
        assert not client.portal.call(auth.has_role_for_user, "admin", ["admin", "vip"], False)
        assert not client.portal.call(auth.has_role_for_user, "guest", "")


def test_a_middleware_sets_user_and_auth(make_app: Callable[..., Any], database_url: str) -> None:
    site_app = make_app(database_url)
    auth = site_app.state.site.auth
    app = FastAPI()
    auth.backend.attach_middleware(app)

    @app.get("/who")
    def who(request: Request) -> Any:
        assert request.auth is auth
        return request.user.username if request.user else None

    with TestClient(site_app) as client:
        headers = Client(client, "root").headers
    with TestClient(app) as client:
        assert client.get("/who").json() is None
        assert client.get("/who", headers=headers).json() == "root"
        assert client.get("/who", headers={"Authorization": "bearer nonsense"}).json() is None
        assert client.get("/who", headers={"Authorization": headers["Authorization"][7:]}).json() is None


def test_a_user_of_another_middleware_is_a_guest(make_app: Callable[..., Any], database_url: str) -> None:
    from starlette.authentication import AuthCredentials, SimpleUser, UnauthenticatedUser

    site_app = make_app(database_url)
    auth = site_app.state.site.auth

    class Host:
        """The host application's own users; one of them is called root."""

        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            name = dict(scope.get("headers", [])).get(b"x-name", b"").decode()
            scope["user"] = SimpleUser(name) if name else UnauthenticatedUser()
            scope["auth"] = AuthCredentials([])
            await self.app(scope, receive, send)

    @site_app.get("/me")
    async def me(request: Request, user: Any = Depends(auth.get_current_user)) -> Any:
        return [type(request.user).__name__, user and user.username]

    with TestClient(site_app) as client:
        root = Client(client, "root")
        client.app = Host(site_app)
        client._transport.app = Host(site_app)
        for headers in ({"X-Name": "root"}, {}):
            assert client.get("/sync", headers=headers).status_code == 403
            assert client.get("/async", headers=headers).status_code == 403
            assert client.post(f"{UA}/list", headers=headers).status_code == 401
            assert client.post("/admin/file/upload", headers=headers).status_code == 401
            name = "SimpleUser" if headers else "UnauthenticatedUser"
            assert client.get("/me", headers=headers).json() == [name, None]
            both = {**headers, **root.headers}
            assert client.get("/async", headers=both).json() == {"name": "root"}
            assert client.get("/me", headers=both).json() == ["User", "root"]
            assert client.post(f"{UA}/list", headers=both).status_code == 200
        out = client.post("/admin/auth/gettoken", data={"username": "root", "password": "root"}).json()
        assert out["status"] == 0 and out["code"] == 0


@pytest.mark.parametrize("database_url", MIXED_DRIVERS, indirect=True)
def test_parallel_logins(make_app: Callable[..., Any], database_url: str) -> None:
    app = make_app(database_url)

    async def main() -> None:
        transport = httpx.ASGITransport(app=app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://test", timeout=60) as client,
        ):
            form = {"username": "root", "password": "root"}
            answers = await asyncio.gather(*(client.post("/admin/auth/gettoken", data=form) for _ in range(40)))
            assert {(answer.status_code, answer.json()["status"]) for answer in answers} == {(200, 0)}
            form = {"username": "carl", "password": "pw", "email": "carl@example.com"}
            answers = await asyncio.gather(*(client.post("/admin/auth/form/reg/api", json=form) for _ in range(8)))
            assert [answer.status_code for answer in answers] == [200] * 8
            assert sorted(answer.json()["status"] for answer in answers)[-2:] in ([-1, 0], [-2, 0])

    asyncio.run(main())


def test_T9_an_unknown_name_and_a_wrong_password_get_one_answer_in_one_time(
    make_app: Callable[..., Any], database_url: str
) -> None:
    settings = AuthSettings(**ANY_PASSWORD, login_attempts=0, login_attempts_per_name=0)
    app = make_app(database_url, pwd_context=PasswordHasher(bcrypt_rounds=9), settings=settings)
    with TestClient(app) as client:
        cheap = update(User).where(User.username == "admin").values(password=PasswordHasher(bcrypt_rounds=4).hash("pw"))
        client.portal.call(run_committed, app.state.site.auth.db, lambda session: session.execute(cheap))

        def attempt(name: str) -> tuple[float, int, Any]:
            start = time.process_time()  # what else the machine does is left out
            answer = client.post("/admin/auth/gettoken", data={"username": name, "password": "wrong"})
            return time.process_time() - start, answer.status_code, answer.json()

        seen = {name: [attempt(name) for _ in range(15)] for name in ("root", "admin", "nobody", "né" * 60)}
        assert len({json.dumps(each[1:]) for attempts in seen.values() for each in attempts}) == 1
        least = {name: min(each[0] for each in attempts) for name, attempts in seen.items()}
        assert all(least["root"] / 2 < each < least["root"] * 2 for each in least.values()), least


def test_endpoints_under_other_decorators_and_empty_roles(make_app: Callable[..., Any], database_url: str) -> None:
    app = make_app(database_url)
    auth = app.state.site.auth

    def plain(request: Request) -> Any:
        return "plain"

    @functools.wraps(plain)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return plain(*args, **kwargs)

    async def coroutine(request: Request) -> Any:
        return "coroutine"

    @functools.wraps(coroutine)
    def forwarder(*args: Any, **kwargs: Any) -> Any:
        return coroutine(*args, **kwargs)

    app.get("/wrapper")(auth.requires()(wrapper))
    app.get("/forwarder")(auth.requires()(forwarder))
    app.get("/nobody")(auth.requires(roles=[])(plain))
    with TestClient(app) as client:
        root = Client(client, "root")
        assert root("GET", "/wrapper").json() == "plain"
        assert root("GET", "/forwarder").json() == "coroutine"
        assert root("GET", "/nobody").status_code == 403


# -- objects from outside ---------------------------------------------------------------------------------------------


def test_objects_from_outside_are_used_by_their_methods(make_app: Callable[..., Any], database_url: str) -> None:
    casbin = pytest.importorskip("casbin")
    from fastapi_user_auth_c.utils.sqlachemy_adapter import Adapter

    class Context:
        """The methods of passlib's CryptContext that matter, by another name."""

        def hash(self, secret: str) -> str:
            return f"plain:{secret}"

        def verify(self, secret: str, hash: str) -> bool:
            if not hash.startswith("plain:"):
                raise ValueError("hash could not be identified")
            return hash == f"plain:{secret}"

    model = casbin.Model()
    model.load_model_from_text(
        "[request_definition]\nr = sub, obj, act, group\n[policy_definition]\np = sub, obj, act, group, eft\n"
        "[role_definition]\ng = _, _\ng2 = _, _\n[policy_effect]\ne = some(where (p.eft == allow))\n[matchers]\n"
        'm = r.sub=="u:root" || (g(r.sub, p.sub) && r.obj == p.obj && keyMatch(r.act,p.act) && r.group==p.group)\n'
    )
    enforcer = casbin.AsyncEnforcer(model)
    app = make_app(database_url, pwd_context=Context(), enforcer=enforcer)
    enforcer.set_adapter(Adapter(app.state.site.db))
    with TestClient(app) as client:
        client.portal.call(enforcer.add_policy, "u:root", "x", "y", "page", "allow")
        client.portal.call(enforcer.add_grouping_policy, "u:root", "r:root")
        root = Client(client, "root")
        assert root("GET", "/async").status_code == 200
        root.data("POST", f"{UA}/item", {"username": "bob", "password": "pw"})
        assert root.act(UA, "UpdateSubRolesAction", 3, {"role_keys": "admin"}).status_code == 200
        assert client.portal.call(enforcer.get_roles_for_user, "u:bob") == ["r:admin"]
        assert root.act(UA, "UpdateSubRolesAction", 3, {"role_keys": ""}).status_code == 200
        assert client.portal.call(enforcer.get_roles_for_user, "u:bob") == []
        assert enforcer.get_named_grouping_policy("g2")
        Client(client, "bob", "pw")


# -- tokens -----------------------------------------------------------------------------------------------------------


def test_jwt_tokens(make_app: Callable[..., Any], database_url: str) -> None:
    from fastapi_user_auth_c.auth.backends.jwt import JwtTokenStore

    store: Any = JwtTokenStore("k" * 32, expire_seconds=100)
    app = make_app(database_url, token_store=store)
    with TestClient(app) as client:
        root = Client(client, "root")
        assert root("GET", "/async").status_code == 200
    token = root.headers["Authorization"][7:]
    head, body, signature = token.split(".")

    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    def read(token: str) -> Any:
        return asyncio.run(store.read_token(token))

    def signed(head: Any, claims: Any) -> str:
        text = f"{part(head)}.{part(claims)}"
        mac = hmac.digest(b"k" * 32, text.encode(), "sha256")
        return text + "." + base64.urlsafe_b64encode(mac).rstrip(b"=").decode()

    assert read(token).username == "root"
    good_head = {"alg": "HS256", "typ": "login+jwt"}
    good = {"id": 1, "username": "root", "exp": time.time() + 50}
    assert read(signed(good_head, good)).id == 1
    for bad in (
        "", "a.b.c", "..", f"{head}.{body}.", f"{head}.{body}.{signature[:-1]}", f"{part({'alg': 'none'})}.{body}.",
        f"{head}.{part(good)}.{signature}", token + "=", "x" * 9000, "ä.b.c",
        *(signed({**good_head, "alg": name}, good) for name in ("none", "HS512", ["HS256"], None, 1)),
        signed({}, good), signed([], good), signed({**good_head, "crit": ["x"]}, good),
        *(signed(good_head, {**good, "exp": exp}) for exp in (None, [], True, "1", time.time() - 1, 10**50)),
        signed(good_head, {**good, "exp": float("inf")}),
        signed(good_head, {"id": 1, "username": "root"}), signed(good_head, {"exp": good["exp"]}),
    ):  # fmt: skip
        assert read(bad) is None, bad
    for arguments in (("",), ("k", "none"), ("k", "HS1")):
        with pytest.raises(ValueError):
            JwtTokenStore(*arguments)


# -- the session of a request -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("database_url", ["aiosqlite", "sqlite"], indirect=True)
def test_a_request_has_a_session_only_when_it_asks_for_one(make_app: Callable[..., Any], database_url: str) -> None:
    from sqlalchemy import event

    app = make_app(database_url)
    db = app.state.site.db

    @app.get("/write")
    async def write(fail: bool = False) -> Any:
        from fastapi_user_auth_c.auth.models import Role

        db.session.add(Role(key="made", name="made"))
        if fail:
            raise RuntimeError("after the change")
        return {}

    @app.state.site.router.post("/broken")
    async def broken() -> Any:
        from fastapi_user_auth_c.auth.models import Role

        db.session.add(Role(key="broken", name="broken"))
        raise RuntimeError("after the change")  # the site's handler answers it

    with TestClient(app, raise_server_exceptions=False) as client:
        checkouts: list[int] = []
        engine = getattr(db.engine, "sync_engine", db.engine)
        event.listen(engine, "checkout", lambda *_: checkouts.append(1))
        assert client.get("/free").status_code == 200
        assert client.get("/sync").status_code == 403  # no token, nothing to look up
        assert checkouts == []
        root = Client(client, "root")
        assert client.get("/write?fail=true").status_code == 500
        assert len(root.data("POST", f"{RA}/list")["items"]) == 2
        assert client.get("/write").status_code == 200
        assert len(root.data("POST", f"{RA}/list")["items"]) == 3
        assert client.get("/write").status_code == 500  # the key is there already: refused before the answer
        assert root("POST", "/admin/broken").json()["status"] == 500
        assert len(root.data("POST", f"{RA}/list")["items"]) == 3


def test_auth_and_settings_may_name_the_same_database(database_url: str, monkeypatch: Any, tmp_path: Path) -> None:
    """As the documented example with JwtTokenStore does."""
    from sqlalchemy import event
    from sqlalchemy_database import AsyncDatabase
    from sqlmodel import SQLModel

    from fastapi_user_auth_c.admin import AuthAdminSite
    from fastapi_user_auth_c.auth import Auth

    monkeypatch.chdir(tmp_path)
    db = AsyncDatabase.create(database_url)
    engine = db.engine.sync_engine
    site = AuthAdminSite(settings_for(database_url), auth=Auth(db=db))
    assert site.db is db and db.engine.sync_engine is engine

    @asynccontextmanager
    async def tables(app: FastAPI) -> Any:
        await db.async_run_sync(SQLModel.metadata.create_all, is_session=False)
        await site.auth.create_role_user("root")
        yield

    app = FastAPI(lifespan=tables)
    site.mount_app(app)
    held: set[int] = set()
    event.listen(engine, "checkout", lambda connection, *_: held.add(id(connection)))
    event.listen(engine, "checkin", lambda connection, *_: held.discard(id(connection)))

    with TestClient(app) as client:
        assert len(Client(client, "root").data("POST", f"{UA}/list")["items"]) == 1
    assert not held


# -- the package ------------------------------------------------------------------------------------------------------


def test_importing_the_package_is_cheap_and_makes_the_admin_importable() -> None:
    python(
        "import sys, fastapi_user_auth_c\n"
        "heavy = {'fastapi', 'sqlalchemy', 'pydantic', 'starlette', 'fastapi_amis_admin'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "from fastapi_amis_admin.admin import ModelAdmin\n"
        "from fastapi_user_auth_c import AuthAdminSite, Auth\n"
    )


def test_bare_faa_may_come_first() -> None:
    python("import fastapi_amis_admin, fastapi_user_auth_c\nfrom fastapi_user_auth_c.admin import AuthAdminSite\n")


def test_install_answers_the_name_of_the_original(tmp_path: Path) -> None:
    python(
        "import os, sys\n"
        f"os.chdir({str(tmp_path)!r})\n"
        "import fastapi_user_auth_c; fastapi_user_auth_c.install(); fastapi_user_auth_c.install()\n"
        "from fastapi_user_auth.admin import AuthAdminSite\n"
        "from fastapi_user_auth.auth.backends.jwt import JwtTokenStore\n"
        "import fastapi_user_auth.auth.models as theirs, fastapi_user_auth_c.auth.models as ours\n"
        "assert theirs is ours and ours.__spec__.name == 'fastapi_user_auth_c.auth.models'\n"
        "import fastapi_user_auth\n"
        "assert fastapi_user_auth is fastapi_user_auth_c\n"
        "try: import fastapi_user_auth.nothing\n"
        "except ModuleNotFoundError: pass\n"
        "else: raise SystemExit('found')\n"
    )


def test_install_after_the_original_says_so() -> None:
    python(
        "import sys, types\n"
        "sys.modules['fastapi_user_auth'] = types.ModuleType('fastapi_user_auth')\n"
        "import fastapi_user_auth_c\n"
        "try: fastapi_user_auth_c.install()\n"
        "except ImportError as error: assert 'imported already' in str(error)\n"
        "else: raise SystemExit('accepted')\n"
    )


def test_globals(make_app: Callable[..., Any], tmp_path: Path) -> None:
    python(
        "import os\n"
        f"os.chdir({str(tmp_path)!r})\n"
        "import fastapi_user_auth_c\n"
        "from fastapi_amis_admin.admin.settings import Settings\n"
        "from fastapi_amis_admin.globals import set_site\n"
        "from fastapi_user_auth_c.admin import AuthAdminSite\n"
        "site = AuthAdminSite(Settings(database_url_async='sqlite+aiosqlite:///x.db'))\n"
        "set_site(site)\n"
        "from fastapi_user_auth_c import globals as g\n"
        "from fastapi_user_auth_c.globals.deps import CurrentUser, CurrentUserOrNone\n"
        "assert g.site is site and g.auth is site.auth and g.UserModel is site.auth.user_model\n"
    )
