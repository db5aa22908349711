"""Sets of rows beside what a page joins, lists of several types, and rights that narrow."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest
from app_for_tests import PAGES, UA
from fastapi_amis_admin import amis
from fastapi_amis_admin.admin import FilterSelectPerm, SimpleSelectPerm
from row_models import RowArticle
from sqlalchemy import Column, DateTime, Float, Integer, MetaData, String, Table, create_engine, insert, select
from sqlalchemy.sql import Select
from starlette.requests import Request
from test_row_permissions import GROUP, RULES, Site

from fastapi_user_auth_c.auth.models import User
from fastapi_user_auth_c.filters import compile_filter
from fastapi_user_auth_c.mixins.admin import AuthSelectModelAdmin

TABLE = Table(
    "row_kinds",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("at", DateTime),
    Column("f", Float),
    Column("s", String(20)),
)
ROWS = [
    {"id": 1, "at": datetime(2020, 1, 2), "f": 1.0, "s": "a"},
    {"id": 2, "at": datetime(2020, 1, 2, 3, 4), "f": 1.5, "s": "1.5"},
    {"id": 3, "at": datetime(2020, 1, 5), "f": 2.0, "s": "b"},
]


@pytest.mark.parametrize("database_url", ["sqlite", "psycopg", "pymysql"], indirect=True)
def test_each_value_of_a_list_has_its_own_type(database_url: str) -> None:
    engine = create_engine(database_url)
    TABLE.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(TABLE), ROWS)
        cases: list[tuple[list[Any], list[int]]] = [
            ([("at", "!=", date(2020, 1, 5)), ("at", "!=", datetime(2020, 1, 2, 3, 4))], [1]),
            ([("at", "!=", datetime(2020, 1, 2, 3, 4)), ("at", "!=", date(2020, 1, 5))], [1]),
            ([("f", "!=", 1), ("f", "!=", 1.5)], [3]),
            ([("f", "in", [1, 1.5])], [1, 2]),
            ([("s", "in", ["a", "b"])], [1, 3]),
        ]
        for terms, ids in cases:
            plan = compile_filter({"p": terms}, active=["p"])
            found = list(connection.execute(select(TABLE.c.id).where(plan.where(TABLE)).order_by(TABLE.c.id)).scalars())
            if database_url.startswith("sqlite") and terms[0][0] == "at":  # a date is no time there, so it hides none
                ids = [1, 3]
            assert found == ids, terms
        groups = compile_filter({"a": [("f", "in", [1])], "b": [("f", "in", [1.5])]}, active="ab", any_of=["ab"])
        found = connection.execute(select(TABLE.c.id).where(groups.where(TABLE)).order_by(TABLE.c.id)).scalars()
        assert list(found) == [1, 2]


class JoinedAdmin(AuthSelectModelAdmin):
    """A page that joins users, and a set of rows that looks at them."""

    unique_id = "JoinedAdmin"
    page_schema = amis.PageSchema(label="Joined")
    model = RowArticle
    select_permissions = [FilterSelectPerm(name="bobs", label="", filters=[User.username == "bob"], reverse=True)]

    async def get_select(self, request: Request) -> Select[Any]:
        statement = await super().get_select(request)
        return statement.outerjoin(User, User.id == RowArticle.user_id)


class SetsAdmin(AuthSelectModelAdmin):
    """A group of sets, one of which looks at another table."""

    unique_id = "SetsAdmin"
    page_schema = amis.PageSchema(label="Sets")
    model = RowArticle
    select_permissions = [
        FilterSelectPerm(
            name="bobs", label="", filters=[User.id == RowArticle.user_id, User.username == "bob"], reverse=True
        ),
        SimpleSelectPerm(name="five", label="", column="status", values=[5], reverse=True),
    ]
    select_any_of = [("bobs", "five")]
    select_on_write = False


def test_what_is_written_is_judged_with_what_the_page_joins(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Site(f"sqlite+aiosqlite:///{tmp_path}/j.db?check_same_thread=False", JoinedAdmin, SetsAdmin) as site:
        for page in ("JoinedAdmin", "SetsAdmin"):
            site.call(site.auth.enforcer.add_policies, [("u:bob", page, *rule[1:], "allow") for rule in RULES])
        root_id = site.read(select(User.id).where(User.username == "root"))[0][0]
        made = [
            {"title": "mine", "user_id": site.me, "status": 1},
            {"title": "five", "user_id": root_id, "status": 5},
            {"title": "both", "user_id": site.me, "status": 5},
            {"title": "none", "user_id": root_id, "status": 1},
        ]
        site.run(lambda session: session.execute(insert(RowArticle.__table__), made))  # type: ignore[attr-defined]
        url = "/admin/JoinedAdmin"
        assert site.seen(url=url) == ["both", "mine"]
        assert site.bob("POST", f"{url}/item", {"title": "x", "user_id": root_id}).status_code == 422
        assert site.bob("PUT", f"{url}/item/1", {"user_id": root_id}).status_code == 422
        assert site.bob("POST", f"{url}/item", {"title": "new", "user_id": site.me}).json()["status"] == 0
        assert site.seen(url=url) == ["both", "mine", "new"]
        assert site.seen(url="/admin/SetsAdmin") == ["both", "five", "mine", "new"], "each row once"


def test_who_sees_fewer_rows_gives_no_right_to_more(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Site(f"sqlite+aiosqlite:///{tmp_path}/n.db?check_same_thread=False") as site:
        site.call(site.auth.create_role_user, "dan")
        own = [("u:bob", "Auth>UserAdmin", f"page{name}", "page", "allow") for name in ("", ":list", PERMS)]
        site.call(site.auth.enforcer.add_policies, own)
        dan = site.read(select(User.id).where(User.username == "dan"))[0][0]
        right = {"permissions": "RowArticleAdmin#page:list#page"}
        site.switch("published", True)  # bob sees fewer rows than those without that rule
        assert site.bob.act(UA, PAGES, dan, right).status_code == 403
        assert not site.auth.enforcer.enforce("u:dan", "RowArticleAdmin", "page:list", "page")
        rule = ("u:dan", "RowArticleAdmin", f"{GROUP}:published", GROUP, "allow")
        assert site.call(site.auth.enforcer.add_policy, *rule)
        assert site.bob.act(UA, PAGES, dan, right).status_code == 200
        assert site.auth.enforcer.enforce("u:dan", "RowArticleAdmin", "page:list", "page")


PERMS = ":update_subject_page_permissions"
