"""D8: Starlette's own decorator and attributes beside this library."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from app_for_tests import ANY_PASSWORD, Client
from fastapi import FastAPI, WebSocket
from starlette.authentication import requires
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import Request
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from test_token_stores import make_user

from fastapi_user_auth_c.settings import AuthSettings


def add_routes(app: FastAPI, auth: Any) -> None:
    @app.get("/who")
    async def who(request: Request) -> Any:
        assert request.auth is auth
        return [request.user.is_authenticated, bool(request.user), request.auth.scopes]

    @app.get("/me")
    def me(request: Request) -> Any:
        return request.user

    @app.get("/starlette/user")
    @requires("authenticated")
    async def user(request: Request) -> Any:
        return request.user.username

    @app.get("/starlette/vip")
    @requires(["authenticated", "vip"])
    def vip(request: Request) -> Any:
        return request.user.username

    @app.get("/starlette/away")
    @requires("authenticated", redirect="who")
    async def away(request: Request) -> Any:
        return "here"

    @app.get("/starlette/root")
    @requires("root", status_code=404)
    async def root_only(request: Request) -> Any:
        return "here"

    @app.get("/own/vip")
    @auth.requires("vip")
    async def own(request: Request) -> Any:
        return request.auth.scopes

    @app.websocket("/ws")
    @requires("authenticated")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(websocket.user.username)
        await websocket.close()


def apps(make_app: Callable[..., Any], url: str, how: str, **options: Any) -> tuple[Any, FastAPI]:
    options.setdefault("settings", AuthSettings(guest_user=True, **ANY_PASSWORD))
    site_app = make_app(url, **options)
    auth, app = site_app.state.site.auth, site_app
    if how == "attach":
        auth.backend.attach_middleware(app)
    else:
        app.add_middleware(AuthenticationMiddleware, backend=auth.backend)
    add_routes(app, auth)
    return auth, app


@pytest.mark.parametrize("how", ["attach", "starlettes"])
def test_D8_starlettes_requires_and_request_user_work(
    make_app: Callable[..., Any], database_url: str, how: str
) -> None:
    auth, app = apps(make_app, database_url, how)
    with TestClient(app) as client:
        make_user(app, client, "bob")
        make_user(app, client, "eve")
        client.portal.call(auth.enforcer.add_role_for_user, "u:bob", "r:vip")
        client.portal.call(auth.enforcer.add_role_for_user, "r:vip", "r:deep")  # not asked for by auth.requires either
        who = {name: Client(client, name) for name in ("bob", "eve", "root")} | {"": Client(client)}
        assert who[""]("GET", "/who").json() == [False, False, []]
        assert who["bob"]("GET", "/who").json() == [True, True, ["authenticated", "vip"]]
        assert who["eve"]("GET", "/who").json() == [True, True, ["authenticated"]]
        assert who["root"]("GET", "/who").json() == [True, True, ["authenticated", "root"]]
        assert who[""]("GET", "/me").json() is None and who["bob"]("GET", "/me").json()["username"] == "bob"

        def statuses(path: str) -> list[int]:
            return [who[name]("GET", path).status_code for name in ("", "eve", "bob", "root")]

        assert statuses("/starlette/user") == [403, 200, 200, 200]
        assert statuses("/starlette/vip") == [403, 403, 200, 403] == statuses("/own/vip")
        assert statuses("/starlette/root") == [404, 404, 404, 200]
        assert statuses("/starlette/away") == [303, 200, 200, 200]
        assert statuses("/async") == [403, 403, 403, 200], "and auth.requires goes on"
        bad = client.get("/who", headers={"Authorization": "bearer nonsense"})
        assert bad.json() == [False, False, []]
        with client.websocket_connect("/ws", headers=who["bob"].headers) as socket:
            assert socket.receive_text() == "bob"
        with pytest.raises(WebSocketDisconnect), client.websocket_connect("/ws"):
            pass
        client.portal.call(auth.enforcer.delete_role_for_user, "u:bob", "r:vip")
        assert statuses("/starlette/vip") == [403] * 4
        assert who["bob"]("GET", "/admin/auth/userinfo").status_code == 200
        assert who[""]("GET", "/admin/auth/form/login").status_code == 200
        client.portal.call(auth.logout_everywhere, 4)
        assert who["eve"]("GET", "/who").json() == [False, False, []]


def test_D8_guests_are_none_unless_told(make_app: Callable[..., Any], database_url: str) -> None:
    _auth, app = apps(make_app, database_url, "attach", settings=AuthSettings())

    @app.get("/none")
    async def none(request: Request) -> Any:
        return request.user is None

    with TestClient(app) as client:
        assert client.get("/none").json() is True
        assert client.get("/starlette/user").status_code == 403


def test_D8_scopes_are_those_of_the_request_being_answered(make_app: Callable[..., Any], database_url: str) -> None:
    """Also where one task makes several requests, one of them within another."""
    auth, app = apps(make_app, database_url, "attach")
    inner_headers: dict[str, str] = {}

    @app.get("/nested")
    async def nested(request: Request) -> Any:
        inner = await call(app, "/who", inner_headers)
        return [inner, request.auth.scopes]

    async def call(app: Any, path: str, headers: dict[str, str]) -> int:
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "root_path": "",
                 "query_string": b"", "headers": raw, "scheme": "http", "server": ("t", 80), "client": ("t", 1),
                 "http_version": "1.1", "asgi": {"version": "3.0"}}  # fmt: skip
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await app(scope, receive, send)
        return int(sent[0]["status"])

    async def one_after_the_other() -> list[str]:
        assert await call(app, "/who", inner_headers) == 200
        return list(auth.scopes)

    with TestClient(app) as client:
        inner_headers.update(Client(client, "root").headers)
        assert client.get("/nested").json() == [200, []]
        assert client.portal.call(one_after_the_other) == []
        many = client.portal.call(
            lambda: asyncio.gather(*(call(app, "/starlette/user", who) for who in [inner_headers, {}] * 5))
        )
        assert many == [200, 403] * 5
        assert auth.scopes == []


def test_D8_who_cannot_be_asked_for_is_no_guest(
    make_app: Callable[..., Any], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    auth, app = apps(make_app, database_url, "attach")
    with TestClient(app) as client:
        root = Client(client, "root")

        async def down(token: str) -> Any:
            raise ConnectionError

        monkeypatch.setattr(auth.backend.token_store, "read_token", down)
        assert root("GET", "/starlette/user").status_code == 503
        assert client.get("/starlette/user").status_code == 403
