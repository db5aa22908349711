"""Requests that another site makes in a visitor's name (cross-site request forgery)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from fastapi import HTTPException
from fastapi_amis_admin.utils.translation import i18n as _
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse

from .cookies import NAME

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""Methods that change nothing (RFC 9110, section 9.2.1), but for the routes that call :func:`refuse_foreign`."""


def is_foreign(connection: HTTPConnection, trusted: Iterable[str] = ()) -> bool:
    """Whether a browser says that a page of another origin made the request.

    Judged by ``Sec-Fetch-Site`` (W3C Fetch Metadata), which browsers send to https and to this machine, and by
    ``Origin`` (RFC 6454), which they send with every POST. Without either it is no browser, whose cookies nobody can
    borrow. Nor is a request foreign that has a token in its header: another site's page does not know it.

    Args:
        connection: the request.
        trusted: other origins that may, as ``https://app.example.com``.
    """
    headers = connection.headers
    if headers.get(NAME):
        return False
    origin = headers.get("origin", "")
    if origin and origin.rstrip("/").lower() in {each.rstrip("/").lower() for each in trusted}:
        return False
    site = headers.get("sec-fetch-site", "")
    if site:
        return site not in ("same-origin", "none")
    return bool(origin) and origin.lower().partition("://")[2] != headers.get("host", "").lower()


def refuse_foreign(request: Request, settings: Any) -> None:
    """For a GET that changes something: HTTP status 403 for requests of another origin.

    Args:
        request: the request.
        settings: an :class:`~fastapi_user_auth_c.settings.AuthSettings`.
    """
    if settings.check_origin and is_foreign(request, settings.trusted_origins):
        raise HTTPException(status_code=403, detail=_("The request comes from another site"))


class OriginCheck:
    """ASGI middleware: status 403 for requests of another origin that may change something.

    Args:
        app: the application.
        settings: gives the :class:`~fastapi_user_auth_c.settings.AuthSettings` that are in use now.
    """

    def __init__(self, app: Any, settings: Callable[[], Any]) -> None:
        self.app = app
        self.settings = settings

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        settings = self.settings()
        if scope["type"] == "websocket":
            foreign = settings.check_origin and is_foreign(HTTPConnection(scope), settings.trusted_origins)
            if foreign:
                await send({"type": "websocket.close", "code": 1008})
                return
        elif scope["type"] == "http" and scope["method"] not in SAFE:
            try:
                refuse_foreign(Request(scope), settings)
            except HTTPException as error:
                answer = JSONResponse({"status": error.status_code, "msg": str(error.detail)}, error.status_code)
                await answer(scope, receive, send)
                return
        await self.app(scope, receive, send)
