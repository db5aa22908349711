"""Permissions for sets of rows: the rows that everybody sees, on every path, and outside of the admin site."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from app_for_tests import Client, example_app
from conftest import ASYNC_DRIVERS, SYNC_DRIVERS
from fastapi_amis_admin import amis
from fastapi_amis_admin.admin import (
    ModelAction,
    ModelAdmin,
    RecentTimeSelectPerm,
    SimpleSelectPerm,
    UserSelectPerm,
)
from fastapi_amis_admin.crud.schema import BaseApiOut
from pydantic import BaseModel
from row_models import RowArticle, RowTag, RowTagLink
from sqlalchemy import func, insert, select
from starlette.requests import Request
from starlette.testclient import TestClient

from fastapi_user_auth_c.mixins.admin import AuthSelectModelAdmin

DAY = 24 * 60 * 60
GROUP = "page:select"


def seven() -> list[Any]:
    """Those of the documentation."""
    return [
        RecentTimeSelectPerm(name="recent7_create", label="7 days", td=7 * DAY, reverse=True),
        RecentTimeSelectPerm(name="recent30_create", label="30 days", td=30 * DAY),
        RecentTimeSelectPerm(name="recent3_update", label="3 days", td=3 * DAY, time_column="update_time"),
        UserSelectPerm(name="self_create", label="Own", user_column="user_id", reverse=True),
        UserSelectPerm(name="self_update", label="Updated", user_column="update_by"),
        SimpleSelectPerm(name="published", label="Published", column="is_published", values=[True]),
        SimpleSelectPerm(name="status_1_2_3", label="Status", column="status", values=[1, 2, 3]),
    ]


class Touch(ModelAction):
    action = amis.ActionType.Dialog(name="touch", label="Touch", dialog=amis.Dialog())

    class schema(BaseModel):
        note: str = ""

    async def handle(self, request: Request, item_id: list[Any], data: Any, **kwargs: Any) -> BaseApiOut[Any]:
        return BaseApiOut(data=sorted(item_id))


class RowArticleAdmin(AuthSelectModelAdmin):
    unique_id = "RowArticleAdmin"
    page_schema = amis.PageSchema(label="Articles")
    model = RowArticle
    select_permissions = seven()
    admin_action_maker = [lambda admin: Touch(admin=admin, name="touch")]


PAGE = "/admin/RowArticleAdmin"
RULES = [("RowArticleAdmin", "page", "page")] + [
    ("RowArticleAdmin", f"page:{name}", "page")
    for name in ("list", "filter", "read", "create", "update", "delete", "touch")
]


def rows(me: int) -> list[dict[str, Any]]:
    """A row for each combination of what the seven permissions look at."""
    now = datetime.now().replace(microsecond=0)
    made = [now - timedelta(days=days) for days in (1, 10, 40)] + [None]
    found = itertools.product(made, (1, 10), (me, me + 1000, None), (me, None), (True, False), (2, 5, None))
    return [
        {
            "title": f"{number}",
            "create_time": created,
            "update_time": now - timedelta(days=updated),
            "user_id": user,
            "update_by": updater,
            "is_published": published,
            "status": status,
        }
        for number, (created, updated, user, updater, published, status) in enumerate(found)
    ]


def visible(row: dict[str, Any], on: set[str], me: int) -> bool:
    """The permissions in force, one by one, in plain Python."""
    now = datetime.now()

    def recent(value: Any, days: int) -> bool:
        return value is not None and value > now - timedelta(days=days)

    return all(
        (
            "recent7_create" not in on or recent(row["create_time"], 7),
            "recent30_create" not in on or recent(row["create_time"], 30),
            "recent3_update" not in on or recent(row["update_time"], 3),
            "self_create" not in on or row["user_id"] == me,
            "self_update" not in on or row["update_by"] == me,
            "published" not in on or row["is_published"] is True,
            "status_1_2_3" not in on or row["status"] in (1, 2, 3),
        )
    )


class Site:
    """An application with the page of articles, rows in it, and a user bob."""

    def __init__(self, url: str, *admins: Any, extra: Any = None) -> None:
        self.app = example_app(url, register=lambda site: site.register_admin(*(admins or (RowArticleAdmin,))))
        self.site: Any = self.app.state.site
        self.auth: Any = self.site.auth
        if extra is not None:
            extra(self.app, self.auth)

    def __enter__(self) -> Site:
        self.client = TestClient(self.app)
        self.client.__enter__()
        self.root = Client(self.client, "root")
        self.call(self.auth.create_role_user, "bob")
        self.bob = Client(self.client, "bob")
        self.me = self.read(select(self.auth.user_model.id).where(self.auth.user_model.username == "bob"))[0][0]
        self.call(self.auth.enforcer.add_policies, [("u:bob", *rule, "allow") for rule in RULES])
        return self

    def __exit__(self, *args: Any) -> None:
        self.client.__exit__(*args)

    def call(self, function: Any, *args: Any) -> Any:
        assert self.client.portal is not None
        return self.client.portal.call(function, *args)

    def run(self, work: Any) -> Any:
        """work(session), committed."""
        from fastapi_user_auth_c.db import run_committed

        return self.call(run_committed, self.site.db, work)

    def read(self, statement: Any) -> Any:
        return self.run(lambda session: session.execute(statement).all())

    def fill(self) -> list[dict[str, Any]]:
        made = rows(self.me)
        self.run(lambda session: session.execute(insert(RowArticle.__table__), made))
        return made

    def switch(self, name: str, on: bool, page: str = "RowArticleAdmin") -> None:
        """Give or take the permission of that name."""
        change = self.auth.enforcer.add_policy if on else self.auth.enforcer.remove_policy
        assert self.call(change, "u:bob", page, f"{GROUP}:{name}", GROUP, "allow")

    def seen(self, who: Any = None, url: str = PAGE) -> list[str]:
        data = (who or self.bob).data("POST", f"{url}/list?perPage=1000", {})
        assert data["total"] == len(data["items"])
        return sorted(row["title"] for row in data["items"])


@pytest.fixture
def site(tmp_path: Any, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.chdir(tmp_path)
    with Site(database_url) as made:
        yield made


ALL_DRIVERS = pytest.mark.parametrize("database_url", ASYNC_DRIVERS + SYNC_DRIVERS, indirect=True)


@ALL_DRIVERS
def test_all_128_settings_of_the_documented_example(site: Site) -> None:
    made = site.fill()
    names = [permission.name for permission in RowArticleAdmin.select_permissions]
    reverse = {permission.name for permission in RowArticleAdmin.select_permissions if permission.reverse}
    held: set[str] = set()
    sizes = set()
    for turn in range(128):
        if turn:  # one switch changes from setting to setting
            name = names[(turn & -turn).bit_length() - 1]
            site.switch(name, name not in held)
            held ^= {name}
        expected = sorted(row["title"] for row in made if visible(row, held ^ reverse, site.me))
        assert site.seen() == expected, held
        sizes.add(len(expected))
    assert len(sizes) > 10 and len(site.seen(site.root)) == len(made)


@ALL_DRIVERS
def test_nothing_that_is_hidden_is_reached_or_written(site: Site) -> None:
    site.fill()
    hidden_id, own_id = (
        site.read(select(RowArticle.id).where(RowArticle.title == title))[0][0]
        for title in ("200", "0")  # 200: made 40 days ago
    )
    count = site.read(select(func.count()).select_from(RowArticle))[0][0]
    bob = site.bob
    assert "0" in site.seen() and "200" not in site.seen()
    for path in (f"{PAGE}/item/{hidden_id}", f"{PAGE}/item/999999"):
        assert bob("GET", path).status_code == 404
        assert bob("PUT", path, {"title": "changed"}).status_code == 404
        assert bob("DELETE", path).status_code == 404
    for item in (hidden_id, 999999):
        assert bob("POST", f"{PAGE}/Touch/api?item_id={item}", {}).status_code == 404
    assert bob("GET", f"{PAGE}/item/x").status_code == 422
    assert bob.data("GET", f"{PAGE}/item/{own_id}")["title"] == "0"
    assert bob.data("POST", f"{PAGE}/Touch/api?item_id={own_id},{hidden_id}", {}) == [own_id]
    # of several only those that are seen
    assert bob.data("PUT", f"{PAGE}/item/{own_id},{hidden_id}", {"title": "zero"}) == 1
    assert bob.data("GET", f"{PAGE}/item/{own_id},{hidden_id}")["title"] == "zero"
    assert site.read(select(RowArticle.title).where(RowArticle.id == hidden_id)) == [("200",)]
    # a filter or another order of the list shows no more
    data = bob.data("POST", f"{PAGE}/list?orderBy=title&orderDir=desc", {"title": "[~]20"})
    assert all(row["user_id"] == site.me for row in data["items"])

    # made or changed, a row stays within what one sees
    old = "2020-01-01 00:00:00"
    for values in ({}, {"user_id": site.me + 1}, {"user_id": site.me, "create_time": old}):
        refused = bob("POST", f"{PAGE}/item", {"title": "new", **values})
        assert refused.status_code == 422, refused.text
    refused = bob("POST", f"{PAGE}/item", [{"user_id": site.me}, {"user_id": site.me + 1}])
    assert refused.status_code == 422
    assert bob("PUT", f"{PAGE}/item/{own_id}", {"user_id": site.me + 1}).status_code == 422
    assert bob("PUT", f"{PAGE}/item/{own_id}", {"create_time": old}).status_code == 422
    assert site.read(select(func.count()).select_from(RowArticle))[0][0] == count
    assert site.read(select(RowArticle.user_id).where(RowArticle.id == own_id)) == [(site.me,)]
    assert bob.data("POST", f"{PAGE}/item", {"title": "own", "user_id": site.me})["title"] == "own"
    assert bob.data("POST", f"{PAGE}/item", [{"title": "own", "user_id": site.me}] * 2) == 2
    assert bob.data("PUT", f"{PAGE}/item/{own_id}", {"title": "again", "user_id": site.me}) == 1
    assert bob.data("DELETE", f"{PAGE}/item/{own_id},{hidden_id}") == 1
    assert bob("DELETE", f"{PAGE}/item/{own_id}").status_code == 404
    assert site.root.data("PUT", f"{PAGE}/item/{hidden_id}", {"title": "by root"}) == 1  # root sees all
    assert site.root.data("POST", f"{PAGE}/item", {"create_time": old})["id"]
    assert site.read(select(func.count()).select_from(RowArticle))[0][0] == count + 3


# --- links to rows


class RowTagAdmin(AuthSelectModelAdmin):
    """Restricted itself; its form links tags to articles, which are restricted too."""

    unique_id = "RowTagAdmin"
    page_schema = amis.PageSchema(label="Tags")
    model = RowTag
    link_model_fields = [RowTag.articles]
    select_permissions = [UserSelectPerm(name="own_tags", label="Own", reverse=True)]


class PlainTagAdmin(ModelAdmin):
    """The same without restrictions."""

    unique_id = "PlainTagAdmin"
    page_schema = amis.PageSchema(label="Tags")
    model = RowTag
    link_model_fields = [RowTag.articles]


@pytest.mark.parametrize("tags", [RowTagAdmin, PlainTagAdmin])
def test_links_lead_to_no_hidden_row(tags: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Site(f"sqlite+aiosqlite:///{tmp_path}/l.db?check_same_thread=False", RowArticleAdmin, tags) as site:
        site.fill()
        rules = [(tags.unique_id, *rule[1:]) for rule in RULES]
        site.call(site.auth.enforcer.add_policies, [("u:bob", *rule, "allow") for rule in rules])
        ids = dict(site.read(select(RowArticle.title, RowArticle.id)))
        seen, hidden = ids["0"], ids["200"]
        site.run(
            lambda s: s.execute(insert(RowTag.__table__), [{"id": 1, "user_id": site.me}, {"id": 2, "user_id": 0}])
        )
        site.run(lambda s: s.execute(insert(RowTagLink.__table__), [{"article_id": hidden, "tag_id": 1}]))
        path = f"/admin/{tags.__name__}/RowArticle"

        def links() -> set[Any]:
            return {tuple(row) for row in site.read(select(RowTagLink.article_id, RowTagLink.tag_id))}

        for article in (hidden, f"{seen},{hidden}", 99999):
            assert site.bob("POST", f"{path}/1?link_id={article}").status_code == 404
            assert site.bob("DELETE", f"{path}/1?link_id={article}").status_code == 404
        assert site.bob("POST", f"{path}/1?link_id=x").status_code == 422
        assert links() == {(hidden, 1)}
        assert site.bob.data("POST", f"{path}/1?link_id={seen}") == 1
        assert site.bob.data("DELETE", f"{path}/1?link_id={seen}") == 1
        guest = Client(site.client)
        assert guest("POST", f"{path}/1?link_id={hidden}").status_code == 401
        assert site.root.data("POST", f"{path}/1?link_id={seen}") == 1
        # which articles have tag 1: those of them that are seen
        query = "perPage=1000&link_model=row_tag&op="
        assert site.bob.data("POST", f"{PAGE}/list?{query}in_&link_item_id=1", {})["total"] == 1
        assert site.root.data("POST", f"{PAGE}/list?{query}in_&link_item_id=1", {})["total"] == 2
        # tag 2 is hidden where tags are restricted: what it is linked to is nobody's business
        other = site.bob("POST", f"{PAGE}/list?{query}in_&link_item_id=2", {}).status_code
        assert other == (404 if tags is RowTagAdmin else 200)
        if tags is RowTagAdmin:
            for item, article in ((2, seen), ("1,2", hidden)):
                assert site.bob("POST", f"{path}/{item}?link_id={article}").status_code == 404
            assert site.bob("POST", f"{PAGE}/list?{query}not_in&link_item_id=2", {}).status_code == 404
            assert site.bob("POST", f"{PAGE}/list?{query}in_&link_item_id=x", {}).status_code == 422
