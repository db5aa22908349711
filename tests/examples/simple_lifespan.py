"""The simple example on an async driver, started by ``lifespan``: the site starts by itself when it is mounted."""

from contextlib import asynccontextmanager

import fastapi_user_auth_c  # noqa: F401  (before fastapi_amis_admin)
from fastapi import FastAPI
from fastapi_amis_admin.admin.settings import Settings
from fastapi_user_auth_c.admin import AuthAdminSite
from sqlmodel import SQLModel
from starlette.requests import Request


@asynccontextmanager
async def lifespan(app: FastAPI):
    await site.db.async_run_sync(SQLModel.metadata.create_all, is_session=False)
    await auth.create_role_user("admin")
    await auth.create_role_user("root")
    yield


app = FastAPI(lifespan=lifespan)
site = AuthAdminSite(settings=Settings(database_url_async="sqlite+aiosqlite:///amisadmin.db"))
auth = site.auth
site.mount_app(app)


@app.get("/auth/get_user")
@auth.requires()
def get_user(request: Request):
    return request.user
