"""A role model with one more column, which the page of roles shows and a route uses."""

import fastapi_user_auth_c  # noqa: F401  (before fastapi_amis_admin)
from fastapi import FastAPI
from fastapi_amis_admin.admin.settings import Settings
from fastapi_amis_admin.models.fields import Field
from fastapi_user_auth_c.admin import AuthAdminSite, RoleAdmin, UserAuthApp
from fastapi_user_auth_c.auth.models import BaseRole
from sqlalchemy import select
from sqlmodel import SQLModel
from starlette.requests import Request


class TeamRole(BaseRole, table=True):  # the table auth_role, with one more column
    contact: str = Field(default="", title="Whom to ask for this role", max_length=100)


class TeamRoleAdmin(RoleAdmin):  # keeps what the page can do: sub-roles, permissions
    model = TeamRole


class TeamAuthApp(UserAuthApp):
    RoleAdmin = TeamRoleAdmin


class TeamSite(AuthAdminSite):
    UserAuthApp = TeamAuthApp


app = FastAPI()
site = TeamSite(Settings(database_url_async="sqlite+aiosqlite:///amisadmin.db"))
auth = site.auth
site.mount_app(app)


@app.on_event("startup")
async def startup():
    await site.db.async_run_sync(SQLModel.metadata.create_all, is_session=False)
    for name in ("root", "bob"):
        await auth.create_role_user(name)
    await site.router.startup()


@app.get("/my_roles")
@auth.requires()
async def my_roles(request: Request):
    held = await auth.enforcer.get_implicit_roles_for_user(f"u:{request.user.username}")
    roles = await site.db.async_scalars(select(TeamRole).where(TeamRole.key.in_(role[2:] for role in held)))
    return {role.key: role.contact for role in roles.all()}


@app.post("/releases")
@auth.requires("release")
async def make_release(request: Request):
    return {"by": request.user.username}
