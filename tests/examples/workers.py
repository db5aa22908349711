"""Several worker processes on one database: a right that one of them revokes is gone in all of them.

    DATABASE_URL=postgresql+asyncpg://app:secret@localhost/app uvicorn workers:app --workers 2

Each process looks for changes once a second at most, when it is asked to decide. ``WATCHER`` lets them be told at once:
``postgres`` by LISTEN and NOTIFY, ``redis`` by publish/subscribe.
"""

import os
from contextlib import asynccontextmanager
from typing import Any

import fastapi_user_auth_c  # noqa: F401  (before fastapi_amis_admin)
from fastapi import FastAPI, HTTPException
from fastapi_user_auth_c.auth import Auth, AuthRouter
from fastapi_user_auth_c.policy.watchers import PostgresWatcher, RedisWatcher
from sqlalchemy_database import AsyncDatabase
from sqlmodel import SQLModel
from starlette.requests import Request

URL = os.environ["DATABASE_URL"]
db = AsyncDatabase.create(URL)
auth = Auth(db)


def make_watcher() -> Any:
    kind = os.environ.get("WATCHER", "")
    if kind == "postgres":
        return PostgresWatcher(URL)
    if kind == "redis":
        from redis.asyncio import Redis

        # one channel for each database, since others may use this Redis too
        return RedisWatcher(Redis.from_url("redis://127.0.0.1"), channel=f"policy of {db.engine.url.database}")
    return None


@asynccontextmanager
async def lifespan(app: FastAPI) -> Any:
    # any number of processes may do this at one instant
    await db.async_run_sync(SQLModel.metadata.create_all, is_session=False)
    for name in ("root", "bob"):
        await auth.create_role_user(name)
    await auth.enforcer.load_policy()
    watcher = make_watcher()
    if watcher is not None:
        auth.enforcer.set_watcher(watcher)
        await watcher.start()
    yield
    if watcher is not None:
        await watcher.close()
    await db.engine.dispose()


app = FastAPI(lifespan=lifespan)
app.include_router(AuthRouter(auth).router)
REPORT = ("report", "read", "report")


@app.get("/worker")
async def worker() -> int:
    return os.getpid()


@app.get("/report")
@auth.requires()
async def report(request: Request) -> dict[str, int]:
    if not auth.enforcer.enforce(f"u:{request.user.username}", *REPORT):
        raise HTTPException(403)
    return {"sold": 12}


@app.put("/readers/{name}")
@auth.requires("root")
async def grant(name: str, request: Request) -> dict[str, bool]:
    return {"changed": await auth.enforcer.add_policy(f"u:{name}", *REPORT, "allow")}


@app.delete("/readers/{name}")
@auth.requires("root")
async def revoke(name: str, request: Request) -> dict[str, bool]:
    return {"changed": await auth.enforcer.remove_policy(f"u:{name}", *REPORT, "allow")}
