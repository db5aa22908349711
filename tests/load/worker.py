"""One worker: ``worker_app`` and what the load asks of it, on the listening sockets whose numbers it is given."""

from __future__ import annotations

import socket
import sys
from typing import Any

import uvicorn
from starlette.requests import Request
from worker_app import app, auth


@app.get("/load/who")
async def who(request: Request) -> dict[str, Any]:
    user = await auth.get_current_user(request)
    return {"name": user.username if user else None}


@app.get("/load/role/{key}")
async def role(request: Request, key: str) -> dict[str, Any]:
    return {"in": bool(await auth.requires(key, response=False)(request))}


@app.post("/load/decide")
async def decide(requests: list[list[str]]) -> list[bool]:
    """The decisions of this worker."""
    await auth.refresh_policy()
    return [auth.enforcer.enforce(*request) for request in requests]


if __name__ == "__main__":
    sockets = [socket.socket(fileno=int(number)) for number in sys.argv[1:]]
    uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run(sockets=sockets)
