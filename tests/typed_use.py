"""The public API as a typed application uses it, for ``mypy --strict``; nothing here is run, see test_typing.py."""

from __future__ import annotations

from typing import Any

import fastapi_user_auth_c  # noqa: F401  (before fastapi_amis_admin)

# isort: split
from fastapi import Depends, FastAPI
from fastapi_amis_admin.admin.settings import Settings
from pydantic import SecretStr
from sqlalchemy import ColumnElement, Update, select, update
from sqlalchemy_database import AsyncDatabase, Database
from starlette.requests import Request
from starlette.websockets import WebSocket
from typing_extensions import assert_type

from fastapi_user_auth_c import AsyncEnforcer, Auth, AuthAdminSite, Enforcer, PasswordHasher, compile_filter
from fastapi_user_auth_c.auth import AuthBackend, AuthRouter
from fastapi_user_auth_c.auth.backends.base import BaseTokenStore
from fastapi_user_auth_c.auth.backends.db import DbTokenStore
from fastapi_user_auth_c.auth.backends.jwt import JwtTokenStore
from fastapi_user_auth_c.auth.models import BaseUser, User
from fastapi_user_auth_c.auth.schemas import BaseTokenData
from fastapi_user_auth_c.filters import Filter, ago, user_attribute
from fastapi_user_auth_c.policy import Adapter, Explanation
from fastapi_user_auth_c.policy.doctor import Finding, examine
from fastapi_user_auth_c.settings import AuthSettings
from fastapi_user_auth_c.tokens import TokenCodec, TokenError, TokenKey


class Member(BaseUser, table=True):
    """A user model of one's own."""

    __tablename__ = "member"

    point: float = 0


class Claims(BaseTokenData):
    """Token data of one's own."""

    tenant: str = ""


db = AsyncDatabase.create("sqlite+aiosqlite:///app.db")

# --- Auth is generic in the user model

auth = Auth(db, user_model=Member, settings=AuthSettings(sign_up=False), pwd_context=PasswordHasher())
assert_type(auth, Auth[Member])
default = Auth(db)
assert_type(default, Auth[User])
assert_type(auth.backend, AuthBackend[Member])
assert_type(auth.settings, AuthSettings)
assert_type(auth.enforcer, AsyncEnforcer)
assert_type(auth.scopes, list[str])

app = FastAPI()
auth.backend.attach_middleware(app)
app.include_router(AuthRouter(auth).router)


async def of_requests(request: Request) -> None:
    user = await auth.get_current_user(request)
    assert_type(user, Member | None)
    if user is not None:
        assert_type(user.username, str)
        assert_type(user.point, float)
        assert_type(user.password, SecretStr)
        assert_type(user.is_authenticated, bool)
        await auth.logout_everywhere(user)
    assert_type(await auth.authenticate_user("ann", "plum jam 3"), Member | None)
    assert_type(await auth.create_role_user("root"), Member)
    assert_type(await auth.has_role_for_user("ann", ["admin", "vip"]), bool)
    assert_type(await auth.hash_password(SecretStr("plum jam 3"), "ann"), str)
    assert_type(await auth.allowed_fields(request, "article", "list", ["title"]), list[str])
    assert_type(await auth.filter_select(request, update(Member), permissions=[]), Update)
    (await auth.filter_select(request, select(Member), permissions=[])).values()  # type: ignore[attr-defined]


# --- requires


@app.get("/number")
@auth.requires()
async def number(request: Request, factor: int = 1) -> int:
    return 3 * factor


@app.get("/name")
@auth.requires(["admin", "vip"], status_code=404)
def name(request: Request) -> str:
    return "ann"


@app.websocket("/talk")
@auth.requires("admin")
async def talk(websocket: WebSocket) -> None:
    await websocket.accept()


@app.get("/page", dependencies=[Depends(auth.requires("admin")())])
async def page(user: Member | None = Depends(auth.get_current_user)) -> str:
    return user.username if user else ""


async def called(request: Request) -> None:
    assert_type(await number(request, 2), int)
    assert_type(name(request), str)
    if await auth.requires("admin", response=False)(request):
        await number(request, "2")  # type: ignore[arg-type]


# --- token stores

assert_type(DbTokenStore(db), DbTokenStore[BaseTokenData])
signed = JwtTokenStore("0" * 64, TokenDataSchema=Claims)
assert_type(signed, JwtTokenStore[Claims])


async def of_tokens(user: Member, store: BaseTokenStore[Claims]) -> None:
    assert_type(await signed.write_token(user.model_dump()), str)
    data = await store.read_token("")
    assert_type(data, Claims | None)
    if data is not None:
        assert_type(data.tenant, str)


# --- passwords and tokens

hasher = PasswordHasher(["argon2id", "bcrypt"], default="argon2id")
assert_type(hasher.hash("plum jam 3"), str)
assert_type(hasher.verify("plum jam 3", None), bool)
assert_type(hasher.verify_and_update("plum jam 3", "$2b$"), tuple[bool, str | None])
assert_type(hasher.identify("$2b$"), str | None)

codec = TokenCodec(TokenKey("0" * 64), audience="app", typ="reset+jwt")
try:
    assert_type(codec.encode({"sub": "ann"}, lifetime=900), str)
    assert_type(codec.decode("x.y.z"), dict[str, Any])
except TokenError as error:
    assert_type(str(error), str)

# --- enforcers

enforcer = Enforcer(adapter=Adapter(Database.create("sqlite:///app.db")))
assert_type(enforcer.enforce("u:ann", "article", "page", "page"), bool)
assert_type(enforcer.enforce_ex("u:ann", "article", "page", "page"), tuple[bool, list[str]])
assert_type(enforcer.enforce_each("u:ann", [("article", "page", "page")]), list[bool])
assert_type(enforcer.batch_enforce([("u:ann", "article", "page", "page")]), list[bool])
assert_type(enforcer.explain("u:ann", "article", "page", "page"), Explanation)
assert_type(enforcer.add_policy("u:ann", "article", "page", "page", "allow"), bool)
assert_type(enforcer.get_roles_for_user("u:ann"), list[str])
assert_type(enforcer.get_policy(), list[list[str]])
enforcer.enforce("u:ann", 3)  # type: ignore[arg-type]


async def of_enforcers() -> None:
    assert_type(await auth.enforcer.add_policy("u:ann", "article", "page", "page", "allow"), bool)
    assert_type(await auth.enforcer.get_implicit_roles_for_user("u:ann"), list[str])
    assert_type(await auth.enforcer.remove_filtered_policy(0, "u:ann"), bool)
    assert_type(auth.enforcer.enforce("u:ann", "article", "page", "page"), bool)
    assert_type(await auth.enforcer.refresh(), bool)
    assert_type(await auth.enforcer.load_policy(), None)
    assert_type(await examine(db), list[Finding])


# --- row filters

plan = compile_filter({"own": [("user_id", "=", user_attribute("id"))], "new": [("made", ">", ago(days=7))]})
assert_type(plan, Filter)
assert_type(plan.sql("qmark", user={"id": 7}), tuple[str, list[Any]])
assert_type(plan.sql("named", user={"id": 7}), tuple[str, dict[str, Any]])
assert_type(plan.where(Member, user={"id": 7}), ColumnElement[bool])

# --- the site

site = AuthAdminSite(Settings(database_url_async="sqlite+aiosqlite:///app.db"), auth=auth)
assert_type(site.auth, Auth[Any])
site.mount_app(app)
