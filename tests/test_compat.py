"""fastapi-amis-admin on the installed stack: imports, CRUD, schemas, date and time, start-up (D1, D6)."""

from __future__ import annotations

import asyncio
import datetime
import enum
import os
import subprocess
import sys
import threading
import uuid
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Optional

import pytest
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import JSON, DateTime, Integer, String, create_engine, func, select
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.pool import StaticPool
from sqlmodel import Field, Session, SQLModel
from starlette.requests import Request
from starlette.templating import Jinja2Templates
from starlette.testclient import TestClient

from fastapi_user_auth_c import compat
from fastapi_user_auth_c.compat import columns, fields, patches, versions

compat.apply()

from fastapi_amis_admin.admin import AdminSite, FormAdmin, ModelAdmin, Settings, TemplateAdmin  # noqa: E402
from fastapi_amis_admin.admin.extensions.admin import SoftDeleteModelAdmin  # noqa: E402
from fastapi_amis_admin.admin.extensions.schemas import RecentTimeSelectPerm  # noqa: E402
from fastapi_amis_admin.crud.parser import LabelField, PropertyField, get_python_type_parse  # noqa: E402
from fastapi_amis_admin.models import Field as AmisField  # noqa: E402
from fastapi_amis_admin.utils.pydantic import ModelField, create_model_by_model, model_fields  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
ROOT = Path(compat.__file__).parents[2]


# -- tables -----------------------------------------------------------------------------------------------------------


class Colour(str, enum.Enum):
    red = "red"
    blue = "blue"


class Article(SQLModel, table=True):
    __tablename__ = "compat_article"
    id: Optional[int] = AmisField(None, primary_key=True)
    title: str = AmisField(max_length=8, title="Title", amis_form_item="input-text")
    body: str = ""
    rank: int = Field(0, ge=0)
    ready: bool = False
    colour: Colour = Colour.red
    note: Optional[str] = None
    made: datetime.datetime = Field(default_factory=lambda: datetime.datetime.now(datetime.timezone.utc))


class Thing(SQLModel, table=True):
    __tablename__ = "compat_thing"
    id: uuid.UUID = Field(default_factory=uuid.uuid4, primary_key=True)
    name: str
    delete_time: Optional[datetime.datetime] = None


class Account(SQLModel, table=True):
    __tablename__ = "compat_account"
    id: Optional[int] = Field(None, primary_key=True)
    name: str = ""
    password: str = Field()


class Base(DeclarativeBase):
    pass


class Plain(Base):
    __tablename__ = "compat_plain"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(5), comment="Name")
    count: Mapped[int] = mapped_column(Integer, default=3)
    note: Mapped[Optional[str]] = mapped_column(String(20))
    data: Mapped[Optional[dict[str, Any]]] = mapped_column(JSON)
    made: Mapped[datetime.datetime] = mapped_column(DateTime, default=datetime.datetime.now)


class ArticleAdmin(ModelAdmin):
    page_schema = "Articles"
    model = Article
    upper = LabelField(func.upper(Article.title).label("upper"), Field(title="Upper"), type_=str)
    fields = [*[getattr(Article, name) for name in Article.model_fields], upper]
    list_filter = [*[getattr(Article, name) for name in Article.model_fields], upper]
    search_fields = [Article.title]


class PlainAdmin(ModelAdmin):
    page_schema = "Plain"
    model = Plain


class ThingAdmin(SoftDeleteModelAdmin):
    page_schema = "Things"
    model = Thing
    select_permissions: list[Any] = []


def make_site(engine: Any, **kwargs: Any) -> AdminSite:
    site = AdminSite(Settings(debug=True), engine=engine, **kwargs)
    for admin in (ArticleAdmin, PlainAdmin, ThingAdmin):
        site.register_admin(admin)
    return site


@pytest.fixture(params=["sync", "async"])
def client(request: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)  # FAA makes an upload directory
    path = tmp_path / "test.sqlite"
    tables = create_engine(f"sqlite:///{path}")
    SQLModel.metadata.create_all(tables)
    Base.metadata.create_all(tables)
    tables.dispose()
    if request.param == "sync":
        engine: Any = create_engine(f"sqlite:///{path}", connect_args={"check_same_thread": False})
    else:
        engine = create_async_engine(f"sqlite+aiosqlite:///{path}")
    app = FastAPI()
    make_site(engine).mount_app(app)
    with TestClient(app) as client:
        yield client
    if request.param == "sync":
        engine.dispose()
    else:
        asyncio.run(engine.dispose())


def data(response: Any) -> Any:
    out = response.json()
    assert response.status_code == 200 and out["status"] == 0, out
    return out["data"]


def python(code: str, *args: str) -> str:
    """Runs code in a fresh interpreter."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run([sys.executable, "-c", code, *args], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


# -- importing --------------------------------------------------------------------------------------------------------


def test_D1_importing_is_cheap_and_apply_leaves_the_other_packages_as_they_were() -> None:
    python(
        """
import sys
from fastapi_user_auth_c import compat
assert not {"fastapi", "sqlmodel", "pydantic", "sqlalchemy"} & set(sys.modules)
import fastapi, fastapi._compat, fastapi.utils, sqlmodel, sqlmodel._compat, sqlmodel.main, starlette.routing
import starlette.templating
things = [fastapi._compat, fastapi.utils, sqlmodel, sqlmodel._compat, sqlmodel.main, starlette.routing, fastapi.FastAPI,
          starlette.templating.Jinja2Templates, fastapi.APIRouter, sqlmodel.SQLModel, fastapi._compat.ModelField]
before = [dict(vars(thing)) for thing in things]
compat.apply()
for thing, old in zip(things, before):
    changed = {k for k in old.keys() | vars(thing).keys() if old.get(k, ...) is not vars(thing).get(k, ...)}
    changed = {k for k in changed if not type(vars(thing).get(k)).__name__ == "module"}  # loaded meanwhile
    assert not changed, (thing, changed)
import fastapi_amis_admin.admin, fastapi_amis_admin.crud, fastapi_amis_admin.globals, fastapi_amis_admin.models
import fastapi_amis_admin.admin.extensions.admin
"""
    )


def test_D1_apply_works_after_another_import_of_faa_that_failed_or_not() -> None:
    python(
        """
try:
    import fastapi_amis_admin.admin
except ImportError as error:
    print(error)
from fastapi_user_auth_c import compat
compat.apply()
from fastapi_user_auth_c.compat import fields
from fastapi_amis_admin.admin import admin, parser
from fastapi_amis_admin.crud import parser as crud_parser
assert admin.ModelField is parser.ModelField is crud_parser.ModelField is fields.ModelField
assert admin.create_model_by_model.__globals__["create_model_by_fields"] is fields.create_model_by_fields
"""
    )


def test_apply_from_many_threads_runs_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr(compat, "_state", "new")
    monkeypatch.setattr(patches, "run", lambda: calls.append(1))
    threads = [threading.Thread(target=compat.apply) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls == [1]


def test_applying_twice_does_not_wrap_twice() -> None:
    from fastapi_amis_admin.admin.admin import BaseAdminSite
    from fastapi_amis_admin.crud import SqlalchemyCrud

    before = BaseAdminSite.__init__, SqlalchemyCrud.create_item, PropertyField.__bases__
    patches.run()
    assert before == (BaseAdminSite.__init__, SqlalchemyCrud.create_item, PropertyField.__bases__)


def test_a_missing_piece_is_named_with_versions_and_apply_can_be_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compat, "_state", "new")
    with monkeypatch.context() as patch:
        patch.setitem(patches.NEEDED, "fastapi_amis_admin.crud.parser", "no_such_name")
        with pytest.raises(compat.CompatError) as info:
            compat.apply()
    assert "fastapi_amis_admin.crud.parser.no_such_name" in str(info.value)
    assert versions.installed("fastapi") in str(info.value) and "tested up to" in str(info.value)
    assert isinstance(info.value, ImportError)
    compat.apply()


def test_another_series_of_faa_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "installed", lambda name: "0.8.0")
    with pytest.raises(compat.CompatError, match=r"0\.7\.x is needed, found 0\.8\.0"):
        versions.check_faa()


def test_a_name_that_cannot_be_lent_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from fastapi_user_auth_c.compat import borrow

    names = {"fastapi.utils": {"lent": 1, "gone": "fastapi.utils:nowhere_to_be_found"}}
    monkeypatch.setattr(borrow, "wanted", lambda: names)
    with pytest.raises(compat.CompatError, match=r"fastapi\.utils\.nowhere_to_be_found"), borrow.borrowed_names():
        pass
    import fastapi.utils

    assert not hasattr(fastapi.utils, "lent")


# -- the original beside this package ---------------------------------------------------------------------------------


@pytest.fixture()
def original(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A package of the original's name that cannot be imported twice."""
    package = tmp_path / "fastapi_user_auth"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "auth.py").write_text("class Auth: pass\n")
    saved = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "fastapi_user_auth"}
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "fastapi_user_auth"]:
        del sys.modules[name]
    sys.modules.update(saved)


def test_a_site_does_not_import_the_original(original: Any) -> None:
    import fastapi_user_auth  # type: ignore[import-not-found]  # noqa: F401

    make_site(create_engine("sqlite://"))
    assert "fastapi_user_auth.auth" not in sys.modules


def test_the_original_stays_importable_afterwards(original: Any) -> None:
    with compat.no_original(), pytest.raises(ImportError):
        import fastapi_user_auth.auth
    from fastapi_user_auth.auth import Auth

    with compat.no_original():  # loaded already: nothing left to keep away
        import fastapi_user_auth.auth

        assert fastapi_user_auth.auth.Auth is Auth


def test_the_import_is_let_through_when_this_package_answers_it(original: Any) -> None:
    import fastapi_user_auth

    fastapi_user_auth.__name__ = "fastapi_user_auth_c"  # as install() does: our package under that name
    with compat.no_original():
        from fastapi_user_auth.auth import Auth

    assert Auth


# -- fields and models ------------------------------------------------------------------------------------------------


def test_models_made_from_a_model_leave_it_alone() -> None:
    class Login(BaseModel):
        name: str
        password: str = Field(max_length=4)

    out = create_model_by_model(Login, "Out", set_none=True)
    assert out().model_dump() == {"name": None, "password": None}
    assert Login.model_fields["password"].is_required() and Login.model_fields["password"].annotation is str
    create_model_by_model(Account, "AccountOut", set_none=True)
    assert Account.model_fields["password"].is_required()
    with pytest.raises(ValueError):  # constraints are kept
        out(password="12345")


def test_a_model_keeps_titles_factories_and_aliases() -> None:
    class Source(BaseModel):
        tags: list[str] = Field(default_factory=list, title="Tags")
        other: int = Field(alias="another")

    copy = create_model_by_model(Source, "Copy")
    assert copy(another=3).model_dump() == {"tags": [], "other": 3}
    assert copy.model_fields["tags"].title == "Tags"
    assert create_model_by_model(Source, "CopyOut", set_none=True)().model_dump() == {"tags": None, "other": None}


def test_modelfield_answers_what_faa_asks() -> None:
    found = model_fields(Article)
    assert isinstance(found["rank"], ModelField) and ModelField is fields.ModelField
    assert (found["rank"].name, found["rank"].alias, found["rank"].default) == ("rank", "rank", 0)
    assert found["title"].required and found["title"].type_ is str
    assert isinstance(found["made"].default, datetime.datetime)
    extra = PropertyField(name="extra", type_=int)
    assert isinstance(extra, ModelField) and extra.type_ is int and not extra.required


def test_attributes_set_afterwards_survive_copying() -> None:
    info = Field()
    info.annotation, info.default, info.title = Optional[str], "x", "T"
    model = fields.create_model_by_fields("Late", [ModelField(info, "late")])
    assert model().model_dump() == {"late": "x"} and model.model_fields["late"].title == "T"


# -- a whole site -----------------------------------------------------------------------------------------------------


def test_D1_crud_of_a_sqlmodel_table(client: TestClient) -> None:
    url = "/admin/ArticleAdmin"
    values = {
        "title": "abcdefgh",
        "body": "b",
        "rank": 5,
        "ready": True,
        "colour": "blue",
        "made": "2024-05-06 07:08:09",
    }
    made = data(client.post(f"{url}/item", json=values))
    assert made["title"] == "abcdefgh" and made["colour"] == "blue" and made["note"] is None
    assert data(client.post(f"{url}/item", json={"title": "zzz"}))["rank"] == 0
    item = f"{url}/item/{made['id']}"
    assert data(client.get(item))["rank"] == 5
    assert data(client.put(item, json={"rank": 6, "note": "n", "made": "2024-05-06 08:08:09"})) == 1
    read = data(client.get(item))
    assert (read["rank"], read["note"]) == (6, "n")
    assert data(client.put(item, json={"note": None})) == 1
    assert data(client.get(item))["note"] is None
    assert client.post(f"{url}/item", json={"title": "far too long"}).json()["status"] == 422
    assert data(client.delete(item)) == 1
    assert [row["title"] for row in data(client.post(f"{url}/list", json={}))["items"]] == ["zzz"]


@pytest.mark.parametrize(
    "given",
    [
        {"title": "abcdefgh"},
        {"title": "[=]abcdefgh"},
        {"title": "[~]abcdefg"},
        {"title": "[*]abcdefgh,other"},
        {"upper": "ABCDEFGH"},
        {"upper": "[!=]ZZZ"},
        {"rank": "[>=]5"},
        {"rank": "[-]4,6"},
        {"rank": "5"},
        {"ready": True},
        {"colour": "blue"},
        {"made": "[-]2024-05-06 07:00:00,2024-05-06 08:00:00"},
        {"made": "[<]2024-05-07 00:00:00"},
        {"id": "1", "note": "", "body": ""},
    ],
)
def test_D1_filters(client: TestClient, given: dict[str, Any]) -> None:
    url = "/admin/ArticleAdmin"
    values = {"title": "abcdefgh", "rank": 5, "ready": True, "colour": "blue", "made": "2024-05-06 07:08:09"}
    data(client.post(f"{url}/item", json=values))
    data(client.post(f"{url}/item", json={"title": "zzz"}))
    items = data(client.post(f"{url}/list", json=given))["items"]
    assert [(row["title"], row["upper"]) for row in items] == [("abcdefgh", "ABCDEFGH")]


def test_D1_crud_of_a_plain_sqlalchemy_class(client: TestClient) -> None:
    url = "/admin/PlainAdmin"
    made = data(client.post(f"{url}/item", json={"name": "abcde"}))
    assert (made["count"], made["note"], made["data"]) == (3, None, None)
    assert datetime.datetime.fromisoformat(made["made"])
    item = f"{url}/item/{made['id']}"
    assert data(client.put(item, json={"note": "x", "data": {"a": 1}})) == 1
    assert data(client.get(item))["data"] == {"a": 1}
    assert data(client.put(item, json={"data": {"b": {"c": 2}}})) == 1
    assert data(client.get(item))["data"] == {"b": {"c": 2}}
    assert data(client.put(item, json={"note": None})) == 1
    for given in ({"name": "[=]abcde"}, {"count": "[=]3"}, {"made": "[>]2020-01-01 00:00:00"}):
        assert len(data(client.post(f"{url}/list", json=given))["items"]) == 1
    assert client.post(f"{url}/item", json={"name": "abcdef"}).json()["status"] == 422
    assert data(client.delete(item)) == 1


def test_D1_uuid_keys_and_soft_delete(client: TestClient) -> None:
    made = data(client.post("/admin/ThingAdmin/item", json={"id": str(uuid.uuid4()), "name": "x"}))
    url = f"/admin/ThingAdmin/item/{made['id']}"
    assert data(client.put(url, json={"name": "y"})) == 1
    assert data(client.get(url))["name"] == "y"
    assert data(client.delete(url)) == 1
    assert data(client.post("/admin/ThingAdmin/list", json={}))["items"] == []


def test_D1_pages_and_openapi(client: TestClient) -> None:
    page = data(client.post("/admin/ArticleAdmin", json={}))
    columns_ = {column.get("name"): column for column in page["body"]["columns"]}
    assert columns_["title"]["label"] == "Title" and columns_["upper"]["label"] == "Upper"
    assert columns_["colour"]["type"] == "mapping" and columns_["ready"]["type"] == "switch"
    filter_items = {item["name"]: item for item in page["body"]["filter"]["body"] if "name" in item}
    assert filter_items["made"]["type"] == "input-datetime-range" and not filter_items["upper"].get("required")
    for path in ("/admin/PlainAdmin", "/admin/ThingAdmin", "/admin/"):
        assert data(client.post(path, json={}))
    assert client.get("/admin/ArticleAdmin").status_code == 200
    schemas = client.get("/admin/openapi.json").json()["components"]["schemas"]
    assert "required" not in schemas["ArticleAdminFilter"] and "title" in schemas["ArticleAdminCreate"]["required"]
    assert schemas["ArticleAdminCreate"]["properties"]["title"]["maxLength"] == 8
    assert client.get("/openapi.json").status_code == 200


def test_templates_are_given_the_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hello.html").write_text("hello {{ name }} {{ request.url.path }}")
    site, app = make_site(memory()), FastAPI()

    @site.register_admin
    class Hello(TemplateAdmin):
        page_schema = "Hello"
        templates = Jinja2Templates(directory=str(tmp_path))
        template_name = "hello.html"

        async def get_page(self, request: Request) -> dict[str, Any]:
            return {"name": "amis"}

    site.mount_app(app)
    found = TestClient(app).get("/admin/page/hello.html").text
    assert found.startswith("hello amis /") and found.endswith("/hello.html")


def test_forms_with_initial_data_keep_their_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    site, app = make_site(memory()), FastAPI()

    class Login(BaseModel):
        name: str = Field(title="Who")
        tags: list[str] = Field(default_factory=list)

    @site.register_admin
    class LoginForm(FormAdmin):
        page_schema = "Login"
        schema = Login
        form_init = True

        async def handle(self, request: Any, data: Any, **kwargs: Any) -> Any:
            from fastapi_amis_admin.crud import BaseApiOut

            return BaseApiOut(data=data)

    site.mount_app(app)
    client = TestClient(app)
    body = data(client.post("/admin/form/LoginForm", json={}))["body"]["body"]
    assert body[0]["label"] == "Who" and body[0]["required"] and body[1]["type"] == "input-array"
    assert data(client.get("/admin/form/LoginForm/api")) is None
    assert data(client.post("/admin/form/LoginForm/api", json={"name": "n"})) == {"name": "n", "tags": []}
    assert client.post("/admin/form/LoginForm/api", json={}).json()["status"] == 422


# -- date and time ----------------------------------------------------------------------------------------------------


def memory() -> Any:
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    SQLModel.metadata.create_all(engine)
    return engine


def test_text_of_filters_is_parsed_by_column_type() -> None:
    parsed = get_python_type_parse(Article.made)("2024-05-06 07:08:09")
    assert parsed.replace(tzinfo=None) == datetime.datetime(2024, 5, 6, 7, 8, 9)
    assert (parsed.utcoffset() is not None) == columns.refuses_naive(Article.__table__.c.made.type)
    assert get_python_type_parse(Article.title)("x") == "x" and get_python_type_parse(Article.rank)("3") == 3
    assert get_python_type_parse(Plain.made)("2024-05-06 07:08:09").tzinfo is None
    assert columns.python_type(JSON()) is dict and columns.python_type(String()) is str


@pytest.mark.skipif(columns.UTCDateTime is None, reason="sqlmodel < 0.0.45")
def test_local_times_of_forms_are_stored_as_the_same_instant(client: TestClient) -> None:
    made = data(client.post("/admin/ArticleAdmin/item", json={"title": "t", "made": "2024-05-06 07:08:09"}))
    local = datetime.datetime(2024, 5, 6, 7, 8, 9).astimezone()
    assert datetime.datetime.fromisoformat(made["made"].replace("Z", "+00:00")) == local
    aware = data(client.post("/admin/ArticleAdmin/item", json={"title": "u", "made": "2024-05-06T07:08:09+02:00"}))
    assert aware["made"].startswith("2024-05-06T05:08:09")


def test_recent_time_permission_works_with_every_kind_of_column() -> None:
    now = datetime.datetime.now()
    with Session(memory()) as session:
        made = [now.astimezone(), now.astimezone() - datetime.timedelta(days=9)]
        if columns.UTCDateTime is None:
            made = [value.replace(tzinfo=None) for value in made]
        session.add_all([Article(title=str(n), made=value) for n, value in enumerate(made)])
        session.flush()
        perm: Any = RecentTimeSelectPerm(name="recent", label="Recent", time_column="made")
        sel = asyncio.run(perm.call(ArticleAdmin, None, select(Article.title)))
        assert session.scalars(sel).all() == ["0"]


# -- start-up ---------------------------------------------------------------------------------------------------------


class Started:
    """A site whose hooks write down what they saw."""

    def __init__(self, **kwargs: Any) -> None:
        self.log: list[str] = []
        self.site = make_site(create_engine("sqlite://"), **kwargs)
        compat.install_startup(self.site)

        @self.site.router.on_event("startup")
        async def hook() -> None:
            self.log.append("hook")

        self.site.router.add_event_handler("startup", lambda: self.log.append("sync"))
        self.site.router.on_event("shutdown")(lambda: self.log.append("down"))

    def mount(self, app: FastAPI) -> FastAPI:
        self.site.mount_app(app)
        compat.attach_lifespan(self.site, app)
        return app

    def app(self, variant: str) -> FastAPI:
        by_hand = "hand" in variant

        async def tables() -> None:
            self.log.append("tables")
            if by_hand:
                await self.site.router.startup()

        @asynccontextmanager
        async def lifespan(app: FastAPI) -> Any:
            await tables()
            yield {"kept": "state"} if "state" in variant else None
            self.log.append("end")

        if "lifespan" in variant:
            return self.mount(FastAPI(lifespan=lifespan))
        app = self.mount(FastAPI())
        if "on_event" in variant:
            app.on_event("startup")(tables)
            app.on_event("shutdown")(lambda: self.log.append("end"))
        elif by_hand:  # the site's method is itself the hook
            app.router.add_event_handler("startup", self.site.router.startup)
        return app


@pytest.fixture()
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Started:
    monkeypatch.chdir(tmp_path)
    return Started()


VARIANTS = [
    "lifespan",
    "on_event",
    "lifespan, by hand",
    "on_event, by hand",
    "as hook, by hand",
    "none",
    "lifespan with state",
    "lifespan with state, by hand",
]


@pytest.mark.parametrize("variant", VARIANTS)
def test_D6_hooks_run_once_per_start_after_the_application_and_again_on_restart(started: Started, variant: str) -> None:
    app = started.app(variant)

    @app.get("/state")
    async def state(request: Any = None) -> Any:
        return None

    own = variant not in ("none", "as hook, by hand")
    expected = [*(["tables"] if own else []), "hook", "sync", "down", *(["end"] if own else [])]
    for _ in range(3):
        started.log.clear()
        with TestClient(app) as client:
            assert client.get("/openapi.json").status_code == 200
            if "state" in variant:
                assert client.app_state["kept"] == "state"
        assert started.log == expected


def test_D6_hooks_run_once_when_called_before_the_server_starts(started: Started) -> None:
    app = started.app("none")

    async def main() -> None:
        await started.site.router.startup()
        await started.site.router.startup()
        async with app.router.lifespan_context(app):
            assert started.log == ["hook", "sync"]

    asyncio.run(main())
    assert started.log == ["hook", "sync", "down"]


def test_D6_a_failing_hook_stops_the_start_and_is_tried_again(started: Started) -> None:
    app, fail = started.app("lifespan"), [True]

    @started.site.router.on_event("startup")
    async def last() -> None:
        if fail[0]:
            raise RuntimeError("no tables")

    for _ in range(2):
        with pytest.raises(RuntimeError, match="no tables"), TestClient(app):
            pass
    fail[0] = False
    started.log.clear()
    with TestClient(app):
        assert started.log == ["tables", "hook", "sync"]


def test_D6_a_start_that_fails_after_the_call_by_hand_does_not_count(started: Started) -> None:
    fail = [True]

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> Any:
        await started.site.router.startup()
        if fail[0]:
            raise RuntimeError("later")
        yield

    app = started.mount(FastAPI(lifespan=lifespan))

    async def main() -> None:
        with pytest.raises(RuntimeError, match="later"):
            async with app.router.lifespan_context(app):
                pass
        fail[0] = False
        async with app.router.lifespan_context(app):
            assert started.log == ["hook", "sync", "hook", "sync"]

    asyncio.run(main())


def test_D6_a_hook_may_ask_for_the_start_up(started: Started) -> None:
    started.site.router.on_event("startup")(started.site.router.startup)
    with TestClient(started.app("none")):
        assert started.log == ["hook", "sync"]


def test_D6_a_site_inside_a_mounted_application_needs_only_the_call(started: Started) -> None:
    inner, outer = started.app("none"), FastAPI()
    outer.mount("/inner", inner)
    outer.on_event("startup")(started.site.router.startup)
    for _ in range(2):
        started.log.clear()
        with TestClient(outer):
            assert started.log == ["hook", "sync"]


def test_D6_a_site_served_by_itself_runs_its_hooks(started: Started) -> None:
    for _ in range(2):
        started.log.clear()
        with TestClient(started.site.fastapi):
            assert started.log == ["hook", "sync"]
        assert started.log == ["hook", "sync", "down"]


def test_D6_a_site_made_with_an_application_of_its_own_lifespan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    seen: list[str] = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> Any:
        seen.append("site")
        yield {"site": "state"}
        seen.append("end")

    started = Started(fastapi=FastAPI(lifespan=lifespan))
    with TestClient(started.app("lifespan with state")) as client:
        assert client.app_state == {"site": "state", "kept": "state"}
        assert started.log == ["tables", "hook", "sync"] and seen == ["site"]
    assert seen == ["site", "end"]


def test_D6_install_is_for_one_instance_and_idempotent(started: Started) -> None:
    assert compat.install_startup(started.site) is compat.install_startup(started.site)
    assert "startup" not in vars(FastAPI().router)
    assert asyncio.iscoroutinefunction(started.site.router.startup)
    compat.attach_lifespan(started.site, started.site.fastapi)  # its own application: nothing to attach
    with TestClient(started.site.fastapi):
        assert started.log == ["hook", "sync"]


def test_a_router_without_start_up_is_refused() -> None:
    class Site:
        router = type("Router", (), {})()

    with pytest.raises(compat.CompatError, match="startup"):
        compat.install_startup(Site())


# -- tables that extend tables ----------------------------------------------------------------------------------------


def test_a_table_model_may_extend_a_table_model() -> None:
    out = python(
        """
import warnings
warnings.simplefilter("error", UserWarning)
import fastapi_user_auth_c
from datetime import date
from typing import Any, Optional
from fastapi_amis_admin.models import Field, SQLModel
from sqlalchemy import create_engine, inspect, select
from sqlmodel import Session
import sqlmodel

class Base(SQLModel):
    __tablename__ = "team"
    __table_args__: Any = {"extend_existing": True}
    id: Optional[int] = Field(None, primary_key=True)
    key: str = Field(max_length=40, unique=True, index=True)
    desc: str = ""

class Team(Base, table=True):
    pass

class Icons(Team, table=True):
    icon: str = Field(None, title="Icon", max_length=9, index=True)
    active: bool = Field(True)
    rank: int = 3
    seen: Optional[date] = None

class Again(Base, table=True):
    point: float = 0
    key: str = Field(max_length=80)

class Apart(Team, table=True):
    __tablename__ = "apart"
    note: str = "n"

class Schema(Team):
    more: int = 1

assert not hasattr(Schema, "__mapper__") or Schema.__mapper__ is Team.__mapper__
assert Team.__table__ is Icons.__table__ is Again.__table__ and Apart.__table__ is not Team.__table__
assert list(Team.__mapper__.attrs.keys()) == ["id", "key", "desc"]
assert [c.name for c in Team.__table__.c] == ["id", "key", "desc", "icon", "active", "rank", "seen", "point"]
assert [c.name for c in Apart.__table__.c] == ["id", "key", "desc", "note"]
assert Icons.model_fields["icon"].annotation == Optional[str] and Icons.model_fields["key"].title is None
assert sorted(index.name for index in Team.__table__.indexes) == ["ix_team_icon", "ix_team_key"]
engine = create_engine("sqlite://")
SQLModel.metadata.create_all(engine)
with Session(engine) as session:
    for row in (Team(key="a"), Icons(key="b", icon="i"), Again(key="c", point=2), Apart(key="a")):
        session.add(row)
    session.commit()
with Session(engine) as session:
    rows = session.scalars(select(Icons).order_by(Icons.key)).all()
    assert [(r.key, r.desc, r.icon, r.active, r.rank) for r in rows] == [
        ("a", "", None, True, 3), ("b", "", "i", True, 3), ("c", "", None, True, 3)]
    assert session.scalars(select(Again.point).order_by(Again.key)).all() == [0, 0, 2]
    assert session.scalars(select(Apart.note)).all() == ["n"]
    assert isinstance(rows[0], Icons)
print(SQLModel.metadata is sqlmodel.SQLModel.metadata)
"""
    )
    assert out.split() == ["True"]
