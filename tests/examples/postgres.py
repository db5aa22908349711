"""PostgreSQL as the database of a site, with an asynchronous driver: ``pip install -e '.[postgres]'``.

``DATABASE_URL`` names it, such as ``postgresql+asyncpg://app:secret@localhost/app``.
"""

import os
from contextlib import asynccontextmanager
from typing import Any

import fastapi_user_auth_c  # noqa: F401  (before fastapi_amis_admin)
from fastapi import FastAPI
from fastapi_amis_admin.admin.settings import Settings
from fastapi_user_auth_c.site import AuthAdminSite
from sqlmodel import SQLModel
from starlette.requests import Request

site = AuthAdminSite(Settings(database_url_async=os.environ["DATABASE_URL"]))
auth = site.auth


@asynccontextmanager
async def lifespan(app: FastAPI) -> Any:
    await site.db.async_run_sync(SQLModel.metadata.create_all, is_session=False)
    await auth.create_role_user("admin")  # password admin: change it
    await auth.create_role_user("root")  # password root: change it
    await site.router.startup()  # loads the policy
    await auth.enforcer.add_policy("u:admin", site.unique_id, "page", "page", "allow")
    yield
    await site.db.engine.dispose()


app = FastAPI(lifespan=lifespan)
site.mount_app(app)


@app.get("/auth/get_user")
@auth.requires()
def get_user(request: Request):
    return request.user
