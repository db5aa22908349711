"""One of the applications of ``http.py``, served by uvicorn; the environment says which.

``BENCH_PACKAGE`` is ``fastapi_user_auth_c`` or ``fastapi_user_auth``, ``BENCH_APP`` one of ``bare``, ``jwt``, ``db``
and ``cached``, ``BENCH_FILE`` the SQLite file.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from base64 import urlsafe_b64encode
from importlib import import_module
from typing import Any

from fastapi import FastAPI, HTTPException
from starlette.requests import Request

PACKAGE, KIND, FILE = (os.environ[f"BENCH_{name}"] for name in ("PACKAGE", "APP", "FILE"))
KEY = "0123456789abcdef0123456789abcdef"

app = FastAPI()
stall = 0.0


@app.get("/free")
async def free() -> Any:
    return {"name": "anybody"}


@app.get("/stall")
async def longest_stall() -> Any:
    """The longest time since the last call that the event loop was away; a tick comes every millisecond."""
    global stall
    found, stall = stall, 0.0
    return {"seconds": found}


@app.on_event("startup")
async def watch() -> None:
    async def ticks() -> None:
        global stall
        while True:
            start = time.perf_counter()
            await asyncio.sleep(0.001)
            stall = max(stall, time.perf_counter() - start - 0.001)

    app.state.ticks = asyncio.ensure_future(ticks())


def with_site() -> None:
    import_module(PACKAGE)  # before anything of fastapi_amis_admin
    from fastapi_amis_admin.admin.settings import Settings
    from sqlmodel import SQLModel

    site = import_module(f"{PACKAGE}.admin").AuthAdminSite(Settings(database_url_async=f"sqlite+aiosqlite:///{FILE}"))
    models = import_module(f"{PACKAGE}.auth.models")
    options: dict[str, Any] = {}
    if KIND in ("jwt", "cached"):
        options["token_store"] = import_module(f"{PACKAGE}.auth.backends.jwt").JwtTokenStore(KEY)
    if KIND == "cached":
        options["user_cache_seconds"] = 5.0
    if PACKAGE == "fastapi_user_auth_c":
        settings = import_module(f"{PACKAGE}.settings").AuthSettings(login_attempts=0, login_attempts_per_name=0)
        options["settings"] = settings
    site.auth = auth = import_module(f"{PACKAGE}.auth").Auth(db=site.db, **options)
    site.mount_app(app)

    @app.on_event("startup")
    async def start() -> None:
        await site.db.async_run_sync(SQLModel.metadata.create_all, is_session=False)
        await auth.create_role_user("root")
        await site.router.startup()

    @app.get("/requires")
    @auth.requires()
    async def protected(request: Request) -> Any:
        return {"name": request.user.username}

    if PACKAGE != "fastapi_user_auth_c":
        return
    from sqlalchemy import select

    from fastapi_user_auth_c.auth.backends.db import TokenStoreModel
    from fastapi_user_auth_c.tokens import TokenCodec, TokenError

    codec = TokenCodec(KEY, typ="login+jwt")

    async def user_id(token: str) -> Any:
        if KIND == "jwt":
            try:
                return codec.decode(token)["id"]
            except TokenError:
                return None
        digest = "s:" + urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()
        statement = select(TokenStoreModel.data).where(TokenStoreModel.token == digest)
        data = await site.db.session.scalar(statement)
        if data is None:
            return None
        info = import_module("json").loads(data)
        return info["id"] if info["exp"] > time.time() else None

    @app.get("/hand")
    async def by_hand(request: Request) -> Any:
        """What one would write without a library: the token, the user, and nobody else."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        found = await user_id(token) if scheme.lower() == "bearer" else None
        user = await site.db.session.get(models.User, found) if found is not None else None
        if user is None or not user.is_active or user.delete_time:
            raise HTTPException(403)
        return {"name": user.username}


if KIND != "bare":
    with_site()
