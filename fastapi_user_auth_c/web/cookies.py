"""The cookie a browser keeps its token in."""

from __future__ import annotations

from starlette.requests import HTTPConnection, Request, cookie_parser
from starlette.responses import Response

from .prefix import application_root

NAME = "Authorization"


def set_token_cookie(
    request: Request, response: Response, token: str, max_age: int | None, path: str | None = None
) -> None:
    """Hand a token to the browser: out of reach of scripts and of other sites' forms.

    Args:
        request: the request being answered; on https the cookie is for https only.
        response: the answer.
        token: the token.
        max_age: its life in seconds; None for until the browser is closed.
        path: what it is sent to; default the application.
    """
    response.set_cookie(
        NAME,
        f"bearer {token}",
        max_age=max_age,
        path=_path(request, path),
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )


def delete_token_cookie(request: Request, response: Response, path: str | None = None) -> None:
    """Take the token from the browser; the path is that of :func:`set_token_cookie`."""
    response.delete_cookie(NAME, path=_path(request, path))


def _path(request: Request, path: str | None) -> str:
    return path or application_root(request) or "/"


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
