"""A role model with more columns, a page for it, and the site with that page in place of the default one."""

import fastapi_user_auth_c  # noqa: F401  (before fastapi_amis_admin)
from fastapi import FastAPI
from fastapi_amis_admin import admin
from fastapi_amis_admin.admin.settings import Settings
from fastapi_amis_admin.amis import PageSchema
from fastapi_amis_admin.models.fields import Field
from fastapi_user_auth_c.admin import AuthAdminSite, UserAuthApp
from fastapi_user_auth_c.auth import Auth
from fastapi_user_auth_c.auth.models import Role
from sqlalchemy_database import Database
from sqlmodel import SQLModel


class MyRole(Role, table=True):
    icon: str = Field(None, title="图标")
    is_active: bool = Field(default=True, title="是否激活")


class MyRoleAdmin(admin.ModelAdmin):
    page_schema = PageSchema(label="User group management", icon="fa fa-group")
    model = MyRole
    readonly_fields = ["key"]


class MyUserAuthApp(UserAuthApp):
    RoleAdmin = MyRoleAdmin


class MyAuthAdminSite(AuthAdminSite):
    UserAuthApp = MyUserAuthApp


app = FastAPI()
settings = Settings(database_url="sqlite:///amisadmin.db?check_same_thread=False")
auth = Auth(db=Database.create(url=settings.database_url))
site = MyAuthAdminSite(settings, auth=auth)
site.mount_app(app)


@app.on_event("startup")
async def startup():
    await site.db.async_run_sync(SQLModel.metadata.create_all, is_session=False)
    for name in ("root", "admin", "vip", "bob"):
        await auth.create_role_user(name)
    await site.router.startup()
