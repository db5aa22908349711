"""A user model with more columns."""

from datetime import date

import fastapi_user_auth_c  # noqa: F401  (before fastapi_amis_admin)
from fastapi import FastAPI
from fastapi_amis_admin.admin.settings import Settings
from fastapi_amis_admin.models.fields import Field
from fastapi_user_auth_c.auth import Auth
from fastapi_user_auth_c.auth.models import BaseUser
from fastapi_user_auth_c.site import AuthAdminSite
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy_database import AsyncDatabase
from sqlmodel import SQLModel
from starlette.requests import Request


class MyUser(BaseUser, table=True):
    point: float = Field(default=0, title="Point", description="User points")
    phone: str = Field(None, title="Phone", max_length=15)
    parent_id: int = Field(None, title="Superior", foreign_key="auth_user.id")
    birthday: date = Field(None, title="date of birth")
    location: str = Field(None, title="Location")


app = FastAPI()
engine = create_async_engine("sqlite+aiosqlite:///amisadmin.db")
auth = Auth(db=AsyncDatabase(engine), user_model=MyUser)
site = AuthAdminSite(settings=Settings(database_url_async="sqlite+aiosqlite:///amisadmin.db"), engine=engine, auth=auth)
site.mount_app(app)


@app.on_event("startup")
async def startup():
    await site.db.async_run_sync(SQLModel.metadata.create_all, is_session=False)
    for name in ("root", "admin", "vip", "bob"):
        await auth.create_role_user(name)
    await site.router.startup()


@app.get("/auth/get_user")
@auth.requires()
async def get_user(request: Request):
    return {"name": request.user.username, "point": request.user.point, "phone": request.user.phone}
