"""Decorators on sync and async routes, with a role, and with one of several roles."""

import fastapi_user_auth_c  # noqa: F401  (before fastapi_amis_admin)
from fastapi import FastAPI
from fastapi_amis_admin.admin.settings import Settings
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


@app.get("/auth/user")
@auth.requires()
def user(request: Request):
    return request.user


@app.get("/auth/admin_roles")
@auth.requires("admin")
def admin_roles(request: Request):
    return request.user


@app.get("/auth/vip_roles")
@auth.requires("vip")
async def vip_roles(request: Request):
    return request.user


@app.get("/auth/admin_or_vip_roles")
@auth.requires(roles=["admin", "vip"])
def admin_or_vip_roles(request: Request):
    return request.user
