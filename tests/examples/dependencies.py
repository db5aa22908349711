"""Dependencies of a parameter, of a path operation, and of a whole application."""

import fastapi_user_auth_c  # noqa: F401  (before fastapi_amis_admin)
from fastapi import Depends, FastAPI
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


@app.get("/auth/admin_roles_depend_1")
def admin_roles_1(user: User = Depends(auth.get_current_user)):
    return user


@app.get("/auth/admin_roles_depend_2", dependencies=[Depends(auth.requires("admin")())])
def admin_roles_2(request: Request):
    return request.user


admins_only = FastAPI(dependencies=[Depends(auth.requires("admin")())])


@admins_only.get("/auth/admin_roles_depend_3")
def admin_roles_3(request: Request):
    return request.user


app.mount("/admins", admins_only)
