"""A plain application without the admin site: accounts, routes to log in, rights that are granted in code."""

from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

import fastapi_user_auth_c  # noqa: F401  (before fastapi_amis_admin)
from fastapi import Depends, FastAPI, HTTPException
from fastapi_user_auth_c.auth import Auth, AuthRouter
from fastapi_user_auth_c.auth.models import User
from sqlalchemy_database import AsyncDatabase
from sqlmodel import SQLModel
from starlette.requests import Request

db = AsyncDatabase.create("sqlite+aiosqlite:///app.db")
auth = Auth(db)


@asynccontextmanager
async def lifespan(app: FastAPI) -> Any:
    await db.async_run_sync(SQLModel.metadata.create_all, is_session=False)
    await auth.enforcer.load_policy()
    for name in ("root", "editor", "reader"):
        await auth.create_role_user(name)
    # what is there already is not added again
    await auth.enforcer.add_policy("r:editor", "articles", "write", "article", "allow")
    await auth.enforcer.add_policy("r:editor", "articles", "read", "article", "allow")
    await auth.enforcer.add_policy("r:reader", "articles", "read", "article", "allow")
    yield


app = FastAPI(lifespan=lifespan)
app.include_router(AuthRouter(auth).router)  # POST /auth/gettoken, GET /auth/userinfo, /auth/logout, ...


def may(action: str) -> Callable[..., Any]:
    """The user, who needs a right on the articles."""

    async def check(user: User | None = Depends(auth.get_current_user)) -> User:
        if user is None:
            raise HTTPException(401)
        if not auth.enforcer.enforce(f"u:{user.username}", "articles", action, "article"):
            raise HTTPException(403)
        return user

    return check


articles = ["Welcome"]


@app.get("/articles", dependencies=[Depends(may("read"))])
async def read() -> list[str]:
    return articles


@app.post("/articles")
async def write(title: str, user: Annotated[User, Depends(may("write"))]) -> dict[str, str]:
    articles.append(title)
    return {"title": title, "author": user.username}


@app.post("/writers/{name}")
@auth.requires("root")
async def grant(name: str, request: Request) -> dict[str, bool]:
    """Let one more account write, beyond what its role may."""
    return {"changed": await auth.enforcer.add_policy(f"u:{name}", "articles", "write", "article", "allow")}


@app.delete("/writers/{name}")
@auth.requires("root")
async def revoke(name: str, request: Request) -> dict[str, bool]:
    return {"changed": await auth.enforcer.remove_policy(f"u:{name}", "articles", "write", "article", "allow")}
