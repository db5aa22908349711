"""Permissions for the fields of forms, on the page of users, and outside of the site."""

from __future__ import annotations

from typing import Any, Optional

import pytest
from app_for_tests import Client
from fastapi_amis_admin import amis
from fastapi_amis_admin.admin import FieldPermEnum, ModelAdmin
from fastapi_amis_admin.crud.schema import BaseApiOut
from field_site import ACTIONS, FIELDS, ID, ChosenAdmin, FieldPersonAdmin, FieldSite, names_in, refused
from pydantic import BaseModel
from starlette.requests import Request

from fastapi_user_auth_c.mixins.admin import AuthFieldFormAdmin


@pytest.fixture
def make_site(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)

    def make(*admins: Any, extra: Any = None) -> FieldSite:
        url = f"sqlite+aiosqlite:///{tmp_path}/f.db?check_same_thread=False"
        return FieldSite(url, FieldPersonAdmin, *admins, extra=extra)

    return make


# --- forms


class Options(BaseModel):
    owner: str
    title: Optional[str] = "none"
    budget: Optional[int] = None


class FieldFormAdmin(AuthFieldFormAdmin):
    unique_id = "FieldFormAdmin"
    page_schema = amis.PageSchema(label="Settings")
    schema = Options
    schema_init_out = Options
    form_init = True
    handled: list[Any] = []

    async def get_init_data(self, request: Request, **kwargs: Any) -> BaseApiOut[Any]:
        return BaseApiOut(data=Options(owner="o", title="t", budget=3))

    async def handle(self, request: Request, data: Any, **kwargs: Any) -> BaseApiOut[Any]:
        self.handled.append(data.model_dump(exclude_unset=True))
        return BaseApiOut(data="done")


class OptionalFormAdmin(FieldFormAdmin):
    unique_id = "OptionalFormAdmin"

    class schema(BaseModel):
        title: Optional[str] = None
        budget: Optional[int] = None

    schema_init_out = Any

    async def get_init_data(self, request: Request, **kwargs: Any) -> BaseApiOut[Any]:
        return BaseApiOut(data={"title": "t", "budget": 3, "other": 1})


class FreeFormAdmin(OptionalFormAdmin):
    unique_id = "FreeFormAdmin"
    perm_fields_exclude = ["title"]


def test_forms(make_site: Any) -> None:
    with make_site(FieldFormAdmin, OptionalFormAdmin, FreeFormAdmin) as site:
        bob = site.bob
        url = "/admin/form/FieldFormAdmin"
        assert bob("POST", url, {}).status_code in (307, 403)
        for page in ("FieldFormAdmin", "OptionalFormAdmin", "FreeFormAdmin"):
            site.page_rights(page, "submit")
        handled = FieldFormAdmin.handled
        assert names_in(bob.data("POST", url, {})["body"]["body"]) == {"owner"}
        assert bob.data("GET", f"{url}/api") == {"owner": "o"}
        for body in ({"owner": "x", "title": "y"}, {"owner": "x", "title": None}):
            refused(bob("POST", f"{url}/api", body), "submit:title", page="FieldFormAdmin")
        assert handled == []
        assert bob.data("POST", f"{url}/api", {"owner": "x"}) == "done" and handled == [{"owner": "x"}]
        site.grant("submit:*", page="FieldFormAdmin")
        site.grant("submit:budget", page="FieldFormAdmin", effect="deny")
        assert names_in(bob.data("POST", url, {})["body"]["body"]) == {"owner", "title"}
        assert bob.data("GET", f"{url}/api") == {"owner": "o", "title": "t"}
        refused(bob("POST", f"{url}/api", {"owner": "x", "budget": 1}), "submit:budget", page="FieldFormAdmin")
        assert bob.data("POST", f"{url}/api", {"owner": "x", "title": "y"}) == "done"
        assert site.root.data("GET", f"{url}/api") == {"owner": "o", "title": "t", "budget": 3}
        handled.clear()

        url = "/admin/form/OptionalFormAdmin"  # no field at all
        for answer in (bob("GET", f"{url}/api"), bob("POST", f"{url}/api", {})):
            refused(answer, "submit:*", page="OptionalFormAdmin")
        form = bob.data("POST", url, {})["body"]
        assert (
            "OptionalFormAdmin#page:submit:*#page:submit" in form["body"][0]["body"] and names_in(form["body"]) == set()
        )
        assert handled == []
        assert bob.data("GET", "/admin/form/FreeFormAdmin/api") == {"title": "t", "other": 1}
        assert Client(site.client)("GET", f"{url}/api").status_code in (307, 401, 403)


def test_a_form_names_fields_that_it_has(make_site: Any) -> None:
    for name, value in (
        ("perm_fields", ["titel"]),
        ("perm_fields_exclude", ["titel"]),
        ("perm_fields", {FieldPermEnum.ALL: ["title"]}),
    ):
        wrong = type("WrongFormAdmin", (FieldFormAdmin,), {name: value})
        with pytest.raises(ValueError, match=r"titel|ALL"), make_site(wrong):
            pass


def test_fields_of_forms_are_given_in_the_site(make_site: Any) -> None:
    with make_site(FieldFormAdmin) as site:
        me, url = site.me, "/admin/auth/UserAdmin"
        permission = "FieldFormAdmin#page:submit#page"
        query = f"item_id={me}&permission={permission.replace('#', '%23')}&type=policy"
        rows = site.root.data("GET", f"{url}/get_admin_action_perm_options?{query}")["rows"]
        assert [row["rol"].split("#")[1] for row in rows] == [
            "page:submit:*",
            "page:submit:title",
            "page:submit:budget",
        ]
        columns: list[Any] = [[], [{**rows[1], "checked": True}], []]
        body = {"permissions": permission, "policy_matrix": columns}
        assert site.root.act(url, "UpdateSubDataPermAction", me, body).json()["status"] == 0
        assert site.auth.enforcer.has_policy("u:bob", "FieldFormAdmin", "page:submit:title", "page:submit", "allow")
        read = f"{ID}#page:read#page".replace("#", "%23")  # those that have to have a value, too
        rows = site.root.data("GET", f"{url}/get_admin_action_perm_options?item_id={me}&permission={read}")["rows"]
        assert {row["rol"].split("#")[1].split(":")[2] for row in rows} == {"*", *FIELDS}


# --- the page of users


def test_the_page_of_users(make_site: Any) -> None:
    with make_site() as site:
        url, page = "/admin/auth/UserAdmin", "Auth>UserAdmin"
        site.page_rights(page, *ACTIONS)
        bob, me = site.bob, site.me
        free = {"id", "username", "nickname", "is_active", "create_time"}
        row = next(row for row in bob.data("POST", f"{url}/list", {})["items"] if row["id"] == me)
        assert row.keys() == free
        assert "email" not in bob.data("GET", f"{url}/item/{me}")
        for query, filters in (("", {"email": "[~]@"}), ("orderBy=email", {})):
            refused(bob("POST", f"{url}/list?{query}", filters), "filter:email" if filters else "list:email", page=page)
        refused(bob("PUT", f"{url}/item/{me}", {"email": "b@example.com"}), "update:email", page=page)
        refused(bob("PUT", f"{url}/item/{me}", {"password": "a new password"}), "update:password", page=page)
        made = {"username": "eve", "password": "eve-password"}
        refused(bob("POST", f"{url}/item", {**made, "email": "e@example.com"}), "create:email", page=page)
        answer = bob.data("POST", f"{url}/item", made)
        assert "email" not in answer and answer["username"] == "eve" and "eve-password" not in str(answer)
        row = bob.data("GET", f"{url}/item/{me}")
        assert bob.data("PUT", f"{url}/item/{me}", {**row, "nickname": "B"}) == 1
        site.grant("list:email", "filter:email", "update:email", page=page)
        assert bob.data("PUT", f"{url}/item/{me}", {"email": "b@example.com"}) == 1
        (row,) = bob.data("POST", f"{url}/list", {"email": "[~]b@"})["items"]
        assert row.keys() == free | {"email"} and row["email"] == "b@example.com"


# --- outside of the site


def test_allowed_fields(make_site: Any) -> None:
    def routes(app: Any, auth: Any) -> None:
        @app.get("/fields")
        async def fields(request: Request, action: str = "read", names: str = "name,salary,name,x") -> Any:
            return await auth.allowed_fields(request, "people", action, names.split(","))

        @app.get("/page-fields")
        async def page_fields(request: Request) -> Any:
            page = app.state.site.get_admin_or_create(ChosenAdmin)
            return await auth.allowed_fields(request, page, "read", [*FIELDS, "password"])

    with make_site(ChosenAdmin, extra=routes) as site:
        guest = Client(site.client)
        assert site.bob("GET", "/fields").json() == guest("GET", "/fields").json() == []
        assert site.root("GET", "/fields").json() == ["name", "salary", "x"]
        site.grant("read:salary", "list:*", page="people")
        assert site.bob("GET", "/fields").json() == ["salary"]
        assert site.bob("GET", "/fields?action=list&names=b,a").json() == ["b", "a"]
        site.grant("read:*", page="people", who="u:guest")
        assert guest("GET", "/fields").json() == ["name", "salary", "x"]
        # of a page: what needs no permission there is allowed, what is no field of it is not
        free = [name for name in FIELDS if name not in ("salary", "phone")]
        assert site.bob("GET", "/page-fields").json() == free
        site.grant("read:phone", page="ChosenAdmin")
        assert site.bob("GET", "/page-fields").json() == [name for name in FIELDS if name != "salary"]

        async def ask(page: Any, fields: Any) -> Any:
            scope = {"type": "http", "headers": [], "method": "GET", "path": "/", "query_string": b""}
            return await site.auth.allowed_fields(Request(scope), page, "read", fields)

        for page, names in ((ModelAdmin, ["a"]), (None, ["a"]), ("people", "a")):
            with pytest.raises(ValueError, match=r"expected|neither"):
                site.call(ask, page, names)
        assert site.call(ask, FieldPersonAdmin, ["a"]) == []


class DictFormAdmin(OptionalFormAdmin):
    unique_id = "DictFormAdmin"

    async def get_init_data(self, request: Request, **kwargs: Any) -> Any:
        return {"status": 0, "data": {"title": "t", "budget": 3}}


def test_the_data_of_a_form_are_filtered_in_whatever_shape(make_site: Any) -> None:
    with make_site(DictFormAdmin) as site:
        site.page_rights("DictFormAdmin", "submit")
        assert site.root.data("GET", "/admin/form/DictFormAdmin/api").keys() == {"title", "budget"}
        answer = site.bob("GET", "/admin/form/DictFormAdmin/api")
        assert answer.status_code == 403 or not answer.json()["data"], answer.text


def test_a_misspelt_field_is_told(make_site: Any) -> None:
    class Misspelt(FieldPersonAdmin):
        unique_id = "Misspelt"
        perm_fields = {FieldPermEnum.ALL: ["salery"]}

    with pytest.raises(ValueError, match="salery"), make_site(Misspelt):
        pass
