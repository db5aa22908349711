"""The documented example as a function, with what the tests want to vary, and a client that speaks for users."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi_amis_admin.admin.settings import Settings
from sqlalchemy_database import AsyncDatabase, Database
from sqlmodel import SQLModel
from starlette.requests import Request
from starlette.testclient import TestClient

from fastapi_user_auth_c.admin import AuthAdminSite
from fastapi_user_auth_c.auth import Auth
from fastapi_user_auth_c.settings import AuthSettings

ANY_PASSWORD: dict[str, Any] = {"password_min_length": 1, "refuse_common_passwords": False}

UA = "/admin/auth/UserAdmin"
RA = "/admin/auth/RoleAdmin"
ROLES, PAGES, DATA = "UpdateSubRolesAction", "UpdateSubPagePermsAction", "UpdateSubDataPermAction"


def settings_for(url: str) -> Settings:
    is_async = any(name in url for name in ("aiosqlite", "asyncpg", "psycopg_async", "aiomysql"))
    return Settings(**{"database_url_async" if is_async else "database_url": url})


def example_app(url: str, startup: str = "lifespan", register: Any = None, **auth_options: Any) -> FastAPI:
    """Started by ``startup``: ``lifespan``, ``on_event`` or ``by hand``. ``register(site)`` may add pages."""
    # one object per URL in a process, half of it made anew by a second start; a real one is in another process
    AsyncDatabase._instances = Database._instances = None
    settings = settings_for(url)
    auth_options.setdefault("settings", AuthSettings(**ANY_PASSWORD))
    site = AuthAdminSite(settings)
    site.auth = auth = Auth(db=site.db, **auth_options)
    if register is not None:
        register(site)

    async def prepare() -> None:
        await site.db.async_run_sync(SQLModel.metadata.create_all, is_session=False)
        await auth.create_role_user("admin")
        await auth.create_role_user("root")
        if startup == "by hand":
            await site.router.startup()
            if not auth.enforcer.enforce("u:admin", site.unique_id, "page", "page"):
                await auth.enforcer.add_policy("u:admin", site.unique_id, "page", "page", "allow")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> Any:
        await prepare()
        yield
        if isinstance(site.db, AsyncDatabase):  # its connections belong to this event loop
            await site.db.engine.dispose()

    app = FastAPI(lifespan=lifespan) if startup == "lifespan" else FastAPI()
    if startup != "lifespan":
        app.on_event("startup")(prepare)
    site.mount_app(app)
    app.state.site = site

    @app.get("/sync")
    @auth.requires()
    def sync_endpoint(request: Request) -> Any:
        return {"name": request.user.username}

    @app.get("/async")
    @auth.requires("root")
    async def async_endpoint(request: Request) -> Any:
        return {"name": request.user.username}

    @app.get("/free")
    async def free_endpoint() -> Any:
        return {}

    return app


class Client:
    """Requests in the name of one user, by bearer header; without a name those of a guest."""

    def __init__(self, client: TestClient, name: str = "", password: str = "") -> None:
        self.client = client
        self.headers: dict[str, str] = {}
        if name:
            out = client.post("/admin/auth/gettoken", data={"username": name, "password": password or name}).json()
            client.cookies.clear()
            assert out["status"] == 0, out
            self.headers = {"Authorization": f"bearer {out['data']['access_token']}"}

    def __call__(self, method: str, path: str, json: Any = None, **kwargs: Any) -> Any:
        self.client.cookies.clear()
        kwargs.setdefault("follow_redirects", False)
        if json is not None:
            kwargs["json"] = json
        return self.client.request(method, path, headers=self.headers, **kwargs)

    def data(self, method: str, path: str, json: Any = None) -> Any:
        answer = self(method, path, json)
        assert answer.status_code == 200, (answer.status_code, answer.text)
        out = answer.json()
        assert out["status"] == 0, out
        return out["data"]

    def act(self, page: str, action: str, item_id: int, json: Any) -> Any:
        """Submit an action's form for one row of the page of users or roles."""
        return self("POST", f"{page}/{action}/api?item_id={item_id}", json)
