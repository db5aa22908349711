"""A user model in a table of its own."""

from typing import Any

import fastapi_user_auth_c  # noqa: F401  (before fastapi_amis_admin)
from fastapi import FastAPI
from fastapi_amis_admin.admin.settings import Settings
from fastapi_amis_admin.models.fields import Field
from fastapi_user_auth_c.auth import Auth
from fastapi_user_auth_c.auth.models import BaseUser
from fastapi_user_auth_c.site import AuthAdminSite
from sqlalchemy_database import Database
from sqlmodel import SQLModel
from starlette.requests import Request


class Member(BaseUser, table=True):
    __tablename__: Any = "member"

    point: float = Field(default=0, title="Point")


app = FastAPI()
auth = Auth(db=Database.create(url="sqlite:///amisadmin.db?check_same_thread=False"), user_model=Member)
site = AuthAdminSite(settings=Settings(database_url="sqlite:///amisadmin.db?check_same_thread=False"), auth=auth)
site.mount_app(app)


@app.on_event("startup")
async def startup():
    await site.db.async_run_sync(SQLModel.metadata.create_all, is_session=False)
    for name in ("root", "admin", "vip", "bob"):
        await auth.create_role_user(name)
    await site.router.startup()


@app.get("/auth/get_user")
@auth.requires()
def get_user(request: Request):
    return {"name": request.user.username, "point": request.user.point}
