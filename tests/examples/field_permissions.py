"""A model page with a permission for each field."""

from datetime import datetime
from typing import Optional

import fastapi_user_auth_c  # noqa: F401  (before fastapi_amis_admin)
from fastapi import FastAPI
from fastapi_amis_admin.admin import FieldPermEnum
from fastapi_amis_admin.admin.settings import Settings
from fastapi_amis_admin.amis import PageSchema
from fastapi_user_auth_c.mixins.admin import AuthFieldModelAdmin
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


class AuthFieldArticleAdmin(AuthFieldModelAdmin):
    page_schema = PageSchema(label="文章管理")
    model = Article
    # fields that need no permission
    perm_fields_exclude = {
        FieldPermEnum.CREATE: ["title", "description", "content"],
    }


app = FastAPI()
site = AuthAdminSite(settings=Settings(database_url="sqlite:///amisadmin.db?check_same_thread=False"))
auth = site.auth
site.register_admin(AuthFieldArticleAdmin)
site.mount_app(app)


@app.on_event("startup")
async def startup():
    await site.db.async_run_sync(SQLModel.metadata.create_all, is_session=False)
    for name in ("root", "admin", "vip", "bob"):
        await auth.create_role_user(name)
    await site.router.startup()
