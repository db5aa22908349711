"""The cookie a browser keeps its token in."""

from __future__ import annotations

from typing import Any

from starlette.requests import HTTPConnection, Request, cookie_parser
from starlette.responses import Response

from .prefix import application_root
from .proxies import is_https

NAME = "Authorization"


def set_token_cookie(auth: Any, request: Request, response: Response, token: str) -> None:
    """Hand a token to the browser: out of reach of scripts and of other sites' forms.

    Args:
        auth: the :class:`~fastapi_user_auth_c.auth.Auth`: its settings say for where the cookie is, its token store how
            long it lives.
        request: the request being answered; unless the settings say so, on https the cookie is for https only.
        response: the answer.
        token: the token.
    """
    life = auth.backend.token_store.expire_seconds  # None: until the browser is closed
    response.set_cookie(NAME, f"bearer {token}", max_age=life, **_flags(auth.settings, request))


def delete_token_cookie(auth: Any, request: Request, response: Response) -> None:
    """Take the token from the browser; the flags are those it was set with, else browsers would keep it."""
    response.delete_cookie(NAME, **_flags(auth.settings, request))


def _flags(settings: Any, request: Request) -> dict[str, Any]:
    secure = settings.cookie_secure
    return {
        "httponly": True,
        "samesite": settings.cookie_samesite,
        "secure": is_https(request, settings.trusted_proxies) if secure is None else secure,
        "domain": settings.cookie_domain,
        "path": settings.cookie_path or application_root(request) or "/",
    }


def _token_cookie(connection: HTTPConnection) -> str:
    """Of several cookies of the name that for the longest path, which browsers send first (RFC 6265, section 5.4)."""
    for header in connection.headers.getlist("cookie"):
        for part in header.split(";"):
            if part.partition("=")[0].strip() == NAME:
                return cookie_parser(part).get(NAME, "")
    return ""


def has_token_cookie(connection: HTTPConnection) -> bool:
    """Whether a request comes from a browser that has a token."""
    return bool(_token_cookie(connection))


def presented_token(connection: HTTPConnection) -> str | None:
    """The bearer token of a request: of its ``Authorization`` header (RFC 6750), else of the cookie."""
    value = connection.headers.get(NAME) or _token_cookie(connection)
    scheme, _, token = value.partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
