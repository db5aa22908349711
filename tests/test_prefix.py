"""S17: the site under a prefix, over HTTP: a server behind a proxy that takes it off, or a mount."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from app_for_tests import UA, example_app
from conftest import EACH_KIND
from fastapi import FastAPI
from starlette.responses import Response
from starlette.testclient import TestClient

from fastapi_user_auth_c.settings import AuthSettings
from fastapi_user_auth_c.web.prefix import put_in_front

PREFIX = "/tools"
WAYS = ["server", "application", "mount"]
PAGE = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}


class Proxy(threading.Thread):
    """Takes the prefix off the first line of what it passes on; one request for each connection."""

    def __init__(self, target: int) -> None:
        super().__init__(daemon=True)
        self.target, self.port, self.loop = target, 0, asyncio.new_event_loop()
        self.ready = threading.Event()

    def run(self) -> None:
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self.ready.set()
        self.loop.run_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = await reader.readline()
        there, back = await asyncio.open_connection("127.0.0.1", self.target)
        method, path, version = line.split(b" ")
        assert path.startswith(PREFIX.encode() + b"/"), path
        back.write(b" ".join((method, path[len(PREFIX) :], version)))
        await asyncio.gather(self._pipe(reader, back), self._pipe(there, writer))

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()


@contextmanager
def serving(app: Any, **options: Any) -> Iterator[int]:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", **options))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
        thread.start()
        deadline = time.monotonic() + 20
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.02)
        assert server.started
        try:
            yield port
        finally:
            server.should_exit = True
            thread.join(10)


@contextmanager
def visitor(url: str, way: str, **auth_options: Any) -> Iterator[httpx.Client]:
    """A browser, more or less, at a server with the site under the prefix."""
    app = example_app(url, **auth_options)
    server: Any = app
    if way == "application":
        app.root_path = PREFIX
    elif way == "mount":

        @asynccontextmanager
        async def lifespan(outer: FastAPI) -> Any:
            async with app.router.lifespan_context(app):
                yield

        server = FastAPI(lifespan=lifespan)
        server.mount(PREFIX, app)
    with serving(server, **({"root_path": PREFIX} if way == "server" else {})) as port:
        proxy = None
        if way != "mount":
            proxy = Proxy(port)
            proxy.start()
            assert proxy.ready.wait(10)
            port = proxy.port
        base = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=base, headers={"Connection": "close"}, timeout=30) as client:
            yield client
        if proxy is not None:
            proxy.loop.call_soon_threadsafe(proxy.loop.stop)


def addresses(value: Any) -> Iterator[str]:
    """What in a page may be an address on this host, with the method before it taken off."""
    if isinstance(value, dict):
        for each in value.values():
            yield from addresses(each)
    elif isinstance(value, list):
        for each in value:
            yield from addresses(each)
    elif isinstance(value, str):
        found = re.fullmatch(r"(?:(?:get|post|put|delete):)?(/[\w$].*)", value, re.I | re.S)
        if found:
            yield found.group(1)


@pytest.mark.parametrize(
    ("way", "database_url"),
    [*((way, EACH_KIND[0]) for way in WAYS), *((WAYS[0], kind) for kind in EACH_KIND[1:])],
    indirect=["database_url"],
)
def test_S17_everything_has_the_prefix(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.chdir(tmp_path)
    site = f"{PREFIX}/admin"
    with visitor(database_url, way) as client:
        away = client.get(f"{site}/?a=1", headers=PAGE)
        assert away.status_code == 307, away.text
        assert away.headers["location"] == f"{site}/auth/form/login?redirect={site}/%3Fa%3D1"
        form = client.get(away.headers["location"], headers=PAGE)
        assert f'"redirect":"{site}/?a=1"' in form.text.replace('": "', '":"')
        assert f'"{site}/auth/form/reg"' in form.text and '"/admin' not in form.text
        body = client.post(f"{site}/auth/form/login").json()["data"]
        assert f'"redirect": "{PREFIX}/"' in client.get(f"{site}/auth/form/login").text.replace('":"', '": "')
        (api,) = {text for text in addresses(body) if text.endswith("/api")}
        entered = client.post(api, json={"username": "root", "password": "root"})
        assert entered.json()["status"] == 0
        assert "Path=/;" in entered.headers["set-cookie"]
        assert client.get(f"{PREFIX}/sync").json() == {"name": "root"}
        assert client.get(away.headers["location"], headers=PAGE).headers["location"] == f"{site}/?a=1"

        # all pages that there is a way to, as the browser gets them
        left, seen, strange = [f"{site}/"], set(), set()
        while left:
            page = left.pop()
            if page in seen or "logout" in page or "$" in page:
                continue
            seen.add(page)
            answer = client.post(page)
            if answer.status_code != 200 or "json" not in answer.headers["content-type"]:
                continue
            found = set(addresses(answer.json()))
            strange |= {text for text in found if not text.startswith(f"{PREFIX}/")}
            left += [text.partition("?")[0] for text in found]
        assert not strange
        pages = {f"{site}/auth/{name}" for name in ("UserAdmin", "RoleAdmin", "UserAdmin/UpdateSubRolesAction")}
        assert pages | {f"{site}/page/home"} <= seen

        user_admin = f"{PREFIX}{UA}"
        assert client.post(f"{user_admin}/list", json={}).json()["data"]["total"] == 2
        stored = client.post(f"{site}/file/upload", files={"file": ("a.txt", b"text")}).json()["data"]
        assert stored["url"].startswith(f"{site}/upload/") and client.get(stored["url"]).content == b"text"
        link = client.post(f"{user_admin}/CopyUserAuthLinkAction/api?item_id=1", json={}).json()["data"]["auth_url"]
        assert link.startswith(f"{site}/login_by_token?token=")
        out = client.get(f"{site}/auth/logout")
        assert out.status_code == 307 and out.headers["location"] == site
        assert "Path=/;" in out.headers["set-cookie"] and not client.cookies
        assert client.get(link).status_code == 200
        used = client.post(f"{site}/login_by_token", data={"token": link.partition("token=")[2]})
        assert used.status_code == 303 and used.headers["location"] == f"{site}/"
        forbidden = client.get(f"{site}/page/home", headers=PAGE)  # as admin, who may do nothing
        assert forbidden.status_code == 403 and f'href="{site}/auth/logout"' in forbidden.text


def test_S17_the_nearest_cookie_counts_and_its_path_can_be_set(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    login = {"username": "root", "password": "root"}
    with visitor(database_url, "mount", settings=AuthSettings(cookie_path=PREFIX)) as client:
        answer = client.post(f"{PREFIX}/admin/auth/gettoken", data=login)
        assert f"Path={PREFIX};" in answer.headers["set-cookie"]
        token = answer.json()["data"]["access_token"]
        client.cookies.clear()
        for cookies, status in (
            (f"Authorization=bearer {token}; Authorization=bearer old", 200),
            (f"a=b; Authorization=bearer old; Authorization=bearer {token}", 403),
            (f'Authorization="bearer {token}"', 200),
            (f"Authorizationx=bearer {token}", 403),
        ):
            assert client.get(f"{PREFIX}/sync", headers={"Cookie": cookies}).status_code == status, cookies


@pytest.mark.parametrize(
    "prefix, top, text, placed",
    [
        ("/x", "/admin", '"/admin/a" "post:/admin" "/admin?a"', '"/x/admin/a" "post:/x/admin" "/x/admin?a"'),
        ("/x", "/admin", r"a=\"/admin/a\";b='/admin/'", r"a=\"/x/admin/a\";b='/x/admin/'"),
        ("/x", "/admin", '"/administer" "a/admin/b" "http://h/admin/" "/x/admin/a"', None),
        ("/x", "/admin", '"see /admin/a"', None),
        ("/admin", "/admin", '"/admin/a" "/admin/admin/a"', '"/admin/admin/a" "/admin/admin/a"'),
        ("/x", "", '"/auth/a" "//host" "/" "/x/b" "get:/c"', '"/x/auth/a" "//host" "/" "/x/b" "get:/x/c"'),
        ("/%5C1", "/admin", '"/admin/a"', '"/%5C1/admin/a"'),
    ],
)
def test_S17_what_is_an_address(prefix: str, top: str, text: str, placed: str | None) -> None:
    response = put_in_front(prefix, top, Response(text))
    assert response.body.decode() == (text if placed is None else placed)
    assert response.headers["content-length"] == str(len(response.body))


def test_S17_a_prefix_from_the_address_is_no_markup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    outer = FastAPI()
    outer.mount("/{tenant}", example_app(f"sqlite+aiosqlite:///{tmp_path}/test.db?check_same_thread=False"))
    page = TestClient(outer).get("/a%22%3E%3Cscript%3Ex/admin/auth/form/login")
    assert page.status_code == 200 and "<script>x" not in page.text
    assert "/a%22%3E%3Cscript%3Ex/admin/auth/form/reg" in page.text
