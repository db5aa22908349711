"""The application of the demo."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi_amis_admin.admin.settings import Settings
from sqlmodel import SQLModel
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ..admin import AuthAdminSite
from ..auth.schemas import BaseTokenData
from .pages import AuthFieldArticleAdmin, AuthSelectArticleAdmin
from .rows import add_rows

DATABASE_URL = "sqlite+aiosqlite:///amisadmin.db?check_same_thread=False"


def create_app(settings: Settings | None = None, amis_assets: str | None = None) -> FastAPI:
    """An application with the site at ``/admin``; its tables are made when it starts.

    Args:
        settings: of fastapi-amis-admin; default a SQLite file ``amisadmin.db`` in the working directory.
        amis_assets: a folder to serve the scripts of amis from, see :class:`AuthAdminSite`; default a CDN.
    """
    site = AuthAdminSite(
        settings=settings or Settings(database_url_async=DATABASE_URL, site_title="Demo"), amis_assets=amis_assets
    )
    auth = site.auth
    site.register_admin(AuthFieldArticleAdmin, AuthSelectArticleAdmin)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await site.db.async_run_sync(SQLModel.metadata.create_all, is_session=False)
        await auth.create_role_user("admin")
        await auth.create_role_user("root")
        await site.router.startup()  # loads the policy
        if not auth.enforcer.enforce("u:admin", site.unique_id, "page", "page"):
            await auth.enforcer.add_policy("u:admin", site.unique_id, "page", "page", "allow")
        await add_rows(site)
        yield

    app = FastAPI(title="Demo", lifespan=lifespan)
    site.mount_app(app)
    app.state.site = site

    @app.get("/", include_in_schema=False)
    def index(request: Request) -> Response:
        return RedirectResponse(f"{site.local_address(request)}/")

    @app.get("/auth/get_user")
    @auth.requires()
    def get_user(request: Request) -> BaseTokenData:
        return BaseTokenData(id=request.user.id, username=request.user.username)

    return app
