"""A model page with permissions for sets of rows."""

from datetime import datetime
from typing import Optional

import fastapi_user_auth_c  # noqa: F401  (before fastapi_amis_admin)
from fastapi import FastAPI
from fastapi_amis_admin.admin import RecentTimeSelectPerm, SimpleSelectPerm, UserSelectPerm
from fastapi_amis_admin.admin.settings import Settings
from fastapi_amis_admin.amis import PageSchema
from fastapi_user_auth_c.mixins.admin import AuthSelectModelAdmin
from fastapi_user_auth_c.site import AuthAdminSite
from sqlalchemy import DateTime
from sqlmodel import Field, SQLModel


class Article(SQLModel, table=True):
    id: Optional[int] = Field(default=None, primary_key=True)
    title: str = Field(title="Title", max_length=200)
    description: Optional[str] = Field(default="", title="Description", max_length=400)
    content: Optional[str] = Field(default="", title="Content")
    status: Optional[int] = Field(default=0, title="Status")
    is_published: Optional[bool] = Field(default=False, title="Published")
    user_id: Optional[int] = Field(default=None, title="User")
    create_time: Optional[datetime] = Field(default_factory=datetime.now, sa_type=DateTime)
    update_time: Optional[datetime] = Field(default_factory=datetime.now, sa_type=DateTime)


class AuthSelectArticleAdmin(AuthSelectModelAdmin):
    page_schema = PageSchema(label="Dataset control article management")
    model = Article
    select_permissions = [
        # reverse=True: the rows are limited unless the permission is given
        RecentTimeSelectPerm(
            name="recent7_create", label="Created in the last 7 days", td=60 * 60 * 24 * 7, reverse=True
        ),
        RecentTimeSelectPerm(name="recent30_create", label="Created in the last 30 days", td=60 * 60 * 24 * 30),
        RecentTimeSelectPerm(
            name="recent3_update", label="Updated in the last 3 days", td=60 * 60 * 24 * 3, time_column="update_time"
        ),
        UserSelectPerm(name="self_create", label="Create yourself", user_column="user_id", reverse=True),
        SimpleSelectPerm(name="published", label="Published", column="is_published", values=[True]),
        SimpleSelectPerm(name="status_1_2_3", label="Status is 1_2_3", column="status", values=[1, 2, 3]),
    ]


app = FastAPI()
site = AuthAdminSite(settings=Settings(database_url="sqlite:///amisadmin.db?check_same_thread=False"))
auth = site.auth
site.register_admin(AuthSelectArticleAdmin)
site.mount_app(app)


@app.on_event("startup")
async def startup():
    await site.db.async_run_sync(SQLModel.metadata.create_all, is_session=False)
    for name in ("root", "admin", "vip", "bob"):
        await auth.create_role_user(name)
    await site.router.startup()
