"""The admin site over HTTP, on the documented example."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from app_for_tests import DATA, PAGES, RA, ROLES, UA, Client
from conftest import EVERY_DRIVER
from sqlalchemy import Text, column, insert, select, table, update
from starlette.testclient import TestClient
from visits import side_engine

from fastapi_user_auth_c.auth.models import CasbinRule

USER_PAGE = "Auth>UserAdmin"
USERS = table("auth_user", column("username", Text), column("password", Text))  # not masked, as in the model


def make_user(root: Client, name: str) -> int:
    return int(root.data("POST", f"{UA}/item", {"username": name, "password": name})["id"])


def make_role(root: Client, key: str) -> int:
    return int(root.data("POST", f"{RA}/item", {"key": key, "name": key})["id"])


def stored(url: str, statement: Any) -> list[tuple[Any, ...]]:
    with side_engine(url).connect() as connection:
        return [tuple(row) for row in connection.execute(statement)]


def write(url: str, statement: Any) -> None:
    """As another program writes to the database."""
    with side_engine(url).connect() as connection:
        connection.execute(statement)


# -- the whole way ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("database_url", EVERY_DRIVER, indirect=True)
def test_D1_login_menu_roles_and_permissions_take_effect_at_once(client: TestClient) -> None:
    page = client.get("/admin/auth/form/login")
    assert page.status_code == 200 and "<html" in page.text
    root = Client(client, "root")
    menu = root.data("POST", "/admin/")
    assert menu["type"] == "app" and menu["pages"]
    assert {item["username"] for item in root.data("POST", f"{UA}/list")["items"]} == {"root", "admin"}
    assert {item["key"] for item in root.data("POST", f"{RA}/list")["items"]} == {"root", "admin"}
    role, bob_id = make_role(root, "editor"), make_user(root, "bob")
    bob = Client(client, "bob")
    assert bob("POST", f"{UA}/list").status_code == 403
    assert root.act(UA, ROLES, bob_id, {"role_keys": "editor"}).json()["status"] == 0
    granted = f"{USER_PAGE}#page#page,{USER_PAGE}#page:list#page"
    assert root.act(RA, PAGES, role, {"permissions": granted}).json()["status"] == 0
    assert len(bob.data("POST", f"{UA}/list")["items"]) == 3
    assert "/admin/auth/UserAdmin" in bob("POST", "/admin/").text
    assert root.act(RA, ROLES, role, {"role_keys": "admin,root"}).json()["status"] == 0
    rows = {item["key"]: item["role_names"] for item in root.data("POST", f"{RA}/list")["items"]}
    assert sorted(rows["editor"].split(",")) == ["admin role", "root role"] and rows["admin"] is None
    assert root.act(RA, PAGES, role, {"permissions": ""}).json()["status"] == 0
    assert bob("POST", f"{UA}/list").status_code == 403
    assert root.data("GET", f"{UA}/{ROLES}/api?item_id={bob_id}") == {"role_keys": "editor"}
    history = root.data("POST", "/admin/auth/LoginHistoryAdmin/list")["items"]
    assert {row["login_name"] for row in history} == {"bob", "root"}


@pytest.mark.parametrize("database_url", EVERY_DRIVER, indirect=True)
def test_D1_D2_a_second_start_finds_everything_again(make_app: Callable[..., Any], database_url: str) -> None:
    with TestClient(make_app(database_url)) as client:
        root = Client(client, "root")
        role = make_role(root, "editor")
        root.act(RA, PAGES, role, {"permissions": f"{USER_PAGE}#page#page"})
        root.act(UA, ROLES, make_user(root, "bob"), {"role_keys": "editor"})
    app = make_app(database_url)
    with TestClient(app) as client:
        assert Client(client, "bob")("POST", UA).status_code == 200
        assert Client(client, "bob")("POST", f"{UA}/list").status_code == 403
        enforcer = app.state.site.auth.enforcer
        assert enforcer.enforce("u:bob", USER_PAGE, "page", "page")
        assert not enforcer.enforce("u:bob", "Auth>RoleAdmin", "page", "page")
        assert len(Client(client, "root").data("POST", f"{UA}/list")["items"]) == 3


# -- rules ------------------------------------------------------------------------------------------------------------


def test_P1_root_may_do_everything_whatever_the_table_holds(client: TestClient, app: Any, root: Client) -> None:
    enforcer = app.state.site.auth.enforcer
    client.portal.call(enforcer.clear_policy)
    assert enforcer.enforce("u:root", "any page", "any action", "any group")
    client.portal.call(enforcer.add_policy, "u:other", "x", "y", "page", "deny")
    assert enforcer.enforce("u:root", "x", "y", "page")
    assert len(root.data("POST", f"{UA}/list")["items"]) == 2


def test_P2_a_users_own_rule_wins_over_a_roles(client: TestClient, app: Any, root: Client) -> None:
    enforcer = app.state.site.auth.enforcer
    role, bob_id = make_role(root, "editor"), make_user(root, "bob")
    root.act(UA, ROLES, bob_id, {"role_keys": "editor"})
    root.act(RA, PAGES, role, {"permissions": f"{USER_PAGE}#page:list#page"})
    bob = Client(client, "bob")
    assert bob("POST", f"{UA}/list").status_code == 200
    client.portal.call(enforcer.add_policy, "u:bob", USER_PAGE, "page:list", "page", "deny")
    assert bob("POST", f"{UA}/list").status_code == 403
    assert root("GET", "/admin/auth/CasbinRuleAdmin/load_policy").status_code == 200
    assert bob("POST", f"{UA}/list").status_code == 403


def test_P3_an_empty_list_takes_the_permissions_away(
    client: TestClient, app: Any, root: Client, database_url: str
) -> None:
    bob_id = make_user(root, "bob")
    root.act(UA, PAGES, bob_id, {"permissions": f"{USER_PAGE}#page#page,Auth>RoleAdmin#page#page"})
    enforcer = app.state.site.auth.enforcer
    assert enforcer.enforce("u:bob", USER_PAGE, "page", "page")
    assert root.act(UA, PAGES, bob_id, {"permissions": ""}).json() == {
        "status": 0, "msg": "success", "data": None, "code": None,
    }  # fmt: skip
    assert not enforcer.enforce("u:bob", USER_PAGE, "page", "page")
    assert stored(database_url, select(CasbinRule.id).where(CasbinRule.v0 == "u:bob")) == []


def test_P4_a_rule_is_stored_once(client: TestClient, app: Any, database_url: str) -> None:
    enforcer = app.state.site.auth.enforcer
    rule = ["u:bob", "page x", "page", "page", "allow"]
    assert client.portal.call(enforcer.add_policy, *rule) is True
    assert client.portal.call(enforcer.add_policy, tuple(rule)) is False
    assert client.portal.call(enforcer.add_policy, rule) is False
    of_bob = select(CasbinRule.id).where(CasbinRule.v0 == "u:bob")
    assert len(stored(database_url, of_bob)) == 1
    columns = ("ptype", "v0", "v1", "v2", "v3", "v4")
    write(database_url, insert(CasbinRule).values(dict(zip(columns, ["p", *rule], strict=True))))
    client.portal.call(enforcer.load_policy)
    assert client.portal.call(enforcer.remove_policy, *rule) is True
    assert stored(database_url, of_bob) == []


ODD_NAMES = ["bob, r:admin", "a)", "x[y", 'q"q', "b#c", "root ", " root", "new\nline", "u:root"]


@pytest.mark.parametrize("database_url", ["aiosqlite", "psycopg_async", "aiomysql"], indirect=True)
def test_P8_odd_names_survive_and_gain_nothing(
    client: TestClient, app: Any, make_app: Callable[..., Any], database_url: str
) -> None:
    def check(enforcer: Any) -> None:
        for name in ODD_NAMES:
            subject = f"u:{name}"
            assert enforcer.enforce(subject, name, name, name), name
            assert not enforcer.enforce(subject, USER_PAGE, "page", "page"), name
            assert enforcer.get_filtered_policy(0, subject) == [[subject, name, name, name, "allow"]]
            assert enforcer.get_filtered_grouping_policy(0, subject) == [], name
            assert enforcer.has_grouping_policy(f"x:{name}", f"y:{name}"), name
            for other in ODD_NAMES:
                assert other == name or not enforcer.enforce(subject, other, other, other), (name, other)

    enforcer = app.state.site.auth.enforcer
    for name in ODD_NAMES:
        assert client.portal.call(enforcer.add_policy, f"u:{name}", name, name, name, "allow") is True
        assert client.portal.call(enforcer.add_grouping_policy, f"x:{name}", f"y:{name}") is True
    check(enforcer)
    client.portal.call(enforcer.load_policy)
    check(enforcer)
    client.portal.call(enforcer.save_policy)
    app = make_app(database_url)
    with TestClient(app):
        check(app.state.site.auth.enforcer)


def test_P9_rows_and_posts_that_do_not_fit(
    client: TestClient, app: Any, root: Client, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    bob_id = make_user(root, "bob")
    root.act(UA, PAGES, bob_id, {"permissions": f"{USER_PAGE}#page:list#page"})
    write(database_url, insert(CasbinRule).values(ptype="p", v0="u:bob", v1="x"))
    assert root("GET", "/admin/auth/CasbinRuleAdmin/load_policy").status_code == 200
    assert "left out" in caplog.text
    bob = Client(client, "bob")
    assert bob("POST", f"{UA}/list").status_code == 200
    before = app.state.site.auth.enforcer.get_policy()
    for text in ("a#page", "#page", "a#b#c#d#page", "a##page", f"{USER_PAGE}#page#page,a#page"):
        for page, item_id in ((UA, bob_id), (RA, 1)):
            answer = root.act(page, PAGES, item_id, {"permissions": text})
            assert answer.status_code == 422 and "is not a permission" in answer.json()["msg"], text
    data = {"permissions": "a#page", "policy_matrix": [[], [], []]}
    assert root.act(UA, DATA, bob_id, data).status_code == 422
    assert app.state.site.auth.enforcer.get_policy() == before
    assert bob("POST", f"{UA}/list").status_code == 200


def test_P10_a_cycle_of_roles_is_refused_and_named(
    client: TestClient, app: Any, root: Client, database_url: str
) -> None:
    a, b = make_role(root, "a"), make_role(root, "b")
    assert root.act(RA, ROLES, a, {"role_keys": "b"}).status_code == 200
    answer = root.act(RA, ROLES, b, {"role_keys": "a"})
    assert answer.status_code == 422
    assert "r:a" in answer.json()["msg"] and "r:b" in answer.json()["msg"]
    enforcer = app.state.site.auth.enforcer
    assert enforcer.has_grouping_policy("r:a", "r:b") and not enforcer.has_grouping_policy("r:b", "r:a")
    write(database_url, insert(CasbinRule).values(ptype="g", v0="r:b", v1="r:a"))
    assert root("GET", "/admin/auth/CasbinRuleAdmin/load_policy").status_code == 200
    assert enforcer.has_grouping_policy("r:b", "r:a")
    assert len(root.data("POST", f"{RA}/list")["items"]) == 4


def test_P14_a_denied_page_leaves_the_site_open(client: TestClient, app: Any, root: Client) -> None:
    site = app.state.site
    home = next(page for page in site if type(page).__name__ == "HomeAdmin")
    bob_id = make_user(root, "bob")
    root.act(UA, PAGES, bob_id, {"permissions": f"{USER_PAGE}#page#page"})
    client.portal.call(site.auth.enforcer.add_policy, "u:bob", home.unique_id, "page", "page", "deny")
    bob = Client(client, "bob")
    (group,) = bob.data("POST", "/admin/")["pages"][0]["children"]
    (page,) = group["children"]
    assert page["url"] == UA and page["isDefaultPage"] is True, "he starts where he may"
    assert bob("POST", "/admin/page/home").status_code == 403
    of_root = root.data("POST", "/admin/")["pages"][0]["children"]
    assert [each["url"] for each in of_root if each.get("isDefaultPage")] == ["/admin/page/home"]
    assert not any(page.get("isDefaultPage") for each in of_root for page in each.get("children") or [])
    assert USER_PAGE in [pair[1] for pair in site.auth.enforcer.get_named_grouping_policy("g2")]


def test_the_first_page_of_one_menu_is_not_that_of_all() -> None:
    from fastapi_amis_admin.amis.components import PageSchema

    from fastapi_user_auth_c.admin.site import _has_first_page, _with_first_page

    link = PageSchema(label="link", link="https://example.com")
    shared = [
        PageSchema(label="hidden", url="/hidden", schemaApi="/hidden", visible=False),
        PageSchema(label="one row", url="/row/:id", schemaApi="/row"),
        PageSchema(label="page", url="/page", schemaApi="/page"),
        PageSchema(label="another", url="/another", schemaApi="/another"),
    ]
    menu = [link, PageSchema(label="group", children=shared)]
    changed = _with_first_page(menu)
    assert changed is not None and [entry.label for entry in changed] == ["link", "group"]
    assert [entry.isDefaultPage for entry in changed[1].children or []] == [None, None, True, None]
    assert _has_first_page(changed) and not _has_first_page(menu) and not _has_first_page(shared)
    assert _with_first_page([link]) is None


def test_P21_a_new_account_or_role_of_an_old_name_starts_with_no_rules(
    client: TestClient, app: Any, root: Client, tmp_path: Any
) -> None:
    enforcer = app.state.site.auth.enforcer

    def rules_of(subject: str) -> list[Any]:
        links = enforcer.get_filtered_grouping_policy(0, subject) + enforcer.get_filtered_grouping_policy(1, subject)
        return links + enforcer.get_filtered_policy(0, subject)

    def give(subject: str) -> None:
        client.portal.call(enforcer.add_policy, subject, USER_PAGE, "page", "page", "allow")
        client.portal.call(enforcer.add_grouping_policy, subject, "r:admin")
        client.portal.call(enforcer.add_grouping_policy, f"{subject} member", subject)

    # deleted in the site: the rules go with it, in memory and in the table
    role_id, bob_id = make_role(root, "r1"), make_user(root, "bob")
    for subject, page, item_id in (("r:r1", RA, role_id), ("u:bob", UA, bob_id)):
        give(subject)
        assert root("DELETE", f"{page}/item/{item_id}").status_code == 200
        assert rules_of(subject) == []
        client.portal.call(enforcer.load_policy)
        assert rules_of(subject) == []
    make_role(root, "r1")
    assert rules_of("r:r1") == []

    # rows taken out by hand: what they leave behind is not their successor's
    give("u:cy")
    give("u:di")
    give("r:r2")
    make_user(root, "cy")
    make_role(root, "r2")
    form = {"username": "di", "password": "x1y2z3", "email": "d@example.com"}
    answer = client.post("/admin/auth/form/reg/api", json=form)
    assert answer.status_code == 200 and answer.json()["status"] == 0, answer.text
    for subject in ("u:cy", "u:di", "r:r2"):
        assert rules_of(subject) == [], subject


def test_P21_a_refused_account_takes_no_rules_away(client: TestClient, app: Any, root: Client) -> None:
    enforcer = app.state.site.auth.enforcer
    lesser_admin(root, "al", "page:create")
    al = Client(client, "al")
    for name in ("guest", "later", "bob"):
        client.portal.call(enforcer.add_policy, f"u:{name}", USER_PAGE, "page", "page", "deny")
    make_user(root, "eve")
    client.portal.call(enforcer.add_policy, "u:eve", USER_PAGE, "page", "page", "allow")
    before = enforcer.get_policy()
    for refused in (
        {"username": "guest", "password": "x"},
        {"username": "later"},
        {"username": "eve", "password": "x"},
    ):
        assert al("POST", f"{UA}/item", refused).json()["status"] != 0
    sign_up = {"username": "guest", "password": "x1y2z3", "email": "g@example.com"}
    assert client.post("/admin/auth/form/reg/api", json=sign_up).json()["status"] != 0
    assert enforcer.get_policy() == before
    client.portal.call(enforcer.load_policy)
    assert enforcer.get_policy() == before


# -- lesser admins ----------------------------------------------------------------------------------------------------


def lesser_admin(root: Client, name: str, *actions: str) -> int:
    user_id = make_user(root, name)
    permissions = ",".join(f"{USER_PAGE}#{action}#page" for action in ("page", *actions))
    assert root.act(UA, PAGES, user_id, {"permissions": permissions}).status_code == 200
    return user_id


def test_nobody_but_root_makes_an_account_with_a_reserved_name(client: TestClient, root: Client) -> None:
    lesser_admin(root, "al", "page:create")
    al = Client(client, "al")
    for name in ("root", "Root", " root", "guest", "", "a\nb", "ro\u200bot"):
        answer = al("POST", f"{UA}/item", {"username": name, "password": "x"})
        assert answer.status_code == 422, name
    assert al("POST", f"{UA}/item", {"username": "bo", "password": "x"}).status_code == 200
    root_id = next(row["id"] for row in root.data("POST", f"{UA}/list")["items"] if row["username"] == "root")
    lesser_admin(root, "cy", "page:update_subject_page_permissions", "page:update_subject_roles")
    cy = Client(client, "cy")
    assert cy.act(UA, PAGES, root_id, {"permissions": ""}).status_code == 403
    assert cy.act(UA, ROLES, root_id, {"role_keys": ""}).status_code == 403


def test_nobody_but_root_touches_roots_account(client: TestClient, root: Client) -> None:
    bo = make_user(root, "bo")
    lesser_admin(root, "al", "page:update", "page:delete")
    al = Client(client, "al")
    root_id = next(row["id"] for row in root.data("POST", f"{UA}/list")["items"] if row["username"] == "root")
    for item_id in (root_id, f"{bo},{root_id}"):
        assert al("PUT", f"{UA}/item/{item_id}", {"password": "mine"}).status_code == 403
        assert al("PUT", f"{UA}/item/{item_id}", {"is_active": False}).status_code == 403
        assert al("DELETE", f"{UA}/item/{item_id}").status_code == 403
    Client(client, "root")
    Client(client, "bo")
    assert al("PUT", f"{UA}/item/{bo}", {"nickname": "B"}).status_code == 200
    assert root("PUT", f"{UA}/item/{root_id}", {"nickname": "R"}).status_code == 200


def test_a_lesser_admin_opens_no_field_by_taking_its_rule_away(client: TestClient, app: Any, root: Client) -> None:
    enforcer = app.state.site.auth.enforcer
    bo = make_user(root, "bo")
    lesser_admin(root, "al", "page:list", "page:update_subject_data_permissions", "page:update_subject_roles")
    page = f"{USER_PAGE}#page:list#page"
    closed = ["u:bo", USER_PAGE, "page:list:email", "page:list", "deny"]
    client.portal.call(enforcer.add_policy, *closed)
    query = f"item_id={bo}&permission={page.replace('#', '%23')}"
    rows = root.data("GET", f"{UA}/get_admin_action_perm_options?{query}")["rows"]
    nothing = [{**row, "checked": False} for row in rows]
    default = [[{**row, "checked": True} for row in rows], nothing, nothing]
    al = Client(client, "al")
    form = {"permissions": page, "policy_matrix": default}
    assert al.act(UA, DATA, bo, form).status_code == 200
    assert enforcer.has_policy(*closed)
    client.portal.call(enforcer.add_policy, "u:al", USER_PAGE, "page:list:email", "page:list", "allow")
    assert al.act(UA, DATA, bo, form).status_code == 200
    assert not enforcer.has_policy(*closed)
    # nor does the name admin give roles that its bearer lacks
    root.act(UA, PAGES, 1, {"permissions": f"{USER_PAGE}#page:update_subject_roles#page"})
    assert Client(client, "admin").act(UA, ROLES, bo, {"role_keys": "root,admin"}).status_code == 403
    assert Client(client, "admin").act(UA, ROLES, bo, {"role_keys": "admin"}).status_code == 200
    assert client.portal.call(enforcer.get_roles_for_user, "u:bo") == ["r:admin"]


def test_a_lesser_admin_gives_and_takes_what_he_holds(client: TestClient, app: Any, root: Client) -> None:
    enforcer = app.state.site.auth.enforcer
    role = make_role(root, "secret")
    root.act(RA, PAGES, role, {"permissions": f"{USER_PAGE}#page:delete#page"})
    bo = make_user(root, "bo")
    root.act(UA, ROLES, bo, {"role_keys": "secret"})
    lesser_admin(root, "al", "page:*")
    client.portal.call(enforcer.add_policy, "u:al", USER_PAGE, "page:delete", "page", "deny")
    client.portal.call(enforcer.add_policy, "u:bo", USER_PAGE, "page:delete", "page", "deny")
    client.portal.call(enforcer.add_policy, "u:bo", "Auth>RoleAdmin", "page", "page", "allow")
    al = Client(client, "al")
    given = f"{USER_PAGE}#page:*#page,{USER_PAGE}#page:delete#page,{USER_PAGE}#page:list#page"
    refused = al.act(UA, PAGES, bo, {"permissions": given})
    assert refused.status_code == 403
    assert f"{USER_PAGE}#page:*#page, {USER_PAGE}#page:delete#page" in refused.json()["msg"]
    assert not enforcer.enforce("u:bo", USER_PAGE, "page:list", "page"), "all or nothing"
    assert al.act(UA, PAGES, bo, {"permissions": f"{USER_PAGE}#page:list#page"}).status_code == 200
    assert {tuple(rule[1:]) for rule in enforcer.get_filtered_policy(0, "u:bo")} == {
        (USER_PAGE, "page:delete", "page", "deny"),
        (USER_PAGE, "page:list", "page", "allow"),
        ("Auth>RoleAdmin", "page", "page", "allow"),
    }
    assert al.act(UA, PAGES, bo, {"permissions": ""}).status_code == 200
    assert not enforcer.enforce("u:bo", USER_PAGE, "page:list", "page")
    assert not enforcer.enforce("u:bo", USER_PAGE, "page:delete", "page")
    assert enforcer.enforce("u:bo", "Auth>RoleAdmin", "page", "page")
    assert al.act(UA, ROLES, bo, {"role_keys": "admin"}).status_code == 403
    assert al.act(UA, ROLES, bo, {"role_keys": ""}).status_code == 200
    assert client.portal.call(enforcer.get_roles_for_user, "u:bo") == ["r:secret"]


@pytest.mark.parametrize("database_url", ["aiosqlite", "asyncpg", "pymysql"], indirect=True)
def test_odd_ids_and_names_are_refused(client: TestClient, root: Client) -> None:
    for item_id in ("abc", "0", "99", "1" + "0" * 30, ",", "", "-1", "1;2"):
        for action, form in ((ROLES, {"role_keys": ""}), (PAGES, {"permissions": ""}), (DATA, {"policy_matrix": [[]]})):
            answer = root("POST", f"{UA}/{action}/api?item_id={item_id}", form)
            assert answer.status_code in (404, 422), (item_id, action, answer.text)
        assert root.act(UA, "CopyUserAuthLinkAction", item_id, {}).status_code in (404, 422)
        for method, body in (("GET", None), ("PUT", {"nickname": "x"}), ("DELETE", None)):
            answer = root(method, f"{UA}/item/{item_id}", body)
            assert answer.status_code in (404, 422) or not item_id, (method, item_id, answer.text)
    for name in ("a\0b", "\0", "x" * 5000):
        answer = client.post("/admin/auth/gettoken", data={"username": name, "password": "x"})
        assert answer.status_code == 200 and answer.json()["status"] == -1
    for token in ("%00", "x" * 5000):
        assert client.post("/admin/login_by_token", data={"token": token}).status_code == 403
        assert client.get("/sync", headers={"Cookie": f"Authorization=bearer {token}"}).status_code == 403
    assert client.get("/sync", headers={"Cookie": 'Authorization="bearer a\\000b"'}).status_code == 403


# -- passwords --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "hashed",
    ["", "bob", "$2b$04$tooshort", "$2b$99$" + "a" * 53, "$2x$04$" + "a" * 53, "$2b$04$" + "ä" * 53, "$argon2id$v=19$"],
)
def test_T8_a_stored_hash_that_is_none_refuses_the_login(
    client: TestClient, root: Client, database_url: str, caplog: pytest.LogCaptureFixture, hashed: str
) -> None:
    make_user(root, "bob")
    write(database_url, update(USERS).where(USERS.c.username == "bob").values(password=hashed))
    for password in ("bob", hashed or "x"):
        answer = client.post("/admin/auth/gettoken", data={"username": "bob", "password": password})
        assert answer.status_code == 200 and answer.json()["status"] == -1
        assert "set-cookie" not in answer.headers
    assert "login refused" in caplog.text


@pytest.mark.parametrize("variant", ["2a", "2b", "2y"])
def test_T8_each_bcrypt_variant_logs_in_and_is_renewed(
    client: TestClient, root: Client, database_url: str, variant: str
) -> None:
    make_user(root, "bob")
    of_bob = select(USERS.c.password).where(USERS.c.username == "bob")
    ((first,),) = stored(database_url, of_bob)
    given = first.replace("$2b$", f"${variant}$")
    write(database_url, update(USERS).where(USERS.c.username == "bob").values(password=given))
    Client(client, "bob")
    ((renewed,),) = stored(database_url, of_bob)
    assert renewed.startswith("$2b$") and (renewed == first) is (variant == "2b")
    Client(client, "bob")


# -- guests -----------------------------------------------------------------------------------------------------------


def test_S6_guests_and_users_without_the_right_get_nothing_done(
    client: TestClient, app: Any, root: Client, tmp_path: Any
) -> None:
    make_user(root, "bob")
    enforcer = app.state.site.auth.enforcer
    client.portal.call(enforcer.clear_policy)  # load_policy would bring it back
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", "/admin/auth/CasbinRuleAdmin/load_policy", {}),
        ("POST", "/admin/file/upload", {"files": {"file": ("a.txt", b"text")}}),
    ]
    for page in (UA, RA):
        calls.append(("GET", f"{page}/get_admin_action_options?item_id=1", {}))
        permission = f"{USER_PAGE}%23page:list%23page"
        calls.append(("GET", f"{page}/get_admin_action_perm_options?item_id=1&permission={permission}", {}))
    for who, status in ((Client(client), 401), (Client(client, "bob"), 403)):
        for method, path, kwargs in calls:
            answer = who(method, path, **kwargs)
            assert answer.status_code == status, (path, answer.text)
            assert answer.json()["status"] == status
    assert enforcer.get_policy() == [] and enforcer.get_grouping_policy() == []
    assert [path for path in (tmp_path / "upload").rglob("*") if path.is_file()] == []
    for method, path, kwargs in calls:
        assert root(method, path, **kwargs).status_code == 200, path


# -- forms ------------------------------------------------------------------------------------------------------------


def test_a_missing_form_field_is_named(client: TestClient) -> None:
    answer = client.post("/admin/auth/gettoken", data={"username": "root", "other": "secret"})
    assert answer.status_code == 422 and answer.json()["status"] == 422
    assert answer.json()["errors"][0]["loc"] == ["body", "password"] and "secret" not in answer.text


def test_the_profile_form_changes_what_is_given_and_nothing_else(client: TestClient, root: Client) -> None:
    make_user(root, "bob")
    bob = Client(client, "bob")
    api = "/admin/auth/form/userinfo/api"
    assert bob.data("POST", api, {"nickname": "Bobby", "password": ""})["nickname"] == "Bobby"
    bob = Client(client, "bob")
    assert bob.data("GET", "/admin/auth/userinfo")["nickname"] == "Bobby"
    answer = bob("POST", api, {"password": "new one"})
    assert answer.json()["status"] == 0 and "set-cookie" not in answer.headers
    assert bob("GET", "/admin/auth/userinfo").status_code == 403, "all tokens have ended"
    assert client.post("/admin/auth/gettoken", data={"username": "bob", "password": "bob"}).json()["status"] == -1
    bob = Client(client, "bob", "new one")
    assert bob("POST", api, {"password": "x" * 73}).status_code == 422
    assert Client(client)("POST", api, {"nickname": "x"}).status_code == 401
    # the form of another user still demands a password
    assert root("POST", f"{UA}/item", {"username": "carl"}).status_code == 422


@pytest.mark.parametrize("password", ["x" * 73, "é" * 37, "a\0b", "", "x" * 5000, "\ud800"])
def test_T7_odd_passwords_are_refused_when_set_and_quickly_at_login(
    client: TestClient, app: Any, root: Client, password: str
) -> None:
    body = json.dumps({"username": "odd", "password": password, "nickname": "x"})
    headers = {"content-type": "application/json"}
    for path, who in (("/admin/auth/form/reg/api", {}), (f"{UA}/item", root.headers)):
        client.cookies.clear()
        answer = client.post(path, content=body, headers={**headers, **who})
        assert answer.status_code == 422, (path, answer.status_code, answer.text)
    root_id = root.data("GET", "/admin/auth/userinfo")["id"]
    if password:  # none means unchanged
        answer = client.put(f"{UA}/item/{root_id}", content=body, headers={**headers, **root.headers})
        assert answer.status_code == 422, answer.text
    body = json.dumps({"username": "root", "password": password})
    start = time.monotonic()
    client.cookies.clear()
    answer = client.post("/admin/auth/form/login/api", content=body, headers=headers)
    assert time.monotonic() - start < 5
    assert answer.status_code == 422 or (answer.status_code == 200 and answer.json()["status"] == -1), answer.text
    assert root("GET", "/sync").status_code == 200


def test_a_browser_stays_logged_in_with_the_new_password(client: TestClient, root: Client) -> None:
    make_user(root, "bob")
    phone = Client(client, "bob")
    client.cookies.clear()
    assert client.post("/admin/auth/form/login/api", json={"username": "bob", "password": "bob"}).status_code == 200
    before = client.cookies["Authorization"]
    assert client.post("/admin/auth/form/userinfo/api", json={"password": "new one"}).json()["status"] == 0
    assert client.cookies["Authorization"] != before
    assert client.get("/admin/auth/userinfo").json()["data"]["username"] == "bob"
    assert phone("GET", "/admin/auth/userinfo").status_code == 403


def test_S3_saving_a_user_keeps_the_hidden_password(client: TestClient, root: Client, database_url: str) -> None:
    bob_id = make_user(root, "bob")
    of_bob = select(USERS.c.password).where(USERS.c.username == "bob")
    before = stored(database_url, of_bob)
    shown = root.data("GET", f"{UA}/item/{bob_id}")
    listed = root.data("POST", f"{UA}/list", {})["items"]
    assert "password" not in shown and not any("password" in item for item in listed)
    for back in (
        shown, {**shown, "nickname": "B", "password": "**********"}, {**shown, "password": ""},
        {**shown, "password": None}, {**shown, "password": "*"},
    ):  # fmt: skip
        root.data("PUT", f"{UA}/item/{bob_id}", back)
        assert stored(database_url, of_bob) == before, back
    Client(client, "bob")
    root.data("PUT", f"{UA}/item/{bob_id}", {"password": "other"})
    Client(client, "bob", "other")


def test_sign_up(client: TestClient) -> None:
    api = "/admin/auth/form/reg/api"
    out = client.post(api, json={"username": "carl", "password": "pw", "email": "carl@example.com"}).json()
    assert out["status"] == 0 and out["data"]["username"] == "carl"
    assert client.get("/sync").json() == {"name": "carl"}  # by the cookie
    client.cookies.clear()
    for form in (
        {"username": "carl", "password": "pw", "email": "x@example.com"},
        {"username": "dora", "password": "pw", "email": "carl@example.com"},
        *(
            {"username": name, "password": "pw", "email": "y@example.com"}
            for name in ("Root", "", " ", "ｒｏｏｔ", "a\0b")
        ),
    ):
        assert client.post(api, json=form).json()["status"] in (-1, -2)


def test_the_cookie_is_out_of_reach_and_ends_with_the_token(client: TestClient) -> None:
    answer = client.post("https://testserver/admin/auth/gettoken", data={"username": "root", "password": "root"})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie and "secure" in cookie and "max-age=259200" in cookie


ELSEWHERE = [
    "https://evil.example", "//evil", "/\\evil", "javascript:alert(1)", "/a\n//b", "/</script>", "/<%= 1 %>", "/${x}",
]  # fmt: skip


def test_S9_redirects_stay_on_this_host(client: TestClient, root: Client) -> None:
    for target in ELSEWHERE:
        client.cookies.clear()
        page = client.get("/admin/auth/form/login", params={"redirect": target})
        assert page.status_code == 200 and '"redirect": "/"' in page.text.replace('"redirect":"/"', '"redirect": "/"')
        away = root("GET", "/admin/auth/form/login", params={"redirect": target})
        assert away.status_code == 307 and away.headers["location"] == "/", target


def test_a_redirect_in_other_letters_is_encoded(client: TestClient, root: Client) -> None:
    away = root("GET", "/admin/auth/form/login?redirect=/%E4%B8%AD%3Fa%3D%2541")
    assert away.status_code == 307 and away.headers["location"] == "/%E4%B8%AD?a=%41"


def test_logout_ends_the_token(client: TestClient, root: Client) -> None:
    assert root("GET", "/sync").status_code == 200
    assert root("GET", "/admin/auth/logout").status_code == 307
    assert root("GET", "/sync").status_code == 403


def test_a_deactivated_or_deleted_user_is_a_guest(client: TestClient, root: Client) -> None:
    for change in (("PUT", {"is_active": False}), ("DELETE", None)):
        name = f"bob{change[0]}"
        bob_id = make_user(root, name)
        bob = Client(client, name)
        assert bob("GET", "/sync").status_code == 200
        root.data(change[0], f"{UA}/item/{bob_id}", change[1])
        assert bob("GET", "/sync").status_code == 403


def test_data_permissions_round_trip(client: TestClient, app: Any, root: Client) -> None:
    bob_id = make_user(root, "bob")
    permission = f"{USER_PAGE}#page:list#page"
    query = f"item_id={bob_id}&permission={permission.replace('#', '%23')}"
    data = root.data("GET", f"{UA}/get_admin_action_perm_options?{query}")
    assert [column["col"] for column in data["columns"]] == ["default", "allow", "deny"]
    rows = data["rows"]
    email = next(row for row in rows if row["rol"].endswith("email#page:list"))
    checked = [{**row, "checked": row is email} for row in rows]
    nothing = [{**row, "checked": False} for row in rows]
    out = root.act(UA, DATA, bob_id, {"permissions": permission, "policy_matrix": [nothing, checked, nothing]})
    assert out.json()["msg"] == "success"
    assert app.state.site.auth.enforcer.enforce("u:bob", USER_PAGE, "page:list:email", "page:list")
    value = root.data("GET", f"{UA}/get_admin_action_perm_options?{query}")["value"]
    assert [item["checked"] for item in value[1]] == [row is email for row in rows]
    forged = [[], [{"rol": "Auth>RoleAdmin#page:list:x#page:list", "checked": True}], []]
    out = root.act(UA, DATA, bob_id, {"permissions": permission, "policy_matrix": forged})
    assert out.status_code == 422
    root.act(UA, DATA, bob_id, {"permissions": permission, "policy_matrix": [checked, nothing, nothing]})
    assert not app.state.site.auth.enforcer.enforce("u:bob", USER_PAGE, "page:list:email", "page:list")
