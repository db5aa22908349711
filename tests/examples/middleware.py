"""``request.user`` and ``request.auth`` for every request of an application."""

import fastapi_user_auth_c  # noqa: F401  (before fastapi_amis_admin)
from fastapi import FastAPI
from fastapi_amis_admin.admin.settings import Settings
from fastapi_user_auth_c.site import AuthAdminSite
from sqlmodel import SQLModel
from starlette.requests import Request

app = FastAPI()
site = AuthAdminSite(settings=Settings(database_url="sqlite:///amisadmin.db?check_same_thread=False"))
auth = site.auth
auth.backend.attach_middleware(app)
site.mount_app(app)


@app.on_event("startup")
async def startup():
    await site.db.async_run_sync(SQLModel.metadata.create_all, is_session=False)
    for name in ("root", "admin", "vip", "bob"):
        await auth.create_role_user(name)
    await site.router.startup()


@app.get("/who")
def who(request: Request):
    return {"name": request.user.username if request.user else None, "is_auth": request.auth is auth}
