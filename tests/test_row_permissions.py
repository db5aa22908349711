"""Permissions for sets of rows: the rows that everybody sees, on every path, and outside of the admin site."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from app_for_tests import Client, example_app
from conftest import MIXED_DRIVERS
from fastapi_amis_admin import amis
from fastapi_amis_admin.admin import (
    FormAdmin,
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


ALL_DRIVERS = pytest.mark.parametrize("database_url", MIXED_DRIVERS, indirect=True)


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
    for who in (Client(site.client), Client(site.client, "admin")):  # may not open the page at all
        for method, json in (("GET", None), ("PUT", {"title": "changed"}), ("DELETE", None)):
            for item in (own_id, hidden_id, "x"):
                assert who(method, f"{PAGE}/item/{item}", json).status_code in (401, 403)
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


@pytest.mark.parametrize("database_url", ["aiosqlite", "pymysql"], indirect=True)
@pytest.mark.parametrize("tags", [RowTagAdmin, PlainTagAdmin])
def test_links_lead_to_no_hidden_row(
    tags: Any, database_url: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Site(database_url, RowArticleAdmin, tags) as site:
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


# --- groups, settings, caches


class GroupAdmin(AuthSelectModelAdmin):
    """One's own rows, and those that are published, for whoever has either."""

    unique_id = "GroupAdmin"
    page_schema = amis.PageSchema(label="Groups")
    model = RowArticle
    select_permissions = [
        UserSelectPerm(name="own", label="Own", reverse=True),
        SimpleSelectPerm(name="published", label="Published", column="is_published", values=[True]),
        SimpleSelectPerm(name="status", label="Status", values=[5]),
    ]
    select_any_of = [("own", "published")]
    select_on_write = False


GROUP_PAGE = "/admin/GroupAdmin"


@pytest.fixture
def group_site(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.chdir(tmp_path)
    url = f"sqlite+aiosqlite:///{tmp_path}/g.db?check_same_thread=False"
    with Site(url, GroupAdmin, RowArticleAdmin) as site:
        site.fill()
        rules = [("GroupAdmin", *rule[1:]) for rule in RULES]
        site.call(site.auth.enforcer.add_policies, [("u:bob", *rule, "allow") for rule in rules])
        yield site


def test_sets_of_a_group_add_up(group_site: Site) -> None:
    site = group_site
    made = rows(site.me)

    def expected(test: Any) -> list[str]:
        return sorted(row["title"] for row in made if test(row))

    assert site.seen(url=GROUP_PAGE) == expected(lambda row: row["user_id"] == site.me)
    site.switch("published", True, "GroupAdmin")
    assert site.seen(url=GROUP_PAGE) == expected(lambda row: row["user_id"] == site.me or row["is_published"])
    site.switch("own", True, "GroupAdmin")  # reverse: taken away by that
    assert site.seen(url=GROUP_PAGE) == expected(lambda row: row["is_published"])
    site.switch("status", True, "GroupAdmin")
    assert site.seen(url=GROUP_PAGE) == expected(lambda row: row["is_published"] and row["status"] == 5)
    site.switch("published", False, "GroupAdmin")
    assert site.seen(url=GROUP_PAGE) == []
    # and a page may let its users write what they do not see
    assert site.bob.data("POST", f"{GROUP_PAGE}/item", {"title": "unseen"})["title"] == "unseen"
    assert site.seen(url=GROUP_PAGE) == []


def test_nobody_gives_sets_of_a_group_that_they_lack(group_site: Site) -> None:
    """In a group a set in force shows more rows, not less: who may give it is the other way round."""
    site = group_site
    assert site.root.data("POST", "/admin/auth/UserAdmin/item", {"username": "eve", "password": "eve-password"})
    eve = site.read(select(site.auth.user_model.id).where(site.auth.user_model.username == "eve"))[0][0]
    manage = [("Auth>UserAdmin", name, "page") for name in ("page", "page:update_subject_data_permissions")]
    site.call(site.auth.enforcer.add_policies, [("u:bob", *rule, "allow") for rule in manage])
    permission = "GroupAdmin#page#page"

    def give(who: Any, name: str, column: int) -> tuple[int, list[Any]]:
        """column: 1 has the set in force, 2 not."""
        rol = f"GroupAdmin#page:select:{name}#page:select"
        matrix: list[Any] = [[], [], []]
        matrix[column] = [{"rol": rol, "checked": True}]
        json = {"permissions": permission, "policy_matrix": matrix}
        status = who.act("/admin/auth/UserAdmin", "UpdateSubDataPermAction", eve, json).status_code
        return status, site.auth.enforcer.get_filtered_policy(0, "u:eve", "GroupAdmin")

    assert give(site.bob, "published", 1)[0] == 403  # bob does not have it himself
    assert give(site.bob, "status", 1) == (
        200,
        [["u:eve", "GroupAdmin", "page:select:status", "page:select", "allow"]],
    )
    site.switch("published", True, "GroupAdmin")
    status, found = give(site.bob, "published", 1)
    assert status == 200 and ["u:eve", "GroupAdmin", "page:select:published", "page:select", "allow"] in found
    site.switch("own", True, "GroupAdmin")  # bob no longer has his own rows, so he gives nobody theirs
    assert give(site.bob, "own", 1)[0] == 403
    assert give(site.bob, "own", 2)[0] == 200


def test_groups_name_sets_of_the_page(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    broken = type("BrokenAdmin", (GroupAdmin,), {"select_any_of": [("own", "misspelt")]})
    with pytest.raises(ValueError, match="misspelt"), Site(f"sqlite+aiosqlite:///{tmp_path}/b.db", broken) as site:
        site.seen()


def test_an_own_rule_for_sets_is_asked(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    asked: list[str] = []

    class OwnRuleAdmin(RowArticleAdmin):
        unique_id = "RowArticleAdmin"

        async def has_select_permission(self, request: Request, name: str) -> bool:
            asked.append(name)
            return name in ("self_create", "status_1_2_3", "recent7_create")

    with Site(f"sqlite+aiosqlite:///{tmp_path}/o.db?check_same_thread=False", OwnRuleAdmin) as site:
        made = site.fill()
        expected = sorted(row["title"] for row in made if visible(row, {"status_1_2_3"}, site.me))
        assert site.seen(url="/admin/OwnRuleAdmin") == expected
        assert asked == [permission.name for permission in seven()]


def test_a_request_asks_for_each_decision_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    enforcer = site.auth.enforcer
    enforce, each = enforcer.enforce, enforcer.enforce_each

    class Counting:
        """The enforcer, with its decisions counted."""

        def __getattr__(self, name: str) -> Any:
            return getattr(enforcer, name)

        def enforce(self, *request: str) -> bool:
            asked.append(request)
            return enforce(*request)

        def enforce_each(self, subject: str, requests: Any) -> list[bool]:
            asked.extend((subject, *request) for request in requests)
            return each(subject, requests)

    monkeypatch.setattr(site.auth, "enforcer", Counting())
    for method, path, json in [
        ("POST", f"{PAGE}/list", {"title": "[~]1"}),
        ("POST", PAGE, {}),  # the page itself
        ("POST", "/admin/", {}),  # the menu
        ("GET", f"{PAGE}/item/1", None),
        ("POST", f"{PAGE}/item", {"title": "new", "user_id": site.me}),
    ]:
        asked.clear()
        site.bob(method, path, json)
        assert asked and len(asked) == len(set(asked)), path


def test_requests_share_no_paginator(site: Site) -> None:
    """One that waits goes on with its own page, whatever others ask for meanwhile."""
    site.fill()
    page = site.site.get_admin_or_create(RowArticleAdmin)
    seen_by_first: list[Any] = []

    async def first_waits(request: Request, paginator: Any, filters: Any = None, **kwargs: Any) -> bool:
        if paginator.perPage == 3:
            other = page.paginator(page=2, perPage=50)  # what a second request does here
            assert other is not paginator
            seen_by_first.append((paginator.page, paginator.perPage))
        return True

    page.has_list_permission = first_waits
    data = site.root.data("POST", f"{PAGE}/list?page=1&perPage=3&orderBy=id", {})
    assert seen_by_first == [(1, 3)] and len(data["items"]) == 3
    assert not hasattr(page.paginator, "page")


class SlowFormAdmin(FormAdmin):
    """Each field of its form takes a while, as where a permission for it is looked up."""

    unique_id = "SlowFormAdmin"
    page = amis.Page(title="Slow")
    form = amis.Form(title="Slow")

    class schema(BaseModel):
        first: str = ""
        second: str = ""

    async def get_form_item(self, request: Any, modelfield: Any) -> Any:
        await asyncio.sleep(0)
        return await super().get_form_item(request, modelfield)


def test_requests_share_no_page_and_no_form(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Site(f"sqlite+aiosqlite:///{tmp_path}/f.db?check_same_thread=False", SlowFormAdmin) as site:
        page = site.site.get_admin_or_create(SlowFormAdmin)

        async def both() -> Any:
            return await asyncio.gather(page.get_page(None), page.get_page(None))

        one, other = site.call(both)
        assert one is not other and one.body is not other.body
        assert [[item.name for item in found.body.body] for found in (one, other)] == [["first", "second"]] * 2
        assert page.page.body is None and page.form.body is None  # as the class has them


def test_actions_on_users_that_are_not_seen(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forms of actions are filled from rows, too."""
    from fastapi_user_auth_c.admin import UserAdmin, UserAuthApp

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        UserAdmin, "select_permissions", [UserSelectPerm(name="self", label="", user_column="id", reverse=True)]
    )
    assert UserAuthApp.UserAdmin is UserAdmin
    with Site(f"sqlite+aiosqlite:///{tmp_path}/u.db?check_same_thread=False") as site:
        page = "/admin/auth/UserAdmin"
        actions = ("update_subject_page_permissions", "update_subject_roles", "copy_user_auth_link")
        rules = [("Auth>UserAdmin", f"page:{name}", "page") for name in (*actions, "list", "read")]
        rules.append(("Auth>UserAdmin", "page", "page"))
        site.call(site.auth.enforcer.add_policies, [("u:bob", *rule, "allow") for rule in rules])
        site.call(site.auth.enforcer.add_role_for_user, "u:admin", "r:secret")
        admin = site.read(select(site.auth.user_model.id).where(site.auth.user_model.username == "admin"))[0][0]
        assert [row["username"] for row in site.bob.data("POST", f"{page}/list", {})["items"]] == ["bob"]
        roles = f"{page}/UpdateSubRolesAction/api?item_id={admin}"
        assert site.root.data("GET", roles)["role_keys"] == "admin,secret"
        assert site.bob("GET", roles).status_code == 404
        link = f"{page}/CopyUserAuthLinkAction/api?item_id={admin}"
        answer = site.bob("POST", link, {})
        assert answer.status_code == 404 and "auth_url" not in answer.text
        assert (
            site.bob("POST", f"{page}/UpdateSubRolesAction/api?item_id={admin}", {"role_keys": ""}).status_code == 404
        )
        assert site.auth.enforcer.has_grouping_policy("u:admin", "r:secret")
