"""The site over every driver: odd values, lists, and what comes at once (D3, D4, D7).

Starts, grants and sync endpoints over every driver are in ``test_site.py`` and ``test_auth.py``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from app_for_tests import PAGES, RA, ROLES, UA
from conftest import EVERY_DRIVER
from sqlalchemy import text
from visits import LOGIN, fine, log_in, open_transactions, returned, side_engine, visited

HISTORY, RULES = "/admin/auth/LoginHistoryAdmin", "/admin/auth/CasbinRuleAdmin"
REGISTER = "/admin/auth/form/reg/api"
SITE_PAGE, USER_PAGE = "AuthAdminSite", "Auth>UserAdmin"


def rows(url: str, statement: str) -> list[tuple[Any, ...]]:
    with side_engine(url).connect() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


# -- D4 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("database_url", EVERY_DRIVER, indirect=True)
def test_D4_logins_with_long_and_odd_values(make_app: Callable[..., Any], database_url: str) -> None:
    app = make_app(database_url)
    address, short = "2001:0db8:85a3:0000:0000:8a2e:0370:7334%eth0", "2001:db8:85a3::8a2e:370:7334%eth0"
    names = ["n" * 32, "名" * 32, "😀 o'brien \\%_\" é" + "x" * 16]
    odd = {"user-agent": "Mozilla/5.0 ü " + "x" * 2000, "x-forwarded-for": ", ".join(["2001:db8::1"] * 31)}
    odd["x-forwarded-for"] += "y" * (400 - len(odd["x-forwarded-for"]))
    odd["x-real-ip"] = "\x7f" * 100

    async def main() -> None:
        async with visited(app, (address, 1)) as client:
            encoded = {key: value.encode() for key, value in odd.items()}
            root = await log_in(client, "root")
            for name in names:
                fine(await client.post(f"{UA}/item", json={"username": name, "password": "pw"}, headers=root))
                me = await log_in(client, name, "pw", encoded)
                assert (await client.get("/sync", headers=me)).json() == {"name": name}
            refused = ["N" * 32, "n" * 33, "n" * 5000, "n" * 31 + "\0", "\0", " ", "😀" * 400]
            for name in refused:
                answer = await client.post(LOGIN, data={"username": name, "password": "pw"}, headers=encoded)
                assert answer.status_code in (200, 422) and answer.json()["status"] != 0, (name, answer.text)
            for body in (b'{"username":"\\ud800","password":"pw"}', b'{"username":"\\u0000","password":"\\u0000"}'):
                answer = await client.post(
                    "/admin/auth/form/login/api", content=body, headers={"content-type": "application/json"}
                )
                assert answer.status_code in (200, 422) and answer.json()["status"] != 0, answer.text
            items = fine(await client.post(f"{HISTORY}/list?perPage=100", json={}, headers=root))["items"]
            assert len(items) >= 1 + len(names) + len(refused)

    asyncio.run(main())
    widths = {"login_name": 32, "ip": 45, "user_agent": 400, "forwarded_for": 60}
    stored = rows(database_url, f"SELECT {', '.join(widths)} FROM auth_login_history ORDER BY id")
    assert all(len(value) <= width for row in stored for value, width in zip(row, widths.values(), strict=True))
    # the address is the one that the server saw, whatever is said in headers by those who are no trusted proxies
    assert {row[1] for row in stored} == {short}
    agent = odd["user-agent"].encode().decode("latin-1")
    for row, name in zip(stored[1:], names, strict=False):
        assert row == (name, short, agent[:400], "")


# -- D3 and the lists -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("database_url", EVERY_DRIVER, indirect=True)
def test_D3_lists_are_filtered_ordered_and_paged(make_app: Callable[..., Any], database_url: str) -> None:
    app = make_app(database_url)

    async def main() -> None:
        async with visited(app) as client:
            root = await log_in(client, "root")

            async def post(path: str, json: Any = None) -> Any:
                return fine(await client.post(path, json=json or {}, headers=root))

            roles, users = {}, {}
            for key in ("writer", "editor", "re%d"):
                roles[key] = (await post(f"{RA}/item", {"key": key, "name": f"{key} name"}))["id"]
            for name in ("ann", "bob", "b_b"):
                new = {"username": name, "password": name, "email": f"{name}@example.com"}
                users[name] = (await post(f"{UA}/item", new))["id"]
            await post(f"{RA}/{ROLES}/api?item_id={roles['editor']}", {"role_keys": "writer,re%d"})
            await post(f"{UA}/{ROLES}/api?item_id={users['ann']}", {"role_keys": "editor,writer"})
            await post(
                f"{RA}/{PAGES}/api?item_id={roles['writer']}",
                {"permissions": f"{SITE_PAGE}#page#page,{USER_PAGE}#page#page"},
            )

            async def found(page: str, column: str, json: Any = None, query: str = "") -> list[Any]:
                return [item[column] for item in (await post(f"{page}/list?perPage=100{query}", json))["items"]]

            # the names of a role's sub-roles, gathered by the database
            items = {item["key"]: item["role_names"] for item in (await post(f"{RA}/list"))["items"]}
            assert sorted(items["editor"].split(",")) == ["re%d name", "writer name"]
            assert items["writer"] is None
            assert await found(RA, "key", {"role_names": "[~]%writer%"}) == ["editor"]
            assert await found(RA, "key", {"name": "[~]%name"}) == ["re%d", "editor", "writer"]
            assert await found(RA, "key", {"name": "writer name"}) == ["writer"]
            assert await found(RA, "key", {}, "&orderBy=key&orderDir=asc") == [
                "admin",
                "editor",
                "re%d",
                "root",
                "writer",
            ]

            assert await found(UA, "username", {"username": "[~]b%"}) == ["b_b", "bob"]
            assert await found(UA, "username", {"username": "[*]ann,bob,nobody"}) == ["bob", "ann"]
            assert await found(UA, "username", {"id": f"[-]{users['ann']},{users['bob']}"}) == ["bob", "ann"]
            assert await found(UA, "username", {"id": f"[>]{users['ann']}"}) == ["b_b", "bob"]
            assert await found(UA, "username", {"is_active": False}) == []
            assert len(await found(UA, "username", {"is_active": True})) == 5
            assert await found(UA, "username", {"email": "bob@example.com"}) == ["bob"]
            assert len(await found(UA, "username", {"create_time": "[-]2020-01-01 00:00:00,2100-01-01 00:00:00"})) == 5
            assert await found(UA, "username", {"create_time": "[<]2020-01-01 00:00:00"}) == []
            assert await found(UA, "username", {}, "&orderBy=create_time&orderDir=desc") != []

            pages = [
                (await post(f"{UA}/list?page={page}&perPage=2&showTotal=1&orderBy=id&orderDir=asc"))
                for page in (1, 2, 3, 4)
            ]
            assert [item["username"] for page in pages for item in page["items"]] == [
                "admin",
                "root",
                "ann",
                "bob",
                "b_b",
            ]
            assert {page["total"] for page in pages} == {5}

            assert await found(RULES, "v1", {"ptype": "g", "v0": "u:ann"}) == ["r:editor", "r:writer"]
            assert await found(RULES, "v0", {"ptype": "p", "v1": USER_PAGE}) == ["r:writer"]
            assert await found(RULES, "v0", {"v0": "[~]%ann", "v2": "[~]x%"}) == []
            for login in ("ann", "ann", "nobody"):
                await client.post(LOGIN, data={"username": login, "password": "ann"})
                client.cookies.clear()
            assert await found(HISTORY, "login_name", {"login_name": "ann"}) == ["ann", "ann"]
            assert await found(HISTORY, "ip", {"login_name": "nobody"}) == ["127.0.0.1"]
            for page in (UA, RA, RULES, HISTORY):
                for query in (
                    "&orderBy=nothing",
                    "&orderBy=id&orderDir=sideways",
                    "&page=0",
                    "&perPage=-1",
                    "&page=two",
                    "&perPage=1e3",
                    "&page=10000000000000000000000",
                ):
                    answer = await client.post(f"{page}/list?{query}", json={}, headers=root)
                    assert answer.status_code in (200, 422), (page, query, answer.text)
                    assert answer.json()["status"] in (0, 422), (page, query, answer.text)
                answer = await client.post(f"{page}/list", json={"id": "[-]9" + "9" * 30 + ","}, headers=root)
                assert answer.status_code in (200, 422) and answer.json()["status"] in (0, 422), (page, answer.text)
            assert await returned(app)
        assert open_transactions(database_url) == []

    asyncio.run(main())


# -- D7 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("database_url", EVERY_DRIVER, indirect=True)
def test_D7_what_is_equal_and_comes_at_once(make_app: Callable[..., Any], database_url: str) -> None:
    """Sign-ups, accounts, roles and grants: one of them is stored, or all say the same; none fails."""
    app = make_app(database_url)

    async def main() -> None:
        async with visited(app) as client:
            root = await log_in(client, "root")

            async def at_once(path: str, bodies: list[Any], **kwargs: Any) -> list[Any]:
                answers = await asyncio.gather(*(client.post(path, json=body, **kwargs) for body in bodies))
                client.cookies.clear()
                assert {answer.status_code for answer in answers} <= {200, 422}, [each.text for each in answers]
                return [answer.json()["status"] for answer in answers]

            new = {"username": "eve", "password": "pw", "email": "eve@example.com"}
            statuses = await at_once(REGISTER, [new] * 6)
            assert statuses.count(0) == 1 and set(statuses) <= {0, -1, -2}, statuses  # the name or the address is taken
            twins = await at_once(REGISTER, [{**new, "username": f"twin{i}"} for i in range(3)])
            assert set(twins) == {-2}  # the address is taken, nobody was faster
            statuses = await at_once(f"{UA}/item", [{"username": "al", "password": "pw"}] * 4, headers=root)
            assert statuses.count(0) == 1 and 500 not in statuses, statuses
            statuses = await at_once(f"{RA}/item", [{"key": "r", "name": "r"}] * 4, headers=root)
            assert statuses.count(0) == 1 and 500 not in statuses, statuses
            assert rows(database_url, "SELECT COUNT(*) FROM auth_user WHERE username IN ('eve', 'al')") == [(2,)]
            assert rows(database_url, "SELECT COUNT(*) FROM auth_role") == [(3,)]

            al = rows(database_url, "SELECT id FROM auth_user WHERE username = 'al'")[0][0]
            granted = [{"permissions": f"{page}#page#page"} for page in (SITE_PAGE, USER_PAGE)] * 3
            assert set(await at_once(f"{UA}/{PAGES}/api?item_id={al}", granted, headers=root)) == {0}
            assert set(await at_once(f"{UA}/{ROLES}/api?item_id={al}", [{"role_keys": "r"}] * 4, headers=root)) == {0}
            # one of the grants, not a mixture of several
            held = rows(database_url, "SELECT v1 FROM auth_casbin_rule WHERE ptype = 'p' AND v0 = 'u:al'")
            assert held in ([(SITE_PAGE,)], [(USER_PAGE,)])
            links = rows(database_url, "SELECT v1 FROM auth_casbin_rule WHERE ptype = 'g' AND v0 = 'u:al'")
            assert links == [("r:r",)]
            enforcer = app.state.site.auth.enforcer
            assert [rule[1:] for rule in enforcer.get_filtered_policy(0, "u:al")] == [
                [held[0][0], "page", "page", "allow"]
            ]
            assert await returned(app)
        assert open_transactions(database_url) == []

    asyncio.run(main())
