"""An application for several uvicorn workers: ``FUA_WORKER_URL`` names its database, ``FUA_WORKER_PUSH`` a watcher."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import fastapi_user_auth_c  # noqa: F401  (before anything of fastapi_amis_admin)

# isort: split
from app_for_tests import settings_for
from fastapi import FastAPI, HTTPException
from sqlmodel import SQLModel
from starlette.requests import Request

from fastapi_user_auth_c.admin import AuthAdminSite
from fastapi_user_auth_c.auth import Auth
from fastapi_user_auth_c.policy.watchers import PostgresWatcher, RedisWatcher

URL = os.environ["FUA_WORKER_URL"]
PUSH = os.environ.get("FUA_WORKER_PUSH", "")

site = AuthAdminSite(settings_for(URL))
site.auth = auth = Auth(db=site.db)


def watcher() -> Any:
    if PUSH == "redis":
        from redis.asyncio import Redis

        return RedisWatcher(Redis(), channel=f"fua_test_{URL}")
    return PostgresWatcher(URL) if PUSH == "postgres" else None


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    await site.db.async_run_sync(SQLModel.metadata.create_all, is_session=False)
    await auth.create_role_user("admin")
    await auth.create_role_user("root")
    await site.router.startup()
    push = watcher()
    if push is not None:
        auth.enforcer.poll_seconds = 3600.0  # only the push is left
        auth.enforcer.set_watcher(push)
        await push.start()
    yield
    if push is not None:
        await push.close()


app = FastAPI(lifespan=lifespan)
site.mount_app(app)
RULE = ("u:guest", site.unique_id, "page", "page", "allow")


@app.get("/may")
async def may(request: Request) -> dict[str, Any]:
    return {"pid": os.getpid(), "allowed": await site.has_page_permission(request)}


@app.post("/{change}")
async def change_rule(change: str) -> dict[str, Any]:
    if change not in ("add", "remove"):
        raise HTTPException(404)
    return {"pid": os.getpid(), "changed": await getattr(auth.enforcer, f"{change}_policy")(*RULE)}
