"""The check called by hand, where there is no route to decorate."""

from typing import Optional

import fastapi_user_auth_c  # noqa: F401  (before fastapi_amis_admin)
from fastapi import FastAPI
from fastapi_amis_admin.admin.settings import Settings
from fastapi_user_auth_c.auth.models import User
from fastapi_user_auth_c.site import AuthAdminSite
from sqlmodel import SQLModel
from starlette.requests import Request

app = FastAPI()
site = AuthAdminSite(settings=Settings(database_url="sqlite:///amisadmin.db?check_same_thread=False"))
auth = site.auth
site.mount_app(app)


@app.on_event("startup")
async def startup():
    await site.db.async_run_sync(SQLModel.metadata.create_all, is_session=False)
    for name in ("root", "admin", "vip", "bob"):
        await auth.create_role_user(name)
    await site.router.startup()


async def get_request_user(request: Request) -> Optional[User]:
    if await auth.requires("admin", response=False)(request):
        return request.user
    return None


@app.get("/admin_or_nobody")
async def admin_or_nobody(request: Request):
    user = await get_request_user(request)
    return {"name": user.username if user else None}


@app.get("/anybody_or_nobody")
async def anybody_or_nobody(request: Request):
    user = await auth.get_current_user(request)
    return {"name": user.username if user else None}
