"""Tokens that carry their own data."""

import fastapi_user_auth_c  # noqa: F401  (before fastapi_amis_admin)
from fastapi import FastAPI
from fastapi_amis_admin.admin.settings import Settings
from fastapi_user_auth_c.auth import Auth
from fastapi_user_auth_c.auth.backends.jwt import JwtTokenStore
from fastapi_user_auth_c.site import AuthAdminSite
from sqlalchemy_database import Database
from sqlmodel import SQLModel
from starlette.requests import Request

app = FastAPI()
db = Database.create(url="sqlite:///amisadmin.db?check_same_thread=False")
auth = Auth(
    db=db,
    token_store=JwtTokenStore(secret_key="09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7"),
)
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
    return request.user
