"""What the site withstands: other sites, odd texts, people who want more than they have."""

from __future__ import annotations

import asyncio
import logging
import re
import unicodedata
from collections.abc import Callable, Iterator
from html import unescape
from typing import Any

import pytest
from app_for_tests import UA, Client
from pydantic import SecretStr
from sqlalchemy import create_engine, make_url, text
from starlette.testclient import TestClient
from test_token_stores import change, is_let_in, make_user
from visits import visited

from fastapi_user_auth_c.auth.models import User
from fastapi_user_auth_c.auth.names import _narrowed
from fastapi_user_auth_c.db import run_committed
from fastapi_user_auth_c.settings import AuthSettings
from fastapi_user_auth_c.texts import plain_text
from fastapi_user_auth_c.web.origin import is_foreign

LINK = "CopyUserAuthLinkAction"
NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Accept": "text/html"}


def allow(app: Any, client: TestClient, subject: str, *actions: str, page: str = "Auth>UserAdmin") -> None:
    rules = [[subject, page, action, "page", "allow"] for action in actions]
    client.portal.call(app.state.site.auth.enforcer.add_policies, rules)


def id_of(root: Client, name: str) -> int:
    items = root.data("POST", f"{UA}/list?perPage=100", {})["items"]
    return next(int(item["id"]) for item in items if item["username"] == name)


# -- S2: login links --------------------------------------------------------------------------------------------------


def test_S2_a_login_link_works_once_for_the_account_as_it_is(app: Any, client: TestClient, root: Client) -> None:
    make_user(app, client, "bob")
    bob = id_of(root, "bob")
    assert root("GET", f"{UA}/{LINK}/api?item_id={bob}").status_code == 405, "no link is made by a GET"

    def make() -> str:
        data = root.act(UA, LINK, bob, {}).json()["data"]
        assert data["auth_url"].startswith("/admin/login_by_token?token=") and data["username"] == "bob"
        return str(data["auth_url"]).partition("token=")[2]

    def use(code: str) -> int:
        client.cookies.clear()
        answer = client.post("/admin/login_by_token", data={"token": code}, follow_redirects=False)
        return int(answer.status_code)

    code = make()
    for _ in range(2):  # looking at it uses nothing up, and logs nobody in
        page = client.get(f"/admin/login_by_token?token={code}")
        assert page.status_code == 200 and code in page.text and "set-cookie" not in page.headers
    assert use(code) == 303
    assert client.get("/admin/auth/userinfo").json()["data"]["username"] == "bob"
    assert use(code) == 403, "once"
    code = make()
    change(app, client, "bob", is_active=False)
    assert use(code) == 403
    assert root.act(UA, LINK, bob, {}).status_code == 403, "nobody is logged in as an inactive user"
    change(app, client, "bob", is_active=True)
    code = make()
    change(app, client, "bob", password="x")
    assert use(code) == 403
    app.state.site.auth.settings.login_link_seconds = -1
    assert use(make()) == 403, "late"
    for odd in ("", "x", "'\"><script>", "\U0001f600"):
        assert use(odd) == 403
    page = client.get("/admin/login_by_token", params={"token": '"><script>alert(1)</script>'})
    assert "<script>alert" not in page.text


def test_S2_nobody_makes_a_link_to_more_than_they_have(app: Any, client: TestClient, root: Client) -> None:
    for name in ("bob", "eve", "vip"):
        make_user(app, client, name)
    allow(app, client, "u:admin", "page", "page:copy_user_auth_link")
    allow(app, client, "u:bob", "page")
    allow(app, client, "u:eve", "page:*")
    client.portal.call(app.state.site.auth.enforcer.add_role_for_user, "u:vip", "r:vip")
    admin = Client(client, "admin")
    ids = {name: id_of(root, name) for name in ("root", "bob", "eve", "vip", "admin")}
    assert admin.act(UA, LINK, ids["bob"], {}).json()["status"] == 0
    for name in ("root", "eve", "vip"):
        assert admin.act(UA, LINK, ids[name], {}).status_code == 403, name
    assert Client(client, "bob").act(UA, LINK, ids["bob"], {}).status_code == 403
    # the Host header of the one who asks decides nothing
    answer = client.post(f"{UA}/{LINK}/api?item_id={ids['bob']}", json={}, headers={**admin.headers, "Host": "evil"})
    assert "evil" not in answer.text
    # nor does who sees fewer rows get at more of them
    rows = ["u:bob", "Auth>UserAdmin", "page:select:self", "page:select", "allow"]
    client.portal.call(app.state.site.auth.enforcer.add_policy, *rows)
    assert admin.act(UA, LINK, ids["bob"], {}).status_code == 403
    client.portal.call(app.state.site.auth.enforcer.add_policy, "u:admin", *rows[1:])
    assert admin.act(UA, LINK, ids["bob"], {}).json()["status"] == 0


def test_S2_a_login_link_begins_with_the_address_of_the_settings(
    make_app: Callable[..., Any], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SITE_URL", "https://site.example")
    app = make_app(database_url)
    with TestClient(app) as client:
        link = Client(client, "root").act(UA, LINK, 1, {}).json()["data"]["auth_url"]
        assert link.startswith("https://site.example/admin/login_by_token?token=")


# -- S4, S5: who may act on whom --------------------------------------------------------------------------------------


def test_S4_root_and_those_with_more_rights_are_out_of_reach(app: Any, client: TestClient, root: Client) -> None:
    for name in ("bob", "vip"):
        make_user(app, client, name)
    allow(app, client, "u:admin", "page", "page:list", "page:update", "page:delete", "page:bulk_delete")
    field = [["u:admin", "Auth>UserAdmin", f"page:{act}:*", f"page:{act}", "allow"] for act in ("list", "update")]
    client.portal.call(app.state.site.auth.enforcer.add_policies, field)
    client.portal.call(app.state.site.auth.enforcer.add_role_for_user, "u:vip", "r:root")
    admin = Client(client, "admin")
    ids = {name: id_of(root, name) for name in ("root", "bob", "vip", "admin")}
    for data in ({"nickname": "x"}, {"is_active": False}, {"password": "mine now"}):
        for items in (str(ids["root"]), f"{ids['bob']},{ids['root']}"):
            assert admin("PUT", f"{UA}/item/{items}", data).status_code in (401, 403), (items, data)
    for items in (str(ids["root"]), f"{ids['bob']},{ids['root']}", str(ids["admin"]), f"{ids['bob']},{ids['admin']}"):
        assert admin("DELETE", f"{UA}/item/{items}").status_code in (401, 403), items
    assert root("DELETE", f"{UA}/item/{ids['root']}").status_code in (401, 403), "nor does root by a slip"
    assert admin("PUT", f"{UA}/item/{ids['vip']}", {"nickname": "Vip"}).json()["status"] == 0
    assert admin("PUT", f"{UA}/item/{ids['vip']}", {"password": "mine now"}).status_code in (401, 403)
    assert admin("PUT", f"{UA}/item/{ids['bob']},{ids['vip']}", {"password": "mine now"}).status_code in (401, 403)
    for name in ("root", "bob", "vip"):
        Client(client, name)
    assert admin("PUT", f"{UA}/item/{ids['bob']}", {"password": "new one"}).json()["status"] == 0
    Client(client, "bob", "new one")


def test_S5_only_roles_that_are_there_and_ones_own_are_given(app: Any, client: TestClient, root: Client) -> None:
    make_user(app, client, "bob")
    allow(app, client, "u:admin", "page", "page:update_subject_roles")
    bob, admin = id_of(root, "bob"), Client(client, "admin")
    held = app.state.site.auth.enforcer.get_roles_for_user

    def give(who: Client, keys: str) -> int:
        return int(who.act(UA, "UpdateSubRolesAction", bob, {"role_keys": keys}).status_code)

    for keys in ("nobody", "admin,nobody", "ADMIN", "admin "):
        assert give(root, keys) == 422 and give(admin, keys) == 422, keys
    assert give(admin, "root") == 403 and give(admin, "admin,root") == 403
    assert client.portal.call(held, "u:bob") == []
    assert give(admin, "admin") == 200 and give(root, "admin,root") == 200
    assert give(admin, "root,admin") == 200 and sorted(client.portal.call(held, "u:bob")) == ["r:admin", "r:root"]
    assert give(admin, "") == 200 and client.portal.call(held, "u:bob") == ["r:root"]


# -- S8: refusals -----------------------------------------------------------------------------------------------------


def test_S8_refusals_are_no_redirects_for_those_who_are_logged_in(app: Any, client: TestClient, root: Client) -> None:
    make_user(app, client, "bob")
    bob = Client(client, "bob")
    page = client.get("/admin/", headers={**bob.headers, **NAVIGATION}, follow_redirects=False)
    assert page.status_code == 403 and page.headers["content-type"].startswith("text/html")
    assert "/admin/auth/logout" in page.text and "Insufficient" in page.text
    for path in ("/admin/", "/admin/page/home"):
        script = client.get(path, headers={**bob.headers, "Accept": "application/json"}, follow_redirects=False)
        assert script.status_code == 403 and script.json()["status"] == 403
        assert client.post(path, headers=bob.headers, follow_redirects=False).status_code in (403, 405)
    client.cookies.clear()
    away = client.get("/admin/?a=1&b=%26%3C", headers=NAVIGATION, follow_redirects=False)
    assert away.status_code == 307
    assert away.headers["location"] == "/admin/auth/form/login?redirect=/admin/%3Fa%3D1%26b%3D%2526%253C"
    assert client.get("/admin/", headers={"Accept": "application/json"}, follow_redirects=False).status_code == 401


# -- S10: texts in pages, headers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/admin/auth/form/login", "/admin/"])
def test_S10_texts_do_not_end_the_script(app: Any, client: TestClient, root: Client, path: str) -> None:
    evil = "</script><script>alert(1)//"
    make_user(app, client, evil)
    allow(app, client, f"u:{evil}", "page", page="AuthAdminSite")
    headers = Client(client, evil).headers if path == "/admin/" else {}
    client.cookies.clear()
    page = client.get(path, params={"redirect": evil}, headers={**headers, **NAVIGATION})
    assert page.status_code == 200 and evil not in page.text
    scripts = re.findall(r"<script[^>]*>(.*?)</script>", page.text, re.S)
    assert not any("alert(1)" in script and "\\u003c" not in script for script in scripts)
    if path == "/admin/":
        assert "\\u003c/script\\u003e\\u003cscript\\u003ealert(1)//" in page.text
    policy = page.headers["content-security-policy"]
    assert "frame-ancestors 'self'" in policy and "https://unpkg.com" in policy and "object-src 'none'" in policy
    assert page.headers["x-content-type-options"] == "nosniff" and page.headers["x-frame-options"] == "SAMEORIGIN"
    assert unescape(page.text).count("<script>alert") == 0


def test_S10_the_policy_can_be_set(make_app: Callable[..., Any], database_url: str) -> None:
    for policy in ("default-src 'self'", ""):
        with TestClient(make_app(database_url, settings=AuthSettings(content_security_policy=policy))) as client:
            page = client.get("/admin/auth/form/login")
            assert page.headers.get("content-security-policy", "") == policy
            assert client.get("/free").headers.get("x-frame-options") is None, "only the site's answers"


def test_amis_from_a_local_folder(database_url: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from app_for_tests import settings_for
    from fastapi import FastAPI
    from sqlalchemy_database import AsyncDatabase, Database

    from fastapi_user_auth_c.admin import AuthAdminSite

    monkeypatch.chdir(tmp_path)
    AsyncDatabase._instances = Database._instances = None
    modules = tmp_path / "node_modules"
    for name in (
        "amis/sdk/sdk.js",
        "vue/dist/vue.min.js",
        "vue/dist/vue.js",
        "history@5.3.0/umd/history.production.min.js",
    ):
        (modules / name).parent.mkdir(parents=True, exist_ok=True)
        (modules / name).write_text(name)
    (tmp_path / "secret").write_text("secret")
    with pytest.raises(ValueError, match="npm install"):
        AuthAdminSite(settings_for(database_url), amis_assets=tmp_path)
    AsyncDatabase._instances = Database._instances = None
    site = AuthAdminSite(settings_for(database_url), amis_assets=modules)
    app = FastAPI()
    site.mount_app(app)
    client = TestClient(app)  # not started: nothing here needs the database
    page = client.get("/admin/auth/form/login")
    sources = re.findall(r'<script src="(.*?)"', page.text)
    assert sources and all(source.startswith("/admin/amis-assets/") for source in sources)
    for source in sources:
        assert client.get(source).status_code == 200, source
    assert "unpkg" not in page.text + page.headers["content-security-policy"]
    for path in ("../secret", "amis@1/../../secret", "amis@/../../secret", "%2e%2e/secret", "amis", "amis@6.3.0"):
        assert client.get(f"/admin/amis-assets/{path}").status_code == 404, path


# -- S12: other origins -----------------------------------------------------------------------------------------------

FOREIGN: list[dict[str, str]] = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://testserver"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://testserver.evil.example"},
    {"Origin": "http://testserver:81"},
]
OWN: list[dict[str, str]] = [
    {},
    {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "http://testserver"},
    {"Origin": "HTTP://TESTSERVER"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "http://testserver"},
]


def test_S12_other_origins_change_nothing(app: Any, client: TestClient, root: Client) -> None:
    cookie = {"Cookie": "Authorization=bearer " + root.headers["Authorization"][7:]}
    body = {"username": "new", "password": "new"}
    for foreign in FOREIGN:
        client.cookies.clear()
        for path, json in (
            (f"{UA}/item", body), ("/admin/auth/form/login/api", body), ("/admin/auth/form/reg/api", body),
            ("/admin/auth/logout_everywhere", None), ("/admin/login_by_token", None), (f"{UA}/list", {}),
        ):  # fmt: skip
            answer = client.post(path, json=json, headers={**cookie, **foreign}, follow_redirects=False)
            assert answer.status_code == 403 and "another site" in answer.text, (foreign, path, answer.text)
        text = client.post(f"{UA}/item", content='{"username": "new"}', headers={**cookie, **foreign})
        assert text.status_code == 403
        form = client.post("/admin/auth/gettoken", data={"username": "root", "password": "root"}, headers=foreign)
        assert form.status_code == 403 and "set-cookie" not in form.headers
        for method in ("PUT", "DELETE"):
            assert client.request(method, f"{UA}/item/1", json={}, headers={**cookie, **foreign}).status_code == 403
        for path in ("/admin/auth/logout", "/admin/auth/CasbinRuleAdmin/load_policy"):
            answer = client.get(path, headers={**cookie, **foreign}, follow_redirects=False)
            assert answer.status_code == 403, (foreign, path, answer.text)
        assert is_let_in(root), "nobody was logged out"
        # a page that knows the token is no other site's
        assert client.post(f"{UA}/list", json={}, headers={**root.headers, **foreign}).status_code == 200


def test_S12_the_site_itself_goes_on(app: Any, client: TestClient) -> None:
    body = {"username": "root", "password": "root"}
    for own in OWN:
        client.cookies.clear()
        assert client.post("/admin/auth/form/login/api", json=body, headers=own).json()["status"] == 0, own
        assert client.post(f"{UA}/list", json={}, headers=own).status_code == 200, own
        assert client.get("/admin/auth/logout", headers=own, follow_redirects=False).status_code == 307
        assert client.get("/sync").status_code == 403


def test_S12_who_is_trusted_is_a_setting(make_app: Callable[..., Any], database_url: str) -> None:
    body = {"username": "root", "password": "root"}
    evil = {"Origin": "https://app.example"}
    for settings, status in (
        ({"trusted_origins": ["https://app.example/"]}, 200),
        ({"trusted_origins": ["https://other.example"]}, 403),
        ({"check_origin": False}, 200),
    ):
        with TestClient(make_app(database_url, settings=AuthSettings(**settings))) as client:  # type: ignore[arg-type]
            assert client.post("/admin/auth/form/login/api", json=body, headers=evil).status_code == status


def test_S12_judging_needs_no_header_twice() -> None:
    from starlette.requests import Request

    def judged(**headers: str) -> bool:
        raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        return is_foreign(Request({"type": "http", "headers": raw}))

    assert not judged() and judged(origin="http://a") and not judged(origin="http://a", host="a")
    assert judged(origin="a", host="a") and judged(origin="http://b", host="a")


# -- S13: uploads -----------------------------------------------------------------------------------------------------


GUEST = {"Authorization": ""}


async def streamed(app: Any, path: str, headers: dict[str, str], body: Iterator[bytes]) -> int:
    """The status of the answer to a request whose body is taken from an iterator as far as the application reads."""
    scope = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "root_path": "", "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()], "scheme": "http",
        "server": ("testserver", 80), "client": ("testclient", 1), "http_version": "1.1", "asgi": {"version": "3.0"},
    }  # fmt: skip
    answers: list[Any] = []

    async def receive() -> Any:
        part = next(body, None)
        return {"type": "http.request", "body": part or b"", "more_body": part is not None}

    async def send(message: Any) -> None:
        answers.append(message)

    await app(scope, receive, send)
    return int(answers[0]["status"])


def test_S13_uploads_are_limited_and_served_as_downloads(
    app: Any, client: TestClient, root: Client, tmp_path: Any
) -> None:
    def upload(name: str, content: bytes = b"text") -> Any:
        return root("POST", "/admin/file/upload", files={"file": (name, content, "image/png")})

    out = upload("picture.PNG", b"\x89PNG")
    assert out.status_code == 200 and out.json()["status"] == 0, out.text
    url = out.json()["data"]["url"]
    assert re.fullmatch(r"/admin/upload/\d{6}/[0-9a-f]{32}\.png", url)
    shown = client.get(url)
    assert shown.content == b"\x89PNG" and shown.headers["content-disposition"] == "attachment"
    assert (
        shown.headers["x-content-type-options"] == "nosniff" and "sandbox" in shown.headers["content-security-policy"]
    )
    for name in ("x.html", "x.svg", "x.SVG", "x.htm", "x.xml", "x", "", ".png/../x.html", "x.png.html", "x.png\0.html"):
        assert upload(name).status_code in (415, 422), name
    assert upload("big.png", b"x" * (2 * 1024 * 1024 + 1)).status_code == 413
    assert upload("big.png", b"x" * (3 * 1024 * 1024)).status_code == 413

    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
        for _ in range(4 * 200):
            sent += 1
            yield b"x" * 256 * 1024

    headers = {**root.headers, "Content-Type": "multipart/form-data; boundary=b"}
    assert client.portal.call(streamed, app, "/admin/file/upload", headers, endless()) == 413
    assert 0 < sent < 4 * 4, "no more is read than may be uploaded"
    assert client.portal.call(streamed, app, "/admin/file/upload", {**headers, **GUEST}, endless()) == 401
    assert sent < 4 * 4, "nor anything of those who may not"
    for content, kind in (
        (b"", "multipart/form-data"),
        (b"x", "multipart/form-data; boundary=b"),
        (b"{}", "text/json"),
    ):
        answer = client.post("/admin/file/upload", content=content, headers={**root.headers, "Content-Type": kind})
        assert answer.status_code == 422, (content, kind, answer.text)
    stored = [path for path in (tmp_path / "upload").rglob("*") if path.is_file()]
    assert len(stored) == 1


# -- S14: names -------------------------------------------------------------------------------------------------------


NO_NAMES = [
    "",
    " ",
    "root",
    "Root",
    "root ",
    " ADMIN",
    "ｒｏｏｔ",
    "ro\u200bot",
    "\u2060",
    "bob\n",
    "b\0b",
    "u:root",
    "R:editor",
]
NO_NAMES += ["cafe\u0301", "ｂｏｂ", " bob"]  # another form of a name that looks the same
TAKEN = [
    "bob",
    "BOB",
    "Bob",
    "strasse",
    "STRASSE",
    "Stra\u00dfe",
    "caf\u00e9",
    "CAF\u00c9",
    "\u6d77\u0444",
    "\u6d77\u0424",
]
TAKEN += ["fluss", "FLU\u00df", "FLU\u1e9e", "\u03a3\u038c\u03a6\u039f\u03a3", "\u03c3\u03cc\u03c6\u03bf\u03c3"]


def test_S14_names_that_look_like_others(make_app: Callable[..., Any], database_url: str) -> None:
    app = make_app(database_url)
    with TestClient(app) as client:

        def sign_up(name: str) -> bool:
            client.cookies.clear()
            form = {"username": name, "password": "plum jam 3"}
            answer = client.post("/admin/auth/form/reg/api", json=form)
            assert answer.status_code in (200, 422), answer.text
            return bool(answer.status_code == 200 and answer.json()["status"] == 0)

        for name in (
            "bob",
            "STRASSE",
            "caf\u00e9",
            "名",
            "\u6d77\u0424",
            "Flu\u00df",
            "\u03c3\u03cc\u03c6\u03bf\u03c2",
        ):
            assert sign_up(name), name
        for name in [*NO_NAMES, *TAKEN]:
            assert not sign_up(name), repr(name)
        for name in ("bobby", "strass", "\u6d77", "\u6d77\u0424\u0424", "flusz", "\u5357"):
            assert sign_up(name), name


def test_S14_names_that_differ_in_case_and_come_at_once(make_app: Callable[..., Any], database_url: str) -> None:
    app = make_app(database_url)

    async def main() -> None:
        async with visited(app) as client:
            for names in (
                ["eve", "Eve", "EVE", "eVe"],
                ["\u0436\u0436", "\u0416\u0436", "\u0436\u0416", "\u0416\u0416"],
            ):
                forms = [{"username": name, "password": "plum jam 3"} for name in names]
                answers = await asyncio.gather(*(client.post("/admin/auth/form/reg/api", json=form) for form in forms))
                client.cookies.clear()
                assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers]
                assert sorted(answer.json()["status"] for answer in answers) == [-1, -1, -1, 0], names

    asyncio.run(main())


def test_S14_a_new_name_is_compared_with_few_others(make_app: Callable[..., Any], database_url: str) -> None:
    """The database leaves out what cannot be the same, also where a name is not in ASCII."""
    app = make_app(database_url)
    stored = ["\u7528\u6237" + str(number) for number in range(300)] + ["user" + str(number) for number in range(300)]

    def fetched(session: Any, name: str) -> list[str]:
        return list(_narrowed(session, User.username, name))

    with TestClient(app) as client:
        db = app.state.site.auth.db

        def add(session: Any) -> None:
            session.add_all(User(username=name, password=SecretStr("")) for name in stored)

        client.portal.call(run_committed, db, add)
        for name in ("\u7528\u6237" + "7", "USER7", "\u7528\u6237" + "999", "fuss", "sser7"):
            found = client.portal.call(run_committed, db, lambda session, name=name: fetched(session, name))
            assert found == [each for each in stored if each == name.casefold()], name


def test_S14_names_on_a_database_that_is_not_utf_8(make_app: Callable[..., Any], database_url: str) -> None:
    """It cannot be asked for letters that it does not have; names that it has are compared all the same."""
    if "sqlite" in database_url:
        pytest.skip("SQLite has all letters")
    url = make_url(database_url)
    plain = url.drivername.partition("+")[0]
    server = create_engine(
        url.set(drivername={"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}[plain]),
        isolation_level="AUTOCOMMIT",
    )
    name, latin = f"{url.database}_latin", "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    with server.connect() as connection:
        made = latin if plain == "postgresql" else "CHARACTER SET latin1"
        connection.execute(text(f"CREATE DATABASE {name} {made}"))
    try:
        with TestClient(make_app(url.set(database=name).render_as_string(hide_password=False))) as client:

            def sign_up(username: str) -> tuple[int, int]:
                form = {"username": username, "password": "plum jam 3"}
                answer = client.post("/admin/auth/form/reg/api", json=form)
                client.cookies.clear()
                return answer.status_code, answer.json()["status"]

            for new in ("roberta", "jessica", "k\u00e4the"):
                assert sign_up(new) == (200, 0), new
            for taken in ("Roberta", "JESSICA", "K\u00c4THE", "jessica"):
                assert sign_up(taken) == (200, -1), taken
            assert sign_up("\u7528\u6237") == (422, 422), "it cannot be stored"
    finally:
        with server.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name}" + (" WITH (FORCE)" if plain == "postgresql" else "")))
        server.dispose()


def test_S14_letters_whose_marks_are_composed_in_one_case_only() -> None:
    for small in "\u0390\u03b0\u01f0\u1e96\u1fd2":
        capital = unicodedata.normalize("NFKC", small.upper())
        assert capital != small and plain_text(capital) == plain_text(small)


# -- S15, S16: accounts -----------------------------------------------------------------------------------------------


def test_S15_sign_up_closed_and_default_roles(make_app: Callable[..., Any], database_url: str) -> None:
    form = {"username": "newbie", "password": "plum jam 3"}
    with TestClient(make_app(database_url, settings=AuthSettings(sign_up=False))) as client:
        for answer in (client.get("/admin/auth/form/reg"), client.post("/admin/auth/form/reg/api", json=form)):
            assert answer.status_code == 404
        assert "form/reg" not in client.get("/admin/auth/form/login").text
    app = make_app(database_url, settings=AuthSettings(default_roles=["reader", "writer"]))
    with TestClient(app) as client:
        assert "form/reg" in client.get("/admin/auth/form/login").text
        assert client.post("/admin/auth/form/reg/api", json=form).json()["status"] == 0
        held = client.portal.call(app.state.site.auth.enforcer.get_roles_for_user, "u:newbie")
        assert sorted(held) == ["r:reader", "r:writer"]


def test_S16_default_passwords_are_told_at_every_start(
    make_app: Callable[..., Any], database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    def warned() -> list[str]:
        found = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
        caplog.clear()
        return [text for text in found if "password of user" in text]

    for _ in range(2):
        with TestClient(make_app(database_url)):
            assert len(warned()) == 2
    app = make_app(database_url)
    with TestClient(app) as client:
        hashed = app.state.site.auth.get_password_hash("another one")
        change(app, client, "root", password=hashed)
        warned()
    with TestClient(make_app(database_url)):
        assert [text for text in warned() if "'root'" in text] == []


def test_S16_a_deleted_root_does_not_come_back_with_a_known_password(
    make_app: Callable[..., Any], database_url: str
) -> None:
    app = make_app(database_url)
    with TestClient(app) as client:
        change(app, client, "root")
    with TestClient(make_app(database_url)) as client:
        for password in ("root", "", " "):
            out = client.post("/admin/auth/gettoken", data={"username": "root", "password": password})
            assert out.status_code == 422 or out.json()["status"] == -1
    app = make_app(database_url)
    with TestClient(app) as client:
        change(app, client, "root")
    with TestClient(make_app(database_url, settings=AuthSettings(initial_password="secret one"))) as client:
        Client(client, "root", "secret one")


def test_S16_the_first_password_can_be_given(
    make_app: Callable[..., Any], database_url: str, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setenv("USER_AUTH_INITIAL_PASSWORD", "given one")
    with TestClient(make_app(database_url)) as client:
        Client(client, "root", "given one")
        out = client.post("/admin/auth/gettoken", data={"username": "root", "password": "root"}).json()
        assert out["status"] == -1
    assert "password of user" not in caplog.text
