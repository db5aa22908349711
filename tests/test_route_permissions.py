"""Every route of the site, and what becomes of it for whom: the table is ``route_permissions.csv``.

Its rows are in the order in which they are called. ``call`` is the address, where it is not the path as it is mounted.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import app_for_tests
import pytest
from app_for_tests import Client, example_app, settings_for
from conftest import EACH_KIND, empty_database
from fastapi import FastAPI
from route_models import RouteGadget, RouteTool
from route_site import Statements, body_of, mounted, register
from starlette.testclient import TestClient
from test_token_stores import make_user

from fastapi_user_auth_c.auth.models import Role
from fastapi_user_auth_c.demo.models import Article

TABLE = Path(__file__).with_name("route_permissions.csv")
WHO = ("guest", "stranger", "lesser", "root")
RIGHTS = {
    "Auth>UserAdmin": ("page", "page:list", "page:update_subject_page_permissions"),
    "GadgetAdmin": ("page", "page:list", "page:read", "page:paint"),
    "WishAdmin": ("page",),
    "NewsAdmin": ("page",),
}
"""Those of the lesser admin."""
OPEN = re.compile(r"/admin/(login_by_token|upload|docs/oauth2-redirect|auth/gettoken|auth/form/(login|reg)(/api)?)$")
"""What is there for everybody, and so is not refused."""

WHOSE = (  # statements about who is asking, and what they may do
    r"FROM auth_policy_revision",
    r"FROM auth_token_revocation",
    r"FROM auth_token WHERE",
    r"SELECT auth_user\..* FROM auth_user WHERE auth_user\.id = (\?|%s|\$1::INTEGER)$",
)


def rows() -> list[dict[str, str]]:
    with TABLE.open(newline="") as table:
        return list(csv.DictReader(table))


def add_rows(app: FastAPI, client: TestClient) -> None:
    site = app.state.site
    for name in ("spare", "stranger", "lesser"):  # spare has the id 3
        make_user(app, client, name)

    def add(session: Any) -> None:
        session.add_all([Role(key="spare", name="spare"), RouteGadget(name="one"), RouteTool(name="one")])
        session.add_all([Article(title="one"), Article(title="two")])
        session.commit()

    client.portal.call(site.db.async_run_sync, add)
    rules = [["u:lesser", page, action, "page", "allow"] for page, actions in RIGHTS.items() for action in actions]
    client.portal.call(site.auth.enforcer.add_policies, rules)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What is named after a fault is asked on each kind of database, the whole table on one."""
    if "app" in metafunc.fixturenames:
        kinds = EACH_KIND if "_S7_" in metafunc.definition.name else EACH_KIND[:1]
        metafunc.parametrize("app", kinds, indirect=True, scope="module")


@pytest.fixture(scope="module")
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    """The example with the API documentation, the demo's pages, and some of an application's own."""
    folder = tmp_path_factory.mktemp("site")

    def debug_settings(url: str) -> Any:
        return settings_for(url).model_copy(update={"debug": True})

    with pytest.MonkeyPatch.context() as patch, empty_database(request.param, folder) as url:
        patch.chdir(folder)
        patch.setattr(app_for_tests, "settings_for", debug_settings)
        app = example_app(url, register=register)
        app.state.site.db.engine.sync_engine.echo = False
        app.state.kind = request.param
        yield app


@pytest.fixture(scope="module")
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app) as client:
        add_rows(app, client)
        yield client


def site_routes(app: FastAPI) -> list[tuple[str, str]]:
    return [pair for pair in mounted(app.routes) if pair[1].startswith("/admin/")]


def ask(who: Client, row: dict[str, str], **other: Any) -> Any:
    method = "GET" if row["method"] == "MOUNT" else row["method"]
    return who(method, other.pop("call", row["call"] or row["path"]), **(other or body_of(row["body"])))


def test_each_route_has_a_row_and_each_row_a_route(app: FastAPI) -> None:
    there, told = site_routes(app), [(row["method"], row["path"]) for row in rows()]
    assert sorted(there) == sorted(told)
    assert len(set(told)) == len(told)


BROKEN: list[dict[str, Any]] = [
    {},
    {"content": b'{"', "headers": {"Content-Type": "application/json"}},
    {"content": b"\xff", "headers": {"Content-Type": "application/json"}},
    {"json": [1]},
    {"json": {"item_id": {}, "page": "x", "text": 1, "username": []}},
]
"""Bodies that make no sense."""


def variants(row: dict[str, str], app: FastAPI) -> Iterator[dict[str, Any]]:
    """The request of a row, and others to its route: with broken bodies, ids that are none, and without a query.

    Bodies are judged before a database is asked, so they are left out where that is another one than the first.
    """
    yield {}
    if row["method"] in ("POST", "PUT") and app.state.kind == EACH_KIND[0]:
        yield from ({"call": row["call"] or row["path"], **body} for body in BROKEN)
    if "{" in row["path"]:
        yield from ({"call": re.sub(r"\{\w+\}", text, row["path"])} for text in ("abc", "0", "9" * 30, "1,x", "%00"))
    if "?" in row["call"]:
        path = row["path"].replace("{item_id}", "1")
        yield from ({"call": path + query} for query in ("", "?item_id=abc&link_id=abc", "?item_id=99&link_id=99"))


@pytest.mark.parametrize("name", ["guest", "stranger"])
def test_S7_the_refused_are_told_before_anything_is_asked_or_judged(
    app: FastAPI, client: TestClient, name: str
) -> None:
    """Whatever they send, it is one answer, and the only statements are those about themselves."""
    who, wrong = Client(client, "" if name == "guest" else name), []
    refused = {"guest": ("307", "401", "403"), "stranger": ("401", "403")}[name]
    db, seen = app.state.site.db, set()
    own = WHOSE[:1] if name == "guest" else WHOSE
    for row in rows():
        if row[name] not in refused or OPEN.match(row["path"]):
            continue
        answers = set()
        for other in variants(row, app):
            with Statements(db) as statements:
                answer = ask_raw(who, row, other)
            answers.add((answer.status_code, answer.text))
            strange = [text for text in statements if not any(re.search(pattern, text) for pattern in own)]
            if strange:
                wrong.append(f"{row['method']} {row['path']} {other}: {strange}")
        if len(answers) > 1 or str(min(answers)[0]) != row[name]:
            wrong.append(f"{row['method']} {row['path']}: {sorted(answers)}")
        seen.add(row["path"])
    assert not wrong, "\n".join(wrong)
    assert len(seen) > 60


def ask_raw(who: Client, row: dict[str, str], other: dict[str, Any]) -> Any:
    headers = other.get("headers")
    if headers is None:
        return ask(who, row, **other)
    who.client.cookies.clear()
    path = other["call"]
    return who.client.request(
        row["method"], path, content=other["content"], headers={**who.headers, **headers}, follow_redirects=False
    )


@pytest.mark.parametrize("name", WHO)
def test_each_route_does_what_the_table_says(client: TestClient, name: str) -> None:
    who, wrong = Client(client, "" if name == "guest" else name), []
    for row in rows():
        answer = ask(who, row)
        if str(answer.status_code) != row[name]:
            wrong.append(f"{row['method']} {row['path']}: {answer.status_code}, not {row[name]}: {answer.text[:200]}")
        if "logout" in row["path"] and name != "guest":
            who = Client(client, name)
    assert not wrong, "\n".join(wrong)


def test_S7_who_may_is_told_what_is_wrong(app: FastAPI, client: TestClient) -> None:
    who, wrong = Client(client, "root"), []
    for row in rows():
        for other in variants(row, app):
            try:
                answer = ask_raw(who, row, other)
            except Exception as error:  # the client lets through what the server could not answer
                wrong.append(f"{row['method']} {row['path']} {other}: {error!r}")
                continue
            if answer.status_code >= 500 or re.search(r'"status": ?(5\d\d|417)', answer.text):
                wrong.append(f"{row['method']} {row['path']} {other}: {answer.status_code} {answer.text[:200]}")
            if "{item_id}" in row["path"] and "/item/" in row["path"] and answer.status_code < 300 and "call" in other:
                assert other["call"] == row["call"], (row, other, answer.text)
            if "logout" in row["path"]:
                who = Client(client, "root")
    assert not wrong, "\n".join(wrong)


def test_S7_ids_that_are_none_and_ids_of_nothing_on_pages_of_ones_own(app: FastAPI, client: TestClient) -> None:
    root, page = Client(client, "root"), "/admin/WorkshopApp/GadgetAdmin"
    made = root.data("POST", f"{page}/item", {"name": "made"})["id"]
    for text, status in (("abc", 422), ("1,x", 422), (",", 422), ("99", 404), ("98,99", 404), ("0", 404), ("-1", 404)):
        calls = [
            ("GET", f"item/{text}", None),
            ("PUT", f"item/{text}", {"name": "x"}),
            ("DELETE", f"item/{text}", None),
        ]
        calls += [(method, f"RouteTool/{text}?link_id=1", None) for method in ("POST", "DELETE")]
        calls += [("POST", f"PaintAction/api?item_id={text}", {"text": "x"})]
        for method, path, body in calls:
            answer = root(method, f"{page}/{path}", body)
            assert answer.status_code == status == answer.json()["status"], (method, path, answer.text)
    for method in ("POST", "DELETE"):
        assert root(method, f"{page}/RouteTool/{made}?link_id=x").status_code == 422
    linked = "/admin/WorkshopApp/ToolAdmin/list?link_model=route_gadget&link_item_id="
    assert root("POST", f"{linked}x", {}).status_code == 422
    assert root("POST", f"{linked}{made}", {}).json()["data"]["total"] == 0
    assert root("POST", f"{page}/list", {"size": "[>]x"}).status_code == 422
    assert root.data("PUT", f"{page}/item/{made}", {"name": "x"}) == 1
    assert root.data("GET", f"{page}/item/{made},99")["name"] == "x", "of several those that are there"


def test_a_rule_of_ones_own_that_needs_the_rows_is_asked_with_them(app: FastAPI, client: TestClient) -> None:
    """A page may let more or less people do something than its permissions say; it may not do with no row at all."""
    page = app.state.site.get_page_schema_child("GadgetAdmin")[0]
    root, stranger = Client(client, "root"), Client(client, "stranger")
    made = root.data("POST", "/admin/WorkshopApp/GadgetAdmin/item", {"name": "made"})["id"]

    async def only_this(request: Any, item_id: Any, *args: Any, **kwargs: Any) -> bool:
        return [int(each) for each in item_id] == [made]

    asked: list[Any] = []

    async def only_mine(request: Any, item_id: Any, *args: Any, **kwargs: Any) -> bool:
        asked.append(item_id)
        return item_id == [made]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "has_read_permission", only_this)
        assert stranger("GET", f"/admin/WorkshopApp/GadgetAdmin/item/{made}").status_code == 200
        other = root.data("POST", "/admin/WorkshopApp/GadgetAdmin/item", {"name": "other"})["id"]
        assert stranger("GET", f"/admin/WorkshopApp/GadgetAdmin/item/{other}").status_code == 403
        patch.setattr(page, "has_update_permission", only_mine)
        patch.setattr(page, "has_delete_permission", only_mine)
        link = "/admin/WorkshopApp/GadgetAdmin/RouteTool"
        for method, body in (("PUT", {"name": "x"}), ("DELETE", None)):
            assert stranger(method, f"/admin/WorkshopApp/GadgetAdmin/item/{other}", body).status_code == 403
            assert stranger(method, "/admin/WorkshopApp/GadgetAdmin/item/x", body).status_code == 403
        assert stranger("POST", f"{link}/{other}?link_id=1").status_code == 403
        assert stranger("POST", f"{link}/{made}?link_id=1").status_code == 200
        assert stranger.data("PUT", f"/admin/WorkshopApp/GadgetAdmin/item/{made}", {"name": "x"}) == 1
        assert stranger.data("PUT", f"/admin/WorkshopApp/GadgetAdmin/item/999999,{made}", {"name": "x"}) == 1, "seen"
        asked.clear()
        many = ",".join(map(str, range(10**6, 10**6 + 500)))
        assert stranger("PUT", f"/admin/WorkshopApp/GadgetAdmin/item/{many}", {"name": "x"}).status_code == 404
        assert len(asked) < 5, "a long address is no way to keep the server busy"
    assert stranger("GET", f"/admin/WorkshopApp/GadgetAdmin/item/{made}").status_code == 403


def test_rules_of_an_application_find_the_user_in_the_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    """Before the body is read, as afterwards, and without a middleware that sets ``request.user``."""
    from fastapi_user_auth_c.admin.admin import UserInfoFormAdmin
    from fastapi_user_auth_c.admin.app import UserAuthApp
    from fastapi_user_auth_c.admin.site import AuthAdminSite

    class Profile(UserInfoFormAdmin):
        async def has_page_permission(self, request: Any, obj: Any = None, action: Any = None) -> bool:
            return bool(request.user)

    class Accounts(UserAuthApp):
        pass

    class Site(AuthAdminSite):
        pass

    Accounts.UserInfoFormAdmin, Site.UserAuthApp = Profile, Accounts
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(app_for_tests, "AuthAdminSite", Site)
    with TestClient(example_app(database_url)) as client:
        root, form = Client(client, "root"), "/admin/auth/form/userinfo/api"
        assert root("POST", form, {"nickname": "x"}).json()["status"] == 0
        assert root("GET", form).json()["data"]["nickname"] == "x"
        assert Client(client)("POST", form, {"nickname": "x"}).status_code == 401
